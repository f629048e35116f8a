//! RESULTS.md: the whole board with machine, versions, date and command.

use crate::measure::{Outcome, Score, Verdict};
use crate::report::{Board, Cell, columns, cost, times};
use crate::{chart, machine, size};
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// What stands above the tables.
const PREFACE: &str = "\
# Results

Written by `cargo run --release -p benches`; do not edit. Every figure here is of this harness, the scoreboard, and none
of criterion's. Each case runs the same body for every contestant, ours and a peer's in alternation in one process, and
checks its result.

- A cost is the median of the rounds, for one operation.
- A **ratio** is the other's cost over ours: above 1, ours is cheaper. It is the median of the ratios of the pairs of
  rounds, and not the ratio of the two costs beside it: a pair is two rounds one after the other, and the machine is
  slower in some minutes than in others. In parentheses stand its quartiles, between which half of the pairs lie.
- **ours again** is the null contestant, ours against ours. What it is away from 1 is noise. A target is met or missed
  only beyond the noise of its row, which is the factor from 1 to the farther quartile of ours again; else it is *within
  the noise*.
- **× best peer** counts the columns that are peers; columns in *italics* are shown beside them. *tokio* is its
  current_thread runtime with `spawn`; *tokio LocalSet* the same with `spawn_local`; *tokio, 1 worker* its multi-thread
  runtime, where a user might choose that. **× tokio** counts the best of them.
- **polls blindly**: up to 30 children, `join_all` polls every child that is left at each wake. It is no peer of what
  polls only those that were woken, and has a column of its own, with its polls of children for each wake.
- The **limit** is the least code that does the work at all: × limit = 0.5 means that ours costs twice as much.
- Where one thread does everything, its processor time is measured, else the time on the wall.
";

/// The rows of the README's table: what users ask for, chosen before they were measured.
pub const HEADLINES: [&str; 10] = [
    "spawn and join, 100,000 tasks",
    "two tasks, mpsc ping-pong",
    "10,000 random sleeps",
    "100,000 timeouts open at once",
    "spawn_blocking round trip, on another core",
    "gather, woken one by one, n = 10",
    "gather_tasks, n = 1000",
    "memory of an idle task on a socket",
    "echo, throughput, 64 × 64 B",
    "hyper, throughput, 64 connections",
];

/// Between these lines of the README its table stands.
const MARKS: [&str; 2] = ["<!-- scoreboard -->\n", "<!-- end of scoreboard -->"];

/// The ratios to tokio on the README's first screen: two that are won, one that is equal, one that is lost.
const FRONT: [(&str, &str); 4] = [
    ("yield", "yield, 1,000 tasks × 100"),
    ("sleep", "10,000 random sleeps"),
    ("echo", "echo, server's CPU time, 64 × 64 B"),
    ("echo with 1,000 sockets", "echo, server's CPU time, 1000 × 4 KiB"),
];

/// Between these they stand.
const FRONT_MARKS: [&str; 2] = ["<!-- ratios -->", "<!-- end of ratios -->"];

/// Writes RESULTS.md and results.svg, and the table of a README that has a place for it.
///
/// # Errors
/// When they cannot be written, or cargo cannot build what [`size`] measures.
pub fn write(board: &Board, folder: &Path, readme: &Path) -> Result<(), Box<dyn Error>> {
    fs::write(folder.join("RESULTS.md"), format!("{}\n## size\n\n{}", markdown(board), size::table()?))?;
    fs::write(folder.join("results.svg"), chart::svg(board))?;
    let text = between(&fs::read_to_string(readme)?, MARKS, &headlines(board));
    fs::write(readme, between(&text, FRONT_MARKS, &front(board)))?;
    Ok(())
}

/// The text with `what` between the marks, if it has them.
fn between(text: &str, marks: [&str; 2], what: &str) -> String {
    let parts = text.split_once(marks[0]).and_then(|(before, rest)| Some((before, rest.split_once(marks[1])?.1)));
    parts.map_or(text.to_owned(), |(before, after)| format!("{before}{}{what}{}{after}", marks[0], marks[1]))
}

