//! The quiz: twelve questions before the course and twelve after it, in two forms that ask for the same things. Whoever gets
//! form A before gets form B after. What is right is said after the second one only.
//!
//! The questions are in `quiz/questions.txt`, the programs that they show in `quiz/programs.rs`.

use crate::catalog::Course;
use crate::commands::{NOT_ACCEPTED, OK, USAGE};
use crate::dice::Dice;
use crate::log;
use crate::text::wrap;
use std::io::{self, BufRead, Write};

/// Questions of a form.
pub const QUESTIONS: usize = 12;

const LETTERS: [char; 4] = ['a', 'b', 'c', 'd'];

/// What a learner types who does not know. Better than a guess: a guess says nothing.
const UNKNOWN: char = '?';

/// One question.
#[derive(Debug, Clone)]
pub struct Question {
    /// The form, `A` or `B`.
    pub form: char,
    /// Its number in the form, from 1.
    pub number: usize,
    /// The lesson that teaches it.
    pub lesson: u32,
    /// The question.
    pub text: String,
    /// The program whose output is asked for.
    pub code: Option<String>,
    /// The answers to choose from. With each wrong one, what somebody believes who takes it.
    pub options: Vec<(String, Option<String>)>,
    /// Why the right one is right.
    pub why: String,
}

impl Question {
    /// The letter of the right answer.
    ///
    /// # Panics
    /// If there is none; a test sees to it that there is.
    pub fn right(&self) -> char {
        LETTERS[self.options.iter().position(|(_, belief)| belief.is_none()).expect("one is right")]
    }
}

/// All questions of both forms.
///
/// # Panics
/// If the file is not as it should be; a test reads it.
pub fn questions() -> Vec<Question> {
    let file = include_str!("quiz/questions.txt").replace("\r\n", "\n");
    file.trim_start_matches("# ").split("\n# ").map(question).collect()
}

fn question(text: &str) -> Question {
    let mut lines = text.trim().lines();
    let (name, lesson) = lines.next().and_then(|head| head.split_once(" | lesson ")).expect("a name and a lesson");
    let mut question = Question {
        form: name.chars().next().expect("a form"),
        number: name[1..].parse().expect("a number"),
        lesson: lesson.parse().expect("a number"),
        text: String::new(),
        code: None,
        options: Vec::new(),
        why: String::new(),
    };
    for line in lines {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("code", "") => question.code = Some(program(name)),
            ("+", right) => question.options.push((right.to_owned(), None)),
            ("-", wrong) => {
                let (wrong, belief) = wrong.split_once(" | ").expect("a wrong answer has its reason");
                question.options.push((wrong.to_owned(), Some(belief.to_owned())));
            }
            ("why", why) => question.why = why.to_owned(),
            _ => question.text += line,
        }
    }
    question
}

/// What a learner sees of the program of a question.
fn program(name: &str) -> String {
    let file = include_str!("quiz/programs.rs").replace("\r\n", "\n");
    let head = format!("\nfn {}() {{\n    // begin\n", name.to_lowercase());
    let text = file.split(&head).nth(1).and_then(|rest| rest.split("    // end").next()).expect("its program");
    text.lines().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect()
}

/// The answers of one round.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    /// It was taken after the course.
    pub(crate) is_after: bool,
    /// The form.
    pub(crate) form: char,
    /// A letter for each question, or a question mark.
    pub(crate) answers: Vec<char>,
}

impl Round {
    /// The first round before or after the course that the log knows. Who does it again knows the questions.
    pub(crate) fn of(entries: &[log::Entry], is_after: bool) -> Option<Round> {
        entries
            .iter()
            .filter(|entry| entry.command == "answers")
            .filter_map(Round::read)
            .find(|it| it.is_after == is_after)
    }

    fn read(entry: &log::Entry) -> Option<Round> {
        let mut words = entry.more.split(' ');
        let is_after = match words.next()? {
            "before" => false,
            "after" => true,
            _ => return None,
        };
        let form = words.next()?.chars().next().filter(|form| ['A', 'B'].contains(form))?;
        let answers: Vec<char> = words.next()?.chars().collect();
        (answers.len() == QUESTIONS).then_some(Round { is_after, form, answers })
    }

    /// The questions of this form, each with the answer to it.
    pub(crate) fn answered(&self) -> Vec<(Question, char)> {
        let asked = questions().into_iter().filter(|it| it.form == self.form);
        asked.zip(self.answers.iter().copied()).collect()
    }

    /// How many answers are right.
    pub(crate) fn right(&self) -> usize {
        self.answered().iter().filter(|(question, answer)| question.right() == *answer).count()
    }
}

