//! What is small enough is proved outright: the bits of a ticket, and the index arithmetic of the ready queue's batch and of
//! gather's ready set. The very files of the crates are compiled here.
//!
//! What "every" means stands at each test. A ticket has 64 bits, which nobody counts through; each of its fields is. A
//! queue may have any length; here every state of a short one is made, and every step is taken from it. So what holds before
//! the steps and after them holds after any number of steps. A longer queue has the same code: it compares lengths with each
//! other and with no constant, but for the rule that gives memory back, which moves no index.

#[allow(dead_code, reason = "the set offers more than is proved")]
#[path = "../gather/src/ready.rs"]
mod ready_set;

// The queue's own lines about the trace and the explorer are nothing here.
macro_rules! trace(($($step:tt)*) => { () });
macro_rules! explore(($($step:tt)*) => { false });

#[allow(dead_code, clippy::let_unit_value, reason = "the loop uses the rest")]
#[path = "../runtime/src/circle/ready.rs"]
mod ready;
#[allow(dead_code, reason = "the queue needs two of its rules")]
#[path = "../runtime/src/parts/shrink.rs"]
mod shrink;
#[allow(dead_code, unreachable_pub, reason = "no task has an id here")]
#[path = "../runtime/src/circle/ticket.rs"]
mod ticket;

/// The names by which the files know each other.
mod circle {
    pub(crate) use super::ticket;

    pub(crate) mod task {
        /// In the place of a task.
        pub(crate) trait Run {}
    }
}
mod parts {
    pub(crate) use super::shrink;
}

use ready::{Body, Tasks};
use ready_set::ReadySet;
use runtime::Mark;
use std::collections::VecDeque;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Wake, Waker};
use ticket::{GENERATION_BITS, MAX_TASKS, RUNTIME_BITS, Ticket};

/// 26: what the other two leave of 64.
const SLOT_BITS: u32 = 64 - RUNTIME_BITS - GENERATION_BITS;

fn fields(ticket: Ticket) -> (u16, u64, usize) {
    (ticket.runtime(), ticket.generation(), ticket.slot())
}

/// Every value of each field, with zeros in the others: it comes back, and touches no bit of another field. A debug build
/// tries every 61st slot; slots have 26 bits.
#[test]
fn every_value_of_each_field_of_a_ticket_comes_back_and_touches_no_other() {
    for runtime in 0..1_u16 << RUNTIME_BITS {
        assert_eq!(fields(Ticket::new(runtime, 0, 0)), (runtime, 0, 0));
    }
    for serial in 0..1_u64 << GENERATION_BITS {
        assert!(fields(Ticket::new(0, 0, serial)) == (0, serial, 0), "generation {serial}");
    }
    for slot in (0..1_usize << SLOT_BITS).step_by(if cfg!(debug_assertions) { 61 } else { 1 }) {
        assert!(fields(Ticket::new(0, slot, 0)) == (0, 0, slot), "slot {slot}");
    }
    assert_eq!(MAX_TASKS, (1 << SLOT_BITS) - 1);
    assert_eq!(fields(Ticket::NONE), ((1 << RUNTIME_BITS) - 1, (1 << GENERATION_BITS) - 1, MAX_TASKS));
}

/// 0, the greatest, and every power of two with its neighbours: the values at which a bit is carried, or gets lost.
fn edges(bits: u32) -> Vec<u64> {
    let greatest = u64::MAX >> (64 - bits);
    let mut edges: Vec<u64> = (0..bits).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]).collect();
    edges.push(greatest);
    edges.retain(|edge| *edge <= greatest);
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// Every edge of each field with every edge of the others. A serial number has more bits than the generation: those above
/// are dropped.
#[test]
fn the_edges_of_all_fields_of_a_ticket_go_together() {
    let mut serials = edges(GENERATION_BITS + 1);
    serials.extend([1 << 32, 1 << 47, (1 << 48) - 1]);
    for &runtime in &edges(RUNTIME_BITS) {
        for &slot in &edges(SLOT_BITS) {
            for &serial in &serials {
                let ticket = Ticket::new(runtime as u16, slot as usize, serial);
                let generation = serial % (1 << GENERATION_BITS);
                assert!(
                    fields(ticket) == (runtime as u16, generation, slot as usize),
                    "{runtime}, {slot}, {serial}: {ticket:?}"
                );
                // The fields alone, or-ed: no field changes another one.
                let alone = [(runtime, 0, 0), (0, slot, 0), (0, 0, serial)];
                let ored = alone.map(|(runtime, slot, serial)| Ticket::new(runtime as u16, slot as usize, serial).0);
                assert!(ored[0] | ored[1] | ored[2] == ticket.0);
                assert!(ored[0] & ored[1] == 0 && ored[0] & ored[2] == 0 && ored[1] & ored[2] == 0);
            }
        }
    }
}

