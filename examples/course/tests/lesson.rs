//! The lessons: their checks accept the solutions and refuse the mutants, their texts say what is so, and the runner does
//! what it says.

mod answers {
    include!(concat!(env!("OUT_DIR"), "/answers.rs"));
}

use answers::ANSWERS;
use course::{COLUMNS, Verdict, grade};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The name under which this binary runs one check, or is busy, and nothing else.
const CHILD: &str = "child_that_does_one_thing";

/// Not a test: a check of one answer, in a process of its own, which a test starts.
#[test]
fn child_that_does_one_thing() {
    let Ok(wanted) = env::var("COURSE_ANSWER") else { return };
    if wanted == "busy" {
        loop {
            std::hint::spin_loop();
        }
    }
    let (.., check) = ANSWERS.iter().find(|(lesson, name, ..)| format!("{lesson}/{name}") == wanted).unwrap();
    check();
}

/// This binary as a child that does one thing.
fn child(what: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", CHILD, "--nocapture", "--quiet"]).env("COURSE_ANSWER", what);
    command
}

/// The lessons. With `COURSE_LESSON=04` in the environment: that one alone; then no others are compiled, either.
fn lessons() -> Vec<&'static str> {
    let wanted = env::var("COURSE_LESSON").unwrap_or_default();
    let mut lessons: Vec<&str> = ANSWERS.iter().map(|(lesson, ..)| *lesson).collect();
    lessons.dedup();
    lessons.retain(|lesson| lesson.starts_with(&wanted));
    assert!(!lessons.is_empty());
    lessons
}

/// The mutants of a lesson, with their sources.
fn mutants(lesson: &str) -> Vec<(&'static str, &'static str)> {
    let here = ANSWERS.iter().filter(|(of, .., is_mutant, _)| *of == lesson && *is_mutant);
    here.map(|(_, name, source, ..)| (*name, *source)).collect()
}

/// The answers of a lesson that are right: the solution, and others.
fn right(lesson: &str) -> Vec<&'static str> {
    let here = ANSWERS.iter().filter(|(of, .., is_mutant, _)| *of == lesson && !*is_mutant);
    here.map(|(_, name, ..)| *name).collect()
}

fn file(lesson: &str, name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("lessons").join(lesson).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The limit of a check is one second for all programs; the last program may have begun before. In milliseconds of processor
/// time.
const MOST_CPU: u64 = 1_500;

/// Grades the checks of these lessons: the right answers by programs of as many seeds as said, and each mutant as many times.
/// No answer holds a check longer than its share of processor time.
fn grade_all(lessons: &[&str], checks: usize, times: usize) {
    for lesson in lessons {
        let mutants = mutants(lesson);
        assert!(mutants.len() >= 6, "{lesson}: only {} mutants", mutants.len());
        let check =
            |name: &str| Verdict::of(child(&format!("{lesson}/{name}")).env("COURSE_CHECKS", checks.to_string()));
        let right = if checks > 0 { right(lesson) } else { Vec::new() };
        let graded = grade(check, &right, &[], 1).and_then(|()| {
            let check = |name: &str| {
                let verdict = Verdict::of(&mut child(&format!("{lesson}/{name}")));
                if let Verdict::Refused { cpu, .. } = verdict {
                    assert!(cpu <= MOST_CPU, "{lesson}/{name} took {cpu} ms of processor time");
                }
                verdict
            };
            grade(check, &[], &mutants, times)
        });
        graded.unwrap_or_else(|wrong| panic!("{lesson}:\n{wrong}"));
    }
}

#[test]
fn the_solution_is_accepted_and_every_mutant_is_refused_by_its_rule() {
    grade_all(&lessons(), 1, 1);
}

/// Programs of a seed in the long run, and seeds that one process tries. A check has ten times as many programs; here more
/// seeds are worth more, and the sizes grow in the same way.
const PROGRAMS_OF_A_SEED: u64 = 30;
const SEEDS_A_STEP: u64 = 50;

/// A number in the environment.
fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: not a number")))
}

/// What the slow acceptance found of one answer, or of many: the slowest of its checks.
#[derive(Default)]
struct Slowest {
    /// Of processor time, in milliseconds: the loops of the answer alone.
    cpu: u64,
    /// From the start of the process to its end.
    all: Duration,
}

