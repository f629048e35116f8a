//! A copy of the crates and benchmarks, to be built with and without the calls of the macros `trace!` and `explore!`, or
//! with features that `benches` never has.
//!
//! All builds are made of the copy, at the same place: a path is part of what the compiler names things by, and may
//! change how it groups and inlines them.
//!
//! The copy is built in the build folder of this program, so that the peers are not compiled a second time. Cargo names
//! what it builds by the path within the workspace. So the members of the copy lie one folder deeper than ours, and its
//! program has another name: neither takes the other's artifacts for its own.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// The packages that are copied.
const MEMBERS: [&str; 3] = ["runtime", "gather", "benches"];

/// Sources of another package that the benchmarks include.
const RUNGS: &str = "examples/course/lessons";

/// The folder in the copy's workspace in which all of them lie.
const WITHIN: &str = "untraced";

/// The counting program, and what it is called in the copy.
const PROGRAM: &str = "name = \"counts\"";
const COPIED_PROGRAM: &str = "counts_untraced";

/// The copy.
#[derive(Debug)]
pub struct Copy {
    /// Where its workspace lies: in the build folder of this program.
    folder: PathBuf,
    /// That build folder.
    target: PathBuf,
}

impl Copy {
    /// Copies what `benches` is built of.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub fn new() -> Result<Copy, Box<dyn Error>> {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("benches/ lies in the checkout")?;
        let program = env::current_exe()?;
        let target = program.ancestors().nth(2).ok_or("a program of cargo's lies in target/release")?.to_owned();
        let folder = target.join("untraced");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        for copied in MEMBERS.into_iter().chain([RUNGS]) {
            copy_folder(&top.join(copied), &folder.join(WITHIN).join(copied))?;
        }
        // The second is for `machine.rs`, which reads the peers' versions from it.
        for place in [&folder, &folder.join(WITHIN)] {
            fs::copy(top.join("Cargo.lock"), place.join("Cargo.lock"))?;
        }
        let manifest = fs::read_to_string(top.join("Cargo.toml"))?;
        fs::write(folder.join("Cargo.toml"), manifest_of_the_copy(&manifest))?;
        let benches = folder.join(WITHIN).join("benches/Cargo.toml");
        let manifest = fs::read_to_string(&benches)?;
        fs::write(benches, manifest.replace(PROGRAM, &format!("name = {COPIED_PROGRAM:?}")))?;
        Ok(Copy { folder, target })
    }

    /// Builds the counting program and gives its path. The next build goes to the same path.
    ///
    /// # Errors
    /// When it does not build.
    pub fn build(&self) -> Result<PathBuf, Box<dyn Error>> {
        self.build_with("")
    }

    /// The same with these features, with commas between them.
    ///
    /// # Errors
    /// When it does not build.
    pub fn build_with(&self, features: &str) -> Result<PathBuf, Box<dyn Error>> {
        let built = Command::new("cargo")
            .args(["build", "--quiet", "--release", "-p", "benches", "--bin", COPIED_PROGRAM, "--features", features])
            .arg("--target-dir")
            .arg(&self.target)
            .current_dir(&self.folder)
            .output()?;
        if !built.status.success() {
            return Err(format!("the copy does not build:\n{}", String::from_utf8_lossy(&built.stderr)).into());
        }
        Ok(self.target.join("release").join(COPIED_PROGRAM))
    }

    /// Deletes every call of the two macros and gives their numbers: those of `trace!`, and those of `explore!`.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub fn delete_calls(&self) -> io::Result<[usize; 2]> {
        let mut deleted = [0; 2];
        for (member, root) in [("runtime/src", "crate"), ("gather/src", "runtime")] {
            let folder = self.folder.join(WITHIN).join(member);
            for path in files(&folder)? {
                // What the macros call stays.
                if ["trace", "explore"].iter().any(|within| path.starts_with(folder.join(within))) {
                    continue;
                }
                let (source, traces) = without_calls(&fs::read_to_string(&path)?, root);
                let (source, hooks) = without_hooks(&source);
                fs::write(&path, source)?;
                deleted = [deleted[0] + traces, deleted[1] + hooks];
            }
        }
        Ok(deleted)
    }
}

/// The workspace's manifest without the members that stay out, and with the paths of those that are in.
fn manifest_of_the_copy(manifest: &str) -> String {
    let members = format!("members = {:?}", MEMBERS.map(|member| format!("{WITHIN}/{member}")));
    let lines = manifest.lines().filter_map(|line| {
        if line.starts_with("members = ") {
            return Some(members.clone());
        }
        let path = line.split("path = \"").nth(1).and_then(|rest| rest.split('"').next());
        let is_out = line.starts_with("default-members = ") || path.is_some_and(|path| !MEMBERS.contains(&path));
        (!is_out).then(|| line.replace("path = \"", &format!("path = \"{WITHIN}/")))
    });
    lines.map(|line| line + "\n").collect()
}

