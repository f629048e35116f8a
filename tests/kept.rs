//! What is kept of a program: its page, also when it panics, hangs, is stuck in a poll or is told to stop; no other file
//! than a page is overwritten. And traces that are written, read back, or come from another loop.

#![cfg(feature = "trace")]

use runtime::sync::{Semaphore, oneshot};
use runtime::task::{self, yield_now};
use runtime::time::sleep;
use runtime::trace::{self, Kind, Recorder};
use runtime::{Runtime, spawn};
use std::cell::RefCell;
use std::fs;
use std::future::{Future, pending, poll_fn};
use std::io::Read;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Mutex;
use std::task::Poll;
use std::thread;
use std::time::Duration;
use tests::{alone_with, forever, panic_message, until, virtually};

/// A file in a folder of its own, which is removed with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Scratch {
        let folder = std::env::temp_dir().join(format!("glassloop-kept-{}-{test}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Scratch(folder.join("page.html"))
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.0).unwrap_or_default()
    }

    /// Whether the page holds this note. The program's source, which has its words, is in the page as well.
    fn notes(&self, note: &str) -> bool {
        self.text().contains(&format!("\"text\":\"{note}\""))
    }

    /// The names of the files in its folder.
    fn files(&self) -> Vec<String> {
        let files = fs::read_dir(self.0.parent().unwrap()).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(self.0.parent().unwrap()).unwrap();
    }
}

// What is overwritten.

#[test]
fn a_file_that_is_no_page_is_not_overwritten_and_nothing_runs() {
    let file = Scratch::new("foreign");
    for text in ["fn main() {}", "<!doctype html><title>another page</title>", "{}"] {
        fs::write(&file.0, text).unwrap();
        let error = trace::page(&file.0, async { unreachable!("it ran") }).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
        assert!(error.to_string().contains("page.html: this file is no page of glassloop"), "{error}");
        let recorder = Recorder::start();
        recorder.save_page("title", &file.0).unwrap_err();
        assert_eq!(file.text(), text);
    }
    assert_eq!(file.files(), ["page.html"], "nothing is left beside it");
}

#[test]
fn an_earlier_page_stays_until_the_new_one_is_whole() {
    let file = Scratch::new("earlier");
    fs::write(&file.0, "").unwrap(); // An empty file is nobody's loss.
    trace::page(&file.0, async { trace::note("the first") }).unwrap();
    assert!(file.notes("the first"));
    trace::page(&file.0, async {
        trace::note("the second");
        assert!(file.notes("the first"), "while the program runs");
    })
    .unwrap();
    assert!(file.notes("the second") && !file.notes("the first"));
    let recorder = Recorder::start();
    trace::note("the third");
    recorder.save_page("title", &file.0).unwrap();
    assert!(file.notes("the third"));
    assert_eq!(file.files(), ["page.html"]);
}

#[test]
fn a_link_stays_and_its_page_is_replaced() {
    let file = Scratch::new("link");
    let link = file.0.with_file_name("link.html");
    trace::page(&file.0, async {}).unwrap();
    std::os::unix::fs::symlink(&file.0, &link).unwrap();
    trace::page(&link, async { trace::note("through the link") }).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(file.notes("through the link"));
}

#[test]
fn a_pipe_is_written_to_directly() {
    let file = Scratch::new("pipe");
    let status = std::process::Command::new("mkfifo").arg(&file.0).status().unwrap();
    assert!(status.success());
    let path = file.0.clone();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        fs::File::open(path).unwrap().read_to_string(&mut text).unwrap();
        text
    });
    trace::page(&file.0, async { trace::note("into the pipe") }).unwrap();
    assert!(reader.join().unwrap().contains("\"text\":\"into the pipe\""));
    assert_eq!(file.files(), ["page.html"]);
}

// Panics.

#[test]
fn a_panic_is_one_event_with_its_message_in_main_and_in_a_task() {
    let file = Scratch::new("panics");
    let message = panic_message(|| {
        trace::page(&file.0, async {
            spawn(async { panic!("in a task") }).await.unwrap_err();
            panic!("in {}", "main");
        })
    });
    assert_eq!(message, "in main");
    let text = file.text();
    for message in ["in a task", "in main"] {
        let event = format!("\"message\":\"{message}\"");
        assert_eq!(text.matches(&event).count(), 1, "{message}");
    }
    assert_eq!(text.matches("\"kind\":\"TaskPanicked\"").count(), 2);
}

