//! Wakes: the ticket in every waker, wakes from here and from other threads, stale ones, and user code that runs inside
//! a waker at the worst moment.
//!
//! A test that wakes or aborts tasks of a runtime that is gone runs alone: the next runtime of that number hears of it,
//! and others here count what they hear.

use runtime::net::{TcpListener, TcpStream};
use runtime::sync::{Semaphore, mpsc, oneshot};
use runtime::task::{self, yield_now};
use runtime::time::{now, sleep};
use runtime::{AbortHandle, JoinHandle, Runtime, spawn};
use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use tests::{
    Count, Dropped, Log, Moment, OnDrop, alone, counted, counts, forever, meddler, poll_once, thread_number,
    until_parked, virtual_runtime, virtually,
};

const ZERO: Option<Duration> = Some(Duration::ZERO);

/// A task that waits for ever, its waker, and how often it was polled.
struct Waiter {
    task: JoinHandle<()>,
    waker: Waker,
    polls: Rc<Cell<usize>>,
}

impl Waiter {
    /// Spawns it and has it polled for the first time.
    fn new(runtime: &Runtime) -> Waiter {
        let (give, take) = (Rc::new(RefCell::new(None)), Rc::new(Cell::new(0)));
        let (slot, polls) = (Rc::clone(&give), Rc::clone(&take));
        let task = runtime.spawn(poll_fn(move |cx| {
            polls.set(polls.get() + 1);
            *slot.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        }));
        runtime.turn(ZERO);
        Waiter { task, waker: give.take().expect("it was polled"), polls: take }
    }
}

// One wake, one poll.

#[test]
fn many_wakes_before_a_poll_cost_one_poll() {
    let runtime = virtual_runtime();
    let waiter = Waiter::new(&runtime);
    for wakes in [1, 2, 1_000] {
        let before = waiter.polls.get();
        runtime.block_on(async { (0..wakes).for_each(|_| waiter.waker.wake_by_ref()) });
        assert_eq!(counts(runtime.turn(ZERO)), [1, 0, 0, 0]);
        assert_eq!(waiter.polls.get(), before + 1);
    }
}

#[test]
fn a_wake_during_the_poll_queues_the_task_again() {
    let runtime = virtual_runtime();
    let task = runtime.spawn({
        let mut polls = 0;
        poll_fn(move |cx| {
            polls += 1;
            // "Queued" is cleared before the poll, or these would be refused; twice, or there would be two polls more.
            cx.waker().wake_by_ref();
            cx.waker().wake_by_ref();
            if polls < 4 { Poll::Pending } else { Poll::Ready(()) }
        })
    });
    for _ in 0..4 {
        assert_eq!(counts(runtime.turn(ZERO)), [1, 0, 0, 0]);
    }
    assert!(task.is_finished());
    // The wakes of the last poll find nobody.
    assert_eq!(counts(runtime.turn(ZERO)), [0, 0, 0, 0]);
}

#[test]
fn tasks_are_polled_in_the_order_of_their_wakes() {
    let log = Log::new();
    virtually(async {
        let mut wakers = Vec::new();
        for name in ["a", "b", "c"] {
            let (waker, woken) = oneshot::channel::<()>();
            wakers.push(waker);
            let log = log.clone();
            drop(spawn(async move {
                woken.await.unwrap();
                log.add(name);
            }));
        }
        yield_now().await;
        for waker in wakers.into_iter().rev() {
            waker.send(()).unwrap();
        }
        yield_now().await;
    });
    assert_eq!(log.take(), ["c", "b", "a"]);
}

#[test]
fn every_poll_of_a_task_gets_the_same_waker_and_no_other_task_gets_it() {
    let runtime = virtual_runtime();
    let (one, two) = (Waiter::new(&runtime), Waiter::new(&runtime));
    let first = one.waker.clone();
    first.wake_by_ref();
    runtime.turn(ZERO);
    assert_eq!(one.polls.get(), 2);
    assert!(first.will_wake(&one.waker));
    assert!(!first.will_wake(&two.waker));
    assert!(!first.will_wake(Waker::noop()));
}

// Stale tickets.

