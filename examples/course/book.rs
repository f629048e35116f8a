//! The book: `target/course/book.html`, one file with the texts of all lessons, which needs neither server nor network. What
//! a lesson asks is answered when the reader wants it, and where a program of the real loop shows what the lesson is about,
//! one steps through it in the text.

use crate::catalog::{Course, Lesson, typed};
use crate::commands::{OK, USAGE};
use crate::json::quoted;
use crate::markdown::{escaped, html, items};
use crate::progress::hash;
use crate::shown::{Shown, What, record};
use crate::text::wrap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};

const STYLE: &str = include_str!("book/book.css");
const SCRIPT: &str = include_str!("book/book.js");

/// Bytes of the book at most.
pub(crate) const MOST: usize = 3 << 20;

/// `book`, and `book --text`, which has no steppers and is there at once.
pub(crate) fn book(course: &Course, words: &[&str], out: &mut dyn Write) -> io::Result<u8> {
    let with_steppers = match words {
        [] => true,
        ["--text"] => false,
        _ => {
            let wrong = format!("\"{}\": book takes nothing, or --text for a book without steppers.", words.join(" "));
            out.write_all(wrap(&wrong, 2).as_bytes())?;
            return Ok(USAGE);
        }
    };
    let shown = if with_steppers { record(course, out)? } else { Vec::new() };
    let text = render(course, &shown);
    let folder = course.pages();
    let path = folder.join("book.html");
    let name =
        |error: io::Error| io::Error::new(error.kind(), format!("{} cannot be written: {error}", path.display()));
    fs::create_dir_all(&folder).map_err(name)?;
    // Aside first: a book that is open is never half of a book.
    let aside = folder.join(format!("book-{}.new", std::process::id()));
    fs::write(&aside, &text).and_then(|()| fs::rename(&aside, &path)).map_err(name)?;
    let what_ifs = shown.iter().filter(|it| matches!(it.what, What::Compared(..))).count();
    let steppers = shown.len() - what_ifs;
    writeln!(out, "  {}", typed(&path))?;
    let says = format!(
        "{} lessons, {steppers} steppers, {what_ifs} what-ifs, {} kB. Open it in a browser: it is one file, and needs no network.",
        course.lessons().len(),
        text.len() / 1_000
    );
    out.write_all(wrap(&says, 2).as_bytes())?;
    if text.len() > MOST {
        out.write_all(wrap("It is larger than 3 MB: for a slow machine write it with --text.", 2).as_bytes())?;
    }
    Ok(OK)
}

