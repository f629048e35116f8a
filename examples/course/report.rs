//! The report of a learner to herself, from the log: where she was stuck, for how long, what refused her, where she stopped,
//! and what she knew before and after.

use crate::catalog::{Course, State};
use crate::commands::{NOT_COMPILED, OK};
use crate::log::{self, Entry};
use crate::progress::Progress;
use crate::quiz::{QUESTIONS, Round};
use crate::text::wrap;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Seconds between two commands after which somebody has gone away. A shorter pause is work.
const PAUSE: u64 = 20 * 60;

/// What the log says of one lesson.
#[derive(Debug, Default)]
struct Stay {
    /// Seconds of work.
    seconds: u64,
    checks: u64,
    not_compiled: u64,
    hints: u64,
    solutions: u64,
    /// By rule: how often it refused, and seconds until the next command after it.
    rules: BTreeMap<String, (u64, u64)>,
}

/// `report`.
pub(crate) fn report(course: &Course, out: &mut dyn Write) -> io::Result<u8> {
    let entries = log::read(course);
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
        let says = "There is no log yet. It begins with your first command, and is sent nowhere. To begin:";
        writeln!(out, "{}  cargo run -p course", wrap(says, 2))?;
        return Ok(OK);
    };
    writeln!(out, "  From {} to {} (UTC)", date(first.time), date(last.time))?;
    let worked: u64 = gaps(&entries).map(|(_, _, seconds)| seconds).sum();
    writeln!(out, "  {} commands, {} at work", entries.len(), minutes(worked))?;
    let stays = stays(&entries);
    let progress = Progress::read(&course.progress_file());
    let lessons = course.lessons();
    for lesson in &lessons {
        let Some(stay) = stays.get(&lesson.number) else { continue };
        let state = match lesson.state(&progress) {
            State::Accepted => "accepted",
            State::Changed => "accepted, and changed since",
            State::NotBegun => "as it came",
            _ => "not accepted",
        };
        writeln!(out, "\n  Lesson {}: {state}, {}", lesson.number, minutes(stay.seconds))?;
        let Stay { checks, not_compiled, hints, solutions, .. } = stay;
        writeln!(out, "    checks {checks}, not compiled {not_compiled}, hints {hints}, solution {solutions}")?;
        let mut rules: Vec<_> = stay.rules.iter().collect();
        rules.sort_by_key(|(_, (times, seconds))| std::cmp::Reverse((*seconds, *times)));
        for (rule, (times, seconds)) in rules {
            out.write_all(wrap(&format!("refused {times} x, {}: {rule}", minutes(*seconds)), 4).as_bytes())?;
        }
    }
    let rules =
        stays.iter().flat_map(|(lesson, stay)| stay.rules.iter().map(move |(rule, of)| (of.1, of.0, *lesson, rule)));
    if let Some((seconds, times, lesson, rule)) = rules.max() {
        let says = format!("Stuck longest: lesson {lesson}, \"{rule}\", {} and {times} refusals.", minutes(seconds));
        write!(out, "\n{}", wrap(&says, 2))?;
    }
    let stopped = entries.iter().rev().find_map(|entry| Some((entry, entry.lesson?)));
    if let Some((entry, lesson)) = stopped.filter(|(_, lesson)| progress.accepted(*lesson).is_none()) {
        let rule = if entry.more.is_empty() { String::new() } else { format!(" ({})", entry.more) };
        let says = format!("Stopped at: lesson {lesson}, after \"{}\"{rule}, {}.", entry.command, date(entry.time));
        write!(out, "\n{}", wrap(&says, 2))?;
    }
    let rounds = [false, true].map(|is_after| Round::of(&entries, is_after));
    writeln!(out)?;
    for (round, when) in rounds.iter().zip(["before", "after"]) {
        match round {
            Some(round) => {
                writeln!(out, "  Quiz {when}: {} of {QUESTIONS} right (form {})", round.right(), round.form)?;
            }
            None => writeln!(out, "  Quiz {when}: cargo run -p course -- quiz {when}")?,
        }
    }
    if let [Some(before), Some(after)] = &rounds {
        let pairs: Vec<_> = before.answered().into_iter().zip(after.answered()).collect();
        for (name, was, is) in
            [("learned", false, true), ("known before", true, true), ("lost", true, false), ("open", false, false)]
        {
            let of = |(question, answer): &(crate::quiz::Question, char)| question.right() == *answer;
            let numbers = pairs.iter().filter(|(one, other)| of(one) == was && of(other) == is);
            let numbers: Vec<String> = numbers.map(|(one, _)| one.0.number.to_string()).collect();
            if !numbers.is_empty() {
                writeln!(out, "    {name}: questions {}", numbers.join(", "))?;
            }
        }
    }
    write!(out, "\n{}", wrap("All this is from log.txt, which stays on this machine. To delete it does no harm.", 2))?;
    Ok(OK)
}

