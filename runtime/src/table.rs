//! The process-wide table: which inbox stands behind a runtime's number. The project's one global.
//!
//! A waker carries no address, so a wake from another thread finds its loop here. Locked for reading by such wakes, for
//! writing when a runtime is made or dropped.

use crate::wake::{Inbox, Message, RUNTIME_BITS};
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

/// By number.
static TABLE: RwLock<Vec<Entry>> = RwLock::new(Vec::new());

/// One number of the table.
struct Entry {
    /// The runtime that has the number now.
    inbox: Option<Arc<Inbox>>,
    /// The number that the next runtime's first task gets: counting goes on where the last owner stopped, so that
    /// wakers that outlived it find another generation.
    next_count: u64,
}

/// Gives a runtime its number and the count at which its tasks begin.
///
/// # Errors
/// When every number is taken.
pub(crate) fn register(inbox: &Arc<Inbox>) -> io::Result<(u16, u64)> {
    let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
    let number = match table.iter().position(|entry| entry.inbox.is_none()) {
        Some(free) => free,
        None if table.len() == 1 << RUNTIME_BITS => {
            let all = table.len();
            return Err(io::Error::other(format!(
                "{all} runtimes are alive in this process, the most there can be: drop some"
            )));
        }
        None => {
            table.push(Entry { inbox: None, next_count: 0 });
            table.len() - 1
        }
    };
    table[number].inbox = Some(Arc::clone(inbox));
    Ok((number as u16, table[number].next_count))
}

/// Takes a dropped runtime out of the table.
pub(crate) fn unregister(number: u16, next_count: u64) {
    let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
    table[usize::from(number)] = Entry { inbox: None, next_count };
}

/// Sends a message to the runtime with this number. When it is gone, nobody is left to wake: the message is dropped.
pub(crate) fn post(runtime: u16, message: Message) {
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    let inbox = table.get(usize::from(runtime)).and_then(|entry| entry.inbox.clone());
    drop(table);
    if let Some(inbox) = inbox {
        inbox.post(message);
    }
}
