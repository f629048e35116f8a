//! The board: what was measured so far, as lines of one table, as a summary, and as JSON.

use crate::case::{Against, Role, Unit};
use crate::measure::{Judged, Outcome, Score, Verdict, geometric_mean, judge};
use serde_json::{Value, json};

/// Targets for the geometric mean of the ratios of a whole subject. 3 is the aim.
const MEANS: [(&str, f64); 1] = [("gather_in_place", 2.6)];

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
    /// What became of it. The mean may be wrong by as much as the mean of ours against ours in the same cases.
    pub verdict: Verdict,
}

/// A target that several cases of a subject have in common.
#[derive(Debug)]
pub struct Line<'a> {
    /// The subject.
    pub subject: &'static str,
    /// What is asked.
    pub asked: String,
    /// The case that is farthest below or least above, and how it was judged.
    pub worst: (&'a Outcome, Judged),
    /// How many are met, within the noise, and missed.
    pub counts: [usize; 3],
}

/// A cell of an outcome's row.
#[derive(Debug)]
pub struct Cell {
    /// Its column.
    pub head: &'static str,
    /// For the terminal: a cost or a ratio.
    pub short: String,
    /// For the page: with the ratio's quartiles.
    pub full: String,
    /// Stands beside the peers.
    pub shown: bool,
}

impl Board {
    /// Keeps an outcome and gives its row, under a header where a subject begins.
    pub fn add(&mut self, outcome: Outcome) -> Vec<String> {
        let begins = self.outcomes.last().is_none_or(|last| last.case.subject != outcome.case.subject);
        let cells = columns(&outcome);
        let mut lines = Vec::new();
        // Some cases of a subject have contestants that others lack.
        if begins || cells.iter().any(|cell| !self.header.contains(&cell.head)) {
            self.header = cells.iter().map(|cell| cell.head).collect();
            let names: Vec<_> = self.header.iter().map(|name| format!("{name:>12}")).collect();
            lines.push(String::new());
            lines.push(format!("{:<48}{}", outcome.case.subject, names.join(" ")));
        }
        let cell = |name: &&str| {
            let value = cells.iter().find(|cell| cell.head == *name).map_or("—", |cell| &cell.short);
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
            let again = self.of(subject).filter_map(|it| it.null()).map(|it| it.ratio);
            let noise = geometric_mean(again).map_or(1.0, |again| again.max(1.0 / again));
            Some(Mean { subject, cases: ratios.len(), ratio, target, verdict: judge(ratio, target, noise) })
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

    /// Everything that was judged, with its outcome.
    fn judged(&self) -> impl Iterator<Item = (&Outcome, Judged)> {
        self.outcomes.iter().flat_map(|outcome| outcome.judged().into_iter().map(move |judged| (outcome, judged)))
    }

    /// The targets for which this came out, one in a line.
    pub fn with(&self, verdict: Verdict) -> Vec<String> {
        let cases = self.judged().filter(|(_, judged)| judged.verdict == verdict);
        let cases = cases.map(|(outcome, judged)| {
            format!("{}: {} of {}", outcome.case.name, times(judged.ratio), asked(&judged, outcome.case.unit))
        });
        let means = self.means().into_iter().filter(|mean| mean.verdict == verdict);
        cases.chain(means.map(|mean| mean.describe())).collect()
    }

    /// The targets, those that cases of a subject have in common in one line.
    pub fn lines(&self) -> Vec<Line<'_>> {
        let mut lines: Vec<Line<'_>> = Vec::new();
        for (outcome, judged) in self.judged() {
            let (subject, asked) = (outcome.case.subject, asked(&judged, outcome.case.unit));
            let at =
                lines.iter().position(|line| line.subject == subject && line.asked == asked).unwrap_or_else(|| {
                    lines.push(Line { subject, asked, worst: (outcome, judged), counts: [0; 3] });
                    lines.len() - 1
                });
            let line = &mut lines[at];
            line.counts[judged.verdict as usize] += 1;
            if judged.ratio < line.worst.1.ratio {
                line.worst = (outcome, judged);
            }
        }
        lines
    }

    /// The last lines.
    pub fn summary(&self) -> Vec<String> {
        let mut lines = vec![String::new()];
        lines.extend(self.means().iter().map(Mean::describe));
        let [met, close, missed] = [Verdict::Met, Verdict::WithinNoise, Verdict::Missed].map(|it| self.with(it));
        let all = met.len() + close.len() + missed.len();
        lines.push(format!("{} of {all} targets met, {} within the noise", met.len(), close.len()));
        lines.extend(close.iter().map(|it| format!("within the noise: {it}")));
        lines.extend(missed.iter().map(|it| format!("missed: {it}")));
        lines
    }
}

impl Mean {
    /// In one line.
    pub fn describe(&self) -> String {
        let Mean { subject, cases, ratio, target, .. } = self;
        format!("{subject}: geometric mean over {cases} cases {ratio:.2}×, target {target}×")
    }
}

/// The cells of an outcome's row, with their column's names.
pub fn columns(outcome: &Outcome) -> Vec<Cell> {
    let unit = outcome.case.unit;
    let spread = outcome.case.spread;
    let cell = |head, short: String, full: String| Cell { head, short, full, shown: false };
    let contestant = |score: &Score| {
        let short = if spread { range(score.range) } else { cost(score.cost, unit) };
        let full = if spread {
            format!("{} to {}, {}", cost(score.costs.0, unit), cost(score.costs.1, unit), range(score.range))
        } else {
            format!("{}, {}", cost(score.cost, unit), with_quartiles(score))
        };
        (short, full)
    };
    let mut cells = Vec::new();
    for score in &outcome.scores {
        let (short, full) = contestant(score);
        match score.role {
            Role::Ours if spread => {
                let costs = format!("{} to {}", cost(score.costs.0, unit), cost(score.costs.1, unit));
                cells.push(cell(score.name, costs.clone(), costs));
            }
            Role::Ours => cells.push(cell(score.name, short.clone(), short)),
            Role::Tokio | Role::Peer => cells.push(cell(score.name, short, full)),
            Role::Shown => cells.push(Cell { head: score.name, short, full, shown: true }),
            Role::Blind | Role::Null | Role::Limit => {}
        }
    }
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "—".into());
    if let Some(blind) = outcome.blind() {
        let (short, full) = contestant(blind);
        cells.push(cell("polls blindly", short, format!("{}, {full}", blind.name)));
        let polls = or_dash(outcome.case.polls_a_wake.map(|polls| format!("{polls:.1}")));
        cells.push(cell("its polls a wake", polls.clone(), polls));
    }
    if let Some(null) = outcome.null() {
        let ratio = if spread { range(null.range) } else { with_quartiles(null) };
        let short = if spread { ratio.clone() } else { times(null.ratio) };
        cells.push(cell(null.name, short, ratio));
    }
    let (short, full) = outcome.limit().map_or_else(|| ("—".into(), "—".into()), contestant);
    cells.push(cell("limit", short, full));
    let ratio = |score: Option<&Score>| or_dash(score.filter(|_| !spread).map(|score| times(score.ratio)));
    let named = |score: &Score| format!("{} {}", times(score.ratio), score.name);
    let best = outcome.best_peer();
    cells.push(cell("× tokio", ratio(outcome.tokio()), ratio(outcome.tokio())));
    cells.push(cell("× best peer", ratio(best), or_dash(best.filter(|_| !spread).map(named))));
    cells.push(cell("× limit", ratio(outcome.limit()), ratio(outcome.limit())));
    let targets: Vec<String> = outcome.judged().iter().map(|judged| asked(judged, unit)).collect();
    let targets = if targets.is_empty() { "—".into() } else { targets.join(", ") };
    cells.push(cell("target", targets.clone(), targets));
    let verdict = verdict(&outcome.judged());
    cells.push(cell("verdict", verdict.clone(), verdict));
    cells
}

