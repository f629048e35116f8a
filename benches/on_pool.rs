//! futures' `LocalPool` under test, with futures' own channels.

use crate::case::Role;
use crate::executor::{Channels, Executor};
use futures::SinkExt;
use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use futures::executor::{LocalPool, LocalSpawner};
use futures::future::RemoteHandle;
use futures::task::LocalSpawnExt;
use std::cell::RefCell;

thread_local! {
    /// What spawns onto the pool whose `block_on` runs on this thread.
    static CURRENT: RefCell<Option<LocalSpawner>> = const { RefCell::new(None) };
}

/// futures' `LocalPool`.
#[derive(Debug)]
pub struct Pool(RefCell<LocalPool>);

impl Executor for Pool {
    const NAME: &'static str = "LocalPool";
    const ROLE: Role = Role::Peer;
    type Handle<T: 'static> = RemoteHandle<T>;

    fn new() -> Pool {
        Pool(RefCell::new(LocalPool::new()))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut pool = self.0.borrow_mut();
        let outer = CURRENT.replace(Some(pool.spawner()));
        let output = pool.run_until(future);
        CURRENT.set(outer);
        output
    }

    fn spawn<F>(future: F) -> RemoteHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let spawned = CURRENT.with_borrow(|current| {
            let spawner = current.as_ref().expect("inside block_on");
            spawner.spawn_local_with_handle(future)
        });
        spawned.expect("the pool lives")
    }

    fn join<T: 'static>(handle: RemoteHandle<T>) -> impl Future<Output = T> {
        handle
    }

    /// By hand: futures has no `yield_now`.
    fn yield_now() -> impl Future<Output = ()> {
        crate::yields::by_hand()
    }
}

impl Channels for Pool {
    type Sender<T: 'static> = RefCell<mpsc::Sender<T>>;
    type Receiver<T: 'static> = mpsc::Receiver<T>;
    type OneSender<T: 'static> = oneshot::Sender<T>;
    type OneReceiver<T: 'static> = oneshot::Receiver<T>;

    /// futures' channel has a place for each sender besides its capacity.
    fn channel<T: 'static>(capacity: usize) -> (RefCell<mpsc::Sender<T>>, mpsc::Receiver<T>) {
        let (sender, receiver) = mpsc::channel(capacity - 1);
        (RefCell::new(sender), receiver)
    }

    /// The borrow lasts as long as the send: in these cases each sender has one task.
    #[allow(clippy::await_holding_refcell_ref, reason = "no other task has this sender")]
    async fn send<T: 'static>(sender: &RefCell<mpsc::Sender<T>>, value: T) {
        assert!(sender.borrow_mut().send(value).await.is_ok());
    }

    fn recv<T: 'static>(receiver: &mut mpsc::Receiver<T>) -> impl Future<Output = Option<T>> {
        receiver.next()
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
