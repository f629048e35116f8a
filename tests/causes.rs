//! Causes: what the trace says of random programs against logs that the programs keep themselves.
//!
//! A program notes what it does: which of its tasks is polled for the how many-eth time, which of its operations has begun
//! and ended, who uses which of its wakers. The notes stand in the trace between the events, and every cause that the trace
//! names must be the one that the notes know. The wakers that a task hands to what it waits for are of two kinds, by task:
//!
//! - *Watched*: a waker of the program around the task's own. It notes each use: who calls it, and for what. So every wake
//!   is compared with its caller.
//! - *Plain*: the task's own ticket. It can note nothing, but whoever waited knows afterwards what it got: a sleep its
//!   deadline, a receiver the value and with it the sender, a joiner the task. So every such poll is compared with that.
//!
//! The programs also note who gets and gives back a permit, how many wakers they have left, and that they panic. In every
//! third one another thread floods a task with wakes: each message that the loop takes is compared with the one that was
//! sent, and each push with what came first.

#![cfg(feature = "trace")]

use runtime::sync::{Permit, Semaphore, mpsc};
use runtime::task::{self, yield_now};
use runtime::time::{now, sleep, timeout};
use runtime::trace::{Event, How, Kind, PermitNumber, Recorder, TaskNumber, note};
use runtime::{Handle, JoinHandle};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};
use tests::{Random, virtual_runtime};

/// From this number on, the wakers of a child in place are its gather's own.
const PLAIN: usize = 10;

/// So many programs in each run, and one more with a fresh seed.
const PROGRAMS: u64 = 400;

/// In every third program another thread wakes a task so many times.
const FLOOD: usize = 100;

// The program's own log.

thread_local! {
    /// Who acts on this thread, as the program knows: the innermost last.
    static ACTORS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// Numbers for operations, leaves and wakes.
    static NEXT: Cell<usize> = const { Cell::new(0) };
}

fn next() -> usize {
    NEXT.set(NEXT.get() + 1);
    NEXT.get()
}

fn actor() -> String {
    ACTORS.with_borrow(|actors| actors.last().cloned().unwrap_or_else(|| "loop".into()))
}

/// While it lives, this one acts.
struct Acts(Option<usize>);

impl Acts {
    fn poll(task: &str, number: usize) -> Acts {
        note(format!("poll {task} {number}"));
        Acts::push(format!("poll {task} {number}"), None)
    }

    fn dropping(task: &str) -> Acts {
        Acts::push(format!("drop {task}"), None)
    }

    /// An operation in the middle of what acts anyway.
    fn op(what: impl Display) -> Acts {
        let op = next();
        note(format!("op {op} {what}"));
        Acts::push(format!("op {op} {what} < {}", actor()), Some(op))
    }

    fn push(actor: String, op: Option<usize>) -> Acts {
        ACTORS.with_borrow_mut(|actors| actors.push(actor));
        Acts(op)
    }
}

impl Drop for Acts {
    fn drop(&mut self) {
        ACTORS.with_borrow_mut(|actors| actors.pop());
        if let Some(op) = self.0 {
            note(format!("op- {op}"));
        }
    }
}

/// A task of the program: it notes its polls, and when it is dropped.
struct Tracked<F> {
    name: String,
    polls: usize,
    future: Option<Pin<Box<F>>>,
}

fn tracked<F: Future>(name: impl Into<String>, future: F) -> Tracked<F> {
    Tracked { name: name.into(), polls: 0, future: Some(Box::pin(future)) }
}

impl<F: Future> Future for Tracked<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.polls += 1;
        let _acts = Acts::poll(&self.name, self.polls);
        self.future.as_mut().expect("not after its end").as_mut().poll(cx)
    }
}

impl<F> Drop for Tracked<F> {
    fn drop(&mut self) {
        let _acts = Acts::dropping(&self.name);
        self.future = None;
    }
}

/// A waker of the program around another one.
struct Watched {
    /// What waits with it, in words, and whose that is.
    leaf: String,
    owner: String,
    inner: Waker,
    /// How many of its task there are.
    alive: Arc<AtomicUsize>,
}

impl Wake for Watched {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let thread = thread::current();
        if thread.name().is_some_and(|name| name.starts_with("visitor")) {
            // Its note could not stand in the trace of the loop's thread. The name of the thread will.
            return self.inner.wake_by_ref();
        }
        let wake = next();
        note(format!("wake {wake} {} for {} by {}", self.leaf, self.owner, actor()));
        self.inner.wake_by_ref();
        note(format!("wake- {wake}"));
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, SeqCst);
    }
}

/// Whose wakers are watched, and how many of them there are.
#[derive(Clone)]
struct Who {
    name: String,
    watched: bool,
    alive: Arc<AtomicUsize>,
    /// The program counts tickets only where nothing but watched wakers is given away.
    counts: bool,
}

