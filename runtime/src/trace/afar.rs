//! What other threads do to a loop: their messages, and the jobs that they begin.
//!
//! A recorder belongs to one thread. The others leave a word here, and the loop's thread takes it up with its next
//! event: so the message stands in the trace before the loop has received it.

use super::kind::Whom;
use super::{
    AFAR, Cause, Kind, SCOPES, State, TaskNumber, next_identity, record_because, record_if, somebody_listens,
    with_state,
};
use crate::Reason;
use crate::circle::remote::{Errand, Message};
use crate::circle::ticket::{Id, Ticket};
use crate::threads::inbox::Inbox;
use std::collections::BTreeSet;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What was left for each loop. A loop stands here while a recorder listens to it.
static LEFT: Mutex<Vec<Left>> = Mutex::new(Vec::new());

/// Tickets that were cloned on threads without a recorder, while somebody listened: nobody can count those clones. What each
/// loop keeps as `shared` would not do: a loop begins with none when another recorder takes it up.
static CLONED: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());

/// What was left for one loop.
struct Left {
    /// The address of its inbox.
    inbox: usize,
    /// The number of its runtime.
    runtime: u16,
    words: Vec<Word>,
    /// The tickets of which it was said that another thread has cloned them.
    shared: BTreeSet<u64>,
}

/// One word.
struct Word {
    source: (&'static str, u32),
    thread: String,
    what: What,
    /// The event in whose scope the thread acted, if it has a recorder: it may be the recorder that will hear this.
    because: Option<Cause>,
}

/// What a thread did.
#[derive(Clone, Copy)]
enum What {
    /// It sent this message, with this stamp.
    Sent(Gist, u64),
    /// It began this job.
    Started(usize),
    /// It cloned this ticket.
    Shared(Ticket),
}

/// A message without its contents.
#[derive(Clone, Copy)]
enum Gist {
    Wake(Ticket),
    Abort(Ticket),
    Spawn,
    JobEnd(usize),
    Hang,
    NobodyOutside,
}

impl Gist {
    fn of(message: &Message) -> Gist {
        match message {
            Message::Wake(ticket) => Gist::Wake(*ticket),
            Message::Abort(ticket, _) => Gist::Abort(*ticket),
            Message::Run(Errand::Spawn, _) => Gist::Spawn,
            Message::Run(Errand::JobEnd(job), _) => Gist::JobEnd(*job),
            Message::Run(Errand::Hang, _) => Gist::Hang,
            Message::Run(Errand::NobodyOutside, _) => Gist::NobodyOutside,
        }
    }

