//! The page that a trace is stepped through on: its state against the loop's own, its sentences against those of the
//! transcript, and the whole of it in a browser.

#![cfg(feature = "trace")]

#[path = "page/browser.rs"]
mod browser;
#[path = "page/cost.rs"]
mod cost;
#[path = "page/lines.rs"]
mod lines;
#[path = "page/node.rs"]
mod node;
#[path = "page/picture.rs"]
mod picture;
#[path = "page/story.rs"]
mod story;
#[path = "page/tickets.rs"]
mod tickets;
#[path = "page/tool.rs"]
mod tool;

use browser::Browser;
use gather::gather;
use node::{check_replay, data, node};
use runtime::sync::Semaphore;
use runtime::task::{self, yield_now};
use runtime::time::sleep;
use runtime::trace::{self, Recorder};
use runtime::{Runtime, block_on};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use step::programs::{PROGRAMS, Program};
use step::transcript;
use tests::{thread_number, until_parked, virtually};

/// Records one of the programs of `step`, the drop of its runtime included.
fn record(program: &Program) -> Recorder {
    let recording = program.record().unwrap();
    assert_eq!(recording.panic.is_some(), program.hangs, "{}: {:?}", program.name, recording.panic);
    recording.recorder
}

fn named(name: &str) -> Recorder {
    record(Program::named(name).expect("it is there"))
}

/// A file that is removed when it is no longer needed.
struct Page(PathBuf);

impl Page {
    fn path(test: &str) -> Page {
        Page(std::env::temp_dir().join(format!("glassloop-{}-{test}.html", std::process::id())))
    }

    /// Ends the recording: the browser is driven by a loop of this thread, too.
    fn of(recorder: Recorder, test: &str) -> Page {
        Page::titled(recorder, test, test)
    }

    fn titled(recorder: Recorder, test: &str, title: &str) -> Page {
        let page = Page::path(test);
        recorder.write_page(title, File::create(&page.0).unwrap()).unwrap();
        page
    }