/// What a task waits for: it notes when it is polled, and what became of it.
struct Leaf<F> {
    what: String,
    who: Who,
    /// Plain and watched leaves alike note how often they were pending.
    pending: usize,
    number: usize,
    inner: Pin<Box<F>>,
}

fn leaf<F: Future>(who: &Who, what: impl Into<String>, inner: F) -> Leaf<F> {
    Leaf { what: what.into(), who: who.clone(), pending: 0, number: next(), inner: Box::pin(inner) }
}

impl<F: Future> Future for Leaf<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        note(format!("leaf {} {} {}", this.number, if this.who.watched { "watched" } else { "plain" }, this.what));
        let polled = if this.who.watched {
            this.who.alive.fetch_add(1, SeqCst);
            let watched = Watched {
                leaf: format!("{} {}", this.number, this.what),
                owner: this.who.name.clone(),
                inner: cx.waker().clone(),
                alive: Arc::clone(&this.who.alive),
            };
            let waker = Waker::from(Arc::new(watched));
            this.inner.as_mut().poll(&mut Context::from_waker(&waker))
        } else {
            this.inner.as_mut().poll(cx)
        };
        let how = if polled.is_ready() { "ready" } else { "pending" };
        note(format!("leaf- {} {how} {}", this.number, this.pending));
        if this.who.counts {
            note(format!("tickets {} {}", this.who.name, this.who.alive.load(SeqCst)));
        }
        this.pending += 1;
        polled
    }
}

/// A permit that notes when it is given back, also when its task is dropped.
struct Held<'a> {
    permit: Option<Permit<'a>>,
    name: String,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        {
            let _op = Acts::op("release");
            self.permit = None;
        }
        note(format!("gives {}", self.name));
    }
}

// Programs.

struct World {
    random: RefCell<Random>,
    start: Instant,
    semaphore: Semaphore,
    senders: Vec<mpsc::Sender<usize>>,
    handles: RefCell<Vec<JoinHandle<()>>>,
    wakers: RefCell<Vec<Waker>>,
    left: Cell<usize>,
    handle: Handle,
}

impl World {
    fn below(&self, n: usize) -> usize {
        self.random.borrow_mut().below(n)
    }

    /// One of few, so that many deadlines are equal.
    fn millis(&self) -> Duration {
        Duration::from_millis(5 * (1 + self.below(3)) as u64)
    }

    fn nap(&self, who: &Who) -> impl Future<Output = ()> + use<> {
        let millis = self.millis();
        let deadline = (now() + millis - self.start).as_nanos();
        leaf(who, format!("sleep {deadline}"), sleep(millis))
    }

    fn spawn(self: &Rc<World>) -> (String, JoinHandle<()>) {
        self.left.set(self.left.get().saturating_sub(1));
        let name = format!("t{}", next());
        (name.clone(), task::Builder::new().name(&name).spawn(tracked(name.clone(), actions(Rc::clone(self), name))))
    }
}

fn actions(world: Rc<World>, name: String) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        let watched = world.below(2) == 0;
        let alive = Arc::default();
        let who = Who { name, watched, alive, counts: watched };
        for _ in 0..world.below(9) {
            action(&world, &who).await;
            if who.counts {
                note(format!("tickets {} {}", who.name, who.alive.load(SeqCst)));
            }
        }
    })
}

