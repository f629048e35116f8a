//! Programs: what a body may do, random ones, and the interpreter that runs a body on either runtime and writes down what
//! it sees.

use crate::api::{Alarm, Api, Boxed, Channel, Form, Kind, Missed, Oneshot, Semaphore, Task};
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::rc::Rc;
use tests::Random;

/// One step of a body. The numbers choose among what there is.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Sleep(u64),
    Yield,
    /// Yields so often in a row, and tells after which yields something had happened meanwhile.
    Busy(usize),
    Timeout(u64, Vec<Op>),
    Spawn(Vec<Op>),
    Join(usize),
    Abort(usize),
    Job,
    Gather(Form, Vec<Vec<Op>>),
    /// The ends of children, with a pause after every other one; the others are waited for so long, again and again.
    Ends(u64, Vec<Vec<Op>>),
    Streams(Vec<Vec<Vec<Op>>>),
    Group(Vec<Vec<Op>>, Vec<Op>),
    Interval(u64, Missed, Vec<Beat>),
    Ring(usize),
    Set(usize, u64),
    Send(usize),
    TrySend(usize),
    Recv(usize),
    TryRecv(usize),
    Close(usize),
    Closed(usize),
    DropSender(usize),
    Tell(usize),
    Told(usize),
    Untold(usize),
    Acquire(usize, Vec<Op>),
    AcquireOwned(usize, Vec<Op>),
    TryAcquire(usize, Vec<Op>),
    Add(usize),
}

/// What is done with an interval.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Beat {
    Tick,
    /// At most so long.
    TickWithin(u64),
    Pause(u64),
    Reset,
}

/// What random programs have to show often: steps that came to an end, and ends of other kinds.
pub(crate) const WORDS: &[&str] = &[
    "slept",
    "yielded",
    "was busy",
    "in time",
    "too late",
    "spawned",
    "joined",
    "aborted",
    "did a job",
    "gathered",
    "limited",
    "all gathered",
    "gather failed",
    "raced",
    "first ok",
    "none ok",
    "tasks gathered",
    "tasks failed",
    "came",
    "nobody came",
    "all came",
    "streamed",
    "grouped",
    "group failed",
    "ticked",
    "no tick",
    "reset",
    "rang",
    "set",
    "sent",
    "not sent",
    "try_send",
    "received",
    "try_recv",
    "closed",
    "saw the end",
    "no sender left",
    "told",
    "heard",
    "saw nobody listen",
    "has a permit",
    "has a permit of its own",
    "try_acquire",
    "added",
    "dropped",
    "ended",
];

/// How many oneshots, semaphores and alarms a program has.
const SHARED: usize = 3;

/// The channels that it has.
const CHANNELS: [Kind; 4] = [Kind::Bounded(1), Kind::Local(2), Kind::Bounded(3), Kind::Unbounded];

/// How long main may take, in milliseconds.
const LIMIT: u64 = 40;

// Random programs.

pub(crate) fn random(random: &mut Random) -> Vec<Op> {
    body(random, 3, 8, false)
}

fn body(random: &mut Random, depth: usize, most: usize, in_place: bool) -> Vec<Op> {
    (0..random.below(most) + 1).map(|_| op(random, depth, in_place)).collect()
}