/// What is asked, in words.
fn asked(judged: &Judged, unit: Unit) -> String {
    let value = judged.target.value;
    match judged.target.against {
        Against::Tokio => format!("{value}× tokio"),
        Against::Peer => format!("{value}× peer"),
        Against::Blind => format!("{value}× blind"),
        Against::Limit => format!("{value}× limit"),
        Against::Itself => format!("at most {}", cost(value, unit)),
    }
}

/// One word where all of a case's targets came out alike, else a word for each.
fn verdict(judged: &[Judged]) -> String {
    let words: Vec<&str> = judged.iter().map(|judged| word(judged.verdict)).collect();
    match words.split_first() {
        None => "—".into(),
        Some((first, others)) if others.iter().all(|word| word == first) => (*first).into(),
        Some(_) => words.join(", "),
    }
}

/// A verdict as the tables have it.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "met",
        Verdict::WithinNoise => "within the noise",
        Verdict::Missed => "MISSED",
    }
}

/// A ratio and the middle half of its pairs.
fn with_quartiles(score: &Score) -> String {
    let (low, high) = score.quartiles;
    format!("{} ({} to {})", times(score.ratio), digits(low), digits(high))
}

/// The least and the greatest ratio.
fn range((low, high): (f64, f64)) -> String {
    format!("{} to {}", digits(low), times(high))
}

/// A ratio with as many digits as it deserves.
pub fn times(ratio: f64) -> String {
    format!("{}×", digits(ratio))
}

fn digits(ratio: f64) -> String {
    if ratio >= 10.0 { format!("{ratio:.1}") } else { format!("{ratio:.2}") }
}

/// A cost with three digits and its unit.
pub fn cost(value: f64, unit: Unit) -> String {
    if unit == Unit::Rate {
        return format!("{:.1} k/s", 1e6 / value);
    }
    let scale: &[(f64, &str)] = match unit {
        Unit::Time | Unit::Rate => &[(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (0.0, "ns")],
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
                "range": [score.range.0, score.range.1],
                "pairs": score.pairs,
            })
        });
        json!({
            "subject": case.subject,
            "name": case.name,
            "each": case.each,
            "times": case.times,
            "unit": if case.unit == Unit::Memory { "B" } else { "ns" },
            "noise": outcome.noise(),
            "targets": outcome.judged().iter().map(|judged| json!({
                "against": format!("{:?}", judged.target.against).to_lowercase(),
                "value": judged.target.value,
                "ratio": judged.ratio,
                "verdict": word(judged.verdict),
            })).collect::<Vec<_>>(),
            "scores": scores.collect::<Vec<_>>(),
        })
    });
    json!({
        "machine": crate::machine::facts().into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "cases": cases.collect::<Vec<_>>(),
        "means": board.means().iter().map(|mean| json!({
            "subject": mean.subject, "cases": mean.cases, "ratio": mean.ratio, "target": mean.target,
            "verdict": word(mean.verdict),
        })).collect::<Vec<_>>(),
    })
}
