//! The trace: the exact events of small programs, what led to what, and the invariants of the loop, checked on the
//! traces of programs that nobody wrote by hand.

#![cfg(feature = "trace")]

#[path = "page/node.rs"]
mod node;

use runtime::net::{TcpListener, TcpStream, UdpSocket};
use runtime::sync::{Semaphore, mpsc, oneshot};
use runtime::task::{self, yield_now};
use runtime::time::{now, sleep, timeout};
use runtime::trace::{Event, How, Kind, Recorder, TaskNumber, note};
use runtime::{JoinHandle, Runtime, spawn};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::future::{Future, pending, poll_fn, ready};
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;
use tests::{Log, Random, alone, counts, poll_once, thread_number, until_parked, virtual_runtime, virtually};

const ZERO: Option<Duration> = Some(Duration::ZERO);
const SECOND: Duration = Duration::from_secs(1);

/// Runs `program` on a fresh runtime with the virtual clock and gives what happened, the drop of the runtime included.
fn record<F: Future>(program: impl FnOnce() -> F) -> Vec<Event> {
    let recorder = Recorder::start();
    virtually(program());
    recorder.events()
}

/// An event in a few words.
fn words(event: &Event) -> String {
    match &event.kind {
        Kind::TurnBegin {} => format!("turn {}", event.turn),
        Kind::TurnEnd {} => "turn ends".into(),
        Kind::Spawn { name: Some(name), .. } => format!("spawn {name}"),
        Kind::Spawn { name: None, .. } => "spawn".into(),
        Kind::Push { task } => format!("push {}", task.0),
        Kind::PushRefused { task, stale } => format!("refused {}{}", task.0, if *stale { ", stale" } else { "" }),
        Kind::Pop { task } => format!("pop {}", task.0),
        Kind::PollBegin { task } => format!("poll {}", task.0),
        Kind::PollEnd { task, ready: true } => format!("ready {}", task.0),
        Kind::PollEnd { task, ready: false } => format!("pending {}", task.0),
        Kind::Wake { task, .. } => format!("wake {}", task.0),
        Kind::TicketCloned { task } => format!("clone {}", task.0),
        Kind::TicketDropped { task } => format!("drop {}", task.0),
        Kind::Abort { task } => format!("abort {}", task.0),
        Kind::TaskEnd { task, how: How::Done } => format!("end {}", task.0),
        Kind::TaskEnd { task, how } => format!("end {}, {}", task.0, how.word()),
        Kind::TaskCancelled { task } => format!("cancel {}", task.0),
        Kind::TimerArmed { timer, deadline } => {
            format!("arm {timer} for {:?}", Duration::from_nanos(deadline.0))
        }
        Kind::TimerFired { timer, wakes } if wakes.0.len() == 1 => format!("fire {timer} for {}", wakes.0[0].0),
        Kind::IoReady { source, direction, .. } => format!("{direction} ready {source}"),
        Kind::TimerDropped { timer } => format!("disarm {timer}"),
        Kind::Park { timeout: None, .. } => "park".into(),
        Kind::Unpark {} => "unpark".into(),
        Kind::RemoteSent { message, number: Some(number), .. } => format!("{message} {number} sent"),
        Kind::RemoteTaken { message, number: Some(number) } => format!("{message} {number} taken"),
        Kind::JobSubmitted { job } => format!("submit {job}"),
        Kind::JobStarted { job, .. } => format!("start {job}"),
        Kind::Jump { to } => format!("jump to {:?}", Duration::from_nanos(to.0)),
        Kind::Waits { what, .. } => format!("waits for {what}"),
        Kind::Note { text } => format!("note {text}"),
        Kind::TaskPanicked { task, message } => format!("panic {}: {message}", task.0),
        Kind::ChannelSent { channel, len, .. } => format!("send {}, {len} in it", channel.0),
        Kind::ChannelTaken { channel, len, .. } => format!("take {}, {len} in it", channel.0),
        Kind::ChannelClosed { channel, side } => format!("close {} by its {side}", channel.0),
        kind => format!("{kind:?}"),
    }
}

fn lines(events: &[Event]) -> Vec<String> {
    events.iter().map(words).collect()
}

/// The same without the clones and drops of wakers: how often a leaf does that is its own affair.
fn steps(events: &[Event]) -> Vec<String> {
    let is_step = |event: &&Event| !matches!(event.kind, Kind::TicketCloned { .. } | Kind::TicketDropped { .. });
    events.iter().filter(is_step).map(words).collect()
}

/// The steps that led to the first event that `is_it`, from the last to the first.
fn led_to(events: &[Event], is_it: impl Fn(&Event) -> bool) -> Vec<String> {
    let mut next = Some(events.iter().find(|event| is_it(event)).expect("it happened"));
    let mut steps = Vec::new();
    while let Some(event) = next {
        steps.push(words(event));
        next = event.cause.map(|cause| &events[cause as usize]);
    }
    steps
}

/// The n-th poll of a task, from 1.
fn poll(events: &[Event], task: u32, n: usize) -> impl Fn(&Event) -> bool + use<> {
    let seq = events
        .iter()
        .filter(|event| event.kind == Kind::PollBegin { task: TaskNumber(task) })
        .nth(n - 1)
        .expect("that poll happened")
        .seq;
    move |event| event.seq == seq
}

// Small programs, event by event.

#[test]
fn hello_spawns_and_joins() {
    let events = record(|| async { task::Builder::new().name("greeter").spawn(async {}).await.unwrap() });
    #[rustfmt::skip]
    assert_eq!(lines(&events), [
        "spawn main", "push 0",
        "turn 1", "pop 0", "poll 0", "spawn greeter", "push 1", "clone 0", "waits for another task to end", "pending 0", "turn ends",
        "turn 2", "pop 1", "poll 1", "ready 1", "end 1", "wake 0", "push 0", "turn ends",
        "turn 3", "pop 0", "poll 0", "ready 0", "end 0", "turn ends",
    ]);
}

#[test]
fn a_sleep_arms_fires_and_disarms() {
    let events = record(|| sleep_virtually(SECOND));
    #[rustfmt::skip]
    assert_eq!(steps(&events), [
        "spawn main", "push 0",
        "turn 1", "pop 0", "poll 0", "arm 0 for 1s", "pending 0", "turn ends",
        "turn 2", "jump to 1s", "fire 0 for 0", "wake 0", "push 0", "pop 0", "poll 0", "disarm 0", "ready 0", "end 0", "turn ends",
    ]);
    let fires = events.iter().position(|event| words(event) == "fire 0 for 0").expect("it does");
    assert!(events[..fires].iter().all(|event| event.at.is_zero()));
    assert!(events[fires..].iter().all(|event| event.at == SECOND));
}

/// A sleep whose time is counted from its first poll, inside the loop.
async fn sleep_virtually(duration: Duration) {
    sleep(duration).await;
}

#[test]
fn a_channel_wakes_its_receiver() {
    let events = record(|| async {
        let (sender, receiver) = oneshot::channel();
        drop(spawn(async move { sender.send(()).unwrap() }));
        receiver.await.unwrap();
    });
    #[rustfmt::skip]
    assert_eq!(steps(&events), [
        "spawn main", "push 0",
        "turn 1", "pop 0", "poll 0", "spawn", "push 1", "waits for a channel", "pending 0", "turn ends",
        "turn 2", "pop 1", "poll 1", "send 0, 1 in it", "wake 0", "push 0", "ready 1", "end 1", "turn ends",
        "turn 3", "pop 0", "poll 0", "take 0, 0 in it", "ready 0", "end 0", "turn ends",
    ]);
}