    /// The page of one of the programs as `step` writes it, with what it is about and its questions.
    fn introduced(name: &str, test: &str) -> Page {
        let program = Program::named(name).expect("it is there");
        let (recording, page) = (program.record().unwrap(), Page::path(test));
        recording.recorder.write_page(recording.heading(program), File::create(&page.0).unwrap()).unwrap();
        page
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Runs `test` with a browser, if there is one; one browser at a time, for each is a handful of processes.
fn browse(name: &str, test: impl AsyncFnOnce(&mut Browser)) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    block_on(async {
        if let Some(mut browser) = Browser::start(name).await {
            test(&mut browser).await;
        }
    });
}

/// Begins to count the links that are followed on the page. It has seen to each itself when it is counted.
const COUNT_LINKS: &str = "window.links = 0; window.onhashchange = () => { links += 1; }; links";

/// Waits for the first of them.
const ONE_LINK: &str =
    "new Promise((done) => { const look = () => links ? done(links) : setTimeout(look, 10); look(); })";

// Without a browser.

#[test]
fn the_state_that_the_page_rebuilds_is_the_loops_own_at_the_end_of_every_poll_and_turn() {
    for program in &PROGRAMS {
        let Some(compared) = check_replay("the state of the page", &record(program), program.repeats) else { return };
        assert!(compared >= 4, "{}: {compared} snapshots", program.name);
    }
}

#[test]
fn what_other_threads_have_sent_stands_in_the_remote_queue_of_page_and_loop() {
    let recorder = Recorder::start().with_snapshots();
    let runtime = Runtime::builder().virtual_clock().build().unwrap();
    let handle = runtime.handle();
    runtime.block_on(async {
        // The thread ends before the poll does: nothing is on its way then.
        let thread = std::thread::spawn(move || {
            for _ in 0..3 {
                drop(handle.spawn(async {}));
            }
        });
        thread.join().unwrap();
        sleep(Duration::from_millis(1)).await;
    });
    let full = recorder.snapshots().iter().filter(|(_, state)| state.contains("\"remote\":3")).count();
    assert_eq!(full, 2, "at the end of the poll and of its turn");
    check_replay("the remote queue", &recorder, true);
}

/// A gather whose own count, told by `on_progress`, goes into the trace as notes.
async fn counted<F: Future>(children: impl Iterator<Item = F>, limit: usize) {
    gather(children).limit(limit).on_progress(|it| trace::note(format!("{:?} of {:?}", it.completed, it.total))).await;
}

#[test]
fn the_counts_of_a_card_are_those_that_the_gather_tells_of_itself() {
    let nap = |n: u64| sleep(Duration::from_millis(n * 7 % 5));
    // Of ten numbers these are seven; what filters them cannot tell before.
    let some = || (0..10).filter(|n| n % 4 != 1).map(nap);
    for (what, is_known) in
        [("all", true), ("all of some", true), ("two at once", true), ("two of some at once", false)]
    {
        let recorder = Recorder::start();
        match what {
            "all" => virtually(counted((0..7).map(nap), 9)),
            "all of some" => virtually(counted(some(), usize::MAX)),
            "two at once" => virtually(counted((0..7).map(nap), 2)),
            _ => virtually(counted(some(), 2)),
        }
        let script = "
            const told = [];
            const state = emptyState();
            for (const e of data.events) {
                apply(state, e);
                if (e.kind !== 'Note') continue;
                const all = total(state.gathers[0]);
                told.push([e.text, `${state.gathers[0].done} of ${all === null ? 'None' : `Some(${all})`}`]);
            }
            return told;
        ";
        let Some(told) = node("the counts of a gather", script, &data(&recorder)) else { return };
        let told = told.as_array().unwrap();
        assert_eq!(told.len(), 7, "{what}");
        let unknown = told.iter().filter(|pair| pair[1].as_str().unwrap().ends_with("None")).count();
        assert_eq!(unknown, if is_known { 0 } else { 7 }, "{what}: how often the page does not know: {told:?}");
        for pair in told {
            // The page need not know when the iterator has come to its end.
            let own = pair[0].as_str().unwrap();
            let own = if is_known { own.to_owned() } else { own.replace("Some(7)", "None") };
            assert_eq!(own, pair[1], "{what}: the gather's own count and the page's");
        }
    }
}

#[test]
fn stepping_to_the_end_and_back_comes_to_the_start_and_every_step_to_the_same_state() {
    let many = Recorder::start();
    virtually(gather((0..200).map(|n| async move {
        sleep(Duration::from_millis(n % 7)).await;
        yield_now().await;
    })));
    let mut runs = vec![data(&many)];
    drop(many);
    runs.extend(PROGRAMS.iter().map(|program| data(&record(program))));
    let script = "
        const run = new History(data);
        const start = JSON.stringify(run.at(-1));
        if (start !== JSON.stringify(emptyState())) return 'the start is not empty';
        const state = emptyState();
        const forwards = data.events.map((e) => JSON.stringify((apply(state, e), state)));
        for (const e of data.events) {
            if (JSON.stringify(run.at(e.seq)) !== forwards[e.seq]) return `event ${e.seq} is another one when made again`;
        }
        for (let index = data.events.length - 1; index >= 0; index -= 1) {
            if (JSON.stringify(run.at(index)) !== forwards[index]) return `event ${index} is another one backwards`;
        }
        if (new Set(forwards).size < data.events.length / 2) return 'the steps change nothing';
        return JSON.stringify(run.at(-1)) === start ? data.events.length : 'the start is another one';
    ";
    let mut steps = 0;
    for run in &runs {
        let Some(result) = node("stepping back", script, run) else { return };
        steps += result.as_u64().unwrap_or_else(|| panic!("{result}"));
    }
    assert!(steps > 3_000, "{steps}");
}

#[test]
fn page_and_transcript_say_every_event_in_the_same_sentence() {
    for program in &PROGRAMS {
        let recorder = record(program);
        let script = "
            const run = new History(data);
            const words = new Words(data.words, run);
            return data.events.map((e) => words.text(e));
        ";
        let Some(said) = node("the sentences of the page", script, &data(&recorder)) else { return };
        let sentences = transcript::sentences(&recorder.events());
        for (number, sentence) in sentences.iter().enumerate() {
            assert_eq!(said[number], *sentence, "{}, event {number}", program.name);
            assert!(!sentence.contains(['{', '[', '?']) || sentence.contains("says"), "{sentence}");
        }
        assert_eq!(said.as_array().unwrap().len(), sentences.len());
    }
}

#[test]
fn the_transcript_holds_what_the_page_shows() {
    let line = |name: &str, is_it: &dyn Fn(&str) -> bool| {
        let transcript = transcript::of(&named(name));
        transcript.lines().find(|line| is_it(line)).unwrap_or_else(|| panic!("{transcript}")).to_owned()
    };
    let armed = line("gather", &|line| line.contains("Timer 1 is armed"));
    assert!(
        armed.contains("  [runtime/src/time.rs:") && armed.contains(", for examples/step/programs/gather.rs:"),
        "{armed}"
    );
    let poll = line("gather", &|line| line.contains("Child 1 of gather 0 is polled because timer 1 fired"));
    assert!(poll.ends_with(", because of 22]"), "{poll}");
    line("gather", &|line| line.ends_with("; jobs: 0; gather 0: 2 of 3 done"));
    line("semaphore", &|line| line.ends_with("; gather 0: 0 of 3 done; semaphore 0: 0 free"));
    line("error", &|line| line.starts_with("       ready: ") && !line.contains("gather"));
    line("sockets", &|line| line.contains("; socket 2: not ready to read, server waits, ready to write"));
    line("threads", &|line| line.starts_with("       ready: ") && line.contains("; jobs: 1"));
    let recorder = Recorder::start().with_snapshots();
    virtually(async {
        for _ in 0..2 {
            runtime::spawn(yield_now()).await.unwrap();
        }
    });
    let transcript = transcript::of(&recorder);
    assert!(transcript.contains("tasks: main, task 2 (slot 1, generation 1); "), "{transcript}");
}

#[test]
fn the_readme_tells_the_second_turn_of_its_program_as_it_happens() {
    let read =
        |path: &str| fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap();
    let (readme, program) = (read("README.md"), read("examples/step/programs/ten_lines.rs"));
    let transcript = transcript::of(&named("ten_lines"));
    let turn = transcript.split("\n\n").find(|turn| turn.starts_with("turn 2, ")).expect("it has two turns");
    let told: Vec<&str> = turn.trim_end().lines().map(|line| line.split("  [").next().unwrap()).collect();
    assert!(told.len() > 10 && readme.contains(&told.join("\n")), "README.md does not quote\n{}", told.join("\n"));
    // And that is the README's program.
    let naps = &readme[readme.find("    let naps").unwrap()..readme.find("    println!").unwrap()];
    assert!(program.contains(naps), "examples/step/programs/ten_lines.rs has another program than\n{naps}");
}

#[test]
fn the_recorded_page_is_what_step_writes_today() {
    let top = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let recorded = fs::read_to_string(top.join("examples/step.html")).unwrap();
    let program = &PROGRAMS[0];
    let mut today = Vec::new();
    let recording = program.record().unwrap();
    recording.recorder.write_page(recording.heading(program), &mut today).unwrap();
    assert!(
        recorded.as_bytes() == today,
        "examples/step.html is not what step writes today. This writes it anew:\n\n    \
         cargo run --example step -- --out examples/step.html\n"
    );
    // It is the same wherever it is written.
    let top = top.canonicalize().unwrap();
    assert!(!recorded.contains(top.to_str().unwrap()), "the page names a folder of this machine");
}

#[test]
fn every_kind_of_event_has_its_words() {
    let blocks: Vec<&str> = trace::WORDS.trim().split("\n\n").skip(1).collect();
    let kinds: Vec<&str> = blocks.iter().map(|block| block.split(' ').next().unwrap()).collect();
    assert_eq!(kinds.len(), trace::Kind::NAMES.len());
    for kind in trace::Kind::NAMES {
        assert!(kinds.contains(kind), "{kind} has no words");
    }
    let architecture = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md")).unwrap();
    let told = format!("The trace has {} kinds of events", kinds.len());
    assert!(architecture.contains(&told), "ARCHITECTURE.md does not say: {told}");
}

#[test]
fn one_line_makes_a_page_and_gives_the_result() {
    let page = Page::path("one-line");
    assert_eq!(trace::page(&page.0, async { 6 * 7 }).unwrap(), 42);
    let html = fs::read_to_string(&page.0).unwrap();
    for part in ["\"kind\":\"TurnBegin\"", "tests/page.rs", "pub(crate) fn turn", "class Circle", "<!doctype html>"] {
        assert!(html.contains(part), "{part:?} is not in the page");
    }
    // A path that is wrong is told before anything runs.
    let error = trace::page("/no/such/folder/page.html", async { unreachable!("it ran") }).unwrap_err();
    assert!(error.to_string().starts_with("/no/such/folder/page.html: "), "{error}");
}

#[test]
fn the_programs_panic_comes_through_even_if_the_page_cannot_be_written() {
    let message = tests::panic_message(|| trace::page("/dev/full", async { panic!("in the program") }));
    assert_eq!(message, "in the program");
    let error = trace::page("/dev/full", async {}).unwrap_err();
    assert!(error.to_string().starts_with("/dev/full: "), "{error}");
}

#[test]
fn a_page_is_written_even_when_the_program_panics() {
    let page = Page::path("panic");
    let message = tests::panic_message(|| trace::page(&page.0, async { panic!("in the program") }));
    assert_eq!(message, "in the program");
    assert!(fs::read_to_string(&page.0).unwrap().contains("\"how\":\"dropped\""));
}

// In a browser.

#[test]
fn it_opens_from_a_file_asks_for_nothing_else_and_shows_every_panel() {
    let pages = ["gather", "sockets", "threads"].map(|name| Page::of(named(name), name));
    browse("panels", async |browser| {
        browser.open(&pages[0].0).await;
        assert_eq!(browser.eval("performance.getEntriesByType('resource').length").await, 0);
        assert!(browser.text("say").await.starts_with("Nothing has happened yet"));
        assert!(browser.text("tasks").await.contains("empty until the first spawn"));
        browser.eval("app.go(app.history.length - 1)").await;
        assert_eq!(browser.text("tasks").await, "No tasks: all have ended, their slots are free.");
        assert_eq!(browser.text("queue").await, "Empty: there is no task.");
        // The poll in which the second child ends.
        browser
            .eval("app.go(app.history.events.find((e) => e.kind === 'ChildPollEnd' && e.ready && e.turn === 2).seq)")
            .await;
        let said = browser.text("say").await;
        assert_eq!(said, "Child 1 of gather 0 was polled because timer 1 fired; it returned Ready: 2 done, 1 remains.");
        let card = browser.text("gathers").await;
        for part in
            ["gather 0: gather, awaited by", "2 of 3 done, 1 remains", "polled it 2 times", "◌ 0 waits", "✓ 1 done"]
        {
            assert!(card.contains(part), "{part:?} is not in {card:?}");
        }
        assert!(browser.text("tasks").await.contains("at poll"));
        assert!(browser.text("tasks").await.contains("child 0: timer 0, 30 ms"));
        let held = "[...document.querySelectorAll('#tasks tbody tr')].map((it) => it.children[5].textContent)";
        assert_eq!(browser.eval(held).await, json!(["gather 0"]));
        assert!(browser.text("timers").await.contains("30 ms"));
        assert!(browser.text("timers-note").await.contains("20 ms"));
        assert!(browser.text("queue").await.starts_with("Empty"));
        assert!(browser.text("reactor").await.starts_with("No sockets"));
        assert!(browser.text("remote").await.contains("empty"));
        assert!(browser.text("runtime-file").await.starts_with("gather/src/join.rs, line"));
        assert!(browser.text("program-file").await.starts_with("examples/step/programs/gather.rs, line"));
        let lit = browser.eval("[...document.querySelectorAll('pre .lit')].map((it) => it.textContent)").await;
        assert!(lit[0].as_str().unwrap().contains("gather(["), "{lit}");
        assert!(lit[1].as_str().unwrap().contains("let polled = children.poll("), "{lit}");
        let circle = browser.eval("document.getElementById('circle').getAttribute('aria-label')").await;
        assert_eq!(circle, "kept elsewhere: main · gather 0; with timers: main · child 0; at poll: main");
        // The task itself is in its slot, and is lit.
        let slots = "[...document.querySelectorAll('#circle .task')].map((it) => [it.textContent, it.classList.contains('on')])";
        assert_eq!(browser.eval(slots).await, json!([["0 ● main", true]]));

        browser.open(&pages[1].0).await;
        browser.eval("app.go(app.history.events.findLast((e) => e.kind === 'IoWaits').seq)").await;
        assert!(browser.text("reactor").await.contains("server"));
        // Between the event at the socket and the wake.
        browser.eval("app.go(app.history.events.find((e) => e.kind === 'IoReady' && e.wakes.length).seq)").await;
        assert!(browser.text("tasks").await.contains("which wakes it next"), "{}", browser.text("tasks").await);
        browser.eval("app.go(app.history.events.findLast((e) => e.kind === 'IoWaits').seq)").await;
        let server = browser.eval(held).await[1].take();
        assert!(server.as_str().unwrap().starts_with("socket "), "{server}");

        browser.open(&pages[2].0).await;
        browser.eval("app.go(app.history.events.find((e) => e.kind === 'RemoteSent').seq)").await;
        assert!(!browser.text("remote").await.contains("empty"));
        browser.eval("app.go(app.history.events.find((e) => e.kind === 'JobStarted').seq)").await;
        assert!(
            browser.text("pool").await.contains("job 0: runs on glassloop-blocking"),
            "{}",
            browser.text("pool").await
        );
    });
}

#[test]
fn whoever_cannot_see_it_is_told_the_same() {
    let page = Page::of(named("semaphore"), "told");
    browse("told", async |browser| {
        browser.open(&page.0).await;
        browser.eval("app.go(60)").await;
        assert_eq!(browser.eval("document.getElementById('say').getAttribute('aria-live')").await, "polite");
        // Every panel has a heading, every control a name, and what can be scrolled can be reached by keys.
        for (what, selector, is_wrong) in [
            (
                "a panel without a heading",
                "section",
                "!it.getAttribute('aria-labelledby') || !it.querySelector('h2')?.textContent",
            ),
            ("a button without a name", "button", "!it.textContent.trim()"),
            ("a field without a name", "input", "!it.getAttribute('aria-label') && !it.closest('label')"),
            ("a list that keys do not reach", ".scroll, pre", "it.tabIndex !== 0"),
        ] {
            let wrong = format!("[...document.querySelectorAll('{selector}')].filter((it) => {is_wrong}).length");
            assert_eq!(browser.eval(&wrong).await, 0, "{what}");
        }
        // The list says which event is the one, and whose each is.
        assert_eq!(
            browser.eval("document.getElementById('events').getAttribute('aria-activedescendant')").await,
            "event-60"
        );
        assert_eq!(browser.eval("document.getElementById('event-60').getAttribute('aria-selected')").await, "true");
        let whose = "(() => {
            const whose = document.querySelector('#event-58 .whose');
            const chip = [...document.querySelectorAll('#tasks .chip')].find((it) => it.lastChild.textContent === whose.title);
            const colour = (it) => getComputedStyle(it).color;
            return [whose.title, whose.textContent === chip.firstChild.textContent, colour(whose) === colour(chip)];
        })()";
        assert_eq!(browser.eval(whose).await, json!(["cake", true, true]));
        // The picture in words is what the table says.
        let circle = browser.eval("document.getElementById('circle').getAttribute('aria-label')").await;
        assert!(circle.as_str().unwrap().contains("kept elsewhere: "), "{circle}");
        // Tasks are told apart by signs and names, not by colour alone.
        let signs =
            browser.eval("[...document.querySelectorAll('#tasks .chip span')].map((it) => it.textContent)").await;
        assert_eq!(signs, json!(["●", "▲", "◆"]), "the second task has ended");
    });
}