impl Slowest {
    /// Runs a mutant so often: it is refused by a rule of its set, and holds no check longer than it may. The limit is one of
    /// processor time, so that it is the same on a busy machine.
    fn refuse(&mut self, lesson: &str, (name, source): (&str, &str), times: u64) {
        for _ in 0..times {
            let begin = Instant::now();
            let check = |_: &str| {
                let verdict = Verdict::of(&mut child(&format!("{lesson}/{name}")));
                if let Verdict::Refused { cpu, .. } = &verdict {
                    self.cpu = self.cpu.max(*cpu);
                }
                verdict
            };
            grade(check, &[], &[(name, source)], 1).unwrap_or_else(|wrong| panic!("{lesson}: {wrong}"));
            self.all = self.all.max(begin.elapsed());
            assert!(self.cpu <= MOST_CPU, "{lesson}/{name} took {} ms of processor time", self.cpu);
        }
    }
}

/// The slow acceptance, lesson by lesson, a line for each:
///
/// ```text
/// cargo test --release -p course --test lesson -- --ignored --nocapture acceptance
/// ```
///
/// Each message fits into 60 columns, and its page opens at the step that it calls wrong. Each right answer is accepted under
/// 10,000 seeds; each mutant is refused 100 times, and ten times more beside four busy processes. The environment limits it:
/// `COURSE_LESSON=04` is one lesson, `COURSE_SEEDS=200` and `COURSE_TIMES=10` are fewer seeds and times, and after
/// `COURSE_MINUTES=15` no lesson is begun.
#[test]
#[ignore = "the slow acceptance takes hours; README.md says how to limit it"]
fn acceptance() {
    let (seeds, times, minutes) =
        (number("COURSE_SEEDS", 10_000), number("COURSE_TIMES", 100), number("COURSE_MINUTES", u64::MAX));
    let busy_times = times.div_ceil(10);
    let start = Instant::now();
    for lesson in lessons() {
        if start.elapsed().as_secs() / 60 >= minutes {
            println!("{lesson:<14} not begun: {minutes} minutes are over");
            continue;
        }
        let begin = Instant::now();
        let (right, mutants) = (right(lesson), mutants(lesson));
        mutants.iter().for_each(|(name, _)| check_link(lesson, name));
        check_columns(&[lesson], 1);
        for answer in &right {
            for done in (0..seeds).step_by(SEEDS_A_STEP as usize) {
                let mut check = child(&format!("{lesson}/{answer}"));
                check.env("COURSE_CHECKS", SEEDS_A_STEP.min(seeds - done).to_string());
                check.env("COURSE_PROGRAMS", PROGRAMS_OF_A_SEED.to_string());
                assert_eq!(Verdict::of(&mut check), Verdict::Accepted, "{lesson}/{answer}, after {done} seeds");
            }
        }
        let accepted = begin.elapsed().as_secs();
        let (mut quiet, mut busy) = (Slowest::default(), Slowest::default());
        mutants.iter().for_each(|mutant| quiet.refuse(lesson, *mutant, times));
        let four = Busy::start(4);
        mutants.iter().for_each(|mutant| busy.refuse(lesson, *mutant, busy_times));
        for answer in &right {
            assert_eq!(Verdict::of(&mut child(&format!("{lesson}/{answer}"))), Verdict::Accepted, "{lesson}/{answer}");
        }
        drop(four);
        println!(
            "{lesson:<14} {} right, {seeds} seeds, {accepted} s; {} mutants, {times} times, at most {} ms of processor time, \
             {:.1} s in all; {busy_times} times beside four busy processes: {} ms, {:.1} s; {} s",
            right.len(),
            mutants.len(),
            quiet.cpu,
            quiet.all.as_secs_f64(),
            busy.cpu,
            busy.all.as_secs_f64(),
            begin.elapsed().as_secs()
        );
    }
}

/// Processes that take all the processor time that they get.
struct Busy(Vec<Child>);

