//! Files, as far as `gather` is shown with them: [`lines`], read in chunks on the blocking pool.

use crate::JoinHandle;
use crate::circle::context;
use crate::task::spawn_blocking;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Bytes read in one job: enough that the way to the pool and back is not what takes the time.
const CHUNK: usize = 64 * 1024;

/// Reads a file line by line, never more of it in memory than a chunk and a line. tokio's `BufReader::lines`; asyncio has
/// nothing for files.
///
/// The file is opened at the first [`next`](Lines::next).
///
/// ```
/// # let path = std::env::temp_dir().join(format!("glassloop-lines-{}", std::process::id()));
/// # std::fs::write(&path, "one\ntwo\n")?;
/// runtime::block_on(async {
///     let mut lines = runtime::fs::lines(&path);
///     while let Some(line) = lines.next().await {
///         println!("{}", line?);
///     }
///     Ok::<(), std::io::Error>(())
/// })?;
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn lines(path: impl AsRef<Path>) -> Lines {
    Lines { source: Source::Unopened(path.as_ref().to_owned()), buffer: Vec::new(), start: 0, searched: 0 }
}

/// The lines of a file; from [`lines`], which has an example.
#[derive(Debug)]
pub struct Lines {
    /// Where the next chunk comes from.
    source: Source,
    /// What was read, and not all given out.
    buffer: Vec<u8>,
    /// Where in the buffer the next line begins.
    start: usize,
    /// Up to where no line ends.
    searched: usize,
}

/// The states of a file.
#[derive(Debug)]
enum Source {
    Unopened(PathBuf),
    Open(File),
    /// A chunk is being read.
    Reading(JoinHandle<io::Result<(File, Vec<u8>)>>),
    /// The end, or an error, has been reached.
    Ended,
}

impl Lines {
    /// The next line, without its line break; `None` after the last. tokio's `Lines::next_line`.
    ///
    /// # Errors
    /// The system's, with the path if the file cannot be opened, after which there are no more lines; `InvalidData` for a
    /// line that is not UTF-8, after which the next line follows.
    ///
    /// # Panics
    /// When it is polled outside a runtime and more of the file has to be read.
    ///
    /// # Cancel safety
    /// Dropping it loses no line.
    pub async fn next(&mut self) -> Option<io::Result<String>> {
        poll_fn(|cx| self.poll_next_line(cx)).await
    }

    /// The poll function under [`next`](Lines::next), for hand-written futures and streams.
    ///
    /// ```
    /// let mut lines = runtime::fs::lines("there is no such file");
    /// let line = runtime::block_on(std::future::poll_fn(|cx| lines.poll_next_line(cx)));
    /// assert_eq!(line.unwrap().unwrap_err().kind(), std::io::ErrorKind::NotFound);
    /// ```
    ///
    /// # Errors
    /// Those of [`next`](Lines::next); an error of the file is the last that it gives.
    ///
    /// # Panics
    /// Outside a runtime, when more of the file has to be read.
    pub fn poll_next_line(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<String>>> {
        loop {
            if let Some(n) = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n') {
                return Poll::Ready(Some(self.give(self.searched + n, self.searched + n + 1)));
            }
            self.searched = self.buffer.len();
            // Outside a runtime this panics, before anything is taken from its place.
            matches!(self.source, Source::Unopened(_) | Source::Open(_)).then(|| context::current("fs::lines", |_| ()));
            match std::mem::replace(&mut self.source, Source::Ended) {
                Source::Unopened(path) => self.source = Source::Reading(spawn_blocking(|| read_chunk(open(path)?))),
                Source::Open(file) => self.source = Source::Reading(spawn_blocking(|| read_chunk(file))),
                Source::Reading(mut job) => {
                    let Poll::Ready(read) = Pin::new(&mut job).poll(cx) else {
                        self.source = Source::Reading(job);
                        return Poll::Pending;
                    };
                    let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
                    // Half a line whose other half cannot be read is not given out.
                    match read.inspect_err(|_| self.start = self.buffer.len()) {
                        Ok((_, chunk)) if chunk.is_empty() => {}
                        Ok((file, chunk)) => {
                            self.buffer.drain(..std::mem::take(&mut self.start));
                            self.searched = self.buffer.len();
                            self.buffer.extend(chunk);
                            self.source = Source::Open(file);
                        }
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                }
                Source::Ended if self.start == self.buffer.len() => return Poll::Ready(None),
                Source::Ended => return Poll::Ready(Some(self.give(self.buffer.len(), self.buffer.len()))),
            }
        }
    }

    /// Gives out the line that ends at `end`; the next one begins at `next`.
    fn give(&mut self, end: usize, next: usize) -> io::Result<String> {
        let line = &self.buffer[self.start..end];
        let line = line.strip_suffix(b"\r").filter(|_| next > end).unwrap_or(line);
        let line = String::from_utf8(line.to_vec());
        (self.start, self.searched) = (next, next);
        line.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

fn open(path: PathBuf) -> io::Result<File> {
    File::open(&path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// Reads the next chunk; an empty one is the end.
fn read_chunk(mut file: File) -> io::Result<(File, Vec<u8>)> {
    let mut chunk = Vec::with_capacity(CHUNK);
    (&mut file).take(CHUNK as u64).read_to_end(&mut chunk)?;
    Ok((file, chunk))
}