async fn action(world: &Rc<World>, who: &Who) {
    match world.below(15) {
        0 => leaf(who, "yield", yield_now()).await,
        1 | 2 => world.nap(who).await,
        3 => _ = timeout(world.millis(), world.nap(&Who { watched: true, counts: false, ..who.clone() })).await,
        4 | 5 => {
            let permit = leaf(who, "permit", world.semaphore.acquire()).await;
            note(format!("holds {}", who.name));
            let _held = Held { permit: Some(permit), name: who.name.clone() };
            world.nap(who).await;
        }
        6 | 7 => {
            let value = next();
            let sender = &world.senders[world.below(world.senders.len())];
            let mut send = Box::pin(sender.send(value));
            let send = poll_fn(|cx| {
                let _op = Acts::op(format_args!("send {value}"));
                send.as_mut().poll(cx)
            });
            _ = leaf(who, "room", send).await;
        }
        8 => {
            // In place, with few deadlines: several children are often woken in one turn.
            let child = |n: usize| {
                let name = format!("{}.{n}", who.name);
                let who = Who { name, watched: n < PLAIN, alive: Arc::default(), counts: false };
                let world = Rc::clone(world);
                async move {
                    for _ in 0..1 + world.below(2) {
                        if world.below(3) == 0 {
                            leaf(&who, "yield", yield_now()).await;
                        } else {
                            world.nap(&who).await;
                        }
                    }
                    if world.below(4) == 0 { Err(()) } else { Ok(()) }
                }
            };
            let numbers = (0..1 + world.below(4)).map(|n| if world.below(3) == 0 { n + PLAIN } else { n });
            let children: Vec<_> = numbers.map(|n| tracked(format!("{}.{n}", who.name), child(n))).collect();
            match world.below(4) {
                0 => drop(gather::gather(children).await),
                1 => drop(gather::gather(children).limit(2).await),
                2 => drop(gather::try_gather(children).await),
                _ => drop(gather::race(children).await),
            }
        }
        9 => {
            let child = |n: usize| {
                let name = format!("{}/{}", who.name, next());
                let (world, who) = (
                    Rc::clone(world),
                    Who { name: name.clone(), alive: Arc::default(), counts: false, watched: who.watched },
                );
                tracked(name, async move {
                    world.nap(&who).await;
                    if n == 1 && world.below(2) == 0 { Err(()) } else { Ok(()) }
                })
            };
            let tasks: Vec<_> = (0..1 + world.below(4)).map(child).collect();
            if world.below(2) == 0 {
                drop(gather::gather_tasks(tasks).await);
            } else {
                _ = gather::try_gather_tasks(tasks).await;
            }
        }
        10 if world.left.get() > 0 => {
            let (name, task) = world.spawn();
            _ = leaf(who, format!("join {name}"), task).await;
        }
        11 if world.left.get() > 0 => {
            let (_, task) = world.spawn();
            world.handles.borrow_mut().push(task);
        }
        12 => {
            let handles = world.handles.borrow();
            if let Some(task) = handles.get(world.below(handles.len().max(1))) {
                let _op = Acts::op("abort");
                task.abort();
            }
        }
        13 => {
            // A waker is left with everybody, and one that somebody left before is used.
            let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
            let stray =
                Watched { leaf: "0 stray".into(), owner: who.name.clone(), inner: waker, alive: Arc::default() };
            stray.alive.store(1, SeqCst);
            let mut wakers = world.wakers.borrow_mut();
            let at = world.below(wakers.len().max(1));
            let used = wakers.get(at).cloned();
            // Whoever gives a ticket away has one more than it counts, and a poll that it did not wait for.
            if who.watched {
                note(format!("uncounted {}", who.name));
                wakers.push(Waker::from(Arc::new(stray)));
            }
            drop(wakers);
            if let Some(waker) = used {
                if world.below(2) == 0 {
                    let _op = Acts::op("stray");
                    waker.wake_by_ref();
                } else {
                    let visitor = thread::Builder::new().name(format!("visitor{}", next()));
                    visitor.spawn(move || waker.wake()).expect("there is a thread").join().expect("it ends");
                }
            }
        }
        _ if world.below(6) == 0 => {
            note(format!("panics {}", who.name));
            resume_unwind(Box::new("on purpose"))
        }
        _ if world.below(4) == 0 => {
            let visitor = format!("visitor{}", next());
            let (handle, name) = (world.handle.clone(), visitor.clone());
            let visit = move || drop(handle.spawn(async move { note(format!("sent by {name}")) }));
            thread::Builder::new().name(visitor).spawn(visit).expect("there is a thread").join().expect("it ends");
        }
        _ => {}
    }
}

/// A receiver, which knows by the value who has sent it.
async fn consume(world: Rc<World>, name: String, mut receiver: mpsc::Receiver<usize>) {
    let watched = world.below(2) == 0;
    let who = Who { name, watched, alive: Arc::default(), counts: false };
    while let Some(value) = leaf(&who, "value", receiver.recv()).await {
        note(format!("received {value}"));
        if world.below(3) == 0 {
            world.nap(&who).await;
        }
    }
}

