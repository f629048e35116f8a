//! The run second by second, as a table (CSV) that a spreadsheet or a plotter reads.

use crate::out::lose;
use crate::tally::Recent;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// The names of the columns.
const HEAD: &str = "second,answers,failures,mean_ms,p50_ms,p99_ms,max_ms";

/// A file with a row for each second. Only the second that has begun is in memory.
#[derive(Debug)]
pub struct Timeline {
    path: PathBuf,
    file: BufWriter<File>,
    /// The second that has begun.
    second: u64,
    /// What has landed in it.
    sum: Recent,
}

impl Timeline {
    /// Makes the file, or empties it, and writes the names of the columns.
    ///
    /// # Errors
    ///
    /// The system's, with the file's name.
    pub fn create(path: &Path) -> Result<Self, String> {
        let begin = || {
            let mut file = BufWriter::new(File::create(path)?);
            writeln!(file, "{HEAD}")?;
            Ok(Self { path: path.to_owned(), file, second: 0, sum: Recent::default() })
        };
        begin().map_err(|error: io::Error| format!("--timeline {}: {error}", path.display()))
    }

    /// Something has landed in this second, and nothing will in those before it.
    pub fn add(&mut self, second: u64, recent: &Recent) {
        while self.second < second {
            self.write();
        }
        self.sum.add(recent);
    }

    /// Nothing will land any more.
    pub fn end(mut self) {
        if self.sum.answers + self.sum.failures > 0 {
            self.write();
        }
        let flushed = self.file.flush();
        self.told(flushed);
    }

    /// Writes the row of the second that has begun. It is over.
    fn write(&mut self) {
        let (second, sum) = (self.second, std::mem::take(&mut self.sum));
        self.second += 1;
        let latency = match sum.answers {
            // No answer has no latency.
            0 => ",,,".to_string(),
            _ => {
                let quantiles = [0.5, 0.99, 1.0].map(|quantile| sum.latency.value_at_quantile(quantile) as f64 / 1e6);
                let [p50, p99, max] = quantiles;
                format!("{:.3},{p50:.3},{p99:.3},{max:.3}", sum.latency.mean() / 1e6)
            }
        };
        let written = writeln!(self.file, "{second},{},{},{latency}", sum.answers, sum.failures);
        self.told(written);
    }

    /// A row that cannot be written is told.
    fn told(&self, outcome: io::Result<()>) {
        if let Err(error) = outcome {
            lose(format_args!("--timeline {}", self.path.display()), &error);
        }
    }
}
