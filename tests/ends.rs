//! Ends: a runtime that is dropped while other threads write to it, and leaves that are used while it is being dropped.
//! The drop ends, in a known order, and whoever still asks for something is told that nothing will come.

use futures::executor;
use runtime::net::{TcpListener, TcpStream, UdpSocket};
use runtime::sync::{mpsc, oneshot};
use runtime::task::{spawn_blocking, yield_now};
use runtime::time::{interval, now, sleep, timeout};
use runtime::{JoinHandle, Runtime, spawn};
use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use tests::{
    Count, Dropped, LOCAL, Log, Moment, OnDrop, alone, counts, inside, is_alive, meddler, panic_message, poll_once,
    thread_number, until, virtual_runtime, virtually, waits_for_a_thread,
};

const ZERO: Option<Duration> = Some(Duration::ZERO);
const SECOND: Duration = Duration::from_secs(1);

/// A task that keeps `guard` and waits for ever.
async fn keep<G>(guard: G) {
    let _guard = guard;
    pending::<()>().await;
}

/// Calls `f` in the drop of a task, while `runtime` is being dropped. A panic of `f` is the caller's.
fn while_closing(runtime: Runtime, f: impl FnOnce() + 'static) {
    let task = runtime.spawn(keep(OnDrop::new(f)));
    runtime.turn(ZERO);
    drop(runtime);
    let error = runtime::block_on(task).unwrap_err();
    if error.is_panic() {
        resume_unwind(error.into_panic());
    }
}

fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

// Other threads write to a runtime that is being dropped.

#[test]
fn a_runtime_that_other_threads_spawn_on_without_end_is_dropped_within_what_was_sent() {
    const THREADS: usize = 2;
    for _ in 0..20 {
        let runtime = Runtime::new().unwrap();
        let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let dropped = Arc::new(AtomicUsize::new(0));
        let barrier = Arc::new(Barrier::new(THREADS + 1));
        let threads = [(); THREADS].map(|()| {
            let (handle, stop, made) = (runtime.handle(), Arc::clone(&stop), Arc::clone(&made));
            let (dropped, barrier) = (Arc::clone(&dropped), Arc::clone(&barrier));
            thread::spawn(move || {
                barrier.wait();
                while !stop.load(SeqCst) {
                    made.fetch_add(1, SeqCst);
                    let dropped = Arc::clone(&dropped);
                    let guard = OnDrop::new(move || _ = dropped.fetch_add(1, SeqCst));
                    drop(handle.spawn(keep(guard)));
                }
                // The runtime is gone, so this one comes back at once.
                assert!(handle.spawn(async {}).is_finished());
            })
        });
        barrier.wait();
        until(|| made.load(SeqCst) > 10);
        // They go on until this has returned.
        drop(runtime);
        stop.store(true, SeqCst);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(made.load(SeqCst), dropped.load(SeqCst), "futures made, and dropped");
    }
}

#[test]
fn a_runtime_that_other_threads_wake_without_end_is_dropped_within_what_was_sent() {
    // Alone: what comes too late goes to the next runtime of this number.
    alone("a_runtime_that_other_threads_wake_without_end_is_dropped_within_what_was_sent", || {
        const THREADS: usize = 3;
        for _ in 0..20 {
            let runtime = Runtime::new().unwrap();
            let (stop, barrier) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(THREADS + 1)));
            let waker = runtime.block_on(poll_fn(|cx| Poll::Ready(cx.waker().clone())));
            let threads = [(); THREADS].map(|()| {
                let (waker, stop, barrier) = (waker.clone(), Arc::clone(&stop), Arc::clone(&barrier));
                thread::spawn(move || {
                    barrier.wait();
                    while !stop.load(SeqCst) {
                        waker.wake_by_ref();
                    }
                })
            });
            barrier.wait();
            drop(runtime);
            stop.store(true, SeqCst);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        }
    });
}

