//! Records a loop without probes: a rung that runs as it is. What it says is all that is known of it.

use crate::fields::Value;
use crate::run::Run;
use crate::trace;
use std::sync::Arc;

/// Looks at the ready queue of the loop on this thread: the tasks or tickets in it, the next one first. `None`: there is no
/// loop, or its queue is being changed just now.
pub type LookAtQueue = fn() -> Option<Vec<Value>>;

/// Runs `body`, and gives the trace of what is said in it, as JSON lines. At each step that the thread of the loop tells
/// `look` looks at the queue; what it finds is the field `queue` of the event.
///
/// One at a time in a process: a step of any thread is recorded.
pub fn record(look: LookAtQueue, body: impl FnOnce()) -> String {
    let run = Arc::new(Run::without_probes(look));
    run.enter();
    run.is_looped_by_this_thread();
    run.is_of_all_threads(true);
    body();
    run.is_of_all_threads(false);
    trace::lines_of_what_is_said(&run)
}
