//! The budget of a poll: who awaits what is always ready delays the others by 128 successes and no more, whatever it is.

use runtime::io::Async;
use runtime::net::{TcpListener, TcpStream, UdpSocket, lookup_host};
use runtime::sync::{Semaphore, mpsc, oneshot};
use runtime::task::{consume_budget, has_budget_remaining, spawn_blocking, yield_now};
use runtime::time::{interval, now, sleep, timeout};
use runtime::{JoinHandle, Runtime, block_on, fs, spawn};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use tests::{
    LOCAL, alone, counted, inside, limit, pair, poll_once, rest, take_all_descriptors, until, until_readable,
    virtual_runtime, virtually,
};

/// What a task gets in one poll.
const BUDGET: usize = 128;

const ZERO: Option<Duration> = Some(Duration::ZERO);

/// No loop of a test may go on for longer: then nothing has made it pause.
const ENDLESS: usize = 5_000;

/// Counts what a task got.
#[derive(Default)]
struct Got {
    /// In all.
    all: Cell<usize>,
    /// Since somebody asked.
    since: Cell<usize>,
}

impl Got {
    /// One more.
    fn one(&self) {
        self.all.set(self.all.get() + 1);
        self.since.set(self.since.get() + 1);
        assert!(self.since.get() < ENDLESS, "it goes on and on, and nobody else has a turn");
    }
}

/// A task that never ends by itself.
type Busy = Pin<Box<dyn Future<Output = ()>>>;

/// Makes one: it gets ready by itself, then tells of all that it gets.
type Make = fn(Rc<Got>) -> Busy;

/// A file full of empty lines. Its name is gone when this returns; the first line has been read.
async fn many_lines() -> fs::Lines {
    thread_local!(static FILES: Cell<usize> = const { Cell::new(0) });
    FILES.set(FILES.get() + 1);
    let name = format!("glassloop-budget-{}-{:?}-{}", std::process::id(), std::thread::current().id(), FILES.get());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, "\n".repeat(60_000)).unwrap();
    let mut lines = fs::lines(&path);
    lines.next().await.unwrap().unwrap();
    std::fs::remove_file(&path).unwrap();
    lines
}

/// A pair of sockets in the second of which so many bytes lie.
async fn pair_with_bytes(n: usize) -> (TcpStream, TcpStream) {
    let (near, far) = pair().await;
    near.write_all(&vec![7; n]).await.unwrap();
    far.readable().await.unwrap();
    (near, far)
}

/// So many tasks that have ended.
async fn ended_tasks(n: usize) -> Vec<JoinHandle<()>> {
    let tasks: Vec<_> = (0..n).map(|_| spawn(async {})).collect();
    yield_now().await;
    assert!(tasks.iter().all(JoinHandle::is_finished));
    tasks
}

