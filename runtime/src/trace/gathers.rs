//! What the wakers of gather tell: a child that wakes itself, and the tally that counts the ends of tasks.

use super::{Cause, Kind, Place, TaskNumber, record_if, with_state};
use crate::{Mark, Reason};

/// Why a gather wakes its own task once for all children that have woken themselves: because of the first of them.
#[doc(hidden)]
pub fn again(_: &'static str, _: u32, mark: Mark) -> Reason {
    let first = with_state(|state| {
        let seq = state.causes.again(mark.number)?;
        Some(Cause { recorder: state.number, seq })
    });
    Reason(first.flatten())
}

/// A child of a gather has woken itself, with the waker that is lent to it for the poll.
#[doc(hidden)]
pub fn woke_itself(file: &'static str, line: u32, mark: Mark, place: u32) {
    let woken = record_if(file, line, None, || Kind::ChildWoken {
        gather: mark.number,
        place: Place(place),
        due: false,
        left: None,
    });
    if let Some(cause) = woken.0 {
        with_state(|state| state.causes.woke_itself(mark.number, cause.seq));
    }
}

/// gather has spawned a task as its next child: the last one that the recorder has met.
#[doc(hidden)]
pub fn child_spawned(_: &'static str, _: u32, mark: Mark) {
    with_state(|state| {
        let task = TaskNumber((state.numbers.len() as u32).saturating_sub(1));
        state.causes.child_spawned(mark.number, task);
    });
}

/// gather's tally has counted the end of a task, and so many are left. It does not know which has ended; the recorder
/// does.
#[doc(hidden)]
pub fn task_counted(file: &'static str, line: u32, mark: Mark, left: usize, due: bool) -> Reason {
    let place = with_state(|state| state.place_of_ended(mark.number)).flatten().unwrap_or(Place(u32::MAX));
    record_if(file, line, None, || Kind::ChildWoken { gather: mark.number, place, due, left: Some(left) })
}
