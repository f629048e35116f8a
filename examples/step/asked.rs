//! What the lessons of the course ask, as small programs: a prediction and three questions a lesson, each with a program
//! whose trace answers it.
//!
//! A question is a [`Question`]: a program, and a function that reads the answer from the events of its run. The answer is
//! the number of an event, at which the page opens, and words that have to stand in the lesson's text. So a text that says
//! something else than the loop does is found by a test. Where the answer is what a fault of the loop does, it is a
//! [`Fault`], and both traces stand side by side. [`beside`] has what else a lesson compares.

mod async_fn;
mod block_on;
mod timer;
mod queue;
mod tickets;
mod wakes;
mod timers;
mod reactor;
mod gathers;
mod cancel;
mod join;
mod semaphore;
mod blocking;
mod server;
mod benchmark;
pub mod beside;

use runtime::explore::WhatIf;
use runtime::trace::{Event, Heading, Kind, Recorder, TaskNumber, note};
use runtime::{JoinHandle, Runtime, task};
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::io;
use std::task::{Poll, Waker};
use std::time::Duration;

/// What one lesson asks: first its prediction, then its three questions.
#[derive(Debug, Clone, Copy)]
pub struct Lesson {
    /// The number of the lesson.
    pub number: u32,
    /// The prediction and the questions.
    pub questions: [Question; 4],
}

/// A question of a lesson, and how a run answers it.
#[derive(Debug, Clone, Copy)]
pub enum Question {
    /// By the steps of a small program.
    Steps(Clock, fn(&Runtime), fn(&Story<'_>) -> Answer),
    /// By what a fault of the loop does to a program.
    Faulty(Fault),
}

/// A program on a loop with a fault, which it does not bear.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// The program: one of `step`'s.
    pub program: &'static str,
    /// The fault.
    pub fault: WhatIf,
    /// Words of the lesson's answer that are true because the program hangs.
    pub says: &'static str,
}

/// By which clock a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Time jumps: the trace is the same in every run.
    Virtual,
    /// The system's: for programs with sockets, threads, or a poll that takes long.
    System,
}

/// What a run says to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The event at which one sees it.
    pub event: u64,
    /// Words, in the order in which the lesson's text has them.
    pub says: Vec<String>,
}

/// What all lessons ask.
pub static LESSONS: [Lesson; 15] = [
    async_fn::LESSON,
    block_on::LESSON,
    timer::LESSON,
    queue::LESSON,
    tickets::LESSON,
    wakes::LESSON,
    timers::LESSON,
    reactor::LESSON,
    gathers::LESSON,
    cancel::LESSON,
    join::LESSON,
    semaphore::LESSON,
    blocking::LESSON,
    server::LESSON,
    benchmark::LESSON,
];

/// What the questions are called on a page.
pub const NAMES: [&str; 4] = ["Prediction", "Question 1", "Question 2", "Question 3"];

impl Lesson {
    /// Runs the programs of the questions one after the other, each on a runtime of its own and after a note that names it.
    ///
    /// # Errors
    /// When there can be no runtime.
    pub fn record(&self) -> io::Result<Recorder> {
        let recorder = Recorder::start();
        for (question, name) in self.questions.iter().zip(NAMES) {
            let Question::Steps(clock, run, _) = question else { continue };
            let builder = Runtime::builder();
            let runtime = if *clock == Clock::Virtual { builder.virtual_clock() } else { builder }.build()?;
            note(name);
            run(&runtime);
        }
        Ok(recorder)
    }

    /// What the run says to each question; `None` where a fault answers.
    pub fn answers(&self, events: &[Event]) -> [Option<Answer>; 4] {
        let mut names = NAMES.into_iter();
        self.questions.map(|question| {
            let name = names.next().expect("four names");
            let Question::Steps(_, _, answer) = question else { return None };
            Some(answer(&Story::of(events, name)))
        })
    }

    /// The lesson with this number.
    pub fn numbered(number: u32) -> Option<&'static Lesson> {
        LESSONS.iter().find(|lesson| lesson.number == number)
    }

    /// What the page says before the first step.
    pub fn heading(&self, events: &[Event]) -> Heading {
        let heading = Heading::new(format!("what lesson {} asks", self.number))
            .about("Each question of the lesson has a small program here, and they run one after the other.");
        let answers = self.answers(events).into_iter().zip(NAMES);
        answers.fold(heading, |heading, (answer, name)| heading.question(name, answer.map(|it| it.event)))
    }
}

