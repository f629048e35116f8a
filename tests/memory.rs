//! Memory: what was big and is empty gives back what it does not need, by one rule, and not at every step up and down.
//!
//! Every structure of the loop may keep 64 KB; some bytes more are allowed for what it is made of itself.

use gather::{as_completed, first_ok, gather, gather_tasks, race, try_gather};
use runtime::sync::{Semaphore, mpsc};
use runtime::task::{spawn_blocking, yield_now};
use runtime::time::{sleep, timeout};
use runtime::{Runtime, Turn, spawn};
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::mem;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;
use tests::{CountingAllocator, allocations, big_bytes_in_use, bytes_in_use, poll_once, virtually};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// So many of everything.
const BURST: usize = 100_000;
/// What one structure may keep.
const KEPT: isize = 64 * 1024;
/// What is no array: a task, a channel, a socket.
const SMALL: isize = 2 * 1024;

/// How many bytes more are in use after `f` than before it.
fn left_by<R>(f: impl FnOnce() -> R) -> (isize, R) {
    let before = bytes_in_use();
    let result = f();
    (bytes_in_use() - before, result)
}

/// Runs a burst inside a loop, lets some turns pass, and asserts that at most `structures` times 64 KB stay.
fn keeps_little<F: Future>(structures: isize, burst: impl FnOnce() -> F) {
    virtually(async {
        let before = bytes_in_use();
        burst().await;
        // A turn for each of the two arrays of the ready queue.
        for _ in 0..3 {
            yield_now().await;
        }
        let left = bytes_in_use() - before;
        assert!(left <= structures * KEPT + SMALL, "{left} bytes are left");
    });
}

/// A task that never ends, polled once: how often it was polled, and its waker.
fn sleeper(runtime: &Runtime) -> (Rc<Cell<usize>>, Waker) {
    let (polls, kept) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(None)));
    let (counted, place) = (Rc::clone(&polls), Rc::clone(&kept));
    drop(runtime.spawn(poll_fn(move |cx| {
        counted.set(counted.get() + 1);
        place.set(Some(cx.waker().clone()));
        Poll::<()>::Pending
    })));
    while polls.get() == 0 {
        runtime.turn(Some(Duration::ZERO));
    }
    (polls, kept.take().unwrap())
}

#[test]
fn an_unbounded_channel_that_was_full_is_small_when_it_is_empty() {
    let (sender, mut receiver) = mpsc::unbounded::<[u64; 4]>();
    let (left, ()) = left_by(|| {
        for round in 0..2 {
            for n in 0..BURST {
                sender.send([n as u64 + round; 4]).unwrap();
            }
            for n in 0..BURST {
                assert_eq!(receiver.try_recv(), Ok([n as u64 + round; 4]));
            }
        }
        assert!(receiver.try_recv().is_err());
    });
    assert!(left <= 2 * KEPT, "{left} bytes are left");
}

#[test]
fn a_bounded_channel_that_was_full_is_small_when_it_is_empty() {
    let (sender, mut receiver) = mpsc::channel::<[u64; 4]>(BURST);
    let (left, ()) = left_by(|| {
        for n in 0..BURST {
            sender.try_send([n as u64; 4]).unwrap();
        }
        for n in 0..BURST {
            assert_eq!(receiver.try_recv(), Ok([n as u64; 4]));
        }
    });
    assert!(left <= KEPT, "{left} bytes are left");
}

#[test]
fn a_line_of_waiters_that_was_long_is_small_when_they_have_their_permits() {
    let semaphore = Semaphore::new(0);
    let (left, ()) = left_by(|| {
        let mut waiters: Vec<_> = (0..BURST).map(|_| semaphore.acquire()).collect();
        assert!(waiters.iter_mut().all(|waiter| poll_once(waiter).is_pending()));
        semaphore.add_permits(BURST);
        assert!(waiters.iter_mut().all(|waiter| poll_once(waiter).is_ready()));
    });
    assert!(left <= KEPT, "{left} bytes are left");
}

