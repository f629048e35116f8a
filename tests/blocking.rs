//! The blocking pool: how many threads it has and when, in which order jobs run on them, and how jobs end.

use runtime::task::{self, yield_now};
use runtime::time::{now, sleep, timeout};
use runtime::{Builder, JoinHandle, Runtime, spawn};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;
use tests::{
    Count, OnDrop, Random, alone, counted, counts, inside, is_alive, panic_message, poll_once, thread_number, until,
    until_parked, virtual_runtime, virtually, writes,
};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);
const ZERO: Option<Duration> = Some(Duration::ZERO);

fn settings() -> Builder {
    Runtime::builder().thread_keep_alive(HOUR)
}

/// A runtime with a small pool, whose idle threads stay.
fn with_threads(n: usize) -> Runtime {
    settings().max_blocking_threads(n).build().unwrap()
}

/// A job that tells when it begins, and ends when it is told to. Its result is its thread.
struct Held {
    handle: JoinHandle<u32>,
    begun: Receiver<u32>,
    release: Sender<()>,
}

impl Held {
    /// Submits it to the pool of the running loop.
    fn submit() -> Held {
        let ((begin, begun), (release, held)) = (channel(), channel());
        let handle = task::spawn_blocking(move || {
            begin.send(thread_number()).unwrap();
            held.recv().unwrap();
            thread_number()
        });
        Held { handle, begun, release }
    }

    /// Returns when it runs: on which thread.
    fn begun(&self) -> u32 {
        self.begun.recv().expect("it begins some time")
    }

    /// Lets it end and waits for that.
    async fn end(self) -> u32 {
        self.release.send(()).unwrap();
        self.handle.await.unwrap()
    }
}

/// A list that jobs write to.
type Shared<T> = Arc<Mutex<Vec<T>>>;

/// Adds to such a list when it is dropped.
fn tells_when_dropped<T>(list: &Shared<T>, what: T) -> OnDrop<impl FnOnce() + use<T>> {
    let list = Arc::clone(list);
    OnDrop::new(move || list.lock().unwrap().push(what))
}

fn take<T>(list: &Shared<T>) -> Vec<T> {
    list.lock().unwrap().split_off(0)
}

// How many threads.

#[test]
fn jobs_that_come_one_after_the_other_need_one_thread() {
    with_threads(512).block_on(async {
        let mut threads = BTreeSet::new();
        for _ in 0..2_000 {
            threads.insert(task::spawn_blocking(thread_number).await.unwrap());
        }
        assert_eq!(threads.len(), 1, "{threads:?}");
    });
}

#[test]
fn threads_are_started_as_jobs_need_them_and_used_again() {
    with_threads(512).block_on(async {
        let mut threads = BTreeSet::new();
        for together in [1, 2, 3, 3, 2, 5, 1] {
            let jobs: Vec<Held> = (0..together).map(|_| Held::submit()).collect();
            let these: BTreeSet<u32> = jobs.iter().map(Held::begun).collect();
            assert_eq!(these.len(), together, "each runs on a thread of its own");
            for job in jobs {
                assert!(these.contains(&job.end().await));
            }
            // Those that are idle are taken first: there are as many as were ever needed at once.
            let most = threads.len().max(together);
            threads.extend(these);
            assert_eq!(threads.len(), most);
        }
    });
}

#[test]
fn no_more_threads_are_started_than_the_limit_and_further_jobs_begin_in_order_as_places_come_free() {
    with_threads(3).block_on(async {
        let mut jobs: Vec<Held> = (0..9).map(|_| Held::submit()).collect();
        let mut threads: Vec<u32> = jobs[..3].iter().map(Held::begun).collect();
        assert_eq!(threads.iter().collect::<BTreeSet<_>>().len(), 3);
        // The last of those that run ends, then the first, then the one between: the next of the line has its thread.
        for place in [2, 0, 1, 1, 0, 2] {
            assert!(jobs[3..].iter().all(|job| job.begun.try_recv().is_err()), "a fourth thread took a job");
            let next = jobs.remove(3);
            let ended = std::mem::replace(&mut jobs[place], next);
            assert_eq!(ended.end().await, threads[place]);
            threads[place] = jobs[place].begun();
        }
        assert_eq!(threads.iter().collect::<BTreeSet<_>>().len(), 3);
        for (job, thread) in jobs.into_iter().zip(threads) {
            assert_eq!(job.end().await, thread);
        }
    });
}

#[test]
fn a_limit_of_zero_is_refused() {
    let message = panic_message(|| Runtime::builder().max_blocking_threads(0));
    let expected = "max_blocking_threads(0) would leave every blocking job waiting for ever: give it at least 1";
    assert_eq!(message, expected);
}

