//! The steps that the arrow takes: the beats of a run. And who waits for whom in a circle.

use crate::node::{data, node};
use crate::{named, record};
use serde_json::{Value, json};
use step::programs::PROGRAMS;

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
