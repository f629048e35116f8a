//! Two tasks that talk: over a pair of bounded channels, and by requests that carry the place for their reply.

use crate::case::Case;
use crate::executor::{Channels, Executor};
use crate::{Bare, LocalSet, Ours, Smol, Tokio, triangle};

/// Messages there and back in one round.
const MESSAGES: u64 = 20_000;

pub(crate) fn cases() -> Vec<Case> {
    let mpsc = Case::new("channels", "two tasks, mpsc ping-pong", MESSAGES, "round trip").target_to_tokio(3.0).why(
        "Both ends may be on other threads, so a round trip takes six locks, a third of its time. With a lock that is \
         given back by a plain store, where the mutex needs a swap, it was 2.6 times as fast as tokio: an unsafe block and \
         80 lines for a target that is missed all the same. The limit has no locks.",
    );
    let oneshot = Case::new("channels", "oneshot request and reply", MESSAGES, "round trip").target_to_tokio(3.0).why(
        "Six locks, as above, and an allocation for each oneshot. Who gave up an end has let go of the channel by then, \
         so that its drop takes no lock any more.",
    );
    vec![
        mpsc.on(Ours::new, ping_pong::<Ours>)
            .on(Tokio::new, ping_pong::<Tokio>)
            .on(LocalSet::new, ping_pong::<LocalSet>)
            .on(Smol::new, ping_pong::<Smol>)
            .on(Bare::new, ping_pong::<Bare>),
        oneshot
            .on(Ours::new, requests::<Ours>)
            .on(Tokio::new, requests::<Tokio>)
            .on(LocalSet::new, requests::<LocalSet>)
            .on(Smol::new, requests::<Smol>)
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
