//! Calls into foreign code: the program's code may panic when it is called or dropped, and the loop must go on.
//!
//! Such a panic is not silent: the panic hook has reported it before it is caught here.
//!
//! Read before: nothing.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The payload of a panic.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Calls `f`.
///
/// # Errors
/// What `f` panicked with.
pub(crate) fn caught<R>(f: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Calls `f` and catches its panic.
pub(crate) fn quietly(f: impl FnOnce()) {
    if let Err(payload) = caught(f) {
        drop_payload(payload);
    }
}

/// Drops a value of the program and catches a panic of that drop.
pub(crate) fn quiet_drop<T>(value: T) {
    quietly(|| drop(value));
}

/// A value of the program on its way, in a message or a job. The message or job may be dropped anywhere, and the value
/// with it. A panic of the value's drop is then caught.
pub(crate) struct Quiet<T>(Option<T>);

impl<T> Quiet<T> {
    pub(crate) fn new(value: T) -> Quiet<T> {
        Quiet(Some(value))
    }

    /// The value has arrived.
    pub(crate) fn into_inner(mut self) -> T {
        self.0.take().expect("only this takes it, and it takes `self`")
    }
}

impl<T> Drop for Quiet<T> {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(quiet_drop);
    }
}

/// Drops the payload of a panic. That drop may panic again, and so on without end. So a second payload is leaked.
pub(crate) fn drop_payload(payload: Payload) {
    if let Err(second) = caught(|| drop(payload)) {
        mem::forget(second);
    }
}
