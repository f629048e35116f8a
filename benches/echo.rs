//! A TCP echo server: its processor time for a message, and the throughput of server and client together.

use crate::case::{Case, Clock};
use crate::client::Talk;
use crate::executor::Sockets;
use crate::server::{BUFFER, Load, raw_loop, serve};
use crate::{LocalSet, OneWorker, Ours, Rung, Tokio};

/// Connections, and the messages of a round over all of them.
const LOADS: [(usize, u64); 3] = [(1, 1_000), (64, 12_800), (1_000, 20_000)];
/// Bytes of a message.
const SIZES: [(usize, &str); 2] = [(64, "64 B"), (4_096, "4 KiB")];
/// What is measured.
const CLOCKS: [(Clock, &str); 2] = [(Clock::Thread, "server's CPU time"), (Clock::Wall, "throughput")];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (clock, what) in CLOCKS {
        for (connections, messages) in LOADS {
            for (size, bytes) in SIZES {
                let load = Load { connections, messages, talk: talk(size) };
                let name = format!("echo, {what}, {connections} × {bytes}");
                let mut case = Case::new("echo", name, load.times(), "message").by(clock);
                case.slow = connections > 64 || size > 64;
                case = case.why(
                    "The system's share is nearly all of a message, for everybody, and on a shared machine it varies by \
                     more than the runtimes differ: which cells are missed changes from run to run.",
                );
                cases.push(echo(case, &load));
            }
        }
    }
    cases
}

fn echo(case: Case, load: &Load) -> Case {
    let case = case.target_to_tokio(0.97);
    let case = serve::<Ours, _>(case, load, echo_all::<Ours>);
    let case = serve::<Tokio, _>(case, load, echo_all::<Tokio>);
    let case = serve::<LocalSet, _>(case, load, echo_all::<LocalSet>);
    let case = serve::<OneWorker, _>(case, load, echo_all::<OneWorker>);
    let case = serve::<Rung, _>(case, load, echo_all::<Rung>);
    raw_loop(case, load, |request| request)
}

/// A message of this size, and the same back.
pub(crate) fn talk(size: usize) -> Talk {
    let message: Vec<u8> = (0..size).map(|n| n as u8).collect();
    Talk { request: message.clone(), head: Vec::new(), tail: message }
}

pub(crate) async fn echo_all<E: Sockets>(mut stream: E::Stream) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let bytes = E::read(&mut stream, &mut buffer).await;
        if bytes == 0 {
            return;
        }
        E::write_all(&mut stream, &buffer[..bytes]).await;
    }
}
