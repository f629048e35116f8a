//! The load test's run: one loop, or many that share nothing, each with its part of the requests.

use crate::client::{Ask, Target};
use crate::failure::Failure;
use crate::live::watch;
use crate::stop::{signal, until};
use crate::tally::{Counts, Recent, Tally};
use crate::timeline::Timeline;
use crate::url::Url;
use futures_rustls::TlsConnector;
use gather::gather;
use runtime::sync::mpsc::{self, UnboundedSender};
use runtime::sync::oneshot;
use runtime::time::{interval, sleep_until, timeout};
use runtime::{block_on, spawn};
use std::cell::Cell;
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// How often a loop tells what has landed.
const TELL: Duration = Duration::from_millis(100);

/// What is to be done, by all loops together.
#[derive(Clone)]
pub struct Job {
    /// What to ask for, in turn.
    pub urls: Vec<Url>,
    /// How to ask.
    pub ask: Ask,
    /// Who shakes hands.
    pub tls: TlsConnector,
    /// How many requests to send; no end without it.
    pub requests: Option<u64>,
    /// How long to send requests.
    pub duration: Option<Duration>,
    /// How long to send requests before any is counted.
    pub warm_up: Option<Duration>,
    /// How many may be in flight at once.
    pub concurrency: u64,
    /// How many should leave in a second.
    pub rate: Option<f64>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How many loops.
    pub loops: u64,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("urls", &self.urls).field("ask", &self.ask).finish_non_exhaustive()
    }
}

/// A loop on a thread of its own, with its part of the work.
struct Other {
    /// Dropped, it ends the part.
    stop: Option<oneshot::Sender<()>>,
    /// Says what was counted.
    counted: oneshot::Receiver<Result<Counts, String>>,
}

/// Sends the requests, to their end or to Ctrl-C: then the second value is the status that it asks for. The first loop
/// is the one that runs, with `targets`; every other one finds its own. All that is counted is in the `timeline`, too.
///
/// # Errors
///
/// When signals cannot be handled, or a loop cannot be started or finds no server.
///
/// # Panics
///
/// Outside a runtime.
pub async fn fire(job: &Job, targets: Vec<Target>, timeline: Option<Timeline>) -> Result<(Counts, Option<u8>), String> {
    let interrupt = signal().map_err(|error| format!("Ctrl-C cannot be handled: {error}"))?;
    let (tell, told) = mpsc::unbounded();
    let others = (1..job.loops).map(|number| Other::start(job, number, tell.clone()));
    let mut others = others.collect::<Result<Vec<_>, _>>()?;
    let watching = spawn(watch(told, job.requests, job.duration, job.warm_up, timeline));

    let (tally, busy) = (Tally::new(targets.len()), Busy::begin());
    let own = part(job, &targets, 0, &tally, &tell);
    let mut counted = Vec::new();
    let share = Cell::new(0.0);
    let work = async {
        own.await;
        share.set(busy.part());
        for other in &mut others {
            counted.push((&mut other.counted).await);
        }
    };
    let finished = until(work, interrupt).await;
    let _ = tell.send(tally.recent());
    drop(tell);

    let mut counts = tally.counts();
    counts.resent = resent(&targets);
    counts.busy = if share.get() > 0.0 { share.get() } else { busy.part() };
    let places: Vec<usize> = (0..targets.len()).collect();
    // Those that were still at work when the signal came.
    let known = counted.len();
    others.iter_mut().skip(known).for_each(|other| other.stop = None);
    for other in others.iter_mut().skip(known) {
        counted.push((&mut other.counted).await);
    }
    // All have told all, and the watcher ends.
    let _ = watching.await;
    for other in counted {
        counts.add(&other.map_err(|_| "a loop's thread panicked")??, &places);
    }
    Ok((counts, finished.err()))
}

