//! What each step buys: a program that goes wrong on the rung before, and the same thing done on this one.
//!
//! Each program runs in a process of its own, which is this test binary once more: [`program`] runs the one that the
//! environment names. So one that hangs or spins can be looked at from outside, and ended.
#![allow(dead_code, reason = "a program uses a part of its rung")]
#![cfg(target_os = "linux")]

mod watch;
#[path = "../lessons/01_block_on/rung.rs"]
mod rung_01;
#[path = "../lessons/02_timer/rung.rs"]
mod rung_02;
#[path = "../lessons/03_queue/rung.rs"]
mod rung_03;
#[path = "../lessons/04_tickets/rung.rs"]
mod rung_04;
#[path = "../lessons/05_wakes/rung.rs"]
mod rung_05;
#[path = "../lessons/06_timers/rung.rs"]
mod rung_06;
#[path = "../lessons/07_reactor/rung.rs"]
mod rung_07;
#[path = "../lessons/08_gather/rung.rs"]
mod rung_08;
#[path = "../lessons/09_cancel/rung.rs"]
mod rung_09;
#[path = "../lessons/10_join/rung.rs"]
mod rung_10;
#[path = "../lessons/11_semaphore/rung.rs"]
mod rung_11;
#[path = "../lessons/12_blocking/rung.rs"]
mod rung_12;
#[path = "../lessons/13_server/rung.rs"]
mod rung_13;

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::io::{Read, Write};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use std::{env, net, process::Command, thread};
use watch::Ending::{self, Ends, Fails, Hangs, Spins};

/// Names the program to run in the process that is started for it.
const PROGRAM: &str = "COURSE_PROGRAM";

/// What a program says at its good end.
const DONE: &str = "it is done";

/// Runs a program in a process of its own and compares its ending.
#[track_caller]
fn expect(program: &str, expected: Ending) {
    let mut command = Command::new(env::current_exe().expect("a test has a file"));
    command.args(["--exact", "program", "--nocapture", "--test-threads=1"]).env(PROGRAM, program);
    let (ending, text) = watch::watch(&mut command);
    assert_eq!(ending, expected, "{program} has written:\n{text}");
    assert_eq!(text.contains(DONE), expected == Ends, "{program} has written:\n{text}");
}

/// Not a test of its own: runs the program that the environment names.
#[test]
fn program() {
    let Ok(name) = env::var(PROGRAM) else { return };
    let (_, run) = PROGRAMS.iter().find(|(program, _)| *program == name).expect("there is such a program");
    run();
    println!("{DONE}");
}

/// Lists the functions by their names.
macro_rules! programs {
    ($($name:ident)*) => {
        const PROGRAMS: &[(&str, fn())] = &[$((stringify!($name), $name)),*];
    };
}

programs! {
    no_bell rung_1_sleeps
    rung_1_forgets_the_waker rung_1_wakes_itself rung_2_waits
    rung_2_does_one_thing_after_the_other rung_3_does_both
    rung_3_queues_each_wake rung_4_queues_a_task_once
    rung_4_makes_a_waker_each_time rung_5_has_one_waker
    rung_5_keeps_the_threads rung_5_sleeps_for_an_hour rung_6_keeps_nothing rung_6_jumps
    rung_6_blocks_in_a_read rung_7_reads
    rung_7_awaits_in_turn rung_8_gathers
    rung_8_waits_for_all rung_9_returns_the_error
    rung_9_ends_with_its_task rung_10_goes_on
    rung_10_asks_again_and_again rung_11_waits_in_line
    rung_11_blocks rung_12_does_not
    rung_12_takes_a_read_for_a_request rung_13_answers_both
}

// 1. A bell.

#[test]
fn rung_1_sleeps_where_a_loop_without_a_bell_spins() {
    expect("no_bell", Spins);
    expect("rung_1_sleeps", Ends);
}

/// The loop that one writes first.
fn no_bell() {
    let mut future = pin!(pending::<()>());
    while future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {}
}

fn rung_1_sleeps() {
    let mut polls = 0;
    rung_01::run::block_on(poll_fn(|cx| {
        polls += 1;
        if polls > 1 {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            waker.wake();
        });
        Poll::Pending
    }));
    assert_eq!(polls, 2);
}

// 2. A timer.