/// A task that another thread wakes again and again, at moments that nobody can know before. In every third poll it wakes
/// itself as well: that is not the thread's doing.
async fn flooded(handle: Handle) {
    let done = Arc::new(AtomicUsize::new(0));
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        if polls == 1 {
            let (waker, done) = (cx.waker().clone(), Arc::clone(&done));
            // While it lives, the loop waits for the thread when it has nothing else to do.
            let outside = handle.outside();
            let flood = move || {
                for _ in 0..FLOOD {
                    waker.wake_by_ref();
                    thread::yield_now();
                }
                done.store(1, SeqCst);
                waker.wake();
                drop(outside);
            };
            drop(thread::Builder::new().name("flood".into()).spawn(flood).expect("there is a thread"));
        }
        if done.load(SeqCst) == 1 {
            return Poll::Ready(());
        }
        if polls % 3 == 0 {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}

/// Runs the program of a seed and gives its trace.
fn run(seed: u64) -> Vec<Event> {
    NEXT.set(0);
    let recorder = Recorder::start();
    let runtime = virtual_runtime();
    let handle = runtime.handle();
    runtime.block_on(tracked("main", async {
        let channels: Vec<_> = (0..2).map(|n| mpsc::channel(1 + n)).collect();
        let (senders, receivers): (Vec<_>, Vec<_>) = channels.into_iter().unzip();
        let world = Rc::new(World {
            random: RefCell::new(Random::new(seed)),
            start: now(),
            semaphore: Semaphore::new(1 + seed as usize % 2),
            senders,
            handles: RefCell::default(),
            wakers: RefCell::default(),
            left: Cell::new(12),
            handle,
        });
        for (n, receiver) in receivers.into_iter().enumerate() {
            let name = format!("c{n}");
            let task = tracked(name.clone(), consume(Rc::clone(&world), name, receiver));
            drop(task::Builder::new().spawn(task));
        }
        for _ in 0..4 + world.below(6) {
            let (_, task) = world.spawn();
            world.handles.borrow_mut().push(task);
        }
        let flood = world.handle.clone();
        let flood = seed.is_multiple_of(3).then(|| runtime::spawn(tracked("flooded", flooded(flood))));
        // It ends while some of them still run.
        sleep(Duration::from_millis(60)).await;
        if let Some(flood) = flood {
            flood.await.expect("the thread has told it to end");
        }
        world.wakers.borrow_mut().clear();
    }));
    drop(runtime);
    recorder.events()
}

// The comparison.

/// What is known of a trace from the notes in it.
struct Notes<'a> {
    events: &'a [Event],
    /// Polls of tasks and of children in place → whose it is, and the how many-eth.
    polls: HashMap<u64, String>,
    /// What is sent → the first and the last event of every attempt.
    sends: HashMap<usize, Vec<(u64, u64)>>,
    /// Timer's arming → the leaf that did it.
    armed: HashMap<u64, usize>,
    /// A task's number → its name.
    names: HashMap<u32, String>,
    /// A wake of a child in place → its name.
    woken: HashMap<u64, String>,
    /// A task's name → the permit that it has, by the trace.
    permits: HashMap<String, PermitNumber>,
    /// How many tickets of each task there are, by the trace.
    tickets: HashMap<TaskNumber, i64>,
    /// Tasks that have given a ticket away: what they count is not all.
    uncounted: HashSet<String>,
    /// Tasks that have said that they panic.
    panics: HashSet<String>,
    /// How many comparisons of each of the four kinds there were: permits, tickets, panics, messages.
    kinds: [usize; 4],
    faults: Vec<String>,
    /// How many causes were compared.
    compared: usize,
}

/// A note in words.
fn words(event: &Event) -> Option<Vec<&str>> {
    if let Kind::Note { text } = &event.kind { Some(text.split(' ').collect()) } else { None }
}

fn number(word: &str) -> usize {
    word.parse().expect("a number")
}

impl<'a> Notes<'a> {
    /// One pass: what belongs together.
    fn of(events: &'a [Event]) -> Notes<'a> {
        let mut it = Notes {
            events,
            polls: HashMap::new(),
            sends: HashMap::new(),
            armed: HashMap::new(),
            names: HashMap::new(),
            woken: HashMap::new(),
            permits: HashMap::new(),
            tickets: HashMap::new(),
            uncounted: HashSet::new(),
            panics: HashSet::new(),
            kinds: [0; 4],
            faults: Vec::new(),
            compared: 0,
        };
        let (mut polls, mut leaves, mut sends, mut wakes) = (Vec::new(), Vec::new(), HashMap::new(), Vec::new());
        for event in events {
            match &event.kind {
                Kind::PollBegin { task } => polls = vec![(event.seq, Some(task.0))],
                Kind::ChildPoll { .. } => polls.push((event.seq, None)),
                Kind::ChildPollEnd { .. } => _ = polls.pop(),
                Kind::PollEnd { .. } => {
                    // A panic leaves some open.
                    polls.clear();
                    leaves.clear();
                }
                Kind::TimerArmed { .. } => _ = leaves.last().map(|leaf| it.armed.insert(event.seq, *leaf)),
                Kind::ChildWoken { .. } => _ = wakes.last().map(|name| it.woken.insert(event.seq, String::clone(name))),
                _ => {}
            }
            match words(event).as_deref() {
                Some(["poll", name, n]) => {
                    let Some((seq, task)) = polls.last() else { continue };
                    it.polls.entry(*seq).or_insert_with(|| format!("{name} {n}"));
                    _ = task.map(|task| it.names.insert(task, (*name).to_owned()));
                }
                Some(["op", op, "send", value]) => _ = sends.insert(number(op), (event.seq, number(value))),
                Some(["op-", op]) => {
                    if let Some((from, value)) = sends.remove(&number(op)) {
                        it.sends.entry(value).or_default().push((from, event.seq));
                    }
                }
                Some(["leaf", leaf, ..]) => leaves.push(number(leaf)),
                Some(["leaf-", ..]) => _ = leaves.pop(),
                Some(["wake", .., "for", name, "by", "loop"]) => wakes.push((*name).to_owned()),
                Some(["wake", rest @ ..]) => {
                    let at = rest.iter().position(|word| *word == "for").expect("it says for whom");
                    wakes.push(rest[at + 1].to_owned());
                }
                Some(["wake-", ..]) => _ = wakes.pop(),
                _ => {}
            }
        }
        it
    }

    fn cause(&self, event: &Event) -> Option<&'a Event> {
        event.cause.map(|cause| &self.events[cause as usize])
    }