// Hangs, and polls without end.

#[test]
fn a_hang_under_the_real_clock_leaves_its_page_and_panics_with_the_list() {
    alone_with(
        "a_hang_under_the_real_clock_leaves_its_page_and_panics_with_the_list",
        &[("GLASSLOOP_PATIENCE", "0.2")],
        || {
            let file = Scratch::new("hang");
            let message = panic_message(|| {
                trace::page(&file.0, async {
                    let semaphore = Semaphore::new(0);
                    _ = task::Builder::new().name("stuck").spawn(pending::<()>());
                    _ = semaphore.acquire().await;
                })
            });
            for part in [
                "nothing can happen any more: for 200ms",
                "GLASSLOOP_PATIENCE",
                "task \"stuck\"",
                "a permit",
                "block_on at tests/kept.rs",
            ] {
                assert!(message.contains(part), "{part:?} is not in {message}");
            }
            assert!(file.text().contains("\"kind\":\"Quiescent\""), "the page says so, too");
        },
    );
}

#[test]
fn a_thread_that_answers_in_time_is_no_hang_and_neither_is_a_timer_or_a_job() {
    alone_with(
        "a_thread_that_answers_in_time_is_no_hang_and_neither_is_a_timer_or_a_job",
        &[("GLASSLOOP_PATIENCE", "0.5")],
        || {
            let file = Scratch::new("no-hang");
            let answered = trace::page(&file.0, async {
                let nap = Duration::from_millis(1_500);
                sleep(nap).await;
                task::spawn_blocking(move || thread::sleep(nap)).await.unwrap();
                let (give, take) = oneshot::channel();
                let thread = thread::spawn(move || give.send("here").unwrap());
                let answer = take.await;
                thread.join().unwrap();
                answer
            });
            assert_eq!(answered.unwrap(), Ok("here"));
            assert!(!file.text().contains("\"kind\":\"Quiescent\""));
        },
    );
}

#[test]
fn a_poll_that_does_not_end_has_its_page_and_the_program_goes_on() {
    alone_with(
        "a_poll_that_does_not_end_has_its_page_and_the_program_goes_on",
        &[("GLASSLOOP_PATIENCE", "0.1")],
        || {
            let file = Scratch::new("long-poll");
            let value = trace::page(&file.0, async {
                yield_now().await;
                trace::note("before");
                until(|| file.notes("before")); // It blocks until the page is there.
                yield_now().await;
                42
            });
            assert_eq!(value.unwrap(), 42);
            assert!(file.text().contains("\"kind\":\"TaskEnd\""), "and the whole page comes at the end");
        },
    );
}

#[test]
fn whoever_is_told_to_stop_saves_the_page_from_any_thread() {
    let file = Scratch::new("save");
    trace::page(&file.0, async {
        yield_now().await;
        trace::note("so far");
        let saved = thread::spawn(|| trace::save().unwrap()).join().unwrap();
        // Other tests may record pages at the same time.
        assert!(saved.contains(&file.0.canonicalize().unwrap()) || saved.contains(&file.0), "{saved:?}");
        assert!(file.notes("so far") && !file.text().contains("\"kind\":\"TaskEnd\""));
    })
    .unwrap();
    assert!(file.text().contains("\"kind\":\"TaskEnd\""));
}

// Read back.

/// The JSON lines of a recorder.
fn json(recorder: &Recorder) -> String {
    let mut lines = Vec::new();
    recorder.write_json(&mut lines).unwrap();
    String::from_utf8(lines).unwrap()
}

#[test]
fn what_was_written_is_read_back_to_the_byte_whatever_stands_in_it() {
    let recorder = Recorder::start();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        trace::note("\"\\ </script> \n\t\u{0} \u{2028} ü 漢 \u{1f980}");
        gather::gather_tasks([1, 2].map(|n| sleep(Duration::from_millis(n)))).await;
        spawn(async { panic!("{{[,:\"") }).await.unwrap_err();
        let handle = runtime.handle();
        thread::spawn(move || drop(handle.spawn(async {}))).join().unwrap();
        yield_now().await;
    });
    drop(runtime);
    let lines = json(&recorder);
    let trace = trace::read(lines.as_bytes()).unwrap();
    assert_eq!(trace.len(), recorder.events().len());
    let mut again = Vec::new();
    trace.write_json(&mut again).unwrap();
    assert_eq!(String::from_utf8(again).unwrap(), lines);
    let (mut page, mut from_lines) = (Vec::new(), Vec::new());
    recorder.write_page("title", &mut page).unwrap();
    trace.write_page("title", &mut from_lines).unwrap();
    assert!(page == from_lines, "the page of the lines is another one");
}

