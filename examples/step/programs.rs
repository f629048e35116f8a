//! Programs to step through, in the order of learning: one idea each, and each in a file that stands beside the loop on
//! the page.

mod sleep;
mod two;
mod fair;
mod by_hand;
mod lost_wake;
mod stale;
mod blocks;
mod channel;
mod semaphore;
mod deadlock;
mod timeout;
mod ends;
mod gather;
mod ten_lines;
mod error;
mod race;
mod limit;
mod tasks;
mod sockets;
mod threads;

use runtime::Runtime;
use runtime::trace::{Event, Heading, Recorder};
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A program that `step` can record.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What there is to see, in a few words.
    pub title: &'static str,
    /// What it is about, in two sentences.
    pub about: [&'static str; 2],
    /// What to look for, in the order in which it happens.
    pub questions: [Question; 3],
    /// Whether its trace is the same in every run. Then it runs under the virtual clock; else it depends on threads,
    /// sockets or the time of the system, and runs under the system's clock.
    pub repeats: bool,
    /// Whether it comes to a point at which nothing can happen any more. The loop panics there.
    pub hangs: bool,
    /// Runs it to its end.
    pub run: fn(&Runtime),
}

/// A question that one step of the program answers.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// The question.
    pub text: &'static str,
    /// Whether an event is the answer; the first one is.
    pub is_answer: fn(&Event) -> bool,
}

/// All of them; the first is the one that `step` takes when it is given no name.
pub const PROGRAMS: [Program; 20] = [
    sleep::PROGRAM,
    two::PROGRAM,
    fair::PROGRAM,
    by_hand::PROGRAM,
    lost_wake::PROGRAM,
    stale::PROGRAM,
    blocks::PROGRAM,
    channel::PROGRAM,
    semaphore::PROGRAM,
    deadlock::PROGRAM,
    timeout::PROGRAM,
    ends::PROGRAM,
    gather::PROGRAM,
    ten_lines::PROGRAM,
    error::PROGRAM,
    race::PROGRAM,
    limit::PROGRAM,
    tasks::PROGRAM,
    sockets::PROGRAM,
    threads::PROGRAM,
];

const fn ask(text: &'static str, is_answer: fn(&Event) -> bool) -> Question {
    Question { text, is_answer }
}

/// What a program left when it was recorded.
#[derive(Debug)]
pub struct Recording {
    /// What happened, the drop of its runtime included, with the loop's own state at the end of every poll and turn.
    pub recorder: Recorder,
    /// What the program panicked with, if it did. A program that hangs under the virtual clock ends so.
    pub panic: Option<String>,
}

impl Program {
    /// The program with this name.
    pub fn named(name: &str) -> Option<&'static Program> {
        const { &PROGRAMS }.iter().find(|program| program.name == name)
    }

    /// Runs the program on a runtime of its own, and drops that, under a recorder. A panic is part of what there is to
    /// see.
    ///
    /// # Errors
    /// When there can be no runtime.
    pub fn record(&self) -> io::Result<Recording> {
        self.record_with(Recorder::start().with_snapshots())
    }

    /// The same under a recorder that has been started.
    ///
    /// # Errors
    /// When there can be no runtime.
    pub fn record_with(&self, recorder: Recorder) -> io::Result<Recording> {
        let builder = Runtime::builder();
        let runtime = if self.repeats { builder.virtual_clock() } else { builder }.build()?;
        let result = catch_unwind(AssertUnwindSafe(|| (self.run)(&runtime)));
        drop(runtime);
        Ok(Recording { recorder, panic: result.err().map(message) })
    }
}

impl Recording {
    /// What the page of this recording says of its program before the first step.
    pub fn heading(&self, program: &Program) -> Heading {
        let events = self.recorder.events();
        let [first, second] = program.about;
        let heading = Heading::new(program.title).about(first).about(second);
        program.questions.iter().fold(heading, |heading, it| heading.question(it.text, it.answer(&events)))
    }
}

impl Question {
    /// The number of the event that answers it, if there is one.
    pub fn answer(&self, events: &[Event]) -> Option<u64> {
        events.iter().find(|event| (self.is_answer)(event)).map(|event| event.seq)
    }
}

