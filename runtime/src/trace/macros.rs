//! The macro behind every `trace!` line, one step told to the recorder of this thread; and what futures carry for it:
//! the line of the program that made them.
//!
//! With the feature `trace` off the macro is nothing, its arguments are not even evaluated, and what futures carry has
//! no size.

use std::panic::Location;

/// See the module.
#[cfg(not(feature = "trace"))]
#[doc(hidden)]
#[macro_export]
macro_rules! trace {
    ($($step:tt)*) => {
        ()
    };
}

/// `trace!(Push { task: ticket })` records `Kind::Push { task }`, with this line as its source. With `at place` behind it
/// the event has a line of the program as well. `trace!(@function(…))` calls a function of the module `trace` instead.
#[cfg(feature = "trace")]
#[doc(hidden)]
#[macro_export]
macro_rules! trace {
    (@$function:ident($($argument:expr),*)) => {
        $crate::trace::$function(file!(), line!(), $($argument),*)
    };
    ($kind:ident $({ $($field:ident: $value:expr),* })? $(at $at:expr)?) => {
        $crate::trace::record(file!(), line!(), None::<$crate::At>$(.or(Option::<$crate::At>::from($at)))?, || {
            $crate::kind!($kind $({ $($field: $value),* })?)
        })
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
    ($kind:ident $({ $($field:ident: $value:expr),* })?) => {
        $crate::trace::Kind::$kind { $($($field: $value.into()),*)? }
    };
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

/// What tells a semaphore from every other one of its thread: its address would not, for it may move, and another may
/// come there.
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
        thread_local!(static GIVEN: std::cell::Cell<u64> = const { std::cell::Cell::new(0) });
        if self.0.get() == 0 {
            GIVEN.set(GIVEN.get() + 1);
            self.0.set(GIVEN.get());
        }
        self.0.get()
    }
}