#[test]
fn a_line_of_waiters_that_was_long_is_small_when_they_were_dropped_whatever_the_order() {
    for stride in [1, BURST - 1, 7_919] {
        let semaphore = Semaphore::new(0);
        let (left, ()) = left_by(|| {
            let mut waiters: Vec<_> = (0..BURST).map(|_| Some(semaphore.acquire())).collect();
            assert!(waiters.iter_mut().flatten().all(|waiter| poll_once(waiter).is_pending()));
            (0..BURST).for_each(|n| drop(waiters[n * stride % BURST].take()));
        });
        assert!(left <= KEPT, "{left} bytes are left");
    }
}

#[test]
fn the_senders_that_waited_at_a_full_channel_leave_little() {
    let (sender, mut receiver) = mpsc::channel(1);
    let (left, ()) = left_by(|| {
        let mut sends: Vec<_> = (0..BURST).map(|n| sender.send(n)).collect();
        assert!(poll_once(&mut sends[0]).is_ready());
        assert!(sends[1..].iter_mut().all(|send| poll_once(send).is_pending()));
        for (n, send) in (0..).zip(&mut sends) {
            assert!(n == 0 || poll_once(send).is_ready());
            assert_eq!(receiver.try_recv(), Ok(n));
        }
    });
    assert!(left <= KEPT, "{left} bytes are left");
}

#[test]
fn tasks_that_have_ended_leave_little() {
    // The slots, and the two arrays of the ready queue.
    keeps_little(3, || async {
        let tasks: Vec<_> = (0..BURST).map(|n| spawn(async move { n })).collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), n);
        }
    });
}

#[test]
fn tasks_that_were_aborted_leave_little_whatever_the_order() {
    for stride in [1, BURST - 1, 7_919] {
        keeps_little(4, || async move {
            let tasks: Vec<_> = (0..BURST).map(|_| spawn(pending::<()>())).collect();
            yield_now().await;
            (0..BURST).for_each(|n| tasks[n * stride % BURST].abort());
            for task in tasks {
                assert!(task.await.unwrap_err().is_cancelled());
            }
        });
    }
}

#[test]
fn timers_that_have_fired_leave_little() {
    // The slots, the ready queue, the timers and their heap, the buffer of wakers.
    keeps_little(6, || async {
        let tasks: Vec<_> = (0..BURST as u64).map(|n| spawn(sleep(Duration::from_millis(n % 1_000)))).collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn timeouts_that_did_not_come_leave_little() {
    keeps_little(6, || async {
        let waits = |_| spawn(timeout(Duration::from_secs(1), async { yield_now().await }));
        let tasks: Vec<_> = (0..BURST).map(waits).collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    });
}

#[test]
fn blocking_jobs_that_have_ended_leave_little() {
    let runtime = Runtime::builder().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        // The jobs themselves are freed by the thread that runs them; what is counted here are the arrays of the loop.
        let before = big_bytes_in_use();
        let jobs: Vec<_> = (0..BURST / 4).map(|n| spawn_blocking(move || n)).collect();
        for (n, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.await.unwrap(), n);
        }
        yield_now().await;
        assert_eq!(big_bytes_in_use() - before, 0);
    });
}

#[test]
fn a_task_that_lives_on_keeps_the_memory_of_its_slot_alone() {
    keeps_little(4, || async {
        let survivor = spawn(pending::<()>());
        let tasks: Vec<_> = (0..BURST).map(|_| spawn(async {})).collect();
        for task in tasks {
            task.await.unwrap();
        }
        drop(survivor);
    });
}

#[test]
fn the_results_of_a_gather_have_at_most_512_places_and_a_page_to_spare() {
    fn check<T>(form: &str, values: Vec<T>, n: usize) {
        assert_eq!(values.len(), n);
        let spare = values.capacity() - values.len();
        assert!(spare <= 512, "{form}, {n} children: {spare} places to spare");
        assert!(spare * size_of::<T>() <= 4_096, "{form}, {n} children: {spare} places to spare");
    }
    for n in [1, 100, 1_100, 10_000, BURST] {
        let children = || (0..n as u32).map(|n| async move { n });
        // An iterator that cannot tell how many there are.
        let some = || (0..2 * n as u32).filter(|n| n % 2 == 0).map(|n| async move { n });
        check("gather without a limit", runtime::block_on(gather(children())), n);
        check("gather", runtime::block_on(gather(children()).limit(8)), n);
        check("gather of no known length", runtime::block_on(gather(some()).limit(8)), n);
        let results = || children().map(async |child| Ok::<_, ()>(child.await));
        check("try_gather", runtime::block_on(try_gather(results()).limit(8)).unwrap(), n);
        check("gather_tasks", virtually(async { gather_tasks(children()).limit(8).await }), n);
    }
}