#[test]
fn what_is_sent_in_the_drop_of_the_last_messages_comes_back_at_once() {
    let runtime = Runtime::new().unwrap();
    let told = Arc::new(AtomicUsize::new(0));
    for _ in 0..3 {
        let (handle, told) = (runtime.handle(), Arc::clone(&told));
        let guard = OnDrop::new(move || {
            let late = handle.spawn(pending::<()>());
            assert!(late.is_finished(), "it went into a queue that is being emptied");
            told.fetch_add(1, SeqCst);
        });
        drop(runtime.handle().spawn(keep(guard)));
    }
    drop(runtime);
    assert_eq!(told.load(SeqCst), 3);
}

#[test]
fn every_message_is_dropped_though_each_panics_in_its_drop() {
    let runtime = Runtime::new().unwrap();
    let dropped = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let dropped = Arc::clone(&dropped);
            runtime.handle().spawn(keep(OnDrop::new(move || {
                dropped.fetch_add(1, SeqCst);
                panic!("in the drop of a message");
            })))
        })
        .collect();
    drop(runtime);
    assert_eq!(dropped.load(SeqCst), 100);
    for task in tasks {
        assert!(runtime::block_on(task).unwrap_err().is_cancelled());
    }
}

#[test]
fn no_job_begins_while_the_jobs_before_it_are_being_dropped() {
    let runtime = Runtime::builder().max_blocking_threads(1).build().unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    let ran = Arc::new(AtomicBool::new(false));
    inside(&runtime, || {
        drop(spawn_blocking(move || {
            tell.send(thread_number()).unwrap();
            _ = held.recv();
        }));
        let thread = told.recv().unwrap();
        // Its drop lets the pool's only thread go on, and waits until that has ended.
        let guard = OnDrop::new(move || {
            drop(release);
            until(|| !is_alive(thread));
        });
        drop(spawn_blocking(move || drop(guard)));
        let ran = Arc::clone(&ran);
        drop(spawn_blocking(move || ran.store(true, SeqCst)));
    });
    drop(runtime);
    assert!(!ran.load(SeqCst), "a job began though its runtime was being dropped");
}

