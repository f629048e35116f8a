//! The page's own script under node: its state and its sentences, without a browser.

use runtime::trace::Recorder;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The page's files that need no browser, in their order.
const FILES: [&str; 11] = [
    "changes.js",
    "state.js",
    "tickets.js",
    "cycle.js",
    "beats.js",
    "history.js",
    "words.js",
    "view.js",
    "circle.js",
    "tasks.js",
    "gathers.js",
];

/// Says, past the test harness, that a test was left out; where tools are required (in CI) it fails instead.
pub(crate) fn left_out(test: &str, tool: &str) {
    let required = std::env::var_os("GLASSLOOP_REQUIRE_TOOLS").is_some();
    assert!(!required, "{tool} is not installed, and GLASSLOOP_REQUIRE_TOOLS is set");
    writeln!(std::io::stderr(), "LEFT OUT: {test}, for {tool} is not installed").expect("stderr takes a line");
    tests::list_left_out(&format!("{test} is left out: {tool} is not installed"));
}

/// What a recorder has kept, as the page gets it, with the loop's own snapshots.
pub(crate) fn data(recorder: &Recorder) -> Value {
    let mut lines = Vec::new();
    recorder.write_json(&mut lines).expect("a vector takes everything");
    let text = String::from_utf8(lines).expect("JSON is UTF-8");
    let events: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect();
    let snapshots: Vec<Value> = recorder
        .snapshots()
        .iter()
        .map(|(seq, state)| json!([seq, serde_json::from_str::<Value>(state).expect("JSON")]))
        .collect();
    json!({ "title": "", "words": runtime::trace::WORDS, "sources": [], "events": events, "snapshots": snapshots })
}

/// Runs `body` after the page's files that need no browser; `data` is its variable `data`. What it returns comes back.
/// `None`: node is not installed.
pub(crate) fn node(test: &str, body: &str, data: &Value) -> Option<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/src/trace/page");
    let file = |name: &str| std::fs::read_to_string(folder.join(name)).expect("the page's script is there");
    let script: String = FILES.iter().map(|name| file(name) + "\n").collect();
    let whole = format!(
        "{script}\nconst data = JSON.parse(require('fs').readFileSync(0));\n\
         process.stdout.write(JSON.stringify((() => {{ {body} }})()));"
    );
    let child = Command::new("node").args(["-e", &whole]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        left_out(test, "node");
        return None;
    };
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(data.to_string().as_bytes()).expect("node reads");
    drop(input);
    let output = child.wait_with_output().expect("node ends");
    assert!(output.status.success(), "node says {}", output.status);
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// Checks that the state that the page rebuilds is the loop's own wherever there is a snapshot, and that it knows of every
/// ticket who holds it. Gives the number of snapshots.
///
/// What stands in the remote queue is compared only where no other thread may send just then: while a message is on its
/// way, the page knows of it and the queue does not hold it yet, or the other way round.
pub(crate) fn check_replay(test: &str, recorder: &Recorder, with_remote: bool) -> Option<usize> {
    const SCRIPT: &str = r#"
        const state = emptyState();
        const { names } = new History(data);
        const called = (task, name) => name ?? `task ${task}`;
        // Of a yield the loop keeps nothing, for the task is queued again already.
        const waits = ({ wait }, theirs) => wait?.startsWith("its next turn") ? theirs : wait ?? "something unknown";
        // The loop knows the tasks that wait themselves; a child waits with a waker of its gather.
        const who = ({ task, gather }) => gather === null ? task : null;
        const own = new Map(data.snapshots);
        let compared = 0;
        const tickets = {};
        for (const e of data.events) {
            apply(state, e);
            if (e.kind === "TicketCloned") tickets[e.task] = (tickets[e.task] ?? 0) + 1;
            if (e.kind === "TicketDropped" || (e.kind === "Wake" && e.last)) tickets[e.task] -= 1;
            const theirs = own.get(e.seq);
            if (!theirs) continue;
            const slots = (o) => Object.entries(o).map(([key, value]) => [Number(key), value]);
            const ours = {
                ready: state.queue,
                tasks: slots(state.slab).map(([slot, task]) => [slot, task, state.tasks[task].queued, state.tasks[task].aborted, names[task], waits(state.tasks[task], theirs.tasks.find((it) => it[1] === task)?.[5])]),
                timers: slots(state.timers).map(([key, timer]) => [key, ...(timer.fired ? [null, null] : [timer.deadline, who(timer.who)])]),
                sources: slots(state.sources).map(([key, { read, write }]) => {
                    return [key, read.ready, write.ready, read.ended, write.ended, [read, write].map((side) => side.waits.map(who))];
                }),
                remote: data.withRemote ? state.remote.length : theirs.remote,
                jobs: Object.keys(state.jobs).length,
            };
            for (const task of theirs.tasks) task[4] = called(task[1], task[4]);
            for (const part of Object.keys(theirs)) {
                const [a, b] = [JSON.stringify(ours[part]), JSON.stringify(theirs[part])];
                if (a !== b) return `after event ${e.seq}, ${e.kind}: ${part} of the page ${a}, of the loop ${b}`;
            }
            for (const key of Object.keys(state.tasks)) {
                const wrong = holders(state, Number(key), tickets[key] ?? 0);
                if (wrong) return `after event ${e.seq}, ${e.kind}: ${wrong}`;
            }
            compared += 1;
        }
        return compared;

        // The holders of a task's tickets are as many as the tickets; each of them is there, and whoever waits is one.
        function holders(state, number, count) {
            const { held } = state.tasks[number];
            const said = `tickets of task ${number} are with ${held.map(holderText)}`;
            if (held.length !== count || held.some(({ what }) => what === null)) return `${count} ${said}`;
            if (held.some((it) => isOver(state, number, it))) return `${said}, and that is over`;
            const waits = (who) => who.task === number && who.gather === null;
            const isMissing = (what, key) => !held.some((it) => it.what === what && it.key === Number(key));
            for (const [key, { who, fired }] of Object.entries(state.timers)) {
                if (!fired && waits(who) && isMissing("timer", key)) return `${said} and not with timer ${key}`;
            }
            for (const [key, source] of Object.entries(state.sources)) for (const way of DIRECTIONS) {
                if (source[way].waits.some(waits) && isMissing(way, key)) return `${said} and not with socket ${key}`;
            }
            return null;
        }
    "#;
    let mut data = data(recorder);
    data["withRemote"] = with_remote.into();
    let result = node(test, SCRIPT, &data)?;
    Some(result.as_u64().unwrap_or_else(|| panic!("{result}")) as usize)
}
