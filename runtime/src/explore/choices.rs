//! What can be chosen at a step: who is polled next, which timer fires first, who is woken for nothing.

use super::WhatIf;
use super::run::{Next, Run, Stop, What, mix, slot_of};
use crate::circle::core::Core;
use crate::circle::ready::{Body, Tasks};
use crate::circle::ticket::Ticket;
use crate::circle::timers::{Entry, Timers};
use std::cmp::Reverse;
use std::collections::HashMap;

impl Run {
    /// Before the pop: who is polled next.
    pub(super) fn next(&mut self, core: &Core) -> Next {
        if self.stop.is_some() {
            return Next::Stop;
        }
        let mut tasks = core.tasks.borrow_mut();
        let tasks = &mut *tasks;
        if tasks.next >= tasks.batch.len() {
            return Next::Poll;
        }
        if let Some(fault) = self.fault {
            return self.next_faulty(fault, tasks);
        }
        self.ready.clear();
        let is_live = |ticket: &Ticket| slot_of(tasks, *ticket).is_some();
        self.ready.extend(tasks.batch[tasks.next..].iter().chain(&tasks.arrived).copied().filter(is_live));
        if self.ready.is_empty() {
            return Next::Poll;
        }
        // Choice 0 is the loop's own: the head, or whoever has overtaken others and goes on. The others follow in the
        // order of the queue.
        let first = self.favourite.and_then(|ticket| self.ready.iter().position(|it| *it == ticket));
        match first {
            Some(first) => self.ready[..=first].rotate_right(1),
            None => self.favourite = None,
        }
        let alarm = if self.options.time_passes { core.timers.borrow().next() } else { None };
        self.note_waiting(tasks);
        let ready = self.ready.len();
        let choices = ready + usize::from(alarm.is_some()) + self.waiting.len();
        let signature = self.signature(tasks, alarm.is_some());
        let words = self.story.is_some().then(|| self.words(tasks, alarm.is_some()));
        let choice = match self.pick(choices, signature, || words.unwrap_or_default()) {
            Ok(choice) => choice,
            Err(stop) => {
                self.stop = Some(stop);
                return Next::Stop;
            }
        };
        let usual = self.ready[0];
        if choice < ready {
            let chosen = self.ready[choice];
            if choice > 0 {
                // From here on it goes on for nothing, until it waits.
                self.favourite = Some(chosen);
                self.tell(|| What::Poll { chosen: chosen.into(), before: usual.into() });
                trace!(Chosen { task: chosen, before: usual });
            }
            bring_forward(tasks, chosen);
            self.popped = Some(chosen);
            return Next::Poll;
        }
        self.favourite = None;
        if let Some(deadline) = alarm.filter(|_| choice == ready) {
            self.tell(|| What::Alarm);
            return Next::Alarm(deadline);
        }
        let woken = self.waiting[choice - ready - usize::from(alarm.is_some())];
        self.wake_for_nothing(tasks, woken);
        bring_forward(tasks, woken);
        self.popped = Some(woken);
        Next::Poll
    }

    /// The same with a fault in the queue; nothing is chosen.
    fn next_faulty(&mut self, fault: WhatIf, tasks: &mut Tasks) -> Next {
        if self.step as usize >= self.options.steps {
            self.stop = Some(Stop::Endless);
            return Next::Stop;
        }
        self.step += 1;
        if matches!(fault, WhatIf::Lifo | WhatIf::UntilEmpty) {
            tasks.batch.append(&mut tasks.arrived);
        }
        let is_live = |ticket: &&Ticket| slot_of(tasks, **ticket).is_some();
        let mut live = tasks.batch[tasks.next..].iter().filter(is_live).copied();
        self.popped = live.next();
        if matches!(fault, WhatIf::Lifo) {
            self.popped = live.last().or(self.popped);
        }
        self.popped.into_iter().for_each(|ticket| bring_forward(tasks, ticket));
        Next::Poll
    }

    /// Who waits, if the explorer may wake one for nothing.
    fn note_waiting(&mut self, tasks: &Tasks) {
        self.waiting.clear();
        if self.spurious_left > 0 {
            let waiting = tasks.slots.iter().filter(|(_, slot)| !slot.queued);
            self.waiting.extend(waiting.map(|(_, slot)| slot.ticket));
        }
    }

    fn wake_for_nothing(&mut self, tasks: &mut Tasks, ticket: Ticket) {
        self.spurious_left -= 1;
        self.tell(|| What::Spurious(ticket.into()));
        let _wake = trace!(scope Wake { task: ticket, last: false });
        tasks.push(ticket);
    }

