//! What an answer says itself: the steps of `say!`.

use crate::event::{Event, Line, Place};
use crate::fields::{Field, Value};
use crate::run::Run;
use crate::scope;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, PoisonError};

/// So far back at most is what the answer says looked for among what the probes have told.
const SAID_SOON_AFTER: usize = 16;

/// What the probes tell themselves. If an answer tells it, too, it is not kept twice.
const TOLD_BY_PROBES: [&str; 3] = ["PollBegin", "PollEnd", "Wake"];

/// See [`Run::is_of_all_threads`].
static OF_ALL_THREADS: Mutex<Option<Arc<Run>>> = Mutex::new(None);

/// An answer tells a step: what [`say!`](crate::say) calls.
#[doc(hidden)]
pub fn said(name: &'static str, file: &'static str, line: u32, mut fields: Vec<Field>) {
    let run = Run::of_this_thread().or_else(|| OF_ALL_THREADS.lock().unwrap_or_else(PoisonError::into_inner).clone());
    let Some(run) = run else { return };
    // What is done after a rule was broken, as in the drops while the loop is left, is no part of the story. Nor is what
    // the rung's own parts say, if the check says so.
    if run.is_over() || run.without_the_rung.load(SeqCst) && file.ends_with("glue.rs") {
        return;
    }
    let line = (file, line);
    if TOLD_BY_PROBES.contains(&name) && !run.has_no_probes {
        return run.is_said_of_what_is_told(name, line);
    }
    if let Some(queue) = run.look.filter(|_| run.is_on_loop()).and_then(|look| look()) {
        fields.push(("queue", Value::List(queue)));
    }
    let at = run.began().elapsed();
    let mut state = run.state();
    if name == "Park" && !run.has_no_probes {
        state.tell_what_ended_the_park(at);
    }
    let number = state.push(Event { fields, told_at: line, at, ..Event::new(name, Place::Line(line.0, line.1)) });
    drop(state);
    if run.has_no_probes {
        match name {
            "PollBegin" => scope::poll_begins(number),
            "PollEnd" => scope::poll_ends(),
            _ => {}
        }
    }
}

impl Run {
    /// Whether what threads say that belong to no run belongs to this one.
    pub(crate) fn is_of_all_threads(self: &Arc<Run>, is: bool) {
        *OF_ALL_THREADS.lock().unwrap_or_else(PoisonError::into_inner) = is.then(|| Arc::clone(self));
    }

    /// The answer says a step that the probes tell: its line is kept. It says that a poll begins before the probe does, and
    /// all else after it.
    fn is_said_of_what_is_told(&self, name: &'static str, line: Line) {
        if name == "PollBegin" {
            return scope::says(line);
        }
        let mut state = self.state();
        let this = scope::thread();
        let is_it = |event: &&mut Event| event.inside.thread == this && event.name == name;
        if let Some(event) = state.events.iter_mut().rev().take(SAID_SOON_AFTER).find(is_it) {
            event.said_at.get_or_insert(line);
        }
    }
}
