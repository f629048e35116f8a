//! A socket that a check scripts: what lies there, and what the attempts of an answer give. Nobody but the check says when
//! the system tells of it.

use crate::run::{Broken, Run, broken};
use mio::event::Source;
use mio::{Interest, Registry, Token};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::error;
use std::fmt;
use std::io::{self, ErrorKind, Result};
use std::rc::Rc;
use std::thread;

/// What a read and a write are called, and what they wait for.
pub const CALLED: [&str; 2] = ["read", "write"];

/// What an attempt gives. A chunk that is read, or a room that is written to, has a number.
pub type Given = std::result::Result<u32, Failure>;

/// An attempt that fails. The error of the system carries it, so that a check knows the error again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The kind of the error.
    pub kind: ErrorKind,
    /// No two of a socket have the same.
    number: u32,
}

impl Failure {
    /// The kinds that there are.
    pub const KINDS: [ErrorKind; 7] = [
        ErrorKind::ConnectionReset,
        ErrorKind::Interrupted,
        ErrorKind::UnexpectedEof,
        ErrorKind::TimedOut,
        ErrorKind::BrokenPipe,
        ErrorKind::NotConnected,
        ErrorKind::Other,
    ];

    /// What this error carries.
    pub fn of(error: &io::Error) -> Option<Failure> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failure {}: {}", self.number, self.kind)
    }
}

impl error::Error for Failure {}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> io::Error {
        io::Error::new(failure.kind, failure)
    }
}

/// What the check knows of one direction of a socket.
#[derive(Debug, Default)]
pub struct Way {
    /// What the next attempts give, first in, first out.
    pub lies: RefCell<VecDeque<Given>>,
    /// No attempt has blocked since the system told last. (At first nobody knows: an attempt is worth it.)
    pub told: Cell<bool>,
}

/// What the check knows of a socket.
#[derive(Debug, Default)]
pub struct Wire {
    /// Reads, and writes.
    pub ways: [Way; 2],
    /// Where it is registered.
    pub token: Cell<Option<Token>>,
    /// What the last poll's attempt has given, if it did not block.
    pub given: Cell<Option<Given>>,
    /// Attempts of the last poll.
    pub attempts: Cell<u32>,
    /// The number of the last chunk.
    pub next: Cell<u32>,
    /// The number of the last failure.
    pub failures: Cell<u32>,
    /// Who polls.
    pub task: Cell<u32>,
}

/// The socket that the answer watches.
#[derive(Debug)]
pub struct Scripted {
    /// What is known of it.
    pub wire: Rc<Wire>,
    /// Whether the answer holds its reactor now.
    pub is_held: fn() -> bool,
}

impl Source for Scripted {
    fn register(&mut self, _: &Registry, token: Token, _: Interest) -> Result<()> {
        self.wire.token.set(Some(token));
        Ok(())
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interest: Interest) -> Result<()> {
        self.register(registry, token, interest)
    }

    fn deregister(&mut self, _: &Registry) -> Result<()> {
        self.wire.token.set(None);
        Ok(())
    }
}

impl Scripted {
    /// What the answer calls to read or to write.
    pub fn attempt(&mut self, way: usize) -> Result<u32> {
        let state = Rc::clone(&self.wire);
        let given = state.ways[way].lies.borrow_mut().pop_front();
        let note = match given {
            None => "WouldBlock".to_owned(),
            Some(Ok(number)) if way == 0 => format!("chunk {number} is read"),
            Some(Ok(number)) => format!("write {number} is done"),
            Some(Err(Failure { kind, .. })) => format!("error {kind:?}"),
        };
        Run::current().tell_here("Attempt", state.task.get(), note);
        state.attempts.set(state.attempts.get() + 1);
        if (self.is_held)() {
            let says = "retry has borrowed the reactor while it calls attempt. That is code of others: if it closes \
                        another socket, it needs the reactor, and panics.";
            broken("no borrow while other code runs", says, None);
        }
        if state.given.get().is_some() {
            let says = "An attempt has given a result, and another one is made in the same poll. What becomes of the \
                        first? Whoever called retry wants each, an error, too.";
            broken("a result is passed on", says, None);
        }
        if !state.ways[way].told.get() {
            let says = format!(
                "The last attempt to {} would block, and the system has told nothing since. So nothing can have changed: \
                 this attempt is a system call for nothing.",
                CALLED[way]
            );
            broken("no attempt without an edge", says, None);
        }
        if given.is_none() {
            state.ways[way].told.set(false);
        }
        state.given.set(given);
        given.map_or(Err(ErrorKind::WouldBlock.into()), |given| given.map_err(Into::into))
    }
}