/// The source with every `trace!(…)` replaced by `()`, which does in a statement and in a match arm. A reason and a scope,
/// which are values of no size, are replaced by empty ones; `root` is how the source names the crate `runtime`.
fn without_calls(source: &str, root: &str) -> (String, usize) {
    let source = source.replace("runtime::trace!(", "trace!(");
    let mut pieces = source.split("trace!(");
    let mut kept = pieces.next().unwrap_or_default().to_owned();
    let mut calls = 0;
    for piece in pieces {
        let mut depth = 1;
        let end = piece.find(|letter| {
            depth += i32::from(letter == '(') - i32::from(letter == ')');
            depth == 0
        });
        match piece.trim_start_matches("below ").split(' ').next() {
            Some("reason") => kept.push_str(&format!("{root}::Reason::unknown()")),
            Some("scope") => kept.push_str(&format!("{root}::Reason::unknown().open()")),
            _ => kept.push_str("()"),
        }
        kept.push_str(end.map_or("", |end| &piece[end + 1..]));
        calls += 1;
    }
    (kept, calls)
}

/// The source with every `explore!(…)` replaced by what it is when the feature is off: a question by false, a value by
/// itself, anything else by `()`.
fn without_hooks(source: &str) -> (String, usize) {
    let mut pieces = source.split("explore!(");
    let mut kept = pieces.next().unwrap_or_default().to_owned();
    let mut calls = 0;
    for piece in pieces {
        let (mut depth, mut comma) = (1, None);
        let end = piece.char_indices().find_map(|(at, letter)| {
            depth += i32::from(letter == '(') - i32::from(letter == ')');
            comma = comma.or((letter == ',' && depth == 1).then_some(at));
            (depth == 0).then_some(at)
        });
        match comma {
            Some(comma) => kept.push_str(&piece[..comma]),
            None if piece.starts_with("asks ") => kept.push_str("false"),
            None => kept.push_str("()"),
        }
        kept.push_str(end.map_or("", |end| &piece[end + 1..]));
        calls += 1;
    }
    (kept, calls)
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    for path in files(from)? {
        let Ok(name) = path.strip_prefix(from) else { continue };
        let to = to.join(name);
        to.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::copy(path, to)?;
    }
    Ok(())
}

/// Every file below a folder.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.append(&mut files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{manifest_of_the_copy, without_calls, without_hooks};

    #[test]
    fn calls_are_deleted_with_what_is_in_their_parentheses() {
        let source = "trace!(Push { task: f(1) });\nSome(_) => trace!(A),\nrest(())";
        assert_eq!(without_calls(source, "crate"), ("();\nSome(_) => (),\nrest(())".into(), 2));
        let source = "let why = trace!(reason Park { a: (1) });\nlet _scope = trace!(below scope @sent(b));";
        let (kept, calls) = without_calls(source, "runtime");
        assert_eq!(kept, "let why = runtime::Reason::unknown();\nlet _scope = runtime::Reason::unknown().open();");
        assert_eq!(calls, 2);
    }

    #[test]
    fn a_hook_is_replaced_by_what_it_is_when_it_is_off() {
        let source = "explore!(hang());\nif !explore!(asks is_early(self, f(1))) {}\nnew(explore!(data, kept()), &T)";
        assert_eq!(without_hooks(source), ("();\nif !false {}\nnew(data, &T)".into(), 3));
        let source = "explore!(self.take(a, b).or((c, d)), joined(&self.target))";
        assert_eq!(without_hooks(source), ("self.take(a, b).or((c, d))".into(), 1));
    }

    #[test]
    fn the_manifest_keeps_the_members_that_are_copied() {
        let manifest = "[workspace]\nmembers = [\"runtime\", \"tests\"]\ndefault-members = [\"tests\"]\n\n\
            [workspace.dependencies]\ngather = { path = \"gather\" }\nstep = { path = \"examples/step\" }\nslab = \"1\"\n";
        let kept = "[workspace]\nmembers = [\"untraced/runtime\", \"untraced/gather\", \"untraced/benches\"]\n\n\
            [workspace.dependencies]\ngather = { path = \"untraced/gather\" }\nslab = \"1\"\n";
        assert_eq!(manifest_of_the_copy(manifest), kept);
    }
}
