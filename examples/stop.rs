//! Stopping early: [`until`] drops a future when another one is ready first, [`ctrl_c`] is ready at Ctrl-C.

use runtime::sync::oneshot;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::process;
use std::sync::Mutex;
use std::task::Poll;

/// The exit status of a program that Ctrl-C has stopped: 128 and the number of the signal, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// Runs `future` until it is done or `stop` is ready; then `future` is dropped and the result is `None`.
///
/// When both are ready, the result of `future` counts.
///
/// ```
/// use examples::stop::until;
///
/// let (done, stopped) = runtime::block_on(async {
///     let done = until(async { 1 }, std::future::pending::<()>()).await;
///     let stopped = until(std::future::pending::<i32>(), async {}).await;
///     (done, stopped)
/// });
/// assert_eq!((done, stopped), (Some(1), None));
/// ```
pub async fn until<T>(future: impl Future<Output = T>, stop: impl Future) -> Option<T> {
    let mut future = pin!(future);
    let mut stop = pin!(stop);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => stop.as_mut().poll(cx).map(|_| None),
    })
    .await
}

/// A future that is ready at the first Ctrl-C. The second one ends the program on the spot.
///
/// The handler runs on a thread of its own, so the message that ends the wait is a wake from another thread.
///
/// # Errors
///
/// When the handler cannot be installed, or is installed already: it is one for the whole process.
pub fn ctrl_c() -> Result<impl Future, ctrlc::Error> {
    let (sender, receiver) = oneshot::channel();
    let sender = Mutex::new(Some(sender));
    ctrlc::set_handler(move || {
        match sender.lock().expect("the handler does not panic").take() {
            // The loop may be over already: then nobody is there to be told.
            Some(sender) => drop(sender.send(())),
            None => process::exit(INTERRUPTED.into()),
        }
    })?;
    Ok(receiver)
}
