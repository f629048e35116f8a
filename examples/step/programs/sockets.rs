//! Sockets: try, would block, wait until the system says that it is ready, try again.

use super::{Program, ask};
use runtime::net::{TcpListener, TcpStream};
use runtime::trace::{Kind, note};
use runtime::{Runtime, task};
use std::io;

pub(super) const PROGRAM: Program = Program {
    name: "sockets",
    title: "a server and a client: readiness, would block, park",
    about: [
        "A server echoes what a client says, both on one loop, through real sockets of this machine.",
        "Every read and write is tried first; who would block waits until the system says that the socket is ready.",
    ],
    questions: [
        ask("Who waits at a socket, and for what?", |event| matches!(event.kind, Kind::IoWaits { .. })),
        ask("What happens to an attempt that would block?", |event| matches!(event.kind, Kind::IoWouldBlock { .. })),
        ask("What does the system tell the loop?", |event| matches!(event.kind, Kind::IoReady { .. })),
    ],
    repeats: false,
    hangs: false,
    run,
};

fn run(runtime: &Runtime) {
    let said: io::Result<()> = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = task::Builder::new().name("server").spawn(async move {
            let (stream, _) = listener.accept().await?;
            let mut buffer = [0; 64];
            loop {
                match stream.read(&mut buffer).await? {
                    0 => return Ok::<(), io::Error>(()),
                    n => stream.write_all(&buffer[..n]).await?,
                }
            }
        });
        let client = TcpStream::connect(address).await?;
        client.write_all(b"hello").await?;
        let mut answer = [0; 5];
        client.read_exact(&mut answer).await?;
        note(String::from_utf8_lossy(&answer));
        drop(client);
        server.await.expect("it does not panic")
    });
    said.expect("the loopback works");
}
