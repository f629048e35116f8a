//! The page as a tool: the way in, the way back, the keys, the questions that can be asked of it, and its colours.

use crate::{COUNT_LINKS, ONE_LINK, Page, browse, named};
use runtime::task::{self, yield_now};
use runtime::time::sleep;
use runtime::trace::Recorder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use step::programs::PROGRAMS;
use tests::virtually;

fn read(path: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).expect("it is there")
}

#[test]
fn the_page_has_the_glossary_of_the_architecture() {
    let architecture = read("ARCHITECTURE.md");
    let table = architecture.split("## Glossary").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a part");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    let own: String = rows.skip(2).map(|(word, meaning)| format!("{word}: {meaning}\n")).collect();
    assert!(own.lines().count() > 20, "{own}");
    assert_eq!(read("runtime/src/trace/page/glossary.txt"), own, "page/glossary.txt is not ARCHITECTURE.md's table");
}

/// How light a colour `#rrggbb` is, as WCAG 2 says it.
fn light(colour: &str) -> f64 {
    let channel = |at: usize| {
        let value = u8::from_str_radix(&colour[at..at + 2], 16).expect("a colour");
        let share = f64::from(value) / 255.0;
        if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

fn contrast(a: &str, b: &str) -> f64 {
    let (a, b) = (light(a), light(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn every_text_has_the_contrast_of_wcag_aa_in_both_themes() {
    let style = read("runtime/src/trace/page/style.css");
    let theme = |selector: &str| -> BTreeMap<String, String> {
        let block =
            style.split(&format!("{selector} {{")).nth(1).and_then(|rest| rest.split('}').next()).expect("a theme");
        let colours = block.split(';').filter_map(|rule| rule.trim().strip_prefix("--")?.split_once(": "));
        colours.filter(|(_, value)| value.starts_with('#')).map(|(name, value)| (name.into(), value.into())).collect()
    };
    for (name, colours) in [("light", theme(":root")), ("dark", theme(":root[data-theme=\"dark\"]"))] {
        let texts = ["ink", "soft", "accent"].map(str::to_owned).into_iter().chain((0..8).map(|n| format!("c{n}")));
        for text in texts {
            for ground in ["paper", "panel", "lit"] {
                let ratio = contrast(&colours[&text], &colours[ground]);
                assert!(ratio >= 4.5, "{name}: {text} on {ground} is {ratio:.2} : 1");
            }
        }
        // What shows where a button or a field is.
        for ground in ["paper", "panel"] {
            let ratio = contrast(&colours["edge"], &colours[ground]);
            assert!(ratio >= 3.0, "{name}: an edge on {ground} is {ratio:.2} : 1");
        }
    }
    // No text is made weaker than its colour; the slider itself is drawn by the map below it.
    let weaker: Vec<&str> = style.lines().filter(|line| line.contains("opacity:")).collect();
    assert!(weaker.len() == 1 && weaker[0].starts_with(".map input"), "{weaker:?}");
}

#[test]
fn the_page_opens_with_what_the_program_is_about_and_three_questions_that_lead_to_their_answers() {
    let page = Page::introduced("gather", "introduced");
    browse("introduced", async |browser| {
        browser.look(1366, 768, "light").await;
        browser.open(&page.0).await;
        let said = browser.text("say").await;
        assert!(said.starts_with("Main gathers three answers, of which one is there at once"), "{said}");
        assert!(said.contains("main polls only the marked ones."), "{said}");
        let questions = "[...document.querySelectorAll('#questions a')].map((it) => it.textContent)";
        let asked = browser.eval(questions).await;
        assert_eq!(asked[0], "One answer is there at once. Which child ends first?");
        assert_eq!(asked.as_array().map(Vec::len), Some(3));
        browser.eval(COUNT_LINKS).await;
        browser.click("#questions li:first-child a").await;
        browser.eval(ONE_LINK).await;
        assert_eq!(browser.eval("[app.event.kind, app.event.ready]").await, json!(["ChildPollEnd", true]));
        let current = "document.querySelector('#questions [aria-current]').textContent";
        assert_eq!(browser.eval(current).await, asked[0], "the questions are still there");
    });
}

#[test]
fn back_leads_to_where_one_jumped_from() {
    let page = Page::of(named("semaphore"), "back");
    browse("back", async |browser| {
        browser.open(&page.0).await;
        browser.eval("app.go(60)").await;
        let mut from = vec![60];
        for key in ["c", "End", "r", "j", "g", "]", " "] {
            browser.key(key).await;
            let here = browser.eval("app.index").await.as_i64().expect("an index");
            if here != from[from.len() - 1] {
                from.push(here);
            }
        }
        assert!(from.len() > 5, "{from:?}");
        for before in from.iter().rev().skip(1) {
            browser.eval(COUNT_LINKS).await;
            browser.key("Backspace").await;
            browser.eval(ONE_LINK).await;
            assert_eq!(browser.eval("app.index").await, *before, "{from:?}");
        }
    });
}

#[test]
fn the_list_of_events_folds_what_rides_along_and_is_gone_through_by_keys() {
    let page = Page::of(named("gather"), "list");
    browse("list", async |browser| {
        browser.look(1366, 768, "light").await;
        browser.open(&page.0).await;
        assert_eq!(browser.text("events-note").await, "24 of 53: the others ride along");
        browser.key("e").await;
        let mut kinds = Vec::new();
        for key in ["ArrowDown", "ArrowDown", "PageDown", "ArrowUp"] {
            browser.key(key).await;
            kinds.push(browser.eval("[app.event.kind, app.index]").await);
        }
        assert_eq!(kinds[..2], [json!(["Push", 1]), json!(["PollBegin", 4])]);
        assert!(kinds[2][1].as_u64() > kinds[3][1].as_u64() && kinds[3][1].as_u64() > Some(4), "{kinds:?}");
        browser.eval("app.go(31)").await;
        browser.key("Enter").await;
        assert_eq!(browser.eval("app.index").await, 21, "Enter goes to the reason");
        browser.key("Shift+ArrowRight").await;
        assert_eq!(browser.eval("app.index").await, 22, "the other keys are what they are elsewhere");
        // A step tells how many events lead up to it, and lists them when it is asked to.
        browser.eval("app.go(31)").await;
        assert_eq!(browser.text("ride").await, "▸ 4 more events lead up to it");
        assert_eq!(browser.eval("app.list.rows.includes(28)").await, false);
        browser.click("#ride button").await;
        assert_eq!(browser.eval("[27, 28, 29, 30].every((seq) => app.list.rows.includes(seq))").await, true);
        browser.click("#ride button").await;
        // Whoever goes event by event sees where they are.
        browser.key("Shift+ArrowLeft").await;
        assert_eq!(browser.eval("[app.index, app.list.rows.includes(30)]").await, json!([30, true]));
    });
}

#[test]
fn stepping_obeys_the_filter() {
    let page = Page::of(named("gather"), "obeys");
    browse("obeys", async |browser| {
        browser.open(&page.0).await;
        let ask = "const it = document.getElementById('filter'); it.value = 'timer fires'; it.dispatchEvent(new Event('input')); 0";
        browser.eval(ask).await;
        for (key, index, note) in [
            ("ArrowRight", 21, "match 1 of 2"),
            ("ArrowRight", 36, "match 2 of 2"),
            ("ArrowRight", 36, "match 2 of 2"),
            ("N", 21, "match 1 of 2"),
            ("n", 36, "match 2 of 2"),
            ("ArrowLeft", 21, "match 1 of 2"),
            ("Shift+ArrowRight", 22, "match 1 of 2"),
        ] {
            browser.key(key).await;
            assert_eq!(browser.eval("app.index").await, index, "{key}");
            assert_eq!(browser.text("events-note").await, note, "{key}");
        }
    });
}

/// Asks of the first element that the selector finds, by a click, since when it is so and why; what the page answers.
const ASK: &str = "(async (selector) => {
    document.querySelector(selector).click();
    const said = document.getElementById('ask').textContent;
    const links = [...document.querySelectorAll('#ask a')].map((it) => Number(it.hash.slice(3)));
    return [said, ...links];
})";

#[test]
fn since_when_and_why_are_asked_of_anything_and_one_is_at_the_event_in_two_clicks() {
    let page = Page::of(named("deadlock"), "ask");
    browse("ask", async |browser| {
        browser.look(1366, 768, "light").await;
        browser.open(&page.0).await;
        let event = |seq: u64| format!("app.words.text(app.history.events[{seq}])");
        for (what, selector, since, why) in [
            ("a state", "#tasks tr:nth-child(2) td:nth-child(4)", 43, 29),
            ("a holder", "#semaphores tbody tr:nth-child(2) td:nth-child(3)", 22, 21),
            ("a line", "#semaphores tbody tr:nth-child(2) td:nth-child(4)", 41, 36),
            ("a cycle", ".cycle", 52, 30),
        ] {
            browser.eval("app.go(54)").await;
            let said = browser.eval(&format!("{ASK}('{selector}')")).await;
            assert_eq!(said.as_array().map(|it| &it[1..]), Some(&[json!(since), json!(why)][..]), "{what}: {said}");
            for seq in [since, why] {
                let text = browser.eval(&event(seq)).await;
                assert!(said[0].as_str().unwrap().contains(text.as_str().unwrap()), "{what}: {said}");
            }
            browser.eval(COUNT_LINKS).await;
            browser.click("#ask a").await;
            browser.eval(ONE_LINK).await;
            assert_eq!(browser.eval("app.index").await, since, "{what}");
            assert_eq!(browser.eval("document.getElementById('ask').hidden").await, true);
        }
        // Of what a station says of itself, and of lines of code: of the one that is lit, of one that was, of one that never is.
        for (what, selector, since, answer) in [
            ("a note", "#circle .note[aria-label^=park]", None, "park: "),
            ("the lit line", "#program .lit", None, "Since when? event"),
            ("the runtime's line", "#runtime .lit", None, "Why?"),
            (
                "a line that is never lit",
                "#runtime > div:not(.away) > div",
                None,
                "line 1No event of this run is about",
            ),
            (
                "a line that was lit",
                "#program > div > div:nth-child(39)",
                Some("When last? event"),
                "deadlock.rs, line 39",
            ),
        ] {
            browser.eval("app.go(54)").await;
            let ask = "document.querySelector(it).dispatchEvent(new MouseEvent('click', { bubbles: true })), document.getElementById('ask').textContent";
            let said = browser.eval(&format!("((it) => ({ask}))(`{selector}`)")).await;
            let said = said.as_str().unwrap_or_default();
            assert!(said.contains(answer) && said.contains(since.unwrap_or("")), "{what}: {said}");
        }
        browser.eval("app.go(54); document.getElementById('runtime').focus()").await;
        browser.key("Enter").await;
        assert!(browser.text("ask").await.contains("Since when?"), "{}", browser.text("ask").await);
        // By keys: through a panel with the arrows, and Enter asks.
        browser.eval("app.go(54)").await;
        browser.key("i").await;
        for _ in 0..2 {
            browser.key("ArrowDown").await;
        }
        browser.key("Enter").await;
        assert!(browser.text("ask").await.contains("Since when?"), "{}", browser.text("ask").await);
        browser.key("Escape").await;
        assert_eq!(browser.eval("document.getElementById('ask').hidden").await, true);
        // And of a ticket in the picture, which is reached by Tab.
        browser.eval("[...document.querySelectorAll('#circle .token')].find((it) => it.textContent.includes('semaphore 1')).focus()").await;
        browser.key("Enter").await;
        let said = browser.text("ask").await;
        assert!(said.contains("a ticket of Ada") && said.contains("Ada waits in line at semaphore 1"), "{said}");
        assert_eq!(browser.eval("app.history.name(app.selected)").await, "Ada", "and its task is selected");
    });
}

#[test]
fn a_word_of_the_glossary_shows_its_meaning() {
    let page = Page::of(named("gather"), "words");
    browse("words", async |browser| {
        browser.look(1366, 768, "light").await;
        browser.open(&page.0).await;
        browser.eval("app.go(31)").await;
        assert_eq!(browser.eval("document.getElementById('tip').hidden").await, true);
        browser.command("Emulation.setFocusEmulationEnabled", json!({ "enabled": true })).await;
        browser
            .eval("[...document.querySelectorAll('#say dfn')].find((it) => it.textContent === 'polled').focus()")
            .await;
        assert_eq!(browser.text("tip").await, "poll: to ask a future once whether it is ready");
        browser.key("Escape").await;
        assert_eq!(browser.eval("document.getElementById('tip').hidden").await, true);
        let said = browser.text("say").await;
        assert_eq!(said, "Child 1 of gather 0 was polled because timer 1 fired; it returned Ready: 2 done, 1 remains.");
    });
}

#[test]
fn a_long_poll_is_marked_and_by_time_it_is_long_on_the_slider() {
    let recorder = Recorder::start();
    runtime::block_on(async {
        yield_now().await;
        // One poll that takes its time, whatever the machine.
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(9) {
            std::hint::spin_loop();
        }
        yield_now().await;
    });
    let page = Page::of(recorder, "long");
    browse("long", async |browser| {
        browser.look(1366, 768, "light").await;
        browser.open(&page.0).await;
        let long = browser.eval("app.history.polls").await;
        assert!(long.as_array().is_some_and(|polls| !polls.is_empty()), "{long}");
        let width = "(() => { const { begin, end } = app.history.polls[0]; return app.slider.x(end) - app.slider.x(begin); })()";
        let events = browser.eval(width).await.as_f64().unwrap();
        browser.click("#scale").await;
        let time = browser.eval(width).await.as_f64().unwrap();
        assert!(time > 2.0 * events, "{time} pixels by time, {events} by events");
        browser.eval("app.go(app.history.polls[0].end)").await;
        let said = browser.text("say").await;
        assert!(said.contains(" It took ") && said.ends_with(": nobody else could run meanwhile."), "{said}");
        // The slider leads to the event at its time.
        browser.eval("const it = document.getElementById('slider'); it.value = it.max; it.dispatchEvent(new Event('input')); 0").await;
        assert_eq!(browser.eval("app.index === app.history.length - 1").await, true);
    });
}

#[test]
fn what_runs_not_is_dimmed_and_lines_are_shown_whole() {
    let page = Page::introduced("gather", "panes");
    browse("panes", async |browser| {
        browser.look(1366, 768, "light").await;
        browser.open(&page.0).await;
        for (event, idle) in [(4, false), (10, false), (20, true), (21, true), (26, false), (33, true)] {
            browser.eval(&format!("app.go({event})")).await;
            let is_idle = browser.eval("document.getElementById('program').classList.contains('idle')").await;
            assert_eq!(is_idle, idle, "event {event}");
            assert_eq!(browser.text("program-file").await.ends_with("at rest"), idle, "event {event}");
            let wide = "['program', 'runtime'].filter((id) => { const it = document.getElementById(id); return it.scrollWidth > it.clientWidth; })";
            assert_eq!(browser.eval(wide).await, json!([]), "event {event}: a line goes on where nobody sees it");
        }
    });
}

/// An await of a task's end has no line of its own in the trace. The line lit before it is then not said to be the one at work.
#[test]
fn a_line_that_the_code_may_have_left_is_only_where_it_was_last_seen() {
    let page = Page::introduced("sockets", "known");
    browse("known", async |browser| {
        browser.open(&page.0).await;
        for (event, is_told) in [("e.kind === 'Note'", true), ("e.kind === 'Waits' && e.whom !== null", false)] {
            browser.eval(&format!("app.go(app.history.events.find((e) => {event}).seq)")).await;
            let is_known = browser.eval("document.getElementById('program').classList.contains('known')").await;
            assert_eq!(is_known, !is_told, "{event}");
            assert_eq!(browser.text("program-file").await.ends_with("· last seen"), !is_told, "{event}");
        }
    });
}

/// Goes through all steps: the panels that hide a row that they have, or a part of one, with the step and by how many pixels.
const HIDDEN: &str = "(() => {
    const hidden = {};
    for (const step of [-1, ...app.history.beats]) {
        app.go(step);
        for (const it of document.querySelectorAll('.scroll:not(#events), .waiting, html')) {
            if (!it.clientHeight || getComputedStyle(it).display === 'inline') continue;
            const by = Math.max(it.scrollHeight - it.clientHeight, it.scrollWidth - it.clientWidth);
            if (by > 1) hidden[it.id || it.className] = [step, by];
        }
    }
    return hidden;
})()";

/// The list of events has no hidden row in a program of so many steps.
const SMALL: u64 = 24;

/// The widths at which the page is looked at, with a height of 768.
const WIDTHS: [u32; 2] = [1366, 1280];

#[test]
fn every_program_is_seen_whole_at_1366_or_1280_by_768_and_what_is_empty_takes_no_room() {
    all_is_seen("whole", |index| vec![WIDTHS[index % WIDTHS.len()]]);
}

#[test]
#[ignore = "takes more than a minute: each program at both widths"]
fn every_program_is_seen_whole_at_1366_and_1280_by_768() {
    all_is_seen("whole-twice", |_| WIDTHS.to_vec());
}

/// Looks at each program at the widths for its index.
fn all_is_seen(profile: &str, widths: impl Fn(usize) -> Vec<u32>) {
    let pages = PROGRAMS.map(|it| (it.name, Page::introduced(it.name, &format!("{profile}-{}", it.name))));
    browse(profile, async |browser| {
        for (index, (name, page)) in pages.iter().enumerate() {
            for width in widths(index) {
                browser.look(width, 768, "light").await;
                browser.open(&page.0).await;
                assert_eq!(browser.eval(HIDDEN).await, json!({}), "{name}, {width}");
                let rows = "[...document.querySelectorAll('.row')].filter((it) => {
                    const [row, list] = [it, document.getElementById('events')].map((it) => it.getBoundingClientRect());
                    return row.top >= list.top - 1 && row.bottom <= list.bottom + 1;
                }).length";
                let settled =
                    "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))";
                browser.eval(settled).await;
                let (seen, beats) = (browser.eval(rows).await, browser.eval("app.history.beats.length").await);
                let told = browser.text("events-hidden").await;
                if beats.as_u64() <= Some(SMALL) {
                    assert_eq!((&seen, told.as_str()), (&beats, "all are shown"), "{name}, {width}");
                }
                assert!(seen.as_u64() >= beats.as_u64().min(Some(8)), "{name}, {width}: few events are seen");
            }
            // What never has anything to show is less than a line each, and says what would stand there.
            let never = browser.eval("[...document.querySelectorAll('.never')].map((it) => it.textContent)").await;
            let never = never.as_array().unwrap();
            for panel in never {
                assert!(panel.as_str().is_some_and(|text| text.len() > 20), "{name}: {panel}");
            }
            assert!(never.len() >= 3, "{name}: {never:?}");
            let high = browser.eval("document.getElementById('nevers').clientHeight").await;
            assert!(high.as_u64() <= Some(never.len() as u64 * 20), "{name}: {high} for {}", never.len());
        }
    });
}

