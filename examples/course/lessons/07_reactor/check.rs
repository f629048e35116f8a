//! The check of lesson 7: tasks read and write a scripted socket, and the check says what lies there and when the system
//! tells of it. Then two sockets of the system, on the rung's own loop.
#![allow(dead_code, unused_imports, unused_macros, unused_variables)]

use course::{
    CALLED, Dice, Failure, Judged, Run, Scripted, Spy, Wire, at_each_drop, broken, sleeps_at_a_socket,
    waker_is_dropped, watch,
};
use reactor::{READ, WRITE};
use std::cell::RefCell;
use std::io::{ErrorKind, Read, Result, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

include!(concat!(env!("OUT_DIR"), "/07_reactor/glue.rs"));

// The exercise is not as short as it can be.
#[allow(clippy::match_single_binding, clippy::single_match, clippy::needless_return, clippy::never_loop)]
#[path = "exercise.rs"]
mod io;

/// One step of a program.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// This task reads, or writes: a poll. A wait in the other direction is given up before.
    Poll(u32, usize),
    /// So much comes to lie there, and the system tells of it once. Nothing, and it tells all the same.
    Edge(usize, u32),
    /// The next attempt fails in this way; the system tells of it.
    Fails(usize, ErrorKind),
    /// The task waits no more: its future is dropped.
    Cancel,
    /// The socket is dropped, and the next step has a new one.
    Drop,
}

/// The tasks that poll.
const TASKS: u32 = 3;

/// The number of the first program that dice throw.
const DICE: u64 = 20;

/// Checks the answer.
pub fn main() {
    course::run(7, program)
}

/// One program: one socket.
fn program(dice: &mut Dice, number: u64, size: f64) -> Judged {
    use Act::{Cancel, Drop, Edge, Fails, Poll};
    use ErrorKind::ConnectionReset;
    let (read, write) = (Poll(1, READ), Poll(1, WRITE));
    // The smallest are always the same: what they refuse is easy to see. Then come dice.
    let (lies, acts) = match number {
        1 => ([3, 0], vec![read, read, read]),
        2 => ([1, 0], vec![read, read]),
        3 => ([0, 0], vec![read, read, Edge(READ, 2), read, read, read]),
        4 => ([0, 0], vec![read, Poll(2, READ), Edge(READ, 1), Poll(2, READ)]),
        5 => ([0, 0], vec![write, Edge(WRITE, 1), write, read, Poll(2, WRITE), Edge(WRITE, 1), Poll(2, WRITE)]),
        6 => ([0, 2], vec![read, write, write]),
        7 => ([0, 0], vec![read, Edge(READ, 0), read, Edge(READ, 1), read]),
        8 => ([1, 0], vec![read, Fails(READ, ConnectionReset), read]),
        9 => ([0, 0], vec![read, Drop, read, Edge(READ, 1), read]),
        // An error, and behind it lies something.
        11 => ([0, 0], vec![Fails(READ, ConnectionReset), Edge(READ, 1), read, read]),
        12 => return Judged::new(watch(outlives_the_loop), &(), sleeps_at_a_socket),
        // A waker takes the place of another one, and then the socket is dropped.
        13 => ([0, 0], vec![read, Poll(2, READ), Drop, read, Edge(READ, 1), read]),
        // Each error is the caller's, and not WouldBlock alone is known by its name.
        14..DICE => ([0, 0], vec![write, Fails(WRITE, Failure::KINDS[number as usize - 13]), write, write]),
        _ => roll(dice, size),
    };
    // A hundred pieces at most: to write many small ones takes the processor time of a spin.
    let (bytes, piece, room) = (dice.roll(1..=100_000), dice.roll(1_000..=20_000), dice.roll(1_000..=20_000));
    let is_of_the_system = cfg!(unix) && (number == 10 || number >= DICE && dice.one_in(20));
    let body = move || match is_of_the_system {
        #[cfg(unix)]
        true => real(bytes as usize, piece as usize, room as usize),
        _ => runtime::Runtime::virtual_clock().block_on(async { drive(lies, &acts) }),
    };
    Judged::new(watch(body), &(), sleeps_at_a_socket).spinning_says(
        "a poll comes back",
        "20 ms of processor time, and nothing comes back. Between two attempts a task waits for the system's word, and \
         meanwhile the loop runs others.",
    )
}

/// Any program.
fn roll(dice: &mut Dice, size: f64) -> ([u32; 2], Vec<Act>) {
    let lies = [dice.roll(0..=3) as u32, dice.roll(0..=3) as u32];
    let acts = (0..dice.roll(1..=(size * 20.0).ceil() as u64)).map(|_| {
        let (task, way) = (dice.roll(1..=u64::from(TASKS)) as u32, *dice.pick(&[READ, READ, WRITE]));
        match dice.roll(1..=20) {
            1..=11 => Act::Poll(task, way),
            12..=17 => Act::Edge(way, dice.roll(0..=3) as u32),
            18 => Act::Fails(way, *dice.pick(&Failure::KINDS)),
            19 => Act::Cancel,
            _ => Act::Drop,
        }
    });
    (lies, acts.collect())
}

