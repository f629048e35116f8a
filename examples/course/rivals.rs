//! Two rivals that a benchmark compares, and a machine on which every round takes as long as the check has written down.

use crate::dice::Dice;
use crate::run::{Run, broken};
use std::time::Duration;

/// Rounds of each rival that a figure needs at least.
pub const FEWEST: u64 = 9;

/// Rounds of one rival at most that may come before as many of the other one.
const MOST_IN_A_ROW: u64 = 4;

/// Rounds of both together at most: a benchmark ends.
const MOST: u64 = 2_000;

/// A figure may differ by this part from the right one.
const TOLERANCE: f64 = 0.1;

/// Two rivals, and what the benchmark may ask them for.
pub trait Rivals {
    /// Whether they are built as they will be used: optimized.
    fn is_release(&self) -> bool;

    /// Runs our program once; how long it took.
    fn ours(&mut self) -> Duration;

    /// Runs theirs once; how long it took.
    fn theirs(&mut self) -> Duration;
}

/// What is wrong with a machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Flaw {
    /// It gets slower and slower: another program has begun. With each round by this part of the first one.
    Drifts(f64),
    /// One round in five of one rival takes so many times as long. Ours, if the first is true.
    OddRounds(bool, f64),
    /// No two rounds of theirs are alike: half of them take 4 times as long or longer, half of them a third less or shorter,
    /// and one is right. So a mean of some in the middle is far from the one in the middle.
    Scatters,
    /// Nothing is optimized.
    Debug,
}

/// The rounds of theirs that scatter, from the first one: so many are longer, as many are shorter, the next one is right. Then
/// they take turns.
const LONGER_FIRST: u64 = 4;

/// How many times as long a round of theirs takes, one that scatters.
fn scattered(round: u64) -> f64 {
    // No two are equal, and the one in the middle has no near neighbour.
    let part = round as f64 * 0.01;
    let (longer, shorter) = (4.0 + part, 1.0 / (1.5 + part));
    match round {
        _ if round == 2 * LONGER_FIRST => 1.0,
        _ if round < LONGER_FIRST => longer,
        _ if round < 2 * LONGER_FIRST || round.is_multiple_of(2) => shorter,
        _ => longer,
    }
}

/// Between which two the figure in the middle lies. Of an odd number both are that figure; of an even number it may be the
/// mean of the two in the middle, or the later one.
fn middle(figures: &[f64]) -> (f64, f64) {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (below, above) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    ((below + above) / 2.0, above)
}

/// A machine with two rivals.
#[derive(Debug)]
pub struct Machine {
    /// Milliseconds of a round of ours.
    base: f64,
    /// How many times as long theirs takes. That is what a benchmark has to find out.
    ratio: f64,
    flaw: Flaw,
    /// Which one in five is odd.
    odd: u64,
    /// For what no two rounds have in common: 2 % at most.
    dice: Dice,
    ours: u64,
    theirs: u64,
    /// How many times as long as a usual one of ours each round of theirs has taken.
    figures: Vec<f64>,
    /// How long each round of ours and of theirs has taken, in milliseconds.
    took: [Vec<f64>; 2],
    /// The most rounds by which one of them was ahead of the other.
    ahead: u64,
}

impl Machine {
    /// A machine on which theirs takes `ratio` times as long as ours.
    pub fn new(dice: &mut Dice, ratio: f64, flaw: Flaw) -> Machine {
        let base = dice.roll(2..=40) as f64;
        Machine {
            base,
            ratio,
            flaw,
            odd: 0,
            dice: Dice::new(dice.next()),
            ours: 0,
            theirs: 0,
            figures: Vec::new(),
            took: Default::default(),
            ahead: 0,
        }
    }

    /// Any machine.
    pub fn roll(dice: &mut Dice) -> Machine {
        let ratio = dice.roll(20..=400) as f64 / 100.0;
        let flaw = match dice.roll(1..=5) {
            1..=2 => Flaw::Drifts(dice.roll(1..=50) as f64 / 1000.0),
            3..=4 => {
                let factor = dice.roll(10..=50) as f64;
                Flaw::OddRounds(dice.one_in(2), if dice.one_in(2) { factor } else { 1.0 / factor })
            }
            _ => Flaw::Debug,
        };
        Machine { odd: dice.roll(0..=4), ..Machine::new(dice, ratio, flaw) }
    }

    fn round(&mut self, is_ours: bool) -> Duration {
        let rounds = self.ours + self.theirs;
        if rounds == MOST {
            let says = format!("{MOST} rounds, and no figure. Take a few of each, and no more than you need.");
            broken("a benchmark comes to an end", says, Some("Figure"));
        }
        let of_this = if is_ours { self.ours } else { self.theirs };
        let machine = match self.flaw {
            Flaw::Drifts(part) => 1.0 + rounds as f64 * part,
            Flaw::OddRounds(ours, factor) if ours == is_ours && of_this % 5 == self.odd => factor,
            Flaw::Scatters if !is_ours => scattered(self.theirs),
            Flaw::OddRounds(..) | Flaw::Scatters => 1.0,
            Flaw::Debug => 20.0,
        };
        let rival = if is_ours { self.base } else { self.base * self.ratio };
        let took = rival * machine * (0.98 + self.dice.roll(0..=40) as f64 / 1000.0);
        *(if is_ours { &mut self.ours } else { &mut self.theirs }) += 1;
        if !is_ours {
            self.figures.push(took / self.base);
        }
        self.took[usize::from(!is_ours)].push(took);
        self.ahead = self.ahead.max(self.ours.abs_diff(self.theirs));
        Run::current().tell(if is_ours { "Ours" } else { "Theirs" }, 0, format!("{took:.1} ms"));
        Duration::from_secs_f64(took / 1e3)
    }