#[test]
fn a_receiver_that_other_threads_send_to_without_end_is_dropped() {
    for is_bounded in [false, true] {
        let stop = Arc::new(AtomicBool::new(false));
        let (bounded, receiver) = mpsc::channel(8);
        let (unbounded, other) = mpsc::unbounded();
        let threads = [(); 2].map(|()| {
            let (stop, bounded, unbounded) = (Arc::clone(&stop), bounded.clone(), unbounded.clone());
            thread::spawn(move || {
                while !stop.load(SeqCst) {
                    _ = if is_bounded { bounded.try_send(1).is_ok() } else { unbounded.send(1).is_ok() };
                }
                assert!(bounded.try_send(1).is_err() && unbounded.send(1).is_err());
            })
        });
        drop((receiver, other));
        stop.store(true, SeqCst);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

// The order of drops.

#[test]
fn tasks_are_dropped_with_their_runtime_in_the_order_of_their_spawns() {
    let log = Log::new();
    let runtime = virtual_runtime();
    let first = runtime.spawn(async {});
    for name in ["second", "third"] {
        drop(runtime.spawn(keep(Dropped(log.clone(), name))));
    }
    runtime.turn(ZERO);
    assert!(first.is_finished());
    // It gets the slot of the first.
    drop(runtime.spawn(keep(Dropped(log.clone(), "fourth"))));
    drop(runtime);
    assert_eq!(log.take(), ["second dropped", "third dropped", "fourth dropped"]);
}

#[test]
fn jobs_then_tasks_then_messages_are_dropped_and_then_those_who_wait_at_the_loop_are_woken() {
    let list = Arc::new(Mutex::new(Vec::new()));
    let tells = |what: &'static str| {
        let list = Arc::clone(&list);
        OnDrop::new(move || list.lock().unwrap().push(what))
    };
    let runtime = Runtime::builder().max_blocking_threads(1).build().unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let seen = Arc::clone(&list);
    let waker = meddler(move |moment| {
        if moment == Moment::Wake {
            seen.lock().unwrap().push("timer");
        }
    });
    let nap = inside(&runtime, || {
        drop(spawn_blocking(move || _ = held.recv()));
        let guard = tells("job");
        drop(spawn_blocking(move || drop(guard)));
        tests::armed(SECOND * 3_600, &waker)
    });
    drop(runtime.spawn(keep(tells("task"))));
    drop(runtime.handle().spawn(keep(tells("message"))));
    drop(runtime);
    assert_eq!(*list.lock().unwrap(), ["job", "task", "message", "timer"]);
    drop((nap, release));
}

#[test]
fn a_drop_that_joins_a_thread_which_waits_for_a_later_task_of_the_loop_does_not_return() {
    // In a process of its own, for the two threads never end. It is documented at the drop of `Runtime`.
    alone("a_drop_that_joins_a_thread_which_waits_for_a_later_task_of_the_loop_does_not_return", || {
        let (tell, numbers) = std::sync::mpsc::channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        thread::spawn(move || {
            let runtime = virtual_runtime();
            let (handle, of_waiter) = (runtime.handle(), tell.clone());
            let (spawned, later) = std::sync::mpsc::channel();
            let waiter = thread::spawn(move || {
                let task = handle.spawn(pending::<()>());
                spawned.send(()).unwrap();
                of_waiter.send(thread_number()).unwrap();
                _ = executor::block_on(task);
            });
            later.recv().unwrap();
            drop(runtime.spawn(keep(OnDrop::new(move || {
                tell.send(thread_number()).unwrap();
                waiter.join().unwrap();
            }))));
            // Now the loop takes the message: the thread's task comes after this one.
            assert_eq!(runtime.turn(ZERO).remote_wakes, 0);
            assert_eq!(runtime.turn(ZERO).remote_wakes, 1);
            drop(runtime);
            over.store(true, SeqCst);
        });
        let (one, other): (u32, u32) = (numbers.recv().unwrap(), numbers.recv().unwrap());
        until(|| is_over.load(SeqCst) || [one, other].into_iter().all(waits_for_a_thread));
        assert!(!is_over.load(SeqCst));
    });
}

// Leaves that are used while their loop is being dropped.

/// What a timer says that nothing will ever wake.
const CLOSING: &str = "a timer was polled on an event loop that is being dropped, whose time has stopped: await it in \
                       a task, or in another loop, and not in a drop";

#[test]
fn a_timer_of_a_loop_that_is_being_dropped_wakes_at_once_and_says_why_when_it_is_polled_again() {
    while_closing(virtual_runtime(), || {
        let (count, waker) = Count::new();
        let mut nap = sleep(SECOND);
        assert!(poll_with(&mut nap, &waker).is_pending());
        assert_eq!(count.wakes(), 1);
        assert_eq!(panic_message(|| poll_with(&mut nap, &waker)), CLOSING);
        // What is due already needs no time.
        assert!(poll_with(&mut sleep(Duration::ZERO), &waker).is_ready());
    });
}

#[test]
fn timeouts_and_intervals_of_a_loop_that_is_being_dropped_say_so() {
    while_closing(virtual_runtime(), || {
        let (count, waker) = Count::new();
        let mut late = Box::pin(timeout(SECOND, pending::<()>()));
        assert!(poll_with(&mut late, &waker).is_pending());
        assert_eq!(count.wakes(), 1);
        assert_eq!(panic_message(|| poll_with(&mut late, &waker)), CLOSING);
        // What is ready in time wins, as ever.
        assert_eq!(poll_once(&mut Box::pin(timeout(SECOND, async { 5 }))), Poll::Ready(Ok(5)));

        let mut ticks = interval(SECOND);
        assert!(poll_once(&mut pin!(ticks.tick())).is_ready());
        assert!(ticks.poll_tick(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(count.wakes(), 2);
        assert_eq!(panic_message(|| ticks.poll_tick(&mut Context::from_waker(&waker))), CLOSING);
    });
}

#[test]
fn a_timer_that_was_armed_before_is_woken_told_and_works_on_in_another_loop() {
    let runtime = virtual_runtime();
    let (count, waker) = Count::new();
    let mut nap = inside(&runtime, || tests::armed(SECOND, &waker));
    let mut early = inside(&runtime, || tests::armed(SECOND / 2, &waker));
    runtime.turn(Some(SECOND / 2));
    assert_eq!(count.wakes(), 1);
    let place = Rc::new(Cell::new(None));
    let back = Rc::clone(&place);
    while_closing(runtime, move || {
        // It had fired before, so it is over.
        assert!(poll_once(&mut early).is_ready());
        assert_eq!(panic_message(|| poll_once(&mut nap)), CLOSING);
        back.set(Some(nap));
    });
    assert_eq!(count.wakes(), 2);
    let nap = place.take().expect("it came back");
    virtually(async {
        let start = now();
        nap.await;
        assert_eq!(now() - start, SECOND / 2, "what was left of it");
    });
}

#[test]
fn who_is_woken_by_the_end_of_a_loop_and_polls_again_at_once_is_told() {
    let runtime = virtual_runtime();
    let nap = Rc::new(RefCell::new(inside(&runtime, || sleep(SECOND))));
    let (inner, said) = (Rc::clone(&nap), Rc::new(RefCell::new(String::new())));
    let says = Rc::clone(&said);
    let waker = meddler(move |moment| {
        if moment == Moment::Wake {
            *says.borrow_mut() = panic_message(|| poll_once(&mut *inner.borrow_mut()));
        }
    });
    assert!(inside(&runtime, || poll_with(&mut *nap.borrow_mut(), &waker)).is_pending());
    drop(runtime);
    assert_eq!(*said.borrow(), CLOSING);
}

#[test]
fn sockets_of_a_loop_that_is_being_dropped_say_that_it_is_gone() {
    let runtime = Runtime::new().unwrap();
    let (near, far) = runtime.block_on(tests::pair());
    let listener = runtime.block_on(TcpListener::bind(LOCAL)).unwrap();
    let udp = runtime.block_on(UdpSocket::bind(LOCAL)).unwrap();
    while_closing(runtime, move || {
        let gone = |polled: Poll<std::io::Error>| {
            let Poll::Ready(error) = polled else { panic!("it waits for a loop that is being dropped") };
            assert!(error.to_string().starts_with("the runtime that this socket belongs to was dropped"), "{error}");
        };
        for end in [&near, &far] {
            gone(poll_once(&mut pin!(end.read(&mut [0]))).map(Result::unwrap_err));
        }
        gone(poll_once(&mut pin!(listener.accept())).map(Result::unwrap_err));
        gone(poll_once(&mut pin!(udp.recv_from(&mut [0]))).map(Result::unwrap_err));
        gone(poll_once(&mut pin!(TcpListener::bind(LOCAL))).map(Result::unwrap_err));
        gone(poll_once(&mut Box::pin(TcpStream::connect(LOCAL))).map(Result::unwrap_err));
        // What the kernel takes at once it takes still: last words.
        assert_eq!(far.try_write(b"bye").unwrap(), 3);
    });
}

#[test]
fn handles_of_tasks_of_a_loop_that_is_being_dropped_say_cancelled() {
    let runtime = virtual_runtime();
    // Spawned later than the task in whose drop they are awaited, so they are dropped later.
    let place: Rc<RefCell<Vec<JoinHandle<()>>>> = Rc::default();
    let (inner, told) = (Rc::clone(&place), Rc::new(Cell::new(0)));
    let tells = Rc::clone(&told);
    drop(runtime.spawn(keep(OnDrop::new(move || {
        for task in inner.take() {
            let error = executor::block_on(task).unwrap_err();
            assert!(error.is_cancelled());
            tells.set(tells.get() + 1);
        }
    }))));
    let tasks = [runtime.spawn(pending()), runtime.handle().spawn(pending())];
    place.borrow_mut().extend(tasks);
    runtime.turn(ZERO);
    place.borrow_mut().push(runtime.handle().spawn(pending()));
    let (release, held) = std::sync::mpsc::channel::<()>();
    place.borrow_mut().push(inside(&runtime, || spawn_blocking(move || _ = held.recv())));
    drop(runtime);
    drop(release);
    assert_eq!(told.get(), 4);
}

#[test]
fn what_is_spawned_on_a_loop_that_is_being_dropped_is_over_at_once() {
    while_closing(virtual_runtime(), || {
        let task = spawn(async { panic!("never polled") });
        assert!(task.is_finished());
        assert!(executor::block_on(task).unwrap_err().is_cancelled());
        let job = spawn_blocking(|| panic!("never begun"));
        assert!(executor::block_on(job).unwrap_err().is_cancelled());
        executor::block_on(yield_now());
        let mut lines = runtime::fs::lines(file!());
        assert!(executor::block_on(lines.next()).unwrap().is_err());
        assert_eq!(executor::block_on(lines.next()).map(|line| line.is_ok()), None);
    });
}

#[test]
fn a_task_of_another_loop_is_awaited_still() {
    let other = virtual_runtime();
    let mut task = other.spawn(async { 5 });
    while_closing(virtual_runtime(), move || {
        let (count, waker) = Count::new();
        assert!(poll_with(&mut task, &waker).is_pending());
        assert_eq!(count.wakes(), 0);
        assert!(!task.is_finished());
    });
    drop(other);
}

#[test]
fn channels_go_on_while_a_loop_is_being_dropped() {
    let runtime = virtual_runtime();
    let (answer, mut answered) = oneshot::channel();
    let (sender, mut receiver) = mpsc::channel(1);
    let (count, waker) = Count::new();
    let (log, ends) = (Log::new(), Rc::new(RefCell::new(None)));
    let (inner, kept) = (log.clone(), Rc::clone(&ends));
    drop(runtime.spawn(keep(OnDrop::new(move || {
        assert!(poll_with(&mut answered, &waker).is_pending());
        assert!(receiver.poll_recv(&mut Context::from_waker(&waker)).is_pending());
        inner.add("waits");
        *kept.borrow_mut() = Some((answered, receiver));
    }))));
    // Dropped after it: the last thing that it does is to send.
    drop(runtime.spawn(keep(OnDrop::new(move || {
        answer.send(1).unwrap();
        sender.try_send(2).unwrap();
    }))));
    runtime.turn(ZERO);
    drop(runtime);
    assert_eq!((log.take(), count.wakes()), (vec!["waits".to_owned()], 2));
    let (mut answered, mut receiver) = ends.take().expect("they were kept");
    assert_eq!((poll_once(&mut answered), receiver.try_recv()), (Poll::Ready(Ok(1)), Ok(2)));
}

#[test]
fn nothing_is_polled_and_nothing_counted_after_the_end() {
    let runtime = virtual_runtime();
    let polls = Rc::new(Cell::new(0));
    let inner = Rc::clone(&polls);
    let task = runtime.spawn(poll_fn(move |_| {
        inner.set(inner.get() + 1);
        Poll::<()>::Pending
    }));
    assert_eq!(counts(runtime.turn(ZERO)), [1, 0, 0, 0]);
    while_closing(runtime, move || {
        task.abort();
        assert!(executor::block_on(task).unwrap_err().is_cancelled());
    });
    assert_eq!(polls.get(), 1);
}
