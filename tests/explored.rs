//! The project explores itself: its semaphore, channels, joins, gathers, task groups, timers and streams in memory, in every
//! order with at most five overtakings, with an abort at every point.
#![cfg(feature = "explore")]

use gather::{
    TaskError, as_completed, first_ok, gather, gather_streams, gather_tasks, race, task_group, try_gather,
    try_gather_tasks,
};
use runtime::explore::{Explorer, choose, explorer};
use runtime::io::duplex;
use runtime::sync::{Semaphore, mpsc, oneshot};
use runtime::task::yield_now;
use runtime::time::{interval, now, sleep, timeout};
use runtime::{JoinHandle, spawn};
use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// The program holds in every schedule within the bound; in how many is checked only to be more than one order.
#[track_caller]
fn holds<F: Future<Output = ()>>(explorer: Explorer, program: impl Fn() -> F) {
    let explored = explorer.run(program);
    assert!(explored.failure.is_none() && explored.complete, "{explored}");
    assert!(explored.schedules > 1, "nothing was chosen");
    println!("{explored}");
}

fn deep() -> Explorer {
    explorer().overtakings(5)
}

/// A task that aborts another one: it runs at every point.
fn abort_somewhere<T>(task: &JoinHandle<T>) {
    let abort = task.abort_handle();
    drop(spawn(async move { abort.abort() }));
}

/// When everything that can happen has happened.
async fn quiet() {
    sleep(1_000 * SECOND).await;
}

/// What a future gives, and how often it was polled for that.
async fn polls_of<F: Future>(future: F) -> (F::Output, usize) {
    let (mut future, mut polls) = (pin!(future), 0);
    let output = poll_fn(|cx| {
        polls += 1;
        future.as_mut().poll(cx)
    });
    (output.await, polls)
}

/// Counts how many hold it at once.
#[derive(Default)]
struct Inside {
    now: Cell<usize>,
    most: Cell<usize>,
}

impl Inside {
    async fn stay(&self, pauses: usize) {
        let _leave = Leave(self);
        self.now.set(self.now.get() + 1);
        self.most.set(self.most.get().max(self.now.get()));
        for _ in 0..pauses {
            yield_now().await;
        }
    }
}

struct Leave<'a>(&'a Inside);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.now.set(self.0.now.get() - 1);
    }
}

#[test]
fn a_semaphore_loses_no_permit_and_lets_no_one_too_many_in() {
    let program = |borrowed: bool| async move {
        let shared = Rc::new((Semaphore::new(1), Inside::default()));
        let owned = Rc::new(Semaphore::new(1));
        let tasks = [0, 1, 2].map(|_| {
            let (shared, owned) = (Rc::clone(&shared), Rc::clone(&owned));
            spawn(async move {
                let (semaphore, inside) = &*shared;
                if borrowed {
                    let _permit = semaphore.acquire().await;
                    inside.stay(1).await;
                } else {
                    let _permit = owned.acquire_owned().await;
                    inside.stay(1).await;
                }
            })
        });
        abort_somewhere(&tasks[1]);
        for task in tasks {
            drop(task.await);
        }
        assert_eq!((shared.0.available_permits(), owned.available_permits()), (1, 1), "a permit is lost or made");
        assert_eq!((shared.1.now.get(), shared.1.most.get()), (0, 1));
    };
    holds(deep(), || program(true));
    holds(deep(), || program(false));
    holds(explorer().overtakings(3).spurious_wakes(1), || program(true));
}

