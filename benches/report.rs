//! The board: what was measured so far, as lines of one table, as a summary, and as JSON.

use crate::case::{Role, Unit};
use crate::measure::{Outcome, Score, geometric_mean};
use serde_json::{Value, json};

/// Targets for the geometric mean of the ratios of a whole subject.
const MEANS: [(&str, f64); 1] = [("gather_in_place", 3.0)];

/// All outcomes, in the order in which they came.
#[derive(Debug, Default)]
pub struct Board {
    /// The outcomes.
    pub outcomes: Vec<Outcome>,
    /// The columns of the subject that is being printed: those of its first case.
    header: Vec<&'static str>,
}

/// A subject's geometric mean, and what is asked of it.
#[derive(Debug, Clone, Copy)]
pub struct Mean {
    /// The subject.
    pub subject: &'static str,
    /// Over so many cases.
    pub cases: usize,
    /// The mean of the ratios to the best peer.
    pub ratio: f64,
    /// The least that it shall be.
    pub target: f64,
}

impl Board {
    /// Keeps an outcome and gives its row, under a header where a subject begins.
    pub fn add(&mut self, outcome: Outcome) -> Vec<String> {
        let begins = self.outcomes.last().is_none_or(|last| last.case.subject != outcome.case.subject);
        let cells = columns(&outcome);
        let mut lines = Vec::new();
        if begins {
            self.header = cells.iter().map(|&(name, _)| name).collect();
            let names: Vec<_> = self.header.iter().map(|name| format!("{name:>12}")).collect();
            lines.push(String::new());
            lines.push(format!("{:<48}{}", outcome.case.subject, names.join(" ")));
        }
        // A contestant may be missing from some cases of a subject.
        let cell = |name: &&str| {
            let value = cells.iter().find(|cell| cell.0 == *name).map_or("—", |cell| &cell.1);
            format!("{value:>width$}", width = name.chars().count().max(12))
        };
        let values: Vec<_> = self.header.iter().map(cell).collect();
        lines.push(format!("{:<48}{}", outcome.case.name, values.join(" ")));
        self.outcomes.push(outcome);
        lines
    }

    /// The subjects that are judged by their mean, as far as they were measured.
    pub fn means(&self) -> Vec<Mean> {
        let mean_of = |(subject, target): (&'static str, f64)| {
            let ratios: Vec<f64> = self.of(subject).filter_map(|it| it.best_peer()).map(|it| it.ratio).collect();
            let ratio = geometric_mean(ratios.iter().copied())?;
            Some(Mean { subject, cases: ratios.len(), ratio, target })
        };
        MEANS.into_iter().filter_map(mean_of).collect()
    }

    /// The outcomes of a subject.
    pub fn of(&self, subject: &str) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(move |outcome| outcome.case.subject == subject)
    }

    /// The subjects, in the order of the board.
    pub fn subjects(&self) -> Vec<&'static str> {
        let mut subjects: Vec<_> = self.outcomes.iter().map(|outcome| outcome.case.subject).collect();
        subjects.dedup();
        subjects
    }

    /// What missed its target.
    pub fn missed(&self) -> Vec<String> {
        let cases = self.outcomes.iter().filter(|outcome| outcome.verdict() == Some(false));
        let means = self.means().into_iter().filter(|mean| mean.ratio < mean.target);
        cases.map(|outcome| outcome.case.name.clone()).chain(means.map(|mean| mean.describe())).collect()
    }

    /// The last lines.
    pub fn summary(&self) -> Vec<String> {
        let mut lines = vec![String::new()];
        lines.extend(self.means().iter().map(Mean::describe));
        let (met, all) = self.met();
        lines.push(format!("{met} of {all} targets met"));
        lines.extend(self.missed().iter().map(|name| format!("missed: {name}")));
        lines
    }

    /// How many targets are met, and how many there are.
    pub fn met(&self) -> (usize, usize) {
        let judged = self.outcomes.iter().filter(|outcome| outcome.verdict().is_some()).count();
        let all = judged + self.means().len();
        (all - self.missed().len(), all)
    }
}

