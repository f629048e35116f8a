//! Wakers for leaves: they tell each wake, count who holds them, and let a check act at the moment at which they are
//! cloned, woken or dropped.

use crate::run::Run;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// What is known of the wakers of one task.
struct Spied {
    run: Arc<Run>,
    task: u32,
    holders: usize,
    wakes: u64,
    copies: u64,
}

/// By the number that the wakers carry. Who is not there any more has ended.
static SPIED: Mutex<BTreeMap<usize, Spied>> = Mutex::new(BTreeMap::new());

/// When a check acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A spy's waker is being cloned.
    Clone,
    /// A spy's waker is being used.
    Wake,
    /// A spy's waker is being dropped.
    Drop,
}

type Act = Box<dyn FnOnce()>;

thread_local! {
    /// What is to be done at each moment, once.
    static ACTS: RefCell<[Option<Act>; 3]> = const { RefCell::new([None, None, None]) };
    /// What is called when a waker has been dropped, with the number of its task.
    static LOOK: Cell<Option<fn(u32)>> = const { Cell::new(None) };
}

/// The wakers of one task: all are equal, and all are counted here.
///
/// ```
/// use course::{Spy, watch};
///
/// watch(|| {
///     let spy = Spy::new(1);
///     let waker = spy.waker();
///     waker.wake_by_ref();
///     assert_eq!((spy.wakes(), spy.holders()), (1, 1));
///     drop(waker);
///     assert_eq!(spy.holders(), 0);
/// });
/// ```
#[derive(Debug)]
pub struct Spy {
    number: usize,
}

impl Spy {
    /// The wakers of the task with this number in what is told.
    ///
    /// # Panics
    /// Outside of [`watch`](crate::watch()).
    pub fn new(task: u32) -> Spy {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, SeqCst);
        let spied = Spied { run: Run::current(), task, holders: 0, wakes: 0, copies: 0 };
        SPIED.lock().unwrap_or_else(PoisonError::into_inner).insert(number, spied);
        Spy { number }
    }

    /// A waker of this task.
    pub fn waker(&self) -> Waker {
        change(self.number, |spied| spied.holders += 1);
        // SAFETY: `from_raw` asks for a vtable that keeps RawWaker's contract, on any thread. The data pointer is a number
        // and is never dereferenced: the four functions look it up in a table behind a lock.
        #[allow(unsafe_code, reason = "the standard library has no safe way to see that a waker is cloned")]
        unsafe {
            Waker::from_raw(RawWaker::new(std::ptr::without_provenance(self.number), &VTABLE))
        }
    }

    /// How many of its wakers exist.
    pub fn holders(&self) -> usize {
        change(self.number, |spied| spied.holders).unwrap_or(0)
    }

    /// How often one of them was used.
    pub fn wakes(&self) -> u64 {
        change(self.number, |spied| spied.wakes).unwrap_or(0)
    }

    /// How often one of its wakers was copied.
    pub fn copies(&self) -> u64 {
        change(self.number, |spied| spied.copies).unwrap_or(0)
    }
}

impl Drop for Spy {
    fn drop(&mut self) {
        let gone = SPIED.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
        drop(gone);
    }
}

/// The next time that a spy's waker comes to this moment on this thread, `act` is done.
pub fn once_at(moment: Moment, act: impl FnOnce() + 'static) {
    ACTS.with_borrow_mut(|acts| acts[moment as usize] = Some(Box::new(act)));
}

/// Each time that a spy's waker is dropped on this thread, `look` is called with the number of its task. The drop of a waker
/// is code of others: a check can ask what the answer holds meanwhile.
pub fn at_each_drop(look: fn(u32)) {
    LOOK.set(Some(look));
}

/// What was to be done at this moment is not to be done any more; says whether it was still to come.
pub fn forget(moment: Moment) -> bool {
    take(moment).is_some()
}

fn take(moment: Moment) -> Option<Act> {
    // A thread that is being torn down has nothing to do.
    ACTS.try_with(|acts| mem::take(&mut acts.borrow_mut()[moment as usize])).ok().flatten()
}

/// Calls `act` with what is known. No other code runs under the lock.
fn change<T>(number: usize, act: impl FnOnce(&mut Spied) -> T) -> Option<T> {
    SPIED.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&number).map(act)
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, forgotten);

fn clone(data: *const ()) -> RawWaker {
    change(data.addr(), |spied| {
        spied.holders += 1;
        spied.copies += 1;
    });
    take(Moment::Clone).into_iter().for_each(|act| act());
    RawWaker::new(data, &VTABLE)
}

fn wake(data: *const ()) {
    wake_by_ref(data);
    forgotten(data);
}

fn wake_by_ref(data: *const ()) {
    let found = change(data.addr(), |spied| {
        spied.wakes += 1;
        (Arc::clone(&spied.run), spied.task)
    });
    if let Some((run, task)) = found {
        run.tell_here("Wake", task, format!("task {task}"));
        take(Moment::Wake).into_iter().for_each(|act| act());
    }
}

fn forgotten(data: *const ()) {
    let task = change(data.addr(), |spied| {
        spied.holders -= 1;
        spied.task
    });
    if let (Some(task), Some(look)) = (task, LOOK.get()) {
        look(task);
    }
    take(Moment::Drop).into_iter().for_each(|act| act());
}

#[cfg(test)]
mod tests {
    use super::{Moment, Spy, once_at};
    use crate::{Outcome, watch};
    use std::cell::Cell;
    use std::rc::Rc;

    #[test]
    fn a_spy_counts_who_holds_its_wakers_and_acts_at_their_moments() {
        let body = || {
            let (spy, other) = (Spy::new(1), Spy::new(2));
            let waker = spy.waker();
            assert!(waker.will_wake(&spy.waker()) && !waker.will_wake(&other.waker()));
            let acts = Rc::new(Cell::new(0));
            for moment in [Moment::Clone, Moment::Wake, Moment::Drop] {
                let acts = Rc::clone(&acts);
                once_at(moment, move || acts.set(acts.get() + 1));
            }
            let clone = waker.clone();
            assert_eq!((spy.holders(), spy.copies(), acts.get()), (2, 1, 1));
            clone.wake();
            assert_eq!((spy.holders(), spy.wakes(), acts.get()), (1, 1, 3));
            drop(spy);
            waker.wake();
        };
        let (outcome, _) = watch(body);
        assert!(matches!(outcome, Outcome::Done(())), "{outcome:?}");
    }
}
