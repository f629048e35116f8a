//! Sockets: TCP and UDP on the loopback, and pipes under `Async`. Every byte arrives, every waiter is served, ends and
//! errors are told, and what becomes of a socket between two loops and without its own.

use runtime::io::Async;
use runtime::net::{TcpListener, TcpStream, UdpSocket, lookup_host};
use runtime::task::yield_now;
use runtime::{JoinHandle, Runtime, block_on, spawn};
use socket2::{Domain, SockRef, Socket, Type};
use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use tests::{
    Count, LOCAL, Random, Stamp, allow_descriptors, alone, counted, counts, full_listener, inside, narrow,
    open_descriptors, pair, poll_once, rest, spawn_busy, thread_number, until, until_parked, yield_until_woken,
};

const ZERO: Option<Duration> = Some(Duration::ZERO);

/// More than a [`narrow`] connection keeps.
const MUCH: usize = 1 << 20;

/// One end of a connection on `runtime`, whose first event has been taken, the other end without a loop, and another
/// view of the first.
fn watched(runtime: &Runtime) -> (TcpStream, std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind(LOCAL).unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (near, _) = listener.accept().unwrap();
    let view = near.try_clone().unwrap();
    let near = inside(runtime, || TcpStream::from_std(near).unwrap());
    rest(runtime);
    assert_would_block(near.try_read(&mut [0]));
    (near, peer, view)
}

/// Returns when `n` bytes lie in the kernel for the socket of which this is another view.
fn until_arrived(view: &std::net::TcpStream, n: usize) {
    let mut buffer = vec![0; n];
    until(|| view.peek(&mut buffer).is_ok_and(|seen| seen == n));
}

#[track_caller]
fn assert_would_block<T: std::fmt::Debug>(result: io::Result<T>) {
    assert_eq!(result.unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// Polls once, for `waker`.
fn poll_for<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Reads one byte.
async fn byte(stream: &TcpStream) -> u8 {
    let mut byte = [0];
    stream.read_exact(&mut byte).await.unwrap();
    byte[0]
}

// Every byte arrives.

/// A checksum of the bytes and their order: FNV-1a.
struct Checksum(u64);

impl Checksum {
    fn new() -> Checksum {
        Checksum(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

/// Writes `n` random bytes in pieces of up to `piece`, each as far as the system takes it, then the end. Gives the
/// checksum and how many writes were taken in part only.
async fn pour(stream: &TcpStream, n: usize, piece: usize, seed: u64) -> (u64, usize) {
    let mut random = Random::new(seed);
    let (mut sum, mut left, mut partial) = (Checksum::new(), n, 0);
    let mut bytes = Vec::new();
    while left > 0 {
        bytes.clear();
        bytes.resize_with((1 + random.below(piece)).min(left), || random.number() as u8);
        left -= bytes.len();
        sum.add(&bytes);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let taken = stream.write(rest).await.unwrap();
            partial += usize::from(taken < rest.len());
            rest = &rest[taken..];
        }
    }
    stream.shutdown(Shutdown::Write).unwrap();
    (sum.0, partial)
}

/// Reads to the end, up to `piece` bytes at a time. Gives the number of bytes and their checksum.
async fn drain(stream: &TcpStream, piece: usize, seed: u64) -> (usize, u64) {
    let mut random = Random::new(seed);
    let (mut sum, mut n) = (Checksum::new(), 0);
    let mut buffer = vec![0; piece];
    loop {
        let size = 1 + random.below(piece);
        match stream.read(&mut buffer[..size]).await.unwrap() {
            0 => return (n, sum.0),
            read => {
                sum.add(&buffer[..read]);
                n += read;
            }
        }
    }
}

/// Sends `n` bytes each way at the same time, each end by two tasks, and gives how many writes were taken in part.
fn both_ways(near: TcpStream, far: TcpStream, n: usize, piece: usize) -> impl Future<Output = usize> {
    let (near, far) = (Rc::new(near), Rc::new(far));
    let writers = [(&near, 11), (&far, 12)].map(|(stream, seed)| {
        let stream = Rc::clone(stream);
        spawn(async move { pour(&stream, n, piece, seed).await })
    });
    let readers = [(far, 13), (near, 14)].map(|(stream, seed)| spawn(async move { drain(&stream, piece, seed).await }));
    async move {
        let mut partial = 0;
        for (writer, reader) in writers.into_iter().zip(readers) {
            let (sent, in_part) = writer.await.unwrap();
            assert_eq!(reader.await.unwrap(), (n, sent));
            partial += in_part;
        }
        partial
    }
}

#[test]
fn an_echo_gives_back_every_byte() {
    block_on(async {
        let (near, far) = pair().await;
        let echo = spawn(async move {
            let mut buffer = [0; 100];
            loop {
                match far.read(&mut buffer).await.unwrap() {
                    0 => return,
                    n => far.write_all(&buffer[..n]).await.unwrap(),
                }
            }
        });
        for n in [1, 99, 100, 101, 10_000] {
            let sent: Vec<u8> = (0..n).map(|i| (i % 251) as u8).collect();
            let mut back = vec![0; n];
            near.write_all(&sent).await.unwrap();
            near.read_exact(&mut back).await.unwrap();
            assert_eq!(sent, back);
        }
        drop(near);
        echo.await.unwrap();
    });
}

#[test]
fn megabytes_arrive_byte_for_byte_in_both_directions_at_once() {
    block_on(async {
        let (near, far) = pair().await;
        both_ways(near, far, 3 << 20, 100_000).await;
    });
}

#[test]
fn what_is_taken_in_parts_arrives_byte_for_byte_in_both_directions_at_once() {
    block_on(async {
        let (near, far) = narrow();
        let (near, far) = (TcpStream::from_std(near).unwrap(), TcpStream::from_std(far).unwrap());
        let partial = both_ways(near, far, MUCH / 2, 20_000).await;
        assert_ne!(partial, 0, "no write was taken in part: the buffers are too large for this test");
    });
}

#[test]
fn one_byte_at_a_time_arrives_in_order() {
    block_on(async {
        let (near, far) = pair().await;
        near.set_nodelay(true).unwrap();
        let writer = spawn(async move {
            for n in 0..1_000 {
                assert_eq!(near.write(&[n as u8]).await.unwrap(), 1);
            }
        });
        for n in 0..1_000 {
            assert_eq!(byte(&far).await, n as u8);
        }
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
        writer.await.unwrap();
    });
}

#[test]
fn a_piece_that_comes_after_a_short_read_is_heard_of() {
    block_on(async {
        let (near, far) = pair().await;
        let echo = spawn(async move {
            let mut buffer = [0; 4096];
            // Every read is short: it leaves the socket not ready, and the next piece has to bring an event.
            while let n @ 1.. = far.read(&mut buffer).await.unwrap() {
                far.write_all(&buffer[..n]).await.unwrap();
            }
        });
        let mut random = Random::new(5);
        for _ in 0..300 {
            let mut piece = vec![0; 1 + random.below(1_000)];
            near.write_all(&piece).await.unwrap();
            near.read_exact(&mut piece).await.unwrap();
        }
        drop(near);
        echo.await.unwrap();
    });
}

#[test]
fn pieces_that_come_from_another_thread_while_the_loop_reads_are_not_lost() {
    let listener = std::net::TcpListener::bind(LOCAL).unwrap();
    let address = listener.local_addr().unwrap();
    let writer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut random, mut sum, mut n) = (Random::new(21), Checksum::new(), 0);
        for _ in 0..5_000 {
            let mut piece = vec![0; 1 + random.below(300)];
            piece.fill_with(|| random.number() as u8);
            sum.add(&piece);
            n += piece.len();
            stream.write_all(&piece).unwrap();
        }
        (n, sum.0)
    });
    let read = block_on(async { drain(&TcpStream::connect(address).await.unwrap(), 700, 22).await });
    assert_eq!(read, writer.join().unwrap());
}

#[test]
fn two_loops_on_two_threads_talk_over_a_socket() {
    let listener = std::net::TcpListener::bind(LOCAL).unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        block_on(async {
            let (stream, _) = TcpListener::from_std(listener).unwrap().accept().await.unwrap();
            for n in 0..200 {
                assert_eq!(byte(&stream).await, n);
                stream.write_all(&[n + 1]).await.unwrap();
            }
        });
    });
    block_on(async {
        let stream = TcpStream::connect(address).await.unwrap();
        for n in 0..200 {
            stream.write_all(&[n]).await.unwrap();
            assert_eq!(byte(&stream).await, n + 1);
        }
    });
    server.join().unwrap();
}

