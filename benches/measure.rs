//! Measuring in alternation: ours, a peer, ours, the next peer … in one process, and medians of the pairs.
//!
//! Two neighbours in time see the same machine, whatever else runs on it; a pair's ratio says more than two times that
//! were taken minutes apart.

use crate::case::{Case, Role};
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
    pub const FULL: Effort = Effort { pairs: 31, time: Duration::from_millis(1_200), at_least: 5 };
    /// For a look: the whole board in under a minute.
    pub const QUICK: Effort = Effort { pairs: 7, time: Duration::from_millis(150), at_least: 1 };
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
    /// Its cost over ours: the median of the pairs. 1 for ours.
    pub ratio: f64,
    /// The middle half of the pairs.
    pub quartiles: (f64, f64),
    /// How many pairs there were.
    pub pairs: usize,
}

/// What came out for a case.
#[derive(Debug)]
pub struct Outcome {
    /// The case.
    pub case: Case,
    /// Ours first, then the others in the case's order.
    pub scores: Vec<Score>,
}

/// Measures a case.
///
/// # Panics
/// When the case's first entry is not ours, or when a contestant gives a wrong result.
pub fn measure(case: Case, effort: Effort) -> Outcome {
    let (ours, others) = case.entries.split_first().expect("a case has contestants");
    assert_eq!(ours.role, Role::Ours, "ours comes first");
    let mut our_round = (ours.make)();
    our_round();
    let mut our_costs = Vec::new();
    let mut scores = Vec::new();
    for other in others {
        let mut round = (other.make)();
        let start = Instant::now();
        // The first round warms up, and counts only if it shows that there is no time for others.
        round();
        let mut pairs = Vec::new();
        while pairs.len() < effort.pairs && (pairs.len() < effort.at_least || start.elapsed() < effort.time) {
            // Each goes first in every other pair.
            let pair = if pairs.len() % 2 == 0 {
                let ours = our_round();
                (ours, round())
            } else {
                let other = round();
                (our_round(), other)
            };
            pairs.push(pair);
        }
        our_costs.extend(pairs.iter().map(|pair| pair.0));
        let mut ratios: Vec<f64> = pairs.iter().map(|(ours, other)| other / ours).collect();
        let mut costs: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
        scores.push(Score {
            name: other.name,
            role: other.role,
            cost: median(&mut costs) / case.times as f64,
            ratio: median(&mut ratios),
            quartiles: (quantile(&ratios, 0.25), quantile(&ratios, 0.75)),
            pairs: pairs.len(),
        });
    }
    let cost = median(&mut our_costs) / case.times as f64;
    let pairs = our_costs.len();
    let ours = Score { name: ours.name, role: Role::Ours, cost, ratio: 1.0, quartiles: (1.0, 1.0), pairs };
    scores.insert(0, ours);
    Outcome { case, scores }
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

    /// Whether what is asked of the case is met; `None` when nothing is.
    pub fn verdict(&self) -> Option<bool> {
        let target = self.case.target;
        let asked =
            [(target.to_tokio, self.tokio()), (target.to_peer, self.best_peer()), (target.to_limit, self.limit())];
        let mut answers = asked.iter().filter_map(|(least, score)| {
            let least = (*least)?;
            // Equal cannot be told from equal but for noise: where no more is asked, three quarters of the pairs
            // have to agree that it is missed.
            let reached = |score: &Score| if least <= 1.0 { score.quartiles.1 } else { score.ratio };
            Some(score.is_some_and(|score| reached(score) >= least))
        });
        let first = answers.next()?;
        Some(first && answers.all(|met| met))
    }
}

/// Sorts, and gives the middle.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    quantile(values, 0.5)
}

/// What so large a part of the sorted values is below.
fn quantile(sorted: &[f64], part: f64) -> f64 {
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
