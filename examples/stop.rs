//! Stopping early: [`until`] drops a future when another one is ready first, [`signal`] is ready at Ctrl-C, SIGTERM and
//! when the terminal is closed.

use mio::unix::pipe;
use runtime::io::Async;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};
use std::fmt::Display;
use std::fs;
use std::future::{Future, poll_fn};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

/// Runs `future` until it is done or `stop` is ready; then `future` is dropped and what `stop` says is the error.
///
/// When both are ready, the result of `future` counts.
///
/// ```
/// use examples::stop::until;
///
/// let (done, stopped) = runtime::block_on(async {
///     let done = until(async { 1 }, std::future::pending::<()>()).await;
///     let stopped = until(std::future::pending::<i32>(), async { "enough" }).await;
///     (done, stopped)
/// });
/// assert_eq!((done, stopped), (Ok(1), Err("enough")));
/// ```
pub async fn until<T, S>(future: impl Future<Output = T>, stop: impl Future<Output = S>) -> Result<T, S> {
    let mut future = pin!(future);
    let mut stop = pin!(stop);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Ok(value)),
        Poll::Pending => stop.as_mut().poll(cx).map(Err),
    })
    .await
}

/// Runs a program's work. Ctrl-C, SIGTERM and SIGHUP drop it, and with it what it has started and made: processes,
/// folders. Then the status is that of [`signal`].
///
/// # Errors
///
/// Those of the work, in words, and when signals cannot be handled.
///
/// # Panics
///
/// Outside a runtime.
pub async fn or_signal<E: Display>(work: impl Future<Output = Result<ExitCode, E>>) -> Result<ExitCode, String> {
    let stop = signal().map_err(|error| format!("Ctrl-C cannot be handled: {error}"))?;
    match until(work, stop).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(status) => Ok(ExitCode::from(status)),
    }
}

/// A future that is ready at the first Ctrl-C, SIGTERM or SIGHUP (the terminal is closed), and says what the program should
/// end with: 128 and the number of the signal, as shells have it, so 130, 143 or 129. The second one ends the program on
/// the spot. A SIGHUP that is ignored when the program begins, as under `nohup`, stays ignored.
///
/// A signal may come at any moment, in the middle of anything, so its handler does no more than to set flags and to write
/// a byte into a pipe. The other end of the pipe is on the loop.
///
/// # Errors
///
/// When there is no pipe, or no handler can be installed.
///
/// # Panics
///
/// Outside a runtime.
pub fn signal() -> io::Result<impl Future<Output = u8>> {
    let (sender, receiver) = pipe::new()?;
    let (receiver, sender) = (Async::new(receiver)?, OwnedFd::from(sender));
    let (stopped, status) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if signal == SIGHUP && is_ignored(signal) {
            continue;
        }
        let code = 128 + signal;
        // In this order: one that comes before all are there is in the status; the first one finds the flag down, and the
        // second one up; who is woken finds all of it.
        flag::register_usize(signal, Arc::clone(&status), code as usize)?;
        flag::register_conditional_shutdown(signal, code, Arc::clone(&stopped))?;
        flag::register(signal, Arc::clone(&stopped))?;
        low_level::pipe::register(signal, sender.try_clone()?)?;
    }
    Ok(async move {
        // An error would be the end of the pipe, whose other end is kept by the handlers.
        if status.load(Ordering::SeqCst) == 0 {
            let _ = receiver.read_with(|mut pipe| pipe.read(&mut [0])).await;
        }
        status.load(Ordering::SeqCst) as u8
    })
}

/// Whether this process ignores the signal. Linux says so in a file; elsewhere the answer is no.
pub fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    ignored.is_some_and(|ignored| ignored >> (signal - 1) & 1 == 1)
}
