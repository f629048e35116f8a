//! Lesson 3: who stands in the queue, where a sleeping task is, and a turn that does not end.

use super::{Clock, Lesson, Question, at, ms, named, say};
use runtime::Runtime;
use runtime::net::TcpListener;
use runtime::task::yield_now;
use runtime::time::sleep;
use runtime::trace::Kind;
use std::collections::VecDeque;
use std::future::Future;
use std::task::{Context, Poll, Waker};

pub(super) const LESSON: Lesson = Lesson {
    number: 3,
    questions: [
        Question::Steps(Clock::Virtual, spawns_two, |story| {
            let main = story.task("main");
            let yields = story.after(story.note("both are spawned"));
            let yields = yields.first(|kind| matches!(kind, Kind::Push { task } if *task == main)).seq;
            let before: Vec<String> = story.before(yields).queue().into_iter().map(|task| story.name(task)).collect();
            at(yields, [format!("it goes to the end, behind {}", before.join(" and "))])
        }),
        Question::Steps(Clock::Virtual, three_yield_twice, |story| {
            let main = story.task("main");
            let is_it = |kind: &Kind| matches!(kind, Kind::PollBegin { task } if *task != main);
            let fourth = story.all(is_it)[3];
            let Kind::PollBegin { task } = fourth.kind else { unreachable!("it is a poll") };
            at(fourth.seq, [format!("{}.", story.name(task))])
        }),
        Question::Steps(Clock::Virtual, waits_for_a_socket, |story| {
            let ben = story.task("Ben");
            let waits = story.first(|kind| matches!(kind, Kind::IoWaits { .. })).seq;
            let later = story.note("later");
            let is_queued = story.before(later).queue().contains(&ben);
            let is_sent = |kind: &Kind| matches!(kind, Kind::RemoteSent { .. });
            let only = !is_queued && story.before(later).all(is_sent).is_empty();
            at(waits, [if only { "Only in `all`" } else { "Also in another one" }])
        }),
        Question::Steps(Clock::Virtual, until_it_is_empty, |story| {
            let notes = story.notes();
            let polls =
                |name: &str| notes.iter().filter(|note| note.starts_with("poll") && note.ends_with(name)).count();
            let ends = notes.contains(&"the turn ends");
            let both = [polls("Ben"), polls("Cleo")] == [3, 3];
            at(
                story.note("a turn begins"),
                [
                    if ends { "The turn ends" } else { "The turn never ends" },
                    if both { "Ben and Cleo still have their polls" } else { "Ben and Cleo wait" },
                    if ends { "is done" } else { "between two turns is never done" },
                ],
            )
        }),
    ],
};

fn spawns_two(runtime: &Runtime) {
    runtime.block_on(async {
        for name in ["Anna", "Ben"] {
            drop(named(name, async move {
                say(format!("{name}, first poll"));
                yield_now().await;
                say(format!("{name}, second poll"));
            }));
        }
        say("both are spawned");
        yield_now().await;
        say("main again");
        yield_now().await;
    });
}

fn three_yield_twice(runtime: &Runtime) {
    runtime.block_on(async {
        for name in ["Anna", "Ben", "Cleo"] {
            drop(named(name, async {
                yield_now().await;
                yield_now().await;
            }));
        }
        sleep(ms(10)).await;
    });
}

/// A loop of a few lines whose turn goes on until the queue is empty. After 100 polls nobody watches it any more.
fn until_it_is_empty(_: &Runtime) {
    let yields = |name: &'static str, times: u32| {
        let mut left = times;
        let task = std::future::poll_fn(move |_| {
            say(format!("poll of {name}"));
            left = left.saturating_sub(1);
            if left > 0 { Poll::Pending } else { Poll::Ready(()) }
        });
        Box::pin(task)
    };
    // Who yields is Pending, and back in the queue at once. Anna yields for ever.
    let mut queue = VecDeque::from([yields("Anna", u32::MAX), yields("Ben", 3), yields("Cleo", 3)]);
    let mut cx = Context::from_waker(Waker::noop());
    say("a turn begins");
    for _ in 0..100 {
        let Some(mut task) = queue.pop_front() else {
            say("the turn ends");
            return;
        };
        if task.as_mut().poll(&mut cx).is_pending() {
            queue.push_back(task);
        }
    }
}

fn waits_for_a_socket(runtime: &Runtime) {
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback works");
        let ben = named("Ben", async move { listener.accept().await.is_ok() });
        sleep(ms(10)).await;
        say("later");
        ben.abort();
    });
}
