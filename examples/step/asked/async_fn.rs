//! Lesson 0: a body that stops at each await, what its future has room for, and a poll for another reason.

use super::{Clock, Lesson, Question, at, named, say, word};
use runtime::Runtime;
use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

pub(super) const LESSON: Lesson = Lesson {
    number: 0,
    questions: [
        Question::Steps(Clock::Virtual, greets, |story| at(story.note("hello"), story.notes())),
        Question::Steps(Clock::Virtual, has_room, |story| at(story.note("For "), [story.notes()[0]])),
        Question::Steps(Clock::Virtual, is_dropped, |story| {
            let dropped = story.note("dropped");
            let more = story.after(dropped).notes().len();
            at(dropped, [if more == 0 { "No more".to_owned() } else { format!("{more} more") }])
        }),
        Question::Steps(Clock::Virtual, is_polled_for_another_reason, |story| {
            let polls = story.polls(story.task("machine"));
            at(polls[1], [story.after(polls[1]).notes()[0]])
        }),
    ],
};

/// Pending at its first poll, Ready at its second. It is large, so that one sees how many there is room for.
struct Nap {
    is_over: bool,
    _load: [u64; 32],
}

fn nap() -> Nap {
    Nap { is_over: false, _load: [0; 32] }
}

impl Future for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.is_over, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

async fn greet(name: &str) -> usize {
    say(format!("hello, {name}"));
    nap().await;
    say(format!("bye, {name}"));
    name.len()
}

fn greets(runtime: &Runtime) {
    runtime.block_on(async {
        let mut cx = Context::from_waker(Waker::noop());
        let mut anna = pin!(greet("Anna"));
        say("made");
        let polled = anna.as_mut().poll(&mut cx);
        say(format!("{polled:?}"));
        say("meanwhile");
        let polled = anna.as_mut().poll(&mut cx);
        say(format!("{polled:?}"));
    });
}

fn has_room(runtime: &Runtime) {
    runtime.block_on(async {
        let ten = async {
            nap().await;
            nap().await;
            nap().await;
            nap().await;
            nap().await;
            nap().await;
            nap().await;
            nap().await;
            nap().await;
            nap().await;
        };
        say(format!("For {}", word(size_of_val(&ten) / size_of::<Nap>())));
        say(format!("{} bytes for a nap, {} for ten of them", size_of::<Nap>(), size_of_val(&ten)));
    });
}

fn is_dropped(runtime: &Runtime) {
    runtime.block_on(async {
        let mut anna = Box::pin(greet("Anna"));
        let _ = anna.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        say("dropped in its nap");
        drop(anna);
    });
}

/// A nap that is over when somebody says so.
struct Told(Rc<RefCell<(bool, Option<Waker>)>>);

impl Future for Told {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut it = self.0.borrow_mut();
        it.1 = Some(cx.waker().clone());
        if it.0 {
            return Poll::Ready(());
        }
        say("the nap says Pending again");
        Poll::Pending
    }
}

fn is_polled_for_another_reason(runtime: &Runtime) {
    runtime.block_on(async {
        let nap = Rc::new(RefCell::new((false, None::<Waker>)));
        let machine = named("machine", Told(Rc::clone(&nap)));
        let wake = |over| {
            nap.borrow_mut().0 = over;
            let waker = nap.borrow_mut().1.take();
            waker.into_iter().for_each(Waker::wake);
        };
        runtime::task::yield_now().await;
        // It is woken, and its nap is not over.
        wake(false);
        runtime::task::yield_now().await;
        wake(true);
        machine.await.expect("it ends");
    });
}