#[test]
fn a_wake_after_the_end_polls_nothing() {
    let runtime = virtual_runtime();
    let (ended, aborted) = (Waiter::new(&runtime), Waiter::new(&runtime));
    runtime.block_on(async {
        aborted.task.abort();
        ended.task.abort();
    });
    runtime.turn(ZERO);
    for Waiter { task, waker, polls } in [ended, aborted] {
        assert!(task.is_finished());
        runtime.block_on(async { waker.wake_by_ref() });
        assert_eq!(counts(runtime.turn(ZERO)), [0, 0, 0, 0]);
        waker.wake();
        assert_eq!(counts(runtime.turn(ZERO)), [0, 0, 0, 1]);
        assert_eq!(polls.get(), 1);
    }
}

#[test]
fn the_next_task_in_a_slot_does_not_get_the_wakes_of_the_one_before() {
    let runtime = virtual_runtime();
    let mut stale = Vec::new();
    for _ in 0..100 {
        // The only task each time, so it has the slot of the one before.
        let waiter = Waiter::new(&runtime);
        stale.iter().for_each(Waker::wake_by_ref);
        runtime.block_on(async { stale.iter().for_each(Waker::wake_by_ref) });
        assert_eq!(runtime.turn(ZERO).polls, 0);
        assert_eq!(waiter.polls.get(), 1);
        waiter.waker.wake_by_ref();
        assert_eq!(runtime.turn(ZERO).polls, 1);
        runtime.block_on(async { waiter.task.abort() });
        runtime.turn(ZERO);
        stale.push(waiter.waker);
    }
}

#[test]
fn wakers_of_main_die_with_their_block_on() {
    let runtime = virtual_runtime();
    let stale = runtime.block_on(poll_fn(|cx| Poll::Ready(cx.waker().clone())));
    stale.wake_by_ref();
    assert_eq!(counts(runtime.turn(ZERO)), [0, 0, 0, 1]);
    let polls = Cell::new(0);
    runtime.block_on(counted(&polls, async {
        stale.wake_by_ref();
        sleep(Duration::from_secs(1)).await;
    }));
    assert_eq!(polls.get(), 2);
}

#[test]
fn a_main_that_woke_itself_in_its_last_poll_leaves_nothing_to_poll() {
    let runtime = virtual_runtime();
    runtime.block_on(poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::Ready(())
    }));
    assert_eq!(counts(runtime.turn(ZERO)), [0, 0, 0, 0]);
    let waiter = Waiter::new(&runtime);
    assert_eq!(counts(runtime.turn(ZERO)), [0, 0, 0, 0]);
    assert_eq!(waiter.polls.get(), 1);
}

#[test]
fn wakers_that_outlive_their_runtime_do_nothing() {
    alone("wakers_that_outlive_their_runtime_do_nothing", || {
        let runtime = virtual_runtime();
        let waiters: Vec<Waiter> = (0..3).map(|_| Waiter::new(&runtime)).collect();
        drop(runtime);
        for Waiter { task, waker, polls } in waiters {
            assert!(task.is_finished());
            waker.wake_by_ref();
            let other = waker.clone();
            thread::spawn(move || other.wake()).join().unwrap();
            virtually(async {
                waker.wake_by_ref();
                yield_now().await;
            });
            waker.wake();
            assert_eq!(polls.get(), 1);
        }
    });
}

#[test]
fn wakers_of_a_dropped_runtime_poll_nothing_in_the_next_one_of_its_number() {
    alone("wakers_of_a_dropped_runtime_poll_nothing_in_the_next_one_of_its_number", || {
        let first = virtual_runtime();
        let number = format!("{first:?}");
        let stale: Vec<Waker> = (0..10).map(|_| Waiter::new(&first).waker).collect();
        drop(first);

        let second = virtual_runtime();
        assert_eq!(format!("{second:?}"), number, "the number is used again");
        let waiters: Vec<Waiter> = (0..10).map(|_| Waiter::new(&second)).collect();
        stale.iter().for_each(Waker::wake_by_ref);
        assert_eq!(counts(second.turn(ZERO)), [0, 0, 0, 10]);
        second.block_on(async { stale.iter().for_each(Waker::wake_by_ref) });
        assert_eq!(counts(second.turn(ZERO)), [0, 0, 0, 0]);
        let elsewhere = stale.clone();
        thread::spawn(move || elsewhere.into_iter().for_each(Waker::wake)).join().unwrap();
        assert_eq!(counts(second.turn(ZERO)), [0, 0, 0, 10]);
        assert!(waiters.iter().all(|waiter| waiter.polls.get() == 1));
        waiters.iter().for_each(|waiter| waiter.waker.wake_by_ref());
        assert_eq!(counts(second.turn(ZERO)), [10, 0, 0, 10]);
    });
}

