//! The steps that the arrow takes: the beats of a run. And who waits for whom in a circle.

use crate::node::{data, node};
use crate::{named, record};
use runtime::sync::{Semaphore, mpsc};
use runtime::task::{self, yield_now};
use runtime::time::sleep;
use runtime::trace::Recorder;
use serde_json::{Value, json};
use std::rc::Rc;
use std::time::Duration;
use step::programs::PROGRAMS;
use tests::virtually;

/// The beats of a program: the number and the kind of each.
fn beats(name: &str) -> Option<Vec<(u64, String)>> {
    let script = "
        const run = new History(data);
        return run.beats.map((seq) => [seq, run.events[seq].kind]);
    ";
    let beats = node("the beats", script, &data(&named(name)))?;
    let pair = |it: &Value| (it[0].as_u64().expect("a number"), it[1].as_str().expect("a kind").to_owned());
    Some(beats.as_array().expect("a list").iter().map(pair).collect())
}

#[test]
fn of_the_53_events_of_three_naps_24_tell_the_story() {
    let Some(beats) = beats("gather") else { return };
    let kinds: Vec<&str> = beats.iter().map(|(_, kind)| kind.as_str()).collect();
    let start = ["Push", "PollBegin", "GatherStart", "TimerArmed", "TimerArmed", "ChildPollEnd", "PollEnd"];
    let nap = ["Jump", "TimerFired", "ChildWoken", "Push", "PollBegin", "ChildPollEnd"];
    let end = ["GatherDone", "Note", "TaskEnd", "TurnEnd"];
    assert_eq!(kinds, [&start[..], &nap, &["PollEnd"], &nap, &end].concat());
    assert_eq!(kinds.len(), 24);
}

#[test]
fn what_rides_along_tells_nothing_that_no_step_tells() {
    for program in &PROGRAMS {
        let script = "
            const run = new History(data);
            const isBeat = new Set(run.beats);
            const riders = run.events.filter((e) => !isBeat.has(e.seq));
            // What answers, wakes, waits or ends is a step; of others only a reason that is told again, or a part of the next step.
            const never = ['Push', 'PollBegin', 'TimerArmed', 'TimerFired', 'IoReady', 'PermitTaken', 'PermitWaiting', 'PermitReleased', 'ChannelSent', 'ChannelTaken',
                'ChannelClosed', 'TaskEnd', 'TaskPanicked', 'Park', 'Jump', 'Quiescent', 'RemoteSent', 'RemoteTaken', 'JobSubmitted', 'JobStarted', 'GatherStart', 'GatherDone', 'Note', 'Abort', 'ChildWoken'];
            const wrong = riders.find((e) => never.includes(e.kind));
            if (wrong) return `event ${wrong.seq}, ${wrong.kind}, is no step`;
            const silent = riders.find((e) => e.kind === 'Wake' && run.events[e.seq + 1].kind !== 'Push');
            if (silent) return `the wake ${silent.seq} is told by no push`;
            return [run.beats.length, run.events.length, run.beats.at(-1)];
        ";
        let Some(counts) = node("what rides along", script, &data(&record(program))) else { return };
        let [steps, events, last] =
            [0, 1, 2].map(|at| counts[at].as_u64().unwrap_or_else(|| panic!("{}: {counts}", program.name)));
        assert!(steps * 3 < events * 2 && steps * 3 > events, "{}: {steps} steps of {events} events", program.name);
        assert_eq!(last + 1, events, "{}: the last event can be reached", program.name);
    }
}

#[test]
fn the_cycle_of_a_deadlock_is_found_when_it_is_closed_and_nowhere_else() {
    let script = "
        const run = new History(data);
        const found = run.events.map((e) => cycle(run.at(e.seq)).map(({ task, by, semaphore }) => [run.name(task), semaphore, run.name(by)]));
        const first = found.findIndex((links) => links.length);
        return [first < 0 ? null : run.events[first].kind, found[first] ?? [], found.filter((links) => links.length).length];
    ";
    for program in &PROGRAMS {
        let Some(found) = node("a cycle", script, &data(&record(program))) else { return };
        if program.name == "deadlock" {
            // Ben waits only once his poll is over.
            let links = json!([["Ada", 1, "Ben"], ["Ben", 0, "Ada"]]);
            assert_eq!(json!([found[0], found[1]]), json!(["PollEnd", links]));
            assert!(found[2].as_u64().is_some_and(|events| events >= 3), "{found}");
        } else {
            assert_eq!(found, json!([null, [], 0]), "{}", program.name);
        }
    }
}