#[test]
fn every_key_does_what_the_sheet_says() {
    let page = Page::of(named("semaphore"), "keys");
    browse("keys", async |browser| {
        browser.open(&page.0).await;
        let last = browser.eval("app.history.length - 1").await.as_i64().unwrap();
        let kind = "app.event.kind";
        let index = "app.index";
        let mut tried = Vec::new();
        let mut press = async |browser: &mut Browser, key: &str| {
            browser.key(key).await;
            tried.push(key.to_owned());
        };
        press(browser, "Shift+ArrowRight").await;
        assert_eq!(browser.eval(index).await, 0);
        press(browser, "Home").await;
        press(browser, "ArrowRight").await;
        assert_eq!(browser.eval(kind).await, "Push", "the spawn rides along");
        press(browser, "ArrowRight").await;
        press(browser, "ArrowLeft").await;
        assert_eq!(browser.eval(kind).await, "Push");
        press(browser, "Shift+ArrowLeft").await;
        assert_eq!(browser.eval(index).await, 0);
        press(browser, "]").await;
        press(browser, "]").await;
        assert_eq!(browser.eval("[app.event.kind, app.event.turn]").await, json!(["TurnBegin", 2]));
        press(browser, "[").await;
        assert_eq!(browser.eval("[app.event.kind, app.event.turn]").await, json!(["TurnBegin", 1]));
        press(browser, "j").await;
        press(browser, "j").await;
        assert_eq!(browser.eval("[app.event.kind, app.event.task]").await, json!(["PollBegin", 1]));
        press(browser, "c").await;
        assert_eq!(browser.eval("[app.event.kind, app.event.task]").await, json!(["Spawn", 1]));
        press(browser, "j").await;
        press(browser, "k").await;
        assert_eq!(browser.eval("[app.event.kind, app.event.task]").await, json!(["PollBegin", 0]));
        press(browser, "j").await;
        press(browser, "t").await;
        press(browser, "t").await;
        assert_eq!(browser.eval("app.selected").await, 1);
        press(browser, "j").await;
        assert_eq!(
            browser.eval("[app.event.kind, app.event.task, app.event.turn > 2]").await,
            json!(["PollBegin", 1, true])
        );
        press(browser, "Escape").await;
        assert!(browser.eval("app.selected").await.is_null());
        press(browser, "g").await;
        assert!(browser.eval("app.event.gather").await.is_u64());
        let here = browser.eval(index).await.as_i64().unwrap();
        press(browser, "g").await;
        press(browser, "G").await;
        assert_eq!(browser.eval(index).await, here);
        press(browser, "End").await;
        assert_eq!(browser.eval(index).await, last);
        press(browser, "r").await;
        assert_eq!(browser.eval("app.event.cause").await, json!(null));
        press(browser, "Home").await;
        assert_eq!(browser.eval(index).await, -1);
        press(browser, "b").await;
        assert_eq!(browser.eval("document.getElementById('stops').open").await, true);
        browser.eval("[...document.querySelectorAll('#stops-list label')].find((it) => it.textContent.includes('PermitWaiting')).click()").await;
        press(browser, "Escape").await;
        press(browser, " ").await;
        assert_eq!(browser.eval(kind).await, "PermitWaiting");
        press(browser, "f").await;
        assert_eq!(browser.eval("document.activeElement.id").await, "filter");
        press(browser, "Escape").await;
        browser.eval("const it = document.getElementById('filter'); it.value = 'has a permit'; it.dispatchEvent(new Event('input')); 0").await;
        press(browser, "Home").await;
        press(browser, "n").await;
        press(browser, "n").await;
        press(browser, "N").await;
        assert_eq!(
            browser.eval("[app.event.kind, app.index === app.list.wanted[0]]").await,
            json!(["PermitTaken", true])
        );
        browser.eval("const the = document.getElementById('filter'); the.value = ''; the.dispatchEvent(new Event('input')); 0").await;
        press(browser, "e").await;
        assert_eq!(browser.eval("document.activeElement.id").await, "events");
        press(browser, "i").await;
        assert_eq!(browser.eval("document.activeElement.id").await, "tasks");
        press(browser, "a").await;
        assert_eq!(browser.eval("app.list.rows.length === app.history.length").await, true);
        press(browser, "s").await;
        assert_eq!(browser.text("scale").await, "by time");
        press(browser, "d").await;
        assert_eq!(browser.eval("document.documentElement.dataset.theme").await, "dark");
        press(browser, "?").await;
        assert_eq!(browser.eval("document.getElementById('help').open").await, true);
        press(browser, "?").await;
        assert_eq!(browser.eval("document.getElementById('help').open").await, false);
        press(browser, "p").await;
        assert_eq!(browser.eval("app.predict.on").await, true);
        press(browser, "p").await;
        // A jump by a link can be undone.
        browser.eval("app.go(60)").await;
        browser.eval(COUNT_LINKS).await;
        browser.eval("document.querySelector('#say a, #events a').click()").await;
        browser.eval(ONE_LINK).await;
        browser.eval(COUNT_LINKS).await;
        press(browser, "Backspace").await;
        browser.eval(ONE_LINK).await;
        assert_eq!(browser.eval(index).await, 60);
        // The sheet lists them all, and all were pressed.
        let keys = browser.eval("KEYS.map(([key]) => key)").await;
        for key in keys.as_array().unwrap() {
            assert!(tried.iter().any(|it| key == it), "{key} was never pressed");
        }
        let sheet = browser.text("help-list").await;
        assert!(sheet.contains("on by a turn") && sheet.contains("#e=137"));
    });
}

