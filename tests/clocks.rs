//! Clocks: which one a sleep counts by, wherever it was made and whoever polls it; the time in jobs; the virtual clock
//! beside other threads.

use runtime::sync::{mpsc, oneshot};
use runtime::task::{spawn_blocking, yield_now};
use runtime::time::{Interval, MissedTickBehavior, Sleep, interval, now, sleep, sleep_until, timeout};
use runtime::{Handle, Runtime, spawn};
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};
use tests::{
    Count, Random, counts, inside, panic_message, poll_once, thread_number, until_parked, virtual_runtime, virtually,
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A runtime whose virtual clock has gone on by `time`.
fn ahead_by(time: Duration) -> Runtime {
    let runtime = virtual_runtime();
    runtime.turn(Some(time));
    runtime
}

/// How long `future` takes by the clock of `runtime`.
fn takes<F: Future>(runtime: &Runtime, future: F) -> Duration {
    runtime.block_on(async {
        let start = now();
        future.await;
        now() - start
    })
}

// Where it was made.

#[test]
fn a_sleep_that_was_made_outside_of_any_loop_counts_from_its_first_poll() {
    let runtime = ahead_by(HOUR);
    let nap = sleep(10 * SECOND);
    runtime.turn(Some(HOUR));
    assert_eq!(takes(&runtime, nap), 10 * SECOND);
    assert_eq!(takes(&runtime, Box::pin(sleep(10 * SECOND))), 10 * SECOND);
    // As the whole of main, and of a task.
    let start = inside(&runtime, now);
    runtime.block_on(sleep(10 * SECOND));
    assert_eq!(inside(&runtime, now) - start, 10 * SECOND);
    let task = runtime.spawn(sleep(10 * SECOND));
    runtime.block_on(task).unwrap();
    assert_eq!(inside(&runtime, now) - start, 20 * SECOND);
}

#[test]
fn so_do_timeouts_and_intervals() {
    let runtime = ahead_by(HOUR);
    let late = timeout(10 * SECOND, pending::<()>());
    assert_eq!(takes(&runtime, late), 10 * SECOND);
    assert_eq!(runtime.block_on(timeout(10 * SECOND, sleep(9 * SECOND))), Ok(()));
    assert!(runtime.block_on(timeout(10 * SECOND, sleep(11 * SECOND))).is_err());

    let mut ticks = interval(10 * SECOND);
    runtime.block_on(async {
        let start = now();
        for n in 0..3 {
            assert_eq!(ticks.tick().await, start + n * 10 * SECOND);
            assert_eq!(now(), start + n * 10 * SECOND);
        }
    });
}

#[test]
fn a_sleep_that_was_made_inside_a_loop_counts_from_its_call() {
    virtually(async {
        let start = now();
        let nap = sleep(3 * SECOND);
        assert_eq!(nap.deadline(), start + 3 * SECOND);
        sleep(2 * SECOND).await;
        nap.await;
        assert_eq!(now() - start, 3 * SECOND);
    });
}

#[test]
fn the_deadline_of_a_sleep_that_has_not_begun_is_so_far_from_now() {
    let nap = sleep(HOUR);
    let (before, deadline) = (Instant::now(), nap.deadline());
    assert!((before + HOUR..=Instant::now() + HOUR).contains(&deadline));
    let runtime = ahead_by(DAY);
    inside(&runtime, || assert_eq!(nap.deadline(), now() + HOUR));
    let mut nap = nap;
    inside(&runtime, || assert!(poll_once(&mut nap).is_pending()));
    let begun = nap.deadline();
    assert_eq!(begun, inside(&runtime, now) + HOUR);
    runtime.turn(Some(SECOND));
    assert_eq!(nap.deadline(), begun, "it has begun");
}

// Where it goes.

/// Brings a sleep of an hour, of which a quarter is over, from one loop to another.
fn moved(from: &Runtime, is_armed: bool) -> Sleep {
    let mut nap = inside(from, || sleep(HOUR));
    if is_armed {
        inside(from, || assert!(poll_once(&mut nap).is_pending()));
    }
    from.turn(Some(HOUR / 4));
    nap
}

#[test]
fn a_sleep_that_goes_to_another_loop_takes_along_what_is_left_of_it() {
    for is_armed in [false, true] {
        // To a loop that is ahead, to one that is behind.
        for (from, to) in [(ahead_by(HOUR), ahead_by(DAY)), (ahead_by(DAY), ahead_by(HOUR))] {
            let mut nap = moved(&from, is_armed);
            let start = inside(&to, now);
            assert_eq!(takes(&to, &mut nap), HOUR / 4 * 3, "armed: {is_armed}");
            assert_eq!(nap.deadline(), start + HOUR / 4 * 3);
        }
        // From a loop that is gone by then, and over a third one.
        let (from, over, to) = (ahead_by(DAY), ahead_by(HOUR), virtual_runtime());
        let mut nap = moved(&from, is_armed);
        drop(from);
        inside(&over, || assert!(poll_once(&mut nap).is_pending()));
        over.turn(Some(HOUR / 4));
        assert_eq!(takes(&to, &mut nap), HOUR / 2);
    }
}

#[test]
fn a_sleep_that_is_over_before_it_goes_to_another_loop_is_over_there() {
    let (from, to) = (virtual_runtime(), ahead_by(DAY));
    let mut nap = inside(&from, || sleep(HOUR));
    inside(&from, || assert!(poll_once(&mut nap).is_pending()));
    from.turn(Some(2 * HOUR));
    assert_eq!(takes(&to, &mut nap), Duration::ZERO);
}

#[test]
fn an_instant_is_an_instant_by_whatever_clock() {
    let (from, to) = (ahead_by(HOUR), ahead_by(2 * HOUR));
    let deadline = inside(&from, now) + 3 * HOUR;
    let mut nap = inside(&from, || sleep_until(deadline));
    inside(&from, || assert!(poll_once(&mut nap).is_pending()));
    to.block_on(async {
        (&mut nap).await;
        assert_eq!(now(), deadline);
    });
    assert_eq!(nap.deadline(), deadline);
}

#[test]
fn a_timeout_that_goes_to_another_loop_takes_along_what_is_left_of_it() {
    let (from, to) = (virtual_runtime(), ahead_by(DAY));
    let mut late = Box::pin(inside(&from, || timeout(HOUR, pending::<()>())));
    inside(&from, || assert!(poll_once(&mut late).is_pending()));
    from.turn(Some(HOUR / 4));
    assert_eq!(takes(&to, late), HOUR / 4 * 3);
}

#[test]
fn an_interval_that_goes_to_another_loop_keeps_its_period_and_what_is_left_of_it() {
    let (from, to) = (virtual_runtime(), ahead_by(DAY));
    let mut ticks = inside(&from, || interval(HOUR));
    from.block_on(ticks.tick());
    from.turn(Some(HOUR / 4));
    to.block_on(async {
        let start = now();
        for n in 0..3 {
            assert_eq!(ticks.tick().await, start + HOUR / 4 * 3 + n * HOUR);
            assert_eq!(now(), start + HOUR / 4 * 3 + n * HOUR);
        }
    });
}

// The time in a job.

#[test]
fn the_time_in_a_job_is_that_of_its_loop() {
    let runtime = ahead_by(HOUR);
    runtime.block_on(async {
        for _ in 0..2 {
            let time = now();
            assert_eq!(spawn_blocking(now).await.unwrap(), time);
            sleep(DAY).await;
        }
        // The job has a loop of its own, with a clock of its own; after that, again the time of the first.
        let time = now();
        let times = spawn_blocking(|| {
            let start = now();
            let own = virtually(async {
                sleep(10 * DAY).await;
                now()
            });
            (start, own, now())
        });
        let (before, own, after) = times.await.unwrap();
        assert_eq!((before, after), (time, time));
        assert_ne!(own, time);
    });
    // By the system's clock it goes on. The next job of the same thread sees no time that stood still before.
    runtime::block_on(async {
        let start = now();
        let time = spawn_blocking(now).await.unwrap();
        assert!(start <= time && time <= now());
    });
}

#[test]
fn a_sleep_that_was_made_in_a_job_counts_from_its_first_poll() {
    let runtime = ahead_by(HOUR);
    let made = inside(&runtime, || spawn_blocking(|| runtime::block_on(async { drop(sleep(SECOND)) })));
    runtime.block_on(made).unwrap();
    // A sleep is not Send; what a job can do is to say when.
    runtime.block_on(async {
        let deadline = spawn_blocking(|| now() + HOUR).await.unwrap();
        let start = now();
        sleep_until(deadline).await;
        assert_eq!(now() - start, HOUR);
    });
}

// Random programs with two loops.

/// What a random program moves about: its future, and how much time it still has to wait, by whatever clock.
struct Traveller {
    wait: Wait,
    left: Duration,
    /// Whose clock has counted last; `None` before its first poll, if it was made outside.
    home: Option<usize>,
}

enum Wait {
    Sleep(Sleep),
    Timeout(Pin<Box<dyn Future<Output = bool>>>),
    Interval(Interval),
}

impl Wait {
    fn poll(&mut self) -> bool {
        let cx = &mut Context::from_waker(Waker::noop());
        match self {
            Wait::Sleep(nap) => Pin::new(nap).poll(cx).is_ready(),
            Wait::Timeout(late) => late.as_mut().poll(cx).is_ready(),
            Wait::Interval(ticks) => ticks.poll_tick(cx).is_ready(),
        }
    }
}

/// Two loops of one thread, and what moves between them. The model: a traveller that has a home loses what that loop's
/// clock has gone on by. Nothing else takes from it.
struct World {
    seed: u64,
    random: Random,
    loops: [Runtime; 2],
    travellers: Vec<Traveller>,
    /// How many travellers have come to their end.
    ended: usize,
}

impl World {
    fn new(seed: u64) -> World {
        let loops = [virtual_runtime(), ahead_by(DAY)];
        World { seed, random: Random::new(seed), loops, travellers: Vec::new(), ended: 0 }
    }

    fn milliseconds(&mut self, below: usize) -> Duration {
        Duration::from_millis(self.random.below(below) as u64)
    }

    /// Makes a traveller, on one of the loops or outside of both.
    fn make(&mut self) {
        let left = self.milliseconds(5_000);
        let (kind, place) = (self.random.below(3), self.random.below(3));
        let make = || match kind {
            0 => Wait::Sleep(sleep(left)),
            1 => {
                let late = timeout(left, pending::<()>());
                Wait::Timeout(Box::pin(async move { late.await.is_err() }))
            }
            _ => {
                let mut ticks = interval(left.max(Duration::from_millis(1)));
                // The first tick is at once. One from outside has it still before it.
                if place < 2 {
                    assert!(ticks.poll_tick(&mut Context::from_waker(Waker::noop())).is_ready());
                }
                Wait::Interval(ticks)
            }
        };
        let wait = if place < 2 { inside(&self.loops[place], make) } else { make() };
        let left = match (&wait, place) {
            (Wait::Interval(_), 2) => Duration::ZERO,
            (Wait::Interval(ticks), _) => ticks.period(),
            _ => left,
        };
        self.travellers.push(Traveller { wait, left, home: (place < 2).then_some(place) });
    }

    /// Takes a traveller to one of the loops, where it is polled.
    fn poll(&mut self) {
        if self.travellers.is_empty() {
            return;
        }
        let (n, place) = (self.random.below(self.travellers.len()), self.random.below(2));
        let traveller = &mut self.travellers[n];
        traveller.home = Some(place);
        let over = inside(&self.loops[place], || traveller.wait.poll());
        assert_eq!(over, traveller.left.is_zero(), "seed {}: {:?} are left", self.seed, traveller.left);
        if over {
            self.ended += 1;
            self.travellers.swap_remove(n);
        }
    }

    /// Calls `f` with a loop, and takes what its clock goes on by from those whose home it is. Gives that, too.
    fn run<R>(&mut self, place: usize, f: impl FnOnce(&Runtime) -> R) -> (Duration, R) {
        let before = inside(&self.loops[place], now);
        let result = f(&self.loops[place]);
        let gone = inside(&self.loops[place], now) - before;
        for traveller in self.travellers.iter_mut().filter(|it| it.home == Some(place)) {
            traveller.left = traveller.left.saturating_sub(gone);
        }
        (gone, result)
    }

    /// Lets one of the loops go on for some time.
    fn go_on(&mut self) {
        let (place, time) = (self.random.below(2), self.milliseconds(3_000));
        let (gone, _) = self.run(place, |runtime| runtime.turn(Some(time)));
        assert!(gone <= time);
    }
}

fn random_program(seed: u64) -> usize {
    let mut world = World::new(seed);
    for _ in 0..60 {
        match world.random.below(5) {
            0 | 1 => world.make(),
            2 | 3 => world.poll(),
            _ => world.go_on(),
        }
    }
    world.ended
}

#[test]
fn random_programs_with_two_loops_wait_for_what_a_model_says() {
    let ended: usize = (1..=300).map(random_program).sum();
    assert!(ended > 300, "only {ended} waits came to their end");
}

// Random programs with two threads. A wait stays on its thread, for it is not Send, and so does a loop. So each thread has
// two loops, between which waits move, and the threads ask each other to wait.

/// What a thread asks of the other one: to wait for so long, in one of three ways. The answer is how long that took by
/// the clock of the loop that waited.
struct Order {
    kind: usize,
    time: Duration,
    answer: oneshot::Sender<Duration>,
}

impl Order {
    /// Waits, on the loop that runs, and answers.
    async fn carry_out(self) {
        let start = now();
        match self.kind {
            0 => sleep(self.time).await,
            1 => assert!(timeout(self.time, pending::<()>()).await.is_err()),
            2 => {
                let mut ticks = interval(self.time);
                assert_eq!(ticks.tick().await, start);
                assert_eq!(ticks.tick().await, start + self.time);
            }
            _ => sleep_until(start + self.time).await,
        }
        self.answer.send(now() - start).expect("whoever asked waits for the answer");
    }
}

/// What one thread of a random program does: it makes waits and moves them between its two loops, as above. Beside that
/// it gives orders to the other thread, through a channel or a handle, and takes the answers. It blocks on its first
/// loop only, whose task carries out what the other thread orders: so neither thread waits for one that waits for it.
/// Gives how many waits have ended here, and how many answers have come.
fn one_of_two_threads(
    seed: u64,
    tell_handle: std::sync::mpsc::Sender<Handle>,
    handle: std::sync::mpsc::Receiver<Handle>,
    orders: mpsc::UnboundedSender<Order>,
    mut ordered: mpsc::Receiver<Order>,
) -> [usize; 2] {
    let mut world = World::new(seed);
    let home = world.loops[0].handle();
    let outside = home.outside();
    tell_handle.send(home).unwrap();
    let other = handle.recv().unwrap();
    let server = world.loops[0].spawn(async move {
        let mut tasks = Vec::new();
        while let Some(order) = ordered.recv().await {
            tasks.push(spawn(order.carry_out()));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
    let (mut owed, mut answers, mut given) = (Vec::new(), 0, 0);
    let mut came = |took: Result<Duration, _>, time: Duration| {
        // Exactly so long: never too short, and under the virtual clock not too long, either.
        assert_eq!(took, Ok(time), "seed {seed}");
        answers += 1;
    };
    for _ in 0..50 {
        match world.random.below(8) {
            0 | 1 => world.make(),
            2 | 3 => world.poll(),
            4 => world.go_on(),
            5 | 6 => {
                let (answer, answered) = oneshot::channel();
                let (kind, time) = (world.random.below(4), world.milliseconds(5_000) + Duration::from_millis(1));
                let order = Order { kind, time, answer };
                if world.random.below(2) == 0 {
                    assert!(orders.send(order).is_ok());
                } else {
                    let spawned = other.spawn(async move { drop(spawn(order.carry_out())) });
                    world.run(0, |home| home.block_on(spawned)).1.unwrap();
                }
                owed.push((answered, time));
                given += 1;
            }
            _ if owed.is_empty() => {}
            _ => {
                let (mut answered, time) = owed.swap_remove(world.random.below(owed.len()));
                if world.random.below(2) == 0 {
                    came(world.run(0, |home| home.block_on(answered)).1, time);
                    continue;
                }
                // Either the answer comes in time, or the timeout has waited for all of its time.
                let limit = world.milliseconds(5_000);
                let start = inside(&world.loops[0], now);
                let (_, first) = world.run(0, |home| {
                    home.block_on(async { timeout(limit, &mut answered).await.map_err(|_| now() - start) })
                });
                match first {
                    Ok(took) => came(took, time),
                    Err(gone) => {
                        assert_eq!(gone, limit, "seed {seed}");
                        owed.push((answered, time));
                    }
                }
            }
        }
    }
    for (answered, time) in owed {
        came(world.run(0, |home| home.block_on(answered)).1, time);
    }
    drop(orders);
    world.run(0, |home| home.block_on(server)).1.unwrap();
    drop(outside);
    assert_eq!(answers, given, "seed {seed}");
    [world.ended, answers]
}

#[test]
fn random_programs_on_two_threads_wait_for_what_the_model_says_and_every_answer_comes() {
    let (mut ended, mut answers) = (0, 0);
    for seed in 1..=100 {
        let ((to_one, one), (to_two, two)) = (mpsc::unbounded(), mpsc::unbounded());
        let ((tell_one, handle_of_two), (tell_two, handle_of_one)) =
            (std::sync::mpsc::channel(), std::sync::mpsc::channel());
        let there = thread::spawn(move || one_of_two_threads(seed + 1_000, tell_one, handle_of_one, to_one, two));
        let here = one_of_two_threads(seed, tell_two, handle_of_two, to_two, one);
        for [ends, came] in [here, there.join().unwrap()] {
            ended += ends;
            answers += came;
        }
    }
    assert!(ended > 500 && answers > 1_500, "only {ended} waits came to their end, and {answers} answers");
}

#[test]
fn tasks_that_wait_for_the_same_clock_end_in_the_order_of_what_they_wait_for() {
    // A check of the model's other side: nothing comes late either, under the virtual clock.
    let runtime = ahead_by(DAY);
    let made: Vec<_> = (0..20).map(|n| (n, sleep((20 - n) * SECOND))).collect();
    let order = runtime.block_on(async {
        let (sender, mut ended) = runtime::sync::mpsc::unbounded();
        for (n, nap) in made {
            let sender = sender.clone();
            drop(spawn(async move {
                nap.await;
                sender.send((n, now())).unwrap();
            }));
        }
        drop(sender);
        let start = now();
        yield_now().await;
        let mut order = Vec::new();
        while let Some((n, at)) = ended.recv().await {
            order.push((n, at - start));
        }
        order
    });
    assert_eq!(order, (0..20).rev().map(|n| (n, (20 - n) * SECOND)).collect::<Vec<_>>());
}

#[test]
fn a_poll_that_is_pending_is_pending() {
    // So that the model above is not the only witness: one traveller, by hand.
    let (one, two) = (virtual_runtime(), ahead_by(DAY));
    let mut nap = inside(&one, || sleep(3 * SECOND));
    for runtime in [&one, &two, &one] {
        assert_eq!(inside(runtime, || poll_once(&mut nap)), Poll::Pending);
        runtime.turn(Some(SECOND));
    }
    assert_eq!(inside(&two, || poll_once(&mut nap)), Poll::Ready(()));
}

// Missed ticks.

/// When the ticks come that a task asks for, which works for 25 ms after its second tick and for 3 ms after the fifth.
fn ticks(behavior: MissedTickBehavior) -> Vec<(u64, u64)> {
    virtually(async {
        let start = now();
        let mut ticks = interval(Duration::from_millis(10));
        assert_eq!(ticks.missed_tick_behavior(), MissedTickBehavior::Burst);
        ticks.set_missed_tick_behavior(behavior);
        assert_eq!(ticks.missed_tick_behavior(), behavior);
        let mut seen = Vec::new();
        for n in 0..8 {
            let due = ticks.tick().await;
            seen.push(((due - start).as_millis() as u64, (now() - start).as_millis() as u64));
            sleep(Duration::from_millis(match n {
                1 => 25,
                // Later than it was due, and not late enough to be missed.
                4 => 13,
                _ => 0,
            }))
            .await;
        }
        seen
    })
}

#[test]
fn missed_ticks_come_or_do_not_as_they_were_told_to() {
    use MissedTickBehavior::{Burst, Delay, Skip};
    // When each was due, and when it came.
    assert_eq!(ticks(Burst), [(0, 0), (10, 10), (20, 35), (30, 35), (40, 40), (50, 53), (60, 60), (70, 70)]);
    assert_eq!(ticks(Delay), [(0, 0), (10, 10), (20, 35), (45, 45), (55, 55), (65, 68), (75, 75), (85, 85)]);
    assert_eq!(ticks(Skip), [(0, 0), (10, 10), (20, 35), (40, 40), (50, 50), (60, 63), (70, 70), (80, 80)]);
    assert_eq!(MissedTickBehavior::default(), Burst);
}

#[test]
fn a_tick_is_missed_when_it_is_more_than_five_milliseconds_late() {
    let ms = Duration::from_millis;
    for (late, next) in [(ms(5), ms(20)), (ms(5) + Duration::from_nanos(1), ms(25) + Duration::from_nanos(1))] {
        virtually(async {
            let start = now();
            let mut ticks = interval(ms(10));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks.tick().await;
            sleep(ms(10) + late).await;
            assert_eq!(ticks.tick().await - start, ms(10));
            assert_eq!(ticks.tick().await - start, next);
        });
    }
}

#[test]
fn an_interval_that_is_late_by_a_multiple_of_its_period_skips_to_the_next_one() {
    virtually(async {
        let start = now();
        let mut ticks = interval(SECOND);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        ticks.tick().await;
        sleep(3 * SECOND).await;
        assert_eq!(ticks.tick().await - start, SECOND);
        assert_eq!(ticks.tick().await - start, 4 * SECOND);
        assert_eq!(now() - start, 4 * SECOND);
    });
}

// Reset.

#[test]
fn a_sleep_that_is_reset_while_it_is_waited_for_wakes_at_the_new_deadline_without_another_poll() {
    for (first, second) in [(HOUR, 2 * HOUR), (2 * HOUR, HOUR)] {
        let runtime = virtual_runtime();
        let (count, waker) = Count::new();
        let mut nap = inside(&runtime, || tests::armed(first, &waker));
        let deadline = inside(&runtime, now) + second;
        // Also from outside of the loop, as here.
        Pin::new(&mut nap).reset(deadline);
        assert_eq!((nap.deadline(), count.wakes()), (deadline, 0));
        assert_eq!(counts(runtime.turn(None)), [0, 1, 0, 0]);
        assert_eq!((inside(&runtime, now), count.wakes()), (deadline, 1));
        assert_eq!(inside(&runtime, || poll_once(&mut nap)), Poll::Ready(()));
        // The first deadline means nothing any more.
        assert_eq!(counts(runtime.turn(Some(3 * HOUR))), [0, 0, 0, 0]);
    }
}

#[test]
fn a_sleep_may_be_reset_before_its_first_poll_and_after_its_end() {
    virtually(async {
        let start = now();
        let mut nap = pin!(sleep(HOUR));
        nap.as_mut().reset(start + SECOND);
        nap.as_mut().await;
        assert_eq!(now() - start, SECOND);
        nap.as_mut().reset(start + 5 * SECOND);
        assert!(poll_once(&mut nap.as_mut()).is_pending());
        nap.as_mut().await;
        assert_eq!(now() - start, 5 * SECOND);
        // Into the past: it is over.
        nap.as_mut().reset(start);
        assert!(poll_once(&mut nap.as_mut()).is_ready());
    });
    // And one that has not begun, outside of any loop.
    let runtime = ahead_by(HOUR);
    let (mut nap, deadline) = (sleep(DAY), inside(&runtime, now) + SECOND);
    Pin::new(&mut nap).reset(deadline);
    assert_eq!(takes(&runtime, nap), SECOND);
}

#[test]
fn a_sleep_that_is_reset_into_the_past_while_it_is_waited_for_wakes_at_once() {
    let runtime = virtual_runtime();
    let (count, waker) = Count::new();
    let mut nap = inside(&runtime, || tests::armed(HOUR, &waker));
    let start = inside(&runtime, now);
    Pin::new(&mut nap).reset(start - HOUR);
    assert_eq!(counts(runtime.turn(None)), [0, 1, 0, 0]);
    assert_eq!((inside(&runtime, now), count.wakes()), (start, 1));
}

#[test]
fn a_sleep_that_was_reset_is_an_instant_by_whatever_clock() {
    let (one, two) = (ahead_by(HOUR), ahead_by(2 * HOUR));
    let mut nap = inside(&one, || sleep(DAY));
    let deadline = inside(&two, now) + SECOND;
    Pin::new(&mut nap).reset(deadline);
    assert!(inside(&one, || poll_once(&mut nap)).is_pending());
    assert_eq!(takes(&two, &mut nap), SECOND);
}

#[test]
fn an_interval_that_is_reset_ticks_one_period_later() {
    let runtime = virtual_runtime();
    let (count, waker) = Count::new();
    let mut ticks = inside(&runtime, || interval(10 * SECOND));
    let tick = |ticks: &mut Interval, waker| {
        inside(&runtime, || ticks.poll_tick(&mut Context::from_waker(waker)).map(|due| (due, now())))
    };
    let start = inside(&runtime, now);
    assert_eq!(tick(&mut ticks, &waker), Poll::Ready((start, start)));
    // Before it waits, while it waits, also from outside of its loop.
    runtime.turn(Some(3 * SECOND));
    inside(&runtime, || ticks.reset());
    assert!(tick(&mut ticks, &waker).is_pending());
    runtime.turn(Some(4 * SECOND));
    ticks.reset();
    assert_eq!(counts(runtime.turn(None)), [0, 1, 0, 0]);
    assert_eq!(count.wakes(), 1);
    let at = start + 17 * SECOND;
    assert_eq!(tick(&mut ticks, &waker), Poll::Ready((at, at)));
    runtime.turn(Some(SECOND));
    // Between two ticks.
    inside(&runtime, || ticks.reset());
    assert!(tick(&mut ticks, &waker).is_pending());
    runtime.turn(None);
    let at = start + 28 * SECOND;
    assert_eq!(tick(&mut ticks, &waker), Poll::Ready((at, at)));
}

// The virtual clock beside other threads.

#[test]
fn a_virtual_loop_waits_for_no_other_thread_and_says_what_to_do() {
    let (tell, told) = oneshot::channel::<()>();
    let message = panic_message(|| virtually(told));
    drop(tell);
    let cure = "Other threads and other loops are not waited for: if one of them will wake this loop, keep the guard of \
                Handle::outside() until it has.";
    assert!(message.starts_with("nothing can happen any more") && message.contains(cure), "{message}");
}

#[test]
fn while_somebody_is_outside_a_virtual_loop_parks_until_it_is_woken() {
    let runtime = virtual_runtime();
    let parked = thread_number();
    let (answer, start) = runtime.block_on(async {
        let (tell, told) = oneshot::channel();
        let outside = Handle::current().outside();
        thread::spawn(move || {
            until_parked(parked);
            tell.send("a word").unwrap();
            drop(outside);
        });
        let start = now();
        (told.await.unwrap(), start)
    });
    assert_eq!((answer, inside(&runtime, now)), ("a word", start), "time stood still");
}

#[test]
fn time_jumps_to_a_deadline_though_somebody_is_outside() {
    let runtime = virtual_runtime();
    let outside = runtime.handle().outside();
    assert_eq!(takes(&runtime, sleep(HOUR)), HOUR);
    let start = inside(&runtime, now);
    assert_eq!(counts(runtime.turn(Some(HOUR))), [0, 0, 0, 0]);
    assert_eq!(inside(&runtime, now) - start, HOUR);
    drop(outside);
}

#[test]
fn when_the_last_one_outside_goes_a_parked_virtual_loop_says_that_nothing_can_happen() {
    let runtime = virtual_runtime();
    let guards = [runtime.handle().outside(), runtime.handle().outside()];
    let parked = thread_number();
    let thread = thread::spawn(move || {
        for guard in guards {
            until_parked(parked);
            drop(guard);
        }
    });
    let message = panic_message(|| runtime.block_on(pending::<()>()));
    assert!(message.starts_with("nothing can happen any more"), "{message}");
    thread.join().unwrap();
    // It goes on, and a guard works again.
    let outside = runtime.handle().outside();
    let task = runtime.handle().spawn(async { 1 });
    assert_eq!(runtime.block_on(task).unwrap(), 1);
    drop(runtime);
    drop(outside);
}

#[test]
fn a_guard_that_goes_as_the_loop_is_about_to_park_is_not_overlooked() {
    for seed in 1..=200 {
        let runtime = virtual_runtime();
        let outside = runtime.handle().outside();
        let mut random = Random::new(seed);
        let thread = thread::spawn(move || {
            let doublings = random.below(14);
            (0..random.below(1 << doublings)).for_each(|_| std::hint::spin_loop());
            drop(outside);
        });
        let message = panic_message(|| runtime.block_on(pending::<()>()));
        assert!(message.starts_with("nothing can happen any more"), "{message}");
        thread.join().unwrap();
    }
}

#[test]
fn a_guard_changes_nothing_by_the_systems_clock() {
    let runtime = Runtime::new().unwrap();
    let outside = runtime.handle().outside();
    assert_eq!(runtime.block_on(async { spawn(async { 1 }).await.unwrap() }), 1);
    assert_eq!(counts(runtime.turn(Some(Duration::from_millis(1)))), [0, 0, 0, 0]);
    drop(outside);
    assert_eq!(counts(runtime.turn(Some(Duration::ZERO))), [0, 0, 0, 1]);
}

/// Two virtual loops on two threads, which ask each other at random; each sleeps in between. Gives how far the clock of
/// each has gone.
fn two_loops(seed: u64) -> [Duration; 2] {
    /// Answers what the other one asks, and asks as often; gives by how much its clock has gone on, and by how much it had to.
    fn one(
        runtime: &Runtime,
        mut random: Random,
        ask: mpsc::UnboundedSender<oneshot::Sender<u32>>,
        mut asked: mpsc::Receiver<oneshot::Sender<u32>>,
    ) -> (Duration, Duration) {
        runtime.block_on(async {
            let outside = Handle::current().outside();
            let (start, answers) = (
                now(),
                spawn(async move {
                    let mut answered = 0;
                    while let Some(answer) = asked.recv().await {
                        answered += 1;
                        let _ = answer.send(answered);
                    }
                    answered
                }),
            );
            let mut slept = Duration::ZERO;
            for n in 1..=20 {
                let nap = Duration::from_millis(random.below(10_000) as u64);
                sleep(nap).await;
                slept += nap;
                let (answer, answered) = oneshot::channel();
                ask.send(answer).unwrap();
                assert_eq!(answered.await, Ok(n));
            }
            drop(ask);
            assert_eq!(answers.await.unwrap(), 20);
            drop(outside);
            (now() - start, slept)
        })
    }
    let mut random = Random::new(seed);
    let ((to_one, by_one), (to_two, by_two)) = (mpsc::unbounded(), mpsc::unbounded());
    let (first, second) = (Random::new(random.number()), Random::new(random.number()));
    let other = thread::spawn(move || one(&virtual_runtime(), second, to_one, by_two));
    let (here, there) = (one(&ahead_by(DAY), first, to_two, by_one), other.join().unwrap());
    assert_eq!((here.0, there.0), (here.1, there.1), "seed {seed}: gone by the clock, and slept");
    [here.0, there.0]
}

#[test]
fn two_virtual_loops_on_two_threads_wait_for_each_other_and_keep_their_own_time() {
    for seed in 1..=50 {
        assert_eq!(two_loops(seed), two_loops(seed), "seed {seed}");
    }
}

// The handle of the running loop.

#[test]
fn the_current_handle_is_that_of_the_running_loop() {
    let (one, two) = (virtual_runtime(), virtual_runtime());
    let handles = [&one, &two].map(|runtime| inside(runtime, Handle::current));
    let tasks = handles.map(|handle| handle.spawn(async { 1 }));
    assert_eq!(counts(one.turn(Some(Duration::ZERO))), [1, 0, 0, 1]);
    assert_eq!(counts(two.turn(Some(Duration::ZERO))), [1, 0, 0, 1]);
    assert!(tasks.iter().all(|task| task.is_finished()));
}

#[test]
fn outside_of_a_loop_there_is_no_current_handle() {
    let message = "Handle::current needs a running event loop, and none runs on this thread: do it inside \
                   runtime::block_on(async { … })";
    assert_eq!(panic_message(Handle::current), message);
    let runtime = virtual_runtime();
    let job = inside(&runtime, || spawn_blocking(|| panic_message(Handle::current)));
    assert_eq!(runtime.block_on(job).unwrap(), message);
    assert_eq!(panic_message(Handle::current), message);
}
