//! Who leaves a line when children of one task are dropped, against what the children say themselves.

use crate::node::{data, node};
use gather::gather;
use runtime::net::UdpSocket;
use runtime::sync::{Semaphore, mpsc};
use runtime::task::yield_now;
use runtime::time::{sleep, timeout};
use runtime::trace::{self, Recorder};
use runtime::{Runtime, spawn};
use serde_json::json;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;
use tests::virtually;

/// Says which child was dropped, after what it waited for is dropped.
struct Dropped(usize);

impl Drop for Dropped {
    fn drop(&mut self) {
        trace::note(format!("dropped {}", self.0));
    }
}

/// Three children that go into a line from the last one to the first, and are dropped from the first one on.
async fn three<F: Future>(wait: impl Fn() -> F) {
    let children = (0..3).map(|n| {
        let wait = wait();
        async move {
            let _dropped = Dropped(n);
            for _ in n..2 {
                yield_now().await;
            }
            wait.await;
        }
    });
    gather(children).await;
}

/// What the three wait for.
async fn waits(at: &str) {
    match at {
        "semaphore" => {
            let semaphore = &Semaphore::new(0);
            three(|| async { drop(semaphore.acquire().await) }).await;
        }
        "channel" => {
            let (sender, _receiver) = mpsc::channel(1);
            sender.send(0).await.unwrap();
            three(|| async { sender.send(1).await.unwrap() }).await;
        }
        _ => {
            let socket = Rc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
            three(|| async { drop(socket.recv(&mut [0]).await) }).await;
        }
    }
}

/// Each time a child says that it is dropped: who is in a line. A place is a child, for all three start at once.
const LINES: &str = "
    const state = emptyState();
    const lines = [];
    for (const e of data.events) {
        apply(state, e);
        if (e.kind !== 'Note') continue;
        const all = [...Object.values(state.semaphores).map((it) => it.line), ...Object.values(state.channels).map((it) => it.send), ...Object.values(state.sources).map((it) => it.read.waits)];
        lines.push([e.text, all.flat().map((it) => it.place)]);
    }
    return lines;
";

#[test]
fn of_several_children_that_are_dropped_the_page_takes_the_one_out_of_the_line_that_leaves() {
    for at in ["semaphore", "channel", "socket"] {
        for is_dropped_with_its_runtime in [true, false] {
            let recorder = Recorder::start();
            let runtime = Runtime::builder().virtual_clock().build().unwrap();
            runtime.block_on(async move {
                if is_dropped_with_its_runtime {
                    drop(spawn(waits(at)));
                    sleep(Duration::from_millis(10)).await;
                } else {
                    timeout(Duration::from_millis(10), waits(at)).await.unwrap_err();
                }
            });
            drop(runtime);
            let Some(lines) = node("who leaves a line", LINES, &data(&recorder)) else { return };
            let so = json!([["dropped 0", [2, 1]], ["dropped 1", [2]], ["dropped 2", []]]);
            assert_eq!(lines, so, "at a {at}, with its runtime: {is_dropped_with_its_runtime}");
        }
    }
}

/// The trace does not say which of several granted ones leaves. The page then names none of those that stay.
#[test]
fn of_several_children_that_were_granted_and_are_dropped_the_page_says_only_how_many_stay() {
    let recorder = Recorder::start();
    virtually(async {
        let semaphore = Rc::new(Semaphore::new(0));
        let own = Rc::clone(&semaphore);
        let task = spawn(async move { three(|| async { drop(own.acquire().await) }).await });
        sleep(Duration::from_millis(10)).await;
        semaphore.add_permits(2);
        task.abort();
        sleep(Duration::from_millis(10)).await;
    });
    let Some(lines) = node("who was granted and leaves", LINES, &data(&recorder)) else { return };
    // In line were 2, 1 and 0, and the first two were granted a permit.
    assert_eq!(lines, json!([["dropped 0", [2, 1]], ["dropped 1", [null]], ["dropped 2", []]]));
}