/// Everything that can be ready again and again.
const ALWAYS_READY: &[(&str, Make)] = &[
    ("a receiver, unbounded", |got| {
        Box::pin(async move {
            let (sender, mut receiver) = mpsc::unbounded();
            sender.send(()).unwrap();
            loop {
                receiver.recv().await.unwrap();
                sender.send(()).unwrap();
                got.one();
            }
        })
    }),
    ("a receiver, bounded", |got| {
        Box::pin(async move {
            let (sender, mut receiver) = mpsc::channel(1);
            loop {
                let _ = sender.try_send(());
                receiver.recv().await.unwrap();
                got.one();
            }
        })
    }),
    ("a sender", |got| {
        Box::pin(async move {
            let (sender, mut receiver) = mpsc::channel(1);
            loop {
                sender.send(()).await.unwrap();
                receiver.try_recv().unwrap();
                got.one();
            }
        })
    }),
    ("a closed channel", |got| {
        Box::pin(async move {
            let (sender, mut receiver) = mpsc::channel::<()>(1);
            drop(sender);
            loop {
                assert_eq!(receiver.recv().await, None);
                got.one();
            }
        })
    }),
    ("a oneshot", |got| {
        Box::pin(async move {
            loop {
                let (sender, receiver) = oneshot::channel();
                sender.send(()).unwrap();
                receiver.await.unwrap();
                got.one();
            }
        })
    }),
    ("a free semaphore", |got| {
        Box::pin(async move {
            let semaphore = Semaphore::new(1);
            loop {
                drop(semaphore.acquire().await);
                got.one();
            }
        })
    }),
    ("an interval that is behind", |got| {
        Box::pin(async move {
            let mut ticks = interval(Duration::from_nanos(1));
            sleep(Duration::from_millis(50)).await;
            loop {
                ticks.tick().await;
                got.one();
            }
        })
    }),
    ("sleeps of no time", |got| {
        Box::pin(async move {
            loop {
                sleep(Duration::ZERO).await;
                got.one();
            }
        })
    }),
    ("tasks that have ended", |got| {
        Box::pin(async move {
            loop {
                for task in ended_tasks(2_000).await {
                    task.await.unwrap();
                    got.one();
                }
            }
        })
    }),
    ("a socket with much to read", |got| {
        Box::pin(async move {
            let (_near, far) = pair_with_bytes(30_000).await;
            loop {
                assert_eq!(far.read(&mut [0]).await.unwrap(), 1);
                got.one();
            }
        })
    }),
    ("a socket with much to read, piece by piece", |got| {
        Box::pin(async move {
            let (_near, far) = pair_with_bytes(30_000).await;
            loop {
                far.read_exact(&mut [0]).await.unwrap();
                got.one();
            }
        })
    }),
    ("a socket at its end", |got| {
        Box::pin(async move {
            let (near, far) = pair().await;
            near.shutdown(Shutdown::Write).unwrap();
            loop {
                assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
                got.one();
            }
        })
    }),
    ("a socket with much room", |got| {
        Box::pin(async move {
            let (near, _far) = pair().await;
            loop {
                near.write_all(&[1]).await.unwrap();
                got.one();
            }
        })
    }),
    ("a socket that is ready to be read", |got| {
        Box::pin(async move {
            let (_near, far) = pair_with_bytes(1).await;
            loop {
                far.readable().await.unwrap();
                got.one();
            }
        })
    }),
    ("a socket that is ready to be written, by a poll function", |got| {
        Box::pin(async move {
            let (near, _far) = pair().await;
            loop {
                poll_fn(|cx| near.poll_write_ready(cx)).await.unwrap();
                got.one();
            }
        })
    }),
    ("datagrams", |got| {
        Box::pin(async move {
            let (one, other) = (UdpSocket::bind(LOCAL).await.unwrap(), UdpSocket::bind(LOCAL).await.unwrap());
            let address = other.local_addr().unwrap();
            loop {
                one.send_to(b"x", address).await.unwrap();
                got.one();
            }
        })
    }),
    ("a pipe", |got| {
        Box::pin(async move {
            let (sender, receiver) = mio::unix::pipe::new().unwrap();
            let (sender, receiver) = (Async::new(sender).unwrap(), Async::new(receiver).unwrap());
            sender.write_with(|mut pipe| pipe.write(&[7; 60_000])).await.unwrap();
            loop {
                receiver.read_with(|mut pipe| pipe.read(&mut [0])).await.unwrap();
                got.one();
            }
        })
    }),
    ("the lines of a file", |got| {
        Box::pin(async move {
            let mut lines = many_lines().await;
            loop {
                lines.next().await.unwrap().unwrap();
                got.one();
            }
        })
    }),
    ("the ends of children", |got| {
        Box::pin(async move {
            loop {
                let mut ends = gather::as_completed((0..4_000).map(|n| async move { n }));
                while ends.next().await.is_some() {
                    got.one();
                }
            }
        })
    }),
    ("a stream in memory", |got| {
        Box::pin(async move {
            let (near, far) = runtime::io::duplex(1);
            loop {
                near.write_all(b"x").await.unwrap();
                got.one();
                far.read_exact(&mut [0]).await.unwrap();
                got.one();
            }
        })
    }),
    ("a free semaphore, by permits of their own", |got| {
        Box::pin(async move {
            let semaphore = Rc::new(Semaphore::new(1));
            loop {
                drop(Rc::clone(&semaphore).acquire_owned().await);
                got.one();
            }
        })
    }),
    ("a local channel", |got| {
        Box::pin(async move {
            let (sender, mut receiver) = mpsc::local(1);
            loop {
                sender.send(()).await.unwrap();
                got.one();
                receiver.recv().await.unwrap();
                got.one();
            }
        })
    }),
    ("the end of a receiver", |got| {
        Box::pin(async move {
            let (sender, receiver) = mpsc::channel::<()>(1);
            drop(receiver);
            loop {
                sender.closed().await;
                got.one();
            }
        })
    }),
    ("the end of a oneshot's receiver", |got| {
        Box::pin(async move {
            let (mut sender, receiver) = oneshot::channel::<()>();
            drop(receiver);
            loop {
                sender.closed().await;
                got.one();
            }
        })
    }),
    ("ends that are over", |got| {
        Box::pin(async move {
            let mut ends = gather::as_completed([async {}]);
            ends.next().await.unwrap();
            loop {
                assert!(ends.next().await.is_none());
                got.one();
            }
        })
    }),
    ("a gather of nobody", |got| {
        Box::pin(async move {
            loop {
                gather::gather(std::iter::empty::<std::future::Ready<()>>()).await;
                got.one();
            }
        })
    }),
    ("a gather of who is ready", |got| {
        Box::pin(async move {
            loop {
                gather::gather!(async {}, async {}).await;
                got.one();
            }
        })
    }),
    ("a gather that fails", |got| {
        Box::pin(async move {
            loop {
                gather::try_gather([async { Err::<(), _>(()) }]).await.unwrap_err();
                got.one();
            }
        })
    }),
    ("a gather of no tasks", |got| {
        Box::pin(async move {
            loop {
                gather::gather_tasks(std::iter::empty::<std::future::Ready<()>>()).await;
                got.one();
            }
        })
    }),
    ("a group of no tasks", |got| {
        Box::pin(async move {
            loop {
                gather::task_group(async |_| Ok::<_, ()>(())).await.unwrap();
                // It asks for a first error, and for one more.
                (0..2).for_each(|_| got.one());
            }
        })
    }),
    ("timeouts of no time", |got| {
        Box::pin(async move {
            let (_sender, mut receiver) = mpsc::channel::<()>(1);
            loop {
                timeout(Duration::ZERO, receiver.recv()).await.unwrap_err();
                got.one();
            }
        })
    }),
    ("a connect that has no address", |got| {
        Box::pin(async move {
            loop {
                TcpStream::connect(&[][..]).await.unwrap_err();
                got.one();
            }
        })
    }),
    ("a bind", |got| {
        Box::pin(async move {
            loop {
                TcpListener::bind(LOCAL).await.unwrap();
                got.one();
            }
        })
    }),
    ("a bind to what is in use", |got| {
        Box::pin(async move {
            let used = std::net::TcpListener::bind(LOCAL).unwrap();
            let address = used.local_addr().unwrap();
            loop {
                TcpListener::bind(address).await.unwrap_err();
                got.one();
            }
        })
    }),
    ("the peer of datagrams", |got| {
        Box::pin(async move {
            let socket = UdpSocket::bind(LOCAL).await.unwrap();
            loop {
                socket.connect(LOCAL).await.unwrap();
                got.one();
            }
        })
    }),
    ("a look-up of what is no name", |got| {
        Box::pin(async move {
            loop {
                assert_eq!(lookup_host("127.0.0.1:80").await.unwrap().count(), 1);
                got.one();
            }
        })
    }),
    ("no bytes of a stream in memory", |got| {
        Box::pin(async move {
            let (near, far) = runtime::io::duplex(1);
            loop {
                near.write_all(&[]).await.unwrap();
                got.one();
                far.read_exact(&mut []).await.unwrap();
                got.one();
            }
        })
    }),
    ("consume_budget", |got| {
        Box::pin(async move {
            loop {
                consume_budget().await;
                got.one();
            }
        })
    }),
];

