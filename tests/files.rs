//! `fs::lines`: every line of a file, as it comes, in chunks from the blocking pool, never the whole of it in memory.

use runtime::task::{spawn_blocking, yield_now};
use runtime::{Runtime, block_on, fs};
use std::ffi::CString;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
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
fn the_position_is_behind_the_line_that_came_last_whatever_ended_it() {
    let positions = |text: &'static [u8], bound: usize| {
        block_on(async move {
            let file = Scratch::new("position", text);
            let (mut lines, mut positions) = (fs::lines(&file.0).max_line(bound), Vec::new());
            assert_eq!(lines.position(), 0);
            while lines.next().await.is_some() {
                positions.push(lines.position());
            }
            assert_eq!(lines.position(), text.len() as u64, "at the end all was given out, or thrown away");
            positions
        })
    };
    assert_eq!(positions(b"one\ntwo\r\n\n\r\nthree", 9), [4, 9, 10, 12, 17]);
    assert_eq!(positions(b"no text \xff\nnext\n", 9), [10, 15]);
    // A line that is too long is an error before its end has come.
    let too_long = positions(b"one\nmore than nine bytes\ntwo\n", 9);
    assert_eq!((too_long.len(), too_long[0], too_long[2]), (3, 4, 29));
    assert_eq!(positions(b"", 9), []);
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

// What is not all there yet.

/// A pipe with a name, gone when this is dropped, and its writing end.
fn fifo(test: &str) -> (Scratch, std::fs::File) {
    let path = std::env::temp_dir().join(format!("glassloop-{}-{test}", std::process::id()));
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    #[allow(unsafe_code, reason = "the standard library makes no such files")]
    // SAFETY: the call gets a string that ends with a zero byte, and keeps it no longer than it lasts.
    let made = unsafe { libc::mkfifo(name.as_ptr(), 0o600) };
    assert_eq!(made, 0, "{}", io::Error::last_os_error());
    // For both directions, so that it is open at once.
    let writer = File::options().read(true).write(true).open(&path).unwrap();
    (Scratch(path), writer)
}

#[test]
fn a_line_of_a_pipe_is_there_while_the_writer_stays_open() {
    let (file, mut writer) = fifo("pipe");
    block_on(async {
        let mut lines = fs::lines(&file.0);
        for line in ["one", "two"] {
            writer.write_all(format!("{line}\n").as_bytes()).unwrap();
            assert_eq!(lines.next().await.unwrap().unwrap(), line);
        }
        // Several in one piece, and one in several.
        writer.write_all(b"three\nfour\nfi").unwrap();
        assert_eq!(lines.next().await.unwrap().unwrap(), "three");
        assert_eq!(lines.next().await.unwrap().unwrap(), "four");
        assert!(poll_once(&mut Box::pin(lines.next())).is_pending());
        writer.write_all(b"ve\n").unwrap();
        assert_eq!(lines.next().await.unwrap().unwrap(), "five");
        writer.write_all(b"the last").unwrap();
        drop(writer);
        assert_eq!(lines.next().await.unwrap().unwrap(), "the last");
        assert!(lines.next().await.is_none());
    });
}

#[test]
fn a_line_of_a_terminal_is_there_when_it_is_typed() {
    let (mut master, mut slave) = (0, 0);
    let mut name = [0; 64];
    #[allow(unsafe_code, reason = "the standard library opens no terminals")]
    // SAFETY: both numbers lie on this stack, the name has more room than the name of a terminal takes, and null stands for
    // settings that are not asked for.
    let opened = unsafe {
        libc::openpty(&mut master, &mut slave, name.as_mut_ptr(), std::ptr::null_mut(), std::ptr::null_mut())
    };
    assert_eq!(opened, 0, "{}", io::Error::last_os_error());
    #[allow(unsafe_code, reason = "as above")]
    // SAFETY: both descriptors were opened by the call above, and nobody else has them.
    let (mut master, _slave) = unsafe { (File::from_raw_fd(master), File::from_raw_fd(slave)) };
    let name: Vec<u8> = name.iter().take_while(|&&byte| byte != 0).map(|&byte| byte as u8).collect();
    block_on(async {
        let mut lines = fs::lines(std::ffi::OsStr::from_bytes(&name));
        for line in ["one", "two"] {
            master.write_all(format!("{line}\n").as_bytes()).unwrap();
            assert_eq!(lines.next().await.unwrap().unwrap(), line);
        }
        // Control-D is the end.
        master.write_all(&[4]).unwrap();
        assert!(lines.next().await.is_none());
    });
}