fn op(random: &mut Random, depth: usize, in_place: bool) -> Op {
    let ms = random.below(6) as u64;
    let n = random.below(64);
    let inner = |random: &mut Random, in_place| body(random, depth - 1, 4, in_place);
    if depth > 0 {
        match random.below(34) {
            0 | 1 => return Op::Timeout(ms, inner(random, in_place)),
            2..=5 => return Op::Spawn(inner(random, false)),
            6 => return Op::Acquire(n, inner(random, in_place)),
            7 => return Op::AcquireOwned(n, inner(random, in_place)),
            8 => return Op::TryAcquire(n, inner(random, in_place)),
            9..=12 => return gather(random, depth),
            13 => {
                let children = (0..random.below(5)).map(|_| body(random, depth - 1, 3, true));
                return Op::Ends(ms, children.collect());
            }
            14 => {
                let stream =
                    |random: &mut Random| (0..random.below(3)).map(|_| body(random, depth - 1, 2, true)).collect();
                return Op::Streams((0..random.below(3)).map(|_| stream(random)).collect());
            }
            15 => {
                let tasks = (0..random.below(4)).map(|_| body(random, depth - 1, 3, false)).collect();
                return Op::Group(tasks, inner(random, in_place));
            }
            _ => {}
        }
    }
    match random.below(30) {
        0..=3 => Op::Sleep(ms),
        // A child that wakes itself while it is polled in place has an order of its own.
        4 | 5 if !in_place => Op::Yield,
        4..=6 => Op::Join(n),
        7 => Op::Abort(n),
        8..=10 => Op::Send(n),
        11 => Op::TrySend(n),
        12..=14 => Op::Recv(n),
        15 => Op::TryRecv(n),
        16 => Op::Tell(n),
        17 => Op::Told(n),
        18 => Op::Add(n),
        19 => [Op::Close(n), Op::DropSender(n)][random.below(2)].clone(),
        20 => Op::Closed(n),
        21 => Op::Untold(n),
        22 => Op::Interval(ms.max(1), [Missed::Burst, Missed::Delay, Missed::Skip][n % 3], beats(random)),
        23 => Op::Ring(n),
        24 => Op::Set(n, ms),
        25 => Op::Job,
        26 if !in_place => Op::Busy(2 * n),
        _ => Op::Sleep(ms),
    }
}

fn beats(random: &mut Random) -> Vec<Beat> {
    let beat = |random: &mut Random| match random.below(6) {
        0 => Beat::TickWithin(random.below(4) as u64),
        1 => Beat::Pause(random.below(12) as u64),
        2 => Beat::Reset,
        _ => Beat::Tick,
    };
    (0..random.below(6) + 1).map(|_| beat(random)).collect()
}

fn gather(random: &mut Random, depth: usize) -> Op {
    use Form::{FirstOk, Gather, Limited, Race, Tasks, TryGather, TryTasks};
    let form = [Gather, Limited, TryGather, Race, FirstOk, Tasks, TryTasks][random.below(7)];
    let children = (0..random.below(5)).map(|_| match form {
        // In which order those are dropped that have begun and those that have not is nobody's business.
        Limited => (0..random.below(3)).map(|_| Op::Sleep(random.below(6) as u64)).collect(),
        Tasks | TryTasks => body(random, depth - 1, 3, false),
        Gather | TryGather | Race | FirstOk => body(random, depth - 1, 3, true),
    });
    Op::Gather(form, children.collect())
}

/// Every program that lacks one step of this one, or has a body in place of a step that holds it.
pub(crate) fn smaller(program: &[Op]) -> Vec<Vec<Op>> {
    less(program, |op| {
        let of = |body: &[Op], make: &dyn Fn(Vec<Op>) -> Op| smaller(body).into_iter().map(make).collect();
        match op {
            Op::Timeout(ms, body) => of(body, &|it| Op::Timeout(*ms, it)),
            Op::Spawn(body) => of(body, &Op::Spawn),
            Op::Acquire(n, body) => of(body, &|it| Op::Acquire(*n, it)),
            Op::AcquireOwned(n, body) => of(body, &|it| Op::AcquireOwned(*n, it)),
            Op::TryAcquire(n, body) => of(body, &|it| Op::TryAcquire(*n, it)),
            Op::Gather(form, children) => bodies(children).map(|it| Op::Gather(*form, it)).collect(),
            Op::Ends(ms, children) => bodies(children).map(|it| Op::Ends(*ms, it)).collect(),
            Op::Streams(streams) => less(streams, |it| bodies(it).collect()).into_iter().map(Op::Streams).collect(),
            Op::Group(tasks, body) => {
                let fewer = bodies(tasks).map(|it| Op::Group(it, body.clone()));
                fewer.chain(smaller(body).into_iter().map(|it| Op::Group(tasks.clone(), it))).collect()
            }
            Op::Interval(ms, missed, beats) => {
                less(beats, |_| Vec::new()).into_iter().map(|it| Op::Interval(*ms, *missed, it)).collect()
            }
            _ => Vec::new(),
        }
    })
}

