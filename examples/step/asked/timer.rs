//! Lesson 2: two sleeps in one task, whom the ring wakes, and a leaf that looks too early.

use super::{Clock, Lesson, Question, at, ms, named, say, times, word};
use runtime::Runtime;
use runtime::task::yield_now;
use runtime::time::{Sleep, sleep};
use runtime::trace::{Kind, Woken};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, Waker};

pub(super) const LESSON: Lesson = Lesson {
    number: 2,
    questions: [
        Question::Steps(Clock::Virtual, two_in_one, |story| {
            let polls = story.polls(story.task("main"));
            let over = story.first(|kind| matches!(kind, Kind::Note { .. }));
            at(polls[1], [format!("{} polls, in {} ms", word(polls.len()), over.at.as_millis())])
        }),
        Question::Steps(Clock::Virtual, sleeps_for_an_hour, |story| {
            let polls = story.polls(story.task("sleeper"));
            at(polls[1], [times(polls.len())])
        }),
        Question::Steps(Clock::Virtual, is_given_away, |story| {
            let fired =
                story.first(|kind| matches!(kind, Kind::TimerFired { wakes: Woken(them), .. } if !them.is_empty()));
            let Kind::TimerFired { wakes: Woken(them), .. } = &fired.kind else { unreachable!("it has fired") };
            at(fired.seq, [format!("{}, which polled last", story.name(them[0]))])
        }),
        Question::Steps(Clock::Virtual, looks_too_early, |story| {
            let polls = story.polls(story.task("waits"));
            let end = if polls.len() == 1 { "says Pending" } else { "is polled again" };
            at(story.note("finds"), story.notes().into_iter().chain([end]))
        }),
    ],
};

fn two_in_one(runtime: &Runtime) {
    runtime.block_on(async {
        let mut long = pin!(sleep(ms(300)));
        let mut short = pin!(sleep(ms(100)));
        poll_fn(|cx| {
            if short.as_mut().poll(cx).is_ready() {
                say("short is ready");
                return Poll::Ready(());
            }
            long.as_mut().poll(cx)
        })
        .await;
    });
}

fn sleeps_for_an_hour(runtime: &Runtime) {
    runtime.block_on(async {
        named("sleeper", sleep(ms(60 * 60 * 1_000))).await.expect("it ends");
    });
}

/// A sleep that two tasks have.
type Shared = Rc<RefCell<Pin<Box<Sleep>>>>;

async fn over(sleep: Shared) {
    poll_fn(|cx| sleep.borrow_mut().as_mut().poll(cx)).await;
}

fn is_given_away(runtime: &Runtime) {
    runtime.block_on(async {
        let delay: Shared = Rc::new(RefCell::new(Box::pin(sleep(ms(10)))));
        let a = named("A", over(Rc::clone(&delay)));
        yield_now().await;
        // A has polled it. From now on B does.
        let b = named("B", over(delay));
        b.await.expect("it ends");
        a.abort();
    });
}

/// The alarm rings between the look and the moment at which the waker is kept.
fn looks_too_early(runtime: &Runtime) {
    runtime.block_on(async {
        let (has_rung, kept) = (Rc::new(Cell::new(false)), Rc::new(RefCell::new(None::<Waker>)));
        let ring = {
            let (has_rung, kept) = (Rc::clone(&has_rung), Rc::clone(&kept));
            move || {
                has_rung.set(true);
                match kept.take() {
                    Some(waker) => waker.wake(),
                    None => say("finds no waker, and wakes nobody"),
                }
            }
        };
        drop(named(
            "waits",
            poll_fn(move |cx| {
                if has_rung.get() {
                    return Poll::Ready(());
                }
                ring();
                kept.replace(Some(cx.waker().clone()));
                say("The poll has looked already, keeps a waker");
                Poll::Pending
            }),
        ));
        sleep(ms(10)).await;
    });
}