/// The events of one question's program.
#[derive(Debug, Clone, Copy)]
pub struct Story<'a>(&'a [Event]);

impl<'a> Story<'a> {
    /// The events from the note with this name on, until the next question's.
    fn of(events: &'a [Event], name: &str) -> Story<'a> {
        let named = |event: &Event, name: &str| matches!(&event.kind, Kind::Note { text } if &**text == name);
        let begin = events.iter().position(|event| named(event, name)).expect("the program has run") + 1;
        let ends = |event: &Event| NAMES.iter().any(|name| named(event, name));
        let end = events[begin..].iter().position(ends).map_or(events.len(), |length| begin + length);
        Story(&events[begin..end])
    }

    /// All events that are so.
    fn all(&self, is_it: impl Fn(&Kind) -> bool) -> Vec<&'a Event> {
        self.0.iter().filter(|event| is_it(&event.kind)).collect()
    }

    /// The first event that is so.
    #[track_caller]
    fn first(&self, is_it: impl Fn(&Kind) -> bool) -> &'a Event {
        self.0.iter().find(|event| is_it(&event.kind)).expect("it has happened")
    }

    /// What came after the event with this number.
    fn after(&self, seq: u64) -> Story<'a> {
        Story(&self.0[self.0.partition_point(|event| event.seq <= seq)..])
    }

    /// What came before the event with this number.
    fn before(&self, seq: u64) -> Story<'a> {
        Story(&self.0[..self.0.partition_point(|event| event.seq < seq)])
    }

    /// The first task with this name.
    #[track_caller]
    fn task(&self, wanted: &str) -> TaskNumber {
        let is_it = |kind: &Kind| matches!(kind, Kind::Spawn { name: Some(name), .. } if &**name == wanted);
        let Kind::Spawn { task, .. } = self.first(is_it).kind else { unreachable!("it is a spawn") };
        task
    }

    /// The name of a task.
    fn name(&self, wanted: TaskNumber) -> String {
        let names = self.0.iter().find_map(|event| match &event.kind {
            Kind::Spawn { task, name: Some(name), .. } if *task == wanted => Some(name.to_string()),
            _ => None,
        });
        names.unwrap_or_else(|| format!("task {}", wanted.0))
    }

    /// The numbers of the events at which this task's polls begin.
    fn polls(&self, wanted: TaskNumber) -> Vec<u64> {
        let polls = self.all(|kind| matches!(kind, Kind::PollBegin { task } if *task == wanted));
        polls.into_iter().map(|event| event.seq).collect()
    }

    /// Who is woken, in this order.
    fn woken(&self) -> Vec<TaskNumber> {
        let wakes = self.0.iter().filter_map(|event| match event.kind {
            Kind::Wake { task, .. } => Some(task),
            _ => None,
        });
        wakes.collect()
    }

    /// What the program has noted.
    fn notes(&self) -> Vec<&'a str> {
        let notes = self.0.iter().filter_map(|event| match &event.kind {
            Kind::Note { text } => Some(&**text),
            _ => None,
        });
        notes.collect()
    }

    /// The number of the first note that begins so.
    #[track_caller]
    fn note(&self, begin: &str) -> u64 {
        self.first(|kind| matches!(kind, Kind::Note { text } if text.starts_with(begin))).seq
    }

    /// Who stands in the ready queue after these events, in the order of the queue.
    fn queue(&self) -> Vec<TaskNumber> {
        let mut queue = Vec::new();
        for event in self.0 {
            match event.kind {
                Kind::Push { task } => queue.push(task),
                Kind::Pop { task } => queue.retain(|it| *it != task),
                _ => {}
            }
        }
        queue
    }
}

/// An answer that one sees at this event.
fn at<S: Into<String>>(event: u64, says: impl IntoIterator<Item = S>) -> Answer {
    Answer { event, says: says.into_iter().map(Into::into).collect() }
}

/// How often, in words.
fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

/// A small number, in words.
fn word(count: usize) -> &'static str {
    ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"].get(count).unwrap_or(&"many")
}

/// So many milliseconds.
fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Notes what a program would print.
fn say(text: impl Display) {
    note(text.to_string());
}

/// A task with a name.
fn named<T: 'static>(name: &str, future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    task::Builder::new().name(name).spawn(future)
}

/// Something that one task waits for and another one does.
#[derive(Default)]
struct Bell {
    has_rung: Cell<bool>,
    waits: RefCell<Option<Waker>>,
}

