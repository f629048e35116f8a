//! The blocking pool: threads for what would stop the loop, started on demand.
//!
//! ```text
//!   submit --> jobs (crossbeam-channel) --> a thread runs it --> Message::JobEnded to the loop's remote queue
//!                                                                  --> the result goes into the handle's cell
//! ```

use crate::At;
use crate::join::{JoinCell, JoinError, JoinHandle, Settle, Target};
use crate::lock::Lock;
use crate::remote::Remote;
use crate::run::Core;
use crate::wake::{Message, quiet_drop, wake_one};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use slab::Slab;
use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// What a thread runs. It holds back its own panics, and counts its thread as idle before the loop hears of its end.
type Job = Box<dyn FnOnce(&Lock<Crew>) + Send>;

/// What it sends back: the loop knows the type.
pub(crate) type JobResult = Result<Box<dyn Any + Send>, JoinError>;

/// Puts a result into the cell of its handle.
type Deliver = Box<dyn FnOnce(JobResult)>;

/// The loop's side of the pool.
pub(crate) struct Pool {
    /// Jobs for the threads, until the runtime is dropped: then the idle ones see the end of the channel.
    sender: RefCell<Option<Sender<Job>>>,
    /// Every thread has a clone; this one drops the jobs that never began.
    receiver: Receiver<Job>,
    /// Where the results go of jobs whose end the loop has not heard of. While there is one, virtual time stands still.
    pub(crate) under_way: RefCell<Slab<Deliver>>,
    /// What the threads know of each other.
    crew: Arc<Lock<Crew>>,
    /// The most threads at once.
    limit: usize,
    /// How long an idle thread waits for a job.
    keep_alive: Duration,
}

/// The threads in numbers.
struct Crew {
    /// All there are.
    threads: usize,
    /// Idle threads less jobs in line. A job that takes an idle thread counts it down before it is sent, so a thread
    /// that would end knows whether somebody counts on it.
    spare: isize,
}

impl Pool {
    pub(crate) fn new(limit: usize, keep_alive: Duration) -> Pool {
        let (sender, receiver) = crossbeam_channel::unbounded();
        Pool {
            sender: RefCell::new(Some(sender)),
            receiver,
            under_way: RefCell::new(Slab::new()),
            crew: Arc::new(Lock::new(Crew { threads: 0, spare: 0 })),
            limit,
            keep_alive,
        }
    }

    /// Whether a job is in line, runs, or has ended unheard.
    pub(crate) fn is_busy(&self) -> bool {
        !self.under_way.borrow().is_empty()
    }

    /// The loop has heard of a job's end: (6) the joiner is woken.
    pub(crate) fn job_ended(&self, key: usize, result: JobResult) {
        let deliver = self.under_way.borrow_mut().remove(key);
        deliver(result);
    }

    /// Sees to it that a thread will take the next job, and says where to put it.
    ///
    /// # Errors
    /// A cancellation when the runtime is being dropped; the system's when there is no thread and none can be started.
    fn make_room(&self) -> Result<Sender<Job>, JoinError> {
        let sender = self.sender.borrow().clone().ok_or_else(JoinError::cancelled)?;
        let mut crew = self.crew.lock();
        if crew.spare > 0 || crew.threads >= self.limit {
            crew.spare -= 1;
            return Ok(sender);
        }
        crew.threads += 1;
        drop(crew);
        let (receiver, shared, keep_alive) = (self.receiver.clone(), Arc::clone(&self.crew), self.keep_alive);
        let thread = thread::Builder::new().name("glassloop-blocking".into());
        let started = thread.spawn(move || work(&receiver, &shared, keep_alive));
        let Err(error) = started else { return Ok(sender) };
        let mut crew = self.crew.lock();
        crew.threads -= 1;
        if crew.threads == 0 {
            return Err(JoinError::no_thread(error));
        }
        // The others will get round to it.
        crew.spare -= 1;
        Ok(sender)
    }

    /// Ends the idle threads and drops the jobs that never began; one that runs is left alone.
    pub(crate) fn close(&self) {
        drop(self.sender.take());
        self.receiver.try_iter().for_each(quiet_drop);
        for (_, deliver) in self.under_way.take() {
            deliver(Err(JoinError::cancelled()));
        }
    }
}

/// Hands `f` to the pool.
pub(crate) fn submit<F, T>(core: &Core, f: F, _at: At) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (pool, remote, cell) = (&core.pool, Remote::new(), Rc::new(JoinCell::new()));
    let handle = JoinHandle::here(Rc::clone(&cell) as _, Target::Remote(Arc::clone(&remote)));
    let Ok(sender) = pool.make_room().map_err(|error| cell.settle(Err(error))) else { return handle };
    let deliver = move |result: JobResult| {
        cell.settle(result.map(|value| *value.downcast().expect("the cell was made with its job")));
        cell.take_joiner().into_iter().for_each(wake_one);
        quiet_drop(cell);
    };
    let key = pool.under_way.borrow_mut().insert(Box::new(deliver));
    trace!(JobSubmitted { job: key } at _at);
    let inbox = Arc::clone(&core.inbox);
    let job = move |crew: &Lock<Crew>| {
        trace!(@job_started(&inbox, key));
        let result = if remote.is_aborted() {
            quiet_drop(f);
            Err(JoinError::cancelled())
        } else {
            catch_unwind(AssertUnwindSafe(f)).map(|value| Box::new(value) as _).map_err(JoinError::panicked)
        };
        // First: whoever waits for this job may submit the next one at once, and that one needs no other thread.
        crew.lock().spare += 1;
        inbox.post(Message::JobEnded(key, result));
    };
    sender.send(Box::new(job)).expect("the pool keeps a receiver");
    handle
}

/// The life of a thread.
fn work(jobs: &Receiver<Job>, crew: &Lock<Crew>, keep_alive: Duration) {
    loop {
        match jobs.recv_timeout(keep_alive) {
            Ok(job) => job(crew),
            Err(RecvTimeoutError::Timeout) => {
                let mut crew = crew.lock();
                if crew.spare > 0 {
                    crew.spare -= 1;
                    crew.threads -= 1;
                    return;
                }
                // A job that counts on this thread is on its way.
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
