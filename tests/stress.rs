//! Foreign threads that wake, abort, spawn and ask at random, through the start, the run and the drop of runtimes.
//!
//! Two threads make runtimes, fill them with tasks, turn them and drop them in whatever state they are. What other
//! threads may touch of them goes into a bag and stays there when they are long gone: wakers, abort handles, handles of
//! runtimes, channels. Three threads reach into the bag. What must hold, whatever happens:
//!
//! - a future is polled on one thread, never after its end, and dropped once, where it was polled;
//! - a task is cancelled only if it was to be aborted, or its runtime was dropped;
//! - every handle comes to an end, and every question gets an answer or hears that nobody is there;
//! - a loop that parks with no timer and no limit, and that one other thread wakes once, goes on: one ring that is lost,
//!   and it hangs, which a watchdog sees, for it watches each thread by itself.
//!
//! It runs for two seconds, for `GLASSLOOP_STRESS` seconds, or as it is told:
//! `cargo test -p tests --test stress -- --seconds 600 --seed 7`. The seed gives the same decisions to every thread; what
//! the system makes of them is its own affair.

use runtime::sync::{mpsc, oneshot};
use runtime::task::{spawn_blocking, yield_now};
use runtime::time::sleep;
use runtime::{AbortHandle, Handle, JoinHandle, Runtime, block_on};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};
use tests::{Random, poll_once};

/// Threads that make runtimes, and threads that reach into the bag.
const LOOPS: usize = 2;
const FOREIGN: usize = 3;

/// The bag is never larger: old things give way to new ones, by chance.
const BAG: usize = 200;

/// One of the threads has not moved for so long: it hangs. Generous, for valgrind's sake.
const HANG: Duration = Duration::from_secs(240);

/// What is counted, for the checks and for the report at the end.
#[derive(Default)]
struct Counts {
    futures: AtomicUsize,
    dropped: AtomicUsize,
    runtimes: AtomicUsize,
    wakes: AtomicUsize,
    aborts: AtomicUsize,
    spawns: AtomicUsize,
    answers: AtomicUsize,
    refusals: AtomicUsize,
    calls: AtomicUsize,
}

/// What all threads share.
#[derive(Default)]
struct World {
    bag: Mutex<Vec<Thing>>,
    /// Who is parked and waits for one wake: the first foreign thread that comes takes the call, and answers it.
    calls: Mutex<Vec<(Waker, Arc<AtomicBool>)>>,
    counts: Counts,
    /// What each thread has done so far, for the watchdog.
    steps: [AtomicUsize; LOOPS + FOREIGN],
    /// The loops are to end.
    stop: AtomicBool,
    /// All of them have ended.
    quiet: AtomicBool,
}

/// What a foreign thread may find.
#[derive(Clone)]
enum Thing {
    Waker(Waker),
    /// To abort a task, and the task's mark that somebody asked for it.
    Abort(AbortHandle, Arc<AtomicBool>),
    Handle(Handle),
    /// To ask a task that gives back each number, plus one.
    Echo(mpsc::UnboundedSender<(u64, oneshot::Sender<u64>)>),
}

impl World {
    fn put(&self, random: &mut Random, thing: Thing) {
        let mut bag = self.bag.lock().unwrap();
        if bag.len() < BAG {
            bag.push(thing);
        } else {
            let place = random.below(BAG);
            // Dropped after the lock: to drop a channel's last sender wakes somebody.
            let _old = std::mem::replace(&mut bag[place], thing);
            drop(bag);
        }
    }

    fn take(&self, random: &mut Random) -> Option<Thing> {
        let bag = self.bag.lock().unwrap();
        (!bag.is_empty()).then(|| bag[random.below(bag.len())].clone())
    }

    /// The thread moves.
    fn step(&self, thread: usize) {
        self.steps[thread].fetch_add(1, SeqCst);
    }

    /// Leaves a call, and waits until it is answered.
    async fn call(&self) {
        let answered = Arc::new(AtomicBool::new(false));
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            if polls == 1 {
                self.calls.lock().unwrap().push((cx.waker().clone(), Arc::clone(&answered)));
                return Poll::Pending;
            }
            assert!(polls == 2 && answered.load(SeqCst), "one wake, one poll, after what led to it");
            Poll::Ready(())
        })
        .await;
    }
}

