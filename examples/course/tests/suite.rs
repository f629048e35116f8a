//! A suite that grows with the rungs: what a rung can do, all later rungs can do. Each test stands under the rung that
//! brings it, and runs on that rung and on every rung after it; and on loops of a student's own.
//!
//! Where a test waits for time it is by the virtual clock, from the rung on that has one.
#![allow(dead_code, reason = "a test uses a part of its rung")]

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

/// A loop as a student has it: a rung whose exercises are answers that are right in another way than the solutions.
macro_rules! own {
    ($($name:ident: $file:literal)*) => {
        $(#[allow(clippy::all, unused_imports, reason = "an exercise is not as short as it can be")]
        mod $name {
            include!(concat!(env!("OUT_DIR"), $file));
        })*
    };
}

own! {
    own_04: "/own_04_first.rs"
    own_04b: "/own_04_last.rs"
    own_08: "/own_08_first.rs"
    own_08b: "/own_08_last.rs"
    own_13: "/own_13_first.rs"
    own_13b: "/own_13_last.rs"
}

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

/// What happened, in order.
type Log = Rc<RefCell<Vec<String>>>;

/// Pending for so many polls; after each of them `wake` is called with the waker. Gives the number of its polls.
async fn pendings(times: usize, mut wake: impl FnMut(Waker)) -> usize {
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        if polls > times {
            return Poll::Ready(polls);
        }
        wake(cx.waker().clone());
        Poll::Pending
    })
    .await
}

/// Tells when it is dropped.
struct Guard(Log, &'static str);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.borrow_mut().push(format!("{} dropped", self.1));
    }
}