/// `quiz before` and `quiz after`: asks, and keeps the answers in the log.
pub(crate) fn quiz(course: &Course, words: &[&str], input: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<u8> {
    let (is_after, wish) = match words {
        ["before"] => (false, None),
        ["after"] => (true, None),
        ["before", form] if form_of(form).is_some() => (false, form_of(form)),
        ["after", form] if form_of(form).is_some() => (true, form_of(form)),
        _ => {
            if !words.is_empty() {
                out.write_all(wrap(&format!("\"{}\" is no quiz.", words.join(" ")), 2).as_bytes())?;
            }
            out.write_all(HELP.as_bytes())?;
            return Ok(if words.is_empty() { OK } else { USAGE });
        }
    };
    let entries = log::read(course);
    let (mine, other) = (Round::of(&entries, is_after), Round::of(&entries, !is_after));
    if let Some(round) = mine {
        out.write_all(wrap("You have answered this one. Who answers it again knows the questions.", 2).as_bytes())?;
        if round.is_after {
            return explain(&[other, Some(round)], out);
        }
        out.write_all(b"\n  After the course: cargo run -p course -- quiz after\n")?;
        return Ok(OK);
    }
    let drawn = if Dice::fresh_seed().is_multiple_of(2) { 'A' } else { 'B' };
    let form = match &other {
        Some(other) if other.form == 'A' => 'B',
        Some(_) => 'A',
        None => wish.unwrap_or(drawn),
    };
    let when = if is_after { "after" } else { "before" };
    writeln!(out, "  Quiz {when} the course, form {form}: {QUESTIONS} questions, 15 min\n")?;
    out.write_all(wrap(INTRODUCTION, 2).as_bytes())?;
    if is_after && other.is_none() {
        let missing = "There are no answers from before the course, so there will be nothing to compare with.";
        write!(out, "\n{}", wrap(missing, 2))?;
    }
    let asked: Vec<Question> = questions().into_iter().filter(|it| it.form == form).collect();
    let mut answers = Vec::new();
    for question in &asked {
        match ask(question, input, out)? {
            Some(answer) => answers.push(answer),
            None => {
                let count = answers.len();
                let says = format!("The input has ended after {count} of {QUESTIONS} answers. Nothing is kept.");
                write!(out, "\n\n{}  Again: cargo run -p course -- quiz {when}\n", wrap(&says, 2))?;
                return Ok(NOT_ACCEPTED);
            }
        }
    }
    let letters: String = answers.iter().collect();
    log::note_quiz(course, &format!("{when} {form} {letters}"))
        .map_err(|error| io::Error::new(error.kind(), format!("the answers cannot be kept in log.txt: {error}")))?;
    write!(out, "\n{}", wrap("Thank you. Your answers are kept in log.txt.", 2))?;
    let round = Round { is_after, form, answers };
    if is_after {
        return explain(&[other, Some(round)], out);
    }
    out.write_all(wrap("What is right is said after the second quiz. After the course:", 2).as_bytes())?;
    out.write_all(b"\n  cargo run -p course -- quiz after\n")?;
    Ok(OK)
}

const HELP: &str = "  cargo run -p course -- quiz before   before lesson 0
  cargo run -p course -- quiz after    after your last one

  Twelve questions each, in two forms, A and B. The form is
  drawn; to choose it: quiz before A
";

const INTRODUCTION: &str = "Type the letter of the answer, and Enter. Type ? if you do not know: that is better than a guess. \
     Your answers stay on this machine.";

fn form_of(word: &str) -> Option<char> {
    match word {
        "A" | "a" => Some('A'),
        "B" | "b" => Some('B'),
        _ => None,
    }
}

/// Asks one question until there is an answer. `None`: the input has ended.
fn ask(question: &Question, input: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<Option<char>> {
    let Question { number, text, code, options, .. } = question;
    write!(out, "\n  {number} of {QUESTIONS}\n{}", wrap(text, 2))?;
    if let Some(code) = code {
        writeln!(out, "\n{}", indented(code))?;
    }
    for (letter, (option, _)) in LETTERS.iter().zip(options) {
        // What follows the letter stands in one column.
        let option = wrap(option, 5);
        write!(out, "  {letter}) {}", &option[5..])?;
    }
    loop {
        out.write_all(b"\n  Your answer (a, b, c, d, or ?):\n")?;
        out.flush()?;
        let mut line = Vec::new();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line).trim().to_lowercase();
        let mut letters = line.trim_end_matches([')', '.']).chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) if letter == UNKNOWN || LETTERS.contains(&letter) => return Ok(Some(letter)),
            _ => out.write_all(b"  Type one letter: a, b, c or d. Or ?\n")?,
        }
    }
}

fn indented(code: &str) -> String {
    code.lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n").collect()
}