    /// Its name, and the number of its task or job.
    fn told(self, number: impl FnOnce(Ticket) -> u32) -> (&'static str, Option<u32>) {
        match self {
            Gist::Wake(ticket) => ("wake", Some(number(ticket))),
            Gist::Abort(ticket) => ("abort", Some(number(ticket))),
            Gist::Spawn => ("spawn", None),
            Gist::JobEnd(job) => ("job end", Some(job as u32)),
            Gist::Hang => ("hang", None),
            Gist::NobodyOutside => ("nobody outside", None),
        }
    }
}

fn left() -> MutexGuard<'static, Vec<Left>> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Leaves a word for the recorder of the loop whose inbox has this address, if there is one.
fn leave(inbox: usize, source: (&'static str, u32), what: What) {
    if let Some(left) = left().iter_mut().find(|left| left.inbox == inbox) {
        left.words.push(Word::of_this_thread(source, what));
    }
}

impl Word {
    fn of_this_thread(source: (&'static str, u32), what: What) -> Word {
        let thread = thread::current();
        let thread = thread.name().map_or_else(|| format!("{:?}", thread.id()), str::to_owned);
        let because = SCOPES.try_with(|scopes| scopes.borrow().last().copied()).ok().flatten();
        Word { source, thread, what, because }
    }
}

/// A message is about to enter a loop's remote queue. Gives its stamp, with which it travels: two threads may send in
/// one order and leave their words in the other.
pub(crate) fn sent(file: &'static str, line: u32, inbox: &Inbox, message: &Message) -> Reason {
    let stamp = next_identity();
    leave(ptr::from_ref(inbox).addr(), (file, line), What::Sent(Gist::of(message), stamp));
    Reason(Some(Cause { recorder: AFAR, seq: stamp }))
}

/// A thread of the blocking pool begins a job.
pub(crate) fn job_started(file: &'static str, line: u32, inbox: usize, job: usize) {
    leave(inbox, (file, line), What::Started(job));
}

/// The loop has taken a message out.
pub(crate) fn taken(file: &'static str, line: u32, message: &Message, stamp: Reason) -> Reason {
    let because = |state: &mut State| state.causes.arrived(stamp.0?.seq);
    record_because(file, line, None, because, || {
        let (message, number) = Gist::of(message).told(|ticket| TaskNumber::from(ticket).0);
        Kind::RemoteTaken { message, number }
    })
}

/// The handle with this number waits for this job.
pub(crate) fn job_submitted(_: &'static str, _: u32, handle: Id, job: usize) {
    with_state(|state| state.handles.insert(handle, Whom::Job(job)));
}

/// The handle with this number, which is on another thread, waits for this task.
pub(crate) fn spawned(_: &'static str, _: u32, handle: Id, task: Ticket) {
    with_state(|state| {
        let task = state.number(task);
        state.handles.insert(handle, Whom::Task(task))
    });
}

/// A ticket was cloned, on whatever thread.
pub(crate) fn ticket_cloned(file: &'static str, line: u32, ticket: Ticket) -> Reason {
    if !somebody_listens() {
        let mut left = left();
        if !left.is_empty() {
            CLONED.lock().unwrap_or_else(PoisonError::into_inner).insert(ticket.0);
        }
        // Its loop is told of the first such clone only: a thread may make millions.
        let loops = left.iter_mut().filter(|left| left.runtime == ticket.runtime());
        for left in loops {
            if left.shared.insert(ticket.0) {
                left.words.push(Word::of_this_thread((file, line), What::Shared(ticket)));
            }
        }
    }
    record_if(file, line, None, || Kind::TicketCloned { task: ticket.into() })
}

/// Whether there may be clones of a ticket that no recorder has counted.
pub(super) fn was_cloned(ticket: Ticket) -> bool {
    CLONED.lock().unwrap_or_else(PoisonError::into_inner).contains(&ticket.0)
}

/// The recorder takes up what others left for this loop.
pub(super) fn hear(state: &mut State, inbox: usize, runtime: u16) {
    if !state.inboxes.contains(&inbox) {
        state.inboxes.push(inbox);
        let mut left = left();
        left.retain(|left| left.inbox != inbox);
        left.push(Left { inbox, runtime, words: Vec::new(), shared: BTreeSet::new() });
    }
    let words = left().iter_mut().find(|left| left.inbox == inbox).map(|left| std::mem::take(&mut left.words));
    let words = words.unwrap_or_default();
    if words.is_empty() {
        return;
    }
    for word in words {
        let thread = Arc::from(word.thread);
        let own = word.because.filter(|cause| cause.recorder == state.number).map(|cause| cause.seq);
        match word.what {
            What::Started(job) => {
                state.push_because(state.at, word.source, None, Kind::JobStarted { job, thread }, own);
            }
            // An earlier loop may have had the same number: this one has no such task.
            What::Shared(ticket) => {
                if let Some(&task) = state.numbers.get(&ticket.0) {
                    state.push_because(state.at, word.source, None, Kind::TicketShared { task, thread }, own);
                }
            }
            What::Sent(gist, stamp) => {
                let (message, number) = gist.told(|ticket| state.number(ticket).0);
                let job = if let Gist::JobEnd(job) = gist { state.causes.job(job) } else { None };
                let kind = Kind::RemoteSent { message, number, thread };
                if let Some(seq) = state.push_because(state.at, word.source, None, kind, job.or(own)) {
                    state.causes.was_sent(stamp, seq);
                }
            }
        }
    }
}

/// The recorder is gone.
pub(super) fn forget(inboxes: &[usize]) {
    let mut left = left();
    left.retain(|left| !inboxes.contains(&left.inbox));
    if left.is_empty() {
        CLONED.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