/// The whole file.
fn render(course: &Course, shown: &[Shown]) -> String {
    let (mut list, mut articles, mut shared) = (String::new(), String::new(), Shared::default());
    for lesson in course.lessons() {
        let Lesson { number, title, minutes, .. } = &lesson;
        let title = escaped(title);
        let _ = writeln!(list, "<li><a href=\"#lesson-{number}\">{number}. {title}</a></li>");
        let _ = writeln!(articles, "<article id=\"lesson-{number}\" tabindex=\"-1\">");
        let here: Vec<&Shown> = shown.iter().filter(|it| it.lesson == *number).collect();
        let shows = Shows {
            steps: here.iter().map(|it| shared.html(it)).collect(),
            is_asked: here.iter().any(|it| matches!(it.what, What::Asked(_))),
            what_ifs: here
                .iter()
                .filter_map(|it| if let What::Compared(it, _) = it.what { it.answers } else { None })
                .collect(),
        };
        let text = fs::read_to_string(lesson.file("lesson.md")).ok();
        let rung = fs::read_to_string(lesson.file("rung.rs")).ok();
        match (text, rung) {
            (Some(text), _) => articles += &lesson_html(*number, &text.replace("\r\n", "\n"), &shows),
            (None, Some(rung)) => {
                let head: Vec<&str> = rung.lines().map_while(|line| line.strip_prefix("//!")).collect();
                let head: String =
                    head.iter().map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect();
                let _ = writeln!(articles, "<h2>Lesson {number}: {title}</h2>");
                let _ = writeln!(
                    articles,
                    "<p class=\"note\">This lesson has no exercise yet. It is a rung to read and run: <code>cargo run -p course --example rung_{number:02}</code></p>"
                );
                // A head of a rung has headings of its own, which stand below the lesson's.
                articles += &html(&head.replace("\n# ", "\n## "));
                articles += &shows.steps;
            }
            (None, None) => {
                let _ = writeln!(
                    articles,
                    "<h2>Lesson {number}: {title}</h2>\n<p class=\"note\">Not written yet ({minutes} min).</p>"
                );
            }
        }
        articles += "</article>\n";
    }
    let shared = shared.json().map(|json| format!("<script type=\"application/json\" id=\"shared\">{json}</script>\n"));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>glassloop, the course</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n\
         <h1>glassloop, the course</h1>\n\
         <p>You build an event loop. The exercises are in your editor: <code>cargo run -p course</code> says what to do. \
         This book has the texts.</p>\n\
         <p>Where a text asks you something, write first. Then unfold the answer (Ctrl+Enter). What you write stays on this \
         machine, in this browser.</p>\n\
         <p class=\"note\">Keys: n and p for the next lesson and the one before, Tab and Enter for all the rest. \
         <button type=\"button\" id=\"forget\">Forget my answers</button> <span id=\"forgotten\" role=\"status\"></span></p>\n\
         <nav aria-label=\"Lessons\"><ol>\n{list}</ol></nav>\n</header>\n<main>\n{articles}</main>\n{}\
         <script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        shared.unwrap_or_default()
    )
}

/// What of a lesson is to be stepped through.
#[derive(Default)]
struct Shows {
    /// The steppers and what-ifs, as HTML.
    steps: String,
    /// Whether one of them answers the questions.
    is_asked: bool,
    /// The questions that a what-if answers, from 1.
    what_ifs: Vec<usize>,
}

impl Shows {
    /// The button that shows the answer to the prediction, 0, or to a question.
    fn button(&self, lesson: u32, question: usize) -> String {
        if self.what_ifs.contains(&question) {
            return format!(
                "<button type=\"button\" class=\"show\" data-what-if=\"what-if-{lesson}-{question}\">Show it beside the loop as it is</button>"
            );
        }
        if !self.is_asked {
            return String::new();
        }
        format!(
            "<button type=\"button\" class=\"show\" data-lesson=\"{lesson}\" data-question=\"{question}\">Show it in the steps</button>"
        )
    }
}

/// A lesson, whose answers are folded where they are asked for.
fn lesson_html(number: u32, text: &str, shows: &Shows) -> String {
    let (body, answers) = text.split_once("\n### Answers\n").unwrap_or((text, ""));
    let (guess, answers) = items(answers);
    let guess = guess.replacen("<p>Predict: ", "<p>", 1);
    let mut made = String::new();
    for (index, section) in body.split("\n## ").enumerate() {
        let section = if index == 0 { section.to_owned() } else { format!("## {section}") };
        if section.starts_with("## Predict") {
            made += &html(&section);
            made += &question(number, "predict", "", &guess, &section, &shows.button(number, 0));
        } else if section.starts_with("## Three questions") {
            made += &shows.steps;
            let (before, questions) = items(&section);
            made += &before;
            // A text that is not as it should be is shown as it is.
            if questions.len() != answers.len() {
                made += &html(&section);
                made += &answers.concat();
                continue;
            }
            for (index, (asked, answer)) in questions.iter().zip(&answers).enumerate() {
                let name = format!("{}", index + 1);
                made += &question(
                    number,
                    &name,
                    &format!("<div>{name}. {asked}</div>"),
                    answer,
                    asked,
                    &shows.button(number, index + 1),
                );
            }
        } else {
            made += &html(&section);
        }
    }
    made
}

