//! The macro behind every `trace!` line: one step of the loop, told to the recorder of this thread.

/// With the feature `trace` off it is nothing: its arguments are not even evaluated.
#[cfg(not(feature = "trace"))]
macro_rules! trace {
    ($($step:tt)*) => {
        ()
    };
}

/// With the feature on: `trace!(Push { task: ticket })` records `Kind::Push { task }`, with this line as its source.
#[cfg(feature = "trace")]
macro_rules! trace {
    ($kind:ident $({ $($field:ident: $value:expr),* })?) => {
        $crate::trace::record(file!(), line!(), || $crate::trace::Kind::$kind $({ $($field: $value.into()),* })?)
    };
}
