//! Measuring in alternation: ours, a peer, ours, the next peer … in one process, and medians of the pairs.
//!
//! Two neighbours in time see the same machine, whatever else runs on it; a pair's ratio says more than two times that
//! were taken minutes apart. The last contestant of each case is ours once more: what comes out for it is noise, and no
//! target is met or missed by less than that.

use crate::case::{Against, Case, Entry, Role, Target};
use std::time::{Duration, Instant};

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Pairs of rounds for each contestant at most; an odd number has a middle.
    pub pairs: usize,
    /// Time for all pairs of one contestant. Who needs longer for his rounds gets fewer, but at least `at_least`.
    pub time: Duration,
    /// So many pairs, whatever they take.
    pub at_least: usize,
}

impl Effort {
    /// For the table that is published.
    pub const FULL: Effort = Effort { pairs: 31, time: Duration::from_millis(600), at_least: 5 };
    /// For a look: the whole board in about a minute.
    pub const QUICK: Effort = Effort { pairs: 7, time: Duration::from_millis(100), at_least: 1 };
}

/// What came out for one contestant.
#[derive(Debug, Clone)]
pub struct Score {
    /// Its column.
    pub name: &'static str,
    /// Its side.
    pub role: Role,
    /// The median cost of one operation, in the case's unit.
    pub cost: f64,
    /// The least and the greatest cost of one operation.
    pub costs: (f64, f64),
    /// Its cost over ours: the median of the pairs. 1 for ours.
    pub ratio: f64,
    /// The middle half of the pairs.
    pub quartiles: (f64, f64),
    /// All of the pairs.
    pub range: (f64, f64),
    /// How many pairs there were.
    pub pairs: usize,
}

impl Score {
    /// From pairs of rounds: what ours cost, and what this contestant did. `times` operations are a round.
    ///
    /// # Panics
    /// When there are no pairs.
    pub fn of(name: &'static str, role: Role, pairs: &[(f64, f64)], times: u64) -> Score {
        let mut ratios: Vec<f64> = pairs.iter().map(|(ours, other)| other / ours).collect();
        let mut costs: Vec<f64> = pairs.iter().map(|pair| pair.1 / times as f64).collect();
        Score {
            name,
            role,
            cost: median(&mut costs),
            costs: ends(&costs),
            ratio: median(&mut ratios),
            quartiles: (quantile(&ratios, 0.25), quantile(&ratios, 0.75)),
            range: ends(&ratios),
            pairs: pairs.len(),
        }
    }
}

/// What became of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Reached, and by more than the noise.
    Met,
    /// Too close to tell.
    WithinNoise,
    /// Not reached, and by more than the noise.
    Missed,
}

/// What becomes of a target: `ratio` has to be at least `least`, and a ratio may be wrong by the factor `noise`.
pub fn judge(ratio: f64, least: f64, noise: f64) -> Verdict {
    if ratio >= least * noise {
        Verdict::Met
    } else if ratio * noise < least {
        Verdict::Missed
    } else {
        Verdict::WithinNoise
    }
}

/// A target, what was measured for it, and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct Judged {
    /// What was asked.
    pub target: Target,
    /// The ratio that it was judged by. With [`Against::Itself`] it is the greatest cost allowed over ours.
    pub ratio: f64,
    /// The verdict.
    pub verdict: Verdict,
}

/// What came out for a case.
#[derive(Debug)]
pub struct Outcome {
    /// The case.
    pub case: Case,
    /// Ours first, then the others in the case's order, then ours again.
    pub scores: Vec<Score>,
}

/// The column of the null contestant.
pub const NULL: &str = "ours again";

/// Measures a case.
///
/// # Panics
/// When the case's first entry is not ours, or when a contestant gives a wrong result.
pub fn measure(case: Case, effort: Effort) -> Outcome {
    let (ours, others) = case.entries.split_first().expect("a case has contestants");
    assert_eq!(ours.role, Role::Ours, "ours comes first");
    let others = others.iter().map(|other| (other.name, other.role, other));
    let pair = if case.spread { anew } else { in_turn };
    let mut our_costs = Vec::new();
    let mut scores = Vec::new();
    for (name, role, other) in others.chain([(NULL, Role::Null, ours)]) {
        let pairs = pair(ours, other, effort);
        our_costs.extend(pairs.iter().map(|pair| (pair.0, pair.0)));
        scores.push(Score::of(name, role, &pairs, case.times));
    }
    scores.insert(0, Score::of(ours.name, Role::Ours, &our_costs, case.times));
    Outcome { case, scores }
}

