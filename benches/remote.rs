//! Wakes from another thread: how many messages a second reach the loop, and how long a question and its answer take.

use crate::affinity::Core;
use crate::case::{Case, Clock, Role};
use crate::executor::{Executor, Remote};
use crate::{LocalSet, OneWorker, Ours, Tokio, triangle};
use crossbeam_channel::unbounded;
use mio::{Events, Poll, Token, Waker};
use std::thread::{self, JoinHandle};

/// Messages of one round.
const MESSAGES: u64 = 100_000;
/// Questions of one round.
const QUESTIONS: u64 = 1_000;

pub(crate) fn cases() -> Vec<Case> {
    let case = |name, times, each| Case::new("remote", name, times, each);
    vec![
        messages_on(Core::Other, case("messages from another core", MESSAGES, "message"))
            .target_to_tokio(1.5)
            .why(
                "The sender and the loop meet at one lock. How often they get in each other's way there changes from run to \
                 run: between 1.2 and 2.4 times tokio's rate was seen. With a flag to spin on in place of the mutex it is \
                 three times, but a loop that spins while a sender is not running is worse.",
            ),
        messages_on(Core::Loops, case("messages from another thread of the core", MESSAGES, "message")),
        questions_on(Core::Loops, case("round trip to another thread of the core", QUESTIONS, "round trip"))
            .why("The limit, mio's waker and two channels alone, is itself hardly 1.1 times as fast as tokio."),
        questions_on(Core::Other, case("round trip to another core", QUESTIONS, "round trip")).why(
            "To wake the other core takes nearly all of it, for everybody. What a runtime adds is in the row above.",
        ),
    ]
}

fn messages_on(core: Core, case: Case) -> Case {
    case.by(Clock::between(core))
        .on(Ours::new, move || messages::<Ours>(core))
        .on(Tokio::new, move || messages::<Tokio>(core))
        .on(LocalSet::new, move || messages::<LocalSet>(core))
        .on(OneWorker::new, move || messages::<OneWorker>(core))
        .named("tokio without I/O", Role::Shown, Tokio::without_io, move || messages::<Tokio>(core))
        .limit("crossbeam-channel alone", move || channel_alone(core))
}

fn questions_on(core: Core, case: Case) -> Case {
    case.by(Clock::between(core))
        .on(Ours::new, move || questions::<Ours>(core))
        .on(Tokio::new, move || questions::<Tokio>(core))
        .on(LocalSet::new, move || questions::<LocalSet>(core))
        .on(OneWorker::new, move || questions::<OneWorker>(core))
        .named("tokio without I/O", Role::Shown, Tokio::without_io, move || questions::<Tokio>(core))
        .limit("mio's waker alone", move || waker_alone(core))
}

fn thread_on(core: Core, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    thread::spawn(move || {
        core.stay();
        work();
    })
}

/// One thread sends as fast as it can, the loop receives.
async fn messages<E: Remote>(core: Core) {
    let (sender, mut receiver) = E::unbounded::<u64>();
    let sending = thread_on(core, move || (0..MESSAGES).for_each(|n| E::post(&sender, n)));
    let mut sum = 0;
    while let Some(n) = E::take(&mut receiver).await {
        sum += n;
    }
    assert_eq!(sum, triangle(MESSAGES));
    sending.join().expect("the sender does not panic");
}

fn channel_alone(core: Core) {
    let (sender, receiver) = unbounded::<u64>();
    let send = move || (0..MESSAGES).for_each(|n| sender.send(n).expect("it is received"));
    let sending = thread_on(core, send);
    assert_eq!(receiver.iter().sum::<u64>(), triangle(MESSAGES));
    sending.join().expect("the sender does not panic");
}

/// The loop asks, parks, and is woken by the answer.
async fn questions<E: Remote>(core: Core) {
    let (ask, asked) = unbounded::<u64>();
    let (reply, mut replies) = E::unbounded::<u64>();
    let answering = thread_on(core, move || asked.iter().for_each(|n| E::post(&reply, n)));
    let mut sum = 0;
    for n in 0..QUESTIONS {
        ask.send(n).expect("the other thread lives");
        sum += E::take(&mut replies).await.expect("the other thread lives");
    }
    assert_eq!(sum, triangle(QUESTIONS));
    drop(ask);
    answering.join().expect("the other thread does not panic");
}

fn waker_alone(core: Core) {
    let mut poll = Poll::new().expect("the system gives a descriptor");
    let mut events = Events::with_capacity(1);
    let waker = Waker::new(poll.registry(), Token(0)).expect("the system gives a descriptor");
    let (ask, asked) = unbounded::<u64>();
    let (reply, replies) = unbounded::<u64>();
    let answering = thread_on(core, move || {
        for n in asked {
            reply.send(n).expect("it is received");
            waker.wake().expect("the poll lives");
        }
    });
    let mut sum = 0;
    for n in 0..QUESTIONS {
        ask.send(n).expect("the other thread lives");
        sum += loop {
            match replies.try_recv() {
                Ok(n) => break n,
                Err(_) => poll.poll(&mut events, None).expect("the system polls"),
            }
        };
    }
    assert_eq!(sum, triangle(QUESTIONS));
    drop(ask);
    answering.join().expect("the other thread does not panic");
}
