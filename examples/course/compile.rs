//! Builds the check of a lesson around the student's file.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Builds the check of a lesson; cargo and the compiler say what they have to say. `None`: it does not compile.
pub(crate) fn compile(lesson: u32) -> io::Result<Option<PathBuf>> {
    build(&["-p", "course", "--example", &format!("check_{lesson:02}")])
}

/// Lets cargo build a program of the workspace. `None`: it does not compile.
pub(crate) fn build(words: &[&str]) -> io::Result<Option<PathBuf>> {
    let (is_built, said) = cargo(words)?;
    let program = said.lines().rev().find_map(|line| text(line, "executable"));
    Ok(program.map(PathBuf::from).filter(|_| is_built))
}

/// Lets cargo build: whether it compiles, and the messages for machines, which name what was built. Those for people come as
/// always.
fn cargo(words: &[&str]) -> io::Result<(bool, String)> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet"]).args(words);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit());
    if !cfg!(debug_assertions) && !words.contains(&"--profile") {
        cargo.arg("--release");
    }
    let output = cargo.output()?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// A text of a message.
fn text(line: &str, name: &str) -> Option<String> {
    let rest = line.split(&format!("\"{name}\":\"")).nth(1)?;
    // The only escape of JSON in a usual path.
    Some(rest.split('"').next()?.replace("\\\\", "\\"))
}

/// What it takes to compile a check, or a loop, without cargo: the course and its crates, compiled, and what the build
/// script has made.
#[derive(Debug, Default)]
pub(crate) struct Kit {
    /// Crates by their names.
    crates: BTreeMap<String, PathBuf>,
    /// The build script's folder.
    out_dir: PathBuf,
}

impl Kit {
    /// Lets cargo build the course, and takes note of what it has built. `None`: it does not compile.
    pub(crate) fn build() -> io::Result<Option<Kit>> {
        // With a rung come the crates of others that the library itself does not need.
        let (is_built, said) = cargo(&["-p", "course", "--lib", "--example", "rung_03"])?;
        let mut kit = Kit::default();
        for line in said.lines() {
            if line.contains("\"reason\":\"compiler-artifact\"") {
                let files = line.split("\"filenames\":[").nth(1).and_then(|rest| rest.split(']').next());
                let files =
                    files.unwrap_or_default().split(',').map(|file| file.trim_matches('"').replace("\\\\", "\\"));
                let file = files
                    .map(PathBuf::from)
                    .find(|file| file.extension().is_some_and(|it| it == "rlib" || it == env::consts::DLL_EXTENSION));
                let name = line.split("\"target\":{").nth(1).and_then(|rest| rest.split("\"name\":\"").nth(1));
                let name = name.and_then(|rest| rest.split('"').next());
                if let (Some(name), Some(file)) = (name, file) {
                    kit.crates.insert(name.replace('-', "_"), file);
                }
            } else if text(line, "package_id").is_some_and(|id| id.contains("/course#") || id.contains("#course@"))
                && let Some(folder) = text(line, "out_dir")
            {
                kit.out_dir = PathBuf::from(folder);
            }
        }
        Ok(is_built.then_some(kit))
    }

    /// The compiler, with all that it needs to make `program` of the file of a check, or of a loop. In the format `short` it
    /// reports each error in a line.
    pub(crate) fn rustc(&self, file: &Path, program: &Path, format: &str) -> Command {
        let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.args(["--edition", "2024", "--crate-type", "bin", "--error-format", format]);
        // As in Cargo.toml. What is only a warning keeps nobody from an accepted answer.
        rustc.args(["-A", "warnings", "-D", "unsafe_code", "-C", "debuginfo=line-tables-only"]);
        if !cfg!(debug_assertions) {
            rustc.arg("-O");
        }
        rustc.args(env::var("RUSTFLAGS").unwrap_or_default().split_whitespace());
        let mut folders: Vec<&Path> = self.crates.values().filter_map(|file| file.parent()).collect();
        folders.sort();
        folders.dedup();
        for folder in folders {
            for below in [folder.to_owned(), folder.join("deps")] {
                rustc.arg("-L").arg(format!("dependency={}", below.display()));
            }
        }
        for (name, file) in &self.crates {
            rustc.arg("--extern").arg(format!("{name}={}", file.display()));
        }
        rustc.arg("-o").arg(program).arg(file).env("OUT_DIR", &self.out_dir);
        rustc
    }
}
