//! smol's parts under test: async-executor's `LocalExecutor`, with async-channel, async-lock and futures' oneshot.

use crate::case::Role;
use crate::executor::{Channels, Executor, Semaphores};
use async_executor::{LocalExecutor, Task};
use async_lock::{Semaphore, SemaphoreGuard};
use futures::channel::oneshot;
use std::cell::RefCell;
use std::rc::Rc;

thread_local! {
    /// The executor whose `block_on` runs on this thread, so that tasks can be spawned from anywhere inside of it.
    static CURRENT: RefCell<Option<Rc<LocalExecutor<'static>>>> = const { RefCell::new(None) };
}

/// async-executor's `LocalExecutor`.
#[derive(Debug)]
pub struct Smol(Rc<LocalExecutor<'static>>);

impl Executor for Smol {
    const NAME: &'static str = "async-executor";
    const ROLE: Role = Role::Peer;
    type Handle<T: 'static> = Task<T>;

    fn new() -> Smol {
        Smol(Rc::new(LocalExecutor::new()))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        let outer = CURRENT.replace(Some(Rc::clone(&self.0)));
        let output = futures_lite::future::block_on(self.0.run(future));
        CURRENT.set(outer);
        output
    }

    fn spawn<F>(future: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        CURRENT.with_borrow(|current| current.as_ref().expect("inside block_on").spawn(future))
    }

    fn join<T: 'static>(task: Task<T>) -> impl Future<Output = T> {
        task
    }

    fn yield_now() -> impl Future<Output = ()> {
        futures_lite::future::yield_now()
    }
}

impl Channels for Smol {
    type Sender<T: 'static> = async_channel::Sender<T>;
    type Receiver<T: 'static> = async_channel::Receiver<T>;
    type OneSender<T: 'static> = oneshot::Sender<T>;
    type OneReceiver<T: 'static> = oneshot::Receiver<T>;

    fn channel<T: 'static>(capacity: usize) -> (async_channel::Sender<T>, async_channel::Receiver<T>) {
        async_channel::bounded(capacity)
    }

    async fn send<T: 'static>(sender: &async_channel::Sender<T>, value: T) {
        assert!(sender.send(value).await.is_ok());
    }

    async fn recv<T: 'static>(receiver: &mut async_channel::Receiver<T>) -> Option<T> {
        receiver.recv().await.ok()
    }

    fn oneshot<T: 'static>() -> (oneshot::Sender<T>, oneshot::Receiver<T>) {
        oneshot::channel()
    }

    fn send_one<T: 'static>(sender: oneshot::Sender<T>, value: T) {
        assert!(sender.send(value).is_ok());
    }

    async fn recv_one<T: 'static>(receiver: oneshot::Receiver<T>) -> T {
        receiver.await.expect("the value is sent")
    }
}

impl Semaphores for Smol {
    type Semaphore = Semaphore;
    type Permit<'a> = SemaphoreGuard<'a>;

    fn semaphore(permits: usize) -> Semaphore {
        Semaphore::new(permits)
    }

    fn acquire(semaphore: &Semaphore) -> impl Future<Output = SemaphoreGuard<'_>> {
        semaphore.acquire()
    }
}
