//! The program of lesson 7 whose output is to be predicted.
//!
//! ```text
//! $ cargo run -p course --example predict_07
//! ```
#![allow(dead_code, reason = "a program uses a part of its rung")]

#[path = "rung.rs"]
mod rung;

#[cfg(unix)]
fn main() -> std::io::Result<()> {
    use mio::net::UnixStream;
    use rung::io::Watched;
    use rung::reactor::READ;
    use rung::runtime::{block_on, spawn};
    use std::io::{Read, Write};

    block_on(async {
        let (reader, mut writer) = UnixStream::pair()?;
        let mut reader = Watched::new(reader)?;
        let mut attempts = 0;
        let mut read = |socket: &mut UnixStream| {
            attempts += 1;
            println!("  attempt {attempts}");
            socket.read(&mut [0; 8])
        };
        writer.write_all(b"twenty bytes of text")?;
        for _ in 0..3 {
            let length = reader.retry(READ, &mut read).await?;
            println!("{length} bytes");
        }
        spawn(async move {
            println!("the writer");
            writer.write_all(b"more").unwrap();
        });
        let length = reader.retry(READ, &mut read).await?;
        println!("{length} bytes");
        Ok(())
    })
}

#[cfg(not(unix))]
fn main() {
    println!("this program needs the pairs of sockets that Unix has");
}