fn core() -> Rc<run::Core> {
    run::current().expect("the check runs inside of a loop")
}

/// A read or a write under way.
type Waiting = Pin<Box<dyn Future<Output = Result<u32>>>>;

/// The answer's socket.
type Socket = Rc<RefCell<io::Watched<Scripted>>>;

/// A program at work.
struct Desk {
    spies: Vec<Spy>,
    state: Rc<Wire>,
    socket: Option<Socket>,
    /// The future that has said Pending, its direction, and who has polled it.
    waits: Option<(Waiting, usize, u32)>,
    polls: u32,
}

/// A socket at which so much lies.
fn open(lies: [u32; 2]) -> (Rc<Wire>, Option<Socket>) {
    let state = Rc::new(Wire::default());
    for way in [READ, WRITE] {
        state.ways[way].told.set(true);
        (0..lies[way]).for_each(|_| state.chunk_comes(way));
    }
    let watched =
        io::Watched::new(Scripted { wire: Rc::clone(&state), is_held }).expect("a scripted socket can be watched");
    if state.token.get().is_none() {
        broken("new registers the socket", "new has not called register: the system will tell nothing.", None);
    }
    (state, Some(Rc::new(RefCell::new(watched))))
}

/// Whether the answer has borrowed the reactor.
fn is_held() -> bool {
    run::current().is_some_and(|core| core.reactor.try_borrow_mut().is_err())
}

/// A socket is dropped when its loop has ended: then no loop runs on this thread.
fn outlives_the_loop() {
    let (state, socket) = runtime::Runtime::virtual_clock().block_on(async { open([0, 0]) });
    Run::current().tell("Drop", 0, "a socket, after its loop");
    drop(socket);
    if state.token.get().is_some() {
        let says = "A socket is dropped after its loop has ended, and it is still registered.";
        broken("what is dropped is forgotten", says, Some("IoDeregistered"));
    }
}

fn drive(lies: [u32; 2], acts: &[Act]) {
    at_each_drop(|task| waker_is_dropped(task, is_held()));
    let spies = (1..=TASKS).map(Spy::new).collect();
    let (state, socket) = open(lies);
    let mut desk = Desk { spies, state, socket, waits: None, polls: 0 };
    for act in acts {
        match *act {
            Act::Poll(task, way) => desk.poll(task, way),
            Act::Edge(way, chunks) => {
                (0..chunks).for_each(|_| desk.state.chunk_comes(way));
                desk.edge(way, chunks);
            }
            Act::Fails(way, kind) => {
                desk.state.comes(way, kind);
                desk.edge(way, 1);
            }
            Act::Cancel => drop(desk.waits.take()),
            Act::Drop => desk.drops(),
        }
    }
}

impl Desk {
    fn poll(&mut self, task: u32, way: usize) {
        let (run, called) = (Run::current(), CALLED[way]);
        let kept = self.waits.take().filter(|(_, of, _)| *of == way);
        let mut future = kept.map_or_else(
            || {
                let socket = self.socket.clone().expect("a socket that is dropped has a successor");
                #[allow(clippy::await_holding_refcell_ref, reason = "nobody else borrows it meanwhile")]
                let future = async move { socket.borrow_mut().retry(way, |source| source.attempt(way)).await };
                Box::pin(future) as Waiting
            },
            |(future, ..)| future,
        );
        self.polls += 1;
        self.state.given.set(None);
        self.state.attempts.set(0);
        self.state.task.set(task);
        let spy = &self.spies[task as usize - 1];
        let woken = spy.wakes();
        run.tell("PollBegin", task, format!("poll {}, a {called} by task {task}", self.polls));
        let waker = spy.waker();
        let answer = future.as_mut().poll(&mut Context::from_waker(&waker));
        drop(waker);
        if spy.wakes() > woken {
            let says = format!(
                "Task {task} was woken in its poll, and the system has told nothing. It is polled again at once, and \
                 again: that is a spin."
            );
            broken("no wake before an edge", says, None);
        }
        run.tell_answer(task, &answer);
        match answer {
            Poll::Ready(result) => self.state.judge_ready(&result, called),
            Poll::Pending => {
                self.judge_pending(task, way);
                self.waits = Some((future, way, task));
            }
        }
    }

