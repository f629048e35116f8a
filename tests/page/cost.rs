//! What a step on the page costs, in numbers that are the same on every machine: the events that are made again or taken
//! back, and what is touched of the page.

use crate::browser::Browser;
use serde_json::json;
use std::path::Path;

/// Steps on and back and jumps, at three places of the trace; the most that one move of each kind has cost: the events,
/// the nodes that came, went or changed, the letters written.
const COUNT: &str = "
    (async () => {
        const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        const size = (node) => 1 + [...node.childNodes].reduce((sum, child) => sum + size(child), 0);
        const letters = (node) => node.textContent.length;
        const sum = (nodes, of) => [...nodes].reduce((sum, node) => sum + of(node), 0);
        let records = [];
        const seen = new MutationObserver((more) => records.push(...more));
        const most = {};
        const go = async (how, index) => {
            records = [];
            const before = app.history.replayed;
            app.go(index);
            const events = app.history.replayed - before;
            await frame();
            let [nodes, text] = [0, 0];
            for (const { type, target, attributeName, addedNodes, removedNodes } of records) {
                nodes += type === 'childList' ? sum(addedNodes, size) + sum(removedNodes, size) : 1;
                if (type === 'characterData') text += letters(target);
                else text += type === 'attributes' ? (target.getAttribute(attributeName) ?? '').length : sum(addedNodes, letters);
            }
            const its = most[how] ??= { events: 0, nodes: 0, letters: 0 };
            for (const [name, value] of Object.entries({ events, nodes, letters: text })) its[name] = Math.max(its[name], value);
        };
        // A source file is put into the page when it is first shown.
        for (const file of new Set(app.history.events.map((e) => e.runtime[0]))) app.go(app.history.events.find((e) => e.runtime[0] === file).seq);
        await frame();
        seen.observe(document.documentElement, { subtree: true, childList: true, characterData: true, attributes: true });
        const { length } = app.history;
        for (const share of [0.2, 0.5, 0.9]) {
            await go('jump', Math.floor(length * share));
            for (let n = 0; n < 12; n += 1) await go('on', app.index + 1);
            for (let n = 0; n < 12; n += 1) await go('back', app.index - 1);
        }
        return { length, ...most };
    })()";

/// Twenty moves of a kind, a frame for each.
const TIME: &str = "
    (async () => {
        const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        for (let n = 0; n < 20; n += 1) {
            app.go(INDEX);
            await frame();
        }
    })()";

/// The moves that are timed, and where the `n`th of them leads.
const MOVES: [(&str, &str); 3] =
    [("on", "app.index + 1"), ("back", "app.index - 1"), ("jump", "(n * 7919) % app.history.length")];

/// The most that one move of a kind may cost, in nodes and in letters: what is there to see, not how much there is.
const MOST: [(&str, u64, u64); 3] = [("on", 1_000, 5_000), ("back", 1_000, 5_000), ("jump", 4_000, 8_000)];

/// Checks what the moves cost on the page that is open.
pub(crate) async fn check(browser: &mut Browser) {
    let cost = browser.eval(COUNT).await;
    let length = cost["length"].as_u64().expect("a number");
    for (how, nodes, letters) in MOST {
        let most = |what: &str| cost[how][what].as_u64().unwrap_or_else(|| panic!("no {what} in {cost}"));
        assert!(most("events") <= if how == "jump" { length } else { 1 }, "{how}, of {length} events: {cost}");
        assert!(most("events") > 0 && most("nodes") > 0 && most("letters") > 0, "nothing was counted: {cost}");
        assert!(most("nodes") <= nodes && most("letters") <= letters, "{how}, of {length} events: {cost}");
    }
    println!("{cost}");
}

/// Says what opening and the moves cost this machine's processor; others may be busy on it, so nothing is checked.
pub(crate) async fn measure(browser: &mut Browser, path: &Path) {
    browser.command("Performance.enable", json!({ "timeDomain": "threadTicks" })).await;
    browser.open(path).await;
    let mut said = format!("opens in {:.2} s", browser.busy().await);
    browser.eval("app.go(Math.floor(app.history.length / 2))").await;
    for (how, index) in MOVES {
        let before = browser.busy().await;
        browser.eval(&TIME.replace("INDEX", index)).await;
        said.push_str(&format!(", {how} in {:.1} ms", (browser.busy().await - before) / 20.0 * 1e3));
    }
    println!("{} events: {said}", browser.eval("app.history.length").await);
}
