//! The program of lesson 14 that hangs, on the loop of rung 13. A number says who hangs, and where.
//!
//! ```text
//! $ cargo run -p course -- debug 14               # gdb on it, with the number in your exercise.rs
//! $ cargo run -p course --example hang_14 -- 7    # alone; Ctrl-C ends it
//! ```
//!
//! Five people work in an office. Each sits at a desk and reads three letters. After the first letter a person may have
//! to wait for a colleague: for the end of the colleague's work, or for the desk. Fay brings the letters, one to
//! everybody who waits for one, every 10 ms. Gus waits for letters, too; today none comes for him. Main waits until the
//! work is done. But one of Fay's letters is put down so that nobody notices it.

#![allow(dead_code, reason = "a program uses a part of its rung")]
#![debugger_visualizer(gdb_script_file = "../../debugger/gdb.py")]

#[path = "../13_server/rung.rs"]
mod rung;

use rung::join::JoinHandle;
use rung::runtime::{block_on, spawn};
use rung::semaphore::Semaphore;
use rung::time::sleep;
use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The five who work.
pub const NAMES: [&str; 5] = ["anna", "ben", "cleo", "dora", "emil"];

/// The place of Gus among those who read letters.
const GUS: usize = NAMES.len();

/// One step of the program, for whoever judges it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// Somebody waits for the next letter, in this line.
    Waits(usize, u32),
    /// Fay has brought a letter to somebody.
    Brought(usize),
    /// Somebody has read a letter.
    Read(usize),
    /// The first one waits until the second one has ended; no first one: main.
    WaitsForEnd(Option<usize>, usize),
    /// The first one waits for the desk of the second one.
    WaitsForDesk(usize, usize),
    /// Somebody has ended.
    Ended(usize),
}

/// Where letters for one person lie.
#[derive(Default)]
struct Mailbox {
    has_letter: Cell<bool>,
    /// Who waits for one.
    waker: Cell<Option<Waker>>,
    /// How many were brought.
    brought: Cell<u32>,
}

/// What all share.
pub struct Office {
    mailboxes: [Mailbox; NAMES.len() + 1],
    /// A desk has one chair: one permit.
    desks: [Semaphore; NAMES.len()],
    handles: RefCell<Vec<Option<JoinHandle<()>>>>,
    /// The order in which one waits for the next: `order[0]` for `order[1]`, and so on. Main waits for `order[0]`.
    order: [usize; NAMES.len()],
    /// Whether a person waits for the desk of the next one, and not for the end of the work.
    for_desk: [bool; NAMES.len()],
    /// Whose letter nobody notices, and which of the three it is.
    lost: (usize, u32),
    /// All that has happened.
    pub steps: RefCell<Vec<Step>>,
}

impl Office {
    /// An office for this number.
    pub fn new(mut seed: u64) -> Rc<Office> {
        // SplitMix64: neighbours among the numbers have nothing in common.
        let mut roll = |sides: usize| {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (seed ^ seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ mixed >> 31) as usize % sides
        };
        let mut order = [0, 1, 2, 3, 4];
        (1..order.len()).for_each(|place| order.swap(place, roll(place + 1)));
        // Not the one that main waits for.
        let lost = (order[1 + roll(4)], 1 + roll(3) as u32);
        let for_desk = [(); NAMES.len()].map(|()| roll(2) == 1);
        let desks = [(); NAMES.len()].map(|()| Semaphore::new(1));
        let (mailboxes, handles, steps) = Default::default();
        Rc::new(Office { mailboxes, desks, handles, order, for_desk, lost, steps })
    }

    fn tell(&self, step: Step) {
        self.steps.borrow_mut().push(step);
    }

    /// For whom this person has to wait, if there is one.
    fn next_of(&self, me: usize) -> Option<usize> {
        let place = self.order.iter().position(|&it| it == me).expect("everybody has a place");
        self.order.get(place + 1).copied()
    }

