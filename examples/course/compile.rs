//! Builds the check of a lesson around the student's file.

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Builds the check of a lesson; cargo and the compiler say what they have to say. `None`: it does not compile.
pub(crate) fn compile(lesson: u32) -> io::Result<Option<PathBuf>> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "-p", "course", "--example", &format!("check_{lesson:02}")]);
    // Messages for machines, which name the program, come on stdout; those for people as always.
    cargo.args(["--message-format", "json-render-diagnostics"]);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit());
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let program = said.lines().rev().find_map(|line| {
        let path = line.split("\"executable\":\"").nth(1)?.split('"').next()?;
        // The only escape of JSON in a usual path.
        Some(PathBuf::from(path.replace("\\\\", "\\")))
    });
    Ok(program.filter(|_| output.status.success()))
}
