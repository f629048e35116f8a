//! The macro behind every `trace!` line, one step told to the recorder of this thread; and what futures carry for it:
//! the line of the program that made them.
//!
//! With the feature `trace` off the macro is nothing, its arguments are not even evaluated, and what futures carry has
//! no size.

use crate::circle::ticket::Ticket;
use std::panic::Location;

/// See the module.
#[cfg(not(feature = "trace"))]
#[doc(hidden)]
#[macro_export]
#[collapse_debuginfo(yes)]
macro_rules! trace {
    (below $($step:tt)*) => {
        $crate::trace!($($step)*)
    };
    (reason $($step:tt)*) => {
        $crate::Reason::unknown()
    };
    (scope $($step:tt)*) => {
        $crate::Reason::unknown().open()
    };
    ($($step:tt)*) => {
        ()
    };
}

/// `trace!(Push { task: ticket })` records `Kind::Push { task }`. The source of the event is the statement that did it, and
/// never this line: by rule that statement is in the line just above, and with `below` in front, in the line just below.
/// With `at place` behind it the event has a line of the program as well. `trace!(@function(…))` calls a function of the
/// module `trace` instead.
///
/// `trace!(reason …)` gives the event as a [`Reason`](crate::Reason), for wakers that are collected now and woken
/// later. `trace!(scope …)` opens the scope of the event: what is recorded until the end of the block has it as its
/// cause.
///
/// A debugger sees the whole expansion as this one line, which `runtime/debugger/gdb.py` steps over.
#[cfg(feature = "trace")]
#[doc(hidden)]
#[macro_export]
#[collapse_debuginfo(yes)]
macro_rules! trace {
    ([$line:expr] scope $($step:tt)*) => {
        $crate::trace!([$line] reason $($step)*).open()
    };
    ([$line:expr] reason @$function:ident($($argument:expr),*)) => {
        $crate::trace::$function(file!(), $line, $($argument),*)
    };
    ([$line:expr] reason $kind:ident $({ $($field:ident: $value:expr),* })? $(at $at:expr)?) => {
        if $crate::trace::somebody_listens() {
            let program = None::<$crate::At>$(.or(Option::<$crate::At>::from($at)))?;
            $crate::trace::record(file!(), $line, program, $crate::kind!($kind $({ $($field: $value),* })?))
        } else {
            $crate::Reason::unknown()
        }
    };
    ([$line:expr] $($step:tt)*) => {
        { _ = $crate::trace!([$line] reason $($step)*); }
    };
    (below $($step:tt)*) => {
        $crate::trace!([line!() + 1] $($step)*)
    };
    ($($step:tt)*) => {
        $crate::trace!([line!() - 1] $($step)*)
    };
}

/// The macro behind every `explore!` line: a place at which the loop chooses, told to the explorer that runs the program.
/// `explore!(choose_next(self))` calls a function of the module `explore`; with `asks` before it, the function's answer
/// is the value, and false when there is no explorer. `explore!(value, kept())` is the function's answer to the value, or the
/// value itself.
///
/// With the feature `explore` off the macro is nothing, and its arguments are not even evaluated.
#[cfg(not(feature = "explore"))]
#[collapse_debuginfo(yes)]
macro_rules! explore {
    (asks $($step:tt)*) => {
        false
    };
    ($value:expr, $($step:tt)*) => {
        $value
    };
    ($($step:tt)*) => {
        ()
    };
}

/// See above.
#[cfg(feature = "explore")]
#[collapse_debuginfo(yes)]
macro_rules! explore {
    (asks $function:ident($($argument:expr),*)) => {
        $crate::explore::hooks::$function($($argument),*)
    };
    ($function:ident($($argument:expr),*)) => {
        $crate::explore::hooks::$function($($argument),*)
    };
    ($value:expr, $function:ident($($argument:expr),*)) => {
        $crate::explore::hooks::$function($value, $($argument),*)
    };
}

/// Calls the first with its arguments. When it panics, the trace hears of that before the panic goes on.
#[cfg(not(feature = "trace"))]
#[collapse_debuginfo(yes)]
macro_rules! watched {
    ($ticket:expr, $call:expr) => {
        $call
    };
}

/// See above.
#[cfg(feature = "trace")]
#[collapse_debuginfo(yes)]
macro_rules! watched {
    ($ticket:expr, $call:expr) => {
        $crate::trace::watched(file!(), line!(), $ticket, || $call)
    };
}

/// The kind of an event, from what the loop says of it. What the loop does not know, the recorder adds.
#[cfg(feature = "trace")]
#[doc(hidden)]
#[macro_export]
macro_rules! kind {
    (Spawn { task: $task:expr, body: $body:expr }) => {
        $crate::trace::Kind::spawn($task, $body)
    };
    (TaskEnd { task: $task:expr }) => {
        $crate::trace::Kind::task_end($task)
    };
    (Quiescent) => {
        $crate::trace::Kind::quiescent()
    };
    (Waits { what: $what:expr, end: $target:expr }) => {
        $crate::trace::Kind::waits_for_end($what, $target)
    };
    (Waits { what: $what:expr, channel: $channel:expr, side: $side:expr }) => {
        $crate::trace::Kind::waits_at_channel($what, $channel, $side)
    };
    (Waits { what: $what:expr }) => {
        $crate::trace::Kind::waits($what)
    };
    (ChildWoken { gather: $gather:expr, place: $place:expr, due: $due:expr }) => {
        $crate::trace::Kind::ChildWoken { gather: $gather.into(), place: $place.into(), due: $due, left: None }
    };
    (TaskPanicked { task: $task:expr, payload: $payload:expr }) => {
        $crate::trace::Kind::panicked($task, $payload)
    };
    ($kind:ident $({ $($field:ident: $value:expr),* })?) => {
        $crate::trace::Kind::$kind { $($($field: $value.into()),*)? }
    };
}

