//! What a job of a check gives, and what it panics with. As long as a result lives, its job knows that somebody keeps it.

use crate::jobs::Job;
use crate::run::broken;
use std::cell::Cell;
use std::panic::resume_unwind;
use std::sync::Arc;

/// What a job gives. It may be sent to another thread, and not be shared.
#[derive(Debug)]
pub struct Produced {
    value: Cell<u64>,
    _kept: Kept,
}

/// The job's: as long as this lives, somebody keeps the result.
#[derive(Debug)]
struct Kept(Arc<Job>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.has_lost_its_result();
    }
}

/// What the panic of a job carries.
pub(crate) struct Burst(pub(crate) u64);

impl Produced {
    /// What a job does: waits until it may end, and gives this value, or panics with it.
    pub fn of(job: &Arc<Job>, value: u64, panics: bool) -> Produced {
        job.work();
        if panics {
            // Without a word in the terminal.
            resume_unwind(Box::new(Burst(value)));
        }
        Produced { value: Cell::new(value), _kept: Kept(Arc::clone(job)) }
    }

    /// A poll has given it.
    ///
    /// # Panics
    /// If it is another value: that breaks a rule.
    pub fn is(&self, value: u64) {
        if self.value.get() != value {
            broken("the output is the job's", "The future gives another value than the job.", None);
        }
    }
}
