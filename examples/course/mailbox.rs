//! Mailboxes for one thread: some are right, each in its own manner, and some have one fault each. A test of mailboxes has
//! to tell the ones from the others.

use crate::run::Run;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A mailbox for numbers, which tasks of one thread share.
///
/// - Values come out in the order in which they were put, each one once. A take that is polled while a value is there is
///   ready.
/// - Otherwise it waits. Nobody is woken before a put.
/// - A put stores the value. Then it wakes the take that has waited longest: its latest waker.
/// - A take that was woken may be dropped before it is polled. If a value is there, the next one is then woken in its place.
/// - After the first put wakes too many are allowed: of any task that has ever polled a take.
pub trait Mailbox {
    /// Puts a value in. It never waits.
    fn put(&self, value: u32);

    /// A future that is ready with the oldest value.
    fn take(&self) -> Take;
}

/// The future of [`Mailbox::take`].
pub type Take = Pin<Box<dyn Future<Output = u32>>>;

/// So many puts of a mailbox are told.
const MOST_PUTS: u32 = 100;

/// What kind of a mailbox it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Right: copies the waker, looks for a value, and keeps the waker.
    LooksLast,
    /// Right: looks, keeps the waker, and looks again.
    LooksAgain,
    /// Right: when a value has come in the middle of a poll, it says Pending and wakes its own task.
    ComesBack,
    /// Right: a put wakes all that wait.
    WakesAll,
    /// Right: a take that has moved wakes each task that has polled it.
    KeepsAllWakers,
    /// Right: a put wakes the tasks whose takes are over, too; and when a take that was woken is dropped, the next one is
    /// woken, also if no value is there.
    WakesTooMany,
    /// Wrong: no value is ever there.
    LosesValues,
    /// Wrong: a put wakes nobody.
    NeverWakes,
    /// Wrong: a take that waits wakes its own task.
    WakesItself,
    /// Wrong: the last value comes first.
    LastFirst,
    /// Wrong: a take that is polled by another task keeps its first waker.
    KeepsFirstWaker,
    /// Wrong: it has room for one waker.
    OneSlot,
    /// Wrong: only a put into an empty mailbox wakes.
    WakesWhenEmpty,
    /// Wrong: a put wakes the take that has waited shortest.
    YoungestFirst,
    /// Wrong: a take that was woken and is dropped takes its wake along.
    ForgetsAtDrop,
    /// Wrong: looks, and then keeps the waker.
    LooksFirst,
    /// Wrong: a put wakes, and then stores the value.
    WakesFirst,
    /// Wrong: a put has borrowed the mailbox while it wakes.
    WakesInBorrow,
}

impl Kind {
    /// Those that are right.
    pub const RIGHT: [Kind; 6] =
        [Kind::LooksLast, Kind::LooksAgain, Kind::ComesBack, Kind::WakesAll, Kind::KeepsAllWakers, Kind::WakesTooMany];

    /// Those that are wrong: what is found more easily comes first.
    pub const WRONG: [Kind; 12] = [
        Kind::LosesValues,
        Kind::NeverWakes,
        Kind::WakesItself,
        Kind::LastFirst,
        Kind::KeepsFirstWaker,
        Kind::OneSlot,
        Kind::WakesWhenEmpty,
        Kind::YoungestFirst,
        Kind::ForgetsAtDrop,
        Kind::LooksFirst,
        Kind::WakesFirst,
        Kind::WakesInBorrow,
    ];

    /// A mailbox of this kind, empty.
    pub fn make(self) -> Rc<dyn Mailbox> {
        Rc::new(Shared(Rc::new(Room { kind: self, puts: Cell::default(), inside: RefCell::default() })))
    }
}

/// What the takes share with their mailbox.
struct Room {
    kind: Kind,
    puts: Cell<u32>,
    inside: RefCell<Inside>,
}

#[derive(Default)]
struct Inside {
    values: VecDeque<u32>,
    /// The takes that wait and are not woken, by number. The first has waited longest.
    waiting: VecDeque<(u64, Waker)>,
    /// The takes that were woken, and have not been polled since.
    woken: Vec<u64>,
    /// Wakers of earlier polls of takes that wait, or of takes that are over.
    earlier: Vec<(u64, Waker)>,
    /// The number of the next take.
    next: u64,
}

impl Inside {
    /// The waker of the take that has waited longest. It does not wait any more.
    fn next_waker(&mut self) -> Option<Waker> {
        let first = self.waiting.pop_front();
        self.woken(first)
    }

    /// The same for the take that has waited shortest.
    fn last_waker(&mut self) -> Option<Waker> {
        let last = self.waiting.pop_back();
        self.woken(last)
    }

    fn woken(&mut self, waits: Option<(u64, Waker)>) -> Option<Waker> {
        let (take, waker) = waits?;
        self.woken.push(take);
        Some(waker)
    }
}

impl Room {
    fn has_value(&self) -> bool {
        !self.inside.borrow().values.is_empty()
    }

    /// Who is to be woken by a put. `was_empty`: no value was there before it.
    fn wakers(&self, inside: &mut Inside, was_empty: bool) -> Vec<Waker> {
        match self.kind {
            Kind::NeverWakes => Vec::new(),
            Kind::WakesWhenEmpty if !was_empty => Vec::new(),
            Kind::WakesAll => std::iter::from_fn(|| inside.next_waker()).collect(),
            Kind::YoungestFirst => inside.last_waker().into_iter().collect(),
            Kind::KeepsAllWakers => {
                let first = inside.waiting.front().map(|(take, _)| *take);
                let earlier = std::mem::take(&mut inside.earlier);
                let (its, others): (Vec<_>, Vec<_>) = earlier.into_iter().partition(|(take, _)| Some(*take) == first);
                inside.earlier = others;
                its.into_iter().map(|(_, waker)| waker).chain(inside.next_waker()).collect()
            }
            Kind::WakesTooMany => {
                let over = inside.earlier.iter().map(|(_, waker)| waker.clone()).collect::<Vec<_>>();
                inside.next_waker().into_iter().chain(over).collect()
            }
            _ => inside.next_waker().into_iter().collect(),
        }
    }

