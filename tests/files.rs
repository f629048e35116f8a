//! `fs::lines`: every line of a file, in chunks from the blocking pool, never the whole of it in memory.

use runtime::task::{spawn_blocking, yield_now};
use runtime::{Runtime, block_on, fs};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::task::{Context, Waker};
use tests::{CountingAllocator, Random, alone, open_descriptors, panic_message, peak_bytes, poll_once};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The library's `CHUNK`: what one job reads.
const CHUNK: usize = 64 * 1024;

/// A file that is gone when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str, content: impl AsRef<[u8]>) -> Scratch {
        let path = std::env::temp_dir().join(format!("glassloop-{}-{test}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// All lines of a file that reads well.
async fn all(file: &Scratch) -> Vec<String> {
    let (mut lines, mut all) = (fs::lines(&file.0), Vec::new());
    while let Some(line) = lines.next().await {
        all.push(line.unwrap());
    }
    // The end stays the end.
    assert!(lines.next().await.is_none());
    all
}

#[test]
fn the_lines_are_those_of_the_standard_library() {
    let file = |text: &str| block_on(all(&Scratch::new("standard", text)));
    for text in
        ["", "\n", "one", "one\n", "one\r\ntwo\n", "\n\n\nx", "a\rb\r\n", "end\r", "no\n end", "ä\nö\n", "\r\n\r"]
    {
        assert_eq!(file(text), text.lines().collect::<Vec<_>>(), "{text:?}");
    }
}

#[test]
fn lines_that_lie_across_the_chunks_are_whole() {
    let mut random = Random::new(17);
    let mut text = String::new();
    while text.len() < 5 * CHUNK {
        let length = [0, 1, 80, 1_000, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK / 2][random.below(8)];
        text.extend((0..length).map(|_| char::from(b'a' + random.below(26) as u8)));
        text.push_str(["\n", "\r\n"][random.below(2)]);
    }
    // The line break itself across a border, and a chunk that ends with its line.
    for n in [CHUNK - 1, CHUNK, CHUNK + 1] {
        let text = format!("{}\r\n{text}", &"x".repeat(n)[1..]);
        assert!(block_on(all(&Scratch::new("chunks", &text))).iter().eq(text.lines()));
    }
}

#[test]
fn a_line_that_is_no_text_is_an_error_and_the_next_follows() {
    block_on(async {
        let file = Scratch::new("no-text", b"one\n\xff\xfe\nthree");
        let mut lines = fs::lines(&file.0);
        assert_eq!(lines.next().await.unwrap().unwrap(), "one");
        assert_eq!(lines.next().await.unwrap().unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(lines.next().await.unwrap().unwrap(), "three");
        assert!(lines.next().await.is_none());
    });
}

#[test]
fn what_cannot_be_opened_or_read_is_one_error_and_the_end() {
    block_on(async {
        let folder = std::env::temp_dir();
        for (path, kind) in
            [(folder.join("glassloop-no-such-file"), ErrorKind::NotFound), (folder, ErrorKind::IsADirectory)]
        {
            let mut lines = fs::lines(path);
            assert_eq!(lines.next().await.unwrap().unwrap_err().kind(), kind);
            assert!(lines.next().await.is_none());
        }
    });
}

#[test]
fn half_a_line_is_not_given_out_when_the_other_half_cannot_be_read() {
    let file = Scratch::new("half", format!("first\n{}\nlast", "x".repeat(2 * CHUNK)));
    let runtime = Runtime::builder().max_blocking_threads(1).build().unwrap();
    let mut lines = fs::lines(&file.0);
    let (release, held) = std::sync::mpsc::channel::<()>();
    let mut blocker = None;
    runtime.block_on(async {
        assert_eq!(lines.next().await.unwrap().unwrap(), "first");
        // The next chunk stands in line behind this, and its runtime is gone before it is read.
        blocker = Some(spawn_blocking(move || held.recv()));
        assert!(poll_once(&mut Box::pin(lines.next())).is_pending());
    });
    drop(runtime);
    block_on(async {
        assert!(lines.next().await.unwrap().is_err());
        assert!(lines.next().await.is_none());
    });
    drop((release, blocker));
}

#[test]
fn what_cannot_be_opened_is_named() {
    block_on(async {
        let error = fs::lines("/no/such/file").next().await.unwrap().unwrap_err();
        assert!(error.to_string().starts_with("/no/such/file: "), "{error}");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_reader_that_is_asked_outside_a_runtime_loses_nothing() {
    let file = Scratch::new("outside", vec![b'\n'; CHUNK + 1]);
    let mut lines = fs::lines(&file.0);
    let cx = &mut Context::from_waker(Waker::noop());
    let message = panic_message(|| lines.poll_next_line(cx));
    assert!(message.starts_with("fs::lines needs a running event loop"), "{message}");
    block_on(async {
        for _ in 0..CHUNK {
            assert_eq!(lines.next().await.unwrap().unwrap(), "");
        }
    });
    panic_message(|| lines.poll_next_line(cx));
    block_on(async {
        assert_eq!(lines.next().await.unwrap().unwrap(), "");
        assert!(lines.next().await.is_none());
    });
}

#[test]
fn a_reader_that_was_dropped_while_it_waited_loses_no_line() {
    block_on(async {
        let file = Scratch::new("dropped", "one\ntwo\n");
        let mut lines = fs::lines(&file.0);
        for _ in 0..3 {
            assert!(poll_once(&mut Box::pin(lines.next())).is_pending());
        }
        assert_eq!(lines.next().await.unwrap().unwrap(), "one");
        assert_eq!(lines.next().await.unwrap().unwrap(), "two");
        assert!(lines.next().await.is_none());
    });
}

#[test]
fn a_large_file_is_never_in_memory() {
    let file = Scratch::new("large", "a line of no more than forty characters\n".repeat(200_000));
    let (peak, lines) = peak_bytes(|| {
        block_on(async {
            let (mut lines, mut n) = (fs::lines(&file.0), 0);
            while let Some(line) = lines.next().await {
                assert_eq!(line.unwrap().len(), 39);
                n += 1;
            }
            n
        })
    });
    assert_eq!(lines, 200_000);
    assert!(peak < 8 * CHUNK as isize, "{peak} bytes");
}

#[test]
fn lines_that_are_dropped_early_close_their_file() {
    alone("lines_that_are_dropped_early_close_their_file", || {
        let file = Scratch::new("early", "one\n".repeat(CHUNK));
        block_on(async {
            let before = open_descriptors();
            let mut lines = fs::lines(&file.0);
            assert_eq!(lines.next().await.unwrap().unwrap(), "one");
            assert_ne!(open_descriptors(), before);
            drop(lines);
            assert_eq!(open_descriptors(), before);
            // While a chunk is read, the file is with the job; it comes back to nobody.
            let mut lines = fs::lines(&file.0);
            assert!(poll_once(&mut Box::pin(lines.next())).is_pending());
            drop(lines);
            while open_descriptors() != before {
                yield_now().await;
            }
        });
    });
}
