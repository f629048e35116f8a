//! The limit of an executor: boxed futures, polled round robin with a waker that does nothing.
//!
//! It knows nobody's readiness and polls everything in every round, so it is a limit only where everything is ready
//! all the time, as in these benchmarks. Its channels and its semaphore are cells for the same reason: who finds
//! nothing is asked again in the next round.

use crate::case::Role;
use crate::executor::{Channels, Executor, Semaphores};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

type Boxed = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    /// What was spawned since the round began.
    static SPAWNED: RefCell<Vec<Boxed>> = const { RefCell::new(Vec::new()) };
}

/// The bare round robin.
#[derive(Debug)]
pub struct Bare;

impl Executor for Bare {
    const NAME: &'static str = "bare round robin";
    const ROLE: Role = Role::Limit;
    type Handle<T: 'static> = Rc<Cell<Option<T>>>;

    fn new() -> Bare {
        Bare
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut main = pin!(future);
        let cx = &mut Context::from_waker(Waker::noop());
        let mut tasks: Vec<Boxed> = Vec::new();
        loop {
            if let Poll::Ready(output) = main.as_mut().poll(cx) {
                return output;
            }
            SPAWNED.with_borrow_mut(|spawned| tasks.append(spawned));
            tasks.retain_mut(|task| task.as_mut().poll(cx).is_pending());
        }
    }

    fn spawn<F>(future: F) -> Self::Handle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let result = Rc::new(Cell::new(None));
        let place = Rc::clone(&result);
        SPAWNED.with_borrow_mut(|spawned| spawned.push(Box::pin(async move { place.set(Some(future.await)) })));
        result
    }

    fn join<T: 'static>(handle: Self::Handle<T>) -> impl Future<Output = T> {
        ask(move || handle.take())
    }

    async fn yield_now() {
        let mut yielded = false;
        ask(|| std::mem::replace(&mut yielded, true).then_some(())).await;
    }
}

/// Asks once a round, until there is an answer.
fn ask<T>(mut question: impl FnMut() -> Option<T>) -> impl Future<Output = T> {
    poll_fn(move |_| question().map_or(Poll::Pending, Poll::Ready))
}

impl Channels for Bare {
    type Sender<T: 'static> = Rc<RefCell<VecDeque<T>>>;
    type Receiver<T: 'static> = Rc<RefCell<VecDeque<T>>>;
    type OneSender<T: 'static> = Rc<Cell<Option<T>>>;
    type OneReceiver<T: 'static> = Rc<Cell<Option<T>>>;

    fn channel<T: 'static>(capacity: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
        let queue = Rc::new(RefCell::new(VecDeque::with_capacity(capacity)));
        (Rc::clone(&queue), queue)
    }

    async fn send<T: 'static>(sender: &Self::Sender<T>, value: T) {
        ask(|| (sender.borrow().len() < sender.borrow().capacity()).then_some(())).await;
        sender.borrow_mut().push_back(value);
    }

    fn recv<T: 'static>(receiver: &mut Self::Receiver<T>) -> impl Future<Output = Option<T>> {
        ask(|| match receiver.borrow_mut().pop_front() {
            Some(value) => Some(Some(value)),
            None => (Rc::strong_count(receiver) == 1).then_some(None),
        })
    }

    fn oneshot<T: 'static>() -> (Rc<Cell<Option<T>>>, Rc<Cell<Option<T>>>) {
        let place = Rc::new(Cell::new(None));
        (Rc::clone(&place), place)
    }

    fn send_one<T: 'static>(sender: Rc<Cell<Option<T>>>, value: T) {
        sender.set(Some(value));
    }

    fn recv_one<T: 'static>(receiver: Rc<Cell<Option<T>>>) -> impl Future<Output = T> {
        ask(move || receiver.take())
    }
}

impl Semaphores for Bare {
    type Semaphore = Cell<usize>;
    type Permit<'a> = BarePermit<'a>;

    fn semaphore(permits: usize) -> Cell<usize> {
        Cell::new(permits)
    }

    fn acquire(semaphore: &Cell<usize>) -> impl Future<Output = BarePermit<'_>> {
        ask(|| {
            semaphore.set(semaphore.get().checked_sub(1)?);
            Some(BarePermit(semaphore))
        })
    }
}

/// A number that is counted up again.
#[derive(Debug)]
pub struct BarePermit<'a>(&'a Cell<usize>);

impl Drop for BarePermit<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}