/// Each command with the next one, and the seconds of work between them.
fn gaps(entries: &[Entry]) -> impl Iterator<Item = (&Entry, &Entry, u64)> {
    entries.windows(2).map(|pair| {
        // A clock may be set back.
        let seconds = pair[1].time.saturating_sub(pair[0].time);
        (&pair[0], &pair[1], if seconds > PAUSE { 0 } else { seconds })
    })
}

fn stays(entries: &[Entry]) -> BTreeMap<u32, Stay> {
    let mut stays: BTreeMap<u32, Stay> = BTreeMap::new();
    for entry in entries {
        let Some(lesson) = entry.lesson else { continue };
        let stay = stays.entry(lesson).or_default();
        match entry.command.as_str() {
            "check" => {
                stay.checks += 1;
                stay.not_compiled += u64::from(entry.code == NOT_COMPILED);
                if !entry.more.is_empty() {
                    stay.rules.entry(entry.more.clone()).or_default().0 += 1;
                }
            }
            "hint" => stay.hints += 1,
            "solution" => stay.solutions += u64::from(entry.code == OK),
            _ => {}
        }
    }
    for (before, after, seconds) in gaps(entries) {
        // The work before a command was for its lesson.
        if let Some(stay) = after.lesson.and_then(|lesson| stays.get_mut(&lesson)) {
            stay.seconds += seconds;
        }
        let stay = before.lesson.and_then(|lesson| stays.get_mut(&lesson));
        if let Some(rule) = stay.and_then(|stay| stay.rules.get_mut(&before.more)) {
            rule.1 += seconds;
        }
    }
    stays
}

fn minutes(seconds: u64) -> String {
    if seconds < 60 { format!("{seconds} s") } else { format!("{} min", seconds / 60) }
}

/// Day and time of these seconds since 1970, in UTC.
fn date(time: u64) -> String {
    let (days, rest) = (time / 86_400, time % 86_400);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut left) = (1970, days);
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for days in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if left < days {
            break;
        }
        left -= days;
        month += 1;
    }
    format!("{year}-{month:02}-{:02} {:02}:{:02}", left + 1, rest / 3_600, rest / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::{date, report};
    use crate::{COLUMNS, Course};
    use std::fs;

    #[test]
    fn a_date_is_that_of_the_calendar() {
        let dates = [(0, "1970-01-01 00:00"), (951_782_400, "2000-02-29 00:00"), (1_798_761_599, "2026-12-31 23:59")];
        for (time, text) in dates {
            assert_eq!(date(time), text);
        }
    }

    #[test]
    fn the_report_says_where_somebody_was_stuck_and_for_how_long() {
        let folder = std::env::temp_dir().join(format!("course-report-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let course = Course::new(&folder);
        let say = || {
            let mut out = Vec::new();
            report(&course, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert!(say().contains("There is no log yet"));
        // Ten minutes on one rule, one on another; a night in between; what nobody understands is left out.
        let log = "1000 0 - next\n1060 1 01 check a poll needs a wake\n1120 1 01 check no wake is lost\n\
                   1420 0 01 hint\nwhat is this\n\u{7}\n1480 1 01 check no wake is lost\n1780 2 01 check\n50000 1 02 check wait asleep\n\
                   50001 0 - answers before A abcdabcdabcd\n50002 0 - answers after C abcdabcdabcd\n";
        fs::write(folder.join("log.txt"), log).unwrap();
        let said = say();
        for text in [
            "9 commands, 13 min at work",
            "Lesson 1: not accepted, 13 min\n    checks 4, not compiled 1, hints 1, solution 0",
            "    refused 2 x, 10 min: no wake is lost\n    refused 1 x, 1 min: a poll needs a wake\n",
            "  Stuck longest: lesson 1, \"no wake is lost\", 10 min and 2\n  refusals.",
            "  Stopped at: lesson 2, after \"check\" (wait asleep),\n  1970-01-01 13:53.",
            "Quiz before: ",
            "Quiz after: cargo run -p course -- quiz after",
        ] {
            assert!(said.contains(text), "no {text} in:\n{said}");
        }
        assert!(said.lines().all(|line| line.chars().count() <= COLUMNS), "{said}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