impl Busy {
    fn start(number: usize) -> Busy {
        Busy((0..number).map(|_| child("busy").stdout(Stdio::null()).spawn().unwrap()).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// A loop that sleeps, and a leaf. The checks of the other lessons are made of the same parts.
#[test]
fn a_check_says_the_same_beside_four_busy_processes() {
    let _busy = Busy::start(4);
    let lessons: Vec<&str> =
        lessons().into_iter().filter(|lesson| ["01", "02"].iter().any(|it| lesson.starts_with(it))).collect();
    grade_all(&lessons, 1, 1);
}

/// Looks at the messages of each answer of these lessons whose number `every` divides.
fn check_columns(lessons: &[&str], every: usize) {
    for lesson in lessons {
        let answers = mutants(lesson).into_iter().map(|(name, _)| name).chain(right(lesson));
        for name in answers.step_by(every) {
            let said = child(&format!("{lesson}/{name}")).output().unwrap().stdout;
            for line in String::from_utf8(said).unwrap().lines() {
                assert!(line.chars().count() <= COLUMNS, "{lesson}/{name}: {line}");
                let is_plain = line.chars().all(|character| character == ' ' || character.is_ascii_graphic());
                assert!(is_plain, "{lesson}/{name} has colours, or what not every terminal shows: {line:?}");
            }
        }
    }
}

#[test]
fn a_message_of_a_check_fits_into_60_columns() {
    check_columns(&lessons(), 16);
}

#[test]
fn the_same_seed_gives_the_same_programs() {
    if !lessons().contains(&"01_block_on") {
        return;
    }
    let check = || Verdict::of(child("01_block_on/cleared_late").env("COURSE_SEED", "7"));
    let Verdict::Refused { rule, program, .. } = check() else { panic!("a mutant is refused") };
    let Verdict::Refused { rule: again, program: number, .. } = check() else { panic!("a mutant is refused") };
    assert_eq!((rule, program), (again, number));
}

/// The lines without their indentation and without what is above the first item.
fn plain(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//!"));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[test]
fn a_solution_is_the_part_of_its_rung() {
    for lesson in lessons() {
        let check = file(lesson, "check.rs");
        if check.contains("//! No part of the rung is the exercise.") {
            continue;
        }
        let part = check.split("#[path = \"exercise.rs\"]\nmod ").nth(1).unwrap().split(';').next().unwrap();
        let rung = file(lesson, "rung.rs");
        let part = rung.split(&format!("mod {part} {{\n")).nth(1).unwrap().split("\n}\n").next().unwrap();
        assert_eq!(plain(&file(lesson, "solution.rs")), plain(part), "{lesson}: solution.rs and rung.rs");
    }
}

#[test]
fn an_exercise_after_its_first_task_is_the_first_mutant() {
    for lesson in lessons() {
        let untouched = file(lesson, "exercise.untouched");
        let is_task =
            |line: &&str| line.trim().strip_prefix("//").is_some_and(|code| code.starts_with(char::is_alphabetic));
        assert_eq!(
            untouched.lines().filter(is_task).count(),
            1,
            "{lesson}: one line of exercise.untouched begins with // and code"
        );
        let task = untouched.lines().find(is_task).unwrap();
        let done = untouched.replace(task, &task.replacen("//", "", 1));
        assert_eq!(plain(&done), plain(&file(lesson, "mutants/first_task.rs")), "{lesson}");
    }
}

/// The fenced blocks of a text: their kind and their lines.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    let pieces = text.split("```").skip(1).step_by(2);
    pieces.map(|piece| piece.split_once('\n').expect("a block has lines")).collect()
}

/// All that is compiled: the files of the lesson, those of both crates and of the benchmarks, and the server among the
/// examples.
fn compiled(lesson: &str) -> Vec<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> =
        ["runtime/src", "gather/src", "benches"].map(|it| here.join("../..").join(it)).into();
    folders.push(here.join("lessons").join(lesson));
    let mut texts = vec![plain(&fs::read_to_string(here.join("../server.rs")).unwrap())];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|it| it == "rs") => {
                    texts.push(plain(&fs::read_to_string(path).unwrap()))
                }
                false => {}
            }
        }
    }
    texts
}

