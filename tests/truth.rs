//! What the trace and its sentences once said that was not so: for each of these, the test that holds it down.
//!
//! | what was said, and was not so | the test |
//! | --- | --- |
//! | a child wakes its parent, who is awake already; another task is woken "because of" that child | `tracing.rs::a_child_woken_while_its_parent_is_awake_wakes_nobody`, `causes.rs` |
//! | a task "is polled by" another one; a job "goes to the pool by main" | [`the_loop_polls_and_tasks_wake`] |
//! | who is new or has ended "waits for something that the trace does not know" | [`nobody_waits_for_what_is_not_known_but_who_waits_for_a_future_of_the_program`], `page/story.rs::at_the_first_step_of_every_program_somebody_is_new_and_at_the_last_one_nobody_is_left` |
//! | a program about the first error has none that comes first; one about a limit has none | `step::the_first_error_drops_a_sibling_that_still_runs`, `step::the_limit_limits` |
//! | who has spawned a job waits for it, whatever it awaits | [`who_has_given_a_job_away_waits_for_it_only_when_it_awaits_it`] |
//! | a timer is armed "for" its deadline | [`a_timer_says_when_it_fires_and_in_how_long`] |
//! | a panic is a poll that returned Ready; main's leaves no event | `kept.rs::a_panic_is_one_event_with_its_message_in_main_and_in_a_task`, [`a_panic_is_no_return`] |
//! | a turn will poll what is ready, and nothing is | [`a_turn_says_how_many_tasks_are_ready`], [`the_heading_of_a_turn_has_the_time_before_and_after_the_jump`] |
//! | the circle lights "poll" while nobody is polled | `page/picture.rs::poll_is_lit_exactly_while_somebody_is_polled` |
//! | the circle draws a task at its timer or its socket | `page/picture.rs::a_task_stays_in_its_slot_and_only_its_tickets_lie_elsewhere`, `page/picture.rs::the_picture_draws_as_many_tickets_as_there_are_and_every_one_where_it_is` |
//! | the program's line is one of the runtime's | [`the_line_of_the_program_is_never_one_of_the_runtime`], `kept.rs::a_file_of_the_program_is_never_shown_as_the_file_of_the_runtime_with_that_name` |
//! | the runtime's line is the one that tells the recorder | `tracing.rs::every_event_names_the_statement_of_the_runtime_that_did_it`, `tidy.rs` |
//! | a hang leaves no page | `kept.rs::a_hang_under_the_real_clock_leaves_its_page_and_panics_with_the_list`, `programs/step.rs` for Ctrl-C |
//! | a page goes over a file that is none | `kept.rs::a_file_that_is_no_page_is_not_overwritten_and_nothing_runs` |
//! | who waits for a permit, and not who has it; who can never be woken | `kept.rs::permits_are_told_with_who_has_them`, `kept.rs::a_task_that_nobody_can_wake_any_more_is_called_that_and_one_that_others_could_wake_is_not`, `causes.rs` |
//! | who was granted what it waited for "waits" for it until it is polled | `page/story.rs::who_has_been_granted_what_it_waited_for_is_not_said_to_wait_for_it` |
//! | a ticket that another thread has cloned is with nobody; only sleeping tasks could wake a task, and the page does not say so | `page/tickets.rs::a_ticket_that_another_thread_has_cloned_is_not_with_nobody`, `page/tickets.rs::the_page_says_of_each_task_what_the_list_of_the_hang_says` |
//! | channels say nothing | [`a_channel_tells_of_every_value_and_of_the_room_that_is_left`] |
//! | going back leaves the page | `page/tool.rs::back_leads_to_where_one_jumped_from` |
//! | the list of events has no keys, stepping ignores its filter, later events are pale, long names push the columns out | `page/tool.rs::the_list_of_events_folds_what_rides_along_and_is_gone_through_by_keys`, `page/tool.rs::stepping_obeys_the_filter`, `page/tool.rs::every_text_has_the_contrast_of_wcag_aa_in_both_themes`, `page/tool.rs::long_empty_right_to_left_and_hostile_names_keep_the_layout`, `page/tool.rs::since_when_and_why_are_asked_of_anything_and_one_is_at_the_event_in_two_clicks` |
//! | a prediction is asked when its answer is on the page, and a wrong one gets no reason | `page.rs::predictions_are_asked_answered_from_the_trace_and_counted` |
//! | the first page takes minutes to build, and begins with a gather of three | [`the_first_page_is_one_sleep_and_takes_few_crates`] |
//! | nobody says how to do it for a program of one's own | `programs/step.rs::own_is_a_program_that_runs_as_it_is` |
//! | under a flood from another thread, pushes are blamed on its messages | `causes.rs` |
//! | a wake that counts does not say the count | [`a_wake_that_counts_says_the_count`] |
//! | a child that its gather has dropped "waits" | `page/story.rs::a_child_that_is_left_when_its_gather_has_returned_is_said_to_be_dropped` |
//! | of several children that were granted a permit and are dropped, the page names the wrong one | `page/lines.rs::of_several_children_that_were_granted_and_are_dropped_the_page_says_only_how_many_stay` |
//! | an attempt to write "has nothing to write"; a task that has not ended "has ended" | [`what_was_never_so_is_said_nowhere`] |

