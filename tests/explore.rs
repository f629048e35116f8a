//! The explorer: every schedule of small programs, exact counts, the first failure, and what is said of it.
#![cfg(feature = "explore")]

use gather::{try_gather, try_gather_tasks};
use runtime::explore::{Ending, Explored, Explorer, Schedule, WhatIf, choose, explore, explorer, what_if};
use runtime::sync::{Semaphore, mpsc};
use runtime::task::{Builder, spawn_blocking, yield_now};
use runtime::time::{sleep, timeout};
use runtime::{AbortHandle, Handle, JoinHandle, spawn};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs;
use std::future::{Future, pending, poll_fn};
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tests::panic_message;

type Boxed = Pin<Box<dyn Future<Output = ()>>>;

/// How many schedules there are, without a bound.
fn all<F: Future<Output = ()>>(program: impl Fn() -> F) -> usize {
    all_of(explorer(), program)
}

fn all_of<F: Future<Output = ()>>(explorer: Explorer, program: impl Fn() -> F) -> usize {
    let explored = explorer.overtakings(usize::MAX).schedules(usize::MAX).run(program);
    assert!(explored.complete && explored.failure.is_none(), "{explored}");
    explored.schedules
}

/// The number of the first schedule that fails. It fails again when it is replayed.
fn first<F: Future<Output = ()>>(program: impl Fn() -> F) -> usize {
    first_of(explorer(), program)
}

fn first_of<F: Future<Output = ()>>(explorer: Explorer, program: impl Fn() -> F) -> usize {
    let explored = explorer.clone().run(&program);
    assert!(!explored.complete);
    let failure = explored.failure.expect("it fails");
    assert_eq!(explored.schedules, failure.run);
    let again = explorer.replay(&failure.schedule, &program);
    assert_eq!((again.schedules, again.failure.map(|it| it.run)), (1, Some(1)), "{}", failure.message);
    failure.run
}

fn message<F: Future<Output = ()>>(explorer: Explorer, program: impl Fn() -> F) -> String {
    explorer.run(program).failure.expect("it fails").message
}

/// `n` tasks that yield `k` times each.
fn yields(n: usize, k: usize) -> impl Fn() -> Boxed {
    move || {
        Box::pin(async move {
            let task = || async move {
                for _ in 0..k {
                    yield_now().await;
                }
            };
            let tasks: Vec<JoinHandle<()>> = (0..n).map(|_| spawn(task())).collect();
            for task in tasks {
                task.await.unwrap();
            }
        })
    }
}

async fn pauses(n: usize) {
    for _ in 0..n {
        yield_now().await;
    }
}

/// Gives up on a program that hangs. The search ends at the first failure; to count all schedules of a program that hangs in
/// some, it must not fail. The deadline is no choice: it comes when nothing is ready.
async fn unless_it_hangs(program: impl Future<Output = ()>) {
    _ = timeout(Duration::from_secs(3_600), program).await;
}

// The counts. Where the prototype of the explorer counted something else, the test says what, and why.

#[test]
fn the_schedules_of_tasks_that_yield() {
    for (n, k, expected) in [(3, 1, 238), (3, 2, 4_875), (4, 1, 10_180)] {
        assert_eq!(all(yields(n, k)), expected, "{n} tasks of {k} yields");
    }
}

/// `cargo test --release -p tests --test explore` runs it; a debug build takes minutes.
#[test]
#[cfg_attr(debug_assertions, ignore = "cargo test --release: minutes in a debug build")]
fn the_schedules_of_more_tasks_that_yield() {
    for (n, k, expected) in [(3, 3, 106_106), (4, 2, 1_704_885)] {
        assert_eq!(all(yields(n, k)), expected, "{n} tasks of {k} yields");
    }
    let bounded = explorer().run(yields(5, 3));
    assert_eq!((bounded.schedules, bounded.complete), (39_692, true));
}

#[test]
fn whoever_was_chosen_goes_on_for_nothing() {
    // As the prototype's: what was chosen goes on until it waits, also when that was to go back to the head.
    let counts = [0, 1, 2, 3].map(|bound| explorer().overtakings(bound).run(yields(3, 2)).schedules);
    assert_eq!(counts, [1, 18, 117, 406]);
}

#[test]
fn a_bound_is_told_and_every_schedule_comes_once() {
    let order = |overtakings| {
        let seen = RefCell::new(Vec::new());
        explorer().overtakings(overtakings).run(|| async {
            let order = Rc::new(RefCell::new(String::new()));
            let note = |name: &'static str| {
                let order = Rc::clone(&order);
                async move {
                    order.borrow_mut().push_str(name);
                    yield_now().await;
                    order.borrow_mut().push_str(name);
                }
            };
            let tasks = ["a", "b"].map(|name| spawn(note(name)));
            for task in tasks {
                task.await.unwrap();
            }
            seen.borrow_mut().push(order.take());
        });
        seen.into_inner()
    };
    assert_eq!(order(0), ["abab"]);
    let all: BTreeSet<String> = order(usize::MAX).into_iter().collect();
    assert_eq!(all.len(), 6, "every interleaving of two and two: {all:?}");
    let explored = explorer().overtakings(1).run(yields(3, 1));
    assert!(explored.complete);
    let text = explored.to_string();
    assert!(text.ends_with("schedules with at most 1 overtaking; what takes more was not tried."), "{text}");
    assert_eq!(explorer().overtakings(usize::MAX).run(yields(3, 1)).to_string(), "held in all 238 schedules.");
    let capped = explorer().schedules(10).run(yields(3, 1));
    assert_eq!((capped.schedules, capped.complete), (10, false));
    assert!(capped.to_string().starts_with("held in the first 10 schedules"), "{capped}");
}