#[test]
fn rung_2_waits_for_a_time_where_rung_1_hangs_or_spins() {
    expect("rung_1_forgets_the_waker", Hangs);
    expect("rung_1_wakes_itself", Spins);
    expect("rung_2_waits", Ends);
}

fn rung_1_forgets_the_waker() {
    let start = Instant::now();
    rung_01::run::block_on(poll_fn(|_| {
        if start.elapsed() >= Duration::from_millis(20) { Poll::Ready(()) } else { Poll::Pending }
    }));
}

fn rung_1_wakes_itself() {
    let start = Instant::now();
    rung_01::run::block_on(poll_fn(|cx| {
        cx.waker().wake_by_ref();
        if start.elapsed() >= Duration::from_secs(3600) { Poll::Ready(()) } else { Poll::Pending }
    }));
}

fn rung_2_waits() {
    let (mut polls, mut delay) = (0, pin!(rung_02::time::sleep(20)));
    rung_02::run::block_on(poll_fn(|cx| {
        polls += 1;
        delay.as_mut().poll(cx)
    }));
    // Once, if this thread was held up until the alarm had rung.
    assert!(polls <= 2, "{polls} polls");
}

// 3. Tasks.

#[test]
fn rung_3_does_two_things_where_rung_2_starves_the_second() {
    expect("rung_2_does_one_thing_after_the_other", Spins);
    expect("rung_3_does_both", Ends);
}

/// Is never ready, and always worth a poll.
async fn endless() {
    poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    })
    .await;
}

fn rung_2_does_one_thing_after_the_other() {
    rung_02::run::block_on(async {
        endless().await;
        println!("the second has its turn");
    });
}

fn rung_3_does_both() {
    rung_03::runtime::block_on(async {
        rung_03::runtime::spawn(endless());
        rung_03::task::yield_now().await;
        println!("the second has its turn");
    });
}

// 4. One entry in the queue.

#[test]
fn rung_4_queues_a_task_once_where_rung_3_drowns_in_polls() {
    expect("rung_3_queues_each_wake", Spins);
    expect("rung_4_queues_a_task_once", Ends);
}

/// A task that wakes itself twice in each poll, and a main that yields 40 times.
macro_rules! wakes_twice {
    ($rung:ident) => {
        $rung::runtime::block_on(async {
            $rung::runtime::spawn(poll_fn(|cx| {
                cx.waker().wake_by_ref();
                cx.waker().wake_by_ref();
                Poll::Pending
            }));
            for _ in 0..40 {
                $rung::task::yield_now().await;
            }
        })
    };
}

fn rung_3_queues_each_wake() {
    wakes_twice!(rung_03);
}

fn rung_4_queues_a_task_once() {
    wakes_twice!(rung_04);
}

// 5. Wakers that are numbers.

#[test]
fn rung_5_has_one_waker_for_a_task_where_rung_4_makes_one_for_each_poll() {
    expect("rung_4_makes_a_waker_each_time", Fails);
    expect("rung_5_has_one_waker", Ends);
}

/// A leaf that keeps the latest waker, and clones it only if it is not the one that it has.
macro_rules! counts_wakers {
    ($rung:ident) => {{
        let (mut kept, mut wakers, mut polls) = (Waker::noop().clone(), 0, 0);
        $rung::runtime::block_on(poll_fn(|cx| {
            polls += 1;
            if !kept.will_wake(cx.waker()) {
                kept = cx.waker().clone();
                wakers += 1;
            }
            cx.waker().wake_by_ref();
            if polls == 1_000 { Poll::Ready(()) } else { Poll::Pending }
        }));
        assert_eq!(wakers, 1, "wakers for one task in 1,000 polls");
    }};
}

fn rung_4_makes_a_waker_each_time() {
    counts_wakers!(rung_04);
}

fn rung_5_has_one_waker() {
    counts_wakers!(rung_05);
}

// 6. Timers.

#[test]
fn rung_6_keeps_no_thread_and_needs_no_time_where_rung_5_does() {
    expect("rung_5_keeps_the_threads", Fails);
    expect("rung_5_sleeps_for_an_hour", Hangs);
    expect("rung_6_keeps_nothing", Ends);
    expect("rung_6_jumps", Ends);
}

const HOUR: Duration = Duration::from_secs(3600);

/// The threads of this process.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("Linux has it").count()
}