#[test]
fn every_button_and_the_slider_move_as_their_keys_do() {
    let page = Page::of(named("semaphore"), "buttons");
    browse("buttons", async |browser| {
        browser.look(1280, 800, "light").await;
        browser.open(&page.0).await;
        let buttons = browser.eval("[...document.querySelectorAll('[data-key]')].map((it) => it.dataset.key)").await;
        let buttons: Vec<&str> = buttons.as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
        // Each at the same event, by its key and by a click.
        let seen =
            "[app.index, document.documentElement.dataset.theme, app.predict.on, document.getElementById('help').open]";
        for key in &buttons {
            let mut ways = Vec::new();
            for is_click in [false, true] {
                browser.open(&page.0).await;
                browser.eval("app.go(60)").await;
                let before = browser.eval(seen).await;
                if is_click {
                    browser.click(&format!("[data-key='{key}']")).await
                } else {
                    browser.key(key).await
                }
                ways.push(browser.eval(seen).await);
                assert_ne!(before, ways[ways.len() - 1], "{key} does nothing");
            }
            assert_eq!(ways[0], ways[1], "{key} and its button");
        }
        assert_eq!(buttons.len(), 13, "{buttons:?}");
        browser.open(&page.0).await;
        browser.click("#slider").await;
        let half = browser.eval("app.index - app.history.length / 2").await.as_f64().unwrap();
        assert!(half.abs() < 3.0, "the middle of the slider is {half} events from the middle of the trace");
        browser.key("Shift+ArrowRight").await;
        assert_eq!(browser.eval("app.index - app.history.length / 2").await.as_f64(), Some(half + 1.0));
    });
}

