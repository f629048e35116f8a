//! Two tasks that talk: over a pair of bounded channels, and by requests that carry the place for their reply.

use crate::case::Case;
use crate::executor::{Channels, Executor};
use crate::{Bare, LocalSet, OneWorker, Ours, OursLocal, Pool, Smol, Tokio, triangle};

/// Messages there and back in one round.
const MESSAGES: u64 = 20_000;

pub(crate) fn cases() -> Vec<Case> {
    let case = |name| Case::new("channels", name, MESSAGES, "round trip");
    let mpsc = case("two tasks, mpsc ping-pong").target_to_tokio(2.5).why(
        "Both ends may be on other threads, so a round trip takes six locks, a third of its time. With a lock that is \
         given back by a plain store, where the mutex needs a swap, it was 2.6 times as fast as tokio: an unsafe block and \
         80 lines. The limit has no locks.",
    );
    let oneshot = case("oneshot request and reply").target_to_tokio(2.0).why(
        "Six locks, as above, and an allocation for each oneshot. Who gave up an end has let go of the channel by then, \
         so that its drop takes no lock any more.",
    );
    let stay = "Ours is `local`: its ends stay on the loop's thread, so it has no locks. tokio has no such channel.";
    let local_mpsc = case("two tasks, mpsc ping-pong, ends that stay").target_to_tokio(4.0).note(stay).why(
        "A round trip is 1,140 instructions, half of them not the channels': two wakes, and two polls, each in a turn of its \
         own, are 570. The row of two tasks that wake each other shows what they cost alone: twice its figure is nearly what \
         four times tokio would allow for all. A `recv` is polled twice, which takes 170, and a `send` 140 with its wake.",
    );
    let local_oneshot = case("oneshot request and reply, ends that stay").target_to_tokio(3.0).note(stay).why(
        "A request is 1,240 instructions. Two wakes and two polls are half of it, as above; malloc and free of the oneshot are \
         more than 100.",
    );
    vec![
        mpsc.on(Ours::new, ping_pong::<Ours>)
            .on(Tokio::new, ping_pong::<Tokio>)
            .on(LocalSet::new, ping_pong::<LocalSet>)
            .on(OneWorker::new, ping_pong::<OneWorker>)
            .on(Smol::new, ping_pong::<Smol>)
            .on(Pool::new, ping_pong::<Pool>)
            .on(Bare::new, ping_pong::<Bare>),
        oneshot
            .on(Ours::new, requests::<Ours>)
            .on(Tokio::new, requests::<Tokio>)
            .on(LocalSet::new, requests::<LocalSet>)
            .on(OneWorker::new, requests::<OneWorker>)
            .on(Smol::new, requests::<Smol>)
            .on(Pool::new, requests::<Pool>)
            .on(Bare::new, requests::<Bare>),
        local_mpsc
            .on(OursLocal::new, ping_pong::<OursLocal>)
            .on(Tokio::new, ping_pong::<Tokio>)
            .on(LocalSet::new, ping_pong::<LocalSet>)
            .on(Smol::new, ping_pong::<Smol>)
            .on(Pool::new, ping_pong::<Pool>)
            .on(Bare::new, ping_pong::<Bare>),
        local_oneshot
            .on(OursLocal::new, requests::<OursLocal>)
            .on(Tokio::new, requests::<Tokio>)
            .on(LocalSet::new, requests::<LocalSet>)
            .on(Smol::new, requests::<Smol>)
            .on(Pool::new, requests::<Pool>)
            .on(Bare::new, requests::<Bare>),
    ]
}

/// One sends a number, the other sends it back.
async fn ping_pong<E: Channels>() {
    let (ping, mut pinged) = E::channel::<u64>(1);
    let (pong, mut ponged) = E::channel::<u64>(1);
    let echo = E::spawn(async move {
        while let Some(n) = E::recv(&mut pinged).await {
            E::send(&pong, n).await;
        }
    });
    let server = E::spawn(async move {
        let mut sum = 0;
        for n in 0..MESSAGES {
            E::send(&ping, n).await;
            sum += E::recv(&mut ponged).await.expect("the echo lives");
        }
        sum
    });
    assert_eq!(E::join(server).await, triangle(MESSAGES));
    E::join(echo).await;
}

/// A client sends a number and a oneshot; the server answers with it.
async fn requests<E: Channels>() {
    let (sender, mut requests) = E::channel::<(u64, E::OneSender<u64>)>(1);
    let server = E::spawn(async move {
        while let Some((n, reply)) = E::recv(&mut requests).await {
            E::send_one(reply, n);
        }
    });
    let client = E::spawn(async move {
        let mut sum = 0;
        for n in 0..MESSAGES {
            let (reply, answer) = E::oneshot();
            E::send(&sender, (n, reply)).await;
            sum += E::recv_one(answer).await;
        }
        sum
    });
    assert_eq!(E::join(client).await, triangle(MESSAGES));
    E::join(server).await;
}
