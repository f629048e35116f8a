//! Polls in peace: nothing happens that a poll could wait for. So none sleeps, and none takes long.

use crate::jobs::Used;
use crate::run::{Run, broken};
use crate::system::Thread;
use std::time::Duration;

/// Polls whose sleeps are counted, each by itself. On a busy machine one of them may be stopped for a moment, but not each.
const APART: u32 = 5;

/// Polls in a row whose processor time is taken together: the system counts it in steps of up to 10 ms. It may also jump, so
/// there are some rows.
const IN_A_ROW: u32 = 200;
const ROWS: u32 = 3;

/// Processor time that a row of polls does not take if each looks once.
const LONG_ROW: Duration = Duration::from_millis(20);

/// Polls between two looks at the processor time. There is one after the first poll, too: it may be a very long one.
const A_LOOK: u32 = 10;

/// What was wrong with each of some polls.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Unrest {
    /// It slept.
    Sleeps,
    /// It took long: the polls of each row more than [`LONG_ROW`].
    TakesLong,
}

/// What is said of polls that do not rest.
pub(crate) struct Peace {
    /// Why a poll has nothing to wait for.
    pub(crate) because: &'static str,
    /// The rule that a poll breaks if it sleeps.
    pub(crate) rests: &'static str,
    /// The rule that it breaks if it takes long.
    pub(crate) returns: &'static str,
    /// What a poll does.
    pub(crate) cure: &'static str,
}

/// Lets `poll` poll for this task, while nothing happens.
///
/// # Panics
/// If its polls sleep, or take long: that breaks a rule.
pub(crate) fn judge_peace(task: u32, poll: impl FnMut(bool), peace: &Peace) {
    let Peace { because, rests, returns, cure } = peace;
    match in_peace(poll) {
        None => {}
        Some(Unrest::Sleeps) => {
            let says = format!(
                "{because}, and this poll has slept before it came back, as each of the polls before it. No other task is \
                 polled meanwhile. {cure}"
            );
            broken(rests, says, None)
        }
        Some(Unrest::TakesLong) => {
            Run::current().tell("Polls", task, format!("up to {IN_A_ROW} in a row"));
            let says = format!(
                "{because}, and these polls have taken more than {} ms of processor time. No other task is polled meanwhile. \
                 {cure}",
                LONG_ROW.as_millis()
            );
            broken(returns, says, None)
        }
    }
}

/// Lets `poll` poll, while nothing happens. It is told whether the step is to be told: where the processor time is taken, it is
/// not, for that takes more time than a poll.
fn in_peace(mut poll: impl FnMut(bool)) -> Option<Unrest> {
    let (run, this) = (Run::current(), Thread::current());
    let sleeps = (0..APART).map(|_| {
        let before = Used::so_far();
        poll(true);
        Used::so_far().since(before).sleeps
    });
    if sleeps.min() > Some(0) {
        return Some(Unrest::Sleeps);
    }
    let cpu = || this.look().unwrap_or_default().cpu;
    let mut takes_long = |_| {
        let begin = cpu();
        (1..=IN_A_ROW).any(|number| {
            poll(false);
            run.goes_on();
            (number == 1 || number % A_LOOK == 0) && cpu().saturating_sub(begin) >= LONG_ROW
        })
    };
    (0..ROWS).all(&mut takes_long).then_some(Unrest::TakesLong)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{Unrest, in_peace};
    use crate::watch;
    use std::time::{Duration, Instant};
    use std::{hint, thread};

    /// What is wrong with polls that do this.
    fn unrest(poll: fn()) -> Option<Unrest> {
        match watch(move || in_peace(|_| poll())).0 {
            crate::Outcome::Done(unrest) => unrest,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_poll_that_naps_and_a_poll_that_spins_are_found_out() {
        assert_eq!(unrest(|| {}), None);
        assert_eq!(unrest(|| thread::sleep(Duration::from_micros(10))), Some(Unrest::Sleeps));
        let spins = || {
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_millis(1) {
                hint::spin_loop();
            }
        };
        assert_eq!(unrest(spins), Some(Unrest::TakesLong));
    }
}