#[test]
fn a_channel_shows_its_values_its_room_who_waits_and_that_it_is_closed() {
    let page = Page::of(named("channel"), "channel");
    browse("channel", async |browser| {
        browser.open(&page.0).await;
        let row = "[...document.querySelectorAll('#channels tbody td')].map((it) => it.textContent)";
        browser.eval("app.go(app.history.events.find((e) => e.kind === 'Waits' && e.side === 'send').seq)").await;
        assert_eq!(browser.eval(row).await, json!(["channel 0", "1 of 1", "open", "to send: ■sender "]));
        browser.eval("app.go(app.history.events.find((e) => e.kind === 'Waits' && e.side === 'receive').seq)").await;
        assert_eq!(browser.eval(&format!("{row}.at(-1)")).await, "to receive: ●main ");
        browser.eval("app.go(app.history.events.find((e) => e.kind === 'ChannelClosed').seq)").await;
        assert_eq!(browser.eval(&format!("{row}[2]")).await, "closed by the sender");
    });
}

#[test]
fn long_empty_right_to_left_and_hostile_names_keep_the_layout() {
    let names = [
        "x".repeat(300),
        String::new(),
        "משימה".into(),
        "a\u{202e}b\u{0}\nc".into(),
        "two  words ".repeat(20),
        "   ".into(),
    ];
    let recorder = Recorder::start();
    virtually(async {
        let tasks: Vec<_> = names
            .iter()
            .map(|name| task::Builder::new().name(name.clone()).spawn(sleep(Duration::from_millis(1))))
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let page = Page::of(recorder, "names");
    browse("names", async |browser| {
        browser.look(1280, 800, "light").await;
        browser.open(&page.0).await;
        let places = "['header', '.saybox', 'main', '.circle', '.slab', '.waiting', '.events'].map((it) => {
            const { left, right, top } = document.querySelector(it).getBoundingClientRect();
            return [Math.round(left), Math.round(right), it === 'main' ? 0 : it === '.saybox' || it === 'header' ? Math.round(top) : 0];
        })";
        let before = browser.eval(places).await;
        let length = browser.eval("app.history.length").await.as_u64().unwrap();
        for step in 0..length {
            browser.eval(&format!("app.go({step})")).await;
            assert_eq!(browser.eval(places).await, before, "event {step}: a panel has moved");
            let wide = browser.eval("document.documentElement.scrollWidth - innerWidth").await;
            assert!(wide.as_i64().is_some_and(|wide| wide <= 0), "event {step}: wider by {wide}");
            let high = browser.eval("document.documentElement.scrollHeight - innerHeight").await;
            assert!(high.as_i64().is_some_and(|high| high <= 0), "event {step}: higher by {high}");
        }
        let called: Value = browser.eval("[1, 2, 3, 4, 6].map((task) => app.history.name(task))").await;
        assert_eq!(called[1], "task 2", "one without a name has its number");
        assert_eq!(called[2], "\u{2068}משימה\u{2069}", "what is written from right to left stays by itself");
        assert_eq!(called[3], "a\u{fffd}b\u{fffd}\u{fffd}c", "nothing turns the text around it");
        assert_eq!(called[4], "task 6");
    });
}