/// The same of a list of bodies.
fn bodies(children: &[Vec<Op>]) -> impl Iterator<Item = Vec<Vec<Op>>> {
    less(children, |child| smaller(child)).into_iter()
}

/// Every list that lacks one item of this one, or has a smaller one in its place.
fn less<T: Clone>(items: &[T], smaller: impl Fn(&T) -> Vec<T>) -> Vec<Vec<T>> {
    let mut all = Vec::new();
    for n in 0..items.len() {
        let with = |middle: &[T]| [&items[..n], middle, &items[n + 1..]].concat();
        all.push(with(&[]));
        all.extend(smaller(&items[n]).into_iter().map(|it| with(&[it])));
    }
    all
}

// The interpreter.

/// How to await a task and how to abort it.
type Spawned = (Option<Boxed<Option<u32>>>, Box<dyn Fn()>);

/// What the bodies of one run share.
pub(crate) struct World {
    api: Rc<dyn Api>,
    log: RefCell<Vec<String>>,
    /// Main is done: what comes is the end of the runtime, whose order is its own.
    over: Cell<bool>,
    /// Bodies made so far, and those that are there.
    made: Cell<u32>,
    alive: Cell<usize>,
    /// Each is awaited once.
    tasks: RefCell<Vec<Spawned>>,
    alarms: Vec<Rc<dyn Alarm>>,
    channels: Vec<Rc<dyn Channel>>,
    oneshots: Vec<Rc<dyn Oneshot>>,
    semaphores: Vec<Rc<dyn Semaphore>>,
}

impl World {
    pub(crate) fn new(api: Rc<dyn Api>) -> Rc<World> {
        Rc::new(World {
            alarms: (0..SHARED as u64).map(|n| api.alarm(5 * n)).collect(),
            channels: CHANNELS.map(|kind| api.channel(kind)).into(),
            oneshots: (0..2 * SHARED).map(|n| api.oneshot(n % 2 == 1)).collect(),
            semaphores: (0..SHARED).map(|n| api.semaphore(n)).collect(),
            api,
            log: RefCell::default(),
            over: Cell::default(),
            made: Cell::default(),
            alive: Cell::default(),
            tasks: RefCell::default(),
        })
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// Bodies that were not dropped.
    pub(crate) fn bodies(&self) -> usize {
        self.alive.get()
    }

    /// Main is done. The handles that nobody has awaited go.
    pub(crate) fn end(&self) {
        self.over.set(true);
        self.tasks.take();
    }

    fn say(&self, who: u32, what: impl Display) {
        if !self.over.get() {
            self.log.borrow_mut().push(format!("{} ms, {who}: {what}", self.api.now()));
        }
    }
}

/// A body that is there. It says so when it goes before its end, unless the order in which it goes is nobody's business.
struct Alive {
    world: Rc<World>,
    who: u32,
    ended: bool,
    quiet: bool,
}

impl Alive {
    fn new(world: &Rc<World>, quiet: bool) -> Alive {
        let who = world.made.replace(world.made.get() + 1);
        world.alive.set(world.alive.get() + 1);
        Alive { world: Rc::clone(world), who, ended: false, quiet }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.world.alive.set(self.world.alive.get() - 1);
        if !self.ended && !self.quiet {
            self.world.say(self.who, "dropped");
        }
    }
}

/// What main does: the program, for so long.
pub(crate) fn main(world: &Rc<World>, program: &[Op]) -> Boxed<()> {
    let (api, body) = (Rc::clone(&world.api), run(world, program));
    Box::pin(async move { _ = api.timeout(LIMIT, body).await })
}

/// The body of these steps. It gives its number and how many values it has received.
fn run(world: &Rc<World>, ops: &[Op]) -> Boxed<u32> {
    run_alive(Alive::new(world, false), ops)
}

fn run_alive(alive: Alive, ops: &[Op]) -> Boxed<u32> {
    let ops = ops.to_vec();
    Box::pin(async move {
        let mut alive = alive;
        let (mut received, world, who) = (0, Rc::clone(&alive.world), alive.who);
        for op in &ops {
            received += step(&world, who, op).await;
        }
        alive.ended = true;
        world.say(who, "ended");
        who + received
    })
}

fn run_all(world: &Rc<World>, bodies: &[Vec<Op>]) -> Vec<Boxed<u32>> {
    bodies.iter().map(|body| run(world, body)).collect()
}

/// What `future` gives, if it does so within this time.
async fn within<T: 'static>(api: &Rc<dyn Api>, ms: u64, future: Boxed<T>) -> Option<T> {
    let given = Rc::new(Cell::new(None));
    let place = Rc::clone(&given);
    let body = Box::pin(async move {
        place.set(Some(future.await));
        0
    });
    api.timeout(ms, body).await;
    given.take()
}