#[test]
fn a_breakpoint_on_a_task_stops_at_it_and_of_many_tasks_any_can_be_marked() {
    let recorder = Recorder::start();
    virtually(async {
        for n in 0..200 {
            task::Builder::new().name(format!("nr {n}.")).spawn(yield_now()).await.unwrap();
        }
    });
    let page = Page::of(recorder, "stops");
    browse("stops", async |browser| {
        browser.look(1280, 800, "light").await;
        browser.open(&page.0).await;
        browser.key("b").await;
        assert!(browser.text("stops-list").await.contains("and 141 more tasks"));
        for name in ["nr 7.", "nr 190."] {
            browser.eval("document.querySelector('#stops-list input[type=search]').select()").await;
            browser.command("Input.insertText", json!({ "text": name })).await;
            assert_eq!(browser.eval("document.querySelectorAll('#stops-list label').length").await, 1);
            browser.click("#stops-list label input").await;
        }
        assert_eq!(browser.text("stops-count").await, "(2)");
        browser.key("Escape").await;
        let mut stops = Vec::new();
        for _ in 0..40 {
            browser.key(" ").await;
            let stop = browser.eval("[app.event.kind, app.history.name(app.history.actors[app.index])]").await;
            if stops.last() != Some(&stop[1]) {
                stops.push(stop[1].clone());
            }
        }
        assert_eq!(stops[..2], [json!("nr 7."), json!("nr 190.")], "{stops:?}");
    });
}

#[test]
fn queue_and_semaphores_are_told_in_their_order() {
    let page = Page::of(named("semaphore"), "order");
    browse("order", async |browser| {
        browser.open(&page.0).await;
        let chips =
            |id: &str| format!("[...document.querySelectorAll('#{id} .chip')].map((it) => it.lastChild.textContent)");
        browser.eval("app.go(app.history.events.findLast((e) => e.kind === 'Spawn').seq + 1)").await;
        assert_eq!(browser.eval(&chips("queue")).await, json!(["bread", "cake", "pie"]));
        browser.eval("app.go(app.history.events.find((e) => e.kind === 'Pop' && e.turn === 2).seq)").await;
        assert_eq!(browser.eval(&chips("queue")).await, json!(["cake", "pie"]), "bread is next at poll");
        let circle = browser.eval("document.getElementById('circle').getAttribute('aria-label')").await;
        assert!(
            circle.as_str().unwrap().starts_with("in the ready queue: cake, pie; taken for the poll: bread"),
            "{circle}"
        );
        browser
            .eval("app.go(app.history.events.findLast((e) => e.kind === 'PermitWaiting' && e.turn === 2).seq)")
            .await;
        assert_eq!(browser.eval(&chips("semaphores td:last-child")).await, json!(["cake", "pie"]));
        let holders = "[...document.querySelectorAll('#semaphores tbody td:nth-child(3) .chip')].map((it) => it.lastChild.textContent)";
        assert_eq!(browser.eval(holders).await, json!(["bread"]), "who holds the permits is told, too");
        let row = browser.text("semaphores").await;
        assert!(row.contains("semaphore 00"), "{row}");
    });
}

#[test]
fn whoever_wants_no_motion_gets_none_and_a_print_is_the_step_as_a_figure() {
    let page = Page::of(named("gather"), "media");
    browse("media", async |browser| {
        browser.look(1280, 800, "light").await;
        browser.open(&page.0).await;
        browser.eval("app.go(26)").await;
        let motion = "getComputedStyle(document.querySelector('.token')).transitionDuration";
        assert_eq!(browser.eval(motion).await, "0.22s");
        browser.media("screen", "prefers-reduced-motion", "reduce").await;
        assert_eq!(browser.eval(motion).await, "0s");
        browser.media("print", "prefers-color-scheme", "light").await;
        let is_shown = "['.keys', '.map', '.events', '#say', '#program', '#runtime', '#circle', '#gathers', '#tasks', '#timers'].filter((it) => document.querySelector(it).offsetHeight > 20 || document.querySelector(it).clientHeight > 20)";
        let shown = browser.eval(is_shown).await;
        assert_eq!(shown, json!(["#say", "#program", "#runtime", "#circle", "#gathers", "#tasks", "#timers"]));
        let cut = "[...document.querySelectorAll('.scroll, h2, .say')].filter((it) => it.offsetHeight && it.scrollHeight > it.clientHeight + 1).map((it) => it.id || it.textContent)";
        assert_eq!(browser.eval(cut).await, json!([]), "on paper nothing can be scrolled");
    });
}