impl Mean {
    /// In one line.
    pub fn describe(&self) -> String {
        let Mean { subject, cases, ratio, target } = self;
        format!("{subject}: geometric mean over {cases} cases {ratio:.2}×, target {target}×")
    }
}

/// The cells of an outcome's row, with their column's names.
pub fn columns(outcome: &Outcome) -> Vec<(&'static str, String)> {
    let unit = outcome.case.unit;
    let is_limit = |score: &&Score| score.role == Role::Limit;
    let mut cells: Vec<(&str, String)> =
        outcome.scores.iter().filter(|it| !is_limit(it)).map(|it| (it.name, cost(it.cost, unit))).collect();
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "—".into());
    cells.push(("limit", or_dash(outcome.limit().map(|it| cost(it.cost, unit)))));
    cells.push(("× tokio", or_dash(outcome.tokio().map(|it| times(it.ratio)))));
    cells.push(("× best peer", or_dash(outcome.best_peer().map(|it| times(it.ratio)))));
    cells.push(("× limit", or_dash(outcome.limit().map(|it| times(it.ratio)))));
    cells.push(("target", target(outcome)));
    cells.push(("verdict", verdict(outcome).into()));
    cells
}

/// What is asked, in words.
fn target(outcome: &Outcome) -> String {
    let target = outcome.case.target;
    let tokio = target.to_tokio.map(|ratio| format!("{ratio}× tokio"));
    let peer = target.to_peer.map(|ratio| format!("{ratio}× peer"));
    let limit = target.to_limit.map(|ratio| format!("{ratio}× limit"));
    let parts: Vec<_> = tokio.into_iter().chain(peer).chain(limit).collect();
    if parts.is_empty() { "—".into() } else { parts.join(", ") }
}

fn verdict(outcome: &Outcome) -> &'static str {
    match outcome.verdict() {
        None => "—",
        Some(true) => "met",
        Some(false) => "MISSED",
    }
}

/// A ratio with as many digits as it deserves.
pub fn times(ratio: f64) -> String {
    if ratio >= 10.0 { format!("{ratio:.1}×") } else { format!("{ratio:.2}×") }
}

/// A cost with three digits and its unit.
pub fn cost(value: f64, unit: Unit) -> String {
    let scale: &[(f64, &str)] = match unit {
        Unit::Time => &[(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (0.0, "ns")],
        Unit::Memory => &[(1e6, "MB"), (1e4, "kB"), (0.0, "B")],
    };
    let &(least, name) = scale.iter().find(|(least, _)| value >= *least).unwrap_or(&scale[scale.len() - 1]);
    let divisor = if least == 1e4 { 1e3 } else { least.max(1.0) };
    let value = value / divisor;
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {name}")
}

/// Everything, for programs.
pub fn json(board: &Board) -> Value {
    let cases = board.outcomes.iter().map(|outcome| {
        let case = &outcome.case;
        let scores = outcome.scores.iter().map(|score| {
            json!({
                "name": score.name,
                "role": format!("{:?}", score.role).to_lowercase(),
                "cost": score.cost,
                "ratio": score.ratio,
                "quartiles": [score.quartiles.0, score.quartiles.1],
                "pairs": score.pairs,
            })
        });
        json!({
            "subject": case.subject,
            "name": case.name,
            "each": case.each,
            "times": case.times,
            "unit": if case.unit == Unit::Time { "ns" } else { "B" },
            "target_to_tokio": case.target.to_tokio,
            "target_to_peer": case.target.to_peer,
            "target_to_limit": case.target.to_limit,
            "met": outcome.verdict(),
            "scores": scores.collect::<Vec<_>>(),
        })
    });
    json!({
        "machine": crate::machine::facts().into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "cases": cases.collect::<Vec<_>>(),
        "means": board.means().iter().map(|mean| json!({
            "subject": mean.subject, "cases": mean.cases, "ratio": mean.ratio, "target": mean.target,
        })).collect::<Vec<_>>(),
    })
}