#[test]
fn the_whole_lines_come_before_the_error_and_the_error_keeps_its_number() {
    block_on(async {
        // The list of a process's memory: one read gives a part of it, and when the process is gone there is no more.
        let mut process = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // It answers: so it is loaded whole, and its list is long enough for several reads.
        process.stdin.as_mut().unwrap().write_all(b"?").unwrap();
        process.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let path = format!("/proc/{}/smaps", process.id());
        let mut lines = fs::lines(&path);
        let first = lines.next().await.unwrap().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
        let (mut whole, mut errors) = (vec![first], Vec::new());
        while let Some(line) = lines.next().await {
            match line {
                Ok(line) => whole.push(line),
                Err(error) => errors.push(error.raw_os_error()),
            }
        }
        assert!(whole.len() > 10, "{whole:?}");
        assert_eq!(errors, [Some(libc::ESRCH)]);
    });
}

#[test]
fn what_cannot_be_opened_has_the_systems_error_as_its_source() {
    block_on(async {
        let error = fs::lines("/no/such/file").next().await.unwrap().unwrap_err();
        let source = error.get_ref().and_then(|error| error.source()).unwrap();
        assert_eq!(source.downcast_ref::<io::Error>().unwrap().raw_os_error(), Some(libc::ENOENT));
    });
}

// A bound for a line.

/// All that comes, an error as its kind.
async fn all_within(bound: usize, file: &Scratch) -> Vec<Result<String, ErrorKind>> {
    let (mut lines, mut all) = (fs::lines(&file.0).max_line(bound), Vec::new());
    while let Some(line) = lines.next().await {
        all.push(line.map_err(|error| error.kind()));
    }
    all
}

#[test]
fn a_line_that_is_too_long_is_one_error_and_the_next_follows() {
    let too_long = || Err(ErrorKind::InvalidData);
    let cases: [(&str, &[Result<&str, ErrorKind>]); 7] = [
        ("abc\nabcd\nabc", &[Ok("abc"), too_long(), Ok("abc")]),
        ("abc\r\nabcd\r\nabc\r", &[Ok("abc"), too_long(), too_long()]),
        ("abcd", &[too_long()]),
        ("abcde\n", &[too_long()]),
        ("\n\nabcdefgh\n\n", &[Ok(""), Ok(""), too_long(), Ok("")]),
        ("abcd\nabcd\nx", &[too_long(), too_long(), Ok("x")]),
        ("abc\r", &[too_long()]),
    ];
    for (text, expected) in cases {
        let file = Scratch::new("bound", text);
        let found = block_on(all_within(3, &file));
        let found: Vec<_> = found.iter().map(|line| line.as_deref().map_err(|&kind| kind)).collect();
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
fn a_bound_means_the_same_wherever_the_chunks_end() {
    let mut random = Random::new(23);
    let bound = CHUNK / 2;
    let mut text = String::new();
    let mut expected = Vec::new();
    while text.len() < 8 * CHUNK {
        let length = [0, 80, bound - 1, bound, bound + 1, CHUNK - 1, CHUNK, 3 * CHUNK][random.below(8)];
        let line = "x".repeat(length);
        text.push_str(&line);
        text.push_str(["\n", "\r\n"][random.below(2)]);
        expected.push(if length <= bound { Ok(line) } else { Err(ErrorKind::InvalidData) });
    }
    assert!(block_on(all_within(bound, &Scratch::new("bound-chunks", &text))) == expected);
}

#[test]
fn a_line_without_end_in_a_bound_takes_no_memory() {
    let file = Scratch::new("endless", format!("{}\nlast\n", "x".repeat(200 * CHUNK)));
    let (peak, found) = peak_bytes(|| block_on(all_within(1_000, &file)));
    assert_eq!(found, [Err(ErrorKind::InvalidData), Ok("last".into())]);
    assert!(peak < 4 * CHUNK as isize, "{peak} bytes");
}

#[test]
fn the_error_of_a_line_that_is_too_long_comes_before_the_lines_end() {
    let (file, mut writer) = fifo("too-long");
    block_on(async {
        let mut lines = fs::lines(&file.0).max_line(5);
        writer.write_all(b"1234567").unwrap();
        let error = lines.next().await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "a line has more than 5 bytes, the most that max_line allows; it was left out");
        writer.write_all(b"89\nnext\n").unwrap();
        assert_eq!(lines.next().await.unwrap().unwrap(), "next");
        drop(writer);
        assert!(lines.next().await.is_none());
    });
}