#[test]
fn a_link_opens_at_its_event_and_reasons_can_be_followed_by_clicks() {
    let page = Page::of(named("gather"), "links");
    browse("links", async |browser| {
        browser.goto(&format!("file://{}#e=26", page.0.display())).await;
        assert_eq!(browser.eval("app.index").await, 26);
        assert_eq!(browser.text("say").await, "main is polled because child 1 of gather 0 was woken.");
        browser.eval(COUNT_LINKS).await;
        browser.eval("document.querySelector('#say a').click()").await;
        browser.eval(ONE_LINK).await;
        assert_eq!(
            browser.text("say").await,
            "Child 1 of gather 0 is woken because timer 1 fired; the parent is woken next."
        );
        for (hash, index) in [("#e=99999", 52), ("#e=-7", -1), ("#e=x", -1), ("#e=3", 3)] {
            browser.eval(&format!("{COUNT_LINKS}; location.hash = '{hash}'; {ONE_LINK}")).await;
            assert_eq!(browser.eval("app.index").await, index, "{hash}");
        }
        // And the address becomes the link to wherever the steps rest.
        browser.eval("app.go(7); app.go(8)").await;
        let rests = "new Promise((done) => { const look = () => location.hash === '#e=8' ? done(8) : setTimeout(look, 10); look(); })";
        assert_eq!(browser.eval(rests).await, 8);
    });
}

#[test]
fn the_filter_shows_only_what_is_asked_for() {
    let page = Page::of(named("gather"), "filter");
    browse("filter", async |browser| {
        browser.open(&page.0).await;
        let ask = |words: &str| {
            format!(
                "const it = document.getElementById('filter'); it.value = {words:?}; it.dispatchEvent(new Event('input')); app.list.rows.map((seq) => app.history.events[seq].kind)"
            )
        };
        let kinds = browser
            .eval(&format!("(() => {{ {} }})()", ask("timer fires").replace("; app.list", "; return app.list")))
            .await;
        assert_eq!(kinds, json!(["TimerFired", "TimerFired"]));
        let none = browser
            .eval(&format!("(() => {{ {} }})()", ask("no such thing").replace("; app.list", "; return app.list")))
            .await;
        assert_eq!(none, json!([]));
    });
}

/// Goes through the page that is open from question to question; the first is answered wrongly, the others rightly. What
/// was asked, and the choices.
async fn predict(browser: &mut Browser) -> Vec<(String, Value)> {
    browser.key("p").await;
    let mut asked = Vec::new();
    while browser.eval("app.index === app.history.length - 1").await == false {
        browser.key("ArrowRight").await;
        let question = browser.eval("app.predict.question").await;
        if question.is_null() {
            continue;
        }
        // What comes later is not shown, and no panel tells it.
        assert_eq!(browser.eval("document.querySelectorAll('.row.later').length").await, 0);
        match question["about"].as_str().unwrap() {
            "queue" => {
                assert_eq!(browser.text("queue").await, "Somebody is first. Who?");
                let circle = "document.getElementById('circle').getAttribute('aria-label')";
                let circle = browser.eval(circle).await;
                assert!(!circle.as_str().unwrap().contains("in the ready queue"), "{circle}");
            }
            "park" => assert_eq!(browser.text("timers-note").await, "park: ?"),
            // Before anything of the poll is told.
            "poll" => assert_eq!(browser.eval("app.event.kind").await, "PollBegin"),
            _ => {}
        }
        let choices = question["choices"].as_array().unwrap();
        let right = choices.iter().position(|it| *it == question["answer"]).expect("the answer can be chosen");
        let index = browser.eval("app.index").await.as_i64().unwrap();
        let choice = if asked.is_empty() { (right + 1) % choices.len() } else { right };
        asked.push((question["text"].as_str().unwrap().to_owned(), question["choices"].clone()));
        browser.key(&format!("{}", choice + 1)).await;
        assert_eq!(browser.eval("app.index").await, index + 1);
        let said = browser.text("quiz").await;
        assert_eq!(said.starts_with("✗ No: "), choice != right, "{said}");
        if choice != right {
            // The rule, and the line of the runtime that it is in.
            let line = browser.eval("document.querySelector('#quiz a').textContent").await;
            assert!(line.as_str().unwrap().starts_with("runtime/src/circle/"), "{line}");
            assert!(said.contains(". It is done in "), "{said}");
        }
    }
    let score = format!("{} of {} right", asked.len() - 1, asked.len());
    assert!(browser.text("quiz").await.contains(&score), "{}", browser.text("quiz").await);
    asked
}

#[test]
fn predictions_are_asked_answered_from_the_trace_and_counted() {
    let (polls, next) = ("What does this poll of main return?", "Which task is polled next?");
    let (parks, jumps) = ("How long will the loop park, at most?", "How far does the virtual clock jump?");
    let programs: [(&str, &[&str]); 3] = [
        ("gather", &[polls, jumps, "Child 1 of gather 0 ends. How many remain?"]),
        ("semaphore", &[polls, next, jumps]),
        ("sockets", &[polls, next, parks]),
    ];
    let pages = programs.map(|(name, questions)| (Page::of(named(name), &format!("predict-{name}")), questions));
    let recorder = Recorder::start();
    let runtime = Runtime::new().unwrap();
    // Far away: it parks, however long it takes to get there.
    for seconds in [900, 950] {
        drop(runtime.spawn(async move { sleep(Duration::from_secs(seconds)).await }));
    }
    runtime.turn(Some(Duration::ZERO));
    let (handle, parked) = (runtime.handle(), thread_number());
    let thread = std::thread::spawn(move || {
        until_parked(parked);
        drop(handle.spawn(async {}));
    });
    runtime.turn(None);
    thread.join().unwrap();
    drop(runtime);
    let timers = Page::of(recorder, "predict-timers");
    browse("predict", async |browser| {
        for (page, questions) in &pages {
            browser.open(&page.0).await;
            let asked = predict(browser).await;
            for question in *questions {
                assert!(asked.iter().any(|(text, _)| text == question), "{question:?} was never asked: {asked:?}");
            }
        }
        // By the system's clock, which goes on between two events, no deadline is offered twice.
        browser.open(&timers.0).await;
        let asked = predict(browser).await;
        let (_, choices) = asked.iter().find(|(text, _)| text == parks).expect("it parks");
        let choices: Vec<&str> = choices.as_array().unwrap().iter().map(|choice| choice.as_str().unwrap()).collect();
        assert_eq!(choices.len(), 4, "{choices:?}");
        for choice in ["0 ms", "until an event or a wake"] {
            assert!(choices.contains(&choice), "{choice} is not among {choices:?}");
        }
    });
}