#[test]
fn idle_threads_end_when_their_time_is_up_and_later_jobs_get_new_ones() {
    let runtime = Runtime::builder().thread_keep_alive(MS).build().unwrap();
    for together in [3, 1, 4] {
        let threads = runtime.block_on(async {
            let jobs: Vec<Held> = (0..together).map(|_| Held::submit()).collect();
            let threads: Vec<u32> = jobs.iter().map(Held::begun).collect();
            assert!(threads.iter().all(|&thread| is_alive(thread)), "one that works does not end");
            for job in jobs {
                job.end().await;
            }
            threads
        });
        // The runtime is alive, and does nothing for it.
        until(|| !threads.iter().any(|&thread| is_alive(thread)));
    }
}

#[test]
fn a_thread_that_works_longer_than_idle_ones_wait_is_left_to_it() {
    let runtime = Runtime::builder().thread_keep_alive(Duration::ZERO).build().unwrap();
    runtime.block_on(async {
        let long = Held::submit();
        let thread = long.begun();
        for _ in 0..20 {
            let short = task::spawn_blocking(thread_number).await.unwrap();
            until(|| !is_alive(short));
        }
        assert_eq!(long.end().await, thread);
    });
}

#[test]
fn no_job_is_lost_to_a_thread_that_is_about_to_end() {
    for (seed, keep_alive) in (1..).zip([0, 1, 20, 100, 500].map(Duration::from_micros)) {
        let mut random = Random::new(seed);
        let runtime = Runtime::builder().max_blocking_threads(3).thread_keep_alive(keep_alive).build().unwrap();
        let sum: usize = runtime.block_on(async {
            let mut sum = 0;
            for n in 0..300 {
                let jobs: Vec<_> = (0..=random.below(5)).map(|m| task::spawn_blocking(move || n + m)).collect();
                for (m, job) in jobs.into_iter().enumerate() {
                    assert_eq!(job.await.unwrap(), n + m);
                    sum += 1;
                }
                // As long as a thread waits, more or less.
                for _ in 0..random.below(200) {
                    yield_now().await;
                }
            }
            sum
        });
        assert!(sum >= 300);
    }
}

#[test]
fn a_thread_waits_for_the_job_that_counts_on_it_when_its_own_time_is_up() {
    let runtime = Runtime::builder().thread_keep_alive(Duration::from_micros(50)).build().unwrap();
    let mut random = Random::new(1);
    runtime.block_on(async {
        for n in 0..1_000 {
            // Somewhere about the end of the idle thread. The job is so large that to send it takes a while, too.
            (0..random.below(8_000)).for_each(|_| std::hint::spin_loop());
            let baggage = [n as u8; 100 << 10];
            let job = task::spawn_blocking(move || baggage[n]);
            let result = timeout(Duration::from_secs(60), job).await.expect("the job lies in a line without a thread");
            assert_eq!(result.unwrap(), n as u8);
        }
    });
}

#[test]
fn threads_bear_the_name_of_the_pool() {
    virtually(async {
        let name = task::spawn_blocking(|| thread::current().name().map(str::to_owned)).await.unwrap();
        assert_eq!(name.as_deref(), Some("glassloop-blocking"));
    });
}

// In order.

#[test]
fn one_thread_runs_jobs_in_the_order_in_which_tasks_submitted_them() {
    let ran: Shared<u32> = Shared::default();
    with_threads(1).block_on(async {
        let gate = Held::submit();
        gate.begun();
        let tasks: Vec<_> = (0..5)
            .map(|name| {
                let ran = Arc::clone(&ran);
                spawn(async move {
                    for round in 0..3 {
                        let ran = Arc::clone(&ran);
                        let n = round * 10 + name;
                        drop(task::spawn_blocking(move || ran.lock().unwrap().push(n)));
                        yield_now().await;
                    }
                    // The last of the line by now, or behind those who are further.
                    task::spawn_blocking(move || name).await.unwrap()
                })
            })
            .collect();
        for _ in 0..4 {
            yield_now().await;
        }
        gate.end().await;
        for (name, task) in (0..).zip(tasks) {
            assert_eq!(task.await.unwrap(), name);
        }
    });
    assert_eq!(take(&ran), [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24]);
}

