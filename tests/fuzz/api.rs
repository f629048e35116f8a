//! What a program may ask of a runtime, as far as the fuzz needs it: small numbers in and out, so that both runtimes have
//! the same shape.

use std::any::Any;
use std::pin::Pin;
use std::rc::Rc;

/// Any future.
pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// How several children are awaited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    Gather,
    /// At most two alive at once.
    Limited,
    TryGather,
    /// The first that ends: its index and its value.
    Race,
    /// The first even one, or all errors.
    FirstOk,
    Tasks,
    TryTasks,
}

/// What an interval does with ticks that were missed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Missed {
    Burst,
    Delay,
    Skip,
}

/// What a channel is like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Bounded(usize),
    /// Bounded, and both ends stay on their thread.
    Local(usize),
    Unbounded,
}

/// A runtime.
pub(crate) trait Api {
    /// Virtual milliseconds since the beginning.
    fn now(&self) -> u64;
    fn sleep(&self, ms: u64) -> Boxed<()>;
    fn yield_now(&self) -> Boxed<()>;
    /// `None` when the time was over first.
    fn timeout(&self, ms: u64, body: Boxed<u32>) -> Boxed<Option<u32>>;
    fn spawn(&self, body: Boxed<u32>) -> Task;
    /// A job for the blocking pool, which begins at once and gives this number.
    fn job(&self, value: u32) -> Boxed<u32>;
    /// The results, or the errors. A child is an error when its number is odd.
    fn gather(&self, form: Form, children: Vec<Boxed<u32>>) -> Boxed<Result<Vec<u32>, Vec<u32>>>;
    fn as_completed(&self, children: Vec<Boxed<u32>>) -> Rc<dyn Ends>;
    /// Runs streams of ends side by side, and gives the items of each.
    fn streams(&self, streams: Vec<Vec<Boxed<u32>>>) -> Boxed<Vec<Vec<(usize, u32)>>>;
    /// Spawns these tasks in a group, then runs the body, then asks for the values of the tasks. Gives the sum of all
    /// values, or every error. The body or a task fails when its number is odd.
    fn group(&self, tasks: Vec<Boxed<u32>>, body: Boxed<u32>) -> Boxed<Result<u32, Vec<u32>>>;
    fn interval(&self, ms: u64, missed: Missed) -> Rc<dyn Ticks>;
    /// A sleep that was made outside of the runtime: its time begins with the first wait.
    fn alarm(&self, ms: u64) -> Rc<dyn Alarm>;
    fn channel(&self, kind: Kind) -> Rc<dyn Channel>;
    fn oneshot(&self, is_local: bool) -> Rc<dyn Oneshot>;
    fn semaphore(&self, permits: usize) -> Rc<dyn Semaphore>;
}

/// A spawned task.
pub(crate) struct Task {
    /// `None` when it was aborted. Awaited once.
    pub(crate) join: Boxed<Option<u32>>,
    pub(crate) abort: Box<dyn Fn()>,
}

/// The ends of children, one after the other.
pub(crate) trait Ends {
    /// The index and the value of the next, or `None` when all have ended. To drop this loses nothing.
    fn next(&self) -> Boxed<Option<(usize, u32)>>;
}

/// An interval.
pub(crate) trait Ticks {
    /// When the tick was due. To drop this loses no tick.
    fn tick(&self) -> Boxed<u64>;
    /// The next tick comes one period from now.
    fn reset(&self);
}

/// A sleep that anybody may wait for. Whoever came last is woken.
pub(crate) trait Alarm {
    fn wait(&self) -> Boxed<()>;
    /// It is over so long from now.
    fn reset(&self, ms: u64);
}

/// Both ends of a channel. One at a time may receive; whoever comes meanwhile is told `None` at once.
pub(crate) trait Channel {
    /// Whether it was sent.
    fn send(&self, value: u32) -> Boxed<bool>;
    fn try_send(&self, value: u32) -> &'static str;
    /// A value, or why there is none.
    fn recv(&self) -> Boxed<Result<u32, &'static str>>;
    fn try_recv(&self) -> Result<u32, &'static str>;
    /// The receiving end closes, if nobody is receiving.
    fn close(&self);
    /// Waits until it is closed.
    fn closed(&self) -> Boxed<()>;
    /// The sender that belongs to nobody goes. Those that are sending have a clone.
    fn drop_sender(&self);
    /// What the receiver counts, if nobody is receiving.
    fn len(&self) -> usize;
}

/// Both ends of a oneshot channel. Each can be used once.
pub(crate) trait Oneshot {
    fn send(&self, value: u32) -> &'static str;
    fn recv(&self) -> Boxed<Result<u32, &'static str>>;
    /// The sender waits until the receiver is gone, and goes then.
    fn closed(&self) -> Boxed<()>;
}

/// A semaphore. A permit is given back when it is dropped.
pub(crate) trait Semaphore {
    fn acquire(&self) -> Boxed<Box<dyn Any>>;
    fn acquire_owned(&self) -> Boxed<Box<dyn Any>>;
    fn try_acquire(&self) -> Option<Box<dyn Any>>;
    fn add(&self, permits: usize);
    fn available(&self) -> usize;
}
