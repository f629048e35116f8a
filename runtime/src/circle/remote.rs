//! The way to a loop from another thread: what may be asked of it, what it needs from that side, and how it is found.
//!
//! ```text
//!   another thread: post --> the table: who has this number? --> Mailbox::post: queue it, ring if the loop is parked
//!   the loop:       Threads::take, at every check and after every park
//! ```
//!
//! The circle owns the two traits and the table; `threads/` implements the traits. So a reader who follows a wake
//! through the circle need not know how a message travels.
//!
//! Read before: `wake.rs`.
//! Grew from rung 5 (the table of inboxes) of the ladder in `examples/course`.

use crate::Reason;
use crate::circle::core::Core;
use crate::circle::result::JoinError;
use crate::circle::ticket::{RUNTIME_BITS, Ticket};
use std::any::Any;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

/// What another thread asks of a loop.
pub(crate) enum Message {
    /// Push the task of this ticket.
    Wake(Ticket),
    /// Drop the future of the task with this ticket and serial number.
    Abort(Ticket, u64),
    /// Run this on the loop. Only the trace reads the errand.
    #[allow(dead_code, reason = "the trace is a feature")]
    Run(Errand, Box<dyn FnOnce(&Core) + Send>),
}

/// What a [`Message::Run`] is about: for the trace.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "the trace is a feature")]
pub(crate) enum Errand {
    /// Spawns a task.
    Spawn,
    /// Brings the result of the blocking job with this key.
    JobEnd(usize),
    /// Says that nothing can happen any more: the watchdog of a recorded page.
    Hang,
    /// Says that nobody outside will wake the loop any more.
    NobodyOutside,
}

/// A job for the blocking pool. It runs on a thread of the pool, and this thread posts its message to the loop.
pub(crate) type Job = Box<dyn FnOnce() -> Message + Send>;

/// The other threads, as the loop sees them.
pub(crate) trait Threads {
    /// How many messages wait.
    fn waiting(&self) -> usize;

    /// Takes the next message, with the stamp that it was sent with: for the trace.
    fn take(&self) -> Option<(Message, Reason)>;

    /// Says that the loop is about to park, and looks once more: true if a message is there already.
    fn announce_park(&self) -> bool;

    /// Says that the loop is awake.
    fn end_park(&self);

    /// Sees to it that a thread of the blocking pool will take the next job.
    ///
    /// # Errors
    /// A cancellation when the runtime is being dropped; the system's error when no thread can be started.
    fn reserve_thread(&self) -> Result<(), JoinError>;

    /// Hands a job to the thread that was reserved for it.
    fn submit(&self, job: Job);

    /// The runtime is being dropped: no job begins any more, and idle threads end.
    fn close_pool(&self);

    /// The runtime is being dropped: messages come back to their senders from here on, and those that came before are
    /// dropped. Other threads may send without end, so the queue is closed first and emptied second.
    fn close_queue(&self);

    /// Whether somebody outside has said that it will wake this loop.
    fn is_somebody_outside(&self) -> bool;

    /// What another thread may have of the loop: for [`Handle`](crate::Handle), which knows what it is.
    fn share(&self) -> Arc<dyn Any + Send + Sync>;

    /// A number that no other loop of the process has at the same time.
    fn address(&self) -> usize;
}

/// Where another thread leaves a message for a loop.
pub(crate) trait Mailbox: Send + Sync {
    /// Hands a message to the loop, from any thread. When the loop is gone the message is dropped.
    fn post(&self, message: Message);
}

/// The process-wide table, by the number of the runtime: the project's one global. A waker carries no address, so a
/// wake from another thread finds its loop here. It is locked for writing when a runtime is made or dropped.
static TABLE: RwLock<Vec<Entry>> = RwLock::new(Vec::new());

/// What belongs to one number.
struct Entry {
    /// The mailbox of the runtime that has the number now.
    mailbox: Option<Arc<dyn Mailbox>>,
    /// The serial number of the first task of the next runtime with this number. Counting goes on where the last owner
    /// stopped, so that wakers which outlived it find another generation.
    next_serial: u64,
}

/// Gives a runtime its number, and the serial number of its first task.
///
/// # Errors
/// When every number is taken.
pub(crate) fn register(mailbox: Arc<dyn Mailbox>) -> io::Result<(u16, u64)> {
    let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
    let number = match table.iter().position(|entry| entry.mailbox.is_none()) {
        Some(free) => free,
        None if table.len() == 1 << RUNTIME_BITS => {
            let all = table.len();
            return Err(io::Error::other(format!(
                "{all} runtimes are alive in this process, the most there can be: drop some"
            )));
        }
        None => {
            table.push(Entry { mailbox: None, next_serial: 0 });
            table.len() - 1
        }
    };
    table[number].mailbox = Some(mailbox);
    Ok((number as u16, table[number].next_serial))
}

/// Takes a dropped runtime out of the table.
pub(crate) fn unregister(number: u16, next_serial: u64) {
    let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
    table[usize::from(number)] = Entry { mailbox: None, next_serial };
}

/// Posts a message to the runtime with this number. When it is gone, nobody is left to wake: the message is dropped.
pub(crate) fn post(number: u16, message: Message) {
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    let mailbox = table.get(usize::from(number)).and_then(|entry| entry.mailbox.clone());
    drop(table);
    if let Some(mailbox) = mailbox {
        mailbox.post(message);
    }
}