#[test]
fn aborts_of_a_dropped_runtime_hit_nobody_in_the_next_one_of_its_number() {
    alone("aborts_of_a_dropped_runtime_hit_nobody_in_the_next_one_of_its_number", || {
        let first = virtual_runtime();
        let number = format!("{first:?}");
        let stale: Vec<AbortHandle> = (0..10).map(|_| Waiter::new(&first).task.abort_handle()).collect();
        drop(first);
        let second = virtual_runtime();
        assert_eq!(format!("{second:?}"), number, "the number is used again");
        let waiters: Vec<Waiter> = (0..10).map(|_| Waiter::new(&second)).collect();
        stale.iter().for_each(AbortHandle::abort);
        second.block_on(async { stale.iter().for_each(AbortHandle::abort) });
        second.turn(ZERO);
        assert!(waiters.iter().all(|waiter| !waiter.task.is_finished() && waiter.polls.get() == 1));
    });
}

#[test]
fn a_loop_that_is_being_dropped_does_not_swallow_the_wakes_of_the_next_one_of_its_number() {
    alone("a_loop_that_is_being_dropped_does_not_swallow_the_wakes_of_the_next_one_of_its_number", || {
        // A job in line is dropped at the end of the first runtime. Its drop waits for a second runtime, on another
        // thread and perhaps with the same number, and wakes a task of that one.
        let (begin, begun) = std::sync::mpsc::channel();
        let (give, take) = std::sync::mpsc::channel::<Waker>();
        let second = thread::spawn(move || {
            begun.recv().unwrap();
            let runtime = virtual_runtime();
            let waiter = Waiter::new(&runtime);
            give.send(waiter.waker).unwrap();
            // The wake is done when the other end of this channel is gone.
            begun.recv().unwrap_err();
            counts(runtime.turn(ZERO))
        });

        let first = Runtime::builder().max_blocking_threads(1).build().unwrap();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let guard = OnDrop::new(move || {
            begin.send(()).unwrap();
            take.recv().unwrap().wake();
        });
        first.block_on(async {
            drop(task::spawn_blocking(move || _ = held.recv()));
            drop(task::spawn_blocking(move || drop(guard)));
        });
        drop(first);
        drop(release);
        assert_eq!(second.join().unwrap(), [1, 0, 0, 1], "the wake was lost");
    });
}

// From other threads.

#[test]
fn a_wake_from_another_thread_ends_a_park() {
    alone("a_wake_from_another_thread_ends_a_park", || {
        let runtime = Runtime::new().unwrap();
        let waiter = Waiter::new(&runtime);
        let (waker, parked) = (waiter.waker.clone(), thread_number());
        let thread = thread::spawn(move || {
            until_parked(parked);
            waker.wake();
        });
        assert_eq!(counts(runtime.turn(None)), [1, 0, 0, 1]);
        thread.join().unwrap();
    });
}

#[test]
fn wakes_from_another_thread_between_two_turns_wait_for_the_next() {
    alone("wakes_from_another_thread_between_two_turns_wait_for_the_next", || {
        let runtime = Runtime::new().unwrap();
        let waiter = Waiter::new(&runtime);
        let waker = waiter.waker.clone();
        thread::spawn(move || {
            for _ in 0..5 {
                waker.wake_by_ref();
            }
        })
        .join()
        .unwrap();
        // One message, one poll; and it does not park, though it may.
        assert_eq!(counts(runtime.turn(None)), [1, 0, 0, 1]);
        assert_eq!(waiter.polls.get(), 2);
    });
}