    /// The events behind this one, up to the first that begins something: a poll, a drop, a fired timer, a message.
    fn origin(&self, event: &Event) -> (Vec<&'static str>, Option<&'a Event>) {
        let (mut way, mut next) = (Vec::new(), self.cause(event));
        while let Some(event) = next {
            let name = event.kind.name();
            let passes_on = ["ChildWoken", "Wake", "GatherPoll", "Abort"].contains(&name)
                || name.starts_with("Channel")
                || name.starts_with("Permit");
            if !passes_on {
                return (way, Some(event));
            }
            way.push(name);
            next = self.cause(event);
        }
        (way, None)
    }

    /// Notes a fault, unless it is right.
    fn check(&mut self, is_right: bool, event: &Event, text: impl FnOnce(&Self) -> String) {
        self.compared += 1;
        if !is_right {
            let text = text(self);
            self.faults.push(format!("event {}, {:?}: {text}", event.seq, event.kind));
        }
    }

    /// What the trace says, in words.
    fn told(&self, event: &Event) -> String {
        let (way, origin) = self.origin(event);
        let origin = origin.map(|it| format!("{} {:?} {:?}", it.seq, it.kind, self.polls.get(&it.seq)));
        format!("the trace says {way:?}, {}", origin.unwrap_or("nothing".into()))
    }

    fn name(&self, task: TaskNumber) -> &str {
        self.names.get(&task.0).map_or("?", String::as_str)
    }

    /// Whether what happened is this actor's, as the program tells of it: "poll t3 2", "drop t3", "op 5 send 7 < poll t3 2".
    fn is_of(&self, origin: Option<&Event>, way: &[&str], actor: &str) -> bool {
        if let Some((op, outer)) = actor.split_once(" < ") {
            let expected: &[&str] = match op.split(' ').nth(2).expect("what it does") {
                "send" => &["ChannelSent"],
                "release" => &["PermitReleased"],
                _ => return self.is_of(origin, way, outer),
            };
            return way.iter().find(|it| **it != "Wake" && **it != "ChildWoken") == expected.first()
                && self.is_of(origin, way, outer);
        }
        let Some(origin) = origin else { return false };
        let (what, rest) = actor.split_once(' ').unwrap_or((actor, ""));
        match (what, &origin.kind) {
            ("poll", Kind::PollBegin { .. } | Kind::ChildPoll { .. }) => {
                self.polls.get(&origin.seq).is_some_and(|poll| poll == rest)
            }
            // By the loop: at the end of a task, after an abort or with the runtime.
            ("drop", Kind::Pop { task } | Kind::TaskCancelled { task } | Kind::PollBegin { task }) => {
                rest.split('.').next() == Some(self.name(*task))
            }
            // A child in place ends in its own poll.
            ("drop", Kind::ChildPoll { .. }) => {
                self.polls.get(&origin.seq).is_some_and(|poll| poll.split(' ').next() == Some(rest))
            }
            _ => false,
        }
    }

