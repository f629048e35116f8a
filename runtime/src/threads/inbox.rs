//! The remote queue: a channel into which any thread puts messages for the loop, and the bell that ends its park.
//!
//! ```text
//!   any thread:      Inbox::post ----> messages (crossbeam-channel) ----> OtherThreads::take      the loop's thread
//!                        +---- parked? ring the bell: mio::Waker ----> ends mio::Poll::poll
//! ```

use crate::Reason;
use crate::circle::remote::{Job, Mailbox, Message, Threads};
use crate::circle::result::JoinError;
use crate::parts::foreign::quiet_drop;
use crate::parts::lock::Lock;
use crate::parts::park::Parking;
use crate::threads::blocking::Pool;
use crossbeam_channel::{Receiver, Sender};
use std::cell::RefCell;
use std::sync::Arc;

/// The part of a runtime that other threads may touch.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// Where messages go in, each with a stamp for the trace. Unbounded: a wake must never block.
    messages: Sender<(Message, Reason)>,
    /// Whether somebody has to ring.
    parking: Parking,
    /// The bell: makes `mio::Poll::poll` return. Locked only to ring; gone with the runtime, whoever keeps its handle.
    bell: Lock<Option<mio::Waker>>,
}

impl Inbox {
    /// Hands a message to the loop, from any thread. When the loop is gone the message is dropped.
    pub(crate) fn post(&self, message: Message) {
        let stamp = trace!(reason @sent(self, &message));
        match self.parking.must_ring(|| self.messages.send((message, stamp))) {
            Ok(true) => {
                let rung = self.bell.lock().as_ref().map_or(Ok(()), mio::Waker::wake);
                rung.expect("the loop's eventfd takes a write for as long as the loop lives");
            }
            Ok(false) => {}
            Err(refused) => quiet_drop(refused),
        }
    }
}

impl Mailbox for Inbox {
    fn post(&self, message: Message) {
        self.post(message);
    }
}

/// The other threads, as the loop's own thread holds them.
pub(crate) struct OtherThreads {
    /// What other threads share with the loop.
    inbox: Arc<Inbox>,
    /// Where messages come out, until the runtime is dropped.
    messages: RefCell<Option<Receiver<(Message, Reason)>>>,
    /// The blocking pool.
    pool: Pool,
}

impl OtherThreads {
    /// The other threads of a loop that parks at this bell.
    pub(crate) fn new(bell: mio::Waker, pool: impl FnOnce(Arc<Inbox>) -> Pool) -> OtherThreads {
        let (sender, receiver) = crossbeam_channel::unbounded();
        let inbox = Inbox { messages: sender, parking: Parking::new(), bell: Lock::new(Some(bell)) };
        let inbox = Arc::new(inbox);
        let pool = pool(Arc::clone(&inbox));
        OtherThreads { inbox, messages: RefCell::new(Some(receiver)), pool }
    }

    /// What may travel to another thread.
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
        // Asked first: it is five times cheaper than to try, and there is nothing most of the time.
        let messages = messages.as_ref().filter(|messages| !messages.is_empty())?;
        messages.try_recv().ok()
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
        let messages = self.messages.take();
        messages.iter().flat_map(Receiver::try_iter).for_each(quiet_drop);
        quiet_drop(messages);
    }

    #[cfg(feature = "trace")]
    fn address(&self) -> usize {
        Arc::as_ptr(&self.inbox).addr()
    }
}