/// What comes by the traits of the feature `futures`.
const BY_TRAITS: &[(&str, Make)] = &[
    ("AsyncRead", |got| {
        Box::pin(async move {
            let (_near, mut far) = pair_with_bytes(30_000).await;
            loop {
                futures::AsyncReadExt::read(&mut far, &mut [0]).await.unwrap();
                got.one();
            }
        })
    }),
    ("AsyncWrite, vectored", |got| {
        Box::pin(async move {
            let (mut near, _far) = pair().await;
            loop {
                let pieces = [std::io::IoSlice::new(b"x")];
                futures::AsyncWriteExt::write_vectored(&mut near, &pieces).await.unwrap();
                got.one();
            }
        })
    }),
    ("a socket that is closed again and again", |got| {
        Box::pin(async move {
            let (mut near, _far) = pair().await;
            loop {
                futures::AsyncWriteExt::close(&mut near).await.unwrap();
                got.one();
            }
        })
    }),
    ("a stream of values", |got| {
        Box::pin(async move {
            let (sender, mut receiver) = mpsc::unbounded();
            loop {
                sender.send(()).unwrap();
                futures::StreamExt::next(&mut receiver).await.unwrap();
                got.one();
            }
        })
    }),
];

fn all() -> impl Iterator<Item = &'static (&'static str, Make)> {
    ALWAYS_READY.iter().chain(BY_TRAITS)
}