#[test]
fn a_task_that_yields_is_woken_in_its_poll() {
    let events = record(yield_now);
    #[rustfmt::skip]
    assert_eq!(lines(&events), [
        "spawn main", "push 0",
        "turn 1", "pop 0", "poll 0", "waits for its next turn", "wake 0", "push 0", "pending 0", "turn ends",
        "turn 2", "pop 0", "poll 0", "ready 0", "end 0", "turn ends",
    ]);
}

#[test]
fn the_second_of_two_wakes_and_one_after_the_end_are_refused() {
    let events = record(|| async {
        let own = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let (give, take) = oneshot::channel();
        let task = spawn(poll_fn({
            let mut give = Some(give);
            move |cx| match give.take() {
                Some(give) => {
                    give.send(cx.waker().clone()).unwrap();
                    Poll::Pending
                }
                None => Poll::Ready(()),
            }
        }));
        let waker: Waker = take.await.unwrap();
        note("twice");
        waker.wake_by_ref();
        waker.wake_by_ref();
        task.await.unwrap();
        note("too late");
        waker.wake_by_ref();
        note("own");
        own.wake_by_ref();
    });
    let lines = lines(&events);
    let after = |text: &str| &lines[lines.iter().position(|line| line == text).expect("a note") + 1..];
    assert_eq!(after("note twice")[..4], ["wake 1", "push 1", "wake 1", "refused 1"]);
    assert_eq!(after("note too late")[..2], ["wake 1", "refused 1, stale"]);
    assert_eq!(after("note own")[..2], ["wake 0", "push 0"], "not queued while it is polled");
    for refused in events.iter().filter(|event| matches!(event.kind, Kind::PushRefused { .. })) {
        let cause = &events[refused.cause.expect("the wake") as usize];
        assert_eq!((words(cause).as_str(), cause.seq), ("wake 1", refused.seq - 1));
    }
}

#[test]
fn an_aborted_task_is_popped_and_not_polled() {
    let events = record(|| async {
        let task = spawn(pending::<()>());
        yield_now().await;
        task.abort();
        task.await.unwrap_err();
    });
    let steps = steps(&events);
    let from = steps.iter().position(|line| line == "abort 1").expect("it was asked for");
    assert_eq!(steps[from..][..5], ["abort 1", "push 1", "waits for another task to end", "pending 0", "turn ends"]);
    assert!(steps[from..].contains(&"end 1, aborted".into()));
    assert!(!steps[from..].contains(&"poll 1".into()), "the trace tells of a poll that there was not: {steps:?}");
}

#[test]
fn tasks_that_are_dropped_with_their_runtime_are_cancelled_in_the_trace() {
    let events = record(|| async {
        drop(spawn(sleep_virtually(SECOND)));
        yield_now().await;
    });
    let steps = steps(&events);
    assert_eq!(steps[steps.len() - 4..], ["turn ends", "cancel 1", "disarm 0", "end 1, dropped"]);
}

/// Spawns a task that waits for ever. Its waker comes at every poll.
fn spawn_waiter(runtime: &Runtime) -> std::sync::mpsc::Receiver<Waker> {
    let (give, wakers) = std::sync::mpsc::channel();
    drop(runtime.spawn(poll_fn(move |cx| {
        give.send(cx.waker().clone()).unwrap();
        Poll::<()>::Pending
    })));
    wakers
}

#[test]
fn a_parked_loop_is_woken_by_another_thread() {
    let runtime = Runtime::new().unwrap();
    let wakers = spawn_waiter(&runtime);
    let recorder = Recorder::start();
    runtime.turn(ZERO);
    let (waker, parked) = (wakers.recv().unwrap(), thread_number());
    let thread = thread::spawn(move || {
        until_parked(parked);
        waker.wake();
    });
    runtime.turn(None);
    thread.join().unwrap();
    #[rustfmt::skip]
    assert_eq!(lines(&recorder.events()), [
        "turn 1", "pop 0", "poll 0", "clone 0", "pending 0", "turn ends",
        "turn 2", "park", "wake 0 sent", "unpark", "wake 0 taken", "push 0", "pop 0", "poll 0", "clone 0", "pending 0", "turn ends",
    ]);
    let events = recorder.events();
    assert_eq!(
        led_to(&events, poll(&events, 0, 2)),
        ["poll 0", "pop 0", "push 0", "wake 0 taken", "wake 0 sent"],
        "the beginning is in another thread"
    );
}

#[test]
fn a_park_tells_for_how_long() {
    let runtime = Runtime::new().unwrap();
    let recorder = Recorder::start();
    runtime.turn(Some(Duration::from_millis(1)));
    let parks = recorder.events().into_iter().filter_map(|event| match event.kind {
        Kind::Park { timeout, .. } => Some(timeout),
        _ => None,
    });
    assert_eq!(parks.collect::<Vec<_>>(), [Some(Duration::from_millis(1))]);
}

// Causes.

#[test]
fn a_first_poll_comes_from_its_spawn() {
    let events = record(|| async { spawn(async {}).await.unwrap() });
    assert_eq!(led_to(&events, poll(&events, 0, 1)), ["poll 0", "pop 0", "push 0", "spawn main"]);
    assert_eq!(
        led_to(&events, poll(&events, 1, 1)),
        ["poll 1", "pop 1", "push 1", "spawn", "poll 0", "pop 0", "push 0", "spawn main"]
    );
}

#[test]
fn a_joiners_poll_comes_from_the_end_of_the_task() {
    let events = record(|| async { spawn(async {}).await.unwrap() });
    let steps = led_to(&events, poll(&events, 0, 2));
    assert_eq!(steps[..7], ["poll 0", "pop 0", "push 0", "wake 0", "end 1", "ready 1", "poll 1"]);
}

#[test]
fn a_sleepers_poll_comes_from_its_timer_and_the_timer_from_the_poll_that_armed_it() {
    let events = record(|| sleep_virtually(SECOND));
    let steps = led_to(&events, poll(&events, 0, 2));
    assert_eq!(steps[..6], ["poll 0", "pop 0", "push 0", "wake 0", "fire 0 for 0", "arm 0 for 1s"]);
    assert_eq!(steps[6..], ["poll 0", "pop 0", "push 0", "spawn main"]);
}