#![cfg(feature = "trace")]

use runtime::sync::mpsc;
use runtime::task::{self, spawn_blocking, yield_now};
use runtime::time::sleep;
use runtime::trace::{Event, Kind, Recorder};
use runtime::{Runtime, spawn};
use std::future::Future;
use std::path::Path;
use std::time::Duration;
use step::programs::{PROGRAMS, Program};
use step::transcript::{self, sentences};
use tests::{panic_message, virtually};

/// Runs a program on a virtual loop, and gives what was recorded with the sentences for it.
fn told<F: Future>(program: impl FnOnce() -> F) -> (Vec<Event>, Vec<String>) {
    let recorder = Recorder::start();
    virtually(program());
    let events = recorder.events();
    let said = sentences(&events);
    (events, said)
}

/// The sentences of a program of `step`, with its events.
fn shipped(program: &Program) -> (Vec<Event>, Vec<String>) {
    let events = program.record().unwrap().recorder.events();
    let said = sentences(&events);
    (events, said)
}

#[track_caller]
fn says(said: &[String], sentence: &str) {
    assert!(said.iter().any(|it| it == sentence), "nothing says {sentence:?}: {said:#?}");
}

#[test]
fn the_loop_polls_and_tasks_wake() {
    for program in &PROGRAMS {
        let (events, said) = shipped(program);
        for (event, sentence) in events.iter().zip(said) {
            if matches!(event.kind, Kind::PollBegin { .. } | Kind::PollEnd { .. }) {
                assert!(!sentence.contains("polled by "), "{}: {sentence}", program.name);
                assert!(sentence.contains(" because "), "{}: {sentence}", program.name);
            }
        }
    }
    let (_, said) = told(|| async {
        spawn_blocking(|| ()).await.unwrap();
    });
    says(&said, "main gives job 0 to the blocking pool.");
}

#[test]
fn nobody_waits_for_what_is_not_known_but_who_waits_for_a_future_of_the_program() {
    for program in &PROGRAMS {
        for sentence in shipped(program).1 {
            assert!(
                !sentence.contains("does not know") && !sentence.contains("unknown"),
                "{}: {sentence}",
                program.name
            );
        }
    }
}

#[test]
fn who_has_given_a_job_away_waits_for_it_only_when_it_awaits_it() {
    let (events, _) = told(|| async {
        let job = spawn_blocking(|| ());
        yield_now().await;
        job.await.unwrap();
    });
    let waits: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.kind {
            Kind::Waits { what, job, .. } => Some((*what, *job)),
            _ => None,
        })
        .collect();
    assert_eq!(waits[0], ("its next turn", None));
    assert!(waits[1..].iter().all(|it| *it == ("another task to end", Some(0))), "{waits:?}");
}

