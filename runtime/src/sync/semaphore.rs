//! A counter of permits with a line of waiters, for one thread.
//!
//! ```text
//!            acquire, no permit free            a permit is released: handed to the first
//!   (task) ------------------------> in line --------------------------------------------> granted
//!                                      | dropped: leaves the line                             | polled: has the permit
//!                                                                                             | dropped: passes it on
//! ```
//!
//! Read before: `line.rs`, `budget.rs`.

use crate::circle::budget;
use crate::circle::context;
use crate::circle::ready::Wait;
use crate::circle::wake::wake_one;
use crate::parts::line::{Line, WaiterKey, Waiters};
use crate::{At, Identity, PermitMark};
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Lets at most `n` tasks through at a time; asyncio's and tokio's `Semaphore`, with tokio's names.
///
/// Strictly first come, first served: a released permit goes to the first in line, and nobody overtakes, neither with
/// [`acquire`](Semaphore::acquire) nor with [`try_acquire`](Semaphore::try_acquire). Not `Sync`: share it with `Rc`.
///
/// ```
/// use runtime::{block_on, sync::Semaphore};
/// block_on(async {
///     let semaphore = Semaphore::new(1);
///     let permit = semaphore.acquire().await;
///     assert!(semaphore.try_acquire().is_none());
///     drop(permit); // asyncio's `release`
///     assert_eq!(semaphore.available_permits(), 1);
///     semaphore.add_permits(1); // two at a time from now on
///     semaphore.acquire().await.forget(); // and one again
///     assert_eq!(semaphore.available_permits(), 1);
/// });
/// ```
#[derive(Debug)]
pub struct Semaphore {
    state: RefCell<State>,
    pub(crate) _identity: Identity,
}

#[derive(Debug)]
struct State {
    /// Permits that nobody holds. Zero while a task is in line.
    free: usize,
    /// The tasks that wait.
    waiters: Waiters,
    line: Line,
}

impl Semaphore {
    /// A semaphore with `permits` free permits.
    pub const fn new(permits: usize) -> Semaphore {
        let state = RefCell::new(State { free: permits, waiters: Waiters::new(), line: Line::new() });
        Semaphore { state, _identity: Identity::new() }
    }