#[test]
fn at_the_first_step_of_every_program_somebody_is_new_and_at_the_last_one_nobody_is_left() {
    let script = "
        const run = new History(data);
        const words = new Words(data.words, run);
        const life = (at) => { const state = run.at(at); return Object.keys(state.tasks).map(Number).map((task) => [taskState(state, task), waitingText(state, waits(state), task)]); };
        const polled = new Set();
        for (const e of data.events) {
            if (e.kind === 'PollBegin') polled.add(e.task);
            const state = run.at(e.seq);
            for (const task of Object.keys(state.tasks).map(Number)) {
                const [it, text] = [taskState(state, task), waitingText(state, waits(state), task)];
                const hasEnded = it === 'done' || it === 'panicked';
                if (!polled.has(task) && !['new', 'ready', 'next at poll', 'is dropped'].includes(it)) return `event ${e.seq}: before its first poll task ${task} is ${it}`;
                if (text && (!polled.has(task) || hasEnded)) return `event ${e.seq}: task ${task} is ${it}, and waits for ${text}`;
                if (e.kind === 'PermitLeft' && it === 'is dropped' && Object.values(state.semaphores).some(({ line }) => line.some((who) => who.granted && who.task === task))) return `event ${e.seq}: task ${task} has left the line, and is granted`;
                if (e.kind === 'Wake' && data.events[e.cause]?.kind === 'TaskEnd' && task === e.task && / to end$/.test(text)) return `event ${e.seq}: task ${task} is woken by that end, and waits for ${text}`;
                if (it === 'waits' && !text) return `event ${e.seq}: task ${task} waits for nothing`;
                if (/not know|unknown/.test(text) && !text.includes('a future of the program')) return `event ${e.seq}: ${text}`;
            }
        }
        const last = run.at(run.length - 1);
        return [life(0), words.text(data.events[0]), life(run.length - 1), words.text(data.events.at(-1)), last.ended.length > 0, last.queue.length];
    ";
    for program in &PROGRAMS {
        let Some(steps) = node("the first and the last step", script, &data(&record(program))) else { return };
        let first = "main is spawned into slot 0.";
        assert_eq!(json!([steps[0], steps[1]]), json!([[["new", ""]], first]), "{}: {steps}", program.name);
        assert_eq!(json!([steps[2], steps[4], steps[5]]), json!([[], true, 0]), "{}: {steps}", program.name);
        let last = steps[3].as_str().unwrap_or_default();
        assert!(!last.contains("waits") && !last.contains("know"), "{}: {last}", program.name);
    }
}

#[test]
fn who_has_been_granted_what_it_waited_for_is_not_said_to_wait_for_it() {
    let recorder = Recorder::start();
    virtually(async {
        // Two are granted at once, and one of them leaves before it is polled; another is granted its place.
        let oven = Rc::new(Semaphore::new(0));
        let bakers = ["bread", "cake", "pie"].map(|name| {
            let oven = Rc::clone(&oven);
            task::Builder::new().name(name).spawn(async move { drop(oven.acquire().await) })
        });
        yield_now().await;
        oven.add_permits(2);
        bakers[0].abort();
        sleep(Duration::from_millis(1)).await;
        // The same at a channel with room for one.
        let (sender, mut receiver) = mpsc::channel(1);
        sender.send(0).await.unwrap();
        let senders = ["first", "second"].map(|name| {
            let sender = sender.clone();
            task::Builder::new().name(name).spawn(async move { sender.send(1).await })
        });
        yield_now().await;
        receiver.recv().await;
        senders[0].abort();
        receiver.recv().await;
        sleep(Duration::from_millis(1)).await;
    });
    let script = "
        const run = new History(data);
        let seen = 0;
        const told = new Set();
        for (const e of data.events) {
            // Whoever takes it had been granted it, and nobody else had.
            const before = e.seq ? run.at(e.seq - 1) : null;
            const line = e.kind === 'PermitTaken' ? before.semaphores[e.semaphore]?.line : e.kind === 'ChannelSent' ? before.channels[e.channel]?.send : null;
            const who = line?.find((it) => sameActor(it, actor(before)));
            if (who && !who.granted) return `event ${e.seq}: ${run.name(who.task)} takes what it was not granted`;
            if (who) seen += 1;
            const state = run.at(e.seq);
            const lines = [...Object.values(state.semaphores).map((it) => it.line), ...Object.values(state.channels).map((it) => it.send)];
            for (const it of lines.flat()) {
                const text = waitingText(state, waits(state), it.task);
                if (it.granted && text && !text.includes('granted: ')) return `event ${e.seq}: ${run.name(it.task)} waits for ${text}`;
                if (!it.granted && text.includes('granted: ')) return `event ${e.seq}: ${run.name(it.task)}: ${text}`;
                if (it.granted && text) told.add(`${run.name(it.task)}: ${text}`);
            }
        }
        return [seen, [...told].sort()];
    ";
    let Some(found) = node("who was granted", script, &data(&recorder)) else { return };
    let permit = "granted: a permit of semaphore 0";
    let told = ["bread", "cake", "pie"].map(|name| format!("{name}: {permit}")).to_vec();
    assert_eq!(found[0], 3, "{found}");
    let own: Vec<String> = serde_json::from_value(found[1].clone()).unwrap();
    for it in &told {
        assert!(own.contains(it), "nothing says {it:?}: {own:?}");
    }
    for program in &PROGRAMS {
        let Some(found) = node("who was granted", script, &data(&record(program))) else { return };
        assert!(found[0].is_u64(), "{}: {found}", program.name);
    }
}

#[test]
fn a_child_that_is_left_when_its_gather_has_returned_is_said_to_be_dropped() {
    let script = "
        const run = new History(data);
        const { gathers } = run.at(run.length - 1);
        return Object.values(gathers).flatMap((it) => Object.values(it.places).map((place) => outcome(it, place)));
    ";
    for (name, outcomes) in [
        ("race", ["is dropped", "done", "is dropped"]),
        ("error", ["done", "done", "is dropped"]),
        ("gather", ["done"; 3]),
    ] {
        let Some(found) = node("what becomes of children", script, &data(&named(name))) else { return };
        assert_eq!(found, json!(outcomes), "{name}");
    }
}
