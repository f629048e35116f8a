//! Log files for the program `lines` to read, where it is given none: a day each, from midnight to midnight.

use crate::progress::byte_bar;
use indicatif::ProgressBar;
use runtime::task::spawn_blocking;
use std::fs::{File, create_dir_all, remove_dir_all};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// What a line can say after its time.
pub const LEVELS: [&str; 4] = ["DEBUG", "INFO", "WARN", "ERROR"];

/// Writes a log of about so many bytes: a day, from midnight to midnight. Runs on the blocking pool.
fn write(path: &Path, bytes: u64, bar: &ProgressBar) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let (mut random, mut written) = (fastrand::Rng::with_seed(7), 0);
    while written < bytes {
        let second = written * 86_400 / bytes;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        // Half of them are DEBUG, a quarter INFO, and so on.
        let level = LEVELS[(random.u8(..).trailing_ones() as usize).min(LEVELS.len() - 1)];
        let (user, took) = (random.u32(..100_000), random.u32(..5_000));
        let line = format!(
            "2026-11-21T{hour:02}:{minute:02}:{second:02}Z {level} request by user {user} was answered in {took} µs\n"
        );
        file.write_all(line.as_bytes())?;
        written += line.len() as u64;
        bar.inc(line.len() as u64);
    }
    file.flush()
}

/// The logs of a program. They go when this is dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes `count` logs in a new folder inside of `inside`, `megabytes` all together.
    ///
    /// # Errors
    ///
    /// When they cannot be written, in words.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    pub async fn fill(inside: &Path, megabytes: u64, count: u64) -> Result<(Folder, Vec<PathBuf>), String> {
        let folder = Folder(inside.join(format!("glassloop-lines-{}", std::process::id())));
        let cure = "; name a --folder that may be written to, and has room for --megabytes";
        create_dir_all(&folder.0).map_err(|error| format!("{}: {error}{cure}", folder.0.display()))?;
        let paths: Vec<_> = (1..=count).map(|number| folder.0.join(format!("{number}.log"))).collect();
        let each = megabytes.saturating_mul(1_000_000) / count;
        let bar = byte_bar(each * count);
        let jobs = paths.iter().cloned().map(|path| {
            let bar = bar.clone();
            spawn_blocking(move || {
                write(&path, each, &bar).map_err(|error| format!("{}: {error}{cure}", path.display()))
            })
        });
        let written = gather::try_gather(jobs.map(async |job| job.await.map_err(|error| error.to_string())?)).await;
        bar.finish_and_clear();
        written.map(|_| (folder, paths))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Jobs of the pool run on and may make a file while this one removes: as long as one does, once more. Without
        // the folder they make none.
        while remove_dir_all(&self.0).is_err_and(|error| error.kind() == io::ErrorKind::DirectoryNotEmpty) {}
    }
}