fn rung_5_keeps_the_threads() {
    let before = threads();
    rung_05::runtime::block_on(async { drop([(); 100].map(|()| rung_02::time::sleep(3_600_000))) });
    assert_eq!(threads(), before, "100 delays were dropped");
}

fn rung_6_keeps_nothing() {
    let before = threads();
    rung_06::runtime::block_on(async { drop([(); 100].map(|()| rung_06::time::sleep(HOUR))) });
    assert_eq!(threads(), before, "100 delays were dropped");
}

fn rung_5_sleeps_for_an_hour() {
    rung_05::runtime::block_on(rung_02::time::sleep(3_600_000));
}

fn rung_6_jumps() {
    rung_06::runtime::Runtime::virtual_clock().block_on(async { rung_06::time::sleep(HOUR).await });
}

// 7. Sockets.

#[test]
fn rung_7_reads_from_its_own_server_where_rung_6_hangs() {
    expect("rung_6_blocks_in_a_read", Hangs);
    expect("rung_7_reads", Ends);
}

fn rung_6_blocks_in_a_read() {
    rung_06::runtime::block_on(async {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        rung_06::runtime::spawn(async move {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"hello").unwrap();
        });
        let mut answer = [0; 5];
        client.read_exact(&mut answer).unwrap();
    });
}

fn rung_7_reads() {
    rung_07::runtime::block_on(async {
        let mut listener = rung_07::net::TcpListener::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let mut client = rung_07::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        rung_07::runtime::spawn(async move {
            let mut stream = listener.accept().await.unwrap();
            stream.write_all(b"hello").await.unwrap();
        });
        let mut answer = [0; 5];
        assert_eq!(client.read(&mut answer).await.unwrap(), 5);
    });
}

// 8. Side by side.

#[test]
fn rung_8_polls_both_where_rung_7_waits_for_the_first_for_ever() {
    expect("rung_7_awaits_in_turn", Hangs);
    expect("rung_8_gathers", Ends);
}

/// The first waits for what the second does.
fn two_futures() -> [Pin<Box<dyn Future<Output = ()>>>; 2] {
    let done = Rc::new(Cell::new(false));
    let waiting = Rc::new(Cell::new(None::<Waker>));
    let (is_done, waits) = (Rc::clone(&done), Rc::clone(&waiting));
    let first = poll_fn(move |cx| {
        waits.set(Some(cx.waker().clone()));
        if is_done.get() { Poll::Ready(()) } else { Poll::Pending }
    });
    let second = async move {
        done.set(true);
        waiting.take().into_iter().for_each(Waker::wake);
    };
    [Box::pin(first), Box::pin(second)]
}

fn rung_7_awaits_in_turn() {
    let [first, second] = two_futures();
    rung_07::runtime::block_on(async {
        first.await;
        second.await;
    });
}

fn rung_8_gathers() {
    rung_08::runtime::block_on(rung_08::gather::gather(two_futures()));
}

// 9. The end of the others.

#[test]
fn rung_9_returns_an_error_at_once_where_rung_8_waits_for_all() {
    expect("rung_8_waits_for_all", Hangs);
    expect("rung_9_returns_the_error", Ends);
}

/// The second fails at once, the others wait for something that does not come.
async fn third_of_three(number: u32) -> Result<u32, &'static str> {
    if number == 2 { Err("bad") } else { pending().await }
}

fn rung_8_waits_for_all() {
    rung_08::runtime::block_on(rung_08::gather::gather((1..=3).map(third_of_three)));
}

fn rung_9_returns_the_error() {
    let outcome = rung_09::runtime::block_on(rung_09::gather::try_gather((1..=3).map(third_of_three)));
    assert_eq!(outcome, Err("bad"));
}

// 10. The result of a task.

#[test]
fn rung_10_goes_on_where_a_panic_ends_rung_9() {
    expect("rung_9_ends_with_its_task", Fails);
    expect("rung_10_goes_on", Ends);
}

fn rung_9_ends_with_its_task() {
    rung_09::runtime::block_on(async {
        rung_09::runtime::spawn(async { panic!("a task panics") });
        rung_09::task::yield_now().await;
        rung_09::task::yield_now().await;
    });
}

