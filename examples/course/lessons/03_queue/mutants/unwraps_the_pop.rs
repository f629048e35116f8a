//! refused: no panic
//!
//! Believes that each number has a task.

use super::ready::{Body, Tasks};
use super::wake::{Inbox, TaskWaker};
use crossbeam_channel::Receiver;
use std::task::{Context, Poll, Waker};
use std::{cell::RefCell, ops::ControlFlow, rc::Rc, rc::Weak, sync::Arc, thread};

thread_local! {
    /// The loop that runs on this thread. `Weak`: it does not keep the loop alive.
    pub static CURRENT: RefCell<Weak<Core>> = const { RefCell::new(Weak::new()) };
}

/// The loop that runs on this thread, if there is one.
pub fn current() -> Option<Rc<Core>> {
    CURRENT.with_borrow(Weak::upgrade)
}

/// The closure by which the loop polls main. `block_on` makes one for each turn; it writes main's output into a
/// variable of `block_on`.
pub type PollMain<'a> = dyn FnMut(&mut Context<'_>) -> Poll<()> + 'a;

/// The state of one loop. The tasks are in a `RefCell`, never borrowed while code of others runs (a poll, a drop):
/// it may spawn and wake.
pub struct Core {
    pub tasks: RefCell<Tasks>,
    /// The loop's end of the inbox.
    pub messages: Receiver<usize>,
    pub inbox: Arc<Inbox>,
}

impl Core {
    /// One turn: `block_on` calls it again and again. It breaks when main is done.
    pub fn turn(&self, main: &mut PollMain<'_>) -> ControlFlow<()> {
        say!(TurnBegin {});
        self.receive();
        while self.tasks.borrow().queue.is_empty() {
            say!(Park {});
            thread::park();
            say!(Unpark {});
            self.receive();
        }
        // Only so many as are ready now; whoever is woken from here on belongs to the next turn.
        let ready = self.tasks.borrow().queue.len();
        for _ in 0..ready {
            let popped = self.tasks.borrow_mut().pop();
            let (task, body) = popped.unwrap();
            // The `?` ends the turn when main is done.
            self.poll(task, body, main)?;
        }
        say!(TurnEnd {});
        ControlFlow::Continue(())
    }

    /// (3) Polls one task, and puts it back if it is pending.
    fn poll(&self, task: usize, mut body: Body, main: &mut PollMain<'_>) -> ControlFlow<()> {
        // A new waker for each poll: an allocation, which rung 5 does without.
        let waker = Waker::from(Arc::new(TaskWaker { task, inbox: Arc::clone(&self.inbox) }));
        // A `Context` only carries the waker of this poll to the future, which takes it out by `cx.waker()`.
        let cx = &mut Context::from_waker(&waker);
        say!(PollBegin { task: task });
        let polled = match &mut body {
            Body::Main => main(cx),
            // `poll` uses up the pin that it is given; `as_mut` lends one for this poll.
            Body::Task(future) => future.as_mut().poll(cx),
        };
        say!(PollEnd { task: task, ready: polled.is_ready() });
        if polled.is_pending() {
            self.tasks.borrow_mut().all[task] = Some(body);
            return ControlFlow::Continue(());
        }
        say!(TaskEnd { task: task });
        if let Body::Main = body { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Moves what has come to the inbox into the queue, in the order in which it came.
    fn receive(&self) {
        self.messages.try_iter().for_each(|task| self.tasks.borrow_mut().push(task));
    }
}
