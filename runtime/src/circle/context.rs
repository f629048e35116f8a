//! Which loop runs on this thread: how [`spawn`](crate::spawn), timers, sockets and wakers find it.
//!
//! A pointer in a thread-local, set while a loop turns (or drops its tasks) and reset by a guard. It has no destructor,
//! so it can be asked until the very end of a thread.
//!
//! Read before: `core.rs`.
//! Grew from rung 3 (how `spawn` finds the loop) of the ladder in `examples/course`.

use crate::circle::budget::LEFT;
use crate::circle::core::Core;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;

thread_local! {
    /// The core of the loop that is running on this thread; null when none is.
    static CURRENT: Cell<*const Core> = const { Cell::new(ptr::null()) };
}

/// While it lives, its core is the current one. Made by [`enter`].
pub(crate) struct Entered<'core> {
    /// What was current before: a runtime may be dropped inside a task of another one.
    before: *const Core,
    /// What was left of the budget then: outside of a loop there is no limit.
    left: i64,
    /// The guard borrows the core, so that the pointer is good for as long as it is set.
    core: PhantomData<&'core Core>,
}

/// Makes `core` the current one of this thread until the guard is dropped.
///
/// It is current already in one case only: a task has called `process::exit`. That call destroys the thread-locals of its
/// thread, and one of them owns the runtime, which is dropped now. The call never returns to the loop, so the loop's own
/// guard is not dropped. The core will be gone, so afterwards no loop is current.
pub(crate) fn enter(core: &Core) -> Entered<'_> {
    let before = CURRENT.replace(core);
    let before = if ptr::eq(before, core) { ptr::null() } else { before };
    Entered { before, left: LEFT.get(), core: PhantomData }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.set(self.before);
        LEFT.set(self.left);
    }
}

/// Calls `f` with the core of the running loop; `None` when no loop runs on this thread.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(&Core) -> R) -> Option<R> {
    // SAFETY: `as_ref` needs null or a pointer to a live `Core` that nobody mutates while the reference lives. `enter`
    // stores the address of a borrowed core, and the guard that holds the borrow resets it. Only `Runtime::{block_on,
    // turn, drop}` make a guard, on their stacks. It is leaked in one case only: code inside the loop calls
    // `process::exit`. If that drops the runtime, the guard of `drop` resets the pointer. A core is changed through its cells
    // only, and the reference cannot leave `f`.
    #[allow(unsafe_code, reason = "the one way from a thread-local to what the loop's stack owns")]
    let core = unsafe { CURRENT.get().as_ref() }?;
    Some(f(core))
}

/// Calls `f` with the core of the running loop. What outlives the call (a socket, an armed timer) takes a share of it.
///
/// # Panics
/// Outside a runtime; `what` is what the caller wanted to do.
#[inline]
#[track_caller]
pub(crate) fn current<R>(what: &str, f: impl FnOnce(&Core) -> R) -> R {
    match with(f) {
        Some(result) => result,
        None => panic!(
            "{what} needs a running event loop, and none runs on this thread: do it inside runtime::block_on(async {{ … }})"
        ),
    }
}
