//! The program of lesson 4 whose output is to be predicted.
//!
//! ```text
//! $ cargo run -p course --example predict_04
//! ```
#![allow(dead_code, reason = "a program uses a part of its rung")]

#[path = "rung.rs"]
mod rung;

use rung::runtime::{block_on, spawn};
use rung::task::yield_now;
use std::cell::RefCell;
use std::future::poll_fn;
use std::mem;
use std::rc::Rc;
use std::task::{Poll, Waker};

fn main() {
    let kept = Rc::new(RefCell::new(None::<Waker>));
    let keeps = Rc::clone(&kept);
    block_on(async move {
        // Anna gives her waker to main, and ends.
        spawn(poll_fn(move |cx| {
            println!("Anna");
            keeps.replace(Some(cx.waker().clone()));
            Poll::Ready(())
        }));
        yield_now().await;
        // Ben wakes himself twice, and then waits for ever.
        let mut wakes = 2;
        spawn(poll_fn(move |cx| {
            println!("Ben");
            for _ in 0..mem::take(&mut wakes) {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        }));
        for turn in 1..=3 {
            yield_now().await;
            println!("main {turn}");
        }
        kept.take().unwrap().wake();
        yield_now().await;
        println!("the end");
    });
}
