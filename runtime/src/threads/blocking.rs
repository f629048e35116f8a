//! The blocking pool: threads for work that would stop the loop, started on demand.
//!
//! ```text
//!   spawn_blocking --> jobs (crossbeam-channel) --> a thread runs the job --> its result, a message for the loop
//!                                                                              --> the loop puts it into the handle's place
//! ```
//!
//! Read before: `inbox.rs`, `result.rs`.

use crate::At;
use crate::circle::core::Core;
use crate::circle::join::{JoinHandle, Target};
use crate::circle::remote::{Errand, Job, Message};
use crate::circle::result::{JoinCell, JoinError, Settle};
use crate::parts::clock::job_at;
use crate::parts::foreign::{Quiet, caught};
use crate::parts::lock::Lock;
use crate::threads::handle::Remote;
use crate::threads::inbox::Inbox;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// The pool, as the loop's thread holds it.
pub(crate) struct Pool {
    /// Jobs for the threads. `None` once the runtime is dropped: then the idle threads see the end of the channel.
    sender: RefCell<Option<Sender<Job>>>,
    /// Every thread has a clone. This one is used only to drop the jobs that never began.
    receiver: Receiver<Job>,
    /// Where the results go.
    inbox: Arc<Inbox>,
    /// The numbers of threads. The loop and the threads change them.
    crew: Arc<Lock<Crew>>,
    /// The most threads at once.
    limit: usize,
    /// How long an idle thread waits for a job.
    keep_alive: Duration,
}

/// How many threads there are, and how many of them are free.
struct Crew {
    /// All threads of the pool.
    threads: usize,
    /// The number of idle threads minus the number of waiting jobs. It goes down before a job is sent, so a thread that
    /// wants to end knows whether a job needs it.
    spare: isize,
}

impl Pool {
    pub(crate) fn new(limit: usize, keep_alive: Duration, inbox: Arc<Inbox>) -> Pool {
        let (sender, receiver) = crossbeam_channel::unbounded();
        let crew = Arc::new(Lock::new(Crew { threads: 0, spare: 0 }));
        Pool { sender: RefCell::new(Some(sender)), receiver, inbox, crew, limit, keep_alive }
    }

    /// Makes sure that a thread will take the next job. Starts one if that is needed.
    ///
    /// # Errors
    /// A cancellation when the runtime is being dropped; the system's error when there is no thread and none can be
    /// started.
    pub(crate) fn reserve_thread(&self) -> Result<(), JoinError> {
        if self.sender.borrow().is_none() {
            return Err(JoinError::cancelled());
        }
        let mut crew = self.crew.lock();
        if crew.spare > 0 || crew.threads >= self.limit {
            crew.spare -= 1;
            return Ok(());
        }
        crew.threads += 1;
        drop(crew);
        let (receiver, inbox, crew) = (self.receiver.clone(), Arc::clone(&self.inbox), Arc::clone(&self.crew));
        let keep_alive = self.keep_alive;
        let thread = thread::Builder::new().name("glassloop-blocking".into());
        let started = thread.spawn(move || work(&receiver, &inbox, &crew, keep_alive));
        let Err(error) = started else { return Ok(()) };
        let mut crew = self.crew.lock();
        crew.threads -= 1;
        if crew.threads == 0 {
            return Err(JoinError::no_thread(error));
        }
        // The other threads will take the job when they are free.
        crew.spare -= 1;
        Ok(())
    }

    /// Hands a job to the thread that was reserved for it.
    pub(crate) fn submit(&self, job: Job) {
        let sender = self.sender.borrow();
        let sender = sender.as_ref().expect("a thread was reserved");
        sender.send(job).expect("the pool keeps a receiver");
    }

    /// Ends the idle threads and drops the jobs that never began. A job that runs is not stopped.
    pub(crate) fn close(&self) {
        drop(self.sender.take());
        // Take all jobs before the first is dropped. A drop runs code of the program and may take long, and meanwhile
        // the threads would begin the other jobs. Each job catches a panic of its own drop.
        let left: Vec<Job> = self.receiver.try_iter().collect();
        drop(left);
    }
}

/// Hands `f` to the pool of this loop.
pub(crate) fn submit<F, T>(core: &Core, f: F, _at: At) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let address = core.threads.address();
    let (remote, cell) = (Remote::new(address), Rc::new(JoinCell::new()));
    let handle = JoinHandle::new(Rc::clone(&cell) as _, Target::Remote(Arc::clone(&remote) as _));
    if let Err(error) = core.threads.reserve_thread() {
        cell.settle(Err(error));
        return handle;
    }
    let key = core.owed.borrow_mut().insert(cell);
    trace!(JobSubmitted { job: key } at _at);
    trace!(@job_submitted(handle.id(), key));
    let f = Quiet::new(f);
    // A virtual clock stands still until the loop has taken the message of the job's end.
    let time = core.clock.standing.get().map(|_| core.clock.now());
    let job = move || {
        trace!(below @job_started(address, key));
        let result = if remote.is_aborted() {
            drop(f);
            Err(JoinError::cancelled())
        } else {
            job_at(time, || caught(f.into_inner())).map_err(JoinError::panicked)
        };
        let result = Quiet::new(result);
        Message::Run(Errand::JobEnd(key), Box::new(move |core| core.job_ended::<T>(key, result.into_inner())))
    };
    core.threads.submit(Box::new(job));
    handle
}

/// The life of a thread.
fn work(jobs: &Receiver<Job>, inbox: &Inbox, crew: &Lock<Crew>, keep_alive: Duration) {
    loop {
        match jobs.recv_timeout(keep_alive) {
            Ok(job) => {
                let end = job();
                // Before the post: the task that awaits this job may submit the next one at once, and this thread is
                // free for it.
                crew.lock().spare += 1;
                inbox.post(end);
            }
            Err(RecvTimeoutError::Timeout) => {
                let mut crew = crew.lock();
                if crew.spare > 0 {
                    crew.spare -= 1;
                    crew.threads -= 1;
                    return;
                }
                // A job that needs this thread is on its way.
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
