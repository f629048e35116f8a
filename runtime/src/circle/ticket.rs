//! Tickets: the number that a waker carries, and the numbers that tell tasks apart.
//!
//! ```text
//!   | runtime | generation | slot |     14 + 24 + 26 = 64 bits
//! ```
//!
//! A ticket is a number, not an address. To clone it is to copy it, to drop it is nothing. A ticket whose task has
//! ended is *stale*: its slot is free, or has another generation, so it finds nobody.
//!
//! Read before: nothing.
//! Grew from rung 4 (tickets) of the ladder in `examples/course`.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

/// 16,384 runtimes alive at once; each holds two descriptors, so a process runs out of those first.
pub(crate) const RUNTIME_BITS: u32 = 14;
/// Tells a task from the 16,777,215 tasks that were spawned before it. When a generation comes round again in a slot, a
/// stale ticket may wake the wrong task: one spurious poll, which every future must allow.
pub(crate) const GENERATION_BITS: u32 = 24;
/// 67,108,864 tasks alive at once in one runtime.
const SLOT_BITS: u32 = 26;

/// The most tasks that can be alive at once in one runtime. The last slot is nobody's: see [`Ticket::NONE`].
pub(crate) const MAX_TASKS: usize = (1 << SLOT_BITS) - 1;

/// Which task of which runtime to wake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket(pub(crate) u64);

impl Ticket {
    /// The ticket of no task: no task gets the last slot.
    pub(crate) const NONE: Ticket = Ticket(u64::MAX);

    /// `serial` is the task's serial number; its low bits are the generation.
    #[inline]
    pub(crate) fn new(runtime: u16, slot: usize, serial: u64) -> Ticket {
        let generation = serial & ((1 << GENERATION_BITS) - 1);
        Ticket((u64::from(runtime) << (GENERATION_BITS + SLOT_BITS)) | (generation << SLOT_BITS) | slot as u64)
    }

    /// The number of the runtime.
    #[inline]
    pub(crate) fn runtime(self) -> u16 {
        (self.0 >> (GENERATION_BITS + SLOT_BITS)) as u16
    }

    /// The low bits of the task's serial number.
    pub(crate) fn generation(self) -> u64 {
        self.0 >> SLOT_BITS & ((1 << GENERATION_BITS) - 1)
    }

    /// The slot in which the task lives.
    #[inline]
    pub(crate) fn slot(self) -> usize {
        (self.0 & ((1 << SLOT_BITS) - 1)) as usize
    }
}

/// Tells tasks apart: unique in the process, whatever the runtime, and never given twice.
///
/// The counterpart of tokio's `task::Id`; from [`JoinHandle::id`](crate::JoinHandle::id), whose page has an example.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Id(NonZeroU64);

impl Id {
    /// The runtime's number is in the high bits, the task's serial number in the low 48.
    pub(crate) fn new(runtime: u16, serial: u64) -> Id {
        Id(NonZeroU64::MIN.saturating_add(u64::from(runtime) << 48 | serial))
    }

    /// For a job, and for what another thread spawns: no runtime has this number.
    pub(crate) fn remote() -> Id {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Id::new(u16::MAX, NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (runtime, serial) = ((self.0.get() - 1) >> 48, (self.0.get() - 1) & ((1 << 48) - 1));
        write!(f, "{runtime}.{serial}")
    }
}
