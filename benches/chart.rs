//! results.svg: how many times as cheap as the best peer, a bar a case; drawn by hand.

use crate::measure::geometric_mean;
use crate::report::{Board, times};
use std::fmt::Write as _;

/// All in pixels.
const WIDTH: f64 = 820.0;
const LABELS: f64 = 330.0;
const NUMBERS: f64 = 60.0;
const ROW: f64 = 24.0;
const BAR: f64 = 14.0;
const TOP: f64 = 44.0;

/// Legible on a light and on a dark page.
const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.bar { fill: #2f81f7 }
.behind { fill: #d1242f }
.one { stroke: #8b949e; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }";

/// The chart.
pub fn svg(board: &Board) -> String {
    let bars = bars(board);
    let most = bars.iter().map(|bar| bar.1).fold(1.0, f64::max);
    let scale = (WIDTH - LABELS - NUMBERS) / most;
    let height = TOP + ROW * bars.len() as f64 + 8.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
         <title>glassloop against the best peer of each case</title>\n<style>{STYLE}</style>\n\
         <text class=\"title\" x=\"0\" y=\"18\">Times as fast as the best peer: medians of rounds (dashed: equal)</text>\n"
    );
    for (row, (name, ratio)) in bars.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        let (end, class) = (LABELS + ratio * scale, if *ratio < 1.0 { "behind" } else { "bar" });
        _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\
             <rect class=\"{class}\" x=\"{LABELS}\" y=\"{y:.0}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"2\"/>\
             <text x=\"{:.1}\" y=\"{:.0}\">{}</text>",
            LABELS - 8.0,
            y + 12.0,
            escape(name),
            ratio * scale,
            end + 6.0,
            y + 12.0,
            times(*ratio),
        );
    }
    let one = LABELS + scale;
    _ = writeln!(
        svg,
        "<line class=\"one\" x1=\"{one:.1}\" x2=\"{one:.1}\" y1=\"{}\" y2=\"{}\"/>",
        TOP - 8.0,
        height - 8.0
    );
    svg.push_str("</svg>\n");
    svg
}

/// A bar for each case. Where cases differ in nothing but a number n, their geometric mean is one bar.
fn bars(board: &Board) -> Vec<(String, f64)> {
    let mut bars: Vec<(String, Vec<f64>)> = Vec::new();
    for outcome in &board.outcomes {
        let Some(peer) = outcome.best_peer() else { continue };
        let name = outcome.case.name.split(", n = ").next().unwrap_or_default();
        match bars.last_mut() {
            Some((last, ratios)) if last == name => ratios.push(peer.ratio),
            _ => bars.push((name.to_owned(), vec![peer.ratio])),
        }
    }
    bars.into_iter().filter_map(|(name, ratios)| Some((name, geometric_mean(ratios.into_iter())?))).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