/// The text of a panic.
fn message(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast_ref::<&str>().map_or("something that is no text", |text| text).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{PROGRAMS, Program};
    use runtime::trace::{Event, Kind};
    use std::collections::BTreeSet;
    use std::time::Duration;

    fn events(name: &str) -> Vec<Event> {
        Program::named(name).expect("it is there").record().expect("a runtime").recorder.events()
    }

    #[test]
    fn every_program_says_in_two_sentences_what_it_is_about() {
        let names: BTreeSet<_> = PROGRAMS.iter().map(|program| program.name).collect();
        assert_eq!(names.len(), PROGRAMS.len(), "a name stands twice");
        for Program { name, title, about, .. } in PROGRAMS {
            for sentence in about {
                assert!(sentence.ends_with('.') && !sentence.contains(". "), "{name}: {sentence}");
            }
            assert!(!title.is_empty() && !title.ends_with('.'), "{name}: {title}");
        }
    }

    #[test]
    fn every_question_has_its_answer_in_the_order_of_the_questions() {
        for program in PROGRAMS {
            let recording = program.record().expect("a runtime");
            let events = recording.recorder.events();
            let answers = program.questions.map(|question| question.answer(&events));
            assert!(answers.iter().all(Option::is_some), "{}: {answers:?}", program.name);
            // What comes from the system or from other threads, comes when it comes.
            assert!(answers.is_sorted() || !program.repeats, "{}: {answers:?}", program.name);
            assert!(program.questions.iter().all(|question| question.text.ends_with('?')), "{}", program.name);
            assert_eq!(recording.panic.is_some(), program.hangs, "{}: {:?}", program.name, recording.panic);
        }
    }

    #[test]
    fn what_hangs_ends_with_the_list_of_its_tasks() {
        let hang: Vec<_> = PROGRAMS.iter().filter(|program| program.hangs).collect();
        assert_eq!(hang.iter().map(|program| program.name).collect::<Vec<_>>(), ["lost_wake", "deadlock"]);
        for program in hang {
            let recording = program.record().expect("a runtime");
            let reason = recording.panic.expect("it hangs");
            let holders =
                if program.name == "lost_wake" { "nobody holds a ticket of it" } else { "only sleeping tasks" };
            assert!(reason.contains(holders), "{reason}");
            assert!(reason.contains("nothing can happen any more") && reason.contains("\n  main, "), "{reason}");
            assert!(recording.recorder.events().iter().any(|event| matches!(event.kind, Kind::Quiescent { .. })));
        }
    }

    #[test]
    fn the_first_error_drops_a_sibling_that_still_runs() {
        let events = events("error");
        let at = |is_it: fn(&Kind) -> bool| events.iter().position(|event| is_it(&event.kind)).expect("it happens");
        let failed = at(|kind| matches!(kind, Kind::ChildPollEnd { place: 1, ready: true, .. }));
        let done = at(|kind| matches!(kind, Kind::GatherDone { .. }));
        let dropped = at(|kind| matches!(kind, Kind::TimerDropped { timer: 2 }));
        let told = at(|kind| matches!(kind, Kind::Note { text } if &**text == "Err(\"division by zero\")"));
        assert!(failed < done && done < dropped && dropped < told, "{failed}, {done}, {dropped}, {told}");
        // The sibling was to sleep for 30 ms, and was polled once, at its start.
        assert_eq!(events.last().expect("the last").at, Duration::from_millis(20));
        let is_its = |event: &&Event| matches!(event.kind, Kind::ChildPoll { place: 2, .. });
        assert_eq!(events.iter().filter(is_its).count(), 1);
    }

    #[test]
    fn the_limit_limits() {
        let events = events("limit");
        let (mut armed, mut most) = (0, 0);
        for event in &events {
            match event.kind {
                Kind::TimerArmed { .. } => armed += 1,
                Kind::TimerDropped { .. } => armed -= 1,
                _ => {}
            }
            most = most.max(armed);
        }
        assert_eq!(most, 2, "naps at once");
        assert_eq!(events.last().expect("the last").at, Duration::from_millis(40), "without a limit it is 20 ms");
    }
}