    fn store(&self, inside: &mut Inside, value: u32) {
        match self.kind {
            Kind::LosesValues => {}
            Kind::LastFirst => inside.values.push_front(value),
            _ => inside.values.push_back(value),
        }
    }
}

struct Shared(Rc<Room>);

impl Mailbox for Shared {
    fn put(&self, value: u32) {
        let room = &*self.0;
        // One of a test that puts on and on is no step: the watcher shall see that it spins.
        if let Some(run) = Run::of_this_thread().filter(|_| room.puts.replace(room.puts.get() + 1) < MOST_PUTS) {
            run.tell_here("Put", 0, value.to_string());
        }
        let mut inside = room.inside.borrow_mut();
        let was_empty = inside.values.is_empty();
        let wakers = room.wakers(&mut inside, was_empty);
        match room.kind {
            Kind::WakesFirst => {
                drop(inside);
                wakers.into_iter().for_each(Waker::wake);
                room.store(&mut room.inside.borrow_mut(), value);
            }
            Kind::WakesInBorrow => {
                room.store(&mut inside, value);
                wakers.into_iter().for_each(Waker::wake);
            }
            _ => {
                room.store(&mut inside, value);
                drop(inside);
                wakers.into_iter().for_each(Waker::wake);
            }
        }
    }

    fn take(&self) -> Take {
        let number = self.0.inside.borrow().next;
        self.0.inside.borrow_mut().next += 1;
        Box::pin(Taking { room: Rc::clone(&self.0), number })
    }
}

impl fmt::Debug for dyn Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Which kind it is, is for the test to find out.
        f.write_str("Mailbox")
    }
}

/// A take under way.
struct Taking {
    room: Rc<Room>,
    number: u64,
}

impl Taking {
    /// The oldest value, if there is one. Then this take waits no more.
    fn value(&self) -> Option<u32> {
        let mut inside = self.room.inside.borrow_mut();
        let value = inside.values.pop_front()?;
        let old = self.leave(&mut inside);
        drop(inside);
        drop(old);
        Some(value)
    }

    /// Takes this take out of those that wait.
    fn leave(&self, inside: &mut Inside) -> Option<Waker> {
        let place = inside.waiting.iter().position(|(take, _)| *take == self.number)?;
        inside.waiting.remove(place).map(|(_, waker)| waker)
    }

    /// Keeps the waker of this poll.
    fn keep(&self, waker: Waker) {
        let mut inside = self.room.inside.borrow_mut();
        if self.room.kind == Kind::OneSlot {
            inside.waiting.retain(|(take, _)| *take == self.number);
        }
        let mine = inside.waiting.iter_mut().find(|(take, _)| *take == self.number);
        let old = match mine {
            Some(_) if self.room.kind == Kind::KeepsFirstWaker => Some(waker),
            Some((take, kept)) if self.room.kind == Kind::KeepsAllWakers => {
                let old = (*take, std::mem::replace(kept, waker));
                inside.earlier.push(old);
                None
            }
            Some((_, kept)) => Some(std::mem::replace(kept, waker)),
            None => {
                inside.waiting.push_back((self.number, waker));
                None
            }
        };
        drop(inside);
        // A waker is dropped outside of the borrow: that is code of others.
        drop(old);
    }
}

impl Future for Taking {
    type Output = u32;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
        let kind = self.room.kind;
        let number = self.number;
        self.room.inside.borrow_mut().woken.retain(|take| *take != number);
        if kind == Kind::WakesTooMany && self.room.has_value() {
            let waker = cx.waker().clone();
            self.room.inside.borrow_mut().earlier.push((number, waker));
        }
        if matches!(kind, Kind::LooksAgain | Kind::ComesBack | Kind::LooksFirst)
            && let Some(value) = self.value()
        {
            return Poll::Ready(value);
        }
        let waker = cx.waker().clone();
        match kind {
            Kind::LooksAgain | Kind::ComesBack | Kind::LooksFirst => self.keep(waker),
            _ => match self.value() {
                Some(value) => return Poll::Ready(value),
                None => self.keep(waker),
            },
        }
        match kind {
            Kind::LooksAgain => {
                if let Some(value) = self.value() {
                    return Poll::Ready(value);
                }
            }
            Kind::ComesBack if self.room.has_value() => cx.waker().wake_by_ref(),
            Kind::WakesItself => cx.waker().wake_by_ref(),
            _ => {}
        }
        Poll::Pending
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        // Borrowed already: a poll inside a wake has panicked, and a second panic would end the process.
        let Ok(mut inside) = self.room.inside.try_borrow_mut() else { return };
        let old = self.leave(&mut inside);
        let was_woken = inside.woken.iter().position(|take| *take == self.number);
        let next = was_woken.and_then(|place| {
            inside.woken.remove(place);
            let passes_on = match self.room.kind {
                Kind::ForgetsAtDrop => false,
                Kind::WakesTooMany => true,
                _ => !inside.values.is_empty(),
            };
            if passes_on { inside.next_waker() } else { None }
        });
        drop(inside);
        drop(old);
        next.into_iter().for_each(Waker::wake);
    }
}
