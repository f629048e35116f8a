//! The parts of a rung: inline modules, some of which are exercises. In their places answers can be put: then it is a loop of
//! one's own. This is text only; `build.rs` has this file, too.

/// How a check names the student's file.
pub(crate) const STUDENT: &str = "#[path = \"exercise.rs\"]\nmod ";

/// How a check says that the exercise is no part of the rung.
pub(crate) const NO_PART: &str = "//! No part of the rung is the exercise.";

/// The part of the rung that is the exercise of this check, by its name.
pub(crate) fn part(check: &str) -> Option<&str> {
    let part = check.split(STUDENT).nth(1)?.split(';').next();
    part.filter(|_| !check.contains(NO_PART))
}

/// Where the text of a part begins in a rung, and where it ends: without the line `mod …` and without the last brace.
fn place(rung: &str, part: &str) -> Option<(usize, usize)> {
    let head = format!("mod {part} {{\n");
    let from = rung.find(&format!("\npub {head}")).map(|at| at + "\npub ".len());
    let from = from.or_else(|| rung.find(&format!("\n{head}")).map(|at| at + 1))? + head.len();
    Some((from, from + rung[from..].find("\n}\n")? + 1))
}

/// The text of a part of a rung.
pub(crate) fn text<'a>(rung: &'a str, part: &str) -> Option<&'a str> {
    place(rung, part).map(|(from, to)| &rung[from..to])
}

/// The rung with this answer in the place of a part. `None`: it has no such part.
pub(crate) fn with(rung: &str, part: &str, answer: &str) -> Option<String> {
    let (from, to) = place(rung, part)?;
    Some([&rung[..from], answer.trim_end(), "\n", &rung[to..]].concat())
}

/// The parts of a rung that are exercises: a lesson each, by its number and with the part. An exercise is one if the part is
/// word for word that of its lesson's rung: a later rung may ask more of it. `lessons` are the rungs and checks up to this one.
pub(crate) fn exercises<'a>(rung: &str, lessons: &[(u32, &str, &'a str)]) -> Vec<(u32, &'a str)> {
    let is_same = |its: &str, part| text(its, part).is_some_and(|its| text(rung, part) == Some(its));
    let all = lessons.iter().filter_map(|(number, its, check)| Some((*number, *its, part(check)?)));
    let same: Vec<(u32, &str)> =
        all.filter(|(_, its, part)| is_same(its, part)).map(|(number, _, part)| (number, part)).collect();
    // If two lessons have the same part, the later one's counts.
    let is_last = |(index, (_, part)): &(usize, &(u32, &str))| same[index + 1..].iter().all(|(_, later)| later != part);
    same.iter().enumerate().filter(is_last).map(|(_, it)| *it).collect()
}

#[cfg(test)]
mod tests {
    use super::{exercises, part, text, with};

    const RUNG: &str = "//! A rung.\n\n/// A.\npub mod a {\n    old\n}\n\nmod b {\n    {\n    }\n}\n\nfn main() {}\n";

    #[test]
    fn an_answer_takes_the_place_of_a_part() {
        assert_eq!(
            (text(RUNG, "a"), text(RUNG, "b"), text(RUNG, "c")),
            (Some("    old\n"), Some("    {\n    }\n"), None)
        );
        let own = with(RUNG, "a", "//! Mine.\nnew\n\n").unwrap();
        assert_eq!(own, RUNG.replace("    old\n", "//! Mine.\nnew\n"));
        assert_eq!(with(RUNG, "c", ""), None);
    }

    #[test]
    fn an_exercise_is_a_part_as_long_as_the_part_is_the_same() {
        let check = |part: &str| format!("//! A check.\n\n#[path = \"exercise.rs\"]\nmod {part};\n");
        let (a, b) = (check("a"), check("b"));
        assert_eq!((part(&a), part("//! No check.")), (Some("a"), None));
        assert_eq!(part(&format!("//! No part of the rung is the exercise.\n{a}")), None);
        let later = RUNG.replace("old", "more");
        let lessons = [(1, RUNG, &*a), (2, RUNG, &*b), (3, &*later, &*a)];
        assert_eq!(exercises(RUNG, &lessons[..2]), [(1, "a"), (2, "b")]);
        assert_eq!(exercises(&later, &lessons), [(2, "b"), (3, "a")]);
        assert_eq!(exercises(RUNG, &[(1, RUNG, &a), (4, RUNG, &a)]), [(4, "a")]);
    }
}
