//! A mutex held for a few statements. No user code runs under it, so poison is ignored. `Debug` does not lock it.
//!
//! Read before: nothing.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What several threads change. It is `pub` only because the public type of a channel's end names it.
pub struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Lock<T> {
        Lock(Mutex::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}