#[test]
fn a_wake_from_outside_the_loop_goes_through_the_remote_queue() {
    alone("a_wake_from_outside_the_loop_goes_through_the_remote_queue", || {
        let runtime = virtual_runtime();
        let waiter = Waiter::new(&runtime);
        waiter.waker.wake_by_ref();
        assert_eq!(counts(runtime.turn(ZERO)), [1, 0, 0, 1]);
    });
}

#[test]
fn a_wake_from_the_loop_of_another_runtime_goes_through_the_remote_queue() {
    alone("a_wake_from_the_loop_of_another_runtime_goes_through_the_remote_queue", || {
        let (one, two) = (virtual_runtime(), virtual_runtime());
        let waiter = Waiter::new(&one);
        two.block_on(async { waiter.waker.wake_by_ref() });
        assert_eq!(counts(one.turn(ZERO)), [1, 0, 0, 1]);
    });
}

#[test]
fn a_busy_loop_hears_of_wakes_from_other_threads() {
    let runtime = Runtime::new().unwrap();
    let waiter = Waiter::new(&runtime);
    let waker = waiter.waker.clone();
    let thread = thread::spawn(move || waker.wake());
    runtime.block_on(async {
        while waiter.polls.get() < 2 {
            yield_now().await;
        }
    });
    thread.join().unwrap();
}