#[test]
fn every_choice_that_is_not_the_loops_own_costs_one() {
    let counts = |explorer: Explorer, program: &dyn Fn() -> Boxed| {
        [0, 1, 2].map(|bound| {
            let explored = explorer.clone().overtakings(bound).run(program);
            assert!(explored.complete && explored.failure.is_none(), "{explored}");
            explored.schedules
        })
    };
    let second = Duration::from_secs(1);
    let ties = move || -> Boxed {
        Box::pin(async move {
            gather::gather([(); 3].map(|()| sleep(second))).await;
        })
    };
    let alarm = move || -> Boxed {
        Box::pin(async move {
            _ = timeout(second, pauses(1)).await;
        })
    };
    let chooses = || -> Boxed {
        Box::pin(async {
            _ = (choose(2), choose(2));
        })
    };
    assert_eq!(counts(explorer(), &ties), [1, 4, 6]);
    // The bound is one of the sum.
    assert_eq!(counts(explorer(), &chooses), [1, 3, 4]);
    assert_eq!(counts(explorer().time_passes(), &alarm), [1, 2, 2]);
    assert_eq!(counts(explorer().spurious_wakes(1), &|| Box::pin(sleep(Duration::from_secs(1)))), [1, 2, 2]);
}

async fn lost_update(checks: bool) {
    let count = Rc::new(Cell::new(0));
    let add = |later: usize, count: Rc<Cell<u32>>| async move {
        pauses(later).await;
        let before = count.get();
        yield_now().await;
        count.set(before + 1);
    };
    let early = Builder::new().name("early").spawn(add(0, Rc::clone(&count)));
    let late = Builder::new().name("late").spawn(add(2, Rc::clone(&count)));
    early.await.unwrap();
    late.await.unwrap();
    assert!(!checks || count.get() == 2, "an update was lost");
}

#[test]
fn an_update_that_is_lost() {
    assert_eq!(first(|| lost_update(true)), 4);
    assert_eq!(all(|| lost_update(false)), 35);
}

#[test]
fn a_cache_that_two_load_at_once() {
    let program = |checks: bool| async move {
        let cache = Rc::new((Cell::new(None), Cell::new(0)));
        let get = |later: usize| {
            let cache = Rc::clone(&cache);
            async move {
                pauses(later).await;
                if cache.0.get().is_none() {
                    cache.1.set(cache.1.get() + 1);
                    yield_now().await;
                    cache.0.set(Some(42));
                }
            }
        };
        let tasks = [spawn(get(0)), spawn(get(2))];
        for task in tasks {
            task.await.unwrap();
        }
        assert!(!checks || cache.1.get() == 1, "it was loaded twice");
    };
    assert_eq!(first(|| program(true)), 4);
    assert_eq!(all(|| program(false)), 29);
}

/// A flag, and who waits for it.
#[derive(Default)]
struct Flag {
    is_set: Cell<bool>,
    waiter: RefCell<Option<Waker>>,
}

impl Flag {
    fn set(&self) {
        self.is_set.set(true);
        self.waiter.take().into_iter().for_each(Waker::wake);
    }