/// An event as the reason of what is done later: it travels with a waker that is collected now and woken later. Of no
/// size when the trace is off.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reason(#[cfg(feature = "trace")] pub(crate) Option<crate::trace::Cause>);

impl Reason {
    /// No event.
    #[inline]
    pub fn unknown() -> Reason {
        Reason::default()
    }

    /// From here on this is the cause of what this thread does, until the scope is closed.
    #[inline]
    pub fn open(self) -> Scope {
        Scope {
            #[cfg(feature = "trace")]
            around: self.0.map(crate::trace::enter),
        }
    }
}

/// While it lives, an event is the cause of what its thread does. Of no size when the trace is off.
#[doc(hidden)]
#[derive(Debug)]
#[must_use = "a scope that is dropped at once is the cause of nothing"]
pub struct Scope {
    /// How many scopes are open around it. None: it has no reason, and changes nothing.
    #[cfg(feature = "trace")]
    around: Option<usize>,
}

impl Scope {
    /// Ends the scope before its block does.
    #[inline]
    pub fn close(self) {}
}

#[cfg(feature = "trace")]
impl Drop for Scope {
    #[inline]
    fn drop(&mut self) {
        if let Some(around) = self.around {
            crate::trace::leave(around);
        }
    }
}

/// A line of the program.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At(#[cfg(feature = "trace")] pub(crate) &'static Location<'static>);

impl At {
    /// The caller's line.
    #[inline]
    #[track_caller]
    pub fn here() -> At {
        At(
            #[cfg(feature = "trace")]
            Location::caller(),
        )
    }
}

impl From<&'static Location<'static>> for At {
    fn from(_at: &'static Location<'static>) -> At {
        At(
            #[cfg(feature = "trace")]
            _at,
        )
    }
}

/// Which gather this is: its form, its number, the line of the program that made it.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// The line.
    pub at: At,
    /// The name of the function.
    #[cfg(feature = "trace")]
    pub form: &'static str,
    /// Counts the gathers of a trace.
    #[cfg(feature = "trace")]
    pub number: crate::trace::GatherNumber,
}

impl Mark {
    /// A new gather, made by the caller.
    #[inline]
    #[track_caller]
    pub fn new(_form: &'static str) -> Mark {
        Mark {
            at: At::here(),
            #[cfg(feature = "trace")]
            form: _form,
            #[cfg(feature = "trace")]
            number: crate::trace::GatherNumber::next(),
        }
    }
}

/// What the trace knows of who could wake a task that waits, in words for the end of a sentence. None when it is off.
#[inline]
pub(crate) fn holders(_ticket: Ticket) -> &'static str {
    #[cfg(feature = "trace")]
    return crate::trace::holders(_ticket);
    #[cfg(not(feature = "trace"))]
    ""
}

/// What tells a semaphore from every other one: its address would not, for it may move, and another may come
/// there.
#[derive(Debug)]
pub(crate) struct Identity(#[cfg(feature = "trace")] std::cell::Cell<u64>);

impl Identity {
    pub(crate) const fn new() -> Identity {
        Identity(
            #[cfg(feature = "trace")]
            std::cell::Cell::new(0),
        )
    }

    /// Its number, from the first time that it is asked for.
    #[cfg(feature = "trace")]
    pub(crate) fn get(&self) -> u64 {
        if self.0.get() == 0 {
            self.0.set(crate::trace::next_identity());
        }
        self.0.get()
    }
}

/// A permit, from when it is taken until it is given back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PermitMark(#[cfg(feature = "trace")] pub(crate) Option<crate::trace::PermitNumber>);

impl PermitMark {
    /// The next permit.
    #[inline]
    pub(crate) fn new() -> PermitMark {
        PermitMark(
            #[cfg(feature = "trace")]
            Some(crate::trace::PermitNumber::next()),
        )
    }

    /// No permit that anybody had.
    #[inline]
    pub(crate) fn nobodys() -> PermitMark {
        PermitMark(
            #[cfg(feature = "trace")]
            None,
        )
    }
}

/// Whether somebody has taken the error of a panic. For the explorer; of no size when it is off.
#[derive(Debug, Default)]
pub(crate) struct PanicMark(#[cfg(feature = "explore")] pub(crate) std::sync::Arc<std::sync::atomic::AtomicBool>);

/// Which channel this is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ChannelMark(#[cfg(feature = "trace")] pub(crate) u64);

impl ChannelMark {
    /// A new channel.
    #[inline]
    pub(crate) fn new() -> ChannelMark {
        ChannelMark(
            #[cfg(feature = "trace")]
            crate::trace::next_identity(),
        )
    }
}
