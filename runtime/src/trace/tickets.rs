//! How many tickets of each task there are. When nothing can happen any more, this tells a task that nobody can wake from
//! one that others could still wake if they did not sleep themselves.
//!
//! Every clone, every drop and every last use of a ticket on the loop's thread is an event. So a count of zero is a proof,
//! unless another thread has cloned a ticket of the task (`afar.rs` keeps those), or the recorder has not seen the task's
//! whole life: then nothing is said of it.

use super::kind::{Kind, TaskNumber};
use super::{State, afar, with_state};
use crate::circle::ticket::Ticket;
use std::collections::BTreeMap;
use std::sync::Arc;

/// More names than these are not told in one sentence.
const MOST_NAMES: usize = 8;

/// The tickets of the tasks that are alive.
#[derive(Default)]
pub(super) struct Tickets {
    /// By task: its name, and how many there are.
    tasks: BTreeMap<TaskNumber, (String, i64)>,
    /// Another recorder has listened in between: some events are missing here.
    is_blind: bool,
}

impl Tickets {
    /// Counts what an event tells.
    pub(super) fn hear(&mut self, kind: &Kind) {
        let mut count = |task: &TaskNumber, more: i64| {
            if let Some((_, count)) = self.tasks.get_mut(task) {
                *count += more;
            }
        };
        match kind {
            Kind::Spawn { task, name, .. } => {
                let name = name.as_ref().map_or_else(|| format!("task {}", task.0), |name| name.to_string());
                self.tasks.insert(*task, (name, 0));
            }
            Kind::TicketCloned { task } => count(task, 1),
            Kind::TicketDropped { task } | Kind::Wake { task, last: true } => count(task, -1),
            Kind::TaskEnd { task, .. } => _ = self.tasks.remove(task),
            _ => {}
        }
    }

    /// Another recorder begins to listen in the place of this one.
    pub(super) fn go_blind(&mut self) {
        self.is_blind = true;
        self.tasks.clear();
    }
}

impl State {
    /// Whether there is no ticket of this task any more; `None` if that is not known.
    fn is_lost(&self, ticket: Ticket) -> Option<bool> {
        let (_, count) = self.tickets.tasks.get(self.numbers.get(&ticket.0)?)?;
        (!self.tickets.is_blind).then_some(*count == 0 && !afar::was_cloned(ticket))
    }

    /// The names of the tasks of which that is so, or is not so; `None` if there are none.
    fn names(&self, lost: bool) -> Option<Arc<str>> {
        let mut tasks: Vec<_> = self.numbers.iter().map(|(ticket, number)| (*number, Ticket(*ticket))).collect();
        tasks.sort_unstable_by_key(|(number, _)| *number);
        tasks.retain(|(_, ticket)| self.is_lost(*ticket) == Some(lost));
        let names = tasks.iter().take(MOST_NAMES).map(|(number, _)| self.tickets.tasks[number].0.as_str());
        let mut names = names.collect::<Vec<_>>().join(", ");
        if tasks.len() > MOST_NAMES {
            names.push_str(&format!(" and {} more", tasks.len() - MOST_NAMES));
        }
        (!names.is_empty()).then(|| names.into())
    }
}

impl Kind {
    /// Nothing can happen any more.
    pub(crate) fn quiescent() -> Kind {
        let names = |lost| with_state(|state| state.names(lost)).flatten();
        Kind::Quiescent { nobody: names(true), sleeping: names(false) }
    }
}

/// What is known of the tickets of a task that waits when nothing can happen any more, in words for the end of a sentence.
pub(crate) fn holders(ticket: Ticket) -> &'static str {
    match with_state(|state| state.is_lost(ticket)).flatten() {
        Some(true) => "; nobody holds a ticket of it",
        Some(false) => "; only sleeping tasks hold tickets of it, as far as the trace knows",
        None => "",
    }
}
