//! The program of lesson 13 whose output is to be predicted.
//!
//! ```text
//! $ cargo run -p course --example predict_13
//! ```
#![allow(dead_code, reason = "a program uses a part of its rung")]

#[path = "rung.rs"]
mod rung;

use rung::net::{TcpListener, TcpStream};
use rung::server::{Limits, Stop, listen};
use rung::time::sleep;
use rung::{runtime, runtime::spawn};
use std::io::Result;
use std::time::Duration;

fn main() -> Result<()> {
    runtime::block_on(async {
        let any_port = ([127, 0, 0, 1], 0).into();
        let listener = TcpListener::bind(any_port)?;
        let address = listener.local_addr()?;
        let idle = Duration::from_secs(10);
        let limits = Limits { head: 1_000, idle };
        spawn(listen(listener, Stop::default(), limits));
        let mut client = TcpStream::connect(address).await?;
        for piece in [
            "GET /slow HTTP/1.1\r\n\r\nGET /he",
            "llo HTTP/1.1\r\n\r\nGET /hello HTTP/1.0\r\n",
            "\r\nGET /slow HTTP/1.1\r\n\r\n",
        ] {
            client.write_all(piece.as_bytes()).await?;
            sleep(Duration::from_millis(1)).await;
        }
        let (mut all, mut buffer) = (Vec::new(), [0; 100]);
        while let length @ 1.. = client.read(&mut buffer).await? {
            all.extend_from_slice(&buffer[..length]);
        }
        println!("{}", String::from_utf8_lossy(&all));
        Ok(())
    })
}