#[test]
fn no_wake_of_many_threads_is_lost() {
    const THREADS: usize = 4;
    const WAKES: usize = 2_000;
    let runtime = Runtime::new().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let (give, wakers) = std::sync::mpsc::channel();
    let task = runtime.spawn({
        let count = Arc::clone(&count);
        poll_fn(move |cx| {
            let _ = give.send(cx.waker().clone());
            // Ends only if the last wake, too, leads to a poll after it.
            if count.load(Ordering::SeqCst) == THREADS * WAKES { Poll::Ready(()) } else { Poll::Pending }
        })
    });
    runtime.turn(ZERO);
    let waker: Waker = wakers.recv().unwrap();
    let threads = [(); THREADS].map(|()| {
        let (waker, count) = (waker.clone(), Arc::clone(&count));
        thread::spawn(move || {
            for _ in 0..WAKES {
                count.fetch_add(1, Ordering::SeqCst);
                waker.wake_by_ref();
            }
        })
    });
    runtime.block_on(task).unwrap();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn two_loops_on_two_threads_play_ping_pong() {
    const ROUNDS: u32 = 2_000;
    let (ping, mut pinged) = mpsc::unbounded::<u32>();
    let (pong, mut ponged) = mpsc::unbounded::<u32>();
    let thread = thread::spawn(move || {
        runtime::block_on(async {
            while let Some(n) = pinged.recv().await {
                pong.send(n + 1).unwrap();
            }
        });
    });
    let last = runtime::block_on(async {
        let mut n = 0;
        for _ in 0..ROUNDS {
            ping.send(n).unwrap();
            n = ponged.recv().await.unwrap();
        }
        drop(ping);
        n
    });
    thread.join().unwrap();
    assert_eq!(last, ROUNDS);
}

// The latest waker counts, and a leaf that was dropped wakes nobody.

type Leaf = Pin<Box<dyn Future<Output = ()>>>;

/// Something that makes a leaf, and something that has it woken.
type Subject = (&'static str, Box<dyn Fn() -> Leaf>, Box<dyn Fn()>);

/// The leaves that wait for something that a call brings about. Each call of the first function makes another one.
fn subjects() -> Vec<Subject> {
    let semaphore = forever(Semaphore::new(0));
    let (room, values) = mpsc::channel(1);
    room.try_send(0).unwrap();
    let (room, values) = (forever(room), RefCell::new(values));
    let oneshots: Rc<RefCell<Vec<oneshot::Sender<()>>>> = Rc::default();
    let messages: Rc<RefCell<Vec<mpsc::UnboundedSender<()>>>> = Rc::default();
    let joins: Rc<RefCell<Vec<oneshot::Sender<()>>>> = Rc::default();
    vec![
        (
            "a permit",
            Box::new(|| Box::pin(async { semaphore.acquire().await.forget() })),
            Box::new(|| semaphore.add_permits(1)),
        ),
        (
            "room in a channel",
            Box::new(|| Box::pin(async { room.send(1).await.unwrap() })),
            Box::new(move || _ = values.borrow_mut().try_recv().unwrap()),
        ),
        {
            let ends = Rc::clone(&oneshots);
            (
                "a oneshot",
                Box::new(move || {
                    let (sender, receiver) = oneshot::channel();
                    ends.borrow_mut().push(sender);
                    Box::pin(async { receiver.await.unwrap() })
                }),
                Box::new(move || oneshots.take().into_iter().for_each(|sender| _ = sender.send(()))),
            )
        },
        {
            let ends = Rc::clone(&messages);
            (
                "a message",
                Box::new(move || {
                    let (sender, mut receiver) = mpsc::unbounded();
                    ends.borrow_mut().push(sender);
                    Box::pin(async move { receiver.recv().await.unwrap() })
                }),
                Box::new(move || messages.take().into_iter().for_each(|sender| _ = sender.send(()))),
            )
        },
        {
            let ends = Rc::clone(&joins);
            (
                "the end of a task",
                Box::new(move || {
                    let (sender, receiver) = oneshot::channel();
                    ends.borrow_mut().push(sender);
                    let task = spawn(async { receiver.await.unwrap() });
                    Box::pin(async { task.await.unwrap() })
                }),
                Box::new(move || joins.take().into_iter().for_each(|sender| _ = sender.send(()))),
            )
        },
        {
            let (give, take) = std::sync::mpsc::channel::<std::sync::mpsc::Sender<()>>();
            (
                "the end of a job",
                Box::new(move || {
                    let (sender, receiver) = std::sync::mpsc::channel();
                    give.send(sender).unwrap();
                    let job = task::spawn_blocking(move || _ = receiver.recv());
                    Box::pin(async { job.await.unwrap() })
                }),
                // The job ends when its sender is gone.
                Box::new(move || take.try_iter().for_each(drop)),
            )
        },
        (
            "a deadline",
            Box::new(|| Box::pin(sleep(Duration::from_secs(1)))),
            // Main's own sleep, below, brings it about.
            Box::new(|| {}),
        ),
    ]
}

/// Has what was begun come to its end: under the virtual clock the second passes when nothing else is left to do.
async fn let_it_happen() {
    for _ in 0..10 {
        yield_now().await;
    }
    sleep(Duration::from_secs(2)).await;
}

#[test]
fn every_leaf_wakes_the_latest_waker_that_polled_it() {
    virtually(async {
        for (name, begin, finish) in subjects() {
            let mut leaf = begin();
            let ((first, old), (second, new)) = (Count::new(), Count::new());
            for waker in [&old, &old, &new] {
                assert!(leaf.as_mut().poll(&mut Context::from_waker(waker)).is_pending(), "{name}");
            }
            finish();
            let_it_happen().await;
            assert_eq!((first.wakes(), second.wakes()), (0, 1), "{name}");
            assert!(poll_once(&mut leaf).is_ready(), "{name}");
        }
    });
}

#[test]
fn a_leaf_that_was_dropped_wakes_nobody_and_keeps_no_waker() {
    virtually(async {
        for (name, begin, finish) in subjects() {
            let mut leaf = begin();
            let (count, waker) = Count::new();
            assert!(leaf.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "{name}");
            drop(leaf);
            assert_eq!(Arc::strong_count(&count), 2, "{name} keeps a waker: ours and the counter are the two");
            finish();
            let_it_happen().await;
            assert_eq!(count.wakes(), 0, "{name}");
        }
    });
}

// No borrow is held while user code runs.

/// Uses everything that a loop holds in a cell.
fn use_everything(semaphore: &Semaphore, messages: &mpsc::Sender<u8>, other: &Waker) {
    drop(spawn(async {}));
    let task = spawn(pending::<()>());
    task.abort();
    other.wake_by_ref();
    let _ = now();
    let mut nap = pin!(sleep(Duration::from_secs(9)));
    assert!(nap.as_mut().poll(&mut Context::from_waker(other)).is_pending());
    drop(semaphore.try_acquire());
    let _ = (semaphore.available_permits(), messages.try_send(1), messages.is_closed());
    drop(task::spawn_blocking(|| {}));
    assert!(poll_once(&mut spawn(async {})).is_pending());
}

#[test]
fn wakers_may_use_the_loop_while_a_leaf_clones_wakes_or_drops_them() {
    virtually(async {
        for (name, begin, finish) in subjects() {
            let moments: Rc<RefCell<Vec<Moment>>> = Rc::default();
            let own = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
            let [old, new] = [(); 2].map(|()| {
                let (moments, own) = (Rc::clone(&moments), own.clone());
                let (semaphore, (messages, _end)) = (Semaphore::new(1), mpsc::channel(1));
                meddler(move |moment| {
                    use_everything(&semaphore, &messages, &own);
                    moments.borrow_mut().push(moment);
                })
            });
            let mut leaf = begin();
            for (waker, expected) in [(&old, &[Moment::Clone][..]), (&new, &[Moment::Clone, Moment::Drop])] {
                assert!(leaf.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
                assert_eq!(moments.take(), expected, "{name}");
            }
            finish();
            let_it_happen().await;
            assert_eq!(moments.take(), [Moment::Wake], "{name}");
            assert!(poll_once(&mut leaf).is_ready(), "{name}");

            let mut leaf = begin();
            assert!(leaf.as_mut().poll(&mut Context::from_waker(&old)).is_pending(), "{name}");
            moments.take();
            drop(leaf);
            assert_eq!(moments.take(), [Moment::Drop], "{name}");
            finish();
            let_it_happen().await;
        }
    });
}

#[test]
fn wakers_may_use_the_very_thing_that_holds_them() {
    virtually(async {
        let semaphore = forever(Semaphore::new(0));
        let (sender, receiver) = mpsc::channel(1);
        sender.try_send(1).unwrap();
        let (sender, receiver) = (forever(sender), RefCell::new(receiver));
        let moments = Rc::new(Cell::new(0));
        let own = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let seen = Rc::clone(&moments);
        let waker = meddler(move |_| {
            use_everything(semaphore, sender, &own);
            semaphore.add_permits(0);
            seen.set(seen.get() + 1);
        });
        let mut leaves: [Leaf; 4] = [
            Box::pin(async { semaphore.acquire().await.forget() }),
            Box::pin(async { drop(semaphore.acquire().await) }),
            Box::pin(async { sender.send(2).await.unwrap() }),
            Box::pin(async { sender.send(3).await.unwrap() }),
        ];
        for leaf in &mut leaves {
            assert!(leaf.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        semaphore.add_permits(1);
        assert_eq!(receiver.borrow_mut().try_recv(), Ok(1));
        let [acquired, in_line, sent, full] = leaves;
        drop((in_line, full));
        // Two clones for each, a wake or a drop for each.
        assert_eq!(moments.get(), 8);
        acquired.await;
        sent.await;
    });
}

#[test]
fn a_permit_that_comes_free_while_the_waker_is_cloned_is_not_lost() {
    let semaphore = forever(Semaphore::new(0));
    let waker = meddler(|moment| {
        if moment == Moment::Clone {
            semaphore.add_permits(1);
        }
    });
    let mut acquire = pin!(semaphore.acquire());
    let first = acquire.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(first.is_ready() || semaphore.available_permits() == 0, "in line beside a free permit");
}

#[test]
fn a_task_that_ends_while_its_joiners_waker_is_cloned_or_dropped_is_not_missed() {
    for meddling in [Moment::Clone, Moment::Drop] {
        let runtime = Rc::new(virtual_runtime());
        let mut task = runtime.spawn(async {});
        let meddler = meddler(move |moment| {
            if moment == meddling {
                runtime.turn(ZERO);
            }
        });
        let (count, other) = Count::new();
        // The first waker is dropped when the second takes its place.
        let polled = [&meddler, &other].map(|waker| match task.is_finished() {
            true => Poll::Ready(()),
            false => Pin::new(&mut task).poll(&mut Context::from_waker(waker)).map(|result| result.unwrap()),
        });
        assert!(polled.iter().any(Poll::is_ready) || count.wakes() == 1, "{meddling:?}: {polled:?}");
    }
}

#[test]
fn a_socket_whose_runtime_is_dropped_while_a_waker_is_cloned_does_not_wait() {
    type Wait = fn(&TcpStream, &mut Context<'_>) -> bool;
    let waits: [Wait; 2] =
        [|stream, cx| pin!(stream.readable()).poll(cx).is_ready(), |stream, cx| stream.poll_read_ready(cx).is_ready()];
    for is_ready in waits {
        let runtime = virtual_runtime();
        let (near, _far) = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            assert!(near.try_read(&mut [0]).is_err());
            (near, listener.accept().await.unwrap())
        });
        let runtime = Cell::new(Some(runtime));
        let waker = meddler(move |moment| {
            if moment == Moment::Clone {
                drop(runtime.take());
            }
        });
        assert!(is_ready(&near, &mut Context::from_waker(&waker)), "nobody is left to wake it");
    }
}

#[test]
fn a_joiners_waker_may_drop_the_handle_that_it_waits_at() {
    let log = Log::new();
    virtually(async {
        let handle: Rc<RefCell<Option<JoinHandle<Dropped>>>> = Rc::default();
        let result = Dropped(log.clone(), "result");
        let mut task = spawn(async move { result });
        let (place, inner) = (Rc::clone(&handle), log.clone());
        let waker = meddler(move |moment| {
            if moment == Moment::Wake {
                inner.add(format!("finished: {}", place.take().is_some_and(|task| task.is_finished())));
            }
        });
        assert!(Pin::new(&mut task).poll(&mut Context::from_waker(&waker)).is_pending());
        *handle.borrow_mut() = Some(task);
        yield_now().await;
    });
    assert_eq!(log.take(), ["finished: true", "result dropped"]);
}

#[test]
fn a_socket_wakes_wakers_that_use_the_loop() {
    runtime::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let moments: Rc<RefCell<Vec<Moment>>> = Rc::default();
        let own = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let [one, two] = [(); 2].map(|()| {
            let (moments, own) = (Rc::clone(&moments), own.clone());
            let (semaphore, (messages, _end)) = (Semaphore::new(1), mpsc::channel(1));
            meddler(move |moment| {
                use_everything(&semaphore, &messages, &own);
                moments.borrow_mut().push(moment);
            })
        });
        assert!(near.try_read(&mut [0; 8]).is_err());
        let mut readable = Box::pin(near.readable());
        for (waker, expected) in [(&one, &[Moment::Clone][..]), (&two, &[Moment::Clone, Moment::Drop])] {
            assert!(readable.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
            assert_eq!(moments.take(), expected);
        }
        for (waker, expected) in [(&two, &[Moment::Clone][..]), (&one, &[Moment::Clone, Moment::Drop])] {
            assert!(near.poll_read_ready(&mut Context::from_waker(waker)).is_pending());
            assert_eq!(moments.take(), expected);
        }
        far.write_all(b"x").await.unwrap();
        while moments.borrow().len() < 2 {
            yield_now().await;
        }
        assert_eq!(moments.take(), [Moment::Wake, Moment::Wake]);
        assert!(poll_once(&mut readable).is_ready());
    });
}

#[test]
fn to_print_a_channel_runs_no_code_of_its_values() {
    // It would run under the channel's lock, and a value that looks at its own channel would wait for ever.
    struct Nosy<'a>(&'a Cell<bool>);
    impl std::fmt::Debug for Nosy<'_> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.set(true);
            f.write_str("Nosy")
        }
    }
    let asked = Cell::new(false);
    let (sender, receiver) = mpsc::channel(1);
    sender.try_send(Nosy(&asked)).unwrap();
    assert_ne!(format!("{sender:?} {receiver:?}"), "");
    let (sender, receiver) = oneshot::channel();
    assert!(sender.send(Nosy(&asked)).is_ok());
    assert_ne!(format!("{receiver:?}"), "");
    assert!(!asked.get(), "a value was asked how it looks while its channel was locked");
}
