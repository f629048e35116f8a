//! Lesson 8: three gathers of the same children, and who is polled at a wake.

use super::{Clock, Lesson, Question, at, ms, named, say, times, word};
use gather::gather;
use runtime::Runtime;
use runtime::task::yield_now;
use runtime::time::{sleep, timeout};
use runtime::trace::{Event, GatherNumber, Kind};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

pub(super) const LESSON: Lesson = Lesson {
    number: 8,
    questions: [
        Question::Steps(Clock::Virtual, eight_naps, |story| {
            let notes = story.notes();
            let count = |note: usize, of: usize| notes[note].split([' ', ',']).filter_map(|it| it.parse().ok()).nth(of);
            let polls = |note| [count(note, 0), count(note, 1)].map(|it: Option<usize>| it.expect("two numbers"));
            let [[naive, first], [selective, second], [counted, third]] = [polls(0), polls(1), polls(2)];
            let parents = if first == second && second == third { "in all three" } else { "in one of them" };
            let others = if selective == counted { "the other two" } else { "one of the other two" };
            at(
                story.note("naive"),
                [
                    format!("the gather is polled {} {parents}", times(first)),
                    format!("Child 8 is polled {} by `naive`", times(naive)),
                    format!("By {others} it is polled {}", times(counted)),
                ],
            )
        }),
        Question::Steps(Clock::Virtual, all_are_woken, |story| {
            let notes = story.notes();
            let polls = |note: &str| note.split_once(": ").map(|(_, polls)| polls.to_owned());
            let same = polls(notes[0]) == polls(notes[1]) && polls(notes[1]) == polls(notes[2]);
            at(story.note("naive"), [if same { "They make the same polls" } else { "They differ" }])
        }),
        Question::Steps(Clock::Virtual, woken_twice, |story| {
            let main = story.task("main");
            let rings = story.note("three wakes");
            let next = story.after(rings).first(|kind| matches!(kind, Kind::TimerFired { .. })).seq;
            let after = story.after(rings).before(next);
            let places: Vec<String> =
                after.all(|kind| matches!(kind, Kind::ChildPoll { .. })).into_iter().map(place).collect();
            let says = format!("{}: places {}, each once", word(places.len()), places.join(" and "));
            at(rings, [says, format!("The task has {} poll", word(after.polls(main).len()))])
        }),
        Question::Steps(Clock::Virtual, one_forgets, |story| {
            let gathered = story.all(|kind| matches!(kind, Kind::ChildPoll { place: 1, .. }));
            let hangs = story.notes().contains(&"the gather hangs");
            let naive = story.notes().iter().filter(|note| **note == "naive polls who has forgotten").count();
            let polled =
                if naive > gathered.len() { "it is polled whenever another child is woken" } else { "it hangs, too" };
            at(gathered[0].seq, [if hangs { "It hangs" } else { "It ends" }, polled])
        }),
    ],
};

/// The place that a child's poll is about.
fn place(event: &Event) -> String {
    match event.kind {
        Kind::ChildPoll { gather: GatherNumber(_), place } => place.to_string(),
        _ => "none".to_owned(),
    }
}

/// Polls of a future, counted.
async fn counted<F: Future>(future: F, polls: &Cell<usize>) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        polls.set(polls.get() + 1);
        future.as_mut().poll(cx)
    })
    .await
}