/// Something to be answered. What was written is kept under the lesson and a hash: if the text changes, it is asked anew.
fn question(lesson: u32, name: &str, asked: &str, answer: &str, text: &str, button: &str) -> String {
    let key = format!("{lesson:02}/{name}/{:016x}", hash(&format!("{text}{answer}")));
    format!(
        "<div class=\"question\" data-key=\"{key}\">{asked}\
         <textarea rows=\"3\" aria-label=\"Your answer\" placeholder=\"Your answer\"></textarea>\n\
         <details><summary>Show the answer</summary>\n<div class=\"answer\">{answer}{button}</div></details></div>\n"
    )
}

/// What all steppers share: the page without a trace, its words, and each source once.
#[derive(Default)]
struct Shared {
    page: Option<String>,
    words: String,
    /// The elements of `sources`, in JSON.
    sources: Vec<String>,
}

impl Shared {
    /// The HTML of a stepper or a what-if.
    fn html(&mut self, shown: &Shown) -> String {
        match &shown.what {
            What::Page(program, page) => {
                let note = "The arrow keys step when the pointer has clicked there; p asks before each step.";
                self.stepper(program, &format!("data-program=\"{program}\""), note, page).unwrap_or_default()
            }
            What::Asked(page) => {
                let note = "A button at an answer goes to the step that shows it.";
                let name = format!("data-asked=\"{}\" data-program=\"the questions\"", shown.lesson);
                self.stepper("what the questions are about", &name, note, page).unwrap_or_default()
            }
            What::Compared(it, page) => {
                let both = page.split("<div class=\"both\">").nth(1).and_then(|rest| rest.split("</body>").next());
                let body = both.unwrap_or_default();
                let differ = page.split("<p>").nth(1).and_then(|rest| rest.split("</p>").next()).unwrap_or_default();
                // Scripts of that page would find two of everything here.
                let body = body.split("<script").next().unwrap_or_default();
                let title = escaped(it.title);
                let both = match it.words {
                    [program, "--what-if", _] => {
                        format!("The program {program}, on the loop as it is and on the broken one")
                    }
                    _ => "Two programs beside each other".to_owned(),
                };
                let id = it.answers.map(|question| format!(" id=\"what-if-{}-{question}\"", shown.lesson));
                format!(
                    "<details class=\"what-if\"{}><summary>{title} {both}</summary>\n\
                     <p class=\"note\">{differ}</p>\n<div class=\"both\">{body}</details>\n",
                    id.unwrap_or_default()
                )
            }
        }
    }

