//! Lesson 12: a thread that is blocked, a result that comes after its wake, and a job that nobody wants any more.

use super::{Clock, Lesson, Question, at, ms, named, say};
use runtime::Runtime;
use runtime::task::{spawn_blocking, yield_now};
use runtime::time::sleep;
use runtime::trace::{Kind, Nanos};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::thread;

pub(super) const LESSON: Lesson = Lesson {
    number: 12,
    questions: [
        // How many ticks come is the machine's; that none comes before Ben is the loop's.
        Question::Steps(Clock::System, three_hashes, |story| {
            let ben = story.note("Ben");
            let tick =
                story.notes().iter().take_while(|note| !note.starts_with("Ben")).any(|note| note.starts_with("tick"));
            let none = if tick { "a tick comes before that" } else { "no tick comes before that" };
            at(ben, ["Anna and Ben are hashed", none, story.notes().last().expect("it ends with a note")])
        }),
        Question::Steps(Clock::System, a_file_is_read, |story| {
            let Kind::TimerArmed { deadline: Nanos(deadline), .. } =
                story.first(|kind| matches!(kind, Kind::TimerArmed { .. })).kind
            else {
                unreachable!("it is armed")
            };
            let fired = story.first(|kind| matches!(kind, Kind::TimerFired { .. }));
            let read = story.note("it is read");
            let is_late = fired.at.as_nanos() > u128::from(deadline) && fired.seq > read;
            at(fired.seq, [if is_late { "They fire late" } else { "They fire in time" }])
        }),
        Question::Steps(Clock::Virtual, wakes_first, |story| {
            let put = story.note("the thread puts the result there");
            let again = !story.after(put).polls(story.task("waits")).is_empty();
            let says = story.notes().into_iter().skip_while(|note| *note != "wake").filter(|note| *note != "wake");
            at(put, says.chain([if again { "it is polled again" } else { "nobody calls it again" }]))
        }),
        Question::Steps(Clock::System, nobody_wants_it, |story| at(story.note("the thread"), story.notes())),
    ],
};

/// To hash a password stops the thread.
async fn hash(name: &str) {
    thread::sleep(ms(20));
    say(format!("{name} is hashed"));
}

/// A fifth of the lesson's times.
fn three_hashes(runtime: &Runtime) {
    runtime.block_on(async {
        let ticks = named("ticks", async {
            for tick in 1.. {
                sleep(ms(6)).await;
                say(format!("tick {tick}"));
            }
        });
        hash("Anna").await;
        hash("Ben").await;
        spawn_blocking(|| thread::sleep(ms(20))).await.expect("it ends");
        ticks.abort();
        say("Cleo is hashed");
    });
}

fn a_file_is_read(runtime: &Runtime) {
    runtime.block_on(async {
        let timer = named("sleeps", sleep(ms(50)));
        yield_now().await;
        // Stands for a read from a slow disk.
        thread::sleep(ms(60));
        say("it is read");
        timer.await.expect("it ends");
    });
}

/// The thread is a task here, so that its two steps come in this order in each run.
fn wakes_first(runtime: &Runtime) {
    runtime.block_on(async {
        let (result, waits) = (Rc::new(Cell::new(false)), Rc::new(RefCell::new(None::<Waker>)));
        let (looks, keeps) = (Rc::clone(&result), Rc::clone(&waits));
        let waiter = named(
            "waits",
            poll_fn(move |cx| {
                if looks.get() {
                    return Poll::Ready(());
                }
                keeps.replace(Some(cx.waker().clone()));
                say("the loop polls, finds nothing, keeps its waker again and says Pending");
                Poll::Pending
            }),
        );
        yield_now().await;
        let thread = named("thread", async move {
            say("wake");
            let waker = waits.take();
            waker.into_iter().for_each(Waker::wake);
            yield_now().await;
            say("the thread puts the result there");
            result.set(true);
        });
        thread.await.expect("it ends");
        sleep(ms(10)).await;
        waiter.abort();
    });
}

/// Tells when it is dropped.
struct Guard(Arc<AtomicBool>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn nobody_wants_it(runtime: &Runtime) {
    runtime.block_on(async {
        let (ends, is_dropped) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (goes_on, waits) = mpsc::channel::<()>();
        let (tells, result) = (Arc::clone(&ends), Guard(Arc::clone(&is_dropped)));
        let job = spawn_blocking(move || {
            // Until the request is cancelled.
            let _ = waits.recv();
            tells.store(true, Ordering::SeqCst);
            result
        });
        drop(job);
        drop(goes_on);
        while !is_dropped.load(Ordering::SeqCst) {
            sleep(ms(1)).await;
        }
        if ends.load(Ordering::SeqCst) {
            say("the thread runs on");
        }
        say("the result is dropped");
    });
}