#[test]
fn a_timer_says_when_it_fires_and_in_how_long() {
    let (_, said) = told(|| async {
        sleep(Duration::from_millis(20)).await;
        sleep(Duration::from_millis(5)).await;
    });
    says(&said, "Timer 0 is armed by main, at poll, to fire at 20 ms, in 20 ms.");
    says(&said, "Timer 0 is armed by main, at poll, to fire at 25 ms, in 5 ms.");
}

#[test]
fn a_panic_is_no_return() {
    let (events, said) = told(|| async {
        spawn(async { panic!("on purpose") }).await.unwrap_err();
    });
    says(&said, "task 1 has panicked with the message: on purpose.");
    says(&said, "task 1 was polled because it was spawned; it panicked.");
    says(&said, "task 1 has ended: panicked. Its slot is free.");
    assert_eq!(events.iter().filter(|event| event.kind.name().contains("Panic")).count(), 1);
    let recorder = Recorder::start();
    assert_eq!(panic_message(|| virtually(async { panic!("in main") })), "in main");
    says(&sentences(&recorder.events()), "main has panicked with the message: in main.");
}

#[test]
fn a_turn_says_how_many_tasks_are_ready() {
    let (events, said) = told(|| async {
        let other = spawn(yield_now());
        yield_now().await;
        other.await.unwrap();
        sleep(Duration::from_millis(1)).await;
    });
    let turns = events.iter().zip(said).filter(|(event, _)| matches!(event.kind, Kind::TurnBegin {}));
    let turns: Vec<String> = turns.map(|(_, sentence)| sentence).collect();
    let of = |ready: &str| format!("A turn begins: {ready}.");
    // Main; the other and main; the other ends and wakes main; main sleeps; nobody, until the timer.
    let expected = ["1 task is ready", "2 tasks are ready", "1 task is ready", "1 task is ready", "nothing is ready"];
    assert_eq!(turns, expected.map(of));
}

#[test]
fn the_heading_of_a_turn_has_the_time_before_and_after_the_jump() {
    let transcript = transcript::of(&Program::named("sleep").unwrap().record().unwrap().recorder);
    let turns: Vec<&str> = transcript.lines().filter(|line| line.starts_with("turn ")).collect();
    assert_eq!(turns, ["turn 1, 0 ms", "turn 2, 0 ms to 10 ms"]);
}

#[test]
fn the_line_of_the_program_is_never_one_of_the_runtime() {
    for program in &PROGRAMS {
        for event in shipped(program).0 {
            let (file, _) = event.source;
            assert!(file.starts_with("runtime/src/") || file.starts_with("gather/src/"), "{file}");
            if let Some(at) = event.program {
                let is_ours = at.file().starts_with("runtime/src/") || at.file().starts_with("gather/src/");
                assert!(!is_ours, "{}: {:?} is said to be of {at}", program.name, event.kind);
            }
        }
    }
}

#[test]
fn a_channel_tells_of_every_value_and_of_the_room_that_is_left() {
    let (_, said) = told(|| async {
        let (sender, mut receiver) = mpsc::channel(2);
        sender.send(1).await.unwrap();
        sender.send(2).await.unwrap();
        let waits = task::Builder::new().name("waits").spawn(async move { sender.send(3).await });
        yield_now().await;
        while receiver.recv().await.is_some() {}
        waits.await.unwrap().unwrap();
    });
    let of_channel: Vec<&String> =
        said.iter().filter(|sentence| sentence.contains("channel 0") || sentence.starts_with("Channel 0")).collect();
    for sentence in [
        "A value goes into channel 0 by main, at poll; 1 in it, room for 1 more.",
        "A value goes into channel 0 by main, at poll; 2 in it, and no room for more.",
        "waits waits for room in channel 0.",
        "A value is taken from channel 0 by main, at poll; 1 in it; the free room is kept for a sender that waits.",
        "waits is woken because a value was taken from channel 0.",
        "Channel 0 takes no more values: its last sender is gone.",
    ] {
        assert!(of_channel.iter().any(|it| *it == sentence), "nothing says {sentence:?}: {of_channel:#?}");
    }
    let values = |what: &str| of_channel.iter().filter(|sentence| sentence.starts_with(what)).count();
    assert_eq!((values("A value goes into"), values("A value is taken from")), (3, 3), "{of_channel:#?}");
}