/// The message of a panic.
fn text(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or(payload.downcast_ref::<&str>().copied()).expect("a panic has a message")
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Rung 1: one future.
macro_rules! step_1 {
    ($rung:ident::$home:ident) => {
        use super::*;
        use $rung::$home::block_on;

        #[test]
        fn main_gives_its_output_and_may_borrow() {
            let text = String::from("borrowed");
            assert_eq!(block_on(async { text.len() }), 8);
        }

        #[test]
        fn a_future_is_polled_once_for_each_wake_of_another_thread() {
            let wake_elsewhere = |waker: Waker| drop(thread::spawn(move || waker.wake()));
            assert_eq!(block_on(pendings(8, wake_elsewhere)), 9);
        }

        #[test]
        fn a_wake_during_the_poll_is_not_lost() {
            assert_eq!(block_on(pendings(8, Waker::wake)), 9);
        }

        #[test]
        fn a_token_of_the_thread_is_no_wake() {
            let stray = |waker: Waker| {
                thread::current().unpark();
                drop(thread::spawn(move || waker.wake()));
            };
            assert_eq!(block_on(pendings(8, stray)), 9);
        }

        #[test]
        fn polled_code_may_use_up_the_token_of_the_thread() {
            let park = |waker: Waker| {
                waker.wake();
                thread::current().unpark();
                thread::park();
            };
            assert_eq!(block_on(pendings(8, park)), 9);
        }

        #[test]
        fn a_panic_of_main_goes_on_in_the_caller_and_the_next_loop_is_whole() {
            let panicked = catch_unwind(AssertUnwindSafe(|| block_on(async { panic!("main panics") })));
            let payload: Box<dyn std::any::Any + Send> = panicked.map(|never: ()| never).unwrap_err();
            assert_eq!(payload.downcast_ref(), Some(&"main panics"));
            assert_eq!(block_on(pendings(1, Waker::wake)), 2);
        }
    };
}

/// Rung 2: a leaf that keeps the promise of Pending.
macro_rules! step_2 {
    ($rung:ident::$home:ident) => {
        #[test]
        fn a_delay_is_polled_twice_at_most() {
            let (mut polls, mut delay) = (0, pin!(rung_02::time::sleep(10)));
            block_on(poll_fn(|cx| {
                polls += 1;
                delay.as_mut().poll(cx)
            }));
            // Once, if this thread was held up until the alarm had rung.
            assert!(polls <= 2, "{polls} polls");
        }
    };
}

/// Rung 3: tasks.
macro_rules! step_3 {
    ($rung:ident) => {
        use $rung::runtime::spawn;
        use $rung::task::yield_now;

        #[test]
        fn tasks_take_turns_in_the_order_in_which_they_were_spawned() {
            let log = Log::default();
            block_on(async {
                for name in ["Anna", "Ben", "Cleo"] {
                    let log = Rc::clone(&log);
                    spawn(async move {
                        for turn in 1..=3 {
                            log.borrow_mut().push(format!("{name} {turn}"));
                            yield_now().await;
                        }
                    });
                }
                for _ in 0..4 {
                    yield_now().await;
                }
            });
            let expected = "Anna 1 Ben 1 Cleo 1 Anna 2 Ben 2 Cleo 2 Anna 3 Ben 3 Cleo 3";
            assert_eq!(log.borrow().join(" "), expected);
        }

        #[test]
        fn a_task_is_not_polled_inside_spawn() {
            block_on(async {
                let polled = Rc::new(Cell::new(false));
                let sets = Rc::clone(&polled);
                spawn(async move { sets.set(true) });
                assert!(!polled.get());
                yield_now().await;
                assert!(polled.get());
            });
        }

        #[test]
        fn what_is_always_ready_does_not_keep_a_wake_of_another_thread_out() {
            block_on(async {
                spawn(async {
                    loop {
                        yield_now().await;
                    }
                });
                assert_eq!(pendings(3, |waker| drop(thread::spawn(move || waker.wake()))).await, 4);
            });
        }

        #[test]
        fn a_task_may_be_woken_by_another_thread() {
            let done = Rc::new(Cell::new(0));
            block_on(async {
                for _ in 0..3 {
                    let done = Rc::clone(&done);
                    spawn(async move {
                        pendings(3, |waker| drop(thread::spawn(move || waker.wake()))).await;
                        done.set(done.get() + 1);
                    });
                }
                while done.get() < 3 {
                    yield_now().await;
                }
            });
        }

        #[test]
        fn tasks_that_have_not_ended_are_dropped_with_their_loop() {
            let log = Log::default();
            block_on(async {
                let guard = Guard(Rc::clone(&log), "task");
                spawn(async move {
                    let _guard = guard;
                    pending::<()>().await;
                });
                yield_now().await;
                log.borrow_mut().push("main ends".into());
            });
            assert_eq!(*log.borrow(), ["main ends", "task dropped"]);
        }

        #[test]
        fn a_task_may_spawn_when_it_is_dropped_with_its_loop() {
            struct Spawns(Log);

            impl Drop for Spawns {
                fn drop(&mut self) {
                    let guard = Guard(Rc::clone(&self.0), "spawned");
                    let polled = Rc::clone(&self.0);
                    spawn(async move {
                        let _guard = guard;
                        polled.borrow_mut().push("polled".into());
                    });
                }
            }

            let log = Log::default();
            let spawns = Spawns(Rc::clone(&log));
            block_on(async {
                spawn(async move {
                    let _spawns = spawns;
                    pending::<()>().await;
                });
                yield_now().await;
            });
            assert_eq!(*log.borrow(), ["spawned dropped"], "it is never polled, and goes with the loop");
        }

        #[test]
        fn no_loop_is_there_any_more_after_a_panic_of_main() {
            let panicked = catch_unwind(AssertUnwindSafe(|| block_on(async { panic!("main panics") })));
            assert!(panicked.map(|never: ()| never).is_err());
            let spawned = catch_unwind(|| {
                spawn(async {});
            });
            assert!(text(&*spawned.unwrap_err()).contains("inside block_on"));
        }

        #[test]
        #[should_panic = "inside block_on"]
        fn spawn_outside_of_a_loop_says_what_to_do() {
            spawn(async {});
        }

        #[test]
        #[should_panic = "a loop runs on this thread already"]
        fn a_loop_inside_a_loop_says_what_to_do() {
            block_on(async { block_on(async {}) });
        }
    };
}

/// Rung 4: tickets.
macro_rules! step_4 {
    ($rung:ident) => {
        #[test]
        fn a_task_that_is_woken_three_times_is_polled_once() {
            let polls = Rc::new(Cell::new(0));
            let counts = Rc::clone(&polls);
            block_on(async {
                spawn(poll_fn(move |cx| {
                    counts.set(counts.get() + 1);
                    (0..3).for_each(|_| cx.waker().wake_by_ref());
                    if counts.get() < 5 { Poll::Pending } else { Poll::Ready(()) }
                }));
                for _ in 0..20 {
                    yield_now().await;
                }
            });
            assert_eq!(polls.get(), 5);
        }

        #[test]
        fn a_waker_that_outlives_its_task_does_not_wake_the_next_one_in_the_slot() {
            let (kept, polls) = (Rc::new(RefCell::new(None)), Rc::new(Cell::new(0)));
            let (keeps, counts) = (Rc::clone(&kept), Rc::clone(&polls));
            block_on(async {
                spawn(poll_fn(move |cx| {
                    *keeps.borrow_mut() = Some(cx.waker().clone());
                    Poll::Ready(())
                }));
                yield_now().await;
                spawn(poll_fn(move |_| {
                    counts.set(counts.get() + 1);
                    Poll::<()>::Pending
                }));
                yield_now().await;
                kept.take().inspect(Waker::wake_by_ref).into_iter().for_each(Waker::wake);
                yield_now().await;
            });
            assert_eq!(polls.get(), 1);
        }

        /// Twelve tasks that wake themselves, each other, and the dead, beside a model: a plain queue with flags.
        #[test]
        fn polls_come_in_the_order_of_a_plain_queue() {
            for seed in 1..=100 {
                let model = Rc::new(RefCell::new(Model::new(seed)));
                let ends = Rc::clone(&model);
                block_on(async {
                    for task in 1..Model::TASKS {
                        model.borrow_mut().wake(task);
                        let model = Rc::clone(&model);
                        spawn(poll_fn(move |cx| Model::poll(&model, task, cx.waker())));
                    }
                    poll_fn(|cx| Model::poll(&model, 0, cx.waker())).await;
                });
                assert!(ends.borrow().polls > 20, "seed {seed}");
            }
        }
    };
}

/// Where the turns of a loop end, from rung 4 on. From rung 7 on the loop asks for other threads' wakes only once in 61
/// polls, so there this program shows no turns.
macro_rules! turns {
    ($rung:ident) => {
        /// What a wake of another thread queues is polled from the next turn on: so its poll shows where the turns end.
        #[test]
        fn entries_of_ended_tasks_do_not_make_a_turn_longer() {
            let log = Log::default();
            let (waits, busy) = (Rc::clone(&log), Rc::clone(&log));
            let kept = Rc::new(RefCell::new(None::<Waker>));
            let keeps = Rc::clone(&kept);
            block_on(async {
                spawn(poll_fn(move |cx| {
                    if keeps.borrow_mut().replace(cx.waker().clone()).is_none() {
                        return Poll::Pending;
                    }
                    waits.borrow_mut().push("woken".to_owned());
                    Poll::Ready(())
                }));
                for _ in 0..3 {
                    spawn(poll_fn(|cx| {
                        cx.waker().wake_by_ref();
                        Poll::Ready(())
                    }));
                }
                yield_now().await;
                // Now three entries of ended tasks stand in the queue.
                let mut polls = 0;
                spawn(poll_fn(move |cx| {
                    busy.borrow_mut().push("busy".to_owned());
                    polls += 1;
                    if polls == 1 {
                        let waker = kept.borrow().clone().expect("it was polled");
                        thread::spawn(|| waker.wake()).join().unwrap();
                    }
                    cx.waker().wake_by_ref();
                    if polls < 6 { Poll::Pending } else { Poll::Ready(()) }
                }));
                for _ in 0..8 {
                    yield_now().await;
                }
            });
            assert_eq!(log.borrow()[..4], ["busy", "busy", "woken", "busy"]);
        }
    };
}

/// What the queue has to be: each task once, first in, first out.
struct Model {
    queue: VecDeque<usize>,
    /// `None` until the first poll.
    wakers: Vec<Option<Waker>>,
    ended: Vec<bool>,
    polls: usize,
    dice: u64,
}

impl Model {
    /// Main, which has the number 0, and the others.
    const TASKS: usize = 12;

    fn new(seed: u64) -> Model {
        let queue = VecDeque::new();
        Model { queue, wakers: vec![None; Model::TASKS], ended: vec![false; Model::TASKS], polls: 0, dice: seed }
    }

    fn throw(&mut self, sides: usize) -> usize {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) as usize % sides
    }

    fn wake(&mut self, task: usize) {
        if !self.ended[task] && !self.queue.contains(&task) {
            self.queue.push_back(task);
        }
    }

    /// One poll of a task: it must be the next in the model, wakes some others, and may end.
    fn poll(model: &RefCell<Model>, task: usize, waker: &Waker) -> Poll<()> {
        let mut this = model.borrow_mut();
        this.polls += 1;
        // Main is polled before it is known to the model.
        if task != 0 || this.polls > 1 {
            let ended = this.ended.clone();
            let next = std::iter::from_fn(|| this.queue.pop_front()).find(|&next| !ended[next]);
            assert_eq!(Some(task), next, "it is the turn of another one");
        }
        assert!(!this.ended[task], "polled after its end");
        this.wakers[task] = Some(waker.clone());
        let polls = this.polls;
        let ends = if task == 0 { polls > 200 } else { this.throw(12) == 0 };
        let mut wakes: Vec<usize> = (0..3).map(|_| this.throw(Model::TASKS)).collect();
        // Main never waits for others alone: they may all end.
        wakes.extend((task == 0).then_some(0));
        for other in wakes {
            let Some(waker) = this.wakers[other].clone() else { continue };
            this.wake(other);
            waker.wake();
        }
        this.ended[task] = ends;
        if ends { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Rung 5: wakes from other loops.
macro_rules! step_5 {
    ($rung:ident) => {
        #[test]
        fn two_loops_on_two_threads_wake_each_other() {
            /// Whose move it is, and who waits for it.
            type Table = Arc<Mutex<(usize, Option<Waker>)>>;

            async fn play(table: Table, me: usize) {
                for _ in 0..1_000 {
                    poll_fn(|cx| {
                        let mut table = table.lock().unwrap();
                        if table.0 == me {
                            return Poll::Ready(());
                        }
                        table.1 = Some(cx.waker().clone());
                        Poll::Pending
                    })
                    .await;
                    let mut table = table.lock().unwrap();
                    table.0 = 1 - me;
                    let other = table.1.take();
                    drop(table);
                    other.into_iter().for_each(Waker::wake);
                }
            }

            let table = Table::default();
            let other = Arc::clone(&table);
            let second = thread::spawn(move || block_on(play(other, 1)));
            block_on(play(table, 0));
            second.join().unwrap();
        }

        #[test]
        fn all_wakers_of_a_task_are_alike() {
            let mut kept = None::<Waker>;
            block_on(poll_fn(|cx| {
                let kept = kept.get_or_insert_with(|| cx.waker().clone());
                assert!(kept.will_wake(cx.waker()));
                thread::scope(|scope| drop(scope.spawn(|| kept.wake_by_ref())));
                Poll::<()>::Ready(())
            }));
        }

        #[test]
        fn a_waker_that_outlives_its_loop_does_nothing() {
            let kept = block_on(poll_fn(|cx| Poll::Ready(cx.waker().clone())));
            kept.wake_by_ref();
            let mut polls = 0;
            block_on(async {
                let counted = pendings(1, |waker| {
                    kept.wake_by_ref();
                    drop(thread::spawn(move || waker.wake()));
                });
                polls = counted.await;
            });
            assert_eq!(polls, 2);
        }
    };
}

/// Rung 6: timers.
macro_rules! step_6 {
    ($rung:ident) => {
        use $rung::runtime::Runtime;
        use $rung::time::{now, sleep};

        #[test]
        fn sleeps_end_in_the_order_of_their_deadlines_and_then_of_their_making() {
            let log = Log::default();
            Runtime::virtual_clock().block_on(async {
                let start = now();
                for (name, millis) in [("a", 30), ("b", 10), ("c", 20), ("d", 10), ("e", 30)] {
                    let log = Rc::clone(&log);
                    spawn(async move {
                        sleep(ms(millis)).await;
                        assert_eq!(now() - start, ms(millis));
                        log.borrow_mut().push(name.into());
                    });
                }
                sleep(ms(30)).await;
                yield_now().await;
            });
            assert_eq!(log.borrow().concat(), "bdcae");
        }

        #[test]
        fn a_sleep_of_the_system_is_never_too_short() {
            block_on(async {
                let start = std::time::Instant::now();
                for millis in [0, 1, 2, 3] {
                    sleep(ms(millis)).await;
                }
                assert!(start.elapsed() >= ms(6));
            });
        }

        #[test]
        fn sleeps_that_were_dropped_leave_nothing_to_wait_for() {
            let stuck = catch_unwind(|| {
                Runtime::virtual_clock().block_on(async {
                    (0..1_000).for_each(|millis| drop(sleep(ms(millis))));
                    pending::<()>().await;
                });
            });
            assert!(text(&*stuck.unwrap_err()).contains("nothing can happen any more"));
        }

        #[test]
        fn the_latest_task_that_polled_a_sleep_is_woken() {
            Runtime::virtual_clock().block_on(async {
                let shared = Rc::new(RefCell::new(Box::pin(sleep(ms(10)))));
                let first = Rc::clone(&shared);
                // The first task polls it once, and gives it away.
                spawn(async move {
                    poll_fn(|cx| Poll::Ready(first.borrow_mut().as_mut().poll(cx).is_ready())).await;
                });
                yield_now().await;
                poll_fn(|cx| shared.borrow_mut().as_mut().poll(cx)).await;
            });
        }

        #[test]
        fn tasks_live_on_between_two_calls_of_block_on() {
            let runtime = Runtime::virtual_clock();
            let steps = Rc::new(Cell::new(0));
            let counts = Rc::clone(&steps);
            runtime.block_on(async {
                spawn(async move {
                    loop {
                        counts.set(counts.get() + 1);
                        sleep(ms(10)).await;
                    }
                });
            });
            assert_eq!(steps.get(), 0);
            runtime.block_on(sleep_in(95, sleep));
            assert_eq!(steps.get(), 10);
            drop(runtime);
            assert_eq!(Rc::strong_count(&steps), 1);
        }
    };
}

/// Makes the sleep inside of the loop.
async fn sleep_in<F: Future<Output = ()>>(millis: u64, sleep: impl Fn(Duration) -> F) {
    sleep(ms(millis)).await;
}

/// Rung 7: sockets.
macro_rules! step_7 {
    ($rung:ident) => {
        use $rung::net::{TcpListener, TcpStream};

        #[test]
        fn three_hundred_kilobytes_come_back_to_each_of_twenty_clients() {
            block_on(async {
                let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into()).unwrap();
                let address = listener.local_addr().unwrap();
                spawn(async move {
                    loop {
                        let mut stream = listener.accept().await.unwrap();
                        spawn(async move {
                            let mut buffer = [0; 10_000];
                            while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                                stream.write_all(&buffer[..length]).await.unwrap();
                            }
                        });
                    }
                });
                let left = Rc::new(Cell::new(20));
                for client in 0..20_u8 {
                    let left = Rc::clone(&left);
                    spawn(async move {
                        let mut stream = TcpStream::connect(address).await.unwrap();
                        let mut buffer = [0; 4_096];
                        for _ in 0..30 {
                            stream.write_all(&[client; 10_000]).await.unwrap();
                            let mut back = 0;
                            while back < 10_000 {
                                let length = stream.read(&mut buffer).await.unwrap();
                                assert!(buffer[..length].iter().all(|&byte| byte == client));
                                back += length;
                            }
                        }
                        left.set(left.get() - 1);
                    });
                }
                while left.get() > 0 {
                    sleep(ms(1)).await;
                }
            });
        }

        #[test]
        fn a_connection_that_is_refused_is_an_error() {
            let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let outcome = block_on(async { TcpStream::connect(closed).await.map(drop) });
            assert_eq!(outcome.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
        }

        #[test]
        fn a_read_sees_the_end() {
            block_on(async {
                let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into()).unwrap();
                let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                let mut stream = listener.accept().await.unwrap();
                spawn(async move { drop(client) });
                assert_eq!(stream.read(&mut [0; 10]).await.unwrap(), 0);
            });
        }
    };
}

/// Rung 8: gather.
macro_rules! step_8 {
    ($rung:ident) => {
        use $rung::gather::gather;

        #[test]
        fn outputs_stand_in_the_order_of_the_input_and_each_child_is_polled_twice() {
            let (polls, start) = (Cell::new(0), std::time::Instant::now());
            let nap = async |millis: u64| {
                let mut sleep = pin!(sleep(ms(millis)));
                poll_fn(|cx| {
                    polls.set(polls.get() + 1);
                    sleep.as_mut().poll(cx)
                })
                .await;
                millis
            };
            let millis = || (0..1_000).map(|number| number * 7 % 1_000 + 1);
            let outputs = Runtime::virtual_clock().block_on(async { gather(millis().map(nap)).await });
            assert_eq!(outputs, millis().collect::<Vec<_>>());
            assert_eq!(polls.get(), 2_000);
            assert!(start.elapsed() < Duration::from_secs(3_600), "it is not a question of time");
        }

        #[test]
        fn no_children_give_no_outputs() {
            assert_eq!(block_on(gather(Vec::<std::future::Ready<u8>>::new())), []);
        }

        #[test]
        fn gathers_may_be_nested_and_children_may_wake_themselves() {
            let inner = async |_| gather((0..5).map(|_| pendings(3, Waker::wake))).await.iter().sum::<usize>();
            assert_eq!(block_on(async { gather((0..5).map(inner)).await }), [20; 5]);
        }

        #[test]
        fn children_may_be_woken_by_other_threads() {
            let wake = |waker: Waker| drop(thread::spawn(move || waker.wake()));
            assert_eq!(block_on(async { gather((0..20).map(|_| pendings(5, wake))).await }), [6; 20]);
        }
    };
}

/// Rung 9: cancelling.
macro_rules! step_9 {
    ($rung:ident) => {
        use $rung::gather::try_gather;
        use $rung::time::timeout;

        #[test]
        fn the_first_error_comes_at_once_and_the_others_are_dropped_in_the_order_of_the_input() {
            let log = Log::default();
            let child = async |(name, millis, result): (&'static str, u64, Result<u8, u8>)| {
                let _guard = Guard(Rc::clone(&log), name);
                sleep(ms(millis)).await;
                result
            };
            let children = [("a", 40, Ok(1)), ("b", 30, Ok(2)), ("c", 10, Err(3)), ("d", 20, Err(4))];
            Runtime::virtual_clock().block_on(async {
                let start = now();
                assert_eq!(try_gather(children.map(child)).await, Err(3));
                assert_eq!(now() - start, ms(10));
            });
            assert_eq!(*log.borrow(), ["c dropped", "a dropped", "b dropped", "d dropped"]);
        }

        #[test]
        fn without_an_error_all_values_come() {
            let outcome: Result<Vec<u8>, ()> = block_on(try_gather((0..5).map(|number| ready(Ok(number)))));
            assert_eq!(outcome, Ok(vec![0, 1, 2, 3, 4]));
        }

        #[test]
        fn a_timeout_gives_the_output_or_drops_the_future() {
            let log = Log::default();
            Runtime::virtual_clock().block_on(async {
                let start = now();
                let slow = async {
                    let _guard = Guard(Rc::clone(&log), "slow");
                    sleep(ms(50)).await;
                };
                assert!(timeout(ms(10), slow).await.is_err());
                assert_eq!(now() - start, ms(10));
                assert_eq!(*log.borrow(), ["slow dropped"]);
                assert_eq!(timeout(ms(10), async { 5 }).await.unwrap(), 5);
            });
        }
    };
}

/// Rung 10: results of tasks.
macro_rules! step_10 {
    ($rung:ident) => {
        use $rung::join::JoinError;

        #[test]
        fn a_joiner_gets_the_value_before_and_after_the_end_of_the_task() {
            Runtime::virtual_clock().block_on(async {
                let slow = spawn(async {
                    sleep(ms(10)).await;
                    1
                });
                let fast = spawn(async { 2 });
                assert_eq!((slow.await.unwrap(), fast.await.unwrap()), (1, 2));
            });
        }

        #[test]
        fn a_panic_is_the_result_of_its_task_alone() {
            block_on(async {
                let bad = spawn(async { panic!("on purpose") });
                let good = spawn(async { 1 });
                let Err(JoinError::Panicked(payload)) = bad.await.map(|never: ()| never) else { panic!("no panic") };
                assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
                assert_eq!(good.await.unwrap(), 1);
            });
        }

        #[test]
        fn an_abort_only_asks_and_the_loop_drops_the_task_instead_of_a_poll() {
            let log = Log::default();
            Runtime::virtual_clock().block_on(async {
                let guard = Guard(Rc::clone(&log), "task");
                let task = spawn(async move {
                    let _guard = guard;
                    sleep(ms(10)).await;
                });
                yield_now().await;
                task.abort();
                log.borrow_mut().push("asked".into());
                assert!(matches!(task.await, Err(JoinError::Cancelled)));
                assert_eq!(*log.borrow(), ["asked", "task dropped"]);
            });
        }

        #[test]
        fn an_abort_comes_before_the_first_poll_and_after_the_end_it_does_nothing() {
            block_on(async {
                let never_polled = spawn(async { panic!("polled") });
                never_polled.abort();
                assert!(matches!(never_polled.await.map(|never: ()| never), Err(JoinError::Cancelled)));
                let ended = spawn(async { 7 });
                yield_now().await;
                ended.abort();
                assert_eq!(ended.await.unwrap(), 7);
            });
        }

        #[test]
        fn who_drops_a_handle_lets_the_task_go_on() {
            block_on(async {
                let done = Rc::new(Cell::new(false));
                let sets = Rc::clone(&done);
                drop(spawn(async move { sets.set(true) }));
                yield_now().await;
                assert!(done.get());
            });
        }

        #[test]
        fn a_handle_that_outlives_its_loop_says_cancelled() {
            let handle = block_on(poll_fn(|_| Poll::Ready(spawn(pending::<()>()))));
            assert!(matches!(block_on(handle), Err(JoinError::Cancelled)));
        }
    };
}

/// Rung 11: the semaphore.
macro_rules! step_11 {
    ($rung:ident) => {
        use $rung::semaphore::Semaphore;

        #[test]
        fn so_many_at_a_time_and_first_in_first_out() {
            let (semaphore, inside, log) = (Semaphore::new(3), Cell::new(0), Log::default());
            let job = async |number: u64| {
                let _permit = semaphore.acquire().await;
                inside.set(inside.get() + 1);
                assert!(inside.get() <= 3);
                log.borrow_mut().push(number.to_string());
                sleep(ms(number % 4)).await;
                inside.set(inside.get() - 1);
            };
            Runtime::virtual_clock().block_on(async { gather((0..20).map(job)).await });
            let order: Vec<String> = (0..20).map(|number| number.to_string()).collect();
            assert_eq!(*log.borrow(), order);
        }

        #[test]
        fn nobody_overtakes_a_waiter_that_was_granted_a_permit() {
            block_on(async {
                let semaphore = Rc::new(Semaphore::new(1));
                let permit = semaphore.acquire().await;
                let (waits, log) = (Rc::clone(&semaphore), Log::default());
                let writes = Rc::clone(&log);
                let early = spawn(async move {
                    let _permit = waits.acquire().await;
                    writes.borrow_mut().push("early".into());
                });
                yield_now().await;
                drop(permit);
                let _permit = semaphore.acquire().await;
                log.borrow_mut().push("late".into());
                early.await.unwrap();
                assert_eq!(*log.borrow(), ["early", "late"]);
            });
        }

        #[test]
        fn a_waiter_that_is_dropped_gives_up_its_place_or_its_permit() {
            block_on(async {
                let semaphore = Semaphore::new(1);
                let permit = semaphore.acquire().await;
                let mut waiters: Vec<Pin<Box<_>>> = (0..3).map(|_| Box::pin(semaphore.acquire())).collect();
                poll_fn(|cx| {
                    assert!(waiters.iter_mut().all(|waiter| waiter.as_mut().poll(cx).is_pending()));
                    Poll::Ready(())
                })
                .await;
                // The first leaves the line. The second is granted the permit, and dropped before it is polled.
                drop(waiters.remove(0));
                drop(permit);
                drop(waiters.remove(0));
                drop(waiters.remove(0).await);
                drop(semaphore.acquire().await);
            });
        }
    };
}

/// Rung 12: blocking jobs.
macro_rules! step_12 {
    ($rung:ident) => {
        use $rung::blocking::spawn_blocking;

        #[test]
        fn the_loop_goes_on_while_a_job_blocks() {
            let (sender, receiver) = mpsc::channel();
            block_on(async {
                let job = spawn(spawn_blocking(move || receiver.recv().unwrap()));
                for _ in 0..100 {
                    yield_now().await;
                }
                sender.send(42).unwrap();
                assert_eq!(job.await.unwrap(), 42);
            });
        }

        #[test]
        fn no_result_is_lost_whenever_the_job_ends() {
            block_on(async {
                for round in 0..200 {
                    assert_eq!(spawn_blocking(move || round).await, round);
                }
                let jobs = gather((0..50).map(|number| spawn_blocking(move || number))).await;
                assert_eq!(jobs, (0..50).collect::<Vec<_>>());
            });
        }

        #[test]
        fn the_panic_of_a_job_is_that_of_who_awaits_it() {
            block_on(async {
                let task = spawn(spawn_blocking(|| panic!("on purpose")));
                let Err(JoinError::Panicked(payload)) = task.await.map(|never: ()| never) else { panic!("no panic") };
                assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
            });
        }

        #[test]
        fn a_job_whose_future_is_dropped_runs_to_its_end() {
            let ended = Arc::new(AtomicUsize::new(0));
            let (counts, (begin, may_begin)) = (Arc::clone(&ended), mpsc::channel::<()>());
            let (end, has_ended) = mpsc::channel();
            block_on(async {
                let job = spawn(spawn_blocking(move || {
                    may_begin.recv().unwrap();
                    counts.fetch_add(1, SeqCst);
                    end.send(()).unwrap();
                }));
                yield_now().await;
                job.abort();
                assert!(matches!(job.await, Err(JoinError::Cancelled)));
            });
            begin.send(()).unwrap();
            has_ended.recv().unwrap();
            assert_eq!(ended.load(SeqCst), 1);
        }
    };
}

/// A module for a rung: all steps that it has.
macro_rules! rungs {
    ($($module:ident: $rung:ident::$home:ident, $($step:ident)*;)*) => {
        $(mod $module { rungs! { @$rung::$home $($step)* } })*
    };
    (@$rung:ident::$home:ident step_1 $($rest:ident)*) => {
        step_1!($rung::$home);
        rungs! { @$rung::$home $($rest)* }
    };
    (@$rung:ident::$home:ident step_2 $($rest:ident)*) => {
        step_2!($rung::$home);
        rungs! { @$rung::$home $($rest)* }
    };
    (@$rung:ident::$home:ident $step:ident $($rest:ident)*) => {
        $step!($rung);
        rungs! { @$rung::$home $($rest)* }
    };
    (@$rung:ident::$home:ident) => {};
}

rungs! {
    on_01: rung_01::run, step_1;
    on_02: rung_02::run, step_1 step_2;
    on_03: rung_03::runtime, step_1 step_2 step_3;
    on_04: rung_04::runtime, step_1 step_2 step_3 step_4 turns;
    on_05: rung_05::runtime, step_1 step_2 step_3 step_4 step_5 turns;
    on_06: rung_06::runtime, step_1 step_2 step_3 step_4 step_5 step_6 turns;
    on_07: rung_07::runtime, step_1 step_2 step_3 step_4 step_5 step_6 step_7;
    on_08: rung_08::runtime, step_1 step_2 step_3 step_4 step_5 step_6 step_7 step_8;
    on_09: rung_09::runtime, step_1 step_2 step_3 step_4 step_5 step_6 step_7 step_8 step_9;
    on_10: rung_10::runtime, step_1 step_2 step_3 step_4 step_5 step_6 step_7 step_8 step_9 step_10;
    on_11: rung_11::runtime, step_1 step_2 step_3 step_4 step_5 step_6 step_7 step_8 step_9 step_10 step_11;
    on_12: rung_12::runtime, step_1 step_2 step_3 step_4 step_5 step_6 step_7 step_8 step_9 step_10 step_11 step_12;
    on_13: rung_13::runtime, step_1 step_2 step_3 step_4 step_5 step_6 step_7 step_8 step_9 step_10 step_11 step_12;
    on_own_04: own_04::runtime, step_1 step_2 step_3 step_4 turns;
    on_own_04b: own_04b::runtime, step_1 step_2 step_3 step_4 turns;
    on_own_08: own_08::runtime, step_1 step_2 step_3 step_4 step_5 step_6 step_7 step_8;
    on_own_08b: own_08b::runtime, step_1 step_2 step_3 step_4 step_5 step_6 step_7 step_8;
    on_own_13: own_13::runtime, step_1 step_2 step_3 step_4 step_5 step_6 step_7 step_8 step_9 step_10 step_11 step_12;
    on_own_13b: own_13b::runtime, step_1 step_2 step_3 step_4 step_5 step_6 step_7 step_8 step_9 step_10 step_11 step_12;
}
