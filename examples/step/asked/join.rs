//! Lesson 10: a future and a task, a task that outlives who awaits it, a lock that nobody lets go, and an abort.

use super::{Clock, Lesson, Question, at, ms, named, polled_once, say};
use runtime::sync::Semaphore;
use runtime::task::yield_now;
use runtime::time::sleep;
use runtime::trace::{How, Kind};
use runtime::{AbortHandle, Runtime};
use std::cell::RefCell;
use std::rc::Rc;

pub(super) const LESSON: Lesson = Lesson {
    number: 10,
    questions: [
        Question::Steps(Clock::Virtual, a_future_and_a_task, |story| {
            let polled = story.notes().iter().any(|note| note.starts_with("a future"));
            let future = if polled { "The future is polled" } else { "The future prints nothing" };
            at(story.note("a task begins"), story.notes().into_iter().chain([future]))
        }),
        Question::Steps(Clock::Virtual, who_awaits_is_aborted, |story| {
            let (a, b) = (story.task("A"), story.task("B"));
            let aborted =
                story.first(|kind| matches!(kind, Kind::TaskEnd { task, how: How::Aborted } if *task == a)).seq;
            let later = story.after(aborted);
            let ends = later.all(|kind| matches!(kind, Kind::TaskEnd { task, how: How::Done } if *task == b));
            at(aborted, [if ends.is_empty() { "B is aborted, too" } else { "B goes on. A is dropped" }])
        }),
        Question::Steps(Clock::Virtual, a_futurelock, |story| {
            let notes = story.notes();
            let at_task = notes.iter().position(|note| *note == "now a task").expect("it is noted");
            let (before, after) = (&notes[..at_task], &notes[at_task..]);
            let nobody = if before.contains(&"somebody has the lock") { "Somebody" } else { "Nobody" };
            let is_let_go = after.contains(&"somebody has the lock");
            let task = if is_let_go { "would get its permit, and let the lock go" } else { "would not help" };
            at(story.note("the permit comes back"), [nobody, "makes no progress", task])
        }),
        Question::Steps(Clock::Virtual, aborted_in_a_loop, |story| {
            let abort = story.first(|kind| matches!(kind, Kind::Abort { .. })).seq;
            let steps = story.after(abort).notes().iter().filter(|note| note.starts_with("round")).count();
            let end = story.after(abort).first(|kind| matches!(kind, Kind::PollEnd { .. })).seq;
            let dropped = story.note("it is dropped");
            let is_after = steps == 2 && dropped > end;
            at(end, [if is_after { "After its poll, that is after the loop" } else { "At once" }])
        }),
    ],
};

async fn nap(name: &str) {
    say(format!("{name} begins"));
    yield_now().await;
    say(format!("{name} ends"));
}

fn a_future_and_a_task(runtime: &Runtime) {
    runtime.block_on(async {
        let future = nap("a future");
        let task = named("a task", nap("a task"));
        drop(named("a task without a handle", nap("a task without a handle")));
        yield_now().await;
        say("main awaits the task");
        task.await.expect("it ends");
        drop(future);
    });
}

fn who_awaits_is_aborted(runtime: &Runtime) {
    runtime.block_on(async {
        let b = named("B", sleep(ms(10)));
        let a = named("A", async { b.await.expect("it ends") });
        yield_now().await;
        a.abort();
        sleep(ms(20)).await;
    });
}

/// Holds the lock while it waits for a permit.
async fn works(lock: Rc<Semaphore>, line: Rc<Semaphore>) {
    let _lock = lock.acquire().await;
    let _permit = line.acquire().await;
}

fn a_futurelock(runtime: &Runtime) {
    let scene = |is_task: bool| {
        runtime.block_on(async {
            let (lock, line) = (Rc::new(Semaphore::new(1)), Rc::new(Semaphore::new(0)));
            let mut work = Box::pin(works(Rc::clone(&lock), Rc::clone(&line)));
            let _ = polled_once(&mut work).await;
            // From now on nobody polls it, or the loop does.
            let kept = if is_task {
                drop(named("the work", work));
                None
            } else {
                Some(work)
            };
            let wants = Rc::clone(&lock);
            let waits = named("wants the lock", async move {
                let _lock = wants.acquire().await;
                say("somebody has the lock");
            });
            yield_now().await;
            say("the permit comes back");
            line.add_permits(1);
            sleep(ms(10)).await;
            waits.abort();
            drop(kept);
        });
    };
    scene(false);
    say("now a task");
    scene(true);
}

/// Says when it is dropped.
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        say("it is dropped");
    }
}

fn aborted_in_a_loop(runtime: &Runtime) {
    runtime.block_on(async {
        let handle = Rc::new(RefCell::new(None::<AbortHandle>));
        let own = Rc::clone(&handle);
        let task = named("in a loop", async move {
            let _guard = Guard;
            for round in 1..=4 {
                say(format!("round {round}"));
                if round == 2 {
                    let abort = own.take();
                    abort.into_iter().for_each(|abort| abort.abort());
                }
            }
            std::future::pending::<()>().await;
        });
        handle.replace(Some(task.abort_handle()));
        let _ = task.await;
    });
}
