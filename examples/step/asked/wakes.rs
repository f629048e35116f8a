//! Lesson 5: two steps and two steps in six orders, and three mailboxes that lose a wake.

use super::{Clock, Lesson, Question, at, ms, named, say};
use runtime::Runtime;
use runtime::task::yield_now;
use runtime::time::sleep;
use runtime::trace::Kind;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

pub(super) const LESSON: Lesson = Lesson {
    number: 5,
    questions: [
        Question::Steps(Clock::Virtual, six_orders, |story| {
            let notes = story.notes();
            let counts: Vec<&str> = notes.iter().filter_map(|note| note.split(": ").nth(1)).collect();
            at(story.note("both look first"), [counts.join(" ")])
        }),
        Question::Steps(Clock::Virtual, never_wakes, |story| {
            let put = story.note("a put");
            let again = !story.after(put).polls(story.task("test")).is_empty();
            let never = if again { "it is polled again" } else { "The take is never polled again" };
            let says =
                if story.notes().contains(&"the assertion") { "It fails" } else { "Nothing: it never gets there" };
            at(put, [says, never])
        }),
        Question::Steps(Clock::Virtual, keeps_the_first_waker, |story| {
            let put = story.note("a put");
            let woken = story.after(put).woken()[0];
            let ben = story.after(put).polls(story.task("Ben")).len();
            let wakes = if ben == 0 { "A value in a mailbox wakes nobody" } else { "Ben is polled" };
            at(put, [wakes.to_owned(), format!("the mailbox has used {}'s", story.name(woken))])
        }),
        Question::Steps(Clock::Virtual, forgets_at_drop, |story| {
            let dropped =
                story.first(|kind| matches!(kind, Kind::TaskEnd { task, .. } if *task == story.task("Anna"))).seq;
            let ben = story.after(dropped).polls(story.task("Ben")).len();
            let sleeps = if ben == 0 { "Ben sleeps beside his value until the next put" } else { "Ben is polled" };
            let left = story.notes().last().copied().unwrap_or_default();
            at(dropped, [left, "The wake for it was spent on a take that is gone", sleeps])
        }),
    ],
};

/// What the loop and another thread write.
#[derive(Default)]
struct Both {
    parked: bool,
    asleep: bool,
    message: bool,
    rung: bool,
}

/// A step of one of the two.
type Step = fn(&mut Both);

/// In how many of the six orders the loop sleeps, with a message and without a ring.
fn lost(on_loop: [Step; 2], on_other: [Step; 2]) -> usize {
    let orders = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]];
    let is_lost = |places: &[usize; 2]| {
        let (mut on_loop, mut on_other, mut it) = (on_loop.iter(), on_other.iter(), Both::default());
        for place in 0..4 {
            let side = if places.contains(&place) { &mut on_loop } else { &mut on_other };
            side.next().expect("two steps each")(&mut it);
        }
        it.asleep && !it.rung
    };
    orders.iter().filter(|places| is_lost(places)).count()
}

fn six_orders(runtime: &Runtime) {
    let (announce, park): (Step, Step) = (|it| it.parked = true, |it| it.asleep = !it.message);
    let (post, ring): (Step, Step) = (|it| it.message = true, |it| it.rung = it.parked);
    runtime.block_on(async {
        say(format!("each writes first, lost: {}", lost([announce, park], [post, ring])));
        say(format!("the loop looks first, lost: {}", lost([park, announce], [post, ring])));
        say(format!("the other looks first, lost: {}", lost([announce, park], [ring, post])));
        say(format!("both look first, lost: {}", lost([park, announce], [ring, post])));
    });
}

/// What is wrong with a mailbox.
#[derive(Clone, Copy, PartialEq)]
enum Wrong {
    NeverWakes,
    KeepsTheFirstWaker,
    ForgetsAtDrop,
}

/// A mailbox with a fault: a put wakes the first who waits, or nobody.
struct Mailbox {
    wrong: Wrong,
    values: Cell<u32>,
    waits: RefCell<VecDeque<Waker>>,
}

impl Mailbox {
    fn new(wrong: Wrong) -> Rc<Mailbox> {
        Rc::new(Mailbox { wrong, values: Cell::new(0), waits: RefCell::default() })
    }

    fn put(&self) {
        say("a put");
        self.values.set(self.values.get() + 1);
        let waiter = self.waits.borrow_mut().pop_front();
        waiter.into_iter().filter(|_| self.wrong != Wrong::NeverWakes).for_each(Waker::wake);
    }

    /// One value. Whoever polls first is in the line for good.
    fn take(self: &Rc<Mailbox>) -> impl Future<Output = ()> + use<> {
        let (it, mut is_in_line) = (Rc::clone(self), false);
        poll_fn(move |cx| {
            if it.values.get() > 0 {
                it.values.set(it.values.get() - 1);
                return Poll::Ready(());
            }
            if !std::mem::replace(&mut is_in_line, true) {
                it.waits.borrow_mut().push_back(cx.waker().clone());
            }
            Poll::Pending
        })
    }
}

fn never_wakes(runtime: &Runtime) {
    runtime.block_on(async {
        let mailbox = Mailbox::new(Wrong::NeverWakes);
        let take = mailbox.take();
        let test = named("test", async move {
            take.await;
            say("the assertion");
        });
        yield_now().await;
        mailbox.put();
        sleep(ms(10)).await;
        test.abort();
    });
}

fn keeps_the_first_waker(runtime: &Runtime) {
    runtime.block_on(async {
        let mailbox = Mailbox::new(Wrong::KeepsTheFirstWaker);
        let take = Rc::new(RefCell::new(Box::pin(mailbox.take())));
        // Anna polls the take once, and after that Ben does.
        let (annas, mut polled) = (Rc::clone(&take), false);
        let anna = named(
            "Anna",
            poll_fn(move |cx| match std::mem::replace(&mut polled, true) {
                false => annas.borrow_mut().as_mut().poll(cx),
                true => Poll::Ready(()),
            }),
        );
        yield_now().await;
        let ben = named("Ben", poll_fn(move |cx| take.borrow_mut().as_mut().poll(cx)));
        yield_now().await;
        mailbox.put();
        anna.await.expect("it ends");
        sleep(ms(10)).await;
        ben.abort();
    });
}

fn forgets_at_drop(runtime: &Runtime) {
    runtime.block_on(async {
        let mailbox = Mailbox::new(Wrong::ForgetsAtDrop);
        let anna = named("Anna", mailbox.take());
        let ben = named("Ben", mailbox.take());
        yield_now().await;
        mailbox.put();
        // As a timeout does: it is dropped before it is polled.
        anna.abort();
        sleep(ms(10)).await;
        if mailbox.values.get() == 1 && !ben.is_finished() {
            say("A value is in the mailbox, and Ben waits for one");
        }
        ben.abort();
    });
}
