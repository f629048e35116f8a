//! Faults of the world outside, each provoked: no descriptors, no threads, peers that reset, refuse, stall or never
//! answer, descriptors closed behind the loop's back, events that mean nothing, panics in the middle of I/O. Each is told
//! to whom it concerns, the loop lives on, and nothing is lost.

use gather::gather;
use runtime::io::Async;
use runtime::net::{TcpListener, TcpStream, UdpSocket};
use runtime::sync::{Semaphore, mpsc, oneshot};
use runtime::task::{spawn_blocking, yield_now};
use runtime::time::{now, sleep, timeout};
use runtime::{JoinHandle, Runtime, block_on, fs, spawn};
use socket2::{Domain, SockRef, Socket, Type};
use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::future::{Future, pending, poll_fn};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use tests::{
    Count, CountingAllocator, LOCAL, OnDrop, Random, allow_descriptors, alone, counted, counts, full_listener, inside,
    limit, narrow, open_descriptors, pair, panic_message, peak_bytes, poll_once, rest, take_all_descriptors,
    thread_number, until, until_parked, virtually,
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const ZERO: Option<Duration> = Some(Duration::ZERO);
const MS: Duration = Duration::from_millis(1);

/// Reads one byte.
async fn byte(stream: &TcpStream) -> u8 {
    let mut byte = [0];
    stream.read_exact(&mut byte).await.unwrap();
    byte[0]
}

/// The number of the system's error.
#[track_caller]
fn os_error<T: Debug>(result: io::Result<T>) -> i32 {
    let error = result.unwrap_err();
    error.raw_os_error().unwrap_or_else(|| panic!("not an error of the system: {error}"))
}

/// Both ends of a connection that no loop has yet.
fn std_pair() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind(LOCAL).unwrap();
    let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// The next close of this socket resets the connection.
fn reset_at_close<'fd>(socket: impl Into<SockRef<'fd>>) {
    socket.into().set_linger(Some(Duration::ZERO)).unwrap();
}

