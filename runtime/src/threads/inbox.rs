//! The remote queue: a channel into which any thread puts messages for the loop, and the bell that ends its park.
//!
//! ```text
//!   any thread:      Inbox::post ----> messages (crossbeam-channel) ----> OtherThreads::take      the loop's thread
//!                        +---- a wake of this task is on its way? then no other
//!                        +---- parked? ring the bell: mio::Waker ----> ends mio::Poll::poll
//! ```
//!
//! Read before: `remote.rs`, `park.rs`, `pending.rs`.

use crate::Reason;
use crate::circle::remote::{Job, Mailbox, Message, Threads};
use crate::circle::result::JoinError;
use crate::parts::foreign::quiet_drop;
use crate::parts::lock::Lock;
use crate::parts::park::Parking;
use crate::parts::pending::Pending;
use crate::threads::blocking::Pool;
use crossbeam_channel::{Receiver, Sender};
use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The part of a runtime that other threads may touch.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// Where messages go in, each with a stamp for the trace. Unbounded: a wake must never block.
    messages: Sender<(Message, Reason)>,
    /// The tasks for which a wake is on its way.
    pending: Pending,
    /// Whether a sender has to ring.
    parking: Parking,
    /// The bell: makes `mio::Poll::poll` return. Locked only to ring. Taken out when the runtime is dropped.
    pub(crate) bell: Lock<Option<mio::Waker>>,
    /// How many guards of [`Handle::outside`](crate::Handle::outside) live.
    outside: AtomicUsize,
}

impl Inbox {
    /// A number that no other inbox has at the same time.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// One guard more.
    pub(crate) fn add_outside(&self) {
        self.outside.fetch_add(1, Ordering::SeqCst);
    }

    /// One guard less. True if it was the last.
    pub(crate) fn remove_outside(&self) -> bool {
        self.outside.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// Hands a message to the loop, from any thread. When the loop is gone the message is dropped.
    pub(crate) fn post(&self, message: Message) {
        if let Message::Wake(ticket) = message
            && !self.pending.enter(ticket.0)
        {
            return;
        }
        explore!(message_sent());
        let stamp = trace!(below reason @sent(self, &message));
        match self.parking.must_ring(|| self.messages.send((message, stamp))) {
            Ok(true) => {
                let rung = self.bell.lock().as_ref().map_or(Ok(()), mio::Waker::wake);
                rung.expect("the loop's eventfd takes a write for as long as the loop lives");
            }
            Ok(false) => {}
            Err(refused) => {
                if let (Message::Wake(ticket), _) = refused.0 {
                    self.pending.leave(ticket.0);
                }
                quiet_drop(refused);
            }
        }
    }
}

impl Mailbox for Inbox {
    fn post(&self, message: Message) {
        self.post(message);
    }
}

/// What the loop's own thread holds of the other threads.
pub(crate) struct OtherThreads {
    /// What other threads share with the loop.
    inbox: Arc<Inbox>,
    /// Where messages come out. `None` once the runtime is dropped.
    messages: RefCell<Option<Receiver<(Message, Reason)>>>,
    /// The blocking pool.
    pool: Pool,
}

impl OtherThreads {
    /// For a loop whose park this bell ends.
    pub(crate) fn new(bell: mio::Waker, pool: impl FnOnce(Arc<Inbox>) -> Pool) -> OtherThreads {
        let (sender, receiver) = crossbeam_channel::unbounded();
        let inbox = Inbox {
            messages: sender,
            pending: Pending::new(),
            parking: Parking::new(),
            bell: Lock::new(Some(bell)),
            outside: AtomicUsize::new(0),
        };
        let inbox = Arc::new(inbox);
        let pool = pool(Arc::clone(&inbox));
        OtherThreads { inbox, messages: RefCell::new(Some(receiver)), pool }
    }

    /// The part that other threads may hold.
    pub(crate) fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }
}

impl Threads for OtherThreads {
    fn waiting(&self) -> usize {
        self.messages.borrow().as_ref().map_or(0, Receiver::len)
    }

    fn take(&self) -> Option<(Message, Reason)> {
        let messages = self.messages.borrow();
        // Most of the time the queue is empty, and `is_empty` is five times cheaper than `try_recv`.
        let messages = messages.as_ref().filter(|messages| !messages.is_empty())?;
        let (message, stamp) = messages.try_recv().ok()?;
        if let Message::Wake(ticket) = message {
            self.inbox.pending.leave(ticket.0);
        }
        Some((message, stamp))
    }

    fn announce_park(&self) -> bool {
        self.inbox.parking.announce(|| self.waiting() > 0)
    }

    fn end_park(&self) {
        self.inbox.parking.leave();
    }

    fn reserve_thread(&self) -> Result<(), JoinError> {
        self.pool.reserve_thread()
    }

    fn submit(&self, job: Job) {
        self.pool.submit(job);
    }

    fn close_pool(&self) {
        self.pool.close();
    }

    fn close_queue(&self) {
        *self.inbox.bell.lock() = None;
        // The channel refuses what is sent from here on, and drops what is in it. Each message catches its own panics.
        drop(self.messages.take());
        self.inbox.pending.clear();
    }

    fn is_somebody_outside(&self) -> bool {
        self.inbox.outside.load(Ordering::SeqCst) > 0
    }

    fn share(&self) -> Arc<dyn Any + Send + Sync> {
        self.inbox()
    }

    fn address(&self) -> usize {
        self.inbox.address()
    }
}