    /// Compares every wake of a watched waker with its caller, every poll for a plain leaf with what that got, and every poll
    /// of a child with its wakes.
    fn compare(&mut self) {
        let events = self.events;
        let (mut wakes, mut polling): (Vec<Vec<&str>>, Vec<&Event>) = (Vec::new(), Vec::new());
        let mut plain: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut woke: HashMap<u64, usize> = HashMap::new();
        // What may have put a task into the queue since it was taken out.
        let mut first: HashMap<TaskNumber, u64> = HashMap::new();
        let mut children: HashMap<&str, Option<u64>> = HashMap::new();
        for event in events.iter().filter(|event| matches!(event.kind, Kind::Wake { .. } | Kind::ChildWoken { .. })) {
            _ = event.cause.map(|cause| *woke.entry(cause).or_default() += 1);
        }
        let polls = self.polls.clone();
        let woken = self.woken.clone();
        for event in events {
            match &event.kind {
                Kind::PollBegin { .. } => polling = vec![event],
                Kind::PollEnd { .. } => polling.clear(), // A panic leaves some open.
                Kind::ChildPollEnd { .. } => _ = polling.pop(),
                Kind::Spawn { task, .. } => _ = first.entry(*task).or_insert(event.seq),
                Kind::Abort { task } => _ = first.entry(*task).or_insert(event.seq),
                Kind::RemoteTaken { message: "wake", number: Some(task) } => {
                    _ = first.entry(TaskNumber(*task)).or_insert(event.seq);
                    self.compare_message(event);
                }
                Kind::RemoteTaken { message: "spawn", .. } => {
                    self.compare_message(event);
                    self.compare_visit(event);
                }
                Kind::Pop { task } => {
                    first.remove(task);
                    let push = self.cause(event).map(|push| &push.kind);
                    let is_right = push == Some(&Kind::Push { task: *task });
                    self.check(is_right, event, |_| format!("popped because of {push:?}"));
                }
                Kind::Push { task } => {
                    let expected = first.get(task).copied();
                    self.check(event.cause == expected, event, |_| {
                        format!("pushed by {expected:?}, not {:?}", event.cause)
                    });
                }
                Kind::ChildPoll { .. } => {
                    polling.push(event);
                    let Some((name, n)) = polls.get(&event.seq).and_then(|poll| poll.split_once(' ')) else { continue };
                    let before = children.insert(name, None).flatten();
                    let by = self.cause(event).map_or("", |it| it.kind.name());
                    let is_right = match n {
                        "1" => by == "GatherPoll",
                        // What woke it, the child finds out itself.
                        _ if number(name.rsplit('.').next().expect("a part")) >= PLAIN => by == "ChildWoken",
                        _ => event.cause == before,
                    };
                    self.check(is_right, event, |it| {
                        format!("{name} was woken by {before:?}, not by {:?}; {}", event.cause, it.told(event))
                    });
                }
                Kind::Wake { .. } | Kind::ChildWoken { .. } => {
                    if let Kind::Wake { task, .. } = event.kind {
                        first.entry(task).or_insert(event.seq);
                    }
                    if let Kind::ChildWoken { due, .. } = event.kind {
                        let parents = woke.get(&event.seq).copied().unwrap_or(0);
                        // Children that wake themselves wake their parent once for all, and the first is the reason.
                        let itself =
                            wakes.is_empty() && self.cause(event).is_some_and(|it| it.kind.name() == "ChildPoll");
                        self.check(due == (parents > 0) || itself, event, |_| {
                            format!("it has woken {parents} parents")
                        });
                        if let Some(name) = woken.get(&event.seq) {
                            children.entry(name).or_default().get_or_insert(event.seq);
                        }
                    }
                    if let Some(wake) = wakes.last() {
                        self.compare_wake(event, &wake.clone());
                    }
                }
                _ => {}
            }
            self.compare_holders(event, polling.first().copied());
            match words(event).as_deref() {
                Some(["wake", rest @ ..]) => wakes.push(rest.to_vec()),
                Some(["wake-", ..]) => _ = wakes.pop(),
                Some(["leaf", leaf, "plain", what @ ..]) => _ = plain.insert(leaf, what.to_vec()),
                Some(["leaf-", leaf, "ready", pending]) if *pending != "0" => {
                    if let (Some(poll), Some(what)) = (polling.last(), plain.get(leaf)) {
                        self.compare_poll(poll, event, number(leaf), &what.clone());
                    }
                }
                _ => {}
            }
        }
    }

