//! Other processes, beside the loop: to wait for one takes a thread.

use runtime::task::spawn_blocking;
use std::io;
use std::process::{Command, Output};

/// Runs a command to its end and gives what it printed.
///
/// # Errors
///
/// When the command, or a thread to wait for it, cannot be started.
pub async fn output(mut command: Command) -> io::Result<Output> {
    spawn_blocking(move || command.output()).await.map_err(io::Error::other)?
}