// One task.

#[test]
fn a_task_gets_128_things_in_a_poll_whatever_they_are() {
    for (name, make) in all() {
        let (runtime, got) = (virtual_runtime(), Rc::new(Got::default()));
        drop(runtime.spawn(make(Rc::clone(&got))));
        // It gets ready; what that takes is its own affair.
        while got.all.get() == 0 {
            runtime.turn(None);
        }
        for _ in 0..3 {
            got.since.set(0);
            // The tasks that this one waits for between may take a turn.
            until(|| {
                assert!(runtime.turn(ZERO).polls > 0, "{name}: the task is not woken");
                got.since.get() > 0
            });
            assert!(got.since.get() <= BUDGET, "{name}: {} in one poll", got.since.get());
        }
        if name != &"tasks that have ended" {
            assert_eq!(got.since.get(), BUDGET, "{name}");
        }
    }
}

#[test]
fn main_has_a_budget_as_well() {
    let (sender, mut receiver) = mpsc::unbounded();
    (0..1_000).for_each(|n| sender.send(n).unwrap());
    let polls = Cell::new(0);
    virtually(counted(&polls, async {
        for n in 0..1_000 {
            assert_eq!(receiver.recv().await, Some(n));
        }
    }));
    assert_eq!(polls.get(), 1_000_usize.div_ceil(BUDGET));
}

#[test]
fn the_things_of_all_kinds_are_counted_together() {
    let runtime = virtual_runtime();
    let got = Rc::new(Got::default());
    let count = Rc::clone(&got);
    drop(runtime.spawn(async move {
        let (semaphore, (sender, mut receiver)) = (Semaphore::new(1), mpsc::channel(1));
        loop {
            drop(semaphore.acquire().await);
            sender.send(()).await.unwrap();
            receiver.recv().await.unwrap();
            sleep(Duration::ZERO).await;
            count.one();
        }
    }));
    for _ in 0..3 {
        got.since.set(0);
        assert_eq!(runtime.turn(ZERO).polls, 1);
        assert_eq!(got.since.get(), BUDGET / 4);
    }
}

#[test]
fn what_is_refused_stays_where_it_is() {
    virtually(async {
        let (sender, mut receiver) = mpsc::channel(200);
        (0..200).for_each(|n| sender.try_send(n).unwrap());
        for n in 0..BUDGET {
            assert_eq!(receiver.recv().await, Some(n));
        }
        let semaphore = Semaphore::new(1);
        assert!(poll_once(&mut Box::pin(receiver.recv())).is_pending());
        assert!(poll_once(&mut semaphore.acquire()).is_pending());
        assert!(poll_once(&mut Box::pin(sender.send(0))).is_pending());
        // Nobody stands in a line, and every value is there.
        assert_eq!(semaphore.available_permits(), 1);
        assert!(semaphore.try_acquire().is_some());
        for n in BUDGET..200 {
            assert_eq!(receiver.try_recv(), Ok(n));
        }
        assert!(receiver.try_recv().is_err());
    });
}