#[test]
fn a_thousand_jobs_of_a_hundred_tasks_run_once_each_on_as_many_threads_as_there_may_be() {
    let runs: Arc<Vec<AtomicUsize>> = Arc::new((0..1_000).map(|_| AtomicUsize::new(0)).collect());
    let threads = with_threads(4).block_on(async {
        let tasks: Vec<_> = (0..100)
            .map(|name| {
                let runs = Arc::clone(&runs);
                spawn(async move {
                    let mut threads = BTreeSet::new();
                    for round in 0..10 {
                        let (runs, n) = (Arc::clone(&runs), name * 10 + round);
                        let job = task::spawn_blocking(move || {
                            runs[n].fetch_add(1, Ordering::SeqCst);
                            (n, thread_number())
                        });
                        let (result, thread) = job.await.unwrap();
                        assert_eq!(result, n);
                        threads.insert(thread);
                    }
                    threads
                })
            })
            .collect();
        let mut threads = BTreeSet::new();
        for task in tasks {
            threads.append(&mut task.await.unwrap());
        }
        threads
    });
    assert!(runs.iter().all(|runs| runs.load(Ordering::SeqCst) == 1));
    assert!((1..=4).contains(&threads.len()), "{threads:?}");
}

// How the loop hears of it.

#[test]
fn to_wait_for_a_job_takes_two_polls_and_one_message() {
    let runtime = Runtime::new().unwrap();
    let (job, parked) = (inside(&runtime, Held::submit), thread_number());
    job.begun();
    let Held { handle, release, .. } = job;
    let polls = std::rc::Rc::new(Cell::new(0));
    let inner = std::rc::Rc::clone(&polls);
    let joiner = runtime.spawn(async move { counted(&inner, handle).await.unwrap() });
    assert_eq!(counts(runtime.turn(ZERO)), [1, 0, 0, 0]);
    let thread = thread::spawn(move || {
        until_parked(parked);
        release.send(()).unwrap();
    });
    assert_eq!(counts(runtime.turn(None)), [1, 0, 0, 1]);
    assert!(joiner.is_finished());
    assert_eq!(polls.get(), 2);
    thread.join().unwrap();
}

#[test]
fn the_end_of_a_job_rings_a_parked_loop_once_and_a_busy_one_never() {
    let parked = thread_number();
    with_threads(1).block_on(async {
        let before = task::spawn_blocking(move || {
            until_parked(parked);
            writes()
        });
        let before = before.await.unwrap();
        // The next two: the first ends while the loop is busy, which the second tells.
        let (tell, told) = channel();
        let after_a_park = task::spawn_blocking(writes);
        let after_a_poll = task::spawn_blocking(move || {
            tell.send(()).unwrap();
            writes()
        });
        told.recv().unwrap();
        assert_eq!(after_a_park.await.unwrap(), before + 1);
        assert_eq!(after_a_poll.await.unwrap(), before + 1);
    });
}

#[test]
fn a_job_whose_handle_was_dropped_runs_and_its_result_is_dropped_by_the_loop() {
    let dropped: Shared<&str> = Shared::default();
    let (list, place) = (Arc::clone(&dropped), Shared::default());
    let inner = Arc::clone(&place);
    let runtime = Runtime::new().unwrap();
    inside(&runtime, || {
        drop(task::spawn_blocking(move || {
            OnDrop::new(move || {
                list.lock().unwrap().push("result");
                inner.lock().unwrap().push(thread_number());
            })
        }));
    });
    assert_eq!(counts(runtime.turn(None)), [0, 0, 0, 1]);
    assert_eq!((take(&dropped), take(&place)), (vec!["result"], vec![thread_number()]));
}

#[test]
fn a_turn_does_not_park_after_it_heard_of_a_job_that_ended_before_it_began() {
    let runtime = with_threads(1);
    let (count, waker) = Count::new();
    let mut job = inside(&runtime, || task::spawn_blocking(|| 5));
    assert!(Pin::new(&mut job).poll(&mut Context::from_waker(&waker)).is_pending());
    // The thread has told the loop of the first when it begins the second.
    let held = inside(&runtime, Held::submit);
    held.begun();
    assert_eq!(counts(runtime.turn(None)), [0, 0, 0, 1]);
    assert_eq!(count.wakes(), 1);
    held.release.send(()).unwrap();
}

// Panics and aborts.

#[test]
fn a_panic_becomes_the_join_error_and_the_thread_goes_on() {
    #[derive(Debug, PartialEq)]
    struct Payload(u8);
    with_threads(1).block_on(async {
        let thread = task::spawn_blocking(thread_number).await.unwrap();
        let error = task::spawn_blocking(|| panic!("in a job")).await.unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled() && error.io_error().is_none());
        assert_eq!(error.to_string(), "the task panicked: in a job");
        let error = task::spawn_blocking(|| panic_any(Payload(7))).await.unwrap_err();
        assert_eq!(error.into_panic().downcast_ref(), Some(&Payload(7)));
        assert_eq!(task::spawn_blocking(thread_number).await.unwrap(), thread);
    });
}