#[test]
fn a_permit_that_is_granted_while_its_waiter_gives_up_goes_to_the_next() {
    holds(deep().time_passes(), || async {
        let semaphore = Rc::new(Semaphore::new(0));
        let tasks = [1, 2].map(|seconds| {
            let semaphore = Rc::clone(&semaphore);
            spawn(async move { timeout(seconds * SECOND, semaphore.acquire()).await.is_ok() })
        });
        semaphore.add_permits(1);
        for task in tasks {
            drop(task.await);
        }
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn a_bounded_channel_keeps_its_order_and_its_places() {
    let program = || async {
        let (sender, mut receiver) = mpsc::channel(1);
        let senders = [10, 20].map(|first| {
            let sender = sender.clone();
            spawn(async move {
                let mut sent = 0;
                for n in 0..2 {
                    sender.send(first + n).await.unwrap();
                    sent += 1;
                }
                sent
            })
        });
        drop(sender);
        abort_somewhere(&senders[0]);
        let mut received = Vec::new();
        while let Some(n) = receiver.recv().await {
            received.push(n);
        }
        let [first, second] = senders;
        drop(first.await);
        assert_eq!(second.await.unwrap(), 2, "a place was lost");
        let of = |first| received.iter().copied().filter(|n| n / 10 == first).collect::<Vec<i32>>();
        assert!([10, 11].starts_with(&of(1)) && of(2) == [20, 21], "{received:?}");
    };
    holds(deep(), program);
    holds(explorer().overtakings(3).spurious_wakes(1), program);
}

#[test]
fn a_receiver_that_goes_tells_every_sender() {
    holds(deep(), || async {
        let (sender, mut receiver) = mpsc::local(1);
        let senders = [(); 2].map(|()| {
            let sender = sender.clone();
            spawn(async move { while sender.send(()).await.is_ok() {} })
        });
        let receives = spawn(async move {
            receiver.recv().await;
            yield_now().await;
        });
        abort_somewhere(&receives);
        drop(receives.await);
        sender.closed().await;
        for sender in senders {
            sender.await.unwrap();
        }
    });
}

#[test]
fn an_unbounded_channel_and_a_oneshot_lose_nothing() {
    holds(deep(), || async {
        let (sender, mut receiver) = mpsc::unbounded();
        let (tell, told) = oneshot::channel();
        let other = sender.clone();
        drop(spawn(async move {
            sender.send(1).unwrap();
            yield_now().await;
            sender.send(2).unwrap();
            tell.send("sent").unwrap();
        }));
        drop(spawn(async move { other.send(3).unwrap() }));
        assert_eq!(told.await, Ok("sent"));
        let mut sum = 0;
        while let Some(n) = receiver.recv().await {
            sum += n;
        }
        assert_eq!(sum, 6);
    });
    holds(deep(), || async {
        let (tell, told) = oneshot::local();
        let teller = spawn(async move {
            yield_now().await;
            tell.send(7)
        });
        let listener = spawn(told);
        abort_somewhere(&listener);
        let (sent, heard) = (teller.await.unwrap(), listener.await);
        assert!(sent.is_err() || heard.as_ref().is_err() || matches!(heard, Ok(Ok(7))), "{sent:?} {heard:?}");
        assert!(heard.is_err() || sent.is_ok(), "who listens hears it");
    });
    // The teller is aborted: who listens hears it, or that nobody tells any more.
    holds(deep(), || async {
        let (tell, told) = oneshot::channel();
        let teller = spawn(async move {
            yield_now().await;
            tell.send(7).is_ok()
        });
        abort_somewhere(&teller);
        let listener = spawn(told);
        let (sent, heard) = (teller.await, listener.await.unwrap());
        assert_eq!(sent.is_ok(), heard.is_ok(), "{sent:?} {heard:?}");
    });
}

#[test]
fn a_join_gives_the_end_to_whoever_asks_last() {
    holds(deep().spurious_wakes(1), || async {
        let mut task = spawn(async {
            yield_now().await;
            42
        });
        let early = timeout(Duration::ZERO, &mut task).await.is_ok();
        // The handle is taken to another task: that one is the joiner now.
        let other = if early { 42 } else { spawn(async move { task.await.unwrap() }).await.unwrap() };
        assert_eq!(other, 42);
    });
    holds(deep(), || async {
        let dropped = Rc::new(Cell::new(false));
        struct Tell(Rc<Cell<bool>>);
        impl Drop for Tell {
            fn drop(&mut self) {
                self.0.set(true);
            }
        }
        let tell = Tell(Rc::clone(&dropped));
        let task = spawn(async move {
            let _tell = tell;
            yield_now().await;
            yield_now().await;
        });
        abort_somewhere(&task);
        let ended = task.await;
        assert!(ended.is_ok() || ended.unwrap_err().is_cancelled());
        assert!(dropped.get(), "the future is dropped before its joiner is told");
    });
}

#[test]
fn gathers_in_place_poll_each_child_once_per_wake_and_keep_the_order() {
    let program = |form: usize| async move {
        let polls = Rc::new(Cell::new(0));
        let child = |n: usize| {
            let polls = Rc::clone(&polls);
            async move {
                if n == 1 {
                    // It wakes itself, in its first poll and in a later one: the engine has a loop for each.
                    yield_now().await;
                    yield_now().await;
                }
                let (tell, told) = oneshot::channel();
                drop(spawn(async move { tell.send(n) }));
                polls.set(polls.get() + 1);
                let n = told.await.unwrap();
                polls.set(polls.get() + 1);
                n
            }
        };
        match form {
            0 => assert_eq!(gather((0..3).map(child)).await, [0, 1, 2]),
            1 => assert_eq!(gather((0..3).map(child)).limit(2).await, [0, 1, 2]),
            2 => assert_eq!(
                try_gather((0..3).map(|n| async move { Ok::<_, ()>(child(n).await) })).await,
                Ok(vec![0, 1, 2])
            ),
            3 => {
                let mut completed = as_completed((0..3).map(child));
                let mut seen = Vec::new();
                while let Some((place, n)) = completed.next().await {
                    assert_eq!(place, n);
                    seen.push(n);
                }
                seen.sort_unstable();
                assert_eq!(seen, [0, 1, 2]);
            }
            4 => assert_eq!(gather!(child(0), child(1), child(2)).await, (0, 1, 2)),
            5 => {
                let ok = |n| async move { Ok::<_, ()>(child(n).await) };
                assert_eq!(try_gather!(ok(0), ok(1), ok(2)).await, Ok((0, 1, 2)));
            }
            _ => {
                // Two streams: of the first two children, and of the third.
                let streams = [0..2, 2..3].map(|places| as_completed(places.map(child)));
                let mut streams = gather_streams(streams).await;
                streams[0].sort_unstable();
                assert_eq!(streams, [vec![(0, 0), (1, 1)], vec![(0, 2)]]);
            }
        }
        assert_eq!(polls.get(), 6);
    };
    for form in 0..7 {
        holds(deep(), || program(form));
    }
}

#[test]
fn gathers_in_place_that_are_aborted_lose_no_permit() {
    let program = |form: usize| async move {
        let semaphore = Rc::new(Semaphore::new(1));
        let child = |n: usize| {
            let semaphore = Rc::clone(&semaphore);
            async move {
                let _permit = semaphore.acquire().await;
                yield_now().await;
                if n == 1 { Err(n) } else { Ok(n) }
            }
        };
        let children: Vec<_> = (0..3).map(child).collect();
        let whole = spawn(async move {
            match form {
                0 => drop(gather(children).await),
                1 => drop(gather(children).limit(2).await),
                2 => drop(try_gather(children).await),
                3 => _ = race(children).await,
                4 => drop(first_ok(children).await),
                _ => {
                    let mut completed = as_completed(children);
                    while completed.next().await.is_some() {}
                }
            }
        });
        abort_somewhere(&whole);
        drop(whole.await);
        assert_eq!(semaphore.available_permits(), 1, "a permit is lost");
    };
    for form in 0..6 {
        holds(deep(), || program(form));
    }
}

#[test]
fn a_race_and_the_first_success_are_those_that_came_first() {
    let program = |fails: bool| async move {
        let order = Rc::new(RefCell::new(Vec::new()));
        let child = |n: usize| {
            let order = Rc::clone(&order);
            async move {
                let (tell, told) = oneshot::channel();
                drop(spawn(async move {
                    order.borrow_mut().push(n);
                    _ = tell.send(n);
                }));
                told.await.unwrap()
            }
        };
        if fails {
            let first = first_ok((0..3).map(|n| async move {
                let n = child(n).await;
                if n == 0 { Err(n) } else { Ok(n) }
            }));
            let first = first.await.ok();
            assert_eq!(first, order.borrow().iter().copied().find(|n| *n > 0));
        } else {
            let first = race((0..3).map(child)).await;
            let sent = order.borrow()[0];
            assert_eq!(first, Some((sent, sent)));
        }
    };
    holds(deep(), || program(false));
    holds(deep(), || program(true));
}

#[test]
fn gathers_of_tasks_poll_their_parent_twice_and_leave_nothing_behind() {
    holds(deep(), || async {
        let child = |n: usize| async move {
            yield_now().await;
            n
        };
        let (ended, polls) = polls_of(gather_tasks((0..3).map(child))).await;
        assert_eq!(ended.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(polls, 2);
        // The first error comes at once, also when another child never ends.
        let (ended, polls) = polls_of(try_gather_tasks((0..2).map(|n| async move {
            yield_now().await;
            if n == 1 { Err(n) } else { pending::<Result<(), i32>>().await }
        })))
        .await;
        assert!(matches!(ended, Err(TaskError::Failed(1))), "one of them failed");
        assert_eq!(polls, 2);
    });
    // Children that would never end are gone with their gather.
    holds(deep(), || async {
        let semaphore = Rc::new(Semaphore::new(2));
        let child = |_| {
            let semaphore = Rc::clone(&semaphore);
            async move {
                let _permit = semaphore.acquire().await;
                pending::<()>().await;
            }
        };
        let whole = spawn(gather_tasks((0..2).map(child).collect::<Vec<_>>()));
        abort_somewhere(&whole);
        assert!(whole.await.unwrap_err().is_cancelled());
        quiet().await;
        assert_eq!(semaphore.available_permits(), 2, "a child outlives its gather");
    });
    // The first error, and an abort of the whole at every point.
    holds(deep(), || async {
        let semaphore = Rc::new(Semaphore::new(2));
        let child = |n: usize| {
            let semaphore = Rc::clone(&semaphore);
            async move {
                let _permit = semaphore.acquire().await;
                yield_now().await;
                if n == 0 { Err(n) } else { Ok(n) }
            }
        };
        let children: Vec<_> = (0..3).map(child).collect();
        let whole = spawn(async move { try_gather_tasks(children).await.is_err() });
        abort_somewhere(&whole);
        let ended = whole.await;
        assert!(ended.is_err() || ended.unwrap(), "one of them failed");
        quiet().await;
        assert_eq!(semaphore.available_permits(), 2, "a child is alive");
    });
    // With a limit places are used again.
    holds(deep(), || async {
        let inside = Rc::new(Inside::default());
        let child = |_: usize| {
            let inside = Rc::clone(&inside);
            async move { inside.stay(1).await }
        };
        assert_eq!(gather_tasks((0..3).map(child)).limit(2).await.len(), 3);
        assert!(inside.most.get() <= 2);
    });
}

#[test]
fn a_task_group_ends_after_its_last_task() {
    holds(explorer().overtakings(3), || async {
        let inside = Rc::new(Inside::default());
        let seen = Rc::clone(&inside);
        let result = task_group(async |group| {
            for n in 0..3 {
                let inside = Rc::clone(&inside);
                drop(group.spawn(async move {
                    inside.stay(1).await;
                    if n < 2 { Err("failed") } else { Ok(()) }
                }));
            }
            Ok(())
        })
        .await;
        assert!(result.is_err());
        assert_eq!(seen.now.get(), 0, "a task outlives its group");
    });
}

#[test]
fn groups_and_gathers_of_tasks_that_are_aborted_take_their_tasks_along() {
    let program = |is_group: bool| async move {
        let semaphore = Rc::new(Semaphore::new(2));
        let child = |_: usize| {
            let semaphore = Rc::clone(&semaphore);
            async move {
                let _permit = semaphore.acquire().await;
                pending::<()>().await;
                Ok::<(), ()>(())
            }
        };
        let children: Vec<_> = (0..3).map(child).collect();
        let whole = spawn(async move {
            if is_group {
                let group = task_group(async move |group| {
                    for child in children {
                        drop(group.spawn(child));
                    }
                    Ok(())
                });
                drop(group.await);
            } else {
                drop(gather_tasks(children).limit(2).await);
            }
        });
        abort_somewhere(&whole);
        assert!(whole.await.unwrap_err().is_cancelled());
        quiet().await;
        assert_eq!(semaphore.available_permits(), 2, "a task is left");
    };
    holds(explorer().overtakings(3), || program(true));
    holds(deep(), || program(false));
}

#[test]
fn timers_fire_in_time_whatever_the_order() {
    holds(deep().time_passes(), || async {
        let start = now();
        let sleeps = [2, 1, 1].map(|seconds| {
            spawn(async move {
                sleep(seconds * SECOND).await;
                assert!(now() - start >= seconds * SECOND, "it woke too early");
            })
        });
        for sleep in sleeps {
            sleep.await.unwrap();
        }
    });
    // The waker that counts is the last one: a sleep that goes from task to task.
    holds(deep().spurious_wakes(1), || async {
        let mut sleep = Box::pin(sleep(SECOND));
        let _ = timeout(Duration::ZERO, &mut sleep).await;
        let other = spawn(sleep);
        other.await.unwrap();
        assert_eq!(spawn(async { 1 }).await.unwrap(), 1);
    });
    holds(deep().time_passes(), || async {
        let ticks = spawn(async {
            let mut interval = interval(SECOND);
            for _ in 0..3 {
                interval.tick().await;
            }
        });
        abort_somewhere(&ticks);
        drop(ticks.await);
    });
}

#[test]
fn a_stream_in_memory_carries_every_byte_whatever_is_short() {
    // A reader of lines that keeps what it has read across reads, as `fs::lines` and an HTTP server do.
    holds(deep(), || async {
        let (near, far) = duplex(3);
        drop(spawn(async move { near.write_all(b"ab\ncd\n").await.unwrap() }));
        let (mut line, mut lines, mut bytes) = (Vec::new(), Vec::new(), [0; 4]);
        loop {
            let n = far.read(&mut bytes).await.unwrap();
            if n == 0 {
                break;
            }
            for byte in &bytes[..n] {
                match byte {
                    b'\n' => lines.push(String::from_utf8(std::mem::take(&mut line)).unwrap()),
                    byte => line.push(*byte),
                }
            }
        }
        assert_eq!(lines, ["ab", "cd"]);
    });
    // An echo, an abort at every point: who is left sees an end and not a hang.
    holds(explorer().overtakings(3), || async {
        let (near, far) = duplex(2);
        let echo = spawn(async move {
            let mut bytes = [0; 2];
            while let Ok(n @ 1..) = far.read(&mut bytes).await {
                if far.write_all(&bytes[..n]).await.is_err() {
                    break;
                }
            }
        });
        abort_somewhere(&echo);
        let sent = near.write_all(b"abc").await;
        near.shutdown(std::net::Shutdown::Write).unwrap();
        let mut back = Vec::new();
        let mut bytes = [0; 2];
        while let Ok(n @ 1..) = near.read(&mut bytes).await {
            back.extend_from_slice(&bytes[..n]);
        }
        let ended = echo.await;
        assert!(b"abc".starts_with(&back) && (ended.is_err() || sent.is_err() || back == b"abc"), "{back:?}");
    });
}

#[test]
fn a_fault_may_stand_at_every_place() {
    let seen = RefCell::new(0);
    holds(deep(), || async {
        *seen.borrow_mut() += 1;
        let (sender, mut receiver) = mpsc::channel(2);
        let lost = choose(3);
        for n in 0..3 {
            if n + 1 != lost {
                sender.try_send(n).ok();
            }
            receiver.try_recv().ok();
        }
        drop(sender);
        assert_eq!(receiver.recv().await, None);
    });
    assert_eq!(*seen.borrow(), 3);
}