#[test]
fn each_of_two_timers_is_the_cause_of_its_own_wake() {
    let events = record(|| async {
        let (mut one, mut two) = (Box::pin(sleep(SECOND)), Box::pin(sleep(SECOND)));
        poll_fn(|cx| {
            let ready = [one.as_mut().poll(cx).is_ready(), two.as_mut().poll(cx).is_ready()];
            if ready == [true; 2] { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    });
    let causes: Vec<String> = events
        .iter()
        .filter(|event| matches!(event.kind, Kind::Wake { .. }))
        .map(|event| words(&events[event.cause.expect("a timer") as usize]))
        .collect();
    assert_eq!(causes, ["fire 0 for 0", "fire 1 for 0"]);
    // And the poll comes from the first, for the second wake was refused.
    assert_eq!(led_to(&events, poll(&events, 0, 2))[3..5], ["wake 0", "fire 0 for 0"]);
}

#[test]
fn each_of_two_sockets_is_the_cause_of_its_own_wake() {
    let events = record(|| async {
        let mut clients = Vec::new();
        let mut tasks = Vec::new();
        for _ in 0..2 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tasks.push(spawn(async move { _ = listener.accept().await.unwrap() }));
            // Both wait before either is asked for, so that both are told of at once.
            clients.push(move || std::net::TcpStream::connect(address).unwrap());
        }
        yield_now().await;
        let clients: Vec<_> = clients.into_iter().map(|connect| connect()).collect();
        for task in tasks {
            task.await.unwrap();
        }
        drop(clients);
    });
    for (task, source) in [(1, 0), (2, 1)] {
        let wake = |event: &Event| matches!(event.kind, Kind::Wake { task: woken, .. } if woken == TaskNumber(task));
        let blamed = led_to(&events, wake).swap_remove(1);
        assert_eq!(blamed, format!("read ready {source}"), "task {task}");
    }
}

#[test]
fn a_receivers_poll_comes_from_the_poll_that_sent() {
    let events = record(|| async {
        let (sender, mut receiver) = mpsc::unbounded();
        drop(spawn(async move { sender.send(()).unwrap() }));
        receiver.recv().await.unwrap();
    });
    let steps = led_to(&events, poll(&events, 0, 2));
    let sent = "send 0, 1 in it";
    assert_eq!(steps[..8], ["poll 0", "pop 0", "push 0", "wake 0", sent, "poll 1", "pop 1", "push 1"]);
}

#[test]
fn a_dropped_tasks_end_comes_from_the_abort() {
    let events = record(|| async {
        let task = spawn(pending::<()>());
        yield_now().await;
        task.abort();
        task.await.unwrap_err();
    });
    let pop = |event: &Event| event.kind == Kind::Pop { task: TaskNumber(1) } && event.turn > 2;
    assert_eq!(led_to(&events, pop)[..4], ["pop 1", "push 1", "abort 1", "poll 0"]);
}

#[test]
fn the_poll_after_a_job_comes_from_the_jobs_end_and_that_from_its_submission() {
    let events = record(|| async { task::spawn_blocking(|| {}).await.unwrap() });
    let steps = led_to(&events, poll(&events, 0, 2));
    assert_eq!(
        steps[..9],
        ["poll 0", "pop 0", "push 0", "wake 0", "job end 0 taken", "job end 0 sent", "start 0", "submit 0", "poll 0"]
    );
}

#[test]
fn a_poll_for_a_socket_comes_from_its_event() {
    let events = record(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = spawn(async move { listener.accept().await.unwrap() });
        yield_now().await;
        let near = std::net::TcpStream::connect(address).unwrap();
        accepting.await.unwrap();
        drop(near);
    });
    let steps = led_to(&events, |event| event.kind == Kind::PollEnd { task: TaskNumber(1), ready: true });
    assert_eq!(steps[1..5], ["poll 1", "pop 1", "push 1", "wake 1"]);
    assert_eq!(steps[5], "read ready 0");
    assert_eq!(steps[6], "IoRegistered { source: 0, ready: true }");
    assert_eq!(steps[7], "poll 0");
}

#[test]
fn a_remote_wake_in_the_middle_of_a_turn_does_not_come_from_the_task_polled_before() {
    let runtime = virtual_runtime();
    let wakers = spawn_waiter(&runtime);
    runtime.turn(ZERO);
    let waker = wakers.recv().unwrap();
    let recorder = Recorder::start();
    // Sent by another thread in the middle of a turn, before the loop looks around: after 61 polls at the latest.
    let mut waker = Some(waker);
    for n in 0..200 {
        let waker = if n == 0 { waker.take() } else { None };
        drop(runtime.spawn(async move {
            if let Some(waker) = waker {
                thread::spawn(move || waker.wake()).join().unwrap();
            }
        }));
    }
    assert_eq!(runtime.turn(ZERO).remote_wakes, 1);
    let events = recorder.events();
    let steps = led_to(&events, |event| matches!(event.kind, Kind::RemoteTaken { .. }));
    let blamed = ["pop", "poll", "pending", "ready", "end"]
        .iter()
        .any(|word| steps.get(1).is_some_and(|step| step.starts_with(word)));
    assert!(!blamed, "another thread's wake is blamed on a task of this one: {steps:?}");
}

#[test]
fn what_the_program_spawns_between_two_turns_is_caused_by_none_of_them() {
    let recorder = Recorder::start();
    let runtime = virtual_runtime();
    runtime.turn(ZERO);
    drop(runtime.spawn(async {}));
    runtime.turn(ZERO);
    let events = recorder.events();
    assert_eq!(led_to(&events, poll(&events, 0, 1)), ["poll 0", "pop 0", "push 0", "spawn"]);
}

// What holds for every trace.

/// Checks the loop's invariants on a trace that begins before its runtime and ends after it.
fn check(events: &[Event]) {
    let mut queue: VecDeque<TaskNumber> = VecDeque::new();
    let (mut alive, mut ended) = (HashSet::new(), HashSet::new());
    let mut at_poll = None;
    let mut polled_in_turn = HashSet::new();
    let mut first_pop_of_turn = None;
    let mut pushed_at: HashMap<TaskNumber, u64> = HashMap::new();
    let mut timers: HashMap<u32, (Duration, bool)> = HashMap::new();
    let mut closing = false;
    for (seq, event) in (0..).zip(events) {
        assert_eq!(event.seq, seq);
        let context = || format!("at event {seq}, {}", words(event));
        if let Some(cause) = event.cause {
            assert!(cause < seq, "{} is caused by a later one", context());
        }
        let next = events.get(seq as usize + 1).map(|event| &event.kind);
        let source = event.source.0;
        match &event.kind {
            Kind::TurnBegin {} => {
                assert_eq!(at_poll, None, "{}", context());
                polled_in_turn.clear();
                first_pop_of_turn = None;
            }
            Kind::Spawn { .. } => {
                // A task that comes too late, while its runtime is dropped, is never pushed.
                if let Some(Kind::Push { task }) = next {
                    assert!(alive.insert(*task) && !ended.contains(task), "{}", context());
                }
            }
            Kind::Push { task } => {
                assert!(alive.contains(task), "{}", context());
                assert!(!queue.contains(task), "{}: it is in the queue already", context());
                queue.push_back(*task);
                pushed_at.insert(*task, seq);
            }
            Kind::PushRefused { task, stale: false } => assert!(queue.contains(task), "{}", context()),
            Kind::PushRefused { task, stale: true } => assert!(closing || !alive.contains(task), "{}", context()),
            // From the first one on, the slots are empty.
            Kind::TaskCancelled { .. } => closing = true,
            Kind::Pop { task } => {
                // The entries of tasks that have ended are passed over.
                while queue.front().is_some_and(|first| !alive.contains(first)) {
                    queue.pop_front();
                }
                assert_eq!(queue.pop_front(), Some(*task), "{}: first in, first out", context());
                let first = *first_pop_of_turn.get_or_insert(seq);
                assert!(pushed_at[task] < first, "{}: it became ready in this turn", context());
                assert_eq!(source.rsplit('/').next(), Some("run.rs"), "{}", context());
            }
            Kind::PollBegin { task } => {
                assert_eq!(at_poll.replace(*task), None, "{}: one poll at a time", context());
                assert!(alive.contains(task), "{}: nothing is polled after its end", context());
                assert!(polled_in_turn.insert(*task), "{}: twice in a turn", context());
                assert_eq!(events[seq as usize - 1].kind, Kind::Pop { task: *task }, "{}", context());
                assert_eq!(source.rsplit('/').next(), Some("run.rs"), "{}", context());
            }
            Kind::PollEnd { task, .. } => assert_eq!(at_poll.take(), Some(*task), "{}", context()),
            Kind::TaskEnd { task, .. } => {
                assert!(alive.remove(task) && ended.insert(*task), "{}", context());
            }
            Kind::TimerArmed { timer, deadline } => {
                let deadline = Duration::from_nanos(deadline.0);
                assert!(deadline > event.at, "{}", context());
                assert_eq!(timers.insert(*timer, (deadline, false)), None, "{}", context());
            }
            Kind::TimerFired { timer, .. } => {
                let timer = timers.get_mut(timer).expect("it is armed");
                assert_eq!(*timer, (event.at, false), "{}: at its deadline, once", context());
                timer.1 = true;
            }
            Kind::TimerDropped { timer } => assert!(timers.remove(timer).is_some(), "{}", context()),
            _ => {}
        }
    }
    assert!(alive.is_empty(), "{alive:?} did not end");
    assert!(timers.is_empty(), "{timers:?} are still armed");
    assert_eq!(at_poll, None);
    assert!(events.is_sorted_by_key(|event| event.turn) && events.is_sorted_by_key(|event| event.at));
}

/// What the tasks of a random program share.
struct World {
    random: RefCell<Random>,
    tasks: RefCell<Vec<JoinHandle<u32>>>,
    semaphore: Semaphore,
    sender: mpsc::Sender<u32>,
    receiver: RefCell<mpsc::Receiver<u32>>,
    log: Log,
    /// How many tasks may still be spawned.
    left: RefCell<usize>,
}

impl World {
    fn below(&self, n: usize) -> usize {
        self.random.borrow_mut().below(n)
    }

    fn millis(&self) -> Duration {
        Duration::from_millis(self.below(20) as u64)
    }
}

/// A task that does a few things at random; every wait has a limit.
fn random_task(world: Rc<World>, name: u32) -> Pin<Box<dyn Future<Output = u32>>> {
    Box::pin(async move {
        for _ in 0..world.below(8) {
            let what = world.below(12);
            world.log.add(format!("{name} does {what}"));
            match what {
                0 => yield_now().await,
                1 => sleep(world.millis()).await,
                2 => _ = timeout(world.millis(), world.semaphore.acquire()).await.map(drop),
                3 => {
                    let permit = timeout(world.millis(), world.semaphore.acquire()).await;
                    sleep(world.millis()).await;
                    drop(permit);
                }
                4 => _ = timeout(world.millis(), world.sender.send(name)).await,
                5 => {
                    let received =
                        timeout(world.millis(), poll_fn(|cx| world.receiver.borrow_mut().poll_recv(cx))).await;
                    world.log.add(format!("{name} has {received:?}"));
                }
                6 | 7 if *world.left.borrow() > 0 => {
                    *world.left.borrow_mut() -= 1;
                    let child = *world.left.borrow() as u32;
                    let task = spawn(random_task(Rc::clone(&world), child));
                    if what == 6 {
                        let joined = timeout(world.millis(), task).await;
                        world.log.add(format!("{name} joined {joined:?}"));
                    } else {
                        world.tasks.borrow_mut().push(task);
                    }
                }
                8 => {
                    let tasks = world.tasks.borrow();
                    if let Some(task) = tasks.get(world.below(tasks.len().max(1))) {
                        task.abort();
                    }
                }
                9 => {
                    // A wake of its own, more than one.
                    let mut polls = world.below(3);
                    poll_fn(|cx| {
                        let another = cx.waker().clone();
                        cx.waker().wake_by_ref();
                        another.wake();
                        polls = polls.saturating_sub(1);
                        if polls == 0 { Poll::Ready(()) } else { Poll::Pending }
                    })
                    .await;
                }
                10 if world.below(3) == 0 => panic!("{name} panics"),
                _ => note(format!("{name}")),
            }
        }
        name
    })
}

/// Runs the random program of a seed and gives its log.
fn random(seed: u64) -> Vec<String> {
    let log = Log::new();
    let inner = log.clone();
    virtually(async move {
        let (sender, receiver) = mpsc::channel(2);
        let world = Rc::new(World {
            random: RefCell::new(Random::new(seed)),
            tasks: RefCell::default(),
            semaphore: Semaphore::new(2),
            sender,
            receiver: RefCell::new(receiver),
            log: inner,
            left: RefCell::new(40),
        });
        for name in 100..110 {
            let task = spawn(random_task(Rc::clone(&world), name));
            world.tasks.borrow_mut().push(task);
        }
        // It ends while some of them still run.
        sleep(Duration::from_millis(50)).await;
    });
    log.take()
}

/// The same, with its trace.
fn random_program(seed: u64) -> (Vec<Event>, Vec<String>) {
    let recorder = Recorder::start();
    let log = random(seed);
    (recorder.events(), log)
}

#[test]
fn the_invariants_hold_for_random_programs() {
    let mut seen = BTreeSet::new();
    for seed in 1..=60 {
        let (events, _) = random_program(seed);
        check(&events);
        seen.extend(events.iter().map(name));
    }
    let expected = [
        "Abort",
        "ChannelClosed",
        "ChannelLeft",
        "ChannelSent",
        "ChannelTaken",
        "Jump",
        "Note",
        "PermitLeft",
        "PermitReleased",
        "PermitTaken",
        "PermitWaiting",
        "PollBegin",
        "PollEnd",
        "Pop",
        "Push",
        "PushRefused",
        "Spawn",
        "TaskCancelled",
        "TaskEnd",
        "TaskPanicked",
        "TicketCloned",
        "TicketDropped",
        "TimerArmed",
        "TimerDropped",
        "TimerFired",
        "TurnBegin",
        "TurnEnd",
        "Waits",
        "Wake",
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected, "the programs leave something out");
}

#[test]
fn the_invariants_hold_for_as_many_tasks_as_a_turn_polls_and_for_more() {
    for n in [61, 62, 300, 2_500] {
        let events = record(|| async move {
            let tasks = (0..n).map(|_| {
                spawn(async {
                    yield_now().await;
                    yield_now().await;
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await.unwrap();
            }
        });
        check(&events);
    }
}

/// Where the causes of a poll begin: at least three steps back, each to an earlier event.
fn beginning<'a>(events: &'a [Event], poll: &'a Event) -> &'a Event {
    let mut event = poll;
    let mut steps = 0;
    while let Some(cause) = event.cause {
        assert!(cause < event.seq, "{}", words(event));
        event = &events[cause as usize];
        steps += 1;
    }
    assert!(steps >= 3, "{}", words(poll));
    event
}

#[test]
fn every_poll_has_a_cause_that_leads_to_a_spawn() {
    for seed in 1..=20 {
        let (events, _) = random_program(seed);
        for poll in events.iter().filter(|event| matches!(event.kind, Kind::PollBegin { .. })) {
            assert_eq!(words(beginning(&events, poll)), "spawn main", "{} has another beginning", words(poll));
        }
    }
}

#[test]
fn a_poll_that_comes_from_outside_leads_to_a_spawn_or_to_another_threads_message() {
    let visited = |runtime: &Runtime| {
        let handle = runtime.handle();
        runtime.block_on(async {
            let (visitor, (tell, told)) = (thread::Builder::new().name("visitor".into()), oneshot::channel());
            let visit = async { tell.send(()).unwrap() };
            visitor.spawn(move || drop(handle.spawn(visit))).unwrap().join().unwrap();
            told.await.unwrap();
        });
    };
    let program = |name| step::programs::Program::named(name).expect("it is there");
    type Program<'a> = &'a dyn Fn(&Runtime);
    let programs: [(&str, Program<'_>); 3] =
        [("sockets", &program("sockets").run), ("threads", &program("threads").run), ("visited", &visited)];
    for (name, run) in programs {
        let recorder = Recorder::start();
        let runtime = Runtime::new().unwrap();
        run(&runtime);
        drop(runtime);
        let events = recorder.events();
        let mut polls = 0;
        let mut beginnings = BTreeSet::new();
        for poll in events.iter().filter(|event| matches!(event.kind, Kind::PollBegin { .. })) {
            let event = beginning(&events, poll);
            polls += 1;
            match &event.kind {
                Kind::Spawn { .. } => assert_eq!(words(event), "spawn main", "{name}: {}", words(poll)),
                Kind::RemoteSent { thread, .. } => assert_eq!(&**thread, "visitor", "{name}: {}", words(poll)),
                _ => panic!("{name}: {} begins with {}", words(poll), words(event)),
            }
            beginnings.insert(event.kind.name());
        }
        // In `threads` main may be done before the visitor's task is polled.
        assert!(beginnings.contains("Spawn") && polls >= 2, "{name}: {polls} polls");
        assert_eq!(beginnings.contains("RemoteSent"), name == "visited" || name == "threads" && beginnings.len() > 1);
    }
}

#[test]
fn the_same_program_gives_the_same_trace() {
    for seed in [1, 2, 3] {
        let ((first, log), (second, again)) = (random_program(seed), random_program(seed));
        assert!(first.len() > 100);
        assert_eq!(log, again);
        // All of it: numbers, turns, times, causes, lines, kinds.
        assert_eq!(first, second);
    }
    assert_ne!(random_program(1).0, random_program(2).0);
}

#[test]
fn a_program_does_the_same_with_and_without_a_recorder() {
    let program = || async {
        let log = Log::new();
        let start = now();
        let (sender, mut receiver) = mpsc::unbounded();
        for n in 0..5_u64 {
            let (log, sender) = (log.clone(), sender.clone());
            drop(spawn(async move {
                sleep(Duration::from_millis(10 - n)).await;
                log.add(format!("{n} after {:?}", now() - start));
                sender.send(n).unwrap();
                yield_now().await;
                log.add(format!("{n} again"));
            }));
        }
        drop(sender);
        while let Some(n) = receiver.recv().await {
            note(format!("{n}"));
            log.add(format!("received {n}"));
        }
        log.take()
    };
    let without = virtually(program());
    let recorder = Recorder::start();
    let with = virtually(program());
    assert_eq!(recorder.events().iter().filter(|event| matches!(event.kind, Kind::Note { .. })).count(), 5);
    assert_eq!(without, with);
}

#[test]
fn every_event_names_the_statement_of_the_runtime_that_did_it() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut checked = HashSet::new();
    let (events, _) = random_program(7);
    for event in &events {
        let (file, line) = event.source;
        if !checked.insert(event.source) {
            continue;
        }
        let source = std::fs::read_to_string(top.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let text = |line: u32| source.lines().nth(line as usize - 1).expect("the file has that line");
        // What a channel tells, and a clone, goes through a function of the trace.
        let kind = match name(event).as_str() {
            "ChannelSent" | "ChannelTaken" | "ChannelClosed" | "TicketCloned" => "@".to_owned(),
            kind => kind.to_owned(),
        };
        // The line that tells of it is beside the statement, and is not the one that is shown.
        let tells = |line: u32, forms: [&str; 3]| {
            forms.into_iter().any(|form| text(line).contains(&format!("trace!({form}{kind}")))
        };
        let is_beside =
            tells(line + 1, ["", "scope ", "reason "]) || tells(line - 1, ["below ", "below scope ", "below reason "]);
        assert!(is_beside, "{file}:{line} says {:?}, and nothing beside it tells of {kind}", text(line));
        assert!(!text(line).contains("trace!("), "{file}:{line} says {:?}", text(line));
    }
    assert!(checked.len() >= 15, "{checked:?}");
}

/// The name of an event's kind.
fn name(event: &Event) -> String {
    let text = format!("{:?}", event.kind);
    text.split([' ', '{']).next().expect("a name").to_owned()
}

#[test]
fn every_kind_of_event_is_recorded_by_something() {
    let recorder = Recorder::start();
    runtime::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let reader = spawn(async move { far.read(&mut [0; 8]).await.unwrap() });
        yield_now().await;
        near.write_all(b"x").await.unwrap();
        reader.await.unwrap();
        let own: Waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let clone = thread::spawn(move || (own.clone(), own.wake())).join().unwrap();
        drop(clone);
        task::spawn_blocking(|| {}).await.unwrap();
        sleep(Duration::from_millis(1)).await;
        Semaphore::new(1).acquire().await.forget();
    });
    let mut seen: BTreeSet<String> = recorder.events().iter().map(name).collect();
    for seed in 1..=20 {
        seen.extend(random_program(seed).0.iter().map(name));
    }
    let closing = Recorder::start();
    tests::panic_message(|| virtually(pending::<()>()));
    seen.extend(closing.events().iter().map(name));
    seen.extend(record(gathers).iter().map(name));
    // Only an explorer chooses: `explore.rs` looks for that one.
    let expected = Kind::NAMES.iter().filter(|name| **name != "Chosen").map(|name| (*name).to_owned()).collect();
    assert_eq!(seen, expected);
}

/// Gathers of every fate: with its results, with an error, dropped.
async fn gathers() {
    gather::gather([3, 1, 2].map(|n| sleep(n * SECOND))).await;
    gather::try_gather([1, 2].map(|n| async move {
        sleep(n * SECOND).await;
        Err::<(), _>(n)
    }))
    .await
    .unwrap_err();
    timeout(SECOND, gather::gather!(pending::<()>(), yield_now())).await.unwrap_err();
}

#[test]
fn polls_and_timers_in_the_trace_are_those_that_the_turns_counted() {
    let recorder = Recorder::start();
    let runtime = virtual_runtime();
    for n in 0..100 {
        drop(runtime.spawn(async move {
            sleep(Duration::from_millis(n % 7)).await;
            yield_now().await;
        }));
    }
    let turns: Vec<[usize; 4]> = (0..40).map(|_| counts(runtime.turn(Some(Duration::from_millis(1))))).collect();
    assert_eq!(turns.last(), Some(&[0; 4]), "all is done");
    let events = recorder.events();
    let recorded = |is: fn(&Kind) -> bool| events.iter().filter(|event| is(&event.kind)).count();
    let counted = |what: usize| turns.iter().map(|turn| turn[what]).sum::<usize>();
    assert_eq!(recorded(|kind| matches!(kind, Kind::PollBegin { .. })), counted(0));
    assert_eq!(recorded(|kind| matches!(kind, Kind::TimerFired { .. })), counted(1));
    assert_eq!(recorded(|kind| matches!(kind, Kind::TurnBegin {})), 40);
    // Every seventh sleeps for no time at all.
    assert_eq!((counted(0), counted(1)), (15 * 2 + 85 * 3, 85));
}

// Recorders.

#[test]
fn a_recorder_keeps_what_happens_while_it_lives_on_its_thread() {
    virtually(yield_now());
    let recorder = Recorder::start();
    assert!(recorder.events().is_empty());
    thread::spawn(|| virtually(yield_now())).join().unwrap();
    assert!(recorder.events().is_empty(), "another thread has recorders of its own");
    virtually(yield_now());
    let one = recorder.events().len();
    virtually(yield_now());
    assert_eq!(recorder.events().len(), 2 * one);
    // Numbers go on: the second main is another task.
    assert!(lines(&recorder.events()).contains(&"poll 1".into()));
    drop(recorder);
    note("nobody listens");
    let recorder = Recorder::start();
    note("somebody does");
    assert_eq!(lines(&recorder.events()), ["note somebody does"]);
}

#[test]
fn the_latest_recorder_listens_and_the_one_before_goes_on_after_it() {
    let outer = Recorder::start();
    note("outer");
    let inner = Recorder::start();
    note("inner");
    assert_eq!(lines(&inner.events()), ["note inner"]);
    drop(inner);
    note("outer again");
    assert_eq!(lines(&outer.events()), ["note outer", "note outer again"]);
}

#[test]
fn recorders_may_be_dropped_in_either_order() {
    let outer = Recorder::start();
    let inner = Recorder::start();
    drop(outer);
    note("inner still listens");
    assert_eq!(lines(&inner.events()), ["note inner still listens"]);
    drop(inner);
    note("nobody listens");
    let last = Recorder::start();
    assert!(last.events().is_empty());
}

#[test]
fn a_recorder_may_start_and_end_in_the_middle_of_a_poll() {
    let events = virtually(async {
        let task = spawn(async { yield_now().await });
        let recorder = Recorder::start();
        task.await.unwrap();
        let events = recorder.events();
        drop(recorder);
        yield_now().await;
        events
    });
    assert_eq!(lines(&events)[..4], ["clone 0", "waits for another task to end", "pending 0", "turn ends"]);
    assert_eq!(events.last().map(words), Some("poll 0".into()));
}

#[test]
fn a_recorder_may_end_while_its_thread_is_torn_down() {
    alone("a_recorder_may_end_while_its_thread_is_torn_down", || {
        thread_local! {
            static LAST: RefCell<Option<(Recorder, Runtime)>> = const { RefCell::new(None) };
        }
        for registered_first in [false, true] {
            thread::spawn(move || {
                if registered_first {
                    LAST.with(|_| ());
                }
                let recorder = Recorder::start();
                let runtime = virtual_runtime();
                drop(runtime.spawn(pending::<()>()));
                runtime.turn(ZERO);
                assert!(!recorder.events().is_empty());
                LAST.set(Some((recorder, runtime)));
            })
            .join()
            .unwrap();
        }
    });
}

#[test]
fn a_trace_goes_on_after_a_panic() {
    let recorder = Recorder::start();
    let runtime = virtual_runtime();
    tests::panic_message(|| runtime.block_on(async { panic!("main") }));
    runtime.block_on(async { spawn(async { panic!("a task") }).await.unwrap_err() });
    assert!(poll_once(&mut runtime.spawn(async {})).is_pending());
    drop(runtime);
    let lines = lines(&recorder.events());
    assert_eq!(lines[..5], ["spawn main", "push 0", "turn 1", "pop 0", "poll 0"]);
    assert_eq!(lines[5], "panic 0: main");
    assert_eq!(lines[6..12], ["end 0, dropped", "spawn main", "push 1", "turn 2", "pop 1", "poll 1"]);
    let panicked = lines.iter().position(|line| line == "panic 2: a task").expect("the other task's");
    assert_eq!(lines[panicked..][..3], ["panic 2: a task", "ready 2", "end 2, panicked"]);
    let events = recorder.events();
    let end =
        |task: u32| events.iter().find(|event| words(event).starts_with(&format!("end {task}"))).expect("it ended");
    assert_eq!(words(&events[end(0).cause.expect("its panic") as usize]), "panic 0: main");
    let panics = events.iter().filter(|event| matches!(event.kind, Kind::TaskPanicked { .. }));
    assert_eq!(panics.count(), 2, "one event for each panic");
}

// Gathers.

#[test]
fn a_gather_tells_of_its_children_and_counts_those_that_live() {
    let events = record(|| async { gather::gather([2, 1].map(|n| sleep_virtually(n * SECOND))).await });
    let told: Vec<String> = events
        .iter()
        .filter_map(|event| match &event.kind {
            Kind::GatherStart { gather, form } => Some(format!("{form} {}", gather.0)),
            Kind::GatherOpen { children, .. } => Some(format!("of {children:?}")),
            Kind::GatherPoll { .. } => Some("parent".into()),
            Kind::ChildPoll { place, .. } => Some(format!("poll {place}")),
            Kind::ChildPollEnd { place, ready, alive, .. } => Some(format!("{place} {ready}, {alive} alive")),
            Kind::ChildWoken { place, due, .. } => Some(format!("wake {}, {due}", place.0)),
            Kind::GatherDone { .. } => Some("done".into()),
            Kind::GatherDropped { .. } => Some("dropped".into()),
            _ => None,
        })
        .collect();
    #[rustfmt::skip]
    assert_eq!(told, [
        "gather 0", "parent", "of Some(2)", "poll 0", "0 false, 2 alive", "poll 1", "1 false, 2 alive",
        "wake 1, true", "parent", "poll 1", "1 true, 1 alive",
        "wake 0, true", "parent", "poll 0", "0 true, 0 alive", "done",
    ]);
}

#[test]
fn a_childs_poll_comes_from_the_timer_that_woke_it_and_so_does_its_parents() {
    let events = record(|| async { gather::gather([2, 1].map(|n| sleep_virtually(n * SECOND))).await });
    let second = |event: &Event| matches!(event.kind, Kind::ChildPoll { place: 1, .. }) && event.turn == 2;
    let chain = led_to(&events, second);
    assert!(chain[1].starts_with("ChildWoken { gather: GatherNumber(0), place: Place(1), due: true"), "{chain:?}");
    assert!(chain[2].starts_with("TimerFired { timer: 1"), "{chain:?}");
    assert_eq!(chain[3], "arm 1 for 1s");
    assert!(chain[4].starts_with("ChildPoll { gather: GatherNumber(0), place: 1"), "{chain:?}");
    let chain = led_to(&events, poll(&events, 0, 2));
    assert_eq!(chain[..4], ["poll 0", "pop 0", "push 0", "wake 0"]);
    assert!(chain[4].starts_with("ChildWoken") && chain[5].starts_with("TimerFired { timer: 1"), "{chain:?}");
}

#[test]
fn the_parent_of_tasks_is_woken_by_the_end_of_the_last() {
    let events = record(|| async { gather::gather_tasks((1..4).map(|n| sleep_virtually(n * SECOND))).await });
    let wakes: Vec<_> = events.iter().filter(|event| matches!(event.kind, Kind::ChildWoken { .. })).collect();
    assert_eq!(wakes.len(), 3);
    let due = |event: &Event| matches!(event.kind, Kind::ChildWoken { due: true, .. });
    assert_eq!(wakes.iter().map(|event| due(event)).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(led_to(&events, poll(&events, 0, 2))[3..6], ["wake 0", &words(wakes[2]), "end 3"]);
    assert!(matches!(events.iter().filter(|event| matches!(event.kind, Kind::GatherPoll { .. })).count(), 2));
}

#[test]
fn the_end_of_each_task_is_told_with_its_place_and_caused_by_that_end() {
    let sleeps = |seconds: [u32; 4]| seconds.map(|n| sleep_virtually(n * SECOND));
    let ends = |events: &[Event]| -> Vec<(u32, bool, String)> {
        let woken = events.iter().filter_map(|event| match event.kind {
            Kind::ChildWoken { place, due, .. } => {
                Some((place.0, due, words(&events[event.cause.expect("an end") as usize])))
            }
            _ => None,
        });
        woken.collect()
    };
    // Main is task 0, the children are 1 to 4 and end in another order.
    let events = record(|| async { gather::gather_tasks(sleeps([3, 1, 4, 2])).await });
    let wanted = [(1, false, "end 2"), (3, false, "end 4"), (0, false, "end 1"), (2, true, "end 3")];
    assert_eq!(ends(&events), wanted.map(|(place, due, end)| (place, due, end.to_owned())));
    // With a limit every end wakes the parent, as a task may be started in its place, until the last has been started.
    let events = record(|| async { gather::gather_tasks(sleeps([3, 1, 4, 1])).limit(2).await });
    let wanted = [(1, true, "end 2"), (0, true, "end 1"), (0, false, "end 4"), (1, true, "end 3")];
    assert_eq!(ends(&events), wanted.map(|(place, due, end)| (place, due, end.to_owned())));
    // After the first error the parent is woken, once.
    let events = record(|| async {
        let fails = [2, 1, 1].map(|n| async move {
            sleep_virtually(n * SECOND).await;
            if n == 1 { Err(()) } else { Ok(()) }
        });
        gather::try_gather_tasks(fails).await.unwrap_err();
    });
    let wanted = [(1, true, "end 2"), (2, false, "end 3")];
    assert_eq!(ends(&events), wanted.map(|(place, due, end)| (place, due, end.to_owned())));
}

#[test]
fn a_child_woken_while_its_parent_is_awake_wakes_nobody() {
    let events = record(|| async {
        let gathered = gather::gather([1, 1].map(|n| sleep_virtually(n * SECOND)));
        gathered.await;
    });
    let due = |event: &Event| match event.kind {
        Kind::ChildWoken { due, .. } => Some(due),
        _ => None,
    };
    assert_eq!(events.iter().filter_map(due).collect::<Vec<_>>(), [true, false], "the first mark wakes the parent");
}

#[test]
fn an_inner_gather_wakes_the_outer_one_and_that_the_task() {
    let events = record(|| async {
        gather::gather!(async { gather::gather([sleep_virtually(SECOND)]).await }, pending_once()).await;
    });
    let chain = led_to(&events, |event| matches!(event.kind, Kind::Wake { .. }) && event.turn > 2);
    assert!(chain[1].starts_with("ChildWoken { gather: GatherNumber(0)"), "{chain:?}");
    assert!(chain[2].starts_with("ChildWoken { gather: GatherNumber(1)"), "{chain:?}");
    assert!(chain[3].starts_with("TimerFired"), "{chain:?}");
}

/// Wakes itself once.
async fn pending_once() {
    yield_now().await;
}

#[test]
fn a_gather_that_is_dropped_says_so_and_one_that_is_done_only_that() {
    let ends = |events: &[Event]| -> Vec<String> {
        let is_end = |kind: &Kind| matches!(kind, Kind::GatherDone { .. } | Kind::GatherDropped { .. });
        events.iter().filter(|event| is_end(&event.kind)).map(name).collect()
    };
    assert_eq!(ends(&record(gathers)), ["GatherDone", "GatherDone", "GatherDropped"]);
    // One that was never polled has not begun.
    assert!(ends(&record(|| async { drop(gather::gather([pending::<()>()])) })).is_empty());
}

#[test]
fn each_form_tells_its_name_and_the_programs_line() {
    let first = line!();
    let events = record(|| async {
        let ok = || ready(Ok::<_, ()>(()));
        gather::gather([ok()]).await;
        gather::try_gather([ok()]).await.unwrap();
        gather::gather_tasks([ok()]).await;
        gather::try_gather_tasks([ok()]).await.unwrap();
        _ = gather::gather!(ok(), ok()).await;
        gather::try_gather!(ok(), ok()).await.unwrap();
        _ = gather::race([ok()]).await;
        gather::first_ok([ok()]).await.unwrap();
        let mut ends = gather::as_completed([ok()]);
        while ends.next().await.is_some() {}
        gather::gather_streams([gather::as_completed([ok()])]).await;
    });
    let forms: Vec<_> = events
        .iter()
        .filter_map(|event| match event.kind {
            Kind::GatherStart { form, .. } => Some((form, event.program.expect("the program's line").line() - first)),
            _ => None,
        })
        .collect();
    let wanted =
        ["gather", "try_gather", "gather_tasks", "try_gather_tasks", "gather!", "try_gather!", "race", "first_ok"];
    let mut wanted: Vec<_> = wanted.into_iter().zip(3..).collect();
    wanted.extend([("as_completed", 11), ("gather_streams", 13), ("as_completed", 13)]);
    assert_eq!(forms, wanted);
}

// Lines.

#[test]
fn where_the_program_acted_the_event_names_the_programs_line() {
    let first = line!();
    let events = record(|| async {
        let semaphore = Semaphore::new(1);
        let _permit = semaphore.acquire().await;
        note("here");
        spawn(async {}).await.unwrap();
        sleep(SECOND).await;
        _ = timeout(SECOND, pending::<()>()).await;
        _ = timeout(SECOND, semaphore.acquire()).await;
        task::spawn_blocking(|| {}).await.unwrap();
        gather::gather([async {}]).await;
        gather::gather!(async {}).await;
        gather::try_gather([async { Ok::<_, ()>(()) }]).await.unwrap();
        yield_now().await;
        _ = semaphore.try_acquire();
        semaphore.add_permits(2);
        drop(semaphore.try_acquire());
        gather::gather_tasks([async {}]).await;
        gather::try_gather_tasks([async { Ok::<_, ()>(()) }]).await.unwrap();
        gather::task_group(async |group| group.spawn(async { Ok(()) }).await.map_err(|_| ())).await.unwrap();
        let (sender, mut receiver) = mpsc::channel(1);
        _ = timeout(SECOND, receiver.recv()).await;
        sender.send(()).await.unwrap();
        _ = timeout(SECOND, sender.send(())).await;
        _ = receiver.recv().await;
        let (mut sender, mut receiver) = oneshot::channel();
        _ = timeout(SECOND, sender.closed()).await;
        sender.send(()).unwrap();
        _ = receiver.try_recv();
    });
    let lines_of = |kind: &str| -> Vec<i64> {
        let of_kind = events.iter().filter(|event| event.kind.name() == kind);
        let places = of_kind.filter_map(|event| event.program);
        places
            .map(|place| {
                assert_eq!(place.file(), file!());
                i64::from(place.line()) - i64::from(first)
            })
            .collect()
    };
    assert_eq!(lines_of("Note"), [4]);
    assert_eq!(lines_of("TimerArmed"), [6, 7, 8, 21, 23, 26]);
    assert_eq!(lines_of("PermitWaiting"), [8, 8], "in line, and polled once more when the time was over");
    assert_eq!(lines_of("JobSubmitted"), [9]);
    assert_eq!(
        (lines_of("ChannelSent"), lines_of("ChannelTaken")),
        (vec![22, 27], vec![24, 28]),
        "where nobody waits, too"
    );
    assert_eq!(lines_of("GatherStart"), [10, 11, 12, 17, 18]);
    let mut waits = lines_of("Waits");
    waits.dedup();
    assert_eq!(waits, [13, 21, 23, 26]);
    assert_eq!(lines_of("PermitTaken"), [3, 16]);
    assert_eq!(lines_of("Spawn")[1..5], [5, 17, 18, 19]);
}

#[test]
fn a_wait_at_a_socket_names_the_programs_line() {
    let first = line!();
    let events = record(|| async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let far = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let near = TcpStream::from_std(listener.accept().unwrap().0).unwrap();
        let (listener, mut byte) = (TcpListener::from_std(listener).unwrap(), [0]);
        assert!(timeout(Duration::from_millis(1), listener.accept()).await.is_err());
        assert!(timeout(Duration::from_millis(1), near.read(&mut byte)).await.is_err());
        assert!(timeout(Duration::from_millis(1), near.readable()).await.is_err());
        assert!(timeout(Duration::from_millis(1), near.read_exact(&mut byte)).await.is_err());
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        assert!(timeout(Duration::from_millis(1), socket.recv(&mut byte)).await.is_err());
        assert!(timeout(Duration::from_millis(1), socket.recv_from(&mut byte)).await.is_err());
        drop(far);
    });
    let waits = events.iter().filter(|event| event.kind.name() == "IoWaits");
    let mut lines: Vec<_> = waits.filter_map(|event| event.program).collect();
    assert!(lines.iter().all(|place| place.file() == file!()));
    lines.dedup();
    assert!(lines.iter().map(|place| place.line() - first).eq([6, 7, 8, 9, 11, 12]), "{lines:?}");
}

#[test]
fn permits_that_are_added_are_seen_and_semaphores_keep_their_numbers() {
    let events = record(|| async {
        let first = Semaphore::new(0);
        first.add_permits(2);
        let first = Box::new(first); // It moves.
        drop(first.try_acquire());
        drop(first);
        let second = Box::new(Semaphore::new(1)); // Where the first one was, perhaps.
        drop(second.try_acquire());
    });
    let permits = events.iter().filter_map(|event| match event.kind {
        Kind::PermitTaken { semaphore, left, .. } => Some(("taken", semaphore.0, left)),
        Kind::PermitReleased { semaphore, left, .. } => Some(("released", semaphore.0, left)),
        _ => None,
    });
    let permits: Vec<_> = permits.collect();
    let first = [("released", 0, 2), ("taken", 0, 1), ("released", 0, 2)];
    assert_eq!(permits[..3], first);
    assert_eq!(permits[3..], [("taken", 1, 0), ("released", 1, 1)]);
}

// Other threads.

#[test]
fn a_wake_from_another_thread_names_that_thread() {
    let runtime = Runtime::new().unwrap();
    let wakers = spawn_waiter(&runtime);
    let recorder = Recorder::start();
    runtime.turn(ZERO);
    let waker = wakers.recv().unwrap();
    thread::Builder::new().name("visitor".into()).spawn(move || waker.wake()).unwrap().join().unwrap();
    runtime.turn(ZERO);
    let sent = recorder.events().into_iter().find_map(|event| match event.kind {
        Kind::RemoteSent { message, number, thread } => Some((message, number, thread)),
        _ => None,
    });
    assert_eq!(sent, Some(("wake", Some(0), "visitor".into())));
}

#[test]
fn another_recorders_loop_hears_nothing_of_this_ones_messages() {
    let runtime = Runtime::new().unwrap();
    let recorder = Recorder::start();
    runtime.turn(ZERO);
    let handle = runtime.handle();
    let theirs = thread::spawn(move || {
        let recorder = Recorder::start();
        virtually(async { drop(handle.spawn(async {})) });
        recorder.events().iter().filter(|event| matches!(event.kind, Kind::RemoteSent { .. })).count()
    });
    assert_eq!(theirs.join().unwrap(), 0);
    runtime.turn(ZERO);
    assert_eq!(recorder.events().iter().filter(|event| matches!(event.kind, Kind::RemoteSent { .. })).count(), 1);
}

// What is kept and written.

#[global_allocator]
static ALLOCATOR: tests::CountingAllocator = tests::CountingAllocator;

#[test]
fn a_million_events_take_less_than_200_megabytes() {
    let (peak, events) = tests::peak_bytes(|| {
        let recorder = Recorder::start();
        virtually(async {
            for _ in 0..15 {
                gather::gather_tasks((0..1_000).map(|n| async move {
                    for _ in 0..2 {
                        sleep(Duration::from_millis(n % 50)).await;
                        yield_now().await;
                    }
                }))
                .await;
            }
            for _ in 0..12 {
                gather::gather((0..1_000).map(|n| async move {
                    for _ in 0..3 {
                        sleep(Duration::from_millis(n % 50)).await;
                        yield_now().await;
                    }
                }))
                .await;
            }
        });
        let mut count = Count(0);
        recorder.write_json(&mut count).unwrap();
        count.0
    });
    assert!(events >= 1_000_000, "{events} events");
    let of_a_million = peak as f64 / events as f64;
    println!("{events} events in {:.0} MB: {of_a_million:.0} bytes each", peak as f64 / 1e6);
    assert!(of_a_million < 200.0, "{of_a_million} bytes an event");
}

/// Counts lines.
struct Count(usize);

impl std::io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.iter().filter(|byte| **byte == b'\n').count();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn json_lines_hold_every_event_whatever_the_program_calls_its_tasks() {
    let name = "\"\\ </script> \n\t\u{0} \u{2028} ü 漢";
    let recorder = Recorder::start();
    virtually(async {
        note(name);
        task::Builder::new().name(name).spawn(gathers()).await.unwrap();
    });
    let mut lines = Vec::new();
    recorder.write_json(&mut lines).unwrap();
    let text = String::from_utf8(lines).unwrap();
    assert!(!text.contains('<') && !text.contains('\u{2028}'));
    let events = recorder.events();
    assert_eq!(text.lines().count(), events.len());
    for (line, event) in text.lines().zip(&events) {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(value["seq"], event.seq);
        assert_eq!(value["turn"], event.turn);
        assert_eq!(value["at"], event.at.as_nanos() as u64);
        assert_eq!(value["kind"], event.kind.name());
        assert_eq!(value["cause"].as_u64(), event.cause);
        assert_eq!(value["runtime"], serde_json::json!([event.source.0, event.source.1]));
        assert_eq!(value["program"][1].as_u64(), event.program.map(|place| place.line().into()));
    }
    let told = |kind: &str, field: &str| -> String {
        let mut events = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        events.rfind(|event| event["kind"] == kind).unwrap()[field].as_str().unwrap().to_owned()
    };
    assert_eq!((told("Note", "text").as_str(), told("Spawn", "name").as_str()), (name, name));
}

#[test]
fn programs_without_threads_and_sockets_give_the_same_bytes_in_every_run() {
    let bytes = |program: &step::programs::Program| {
        let recorder = Recorder::start();
        let runtime = virtual_runtime();
        _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (program.run)(&runtime)));
        drop(runtime);
        let mut bytes = Vec::new();
        recorder.write_json(&mut bytes).unwrap();
        bytes
    };
    for program in step::programs::PROGRAMS.iter().filter(|program| program.repeats) {
        let (one, two) = (bytes(program), bytes(program));
        assert!(one.len() > 1_000 && one == two, "{}", program.name);
    }
}

#[test]
fn the_page_rebuilds_the_state_of_random_programs() {
    for seed in 1..=12 {
        let recorder = Recorder::start().with_snapshots();
        random(seed);
        let Some(compared) = node::check_replay("the state of random programs", &recorder, true) else { return };
        assert!(compared > 20, "{compared} snapshots");
    }
}
