//! Lesson 11: a hundred questions for a database, a permit of who is dropped, and Little's law.

use super::{Clock, Lesson, Question, at, ms, named, say};
use gather::gather;
use runtime::sync::Semaphore;
use runtime::time::{now, sleep};
use runtime::trace::{How, Kind, Recorder, TaskNumber};
use runtime::{AbortHandle, Runtime};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

pub(super) const LESSON: Lesson = Lesson {
    number: 11,
    questions: [
        Question::Steps(Clock::Virtual, a_hundred_at_once, |story| {
            let told = |field: usize| -> Vec<String> {
                let fields = story.notes().into_iter().map(|note| note.split(", ").nth(field).expect("two fields"));
                fields.map(|it| it.split(": ").last().expect("a time").to_owned()).collect()
            };
            let longest = told(1).join(", ").replace(" ms", "");
            let (most, last) = longest.rsplit_once(", ").expect("five times");
            at(story.note("4 permits"), [told(0).join(", "), format!("{most} and {last} ms")])
        }),
        Question::Steps(Clock::Virtual, a_permit_passes_on, |story| {
            let dropped = story.first(|kind| matches!(kind, Kind::TaskEnd { how: How::Aborted, .. })).seq;
            let (mut has, mut woken) = (Vec::new(), Vec::new());
            let mut at_poll = TaskNumber(0);
            for event in story.all(|_| true) {
                match event.kind {
                    Kind::PollBegin { task } => at_poll = task,
                    Kind::PermitTaken { .. } => has.push(story.name(at_poll)),
                    Kind::PermitReleased { .. } => {
                        let giver = story.name(at_poll);
                        has.retain(|name| *name != giver);
                    }
                    Kind::Wake { task, .. } if ["3", "4", "5"].contains(&&*story.name(task)) => {
                        woken.push(story.name(task));
                    }
                    _ => {}
                }
            }
            at(
                dropped,
                [
                    format!("Tasks {}", has.join(" and ")),
                    format!("Task {} was woken first", woken[0]),
                    format!("{} was woken", woken[1]),
                ],
            )
        }),
        Question::Steps(Clock::Virtual, two_hundred_a_second, |story| {
            let figures: Vec<&str> = story.notes();
            at(story.note("200"), figures)
        }),
        Question::Steps(Clock::Virtual, a_thousand_permits, |story| at(story.note("The rate"), story.notes())),
    ],
};

/// What comes of a program that is not recorded: thousands of steps would hide the few that count. Its own recorder takes
/// them.
fn unseen<T>(program: impl AsyncFnOnce() -> T) -> T {
    let _takes_the_steps = Recorder::start();
    let runtime = Runtime::builder().virtual_clock().build().expect("the system gives what a loop needs");
    runtime.block_on(program())
}

/// So many requests at once, of which so many are let through to a database that works on four at a time: how long all
/// take, and how long the longest was at the database.
fn served(requests: usize, permits: usize) -> (Duration, Duration) {
    unseen(async || {
        let (limit, database, start) = (Semaphore::new(permits), Semaphore::new(4), now());
        let ask = async |_| {
            let _permit = limit.acquire().await;
            let start = now();
            let _place = database.acquire().await;
            sleep(ms(20)).await;
            now() - start
        };
        let took = gather((0..requests).map(ask)).await;
        (now() - start, took.into_iter().max().expect("some were asked"))
    })
}

/// A time in seconds, if it is whole ones, or in milliseconds.
fn time(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}

fn a_hundred_at_once(_: &Runtime) {
    for permits in [1, 2, 4, 10, 100] {
        let (all, longest) = served(100, permits);
        say(format!("{permits} permits: {}, at the database: {} ms", time(all), longest.as_millis()));
    }
}

fn a_permit_passes_on(runtime: &Runtime) {
    runtime.block_on(async {
        let permits = Rc::new(Semaphore::new(2));
        let third = Rc::new(RefCell::new(None::<AbortHandle>));
        let tasks = ["1", "2", "3", "4", "5"].map(|name| {
            let (permits, third) = (Rc::clone(&permits), Rc::clone(&third));
            named(name, async move {
                let permit = permits.acquire().await;
                sleep(ms(if name == "1" { 10 } else { 20 })).await;
                drop(permit);
                if name == "1" {
                    let third = third.take();
                    third.into_iter().for_each(|task| task.abort());
                }
            })
        });
        third.replace(Some(tasks[2].abort_handle()));
        sleep(ms(15)).await;
        drop(tasks);
    });
}

/// 200 requests in a second, one every 5 ms, of which each takes so long: how many are done in the second second, and how
/// many were at work at once.
fn in_a_second(permits: usize, takes: Duration) -> (usize, usize) {
    unseen(async || {
        let (limit, done) = (Rc::new(Semaphore::new(permits)), Rc::new(Cell::new(0)));
        let (at_work, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let mut done_before = 0;
        for request in 0..400 {
            if request == 200 {
                done_before = done.get();
            }
            let (limit, done, at_work, most) =
                (Rc::clone(&limit), Rc::clone(&done), Rc::clone(&at_work), Rc::clone(&most));
            drop(runtime::spawn(async move {
                let _permit = limit.acquire().await;
                at_work.set(at_work.get() + 1);
                most.set(most.get().max(at_work.get()));
                sleep(takes).await;
                at_work.set(at_work.get() - 1);
                done.set(done.get() + 1);
            }));
            sleep(ms(5)).await;
        }
        (done.get() - done_before, most.get())
    })
}

fn two_hundred_a_second(_: &Runtime) {
    // Nobody is held back: so many are at work at once.
    let (_, most) = in_a_second(200, ms(20));
    say(format!("200 * 0.02 = {most}"));
    let (done, _) = in_a_second(4, ms(100));
    say(format!("4 permits let through 4 / 0.1 = {done} in a second"));
    say(format!("{} more come in each second", 200 - done));
}

fn a_thousand_permits(_: &Runtime) {
    let [(hundred, longest), (thousand, longer)] = [100, 1_000].map(|permits| served(1_000, permits));
    say(if hundred == thousand { "The rate stays" } else { "The rate changes" });
    let times = longer.as_millis() / longest.as_millis();
    say(if times == 10 { "Each question takes ten times as long there".to_owned() } else { format!("{times} times") });
}