    /// Who has which permit, how many tickets of a task there are, and who has panicked. `poll` is the task's poll under
    /// way.
    fn compare_holders(&mut self, event: &'a Event, poll: Option<&Event>) {
        let events = self.events;
        let before = |found: &dyn Fn(&Kind) -> bool| {
            events[..event.seq as usize].iter().rev().find(|event| found(&event.kind)).map(|event| &event.kind)
        };
        match &event.kind {
            Kind::TicketCloned { task } => *self.tickets.entry(*task).or_default() += 1,
            Kind::TicketDropped { task } | Kind::Wake { task, last: true } => {
                *self.tickets.entry(*task).or_default() -= 1;
            }
            Kind::TaskEnd { task, how } => {
                let name = self.name(*task).to_owned();
                let panics = self.panics.contains(&name);
                self.kinds[2] += usize::from(panics);
                self.check((*how == How::Panicked) == panics, event, |_| format!("{name} has ended {how:?}"));
            }
            Kind::TaskPanicked { task, .. } => {
                let name = self.name(*task).to_owned();
                self.check(self.panics.contains(&name), event, |_| format!("{name} has said nothing of a panic"));
            }
            _ => {}
        }
        match words(event).as_deref() {
            Some(["holds", name]) => {
                self.kinds[0] += 1;
                let taken = before(&|kind| matches!(kind, Kind::PermitTaken { .. } | Kind::PermitReleased { .. }));
                let by = poll.map(|poll| match poll.kind {
                    Kind::PollBegin { task } => self.name(task).to_owned(),
                    _ => String::new(),
                });
                let Some(Kind::PermitTaken { permit, .. }) = taken else {
                    return self.check(false, event, |_| format!("the last that was told of permits is {taken:?}"));
                };
                let others = self.permits.values().filter(|it| *it == permit).count();
                self.check(others == 0 && by.as_deref() == Some(name), event, |_| {
                    format!("{permit:?} is taken by {by:?}, and {others} have it already")
                });
                self.permits.insert((*name).to_owned(), *permit);
            }
            Some(["gives", name]) => {
                self.kinds[0] += 1;
                let back = before(&|kind| matches!(kind, Kind::PermitReleased { .. }));
                let its = self.permits.remove(*name);
                let is_right = matches!(back, Some(Kind::PermitReleased { permit, .. }) if *permit == its);
                self.check(is_right && its.is_some(), event, |_| format!("it has had {its:?}, and {back:?} is told"));
            }
            Some(["uncounted", name]) => _ = self.uncounted.insert((*name).to_owned()),
            Some(["panics", name]) => _ = self.panics.insert((*name).to_owned()),
            Some(["tickets", name, count]) if !self.uncounted.contains(*name) => {
                self.kinds[1] += 1;
                let task = self.names.iter().find(|(_, its)| *its == name).map(|(number, _)| TaskNumber(*number));
                let told = task.and_then(|task| self.tickets.get(&task).copied()).unwrap_or(0);
                self.check(told == number(count) as i64, event, |_| format!("the trace counts {told}"));
            }
            _ => {}
        }
    }

    /// What the loop has taken out of the remote queue is what a thread has sent: the same message, for the same task.
    fn compare_message(&mut self, taken: &Event) {
        self.kinds[3] += 1;
        let Kind::RemoteTaken { message, number } = &taken.kind else { return };
        let sent = self.cause(taken).map(|sent| &sent.kind);
        let is_right = matches!(sent, Some(Kind::RemoteSent { message: its, number: whose, thread })
            if its == message && whose == number && (&**thread == "flood" || thread.starts_with("visitor")));
        self.check(is_right, taken, |_| format!("the trace says that {sent:?} was sent"));
        if let (Some(number), Some(Kind::RemoteSent { thread, .. })) = (number, sent) {
            // Nobody else floods, and nobody else is flooded.
            let is_flooded = self.name(TaskNumber(*number)) == "flooded";
            self.check(is_flooded == (&**thread == "flood"), taken, |_| format!("sent by {thread}"));
        }
    }

    /// A wake while a watched waker is used: `wake` is what the program has noted of that.
    fn compare_wake(&mut self, event: &Event, wake: &[&str]) {
        let by = wake.iter().position(|word| *word == "by").expect("it says by whom");
        let (leaf, actor) = (&wake[1..by - 2], wake[by + 1..].join(" "));
        let (way, origin) = self.origin(event);
        let is_right = match (actor.as_str(), leaf) {
            ("loop", [leaf, "sleep", deadline]) => self.is_fire_of(origin, number(leaf), deadline),
            ("loop", [_, "join", name]) => {
                matches!(origin.map(|it| &it.kind), Some(Kind::TaskEnd { task, .. }) if self.name(*task) == *name)
            }
            ("loop", _) => false,
            _ => self.is_of(origin, &way, &actor),
        };
        self.check(is_right, event, |it| format!("by {actor}, for {leaf:?}; {}", it.told(event)));
    }

    /// Whether this is the fire of the timer that a leaf armed for this deadline.
    fn is_fire_of(&self, origin: Option<&Event>, leaf: usize, deadline: &str) -> bool {
        let Some(fire @ Event { kind: Kind::TimerFired { .. }, .. }) = origin else { return false };
        let Some(armed) = self.cause(fire) else { return false };
        let Kind::TimerArmed { deadline: armed_for, .. } = &armed.kind else { return false };
        self.armed.get(&armed.seq) == Some(&leaf) && armed_for.0.to_string() == *deadline
    }