/// The longest batch, and the longest list of what has arrived.
const MOST: usize = 4;

/// One state of the queue.
#[derive(Clone, Copy, Debug)]
struct State {
    /// How many entries the batch has, and how many of them are polled.
    batch: usize,
    next: usize,
    arrived: usize,
    /// A bit for each entry from `next` on: its task has ended.
    ended: usize,
}

/// What is done to it.
#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    Pop,
    Insert,
    /// The number of a task.
    Push(usize),
    Abort(usize),
    Remove(usize),
}

/// The queue in a state, all its tickets, and who must be polled, in the order of the numbers.
struct Queue {
    tasks: Tasks,
    tickets: Vec<Ticket>,
    expected: VecDeque<usize>,
}

fn queue_in(state: State) -> Queue {
    let mut tasks = Tasks::new(3, 0xff_fffe); // The generation wraps on the way.
    let main = || Body::Main(Location::caller());
    let tickets: Vec<Ticket> = (0..state.batch + state.arrived).map(|_| tasks.insert(main()).0).collect();
    tasks.arrived.clear();
    tasks.batch.extend(&tickets[..state.batch]);
    tasks.next = state.next;
    tasks.arrived.extend(&tickets[state.batch..]);
    for ticket in &tickets[..state.next] {
        tasks.slots[ticket.slot()].queued = false; // It was polled, and waits.
    }
    let mut expected = VecDeque::new();
    for (bit, number) in (state.next..tickets.len()).enumerate() {
        if state.ended >> bit & 1 == 1 {
            drop(tasks.remove(tickets[number]));
        } else {
            expected.push_back(number);
        }
    }
    Queue { tasks, tickets, expected }
}

impl Queue {
    fn number(&self, ticket: Ticket) -> usize {
        self.tickets.iter().position(|it| *it == ticket).expect("one of its tickets")
    }

    fn is_alive(&self, number: usize) -> bool {
        let ticket = self.tickets[number];
        self.tasks.slots.get(ticket.slot()).is_some_and(|slot| slot.ticket == ticket)
    }

    fn wake(&mut self, number: usize) {
        if self.is_alive(number) && !self.expected.contains(&number) {
            self.expected.push_back(number);
        }
    }

    /// Takes a step, and the same in the plain list of who is expected.
    fn take(&mut self, step: Step) {
        match step {
            Step::Begin => {
                assert_eq!(self.tasks.begin_batch(), !self.expected.is_empty());
                if let Some(first) = self.expected.front() {
                    assert!(self.tasks.arrived.is_empty(), "all is in the batch");
                    assert_eq!(self.tasks.batch[self.tasks.next], self.tickets[*first]);
                }
            }
            Step::Pop => {
                let in_batch =
                    self.tasks.batch[self.tasks.next..].iter().map(|it| self.number(*it)).collect::<Vec<_>>();
                let first = self.expected.front().copied().filter(|first| in_batch.contains(first));
                let popped = self.tasks.pop();
                assert_eq!(popped.map(|popped| popped.ticket), first.map(|first| self.tickets[first]));
                if first.is_some() {
                    self.expected.pop_front();
                }
            }
            Step::Insert => {
                let (ticket, _) = self.tasks.insert(Body::Main(Location::caller()));
                self.expected.push_back(self.tickets.len());
                self.tickets.push(ticket);
            }
            Step::Push(number) => {
                self.wake(number);
                self.tasks.push(self.tickets[number]);
            }
            Step::Abort(number) => {
                self.wake(number);
                let ticket = self.tickets[number];
                let serial = self.tasks.slots.get(ticket.slot()).map_or(0, |slot| slot.serial());
                self.tasks.abort(ticket, serial);
            }
            Step::Remove(number) => {
                self.expected.retain(|it| *it != number);
                assert_eq!(self.is_alive(number), self.tasks.remove(self.tickets[number]).is_some());
            }
        }
        self.check();
    }

