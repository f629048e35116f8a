//! Lesson 1: what is made and not awaited, three wakes and one poll, and a flag in the wrong place.

use super::{Bell, Clock, Fault, Lesson, Question, at, named, say, word};
use runtime::Runtime;
use runtime::explore::WhatIf;
use runtime::task::yield_now;
use runtime::time::{sleep, timeout};
use runtime::trace::Kind;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

pub(super) const LESSON: Lesson = Lesson {
    number: 1,
    questions: [
        Question::Steps(Clock::Virtual, one_is_awaited, |story| {
            let greeted = story.notes().contains(&"hello, Anna");
            let nobody = if greeted { "Anna is greeted" } else { "Nobody greets Anna" };
            at(story.note("hello"), story.notes().into_iter().chain([nobody]))
        }),
        Question::Steps(Clock::Virtual, is_woken_three_times, |story| {
            let main = story.task("main");
            let third = story.all(|kind| matches!(kind, Kind::Wake { task, .. } if *task == main))[2].seq;
            at(third, [word(story.after(third).polls(main).len())])
        }),
        Question::Faulty(Fault { program: "fair", fault: WhatIf::ClearLate, says: "Nobody will call wake again" }),
        Question::Steps(Clock::Virtual, unparks_first, |story| at(story.note("nobody looks any more"), story.notes())),
    ],
};

async fn greet(name: &str) {
    say(format!("hello, {name}"));
}

fn one_is_awaited(runtime: &Runtime) {
    let anna = greet("Anna");
    let ben = greet("Ben");
    say("both are made");
    runtime.block_on(ben);
    drop(anna);
}

fn is_woken_three_times(runtime: &Runtime) {
    runtime.block_on(async {
        let bell = Rc::new(Bell::default());
        let rings = Rc::clone(&bell);
        drop(named("ringer", async move {
            let waker = rings.waits.borrow().clone().expect("main waits");
            for _ in 0..3 {
                waker.wake_by_ref();
            }
            rings.ring();
        }));
        bell.heard().await;
    });
}

/// The two sides of a wake, as two tasks: each step is a poll, and in this order the wake is lost. The loop has been asleep.
fn unparks_first(runtime: &Runtime) {
    runtime.block_on(async {
        let (token, flag) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
        let (gives, raises) = (Rc::clone(&token), Rc::clone(&flag));
        let wake = named("wake", async move {
            say("`wake` unparks it");
            gives.set(true);
            yield_now().await;
            yield_now().await;
            say("`wake` sets the flag");
            raises.set(true);
        });
        let sees = Rc::clone(&flag);
        let sleeper = named("loop", async move {
            while !sees.get() {
                // To park: until there is a token, and that is taken.
                while !token.replace(false) {
                    sleep(Duration::from_millis(1)).await;
                }
                if !sees.get() {
                    say("finds the flag down");
                    say("and parks again");
                }
            }
        });
        wake.await.expect("it ends");
        if timeout(Duration::from_millis(20), sleeper).await.is_err() && flag.get() {
            say("nobody looks any more");
        }
    });
}