#[test]
fn every_block_of_code_in_a_text_is_taken_from_a_file_that_is_compiled() {
    for lesson in lessons() {
        let compiled = compiled(lesson);
        for name in ["lesson.md", "hints.md"] {
            let text = file(lesson, name);
            let code: Vec<&str> =
                blocks(&text).iter().filter(|(kind, _)| *kind == "rust").map(|(_, code)| *code).collect();
            assert!(!code.is_empty(), "{lesson}/{name} has no code");
            for code in code {
                assert!(
                    compiled.iter().any(|text| text.contains(&plain(code))),
                    "{lesson}/{name}: nobody compiles\n{code}"
                );
            }
        }
    }
}

#[test]
fn what_a_student_reads_in_a_terminal_fits_into_60_columns() {
    for lesson in lessons() {
        for name in ["lesson.md", "hints.md", "exercise.untouched"] {
            for line in file(lesson, name).lines() {
                assert!(line.len() <= COLUMNS && line.is_ascii(), "{lesson}/{name}: {line}");
            }
        }
    }
}

#[test]
fn a_lesson_has_its_parts_and_is_short() {
    for lesson in lessons() {
        let text = file(lesson, "lesson.md");
        let words = text.split_whitespace().count();
        assert!(words <= 1_500, "{lesson}/lesson.md has {words} words");
        let parts =
            ["**Afterwards you can**", "## Predict", "## A bad ", "**First task.**", "## An ok ", "## The real file"];
        let parts = parts.into_iter().chain(["## Three questions", "### Answers"]);
        let places: Vec<usize> =
            parts.map(|part| text.find(part).unwrap_or_else(|| panic!("{lesson}/lesson.md has no {part}"))).collect();
        assert!(places.is_sorted(), "{lesson}/lesson.md has its parts in another order");
        let end = &text[places[6]..];
        assert_eq!(end.matches("\n3. ").count(), 2, "{lesson}: three questions and three answers");
        assert_eq!(file(lesson, "hints.md").matches("\n## ").count(), 3, "{lesson}: three hints");
    }
}

#[test]
fn the_refusal_that_a_lesson_shows_is_what_the_check_says() {
    for lesson in lessons() {
        let text = file(lesson, "lesson.md");
        let shown = blocks(&text).into_iter().find(|(_, block)| block.contains("REFUSED")).expect("a refusal").1;
        let said = child(&format!("{lesson}/first_task")).env("COURSE_SEED", "812911858").output().unwrap().stdout;
        let said = String::from_utf8(said).unwrap();
        // Of the lines with a time or the name of the file, what comes before them.
        let same = |text: &str| -> Vec<String> {
            let lines = text.lines().skip_while(|line| !line.contains("REFUSED"));
            let lines = lines.map(|line| match line.split_once(" ms").or(line.split_once(".rs:")) {
                Some((before, _)) => before.rsplit_once(' ').map_or("", |(before, _)| before.trim_end()),
                None => line,
            });
            lines.map(str::to_owned).collect()
        };
        assert_eq!(same(shown), same(&said), "{lesson}");
    }
}

/// The values of a field of the events of a trace, as they stand there.
fn values<'a>(lines: &'a str, name: &str) -> Vec<&'a str> {
    let name = format!("\"{name}\":");
    lines
        .lines()
        .map(|line| line.split_once(&name).map_or("", |(_, rest)| rest.split([',', '}']).next().unwrap()))
        .collect()
}

/// The place of the note in a trace that stands for steps that were not kept, and the first and the last of them.
fn left_out(lines: &str) -> Option<(usize, usize, usize)> {
    let (note, line) =
        lines.lines().enumerate().find(|(_, line)| line.contains(" of the program are left out here: "))?;
    let mut words = line.split("the steps ").nth(1)?.split_whitespace();
    let from = words.next()?.parse().ok()?;
    Some((note, from, words.nth(1)?.parse().ok()?))
}

