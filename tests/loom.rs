//! The handshake between a loop that parks and threads that have a message for it, and the set of tasks that a wake is on
//! its way to, under a model checker, on every memory order that the language allows: loom compiles the very files of the
//! runtime, `park.rs` and `pending.rs`.
//!
//! With one message, every interleaving is tried. With two messages or two senders there are too many: every
//! interleaving with up to two or three preemptions (switches at a place where a thread could have gone on) is tried.
//!
//! Around the file stand the loop and the senders, written for the model: what `circle/run.rs` and `threads/inbox.rs` do, reduced to
//! what takes part. The order that counts, to send before one asks and to announce before one looks, is the file's own.
//!
//! The model's queue orders nothing by itself but a message's content, so that it is the handshake that is tested; the
//! bell, as epoll's, keeps a ring until the next park. A lost wake-up is a loop that parks for ever: loom calls that a
//! deadlock.

#[path = "../runtime/src/parts/park.rs"]
mod park;
#[allow(dead_code, reason = "the queue of the model is never dropped with wakes in it")]
#[path = "../runtime/src/parts/pending.rs"]
mod pending;
#[allow(dead_code, reason = "the set of tickets needs one of its rules")]
#[path = "../runtime/src/parts/shrink.rs"]
mod shrink;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use park::Parking;
use pending::Pending;

/// epoll's eventfd: it keeps a ring until the next park.
struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.heard.notify_one();
    }

    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.heard.wait(rung).unwrap();
        }
        *rung = false;
    }
}

/// What both sides have in their hands: the inbox.
struct Inbox {
    /// Messages sent so far, and not yet received.
    queue: AtomicUsize,
    parking: Parking,
    /// Gone with the runtime.
    bell: Mutex<Option<Arc<Bell>>>,
    /// How often somebody rang.
    rings: AtomicUsize,
}

impl Inbox {
    fn new() -> (Arc<Inbox>, Loop) {
        let bell = Arc::new(Bell { rung: Mutex::new(false), heard: Condvar::new() });
        let inbox = Arc::new(Inbox {
            queue: AtomicUsize::new(0),
            parking: Parking::new(),
            bell: Mutex::new(Some(Arc::clone(&bell))),
            rings: AtomicUsize::new(0),
        });
        (Arc::clone(&inbox), Loop { inbox, bell, heard: 0, parks: 0 })
    }

    /// `Inbox::post` for a queue that is open.
    fn post(&self) {
        self.post_by(|| {
            self.queue.fetch_add(1, Ordering::Release);
            Ok(())
        })
        .unwrap();
    }

    /// `Inbox::post`, with its own way to send.
    fn post_by(&self, send: impl FnOnce() -> Result<(), ()>) -> Result<(), ()> {
        if self.parking.must_ring(send)?
            && let Some(bell) = &*self.bell.lock().unwrap()
        {
            self.rings.fetch_add(1, Ordering::Relaxed);
            bell.ring();
        }
        Ok(())
    }
}

/// The loop's side.
struct Loop {
    inbox: Arc<Inbox>,
    bell: Arc<Bell>,
    heard: usize,
    parks: usize,
}

impl Loop {
    /// `Core::receive`.
    fn receive(&mut self) {
        self.heard += self.inbox.queue.swap(0, Ordering::Acquire);
    }

    /// `Core::park`, without timers.
    fn park(&mut self) {
        self.parks += 1;
        // Relaxed: what makes the message visible here has to be the fences.
        if self.inbox.parking.announce(|| self.inbox.queue.load(Ordering::Relaxed)) == 0 {
            self.bell.wait();
        }
        self.inbox.parking.leave();
    }

    /// Turns until it has heard of `n` messages.
    fn run(&mut self, n: usize) {
        loop {
            self.receive();
            if self.heard == n {
                return;
            }
            self.park();
        }
    }
}

/// Checks `model` in every interleaving, or, where they are too many, in all with up to `preemptions` switches that
/// nobody asked for, as loom's authors advise.
fn check(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(model);
}

#[test]
fn a_message_is_heard_of_however_it_meets_the_park() {
    check(None, || {
        let (inbox, mut turns) = Inbox::new();
        let sender = thread::spawn(move || inbox.post());
        turns.run(1);
        sender.join().unwrap();
    });
}

#[test]
fn what_was_written_before_a_message_is_seen_after_it() {
    check(None, || {
        let (inbox, mut turns) = Inbox::new();
        let written = Arc::new(AtomicUsize::new(0));
        let sender = thread::spawn({
            let written = Arc::clone(&written);
            move || {
                written.store(7, Ordering::Relaxed);
                inbox.post();
            }
        });
        turns.run(1);
        assert_eq!(written.load(Ordering::Relaxed), 7);
        sender.join().unwrap();
    });
}

#[test]
fn a_message_that_comes_while_the_loop_leaves_its_park_is_heard_of_by_the_next() {
    check(Some(3), || {
        let (inbox, mut turns) = Inbox::new();
        let sender = thread::spawn(move || {
            inbox.post();
            inbox.post();
        });
        turns.run(2);
        sender.join().unwrap();
    });
}

#[test]
fn of_two_senders_both_are_heard_and_one_at_most_rings_for_each_park() {
    check(Some(2), || {
        let (inbox, mut turns) = Inbox::new();
        let senders = [(); 2].map(|()| {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || inbox.post())
        });
        turns.run(2);
        for sender in senders {
            sender.join().unwrap();
        }
        assert!(inbox.rings.load(Ordering::Relaxed) <= turns.parks);
    });
}