#[test]
fn a_job_aborted_in_line_never_runs_and_those_behind_it_do() {
    let ran: Shared<&str> = Shared::default();
    with_threads(1).block_on(async {
        let gate = Held::submit();
        gate.begun();
        let jobs = ["first", "here", "elsewhere", "last"].map(|name| {
            let (ran, guard) = (Arc::clone(&ran), tells_when_dropped(&ran, "dropped"));
            task::spawn_blocking(move || {
                ran.lock().unwrap().push(name);
                drop(guard);
            })
        });
        jobs[1].abort();
        let abort = jobs[2].abort_handle();
        thread::spawn(move || abort.abort()).join().unwrap();
        assert!(jobs.iter().all(|job| !job.is_finished()), "abort only asks");
        assert!(take(&ran).is_empty());
        gate.end().await;
        let mut cancelled = Vec::new();
        for job in jobs {
            cancelled.push(job.await.is_err_and(|error| error.is_cancelled()));
        }
        assert_eq!(cancelled, [false, true, true, false]);
    });
    assert_eq!(take(&ran), ["first", "dropped", "dropped", "dropped", "last", "dropped"]);
}

#[test]
fn a_job_that_runs_cannot_be_aborted_and_one_that_has_ended_has_its_result() {
    with_threads(1).block_on(async {
        let job = Held::submit();
        let thread = job.begun();
        job.handle.abort();
        yield_now().await;
        assert!(!job.handle.is_finished());
        assert_eq!(job.end().await, thread);

        let mut job = Held::submit();
        job.begun();
        job.release.send(()).unwrap();
        while !job.handle.is_finished() {
            yield_now().await;
        }
        job.handle.abort();
        assert!(matches!(poll_once(&mut job.handle), Poll::Ready(Ok(ended)) if ended == thread));
    });
}

// The end of the runtime.

#[test]
fn a_runtime_that_is_dropped_drops_the_jobs_in_line_before_it_returns_and_runs_none_of_them() {
    let dropped: Shared<u32> = Shared::default();
    let runtime = with_threads(1);
    let (gate, jobs) = inside(&runtime, || {
        let gate = Held::submit();
        gate.begun();
        let jobs: Vec<JoinHandle<()>> = (0..5)
            .map(|n| {
                let guard = tells_when_dropped(&dropped, n);
                task::spawn_blocking(move || {
                    let _guard = guard;
                    panic!("it ran");
                })
            })
            .collect();
        (gate, jobs)
    });
    virtually(async {
        // Somebody on another loop waits for one of them, and for the one that runs.
        let mut jobs = jobs.into_iter();
        let last = jobs.next_back().unwrap();
        let joiner = spawn(async move { last.await.unwrap_err().is_cancelled() });
        let running = spawn(async move { gate.handle.await.unwrap_err().is_cancelled() });
        yield_now().await;
        drop(runtime);
        assert_eq!(take(&dropped), [0, 1, 2, 3, 4]);
        assert!(joiner.await.unwrap() && running.await.unwrap());
        for job in jobs {
            assert!(job.is_finished());
            assert!(job.await.unwrap_err().is_cancelled());
        }
        gate.release.send(()).unwrap();
    });
}

#[test]
fn a_thread_whose_runtime_is_gone_ends_with_its_job_and_drops_the_result_itself() {
    let (tell, told) = channel();
    let runtime = with_threads(2);
    let (release, held) = channel::<()>();
    let (begin, begun) = channel();
    inside(&runtime, || {
        drop(task::spawn_blocking(move || {
            begin.send(thread_number()).unwrap();
            held.recv().unwrap();
            OnDrop::new(move || tell.send(thread_number()).unwrap())
        }));
    });
    let thread = begun.recv().unwrap();
    drop(runtime);
    assert!(is_alive(thread), "it was stopped in the middle of its job");
    release.send(()).unwrap();
    assert_eq!(told.recv(), Ok(thread));
    // Idle, it would wait an hour for the next job.
    until(|| !is_alive(thread));
}

// The virtual clock.