/// A connection at whose near end, on the loop, nothing has happened yet: its first event has been taken. The second view
/// of the near end takes what it likes behind the loop's back.
fn watched(runtime: &Runtime) -> (TcpStream, std::net::TcpStream, std::net::TcpStream) {
    let (near, far) = std_pair();
    let view = near.try_clone().unwrap();
    let near = inside(runtime, || TcpStream::from_std(near).unwrap());
    rest(runtime);
    assert_eq!(near.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    (near, far, view)
}

/// The loop still does what a loop does: a connection, a timer, a job.
async fn assert_alive() {
    let (near, far) = pair().await;
    let server = spawn(async move { far.write_all(&[byte(&far).await + 1]).await });
    near.write_all(&[1]).await.unwrap();
    assert_eq!(byte(&near).await, 2);
    server.await.unwrap().unwrap();
    sleep(MS).await;
    assert_eq!(spawn_blocking(|| 3).await.unwrap(), 3);
}

// No descriptors.

#[test]
fn out_of_descriptors_accept_says_so_and_every_connection_waits_until_there_are_some() {
    alone("out_of_descriptors_accept_says_so_and_every_connection_waits_until_there_are_some", || {
        limit(libc::RLIMIT_NOFILE, |_| 64);
        block_on(async {
            let listener = TcpListener::bind(LOCAL).await.unwrap();
            let address = listener.local_addr().unwrap();
            let ticks = Rc::new(Cell::new(0));
            drop(spawn({
                let ticks = Rc::clone(&ticks);
                async move {
                    loop {
                        sleep(MS).await;
                        ticks.set(ticks.get() + 1);
                    }
                }
            }));
            let clients: Vec<_> = (0..5)
                .map(|n| {
                    let mut client = std::net::TcpStream::connect(address).unwrap();
                    client.write_all(&[n]).unwrap();
                    client
                })
                .collect();
            let mut taken = take_all_descriptors();
            for _ in 0..3 {
                assert_eq!(os_error(listener.accept().await), libc::EMFILE);
            }
            let before = ticks.get();
            while ticks.get() < before + 3 {
                sleep(MS).await;
            }
            // One comes back at a time, and is taken by one connection.
            let mut accepted = Vec::new();
            for (n, client) in clients.iter().enumerate() {
                assert_eq!(os_error(listener.accept().await), libc::EMFILE);
                drop(taken.pop());
                let (stream, peer) = listener.accept().await.unwrap();
                assert_eq!((peer, byte(&stream).await), (client.local_addr().unwrap(), n as u8));
                accepted.push(stream);
            }
        });
    });
}

#[test]
fn an_accept_that_waits_when_the_descriptors_run_out_is_told_and_may_try_again() {
    alone("an_accept_that_waits_when_the_descriptors_run_out_is_told_and_may_try_again", || {
        limit(libc::RLIMIT_NOFILE, |_| 64);
        block_on(async {
            let listener = TcpListener::bind(LOCAL).await.unwrap();
            let address = listener.local_addr().unwrap();
            let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            let waiting = spawn(async move { (os_error(listener.accept().await), listener) });
            yield_now().await;
            let taken = take_all_descriptors();
            client.connect(&address.into()).unwrap();
            let (error, listener) = waiting.await.unwrap();
            assert_eq!(error, libc::EMFILE);
            drop(taken);
            let (_, peer) = listener.accept().await.unwrap();
            assert_eq!(Some(peer), client.local_addr().unwrap().as_socket());
        });
    });
}

#[test]
fn out_of_descriptors_whatever_needs_one_says_so_and_succeeds_when_there_are_some() {
    alone("out_of_descriptors_whatever_needs_one_says_so_and_succeeds_when_there_are_some", || {
        limit(libc::RLIMIT_NOFILE, |_| 64);
        block_on(async {
            let listener = TcpListener::bind(LOCAL).await.unwrap();
            let address = listener.local_addr().unwrap();
            let mut taken = take_all_descriptors();
            for _ in 0..3 {
                assert_eq!(os_error(TcpStream::connect(address).await), libc::EMFILE);
                // A name needs descriptors on the pool, too.
                assert!(TcpStream::connect(("localhost", address.port())).await.is_err());
                assert_eq!(os_error(TcpListener::bind(LOCAL).await), libc::EMFILE);
                assert_eq!(os_error(UdpSocket::bind(LOCAL).await), libc::EMFILE);
                assert_eq!(os_error(Runtime::new()), libc::EMFILE);
                let mut lines = fs::lines("/proc/self/status");
                let error = lines.next().await.unwrap().unwrap_err();
                assert!(
                    error.to_string().ends_with(&io::Error::from_raw_os_error(libc::EMFILE).to_string()),
                    "{error}"
                );
                assert!(lines.next().await.is_none());
            }
            // What needs none goes on.
            assert_eq!(spawn_blocking(|| 3).await.unwrap(), 3);
            drop(taken.pop());
            let client = TcpStream::connect(address).await.unwrap();
            assert_eq!(os_error(listener.accept().await), libc::EMFILE);
            drop(taken);
            assert_eq!(listener.accept().await.unwrap().1, client.local_addr().unwrap());
            assert_alive().await;
        });
    });
}

#[test]
fn a_runtime_without_descriptors_is_an_error_and_keeps_none() {
    alone("a_runtime_without_descriptors_is_an_error_and_keeps_none", || {
        limit(libc::RLIMIT_NOFILE, |_| 64);
        let mut taken = take_all_descriptors();
        assert_eq!(os_error(Runtime::new()), libc::EMFILE);
        let message = panic_message(|| block_on(async {}));
        assert!(message.contains("no descriptors for an event loop") && message.contains("ulimit -n"), "{message}");
        // It needs two: the first is given back when there is no second.
        drop(taken.pop());
        for _ in 0..3 {
            assert_eq!(os_error(Runtime::new()), libc::EMFILE);
        }
        drop(taken.pop());
        for _ in 0..3 {
            assert_eq!(block_on(async { 1 }), 1);
        }
    });
}

// No threads.

#[test]
fn a_pool_thread_that_cannot_be_started_is_an_error_of_its_job_and_hangs_nothing() {
    alone("a_pool_thread_that_cannot_be_started_is_an_error_of_its_job_and_hangs_nothing", || {
        // No room for another stack.
        let exhaust = || {
            let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
            let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
            limit(libc::RLIMIT_AS, |_| pages * 4096 + (1 << 20))
        };
        block_on(async {
            let before = exhaust();
            let error = spawn_blocking(|| ()).await.unwrap_err();
            assert!(!error.is_cancelled() && !error.is_panic());
            assert!(error.to_string().contains("thread"), "{error}");
            let error = TcpStream::connect("localhost:1").await.unwrap_err();
            assert!(error.to_string().contains("thread"), "{error}");
            let mut lines = fs::lines("/proc/self/status");
            assert!(lines.next().await.unwrap().is_err());
            assert!(lines.next().await.is_none());
            limit(libc::RLIMIT_AS, |_| before);
            assert_alive().await;

            // With one thread there, a job that gets none of its own waits for that one.
            let (release, held) = std::sync::mpsc::channel();
            let first = spawn_blocking(move || held.recv().unwrap());
            exhaust();
            let second = spawn_blocking(|| 2);
            yield_now().await;
            assert!(!second.is_finished());
            release.send(1).unwrap();
            assert_eq!((first.await.unwrap(), second.await.unwrap()), (1, 2));
            limit(libc::RLIMIT_AS, |_| before);
            assert_alive().await;
        });
    });
}

// Reset, refused, unreachable.

#[test]
fn a_connection_that_was_reset_before_it_was_accepted_is_accepted_and_tells_its_reader() {
    block_on(async {
        let listener = TcpListener::bind(LOCAL).await.unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let peer = client.local_addr().unwrap();
        reset_at_close(&client);
        drop(client);
        let (stream, from) = listener.accept().await.unwrap();
        assert_eq!(from, peer);
        assert_eq!(stream.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_alive().await;
    });
}

#[test]
fn after_a_reset_reader_and_writer_are_told_and_nobody_waits_any_more() {
    block_on(async {
        let (near, far) = narrow();
        let near = Rc::new(TcpStream::from_std(near).unwrap());
        let reader = spawn({
            let near = Rc::clone(&near);
            async move { near.read(&mut [0]).await }
        });
        let writer = spawn({
            let near = Rc::clone(&near);
            async move { near.write_all(&vec![0; 1 << 20]).await }
        });
        for _ in 0..3 {
            yield_now().await;
        }
        assert!(!reader.is_finished() && !writer.is_finished());
        reset_at_close(&far);
        drop(far);
        // The system tells the reset to one of the two; to the other, that all is over.
        let (read, written) = (reader.await.unwrap(), writer.await.unwrap().unwrap_err().kind());
        match read {
            Ok(n) => assert_eq!((n, written), (0, ErrorKind::ConnectionReset)),
            Err(error) => {
                assert_eq!((error.kind(), written), (ErrorKind::ConnectionReset, ErrorKind::BrokenPipe));
            }
        }
        for _ in 0..3 {
            assert_eq!(near.read(&mut [0]).await.unwrap(), 0);
            assert_eq!(near.write(&[0]).await.unwrap_err().kind(), ErrorKind::BrokenPipe);
            near.readable().await.unwrap();
            near.writable().await.unwrap();
        }
    });
}

#[test]
fn resets_of_some_connections_leave_the_others_alone() {
    const CONNECTIONS: usize = 60;
    block_on(async {
        let mut random = Random::new(3);
        let mut servers = Vec::new();
        let mut clients = Vec::new();
        for n in 0..CONNECTIONS {
            let (near, far) = std_pair();
            // A third of them, each in another round.
            let last = (n % 3 == 0).then(|| random.below(50));
            if last.is_some() {
                reset_at_close(&near);
            }
            let (near, far) = (TcpStream::from_std(near).unwrap(), TcpStream::from_std(far).unwrap());
            servers.push(spawn(async move {
                let mut buffer = [0; 8];
                loop {
                    match far.read(&mut buffer).await {
                        Ok(0) => return true,
                        Ok(n) => far.write_all(&buffer[..n]).await.unwrap(),
                        Err(error) => {
                            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                            return false;
                        }
                    }
                }
            }));
            clients.push(spawn(async move {
                for round in 0..50 {
                    if Some(round) == last {
                        return;
                    }
                    near.write_all(&[round as u8; 5]).await.unwrap();
                    let mut back = [0; 5];
                    near.read_exact(&mut back).await.unwrap();
                    assert_eq!(back, [round as u8; 5]);
                }
            }));
        }
        for client in clients {
            client.await.unwrap();
        }
        for (n, server) in servers.into_iter().enumerate() {
            assert_eq!(server.await.unwrap(), n % 3 != 0);
        }
    });
}

#[test]
fn a_hundred_connects_that_are_refused_leave_no_descriptor() {
    alone("a_hundred_connects_that_are_refused_leave_no_descriptor", || {
        let closed = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        closed.bind(&SocketAddr::from(LOCAL).into()).unwrap();
        let address = closed.local_addr().unwrap().as_socket().unwrap();
        block_on(async {
            let before = open_descriptors();
            let results = gather((0..100).map(|_| TcpStream::connect(address))).await;
            assert_eq!(results.len(), 100);
            for result in results {
                assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionRefused);
            }
            assert_eq!(open_descriptors(), before);
            assert_alive().await;
        });
    });
}

#[test]
fn what_cannot_be_reached_is_an_error_and_the_next_address_is_tried() {
    block_on(async {
        // A group of receivers: no connection leads there, whatever the routes of this machine.
        let nowhere = SocketAddr::from(([224, 0, 0, 1], 9));
        let error = TcpStream::connect(nowhere).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
        let listener = TcpListener::bind(LOCAL).await.unwrap();
        let open = listener.local_addr().unwrap();
        let stream = TcpStream::connect(&[nowhere, open][..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        // From an address that is of this machine alone, no packet leaves it.
        let socket = UdpSocket::bind(LOCAL).await.unwrap();
        assert!(socket.send_to(b"?", "192.0.2.1:9").await.is_err());
        assert_alive().await;
    });
}

// Half-close, and peers that do not read.

#[test]
fn a_half_closed_connection_carries_a_megabyte_the_other_way_and_rests_while_nobody_reads() {
    const MUCH: usize = 1 << 20;
    let runtime = Runtime::new().unwrap();
    let (near, far) = narrow();
    let (near, far) = inside(&runtime, || (TcpStream::from_std(near).unwrap(), TcpStream::from_std(far).unwrap()));
    near.shutdown(Shutdown::Write).unwrap();
    let server = runtime.spawn(async move {
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
        far.write_all(&vec![7; MUCH]).await.unwrap();
        // The end stays, for everybody who asks.
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
    });
    // An end that was signalled once is no event in every turn.
    rest(&runtime);
    assert!(!server.is_finished());
    let read = runtime.block_on(async {
        let (mut n, mut buffer) = (0, [0; 4096]);
        while let read @ 1.. = near.read(&mut buffer).await.unwrap() {
            assert_eq!(buffer[..read], [7; 4096][..read]);
            n += read;
        }
        n
    });
    assert_eq!(read, MUCH);
    runtime.block_on(server).unwrap();
}

#[test]
fn an_echo_whose_peer_sends_and_never_reads_rests_in_bounded_memory_and_goes_on_when_it_does() {
    const MUCH: usize = 8 << 20;
    const PIECE: usize = 4096;
    let runtime = Runtime::new().unwrap();
    let (near, far) = narrow();
    let (near, far) = inside(&runtime, || (TcpStream::from_std(near).unwrap(), TcpStream::from_std(far).unwrap()));
    let near = Rc::new(near);
    let sent = Rc::new(Cell::new(0));
    let sender = runtime.spawn({
        let (near, sent) = (Rc::clone(&near), Rc::clone(&sent));
        async move {
            let mut random = Random::new(41);
            while sent.get() < MUCH {
                let piece: Vec<u8> = (0..PIECE).map(|_| random.number() as u8).collect();
                near.write_all(&piece).await.unwrap();
                sent.set(sent.get() + PIECE);
            }
            near.shutdown(Shutdown::Write).unwrap();
        }
    });
    let echo = runtime.spawn(async move {
        let mut buffer = [0; PIECE];
        while let n @ 1.. = far.read(&mut buffer).await.unwrap() {
            far.write_all(&buffer[..n]).await.unwrap();
        }
    });
    let (peak, ()) = peak_bytes(|| rest(&runtime));
    assert!(0 < sent.get() && sent.get() < MUCH / 8, "{} bytes were taken, and nobody reads", sent.get());
    assert!(peak < 64 << 10, "{peak} bytes");
    runtime.block_on(async {
        let (mut random, mut left, mut buffer) = (Random::new(41), MUCH, [0; PIECE]);
        while left > 0 {
            let n = near.read(&mut buffer).await.unwrap();
            assert_ne!(n, 0, "{left} bytes are missing");
            assert!(buffer[..n].iter().all(|&byte| byte == random.number() as u8));
            left -= n;
        }
        assert_eq!(near.read(&mut buffer).await.unwrap(), 0);
        sender.await.unwrap();
        echo.await.unwrap();
    });
}

#[test]
fn a_peer_that_does_not_read_stops_the_source_behind_the_channel_too() {
    const PLACES: usize = 8;
    let runtime = Runtime::new().unwrap();
    let (near, far) = narrow();
    let near = inside(&runtime, || TcpStream::from_std(near).unwrap());
    let (give, mut take) = mpsc::channel::<Vec<u8>>(PLACES);
    let (made, written) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    drop(runtime.spawn({
        let made = Rc::clone(&made);
        async move {
            while give.send(vec![0; 1024]).await.is_ok() {
                made.set(made.get() + 1);
            }
        }
    }));
    drop(runtime.spawn({
        let written = Rc::clone(&written);
        async move {
            while let Some(piece) = take.recv().await {
                near.write_all(&piece).await.unwrap();
                written.set(written.get() + 1);
            }
        }
    }));
    let (peak, ()) = peak_bytes(|| rest(&runtime));
    // One at the writer, the others in the channel.
    assert_eq!(made.get(), written.get() + 1 + PLACES);
    assert!(peak < 64 << 10, "{peak} bytes");
    drop(far);
}

#[test]
fn one_byte_at_a_time_gets_through_beside_a_connection_that_is_never_idle() {
    const ROUNDS: usize = 300;
    block_on(async {
        let (near, far) = pair().await;
        let flood = [
            spawn(async move {
                loop {
                    far.write_all(&[0; 65_536]).await.unwrap();
                }
            }),
            spawn(async move {
                let mut buffer = vec![0; 65_536];
                loop {
                    near.read(&mut buffer).await.unwrap();
                }
            }),
        ];
        let (near, far) = pair().await;
        near.set_nodelay(true).unwrap();
        far.set_nodelay(true).unwrap();
        let echo = spawn(async move {
            for _ in 0..ROUNDS {
                let byte = byte(&far).await;
                assert_eq!(far.write(&[!byte]).await.unwrap(), 1);
            }
        });
        for n in 0..ROUNDS {
            assert_eq!(near.write(&[n as u8]).await.unwrap(), 1);
            assert_eq!(byte(&near).await, !(n as u8));
        }
        echo.await.unwrap();
        for task in flood {
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        }
    });
}

/// Bytes of which every place is known: a random sequence that comes again after `PERIOD`.
struct Pattern(Vec<u8>);

impl Pattern {
    /// A prime: no buffer's length divides it.
    const PERIOD: usize = 1_000_003;
    /// The longest slice.
    const LONGEST: usize = 1 << 18;

    fn new(seed: u64) -> Pattern {
        let mut random = Random::new(seed);
        let mut bytes: Vec<u8> = (0..Pattern::PERIOD).map(|_| random.number() as u8).collect();
        bytes.extend_from_within(..Pattern::LONGEST);
        Pattern(bytes)
    }

    /// The `n` bytes from place `from` on.
    fn at(&self, from: usize, n: usize) -> &[u8] {
        &self.0[from % Pattern::PERIOD..][..n]
    }
}

#[test]
fn a_gigabyte_in_each_direction_at_once_arrives_byte_for_byte() {
    const GIGABYTE: usize = 1 << 30;
    block_on(async {
        let (near, far) = pair().await;
        let (near, far) = (Rc::new(near), Rc::new(far));
        let ways = [(Rc::clone(&near), Rc::clone(&far), 51), (far, near, 52)];
        let mut tasks: Vec<JoinHandle<()>> = Vec::new();
        for (from, to, seed) in ways {
            let pattern = Rc::new(Pattern::new(seed));
            tasks.push(spawn({
                let pattern = Rc::clone(&pattern);
                async move {
                    let mut sent = 0;
                    while sent < GIGABYTE {
                        let n = Pattern::LONGEST.min(GIGABYTE - sent);
                        sent += from.write(pattern.at(sent, n)).await.unwrap();
                    }
                    from.shutdown(Shutdown::Write).unwrap();
                }
            }));
            tasks.push(spawn(async move {
                let (mut read, mut buffer) = (0, vec![0; Pattern::LONGEST]);
                while let n @ 1.. = to.read(&mut buffer).await.unwrap() {
                    assert!(buffer[..n] == *pattern.at(read, n), "the bytes from {read} on are others");
                    read += n;
                }
                assert_eq!(read, GIGABYTE);
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

// A connect that never answers.

#[test]
fn connects_that_are_never_answered_end_by_timeout_and_give_their_descriptors_back() {
    alone("connects_that_are_never_answered_end_by_timeout_and_give_their_descriptors_back", || {
        let (address, listener, _queued) = full_listener();
        // By the virtual clock: no time is over before all of them wait.
        virtually(async {
            let before = open_descriptors();
            let start = now();
            let connects: Vec<_> =
                (0..50).map(|n| spawn(timeout(20 * MS + n * MS / 10, TcpStream::connect(address)))).collect();
            for _ in 0..3 {
                yield_now().await;
            }
            assert_eq!(open_descriptors().len(), before.len() + 50);
            assert_alive().await;
            for connect in connects {
                assert!(connect.await.unwrap().is_err());
            }
            assert!(now() - start >= 20 * MS);
            assert_eq!(open_descriptors(), before);
            // When there is room again, the next one is answered.
            drop(listener.accept().unwrap());
            TcpStream::connect(address).await.unwrap();
        });
    });
}

#[test]
fn a_connection_that_the_system_gives_up_is_told_to_whoever_waits() {
    let (address, _listener, _queued) = full_listener();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.set_tcp_user_timeout(Some(MS)).unwrap();
    assert_eq!(os_error(socket.connect(&address.into())), libc::EINPROGRESS);
    block_on(async {
        let stream = Rc::new(TcpStream::from_std(socket.into()).unwrap());
        let writer = spawn({
            let stream = Rc::clone(&stream);
            async move { stream.write_all(&[1]).await.unwrap_err().kind() }
        });
        let read = stream.read(&mut [0]).await;
        let told = [writer.await.unwrap(), read.map_or_else(|error| error.kind(), |n| panic!("{n} bytes"))];
        assert!(told.contains(&ErrorKind::TimedOut), "{told:?}");
    });
}

// Opened and dropped.

/// How a client of the ten thousand ends.
#[derive(Clone, Copy, Debug)]
enum Stage {
    NeverPolled,
    Connecting,
    Connected,
    Writing,
    Reading,
    Reset,
    HalfClosed,
    TurnedAway,
    Aborted,
    Served,
}

const STAGES: [Stage; 10] = [
    Stage::NeverPolled,
    Stage::Connecting,
    Stage::Connected,
    Stage::Writing,
    Stage::Reading,
    Stage::Reset,
    Stage::HalfClosed,
    Stage::TurnedAway,
    Stage::Aborted,
    Stage::Served,
];

/// Sends eight bytes and gets them back.
async fn exchange(stream: &TcpStream, number: u64) {
    stream.write_all(&number.to_ne_bytes()).await.unwrap();
    let mut back = [0; 8];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(u64::from_ne_bytes(back), number);
}

/// Connects, to `echo` or to `closer`, who closes every connection at once, and drops what it has at this stage.
async fn leave_at(stage: Stage, number: u64, echo: SocketAddr, closer: SocketAddr) {
    match stage {
        Stage::NeverPolled => drop(TcpStream::connect(echo)),
        Stage::Connecting => assert!(poll_once(&mut pin!(TcpStream::connect(echo))).is_pending()),
        Stage::Connected => drop(TcpStream::connect(echo).await.unwrap()),
        Stage::Writing => {
            let stream = TcpStream::connect(echo).await.unwrap();
            stream.write_all(&number.to_ne_bytes()[..3]).await.unwrap();
        }
        Stage::Reading => {
            let stream = TcpStream::connect(echo).await.unwrap();
            exchange(&stream, number).await;
            assert!(poll_once(&mut pin!(stream.read(&mut [0]))).is_pending());
        }
        Stage::Reset => {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            reset_at_close(&socket);
            assert_eq!(os_error(socket.connect(&echo.into())), libc::EINPROGRESS);
            let stream = TcpStream::from_std(socket.into()).unwrap();
            stream.write_all(&number.to_ne_bytes()).await.unwrap();
        }
        Stage::HalfClosed => {
            let stream = TcpStream::connect(echo).await.unwrap();
            exchange(&stream, number).await;
            stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        }
        Stage::TurnedAway => {
            let stream = TcpStream::connect(closer).await.unwrap();
            assert!(!matches!(stream.read(&mut [0]).await, Ok(1..)));
        }
        Stage::Aborted => {
            let task = spawn(async move {
                let stream = TcpStream::connect(echo).await.unwrap();
                loop {
                    exchange(&stream, number).await;
                }
            });
            for _ in 0..number % 7 {
                yield_now().await;
            }
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        }
        Stage::Served => exchange(&TcpStream::connect(echo).await.unwrap(), number).await,
    }
}

#[test]
fn ten_thousand_connections_opened_and_dropped_at_every_stage_leave_nothing_behind() {
    const CONNECTIONS: u64 = 10_000;
    /// Fewer than a listener's queue takes: the others would try again after a second.
    const AT_ONCE: usize = 60;
    alone("ten_thousand_connections_opened_and_dropped_at_every_stage_leave_nothing_behind", || {
        allow_descriptors(4 * AT_ONCE as u64);
        let runtime = Runtime::new().unwrap();
        let before = open_descriptors();
        runtime.block_on(async {
            let (echo, closer) = (TcpListener::bind(LOCAL).await.unwrap(), TcpListener::bind(LOCAL).await.unwrap());
            let (at_echo, at_closer) = (echo.local_addr().unwrap(), closer.local_addr().unwrap());
            let (accepted, ended) = (Rc::new(Cell::new(0)), Rc::new(Semaphore::new(0)));
            let servers = [
                spawn({
                    let (accepted, ended) = (Rc::clone(&accepted), Rc::clone(&ended));
                    async move {
                        loop {
                            let (stream, _) = echo.accept().await.unwrap();
                            accepted.set(accepted.get() + 1);
                            let ended = Rc::clone(&ended);
                            drop(spawn(async move {
                                let mut buffer = [0; 64];
                                while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                                    if stream.write_all(&buffer[..n]).await.is_err() {
                                        break;
                                    }
                                }
                                ended.add_permits(1);
                            }));
                        }
                    }
                }),
                spawn(async move {
                    loop {
                        drop(closer.accept().await.unwrap());
                    }
                }),
            ];
            let mut stages: Vec<Stage> = (0..CONNECTIONS as usize).map(|n| STAGES[n % STAGES.len()]).collect();
            Random::new(61).shuffle(&mut stages);
            let clients = stages.into_iter().zip(0..);
            gather(clients.map(|(stage, n)| leave_at(stage, n, at_echo, at_closer))).limit(AT_ONCE).await;
            // What the clients gave up may still be in the listener's queue; this one is behind it.
            leave_at(Stage::Served, 0, at_echo, at_closer).await;
            for _ in 0..accepted.get() {
                ended.acquire().await.forget();
            }
            // All but those that were never polled or turned away. Those that were aborted, or dropped while they connected,
            // may or may not have got through.
            let each = CONNECTIONS as usize / STAGES.len();
            assert!((6 * each + 1..=8 * each + 1).contains(&accepted.get()), "{}", accepted.get());
            for server in servers {
                server.abort();
                assert!(server.await.unwrap_err().is_cancelled());
            }
            assert_alive().await;
        });
        rest(&runtime);
        assert_eq!(open_descriptors(), before);
    });
}

// A descriptor closed behind the loop's back.

/// Closes a descriptor that belongs to somebody else.
fn close_behind_the_back(fd: RawFd) {
    #[allow(unsafe_code, reason = "this is the fault")]
    // SAFETY: the call takes a number and touches no memory. Whoever owns the descriptor is what the tests are about; they
    // run alone in their process, and nothing is opened between this and the owner's end.
    unsafe {
        assert_eq!(libc::close(fd), 0);
    }
}

/// Puts /dev/null in the place of a descriptor, closed or not.
fn replace_behind_the_back(fd: RawFd) {
    let null = std::fs::File::open("/dev/null").unwrap().into_raw_fd();
    if null != fd {
        #[allow(unsafe_code, reason = "this is the fault")]
        // SAFETY: the call takes two numbers and touches no memory.
        unsafe {
            assert_eq!(libc::dup2(null, fd), fd);
        }
        close_behind_the_back(null);
    }
}

#[test]
fn a_descriptor_closed_or_replaced_behind_the_loops_back_harms_its_own_socket_alone() {
    alone("a_descriptor_closed_or_replaced_behind_the_loops_back_harms_its_own_socket_alone", || {
        let runtime = Runtime::new().unwrap();
        let (one, other) = runtime.block_on(pair());
        for (strike, error) in
            [(close_behind_the_back as fn(RawFd), libc::EBADF), (replace_behind_the_back, libc::ENOTSOCK)]
        {
            let (near, mut far) = std_pair();
            let fd = near.as_raw_fd();
            let near = Rc::new(inside(&runtime, || TcpStream::from_std(near).unwrap()));
            let before = open_descriptors();
            let reader = runtime.spawn({
                let near = Rc::clone(&near);
                async move { near.read(&mut [0]).await.is_err() }
            });
            rest(&runtime);
            strike(fd);
            // It was the last descriptor of the socket: the connection has ended.
            assert_eq!(far.read(&mut [0]).unwrap(), 0);
            rest(&runtime);
            // Who waits hears nothing any more, for the system has forgotten who watched. Who tries is told.
            assert!(!reader.is_finished());
            assert_eq!(os_error(near.try_write(&[0])), error);
            runtime.block_on(async {
                one.write_all(&[5]).await.unwrap();
                assert_eq!(byte(&other).await, 5);
                reader.abort();
                assert!(reader.await.unwrap_err().is_cancelled());
            });
            // The standard library ends a process that closes what is closed: somebody else has the number by now.
            replace_behind_the_back(fd);
            drop(near);
            let after: Vec<RawFd> = before.into_iter().filter(|&it| it != fd).collect();
            assert_eq!(open_descriptors(), after);
            runtime.block_on(assert_alive());
        }
    });
}

#[test]
fn a_loop_whose_own_descriptor_was_closed_says_so_and_drops_its_tasks() {
    alone("a_loop_whose_own_descriptor_was_closed_says_so_and_drops_its_tasks", || {
        let (dropped, (near, mut far)) = (Rc::new(Cell::new(false)), std_pair());
        let runtime = Runtime::new().unwrap();
        let epoll = open_descriptors().into_iter().find(|fd| {
            std::fs::read_link(format!("/proc/self/fd/{fd}")).is_ok_and(|it| it.ends_with("anon_inode:[eventpoll]"))
        });
        let stream = inside(&runtime, || TcpStream::from_std(near).unwrap());
        let guard = OnDrop::new({
            let dropped = Rc::clone(&dropped);
            move || dropped.set(true)
        });
        drop(runtime.spawn(async move {
            let _guard = guard;
            stream.read(&mut [0]).await
        }));
        rest(&runtime);
        replace_behind_the_back(epoll.unwrap());
        let message = panic_message(|| runtime.turn(ZERO));
        assert!(message.contains("was its epoll descriptor closed?"), "{message}");
        drop(runtime);
        assert!(dropped.get());
        assert_eq!(far.read(&mut [0]).unwrap(), 0);
        block_on(assert_alive());
    });
}

// Wakers, tokens and events that are out of date.

#[test]
fn a_waker_kept_from_a_closed_socket_wakes_its_task_and_nobody_at_the_next_one() {
    let runtime = Runtime::new().unwrap();
    let (near, _far, _view) = watched(&runtime);
    let kept: Rc<RefCell<Option<Waker>>> = Rc::default();
    let (polls, others) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (finish, finished) = oneshot::channel();
    let task = runtime.spawn({
        let (kept, polls) = (Rc::clone(&kept), Rc::clone(&polls));
        async move {
            let mut readable = Box::pin(near.readable());
            poll_fn(|cx| {
                kept.replace(Some(cx.waker().clone()));
                assert!(readable.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            drop(readable);
            drop(near);
            counted(&polls, finished).await.unwrap()
        }
    });
    assert_eq!(counts(runtime.turn(ZERO)), [1, 0, 0, 0]);
    let kept = kept.take().unwrap();
    // The next socket, in the place of the first.
    let (near, mut far, _view) = watched(&runtime);
    let reader = runtime.spawn({
        let others = Rc::clone(&others);
        async move { counted(&others, byte(&near)).await }
    });
    rest(&runtime);
    assert_eq!((polls.get(), others.get()), (1, 1));
    kept.wake_by_ref();
    assert_eq!(counts(runtime.turn(ZERO)), [1, 0, 0, 1]);
    assert_eq!((polls.get(), others.get()), (2, 1));
    finish.send(7).unwrap();
    assert_eq!(runtime.block_on(task).unwrap(), 7);
    // Its task has ended, too.
    kept.wake();
    assert_eq!(counts(runtime.turn(ZERO)), [0, 0, 0, 1]);
    far.write_all(&[1]).unwrap();
    assert_eq!(runtime.block_on(reader).unwrap(), 1);
}

#[test]
fn a_closed_socket_keeps_nobodys_waker() {
    let runtime = Runtime::new().unwrap();
    let (near, _far, _view) = watched(&runtime);
    let ((read, read_waker), (polled, polled_waker)) = (Count::new(), Count::new());
    let mut waiting = Box::pin(near.readable());
    assert!(Pin::new(&mut waiting).poll(&mut Context::from_waker(&read_waker)).is_pending());
    assert!(near.poll_read_ready(&mut Context::from_waker(&polled_waker)).is_pending());
    drop((read_waker, polled_waker));
    assert_eq!([&read, &polled].map(Arc::strong_count), [2, 2]);
    drop(waiting);
    assert_eq!([&read, &polled].map(Arc::strong_count), [1, 2]);
    drop(near);
    assert_eq!([&read, &polled].map(Arc::strong_count), [1, 1]);
    rest(&runtime);
    assert_eq!([read, polled].map(|count| count.wakes()), [0, 0]);
}

#[test]
fn fifty_sockets_in_one_place_each_hear_of_themselves_alone() {
    let runtime = Runtime::new().unwrap();
    let mut gone: Vec<(std::net::TcpStream, std::net::TcpStream)> = Vec::new();
    for n in 0..50_u8 {
        let (near, mut far) = std_pair();
        let (fd, view) = (near.as_raw_fd(), near.try_clone().unwrap());
        let near = inside(&runtime, || TcpStream::from_std(near).unwrap());
        rest(&runtime);
        assert_eq!(near.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        let (count, waker) = Count::new();
        let mut waiting = Box::pin(near.readable());
        assert!(Pin::new(&mut waiting).poll(&mut Context::from_waker(&waker)).is_pending());
        for (m, (peer, view)) in gone.iter_mut().enumerate() {
            peer.write_all(&[n]).unwrap();
            let all = usize::from(n) - m;
            until(|| view.peek(&mut [0; 64]).is_ok_and(|seen| seen == all));
        }
        rest(&runtime);
        assert_eq!(count.wakes(), 0, "socket {n} heard of others");
        far.write_all(&[n]).unwrap();
        assert_eq!(runtime.turn(None).events, 1);
        assert_eq!(count.wakes(), 1);
        drop(waiting);
        assert_eq!(runtime.block_on(byte(&near)), n);
        // Its descriptor is another file's when it is dropped, and its other view is open: so the system watches on, and
        // tells of it with the token of old.
        replace_behind_the_back(fd);
        drop(near);
        gone.push((far, view));
    }
}

/// Brings an event about for `future`, which waits, and takes what it told of away before the future is polled: that poll
/// waits on, and the next event counts.
fn rob<F: Future>(runtime: &Runtime, future: F, mut bring: impl FnMut(), take: impl FnOnce()) -> F::Output {
    let mut future = Box::pin(future);
    let (count, waker) = Count::new();
    let mut poll = || inside(runtime, || Pin::new(&mut future).poll(&mut Context::from_waker(&waker)));
    assert!(poll().is_pending());
    rest(runtime);
    assert_eq!(count.wakes(), 0);
    bring();
    assert_eq!(counts(runtime.turn(None)), [0, 0, 1, 0]);
    assert_eq!(count.wakes(), 1);
    take();
    assert!(poll().is_pending());
    assert_eq!(counts(runtime.turn(ZERO)), [0, 0, 0, 0]);
    bring();
    assert_eq!(counts(runtime.turn(None)), [0, 0, 1, 0]);
    assert_eq!(count.wakes(), 2);
    let Poll::Ready(output) = poll() else { panic!("the second event was no better than the first") };
    output
}

#[test]
fn an_event_whose_bytes_somebody_else_took_is_forgotten_and_the_next_one_counts() {
    let runtime = Runtime::new().unwrap();
    let (near, mut far, mut view) = watched(&runtime);
    let mut n = 0;
    let bring = || {
        n += 1;
        far.write_all(&[n]).unwrap();
    };
    assert_eq!(rob(&runtime, byte(&near), bring, || assert_eq!(view.read(&mut [0]).unwrap(), 1)), 2);
}

#[test]
fn an_event_whose_connection_somebody_else_accepted_is_forgotten_and_the_next_one_counts() {
    let runtime = Runtime::new().unwrap();
    let listener = std::net::TcpListener::bind(LOCAL).unwrap();
    let (view, address) = (listener.try_clone().unwrap(), listener.local_addr().unwrap());
    let listener = inside(&runtime, || TcpListener::from_std(listener).unwrap());
    let mut clients = Vec::new();
    let bring = || clients.push(std::net::TcpStream::connect(address).unwrap());
    let (_, peer) = rob(&runtime, listener.accept(), bring, || drop(view.accept().unwrap())).unwrap();
    assert_eq!(peer, clients[1].local_addr().unwrap());
}

#[test]
fn an_event_whose_datagram_somebody_else_received_is_forgotten_and_the_next_one_counts() {
    let runtime = Runtime::new().unwrap();
    let socket = std::net::UdpSocket::bind(LOCAL).unwrap();
    let (view, address) = (socket.try_clone().unwrap(), socket.local_addr().unwrap());
    let socket = inside(&runtime, || UdpSocket::from_std(socket).unwrap());
    let sender = std::net::UdpSocket::bind(LOCAL).unwrap();
    let (mut n, mut buffer) = (0, [0]);
    let bring = || {
        n += 1;
        sender.send_to(&[n], address).unwrap();
    };
    rob(&runtime, socket.recv(&mut buffer), bring, || assert_eq!(view.recv(&mut [0]).unwrap(), 1)).unwrap();
    assert_eq!(buffer, [2]);
}

#[test]
fn signals_end_a_park_and_nothing_else() {
    static HANDLED: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn handle(_signal: libc::c_int) {
        HANDLED.fetch_add(1, Ordering::SeqCst);
    }
    alone("signals_end_a_park_and_nothing_else", || {
        #[allow(unsafe_code, reason = "the standard library knows no signals")]
        // SAFETY: the handler is a function of the kind that is asked for, and does one atomic addition: that may be done
        // in a handler.
        let me = unsafe {
            libc::signal(libc::SIGUSR1, handle as extern "C" fn(libc::c_int) as libc::sighandler_t);
            libc::pthread_self()
        };
        let (parked, (tell, told)) = (thread_number(), oneshot::channel());
        let sender = thread::spawn(move || {
            for _ in 0..20 {
                until_parked(parked);
                let before = HANDLED.load(Ordering::SeqCst);
                #[allow(unsafe_code, reason = "the standard library knows no signals")]
                // SAFETY: that thread waits for this one below, so it is there.
                unsafe {
                    assert_eq!(libc::pthread_kill(me, libc::SIGUSR1), 0);
                }
                until(|| HANDLED.load(Ordering::SeqCst) > before);
            }
            tell.send(()).unwrap();
        });
        block_on(async {
            let (near, far) = pair().await;
            let reader = spawn(async move { byte(&far).await });
            let nap = spawn(async {
                let start = now();
                sleep(20 * MS).await;
                now() - start
            });
            told.await.unwrap();
            assert!(nap.await.unwrap() >= 20 * MS);
            assert!(!reader.is_finished());
            near.write_all(&[3]).await.unwrap();
            assert_eq!(reader.await.unwrap(), 3);
        });
        sender.join().unwrap();
        assert_eq!(HANDLED.load(Ordering::SeqCst), 20);
    });
}

// Panics in the middle of I/O.

#[test]
fn a_task_that_panics_with_sockets_in_its_hands_closes_them_and_its_drops_may_use_the_loop() {
    block_on(async {
        let (near, far) = pair().await;
        let (semaphore, (give, mut take)) = (Rc::new(Semaphore::new(1)), mpsc::unbounded());
        let victim = spawn(pending::<()>());
        let waiting = spawn({
            let semaphore = Rc::clone(&semaphore);
            async move { drop(semaphore.acquire().await) }
        });
        let abort = victim.abort_handle();
        let failing = spawn(async move {
            let _permit = semaphore.acquire().await;
            let _listener = TcpListener::bind(LOCAL).await.unwrap();
            let _last_words = OnDrop::new(move || {
                assert!(thread::panicking());
                abort.abort();
                give.send(spawn(async {
                    let (near, far) = pair().await;
                    drop(far);
                    byte(&near).await
                }))
                .unwrap();
                let task = spawn(assert_alive());
                give.send(spawn(async move {
                    task.await.unwrap();
                    7
                }))
                .unwrap();
                assert!(poll_once(&mut pin!(sleep(MS))).is_pending());
            });
            byte(&near).await;
            panic!("in the middle");
        });
        far.write_all(&[1]).await.unwrap();
        assert_eq!(failing.await.unwrap_err().to_string(), "the task panicked: in the middle");
        assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
        assert!(victim.await.unwrap_err().is_cancelled());
        waiting.await.unwrap();
        // A connection whose other end is dropped at once, and a loop in good health.
        assert!(take.recv().await.unwrap().await.unwrap_err().is_panic());
        assert_eq!(take.recv().await.unwrap().await.unwrap(), 7);
        assert!(take.recv().await.is_none());
    });
}

#[test]
fn an_operation_that_panics_leaves_its_source_to_the_others() {
    block_on(async {
        let (sender, receiver) = mio::unix::pipe::new().unwrap();
        let (sender, receiver) = (Async::new(sender).unwrap(), Rc::new(Async::new(receiver).unwrap()));
        let failing = spawn({
            let receiver = Rc::clone(&receiver);
            async move {
                receiver
                    .read_with(|mut pipe| -> io::Result<()> {
                        pipe.read_exact(&mut [0])?;
                        panic!("an operation")
                    })
                    .await
            }
        });
        let other = spawn(async move {
            let mut buffer = [0];
            receiver.read_with(|mut pipe| pipe.read(&mut buffer)).await.unwrap();
            buffer[0]
        });
        yield_now().await;
        sender.write_with(|mut pipe| pipe.write(&[1])).await.unwrap();
        assert_eq!(failing.await.unwrap_err().to_string(), "the task panicked: an operation");
        sender.write_with(|mut pipe| pipe.write(&[2])).await.unwrap();
        assert_eq!(other.await.unwrap(), 2);
    });
}
