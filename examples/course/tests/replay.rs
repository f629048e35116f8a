//! What the rungs say replays on the page of the real loop: the page's own script, under node, has the same ready queue at
//! each step as the rung, and knows why each task is polled.
#![allow(dead_code, unused_imports, unused_macros, reason = "of each rung a part is used")]

use course::{Value, record};
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread;

/// A rung whose `say!` tells its steps, and the trace of a program on it.
macro_rules! rung {
    ($name:ident, $folder:literal) => {
        mod $name {
            include!(concat!(env!("OUT_DIR"), "/", $folder, "/recording.rs"));

            pub(super) fn trace() -> String {
                let queue = || {
                    let core = run::current()?;
                    let tasks = core.tasks.try_borrow().ok()?;
                    Some(tasks.queue.iter().map(super::Value::of).collect())
                };
                #[allow(clippy::let_unit_value, clippy::let_underscore_future, reason = "later rungs return a handle")]
                let spawn = |task: super::Task| {
                    let _ = runtime::spawn(task);
                };
                super::record(queue, || runtime::block_on(super::program(spawn, || Box::pin(task::yield_now()))))
            }
        }
    };
}

rung!(rung_03, "03_queue");
rung!(rung_04, "04_tickets");
rung!(rung_05, "05_wakes");
rung!(rung_06, "06_timers");
rung!(rung_07, "07_reactor");
rung!(rung_08, "08_gather");
rung!(rung_09, "09_cancel");
rung!(rung_10, "10_join");
rung!(rung_11, "11_semaphore");
rung!(rung_12, "12_blocking");
rung!(rung_13, "13_server");

type Task = std::pin::Pin<Box<dyn Future<Output = ()>>>;

/// Three tasks that yield, main among them; one that another thread wakes, and one that another task wakes, twice. Then main
/// waits until all have ended, and a waker is used whose task is no more.
async fn program(spawn: fn(Task), yields: fn() -> Task) {
    let bell = Rc::new(RefCell::new(None::<Waker>));
    let (alive, dead) = (Rc::new(()), Rc::new(RefCell::new(None::<Waker>)));
    for turns in [2, 3] {
        let alive = Rc::clone(&alive);
        spawn(Box::pin(async move {
            for _ in 0..turns {
                yields().await;
            }
            drop(alive);
        }));
    }
    let (its, kept) = (Rc::clone(&alive), Rc::clone(&dead));
    spawn(Box::pin(async move {
        once(|waker| drop(thread::spawn(|| waker.wake()))).await;
        once(|waker| _ = kept.replace(Some(waker))).await;
        drop(its);
    }));
    let (its, rung) = (Rc::clone(&alive), Rc::clone(&bell));
    spawn(Box::pin(async move {
        once(|waker| _ = rung.replace(Some(waker))).await;
        drop(its);
    }));
    while Rc::strong_count(&alive) > 1 {
        for waker in [bell.take(), dead.borrow().clone()].into_iter().flatten() {
            waker.wake_by_ref();
            waker.wake();
        }
        yields().await;
    }
    dead.take().into_iter().for_each(Waker::wake);
    yields().await;
}

/// Pending once, with a copy of the waker given away.
fn once(give: impl FnOnce(Waker)) -> impl Future<Output = ()> {
    let mut give = Some(give);
    poll_fn(move |cx| match give.take() {
        Some(give) => {
            give(cx.waker().clone());
            Poll::Pending
        }
        None => Poll::Ready(()),
    })
}

/// Replays every trace: after each event at which the rung's queue was seen, the page has the same one; and each poll has a
/// cause, which leads to a spawn or a wake of the same task.
const SCRIPT: &str = r#"
    for (const [rung, events] of Object.entries(data)) {
        const state = emptyState();
        let compared = 0, refused = 0;
        for (const e of events) {
            apply(state, e);
            const at = `rung ${rung}, event ${e.seq}, ${JSON.stringify(e)}`;
            if (e.queue) {
                // Of the page's queue who has ended is gone at once; a rung passes over them later.
                const theirs = e.queue.filter((task) => state.tasks[task]);
                if (JSON.stringify(state.queue) !== JSON.stringify(theirs)) return `${at}: the page has ${state.queue}`;
                compared += 1;
            }
            if (e.kind === "PushRefused") refused += 1;
            if (e.kind !== "PollBegin") continue;
            let from = e;
            while (from && !["Spawn", "Wake"].includes(from.kind)) from = events[from.cause ?? -1];
            if (!from) return `${at}: nothing leads to this poll`;
            if (from.task !== e.task) return `${at}: it leads to ${JSON.stringify(from)}`;
        }
        if (compared < 40) return `rung ${rung}: only ${compared} queues were seen`;
        if (rung > 3 && refused < 2) return `rung ${rung}: only ${refused} were refused`;
    }
    return "equal";
"#;

#[test]
fn the_trace_of_every_rung_replays_on_the_page() {
    let traces = [
        (3, rung_03::trace()),
        (4, rung_04::trace()),
        (5, rung_05::trace()),
        (6, rung_06::trace()),
        (7, rung_07::trace()),
        (8, rung_08::trace()),
        (9, rung_09::trace()),
        (10, rung_10::trace()),
        (11, rung_11::trace()),
        (12, rung_12::trace()),
        (13, rung_13::trace()),
    ];
    let rungs = traces.map(|(rung, lines)| format!("\"{rung}\":[{}]", lines.trim().replace('\n', ",")));
    let data = format!("{{{}}}", rungs.join(","));
    assert!(data.contains("\"queue\":[0"), "the queue is seen");
    let Some(said) = node(SCRIPT, &data) else { return };
    assert_eq!(said, "\"equal\"");
}

/// Runs `body` after the page's scripts that know the state. `None`: node is not installed, which is said.
fn node(body: &str, data: &str) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtime/src/trace/page");
    let scripts = ["changes.js", "state.js", "tickets.js"];
    let scripts = scripts.map(|name| std::fs::read_to_string(folder.join(name)).unwrap()).join("\n");
    let whole = format!(
        "{scripts}\nconst data = JSON.parse(require('fs').readFileSync(0));\n\
         process.stdout.write(JSON.stringify((() => {{ {body} }})()));"
    );
    let child = Command::new("node").args(["-e", &whole]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        assert!(std::env::var_os("GLASSLOOP_REQUIRE_TOOLS").is_none(), "node is not installed");
        writeln!(std::io::stderr(), "LEFT OUT: the page's script, for node is not installed")
            .expect("stderr takes a line");
        return None;
    };
    child.stdin.take().unwrap().write_all(data.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).unwrap())
}