impl Wire {
    /// A poll is ready: the result has to be the attempt's.
    ///
    /// # Panics
    /// If it is another one: that breaks a rule.
    pub fn judge_ready(&self, result: &Result<u32>, called: &str) {
        let says = match (self.given.get(), result) {
            (Some(Ok(given)), Ok(result)) if given == *result => return,
            (Some(Err(given)), Err(error)) if Failure::of(error) == Some(given) => return,
            (_, Err(error)) if error.kind() == ErrorKind::WouldBlock => {
                let says = format!(
                    "The {called} has returned WouldBlock to its caller. It means: nothing now. The caller cannot wait, \
                     and retry can."
                );
                broken("WouldBlock is no result", says, None)
            }
            (Some(Err(given)), Err(error)) if given.kind == error.kind() => {
                "retry has returned an error of the same kind as the attempt's, and not that one. What the system said of \
                 it, its number and its text, is lost."
                    .to_owned()
            }
            (Some(_), _) => "The attempt has given another result than retry has returned.".to_owned(),
            (None, _) => "No attempt has given a result in this poll, and it says Ready.".to_owned(),
        };
        broken("a result is passed on", says, None)
    }

    /// The next attempt, behind what lies there, will fail in this way; nobody is told.
    pub fn comes(&self, way: usize, kind: ErrorKind) {
        self.failures.set(self.failures.get() + 1);
        self.ways[way].lies.borrow_mut().push_back(Err(Failure { kind, number: self.failures.get() }));
    }

    /// A chunk comes to lie there, or room for one; nobody is told.
    pub fn chunk_comes(&self, way: usize) {
        self.next.set(self.next.get() + 1);
        self.ways[way].lies.borrow_mut().push_back(Ok(self.next.get()));
    }
}

/// A waker of this task is dropped, which is code of others. `is_held`: the answer has borrowed its reactor meanwhile.
///
/// # Panics
/// If it has: that breaks a rule.
pub fn waker_is_dropped(task: u32, is_held: bool) {
    if is_held && !thread::panicking() {
        Run::current().tell_here("WakerDrop", task, format!("a waker of task {task}"));
        let says = format!(
            "A waker of task {task} is dropped here, and your code still has the reactor borrowed. To drop a waker may run \
             any code: if that closes a socket, it needs the reactor, and panics. Let the waker out, and drop it when the \
             borrow is over."
        );
        broken("no borrow while other code runs", says, None);
    }
}

/// The answer sleeps, and nobody is left to wake it. Where?
pub fn sleeps_at_a_socket(run: &Run) -> Broken {
    run.with_events(|events| {
        let last = |name: &str| events.iter().rposition(|event| event.name == name);
        let (rule, says) = match (last("Sockets"), last("PollBegin") > last("PollEnd")) {
            (Some(_), _) => (
                "no wake is lost",
                "One task writes into a socket of the system, another reads from it. The loop sleeps, and not all has \
                 been read.",
            ),
            (None, true) => (
                "a poll does not sleep",
                "The poll sleeps. Nothing else runs on this thread meanwhile. Keep the waker and say Pending.",
            ),
            (None, false) => ("a drop comes back", "The drop of the socket sleeps."),
        };
        Broken { rule, says: says.to_owned(), missing: Some("PollEnd") }
    })
}