impl Bell {
    /// Rings, and wakes who waits.
    fn ring(&self) {
        self.has_rung.set(true);
        let waiter = self.waits.take();
        waiter.into_iter().for_each(Waker::wake);
    }

    /// Waits until it has rung.
    async fn heard(&self) {
        poll_fn(|cx| {
            if self.has_rung.get() {
                return Poll::Ready(());
            }
            self.waits.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// The first poll of a future, by the task that polls this.
async fn polled_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    poll_fn(|cx| match std::pin::Pin::new(&mut *future).poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::{Fault, LESSONS, NAMES, Question};
    use crate::programs::Program;
    use runtime::explore::{Ending, what_if_on};
    use std::fs;
    use std::path::Path;

    /// The text of a lesson.
    fn text(number: u32) -> String {
        let lessons = Path::new(env!("CARGO_MANIFEST_DIR")).join("../course/lessons");
        let names = fs::read_dir(&lessons).unwrap().map(|entry| entry.unwrap().path());
        let folder = names.into_iter().find(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with(&format!("{number:02}_")))
        });
        fs::read_to_string(folder.unwrap().join("lesson.md")).unwrap()
    }

    /// A text as one line, without what marks code, quotes and stressed words, in small letters.
    fn plain(text: &str) -> String {
        let words: Vec<&str> = text.split_whitespace().collect();
        words.join(" ").replace(['`', '*', '"'], "").to_lowercase()
    }

    /// The answers of a lesson: to its prediction, and to its three questions.
    fn answers(number: u32) -> [String; 4] {
        let text = text(number);
        let answers = text.split("\n### Answers\n").nth(1).unwrap();
        let (predict, rest) = answers.split_once("\n1. ").unwrap();
        let (first, rest) = rest.split_once("\n2. ").unwrap();
        let (second, third) = rest.split_once("\n3. ").unwrap();
        [predict, first, second, third].map(plain)
    }

    /// Whether a text has these words, in this order.
    fn has(text: &str, says: &[String]) -> bool {
        let mut rest = text;
        says.iter().all(|words| {
            let words = plain(words);
            let found = rest.find(&words);
            rest = found.map_or("", |at| &rest[at + words.len()..]);
            found.is_some()
        })
    }

    #[test]
    fn what_a_lesson_answers_is_what_the_trace_says() {
        let mut wrong = String::new();
        for (lesson, number) in LESSONS.iter().zip(0..) {
            assert_eq!(lesson.number, number);
            let events = lesson.record().unwrap().events();
            let told = answers(number);
            for ((answer, told), name) in lesson.answers(&events).into_iter().zip(&told).zip(NAMES) {
                let Some(answer) = answer else { continue };
                assert!(!answer.says.is_empty() && (answer.event as usize) < events.len());
                if !has(told, &answer.says) {
                    wrong += &format!("lesson {number}, {name}: the trace says {:?}, the text {told:?}\n", answer.says);
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }

    #[test]
    fn what_a_lesson_says_of_a_fault_is_what_the_fault_does() {
        for lesson in LESSONS {
            for (question, told) in lesson.questions.iter().zip(answers(lesson.number)) {
                let Question::Faulty(Fault { program, fault, says }) = question else { continue };
                let difference = what_if_on(*fault, Program::named(program).unwrap().run);
                assert_eq!(difference.usual, Ending::Well, "lesson {}", lesson.number);
                assert!(matches!(difference.faulty, Ending::Hangs(_)), "lesson {}: {difference}", lesson.number);
                assert!(has(&told, &[(*says).to_owned()]), "lesson {}: {told}", lesson.number);
            }
        }
    }

    #[test]
    fn words_are_found_in_their_order_only() {
        let text = plain("First **one**,\nthen `two`.");
        assert!(has(&text, &["One".into(), "two.".into()]));
        assert!(!has(&text, &["two".into(), "one".into()]) && !has(&text, &["three".into()]));
    }

    #[test]
    fn programs_without_system_are_the_same_in_every_run() {
        for lesson in LESSONS {
            let is_virtual = |it: &Question| !matches!(it, Question::Steps(super::Clock::System, ..));
            if !lesson.questions.iter().all(is_virtual) {
                continue;
            }
            let [first, second] = [(); 2].map(|()| lesson.answers(&lesson.record().unwrap().events()));
            assert_eq!(first, second, "lesson {}", lesson.number);
        }
    }
}