/// The step that the message about a mutant calls wrong is the one at which its page opens.
fn check_link(lesson: &str, name: &str) {
    let trace = format!("trace-{lesson}-{name}-{}.jsonl", std::process::id());
    let trace = Path::new(env!("CARGO_TARGET_TMPDIR")).join(trace);
    let mut check = child(&format!("{lesson}/{name}"));
    let output = check.env("COURSE_TRACE", &trace).output().unwrap();
    // An answer that ends the process leaves none.
    let Ok(lines) = fs::read_to_string(&trace) else { return };
    fs::remove_file(&trace).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (seq, kind, cause) = (values(&lines, "seq"), values(&lines, "kind"), values(&lines, "cause"));
    let numbers = (0..seq.len()).map(|number| number.to_string());
    assert!(seq.iter().copied().eq(numbers), "{lesson}/{name}: the events have the numbers 0, 1, ...");
    // The number there of a step of the message: behind those that were not kept, for which a note stands.
    let on_the_page = |number: usize| {
        let Some((note, from, to)) = left_out(&lines) else { return number };
        assert!(number < from || number > to, "{lesson}/{name}: step {number} was not kept");
        if number < from { number } else { number - to + note }
    };
    // The last one says which rule is broken.
    let last = lines.lines().last().unwrap();
    let rule = said.split("Broken rule: ").nth(1).unwrap().lines().next().unwrap();
    assert!(last.contains(&format!("Broken rule: {rule}. ")), "{lesson}/{name}: {last}");
    let told = |verdict: &str| {
        let line = said.lines().rev().find(|line| line.trim_start().starts_with(verdict))?;
        let mut words = line.split_whitespace().skip(1);
        Some((words.next()?.parse::<usize>().ok()?, words.next()?.to_owned()))
    };
    match told("BAD") {
        Some((number, name_of_step)) => {
            let number = on_the_page(number);
            assert_eq!(*cause.last().unwrap(), number.to_string(), "{lesson}/{name}: {said}{last}");
            let shown = kind[number].trim_matches('"');
            let is_note = shown == "Note" && lines.lines().nth(number).unwrap().contains(&name_of_step);
            assert!(shown == name_of_step || is_note, "{lesson}/{name}: {name_of_step} is {shown}");
        }
        None => {
            assert!(said.contains("    MISSING  "), "{lesson}/{name}: {said}");
            assert_eq!(*cause.last().unwrap(), "null", "{lesson}/{name}: no step broke the rule");
            let number = told("GOOD").map_or(0, |(number, _)| on_the_page(number));
            assert!(seq.len() - 1 - number <= 2, "{lesson}/{name}: the last step comes right before\n{said}");
        }
    }
}

#[test]
fn a_page_opens_at_the_step_that_the_message_calls_wrong() {
    for lesson in lessons() {
        mutants(lesson).into_iter().take(2).for_each(|(name, _)| check_link(lesson, name));
    }
}

/// The one mutant that does more than a run keeps.
#[test]
fn a_page_opens_at_the_step_that_is_wrong_where_many_are_left_out() {
    if lessons().contains(&"05_wakes") {
        check_link("05_wakes", "polls_until_ready");
    }
}

/// An exercise tells nothing by itself: what it does with slots, timers and sockets only the check knows, or nobody.
#[test]
fn a_page_says_of_which_panels_nothing_is_told() {
    let trace = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("silent-{}.jsonl", std::process::id()));
    let expected = [
        ("01_block_on", "\"silent\":[\"queue\",\"program\"]}"),
        ("04_tickets", "\"silent\":[\"queue\",\"program\"]}"),
        ("06_timers", "\"silent\":[\"tasks\",\"queue\",\"timers\",\"program\"]}"),
        ("07_reactor", "\"silent\":[\"tasks\",\"sources\",\"program\"]}"),
        ("08_gather", "\"silent\":[\"tasks\",\"queue\",\"gathers\",\"program\"]}"),
        ("11_semaphore", "\"silent\":[\"tasks\",\"queue\",\"semaphores\",\"program\"]}"),
    ];
    for (lesson, silent) in expected.into_iter().filter(|(lesson, _)| lessons().contains(lesson)) {
        child(&format!("{lesson}/first_task")).env("COURSE_TRACE", &trace).output().unwrap();
        let lines = fs::read_to_string(&trace).unwrap();
        assert!(lines.lines().next().unwrap().ends_with(silent), "{lesson}: {lines}");
        // The last step says which rule is broken, beside the answer.
        let last = lines.lines().last().unwrap();
        assert!(!last.contains("check.rs"), "{lesson}: {last}");
    }
    let _ = fs::remove_file(&trace);
}
