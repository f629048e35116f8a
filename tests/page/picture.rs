//! The picture of the loop against the events: what it lights, and where the tickets lie.

use crate::node::{data, node};
use crate::{Page, browse, named, record};
use step::programs::PROGRAMS;

#[test]
fn poll_is_lit_exactly_while_somebody_is_polled() {
    let script = "
        const run = new History(data);
        let polled = null;
        let seen = 0;
        for (const e of data.events) {
            if (e.kind === 'PollBegin') polled = e.task;
            // A panic of main leaves its poll without an end.
            if (e.kind === 'TaskEnd' && e.task === polled) polled = null;
            const isLit = lit(run, run.at(e.seq), e)[1].includes('poll');
            if (isLit !== (polled !== null)) return `event ${e.seq}, ${e.kind}: poll is ${isLit ? '' : 'not '}lit`;
            seen += isLit ? 1 : 0;
            if (e.kind === 'PollEnd') polled = null;
        }
        return seen;
    ";
    for program in &PROGRAMS {
        let Some(seen) = node("what the picture lights", script, &data(&record(program))) else { return };
        assert!(seen.as_u64().is_some_and(|seen| seen > 5), "{}: {seen}", program.name);
    }
}

#[test]
fn the_picture_draws_as_many_tickets_as_there_are_and_every_one_where_it_is() {
    let script = "
        const run = new History(data);
        const count = {};
        let most = 0;
        for (const e of data.events) {
            if (e.kind === 'TicketCloned') count[e.task] = (count[e.task] ?? 0) + 1;
            if (e.kind === 'TicketDropped' || (e.kind === 'Wake' && e.last)) count[e.task] -= 1;
            const state = run.at(e.seq);
            const by = tickets(state, e, 1000);
            const all = Object.entries(by).flatMap(([station, { shown, all }]) => {
                if (shown.length !== all) return ['too few'];
                return shown.filter((it) => !it.child).map((it) => ({ ...it, station }));
            });
            for (const task of Object.keys(state.tasks).map(Number)) {
                const its = all.filter((it) => it.task === task && it.what !== 'queue');
                if (its.length !== (count[task] ?? 0)) return `event ${e.seq}: ${its.length} tickets of task ${task}, of ${count[task] ?? 0}`;
                for (const { what, station } of its) {
                    const right = what === 'timer' ? 'timers' : ['read', 'write'].includes(what) ? 'reactor' : what === null ? 'poll' : 'others';
                    if (station !== right) return `event ${e.seq}: ${what} at ${station}`;
                }
            }
            const queue = by.queue.shown.map((it) => it.task);
            if (JSON.stringify(queue) !== JSON.stringify(state.queue)) return `event ${e.seq}: in the queue ${queue}, of ${state.queue}`;
            const ids = Object.values(by).flatMap(({ shown }) => shown.map((it) => it.id));
            if (new Set(ids).size !== ids.length) return `event ${e.seq}: two tickets have one name: ${ids}`;
            most = Math.max(most, ids.length);
        }
        return most;
    ";
    for program in &PROGRAMS {
        let Some(most) = node("the tickets in the picture", script, &data(&record(program))) else { return };
        assert!(most.as_u64().is_some_and(|most| most >= 1), "{}: {most}", program.name);
    }
}

#[test]
fn a_task_stays_in_its_slot_and_only_its_tickets_lie_elsewhere() {
    let pages = ["sleep", "sockets"].map(|name| (name, Page::of(named(name), &format!("slots-{name}"))));
    browse("slots", async |browser| {
        for (name, page) in &pages {
            browser.open(&page.0).await;
            let wrong = browser
                .eval("(() => {
                    const spawned = {};
                    for (const e of app.history.events) {
                        if (e.kind === 'Spawn') spawned[e.task] = e.slot;
                        if (e.kind === 'TaskEnd') delete spawned[e.task];
                        app.go(e.seq);
                        const drawn = [...document.querySelectorAll('#circle .task')].map((it) => it.textContent.split(' ')[0]);
                        const slots = Object.values(spawned).map(String);
                        if (drawn.join() !== slots.join()) return `event ${e.seq}: tasks in ${drawn}, spawned into ${slots}`;
                        const lying = [...document.querySelectorAll('#circle .token')].map((it) => it.getAttribute('aria-label'));
                        const wrong = lying.find((it) => !/: a (ticket|child's waker) of /.test(it));
                        if (wrong) return `event ${e.seq}: ${wrong} is no ticket`;
                    }
                    return null;
                })()")
                .await;
            assert!(wrong.is_null(), "{name}: {wrong}");
        }
    });
}
