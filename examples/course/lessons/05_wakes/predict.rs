//! The program of lesson 5 whose output is to be predicted.
//!
//! ```text
//! $ cargo run -p course --example predict_05
//! ```

/// What the two sides share.
#[derive(Default)]
struct Shared {
    parked: bool,
    message: bool,
    asleep: bool,
    rung: bool,
}

/// The loop says that it is about to park.
fn announce(it: &mut Shared) {
    it.parked = true;
}
/// The loop looks, and parks if there is no message.
fn park(it: &mut Shared) {
    it.asleep = !it.message;
}
/// The other thread puts a message into the inbox.
fn post(it: &mut Shared) {
    it.message = true;
}
/// The other thread rings if the loop is parked.
fn ring(it: &mut Shared) {
    it.rung = it.parked;
}

/// In how many of the six orders of two steps and two steps
/// does the loop sleep, with a message and without a ring?
fn lost(on_loop: [fn(&mut Shared); 2], on_other: [fn(&mut Shared); 2]) -> u32 {
    let mut lost = 0;
    // In each order the loop's steps have two of four places.
    for places in [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]] {
        let (mut on_loop, mut on_other) = (on_loop.iter(), on_other.iter());
        let mut it = Shared::default();
        for place in 0..4 {
            let side = if places.contains(&place) { &mut on_loop } else { &mut on_other };
            side.next().expect("two steps each")(&mut it);
        }
        lost += u32::from(it.asleep && !it.rung);
    }
    lost
}

fn main() {
    let right = lost([announce, park], [post, ring]);
    let late = lost([park, announce], [post, ring]);
    let early = lost([announce, park], [ring, post]);
    let both = lost([park, announce], [ring, post]);
    println!("{right} {late} {early} {both}");
}
