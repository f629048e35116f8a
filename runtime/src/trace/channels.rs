//! What the channels tell. Their ends may be on threads without a recorder: the values are counted there, too.

use super::{Kind, record_if};
use crate::{At, ChannelMark, Reason};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

/// How many values are in each channel that is not empty: those included that the receiver of an unbounded channel has
/// taken in one go and not yet given out.
static LENGTHS: LazyLock<Mutex<HashMap<u64, usize>>> = LazyLock::new(Mutex::default);

/// One value more, or one less. Gives how many there are now.
fn count(mark: ChannelMark, more: isize) -> usize {
    let mut lengths = LENGTHS.lock().unwrap_or_else(PoisonError::into_inner);
    let length = lengths.entry(mark.0).or_default();
    *length = length.saturating_add_signed(more);
    let now = *length;
    if now == 0 {
        lengths.remove(&mark.0);
    }
    now
}

/// For how many more values there is room; `None` if that has no end. Room for `granted` values is promised to senders in line.
fn room(capacity: usize, len: usize, granted: usize) -> Option<usize> {
    (capacity != usize::MAX).then(|| capacity.saturating_sub(len + granted))
}

/// A value went into a channel, at this place of the program.
pub(crate) fn channel_sent(
    file: &'static str,
    line: u32,
    mark: ChannelMark,
    capacity: usize,
    granted: usize,
    at: Option<At>,
) -> Reason {
    let len = count(mark, 1);
    record_if(file, line, at, || Kind::ChannelSent { channel: mark.into(), len, room: room(capacity, len, granted) })
}

/// A value came out of it, at this place of the program.
pub(crate) fn channel_taken(
    file: &'static str,
    line: u32,
    mark: ChannelMark,
    capacity: usize,
    granted: usize,
    at: Option<At>,
) -> Reason {
    let len = count(mark, -1);
    record_if(file, line, at, || Kind::ChannelTaken { channel: mark.into(), len, room: room(capacity, len, granted) })
}

/// A channel was asked for a value, and had one or not.
pub(crate) fn channel_taken_if(
    file: &'static str,
    line: u32,
    has_value: bool,
    mark: ChannelMark,
    capacity: usize,
    granted: usize,
    at: Option<At>,
) -> Reason {
    if has_value { channel_taken(file, line, mark, capacity, granted, at) } else { Reason::unknown() }
}

/// One side is gone, or the receiver has closed the channel. `before` says that it was closed already.
pub(crate) fn channel_closed(
    file: &'static str,
    line: u32,
    mark: ChannelMark,
    side: &'static str,
    before: bool,
) -> Reason {
    if before {
        return Reason::unknown();
    }
    record_if(file, line, None, || Kind::ChannelClosed { channel: mark.into(), side })
}

/// The sender of a channel for one value has ended, with the value or without one.
pub(crate) fn oneshot_ended(
    file: &'static str,
    line: u32,
    mark: ChannelMark,
    has_value: bool,
    at: Option<At>,
) -> Reason {
    if has_value {
        channel_sent(file, line, mark, usize::MAX, 0, at)
    } else {
        channel_closed(file, line, mark, "sender", false)
    }
}
