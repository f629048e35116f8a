//! What is said when nothing can happen any more: every task, where it was spawned, what is known of its wait.
//!
//! Read before: `ready.rs`.
//! Grew from rung 6 (nothing can happen any more) of the ladder in `examples/course`.

use crate::circle::ready::{Body, Slot, Tasks, Wait};
use crate::circle::task::Birth;
use crate::holders;
use std::fmt;

impl Tasks {
    /// A line for every task: its name, where it was spawned, what is known of its wait.
    pub(crate) fn list(&self) -> String {
        let mut tasks: Vec<_> = self.slots.iter().map(|(_, slot)| slot).collect();
        tasks.sort_unstable_by_key(|slot| slot.serial());
        let line = |slot: &&Slot| format!("\n  {}, {}{}", slot.body, slot.wait, holders(slot.ticket));
        tasks.iter().map(line).collect()
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Main(at) => write!(f, "main, the future of block_on at {at}"),
            Body::Task(task) => {
                let Birth { name, at } = task.birth();
                match name {
                    Some(name) => write!(f, "task \"{name}\", spawned at {at}"),
                    None => write!(f, "a task spawned at {at}"),
                }
            }
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Wait::Unknown => "waits for something that this loop does not know",
            Wait::Join => "waits for another task to end",
            Wait::Permit => "waits for a permit of a semaphore",
            Wait::Channel => "waits for a channel",
        })
    }
}
