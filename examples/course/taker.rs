//! What a test of mailboxes is made of: tasks that take, polled by hand, in the order that the test wants.

use crate::mailbox::{Mailbox, Take};
use crate::run::{Run, broken};
use crate::spy::{Moment, Spy, once_at};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll};

thread_local! {
    /// The number of the next task. Each program has a thread of its own, and so begins with 1.
    static NEXT: Cell<u32> = const { Cell::new(1) };
    /// Polls of all tasks.
    static POLLS: Cell<u32> = const { Cell::new(0) };
}

/// The most polls of one test. A test that polls until it is answered would never end.
const MOST: u32 = 1_000;

/// A task that takes one value from a mailbox. The test polls it, and looks whether its waker was used.
///
/// A clone is the same task.
///
/// ```
/// use course::{Kind, Taker, watch};
/// use std::task::Poll;
///
/// watch(|| {
///     let mailbox = Kind::LooksLast.make();
///     let anna = Taker::new(&mailbox);
///     assert_eq!(anna.poll(), Poll::Pending);
///     mailbox.put(7);
///     assert!(anna.is_woken());
///     assert_eq!(anna.poll(), Poll::Ready(7));
/// });
/// ```
#[derive(Clone)]
pub struct Taker {
    task: Rc<Task>,
    take: Rc<RefCell<Stage>>,
}

/// What has become of a take.
enum Stage {
    Waits(Take),
    AtPoll,
    Over,
    Dropped,
}

/// Who polls.
struct Task {
    number: u32,
    spy: Spy,
    polls: Cell<u64>,
    /// Wakes when the last poll began.
    wakes: Cell<u64>,
    got: Cell<Option<u32>>,
}

impl Taker {
    /// A new task, with a take that is not polled yet.
    ///
    /// # Panics
    /// Outside of [`watch`](crate::watch()).
    pub fn new(mailbox: &Rc<dyn Mailbox>) -> Taker {
        Taker::of(Rc::new(RefCell::new(Stage::Waits(mailbox.take()))))
    }

    fn of(take: Rc<RefCell<Stage>>) -> Taker {
        let number = NEXT.replace(NEXT.get() + 1);
        let (polls, wakes, got) = (Cell::new(0), Cell::new(0), Cell::new(None));
        Taker { task: Rc::new(Task { number, spy: Spy::new(number), polls, wakes, got }), take }
    }

    /// Polls the take once, with this task's waker.
    ///
    /// # Panics
    /// When the take is over, dropped, or at poll: no loop would poll it then. And after 1,000 polls.
    pub fn poll(&self) -> Poll<u32> {
        let Task { number, spy, polls, wakes, got } = &*self.task;
        polls.set(polls.get() + 1);
        Run::current().tell("PollBegin", *number, format!("poll {} of task {number}", polls.get()));
        POLLS.set(POLLS.get() + 1);
        if POLLS.get() > MOST {
            let says =
                "Your test polls on and on. A loop polls a task that is woken, and no other. Poll once, and look.";
            broken("a test comes back", says, None);
        }
        let stage = self.take.replace(Stage::AtPoll);
        let mut take = match stage {
            Stage::Waits(take) => take,
            Stage::Over => {
                let says = "This take is over: a poll was Ready. No loop polls it again, and so no test may. For the next \
                            value make a new Taker.";
                broken("no poll after Ready", says, None)
            }
            Stage::Dropped => {
                let says = "This take is dropped. No loop can poll it any more, and so no test may.";
                broken("no poll after the drop", says, None)
            }
            Stage::AtPoll => {
                let says =
                    "This take is in the middle of a poll. No loop polls it a second time then, and so no test may.";
                broken("no poll inside a poll", says, None)
            }
        };
        wakes.set(spy.wakes());
        let waker = spy.waker();
        let answer = take.as_mut().poll(&mut Context::from_waker(&waker));
        Run::current().tell_answer(*number, &answer);
        match answer {
            Poll::Ready(value) => {
                got.set(Some(value));
                self.take.replace(Stage::Over);
            }
            // It may have been dropped in its own poll.
            Poll::Pending if matches!(*self.take.borrow(), Stage::AtPoll) => {
                self.take.replace(Stage::Waits(take));
            }
            Poll::Pending => {}
        }
        answer
    }

    /// Whether this task's waker was used since its last poll began.
    pub fn is_woken(&self) -> bool {
        self.task.spy.wakes() > self.task.wakes.get()
    }

    /// What a poll was ready with.
    pub fn got(&self) -> Option<u32> {
        self.task.got.get()
    }

    /// Gives the take to a new task, which polls it from now on, by its own waker.
    #[must_use]
    pub fn hand_over(&self) -> Taker {
        let other = Taker::of(Rc::clone(&self.take));
        Run::current().tell("Move", other.task.number, format!("task {} to {}", self.task.number, other.task.number));
        other
    }

    /// Drops the take, as a timeout does.
    pub fn drop_take(&self) {
        Run::current().tell("Drop", self.task.number, format!("the take of task {}", self.task.number));
        let dropped = self.take.replace(Stage::Dropped);
        drop(dropped);
    }
}

impl std::fmt::Debug for Taker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Taker").field("task", &self.task.number).finish_non_exhaustive()
    }
}

/// The next time that a mailbox copies a task's waker, `act` is done, in the middle of that poll.
pub fn at_next_copy(act: impl FnOnce() + 'static) {
    once_at(Moment::Clone, act);
}

/// The next time that a task's waker is used, `act` is done, before `wake` comes back.
pub fn at_next_wake(act: impl FnOnce() + 'static) {
    once_at(Moment::Wake, act);
}