    /// Stands for what can be chosen: the tasks by name and line.
    fn signature(&self, tasks: &Tasks, has_alarm: bool) -> u64 {
        let of = |hash: u64, ticket: &Ticket| {
            let Some(slot) = tasks.slots.get(ticket.slot()) else { return hash };
            match &slot.body {
                Body::Main(_) => mix(hash, 1),
                Body::Task(task) => {
                    let birth = task.birth();
                    let name = birth.name.as_deref().unwrap_or_default();
                    let hash = mix(hash, std::ptr::from_ref(birth.at).addr() as u64);
                    name.bytes().fold(hash, |hash, byte| mix(hash, u64::from(byte)))
                }
            }
        };
        let ready = self.ready.iter().fold(u64::from(has_alarm), of);
        self.waiting.iter().fold(mix(ready, 0), of)
    }

    /// The same in words.
    fn words(&self, tasks: &Tasks, has_alarm: bool) -> String {
        let who = |ticket: &Ticket| match tasks.slots.get(ticket.slot()).map(|slot| &slot.body) {
            Some(Body::Task(task)) => super::story::who(task.birth().name.as_deref(), Some(task.birth().at)),
            _ => "main".to_owned(),
        };
        let ready = self.ready.iter().map(who);
        let alarm = has_alarm.then(|| "a timer".to_owned());
        let waiting = self.waiting.iter().map(|ticket| format!("a wake of {} for nothing", who(ticket)));
        ready.chain(alarm).chain(waiting).collect::<Vec<_>>().join(", ")
    }

    /// Nothing is ready: the overtaker waits like all others. Perhaps one of them is woken for nothing.
    pub(super) fn idle(&mut self, core: &Core) -> bool {
        (self.favourite, self.popped) = (None, None);
        let mut tasks = core.tasks.borrow_mut();
        if self.stop.is_some() || self.fault.is_some() || tasks.has_ready() {
            return self.stop.is_none();
        }
        self.ready.clear();
        self.note_waiting(&tasks);
        if self.waiting.is_empty() {
            return true;
        }
        let (choices, signature) = (1 + self.waiting.len(), self.signature(&tasks, false));
        let words = self.story.is_some().then(|| self.words(&tasks, false));
        match self.pick(choices, signature, || words.unwrap_or_default()) {
            Ok(0) => true,
            Ok(choice) => {
                let woken = self.waiting[choice - 1];
                self.wake_for_nothing(&mut tasks, woken);
                true
            }
            Err(stop) => {
                self.stop = Some(stop);
                false
            }
        }
    }

    /// Several timers fire now. Those with one deadline may do so in any order.
    ///
    /// # Errors
    /// When the run cannot go on.
    pub(super) fn order_ties(&mut self, timers: &mut Timers, now: u64) -> Result<(), Stop> {
        let is_due = |entry: &&Entry| {
            let armed = timers.timers.get(entry.key as usize).is_some_and(|timer| timer.arming == entry.arming);
            entry.deadline <= now && armed
        };
        let mut due: Vec<Entry> = timers.heap.iter().map(|Reverse(entry)| entry).filter(is_due).copied().collect();
        due.sort_unstable();
        let mut armings = HashMap::new();
        for tie in due.chunk_by_mut(|one, other| one.deadline == other.deadline) {
            let own: Vec<u64> = tie.iter().map(|entry| entry.arming).collect();
            for first in 0..tie.len() - 1 {
                let rest = tie.len() - first;
                let choice = self.pick(rest, rest as u64, || format!("{rest} timers with one deadline"))?;
                if choice > 0 {
                    let (timer, before) = (tie[first + choice].key, tie[first].key);
                    self.tell(|| What::Tie { timer, before });
                    tie[first..=first + choice].rotate_right(1);
                }
            }
            // Timers of one deadline fire in the order of their armings.
            armings.extend(
                tie.iter().zip(&own).filter(|(entry, own)| entry.arming != **own).map(|(it, own)| (it.key, *own)),
            );
        }
        if armings.is_empty() {
            return Ok(());
        }
        let mut entries = std::mem::take(&mut timers.heap).into_vec();
        for Reverse(entry) in &mut entries {
            let timer = timers.timers.get_mut(entry.key as usize).filter(|timer| timer.arming == entry.arming);
            if let (Some(timer), Some(arming)) = (timer, armings.remove(&entry.key)) {
                (entry.arming, timer.arming) = (arming, arming);
            }
        }
        timers.heap = entries.into();
        Ok(())
    }
}

/// Puts a ready task in front of the batch; the order of the others stays.
fn bring_forward(tasks: &mut Tasks, ticket: Ticket) {
    let next = tasks.next;
    if let Some(index) = tasks.batch[next..].iter().position(|it| *it == ticket) {
        tasks.batch[next..=next + index].rotate_right(1);
    } else if let Some(index) = tasks.arrived.iter().position(|it| *it == ticket) {
        tasks.arrived.remove(index);
        tasks.batch.insert(next, ticket);
    }
}