/// A future under watch.
struct Watched<F> {
    future: Pin<Box<F>>,
    world: Arc<World>,
    /// Where it was polled first.
    home: Option<ThreadId>,
    done: bool,
}

impl<F> Watched<F> {
    fn new(world: &Arc<World>, future: F) -> Watched<F> {
        world.counts.futures.fetch_add(1, SeqCst);
        Watched { future: Box::pin(future), world: Arc::clone(world), home: None, done: false }
    }
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        assert!(!self.done, "a future was polled after its end");
        let here = thread::current().id();
        assert_eq!(*self.home.get_or_insert(here), here, "a future was polled on two threads");
        let polled = self.future.as_mut().poll(cx);
        self.done = polled.is_ready();
        polled
    }
}

impl<F> Drop for Watched<F> {
    fn drop(&mut self) {
        self.world.counts.dropped.fetch_add(1, SeqCst);
        let here = thread::current().id();
        assert!(
            self.home.is_none_or(|home| home == here),
            "a future was dropped on another thread than it was polled on"
        );
    }
}

/// A task's life, by chance.
async fn life(world: Arc<World>, mut random: Random) {
    for _ in 0..random.below(6) {
        match random.below(4) {
            0 => yield_now().await,
            1 => sleep(Duration::from_micros(random.below(2_000) as u64)).await,
            // While its runtime lives, a job is neither refused nor lost; and with it the one who awaits it is gone.
            2 => assert_eq!(spawn_blocking(|| 6 * 7).await.expect("a job that nobody aborts has a result"), 42),
            // Until some thread wakes it, or for ever.
            _ => {
                let mut polls = 0;
                poll_fn(|cx| {
                    world.put(&mut random, Thing::Waker(cx.waker().clone()));
                    polls += 1;
                    if polls > 2 { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            }
        }
    }
}

/// The life of a task that comes from another thread: it must be Send, and what it does on the loop is not. So it has a
/// task of the loop do it, and waits to be told.
async fn life_from_elsewhere(world: Arc<World>, random: Random) {
    let (tell, told) = oneshot::channel();
    let inner = Watched::new(&world, life(Arc::clone(&world), random));
    drop(runtime::spawn(async move {
        inner.await;
        let _ = tell.send(());
    }));
    let _ = told.await;
}

/// A task of a loop, its handle, and the mark that somebody wants to abort it.
type Local = (JoinHandle<()>, Arc<AtomicBool>);

fn spawn_on(
    runtime: &Runtime,
    world: &Arc<World>,
    random: &mut Random,
    future: impl Future<Output = ()> + 'static,
) -> Local {
    let (task, mark) = (runtime.spawn(Watched::new(world, future)), Arc::new(AtomicBool::new(false)));
    world.put(random, Thing::Abort(task.abort_handle(), Arc::clone(&mark)));
    (task, mark)
}

/// Lets a loop park with no timer and no limit, again and again, in a runtime of which nobody else knows: only the ring
/// of the one who answers the call ends each park.
fn park_for_calls(world: &Arc<World>, thread: usize, random: &mut Random) {
    let runtime = Runtime::new().expect("the system gives descriptors");
    for _ in 0..random.below(30) {
        world.step(thread);
        if random.below(2) == 0 {
            runtime.block_on(world.call());
        } else {
            let task = runtime.spawn({
                let world = Arc::clone(world);
                Watched::new(&Arc::clone(&world), async move { world.call().await })
            });
            while !task.is_finished() {
                runtime.turn(None);
            }
        }
    }
}

/// Makes runtimes, one after the other, and drops them.
fn run_loops(world: &Arc<World>, me: usize, mut random: Random) {
    while !world.stop.load(SeqCst) {
        park_for_calls(world, me, &mut random);
        let runtime = Runtime::new().expect("the system gives descriptors");
        world.counts.runtimes.fetch_add(1, SeqCst);
        world.put(&mut random, Thing::Handle(runtime.handle()));
        let (ask, mut asked) = mpsc::unbounded::<(u64, oneshot::Sender<u64>)>();
        world.put(&mut random, Thing::Echo(ask));
        let echo = async move {
            while let Some((number, answer)) = asked.recv().await {
                let _ = answer.send(number + 1);
            }
        };
        let mut tasks = vec![spawn_on(&runtime, world, &mut random, echo)];
        for _ in 0..random.below(30) {
            world.step(me);
            match random.below(5) {
                0 => _ = runtime.turn(Some(Duration::ZERO)),
                1 => _ = runtime.turn(Some(Duration::from_micros(random.below(1_000) as u64))),
                2 => {
                    let yields = random.below(20);
                    runtime.block_on(async {
                        for _ in 0..yields {
                            yield_now().await;
                        }
                    });
                }
                3 => runtime.block_on(sleep(Duration::from_micros(random.below(500) as u64))),
                _ => {
                    let life = life(Arc::clone(world), Random::new(random.number()));
                    tasks.push(spawn_on(&runtime, world, &mut random, life));
                }
            }
        }
        // Before the drop, whoever was cancelled had to be.
        let ended: Vec<Local> = tasks.extract_if(.., |(task, _)| task.is_finished()).collect();
        for (mut task, mark) in ended {
            let Poll::Ready(result) = poll_once(&mut task) else { panic!("a finished task has no result") };
            assert!(result.is_ok() || mark.load(SeqCst), "nobody aborted this task: {result:?}");
        }
        drop(runtime);
        for (mut task, _) in tasks {
            let Poll::Ready(result) = poll_once(&mut task) else { panic!("a task outlived its runtime") };
            assert!(result.is_ok() || result.unwrap_err().is_cancelled());
        }
    }
}

/// Reaches into the bag until the loops have ended, and a little longer.
fn meddle(world: &Arc<World>, me: usize, mut random: Random) {
    let mut tasks: Vec<JoinHandle<()>> = Vec::new();
    let mut after = 1_000;
    while after > 0 {
        after -= usize::from(world.quiet.load(SeqCst));
        world.step(me);
        let call = world.calls.lock().unwrap().pop();
        if let Some((waker, answered)) = call {
            // Long enough for the loop to park, or not quite, or not at all.
            let doublings = random.below(12);
            (0..random.below(1 << doublings)).for_each(|_| std::hint::spin_loop());
            world.counts.calls.fetch_add(1, SeqCst);
            answered.store(true, SeqCst);
            waker.wake();
        }
        let Some(thing) = world.take(&mut random) else { continue };
        let counts = &world.counts;
        match thing {
            Thing::Waker(waker) => {
                counts.wakes.fetch_add(1, SeqCst);
                waker.clone().wake_by_ref();
                waker.wake();
            }
            Thing::Abort(abort, mark) if random.below(8) == 0 => {
                counts.aborts.fetch_add(1, SeqCst);
                mark.store(true, SeqCst);
                abort.abort();
            }
            Thing::Abort(..) => {}
            Thing::Handle(handle) => {
                counts.spawns.fetch_add(1, SeqCst);
                let life = life_from_elsewhere(Arc::clone(world), Random::new(random.number()));
                let task = handle.spawn(Watched::new(world, life));
                match random.below(4) {
                    0 => task.abort(),
                    1 => world.put(&mut random, Thing::Abort(task.abort_handle(), Arc::default())),
                    _ => {}
                }
                tasks.push(task);
            }
            Thing::Echo(echo) => {
                let (answer, answered) = oneshot::channel();
                let number = random.number() >> 1;
                let asked = echo.send((number, answer)).is_ok();
                drop(echo);
                // A loop of its own waits for the answer: one more that starts, parks and is dropped.
                match block_on(answered) {
                    Ok(n) => {
                        assert!(asked, "a question that was refused has an answer");
                        assert_eq!(n, number + 1);
                        counts.answers.fetch_add(1, SeqCst);
                    }
                    Err(_) => _ = counts.refusals.fetch_add(1, SeqCst),
                }
            }
        }
        if tasks.len() > 50 {
            tasks.retain_mut(|task| poll_once(task).is_pending());
            // Some are let go, whatever becomes of them.
            tasks.truncate(40);
        }
    }
    // Every runtime is gone.
    for mut task in tasks {
        assert!(poll_once(&mut task).is_ready(), "a handle waits for a runtime that is gone");
    }
}

/// What the command line asks for: how many seconds, and from which seed. `None`: this test is not meant.
fn options() -> Option<(f64, u64)> {
    const NAME: &str = "stress";
    let seconds =
        std::env::var("GLASSLOOP_STRESS").map_or(2.0, |text| text.parse().expect("GLASSLOOP_STRESS: seconds"));
    let (mut seconds, mut seed, mut filters, mut skipped) = (seconds, 1, Vec::new(), false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} what?"));
        match argument.as_str() {
            "--seconds" => seconds = value().parse().expect("--seconds takes a number"),
            "--seed" => seed = value().parse().expect("--seed takes a number"),
            "--list" => {
                println!("{NAME}: test");
                return None;
            }
            "--skip" => skipped |= NAME.contains(&value()),
            // Those of the standard test programs, to whom cargo gives the same arguments.
            "--test-threads" | "--format" | "--color" | "--logfile" | "-Z" => _ = value(),
            "--ignored" => return None,
            filter if !filter.starts_with('-') => filters.push(argument),
            _ => {}
        }
    }
    let wanted = filters.is_empty() || filters.iter().any(|filter| NAME.contains(filter.as_str()));
    (wanted && !skipped).then_some((seconds, seed))
}

fn main() {
    let Some((seconds, seed)) = options() else { return };
    // Many a panic would be caught by a loop, as a task's: here each is an error.
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        eprintln!("stress, with seed {seed}:");
        tell(panic);
        std::process::exit(101);
    }));
    let (world, mut random) = (Arc::new(World::default()), Random::new(seed));
    let mut start = |me: usize, work: fn(&Arc<World>, usize, Random)| {
        let (world, random) = (Arc::clone(&world), Random::new(random.number()));
        thread::spawn(move || work(&world, me, random))
    };
    let threads: Vec<_> =
        (0..LOOPS + FOREIGN).map(|me| start(me, if me < LOOPS { run_loops } else { meddle })).collect();
    let (loops, foreign) = threads.split_at(LOOPS);

    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut seen = [(0, Instant::now()); LOOPS + FOREIGN];
    // Looks whether all threads move that are not at their end.
    let mut watch = || {
        thread::park_timeout(Duration::from_millis(10));
        for (me, thread) in threads.iter().enumerate() {
            let steps = world.steps[me].load(SeqCst);
            if steps != seen[me].0 || thread.is_finished() {
                seen[me] = (steps, Instant::now());
            }
            let what = if me < LOOPS { "a loop" } else { "a foreign thread" };
            assert!(seen[me].1.elapsed() < HANG, "{what} (thread {me}) moves no more: a wake-up was lost");
        }
    };
    let counts = &world.counts;
    let happened = || {
        let all = [&counts.wakes, &counts.aborts, &counts.spawns, &counts.answers, &counts.refusals, &counts.calls];
        all.iter().all(|n| n.load(SeqCst) > 0)
    };
    // A machine that is busy with something else gets round to everything in the end.
    while Instant::now() < end || !happened() {
        watch();
        assert!(Instant::now() < end + HANG, "something never happened");
    }
    world.stop.store(true, SeqCst);
    while !loops.iter().all(|thread| thread.is_finished()) {
        watch();
    }
    world.quiet.store(true, SeqCst);
    while !foreign.iter().all(|thread| thread.is_finished()) {
        watch();
    }
    let bag = std::mem::take(&mut *world.bag.lock().unwrap());
    drop(bag);

    let [futures, dropped, runtimes, wakes, aborts, spawns, answers, refusals, calls] = [
        &counts.futures,
        &counts.dropped,
        &counts.runtimes,
        &counts.wakes,
        &counts.aborts,
        &counts.spawns,
        &counts.answers,
        &counts.refusals,
        &counts.calls,
    ]
    .map(|count| count.load(SeqCst));
    assert_eq!(futures, dropped, "futures made, and dropped");
    assert!(
        [runtimes, wakes, aborts, spawns, answers, refusals, calls].iter().all(|&n| n > 0),
        "something never happened"
    );
    println!(
        "stress: {runtimes} runtimes, {futures} futures; from other threads {wakes} wakes, {aborts} aborts, {spawns} \
         spawns, {answers} answers, {refusals} refusals, {calls} calls answered to parked loops; seed {seed}"
    );
}
