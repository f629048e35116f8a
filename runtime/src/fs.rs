//! Files: [`lines`] reads a file in chunks, on the blocking pool. The examples of `gather` need no more.
//!
//! Read before: `task.rs`.

use crate::JoinHandle;
use crate::circle::budget;
use crate::circle::context;
use crate::io::about;
use crate::parts::shrink::Shrink;
use crate::task::spawn_blocking;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

/// The most bytes that one job reads. With so many, the read takes longer than the way to the pool and back.
const CHUNK: usize = 64 * 1024;

/// Reads a file line by line. At most a chunk and a line of it are in memory. tokio's `BufReader::lines`; asyncio has
/// nothing for files.
///
/// Each line comes as soon as the system has it, so named pipes and terminals work, too. A line may be as long as
/// memory allows; [`max_line`](Lines::max_line) sets a bound.
///
/// The file is opened at the first [`next`](Lines::next). A read that waits occupies a thread of the blocking pool.
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
    let source = Source::Unopened(path.as_ref().to_owned());
    Lines { source, buffer: Vec::new(), start: 0, before: 0, searched: 0, max_line: usize::MAX, skips: false }
}

/// The lines of a file; from [`lines`], which has an example.
#[derive(Debug)]
pub struct Lines {
    /// Where the next chunk comes from.
    source: Source,
    /// Bytes that were read. Those before `start` have been given out.
    buffer: Vec<u8>,
    /// Where in the buffer the next line begins.
    start: usize,
    /// How many bytes of the file stood before the buffer's first.
    before: u64,
    /// The bytes from `start` up to here have no line break.
    searched: usize,
    /// The most bytes that a line may have, without its line break.
    max_line: usize,
    /// The bytes at `start` are the rest of a line that was too long. They are thrown away.
    skips: bool,
}

/// The states of a file.
#[derive(Debug)]
enum Source {
    Unopened(PathBuf),
    Open(Reader),
    /// A chunk is being read.
    Reading(JoinHandle<io::Result<Reader>>),
    /// The end, or an error, has been reached.
    Ended,
}

/// A file, and the chunk that was read from it last.
#[derive(Debug)]
struct Reader {
    file: File,
    /// Memory for a chunk, used again and again.
    chunk: Vec<u8>,
    /// How many bytes of it were read. Zero is the end of the file.
    filled: usize,
}

impl Lines {
    /// Sets the most bytes that a line may have, without its line break. A longer line gives an error, and then the
    /// next line follows. So memory has a bound, whatever is in the file. Without this call it has none.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("glassloop-max-line-{}", std::process::id()));
    /// # std::fs::write(&path, "one\nseventeen\nthree\n")?;
    /// runtime::block_on(async {
    ///     let mut lines = runtime::fs::lines(&path).max_line(5);
    ///     assert_eq!(lines.next().await.unwrap()?, "one");
    ///     let error = lines.next().await.unwrap().unwrap_err();
    ///     assert_eq!(error.to_string(), "a line has more than 5 bytes, the most that max_line allows; it was left out");
    ///     assert_eq!(lines.next().await.unwrap()?, "three");
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn max_line(self, bytes: usize) -> Lines {
        Lines { max_line: bytes, ..self }
    }

    /// How many bytes of the file lie behind: those of the lines that came, each with its line break, and those of lines
    /// that were left out. `BufReader::stream_position` of the standard library.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("glassloop-position-{}", std::process::id()));
    /// # std::fs::write(&path, "one\r\ntwo")?;
    /// runtime::block_on(async {
    ///     let mut lines = runtime::fs::lines(&path);
    ///     assert_eq!(lines.next().await.unwrap()?, "one");
    ///     assert_eq!(lines.position(), 5);
    ///     assert_eq!(lines.next().await.unwrap()?, "two");
    ///     assert_eq!(lines.position(), 8);
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn position(&self) -> u64 {
        self.before + self.start as u64
    }

