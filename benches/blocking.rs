//! The blocking pool: a job there and its result back, one at a time.

use crate::case::Case;
use crate::executor::{Blocking, Executor};
use crate::{LocalSet, Ours, Tokio, triangle};
use crossbeam_channel::unbounded;
use std::thread;

/// Jobs of one round.
const JOBS: u64 = 500;

pub(crate) fn cases() -> Vec<Case> {
    let case = Case::new("blocking", "spawn_blocking round trip", JOBS, "job").target(1.3).on_the_wall();
    vec![
        case.on(Ours::new, jobs::<Ours>)
            .on(Tokio::new, jobs::<Tokio>)
            .on(LocalSet::new, jobs::<LocalSet>)
            .limit("two channels alone", channels_alone),
    ]
}

async fn jobs<E: Blocking>() {
    let mut sum = 0;
    for n in 0..JOBS {
        sum += E::run_blocking(move || n).await;
    }
    assert_eq!(sum, triangle(JOBS));
}

fn channels_alone() {
    let (submit, jobs) = unbounded::<u64>();
    let (finish, results) = unbounded::<u64>();
    let pool = thread::spawn(move || jobs.iter().for_each(|n| finish.send(n).expect("it is received")));
    let mut sum = 0;
    for n in 0..JOBS {
        submit.send(n).expect("the thread lives");
        sum += results.recv().expect("the thread lives");
    }
    assert_eq!(sum, triangle(JOBS));
    drop(submit);
    pool.join().expect("the thread does not panic");
}
