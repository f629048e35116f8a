//! Lesson 4: a slot that is used again, a second wake of who is queued, and a flag that comes down late.

use super::{Clock, Fault, Lesson, Question, at, named, say, word};
use runtime::Runtime;
use runtime::explore::WhatIf;
use runtime::task::yield_now;
use runtime::trace::Kind;
use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

pub(super) const LESSON: Lesson = Lesson {
    number: 4,
    questions: [
        Question::Steps(Clock::Virtual, an_old_waker, |story| {
            let refused = story.first(|kind| matches!(kind, Kind::PushRefused { stale: true, .. })).seq;
            at(refused, [story.notes().join(", ")])
        }),
        Question::Steps(Clock::Virtual, woken_once_more, |story| {
            let a = story.task("A");
            let refused =
                story.first(|kind| matches!(kind, Kind::PushRefused { task, stale: false } if *task == a)).seq;
            let stays = story.before(refused).queue() == story.before(refused + 1).queue();
            let place = if stays { "Where it stood" } else { "Elsewhere" };
            at(refused, [format!("{place}, and {} poll", word(story.after(refused).polls(a).len()))])
        }),
        Question::Faulty(Fault {
            program: "fair",
            fault: WhatIf::ClearLate,
            says: "One that is woken in its own poll",
        }),
        Question::Steps(Clock::Virtual, a_slot_is_used_again, |story| {
            let slot = |wanted: &str| {
                let is_it = |kind: &Kind| matches!(kind, Kind::Spawn { name: Some(name), .. } if &**name == wanted);
                let Kind::Spawn { slot, .. } = story.first(is_it).kind else { unreachable!("it is a spawn") };
                slot
            };
            // The first late wake finds nobody. Before the second one the slot has been used again.
            let late = story.all(|kind| matches!(kind, Kind::PushRefused { stale: true, .. }));
            let again = slot("Anna") == slot("Ben");
            let says = if late.len() == 2 && again { "As long as no slot is used again" } else { "Always" };
            at(late[1].seq, [says])
        }),
    ],
};

/// A task that gives its waker away, and ends.
fn gives_its_waker(kept: &Rc<RefCell<Option<Waker>>>) {
    let keeps = Rc::clone(kept);
    drop(named(
        "Anna",
        poll_fn(move |cx| {
            say("Anna");
            keeps.replace(Some(cx.waker().clone()));
            Poll::Ready(())
        }),
    ));
}

fn an_old_waker(runtime: &Runtime) {
    runtime.block_on(async {
        let kept = Rc::new(RefCell::new(None));
        gives_its_waker(&kept);
        yield_now().await;
        let mut wakes = 2;
        drop(named(
            "Ben",
            poll_fn(move |cx| {
                say("Ben");
                for _ in 0..std::mem::take(&mut wakes) {
                    cx.waker().wake_by_ref();
                }
                Poll::<()>::Pending
            }),
        ));
        for turn in 1..=3 {
            yield_now().await;
            say(format!("main {turn}"));
        }
        let waker = kept.take();
        waker.into_iter().for_each(Waker::wake);
        yield_now().await;
        say("the end");
    });
}

fn woken_once_more(runtime: &Runtime) {
    runtime.block_on(async {
        let kept = Rc::new(RefCell::new(None::<Waker>));
        let keeps = Rc::clone(&kept);
        let mut polls = 0;
        let a = named(
            "A",
            poll_fn(move |cx| {
                keeps.replace(Some(cx.waker().clone()));
                polls += 1;
                if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
            }),
        );
        yield_now().await;
        drop(named("B", yield_now()));
        let waker = kept.take().expect("A has been polled");
        waker.wake_by_ref();
        say("A stands behind B");
        waker.wake();
        a.await.expect("it ends");
    });
}

fn a_slot_is_used_again(runtime: &Runtime) {
    runtime.block_on(async {
        let kept = Rc::new(RefCell::new(None));
        gives_its_waker(&kept);
        yield_now().await;
        let waker = kept.take().expect("Anna has been polled");
        say("her slot is empty");
        waker.wake_by_ref();
        drop(named("Ben", pending::<()>()));
        say("Ben lives in it");
        waker.wake();
        yield_now().await;
    });
}