/// A child of the two gathers below.
type Child<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Polls all children that have not ended, at each poll.
pub(crate) async fn naive(children: Vec<Child<'_>>) {
    let mut children: Vec<Option<Child<'_>>> = children.into_iter().map(Some).collect();
    poll_fn(|cx| {
        for place in &mut children {
            if place.as_mut().is_some_and(|child| child.as_mut().poll(cx).is_ready()) {
                *place = None;
            }
        }
        if children.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A child's waker: it raises the child's flag, and wakes the task.
struct Flag {
    is_up: AtomicBool,
    task: Waker,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.is_up.store(true, Ordering::SeqCst);
        self.task.wake_by_ref();
    }
}

/// Polls the children whose flag is up. To find them it looks at all.
async fn selective(children: Vec<Child<'_>>) {
    let task = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    let flag = |child| (Some(child), Arc::new(Flag { is_up: AtomicBool::new(true), task: task.clone() }));
    let mut children: Vec<(Option<Child<'_>>, Arc<Flag>)> = children.into_iter().map(flag).collect();
    poll_fn(|_| {
        for (place, flag) in &mut children {
            let waker = Waker::from(Arc::clone(flag));
            let is_woken = flag.is_up.swap(false, Ordering::SeqCst);
            let mut cx = Context::from_waker(&waker);
            if is_woken && place.as_mut().is_some_and(|child| child.as_mut().poll(&mut cx).is_ready()) {
                *place = None;
            }
        }
        if children.iter().all(|(child, _)| child.is_none()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// The gather with this name.
async fn gathered(form: &str, children: Vec<Child<'_>>) {
    match form {
        "naive" => naive(children).await,
        "selective" => selective(children).await,
        _ => _ = gather(children).await,
    }
}

const FORMS: [&str; 3] = ["naive", "selective", "gather"];

fn eight_naps(runtime: &Runtime) {
    for form in FORMS {
        runtime.block_on(async {
            let polls = [const { Cell::new(0) }; 9];
            let nap = |place: usize| Box::pin(counted(sleep(ms(place as u64)), &polls[place])) as Child<'_>;
            counted(gathered(form, (1..=8).map(nap).collect()), &polls[0]).await;
            say(format!("{form}: {} polls of the last child, {} of the gather", polls[8].get(), polls[0].get()));
        });
    }
}

/// Ten children, of which each is woken in each of three turns.
fn all_are_woken(runtime: &Runtime) {
    for form in FORMS {
        runtime.block_on(async {
            let polls = Cell::new(0);
            let three = || async {
                for _ in 0..3 {
                    yield_now().await;
                }
            };
            let children = (0..10).map(|_| Box::pin(counted(three(), &polls)) as Child<'_>).collect();
            gathered(form, children).await;
            say(format!("{form}, polls of all children: {}", polls.get()));
        });
    }
}

/// What a child waits for, and its waker.
#[derive(Default)]
struct Door {
    is_open: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Door {
    async fn opened(self: Rc<Self>) {
        poll_fn(|cx| {
            self.waker.replace(Some(cx.waker().clone()));
            if self.is_open.get() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn knock(&self) {
        let waker = self.waker.borrow().clone();
        waker.into_iter().for_each(Waker::wake);
    }
}

fn woken_twice(runtime: &Runtime) {
    runtime.block_on(async {
        let doors: Vec<Rc<Door>> = (0..6).map(|_| Rc::default()).collect();
        let knocks = doors.clone();
        drop(named("knocks", async move {
            say("three wakes");
            for place in [3, 5, 3] {
                knocks[place].knock();
            }
        }));
        let all = gather(doors.iter().map(|door| Rc::clone(door).opened()));
        let _ = timeout(ms(1), all).await;
    });
}

/// Pending once, without a waker that anybody keeps.
fn forgets(told: &'static str) -> impl Future<Output = ()> {
    let mut polls = 0;
    poll_fn(move |_| {
        say(told);
        polls += 1;
        if polls > 1 { Poll::Ready(()) } else { Poll::Pending }
    })
}

fn one_forgets(runtime: &Runtime) {
    runtime.block_on(async {
        let children = |told| [Box::pin(sleep(ms(10))) as Child<'_>, Box::pin(forgets(told))];
        if timeout(ms(100), gather(children("gather polls who will forget"))).await.is_err() {
            say("the gather hangs");
        }
        naive(children("naive polls who has forgotten").into()).await;
    });
}