#[test]
fn a_name_full_of_markup_is_shown_as_text() {
    let name = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>\"'&amp;</script>\u{2028}";
    let recorder = Recorder::start();
    virtually(async {
        trace::note(name);
        task::Builder::new().name(name).spawn(yield_now()).await.unwrap();
    });
    let events = recorder.events().len();
    let page = Page::of(recorder, "markup");
    browse("markup", async |browser| {
        browser.open(&page.0).await;
        for _ in 0..events {
            browser.key("ArrowRight").await;
        }
        browser.eval("app.go(app.history.events.findLast((e) => e.kind === 'PollBegin' && e.task === 1).seq)").await;
        assert!(browser.eval("window.hacked").await.is_null());
        assert!(browser.text("say").await.starts_with(&format!("{name} is polled")));
        assert!(browser.text("tasks").await.contains(name));
        assert!(browser.text("stops-list").await.contains(name));
        assert_eq!(browser.eval("document.querySelectorAll('img').length").await, 0);
    });
}

#[test]
fn on_a_narrow_page_the_sentence_and_both_lines_of_code_stay_on_the_screen() {
    let page = Page::of(named("semaphore"), "narrow");
    browse("narrow", async |browser| {
        browser.look(800, 900, "light").await;
        browser.open(&page.0).await;
        browser.eval("app.go(60); scrollTo(0, 1e6)").await;
        assert!(browser.eval("scrollY").await.as_f64().is_some_and(|down| down > 300.0), "the page is longer");
        let seen = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(
            ['#say', '#program .lit', '#runtime .lit'].filter((it) => {
                const { left, width, top, height } = document.querySelector(it).getBoundingClientRect();
                const seen = document.elementFromPoint(left + Math.min(width, 60) / 2, top + height / 2);
                return seen?.closest(it);
            }))))) ";
        assert_eq!(browser.eval(seen).await, json!(["#say", "#program .lit", "#runtime .lit"]));
    });
}

#[test]
fn a_step_takes_one_event_and_touches_only_what_it_changes_however_long_the_trace_is() {
    let pages = [(900, 20_000), (4_400, 100_000)].map(|(children, at_least)| {
        let recorder = Recorder::start();
        virtually(gather((0..children).map(|n| async move {
            sleep(Duration::from_millis(n % 30)).await;
            task::Builder::new().name(format!("{n}")).spawn(yield_now()).await.unwrap();
        })));
        let events = recorder.events().len();
        assert!(events >= at_least, "{events}");
        Page::of(recorder, &format!("cost-{children}"))
    });
    browse("cost", async |browser| {
        browser.look(1280, 800, "light").await;
        for page in &pages {
            cost::measure(browser, &page.0).await;
            cost::check(browser).await;
        }
    });
}

#[test]
fn of_many_things_the_one_that_acts_is_seen() {
    const MANY: u64 = 90;
    let recorder = Recorder::start();
    virtually(async {
        let tasks: Vec<_> = (0..MANY).map(|n| task::Builder::new().name(format!("<{n}>")).spawn(yield_now())).collect();
        let semaphores: Vec<_> = (0..MANY).map(|_| Semaphore::new(1)).collect();
        semaphores.iter().for_each(|semaphore| drop(semaphore.try_acquire()));
        gather((0..MANY).map(|n| sleep(Duration::from_millis(MANY + 1 - n)))).await;
        drop(tasks);
    });
    let page = Page::of(recorder, "many");
    browse("many", async |browser| {
        browser.look(1280, 800, "light").await;
        browser.open(&page.0).await;
        for (event, panel, wanted) in [
            ("e.kind === 'Push' && app.history.name(e.task) === '<84>'", "queue", "<84>"),
            ("e.kind === 'PollBegin' && app.history.name(e.task) === '<30>'", "tasks", "<30>"),
            ("e.kind === 'PollEnd' && app.history.name(e.task) === '<85>'", "tasks", "<85>"),
            ("e.kind === 'PermitTaken' && e.semaphore === 87", "semaphores", "semaphore 87"),
            ("e.kind === 'ChildPoll' && e.place === 20", "gathers", "▶ 20 at poll"),
            ("e.kind === 'ChildPoll' && e.place === 86", "gathers", "▶ 86 at poll"),
            ("e.kind === 'ChildWoken' && e.place === 44", "gathers", "◔ 44 woken"),
            ("e.kind === 'ChildPollEnd' && e.ready && e.place === 43", "gathers", "✓ 43 done"),
            ("e.kind === 'TimerArmed' && e.timer === 3", "timers", "388 ms"),
            ("e.kind === 'TimerFired' && e.timer === 45", "timers", "45fired"),
        ] {
            let seen = format!(
                "new Promise((done) => {{
                    app.go(app.history.events.find((e) => {event}).seq);
                    requestAnimationFrame(() => setTimeout(() => {{
                        const it = document.querySelector('#{panel} [aria-current]');
                        const panel = document.getElementById('{panel}').closest('.scroll').getBoundingClientRect();
                        const {{ top, bottom }} = it?.getBoundingClientRect() ?? {{}};
                        done([it?.textContent, top >= panel.top && bottom <= panel.bottom, document.scrollingElement.scrollTop]);
                    }}));
                }})"
            );
            let seen = browser.eval(&seen).await;
            assert!(seen[0].as_str().unwrap_or_default().contains(wanted), "{event}: {seen}");
            assert_eq!(seen[1], true, "{event}: it is there and not seen: {seen}");
            assert_eq!(seen[2], 0, "the page itself has moved");
        }
    });
}