/// Pairs of rounds of the same two contestants.
fn in_turn(ours: &Entry, other: &Entry, effort: Effort) -> Vec<(f64, f64)> {
    let (mut our_round, mut round) = ((ours.make)(), (other.make)());
    let start = Instant::now();
    // The first rounds warm up. They count only if they show that there is no time for others.
    our_round();
    round();
    effort.pairs_since(start, our_round, round)
}

/// Pairs of rounds of contestants that are made for each pair.
fn anew(ours: &Entry, other: &Entry, effort: Effort) -> Vec<(f64, f64)> {
    effort.pairs_since(Instant::now(), || (ours.make)()(), || (other.make)()())
}

impl Effort {
    fn pairs_since(
        self,
        start: Instant,
        mut ours: impl FnMut() -> f64,
        mut other: impl FnMut() -> f64,
    ) -> Vec<(f64, f64)> {
        let mut pairs = Vec::new();
        while pairs.len() < self.pairs && (pairs.len() < self.at_least || start.elapsed() < self.time) {
            // Each goes first in every other pair.
            if pairs.len() % 2 == 0 {
                let ours = ours();
                pairs.push((ours, other()));
            } else {
                let other = other();
                pairs.push((ours(), other));
            }
        }
        pairs
    }
}

impl Outcome {
    /// Our own score.
    pub fn ours(&self) -> &Score {
        &self.scores[0]
    }

    /// tokio, in the way in which it comes closest, or wins.
    pub fn tokio(&self) -> Option<&Score> {
        self.best(&[Role::Tokio])
    }

    /// The peer that comes closest, or wins.
    pub fn best_peer(&self) -> Option<&Score> {
        self.best(&[Role::Tokio, Role::Peer])
    }

    fn best(&self, roles: &[Role]) -> Option<&Score> {
        let peers = self.scores.iter().filter(|score| roles.contains(&score.role));
        peers.min_by(|a, b| a.ratio.total_cmp(&b.ratio))
    }

    /// The limit, if the case has one.
    pub fn limit(&self) -> Option<&Score> {
        self.scores.iter().find(|score| score.role == Role::Limit)
    }

    /// The peer that polls blindly.
    pub fn blind(&self) -> Option<&Score> {
        self.best(&[Role::Blind])
    }

    /// The best of the others that is not tokio, whether it polls blindly or not.
    pub fn best_other(&self) -> Option<&Score> {
        self.best(&[Role::Peer, Role::Blind])
    }

    /// Ours, once more.
    pub fn null(&self) -> Option<&Score> {
        self.best(&[Role::Null])
    }

    /// By which factor a ratio may be wrong: so far from 1 is the farther quartile of ours against ours.
    pub fn noise(&self) -> f64 {
        self.null().map_or(1.0, |null| (1.0 / null.quartiles.0).max(null.quartiles.1).max(1.0))
    }

    /// What is asked of the case, and what became of it. Who is asked for and was not measured counts as missed.
    pub fn judged(&self) -> Vec<Judged> {
        let judged = self.case.targets.iter().map(|&target| {
            let other = match target.against {
                Against::Tokio => self.tokio(),
                Against::Peer => self.best_peer(),
                Against::Blind => self.blind(),
                Against::Limit => self.limit(),
                Against::Itself => {
                    let ratio = target.value / self.ours().cost;
                    return Judged { target, ratio, verdict: judge(ratio, 1.0, self.noise()) };
                }
            };
            let ratio = other.map_or(0.0, |score| score.ratio);
            Judged { target, ratio, verdict: judge(ratio, target.value, self.noise()) }
        });
        judged.collect()
    }
}

/// Sorts, and gives the middle.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    quantile(values, 0.5)
}

/// The first and the last.
fn ends(sorted: &[f64]) -> (f64, f64) {
    (sorted[0], sorted[sorted.len() - 1])
}

/// What so large a part of the sorted values is below.
pub fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = part * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

/// The geometric mean.
pub fn geometric_mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut n, mut sum) = (0, 0.0);
    for value in values {
        (n, sum) = (n + 1, sum + value.ln());
    }
    (n > 0).then(|| (sum / f64::from(n)).exp())
}