    /// Judges the figure that a benchmark has given.
    pub fn judge(&self, figure: Option<f64>) {
        let Machine { ratio, flaw, ours, theirs, ahead, .. } = self;
        let told = figure.map_or("none".to_owned(), |figure| format!("{figure:.2}"));
        let is = |figure: f64, right: f64| (figure / right - 1.0).abs() <= TOLERANCE;
        let note = if *flaw == Flaw::Debug { told.clone() } else { format!("{told}; {ratio:.2} is right") };
        Run::current().tell("Figure", 0, note);
        let Some(figure) = figure else {
            if *flaw == Flaw::Debug && ours + theirs == 0 {
                return;
            }
            if *flaw == Flaw::Debug {
                let says = format!(
                    "This is a debug build, and there is no figure. But {} rounds were run before. Ask first how the rivals \
                     are built.",
                    ours + theirs
                );
                broken("a debug build is not measured", says, None);
            }
            broken("a release build is measured", "It is a release build, and there is no figure.", None);
        };
        if *flaw == Flaw::Debug {
            let says = "This is a debug build: nothing is optimized, and nobody will use it so. What is slow in it may be \
                        fast in a release build. There is no figure to give: None.";
            broken("a debug build is not measured", says, None);
        }
        if (*ours).min(*theirs) < FEWEST {
            let says = format!(
                "The figure stands after few rounds: {ours} of ours, {theirs} of theirs. Whatever else the machine did \
                 in these moments is in it. Take {FEWEST} or more of each."
            );
            broken("one round says nothing", says, None);
        }
        if *ahead > MOST_IN_A_ROW {
            let slower = match flaw {
                Flaw::Drifts(_) => "Meanwhile the machine has become slower, and the one that came later looks worse. ",
                _ => "",
            };
            let says = format!("{ahead} rounds of one rival came in a row. {slower}Let the two take turns.");
            broken("both see the same machine", says, None);
        }
        let is_in_the_middle = |figures: &[f64]| {
            let (least, most) = middle(figures);
            figure >= least * (1.0 - TOLERANCE) && figure <= most * (1.0 + TOLERANCE)
        };
        // The first round may have been for the machine to get warm.
        let scatters = *flaw == Flaw::Scatters;
        if scatters && (is_in_the_middle(&self.figures) || is_in_the_middle(&self.figures[1..]))
            || !scatters && is(figure, *ratio)
        {
            return;
        }
        if self.is_of_whole_milliseconds(figure) {
            let says = format!(
                "The figure is {told}, and {ratio:.2} is right: each time was cut to whole milliseconds. A round takes about \
                 {:.1} ms here. Take `as_secs_f64()`.",
                self.base
            );
            broken("whole milliseconds are too coarse", says, None);
        }
        if is(figure, 1.0 / ratio) {
            let says = "The figure is upside down: it is to say how many times as long theirs takes.";
            broken("the figure is theirs over ours", says, None);
        }
        if scatters {
            let count = self.figures.len();
            let says = format!(
                "No two rounds of theirs are alike here. The figure is {told}, and {ratio:.2} is right. Of all {count} figures, \
                 sorted, as many lie before the one in the middle as behind it. Of 11 it is number 6, which has the index 5."
            );
            broken("the figure in the middle is taken", says, None);
        }
        if let Flaw::OddRounds(is_ours, factor) = flaw {
            let how = if *factor > 1.0 { "long" } else { "short" };
            let whose = if *is_ours { "ours" } else { "theirs" };
            let says = format!(
                "One round in five of {whose} took too {how}: something else happened in it. The figure is {told}, and \
                 {ratio:.2} is right. A few odd rounds move a mean, a sum, the least and the most. They do not move the \
                 one in the middle of the sorted list."
            );
            broken("a few odd rounds decide nothing", says, None);
        }
        let says = format!("Theirs takes {ratio:.2} times as long as ours. The figure is {told}.");
        broken("the figure is theirs over ours", says, None)
    }
}

impl Machine {
    /// Whether this is the median of figures that are made of whole milliseconds.
    fn is_of_whole_milliseconds(&self, figure: f64) -> bool {
        let [ours, theirs] = &self.took;
        let figures: Vec<f64> = theirs.iter().zip(ours).map(|(theirs, ours)| theirs.floor() / ours.floor()).collect();
        let (least, most) = middle(&figures);
        let is = |other: f64| figure.total_cmp(&other).is_eq() || figure.is_nan() && other.is_nan();
        is(least) || is(most)
    }
}

impl Rivals for Machine {
    fn is_release(&self) -> bool {
        self.flaw != Flaw::Debug
    }

    fn ours(&mut self) -> Duration {
        self.round(true)
    }

    fn theirs(&mut self) -> Duration {
        self.round(false)
    }
}

#[cfg(test)]
mod tests {
    use super::{FEWEST, middle, scattered};

    #[test]
    fn what_scatters_has_one_right_figure_in_the_middle_and_its_neighbours_are_far() {
        for count in FEWEST..=101 {
            let figures: Vec<f64> = (0..count).map(scattered).collect();
            // Of an even number: if the first round was for the machine to get warm.
            let used = if count % 2 == 1 { &figures[..] } else { &figures[1..] };
            assert_eq!(middle(used), (1.0, 1.0), "{count} rounds");
            assert!(figures.iter().all(|figure| *figure == 1.0 || *figure <= 0.67 || *figure >= 1.5));
        }
        let first: Vec<f64> = (0..5).map(scattered).collect();
        assert!(middle(&first).0 > 1.5, "some of the figures are not all");
    }
}