#[test]
fn virtual_time_stands_still_until_the_last_of_all_jobs_has_ended() {
    let parked = thread_number();
    let runtime = Runtime::builder().virtual_clock().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let start = now();
        let nap = spawn(async {
            sleep(HOUR).await;
            now()
        });
        let first = Held::submit();
        first.begun();
        // In line: one that is aborted, one that panics, one that nobody waits for, one that waits for the loop to park.
        let aborted = task::spawn_blocking(|| {});
        aborted.abort();
        let panics = task::spawn_blocking(|| panic!("in its turn"));
        drop(task::spawn_blocking(|| {}));
        let last = task::spawn_blocking(move || until_parked(parked));
        first.end().await;
        assert!(aborted.await.unwrap_err().is_cancelled());
        assert!(panics.await.unwrap_err().is_panic());
        last.await.unwrap();
        assert_eq!(now(), start);
        assert!(!nap.is_finished());
        assert_eq!(nap.await.unwrap() - start, HOUR);
    });
}

// Threads that cannot be started.

/// The memory that this process may map beside what it has: with less than a thread's stack, none can be started.
/// Limits on processes do not bind root; this one binds everybody.
#[allow(unsafe_code, reason = "the standard library knows no limits")]
fn allow_more_memory(bytes: Option<u64>) {
    let mapped = std::fs::read_to_string("/proc/self/statm").expect("Linux tells a process's size");
    let pages: u64 = mapped.split(' ').next().and_then(|pages| pages.parse().ok()).expect("in pages");
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `sysconf` takes a number and gives one; the other two get the address of a whole `rlimit` on this stack,
    // and keep it no longer than they last.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_AS, &mut limit), 0);
        let page = libc::sysconf(libc::_SC_PAGESIZE) as u64;
        limit.rlim_cur = bytes.map_or(limit.rlim_max, |bytes| pages * page + bytes);
        assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &limit), 0);
    }
}

/// Half of the stack that a thread gets if nothing else is said.
const TOO_LITTLE: Option<u64> = Some(1 << 20);

#[test]
fn a_thread_that_cannot_be_started_is_an_error_of_its_job() {
    alone("a_thread_that_cannot_be_started_is_an_error_of_its_job", || {
        let dropped: Shared<&str> = Shared::default();
        let runtime = virtual_runtime();
        runtime.block_on(async {
            let start = now();
            allow_more_memory(TOO_LITTLE);
            let guard = tells_when_dropped(&dropped, "job");
            let job = task::spawn_blocking(move || {
                let _guard = guard;
                panic!("it ran");
            });
            assert!(job.is_finished());
            assert_eq!(take(&dropped), ["job"]);
            job.abort();
            let error = job.await.unwrap_err();
            assert!(!error.is_cancelled() && !error.is_panic());
            let system = error.io_error().expect("the system's own error");
            assert_eq!(system.kind(), std::io::ErrorKind::WouldBlock);
            assert_eq!(
                error.to_string(),
                format!("no thread could be started for the blocking job: {system}; see `ulimit -u`")
            );
            // It is no job under way: the clock goes on.
            sleep(HOUR).await;
            assert_eq!(now() - start, HOUR);
            // And no thread: there is room for one as soon as the system has it.
            allow_more_memory(None);
            assert_eq!(task::spawn_blocking(|| 5).await.unwrap(), 5);
        });
    });
}

#[test]
fn while_there_is_a_thread_a_job_that_gets_none_of_its_own_waits_for_it() {
    alone("while_there_is_a_thread_a_job_that_gets_none_of_its_own_waits_for_it", || {
        with_threads(4).block_on(async {
            let first = Held::submit();
            let thread = first.begun();
            allow_more_memory(TOO_LITTLE);
            let jobs = [(); 3].map(|()| task::spawn_blocking(thread_number));
            assert!(jobs.iter().all(|job| !job.is_finished()));
            assert_eq!(first.end().await, thread);
            for job in jobs {
                assert_eq!(job.await.unwrap(), thread);
            }
            // The attempts that failed count for nothing: there are three more to start.
            allow_more_memory(None);
            let jobs = [(); 5].map(|()| Held::submit());
            let threads: BTreeSet<u32> = jobs[..4].iter().map(Held::begun).collect();
            assert!(threads.len() == 4 && threads.contains(&thread));
            assert!(jobs[4].begun.try_recv().is_err());
            for job in jobs {
                job.end().await;
            }
        });
    });
}

#[test]
fn a_job_may_submit_and_await_others_on_a_loop_of_its_own_and_spawn_on_the_one_that_it_came_from() {
    let runtime = with_threads(1);
    let handle = runtime.handle();
    let sum = runtime.block_on(async {
        let job = task::spawn_blocking(move || {
            // The outer pool has one thread, which is this one; the inner one has its own.
            let inner = runtime::block_on(async { task::spawn_blocking(|| 1).await.unwrap() });
            let outer = runtime::block_on(handle.spawn(poll_fn(|_| Poll::Ready(2))));
            inner + outer.unwrap()
        });
        job.await.unwrap()
    });
    assert_eq!(sum, 3);
}
