//! What is said of a class: a line of JSON for each answer, and a table for the teacher.

use crate::bench::{Found, Mark, Verdict};
use crate::catalog::typed;
use crate::json::quoted;
use crate::mark::Orders;
use crate::text::wrap;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// The columns of the table that a name of a student may take.
const NAME: usize = 14;

/// One line of JSON.
pub(crate) fn json(found: &Found, mark: &Mark, orders: &Orders<'_>) -> String {
    let or_null = |text: Option<String>| text.unwrap_or_else(|| "null".to_owned());
    let (lesson, file) = found.answer.as_ref().map(|(lesson, file)| (lesson.to_string(), file.clone())).unzip();
    let file = file.map(|file| file.strip_prefix(orders.folder).map_or(file.clone(), Path::to_owned));
    format!(
        "{{\"student\":{},\"lesson\":{},\"verdict\":{},\"rule\":{},\"message\":{},\"seed\":{},\"program\":{},\"file\":{}}}",
        quoted(&found.student),
        or_null(lesson),
        quoted(mark.verdict.name()),
        or_null(mark.rule.as_deref().map(quoted)),
        quoted(&mark.message),
        orders.seed,
        or_null(mark.program.map(|it| it.to_string())),
        or_null(file.map(|it| quoted(&it.to_string_lossy()))),
    )
}

/// What a teacher reads: a table, and by which rules answers were refused.
pub(crate) fn summary(found: &[Found], marks: &[Mark], ignored: &[String], orders: &Orders<'_>) -> String {
    let mut students: Vec<&str> = found.iter().map(|it| it.student.as_str()).collect();
    students.dedup();
    let lessons: BTreeSet<u32> = found.iter().filter_map(|it| Some(it.answer.as_ref()?.0)).collect();
    let all = || found.iter().zip(marks);
    let width = students.iter().map(|name| name.chars().count()).max().unwrap_or(0).clamp(7, NAME);
    let mut text = format!("\n  {:<width$}", "student");
    for lesson in &lessons {
        let _ = write!(text, "{lesson:>3}");
    }
    text.push('\n');
    for student in &students {
        let name: String = student.chars().take(width).collect();
        let _ = write!(text, "  {name:<width$}");
        for lesson in &lessons {
            let is = |it: &&(&Found, &Mark)| {
                it.0.student == *student && it.0.answer.as_ref().is_some_and(|it| it.0 == *lesson)
            };
            // Of several answers the best one.
            let best = all().filter(|it| is(&it)).map(|it| it.1.verdict).max();
            let _ = write!(text, "{:>3}", best.unwrap_or(Verdict::NoAnswer).letter());
        }
        text.push('\n');
    }
    text += "\n  A accepted   R refused   C does not compile\n  N not begun  ? not marked  - no answer\n";
    let mut by_rule: BTreeMap<(u32, &str), BTreeSet<&str>> = BTreeMap::new();
    for (one, mark) in all() {
        if let (Some((lesson, _)), Some(rule)) = (&one.answer, &mark.rule) {
            by_rule.entry((*lesson, rule)).or_default().insert(&one.student);
        }
    }
    if !by_rule.is_empty() {
        text += "\n  Broken rules:\n";
    }
    for ((lesson, rule), students) in by_rule {
        let who = students.into_iter().collect::<Vec<_>>().join(", ");
        text += &wrap(&format!("lesson {lesson}, {rule}: {who}"), 4);
    }
    let problems = all().filter(|(_, mark)| mark.verdict == Verdict::NotMarked);
    let problems = problems.map(|(one, mark)| (one, &mark.message)).collect::<Vec<_>>();
    if !problems.is_empty() {
        text += "\n  Not marked:\n";
    }
    for (one, message) in problems {
        let file = one.answer.as_ref().map(|(_, file)| typed(file)).unwrap_or_default();
        text += &wrap(&format!("{file}: {message}"), 4);
    }
    if !ignored.is_empty() {
        text += "\n  Files that are no answers (an answer has a name like 01.rs,\n  in the folder of a student):\n";
        ignored.iter().take(10).for_each(|name| text += &wrap(name, 4));
        if ignored.len() > 10 {
            let _ = writeln!(text, "    and {} more", ignored.len() - 10);
        }
    }
    let (folder, seed) = (orders.folder.display().to_string(), orders.seed);
    // As a shell wants it.
    let folder = if folder.contains(char::is_whitespace) { format!("{folder:?}") } else { folder };
    let _ =
        writeln!(text, "\n  The same programs again:\n  cargo run -p course -- check --json {folder} --seed {seed}");
    text
}