impl Other {
    /// Starts a loop on a thread.
    fn start(job: &Job, number: u64, tell: UnboundedSender<Recent>) -> Result<Self, String> {
        let ((stop, stopped), (done, counted), job) = (oneshot::channel(), oneshot::channel(), job.clone());
        let run = move || {
            let counts = block_on(async {
                let targets = Target::find(job.urls.clone(), &job.ask, &job.tls).await?;
                let (tally, busy) = (Tally::new(targets.len()), Busy::begin());
                let _ = until(part(&job, &targets, number, &tally, &tell), stopped).await;
                let _ = tell.send(tally.recent());
                Ok(Counts { resent: resent(&targets), busy: busy.part(), ..tally.counts() })
            });
            let _ = done.send(counts);
        };
        let thread = thread::Builder::new().name(format!("loop {number}")).spawn(run);
        thread.map_err(|error| format!("--loops: no thread for another loop: {error}"))?;
        Ok(Self { stop: Some(stop), counted })
    }
}

/// A loop's part: of requests 0, 1, 2 and so on, every one whose number is `number` more than a multiple of the loops.
async fn part(job: &Job, targets: &[Target], number: u64, tally: &Tally, tell: &UnboundedSender<Recent>) {
    let telling = async {
        let mut ticks = interval(TELL);
        loop {
            ticks.tick().await;
            let _ = tell.send(tally.recent());
        }
    };
    let requests = async {
        if let Some(time) = job.warm_up {
            volley(job, targets, number, tally, None, Some(time)).await;
            tally.restart();
            targets.iter().for_each(Target::forget_resent);
        }
        volley(job, targets, number, tally, job.requests, job.duration).await;
    };
    let _: Result<(), ()> = until(requests, telling).await;
}

/// Sends requests until so many were sent or the time is over, and waits for their answers.
async fn volley(job: &Job, targets: &[Target], number: u64, tally: &Tally, most: Option<u64>, time: Option<Duration>) {
    let start = Instant::now();
    let end = time.map(|time| start + time);
    let due = |number: u64| job.rate.map(|rate| start + Duration::from_secs_f64(number as f64 / rate));
    // The places are shared out, one more to the first loops where that does not come out even.
    let places = job.concurrency / job.loops + u64::from(number < job.concurrency % job.loops);
    let numbers = (number..most.unwrap_or(u64::MAX)).step_by(job.loops as usize);
    let in_time = |number: &u64| end.is_none_or(|end| due(*number).unwrap_or_else(Instant::now) < end);
    let requests = numbers.take_while(in_time).map(|number| {
        let due = due(number);
        async move {
            let came = Instant::now();
            if let Some(due) = due {
                sleep_until(due).await;
            }
            let target = number as usize % targets.len();
            let flight = tally.depart(due, came);
            let outcome = timeout(job.timeout, targets[target].answer()).await;
            flight.land(target, due, outcome.unwrap_or(Err(Failure::TimedOut)));
        }
    });
    gather(requests).limit(usize::try_from(places).unwrap_or(usize::MAX)).await;
}

/// How many requests were sent once more. Targets at the same server count together.
fn resent(targets: &[Target]) -> u64 {
    let is_first = |at: usize| !targets[..at].iter().any(|other| other.is_beside(&targets[at]));
    (0..targets.len()).filter(|at| is_first(*at)).map(|at| targets[at].resent()).sum()
}

/// How much of its time a thread had work for a core.
struct Busy {
    began: Instant,
    /// What the thread had used when it began, in seconds. `None` where the system does not tell.
    used: Option<f64>,
}

impl Busy {
    fn begin() -> Self {
        Self { began: Instant::now(), used: Self::used() }
    }

    /// As a part of the time since it began. 0 where the system does not tell.
    fn part(&self) -> f64 {
        let used = Self::used().zip(self.used).map_or(0.0, |(now, before)| now - before);
        used / self.began.elapsed().as_secs_f64().max(1e-9)
    }

    /// How long this thread ran, or waited for a core to run on, as Linux counts it.
    fn used() -> Option<f64> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        let nanoseconds: u64 = text.split_whitespace().take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
        Some(nanoseconds as f64 / 1e9)
    }
}