#[test]
fn a_leaf_that_is_pending_gives_back_what_it_took() {
    virtually(async {
        let (_sender, mut receiver) = mpsc::channel::<()>(1);
        let (semaphore, mut ticks) = (Semaphore::new(0), interval(Duration::from_secs(1)));
        ticks.tick().await;
        for _ in 1..BUDGET {
            assert!(has_budget_remaining());
            assert!(poll_once(&mut Box::pin(receiver.recv())).is_pending());
            assert!(poll_once(&mut semaphore.acquire()).is_pending());
            assert!(poll_once(&mut Box::pin(ticks.tick())).is_pending());
            consume_budget().await;
        }
        assert!(!has_budget_remaining());
    });
}

#[test]
fn to_try_takes_nothing_from_the_budget_and_asks_for_none() {
    let runtime = virtual_runtime();
    runtime.block_on(async {
        let (sender, mut receiver) = mpsc::unbounded();
        let semaphore = Semaphore::new(1);
        let polls = Cell::new(0);
        counted(&polls, async {
            for round in 0..2 {
                for n in 0..1_000 {
                    sender.send(n).unwrap();
                    assert_eq!(receiver.try_recv(), Ok(n));
                    assert!(semaphore.try_acquire().is_some());
                }
                assert_eq!(has_budget_remaining(), round == 0);
                while has_budget_remaining() {
                    drop(semaphore.acquire().await);
                }
            }
        })
        .await;
        assert_eq!(polls.get(), 1);
    });
}

#[test]
fn every_poll_begins_with_a_whole_budget() {
    let runtime = virtual_runtime();
    let seen = runtime.spawn(async {
        let mut seen = Vec::new();
        for used in [0, 1, BUDGET - 1, BUDGET, 5] {
            for _ in 0..used {
                consume_budget().await;
            }
            yield_now().await;
            let polls = Cell::new(0);
            let mut left = 0;
            counted(&polls, async {
                while has_budget_remaining() {
                    consume_budget().await;
                    left += 1;
                }
            })
            .await;
            seen.push((left, polls.get()));
            yield_now().await;
        }
        seen
    });
    assert_eq!(runtime.block_on(seen).unwrap(), [(BUDGET, 1); 5]);
}

// Whom our loop does not poll.

#[test]
fn polls_that_no_loop_makes_have_no_limit() {
    let (sender, mut receiver) = mpsc::unbounded();
    (0..1_000).for_each(|n| sender.send(n).unwrap());
    for n in 0..300 {
        assert!(has_budget_remaining());
        assert!(poll_once(&mut Box::pin(receiver.recv())).is_ready(), "{n}");
    }
    let polls = Cell::new(0);
    futures::executor::block_on(counted(&polls, async {
        for _ in 300..600 {
            receiver.recv().await.unwrap();
        }
    }));
    assert_eq!(polls.get(), 1);
    // Also after a loop has left this thread with nothing in the budget.
    block_on(async {
        while has_budget_remaining() {
            consume_budget().await
        }
    });
    assert!(has_budget_remaining());
    for _ in 600..1_000 {
        assert!(poll_once(&mut Box::pin(receiver.recv())).is_ready());
    }
}

#[test]
fn a_runtime_that_is_dropped_inside_of_a_task_leaves_the_budget_of_the_task_as_it_was() {
    block_on(async {
        for _ in 0..BUDGET {
            assert!(has_budget_remaining());
            let other = virtual_runtime();
            drop(other.spawn(std::future::pending::<()>()));
            drop(other);
            consume_budget().await;
        }
        assert!(!has_budget_remaining());
    });
}

#[test]
fn another_executor_inside_of_a_task_does_not_spin_for_ever() {
    block_on(async {
        let (sender, mut receiver) = mpsc::unbounded();
        (0..10_000).for_each(|n| sender.send(n).unwrap());
        futures::executor::block_on(async {
            for n in 0..10_000 {
                assert_eq!(receiver.recv().await, Some(n));
            }
        });
    });
}