#[test]
fn a_thousand_connections_are_open_at_once() {
    const CONNECTIONS: u32 = 1_000;
    allow_descriptors(2 * u64::from(CONNECTIONS) + 1_000);
    block_on(async {
        let listener = TcpListener::bind(LOCAL).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = spawn(async move {
            let mut streams = Vec::new();
            for _ in 0..CONNECTIONS {
                streams.push(listener.accept().await.unwrap().0);
            }
            // Nobody has an answer yet: all are open.
            let tasks: Vec<_> = streams
                .into_iter()
                .map(|stream| {
                    spawn(async move {
                        let mut number = [0; 4];
                        stream.read_exact(&mut number).await.unwrap();
                        stream.write_all(&(2 * u32::from_ne_bytes(number)).to_ne_bytes()).await.unwrap();
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|n| {
                spawn(async move {
                    let stream = TcpStream::connect(address).await.unwrap();
                    stream.write_all(&n.to_ne_bytes()).await.unwrap();
                    let mut answer = [0; 4];
                    stream.read_exact(&mut answer).await.unwrap();
                    u32::from_ne_bytes(answer)
                })
            })
            .collect();
        for (n, client) in clients.into_iter().enumerate() {
            assert_eq!(client.await.unwrap(), 2 * n as u32);
        }
        server.await.unwrap();
    });
}

// Waiting: a writer for its peer, many tasks for one socket.

#[test]
fn a_writer_waits_while_its_peer_does_not_read_and_goes_on_when_it_does() {
    let runtime = Runtime::new().unwrap();
    let (near, far) = narrow();
    let (near, far) = inside(&runtime, || (TcpStream::from_std(near).unwrap(), TcpStream::from_std(far).unwrap()));
    let bytes: Vec<u8> = (0..MUCH).map(|i| (i % 253) as u8).collect();
    let mut sum = Checksum::new();
    sum.add(&bytes);
    let polls = Rc::new(Cell::new(0));
    let writer = runtime.spawn({
        let polls = Rc::clone(&polls);
        async move { counted(&polls, near.write_all(&bytes)).await.unwrap() }
    });
    // It comes to rest, though it is not done: a writer that tried on would keep the loop turning.
    rest(&runtime);
    assert!(!writer.is_finished());
    let waited = polls.get();
    assert_eq!(runtime.block_on(drain(&far, 5_000, 31)), (MUCH, sum.0));
    assert!(polls.get() > waited && writer.is_finished());
}

#[test]
fn every_reader_of_one_socket_is_served_in_the_order_in_which_they_came() {
    let served = Rc::new(RefCell::new(Vec::new()));
    block_on(async {
        let (near, far) = pair().await;
        let far = Rc::new(far);
        let readers: Vec<_> = (0..5)
            .map(|reader| {
                let (far, served) = (Rc::clone(&far), Rc::clone(&served));
                spawn(async move {
                    let letter = byte(&far).await;
                    served.borrow_mut().push((reader, letter as char));
                })
            })
            .collect();
        yield_now().await;
        near.write_all(b"abcde").await.unwrap();
        for reader in readers {
            reader.await.unwrap();
        }
    });
    assert_eq!(served.take(), [(0, 'a'), (1, 'b'), (2, 'c'), (3, 'd'), (4, 'e')]);
}

#[test]
fn a_reader_that_comes_too_late_for_a_byte_waits_for_the_next() {
    let runtime = Runtime::new().unwrap();
    let (near, mut peer, _view) = watched(&runtime);
    let near = Rc::new(near);
    let polls: [Rc<Cell<usize>>; 2] = Default::default();
    let [first, second] = polls.clone().map(|polls| {
        let near = Rc::clone(&near);
        runtime.spawn(async move { counted(&polls, byte(&near)).await })
    });
    assert_eq!(counts(runtime.turn(ZERO)), [2, 0, 0, 0]);
    peer.write_all(b"1").unwrap();
    // One event wakes both; the first takes the byte, the second finds none.
    assert_eq!(counts(runtime.turn(None)), [2, 0, 1, 0]);
    assert_eq!((first.is_finished(), second.is_finished()), (true, false));
    peer.write_all(b"2").unwrap();
    assert_eq!(counts(runtime.turn(None)), [1, 0, 1, 0]);
    assert_eq!((runtime.block_on(first).unwrap(), runtime.block_on(second).unwrap()), (b'1', b'2'));
    assert_eq!(polls.map(|polls| polls.get()), [2, 3]);
}

#[test]
fn every_task_that_accepts_is_served() {
    block_on(async {
        let listener = Rc::new(TcpListener::bind(LOCAL).await.unwrap());
        let address = listener.local_addr().unwrap();
        let accepting: Vec<_> = (0..20)
            .map(|_| {
                let listener = Rc::clone(&listener);
                spawn(async move { listener.accept().await.unwrap().1 })
            })
            .collect();
        yield_now().await;
        let mut clients = Vec::new();
        for _ in 0..20 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let mut accepted = Vec::new();
        for task in accepting {
            accepted.push(task.await.unwrap());
        }
        let mut expected: Vec<_> = clients.iter().map(|client| client.local_addr().unwrap()).collect();
        accepted.sort();
        expected.sort();
        assert_eq!(accepted, expected);
    });
}

#[test]
fn every_writer_of_one_socket_is_served() {
    block_on(async {
        let (near, far) = narrow();
        let (near, far) = (TcpStream::from_std(near).unwrap(), Rc::new(TcpStream::from_std(far).unwrap()));
        // Each writes more than fits, a byte at a time, so that all of them wait, again and again.
        let writers: Vec<_> = (0..4_u8)
            .map(|writer| {
                let far = Rc::clone(&far);
                spawn(async move {
                    for _ in 0..10_000 {
                        far.write_all(&[writer]).await.unwrap();
                    }
                })
            })
            .collect();
        drop(far);
        let mut seen = [0; 4];
        let mut buffer = [0; 1_000];
        loop {
            let n = near.read(&mut buffer).await.unwrap();
            if n == 0 {
                break;
            }
            buffer[..n].iter().for_each(|&writer| seen[usize::from(writer)] += 1);
        }
        assert_eq!(seen, [10_000; 4]);
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

#[test]
fn a_waiter_that_is_dropped_leaves_the_others_in_line() {
    for dropped in 0..3 {
        let runtime = Runtime::new().unwrap();
        let (near, mut peer, _view) = watched(&runtime);
        let (wakes, wakers): (Vec<_>, Vec<_>) = (0..3).map(|_| Count::new()).unzip();
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(near.readable())).collect();
        for (waiter, waker) in waiting.iter_mut().zip(&wakers) {
            assert!(poll_for(waiter, waker).is_pending());
        }
        drop(waiting.remove(dropped));
        peer.write_all(b"x").unwrap();
        assert_eq!(runtime.turn(None).events, 1);
        let expected: Vec<_> = (0..3).map(|n| usize::from(n != dropped)).collect();
        assert_eq!(wakes.iter().map(|count| count.wakes()).collect::<Vec<_>>(), expected);
        for mut waiter in waiting {
            assert!(matches!(poll_once(&mut waiter), Poll::Ready(Ok(()))));
        }
    }
}

#[test]
fn a_waiter_that_is_dropped_after_its_event_takes_nothing_with_it() {
    let runtime = Runtime::new().unwrap();
    let (near, mut peer, _view) = watched(&runtime);
    let (count, waker) = Count::new();
    let mut gone = Box::pin(near.readable());
    assert!(poll_for(&mut gone, &waker).is_pending());
    peer.write_all(b"x").unwrap();
    assert_eq!(runtime.turn(None).events, 1);
    assert_eq!(count.wakes(), 1);
    drop(gone);
    assert_eq!(runtime.block_on(byte(&near)), b'x');
    // And after the next wait the line is in order, too.
    let mut next = Box::pin(near.readable());
    assert_would_block(near.try_read(&mut [0]));
    assert!(poll_for(&mut next, &waker).is_pending());
    peer.write_all(b"y").unwrap();
    assert_eq!(runtime.turn(None).events, 1);
    assert_eq!(count.wakes(), 2);
}

#[test]
fn polled_again_with_another_waker_a_waiter_has_the_latest_woken_only() {
    let runtime = Runtime::new().unwrap();
    let (near, mut peer, _view) = watched(&runtime);
    let (first, first_waker) = Count::new();
    let (second, second_waker) = Count::new();
    let mut waiting = Box::pin(near.readable());
    assert!(poll_for(&mut waiting, &first_waker).is_pending());
    assert!(poll_for(&mut waiting, &second_waker).is_pending());
    peer.write_all(b"x").unwrap();
    assert_eq!(runtime.turn(None).events, 1);
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
}

#[test]
fn of_those_that_use_the_poll_functions_the_latest_of_each_direction_is_woken_beside_the_waiters() {
    let runtime = Runtime::new().unwrap();
    let (near, mut peer, _view) = watched(&runtime);
    let (first, first_waker) = Count::new();
    let (second, second_waker) = Count::new();
    let (waiter, waiter_waker) = Count::new();
    let mut waiting = Box::pin(near.readable());
    assert!(poll_for(&mut waiting, &waiter_waker).is_pending());
    assert!(near.poll_read_ready(&mut Context::from_waker(&first_waker)).is_pending());
    assert!(near.poll_read_ready(&mut Context::from_waker(&second_waker)).is_pending());
    // The other direction has something to tell already.
    assert!(near.poll_write_ready(&mut Context::from_waker(&first_waker)).is_ready());
    peer.write_all(b"x").unwrap();
    assert_eq!(runtime.turn(None).events, 1);
    assert_eq!((first.wakes(), second.wakes(), waiter.wakes()), (0, 1, 1));
    assert!(near.poll_read_ready(&mut Context::from_waker(&first_waker)).is_ready());
}

#[test]
fn a_future_that_waits_on_a_socket_holds_what_it_was_given_and_16_bytes_more() {
    block_on(async {
        let (near, far) = pair().await;
        let (mut room, bytes) = ([0; 4], [0; 4]);
        // With the trace it knows the program's line, too.
        let (slice, line) = (size_of::<&[u8]>(), if cfg!(feature = "trace") { 8 } else { 0 });
        assert_eq!(size_of_val(&near.read(&mut room)), slice + 16 + line);
        assert_eq!(size_of_val(&far.write(&bytes)), slice + 16 + line);
        assert_eq!(size_of_val(&far.write_all(&bytes)), slice + 16 + line);
        assert_eq!(size_of_val(&near.readable()), 16 + line);
    });
}

#[test]
fn a_socket_goes_on_for_the_tasks_that_still_hold_it() {
    block_on(async {
        let (near, far) = pair().await;
        let far = Rc::new(far);
        let reader = spawn({
            let far = Rc::clone(&far);
            async move { byte(&far).await }
        });
        yield_now().await;
        drop(far);
        near.write_all(b"z").await.unwrap();
        assert_eq!(reader.await.unwrap(), b'z');
    });
}

#[test]
fn a_task_that_is_aborted_while_it_reads_loses_no_byte() {
    block_on(async {
        let (near, far) = pair().await;
        let far = Rc::new(far);
        for _ in 0..10 {
            let reader = spawn({
                let far = Rc::clone(&far);
                async move { byte(&far).await }
            });
            yield_now().await;
            reader.abort();
            assert!(reader.await.unwrap_err().is_cancelled());
        }
        near.write_all(b"all").await.unwrap();
        let mut all = [0; 3];
        far.read_exact(&mut all).await.unwrap();
        assert_eq!(&all, b"all");
    });
}

#[test]
fn a_socket_in_the_place_of_a_closed_one_gets_none_of_its_events() {
    let runtime = Runtime::new().unwrap();
    let (old, mut old_peer, old_view) = watched(&runtime);
    let listener = std::net::TcpListener::bind(LOCAL).unwrap();
    let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (near, _) = listener.accept().unwrap();
    let (count, waker) = Count::new();
    // The old one has an event to come; its descriptor lives on in the other view, and the event with it.
    old_peer.write_all(b"late").unwrap();
    until_arrived(&old_view, 4);
    let near = inside(&runtime, || {
        drop(old);
        let near = TcpStream::from_std(near).unwrap();
        assert_would_block(near.try_read(&mut [0]));
        near
    });
    let mut waiting = Box::pin(near.readable());
    assert!(poll_for(&mut waiting, &waker).is_pending());
    // Its own first event, that it is writable, and no more.
    assert_eq!(counts(runtime.turn(ZERO)), [0, 0, 1, 0]);
    rest(&runtime);
    assert_eq!(count.wakes(), 0);
    peer.write_all(b"own").unwrap();
    assert_eq!(runtime.turn(None).events, 1);
    assert_eq!(count.wakes(), 1);
}

/// The loop's `POLLS_BETWEEN_LOOKS`.
const POLLS_BETWEEN_LOOKS: usize = 61;

#[test]
fn tasks_that_never_rest_keep_a_socket_waiting_for_no_more_than_61_polls() {
    for neighbours in [0, 1, 100] {
        let runtime = Runtime::new().unwrap();
        let (near, mut peer, view) = watched(&runtime);
        let polls = Arc::new(AtomicUsize::new(0));
        let poll = |polls: &AtomicUsize| _ = polls.fetch_add(1, SeqCst);
        runtime.block_on(async {
            poll(&polls);
            spawn_busy(neighbours, &polls);
            let mut last_look = None;
            // A byte comes at another distance from the last look each time.
            for distance in 0..70 {
                for _ in 0..distance / (1 + neighbours) {
                    yield_now().await;
                    poll(&polls);
                }
                let (stamp, waker) = Stamp::new(&polls);
                let mut readable = Box::pin(near.readable());
                assert!(poll_for(&mut readable, &waker).is_pending());
                peer.write_all(b"x").unwrap();
                until_arrived(&view, 1);
                let arrived = polls.load(SeqCst);
                let heard = yield_until_woken(&stamp).await;
                drop(readable);
                assert_eq!(near.try_read(&mut [0; 2]).unwrap(), 1);
                // The loop looks around after every 61st poll, and this is the first time since the byte came.
                let waited = heard - arrived;
                assert!(waited < POLLS_BETWEEN_LOOKS, "{neighbours} neighbours: {waited} polls");
                let looks = last_look.map_or(0, |last| heard - last);
                assert_eq!(looks % POLLS_BETWEEN_LOOKS, 0, "{neighbours} neighbours, heard of at poll {heard}");
                last_look = Some(heard);
            }
        });
    }
}

#[test]
fn a_turn_by_hand_asks_the_system_however_few_polls_there_were() {
    let runtime = Runtime::new().unwrap();
    let (near, mut peer, view) = watched(&runtime);
    let reader = runtime.spawn(async move { byte(&near).await });
    assert_eq!(counts(runtime.turn(ZERO)), [1, 0, 0, 0]);
    drop(runtime.spawn(async {
        loop {
            yield_now().await;
        }
    }));
    peer.write_all(b"x").unwrap();
    until_arrived(&view, 1);
    // The event at the first turn; the reader, whom it wakes, at the second.
    assert_eq!(counts(runtime.turn(ZERO)), [1, 0, 1, 0]);
    assert_eq!(counts(runtime.turn(ZERO)), [2, 0, 0, 0]);
    assert_eq!(runtime.block_on(reader).unwrap(), b'x');
}

// Without waiting.

#[test]
fn to_try_gives_what_is_there_and_says_would_block_when_nothing_is() {
    let runtime = Runtime::new().unwrap();
    let (near, mut peer, view) = watched(&runtime);
    peer.write_all(b"12345678").unwrap();
    until_arrived(&view, 8);
    // What has come is not known before the loop has looked.
    assert_would_block(near.try_read(&mut [0; 4]));
    assert_eq!(runtime.turn(None).events, 1);
    let mut four = [0; 4];
    assert_eq!(near.try_read(&mut four).unwrap(), 4);
    assert_eq!(&four, b"1234");
    // A whole buffer leaves it ready; a short read does not, and needs no system call to know.
    assert_eq!(near.try_read(&mut [0; 5]).unwrap(), 4);
    assert_would_block(near.try_read(&mut four));
    assert_eq!(near.try_write(b"back").unwrap(), 4);
    peer.read_exact(&mut four).unwrap();
    assert_eq!(&four, b"back");
}

#[test]
fn to_try_to_write_says_would_block_when_the_buffers_are_full() {
    let runtime = Runtime::new().unwrap();
    let (near, mut far) = narrow();
    let near = inside(&runtime, || TcpStream::from_std(near).unwrap());
    let bytes = vec![7; MUCH];
    let mut taken = 0;
    loop {
        match near.try_write(&bytes[taken..]) {
            Ok(n) => taken += n,
            Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    assert!(0 < taken && taken < MUCH);
    let reader = thread::spawn(move || {
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).unwrap();
        rest.len()
    });
    runtime.block_on(async {
        near.writable().await.unwrap();
        near.write_all(&bytes[taken..]).await.unwrap();
    });
    drop(near);
    assert_eq!(reader.join().unwrap(), MUCH);
}

#[test]
fn what_needs_no_bytes_is_ready_at_once() {
    block_on(async {
        let (near, _far) = pair().await;
        assert!(poll_once(&mut Box::pin(near.read_exact(&mut []))).is_ready());
        assert!(poll_once(&mut Box::pin(near.write_all(&[]))).is_ready());
    });
}

// Ends.

#[test]
fn the_end_is_told_after_the_last_bytes_and_to_everybody() {
    block_on(async {
        let (near, far) = pair().await;
        near.write_all(b"last").await.unwrap();
        drop(near);
        let mut buffer = [0; 16];
        // The read of the last bytes is short, and the end is not lost for it.
        assert_eq!(far.read(&mut buffer).await.unwrap(), 4);
        for _ in 0..3 {
            assert_eq!(far.read(&mut buffer).await.unwrap(), 0);
        }
    });
}

#[test]
fn the_end_that_comes_with_the_last_bytes_is_told_without_another_event() {
    let runtime = Runtime::new().unwrap();
    let (near, mut peer, view) = watched(&runtime);
    peer.write_all(b"last").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    until_arrived(&view, 4);
    // Both are in the kernel when the loop looks: the end follows the bytes at once, and its event may be the same.
    while runtime.turn(None).events == 0 {}
    let mut buffer = [0; 16];
    assert_eq!(near.try_read(&mut buffer).unwrap(), 4);
    assert_eq!(runtime.block_on(near.read(&mut buffer)).unwrap(), 0);
}

#[test]
fn the_end_that_comes_after_a_short_read_wakes_the_readers() {
    let runtime = Runtime::new().unwrap();
    let (near, mut peer, _view) = watched(&runtime);
    let near = Rc::new(near);
    peer.write_all(b"last").unwrap();
    assert_eq!(runtime.block_on(near.read(&mut [0; 16])).unwrap(), 4);
    let readers = [(); 3].map(|()| {
        let near = Rc::clone(&near);
        runtime.spawn(async move { near.read(&mut [0; 16]).await.unwrap() })
    });
    assert_eq!(counts(runtime.turn(ZERO)), [3, 0, 0, 0]);
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(counts(runtime.turn(None)), [3, 0, 1, 0]);
    for reader in readers {
        assert_eq!(runtime.block_on(reader).unwrap(), 0);
    }
}

#[test]
fn read_exact_says_unexpected_eof_when_the_end_comes_first() {
    block_on(async {
        let (near, far) = pair().await;
        near.write_all(b"abc").await.unwrap();
        drop(near);
        let mut buffer = [0; 4];
        assert_eq!(far.read_exact(&mut buffer).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(&buffer, b"abc\0");
    });
}

#[test]
fn one_direction_may_end_while_the_other_goes_on() {
    block_on(async {
        let (near, far) = pair().await;
        let server = spawn(async move {
            let mut question = Vec::new();
            let mut buffer = [0; 3];
            while let n @ 1.. = far.read(&mut buffer).await.unwrap() {
                question.extend_from_slice(&buffer[..n]);
            }
            question.reverse();
            far.write_all(&question).await.unwrap();
        });
        near.write_all(b"question").await.unwrap();
        near.shutdown(Shutdown::Write).unwrap();
        let mut answer = [0; 8];
        near.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"noitseuq");
        assert_eq!(near.read(&mut answer).await.unwrap(), 0);
        assert_eq!(near.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        server.await.unwrap();
    });
}

#[test]
fn to_shut_a_socket_down_ends_the_wait_of_its_own_reader() {
    block_on(async {
        let (near, _far) = pair().await;
        let near = Rc::new(near);
        let reader = spawn({
            let near = Rc::clone(&near);
            async move { near.read(&mut [0]).await.unwrap() }
        });
        yield_now().await;
        near.shutdown(Shutdown::Both).unwrap();
        assert_eq!(reader.await.unwrap(), 0);
    });
}

#[test]
fn a_reset_reaches_a_reader_that_waits() {
    let runtime = Runtime::new().unwrap();
    let (near, peer, _view) = watched(&runtime);
    let reader = runtime.spawn(async move { near.read(&mut [0]).await.unwrap_err().kind() });
    assert_eq!(counts(runtime.turn(ZERO)), [1, 0, 0, 0]);
    SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    assert_eq!(runtime.block_on(reader).unwrap(), ErrorKind::ConnectionReset);
}

#[test]
fn a_reset_reaches_a_writer_that_waits() {
    let runtime = Runtime::new().unwrap();
    let (near, far) = narrow();
    let near = inside(&runtime, || TcpStream::from_std(near).unwrap());
    let writer = runtime.spawn(async move { near.write_all(&vec![0; MUCH]).await.unwrap_err().kind() });
    rest(&runtime);
    assert!(!writer.is_finished());
    SockRef::from(&far).set_linger(Some(Duration::ZERO)).unwrap();
    drop(far);
    let kind = runtime.block_on(writer).unwrap();
    assert!([ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&kind), "{kind:?}");
}

// Addresses.

#[test]
fn a_connection_to_a_closed_port_is_refused() {
    // Bound and not listening: nobody else gets this port meanwhile.
    let closed = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    closed.bind(&SocketAddr::from(LOCAL).into()).unwrap();
    let address = closed.local_addr().unwrap().as_socket().unwrap();
    block_on(async {
        assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        // Of several addresses the first that answers is taken, and the last error told.
        let listener = TcpListener::bind(LOCAL).await.unwrap();
        let open = listener.local_addr().unwrap();
        let stream = TcpStream::connect(&[address, open][..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        let error = TcpStream::connect(&[address; 2][..]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let error = TcpStream::connect(&[][..]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_port_that_is_taken_is_an_error_and_the_next_address_is_tried() {
    block_on(async {
        // An address of this machine at which nobody else is, so that nobody takes the port meanwhile.
        let [_, a, b, c] = std::process::id().to_be_bytes();
        let first = TcpListener::bind((Ipv4Addr::new(127, 1 + (a & 63), b, c), 0)).await.unwrap();
        let taken = first.local_addr().unwrap();
        assert_eq!(TcpListener::bind(taken).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        let second = TcpListener::bind(&[taken, LOCAL.into()][..]).await.unwrap();
        assert_ne!(second.local_addr().unwrap(), taken);
        // A documentation address (RFC 5737) is nobody's.
        let error = TcpListener::bind("192.0.2.1:0").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        // The port is free again when its listener is dropped.
        drop(first);
        assert_eq!(TcpListener::bind(taken).await.unwrap().local_addr().unwrap(), taken);
    });
}

#[test]
fn names_are_looked_up_and_tried_one_address_after_the_other() {
    block_on(async {
        let listener = TcpListener::bind(LOCAL).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // The name may stand for ::1 as well, where nobody listens.
        for stream in [
            TcpStream::connect(format!("localhost:{port}")).await.unwrap(),
            TcpStream::connect(("localhost", port)).await.unwrap(),
            TcpStream::connect(format!("127.0.0.1:{port}").as_str()).await.unwrap(),
            TcpStream::connect(("127.0.0.1", port)).await.unwrap(),
        ] {
            let (accepted, peer) = listener.accept().await.unwrap();
            assert_eq!(
                (stream.peer_addr().unwrap(), peer),
                (accepted.local_addr().unwrap(), stream.local_addr().unwrap())
            );
        }
        let found: Vec<_> = lookup_host(("localhost", 80)).await.unwrap().collect();
        assert!(found.contains(&(Ipv4Addr::LOCALHOST, 80).into()), "{found:?}");
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 80), "{found:?}");
    });
}

#[test]
fn names_that_stand_for_nothing_are_errors_that_name_them() {
    block_on(async {
        for name in ["no such host:80", "localhost", "localhost:port", "localhost:65536", ":80", ""] {
            let error = TcpStream::connect(name).await.unwrap_err().to_string();
            assert!(error.contains(&format!("\"{name}\"")), "{name:?}: {error}");
            let Err(error) = lookup_host(name).await else { panic!("{name:?} was found") };
            assert!(error.to_string().contains(&format!("\"{name}\"")), "{name:?}: {error}");
        }
        let error = TcpStream::connect(("no such host", 80)).await.unwrap_err().to_string();
        assert!(error.contains("no such host"), "{error}");
    });
}

#[cfg(feature = "trace")]
#[test]
fn names_are_looked_up_on_the_blocking_pool_and_literals_nowhere() {
    use runtime::trace::{Kind, Recorder};
    let jobs = |address: &'static str| {
        let recorder = Recorder::start();
        block_on(async { lookup_host(address).await.unwrap().count() });
        recorder.events().iter().filter(|event| matches!(event.kind, Kind::JobSubmitted { .. })).count()
    };
    assert_eq!(["localhost:80", "127.0.0.1:80", "[::1]:80"].map(jobs), [1, 0, 0]);
}

#[test]
fn sockets_of_the_standard_library_are_taken_over_and_made_non_blocking() {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let listener = std::net::TcpListener::bind(LOCAL).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        assert_eq!(listener.local_addr().unwrap(), address);
        assert!(poll_once(&mut Box::pin(listener.accept())).is_pending());
        let near = TcpStream::from_std(std::net::TcpStream::connect(address).unwrap()).unwrap();
        let (far, _) = listener.accept().await.unwrap();
        assert!(poll_once(&mut Box::pin(near.read(&mut [0]))).is_pending());
        far.write_all(b"!").await.unwrap();
        assert_eq!(byte(&near).await, b'!');
    });
}

// Loops.

#[test]
fn sockets_live_on_between_two_calls_of_block_on() {
    let runtime = Runtime::new().unwrap();
    let (near, mut peer, view) = watched(&runtime);
    let near = Rc::new(near);
    let waiting = runtime.spawn({
        let near = Rc::clone(&near);
        async move { byte(&near).await }
    });
    assert_eq!(counts(runtime.turn(ZERO)), [1, 0, 0, 0]);
    // What comes while no loop runs is heard of by the next.
    peer.write_all(b"1").unwrap();
    until_arrived(&view, 1);
    assert_eq!(runtime.block_on(waiting).unwrap(), b'1');
    peer.write_all(b"2").unwrap();
    assert_eq!(runtime.block_on(byte(&near)), b'2');
    runtime.block_on(near.write_all(b"3")).unwrap();
    let mut buffer = [0];
    peer.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"3");
}

/// Whether this is the error of a socket whose runtime was dropped.
#[track_caller]
fn assert_gone(error: &io::Error) {
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(error.to_string().contains("the runtime that this socket belongs to was dropped"), "{error}");
}

#[test]
fn a_socket_that_outlives_its_runtime_says_so_instead_of_waiting() {
    let runtime = Runtime::new().unwrap();
    let (known_not_ready, _peer, _) = watched(&runtime);
    let (thought_ready, _far, listener) = runtime.block_on(async {
        let (near, far) = pair().await;
        (near, far, TcpListener::bind(LOCAL).await.unwrap())
    });
    drop(runtime);
    assert_gone(&known_not_ready.try_read(&mut [0]).unwrap_err());
    // The next loop is another one; and without any loop it is the same.
    block_on(async {
        for stream in [&known_not_ready, &thought_ready] {
            assert_gone(&stream.read(&mut [0]).await.unwrap_err());
            assert_gone(&stream.readable().await.unwrap_err());
        }
        assert_gone(&listener.accept().await.unwrap_err());
        // A writer ends when it would have to wait.
        assert_gone(&thought_ready.write_all(&vec![0; 64 << 20]).await.unwrap_err());
    });
    let Poll::Ready(Err(error)) = poll_once(&mut Box::pin(known_not_ready.readable())) else { panic!("it waits") };
    assert_gone(&error);
    let Poll::Ready(Err(error)) = known_not_ready.poll_read_ready(&mut Context::from_waker(Waker::noop())) else {
        panic!("it waits")
    };
    assert_gone(&error);
}

#[test]
fn a_socket_awaited_on_another_loop_says_so_when_its_own_is_dropped() {
    let own = Runtime::new().unwrap();
    let (near, _peer, _) = watched(&own);
    let near = Rc::new(near);
    block_on(async {
        let tasks: [JoinHandle<io::Result<()>>; 2] = [
            spawn({
                let near = Rc::clone(&near);
                async move { near.readable().await }
            }),
            spawn({
                let near = Rc::clone(&near);
                async move { poll_fn(|cx| near.poll_read_ready(cx)).await }
            }),
        ];
        yield_now().await;
        assert!(tasks.iter().all(|task| !task.is_finished()));
        drop(own);
        for task in tasks {
            assert_gone(&task.await.unwrap().unwrap_err());
        }
    });
}

#[test]
fn without_a_loop_a_socket_cannot_be_made_and_the_panic_names_the_cure() {
    let listener = std::net::TcpListener::bind(LOCAL).unwrap();
    let message = tests::panic_message(|| TcpListener::from_std(listener));
    assert!(message.contains("a socket needs a running event loop") && message.contains("block_on"), "{message}");
}

// Descriptors.

#[test]
fn a_dropped_runtime_leaves_no_descriptor_of_sockets_in_whatever_state() {
    alone("a_dropped_runtime_leaves_no_descriptor_of_sockets_in_whatever_state", || {
        let before = open_descriptors();
        let full = full_listener();
        let with_the_listener = open_descriptors();
        for _ in 0..3 {
            let runtime = Runtime::new().unwrap();
            drop(runtime.spawn(async {
                let listener = TcpListener::bind(LOCAL).await.unwrap();
                listener.accept().await.unwrap();
            }));
            drop(runtime.spawn(async {
                let (near, far) = pair().await;
                let reader = spawn(async move { near.read(&mut [0]).await });
                far.readable().await.unwrap();
                drop(reader);
            }));
            let address = full.0;
            drop(runtime.spawn(async move { TcpStream::connect(address).await }));
            drop(runtime.spawn(async {
                let _pipe = Async::new(mio::unix::pipe::new().unwrap().1).unwrap();
                pending::<()>().await;
            }));
            drop(runtime.spawn(async { UdpSocket::bind(LOCAL).await.unwrap().recv(&mut [0]).await }));
            rest(&runtime);
            assert_ne!(open_descriptors(), with_the_listener);
            drop(runtime);
            assert_eq!(open_descriptors(), with_the_listener);
        }
        drop(full);
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn a_closed_socket_gives_its_descriptor_back_at_once() {
    alone("a_closed_socket_gives_its_descriptor_back_at_once", || {
        let full = full_listener();
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let before = open_descriptors();
            drop(pair().await);
            assert_eq!(open_descriptors(), before, "a connection");
            // A connect that is dropped while it waits.
            let mut connecting = Box::pin(TcpStream::connect(full.0));
            for _ in 0..3 {
                assert!(poll_once(&mut connecting).is_pending());
                yield_now().await;
            }
            assert_ne!(open_descriptors(), before);
            drop(connecting);
            assert_eq!(open_descriptors(), before, "a connect that was dropped");
            assert!(TcpListener::bind("192.0.2.1:0").await.is_err());
            assert!(UdpSocket::bind("192.0.2.1:0").await.is_err());
            assert_eq!(open_descriptors(), before, "what failed");
        });
    });
}

// UDP.

#[test]
fn datagrams_arrive_whole_and_tell_from_whom() {
    block_on(async {
        let (one, two) = (UdpSocket::bind(LOCAL).await.unwrap(), UdpSocket::bind(LOCAL).await.unwrap());
        let (first, second) = (one.local_addr().unwrap(), two.local_addr().unwrap());
        let reader = spawn(async move {
            let mut seen = Vec::new();
            let mut buffer = [0; 8];
            for _ in 0..4 {
                let (n, from) = two.recv_from(&mut buffer).await.unwrap();
                assert_eq!(from, first);
                seen.push(String::from_utf8_lossy(&buffer[..n]).into_owned());
            }
            seen
        });
        yield_now().await;
        // An empty one is no end, and of one that is too long the rest is lost.
        for datagram in ["one", "", "0123456789", "four"] {
            assert_eq!(one.send_to(datagram.as_bytes(), second).await.unwrap(), datagram.len());
        }
        assert_eq!(reader.await.unwrap(), ["one", "", "01234567", "four"]);
    });
}

#[test]
fn a_udp_socket_with_one_peer_hears_of_it_alone() {
    block_on(async {
        let (one, two) = (UdpSocket::bind(LOCAL).await.unwrap(), UdpSocket::bind(LOCAL).await.unwrap());
        let stranger = UdpSocket::from_std(std::net::UdpSocket::bind(LOCAL).unwrap()).unwrap();
        one.connect(two.local_addr().unwrap()).await.unwrap();
        two.connect(one.local_addr().unwrap()).await.unwrap();
        stranger.send_to(b"stranger", two.local_addr().unwrap()).await.unwrap();
        one.send(b"friend").await.unwrap();
        let mut buffer = [0; 16];
        let n = two.recv(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..n], b"friend");
    });
}

#[test]
fn a_datagram_to_nobody_is_refused_to_the_one_that_waits() {
    block_on(async {
        let (one, two) = (UdpSocket::bind(LOCAL).await.unwrap(), UdpSocket::bind(LOCAL).await.unwrap());
        one.connect(two.local_addr().unwrap()).await.unwrap();
        // It hears of itself alone: to everybody else nobody is there. And nobody else gets its port.
        two.connect(two.local_addr().unwrap()).await.unwrap();
        let waiting = {
            let mut buffer = [0];
            let mut waiting = Box::pin(one.recv(&mut buffer));
            assert!(poll_once(&mut waiting).is_pending());
            one.send(b"?").await.unwrap();
            waiting.await
        };
        assert_eq!(waiting.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

// Anything else that mio can watch.

#[test]
fn a_pipe_waits_for_room_and_for_bytes_and_tells_its_end() {
    block_on(async {
        let (sender, receiver) = mio::unix::pipe::new().unwrap();
        let (sender, receiver) = (Async::new(sender).unwrap(), Async::new(receiver).unwrap());
        let writer = spawn(async move {
            let bytes: Vec<u8> = (0..MUCH).map(|i| (i % 251) as u8).collect();
            let mut sum = Checksum::new();
            sum.add(&bytes);
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let n = sender.write_with(|mut pipe| pipe.write(rest)).await.unwrap();
                rest = &rest[n..];
            }
            sum.0
        });
        let (mut sum, mut n, mut buffer) = (Checksum::new(), 0, [0; 5_000]);
        while let read @ 1.. = receiver.read_with(|mut pipe| pipe.read(&mut buffer)).await.unwrap() {
            sum.add(&buffer[..read]);
            n += read;
        }
        assert_eq!((n, sum.0), (MUCH, writer.await.unwrap()));
    });
}

#[test]
fn a_pipe_without_a_reader_is_an_error_of_the_writer_that_waits() {
    block_on(async {
        let (sender, receiver) = mio::unix::pipe::new().unwrap();
        let (sender, receiver) = (Async::new(sender).unwrap(), Async::new(receiver).unwrap());
        let writer = spawn(async move {
            loop {
                if let Err(error) = sender.write_with(|mut pipe| pipe.write(&[0; 4096])).await {
                    return error.kind();
                }
            }
        });
        // Filled by now, and waiting.
        for _ in 0..3 {
            yield_now().await;
        }
        assert!(!writer.is_finished());
        drop(receiver);
        assert_eq!(writer.await.unwrap(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_parked_loop_hears_of_a_pipe_that_another_thread_writes_to() {
    let runtime = Runtime::new().unwrap();
    let (sender, receiver) = mio::unix::pipe::new().unwrap();
    let receiver = inside(&runtime, || Async::new(receiver).unwrap());
    let reader = runtime.spawn(async move {
        let mut buffer = [0; 8];
        let n = receiver.read_with(|mut pipe| pipe.read(&mut buffer)).await.unwrap();
        String::from_utf8_lossy(&buffer[..n]).into_owned()
    });
    assert_eq!(counts(runtime.turn(ZERO)), [1, 0, 0, 0]);
    let parked = thread_number();
    let writer = thread::spawn(move || {
        until_parked(parked);
        (&sender).write_all(b"wake up").unwrap();
        sender
    });
    assert_eq!(counts(runtime.turn(None)), [1, 0, 1, 0]);
    assert_eq!(runtime.block_on(reader).unwrap(), "wake up");
    drop(writer.join().unwrap());
}

// Several pieces in one call.

/// Writes all pieces, as far as each call takes them, and tells how far that was.
async fn write_pieces(stream: &mut (impl futures::AsyncWrite + Unpin), n: usize) -> Vec<usize> {
    let (bytes, mut taken) = (vec![7; n], Vec::new());
    let mut left = n;
    while left > 0 {
        let pieces: Vec<_> = bytes[..left].chunks(1).map(io::IoSlice::new).collect();
        taken.push(futures::AsyncWriteExt::write_vectored(stream, &pieces).await.unwrap());
        left -= taken.last().unwrap();
    }
    taken
}

#[test]
fn more_pieces_than_the_system_takes_in_one_call_go_on_in_the_next() {
    block_on(async {
        let (mut near, far) = pair().await;
        assert_eq!(write_pieces(&mut near, 3_000).await, [1_024, 1_024, 952]);
        far.read_exact(&mut [0; 3_000]).await.unwrap();

        let (sender, receiver) = mio::unix::pipe::new().unwrap();
        let (mut sender, receiver) = (Async::new(sender).unwrap(), Async::new(receiver).unwrap());
        assert_eq!(write_pieces(&mut sender, 3_000).await, [1_024, 1_024, 952]);
        assert_eq!(receiver.read_with(|mut pipe| pipe.read(&mut [0; 4_000])).await.unwrap(), 3_000);

        let (near, far) = mio::net::UnixStream::pair().unwrap();
        let (mut near, far) = (Async::new(near).unwrap(), Async::new(far).unwrap());
        // A local socket keeps a buffer for each write, not for each byte: two calls fit.
        assert_eq!(write_pieces(&mut near, 2_000).await, [1_024, 976]);
        assert_eq!(far.read_with(|mut socket| socket.read(&mut [0; 4_000])).await.unwrap(), 2_000);
    });
}

#[test]
fn a_stream_in_memory_takes_any_number_of_pieces_whatever_room_it_has() {
    let bytes: Vec<u8> = (0..3_000).map(|n| (n % 251) as u8).collect();
    for capacity in [1, 7, 2_999, 3_000, 4_096] {
        let arrived = block_on(async {
            let (mut near, far) = runtime::io::duplex(capacity);
            let reader = spawn(async move {
                let mut arrived: Vec<u8> = Vec::new();
                let mut buffer = [0; 100];
                while let n @ 1.. = far.read(&mut buffer).await.unwrap() {
                    arrived.extend(&buffer[..n]);
                }
                arrived
            });
            // Before each piece stands an empty one.
            let pieces: Vec<_> = bytes.chunks(1).flat_map(|piece| [&piece[..0], piece]).map(io::IoSlice::new).collect();
            let mut written = 0;
            while written < bytes.len() {
                let left = &pieces[2 * written..];
                let taken = futures::AsyncWriteExt::write_vectored(&mut near, left).await.unwrap();
                assert!((1..=capacity).contains(&taken), "{taken} of {capacity}");
                written += taken;
            }
            drop(near);
            reader.await.unwrap()
        });
        assert!(arrived == bytes, "a stream with room for {capacity}");
    }
}

#[test]
fn a_write_of_many_pieces_that_was_full_does_not_count_as_a_short_one() {
    block_on(async {
        let (mut near, _far) = pair().await;
        let bytes = vec![7; 2_000];
        let pieces: Vec<_> = bytes.chunks(1).map(io::IoSlice::new).collect();
        futures::AsyncWriteExt::write_vectored(&mut near, &pieces).await.unwrap();
        // There is room: the next attempt is worth it.
        assert!(poll_once(&mut Box::pin(near.writable())).is_ready());
        assert_eq!(near.try_write(b"x").unwrap(), 1);
    });
}

// Attempts by hand.

/// A source that somebody else wrote: it hands everything on to a pipe.
struct Own(mio::unix::pipe::Receiver);

impl mio::event::Source for Own {
    fn register(&mut self, to: &mio::Registry, token: mio::Token, interest: mio::Interest) -> io::Result<()> {
        self.0.register(to, token, interest)
    }

    fn reregister(&mut self, to: &mio::Registry, token: mio::Token, interest: mio::Interest) -> io::Result<()> {
        self.0.reregister(to, token, interest)
    }

    fn deregister(&mut self, from: &mio::Registry) -> io::Result<()> {
        self.0.deregister(from)
    }
}

/// Reads five bytes as `Async`'s documentation shows it, while others run; `write` sends them, when nothing else is left
/// to be done.
fn read_by_hand<T: mio::event::Source + 'static>(
    source: impl FnOnce() -> T,
    read: impl Fn(&T, &mut [u8]) -> io::Result<usize> + 'static,
    write: impl FnOnce(),
) {
    let runtime = Runtime::new().unwrap();
    let (attempts, count) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let source = inside(&runtime, || Async::new(source()).unwrap());
    let (tried, asked) = (Rc::clone(&attempts), Rc::clone(&count));
    let reader = runtime.spawn(async move {
        let mut buffer = [0; 16];
        loop {
            asked.set(asked.get() + 1);
            source.readable().await.unwrap();
            let attempt = |source: &T| {
                tried.set(tried.get() + 1);
                read(source, &mut buffer)
            };
            match source.try_io(mio::Interest::READABLE, attempt) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return buffer[..done.unwrap()].to_vec(),
            }
        }
    });
    rest(&runtime);
    // A fresh source counts as ready, so it was tried once, and now the task waits.
    assert_eq!((attempts.get(), count.get()), (1, 2));
    write();
    assert_eq!(runtime.block_on(reader).unwrap(), b"hello");
    assert_eq!((attempts.get(), count.get()), (2, 2));
}

#[test]
fn the_documented_way_to_try_by_hand_waits_when_nothing_is_there() {
    let (mut sender, receiver) = mio::unix::pipe::new().unwrap();
    read_by_hand(|| receiver, |mut pipe, buffer| pipe.read(buffer), || sender.write_all(b"hello").unwrap());

    let (near, mut far) = mio::net::UnixStream::pair().unwrap();
    read_by_hand(|| near, |mut socket, buffer| socket.read(buffer), || far.write_all(b"hello").unwrap());

    let (mut sender, receiver) = mio::unix::pipe::new().unwrap();
    read_by_hand(|| Own(receiver), |own, buffer| (&own.0).read(buffer), || sender.write_all(b"hello").unwrap());

    let (near, far) = (std::net::UdpSocket::bind(LOCAL).unwrap(), std::net::UdpSocket::bind(LOCAL).unwrap());
    near.set_nonblocking(true).unwrap();
    let address = near.local_addr().unwrap();
    read_by_hand(
        || mio::net::UdpSocket::from_std(near),
        |socket, buffer| socket.recv(buffer),
        || _ = far.send_to(b"hello", address).unwrap(),
    );
}

#[test]
fn an_attempt_by_hand_is_not_made_while_the_source_does_not_count_as_ready() {
    block_on(async {
        let (_sender, receiver) = mio::unix::pipe::new().unwrap();
        let receiver = Async::new(receiver).unwrap();
        let read = |mut pipe: &mio::unix::pipe::Receiver| pipe.read(&mut [0]);
        assert_would_block(receiver.try_io(mio::Interest::READABLE, read));
        assert_would_block(receiver.try_io(mio::Interest::READABLE, |_| -> io::Result<()> { panic!("not tried") }));
        assert!(poll_once(&mut Box::pin(receiver.readable())).is_pending());
    });
}

#[test]
fn an_attempt_in_both_directions_speaks_for_both() {
    block_on(async {
        let both = mio::Interest::READABLE | mio::Interest::WRITABLE;
        let (near, _far) = mio::net::UnixStream::pair().unwrap();
        let near = Async::new(near).unwrap();
        assert_eq!(near.try_io(both, |_| Ok(5)).unwrap(), 5);
        // One direction is enough to try.
        assert_would_block(near.try_io(mio::Interest::READABLE, |mut socket| socket.read(&mut [0])));
        assert_eq!(near.try_io(both, |_| Ok(5)).unwrap(), 5);
        assert_would_block(near.try_io(both, |_| Err::<(), _>(ErrorKind::WouldBlock.into())));
        assert_would_block(near.try_io(mio::Interest::WRITABLE, |_| -> io::Result<()> { panic!("not tried") }));
        assert_would_block(near.try_io(both, |_| -> io::Result<()> { panic!("not tried") }));
        // Other errors change nothing.
        let (near, _far) = mio::net::UnixStream::pair().unwrap();
        let near = Async::new(near).unwrap();
        let error = near.try_io(both, |_| Err::<(), _>(ErrorKind::BrokenPipe.into())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(near.try_io(both, |_| Ok(5)).unwrap(), 5);
        // Of what the loop does not watch, nothing is tried.
        let error = near.try_io(mio::Interest::PRIORITY, |_| -> io::Result<()> { panic!("not tried") }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_fresh_source_counts_as_ready_and_still_does_when_its_runtime_is_gone() {
    let runtime = Runtime::new().unwrap();
    let (_sender, receiver) = mio::unix::pipe::new().unwrap();
    let receiver = inside(&runtime, || Async::new(receiver).unwrap());
    assert!(poll_once(&mut Box::pin(receiver.readable())).is_ready());
    drop(runtime);
    assert!(poll_once(&mut Box::pin(receiver.readable())).is_ready());
    assert_would_block(receiver.try_io(mio::Interest::READABLE, |mut pipe| pipe.read(&mut [0])));
    // From here on it could only be told by an event, and none comes.
    for error in
        [block_on(receiver.readable()).unwrap_err(), receiver.try_io(mio::Interest::READABLE, |_| Ok(())).unwrap_err()]
    {
        assert_gone(&error);
    }
    receiver.try_io(mio::Interest::READABLE | mio::Interest::WRITABLE, |_| Ok(())).unwrap();
}

// To flush.

#[test]
fn to_flush_and_to_close_a_full_pipe_waits_for_nothing() {
    block_on(async {
        let (sender, _receiver) = mio::unix::pipe::new().unwrap();
        let mut sender = Async::new(sender).unwrap();
        while poll_once(&mut Box::pin(sender.write_with(|mut pipe| pipe.write(&[0; 4_096])))).is_ready() {}
        assert!(poll_once(&mut futures::AsyncWriteExt::flush(&mut sender)).is_ready());
        assert!(poll_once(&mut futures::AsyncWriteExt::close(&mut sender)).is_ready());
        // Full it is, nevertheless.
        assert!(poll_once(&mut Box::pin(sender.writable())).is_pending());
    });
}

/// A pipe with a buffer: what is written is in the pipe only when it has been flushed.
struct Buffered(mio::unix::pipe::Sender, RefCell<Vec<u8>>);

impl mio::event::Source for Buffered {
    fn register(&mut self, to: &mio::Registry, token: mio::Token, interest: mio::Interest) -> io::Result<()> {
        self.0.register(to, token, interest)
    }

    fn reregister(&mut self, to: &mio::Registry, token: mio::Token, interest: mio::Interest) -> io::Result<()> {
        self.0.reregister(to, token, interest)
    }

    fn deregister(&mut self, from: &mio::Registry) -> io::Result<()> {
        self.0.deregister(from)
    }
}

impl Write for &Buffered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.borrow_mut().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut kept = self.1.borrow_mut();
        while !kept.is_empty() {
            let n = (&self.0).write(&kept)?;
            kept.drain(..n);
        }
        Ok(())
    }
}

#[test]
fn to_flush_a_source_with_a_buffer_waits_until_there_is_room() {
    block_on(async {
        let (sender, receiver) = mio::unix::pipe::new().unwrap();
        let mut sender = Async::new(Buffered(sender, RefCell::default())).unwrap();
        let receiver = Async::new(receiver).unwrap();
        let sent = 300_000;
        futures::AsyncWriteExt::write_all(&mut sender, &vec![7; sent]).await.unwrap();
        let reader = spawn(async move {
            let mut read = 0;
            while read < sent {
                read += receiver.read_with(|mut pipe| pipe.read(&mut [0; 10_000])).await.unwrap();
            }
        });
        let polls = Cell::new(0);
        counted(&polls, futures::AsyncWriteExt::flush(&mut sender)).await.unwrap();
        assert!(polls.get() > 1);
        reader.await.unwrap();
    });
}

// Datagrams without waiting.

#[test]
fn to_try_with_datagrams_gives_what_is_there_and_says_would_block_when_nothing_is() {
    block_on(async {
        let (one, other) = (UdpSocket::bind(LOCAL).await.unwrap(), UdpSocket::bind(LOCAL).await.unwrap());
        let (here, there) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        let mut buffer = [0; 8];
        assert_would_block(other.try_recv_from(&mut buffer));
        assert!(poll_once(&mut Box::pin(other.readable())).is_pending());
        one.writable().await.unwrap();
        assert_eq!(one.try_send_to(b"first", there).unwrap(), 5);
        other.readable().await.unwrap();
        assert_eq!(other.try_recv_from(&mut buffer).unwrap(), (5, here));
        assert_eq!(&buffer[..5], b"first");

        one.connect(there).await.unwrap();
        other.connect(here).await.unwrap();
        assert_would_block(other.try_recv(&mut buffer));
        assert_eq!(one.try_send(b"second").unwrap(), 6);
        other.readable().await.unwrap();
        assert_eq!(other.try_recv(&mut buffer).unwrap(), 6);
        assert_eq!(&buffer[..6], b"second");
        // Nobody was asked, and so nobody waits.
        assert_eq!(
            UdpSocket::bind(LOCAL).await.unwrap().try_send(b"x").unwrap_err().raw_os_error(),
            Some(libc::EDESTADDRREQ)
        );
    });
}

// Names.

#[test]
fn sockets_lend_their_descriptors() {
    fn is_open(socket: &impl std::os::fd::AsFd) -> bool {
        SockRef::from(socket).r#type().is_ok()
    }
    block_on(async {
        let listener = TcpListener::bind(LOCAL).await.unwrap();
        let (near, _far) = pair().await;
        let udp = UdpSocket::bind(LOCAL).await.unwrap();
        let unix = Async::new(mio::net::UnixStream::pair().unwrap().0).unwrap();
        assert!(is_open(&listener) && is_open(&near) && is_open(&udp) && is_open(&unix));
        SockRef::from(&near).set_keepalive(true).unwrap();
        assert!(SockRef::from(&near).keepalive().unwrap());
    });
}

#[test]
fn addresses_may_be_given_in_every_form_that_the_standard_library_takes() {
    block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else { unreachable!("it was bound to one") };
        let port = address.port();
        TcpStream::connect(address).await.unwrap();
        TcpStream::connect(&address).await.unwrap();
        TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        TcpStream::connect((String::from("127.0.0.1"), port)).await.unwrap();
        TcpStream::connect((String::from("localhost"), port)).await.unwrap();
        let six = std::net::SocketAddrV6::new(std::net::Ipv6Addr::LOCALHOST, 80, 0, 7);
        assert_eq!(lookup_host(six).await.unwrap().collect::<Vec<_>>(), [SocketAddr::V6(six)]);
        let name = (String::from("no such host"), 80);
        let error = lookup_host(name).await.err().unwrap();
        assert!(error.to_string().starts_with("cannot look up \"no such host:80\": "), "{error}");
    });
}
