//! refused: the loop ends with main
//!
//! A constant: main is always over, and nobody is polled.

use super::ready::{Body, Tasks};
use super::wake::{Inbox, TaskWaker};
use crossbeam_channel::Receiver;
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

thread_local! {
    /// The loop that runs on this thread. `Weak`: it does
    /// not keep the loop alive.
    pub static CURRENT: RefCell<Weak<Core>> =
        const { RefCell::new(Weak::new()) };
}

/// The loop that runs on this thread, if there is one.
pub fn current() -> Option<Rc<Core>> {
    CURRENT.with_borrow(Weak::upgrade)
}

/// Polls main. You only hand it on.
#[rustfmt::skip]
pub type PollMain<'a> =
    dyn FnMut(&mut Context<'_>) -> Poll<()> + 'a;

/// The state of one loop.
pub struct Core {
    /// All tasks (`all`, by number), and the numbers of
    /// those that are ready (`queue`). A task may spawn
    /// others in its poll: nobody may borrow this then.
    pub tasks: RefCell<Tasks>,
    /// The loop's end of the inbox.
    pub messages: Receiver<usize>,
    pub inbox: Arc<Inbox>,
}

impl Core {
    /// One turn. `block_on` calls it again and again, until
    /// it says Break: main is ready.
    pub fn turn(
        &self,
        // Polls main, if its turn has come.
        main: &mut PollMain<'_>,
    ) -> ControlFlow<()> {
        let _ = main;
        ControlFlow::Break(())
    }

    /// Given: polls one task, and puts it back if it is
    /// pending. Break: it was main, and main is ready.
    fn poll(
        &self,
        task: usize,
        // The future, which was taken out of its place.
        mut body: Body,
        main: &mut PollMain<'_>,
    ) -> ControlFlow<()> {
        let inbox = Arc::clone(&self.inbox);
        let waker = Arc::new(TaskWaker { task, inbox });
        let waker = Waker::from(waker);
        let cx = &mut Context::from_waker(&waker);
        let polled = match &mut body {
            Body::Main => main(cx),
            Body::Task(future) => future.as_mut().poll(cx),
        };
        if polled.is_pending() {
            let mut tasks = self.tasks.borrow_mut();
            tasks.all[task] = Some(body);
            return ControlFlow::Continue(());
        }
        match body {
            Body::Main => ControlFlow::Break(()),
            Body::Task(_) => ControlFlow::Continue(()),
        }
    }

    /// Given: moves what has come to the inbox to the end
    /// of the queue.
    fn receive(&self) {
        for task in self.messages.try_iter() {
            self.tasks.borrow_mut().push(task);
        }
    }
}