#[test]
fn futures_that_poll_many_in_one_poll_get_everything() {
    block_on(async {
        let channels: Vec<_> = (0..3_000).map(|_| mpsc::channel(1)).collect();
        let (senders, mut receivers): (Vec<_>, Vec<_>) = channels.into_iter().unzip();
        senders.iter().enumerate().for_each(|(n, sender)| sender.try_send(n).unwrap());
        let all = futures::future::join_all(receivers.iter_mut().map(|receiver| receiver.recv())).await;
        assert!(all.into_iter().eq((0..3_000).map(Some)));
    });
}

// The others.

#[test]
fn a_timeout_around_what_is_always_ready_comes_in_time() {
    for (name, make) in all() {
        let got = Rc::new(Got::default());
        block_on(async {
            // Until it gets something, it is not busy.
            let mut busy = make(Rc::clone(&got));
            poll_fn(|cx| {
                let polled = busy.as_mut().poll(cx);
                if got.all.get() == 0 { polled } else { std::task::Poll::Ready(()) }
            })
            .await;
            let (deadline, late) = (Cell::new(None), Cell::new(0));
            let watched = poll_fn(|cx| {
                let (is_late, before) = (deadline.get().is_some_and(|deadline| now() >= deadline), got.all.get());
                got.since.set(0);
                let polled = busy.as_mut().poll(cx);
                late.set(late.get() + if is_late { got.all.get() - before } else { 0 });
                polled
            });
            let timed = timeout(Duration::from_millis(5), watched);
            deadline.set(Some(now() + Duration::from_millis(5)));
            assert!(timed.await.is_err(), "{name}");
            // One poll in case the time was over right after the loop had looked, and the one in which the timeout comes.
            assert!(late.get() <= 2 * BUDGET, "{name}: {} too many", late.get());
        });
    }
}

#[test]
fn two_that_are_always_ready_a_timer_and_a_socket_share_a_loop() {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let (near, far) = pair().await;
        let got = [Rc::new(Got::default()), Rc::new(Got::default())];
        let busy = [0, 1].map(|n| spawn(ALWAYS_READY[n].1(Rc::clone(&got[n]))));
        let reset = || got.iter().for_each(|got| got.since.set(0));
        let echo = spawn(async move {
            let mut byte = [0];
            while far.read(&mut byte).await.unwrap() == 1 {
                far.write_all(&byte).await.unwrap();
            }
        });
        for _ in 0..100 {
            reset();
            near.write_all(b"x").await.unwrap();
            near.read_exact(&mut [0]).await.unwrap();
            reset();
            sleep(Duration::from_micros(10)).await;
        }
        // And they get the same.
        let all = got.each_ref().map(|got| got.all.get());
        assert!(all[0].abs_diff(all[1]) <= BUDGET, "{all:?}");
        assert!(busy.iter().all(|busy| !busy.is_finished()));
        drop(near);
        echo.await.unwrap();
    });
}

#[test]
fn after_a_whole_budget_the_loop_looks_around_at_once() {
    let runtime = Runtime::new().unwrap();
    let got = Rc::new(Got::default());
    drop(runtime.spawn(ALWAYS_READY[0].1(Rc::clone(&got))));
    let (mut peer, far) = {
        let listener = std::net::TcpListener::bind(LOCAL).unwrap();
        let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (peer, listener.accept().unwrap().0)
    };
    let view = far.try_clone().unwrap();
    let far = inside(&runtime, || TcpStream::from_std(far).unwrap());
    let read = runtime.block_on(async {
        assert!(far.try_read(&mut [0]).is_err());
        let heard = Rc::new(Cell::new(false));
        let told = Rc::clone(&heard);
        let reader = spawn(async move {
            far.read_exact(&mut [0]).await.unwrap();
            told.set(true);
        });
        yield_now().await;
        peer.write_all(b"x").unwrap();
        until_readable(&view);
        let mut turns = 0;
        while !heard.get() {
            got.since.set(0);
            yield_now().await;
            turns += 1;
        }
        reader.await.unwrap();
        turns
    });
    assert!(read <= 3, "{read} turns");
}

