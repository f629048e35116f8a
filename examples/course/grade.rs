//! Grading a check itself: it has to accept what is right and to refuse every mutant by one of its rules.

use crate::check::{ACCEPTED, REFUSED};
use std::process::{Command, ExitStatus};

/// What one check said of one answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// All programs were right.
    Accepted,
    /// Refused by this rule.
    Refused {
        /// The rule that was broken.
        rule: String,
        /// The number of the program.
        program: u64,
        /// Milliseconds of processor time of the loops until then.
        cpu: u64,
        /// The seed of the check.
        seed: u64,
        /// What happened.
        says: String,
    },
    /// The answer ended the process of its check.
    Ended(String),
}

impl Verdict {
    /// Runs the check of one answer in a process of its own, which `command` starts.
    ///
    /// # Panics
    /// If the process cannot be started, or says what no check says.
    pub fn of(command: &mut Command) -> Verdict {
        let output = command.env("COURSE_TERSE", "1").output().expect("the check can be started");
        let said = String::from_utf8_lossy(&output.stdout);
        match output.status.code() {
            Some(ACCEPTED) => Verdict::Accepted,
            Some(REFUSED) => {
                let line = said.lines().find(|line| line.starts_with("refused|")).expect("it says why");
                let mut parts = line.split('|').skip(1);
                let mut next = || parts.next().expect("the line has six parts");
                let (rule, program, cpu, seed) = (next(), next(), next(), next());
                Verdict::Refused {
                    rule: rule.to_owned(),
                    program: program.parse().expect("a number"),
                    cpu: cpu.parse().expect("milliseconds"),
                    seed: seed.parse().expect("a number"),
                    says: next().to_owned(),
                }
            }
            _ => Verdict::Ended(how(output.status)),
        }
    }
}

/// How a process ended, in words.
pub(crate) fn how(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    }
}

/// The rules by which a mutant may be refused: its first line is `//! refused: rule | rule`.
pub fn rules_of(source: &str) -> Vec<&str> {
    let line = source.lines().next().unwrap_or_default();
    let rules = line.strip_prefix("//! refused:").unwrap_or_default();
    rules.split('|').map(str::trim).filter(|rule| !rule.is_empty()).collect()
}

/// Grades a check: `times` runs of each answer. All of `right` have to be accepted, each of `mutants` (a name, its source)
/// refused with a rule of its set; an answer that ends the process is refused by the rule "it comes back".
///
/// # Errors
/// What the check got wrong, one line for each.
pub fn grade(
    mut check: impl FnMut(&str) -> Verdict,
    right: &[&str],
    mutants: &[(&str, &str)],
    times: usize,
) -> Result<(), String> {
    let mut wrong = Vec::new();
    for name in right {
        let verdicts = (0..times).map(|_| check(name));
        wrong.extend(verdicts.filter(|it| *it != Verdict::Accepted).map(|it| format!("{name}: {it:?}")));
    }
    for (name, source) in mutants {
        let rules = rules_of(source);
        if rules.is_empty() {
            wrong.push(format!("{name}: its first line names no rule"));
        }
        for _ in 0..times {
            match check(name) {
                Verdict::Refused { rule, .. } if rules.contains(&rule.as_str()) => {}
                Verdict::Ended(_) if rules.contains(&"it comes back") => {}
                other => wrong.push(format!("{name}: {other:?}, and not {rules:?}")),
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, grade, rules_of};

    #[test]
    fn the_first_line_names_the_rules() {
        assert_eq!(rules_of("//! refused: one rule | two\n//! more"), ["one rule", "two"]);
        assert!(rules_of("//! A mutant").is_empty());
    }

    #[test]
    fn a_check_that_accepts_a_mutant_or_refuses_what_is_right_is_wrong() {
        let refused =
            |rule: &str| Verdict::Refused { rule: rule.to_owned(), program: 1, cpu: 0, seed: 0, says: String::new() };
        let mutants = [("bad", "//! refused: it is bad\n")];
        let right = ["good"];
        let by = |rule: &'static str| move |name: &str| if name == "good" { Verdict::Accepted } else { refused(rule) };
        assert_eq!(grade(by("it is bad"), &right, &mutants, 2), Ok(()));
        assert!(grade(by("another rule"), &right, &mutants, 2).is_err());
        assert!(grade(|_| Verdict::Accepted, &right, &mutants, 2).is_err());
        assert!(grade(|_| refused("it is bad"), &right, &mutants, 2).is_err());
        assert!(grade(|_| Verdict::Accepted, &[], &[("bad", "//! no rule")], 1).is_err());
    }
}
