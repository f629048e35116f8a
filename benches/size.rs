//! Time to build from nothing, and lines of code: `runtime` and `gather` beside tokio with as much in it.
//!
//! Each is built as the dependency of an empty crate, in release, into an empty folder, dependencies and all.

use crate::measure::median;
use serde_json::Value;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

/// Builds of each, in alternation.
const BUILDS: usize = 3;

/// What is built.
const SUBJECTS: [Subject; 2] = [
    Subject { name: "runtime and gather", crates: &["runtime", "gather"], features: &[] },
    Subject { name: "tokio", crates: &["tokio"], features: &["rt", "net", "time", "sync", "fs", "macros", "io-util"] },
];

/// One side of the comparison.
struct Subject {
    name: &'static str,
    /// Whose lines are counted.
    crates: &'static [&'static str],
    /// What is asked of a crate from the registry.
    features: &'static [&'static str],
}

/// The table for RESULTS.md.
///
/// # Errors
/// When cargo cannot build, offline, what this program was built with.
pub fn table() -> Result<String, Box<dyn Error>> {
    let builds: Vec<_> = SUBJECTS.iter().map(Build::new).collect::<Result<_, _>>()?;
    let mut seconds = vec![Vec::new(); builds.len()];
    for _ in 0..BUILDS {
        for (build, seconds) in builds.iter().zip(&mut seconds) {
            seconds.push(build.time_from_nothing()?);
        }
    }
    let mut text = String::from("| crates | built from nothing | with their dependencies | lines of code |\n");
    text.push_str("| --- | --- | --- | --- |\n");
    for ((subject, build), seconds) in SUBJECTS.iter().zip(&builds).zip(&mut seconds) {
        let (packages, lines) = build.packages_and_lines(subject.crates)?;
        text.push_str(&format!("| {} | {:.1} s | {packages} crates | {lines} |\n", subject.name, median(seconds)));
    }
    text.push_str(&format!(
        "\nReleases, the median of {BUILDS} builds. tokio with the features {}. Lines without comments, blank lines and \
         unit tests, features that are off included.\n",
        SUBJECTS[1].features.join(", ")
    ));
    Ok(text)
}

/// An empty crate with one subject as its dependency.
struct Build {
    folder: PathBuf,
}

impl Build {
    fn new(subject: &Subject) -> Result<Build, Box<dyn Error>> {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("benches/ lies in the checkout")?;
        let program = env::current_exe()?;
        let builds = program.parent().ok_or("a program lies in a folder")?;
        let folder = builds.join("size").join(subject.name.replace(' ', "-"));
        fs::create_dir_all(folder.join("src"))?;
        fs::write(folder.join("src/lib.rs"), "")?;
        fs::copy(top.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        let dependencies: String = match subject.features {
            [] => subject.crates.iter().map(|name| format!("{name} = {{ path = {:?} }}\n", top.join(name))).collect(),
            features => format!("{} = {{ version = \"1\", features = {features:?} }}\n", subject.name),
        };
        let manifest = "[package]\nname = \"empty\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n";
        fs::write(folder.join("Cargo.toml"), format!("{manifest}{dependencies}"))?;
        Ok(Build { folder })
    }

    fn cargo(&self, arguments: &[&str]) -> Result<Vec<u8>, Box<dyn Error>> {
        let output = Command::new("cargo").args(arguments).arg("--offline").current_dir(&self.folder).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        Ok(output.stdout)
    }

    /// Seconds.
    fn time_from_nothing(&self) -> Result<f64, Box<dyn Error>> {
        let target = self.folder.join("target");
        if target.exists() {
            fs::remove_dir_all(&target)?;
        }
        let start = Instant::now();
        self.cargo(&["build", "--quiet", "--release", "--target-dir", "target"])?;
        Ok(start.elapsed().as_secs_f64())
    }

    /// How many crates were built, and the lines of those that are asked for.
    fn packages_and_lines(&self, crates: &[&str]) -> Result<(usize, usize), Box<dyn Error>> {
        let tree = self.cargo(&["tree", "--prefix", "none", "--edges", "normal,build", "--no-dedupe"])?;
        let mut packages: Vec<_> = String::from_utf8(tree)?.lines().map(|line| line.replace(" (*)", "")).collect();
        packages.sort();
        packages.dedup();
        let metadata: Value = serde_json::from_slice(&self.cargo(&["metadata", "--format-version", "1"])?)?;
        let mut lines = 0;
        for package in metadata["packages"].as_array().ok_or("cargo lists packages")? {
            if crates.iter().any(|name| package["name"] == *name) {
                let manifest = Path::new(package["manifest_path"].as_str().ok_or("a package has a manifest")?);
                lines += lines_under(&manifest.with_file_name("src"))?;
            }
        }
        Ok((packages.len() - 1, lines))
    }
}

/// Lines of code under a folder.
fn lines_under(folder: &Path) -> Result<usize, Box<dyn Error>> {
    let mut lines = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "tests") {
            lines += lines_under(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(path)?;
            let code = source.lines().take_while(|line| *line != "#[cfg(test)]").map(str::trim);
            lines += code.filter(|line| !line.is_empty() && !line.starts_with("//")).count();
        }
    }
    Ok(lines)
}