    /// Waits for one wake, whatever it is for.
    async fn wake(&self) {
        let mut waited = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut waited, true) {
                return Poll::Ready(());
            }
            *self.waiter.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[test]
fn check_yield_then_register() {
    let program = |later: usize| async move {
        let flag = Rc::new(Flag::default());
        let waits = {
            let flag = Rc::clone(&flag);
            async move {
                if !flag.is_set.get() {
                    yield_now().await;
                    flag.wake().await;
                }
            }
        };
        let waiter = spawn(waits);
        let setter = spawn(async move {
            pauses(later).await;
            flag.set();
        });
        setter.await.unwrap();
        waiter.await.unwrap();
    };
    assert_eq!(first(|| program(2)), 4);
    assert_eq!(first(|| program(3)), 4);
    assert_eq!(all(|| unless_it_hangs(program(3))), 30);
}

#[test]
fn a_wake_before_the_wait() {
    let program = || async {
        let flag = Rc::new(Flag::default());
        let waiter = {
            let flag = Rc::clone(&flag);
            spawn(async move { flag.wake().await })
        };
        let setter = spawn(async move {
            pauses(1).await;
            flag.set();
        });
        setter.await.unwrap();
        waiter.await.unwrap();
    };
    assert_eq!(first(program), 2);
    assert_eq!(all(|| unless_it_hangs(program())), 6);
}

/// The prototype had 58 schedules: it queued who is woken for nothing. Here it is polled at once, which is the same to it,
/// so the ways to poll it later are not tried twice.
#[test]
fn if_for_while_needs_a_wake_for_nothing() {
    let program = |again: bool, checks: bool| async move {
        let flag = Rc::new(Flag::default());
        let waiter = {
            let flag = Rc::clone(&flag);
            spawn(async move {
                while !flag.is_set.get() {
                    flag.wake().await;
                    if !again {
                        break;
                    }
                }
                assert!(!checks || flag.is_set.get(), "it went on before the flag was set");
            })
        };
        let setter = spawn(async move {
            pauses(2).await;
            flag.set();
        });
        setter.await.unwrap();
        waiter.await.unwrap();
    };
    assert_eq!(first_of(explorer().spurious_wakes(1), || program(false, true)), 5);
    let text = message(explorer().spurious_wakes(1), || program(false, true));
    assert!(text.contains("is woken for nothing"), "{text}");
    assert_eq!(all_of(explorer().spurious_wakes(1), || program(false, false)), 48);
    assert_eq!(all_of(explorer().spurious_wakes(1), || program(true, true)), 54);
    // Without wakes for nothing it holds.
    assert_eq!(all(|| program(false, true)), 8);
}

#[test]
fn as_many_wakes_for_nothing_as_are_told() {
    // It looks again after the first wake, and not after the second.
    let program = || async {
        let flag = Rc::new(Flag::default());
        let waiter = {
            let flag = Rc::clone(&flag);
            spawn(async move {
                for _ in 0..2 {
                    if !flag.is_set.get() {
                        flag.wake().await;
                    }
                }
                assert!(flag.is_set.get(), "it went on before the flag was set");
            })
        };
        let setter = spawn(async move {
            pauses(3).await;
            flag.set();
        });
        setter.await.unwrap();
        waiter.await.unwrap();
    };
    let held = explorer().spurious_wakes(1).run(program);
    assert!(held.failure.is_none() && held.complete, "{held}");
    let text = message(explorer().spurious_wakes(2), program);
    assert_eq!(text.matches("is woken for nothing").count(), 2, "{text}");
}

async fn philosophers(orderly: bool) {
    let forks = [(); 3].map(|()| Rc::new(Semaphore::new(1)));
    let tasks = [0, 1, 2].map(|n: usize| {
        let (mut first, mut second) = (n, (n + 1) % 3);
        if orderly && first > second {
            (first, second) = (second, first);
        }
        let (first, second) = (Rc::clone(&forks[first]), Rc::clone(&forks[second]));
        spawn(async move {
            let _first = first.acquire().await;
            yield_now().await;
            let _second = second.acquire().await;
            yield_now().await; // It eats.
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn philosophers_starve_unless_they_are_orderly() {
    assert_eq!(first(|| philosophers(false)), 1);
    assert_eq!(all(|| unless_it_hangs(philosophers(false))), 1_694);
    assert_eq!(all(|| philosophers(true)), 1_602);
}

#[test]
fn two_locks_in_two_orders_hidden_by_the_queue() {
    let program = || async {
        let (one, other) = (Rc::new(Semaphore::new(1)), Rc::new(Semaphore::new(1)));
        let both = |later: usize, first: &Rc<Semaphore>, second: &Rc<Semaphore>| {
            let (first, second) = (Rc::clone(first), Rc::clone(second));
            async move {
                pauses(later).await;
                let _first = first.acquire().await;
                yield_now().await;
                let _second = second.acquire().await;
            }
        };
        let early = Builder::new().name("early").spawn(both(0, &one, &other));
        let late = Builder::new().name("late").spawn(both(2, &other, &one));
        early.await.unwrap();
        late.await.unwrap();
    };
    assert_eq!(first(program), 4);
    assert_eq!(all(|| unless_it_hangs(program())), 31);
    let text = message(explorer(), program);
    for part in [
        "nothing can happen any more",
        "\"early\" (explore.rs:",
        "waits for a permit at explore.rs:",
        "holds it, since explore.rs:",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("semaphore.rs") && !text.contains("run.rs"), "a line of the runtime: {text}");
}

#[test]
fn a_hang_says_who_waits_for_a_value_for_room_and_for_an_end() {
    let text = message(explorer(), || async {
        let (sender, mut receiver) = mpsc::channel::<u32>(1);
        let (full, _kept) = mpsc::channel(1);
        full.try_send(1).unwrap();
        let hears = Builder::new().name("hears").spawn(async move { receiver.recv().await });
        let tells = Builder::new().name("tells").spawn(async move { full.send(2).await });
        hears.await.unwrap();
        drop((sender, tells));
    });
    for part in [
        "waits for a value from a channel at explore.rs:",
        "waits for room in a channel at explore.rs:",
        "waits for \"hears\" (explore.rs:",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_hang_at_a_semaphore_that_nobody_holds_says_who_has_given_its_permit_up() {
    let program = |forgets: bool| async move {
        let lock = Rc::new(Semaphore::new(usize::from(forgets)));
        let first = Rc::clone(&lock);
        let taker = Builder::new().name("taker").spawn(async move {
            if forgets {
                first.acquire().await.forget();
            }
        });
        taker.await.unwrap();
        let _permit = lock.acquire().await;
    };
    let forgotten = message(explorer(), || program(true));
    let why = ["; nobody holds one: \"taker\" (explore.rs:", "took one at explore.rs:", "and gave it up with `forget`"];
    assert!(why.iter().all(|part| forgotten.contains(part)), "{forgotten}");
    let none = message(explorer(), || program(false));
    let (before, after) = none.split_once("; nobody holds one").unwrap_or_else(|| panic!("{none}"));
    assert!(before.contains("waits for a permit at explore.rs:") && after.starts_with("\n  Again"), "{none}");
}

#[test]
fn a_future_that_nothing_has_woken_is_told_as_such_also_when_a_fault_lost_its_wake() {
    let program = || async {
        let flag = Rc::new(Flag::default());
        let waiter = Rc::clone(&flag);
        let waits = spawn(async move { waiter.wake().await });
        yield_now().await;
        flag.set();
        waits.await.unwrap();
    };
    // The wakes are: main's for its next turn, and the flag's.
    let Ending::Hangs(how) = what_if(WhatIf::DropWake(2), program).faulty else { panic!("its wake is lost") };
    assert!(how.contains("waits for something that this loop does not know, and nothing has woken it"), "{how}");
}

/// The prototype's program had 30 schedules, and is not kept; this one fails in the same run.
#[test]
fn a_value_is_lost_by_an_abort_between_recv_and_send() {
    let program = |checks: bool| async move {
        let (sender, mut receiver) = mpsc::unbounded();
        let (onward, mut end) = mpsc::channel(1);
        let carrier = spawn(async move {
            while let Some(value) = receiver.recv().await {
                yield_now().await; // It looks at the value. Aborted here, it drops what it has in hand.
                onward.send(value).await.unwrap();
            }
        });
        sender.send(1).unwrap();
        drop(sender);
        let abort = carrier.abort_handle();
        drop(spawn(async move {
            yield_now().await;
            abort.abort();
        }));
        let value = end.recv().await;
        drop(carrier.await);
        assert!(!checks || value.is_some(), "the value is lost");
    };
    assert_eq!(first(|| program(true)), 2);
    assert_eq!(all(|| program(false)), 10);
}

#[test]
fn a_permit_by_hand_is_lost_by_an_abort() {
    let program = |checks: bool| async move {
        let free = Rc::new(Semaphore::new(1));
        let work = Rc::clone(&free);
        let worker = spawn(async move {
            work.acquire().await.forget();
            yield_now().await; // Aborted here, nobody gives it back.
            work.add_permits(1);
        });
        let abort = worker.abort_handle();
        drop(spawn(async move {
            pauses(3).await;
            abort.abort();
        }));
        drop(worker.await);
        assert!(!checks || free.available_permits() == 1, "a permit is lost");
    };
    assert_eq!(first(|| program(true)), 4);
    assert_eq!(all(|| program(false)), 35);
}

#[test]
fn a_bounded_channel_loses_nothing() {
    let program = || async {
        let (sender, mut receiver) = mpsc::channel(2);
        for _ in 0..2 {
            let sender = sender.clone();
            drop(spawn(async move {
                for n in 0..3 {
                    sender.send(n).await.unwrap();
                }
            }));
        }
        drop(sender);
        let mut sum = 0;
        while let Some(n) = receiver.recv().await {
            sum += n;
        }
        assert_eq!(sum, 6);
    };
    assert_eq!(all(program), 40);
}

/// Children that need one permit each and yield so often with it. The first fails, and there is an abort at every point.
/// With the tally, the parent is `try_gather_tasks`; without, the parent is woken by each child's end.
async fn aborted_gather(n: usize, yields: usize, with_tally: bool) {
    let semaphore = Rc::new(Semaphore::new(1));
    let child = |place: usize| {
        let semaphore = Rc::clone(&semaphore);
        async move {
            let _permit = semaphore.acquire().await;
            pauses(yields).await;
            if place == 0 { Err(()) } else { Ok(()) }
        }
    };
    let children = (0..n).map(child).collect::<Vec<_>>();
    let gather = spawn(async move {
        if with_tally {
            drop(try_gather_tasks(children).await);
        } else {
            drop(try_gather(children.into_iter().map(|child| Owned(spawn(child)))).await);
        }
    });
    let abort = gather.abort_handle();
    drop(spawn(async move { abort.abort() }));
    drop(gather.await);
    // Whoever was aborted is dropped by the loop: nothing is ready after the time has jumped.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(semaphore.available_permits(), 1, "a permit is lost");
}

/// A task that is aborted when nobody waits for it.
struct Owned(JoinHandle<Result<(), ()>>);

impl Future for Owned {
    type Output = Result<(), ()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(Result::unwrap)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The prototype had 948 schedules for two children and 56,591 for three. Its program is not kept, and its gather woke the
/// parent at each child's end. With the tally the last end alone wakes it, or the first error, so there are fewer polls to
/// order: the same children without the tally show by how much.
#[test]
fn no_permit_is_lost_in_a_gather_that_is_aborted_at_every_point() {
    assert_eq!(all(|| aborted_gather(2, 0, true)), 31);
    assert_eq!(all(|| aborted_gather(3, 0, true)), 181);
    assert_eq!(all(|| aborted_gather(2, 1, true)), 204);
    assert_eq!(all(|| aborted_gather(2, 1, false)), 219);
}

/// `cargo test --release -p tests --test explore` runs it.
#[test]
#[cfg_attr(debug_assertions, ignore = "cargo test --release: seconds in a debug build")]
fn no_permit_is_lost_in_a_greater_gather_either() {
    assert_eq!(all(|| aborted_gather(3, 1, true)), 5_757);
    assert_eq!(all(|| aborted_gather(3, 1, false)), 8_041);
}

// What can be chosen.

#[test]
fn timers_of_one_instant_fire_in_any_order() {
    let orders = RefCell::new(BTreeSet::new());
    let program = || async {
        let order = Rc::new(RefCell::new(String::new()));
        let sleeper = |name: &'static str| {
            let order = Rc::clone(&order);
            async move {
                sleep(Duration::from_secs(1)).await;
                order.borrow_mut().push_str(name);
            }
        };
        // In place, so that only the timers decide.
        gather::gather([sleeper("a"), sleeper("b"), sleeper("c")]).await;
        orders.borrow_mut().insert(order.take());
    };
    assert_eq!(all(program), 6);
    assert_eq!(orders.borrow().len(), 6);
    let text = message(explorer(), || async {
        let first = Rc::new(Cell::new(""));
        let sleeper = |name: &'static str| {
            let first = Rc::clone(&first);
            async move {
                sleep(Duration::from_secs(1)).await;
                first.set(if first.get().is_empty() { name } else { first.get() });
            }
        };
        gather::gather([sleeper("a"), sleeper("b")]).await;
        assert_eq!(first.get(), "a");
    });
    assert!(text.contains("is over before the timer of main"), "{text}");
}

#[test]
fn time_passes_only_when_it_is_told_to() {
    let program = || async {
        let work = async {
            pauses(3).await;
            "in time"
        };
        assert_eq!(timeout(Duration::from_secs(1), work).await, Ok("in time"));
    };
    assert_eq!(all(program), 1);
    let text = message(explorer().time_passes(), program);
    assert!(text.contains("time passes while tasks are ready: the timer of main (explore.rs:"), "{text}");
}

#[test]
fn choose_tries_every_number_and_is_0_outside() {
    assert_eq!(choose(7), 0);
    let seen = RefCell::new(Vec::new());
    let explored = explorer().run(|| async { seen.borrow_mut().push([choose(2), choose(1), choose(3)]) });
    assert_eq!(explored.schedules, 6);
    assert_eq!(seen.into_inner(), [[0, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, 2], [1, 0, 1], [1, 0, 2]]);
    let text = message(explorer(), || async { assert_ne!(choose(3), 2, "the third") });
    assert!(text.contains("choose(3) at explore.rs:") && text.contains("gives 2"), "{text}");
    assert!(panic_message(|| choose(0)).contains("at least 1"));
}

// What is said.

#[test]
fn the_message_says_who_was_polled_before_whom() {
    let text = message(explorer(), || lost_update(true));
    let line = |what: &str| {
        let source = include_str!("explore.rs");
        let begin = source.find("async fn lost_update").unwrap();
        let at = begin + source[begin..].find(what).unwrap();
        source[..at].lines().count()
    };
    let expected = format!(
        "an update was lost (explore.rs:{}). It holds in the loop's own order and fails in schedule 4, with 1 overtaking:\n  \
         step 3: \"late\" (explore.rs:{}) is polled before \"early\" (explore.rs:{}), ready since `yield_now` at explore.rs:{}, \
         and goes on until it ends.\n  Again: \"3:1\".",
        line("an update was lost"),
        line("\"late\""),
        line("\"early\""),
        line("yield_now"),
    );
    assert_eq!(text, expected);
}

/// The page that the panic of an `explore` names.
fn page_of(text: &str) -> PathBuf {
    let (_, path) = text.split_once("Again: \"3:1\".     Step through it: ").unwrap_or_else(|| panic!("{text}"));
    assert!(path.starts_with("target/explore/explore") && path.ends_with(".html"), "{path}");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

#[test]
fn explore_panics_with_the_message_and_leaves_a_page() {
    let text = panic_message(|| explore(|| lost_update(true)));
    let path = page_of(&text);
    let page = fs::read_to_string(&path).unwrap();
    assert!(page.starts_with("<!doctype html>"));
    let chosen = page.find("\"kind\":\"Chosen\"").expect("the page has the overtaking");
    let seq = page[..chosen].rsplit("\"seq\":").next().unwrap().split(',').next().unwrap();
    assert!(page.contains(&format!("location.hash ||= \"#e={seq}\"")), "it opens at event {seq}");
    assert_eq!(explore(yields(2, 1)).failure.map(|it| it.run), None);
    // Another call in the same file leaves that page as it is.
    let other = page_of(&panic_message(|| explore(|| lost_update(true))));
    assert!(other != path && fs::read_to_string(path).unwrap() == page, "{}", other.display());
}

#[test]
fn a_page_overwrites_nothing_but_a_page() {
    let failure = explorer().run(|| lost_update(true)).failure.unwrap();
    let path = std::env::temp_dir().join(format!("glassloop-explore-{}.html", std::process::id()));
    fs::write(&path, "somebody's notes").unwrap();
    let error = failure.page(&path, || lost_update(true)).unwrap_err();
    assert!(error.to_string().contains("no page of glassloop"), "{error}");
    fs::remove_file(&path).unwrap();
    failure.page(&path, || lost_update(true)).unwrap();
    failure.page(&path, || lost_update(true)).unwrap();
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_page_keeps_the_options_and_a_replay_takes_the_explorers() {
    let program = || async {
        let work = timeout(Duration::from_secs(1), pauses(3));
        assert!(work.await.is_ok(), "too late for it");
    };
    let failure = explorer().time_passes().run(program).failure.unwrap();
    let path = std::env::temp_dir().join(format!("glassloop-options-{}.html", std::process::id()));
    failure.page(&path, program).unwrap();
    let page = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(page.contains("\"kind\":\"TaskPanicked\""), "the page is of the run that fails");
    let replay = |it: Explorer| it.replay(&failure.schedule, program).failure.unwrap().message;
    assert!(replay(explorer().time_passes()).starts_with("too late for it"));
    assert!(replay(explorer()).starts_with("the schedule does not fit the program"));
}

#[test]
fn a_panic_is_a_failure_unless_somebody_has_taken_it() {
    let joined = || async { drop(spawn(async { panic!("on purpose") }).await) };
    all(joined);
    let dropped = || async {
        drop(spawn(async { panic!("on purpose") }));
        yield_now().await;
    };
    let text = message(explorer(), dropped);
    assert!(text.starts_with("on purpose (explore.rs:") && text.contains("whose JoinError nobody took"), "{text}");
    let kept = || async {
        let task = spawn(async { panic!("on purpose") });
        yield_now().await;
        drop(task);
    };
    assert_eq!(first(kept), 1);
    let resumed = message(explorer(), || async {
        let error = spawn(async { panic!("from below") }).await.unwrap_err();
        std::panic::resume_unwind(error.into_panic());
    });
    assert!(resumed.starts_with("from below (explore.rs:"), "{resumed}");
}

#[test]
fn an_unwrap_of_a_handle_tells_which_task_has_panicked_and_where() {
    let text = message(explorer(), || async {
        let worker = Builder::new().name("worker").spawn(async { panic!("on purpose") });
        worker.await.unwrap()
    });
    let line = |what: &str| {
        let source = include_str!("explore.rs");
        let begin = source.find("fn an_unwrap_of_a_handle").unwrap();
        source[..begin + source[begin..].find(what).unwrap()].lines().count()
    };
    let worker = line("\"worker\"");
    let told = format!("\n  \"worker\" (explore.rs:{worker}) panicked at explore.rs:{worker}.\n  Again: \"\".");
    assert!(text.contains("JoinError(the task panicked: on purpose) (explore.rs:") && text.ends_with(&told), "{text}");
}

#[test]
fn tasks_of_one_name_and_line_have_numbers() {
    let program = |name: Option<&'static str>| async move {
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks = [0, 1].map(|n| {
            let order = Rc::clone(&order);
            let task = async move { order.borrow_mut().push(n) };
            name.map_or_else(Builder::new, |name| Builder::new().name(name)).spawn(task)
        });
        for task in tasks {
            task.await.unwrap();
        }
        assert!(*order.borrow() == [0, 1], "another order");
    };
    for (name, [chosen, before]) in [(None, ["task 2 (", "task 1 ("]), (Some("n"), ["), task 2 ", "), task 1,"])] {
        let text = message(explorer(), || program(name));
        let step = text.lines().find(|line| line.starts_with("  step 1: ")).unwrap_or_else(|| panic!("{text}"));
        let (first, second) = step.split_once("is polled before").unwrap_or_else(|| panic!("{text}"));
        assert!(first.contains(chosen) && second.contains(before), "{text}");
    }
}

#[test]
fn the_place_stands_below_a_message_of_several_lines() {
    let text = message(explorer(), || async { assert_eq!(choose(2), 0, "not the first") });
    assert!(
        text.starts_with("assertion `left == right` failed: not the first\n  left: 1\n right: 0\n(explore.rs:"),
        "{text}"
    );
}

#[test]
fn what_is_left_when_main_ends_is_dropped_and_not_run_on() {
    let polls = Cell::new(0);
    let polls = Rc::new(polls);
    let explored = explorer().run(|| {
        let polls = Rc::clone(&polls);
        async move {
            drop(spawn(async move {
                loop {
                    polls.set(polls.get() + 1);
                    yield_now().await;
                }
            }));
        }
    });
    assert_eq!((explored.schedules, polls.get()), (1, 0));
}

#[test]
fn a_program_without_an_end_names_who_was_polled_most() {
    let program = || async {
        drop(Builder::new().name("spinner").spawn(async {
            loop {
                yield_now().await;
            }
        }));
        pending::<()>().await;
    };
    let text = message(explorer().steps(50), program);
    assert!(text.starts_with("it did not end within 50 steps: \"spinner\" (explore.rs:"), "{text}");
    assert!(
        text.contains("was polled most, 49 times; if it is meant to take so many, allow more with steps(n)"),
        "{text}"
    );
}

#[test]
fn steps_are_polls_and_choices_together() {
    let program = |choices: usize| async move { (0..choices).for_each(|_| _ = choose(2)) };
    let within = |choices| explorer().overtakings(0).steps(10).run(|| program(choices)).failure;
    assert!(within(9).is_none(), "one poll and nine choices");
    let text = within(10).unwrap().message;
    assert!(text.starts_with("it did not end within 10 steps: main (explore.rs:"), "{text}");
}

#[test]
fn a_program_that_does_not_do_the_same_twice_is_told_so() {
    let runs = Cell::new(0);
    let program = || {
        runs.set(runs.get() + 1);
        let extra = runs.get() % 2 == 0;
        async move {
            let one = Builder::new().name("always").spawn(yield_now());
            if extra {
                drop(Builder::new().name("sometimes").spawn(yield_now()));
            }
            one.await.unwrap();
        }
    };
    let text = message(explorer(), || {
        let program = program();
        async move {
            drop(spawn(async {}));
            program.await;
        }
    });
    assert!(text.starts_with("the program does not do the same twice: a HashMap, a clock, a static?"), "{text}");
    assert!(text.contains("\"sometimes\" (explore.rs:"), "the first difference: {text}");
    // So is one that fails now and then.
    let runs = Cell::new(0);
    let text = message(explorer(), || {
        runs.set(runs.get() + 1);
        let fails = runs.get() == 1;
        async move { assert!(!fails, "once") }
    });
    assert!(text.starts_with("the program does not do the same twice"), "{text}");
}

// The text of a schedule.

#[test]
fn a_schedule_is_a_text() {
    for text in ["", "0:1", "3:1 7:2", "10:12 11:1 4000000000:1"] {
        assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
    }
    let wrong = [
        ("3", "there is no colon"),
        ("3:", "the choice is no number"),
        (":1", "the step is no number"),
        ("3:0", "choices count from 1"),
        ("a:1", "the step is no number"),
        ("+3:1", "the step is no number"),
        ("3:1  7:2", "a space too many"),
        (" 3:1", "a space too many"),
        ("3:1 ", "a space too many"),
        ("7:1 3:1", "steps must rise"),
        ("3:1 3:2", "steps must rise"),
        ("03:1", "begins with a zero"),
        ("99999999999:1", "too big"),
    ];
    for (text, reason) in wrong {
        let error = text.parse::<Schedule>().unwrap_err().to_string();
        assert!(error.contains(reason), "{text:?}: {error}");
    }
}

#[test]
fn a_schedule_that_does_not_fit_says_where_and_what_there_was() {
    let replay = |text: &str| explorer().replay(&text.parse().unwrap(), || lost_update(true));
    let failure = replay("3:1").failure.unwrap();
    assert!(
        failure.message.contains("an update was lost") && failure.message.contains("Again: \"3:1\""),
        "{}",
        failure.message
    );
    for holds in ["", "2:1"] {
        assert_eq!(replay(holds).to_string(), "held in the schedule that was replayed.");
    }
    let text = replay("3:7").failure.unwrap().message;
    assert!(text.contains("choice 7 at step 3, where the choices are 0 to 1: \"early\" (explore.rs:"), "{text}");
    let text = replay("99:1").failure.unwrap().message;
    assert!(text.contains("choice 1 at step 99, and the program ends before"), "{text}");
}

// What is refused.

#[test]
fn what_an_explorer_cannot_give_is_refused_by_name() {
    /// What the text must name, and who asks for it.
    type Refused = (&'static str, fn() -> Boxed);
    let programs: [Refused; 9] = [
        ("net::TcpListener", || Box::pin(async { drop(runtime::net::TcpListener::bind("127.0.0.1:0").await) })),
        ("net::TcpStream", || Box::pin(async { drop(runtime::net::TcpStream::connect("127.0.0.1:1").await) })),
        ("net::UdpSocket", || Box::pin(async { drop(runtime::net::UdpSocket::bind("127.0.0.1:0").await) })),
        ("io::Async", || Box::pin(async { drop(runtime::io::Async::new(mio::unix::pipe::new().unwrap().0)) })),
        ("spawn_blocking", || Box::pin(async { drop(spawn_blocking(|| ()).await) })),
        ("lookup_host", || Box::pin(async { drop(runtime::net::lookup_host("localhost:1").await) })),
        ("fs::lines", || Box::pin(async { drop(runtime::fs::lines("/dev/null").next().await) })),
        ("Handle::outside", || {
            Box::pin(async {
                let _outside = Handle::current().outside();
                pending::<()>().await;
            })
        }),
        ("another thread", || {
            Box::pin(async {
                let handle = Handle::current();
                std::thread::spawn(move || drop(handle.spawn(async {}))).join().unwrap();
                sleep(Duration::from_secs(1)).await;
            })
        }),
    ];
    for (call, program) in programs {
        let in_task = move || async move { drop(spawn(program()).await) };
        for text in [message(explorer(), program), message(explorer(), in_task), panic_message(|| explore(program))] {
            assert!(text.contains(call) && text.contains("explorer"), "{call}: {text}");
            assert!(text.contains("socket") || text.contains("blocking"), "{call}: {text}");
        }
    }
}

#[test]
fn a_handle_of_this_thread_is_nobody_elses() {
    all(|| async {
        let task = Handle::current().spawn(async { 42 });
        assert_eq!(task.await.unwrap(), 42);
    });
    // Its panic is a failure as that of any other task: unless somebody has taken it.
    let panics = || Handle::current().spawn(async { panic!("on purpose") });
    all(|| async { drop(panics().await) });
    let text = message(explorer(), || async {
        drop(panics());
        sleep(Duration::from_secs(1)).await;
    });
    assert!(text.starts_with("on purpose (explore.rs:") && text.contains("whose JoinError nobody took"), "{text}");
}

#[test]
fn misuse_panics_with_the_cure() {
    let inside = panic_message(|| {
        runtime::block_on(async { drop(explorer().run(|| async {})) });
    });
    assert!(inside.contains("inside a running event loop") && inside.contains("outside of block_on"), "{inside}");
    let nested = message(explorer(), || async { drop(explorer().run(|| async {})) });
    assert!(nested.contains("inside the program of another one"), "{nested}");
    let outer = message(explorer(), || {
        drop(explorer().run(|| async {}));
        async {}
    });
    assert!(outer.contains("inside the program of another one"), "{outer}");
    // And all is well again.
    assert_eq!(explorer().run(|| async {}).schedules, 1);
}

// Faults.

#[test]
fn a_wake_that_is_dropped_is_missed_and_one_that_is_done_twice_is_not() {
    let program = || async {
        let task = Builder::new().name("worker").spawn(yield_now());
        task.await.unwrap();
    };
    let lost = what_if(WhatIf::DropWake(1), program);
    assert_eq!(lost.usual, Ending::Well);
    let Ending::Hangs(how) = &lost.faulty else { panic!("{lost}") };
    assert!(how.contains("nothing can happen any more") && how.contains("waits for \"worker\""), "{how}");
    assert!(lost.first.is_some() && lost.to_string().contains("they differ first at event"), "{lost}");
    let twice = what_if(WhatIf::WakeTwice(1), program);
    assert_eq!((&twice.usual, &twice.faulty), (&Ending::Well, &Ending::Well));
    assert!(twice.first.is_some() && twice.to_string().contains("in the queue once at most"), "{twice}");
    let never = what_if(WhatIf::DropWake(100), program);
    assert_eq!((never.usual, never.faulty, never.first), (Ending::Well, Ending::Well, None));
}

#[test]
fn a_fault_that_does_no_harm_says_why() {
    let twice = || async {
        let mut woken = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut woken, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    };
    let keeps = || {
        poll_fn(|cx| {
            drop(cx.waker().clone());
            Poll::Ready(())
        })
    };
    let told = [
        (what_if(WhatIf::DropWake(1), twice), "another one came for the same task"),
        (what_if(WhatIf::DropWake(2), twice), "its task was in the queue already"),
        (what_if(WhatIf::DropWake(3), twice), "it never came: the run without it has 2 wakes"),
        (what_if(WhatIf::WakeTwice(1), || async {}), "it never came: the run without it has no wake"),
        (what_if(WhatIf::ForgetWaker(1), keeps), "nobody used it"),
        (what_if(WhatIf::ForgetWaker(2), keeps), "it never came: in the run without it 1 waker is kept"),
        (what_if(WhatIf::ClearLate, || async {}), "it never came: no task is woken or aborted while it is polled"),
        (what_if(WhatIf::UntilEmpty, || async {}), "it never came: no poll makes a task ready"),
        (what_if(WhatIf::Lifo, || async {}), "it never came: no two tasks are ready at once"),
    ];
    for (difference, why) in told {
        assert_eq!((&difference.usual, &difference.faulty), (&Ending::Well, &Ending::Well));
        let text = difference.to_string();
        assert!(text.contains("the fault did no harm: ") && text.contains(why), "{why}: {text}");
    }
}

#[test]
fn a_program_that_does_not_end_well_without_the_fault_is_told_so() {
    let refused = || async { drop(runtime::net::UdpSocket::bind("127.0.0.1:0").await) };
    let hangs = || async { pending::<()>().await };
    for difference in [what_if(WhatIf::DropWake(1), refused), what_if(WhatIf::Lifo, hangs)] {
        assert!(difference.usual != Ending::Well && difference.usual == difference.faulty, "{difference}");
        let text = difference.to_string();
        assert!(
            text.ends_with("the fault changes nothing of that: without it the program does not end well either"),
            "{text}"
        );
    }
}

#[test]
fn the_other_faults() {
    let order = RefCell::new(Vec::new());
    let program = || async {
        let names: Rc<RefCell<String>> = Rc::default();
        let tasks = ["a", "b", "c"].map(|name| {
            let names = Rc::clone(&names);
            spawn(async move { names.borrow_mut().push_str(name) })
        });
        for task in tasks {
            task.await.unwrap();
        }
        order.borrow_mut().push(names.take());
    };
    let stack = what_if(WhatIf::Lifo, program);
    assert!(stack.first.is_some() && stack.usual == stack.faulty, "{stack}");
    assert!(stack.to_string().contains("no task relied on the order of the queue"), "{stack}");
    assert_eq!(order.take(), ["abc", "cba"]);
    assert!(matches!(what_if(WhatIf::ClearLate, yield_now).faulty, Ending::Hangs(_)));
    // An abort during the poll is lost like a wake.
    let aborts_itself = || async {
        let own = Rc::new(Cell::new(None));
        let handle = Rc::clone(&own);
        let task = spawn(async move {
            handle.take().iter().for_each(AbortHandle::abort);
            pending::<()>().await;
        });
        own.set(Some(task.abort_handle()));
        assert!(task.await.unwrap_err().is_cancelled());
    };
    let late = what_if(WhatIf::ClearLate, aborts_itself);
    assert!(late.usual == Ending::Well && matches!(late.faulty, Ending::Hangs(_)), "{late}");
    assert!(matches!(what_if(WhatIf::ForgetWaker(1), || sleep(Duration::from_secs(1))).faulty, Ending::Hangs(_)));
    assert_eq!(what_if(WhatIf::UntilEmpty, program).faulty, Ending::Well);
    let forever = || async {
        let done = Rc::new(Cell::new(false));
        let worker = Rc::clone(&done);
        drop(spawn(async move { worker.set(true) }));
        while !done.get() {
            yield_now().await;
        }
    };
    assert_eq!(what_if(WhatIf::Lifo, forever).faulty, Ending::Hangs("it runs for ever".to_owned()));
}

#[test]
fn both_traces_stand_on_one_page() {
    let lost = what_if(WhatIf::DropWake(1), yield_now);
    let path = std::env::temp_dir().join(format!("glassloop-what-if-{}.html", std::process::id()));
    lost.page(&path).unwrap();
    let page = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(page.contains("ends well") && page.contains("hangs: nothing can happen any more"));
    assert_eq!(page.matches("<li class=\"first\">").count(), 2, "the first difference is marked in both");
    let [usual, faulty] = ["The loop as it is", "With the fault"].map(|title| page.find(title).unwrap());
    assert!(
        usual < page.find("ends well").unwrap() && page.find("ends well").unwrap() < faulty,
        "each with its ending"
    );
}

#[test]
fn an_explored_says_what_it_is() {
    let explored: Explored = explorer().run(|| async {});
    assert_eq!(explored.to_string(), "held in its one schedule.");
}