/// The ratios of the README's first screen.
fn front(board: &Board) -> String {
    let ratios = FRONT.iter().filter_map(|(label, name)| {
        let outcome = board.outcomes.iter().find(|outcome| outcome.case.name == *name)?;
        Some(format!("{label} {}", times(outcome.tokio()?.ratio)))
    });
    let ratios: Vec<String> = ratios.collect();
    format!("Times as fast as tokio: {}; [all cases](benches/RESULTS.md).", ratios.join(", "))
}

/// What the README shows of the board.
pub fn headlines(board: &Board) -> String {
    let facts = machine::facts();
    let fact = |wanted: &str| facts.iter().find(|(name, _)| *name == wanted).map_or("", |(_, fact)| fact.as_str());
    let mut text = format!(
        "Ten rows that users ask for, chosen before they were measured, losses among them. All figures are of this harness, \
         and none\nof criterion's: {}, {} cores, {}, {}, {}.\n\n",
        fact("processor"),
        fact("cores"),
        fact("date"),
        fact("toolchain").split(" (").next().unwrap_or_default(),
        fact("versions").split(", ").next().unwrap_or_default(),
    );
    text.push_str("| case | glassloop | tokio | × tokio | best other | × best other |\n");
    text.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for name in HEADLINES {
        let Some(outcome) = board.outcomes.iter().find(|outcome| outcome.case.name == name) else { continue };
        let in_unit = |score: &Score| cost(score.cost, outcome.case.unit);
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "—".into());
        let (tokio, other) = (outcome.tokio(), outcome.best_other());
        _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} |",
            in_unit(outcome.ours()),
            or_dash(tokio.map(in_unit)),
            or_dash(tokio.map(|tokio| times(tokio.ratio))),
            or_dash(other.map(|other| format!("{} {}", in_unit(other), other.name))),
            or_dash(other.map(|other| times(other.ratio))),
        );
    }
    text.push_str(
        "\nCosts are medians of rounds. Ratios are medians, too, of the ratios of rounds that stand side by side, and so not \
         quite what\none gets from the two costs; above 1, glassloop is cheaper. tokio is its current_thread runtime, with \
         `spawn` or with a\n`LocalSet`, or its multi-thread runtime with one worker, whichever is cheapest. [RESULTS.md](benches/RESULTS.md) has every case, and the \
         quartiles of each ratio.\n",
    );
    text
}

/// The page, but for the table of sizes.
pub fn markdown(board: &Board) -> String {
    let mut text = String::from(PREFACE);
    text.push_str("\n| | |\n| --- | --- |\n");
    for (name, fact) in machine::facts() {
        _ = writeln!(text, "| {name} | {fact} |");
    }
    text.push('\n');
    for line in board.summary().iter().filter(|line| !line.is_empty()) {
        _ = writeln!(text, "- {line}");
    }
    targets(&mut text, board);
    text.push_str("\n![ratios to the best peer](results.svg)\n");
    for subject in board.subjects() {
        section(&mut text, subject, &board.of(subject).collect::<Vec<_>>());
    }
    text
}

/// What is asked, a line for each target of a subject: our own marks to steer by, and no promise to a reader.
fn targets(text: &mut String, board: &Board) {
    text.push_str("\n## The targets\n\nOur own marks to steer by; they promise nothing to a reader.\n\n");
    text.push_str("| subject | target | met | within the noise | missed | the lowest |\n");
    text.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for line in board.lines() {
        let [met, close, missed] = line.counts;
        let (outcome, judged) = &line.worst;
        let worst = format!("{}, {}", times(judged.ratio), outcome.case.name);
        let subject = line.subject.replace('_', " ");
        _ = writeln!(text, "| {subject} | {} | {met} | {close} | {missed} | {worst} |", line.asked);
    }
    for mean in board.means() {
        let is = |verdict| u8::from(mean.verdict == verdict);
        let [met, close, missed] = [Verdict::Met, Verdict::WithinNoise, Verdict::Missed].map(is);
        let subject = mean.subject.replace('_', " ");
        let target = format!("{}× peer, the geometric mean", mean.target);
        _ = writeln!(text, "| {subject} | {target} | {met} | {close} | {missed} | {} |", times(mean.ratio));
    }
}