    /// Waits for a permit, which is given back when it is dropped.
    ///
    /// # Cancel safety
    /// Dropping it leaves the line. If it was granted a permit already, the permit goes to the next in line.
    #[track_caller]
    pub fn acquire(&self) -> Acquire<'_> {
        Acquire { semaphore: self, wait: Waiting::new(At::here()) }
    }

    /// Waits for a permit that owns a share of the semaphore, so that it may move into a task: tokio's `acquire_owned`.
    /// It waits in the same line as [`acquire`](Semaphore::acquire). The share is an `Rc`, because a semaphore is used
    /// by one thread only.
    ///
    /// # Cancel safety
    /// As for [`acquire`](Semaphore::acquire).
    ///
    /// ```
    /// use runtime::{block_on, spawn, sync::Semaphore};
    /// use std::rc::Rc;
    /// block_on(async {
    ///     let semaphore = Rc::new(Semaphore::new(2));
    ///     let permit = Rc::clone(&semaphore).acquire_owned().await;
    ///     let task = spawn(async move {
    ///         let _permit = permit; // given back when the task ends
    ///     });
    ///     task.await.unwrap();
    ///     assert_eq!(semaphore.available_permits(), 2);
    /// });
    /// ```
    #[track_caller]
    pub fn acquire_owned(self: Rc<Self>) -> AcquireOwned {
        AcquireOwned { semaphore: self, wait: Waiting::new(At::here()) }
    }

    /// A permit, if one is free and nobody is in line.
    #[track_caller]
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.take(At::here()).map(|mark| Permit { semaphore: self, mark })
    }

    /// A permit that owns a share of the semaphore, if one is free and nobody is in line. tokio's `try_acquire_owned`.
    ///
    /// ```
    /// use runtime::sync::Semaphore;
    /// use std::rc::Rc;
    /// let semaphore = Rc::new(Semaphore::new(1));
    /// let permit = Rc::clone(&semaphore).try_acquire_owned().unwrap();
    /// assert!(Rc::clone(&semaphore).try_acquire_owned().is_none());
    /// drop(permit);
    /// assert_eq!(semaphore.available_permits(), 1);
    /// ```
    #[track_caller]
    pub fn try_acquire_owned(self: Rc<Self>) -> Option<OwnedPermit> {
        let mark = self.take(At::here())?;
        Some(OwnedPermit::new(self, mark))
    }

    /// Takes a free permit out of the count.
    fn take(&self, _at: At) -> Option<PermitMark> {
        let mut state = self.state.borrow_mut();
        let free = state.free.checked_sub(1)?;
        let mark = PermitMark::new();
        state.free = free;
        trace!(PermitTaken { semaphore: self, left: free, permit: mark } at _at);
        Some(mark)
    }

    /// Adds `n` permits. The tasks in line get theirs first.
    ///
    /// # Panics
    /// When there are more permits than `usize` holds.
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        for left in (1..=n).rev() {
            if self.state.borrow().line.is_empty() {
                let mut state = self.state.borrow_mut();
                state.free = state.free.checked_add(left).expect("more than usize::MAX permits: add fewer");
                trace!(PermitReleased { semaphore: self, left: state.free, permit: None, next: false });
                return;
            }
            self.release(PermitMark::nobodys());
        }
    }

    /// Permits that nobody holds.
    pub fn available_permits(&self) -> usize {
        self.state.borrow().free
    }

    /// Hands a permit to the first in line. If nobody is in line, it counts as free.
    #[inline]
    fn release(&self, _permit: PermitMark) {
        let mut state = self.state.borrow_mut();
        let State { free, waiters, line } = &mut *state;
        if line.is_empty() {
            // The count can be full only if `add_permits` filled it meanwhile. A drop must not panic then.
            *free = free.saturating_add(1);
            trace!(PermitReleased { semaphore: self, left: *free, permit: _permit, next: false });
            return;
        }
        let _released =
            trace!(below scope PermitReleased { semaphore: self, left: *free, permit: _permit, next: true });
        let first = waiters.call(line);
        drop(state);
        first.into_iter().for_each(wake_one);
    }
}

/// One task's wait for a permit, borrowed or owned.
#[derive(Debug)]
struct Waiting {
    /// Its waiter, while it is in line or granted.
    waiter: Option<WaiterKey>,
    /// It has given its permit.
    done: bool,
    /// Who acquires, for the trace.
    at: At,
}

impl Waiting {
    fn new(at: At) -> Waiting {
        Waiting { waiter: None, done: false, at }
    }

    /// Takes a permit, or waits in line.
    #[inline(always)]
    fn poll(&mut self, semaphore: &Semaphore, cx: &mut Context<'_>) -> Poll<PermitMark> {
        assert!(!self.done, "an Acquire was polled after it had given its permit: call acquire again for another one");
        let polled = budget::spend(cx, |cx| {
            let free = if self.waiter.is_none() { semaphore.take(self.at) } else { None };
            free.or_else(|| self.wait(semaphore, cx)).map_or(Poll::Pending, Poll::Ready)
        });
        self.done = polled.is_ready();
        polled
    }

    /// Waits in line. If it was granted a permit, gives that.
    #[inline(never)]
    fn wait(&mut self, semaphore: &Semaphore, cx: &mut Context<'_>) -> Option<PermitMark> {
        let fresh = cx.waker().clone();
        // Try again: to clone a waker is foreign code, which may have released a permit.
        if self.waiter.is_none()
            && let Some(mark) = semaphore.take(self.at)
        {
            return Some(mark);
        }
        let mut state = semaphore.state.borrow_mut();
        let State { free: _free, waiters, line } = &mut *state;
        if let Some(waiter) = self.waiter.take_if(|waiter| waiters.is_called(*waiter)) {
            let mark = PermitMark::new();
            waiters.leave(line, waiter);
            trace!(PermitTaken { semaphore: semaphore, left: *_free, permit: mark } at self.at);
            return Some(mark);
        }
        trace!(below PermitWaiting { semaphore: semaphore } at self.at);
        let old = waiters.wait(line, &mut self.waiter, fresh);
        drop(state);
        drop(old);
        context::with(|core| {
            trace!(below Waits { what: Wait::Permit });
            core.note_wait(Wait::Permit);
        });
        None
    }