    /// `None`: the page is none that this book knows how to take apart.
    fn stepper(&mut self, program: &str, attributes: &str, note: &str, page: &str) -> Option<String> {
        const DATA: &str = "<script type=\"application/json\" id=\"data\">";
        let (before, rest) = page.split_once(DATA)?;
        let (data, after) = rest.split_once("</script>")?;
        let (head, rest) = data.split_once(",\"words\":")?;
        // A quote inside of a text has a backslash before it, so these are no parts of a text.
        let (words, rest) = rest.split_once(",\"sources\":[")?;
        let (sources, events) = rest.split_once("],\"events\":")?;
        let places: Vec<String> = pairs(sources).into_iter().map(|source| self.place(source).to_string()).collect();
        self.page.get_or_insert_with(|| format!("{before}{DATA}/*data*/</script>{after}"));
        words.clone_into(&mut self.words);
        let about = head.split("\"title\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or(program);
        Some(format!(
            "<h3>Step through it: {program}</h3>\n<p class=\"note\">On the real loop: {}. {note}</p>\n\
             <div class=\"stepper\" {attributes}><p class=\"later note\">The stepper is drawn when it is near.</p>\
             <script type=\"application/json\">{head},\"sources\":[{}],\"events\":{events}</script></div>\n",
            escaped(about),
            places.join(",")
        ))
    }

    fn place(&mut self, source: &str) -> usize {
        self.sources.iter().position(|it| it == source).unwrap_or_else(|| {
            self.sources.push(source.to_owned());
            self.sources.len() - 1
        })
    }

    fn json(&self) -> Option<String> {
        let page = quoted(self.page.as_ref()?);
        let (words, sources) = (&self.words, self.sources.join(","));
        Some(format!("{{\"page\":{page},\"words\":{words},\"sources\":[{sources}]}}"))
    }
}

/// The elements of a JSON list of lists of texts.
fn pairs(list: &str) -> Vec<&str> {
    let (mut all, mut begin, mut in_text, mut is_escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in list.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => in_text = !in_text,
            b'[' if !in_text => begin = at,
            b']' if !in_text => all.push(&list[begin..=at]),
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{MOST, Shared, Shown, Shows, What, lesson_html, pairs, record, render};
    use crate::Course;
    use crate::shown::SHOWN;
    use crate::what_ifs::WHAT_IFS;
    use std::fs;
    use std::process::{Command, Stdio};

    /// The page of `step` that lies in the repository.
    fn recorded() -> String {
        fs::read_to_string(Course::top().join("examples/step.html")).unwrap()
    }

    fn whole_book() -> String {
        let shown = [2, 3].map(|lesson| Shown { lesson, what: What::Page("sleep", recorded()) });
        render(&Course::new(env!("CARGO_MANIFEST_DIR")), &shown)
    }

    #[test]
    fn the_book_has_every_lesson_makes_no_request_and_is_small() {
        let book = whole_book();
        let course = Course::new(env!("CARGO_MANIFEST_DIR"));
        for lesson in course.lessons() {
            let begin = format!("<article id=\"lesson-{}\"", lesson.number);
            let article = book.split(&begin).nth(1).unwrap_or_else(|| panic!("no lesson {}", lesson.number));
            let article = article.split("</article>").next().unwrap();
            assert!(book.contains(&format!("href=\"#lesson-{}\"", lesson.number)));
            // A prediction and three questions, each folded.
            if lesson.file("lesson.md").exists() {
                assert_eq!(article.matches("<details><summary>Show the answer").count(), 4, "{}", lesson.number);
                assert!(!article.contains("Answers</h"), "{}", lesson.number);
            }
        }
        assert!(book.len() < MOST);
        // Twice the same program: its sources are there once.
        assert_eq!(book.matches("class=\"stepper\"").count(), 2);
        let source = "One pass through the loop";
        assert_eq!(recorded().matches(source).count(), book.matches(source).count(), "each source once");
        for request in [
            "src=\"http",
            "href=\"http",
            "src='http",
            "url(http",
            "@import",
            "fetch(",
            "XMLHttpRequest",
            "<link",
            "import(",
        ] {
            assert!(!book.contains(request), "{request}");
        }
    }

    #[test]
    fn a_page_that_is_taken_apart_can_be_put_together_again() {
        let (page, mut shared) = (recorded(), Shared::default());
        let stepper = shared.stepper("sleep", "", "", &page).unwrap();
        let data =
            stepper.split("<script type=\"application/json\">").nth(1).unwrap().split("</script>").next().unwrap();
        let numbers: Vec<String> = (0..shared.sources.len()).map(|at| at.to_string()).collect();
        let places = format!(",\"sources\":[{}]", numbers.join(","));
        assert!(data.contains(&places));
        let whole = format!(",\"words\":{},\"sources\":[{}]", shared.words, shared.sources.join(","));
        let again = shared.page.unwrap().replace("/*data*/", &data.replace(&places, &whole));
        assert!(again == page);
    }

    /// What a script in the book finds out, in a browser. `None`: there is no browser.
    fn browse(name: &str, book: &str, script: &str) -> Option<String> {
        let folder = std::env::temp_dir().join(format!("course-book-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let probe = format!(
            "<script>(async () => {{ const found = []; const soon = (ms) => new Promise((done) => setTimeout(done, ms));\n{script}\n\
             const pre = document.createElement(\"pre\"); pre.id = \"probe\"; pre.textContent = found.join(\"|\"); document.body.append(pre); }})();</script>\n</body>"
        );
        let (before, after) = book.rsplit_once("</body>").unwrap();
        fs::write(folder.join("book.html"), [before, &probe, after].concat()).unwrap();
        let output = ["chromium", "chromium-browser", "google-chrome"].iter().find_map(|name| {
            let mut browser = Command::new(name);
            browser.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
            browser.args(["--virtual-time-budget=20000", "--dump-dom"]);
            browser.arg(format!("--user-data-dir={}", folder.join("profile").display()));
            browser.arg(format!("file://{}", folder.join("book.html").display()));
            browser.stderr(Stdio::null()).output().ok()
        });
        let _ = fs::remove_dir_all(&folder);
        let Some(output) = output else {
            eprintln!("{name} is left out: there is no chromium");
            return None;
        };
        let page = String::from_utf8(output.stdout).unwrap();
        let found = page.split("<pre id=\"probe\">").nth(1).and_then(|rest| rest.split("</pre>").next());
        Some(found.unwrap_or_else(|| panic!("the script came to no end: {page}")).to_owned())
    }

    #[test]
    fn in_a_browser_answers_unfold_are_kept_and_forgotten_and_a_stepper_is_drawn() {
        let script = r##"
            const [question] = document.querySelectorAll(".question");
            const text = question.querySelector("textarea"), answer = question.querySelector("details");
            const press = (where, key, more) => where.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, ...more }));
            found.push(document.documentElement.dataset.ready, answer.open, answer.querySelector("summary").textContent);
            text.value = "made, hello";
            text.dispatchEvent(new Event("input"));
            press(text, "n");
            found.push(answer.querySelector("summary").textContent, document.activeElement.tagName);
            press(text, "Enter", { ctrlKey: true });
            await soon(100);
            found.push(answer.open, Object.keys(localStorage).length, Object.values(localStorage)[0]);
            press(document.body, "n");
            found.push(document.activeElement.id);
            document.getElementById("forget").click();
            await soon(100);
            found.push(answer.open, text.value, Object.keys(localStorage).length);
            observer.disconnect();
            const stepper = [...document.querySelectorAll(".stepper")].find((it) => !it.querySelector("iframe"));
            draw(stepper);
            found.push(stepper.querySelector("iframe").src.slice(0, 5), stepper.querySelector(".later") === null);
            found.push(performance.getEntriesByType("resource").length);
        "##;
        let Some(found) = browse("steps", &whole_book(), script) else { return };
        let found: Vec<&str> = found.split('|').collect();
        assert_eq!(found[..3], ["true", "false", "Show the answer without a guess"]);
        assert_eq!(found[3..5], ["Compare with the answer", "BODY"], "a letter in a text is no command");
        assert_eq!(found[5..8], ["true", "1", r#"{"text":"made, hello","open":true}"#]);
        assert_eq!(found[8], "lesson-0");
        assert_eq!(found[9..12], ["false", "", "0"]);
        assert_eq!(found[12..], ["blob:", "true", "0"], "a stepper is drawn, and nothing is loaded");
    }

    /// Clicks all buttons that show an answer: how many there are, those that do not lead where they should, and requests.
    const CLICKS: &str = r##"
        observer.disconnect();
        const wrong = [];
        const buttons = [...document.querySelectorAll("button.show")];
        for (const button of buttons) {
            const { lesson, question, whatIf } = button.dataset;
            const answer = button.closest("details");
            answer.open = true;
            button.focus();
            if (document.activeElement !== button) wrong.push(`no focus: ${lesson}/${question}/${whatIf}`);
            button.click();
            if (whatIf) {
                const fold = document.getElementById(whatIf);
                if (!fold.open || fold.querySelectorAll(".first").length !== 2) wrong.push(whatIf);
                continue;
            }
            const stepper = document.querySelector(`.stepper[data-asked="${lesson}"]`);
            const event = stepper.answers[question];
            const { src } = stepper.querySelector("iframe");
            if (!Number.isInteger(event) || !src.endsWith(`#e=${event}`) || !src.startsWith("blob:")) wrong.push(`${lesson}/${question}: ${src}`);
        }
        found.push(buttons.length, wrong.join(", "), performance.getEntriesByType("resource").length);
    "##;

    #[test]
    fn in_a_browser_a_click_shows_the_step_that_answers() {
        let mut shown = vec![Shown { lesson: 2, what: What::Page("sleep", recorded()) }];
        // The page of `sleep` has three questions: this one has a fourth, for the prediction.
        let four = recorded().replacen("\"questions\":[", "\"questions\":[[\"Prediction\",3],", 1);
        shown.push(Shown { lesson: 1, what: What::Asked(four) });
        let both = "<p>x</p><div class=\"both\"><ol><li class=\"first\">a</li></ol><ol><li class=\"first\">b</li></ol></div>\n</body>";
        let flag = WHAT_IFS.into_iter().find(|it| it.lesson == 1 && it.answers.is_some()).unwrap();
        shown.push(Shown { lesson: 1, what: What::Compared(flag, both.to_owned()) });
        let book = render(&Course::new(env!("CARGO_MANIFEST_DIR")), &shown);
        let Some(found) = browse("clicks", &book, CLICKS) else { return };
        assert_eq!(found, "4||0");
    }

    #[test]
    #[ignore = "builds the real loop for the pages of all lessons, which takes half a minute"]
    fn in_a_browser_a_click_shows_the_step_that_answers_in_every_lesson() {
        let course = Course::new(env!("CARGO_MANIFEST_DIR"));
        let shown = record(&course, &mut Vec::new()).unwrap();
        let book = render(&course, &shown);
        assert!(book.len() < MOST, "{} bytes", book.len());
        let what_ifs = shown.iter().filter(|it| matches!(it.what, What::Compared(..))).count();
        assert_eq!((shown.len(), what_ifs), (SHOWN.count() + WHAT_IFS.len() + 15, WHAT_IFS.len()));
        let Some(found) = browse("all-clicks", &book, CLICKS) else { return };
        assert_eq!(found, "60||0");
    }

    #[test]
    fn answers_are_folded_where_they_are_asked_for() {
        let text = "# Lesson 9\n\nText.\n\n## Predict\n\nWhat?\n\n## An ok x\n\nx\n\n## Three questions\n\n1. One?\n2. Two?\n\n\
                    ### Answers\n\nPredict: so.\n\n1. I.\n2. II.\n";
        let made = lesson_html(9, text, &Shows { steps: "<steps>".to_owned(), is_asked: true, what_ifs: vec![2] });
        let order = [
            "Text.",
            "What?",
            "<textarea",
            "<details>",
            "<p>so.</p>",
            "An ok x",
            "<steps>",
            "1. One?",
            ">I.<",
            "2. Two?",
            ">II.<",
        ];
        let places: Vec<usize> =
            order.iter().map(|word| made.find(word).unwrap_or_else(|| panic!("no {word}: {made}"))).collect();
        assert!(places.is_sorted(), "{made}");
        assert_eq!(made.matches("<details>").count(), 3);
        let buttons = ["data-question=\"0\"", "data-question=\"1\"", "data-what-if=\"what-if-9-2\""];
        assert!(buttons.iter().all(|button| made.matches(button).count() == 1), "{made}");
        assert!(!made.contains("Answers") && !made.contains("Predict: "), "{made}");
    }

    #[test]
    fn a_list_of_pairs_is_taken_apart() {
        assert_eq!(pairs(r#"["a","x]\"["],["b",""]"#), [r#"["a","x]\"["]"#, r#"["b",""]"#]);
        assert!(pairs("").is_empty());
    }
}
