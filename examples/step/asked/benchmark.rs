//! Lesson 14: a mean and a median, a machine that changes, where a loop parks, and the end of a way of waits.

use super::{Bell, Clock, Lesson, Question, at, ms, named, say};
use runtime::Runtime;
use runtime::task::yield_now;
use runtime::time::sleep;
use runtime::trace::{Kind, TaskNumber};
use std::rc::Rc;

pub(super) const LESSON: Lesson = Lesson {
    number: 14,
    questions: [
        Question::Steps(Clock::Virtual, mean_and_median, |story| at(story.note("by the median"), story.notes())),
        Question::Steps(Clock::Virtual, a_machine_that_changes, |story| {
            let [apart, alternated] = story.notes()[..] else { unreachable!("two figures") };
            let is_wrong = !apart.ends_with(" 1.0") && alternated.ends_with(" 1.0");
            at(story.note(apart), [if is_wrong { "may have become slower or faster in between" } else { "Nothing" }])
        }),
        Question::Steps(Clock::System, parks_without_a_socket, |story| {
            let park = story.first(|kind| matches!(kind, Kind::Park { .. })).seq;
            let sockets = story.all(|kind| matches!(kind, Kind::IoRegistered { .. }));
            let says = if sockets.is_empty() { "No. Every loop with nothing to do parks there" } else { "Yes" };
            at(park, [says])
        }),
        Question::Steps(Clock::Virtual, two_wait_for_a_letter, |story| {
            // From main on, each waits for the next one.
            let (mut way, mut here) = (Vec::new(), Some(story.task("main")));
            while let Some(task) = here {
                way.push(task);
                here = waits_for(story, task).filter(|next| !way.contains(next));
            }
            let ends = way.last().map(|task| story.name(*task)).expect("main is on it");
            let other = way.contains(&story.task("the other one"));
            let not = if other { "main waits for both" } else { "For the other one main does not wait" };
            let end = if ends == "the culprit" { "The culprit is the one at the end of this way" } else { "unknown" };
            at(story.note("nobody writes"), ["Follow the waits from main", end, not])
        }),
    ],
};

/// For whose end this task waits.
fn waits_for(story: &super::Story<'_>, task: TaskNumber) -> Option<TaskNumber> {
    let mut at_poll = None;
    let mut whom = None;
    for event in story.all(|_| true) {
        match event.kind {
            Kind::PollBegin { task } => at_poll = Some(task),
            Kind::Waits { whom: Some(it), .. } if at_poll == Some(task) => whom = Some(it),
            _ => {}
        }
    }
    whom
}

fn mean(rounds: &[f64]) -> f64 {
    rounds.iter().sum::<f64>() / rounds.len() as f64
}

fn median(rounds: &[f64]) -> f64 {
    let mut rounds = rounds.to_vec();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn mean_and_median(_: &Runtime) {
    // Milliseconds of five rounds.
    let ours = [10.0, 10.0, 160.0, 10.0, 10.0];
    let theirs = [20.0, 20.0, 20.0, 20.0, 20.0];
    say(format!("by the mean {}", mean(&theirs) / mean(&ours)));
    say(format!("by the median {}", median(&theirs) / median(&ours)));
}

/// The same program twice, on a machine that takes twice as long from half of the time on.
fn a_machine_that_changes(_: &Runtime) {
    let takes = |round: usize| if round < 11 { 10.0 } else { 20.0 };
    let rounds = |which: fn(usize) -> bool| (0..22).filter(|round| which(*round)).map(takes).collect::<Vec<f64>>();
    let apart = median(&rounds(|round| round >= 11)) / median(&rounds(|round| round < 11));
    say(format!("one after the other: {apart:.1}"));
    // Each pair is compared, and then the median is taken.
    let pairs: Vec<f64> = (0..10).map(|pair| takes(2 * pair + 1) / takes(2 * pair)).collect();
    say(format!("in alternation: {:.1}", median(&pairs)));
}

fn parks_without_a_socket(runtime: &Runtime) {
    runtime.block_on(sleep(ms(5)));
}

fn two_wait_for_a_letter(runtime: &Runtime) {
    let waits = |name: &str, bell: &Rc<Bell>| {
        let bell = Rc::clone(bell);
        named(name, async move { bell.heard().await })
    };
    let scene = async {
        let letters = [Rc::new(Bell::default()), Rc::new(Bell::default())];
        let culprit = waits("the culprit", &letters[0]);
        let other = waits("the other one", &letters[1]);
        let post = named("the post", async { culprit.await.expect("it ends") });
        drop(named("a clock", async {
            sleep(ms(10)).await;
            say("nobody writes");
        }));
        yield_now().await;
        let main = runtime::time::timeout(ms(20), post).await;
        other.abort();
        drop(main);
    };
    runtime.block_on(scene);
}
