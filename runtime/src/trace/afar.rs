//! What other threads do to a loop: their messages, and the jobs that they begin.
//!
//! A recorder belongs to one thread. The others leave a word here, and the loop's thread takes it up with its next
//! event: so the message stands in the trace before the loop has received it.

use super::{Kind, State, record};
use crate::circle::remote::{Errand, Message};
use crate::circle::ticket::Ticket;
use crate::threads::inbox::Inbox;
use std::collections::BTreeMap;
use std::ptr;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// What was left, by the address of the loop's inbox. A loop stands here while a recorder listens to it.
static LEFT: Mutex<BTreeMap<usize, Vec<Word>>> = Mutex::new(BTreeMap::new());

/// One word.
struct Word {
    source: (&'static str, u32),
    thread: String,
    what: What,
}

/// What a thread did.
#[derive(Clone, Copy)]
enum What {
    /// It sent this message.
    Sent(Gist),
    /// It began this job.
    Started(usize),
}

/// A message without its contents.
#[derive(Clone, Copy)]
enum Gist {
    Wake(Ticket),
    Abort(Ticket),
    Spawn,
    JobEnd(usize),
    NobodyOutside,
}

impl Gist {
    fn of(message: &Message) -> Gist {
        match message {
            Message::Wake(ticket) => Gist::Wake(*ticket),
            Message::Abort(ticket, _) => Gist::Abort(*ticket),
            Message::Run(Errand::Spawn, _) => Gist::Spawn,
            Message::Run(Errand::JobEnd(job), _) => Gist::JobEnd(*job),
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
            Gist::NobodyOutside => ("nobody outside", None),
        }
    }
}

fn left() -> MutexGuard<'static, BTreeMap<usize, Vec<Word>>> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Leaves a word for the recorder of the loop whose inbox has this address, if there is one.
fn leave(inbox: usize, source: (&'static str, u32), what: What) {
    if let Some(words) = left().get_mut(&inbox) {
        let thread = thread::current();
        let thread = thread.name().map_or_else(|| format!("{:?}", thread.id()), str::to_owned);
        words.push(Word { source, thread, what });
    }
}

/// A message is about to enter a loop's remote queue.
pub(crate) fn sent(file: &'static str, line: u32, inbox: &Inbox, message: &Message) {
    leave(ptr::from_ref(inbox).addr(), (file, line), What::Sent(Gist::of(message)));
}

/// A thread of the blocking pool begins a job.
pub(crate) fn job_started(file: &'static str, line: u32, inbox: usize, job: usize) {
    leave(inbox, (file, line), What::Started(job));
}

/// The loop has taken a message out.
pub(crate) fn taken(file: &'static str, line: u32, message: &Message) {
    record(file, line, None, || {
        let number = |ticket| super::TaskNumber::from(ticket).0;
        let (message, number) = Gist::of(message).told(number);
        Kind::RemoteTaken { message, number }
    });
}

/// The recorder takes up what others left for this loop.
pub(super) fn hear(state: &mut State, inbox: usize) {
    if !state.inboxes.contains(&inbox) {
        state.inboxes.push(inbox);
        left().insert(inbox, Vec::new());
    }
    let words = left().get_mut(&inbox).map(std::mem::take).unwrap_or_default();
    if words.is_empty() {
        return;
    }
    // They belong to the event that is being recorded, which comes after these.
    let listeners = std::mem::take(&mut state.listeners);
    for word in words {
        let thread = Rc::from(word.thread);
        let kind = match word.what {
            What::Started(job) => Kind::JobStarted { job, thread },
            What::Sent(gist) => {
                let (message, number) = gist.told(|ticket| state.number(ticket).0);
                Kind::RemoteSent { message, number, thread }
            }
        };
        state.push(state.at, word.source, None, kind);
    }
    state.listeners = listeners;
}

/// The recorder is gone.
pub(super) fn forget(inboxes: &[usize]) {
    for inbox in inboxes {
        left().remove(inbox);
    }
}
