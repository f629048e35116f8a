//! [`Recorder`]: listens to the loops of its thread, and gives what it heard.

use super::log::Log;
use super::{Event, RECORDER, RECORDERS, State, afar, set_watched_by};
use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::Rc;

/// Records what the loops of this thread do, until it is dropped.
///
/// ```
/// use runtime::trace::{Recorder, note};
///
/// let recorder = Recorder::start().with_snapshots();
/// runtime::block_on(async { note("here") });
/// assert!(recorder.events().iter().any(|event| event.to_json().contains("here")));
/// assert!(!recorder.snapshots().is_empty());
///
/// let mut lines = Vec::new();
/// recorder.write_json(&mut lines)?;
/// assert!(lines.starts_with(recorder.events()[0].to_json().as_bytes()));
/// recorder.write_page("A page with one remark", std::io::sink())?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Recorder {
    state: Rc<RefCell<State>>,
}

impl Recorder {
    /// Begins to record. The latest recorder of a thread listens; the one before goes on when that is dropped.
    pub fn start() -> Recorder {
        let state = Rc::new(RefCell::new(State::new()));
        RECORDERS.with_borrow_mut(|recorders| {
            recorders.iter().for_each(|state| state.borrow_mut().tickets.go_blind());
            recorders.push(Rc::clone(&state));
        });
        set_watched_by(RECORDER, true);
        Recorder { state }
    }

    /// Keeps the loop's own state, too, at the end of every poll and turn: what a replay of the events must come to.
    pub fn with_snapshots(self) -> Recorder {
        self.state.borrow_mut().snapshots = Some(Vec::new());
        self
    }

    /// The events, shared with whoever writes a page of them.
    pub(super) fn log(&self) -> Log {
        self.state.borrow().log.clone()
    }

    /// The events so far.
    pub fn events(&self) -> Vec<Event> {
        self.log().lock().iter().cloned().collect()
    }

    /// The number of an event, and the loop's state after it as a JSON object.
    pub fn snapshots(&self) -> Vec<(u64, String)> {
        self.state.borrow().snapshots.clone().unwrap_or_default()
    }

    /// Writes the events as JSON Lines; see [`Event::to_json`].
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn write_json(&self, mut out: impl io::Write) -> io::Result<()> {
        self.log().lock().iter().try_for_each(|event| writeln!(out, "{}", event.to_json()))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let remove = |recorders: &RefCell<Vec<Rc<RefCell<State>>>>| {
            let mut recorders = recorders.borrow_mut();
            recorders.retain(|state| !Rc::ptr_eq(state, &self.state));
            set_watched_by(RECORDER, !recorders.is_empty());
        };
        let _ = RECORDERS.try_with(remove);
        afar::forget(&self.state.borrow().inboxes);
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("events", &self.log().lock().len()).finish()
    }
}