/// After the second round: what is right, and why, for all that was not answered right.
fn explain(rounds: &[Option<Round>], out: &mut dyn Write) -> io::Result<u8> {
    for round in rounds.iter().flatten() {
        let when = if round.is_after { "After: " } else { "Before:" };
        writeln!(out, "  {when} {} of {QUESTIONS} right (form {})", round.right(), round.form)?;
    }
    for round in rounds.iter().flatten() {
        for (question, answer) in round.answered() {
            let right = question.right();
            if answer == right {
                continue;
            }
            let when = if round.is_after { "after" } else { "before" };
            let option = |letter: char| LETTERS.iter().position(|it| *it == letter).map(|at| &question.options[at]);
            write!(
                out,
                "\n  Question {}, {when} (lesson {})\n{}",
                question.number,
                question.lesson,
                wrap(&question.text, 2)
            )?;
            if let Some(code) = &question.code {
                writeln!(out, "\n{}", indented(code))?;
            }
            if let Some((text, Some(belief))) = option(answer) {
                out.write_all(wrap(&format!("You said: {text}"), 2).as_bytes())?;
                out.write_all(wrap(&format!("It would be so if: {belief}."), 2).as_bytes())?;
            }
            if let Some((text, None)) = option(right) {
                out.write_all(wrap(&format!("Right is: {text}"), 2).as_bytes())?;
            }
            out.write_all(wrap(&question.why, 2).as_bytes())?;
        }
    }
    Ok(OK)
}

#[cfg(test)]
mod tests {
    use super::{QUESTIONS, questions, quiz};
    use crate::commands::{NOT_ACCEPTED, OK, USAGE};
    use crate::{COLUMNS, Course};
    use std::collections::BTreeSet;
    use std::fs;

    #[test]
    fn both_forms_ask_for_the_same_and_each_wrong_answer_has_its_reason() {
        let all = questions();
        let form = |form: char| all.iter().filter(|it| it.form == form).collect::<Vec<_>>();
        let (first, second) = (form('A'), form('B'));
        assert_eq!((first.len(), second.len()), (QUESTIONS, QUESTIONS));
        for (index, (one, other)) in first.iter().zip(&second).enumerate() {
            let beliefs = |it: &super::Question| {
                it.options.iter().filter_map(|(_, belief)| belief.clone()).collect::<BTreeSet<_>>()
            };
            assert_eq!((one.number, other.number, one.lesson), (index + 1, index + 1, other.lesson));
            assert_eq!(one.code.is_some(), other.code.is_some(), "{}", one.number);
            for question in [one, other] {
                assert_eq!((question.options.len(), beliefs(question).len()), (4, 3), "{question:?}");
                assert!(!question.text.is_empty() && !question.why.is_empty(), "{question:?}");
            }
            let common = beliefs(one).intersection(&beliefs(other)).count();
            assert!(common >= 2, "question {}: the forms differ in what may be believed", one.number);
        }
        // Nobody gets far with one letter.
        for form in [first, second] {
            for letter in super::LETTERS {
                assert!((1..=5).contains(&form.iter().filter(|it| it.right() == letter).count()), "{letter}");
            }
        }
        assert!(all.iter().filter(|it| it.code.is_some()).count() >= QUESTIONS);
    }

    fn say(course: &Course, words: &[&str], input: &str) -> (u8, String) {
        let mut out = Vec::new();
        let code = quiz(course, words, &mut input.as_bytes(), &mut out).unwrap();
        let said = String::from_utf8(out).unwrap();
        assert!(said.lines().all(|line| line.chars().count() <= COLUMNS), "{said}");
        (code, said)
    }

    #[test]
    fn what_is_right_is_said_after_the_second_quiz_only() {
        let folder = std::env::temp_dir().join(format!("course-quiz-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let course = Course::new(&folder);
        assert_eq!(say(&course, &[], "").0, OK);
        assert_eq!(say(&course, &["now"], "").0, USAGE);
        assert_eq!(say(&course, &["before", "C"], "").0, USAGE);
        // Who stops in the middle has not answered.
        let (code, said) = say(&course, &["before"], "a\nb\n");
        assert_eq!(code, NOT_ACCEPTED);
        assert!(said.contains("after 2 of 12 answers"), "{said}");

        // Nonsense is asked again.
        let (code, said) = say(&course, &["before", "B"], &format!("\nx\nab\n\u{fffd}\nA)\n{}", "?\n".repeat(11)));
        assert_eq!(code, OK);
        assert!(said.contains("form B") && said.matches("Type one letter").count() == 4, "{said}");
        assert!(!said.contains("Right is") && !said.contains("right ("), "{said}");
        assert!(say(&course, &["before"], "").1.contains("quiz after"));

        let right: String =
            questions().iter().filter(|it| it.form == 'A').map(|it| format!("{}\n", it.right())).collect();
        let (code, said) = say(&course, &["after"], &right);
        assert_eq!(code, OK);
        assert!(said.contains("form A") && said.contains("After:  12 of 12 right"), "{said}");
        assert!(said.contains("Before: 0 of 12 right") && said.matches("Right is:").count() == 12, "{said}");
        assert_eq!(say(&course, &["after"], "").0, OK);
        fs::remove_dir_all(&folder).unwrap();
    }
}
