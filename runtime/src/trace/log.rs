//! The events that a recorder has kept: in chunks, and shared, so that another thread can write them down while the
//! loop is stuck in a poll.

use super::Event;
use super::kind::Kind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Events kept in one piece of memory: a long trace is never copied to make room.
const CHUNK: usize = 4096;

/// The events, for whoever has a share of them.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Events>>);

/// What stands behind the lock.
#[derive(Default)]
pub(super) struct Events {
    /// In chunks, in their order.
    chunks: Vec<Vec<Event>>,
    /// What the loop does now, and since when.
    pub(super) doing: Doing,
}

/// What the loop does, as far as a watchdog asks.
#[derive(Clone, Copy, Default)]
pub(super) enum Doing {
    /// Something that takes no time.
    #[default]
    Busy,
    /// The poll that this event began.
    Poll(u64, Instant),
    /// It sleeps, from this event on, and nothing that it knows of can wake it.
    Stuck(u64, Instant),
}

impl Log {
    pub(super) fn lock(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events {
    /// How many there are: the number of the next one.
    pub(super) fn len(&self) -> u64 {
        self.chunks.len().checked_sub(1).map_or(0, |full| (full * CHUNK + self.chunks[full].len()) as u64)
    }

    /// Adds the next one.
    pub(super) fn push(&mut self, event: Event) {
        self.doing = match event.kind {
            Kind::PollBegin { .. } => Doing::Poll(event.seq, Instant::now()),
            Kind::PollEnd { .. } | Kind::TurnBegin {} | Kind::TurnEnd {} | Kind::Unpark {} => Doing::Busy,
            _ => self.doing,
        };
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            // A short trace needs no whole chunk.
            self.chunks.push(Vec::with_capacity(if event.seq == 0 { 0 } else { CHUNK }));
        }
        self.chunks.last_mut().expect("there is one now").push(event);
    }

    /// One of them.
    pub(super) fn get(&self, seq: u64) -> Option<&Event> {
        self.chunks.get(seq as usize / CHUNK)?.get(seq as usize % CHUNK)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Event> + Clone {
        self.chunks.iter().flatten()
    }
}
