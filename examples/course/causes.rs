//! What led to an event of a trace: what it happened in, or what it ends.

use super::{Call, Writer};
use crate::event::Event;
use crate::fields::Value;

impl Writer<'_> {
    /// Somebody has called a task.
    pub(super) fn calls(&mut self, task: u64, thread: u64) {
        let call = Call { seq: self.seq, thread };
        self.calls.entry(task).or_default().push_back(call);
    }

    /// What led to this event, and its part in what comes after.
    pub(super) fn cause(
        &mut self,
        name: &str,
        task: Option<u64>,
        event: &Event,
        fields: &[(&str, Value)],
    ) -> Option<u64> {
        let here = event.inside.event.and_then(|number| self.seqs.get(&number).copied());
        match (name, task) {
            ("Spawn" | "Wake", Some(task)) => {
                self.calls(task, event.inside.thread);
                here
            }
            ("Push" | "PushRefused", Some(task)) => {
                self.has_queue = true;
                let cause = self.answered(task, here, event.inside.thread);
                if name == "Push" {
                    self.pushed.insert(task, self.seq);
                }
                cause
            }
            ("Pop", Some(task)) => {
                self.popped.insert(task, self.seq);
                self.pushed.remove(&task)
            }
            ("PollBegin", Some(task)) => {
                self.poll = Some(self.seq);
                let popped = self.popped.remove(&task);
                let first = self.calls.get_mut(&task).and_then(|calls| calls.front().copied());
                // Where there is a queue, a call has led to a push, and this poll to nothing of it.
                if self.has_queue {
                    return popped;
                }
                self.calls.remove(&task);
                popped.or(first.map(|call| call.seq))
            }
            ("PollEnd", Some(task)) => {
                let is_ready = fields.contains(&("ready", Value::Bool(true)));
                self.done = is_ready.then_some(Value::Number(task));
                self.poll.take().or(here)
            }
            ("TurnBegin", _) => {
                self.turn = Some(self.seq);
                None
            }
            ("TurnEnd", _) => self.turn.take(),
            ("Park", _) => {
                self.is_parked = true;
                here
            }
            ("Unpark", _) => {
                self.is_parked = false;
                here
            }
            ("TaskEnd", Some(task)) => {
                self.calls.remove(&task);
                self.pushed.remove(&task);
                here
            }
            ("TimerArmed" | "TimerFired", _) => {
                let key = event.fields.iter().find(|(name, _)| *name == "timer");
                let key = key.map(|(name, value)| self.field("", name, value).1);
                let Some(Value::Number(key)) = key else { return here };
                if name == "TimerFired" {
                    return self.timers.remove(&key);
                }
                self.timers.insert(key, self.seq);
                here
            }
            _ => here,
        }
    }

    /// The call that a push answers. Made in a wake of this task, it answers that one. Otherwise it came through the inbox,
    /// which keeps the order of one thread; which of two threads was first nobody knows.
    fn answered(&mut self, task: u64, here: Option<u64>, thread: u64) -> Option<u64> {
        let calls = self.calls.get_mut(&task)?;
        let is_here = |call: &Call| Some(call.seq) == here;
        let is_just_before = |call: &Call| call.seq + 1 == self.seq && call.thread == thread;
        if let Some(index) = calls.iter().position(|call| is_here(call) || is_just_before(call)) {
            return calls.remove(index).map(|call| call.seq);
        }
        let first = calls.pop_front()?;
        calls.iter().all(|call| call.thread == first.thread).then_some(first.seq)
    }
}