    /// Nothing is there, and somebody is left to wake the task.
    fn judge_pending(&self, task: u32, way: usize) {
        let side = &self.state.ways[way];
        if self.state.given.get().is_some() {
            let says = "The attempt has given a result, not WouldBlock, and the poll says Pending. Whoever called retry \
                        does not get it.";
            broken("a result is passed on", says, None);
        }
        let lies = side.lies.borrow().len();
        if side.told.get() && lies > 0 {
            let (tries, s) = (self.state.attempts.get(), if lies == 1 { "" } else { "s" });
            assert_eq!(tries, 0, "an attempt takes what lies there");
            let there = match (way, lies) {
                (READ, 1) => "lies there unread",
                (READ, _) => "lie there unread",
                _ => "would find room",
            };
            let what = if way == READ { "chunk" } else { "write" };
            let says = format!(
                "{lies} {what}{s} {there}, and the poll says Pending without an attempt. No attempt has blocked since \
                 the flag went up, and the system does not tell twice: task {task} waits for ever."
            );
            broken("an edge is good until WouldBlock", says, None);
        }
        self.keeps(task, way);
    }

    /// The waker of this poll lies where an edge of this direction finds it.
    fn keeps(&self, task: u32, way: usize) {
        let token = self.state.token.get().expect("it is registered");
        let is_of = |way, task: u32| {
            let waker = self.spies[task as usize - 1].waker();
            core().reactor.borrow_mut().side(token, way).waker.as_ref().is_some_and(|kept| kept.will_wake(&waker))
        };
        if is_of(way, task) {
            return;
        }
        let other = (1..=TASKS).find(|&other| is_of(way, other));
        let says = match other {
            Some(other) => format!(
                "Task {task} has polled, and what is kept is the waker of task {other}. The socket is another's now: \
                 task {task} would never be woken."
            ),
            None if is_of(1 - way, task) => format!(
                "Task {task} waits to {}, and its waker lies on the other side: an edge of the {}s finds nobody.",
                CALLED[way], CALLED[way]
            ),
            None => "The poll says Pending, and the reactor has no waker of it: whom is it to wake at the next edge?"
                .to_owned(),
        };
        broken("Pending keeps the waker of this poll", says, None)
    }

    /// What the reactor does when the system tells.
    fn edge(&mut self, way: usize, chunks: u32) {
        self.state.ways[way].told.set(true);
        let what = match (way, chunks) {
            (_, 0) => "an edge, and nothing is there".to_owned(),
            (READ, _) => format!("an edge: {chunks} to read"),
            _ => "an edge: room to write".to_owned(),
        };
        Run::current().tell("IoReady", 0, what);
        let (core, token) = (core(), self.state.token.get().expect("it is registered"));
        let mut reactor = core.reactor.borrow_mut();
        let side = reactor.side(token, way);
        side.ready = true;
        let waker = side.waker.take();
        drop(reactor);
        waker.into_iter().for_each(std::task::Waker::wake);
    }

    /// The socket is dropped, and what waits there before; nobody keeps anything of it.
    fn drops(&mut self) {
        self.waits = None;
        Run::current().tell("Drop", 0, "the socket");
        self.socket = None;
        let holder = (1..=TASKS).find(|&task| self.spies[task as usize - 1].holders() > 0);
        let is_empty = core().reactor.borrow().sources.is_empty();
        let (says, missing) = match (is_empty, self.state.token.get(), holder) {
            (true, None, None) => {
                (self.state, self.socket) = open([0, 0]);
                return;
            }
            (true, None, Some(task)) => {
                (format!("The socket is dropped, and a waker of task {task} is still held."), "WakerDrop")
            }
            _ => {
                let says = "The socket is dropped, and the reactor keeps its place, and the wakers in it. A server that \
                            runs for a week has no memory left.";
                (says.to_owned(), "IoDeregistered")
            }
        };
        broken("what is dropped is forgotten", says, Some(missing))
    }
}

/// Two sockets of the system: so many bytes go through, written and read in pieces. What is written can be read at once.
#[cfg(unix)]
fn real(bytes: usize, piece: usize, room: usize) {
    let run = Run::current();
    run.tell("Sockets", 0, format!("{bytes} bytes, in pieces of {piece}"));
    let text: Vec<u8> = (0..bytes).map(|number| (number % 251) as u8).collect();
    let sent = text.clone();
    let came = runtime::block_on(async move {
        let (ours, theirs) = mio::net::UnixStream::pair().expect("the system has sockets");
        let (mut reader, mut writer) = (io::Watched::new(ours).unwrap(), io::Watched::new(theirs).unwrap());
        runtime::spawn(async move {
            let mut rest = &sent[..];
            while !rest.is_empty() {
                let most = piece.min(rest.len());
                rest = &rest[writer.retry(WRITE, |socket| socket.write(&rest[..most])).await.unwrap()..];
            }
        });
        let (mut came, mut buffer) = (Vec::new(), vec![0; room]);
        loop {
            let length = reader.retry(READ, |socket| socket.read(&mut buffer)).await.unwrap();
            came.extend_from_slice(&buffer[..length]);
            if length == 0 {
                return came;
            }
        }
    });
    if came != text {
        let says = format!("{bytes} bytes were written to a socket, and {} were read, or others.", came.len());
        broken("a result is passed on", says, None);
    }
}