#[test]
fn a_line_that_is_no_event_is_named_with_what_is_wrong() {
    let good = r#"{"seq":0,"turn":0,"at":0,"kind":"TurnBegin","cause":null,"runtime":["a.rs",1],"program":null}"#;
    assert_eq!(trace::read(good.as_bytes()).unwrap().len(), 1);
    for (was, is, why) in [
        ("{\"seq\"", "[\"seq\"", "a comma or a bracket is missing"),
        ("\"seq\":0", "\"seq\":1", "\"seq\" is 1, and this is event 0"),
        ("\"at\":0", "\"at\":-1", "\"at\" is no whole number"),
        ("\"TurnBegin\"", "7", "\"kind\" is no text"),
        ("\"cause\":null", "\"cause\":0", "\"cause\" is no earlier event"),
        ("\"cause\":null", "\"cause\":maybe", "\"maybe\" is no value"),
        ("[\"a.rs\",1]", "\"a.rs\"", "\"runtime\" is no [\"file\", line]"),
        ("\"a.rs\"", "\"a.rs", "a comma or a bracket is missing"),
        ("null}", "null} and more", "something stands behind the object"),
    ] {
        let bad = good.replacen(was, is, 1);
        let error = trace::read(format!("{good}\n{}", bad.replace("\"seq\":0", "\"seq\":1")).as_bytes());
        let error = match error {
            Ok(_) => trace::read(bad.as_bytes()).unwrap_err(), // Right as a second line.
            Err(error) => error,
        };
        assert!(error.to_string().contains("line ") && !error.to_string().is_empty(), "{error}");
        let alone = trace::read(bad.as_bytes()).unwrap_err().to_string();
        assert_eq!(alone, format!("line 1: {why}"), "{bad}");
    }
}

#[test]
fn the_docs_list_every_kind_with_its_fields_and_their_example_is_a_trace() {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/src/trace/lines.md")).unwrap();
    let table = docs.split("| kind | fields |").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), Kind::NAMES.len());
    for (row, kind) in rows.into_iter().zip(Kind::NAMES) {
        let fields: Vec<String> = Kind::fields(kind).iter().map(|field| format!("`{field}`")).collect();
        assert_eq!(row, format!("| `{kind}` | {} |", fields.join(", ")));
        // The second table says of each what it is.
        let values = docs.split("| fields | value |").nth(1).unwrap();
        assert!(fields.iter().all(|field| values.contains(field.as_str())), "{kind}: {fields:?}");
    }
    let example = docs.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(trace::read(example.as_bytes()).unwrap().len(), 2);
}

#[test]
fn a_loop_of_ones_own_gets_a_page_with_its_own_source() {
    let event = |seq: u32, kind: &str, cause: &str, line: u32, more: &str| {
        format!(
            "{{\"seq\":{seq},\"turn\":1,\"at\":{seq},\"kind\":\"{kind}\",\"cause\":{cause},\"runtime\":[\"my_loop.rs\",{line}],\"program\":null{more}}}\n"
        )
    };
    let lines = [
        event(0, "Spawn", "null", 1, ",\"task\":0,\"slot\":0,\"generation\":0"),
        event(1, "Push", "0", 2, ",\"task\":0"),
        event(2, "PollBegin", "1", 3, ",\"task\":0"),
        event(3, "ChildWoken", "2", 3, ",\"gather\":0,\"place\":0,\"due\":false"),
        event(4, "MyOwnKind", "2", 3, ",\"what\":[1,{\"a\":null}]"),
    ];
    let trace = trace::read(lines.concat().as_bytes()).unwrap();
    let trace = trace.with_source("my_loop.rs", "fn spawn() {}\nfn push() {}\nfn poll() { /* mine */ }\n");
    let mut page = Vec::new();
    trace.write_page("my loop", &mut page).unwrap();
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("/* mine */") && page.contains("MyOwnKind"));
    // What is left out counts as null.
    assert!(page.contains("\"generation\":0,\"name\":null") && page.contains("\"due\":false,\"left\":null"));
    assert_eq!(Kind::fields("ChildWoken"), ["gather", "place", "due", "left"]);
    assert!(Kind::fields("MyOwnKind").is_empty());
}

