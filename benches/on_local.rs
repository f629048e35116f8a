//! glassloop with the channels whose ends stay on the loop's thread.

use crate::Ours;
use crate::case::Role;
use crate::executor::{Channels, Executor};
use runtime::JoinHandle;
use runtime::sync::{Local, mpsc, oneshot};

/// glassloop's runtime, and its channels without locks.
#[derive(Debug)]
pub struct OursLocal(Ours);

impl Executor for OursLocal {
    const NAME: &'static str = Ours::NAME;
    const ROLE: Role = Role::Ours;
    type Handle<T: 'static> = JoinHandle<T>;

    fn new() -> OursLocal {
        OursLocal(Ours::new())
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn spawn<F>(future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Ours::spawn(future)
    }

    fn join<T: 'static>(handle: JoinHandle<T>) -> impl Future<Output = T> {
        Ours::join(handle)
    }

    fn yield_now() -> impl Future<Output = ()> {
        Ours::yield_now()
    }
}

impl Channels for OursLocal {
    type Sender<T: 'static> = mpsc::Sender<T, Local>;
    type Receiver<T: 'static> = mpsc::Receiver<T, Local>;
    type OneSender<T: 'static> = oneshot::Sender<T, Local>;
    type OneReceiver<T: 'static> = oneshot::Receiver<T, Local>;

    fn channel<T: 'static>(capacity: usize) -> (mpsc::Sender<T, Local>, mpsc::Receiver<T, Local>) {
        mpsc::local(capacity)
    }

    async fn send<T: 'static>(sender: &mpsc::Sender<T, Local>, value: T) {
        assert!(sender.send(value).await.is_ok());
    }

    fn recv<T: 'static>(receiver: &mut mpsc::Receiver<T, Local>) -> impl Future<Output = Option<T>> {
        receiver.recv()
    }

    fn oneshot<T: 'static>() -> (oneshot::Sender<T, Local>, oneshot::Receiver<T, Local>) {
        oneshot::local()
    }

    fn send_one<T: 'static>(sender: oneshot::Sender<T, Local>, value: T) {
        assert!(sender.send(value).is_ok());
    }

    async fn recv_one<T: 'static>(receiver: oneshot::Receiver<T, Local>) -> T {
        receiver.await.expect("the value is sent")
    }
}
