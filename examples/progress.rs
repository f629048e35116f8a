//! A progress bar that stays alive while nothing happens: a task of the loop draws it.

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};
use runtime::spawn;
use runtime::time::interval;
use std::fmt;
use std::time::Duration;

/// How often the bar is drawn when nothing comes to an end.
const TICK: Duration = Duration::from_millis(100);

/// A bar on stderr that counts to `total` things with this name. It is hidden when stderr is no terminal.
///
/// # Panics
///
/// Outside a runtime.
pub fn progress_bar(total: u64, things: &str) -> ProgressBar {
    bar(total, &format!("{{human_pos}} of {{human_len}}   {{throughput}} {things}/s"))
}

/// So far from the left stand the lines of a bar.
pub const INDENT: usize = 2;

/// A bar with a message of its own, which may be changed, in a line below it. It counts to `total`, and says in its own
/// line how far that is: `middle` is a template of indicatif. The bar has what the words leave of the terminal's columns;
/// a message that is longer than a line is cut.
///
/// # Panics
///
/// Outside a runtime.
pub fn bar_with_message(total: u64, middle: &str) -> ProgressBar {
    drawn(total, &format!("  {{wide_bar:.cyan/dim}}  {middle}\n  {{wide_msg}}"))
}

/// As [`progress_bar`], for so many bytes.
///
/// # Panics
///
/// Outside a runtime.
pub fn byte_bar(total: u64) -> ProgressBar {
    bar(total, "{decimal_bytes} of {decimal_total_bytes}   {decimal_bytes_per_sec}")
}

/// A bar that says this in the middle.
fn bar(total: u64, middle: &str) -> ProgressBar {
    drawn(total, &format!("  {{bar:40.cyan/dim}}  {middle}   {{eta}} left"))
}

/// A bar after this template.
fn drawn(total: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    let style = style.expect("the template is well-formed").progress_chars("━╸━").with_key("throughput", throughput);
    let bar = ProgressBar::new(total).with_style(style);
    let ticking = bar.clone();
    drop(spawn(async move {
        let mut ticks = interval(TICK);
        while !ticking.is_finished() {
            ticks.tick().await;
            ticking.tick();
        }
    }));
    bar
}

/// Things a second.
fn throughput(state: &ProgressState, out: &mut dyn fmt::Write) {
    let _ = write!(out, "{}", HumanCount(state.per_sec().round() as u64));
}