/// One step. Gives how many values were received in it.
async fn step(world: &Rc<World>, who: u32, op: &Op) -> u32 {
    let api = &world.api;
    match op {
        Op::Sleep(ms) => {
            api.sleep(*ms).await;
            world.say(who, "slept");
        }
        Op::Yield => {
            api.yield_now().await;
            world.say(who, "yielded");
        }
        Op::Busy(yields) => {
            let mut heard = Vec::new();
            for n in 1..=*yields {
                let before = world.log.borrow().len();
                api.yield_now().await;
                if world.log.borrow().len() > before {
                    heard.push(n);
                }
            }
            world.say(who, format!("was busy = {heard:?}"));
        }
        Op::Timeout(ms, body) => match api.timeout(*ms, run(world, body)).await {
            Some(value) => world.say(who, format!("in time = {value}")),
            None => world.say(who, "too late"),
        },
        Op::Spawn(body) => {
            let Task { join, abort } = api.spawn(run(world, body));
            world.tasks.borrow_mut().push((Some(join), abort));
            world.say(who, "spawned");
        }
        Op::Join(n) => {
            let count = world.tasks.borrow().len();
            let join = (count > 0).then(|| world.tasks.borrow_mut()[n % count].0.take()).flatten();
            if let Some(join) = join {
                match join.await {
                    Some(value) => world.say(who, format!("joined = {value}")),
                    None => world.say(who, "aborted"),
                }
            }
        }
        Op::Abort(n) => {
            let tasks = world.tasks.borrow();
            if !tasks.is_empty() {
                (tasks[n % tasks.len()].1)();
            }
        }
        Op::Job => {
            let value = api.job(who).await;
            world.say(who, format!("did a job = {value}"));
        }
        Op::Gather(form, children) => {
            let quiet = *form == Form::Limited;
            let children = children.iter().map(|child| run_alive(Alive::new(world, quiet), child)).collect();
            let words = match form {
                Form::Gather => ["gathered"; 2],
                Form::Limited => ["limited"; 2],
                Form::TryGather => ["all gathered", "gather failed"],
                Form::Race => ["raced"; 2],
                Form::FirstOk => ["first ok", "none ok"],
                Form::Tasks => ["tasks gathered"; 2],
                Form::TryTasks => ["tasks gathered", "tasks failed"],
            };
            match api.gather(*form, children).await {
                Ok(values) => world.say(who, format!("{} = {values:?}", words[0])),
                Err(values) => world.say(who, format!("{} = {values:?}", words[1])),
            }
        }
        Op::Ends(ms, children) => {
            let ends = api.as_completed(run_all(world, children));
            for n in 0_u32.. {
                match within(api, if n % 2 == 0 { LIMIT } else { ms + 1 }, ends.next()).await {
                    None => world.say(who, "nobody came"),
                    Some(None) => break,
                    Some(Some(end)) => world.say(who, format!("came = {end:?}")),
                }
                if n % 2 == 0 {
                    api.sleep(*ms).await;
                }
            }
            world.say(who, "all came");
        }
        Op::Streams(streams) => {
            let items = api.streams(streams.iter().map(|children| run_all(world, children)).collect()).await;
            world.say(who, format!("streamed = {items:?}"));
        }
        Op::Group(tasks, body) => match api.group(run_all(world, tasks), run(world, body)).await {
            Ok(sum) => world.say(who, format!("grouped = {sum}")),
            Err(errors) => world.say(who, format!("group failed = {errors:?}")),
        },
        Op::Interval(ms, missed, beats) => {
            let interval = api.interval(*ms, *missed);
            for beat in beats {
                match beat {
                    Beat::Tick => {
                        let due = interval.tick().await;
                        world.say(who, format!("ticked = {due}"));
                    }
                    Beat::TickWithin(ms) => match within(api, *ms, interval.tick()).await {
                        Some(due) => world.say(who, format!("ticked = {due}")),
                        None => world.say(who, "no tick"),
                    },
                    Beat::Pause(ms) => api.sleep(*ms).await,
                    Beat::Reset => {
                        interval.reset();
                        world.say(who, "reset");
                    }
                }
            }
        }
        Op::Ring(n) => {
            world.alarms[n % SHARED].wait().await;
            world.say(who, "rang");
        }
        Op::Set(n, ms) => {
            world.alarms[n % SHARED].reset(*ms);
            world.say(who, "set");
        }
        Op::Send(n) => {
            let sent = world.channels[n % CHANNELS.len()].send(who).await;
            world.say(who, if sent { "sent" } else { "not sent" });
        }
        Op::TrySend(n) => world.say(who, format!("try_send = {}", world.channels[n % CHANNELS.len()].try_send(who))),
        Op::Recv(n) => {
            let channel = &world.channels[n % CHANNELS.len()];
            let result = channel.recv().await;
            world.say(who, format!("received = {result:?}, {} left", channel.len()));
            return u32::from(result.is_ok());
        }
        Op::TryRecv(n) => {
            let result = world.channels[n % CHANNELS.len()].try_recv();
            world.say(who, format!("try_recv = {result:?}"));
            return u32::from(result.is_ok());
        }
        Op::Close(n) => {
            world.channels[n % CHANNELS.len()].close();
            world.say(who, "closed");
        }
        Op::Closed(n) => {
            world.channels[n % CHANNELS.len()].closed().await;
            world.say(who, "saw the end");
        }
        Op::DropSender(n) => {
            world.channels[n % CHANNELS.len()].drop_sender();
            world.say(who, "no sender left");
        }
        Op::Tell(n) => {
            let told = world.oneshots[n % world.oneshots.len()].send(who);
            world.say(who, format!("told = {told}"));
        }
        Op::Told(n) => {
            let heard = world.oneshots[n % world.oneshots.len()].recv().await;
            world.say(who, format!("heard = {heard:?}"));
            return u32::from(heard.is_ok());
        }
        Op::Untold(n) => {
            world.oneshots[n % world.oneshots.len()].closed().await;
            world.say(who, "saw nobody listen");
        }
        Op::Acquire(n, body) => {
            let permit = world.semaphores[n % SHARED].acquire().await;
            world.say(who, "has a permit");
            run(world, body).await;
            drop(permit);
        }
        Op::AcquireOwned(n, body) => {
            let permit = world.semaphores[n % SHARED].acquire_owned().await;
            world.say(who, "has a permit of its own");
            run(world, body).await;
            drop(permit);
        }
        Op::TryAcquire(n, body) => {
            let permit = world.semaphores[n % SHARED].try_acquire();
            world.say(who, format!("try_acquire = {}", permit.is_some()));
            if permit.is_some() {
                run(world, body).await;
            }
        }
        Op::Add(n) => {
            let semaphore = &world.semaphores[n % SHARED];
            semaphore.add(n % 3);
            world.say(who, format!("added = {}", semaphore.available()));
        }
    }
    0
}
