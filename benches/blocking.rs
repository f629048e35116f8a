//! The blocking pool: a job there and its result back, one at a time.

use crate::affinity::Core;
use crate::case::{Case, Clock, Role};
use crate::executor::{Blocking, Executor};
use crate::{LocalSet, OneWorker, Ours, Tokio, triangle};
use crossbeam_channel::unbounded;
use std::thread;

/// Jobs of one round.
const JOBS: u64 = 1_000;

pub(crate) fn cases() -> Vec<Case> {
    let case = |name| Case::new("blocking", name, JOBS, "job");
    vec![
        on_core(Core::Loops, case("spawn_blocking round trip, on one core")).target_to_tokio(1.3),
        on_core(Core::Other, case("spawn_blocking round trip, on another core")).note(
            "Every thread of a pool is kept on the other core, also those that start later. To wake that core takes nearly \
             all of the time, for everybody. What a runtime adds is in the row above.",
        ),
        on_core(Core::Any, case("spawn_blocking round trip, where the system likes")).spread().note(
            "The system chooses the cores of a pool's threads, anew for each pair of runtimes: a lottery. It has no one \
             figure; what is shown is the least and the most of all pairs.",
        ),
    ]
}

fn on_core(core: Core, case: Case) -> Case {
    case.by(Clock::between(core))
        .on(Ours::new, move || jobs::<Ours>(core))
        .on(Tokio::new, move || jobs::<Tokio>(core))
        .on(LocalSet::new, move || jobs::<LocalSet>(core))
        .on(OneWorker::new, move || jobs::<OneWorker>(core))
        .named("tokio without I/O", Role::Shown, Tokio::without_io, move || jobs::<Tokio>(core))
        .limit("two channels alone", move || channels_alone(core))
}

/// A pool may start a thread at any time: each job keeps the thread that it finds itself on where it belongs.
async fn jobs<E: Blocking>(core: Core) {
    let mut sum = 0;
    for n in 0..JOBS {
        let job = move || {
            core.stay_from_now_on();
            n
        };
        sum += E::run_blocking(job).await;
    }
    assert_eq!(sum, triangle(JOBS));
}

fn channels_alone(core: Core) {
    let (submit, jobs) = unbounded::<u64>();
    let (finish, results) = unbounded::<u64>();
    let pool = thread::spawn(move || {
        core.stay();
        jobs.iter().for_each(|n| finish.send(n).expect("it is received"));
    });
    let mut sum = 0;
    for n in 0..JOBS {
        submit.send(n).expect("the thread lives");
        sum += results.recv().expect("the thread lives");
    }
    assert_eq!(sum, triangle(JOBS));
    drop(submit);
    pool.join().expect("the thread does not panic");
}