    /// The future was dropped: leaves the line, and passes on what was granted meanwhile.
    #[inline(always)]
    fn leave(&mut self, semaphore: &Semaphore) {
        self.waiter.into_iter().for_each(|waiter| Self::leave_line(waiter, semaphore));
    }

    #[inline(never)]
    fn leave_line(waiter: WaiterKey, semaphore: &Semaphore) {
        let mut state = semaphore.state.borrow_mut();
        let State { waiters, line, .. } = &mut *state;
        let was_granted = waiters.is_called(waiter);
        trace!(below PermitLeft { semaphore: semaphore, ahead: (&*waiters, waiter) });
        let waker = waiters.leave(line, waiter);
        drop(state);
        drop(waker);
        if was_granted {
            semaphore.release(PermitMark::nobodys());
        }
    }
}

/// The future of [`Semaphore::acquire`].
///
/// # Panics
/// When it is polled again after it gave its permit.
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Acquire<'a> {
    semaphore: &'a Semaphore,
    wait: Waiting,
}

impl<'a> Future for Acquire<'a> {
    type Output = Permit<'a>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit<'a>> {
        let semaphore = self.semaphore;
        self.wait.poll(semaphore, cx).map(|mark| Permit { semaphore, mark })
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        self.wait.leave(self.semaphore);
    }
}

/// The future of [`Semaphore::acquire_owned`].
///
/// # Panics
/// When it is polled again after it gave its permit.
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct AcquireOwned {
    semaphore: Rc<Semaphore>,
    wait: Waiting,
}

impl Future for AcquireOwned {
    type Output = OwnedPermit;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<OwnedPermit> {
        let this = &mut *self;
        this.wait.poll(&this.semaphore, cx).map(|mark| OwnedPermit::new(Rc::clone(&this.semaphore), mark))
    }
}

impl Drop for AcquireOwned {
    fn drop(&mut self) {
        self.wait.leave(&self.semaphore);
    }
}

/// A permit, given back when it is dropped.
#[must_use = "a permit that is dropped at once limits nothing"]
#[derive(Debug)]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    /// Which permit, for the trace.
    mark: PermitMark,
}

impl Permit<'_> {
    /// Takes the permit out of the semaphore for ever; tokio's `forget`. [`Semaphore::add_permits`] can add a new one.
    pub fn forget(self) {
        trace!(below PermitForgotten { semaphore: self.semaphore, permit: self.mark });
        std::mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.semaphore.release(self.mark);
    }
}

/// A permit that owns a share of its semaphore, given back when it is dropped. From [`Semaphore::acquire_owned`];
/// tokio's `OwnedSemaphorePermit`.
#[must_use = "a permit that is dropped at once limits nothing"]
#[derive(Debug)]
pub struct OwnedPermit {
    /// `None` after [`forget`](OwnedPermit::forget).
    semaphore: Option<Rc<Semaphore>>,
    /// Which permit, for the trace.
    mark: PermitMark,
}

impl OwnedPermit {
    fn new(semaphore: Rc<Semaphore>, mark: PermitMark) -> OwnedPermit {
        OwnedPermit { semaphore: Some(semaphore), mark }
    }

    /// Takes the permit out of the semaphore for ever; see [`Permit::forget`].
    pub fn forget(mut self) {
        if let Some(_semaphore) = self.semaphore.take() {
            trace!(PermitForgotten { semaphore: &*_semaphore, permit: self.mark });
        }
    }
}

impl Drop for OwnedPermit {
    fn drop(&mut self) {
        self.semaphore.iter().for_each(|semaphore| semaphore.release(self.mark));
    }
}
