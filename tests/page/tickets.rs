//! Who could still wake a task: the page says of every task what the list of a hang says.

use crate::node::{data, node};
use crate::{PROGRAMS, browse};
use runtime::sync::Semaphore;
use runtime::task;
use runtime::trace::Recorder;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::thread;
use tests::{panic_message, virtually};

/// The two ends of a sentence on a task that waits.
const PROVED: &str = "nobody holds a ticket of it";
const SUSPECTED: &str = "only sleeping tasks hold tickets of it, as far as the trace knows";

/// Runs what hangs. Gives its recorder, and by name what the list of the hang says of each task's tickets.
fn hang<F: Future>(program: impl FnOnce() -> F) -> (Recorder, Vec<(String, Option<&'static str>)>) {
    let recorder = Recorder::start();
    let reason = panic_message(|| virtually(program()));
    (recorder, listed(&reason))
}

fn listed(reason: &str) -> Vec<(String, Option<&'static str>)> {
    let tasks = reason.lines().filter(|line| line.starts_with("  "));
    let said = tasks.map(|line| {
        let name =
            line.split(['"', ',']).find(|part| !part.trim().is_empty() && !part.contains("task ")).expect("a name");
        (name.trim().to_owned(), [PROVED, SUSPECTED].into_iter().find(|end| line.ends_with(end)))
    });
    said.collect()
}

/// What the page says of each task when nothing can happen any more: by name, its cell and who has its tickets.
fn told(recorder: &Recorder) -> Option<Value> {
    let script = "
        const run = new History(data);
        const { seq } = run.events.find((e) => e.kind === 'Quiescent');
        const said = (at) => Object.fromEntries(Object.keys(run.at(at).tasks).map(Number).map((task) => {
            const state = run.at(at);
            return [run.name(task), [waitingText(state, waits(state), task), heldText(state.tasks[task]), suspects(state).includes(task)]];
        }));
        return [said(seq), said(seq - 1)];
    ";
    node("who could still wake a task", script, &data(recorder))
}

#[test]
fn the_page_says_of_each_task_what_the_list_of_the_hang_says() {
    let semaphores = || async {
        // One keeps a ticket of its own in a cell, one drops it, one waits for what the first has.
        let one = Rc::new(Semaphore::new(1));
        let holds = Rc::clone(&one);
        let cell = RefCell::new(None);
        let keeps = async move {
            let _permit = holds.acquire().await;
            poll_fn(move |cx| {
                *cell.borrow_mut() = Some(cx.waker().clone());
                Poll::<()>::Pending
            })
            .await
        };
        let _keeps = task::Builder::new().name("keeps").spawn(keeps);
        let waits = async move { drop(one.acquire().await) };
        let _waits = task::Builder::new().name("waits").spawn(waits);
        task::Builder::new().name("forgets").spawn(pending::<()>()).await
    };
    let mut runs = vec![hang(semaphores)];
    for program in PROGRAMS.iter().filter(|program| program.hangs) {
        let recording = program.record().unwrap();
        runs.push((recording.recorder, listed(&recording.panic.expect("it hangs"))));
    }
    for (recorder, listed) in &runs {
        let Some(told) = told(recorder) else { return };
        for (name, end) in listed {
            let [now, before] = [0, 1].map(|at| &told[at][name]);
            let end = end.unwrap_or_else(|| panic!("the list says nothing of {name}: {listed:?}"));
            let is_proved = now[0].as_str().is_some_and(|text| text.ends_with(PROVED));
            assert_eq!((is_proved, &now[2]), (end == PROVED, &(end == SUSPECTED).into()), "{name}: {now}");
            // That nothing can happen any more is known when the loop says so, and not before.
            assert_eq!(before[2], false, "{name}: {before}");
        }
    }
    let names = ["main", "keeps", "waits", "forgets"];
    let ends = [Some(SUSPECTED), Some(SUSPECTED), Some(SUSPECTED), Some(PROVED)];
    let mut expected: Vec<_> = names.iter().map(|name| (*name).to_owned()).zip(ends).collect();
    expected.sort();
    runs[0].1.sort();
    assert_eq!(runs[0].1, expected);
}

#[test]
fn a_ticket_that_another_thread_has_cloned_is_not_with_nobody() {
    let (recorder, listed) = hang(|| {
        poll_fn(|cx| {
            // The thread keeps a clone that it has made itself; the one that was made here is gone.
            let mine = cx.waker().clone();
            let clones = || std::mem::forget(mine.clone());
            thread::scope(|scope| {
                thread::Builder::new().name("keeper".into()).spawn_scoped(scope, clones).unwrap().join()
            })
            .unwrap();
            drop(mine);
            Poll::<()>::Pending
        })
    });
    assert_eq!(listed, [("main".to_owned(), Some(SUSPECTED))]);
    let said = step::transcript::sentences(&recorder.events());
    let shared = "The thread keeper clones a ticket of main: what other threads do with their tickets is not counted.";
    assert_eq!(said.iter().filter(|it| *it == shared).count(), 1, "{said:#?}");
    let Some(told) = told(&recorder) else { return };
    let [now, before] = [0, 1].map(|at| told[at]["main"].clone());
    let perhaps = "another thread, perhaps";
    assert_eq!([now, before], [json!([perhaps, perhaps, true]), json!([perhaps, perhaps, false])]);
}

#[test]
fn the_hang_is_told_in_the_table_of_tasks() {
    let page = crate::Page::introduced("deadlock", "sleeping");
    browse("sleeping", async |browser| {
        browser.look(1366, 768, "light").await;
        browser.open(&page.0).await;
        browser.eval("app.go(app.history.events.find((e) => e.kind === 'Quiescent').seq)").await;
        let suspected = "Suspected: only sleeping tasks hold tickets of main, Ada, Ben, as far as the trace knows.slot";
        assert!(browser.text("tasks").await.starts_with(suspected), "{}", browser.text("tasks").await);
        browser.click("#tasks .cycle").await;
        assert!(browser.text("ask").await.contains("Nothing can happen any more"), "{}", browser.text("ask").await);
        browser.eval("app.go(app.index - 1)").await;
        assert!(!browser.text("tasks").await.contains("only sleeping"));
    });
}
