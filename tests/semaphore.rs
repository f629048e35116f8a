//! The semaphore: who gets a permit and when, and that none is lost or made up on the way.

use proptest::prelude::*;
use runtime::spawn;
use runtime::sync::{Acquire, Permit, Semaphore};
use runtime::task::yield_now;
use runtime::time::{sleep, timeout};
use std::cell::Cell;
use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tests::{
    Count, CountingAllocator, Log, OnDrop, allocations, bytes_in_use, cases, counted, forever, panic_message,
    poll_once, virtually,
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const MS: Duration = Duration::from_millis(1);

/// Somebody in line: the future, and how often it was woken.
struct Waiter<'a> {
    acquire: Acquire<'a>,
    count: Arc<Count>,
    waker: Waker,
}

impl<'a> Waiter<'a> {
    /// Joins the line.
    #[track_caller]
    fn new(semaphore: &'a Semaphore) -> Waiter<'a> {
        let (count, waker) = Count::new();
        let mut waiter = Waiter { acquire: semaphore.acquire(), count, waker };
        assert!(waiter.poll().is_none(), "a permit was free");
        waiter
    }

    fn poll(&mut self) -> Option<Permit<'a>> {
        match Pin::new(&mut self.acquire).poll(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }

    fn wakes(&self) -> usize {
        self.count.wakes()
    }
}

/// How often each was woken.
fn wakes(line: &[Waiter<'_>]) -> Vec<usize> {
    line.iter().map(Waiter::wakes).collect()
}

/// A semaphore that tasks may keep.
fn shared(permits: usize) -> &'static Semaphore {
    forever(Semaphore::new(permits))
}

// First come, first served.

#[test]
fn permits_go_to_tasks_in_the_order_in_which_they_asked() {
    let (log, semaphore) = (Log::new(), shared(2));
    virtually(async {
        let tasks = ["a", "b", "c", "d", "e", "f"].map(|name| {
            let log = log.clone();
            spawn(async move {
                let _permit = semaphore.acquire().await;
                log.add(format!("{name} in"));
                // Those who hold a permit leave in the order a, b, c: each stays as long as the others.
                sleep(MS).await;
                log.add(format!("{name} out"));
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
    });
    let mut expected = vec!["a in", "b in"];
    expected.extend(["a out", "b out", "c in", "d in", "c out", "d out", "e in", "f in", "e out", "f out"]);
    assert_eq!(log.take(), expected);
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn a_permit_that_is_free_is_had_at_the_first_poll_and_one_that_comes_later_at_the_second() {
    let semaphore = shared(1);
    virtually(async {
        let polls = Cell::new(0);
        let permit = counted(&polls, semaphore.acquire()).await;
        assert_eq!((polls.get(), semaphore.available_permits()), (1, 0));
        drop(spawn(async move {
            // Any number of turns later.
            sleep(MS).await;
            drop(permit);
        }));
        polls.set(0);
        drop(counted(&polls, semaphore.acquire()).await);
        assert_eq!((polls.get(), semaphore.available_permits()), (2, 1));
    });
}

#[test]
fn an_acquire_that_was_never_polled_stands_in_no_line() {
    let semaphore = Semaphore::new(0);
    let early = semaphore.acquire();
    let mut late = Waiter::new(&semaphore);
    semaphore.add_permits(1);
    assert_eq!(late.wakes(), 1);
    assert!(late.poll().is_some());
    drop(early);
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn nobody_overtakes_one_that_was_granted_a_permit_and_has_not_been_polled_since() {
    let semaphore = Semaphore::new(1);
    let permit = semaphore.try_acquire().unwrap();
    let mut first = Waiter::new(&semaphore);
    drop(permit);
    // The permit is the first one's from here on, also before it knows.
    assert_eq!((first.wakes(), semaphore.available_permits()), (1, 0));
    assert!(semaphore.try_acquire().is_none());
    let mut second = Waiter::new(&semaphore);
    let permit = first.poll().expect("it was granted");
    assert!(second.poll().is_none());
    assert_eq!(second.wakes(), 0);
    drop(permit);
    assert_eq!((first.wakes(), second.wakes()), (1, 1));
    assert!(second.poll().is_some());
}

#[test]
fn to_try_does_not_overtake_those_in_line_and_does_not_join_it() {
    let semaphore = Semaphore::new(2);
    let permits = [(); 2].map(|()| semaphore.try_acquire().expect("two are free"));
    assert!(semaphore.try_acquire().is_none());
    let mut waiter = Waiter::new(&semaphore);
    for permit in permits {
        drop(permit);
    }
    // One went to the line, one is free; those that tried in vain left nothing behind.
    assert_eq!((waiter.wakes(), semaphore.available_permits()), (1, 1));
    let tried = semaphore.try_acquire().expect("nobody is in line any more");
    assert!(semaphore.try_acquire().is_none());
    assert!(waiter.poll().is_some());
    drop(tried);
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn a_waiter_that_is_polled_without_need_keeps_its_place() {
    let semaphore = Semaphore::new(0);
    let mut line = [(); 3].map(|()| Waiter::new(&semaphore));
    for _ in 0..3 {
        assert!(line[0].poll().is_none());
        assert!(line[2].poll().is_none());
    }
    for served in 1..=3 {
        semaphore.add_permits(1);
        let expected: Vec<usize> = (0..3).map(|n| usize::from(n < served)).collect();
        assert_eq!(wakes(&line), expected);
    }
}

// Permits that are added and taken away.

#[test]
fn added_permits_wake_as_many_as_they_are_and_the_rest_is_free() {
    for (waiting, added) in [(5, 0), (5, 1), (5, 3), (5, 5), (5, 8), (0, 4)] {
        let semaphore = Semaphore::new(0);
        let mut line: Vec<Waiter<'_>> = (0..waiting).map(|_| Waiter::new(&semaphore)).collect();
        semaphore.add_permits(added);
        let expected: Vec<usize> = (0..waiting).map(|n| usize::from(n < added)).collect();
        assert_eq!(wakes(&line), expected, "{added} for {waiting}");
        assert_eq!(semaphore.available_permits(), added.saturating_sub(waiting));
        let permits: Vec<Permit<'_>> = line.iter_mut().filter_map(Waiter::poll).collect();
        assert_eq!(permits.len(), waiting.min(added));
        assert_eq!(wakes(&line), expected, "a poll wakes nobody");
    }
}

#[test]
fn a_forgotten_permit_never_comes_back() {
    let semaphore = Semaphore::new(2);
    semaphore.try_acquire().unwrap().forget();
    assert_eq!(semaphore.available_permits(), 1);
    drop(semaphore.try_acquire().unwrap());
    assert_eq!(semaphore.available_permits(), 1);
    semaphore.add_permits(1);
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn more_permits_than_can_be_counted_are_refused_and_those_that_are_there_stay() {
    let semaphore = Semaphore::new(usize::MAX - 1);
    semaphore.add_permits(1);
    let message = panic_message(|| semaphore.add_permits(1));
    assert_eq!(message, "more than usize::MAX permits: add fewer");
    assert_eq!(semaphore.available_permits(), usize::MAX);
    drop(semaphore.try_acquire().unwrap());
    assert_eq!(semaphore.available_permits(), usize::MAX);
}

// Waiters that go.

#[test]
fn a_waiter_dropped_in_line_at_whatever_place_leaves_the_others_in_their_order() {
    const LINE: usize = 6;
    // Every set of those who go, which is every place and every pair of neighbours, too.
    for gone in 0..1_u32 << LINE {
        let semaphore = Semaphore::new(0);
        let mut line: Vec<Option<Waiter<'_>>> = (0..LINE).map(|_| Some(Waiter::new(&semaphore))).collect();
        let mut left = Vec::new();
        for (n, waiter) in line.iter_mut().enumerate() {
            if gone & 1 << n != 0 { *waiter = None } else { left.push(n) }
        }
        // Those who come afterwards stand behind those who stayed.
        left.push(line.len());
        line.push(Some(Waiter::new(&semaphore)));
        for served in 0..left.len() {
            semaphore.add_permits(1);
            for (place, &n) in left.iter().enumerate() {
                let waiter = line[n].as_ref().expect("it stayed");
                assert_eq!(waiter.wakes(), usize::from(place <= served), "gone: {gone:#b}, waiter {n}");
            }
        }
        assert_eq!(semaphore.available_permits(), 0);
    }
}

#[test]
fn a_granted_waiter_that_is_dropped_passes_its_permit_on() {
    let semaphore = Semaphore::new(0);
    let [first, second, mut third] = [(); 3].map(|()| Waiter::new(&semaphore));
    semaphore.add_permits(1);
    assert_eq!((first.wakes(), second.wakes(), third.wakes()), (1, 0, 0));
    drop(first);
    assert_eq!((second.wakes(), third.wakes()), (1, 0));
    drop(second);
    assert_eq!(third.wakes(), 1);
    let permit = third.poll().expect("it was passed on twice");
    // A future that is done has nothing to pass on.
    drop(third);
    assert_eq!(semaphore.available_permits(), 0);
    drop(permit);
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn a_granted_waiter_that_is_dropped_with_nobody_behind_it_leaves_the_permit_free() {
    let semaphore = Semaphore::new(0);
    let granted = Waiter::new(&semaphore);
    semaphore.add_permits(1);
    assert_eq!(semaphore.available_permits(), 0);
    drop(granted);
    assert_eq!(semaphore.available_permits(), 1);
    assert!(semaphore.try_acquire().is_some());
}

#[test]
fn a_timeout_over_an_acquire_leaves_the_line() {
    let semaphore = shared(1);
    virtually(async {
        let permit = semaphore.acquire().await;
        assert!(timeout(MS, semaphore.acquire()).await.is_err());
        let heir = spawn(async { semaphore.acquire().await });
        yield_now().await;
        drop(permit);
        drop(heir.await.unwrap());
    });
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn ten_thousand_waiters_hardly_allocate_when_they_leave_wake_nobody_and_leave_no_waker() {
    const LINE: usize = 10_000;
    let semaphore = Semaphore::new(0);
    let (count, waker) = Count::new();
    let mut line: Vec<Option<Acquire<'_>>> = Vec::with_capacity(LINE);
    for _ in 0..LINE {
        let mut acquire = semaphore.acquire();
        assert!(Pin::new(&mut acquire).poll(&mut Context::from_waker(&waker)).is_pending());
        line.push(Some(acquire));
    }
    assert_eq!(Arc::strong_count(&count), LINE + 2);
    let before = bytes_in_use();
    // From the middle outwards, and a newcomer takes a place that came free.
    let (allocated, ()) = allocations(|| {
        for n in 0..LINE / 2 {
            line[LINE / 2 - 1 - n] = None;
            line[LINE / 2 + n] = None;
            assert_eq!(Arc::strong_count(&count), LINE - 2 * n);
        }
        let mut newcomer = semaphore.acquire();
        assert!(Pin::new(&mut newcomer).poll(&mut Context::from_waker(&waker)).is_pending());
    });
    // Memory is given back, a few times for all of them.
    assert!(allocated <= 3, "{allocated} allocations");
    assert!(bytes_in_use() <= before);
    assert_eq!((count.wakes(), semaphore.available_permits()), (0, 0));
    semaphore.add_permits(1);
    assert_eq!(semaphore.available_permits(), 1);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn to_leave_a_line_of_ten_thousand_takes_as_many_instructions_as_to_leave_one_of_ten() {
    tests::alone("to_leave_a_line_of_ten_thousand_takes_as_many_instructions_as_to_leave_one_of_ten", || {
        let cost = |length: usize, place: usize| {
            let semaphore = Semaphore::new(0);
            let mut line: Vec<Option<Acquire<'_>>> = (0..length).map(|_| Some(semaphore.acquire())).collect();
            assert!(line.iter_mut().flatten().all(|acquire| poll_once(acquire).is_pending()));
            let leaver = line[place].take();
            tests::instructions(|| drop(leaver))
        };
        for (name, short, long) in [("first", 0, 0), ("middle", 5, 5_000), ("last", 9, 9_999)] {
            let (few, many) = (cost(10, short), cost(10_000, long));
            assert!(few > 20, "nothing was counted: {few}");
            // In a big line it is also asked whether there is memory to give back.
            assert!(many <= few + 10, "{name}: {few}, {many}");
        }
    });
}

// Tasks that end in other ways.

#[test]
fn a_permit_comes_back_when_its_task_panics_or_is_aborted() {
    let semaphore = shared(1);
    virtually(async {
        let panics = spawn(async {
            let _permit = semaphore.acquire().await;
            yield_now().await;
            panic!("with a permit");
        });
        let aborted = spawn(async {
            let _permit = semaphore.acquire().await;
            pending::<()>().await;
        });
        let last = spawn(async { drop(semaphore.acquire().await) });
        assert!(panics.await.unwrap_err().is_panic());
        yield_now().await;
        assert!(!last.is_finished(), "the second of the line has the permit");
        aborted.abort();
        assert!(aborted.await.unwrap_err().is_cancelled());
        last.await.unwrap();
    });
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn aborted_waiters_leave_the_line_before_their_grant_and_pass_it_on_after() {
    let semaphore = shared(0);
    virtually(async {
        let [before, after, heir] = [(); 3].map(|()| spawn(async { semaphore.acquire().await.forget() }));
        yield_now().await;
        before.abort();
        assert!(before.await.unwrap_err().is_cancelled());
        semaphore.add_permits(1);
        // Granted and queued; the abort comes before its poll.
        after.abort();
        assert!(after.await.unwrap_err().is_cancelled());
        heir.await.unwrap();
    });
    assert_eq!(semaphore.available_permits(), 0);
}

#[test]
fn permits_that_are_dropped_with_their_runtime_are_free_for_the_next() {
    let semaphore = shared(1);
    let log = Log::new();
    for name in ["one", "two"] {
        let (log, inner) = (log.clone(), log.clone());
        virtually(async {
            drop(spawn(async move {
                let _permit = semaphore.acquire().await;
                let _last = OnDrop::new(move || inner.add(name));
                pending::<()>().await;
            }));
            drop(spawn(async { semaphore.acquire().await.forget() }));
            yield_now().await;
            log.add(format!("{} free", semaphore.available_permits()));
        });
        assert_eq!(log.take(), ["0 free", name]);
        assert_eq!(semaphore.available_permits(), 1);
    }
}

#[test]
fn never_more_tasks_than_permits_are_in() {
    const PERMITS: usize = 3;
    let semaphore = shared(PERMITS);
    let (now, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    virtually(async {
        let tasks: Vec<_> = (1..=200_u32)
            .map(|n| {
                let (now, most) = (Rc::clone(&now), Rc::clone(&most));
                spawn(async move {
                    let _permit = semaphore.acquire().await;
                    now.set(now.get() + 1);
                    most.set(most.get().max(now.get()));
                    let _out = OnDrop::new(move || now.set(now.get() - 1));
                    sleep(MS * (n * 7 % 5)).await;
                })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            if n % 10 == 9 {
                task.abort();
            }
            _ = task.await;
        }
    });
    assert_eq!((most.get(), semaphore.available_permits()), (PERMITS, PERMITS));
}

// Any sequence, against a model.

#[derive(Debug, Clone)]
enum Step {
    /// A new acquire, polled once.
    Acquire,
    /// Tries.
    Try,
    /// Polls a waiter again.
    Poll(usize),
    /// Drops a waiter, granted or not.
    Leave(usize),
    /// Gives a permit back.
    Release(usize),
    /// Takes a permit away for good.
    Forget(usize),
    /// Adds permits.
    Add(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Acquire),
        2 => Just(Step::Try),
        3 => any::<usize>().prop_map(Step::Poll),
        3 => any::<usize>().prop_map(Step::Leave),
        3 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::Forget),
        1 => (0..4_usize).prop_map(Step::Add),
    ]
}

/// What should be known of a semaphore: who is in line, by name, and to whom a permit was granted.
#[derive(Default)]
struct Model {
    free: usize,
    line: VecDeque<usize>,
    granted: Vec<usize>,
}

impl Model {
    fn release(&mut self) {
        match self.line.pop_front() {
            Some(first) => self.granted.push(first),
            None => self.free += 1,
        }
    }

    fn take(&mut self) -> bool {
        let is_free = self.free > 0;
        self.free -= usize::from(is_free);
        is_free
    }

    /// Whether the waiter was granted a permit, which it takes.
    fn claim(&mut self, name: usize) -> bool {
        let granted = self.granted.iter().position(|&it| it == name);
        granted.map(|at| self.granted.swap_remove(at)).is_some()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(400), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_acquires_releases_and_drops_goes_as_a_list_says(
        permits in 0..4_usize,
        steps in prop::collection::vec(step(), 1..100),
    ) {
        let semaphore = Semaphore::new(permits);
        let mut model = Model { free: permits, ..Model::default() };
        let mut waiting: Vec<(usize, Waiter<'_>)> = Vec::new();
        let mut held: Vec<Permit<'_>> = Vec::new();
        let mut total = permits;
        for (name, step) in steps.into_iter().enumerate() {
            match step {
                Step::Acquire => {
                    let (count, waker) = Count::new();
                    let mut waiter = Waiter { acquire: semaphore.acquire(), count, waker };
                    let permit = waiter.poll();
                    prop_assert_eq!(permit.is_some(), model.take());
                    if permit.is_none() {
                        model.line.push_back(name);
                        waiting.push((name, waiter));
                    }
                    held.extend(permit);
                }
                Step::Try => {
                    let permit = semaphore.try_acquire();
                    prop_assert_eq!(permit.is_some(), model.take());
                    held.extend(permit);
                }
                Step::Poll(which) if !waiting.is_empty() => {
                    let at = which % waiting.len();
                    let permit = waiting[at].1.poll();
                    prop_assert_eq!(permit.is_some(), model.claim(waiting[at].0));
                    if permit.is_some() {
                        waiting.swap_remove(at);
                    }
                    held.extend(permit);
                }
                Step::Leave(which) if !waiting.is_empty() => {
                    let (name, waiter) = waiting.swap_remove(which % waiting.len());
                    drop(waiter);
                    if model.claim(name) {
                        model.release();
                    } else {
                        model.line.retain(|&it| it != name);
                    }
                }
                Step::Release(which) if !held.is_empty() => {
                    drop(held.swap_remove(which % held.len()));
                    model.release();
                }
                Step::Forget(which) if !held.is_empty() => {
                    held.swap_remove(which % held.len()).forget();
                    total -= 1;
                }
                Step::Add(n) => {
                    semaphore.add_permits(n);
                    (0..n).for_each(|_| model.release());
                    total += n;
                }
                Step::Poll(_) | Step::Leave(_) | Step::Release(_) | Step::Forget(_) => {}
            }
            prop_assert_eq!(semaphore.available_permits(), model.free);
            prop_assert_eq!(model.free + model.granted.len() + held.len(), total);
            for (name, waiter) in &waiting {
                prop_assert_eq!(waiter.wakes(), usize::from(model.granted.contains(name)));
            }
        }
        drop(waiting);
        drop(held);
        prop_assert_eq!(semaphore.available_permits(), total);
    }
}

#[test]
fn a_permit_that_comes_back_to_a_semaphore_filled_to_the_brim_is_no_panic() {
    let semaphore = Semaphore::new(1);
    let permit = semaphore.try_acquire().unwrap();
    semaphore.add_permits(usize::MAX);
    drop(permit);
    assert_eq!(semaphore.available_permits(), usize::MAX);
}
