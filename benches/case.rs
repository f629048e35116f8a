//! A case: one question of the scoreboard, with a contestant's answer in each [`Entry`].

use crate::affinity::Core;
use crate::executor::Executor;
use rustix::time::{ClockId, clock_gettime};
use std::fmt;
use std::time::Duration;

/// Which side an entry is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// glassloop.
    Ours,
    /// tokio, in one of its ways to spawn.
    Tokio,
    /// Another peer.
    Peer,
    /// Shown beside the peers, but not counted: it does other work, or stands on another executor.
    Shown,
    /// The least code that does the work at all.
    Limit,
}

/// What is asked of a case. Ratios are the other's cost over ours: above one, ours is cheaper.
#[derive(Debug, Clone, Copy, Default)]
pub struct Target {
    /// The least ratio to tokio, at its best.
    pub to_tokio: Option<f64>,
    /// The least ratio to the best peer, tokio among them.
    pub to_peer: Option<f64>,
    /// The least ratio to the limit.
    pub to_limit: Option<f64>,
}

/// Which clock counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The thread's own processor time: where one thread does everything, what other programs on the machine do does
    /// not count.
    Thread,
    /// The processor time of all threads, where they take turns on one core.
    Process,
    /// The clock on the wall, where threads on different cores wait for each other.
    Wall,
}

impl Clock {
    /// For the loop's thread and one on this core.
    pub fn between(core: Core) -> Clock {
        if core == Core::Loops { Clock::Process } else { Clock::Wall }
    }

    /// The time by this clock.
    pub fn now(self) -> Duration {
        let id = match self {
            Clock::Thread => ClockId::ThreadCPUTime,
            Clock::Process => ClockId::ProcessCPUTime,
            Clock::Wall => ClockId::Monotonic,
        };
        let time = clock_gettime(id);
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
    }

    /// The nanoseconds that `work` takes.
    pub fn time(self, work: impl FnOnce()) -> f64 {
        let start = self.now();
        work();
        (self.now() - start).as_nanos() as f64
    }
}

/// What the numbers of a case are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Time, in nanoseconds.
    Time,
    /// Memory, in bytes.
    Memory,
}

/// One round of an entry: its cost in the case's unit, for all operations of the round together.
pub type Round = Box<dyn FnMut() -> f64>;

/// A contestant's answer to a case.
pub struct Entry {
    /// Its column.
    pub name: &'static str,
    /// Its side.
    pub role: Role,
    /// Makes the runtime, outside of what is measured, and gives the round.
    pub make: Box<dyn Fn() -> Round>,
}

/// One question.
pub struct Case {
    /// The file that it comes from.
    pub subject: &'static str,
    /// What is done.
    pub name: String,
    /// What is counted as one, and how many of them a round does.
    pub each: &'static str,
    /// How many of them a round does.
    pub times: u64,
    /// What the numbers are.
    pub unit: Unit,
    /// Which clock counts.
    pub clock: Clock,
    /// What is asked of it.
    pub target: Target,
    /// Why the ratio is what it is, where that needs saying: a target missed, a peer that wins.
    pub why: &'static str,
    /// Left out of `--quick`.
    pub slow: bool,
    /// The contestants.
    pub entries: Vec<Entry>,
}

impl Case {
    /// A case without contestants. `each` names one of the `times` operations that a round does.
    pub fn new(subject: &'static str, name: impl Into<String>, times: u64, each: &'static str) -> Case {
        Case {
            subject,
            name: name.into(),
            each,
            times,
            unit: Unit::Time,
            clock: Clock::Thread,
            target: Target::default(),
            why: "",
            slow: false,
            entries: Vec::new(),
        }
    }

    /// Ours shall be so many times as cheap as tokio, at its best.
    pub fn target_to_tokio(mut self, ratio: f64) -> Case {
        self.target.to_tokio = Some(ratio);
        self
    }

    /// Ours shall be so many times as cheap as the best peer.
    pub fn target(mut self, ratio: f64) -> Case {
        self.target.to_peer = Some(ratio);
        self
    }

    /// And come so close to the limit.
    pub fn target_to_limit(mut self, ratio: f64) -> Case {
        self.target.to_limit = Some(ratio);
        self
    }

    /// Another clock than the thread's counts. To be said before the contestants.
    pub fn by(mut self, clock: Clock) -> Case {
        self.clock = clock;
        self
    }

    /// Stands under the table in RESULTS.md.
    pub fn why(mut self, why: &'static str) -> Case {
        self.why = why;
        self
    }

    /// Leaves the case out of `--quick`.
    pub fn slow(mut self) -> Case {
        self.slow = true;
        self
    }

    /// Adds a contestant: `body` on the executor that `make` makes. The body checks its own result.
    pub fn on<E: Executor, F: Future<Output = ()>>(
        self,
        make: fn() -> E,
        body: impl Fn() -> F + Clone + 'static,
    ) -> Case {
        self.named(E::NAME, E::ROLE, make, body)
    }

    /// Adds a contestant under another name and on another side than its executor's.
    pub fn named<E: Executor, F: Future<Output = ()>>(
        self,
        name: &'static str,
        role: Role,
        make: fn() -> E,
        body: impl Fn() -> F + Clone + 'static,
    ) -> Case {
        let clock = self.clock;
        self.entry(name, role, move || {
            let (executor, body) = (make(), body.clone());
            Box::new(move || clock.time(|| executor.block_on(body())))
        })
    }

    /// Adds a limit: plain code, no executor.
    pub fn limit(self, name: &'static str, body: impl Fn() + Clone + 'static) -> Case {
        let clock = self.clock;
        self.entry(name, Role::Limit, move || {
            let body = body.clone();
            Box::new(move || clock.time(&body))
        })
    }

    /// Adds a contestant that measures itself.
    pub fn entry(mut self, name: &'static str, role: Role, make: impl Fn() -> Round + 'static) -> Case {
        self.entries.push(Entry { name, role, make: Box::new(make) });
        self
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("subject", &self.subject).field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}