    /// The next line, without its line break; `None` after the last. tokio's `Lines::next_line`.
    ///
    /// # Errors
    /// The system's, after the whole lines that were read before it. No more lines follow. If the file cannot be
    /// opened, the error names the path, and the system's own error is its source ([`io::Error::get_ref`]).
    /// `InvalidData` for a line that is not UTF-8, or that has more bytes than [`max_line`](Lines::max_line) allows.
    /// The next line follows it.
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
    /// Those of [`next`](Lines::next).
    ///
    /// # Panics
    /// Outside a runtime, when more of the file has to be read.
    pub fn poll_next_line(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<String>>> {
        budget::spend(cx, |cx| self.poll_line(cx))
    }

    fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<String>>> {
        loop {
            // Lines that are in the buffer already.
            while let Some(n) = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n') {
                let end = self.searched + n;
                if let Some(line) = self.give(end, end + 1) {
                    return Poll::Ready(Some(line));
                }
            }
            self.searched = self.buffer.len();
            // One byte more is allowed: it may be the first of a line break.
            if self.searched - self.start > self.max_line.saturating_add(1)
                && let Some(too_long) = self.skip()
            {
                return Poll::Ready(Some(Err(too_long)));
            }
            // More of the file.
            self.forget();
            // Outside a runtime this panics, before anything is taken from its place.
            matches!(self.source, Source::Unopened(_) | Source::Open(_)).then(|| context::current("fs::lines", |_| ()));
            explore!(refuse("fs::lines", "a file is read on the blocking pool"));
            match std::mem::replace(&mut self.source, Source::Ended) {
                Source::Unopened(path) => self.source = Source::Reading(spawn_blocking(|| open(path)?.read())),
                Source::Open(reader) => self.source = Source::Reading(spawn_blocking(|| reader.read())),
                Source::Reading(job) => {
                    let Poll::Ready(read) = job.poll_end(cx) else {
                        self.source = Source::Reading(job);
                        return Poll::Pending;
                    };
                    // If the rest of a line cannot be read, its beginning is not given out.
                    match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
                        Ok(reader) if reader.filled == 0 => {}
                        Ok(reader) => {
                            self.buffer.extend(&reader.chunk[..reader.filled]);
                            self.source = Source::Open(reader);
                        }
                        Err(error) => {
                            self.start = self.buffer.len();
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                }
                Source::Ended if self.start == self.buffer.len() => return Poll::Ready(None),
                Source::Ended => {
                    if let Some(line) = self.give(self.buffer.len(), self.buffer.len()) {
                        return Poll::Ready(Some(line));
                    }
                }
            }
        }
    }

    /// Throws away what was given out, before a read and at the end. A long line leaves much room that nobody needs while
    /// the read waits.
    fn forget(&mut self) {
        self.before += self.start as u64;
        self.buffer.drain(..std::mem::take(&mut self.start));
        self.buffer.give_back();
        self.searched = self.buffer.len();
    }

    /// Gives out the line that ends at `end`. The next one begins at `next`. `None` if the line is the rest of one that
    /// was too long.
    fn give(&mut self, end: usize, next: usize) -> Option<io::Result<String>> {
        let begin = self.start;
        (self.start, self.searched) = (next, next);
        if std::mem::take(&mut self.skips) {
            return None;
        }
        let line = &self.buffer[begin..end];
        let line = line.strip_suffix(b"\r").filter(|_| next > end).unwrap_or(line);
        if line.len() > self.max_line {
            return Some(Err(self.too_long()));
        }
        let text = String::from_utf8(line.to_vec());
        Some(text.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)))
    }

    /// The line is too long already. Throws away the part of it that is here; the rest is thrown away when it comes.
    /// Gives the error once for each such line.
    fn skip(&mut self) -> Option<io::Error> {
        self.start = self.buffer.len();
        let begins = !std::mem::replace(&mut self.skips, true);
        begins.then(|| self.too_long())
    }

    fn too_long(&self) -> io::Error {
        let message =
            format!("a line has more than {} bytes, the most that max_line allows; it was left out", self.max_line);
        io::Error::new(io::ErrorKind::InvalidData, message)
    }
}

fn open(path: PathBuf) -> io::Result<Reader> {
    let file = File::open(&path).map_err(|error| about(path.display(), error))?;
    Ok(Reader { file, chunk: vec![0; CHUNK], filled: 0 })
}

impl Reader {
    /// Reads the next chunk.
    fn read(mut self) -> io::Result<Reader> {
        self.filled = read_once(&mut self.file, &mut self.chunk)?;
        Ok(self)
    }
}

/// Reads what one system call gives. It does not go on until the chunk is full: the lines that are there would wait for
/// more, and would be lost if an error came first.
fn read_once(file: &mut impl Read, chunk: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives some bytes in pieces, with an interruption before each; then an error.
    struct Breaks(Vec<&'static [u8]>, bool);

    impl Read for Breaks {
        fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let Some(mut piece) = self.0.pop() else { return Err(io::ErrorKind::UnexpectedEof.into()) };
            piece.read(chunk)
        }
    }

    #[test]
    fn what_was_read_before_an_error_is_not_lost_with_it() {
        let (mut file, mut chunk) = (Breaks(vec![b"two\n", b"one\n"], false), [0; 64]);
        for expected in [b"one\n", b"two\n"] {
            let n = read_once(&mut file, &mut chunk).unwrap();
            assert_eq!(&chunk[..n], expected);
        }
        assert_eq!(read_once(&mut file, &mut chunk).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