#[test]
fn a_stream_in_memory_that_was_full_is_small_when_it_is_empty() {
    let (bytes, mut read) = (vec![7; 32 * BURST], vec![0; 32 * BURST]);
    let (near, far) = runtime::io::duplex(bytes.len());
    let (left, ()) = left_by(|| {
        assert!(poll_once(&mut Box::pin(near.write_all(&bytes))).is_ready());
        assert!(poll_once(&mut Box::pin(far.read_exact(&mut read))).is_ready());
    });
    assert!(left <= KEPT, "{left} bytes are left");
}

#[test]
fn a_reader_of_lines_that_met_a_long_one_is_small_after_it() {
    let path = std::env::temp_dir().join(format!("glassloop-memory-{}", std::process::id()));
    std::fs::write(&path, format!("{}\n{}", "x".repeat(8_000_000), "short\n".repeat(BURST))).unwrap();
    runtime::block_on(async {
        let before = big_bytes_in_use();
        let mut lines = runtime::fs::lines(&path);
        assert_eq!(lines.next().await.unwrap().unwrap().len(), 8_000_000);
        for _ in 0..BURST / 2 {
            assert_eq!(lines.next().await.unwrap().unwrap(), "short");
        }
        // Twice a chunk of 64 KB, and the rest of a line.
        let left = big_bytes_in_use() - before;
        assert!(left <= 4 * KEPT, "{left} bytes are left");
    });
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_reader_of_lines_that_met_a_long_one_is_small_while_it_waits_and_at_its_end() {
    let path = std::env::temp_dir().join(format!("glassloop-memory-end-{}", std::process::id()));
    for tail in ["", "\n", "\nshort", "\nshort\n"] {
        std::fs::write(&path, "x".repeat(8_000_000) + tail).unwrap();
        runtime::block_on(async {
            let before = big_bytes_in_use();
            let mut lines = runtime::fs::lines(&path);
            assert_eq!(lines.next().await.unwrap().unwrap().len(), 8_000_000);
            if tail == "\n" {
                // The read that will find the end has begun.
                assert!(poll_once(&mut Box::pin(lines.next())).is_pending());
                let left = big_bytes_in_use() - before;
                assert!(left <= KEPT, "{left} bytes are left");
            }
            while let Some(line) = lines.next().await {
                assert_eq!(line.unwrap(), "short");
            }
            assert_eq!(lines.position(), 8_000_000 + tail.len() as u64);
            let left = big_bytes_in_use() - before;
            assert!(left <= KEPT, "{tail:?}: {left} bytes are left");
        });
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn up_and_down_across_a_border_nothing_is_given_back_at_each_step() {
    let (sender, mut receiver) = mpsc::channel(10 * BURST);
    let mut length = 0;
    let mut go_to = |target: usize| {
        while length < target {
            sender.try_send(length as u64).unwrap();
            length += 1;
        }
        while length > target {
            receiver.try_recv().unwrap();
            length -= 1;
        }
    };
    // Down from a burst to any length, a thousand steps to and fro there allocate once or twice and no more.
    for around in [1, 10, 1_000, 8_191, 8_192, 8_193, 10_000, 16_384, 20_000, 25_000, 32_768, 50_000] {
        go_to(BURST);
        go_to(around);
        let (count, ()) = allocations(|| (0..1_000).for_each(|n| go_to(around + n % 2)));
        assert!(count <= 1, "{count} allocations around {around}");
    }
    // And a thousand bursts of a few more than it keeps have a few allocations each, for thousands of values.
    go_to(0);
    let (count, ()) = allocations(|| {
        for _ in 0..100 {
            go_to(20_000);
            go_to(0);
        }
    });
    assert!(count <= 100 * 10, "{count} allocations in a hundred bursts");
}

#[test]
fn up_and_down_across_a_border_slots_are_not_mended_at_each_step() {
    let semaphore = Semaphore::new(0);
    for (burst, around) in [(BURST, 10), (BURST, 4_096), (BURST, 25_000), (BURST, 24_999), (2_000, 2_048), (2_000, 1)] {
        let mut waiters = Vec::with_capacity(2 * BURST);
        let mut go_to = |target: usize| {
            while waiters.len() < target {
                let mut waiter = Box::new(semaphore.acquire());
                assert!(poll_once(&mut waiter).is_pending());
                waiters.push(waiter);
            }
            waiters.truncate(target);
        };
        go_to(burst);
        go_to(around);
        // One of each two steps makes the box of a waiter.
        let (count, ()) = allocations(|| (0..1_000).for_each(|n| go_to(around + n % 2)));
        // And once, the slots may be given back and grow.
        assert!(count <= 500 + 2, "{count} allocations around {around}");
    }
}

#[test]
fn a_semaphore_in_an_rc_leaves_nothing_at_all() {
    let (left, ()) = left_by(|| {
        let semaphore = Rc::new(Semaphore::new(0));
        let mut waiters: Vec<_> = (0..BURST).map(|_| semaphore.acquire()).collect();
        assert!(waiters.iter_mut().all(|waiter| poll_once(waiter).is_pending()));
    });
    assert_eq!(left, 0);
}

// The ready set of a gather in place: 16 bytes for each child.

/// So many children has each.
const CHILDREN: usize = BURST / 4;

/// A child that leaves its waker in `wakers`, and ends when it is woken.
async fn child(wakers: Rc<RefCell<Vec<Waker>>>) -> Result<(), ()> {
    let mut is_woken = false;
    poll_fn(|cx| {
        if mem::replace(&mut is_woken, true) {
            return Poll::Ready(Ok(()));
        }
        wakers.borrow_mut().push(cx.waker().clone());
        Poll::Pending
    })
    .await
}

/// Lets all children of `gather` end, and keeps what it returned. Asserts that the ready set is let go of when the
/// children are done: then the last waker alone keeps all of it.
fn lets_go_of_its_set<R>(gather: impl AsyncFnOnce(Rc<RefCell<Vec<Waker>>>) -> R) {
    const SET: isize = 16 * CHILDREN as isize;
    let wakers = Rc::new(RefCell::new(Vec::with_capacity(CHILDREN)));
    let before = bytes_in_use();
    let mut gathered = Box::pin(gather(Rc::clone(&wakers)));
    assert!(poll_once(&mut gathered).is_pending());
    assert_eq!(wakers.borrow().len(), CHILDREN);
    wakers.borrow().iter().for_each(Waker::wake_by_ref);
    let Poll::Ready(_done) = poll_once(&mut gathered) else { panic!("all children were woken") };

    let last = wakers.borrow_mut().pop();
    let held = bytes_in_use();
    wakers.borrow_mut().clear();
    assert_eq!(bytes_in_use(), held, "one waker keeps the set");
    drop(last);
    let freed = held - bytes_in_use();
    assert!((SET..SET + SMALL).contains(&freed), "{freed} bytes for a set of {SET}");
    let left = bytes_in_use() - before;
    assert!(left <= SMALL, "{left} bytes are left, and the gather is not dropped yet");
}

#[test]
fn a_gather_whose_children_are_done_lets_go_of_its_ready_set_and_a_kept_waker_keeps_all_of_it() {
    // Each returns itself, so that it is not dropped before the memory is counted.
    lets_go_of_its_set(async |wakers| {
        let mut all = gather((0..CHILDREN).map(move |_| child(Rc::clone(&wakers))));
        assert!((&mut all).await.iter().all(Result::is_ok));
        Some(all)
    });
    lets_go_of_its_set(async |wakers| {
        let mut all = try_gather((0..CHILDREN).map(move |_| child(Rc::clone(&wakers))));
        assert!((&mut all).await.is_ok());
        Some(all)
    });
    // These two end with their first child. The others are dropped then.
    lets_go_of_its_set(async |wakers| {
        let mut first = race((0..CHILDREN).map(move |_| child(Rc::clone(&wakers))));
        assert_eq!((&mut first).await, Some((0, Ok(()))));
        Some(first)
    });
    lets_go_of_its_set(async |wakers| {
        let mut first = first_ok((0..CHILDREN).map(move |_| child(Rc::clone(&wakers))));
        assert!((&mut first).await.is_ok());
        Some(first)
    });
    lets_go_of_its_set(async |wakers| {
        let mut ended = as_completed((0..CHILDREN).map(move |_| child(Rc::clone(&wakers))));
        while ended.next().await.is_some() {}
        Some(ended)
    });
}

// One message for a task, until the loop has taken it.

/// Wakes `waker` so often that each message would be seen.
fn wake_from_elsewhere(waker: &Waker, times: usize) {
    let waker = waker.clone();
    thread::spawn(move || (0..times).for_each(|_| waker.wake_by_ref())).join().unwrap();
}

#[test]
fn a_million_wakes_of_a_task_from_another_thread_are_one_message_and_one_poll() {
    let runtime = Runtime::new().unwrap();
    let (polls, waker) = sleeper(&runtime);
    for round in 1..=2 {
        wake_from_elsewhere(&waker, 1_000_000);
        let turn = runtime.turn(Some(Duration::ZERO));
        assert_eq!((turn.remote_wakes, turn.polls), (1, 1));
        assert_eq!(runtime.turn(Some(Duration::ZERO)), Turn::default());
        assert_eq!(polls.get(), 1 + round);
    }
}

#[test]
fn wakes_of_a_task_that_is_at_poll_are_one_message_and_one_poll_more() {
    let runtime = Runtime::new().unwrap();
    let polls = Rc::new(Cell::new(0));
    let inner = Rc::clone(&polls);
    drop(runtime.spawn(poll_fn(move |cx| {
        inner.set(inner.get() + 1);
        if inner.get() <= 3 {
            wake_from_elsewhere(cx.waker(), 1_000);
        }
        Poll::<()>::Pending
    })));
    let messages: usize = (0..5).map(|_| runtime.turn(Some(Duration::ZERO)).remote_wakes).sum();
    assert_eq!((messages, polls.get()), (3, 4));
}

#[test]
fn many_tasks_that_are_woken_in_turns_have_one_message_each() {
    const TASKS: usize = 1_000;
    let runtime = Runtime::new().unwrap();
    let tasks: Vec<_> = (0..TASKS).map(|_| sleeper(&runtime)).collect();
    let wakers: Vec<_> = tasks.iter().map(|task| task.1.clone()).collect();
    let threads = [(); 3].map(|()| {
        let wakers = wakers.clone();
        thread::spawn(move || (0..30).for_each(|_| wakers.iter().for_each(Waker::wake_by_ref)))
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let turn = runtime.turn(Some(Duration::ZERO));
    assert_eq!((turn.remote_wakes, turn.polls), (TASKS, TASKS));
    assert!(tasks.iter().all(|task| task.0.get() == 2));
}

#[test]
fn a_task_that_came_into_the_slot_of_a_woken_one_has_a_message_of_its_own() {
    let runtime = Runtime::new().unwrap();
    let ended = runtime.spawn(poll_fn(|cx| Poll::Ready(cx.waker().clone())));
    let stale = runtime.block_on(ended).unwrap();
    let (polls, waker) = sleeper(&runtime);
    for waker in [&stale, &waker, &stale, &waker] {
        wake_from_elsewhere(waker, 10);
    }
    let turn = runtime.turn(Some(Duration::ZERO));
    assert_eq!((turn.remote_wakes, turn.polls), (2, 1));
    assert_eq!(polls.get(), 2);
}

#[test]
fn what_a_flood_of_wakes_took_is_given_back() {
    let runtime = Runtime::new().unwrap();
    let tasks: Vec<_> = (0..20_000).map(|_| sleeper(&runtime)).collect();
    let wakers: Vec<_> = tasks.iter().map(|task| task.1.clone()).collect();
    let before = big_bytes_in_use();
    // From this thread, which counts what it allocates; outside of the loop it is like any other.
    wakers.iter().for_each(Waker::wake_by_ref);
    assert!(big_bytes_in_use() > before);
    while runtime.turn(Some(Duration::ZERO)).polls > 0 {}
    assert_eq!(big_bytes_in_use(), before);
}