    /// The poll in which a plain leaf that was pending has what it waited for; `end` is the end of the leaf's own poll.
    fn compare_poll(&mut self, poll: &Event, end: &Event, leaf: usize, what: &[&str]) {
        let wake = match poll.kind {
            Kind::ChildPoll { .. } => self.cause(poll),
            _ => self.cause(poll).and_then(|pop| self.cause(pop)).and_then(|push| self.cause(push)),
        };
        let (way, origin) = wake.map_or((Vec::new(), None), |wake| self.origin(wake));
        let first = way.first().copied().unwrap_or("");
        let is_right = match what {
            ["sleep", deadline] => way.is_empty() && self.is_fire_of(origin, leaf, deadline),
            ["join", name] => {
                matches!(origin.map(|it| &it.kind), Some(Kind::TaskEnd { task, .. }) if self.name(*task) == *name)
            }
            ["yield"] => {
                let before = self.polls.get(&poll.seq).and_then(|poll| {
                    let (name, n) = poll.split_once(' ')?;
                    Some(format!("{name} {}", number(n) - 1))
                });
                // In its poll before; of a task, that may have been one of its children, who was quicker.
                let mut earlier = self.events[..wake.map_or(0, |wake| wake.seq as usize)].iter().rev();
                let at = match poll.kind {
                    Kind::ChildPoll { .. } => origin,
                    _ => earlier.find(|event| matches!(event.kind, Kind::PollBegin { .. })),
                };
                before.is_some() && at.and_then(|at| self.polls.get(&at.seq)) == before.as_ref()
            }
            ["value"] => {
                let next = self.events[end.seq as usize + 1..].iter().find_map(words);
                match next.as_deref() {
                    Some(["received", value]) => {
                        let sent = wake.and_then(|wake| wake.cause).unwrap_or(0);
                        let attempts = self.sends.get(&number(value)).map_or(&[][..], Vec::as_slice);
                        first == "ChannelSent" && attempts.iter().any(|(from, to)| (*from..*to).contains(&sent))
                    }
                    _ => first == "ChannelClosed",
                }
            }
            ["room"] => ["ChannelTaken", "ChannelLeft", "ChannelClosed"].contains(&first),
            ["permit"] => ["PermitReleased", "PermitLeft"].contains(&first),
            _ => panic!("what is {what:?}?"),
        };
        self.check(is_right, poll, |it| {
            format!("for leaf {leaf}, {what:?}; {}", wake.map_or("no wake".into(), |wake| it.told(wake)))
        });
    }

    /// What a thread has sent to be spawned knows the name of the thread.
    fn compare_visit(&mut self, taken: &Event) {
        let events = self.events;
        let spawn = events[taken.seq as usize..].iter().find(|event| matches!(event.kind, Kind::Spawn { .. }));
        let Some(spawn @ Event { kind: Kind::Spawn { task, .. }, .. }) = spawn else { return };
        self.check(spawn.cause == Some(taken.seq), spawn, |_| "it is spawned by the message".into());
        let mut at_poll = false;
        let said = events[spawn.seq as usize..].iter().find_map(|event| match &event.kind {
            Kind::PollBegin { task: it } => {
                at_poll = it == task;
                None
            }
            Kind::Note { text } if at_poll => text.strip_prefix("sent by "),
            _ => None,
        });
        let sent = self.cause(taken).map(|sent| &sent.kind);
        let Some(said) = said else { return };
        let is_right = matches!(sent, Some(Kind::RemoteSent { thread, .. }) if **thread == *said);
        self.check(is_right, taken, |_| format!("sent by {said}; the trace says {sent:?}"));
    }
}

/// The faults of one program, how many causes were compared, and of some kinds of comparisons how many.
fn faults(seed: u64) -> (Vec<String>, usize, [usize; 4]) {
    let events = run(seed);
    let mut notes = Notes::of(&events);
    notes.compare();
    (notes.faults, notes.compared, notes.kinds)
}

#[test]
fn every_cause_is_the_one_that_the_program_itself_has_noted() {
    let fresh = Random::new(u64::from(std::process::id())).number();
    println!("the fresh seed is {fresh}");
    let (mut wrong, mut compared, mut kinds) = (Vec::new(), 0, [0; 4]);
    for seed in (1..=PROGRAMS).chain([fresh]) {
        let (faults, of, some) = faults(seed);
        compared += of;
        kinds.iter_mut().zip(some).for_each(|(all, some)| *all += some);
        if let Some(first) = faults.first() {
            let all = faults.join("\n    ");
            wrong.push(format!("seed {seed}: {} false causes, the first: {first}\n    all: {all}", faults.len()));
        }
    }
    let [permits, tickets, panics, messages] = kinds;
    println!(
        "{compared} compared: {permits} permits, {tickets} counts of tickets, {panics} panics, {messages} messages"
    );
    let with = |text: &str| wrong.iter().filter(|it| it.contains(text)).count();
    for (what, text) in [("said to wake a parent and did not", " 0 parents"), ("a timer's wake", "by loop, for")] {
        println!("{} programs with a false cause of this kind: {what}", with(text));
    }
    assert!(
        wrong.is_empty(),
        "{} of {} programs:\n{}",
        wrong.len(),
        PROGRAMS + 1,
        wrong[..wrong.len().min(3)].join("\n")
    );
    assert!(compared > 120 * PROGRAMS as usize, "only {compared} causes were compared");
    let at_least = [500, 500, 50, 500];
    assert!(kinds.iter().zip(at_least).all(|(number, least)| *number >= least), "of some kinds only {kinds:?}");
}
