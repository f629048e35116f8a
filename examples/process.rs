//! Other processes, beside the loop: to wait for one takes a thread.

use gather::gather;
use runtime::task::spawn_blocking;
use std::io::{self, Read};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// A process. Dropping this kills it, if it has not ended by then.
struct Running(Arc<Mutex<Child>>);

impl Drop for Running {
    fn drop(&mut self) {
        // Whoever waits for its end holds the lock; it has closed its output by then, and is about to end.
        if let Ok(mut child) = self.0.try_lock() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs a command to its end and gives what it printed. Dropping the future kills the process.
///
/// # Errors
///
/// When the command, or a thread to wait for it, cannot be started.
pub async fn output(mut command: Command) -> io::Result<Output> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let running = Running(Arc::new(Mutex::new(child)));
    let (stdout, stderr) = gather!(read(stdout), read(stderr)).await;
    let child = Arc::clone(&running.0);
    let end = spawn_blocking(move || child.lock().unwrap_or_else(PoisonError::into_inner).wait());
    let status = end.await.map_err(io::Error::other)??;
    Ok(Output { status, stdout: stdout?, stderr: stderr? })
}

/// Reads a pipe to its end, on the blocking pool.
async fn read(pipe: Option<impl Read + Send + 'static>) -> io::Result<Vec<u8>> {
    let Some(mut pipe) = pipe else { return Ok(Vec::new()) };
    let all = spawn_blocking(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).map(|_| bytes)
    });
    all.await.map_err(io::Error::other)?
}