#[test]
fn a_file_of_the_program_is_never_shown_as_the_file_of_the_runtime_with_that_name() {
    // From the folder of the crate `runtime` there is a file of this name. The program's is another one, and not here.
    let line = r#"{"seq":0,"turn":0,"at":0,"kind":"Note","cause":null,"runtime":["runtime/src/task.rs",1],"program":["src/task.rs",7],"text":"here"}"#;
    let mut page = Vec::new();
    trace::read(line.as_bytes()).unwrap().write_page("two names", &mut page).unwrap();
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains(r#"["src/task.rs",""]"#), "it is shown, from wherever");
    assert!(page.contains(r#"["runtime/src/task.rs","//! "#), "the runtime's own file is not shown");
}

/// What the trace and the panic say when a program hangs on a virtual loop.
fn hang<F: Future>(program: impl FnOnce() -> F) -> (String, String) {
    let recorder = Recorder::start();
    let reason = panic_message(|| virtually(program()));
    let last = recorder.events().into_iter().find(|event| matches!(event.kind, Kind::Quiescent { .. }));
    (reason, last.expect("it says that nothing can happen any more").to_json())
}

#[test]
fn a_task_that_nobody_can_wake_any_more_is_called_that_and_one_that_others_could_wake_is_not() {
    let forgets = || poll_fn(|_| Poll::<()>::Pending);
    let (reason, told) = hang(|| async move {
        // It keeps a ticket of its own, in a cell.
        let cell = Rc::new(RefCell::new(None));
        let keeps = poll_fn(move |cx| {
            *cell.borrow_mut() = Some(cx.waker().clone());
            Poll::<()>::Pending
        });
        let _keeps = task::Builder::new().name("keeps").spawn(keeps);
        let _clones = task::Builder::new().name("clones and drops").spawn(poll_fn(|cx| {
            drop(cx.waker().clone());
            Poll::<()>::Pending
        }));
        task::Builder::new().name("forgets").spawn(forgets()).await
    });
    let line = |name: &str| reason.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{reason}"));
    for name in ["\"forgets\"", "\"clones and drops\""] {
        assert!(line(name).ends_with("; nobody holds a ticket of it"), "{reason}");
    }
    for name in ["main,", "\"keeps\""] {
        assert!(
            line(name).ends_with("; only sleeping tasks hold tickets of it, as far as the trace knows"),
            "{reason}"
        );
    }
    assert!(told.contains(r#""nobody":"clones and drops, forgets","sleeping":"main, keeps""#), "{told}");
}

#[test]
fn a_ticket_that_another_thread_has_cloned_is_not_taken_for_none() {
    let (reason, told) = hang(|| {
        poll_fn(|cx| {
            // The thread keeps a clone that it has made itself; the one that was made here is gone.
            let mine = cx.waker().clone();
            let kept = thread::scope(|scope| scope.spawn(|| mine.clone()).join().unwrap());
            drop(mine);
            forever(Mutex::new(Some(kept)));
            Poll::<()>::Pending
        })
    });
    assert!(reason.contains("only sleeping tasks") && told.contains(r#""nobody":null"#), "{reason}\n{told}");
}

#[test]
fn permits_are_told_with_who_has_them() {
    let recorder = Recorder::start();
    virtually(async {
        let semaphore = Semaphore::new(2);
        let (one, two) = (semaphore.acquire().await, semaphore.acquire().await);
        drop(one);
        two.forget();
    });
    let permits: Vec<String> = recorder
        .events()
        .iter()
        .filter_map(|event| match event.kind {
            Kind::PermitTaken { permit, left, .. } => Some(format!("{} taken, {left} left", permit.0)),
            Kind::PermitReleased { permit, left, next, .. } => Some(format!("{permit:?} back, {left} left, {next}")),
            Kind::PermitForgotten { permit, .. } => Some(format!("{} forgotten", permit.0)),
            _ => None,
        })
        .collect();
    let back = "Some(PermitNumber(0)) back, 1 left, false";
    assert_eq!(permits, ["0 taken, 1 left", "1 taken, 0 left", back, "1 forgotten"]);
}
