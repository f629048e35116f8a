//! How the ends of a channel share its state: under a lock, when they may be on different threads, or in a plain cell,
//! when both stay on the loop's thread. The channels are written once, for both.
//!
//! Read before: `lock.rs`.

use super::lock::Lock;
use std::cell::{RefCell, RefMut};
use std::fmt;
use std::ops::DerefMut;
use std::rc::Rc;
use std::sync::{Arc, MutexGuard};

/// Where the two ends of a channel may be: [`Anywhere`] or [`Local`].
pub trait Reach: fmt::Debug + Sized + 'static {
    /// How one end holds the state that both ends share.
    #[doc(hidden)]
    type Shared<T>: Shared<T>;
}

/// The ends may be on different threads. A mutex guards what they share.
#[derive(Debug)]
pub enum Anywhere {}

/// Both ends stay on the thread that made them: neither lock nor atomics.
#[derive(Debug)]
pub enum Local {}

/// A state with several owners. A clone is another owner of the same state.
#[doc(hidden)]
pub trait Shared<T>: Clone {
    /// While it lives, nobody else can use the state. No user code may run in that time.
    type Guard<'a>: DerefMut<Target = T>
    where
        Self: 'a;

    /// A state with one owner.
    fn new(state: T) -> Self;

    /// Opens the state for a few statements.
    fn lock(&self) -> Self::Guard<'_>;
}

impl Reach for Anywhere {
    type Shared<T> = Arc<Lock<T>>;
}

impl Reach for Local {
    type Shared<T> = Rc<RefCell<T>>;
}

impl<T> Shared<T> for Arc<Lock<T>> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        T: 'a;

    fn new(state: T) -> Arc<Lock<T>> {
        Arc::new(Lock::new(state))
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, T> {
        Lock::lock(self)
    }
}

impl<T> Shared<T> for Rc<RefCell<T>> {
    type Guard<'a>
        = RefMut<'a, T>
    where
        T: 'a;

    fn new(state: T) -> Rc<RefCell<T>> {
        Rc::new(RefCell::new(state))
    }

    #[inline]
    fn lock(&self) -> RefMut<'_, T> {
        self.borrow_mut()
    }
}