#[test]
fn a_busy_task_does_not_keep_a_blocking_job_from_ending() {
    block_on(async {
        let got = Rc::new(Got::default());
        let busy = spawn(ALWAYS_READY[0].1(Rc::clone(&got)));
        let job = spawn_blocking(|| 5);
        while !job.is_finished() {
            got.since.set(0);
            yield_now().await;
        }
        assert_eq!(job.await.unwrap(), 5);
        assert!(!busy.is_finished());
    });
}

// Accept.

#[test]
fn connections_that_are_there_take_from_the_budget() {
    let runtime = Runtime::new().unwrap();
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&std::net::SocketAddr::from(LOCAL).into()).unwrap();
    listener.listen(1_000).unwrap();
    let listener = std::net::TcpListener::from(listener);
    let address = listener.local_addr().unwrap();
    let peers: Vec<_> = (0..BUDGET + 10).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    let listener = inside(&runtime, || TcpListener::from_std(listener).unwrap());
    let polls = Cell::new(0);
    runtime.block_on(counted(&polls, async {
        let mut accepted = Vec::new();
        for _ in &peers {
            accepted.push(listener.accept().await.unwrap());
        }
    }));
    assert_eq!(polls.get(), 2);
}

#[test]
fn an_accept_that_fails_again_and_again_lets_those_run_that_will_close_something() {
    alone("an_accept_that_fails_again_and_again_lets_those_run_that_will_close_something", || {
        block_on(async {
            let listener = TcpListener::bind(LOCAL).await.unwrap();
            let (near, far) = pair().await;
            let _peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            limit(libc::RLIMIT_NOFILE, |_| 100);
            let _taken = take_all_descriptors();
            let closer = spawn(async move {
                let mut byte = [0];
                far.read_exact(&mut byte).await.unwrap();
                drop(far);
            });
            near.write_all(b"x").await.unwrap();
            let mut failures = 0;
            loop {
                match listener.accept().await {
                    Ok(_) => break,
                    Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EMFILE)),
                }
                failures += 1;
                assert!(failures < ENDLESS, "nobody else has a turn");
            }
            assert!(0 < failures && failures <= BUDGET, "{failures}");
            closer.await.unwrap();
        });
    });
}

#[test]
fn a_connect_that_fails_again_and_again_lets_those_run_that_will_close_something() {
    alone("a_connect_that_fails_again_and_again_lets_those_run_that_will_close_something", || {
        block_on(async {
            let listener = std::net::TcpListener::bind(LOCAL).unwrap();
            let address = listener.local_addr().unwrap();
            limit(libc::RLIMIT_NOFILE, |_| 100);
            let taken = take_all_descriptors();
            let closer = spawn(async move { drop(taken) });
            let mut failures = 0;
            while let Err(error) = TcpStream::connect(address).await {
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                failures += 1;
                assert!(failures < ENDLESS, "nobody else has a turn");
            }
            assert!(0 < failures && failures <= BUDGET, "{failures}");
            closer.await.unwrap();
        });
    });
}

// Timeouts.

#[test]
fn a_timeout_of_no_time_comes_beside_what_takes_the_whole_budget_of_each_poll() {
    block_on(async {
        let got = Rc::new(Got::default());
        let late = futures::future::select(
            ALWAYS_READY[0].1(Rc::clone(&got)),
            Box::pin(timeout(Duration::ZERO, std::future::pending::<()>())),
        );
        let futures::future::Either::Right((late, _)) = late.await else { unreachable!("the other one is endless") };
        assert!(late.is_err());
        assert!(got.all.get() <= 2 * BUDGET, "{}", got.all.get());
    });
}

// Gathers.

#[test]
fn a_gather_of_tasks_takes_all_results_in_one_poll_whatever_is_left() {
    virtually(async {
        let polls = Cell::new(0);
        let results = counted(&polls, async {
            while has_budget_remaining() {
                consume_budget().await;
            }
            gather::gather_tasks((0..1_000).map(|n| async move { n })).await
        })
        .await;
        assert_eq!(results.len(), 1_000);
        assert_eq!(polls.get(), 2);
    });
}