    fn handle(&self, of: usize) -> JoinHandle<()> {
        self.handles.borrow_mut()[of].take().expect("one alone waits for it")
    }

    /// The next letter for somebody.
    #[track_caller]
    fn letter(&self, me: usize) -> Letter<'_> {
        Letter { office: self, me, line: Location::caller().line() }
    }

    /// Fay puts a letter down.
    fn bring(&self, to: usize, waker: Waker) {
        let mailbox = &self.mailboxes[to];
        mailbox.brought.set(mailbox.brought.get() + 1);
        mailbox.has_letter.set(true);
        self.tell(Step::Brought(to));
        // The fault: a letter lies there, and nobody is woken.
        if self.lost == (to, mailbox.brought.get()) {
            return;
        }
        waker.wake();
    }
}

/// A future that is ready when there is a letter.
struct Letter<'a> {
    office: &'a Office,
    me: usize,
    line: u32,
}

impl Future for Letter<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mailbox = &self.office.mailboxes[self.me];
        if mailbox.has_letter.replace(false) {
            self.office.tell(Step::Read(self.me));
            return Poll::Ready(());
        }
        self.office.tell(Step::Waits(self.me, self.line));
        mailbox.waker.set(Some(cx.waker().clone()));
        Poll::Pending
    }
}

/// The work of one person.
async fn work(office: Rc<Office>, me: usize) {
    let _desk = office.desks[me].acquire().await;
    office.letter(me).await;
    match office.next_of(me) {
        Some(other) if office.for_desk[me] => {
            office.tell(Step::WaitsForDesk(me, other));
            let _lent = office.desks[other].acquire().await;
            office.letter(me).await;
        }
        Some(other) => {
            office.tell(Step::WaitsForEnd(Some(me), other));
            office.handle(other).await.expect("nobody panics");
            office.letter(me).await;
        }
        None => {
            sleep(Duration::from_millis(2)).await;
            office.letter(me).await;
        }
    }
    office.letter(me).await;
    office.tell(Step::Ended(me));
}

async fn anna(office: Rc<Office>) {
    work(office, 0).await;
}

async fn ben(office: Rc<Office>) {
    work(office, 1).await;
}

async fn cleo(office: Rc<Office>) {
    work(office, 2).await;
}

async fn dora(office: Rc<Office>) {
    work(office, 3).await;
}

async fn emil(office: Rc<Office>) {
    work(office, 4).await;
}

/// Brings the letters, for ever.
async fn fay(office: Rc<Office>) {
    for round in 1.. {
        sleep(Duration::from_millis(10)).await;
        round_begins(round);
        for to in 0..GUS {
            if let Some(waker) = office.mailboxes[to].waker.take() {
                office.bring(to, waker);
            }
        }
    }
}

/// Does nothing: a place for a breakpoint.
fn round_begins(round: u32) {
    std::hint::black_box(round);
}

/// Reads whatever comes.
async fn gus(office: Rc<Office>) {
    loop {
        office.letter(GUS).await;
    }
}

/// One day in the office. It ends when the work is done.
pub async fn day(office: Rc<Office>) {
    let handles = [
        spawn(anna(Rc::clone(&office))),
        spawn(ben(Rc::clone(&office))),
        spawn(cleo(Rc::clone(&office))),
        spawn(dora(Rc::clone(&office))),
        spawn(emil(Rc::clone(&office))),
    ];
    *office.handles.borrow_mut() = handles.map(Some).into();
    drop((spawn(fay(Rc::clone(&office))), spawn(gus(Rc::clone(&office)))));
    let first = office.order[0];
    office.tell(Step::WaitsForEnd(None, first));
    office.handle(first).await.expect("nobody panics");
}

/// A day that does not end.
fn main() {
    let seed = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(14);
    println!("Day {seed} in the office. Main waits for the work to end, and waits ...");
    block_on(day(Office::new(seed)));
    println!("The work is done.");
}