/// The columns of a table in which these rows stand: of all of them, each after the one that it comes after in its row.
fn heads(rows: &[Vec<Cell>]) -> Vec<(&'static str, bool)> {
    let mut heads: Vec<(&'static str, bool)> = Vec::new();
    for row in rows {
        let mut place = 0;
        for cell in row {
            match heads.iter().position(|head| head.0 == cell.head) {
                Some(at) => place = at + 1,
                None => {
                    heads.insert(place, (cell.head, cell.shown));
                    place += 1;
                }
            }
        }
    }
    heads
}

/// A table for each subject.
fn section(text: &mut String, subject: &str, outcomes: &[&Outcome]) {
    let rows: Vec<Vec<Cell>> = outcomes.iter().map(|outcome| columns(outcome)).collect();
    let heads = heads(&rows);
    let names = heads.iter().map(|&(name, shown)| if shown { format!("*{name}*") } else { name.into() });
    _ = writeln!(text, "\n## {}\n", subject.replace('_', " "));
    _ = writeln!(text, "| case | {} |", names.collect::<Vec<_>>().join(" | "));
    _ = writeln!(text, "| --- |{}", " --- |".repeat(heads.len()));
    for (outcome, cells) in outcomes.iter().zip(&rows) {
        let cell = |head: &(&str, bool)| cells.iter().find(|cell| cell.head == head.0).map_or("—", |cell| &cell.full);
        let row: Vec<&str> = heads.iter().map(cell).collect();
        _ = writeln!(text, "| {}, per {} | {} |", outcome.case.name, outcome.case.each, row.join(" | "));
    }
    let mut limits: Vec<&str> = outcomes.iter().filter_map(|outcome| outcome.limit()).map(|limit| limit.name).collect();
    limits.dedup();
    if !limits.is_empty() {
        _ = writeln!(text, "\nLimit: {}.", limits.join(", "));
    }
    let noted = outcomes.iter().filter(|outcome| !outcome.case.note.is_empty());
    said(text, "Note", noted.map(|outcome| (outcome.case.note, outcome.case.name.as_str())));
    // What is not met says why, and so does what has no target.
    let unmet = outcomes.iter().filter_map(|outcome| {
        let judged = outcome.judged();
        let is = |verdict| judged.iter().any(|judged| judged.verdict == verdict);
        let all_met = !judged.is_empty() && !is(Verdict::Missed) && !is(Verdict::WithinNoise);
        match outcome.case.why {
            _ if all_met => None,
            "" => is(Verdict::Missed).then_some(("not yet explained.", outcome.case.name.as_str())),
            why => Some((why, outcome.case.name.as_str())),
        }
    });
    said(text, "Why", unmet);
}

/// What is said below a table about its rows; rows of which the same is said share a paragraph.
fn said<'a>(text: &mut String, begins: &str, sayings: impl Iterator<Item = (&'a str, &'a str)>) {
    let mut paragraphs: Vec<(&str, Vec<&str>)> = Vec::new();
    for (saying, case) in sayings {
        match paragraphs.iter_mut().find(|paragraph| paragraph.0 == saying) {
            Some((_, cases)) => cases.push(case),
            None => paragraphs.push((saying, vec![case])),
        }
    }
    for (saying, cases) in paragraphs {
        _ = writeln!(text, "\n**{begins}, {}:** {saying}", cases.join("; "));
    }
}
