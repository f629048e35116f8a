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
    /// A peer that polls all its children at each wake of theirs. It has a column of its own: with few children this is
    /// the least work, with many it is not possible.
    Blind,
    /// Shown beside the peers, but not counted: it does other work, or stands on another executor.
    Shown,
    /// Ours, a second time: its ratio is the noise of the machine.
    Null,
    /// The least code that does the work at all.
    Limit,
}

/// Whom a target names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// tokio, at its best.
    Tokio,
    /// The best peer, tokio among them.
    Peer,
    /// The peer that polls blindly.
    Blind,
    /// The limit.
    Limit,
    /// Nobody: ours costs at most so much.
    Itself,
}

/// What is asked of a case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Whom ours is compared with.
    pub against: Against,
    /// The least ratio, the other's cost over ours; with [`Against::Itself`] the greatest cost.
    pub value: f64,
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
    /// The same, shown as how many operations a second of it is enough for.
    Rate,
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
    pub targets: Vec<Target>,
    /// What a reader has to know about the row; it stands below the table.
    pub note: &'static str,
    /// How often its peer that polls blindly polls children after their first polls, for each wake of a child.
    pub polls_a_wake: Option<f64>,
    /// Chance decides: each pair has contestants of its own, and what is shown is the least and the most.
    pub spread: bool,
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
            targets: Vec::new(),
            note: "",
            polls_a_wake: None,
            spread: false,
            why: "",
            slow: false,
            entries: Vec::new(),
        }
    }

    /// Ours shall be so many times as cheap as tokio, at its best.
    pub fn target_to_tokio(self, ratio: f64) -> Case {
        self.asked(Against::Tokio, ratio)
    }

    /// Ours shall be so many times as cheap as the best peer.
    pub fn target(self, ratio: f64) -> Case {
        self.asked(Against::Peer, ratio)
    }

    /// Ours shall come so close to the peer that polls blindly.
    pub fn target_to_blind(self, ratio: f64) -> Case {
        self.asked(Against::Blind, ratio)
    }

    /// Ours shall come so close to the limit.
    pub fn target_to_limit(self, ratio: f64) -> Case {
        self.asked(Against::Limit, ratio)
    }

    /// Ours shall cost at most so much, in the case's unit.
    pub fn target_at_most(self, cost: f64) -> Case {
        self.asked(Against::Itself, cost)
    }

    fn asked(mut self, against: Against, value: f64) -> Case {
        self.targets.push(Target { against, value });
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

    /// Stands under the table in RESULTS.md, whatever comes out.
    pub fn note(mut self, note: &'static str) -> Case {
        self.note = note;
        self
    }

    /// Shows the spread, not one figure.
    pub fn spread(mut self) -> Case {
        self.spread = true;
        self
    }

    /// Leaves the case out of `--quick`.
    pub fn slow(mut self) -> Case {
        self.slow = true;
        self
    }

    /// Adds a contestant: `body` on the executor that `make` makes. The body checks its own result.
    pub fn on<E: Executor, F: Future<Output = ()> + 'static>(
        self,
        make: fn() -> E,
        body: impl Fn() -> F + Clone + 'static,
    ) -> Case {
        self.named(E::NAME, E::ROLE, make, body)
    }

    /// Adds a contestant under another name and on another side than its executor's.
    pub fn named<E: Executor, F: Future<Output = ()> + 'static>(
        self,
        name: &'static str,
        role: Role,
        make: fn() -> E,
        body: impl Fn() -> F + Clone + 'static,
    ) -> Case {
        let clock = self.clock;
        self.entry(name, role, move || {
            let (executor, body) = (make(), body.clone());
            Box::new(move || executor.run(clock, body.clone()))
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