/// The list has a row for each step where there is room, and says how many are above and below where there is not. The
/// room comes from nobody who needs it: no table hides a row of its own for it.
#[test]
fn no_table_of_the_programs_hides_a_row_and_the_list_says_how_many_it_has_no_room_for() {
    const ROWS: &str = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => {
        const list = document.getElementById('events').getBoundingClientRect();
        const seen = [...document.querySelectorAll('.row')].filter((it) => {
            const { top, bottom } = it.getBoundingClientRect();
            return top >= list.top - 1 && bottom <= list.bottom + 1;
        });
        const note = document.getElementById('events-hidden').textContent;
        const number = (word) => Number(new RegExp(`([0-9]+) ${word}`).exec(note)?.[1] ?? 0);
        const first = seen.length ? app.list.rows.indexOf(Number(seen[0].id.slice(6))) : 0;
        const tables = [...document.querySelectorAll('.world .scroll')].filter((it) => !it.closest('.never') && it.scrollHeight > it.clientHeight + 1);
        done({
            seen: seen.length, all: app.list.rows.length, circle: document.getElementById('circle').clientHeight,
            told: [number('above'), number('below')], so: [first, app.list.rows.length - first - seen.length],
            is_all: note === 'all are shown', hiding: tables.map((it) => it.id),
        });
    }))))";
    let pages = ["sleep", "gather", "deadlock"].map(|name| (name, Page::introduced(name, &format!("rows-{name}"))));
    browse("rows", async |browser| {
        for (width, height, whole) in [(1366, 768, 2), (1920, 1080, 3)] {
            browser.look(width, height, "light").await;
            let mut shown_whole = 0;
            for (name, page) in &pages {
                browser.open(&page.0).await;
                for share in [0.0, 0.5, 1.0] {
                    let beat = format!("app.history.beats[Math.floor((app.history.beats.length - 1) * {share})]");
                    browser.eval(&format!("app.go({beat})")).await;
                    let rows = browser.eval(ROWS).await;
                    let context = format!("{name}, {width} x {height}, {share}: {rows}");
                    assert_eq!(rows["hiding"], json!([]), "{context}");
                    assert_eq!(rows["told"], rows["so"], "{context}");
                    assert_eq!(rows["is_all"], rows["seen"] == rows["all"], "{context}");
                    assert!(rows["seen"] == rows["all"] || rows["seen"].as_u64() >= Some(8), "{context}");
                    assert!(rows["circle"].as_u64() > Some(150), "{context}");
                    shown_whole += usize::from(share == 1.0 && rows["is_all"] == true);
                }
            }
            assert!(shown_whole >= whole, "at {width} x {height} the list shows {shown_whole} of the programs whole");
        }
    });
}

/// With `GLASSLOOP_PICTURES` set to a folder, this leaves pictures there to look at: of every program, light and dark, wide
/// and narrow.
#[test]
fn nothing_overflows_or_is_cut_at_1280_and_800_pixels_light_and_dark() {
    let page = |it: Program| Page::introduced(it.name, &format!("sizes-{}", it.name));
    let pages = PROGRAMS.map(|program| (program.name, page(program)));
    let pictures = std::env::var_os("GLASSLOOP_PICTURES").map(PathBuf::from);
    let leaves = "[...document.querySelectorAll('section, header, .saybox')].filter((it) => { const { left, right } = it.getBoundingClientRect(); return left < 0 || right > innerWidth + 0.5; }).length";
    let cut = "[...document.querySelectorAll('.scroll, h1, h1 *, h2, h2 *, .where, .say, button, .chip, .none, th, td, .kid, .card, .card *')]
        .filter((it) => it.scrollWidth > it.clientWidth + 1 && getComputedStyle(it).display !== 'inline' && it.clientWidth)
        .map((it) => it.textContent)";
    let rows = "(() => {
        const { top, bottom } = document.getElementById('events').getBoundingClientRect();
        const rows = [...document.querySelectorAll('.row')].map((it) => it.getBoundingClientRect());
        return rows.filter((it) => (it.top < top - 1 && it.bottom > top + 1) || (it.top < bottom - 1 && it.bottom > bottom + 1)).length;
    })()";
    browse("sizes", async |browser| {
        for (width, height) in [(1280, 800), (800, 900)] {
            for scheme in ["light", "dark"] {
                browser.look(width, height, scheme).await;
                // Colours take no room: one program is enough for those, if nobody looks.
                let is_looked_at = |name| scheme == "light" || name == "semaphore" || pictures.is_some();
                for (name, page) in pages.iter().filter(|page| is_looked_at(page.0)) {
                    let context = format!("{name}, {width}, {scheme}");
                    browser.open(&page.0).await;
                    assert_eq!(browser.eval("document.documentElement.dataset.theme ?? 'light'").await, scheme);
                    for share in [0.2, 0.6, 0.9] {
                        let settled = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))";
                        browser.eval(&format!("app.go(Math.floor(app.history.length * {share})); {settled}")).await;
                        let wide = browser.eval("document.documentElement.scrollWidth - innerWidth").await;
                        assert!(wide.as_i64().is_some_and(|wide| wide <= 0), "{context}: wider by {wide}");
                        assert_eq!(browser.eval(leaves).await, 0, "{context}: a panel leaves the window");
                        assert_eq!(browser.eval(cut).await, json!([]), "{context}: text is cut");
                        assert_eq!(browser.eval(rows).await, 0, "{context}: half an event in the list");
                        if let Some(folder) = pictures.as_ref().filter(|_| share == 0.6) {
                            let name = format!("{name}-{width}-{scheme}.png");
                            fs::write(folder.join(name), browser.picture().await).unwrap();
                        }
                    }
                }
            }
        }
    });
}

#[cfg(feature = "explore")]
#[test]
fn both_traces_of_a_what_if_stand_side_by_side_at_their_first_difference() {
    use runtime::explore::{WhatIf, what_if};
    let program = || async {
        for _ in 0..60 {
            yield_now().await;
        }
    };
    let page = Page::path("what-if");
    what_if(WhatIf::DropWake(50), program).page(&page.0).unwrap();
    browse("what-if", async |browser| {
        browser.look(800, 400, "light").await;
        browser.command("Page.navigate", json!({ "url": format!("file://{}", page.0.display()) })).await;
        let stands = "document.readyState === 'complete' && document.querySelectorAll('.first').length === 2";
        for _ in 0..2_000 {
            if browser.eval(stands).await == true {
                break;
            }
            sleep(Duration::from_millis(10)).await;
        }
        let seen = browser.eval(
            "(() => {
                const box = (it) => it.getBoundingClientRect();
                const [a, b] = [...document.querySelectorAll('section')].map(box);
                const isSeen = (row) => {
                    const list = box(row.closest('ol')), at = box(row);
                    return at.top >= list.top && at.bottom <= list.bottom;
                };
                return [a.top === b.top && a.right <= b.left, [...document.querySelectorAll('.first')].every(isSeen)];
            })()",
        );
        assert_eq!(seen.await, json!([true, true]));
    });
}
