//! Lesson 6: a poll that takes long, when the time of a sleep begins, and what a dropped timer leaves.

use super::{Clock, Lesson, Question, Story, at, ms, named, polled_once, say, word};
use runtime::Runtime;
use runtime::task::yield_now;
use runtime::time::{now, sleep, timeout};
use runtime::trace::{Kind, TaskNumber};
use std::thread;

pub(super) const LESSON: Lesson = Lesson {
    number: 6,
    questions: [
        // How late they are is the machine's; in which order is the loop's.
        Question::Steps(Clock::System, a_long_poll, |story| {
            let notes = story.notes();
            at(story.note("short"), [format!("\"{}\", then {} and {}", notes[0], notes[1], notes[2])])
        }),
        Question::Steps(Clock::Virtual, counts_from_the_call, |story| {
            at(story.first(|kind| matches!(kind, Kind::Note { .. })).seq, [story.notes()[0], "from the call"])
        }),
        Question::Steps(Clock::System, both_are_due, |story| {
            let polled = |name| *story.polls(story.task(name)).last().expect("it is polled");
            let mut order = [("A", polled("A")), ("B", polled("B"))];
            order.sort_by_key(|(_, seq)| *seq);
            let fired = story.all(|kind| matches!(kind, Kind::TimerFired { .. }));
            let is_one_look = turn_of(story, "A") == turn_of(story, "B");
            let looks = if is_one_look { "once; both fire at this look" } else { "twice" };
            at(fired[0].seq, [format!("{}, then {}.", order[0].0, order[1].0), looks.to_owned()])
        }),
        Question::Steps(Clock::Virtual, a_timeout_for_each, |story| {
            let (mut armed, mut most) = (0_usize, 0);
            for event in story.all(|_| true) {
                match event.kind {
                    Kind::TimerArmed { .. } => armed += 1,
                    Kind::TimerDropped { .. } => armed -= 1,
                    _ => {}
                }
                most = most.max(armed);
            }
            let says = if most <= 2 { "One or two".to_owned() } else { word(most).to_owned() };
            at(story.note("all are answered"), [says, "each is dropped".to_owned()])
        }),
    ],
};

/// The turn in which this task is polled for the last time.
fn turn_of(story: &Story<'_>, name: &str) -> u64 {
    let wanted: TaskNumber = story.task(name);
    let polls = story.all(|kind| matches!(kind, Kind::PollBegin { task } if *task == wanted));
    polls.last().expect("it is polled").turn
}

/// The long poll begins when both timers are armed, and ends when both are due.
fn a_long_poll(runtime: &Runtime) {
    runtime.block_on(async {
        let mut long = Box::pin(sleep(ms(60)));
        let short = sleep(ms(50));
        let nap = named("short", async {
            short.await;
            say("short");
        });
        let _ = polled_once(&mut long).await;
        yield_now().await;
        drop(named("blocks", async {
            thread::sleep(ms(70));
            say("the long poll is over");
        }));
        long.await;
        say("long");
        nap.await.expect("it ends");
    });
}

fn counts_from_the_call(runtime: &Runtime) {
    runtime.block_on(async {
        let nap = sleep(ms(100));
        // It takes 60 ms until somebody awaits it.
        sleep(ms(60)).await;
        let start = now();
        nap.await;
        say(format!("{} ms", (now() - start).as_millis()));
    });
}

/// The long poll of the third task begins when both others have armed their timers.
fn both_are_due(runtime: &Runtime) {
    runtime.block_on(async {
        let a = named("A", sleep(ms(50)));
        let b = named("B", sleep(ms(60)));
        yield_now().await;
        thread::sleep(ms(70));
        a.await.expect("it ends");
        b.await.expect("it ends");
    });
}

fn a_timeout_for_each(runtime: &Runtime) {
    runtime.block_on(async {
        for _ in 0..10 {
            let request = sleep(ms(1));
            timeout(ms(60_000), request).await.expect("it takes 1 ms");
        }
        say("all are answered");
    });
}