    /// What holds between any two steps.
    fn check(&self) {
        let Tasks { batch, next, arrived, slots, .. } = &self.tasks;
        assert!(*next <= batch.len());
        let entries = batch[*next..].iter().chain(arrived).map(|it| self.number(*it));
        let alive: Vec<usize> = entries.filter(|number| self.is_alive(*number)).collect();
        assert_eq!(self.expected, alive, "who is queued, in the order of the wakes, each once");
        for number in (0..self.tickets.len()).filter(|number| self.is_alive(*number)) {
            assert_eq!(slots[self.tickets[number].slot()].queued, self.expected.contains(&number));
        }
    }

    /// Polls all that is queued.
    fn drain(&mut self) {
        while !self.expected.is_empty() {
            self.take(Step::Begin);
            self.take(Step::Pop);
        }
        self.take(Step::Begin);
    }
}

/// Every state with up to four entries in the batch and four that have arrived, whichever tasks have ended, and every step
/// from each; then all is polled. A wake for each task, the waiting, the queued and the ended.
#[test]
fn every_step_from_every_state_of_the_queue_keeps_the_order() {
    let mut states = 0;
    for batch in 0..=MOST {
        for next in 0..=batch {
            for arrived in 0..=MOST {
                for ended in 0..1 << (batch - next + arrived) {
                    let state = State { batch, next, arrived, ended };
                    let numbers = 0..batch + arrived;
                    let per_task = numbers.flat_map(|n| [Step::Push(n), Step::Abort(n), Step::Remove(n)]);
                    for step in [Step::Begin, Step::Pop, Step::Insert].into_iter().chain(per_task) {
                        let mut queue = queue_in(state);
                        queue.check();
                        queue.take(step);
                        queue.drain();
                    }
                    states += 1;
                }
            }
        }
    }
    assert_eq!(states, 57 * 31);
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Every sequence of six wakes and drains of a set of four places: a drain gives each place that was woken once, in the
/// order of the first wakes, and the parent is woken at the first mark after a drain and not again.
#[test]
fn every_sequence_of_wakes_and_drains_gives_each_place_once() {
    const PLACES: u32 = 4;
    const STEPS: u32 = 6;
    for sequence in 0..(PLACES + 1).pow(STEPS) {
        let count = Arc::<Count>::default();
        let parent = Waker::from(Arc::clone(&count));
        let set = ReadySet::new(PLACES as usize, parent.clone(), Mark::new("proof"));
        let (mut marked, mut woken, mut rest) = (Vec::new(), 0, sequence);
        for _ in 0..STEPS {
            let act = rest % (PLACES + 1);
            rest /= PLACES + 1;
            if act < PLACES {
                set.wake(act);
                woken += usize::from(marked.is_empty());
                if !marked.contains(&act) {
                    marked.push(act);
                }
            } else {
                let mut drained = Vec::new();
                set.drain(&parent, |place| drained.push(place));
                assert_eq!(drained, std::mem::take(&mut marked));
            }
        }
        assert_eq!(count.0.load(SeqCst), woken);
    }
}

/// A set of every size up to 40: a few places are in the block itself, more are in a slice. Each has a node of its own.
#[test]
fn every_place_of_a_set_has_a_node_of_its_own() {
    for places in 1..=40_u32 {
        let set = ReadySet::new(places as usize, Waker::noop().clone(), Mark::new("proof"));
        let mut nodes: Vec<*const _> = (0..places).map(|place| std::ptr::from_ref(set.node(place))).collect();
        nodes.sort_unstable();
        nodes.dedup();
        assert_eq!(nodes.len(), places as usize);
        (0..places).rev().for_each(|place| set.wake(place));
        let mut drained = Vec::new();
        set.drain(Waker::noop(), |place| drained.push(place));
        assert!(drained.into_iter().eq((0..places).rev()));
    }
}
