//! Tasks that ask for permits when a check says so, and what is known of each.

use crate::dice::Dice;
use crate::spy::{Moment, Spy};
use std::cell::Cell;
use std::pin::Pin;

/// One step of a program about permits. Tasks are numbered from 1, in the order in which they ask.
#[derive(Debug, Clone, Copy)]
pub enum Ask {
    /// A new task asks for a permit: the first poll of its future.
    New,
    /// This task polls again.
    Poll(usize),
    /// From now on another task polls the future of this one.
    Move(usize),
    /// The task gives its permit back. Who is woken does this at once, before `wake` has come back.
    Release(usize, AtOnce),
    /// The task asks no more: its future is dropped.
    Drop(usize),
    /// At the next such moment of a waker this task gives its permit back.
    ReleaseAt(Moment, usize),
}

/// What is done in the middle of a wake.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AtOnce {
    /// Nothing.
    Nothing,
    /// The woken task polls.
    Poll,
    /// The woken task asks no more.
    Drop,
    /// A new task asks.
    Ask,
}

/// So many tasks at most ask in the course of a program.
const TASKS: usize = 9;

impl Ask {
    /// Any program: its number of permits, and its steps.
    pub fn roll(dice: &mut Dice, size: f64) -> (usize, Vec<Ask>) {
        let (mut asked, mut acts) = (1, vec![Ask::New]);
        for _ in 0..dice.roll(1..=(size * 30.0).ceil() as u64) {
            let task = dice.roll(1..=asked as u64) as usize;
            let act = match dice.roll(1..=20) {
                1..=6 if asked < TASKS => Ask::New,
                1..=8 => Ask::Poll(task),
                9 => Ask::Move(task),
                10..=12 => Ask::Drop(task),
                13 if asked < TASKS => Ask::Release(task, AtOnce::Ask),
                14 => Ask::Release(task, AtOnce::Drop),
                15 => Ask::Release(task, AtOnce::Poll),
                _ => Ask::Release(task, AtOnce::Nothing),
            };
            asked += usize::from(matches!(act, Ask::New | Ask::Release(_, AtOnce::Ask)));
            acts.push(act);
        }
        (dice.roll(1..=3) as usize, acts)
    }
}

/// A future that gives a permit.
pub(crate) type Asking<P> = Pin<Box<dyn Future<Output = P>>>;

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum State {
    /// It stands in the line.
    Waits,
    /// A permit is its own, and it has not polled since.
    Granted,
    /// It has a permit.
    Has,
    /// It has given its permit back, or asks no more.
    Gone,
}

/// What the check knows of a task that has asked.
pub(crate) struct Task<P> {
    pub(crate) number: u32,
    pub(crate) state: Cell<State>,
    pub(crate) polls: Cell<u32>,
    pub(crate) future: Cell<Option<Asking<P>>>,
    pub(crate) permit: Cell<Option<P>>,
    /// Its own wakers, and those of the task to which it gives its future; how often they are to be woken.
    pub(crate) spies: [(Spy, Cell<u64>); 2],
    /// Who polls, and who has polled last: an index of the two.
    pub(crate) poller: Cell<usize>,
    pub(crate) latest: Cell<usize>,
}

impl<P> Task<P> {
    /// The task with this number asks; nobody has polled yet.
    pub(crate) fn new(number: u32, future: Asking<P>) -> Task<P> {
        let spies = [number, number + 20].map(|number| (Spy::new(number), Cell::new(0)));
        let (state, future) = (Cell::new(State::Waits), Cell::new(Some(future)));
        let (polls, poller, latest) = (Cell::new(0), Cell::new(0), Cell::new(0));
        Task { number, state, polls, future, permit: Cell::new(None), spies, poller, latest }
    }

    /// The number of who has polled last.
    pub(crate) fn name(&self) -> u32 {
        self.number + 20 * self.latest.get() as u32
    }
}