fn rung_10_goes_on() {
    rung_10::runtime::block_on(async {
        let task = rung_10::runtime::spawn(async { panic!("a task panics") });
        let error: rung_10::join::JoinError = task.await.map(|never: ()| never).unwrap_err();
        assert!(matches!(error, rung_10::join::JoinError::Panicked(_)));
    });
}

// 11. A line.

#[test]
fn rung_11_waits_in_line_where_rung_10_asks_again_and_again() {
    expect("rung_10_asks_again_and_again", Spins);
    expect("rung_11_waits_in_line", Ends);
}

fn rung_10_asks_again_and_again() {
    rung_10::runtime::Runtime::virtual_clock().block_on(async {
        let is_free = Rc::new(Cell::new(false));
        let gives_back = Rc::clone(&is_free);
        rung_10::runtime::spawn(async move {
            rung_10::time::sleep(Duration::from_millis(10)).await;
            gives_back.set(true);
        });
        while !is_free.get() {
            rung_10::task::yield_now().await;
        }
    });
}

fn rung_11_waits_in_line() {
    rung_11::runtime::Runtime::virtual_clock().block_on(async {
        let semaphore = Rc::new(rung_11::semaphore::Semaphore::new(1));
        let holder = Rc::clone(&semaphore);
        rung_11::runtime::spawn(async move {
            let _permit = holder.acquire().await;
            rung_11::time::sleep(Duration::from_millis(10)).await;
        });
        rung_11::task::yield_now().await;
        let _permit = semaphore.acquire().await;
    });
}

// 12. Another thread.

#[test]
fn rung_12_goes_on_where_a_blocking_call_stops_rung_11() {
    expect("rung_11_blocks", Hangs);
    expect("rung_12_does_not", Ends);
}

fn rung_11_blocks() {
    let (sender, receiver) = mpsc::channel();
    rung_11::runtime::block_on(async move {
        rung_11::runtime::spawn(async move { sender.send(()).unwrap() });
        receiver.recv().unwrap();
    });
}

fn rung_12_does_not() {
    let (sender, receiver) = mpsc::channel();
    rung_12::runtime::block_on(async move {
        rung_12::runtime::spawn(async move { sender.send(()).unwrap() });
        rung_12::blocking::spawn_blocking(move || receiver.recv().unwrap()).await;
    });
}

// 13. Requests.

#[test]
fn rung_13_answers_two_requests_of_one_read_where_a_naive_server_answers_one() {
    expect("rung_12_takes_a_read_for_a_request", Hangs);
    expect("rung_13_answers_both", Ends);
}

/// Sends two requests in one piece, and reads until both are answered. `is_over` is true then.
fn two_requests(address: net::SocketAddr, is_over: Arc<AtomicBool>) {
    thread::spawn(move || {
        let mut stream = net::TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /hello HTTP/1.1\r\n\r\nGET /hello HTTP/1.1\r\n\r\n").unwrap();
        let (mut answers, mut buffer) = (String::new(), [0; 1000]);
        while answers.matches("Hello, world!\n").count() < 2 {
            let length = stream.read(&mut buffer).unwrap();
            answers.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        is_over.store(true, SeqCst);
    });
}

/// The server that everybody writes first.
fn rung_12_takes_a_read_for_a_request() {
    let is_over = Arc::<AtomicBool>::default();
    rung_12::runtime::block_on(async {
        let mut listener = rung_12::net::TcpListener::bind(([127, 0, 0, 1], 0).into()).unwrap();
        two_requests(listener.local_addr().unwrap(), Arc::clone(&is_over));
        let mut stream = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        while let Ok(1..) = stream.read(&mut buffer).await {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nHello, world!\n";
            stream.write_all(answer).await.unwrap();
        }
    });
    assert!(is_over.load(SeqCst), "the client has both answers");
}

fn rung_13_answers_both() {
    let is_over = Arc::<AtomicBool>::default();
    rung_13::runtime::block_on(async {
        let mut listener = rung_13::net::TcpListener::bind(([127, 0, 0, 1], 0).into()).unwrap();
        two_requests(listener.local_addr().unwrap(), Arc::clone(&is_over));
        let stream = listener.accept().await.unwrap();
        let limits = rung_13::server::Limits { head: 1_000, idle: Duration::from_secs(60) };
        rung_13::server::serve(stream, Rc::default(), limits).await.unwrap();
    });
    assert!(is_over.load(SeqCst), "the client has both answers");
}