#[test]
fn nobody_rings_for_a_loop_that_does_not_park() {
    check(None, || {
        let (inbox, mut turns) = Inbox::new();
        // It was about to park, and is awake again.
        inbox.parking.announce(|| ());
        inbox.parking.leave();
        let sender = thread::spawn({
            let inbox = Arc::clone(&inbox);
            move || inbox.post()
        });
        while turns.heard == 0 {
            turns.receive();
            thread::yield_now();
        }
        sender.join().unwrap();
        assert_eq!(inbox.rings.load(Ordering::Relaxed), 0);
    });
}

/// The queue as a runtime leaves it: `None` once the loop's end of it was dropped.
type Closable = Arc<Mutex<Option<usize>>>;

#[test]
fn a_runtime_may_go_while_senders_ring_and_every_message_is_heard_or_comes_back() {
    check(Some(2), || {
        let (inbox, turns) = Inbox::new();
        let queue: Closable = Arc::new(Mutex::new(Some(0)));
        let senders = [(); 2].map(|()| {
            let (inbox, queue) = (Arc::clone(&inbox), Arc::clone(&queue));
            // Gives how many messages came back.
            thread::spawn(move || {
                let sent = inbox.post_by(|| queue.lock().unwrap().as_mut().map(|messages| *messages += 1).ok_or(()));
                usize::from(sent.is_err())
            })
        });
        // A park that ends at once, as one with a timeout does, and `Core::close`.
        inbox.parking.announce(|| ());
        inbox.parking.leave();
        *inbox.bell.lock().unwrap() = None;
        drop(turns);
        let dropped = queue.lock().unwrap().take().unwrap();
        let came_back: usize = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
        assert_eq!(dropped + came_back, 2);
    });
}

// A wake of a task that has one on its way.

/// A task for which threads leave something to see before they wake it.
struct Woken {
    pending: Pending,
    /// What the threads have written. Relaxed: what makes it visible to the poll has to be the way of the wake.
    written: [AtomicUsize; 2],
    /// How many messages were sent.
    messages: AtomicUsize,
}

/// The ticket of that task.
const TICKET: u64 = 7;

impl Woken {
    fn new() -> Arc<Woken> {
        let written = [AtomicUsize::new(0), AtomicUsize::new(0)];
        Arc::new(Woken { pending: Pending::new(), written, messages: AtomicUsize::new(0) })
    }

    /// `Inbox::post` of a wake, after something was written for the task.
    fn wake(&self, inbox: &Inbox, by: usize, what: usize) {
        self.written[by].store(what, Ordering::Relaxed);
        if self.pending.enter(TICKET) {
            self.messages.fetch_add(1, Ordering::Relaxed);
            inbox.post();
        }
    }

    /// Turns until the task has seen that the sum of what was written is `enough`. `OtherThreads::take` and a poll for
    /// each message.
    fn run(&self, mut turns: Loop, enough: usize) {
        loop {
            turns.receive();
            for _ in 0..std::mem::take(&mut turns.heard) {
                self.pending.leave(TICKET);
                let seen: usize = self.written.iter().map(|it| it.load(Ordering::Relaxed)).sum();
                if seen == enough {
                    return;
                }
            }
            turns.park();
        }
    }
}

#[test]
fn two_wakes_of_one_task_are_one_message_or_two_and_the_last_poll_sees_what_both_wrote() {
    check(Some(3), || {
        let (inbox, turns) = Inbox::new();
        let task = Woken::new();
        let senders = [0, 1].map(|by| {
            let (inbox, task) = (Arc::clone(&inbox), Arc::clone(&task));
            thread::spawn(move || task.wake(&inbox, by, 1))
        });
        task.run(turns, 2);
        for sender in senders {
            sender.join().unwrap();
        }
        assert!((1..=2).contains(&task.messages.load(Ordering::Relaxed)));
    });
}

#[test]
fn a_wake_that_finds_another_on_its_way_is_not_lost_however_it_meets_the_loop() {
    check(Some(3), || {
        let (inbox, turns) = Inbox::new();
        let task = Woken::new();
        let sender = thread::spawn({
            let task = Arc::clone(&task);
            move || (1..=3).for_each(|n| task.wake(&inbox, 0, n))
        });
        task.run(turns, 3);
        sender.join().unwrap();
    });
}

#[test]
fn wakes_that_the_loop_does_not_take_meanwhile_are_one_message() {
    check(None, || {
        let (inbox, turns) = Inbox::new();
        let task = Woken::new();
        let senders = [0, 1].map(|by| {
            let (inbox, task) = (Arc::clone(&inbox), Arc::clone(&task));
            thread::spawn(move || task.wake(&inbox, by, 1))
        });
        for sender in senders {
            sender.join().unwrap();
        }
        assert_eq!(task.messages.load(Ordering::Relaxed), 1);
        task.run(turns, 2);
    });
}

#[test]
fn another_task_in_the_same_slot_gets_a_message_of_its_own() {
    check(None, || {
        let pending = Arc::new(Pending::new());
        // A ticket of a task that has ended, and one of the task that has its slot now.
        let entered = [TICKET, TICKET | 1 << 26].map(|ticket| {
            let pending = Arc::clone(&pending);
            thread::spawn(move || pending.enter(ticket))
        });
        pending.leave(TICKET);
        for sender in entered {
            assert!(sender.join().unwrap());
        }
    });
}
