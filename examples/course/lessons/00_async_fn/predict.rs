//! The program of lesson 0 whose output is to be predicted.
//!
//! ```text
//! $ cargo run -p course --example predict_00
//! ```

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Pending at its first poll, ready at its second.
async fn nap() {
    let mut over = false;
    poll_fn(|_| match std::mem::replace(&mut over, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

async fn greet(name: &str) -> usize {
    println!("hello, {name}");
    nap().await;
    println!("bye, {name}");
    name.len()
}

fn main() {
    let mut cx = Context::from_waker(Waker::noop());
    let mut anna = pin!(greet("Anna"));
    println!("made");
    println!("{:?}", anna.as_mut().poll(&mut cx));
    println!("meanwhile");
    println!("{:?}", anna.as_mut().poll(&mut cx));
}