#[test]
fn a_gather_in_place_gets_what_each_child_waits_for() {
    virtually(async {
        let channels: Vec<_> = (0..1_000).map(|_| mpsc::channel(1)).collect();
        let (senders, receivers): (Vec<_>, Vec<_>) = channels.into_iter().unzip();
        senders.iter().enumerate().for_each(|(n, sender)| sender.try_send(n).unwrap());
        let all = gather::gather(receivers.into_iter().map(|mut receiver| async move { receiver.recv().await })).await;
        assert!(all.into_iter().eq((0..1_000).map(Some)));
    });
}

#[test]
fn a_batch_of_ready_children_costs_one_poll_of_the_parent_for_128_and_one_poll_of_each_child() {
    for n in [128, 129, 1_000] {
        virtually(async {
            let (parent, children) = (Cell::new(0), Cell::new(0));
            let semaphore = Semaphore::new(n);
            let child = async |n: usize| {
                semaphore.acquire().await.forget();
                n
            };
            let futures = (0..n).map(|n| counted(&children, child(n)));
            let all = counted(&parent, gather::gather(futures)).await;
            assert!(all.into_iter().eq(0..n));
            assert_eq!(children.get(), n);
            // With 128 the budget is spent as the last child ends: only the next poll finds that none is left.
            assert_eq!(parent.get(), n / BUDGET + 1);
        });
    }
}

#[test]
fn children_that_are_ready_without_a_leaf_take_one_poll_of_the_parent() {
    virtually(async {
        let polls = Cell::new(0);
        let all = counted(&polls, gather::gather((0..10_000).map(|n| async move { n }))).await;
        assert_eq!((all.len(), polls.get()), (10_000, 1));
    });
}

#[test]
fn an_endless_gather_behind_a_limit_and_an_endless_stream_of_ends_let_a_timeout_come() {
    for real in [Duration::ZERO, Duration::from_millis(2)] {
        block_on(async {
            let endless = gather::gather((0_u64..).map(|n| async move { n })).limit(8);
            assert!(timeout(real, endless).await.is_err());
            let mut ends = gather::as_completed((0_u64..).map(|n| async move { n })).limit(8);
            let drain = async { while ends.next().await.is_some() {} };
            assert!(timeout(real, drain).await.is_err());
        });
    }
}

// The trace.

#[cfg(feature = "trace")]
#[test]
fn the_trace_says_once_in_a_poll_that_a_task_has_had_its_share() {
    use runtime::trace::{Kind, Recorder};
    let recorder = Recorder::start();
    virtually(async {
        let (one, other) = (Semaphore::new(1), Semaphore::new(1));
        for _ in 0..300 {
            drop(one.acquire().await);
        }
        while has_budget_remaining() {
            consume_budget().await;
        }
        // Both are refused in one poll.
        drop(futures::future::join(one.acquire(), other.acquire()).await);
    });
    let events = recorder.events();
    let shares: Vec<_> = events
        .iter()
        .filter(|event| matches!(event.kind, Kind::Waits { what: "its next turn: it has had its share", .. }))
        .collect();
    assert_eq!(shares.len(), 3);
    // What follows is the wake of the task, by itself, and its push.
    for share in shares {
        let after = &events[share.seq as usize + 1..];
        assert!(matches!(after[0].kind, Kind::Wake { .. }), "{:?}", after[0]);
        assert!(matches!(after[1].kind, Kind::Push { .. }), "{:?}", after[1]);
    }
}

#[test]
fn a_budget_that_is_spent_does_not_outlive_its_poll() {
    let runtime = virtual_runtime();
    let spent = runtime.spawn(async {
        while has_budget_remaining() {
            consume_budget().await;
        }
    });
    let asked = runtime.spawn(async { has_budget_remaining() });
    rest(&runtime);
    assert!(spent.is_finished());
    assert!(runtime.block_on(asked).unwrap());
}