#[test]
fn the_first_page_is_one_sleep_and_takes_few_crates() {
    assert_eq!(PROGRAMS[0].name, "sleep");
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/step/Cargo.toml"));
    let manifest = manifest.unwrap();
    let wanted = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    // What is optional comes with the explorer.
    let lines = wanted.lines().filter(|line| !line.contains("optional = true"));
    let names: Vec<&str> = lines.filter_map(|line| line.split(['.', ' ', '=']).next()).collect();
    let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty() && *name != "#").collect();
    assert_eq!(names, ["runtime", "gather", "lexopt", "signal-hook"], "each is time before the first page");
    // `explore` is three seconds more, and nobody explores on the first page.
    assert!(wanted.contains(r#"runtime = { workspace = true, features = ["trace"] }"#), "{wanted}");
    assert!(!manifest.contains("default = "), "the package's features are asked for by name");
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let first = readme.lines().find(|line| line.starts_with("cargo run")).unwrap();
    assert!(
        first.starts_with("cargo run -p step --example step "),
        "without -p the tests' features come, too: {first}"
    );
}

#[test]
fn a_wake_that_counts_says_the_count() {
    let (_, said) = shipped(Program::named("tasks").unwrap());
    let counts: Vec<&str> =
        said.iter().filter_map(|sentence| sentence.split_once("the tally of ").map(|it| it.1)).collect();
    assert_eq!(
        counts,
        [
            "gather 0 is at 2; the parent sleeps on.",
            "gather 0 is at 1; the parent sleeps on.",
            "gather 0 is at 0; the parent is woken next."
        ]
    );
    let (_, said) = shipped(Program::named("limit").unwrap());
    says(&said, "Child 2 of gather 0 is woken because timer 1 fired; the parent is awake already.");
}

#[test]
fn what_was_never_so_is_said_nowhere() {
    // A task that is dropped with its runtime is woken once more, on its way out: it has not ended yet.
    let (_, said) = shipped(Program::named("deadlock").unwrap());
    says(&said, "Ben does not enter the ready queue: it has ended and left its slot.");
    let runtime = Runtime::builder().virtual_clock().build().unwrap();
    let recorder = Recorder::start();
    runtime.block_on(async {
        let (sender, receiver) = mio::unix::pipe::new().unwrap();
        let sender = runtime::io::Async::new(sender).unwrap();
        let full = vec![0; 1 << 20];
        while sender.try_io(mio::Interest::WRITABLE, |mut pipe| std::io::Write::write(&mut pipe, &full)).is_ok() {}
        drop(receiver);
    });
    let said = sentences(&recorder.events());
    assert!(!said.iter().any(|sentence| sentence.contains("nothing to write")), "{said:#?}");
    says(&said, "An attempt to write at socket 0 would block: the system will tell when to try again.");
}

#[test]
fn every_row_names_a_test_that_is_there() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| {
        std::fs::read_to_string(tests.join(file)).unwrap_or_else(|error| panic!("a row names {file}: {error}"))
    };
    let own = read("truth.rs");
    let rows: Vec<&str> = own.lines().filter_map(|line| line.strip_prefix("//! | ")).skip(2).collect();
    assert!(rows.len() >= 23, "{rows:#?}");
    for row in rows {
        let (_, names) = row.rsplit_once(" | ").expect("two columns");
        let names: Vec<&str> = names.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            let (file, name) = match name.split_once("::") {
                Some(pair) => pair,
                // A file whose every test is about the row, or a test that stands here.
                None if name.ends_with(".rs") => (name, ""),
                None => ("truth.rs", name),
            };
            let file = if file == "step" { "../examples/step/programs.rs" } else { file };
            assert!(read(file).contains(&format!("fn {name}")), "{file} has no test {name}");
        }
    }
}
