//! How a load test is doing while it runs: at a terminal a bar, the rate, the errors and a picture of the latency; else a
//! plain line now and then, for logs.

use crate::out::complain;
use crate::progress::{INDENT, bar_with_message};
use crate::report::nanoseconds;
use crate::stop::until;
use crate::tally::Recent;
use crate::timeline::Timeline;
use indicatif::{HumanCount, ProgressBar};
use runtime::sync::mpsc::Receiver;
use runtime::time::interval;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// How often what is shown at a terminal changes.
const FRAME: Duration = Duration::from_millis(250);

/// How often a line is printed where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// Columns of the picture, where there is room for them.
const COLUMNS: usize = 16;

/// Columns of the narrowest terminal that has room for all words.
const NARROW: usize = 60;

/// The heights of a column.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Shows what the loops tell, until none of them can tell any more. The bar ends with `requests` or `duration`, whichever
/// there is; what comes within `warm_up` moves it not, and is not in the `timeline`.
pub async fn watch(
    mut told: Receiver<Recent>,
    requests: Option<u64>,
    duration: Option<Duration>,
    warm_up: Option<Duration>,
    mut timeline: Option<Timeline>,
) {
    let screen = stderr().is_terminal().then(|| Screen::new(requests, duration));
    let (start, counting) = (Instant::now(), warm_up.unwrap_or_default());
    let (sum, all) = (RefCell::new(Recent::default()), RefCell::new((0, 0)));
    let listen = async {
        while let Some(recent) = told.recv().await {
            sum.borrow_mut().add(&recent);
            let (landed, failed) = &mut *all.borrow_mut();
            *failed += recent.failures;
            if let Some(time) = start.elapsed().checked_sub(counting) {
                *landed += recent.answers + recent.failures;
                timeline.iter_mut().for_each(|timeline| timeline.add(time.as_secs(), &recent));
            }
            if let Some(screen) = &screen {
                screen.move_to(*landed, start.elapsed().saturating_sub(counting));
            }
        }
        timeline.into_iter().for_each(Timeline::end);
    };
    let show = async {
        let every = if screen.is_some() { FRAME } else { LINE };
        let (mut ticks, mut picture, mut last) = (interval(every), VecDeque::new(), Instant::now());
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let (recent, failed) = (sum.take(), all.borrow().1);
            let seconds = std::mem::replace(&mut last, Instant::now()).elapsed().as_secs_f64();
            let rate = HumanCount((recent.answers as f64 / seconds).round() as u64);
            let quantile = |quantile: f64| match recent.answers {
                0 => "-".to_string(),
                _ => nanoseconds(recent.latency.value_at_quantile(quantile)),
            };
            let warming = if start.elapsed() < counting { "warm-up, " } else { "" };
            match &screen {
                Some(screen) => {
                    picture.extend((recent.answers > 0).then(|| recent.latency.value_at_quantile(0.5)));
                    picture.drain(..picture.len().saturating_sub(COLUMNS));
                    let words = format!("{warming}{rate}/s, {} errors, p50 {} ", HumanCount(failed), quantile(0.5));
                    screen.say(with_picture(words, &picture));
                }
                None => complain(format_args!(
                    "{:4.0} s: {warming}{rate} requests/s, {} errors, p50 {}, p99 {}",
                    start.elapsed().as_secs_f64(),
                    HumanCount(failed),
                    quantile(0.5),
                    quantile(0.99)
                )),
            }
        }
    };
    let _: Result<(), ()> = until(listen, show).await;
}

/// The bar, with a line below it. It is cleared when this is dropped.
struct Screen {
    bar: ProgressBar,
    /// The bar shows time, in milliseconds, and not requests.
    is_time: bool,
}

impl Screen {
    fn new(requests: Option<u64>, duration: Option<Duration>) -> Self {
        let (total, middle, is_time) = match (requests, duration) {
            (Some(requests), None) => (requests, "{human_pos} of {human_len} requests, {eta} left", false),
            (_, duration) => (duration.unwrap_or_default().as_millis() as u64, "{elapsed}, {eta} left", true),
        };
        Self { bar: bar_with_message(total, middle), is_time }
    }

    fn move_to(&self, landed: u64, time: Duration) {
        self.bar.set_position(if self.is_time { time.as_millis() as u64 } else { landed });
    }

    fn say(&self, line: String) {
        self.bar.set_message(line);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The words, and the picture of the last values: of as many as have room beside them in a narrow terminal.
fn with_picture(words: String, values: &VecDeque<u64>) -> String {
    let room = NARROW.saturating_sub(INDENT + words.chars().count());
    words + &sparkline(values.iter().skip(values.len().saturating_sub(room)))
}

/// A column for each value; the highest is the largest.
fn sparkline<'a>(values: impl Iterator<Item = &'a u64> + Clone) -> String {
    let most = values.clone().max().copied().unwrap_or(0).max(1);
    let height = |value: &u64| HEIGHTS[((*value as f64 / most as f64) * 7.0).round() as usize];
    values.map(height).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_has_a_column_for_each_value_and_the_largest_is_the_highest() {
        assert_eq!(sparkline([0, 50, 100].iter()), "▁▅█");
        assert_eq!(sparkline([].iter()), "");
        assert_eq!(sparkline([0].iter()), "▁");
    }

    #[test]
    fn the_picture_gives_way_to_the_words() {
        let picture = VecDeque::from_iter(0..COLUMNS as u64);
        for (words, columns) in [
            ("1,234/s, 0 errors, p50 12.3 ms ", 16),
            ("warm-up, 123,456/s, 12,345 errors, p50 12.3 ms ", 11),
            ("warm-up, 123,456,789/s, 123,456,789 errors, p50 12.3 ms ", 2),
            ("warm-up, 123,456,789/s, 123,456,789,000 errors, p50 12.3 ms ", 0),
        ] {
            let line = with_picture(words.to_string(), &picture);
            assert_eq!(line.chars().count(), words.chars().count() + columns, "{line}");
            // The last value is the largest, and stays.
            assert_eq!(line.ends_with('█'), columns > 0, "{line}");
        }
    }
}
