//! What is asked of the system: threads for jobs, reads of sockets.

use crate::{compare, row, rung_13};
use std::cell::Cell;
use std::task::{Context, Waker};

pub fn jobs() {
    const JOBS: u32 = 200;
    let real = runtime::Runtime::new().expect("the system gives a descriptor");
    let rung = rung_13::runtime::Runtime::new();
    let on_real = || {
        real.block_on(async {
            for _ in 0..JOBS {
                let _ = runtime::task::spawn_blocking(|| ()).await;
            }
        });
    };
    let on_rung = || {
        rung.block_on(async {
            for _ in 0..JOBS {
                rung_13::blocking::spawn_blocking(|| ()).await;
            }
        });
    };
    let times = compare(JOBS, on_real, on_rung);
    row("a job that does nothing", &times[0], &times[1]);
}

/// Messages to a task that sends them back: how often the system is asked for each answer.
pub fn attempts() {
    const MESSAGES: u32 = 1_000;
    let attempts = Cell::new(0);
    rung_13::runtime::block_on(async {
        let mut listener = rung_13::net::TcpListener::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = listener.local_addr().expect("it listens");
        rung_13::runtime::spawn(async move {
            let (mut stream, mut buffer) = (listener.accept().await.expect("somebody connects"), [0; 100]);
            while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                stream.write_all(&buffer[..length]).await.expect("somebody reads");
            }
        });
        let mut client = rung_13::net::TcpStream::connect(address).await.expect("somebody listens");
        for _ in 0..MESSAGES {
            client.write_all(&[1]).await.expect("somebody reads");
            let read = |stream: &mut mio::net::TcpStream| {
                attempts.set(attempts.get() + 1);
                std::io::Read::read(stream, &mut [0; 100])
            };
            client.0.retry(rung_13::reactor::READ, read).await.expect("somebody answers");
        }
    });
    // The real loop's reads cannot be counted from outside. But a read that is made in vain is one for which the socket
    // counts as ready though nothing is there.
    let vain = Cell::new(0);
    runtime::block_on(async {
        let listener = runtime::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let _detached = runtime::spawn(async move {
            let (stream, _) = listener.accept().await.expect("somebody connects");
            let mut buffer = [0; 100];
            while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                stream.write_all(&buffer[..length]).await.expect("somebody reads");
            }
        });
        let client = runtime::net::TcpStream::connect(address).await.expect("somebody listens");
        for _ in 0..MESSAGES {
            client.write_all(&[1]).await.expect("somebody reads");
            client.read(&mut [0; 100]).await.expect("somebody answers");
            let mut readable = Box::pin(client.readable());
            vain.set(
                vain.get() + u32::from(readable.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()),
            );
        }
    });
    let a_message = |reads: u32| format!("{:.2}", f64::from(reads) / f64::from(MESSAGES));
    row("reads of the system for each message", a_message(MESSAGES + vain.get()), a_message(attempts.get()));
}
