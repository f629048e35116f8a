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
    Tasks,
    TryTasks,
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
    /// The results, or the first error. A child is an error when its number is odd.
    fn gather(&self, form: Form, children: Vec<Boxed<u32>>) -> Boxed<Result<Vec<u32>, u32>>;
    fn channel(&self, capacity: usize) -> Rc<dyn Channel>;
    fn oneshot(&self) -> Rc<dyn Oneshot>;
    fn semaphore(&self, permits: usize) -> Rc<dyn Semaphore>;
}

/// A spawned task.
pub(crate) struct Task {
    /// `None` when it was aborted. Awaited once.
    pub(crate) join: Boxed<Option<u32>>,
    pub(crate) abort: Box<dyn Fn()>,
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
