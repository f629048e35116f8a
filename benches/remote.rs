//! Wakes from another thread: how many messages a second reach the loop, and how long a question and its answer take.

use crate::case::Case;
use crate::executor::{Executor, Remote};
use crate::{LocalSet, Ours, Tokio, triangle};
use crossbeam_channel::unbounded;
use mio::{Events, Poll, Token, Waker};
use std::thread;

/// Messages of one round.
const MESSAGES: u64 = 100_000;
/// Questions of one round.
const QUESTIONS: u64 = 500;

pub(crate) fn cases() -> Vec<Case> {
    let messages_case =
        Case::new("remote", "messages from another thread", MESSAGES, "message").target(1.5).on_the_wall();
    let questions_case =
        Case::new("remote", "round trip to another thread", QUESTIONS, "round trip").target(1.1).on_the_wall();
    vec![
        messages_case
            .on(Ours::new, messages::<Ours>)
            .on(Tokio::new, messages::<Tokio>)
            .on(LocalSet::new, messages::<LocalSet>)
            .limit("crossbeam-channel alone", channel_alone),
        questions_case
            .on(Ours::new, questions::<Ours>)
            .on(Tokio::new, questions::<Tokio>)
            .on(LocalSet::new, questions::<LocalSet>)
            .limit("mio's waker alone", waker_alone),
    ]
}

/// One thread sends as fast as it can, the loop receives.
async fn messages<E: Remote>() {
    let (sender, mut receiver) = E::unbounded::<u64>();
    let sending = thread::spawn(move || (0..MESSAGES).for_each(|n| E::post(&sender, n)));
    let mut sum = 0;
    while let Some(n) = E::take(&mut receiver).await {
        sum += n;
    }
    assert_eq!(sum, triangle(MESSAGES));
    sending.join().expect("the sender does not panic");
}

fn channel_alone() {
    let (sender, receiver) = unbounded::<u64>();
    let sending = thread::spawn(move || (0..MESSAGES).for_each(|n| sender.send(n).expect("it is received")));
    assert_eq!(receiver.iter().sum::<u64>(), triangle(MESSAGES));
    sending.join().expect("the sender does not panic");
}

/// The loop asks, parks, and is woken by the answer.
async fn questions<E: Remote>() {
    let (ask, asked) = unbounded::<u64>();
    let (reply, mut replies) = E::unbounded::<u64>();
    let answering = thread::spawn(move || asked.iter().for_each(|n| E::post(&reply, n)));
    let mut sum = 0;
    for n in 0..QUESTIONS {
        ask.send(n).expect("the other thread lives");
        sum += E::take(&mut replies).await.expect("the other thread lives");
    }
    assert_eq!(sum, triangle(QUESTIONS));
    drop(ask);
    answering.join().expect("the other thread does not panic");
}

fn waker_alone() {
    let mut poll = Poll::new().expect("the system gives a descriptor");
    let mut events = Events::with_capacity(1);
    let waker = Waker::new(poll.registry(), Token(0)).expect("the system gives a descriptor");
    let (ask, asked) = unbounded::<u64>();
    let (reply, replies) = unbounded::<u64>();
    let answering = thread::spawn(move || {
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
