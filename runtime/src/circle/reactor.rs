//! The reactor (4): what is known of every socket, who waits at it, and the one place where the loop parks.
//!
//! Readiness is edge-triggered: the system tells once that a socket has become ready, and the reactor remembers.
//!
//! ```text
//!                event from mio
//!   not ready ------------------> ready          one per direction
//!       ^                           |
//!       +---------------------------+
//!         WouldBlock, or a short read or write (the kernel's buffer is empty or full),
//!         unless the end or an error was signalled: that stays, for every reader to see
//! ```
//!
//! Read before: `line.rs`.
//! Grew from rung 7 (the reactor) of the ladder in `examples/course`.

use crate::parts::line::{Line, WaiterKey, Waiters};
use crate::parts::shrink::Slots;
use crate::{At, Reason};
use mio::event::Source;
use mio::{Events, Interest, Poll, Token};
use std::io;
use std::task::Waker;
use std::time::Duration;

/// Events taken from the system in one call; more come with the next. tokio takes 1,024 as well.
const EVENTS: usize = 1024;

/// The token of the bell that other threads ring.
const BELL: Token = Token(usize::MAX);

/// Which way the bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    Read = 0,
    Write = 1,
}

/// Everything that is registered with the system for one runtime.
pub(crate) struct Reactor {
    /// epoll, or what mio takes in its place; `None` once the runtime was dropped.
    pub(crate) poll: Option<Poll>,
    /// The buffer that the system fills with events.
    events: Events,
    /// What is registered, by the low half of its token.
    pub(crate) sources: Slots<Registered>,
    /// Everybody who waits, in lines by source and direction.
    pub(crate) waiters: Waiters,
    /// How many were ever registered: the high half of a token, so that a late event of a closed socket does not reach
    /// the next one in its place.
    registered: u32,
}

/// One source.
pub(crate) struct Registered {
    generation: u32,
    /// By [`Direction`].
    pub(crate) sides: [Side; 2],
}

/// What is known of one direction.
pub(crate) struct Side {
    /// An attempt may succeed.
    pub(crate) ready: bool,
    /// The end, or an error, was signalled.
    pub(crate) ended: bool,
    /// The tasks that wait.
    pub(crate) line: Line,
    /// The waiter of the poll functions: the latest task that asked with one. A task in an async method has a waiter of
    /// its own.
    polled: Option<WaiterKey>,
}

/// A task in an async method: its own waiter, and where in the program it waits. One with a poll function has neither.
pub(crate) type Own<'a> = Option<(&'a mut Option<WaiterKey>, At)>;

/// Which source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SourceKey(u32);

impl Reactor {
    /// The reactor, and the bell with which other threads end its park.
    pub(crate) fn new() -> io::Result<(Reactor, mio::Waker)> {
        let poll = Poll::new()?;
        let bell = mio::Waker::new(poll.registry(), BELL)?;
        Ok((Reactor::on(poll), bell))
    }

    /// A reactor on what the system has given.
    pub(crate) fn on(poll: Poll) -> Reactor {
        Reactor {
            poll: Some(poll),
            events: Events::with_capacity(EVENTS),
            sources: Slots::new(),
            waiters: Waiters::new(),
            registered: 0,
        }
    }

    /// Whether no source is registered. Only the bell could then end a park without a timeout.
    pub(crate) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Puts a source under watch. `ready` says whether a first attempt is worth a system call.
    pub(crate) fn register(&mut self, source: &mut impl Source, ready: bool) -> io::Result<SourceKey> {
        let poll = self.poll.as_ref().ok_or_else(gone)?;
        let side = || Side { ready, ended: false, line: Line::new(), polled: None };
        let entry = self.sources.vacant_entry();
        let (slot, generation) = (entry.key(), self.registered & (u32::MAX >> 1));
        let token = Token((generation as usize) << 32 | slot);
        poll.registry().register(source, token, Interest::READABLE | Interest::WRITABLE)?;
        entry.insert(Registered { generation, sides: [side(), side()] });
        trace!(IoRegistered { source: slot as u32, ready: ready });
        self.registered = self.registered.wrapping_add(1);
        Ok(SourceKey(slot as u32))
    }

    /// Ends the watch of a source. The wakers are for the caller to drop, outside every borrow. A task that waits in an
    /// async method borrows the socket, so only the waiters of the poll functions can be left in the lines.
    pub(crate) fn deregister(&mut self, source: &mut impl Source, key: SourceKey) -> [Option<Waker>; 2] {
        let sides = self.sources.remove(key.0 as usize).sides;
        trace!(IoDeregistered { source: key.0 });
        if let Some(poll) = &self.poll {
            // The system may have forgotten the descriptor already, when somebody closed it behind the loop's back.
            // There is nothing left to undo then.
            let _ = poll.registry().deregister(source);
        }
        sides.map(|mut side| side.polled.map(|waiter| self.waiters.leave(&mut side.line, waiter)))
    }

    fn side(&mut self, key: SourceKey, direction: Direction) -> &mut Side {
        &mut self.sources[key.0 as usize].sides[direction as usize]
    }

    /// Whether an attempt may succeed.
    pub(crate) fn is_ready(&mut self, key: SourceKey, direction: Direction) -> io::Result<bool> {
        let ready = self.side(key, direction).ready;
        if self.poll.is_none() && !ready { Err(gone()) } else { Ok(ready) }
    }

    /// The system said WouldBlock: the direction is not ready until the next event.
    pub(crate) fn would_block(&mut self, key: SourceKey, direction: Direction) {
        let side = self.side(key, direction);
        side.ended = false;
        side.ready = false;
        trace!(IoWouldBlock { source: key.0, direction: direction });
    }

    /// The system took or gave less than was asked for: unless the end was signalled, the next attempt would block.
    pub(crate) fn was_short(&mut self, key: SourceKey, direction: Direction) {
        let side = self.side(key, direction);
        side.ready = side.ended;
        trace!(IoShort { source: key.0, direction: direction });
    }

    /// A task waits, with its own waiter or with that of the poll functions. The waker that this replaces is for the
    /// caller to drop, outside every borrow.
    pub(crate) fn wait(&mut self, key: SourceKey, direction: Direction, own: Own<'_>, waker: Waker) -> Option<Waker> {
        let Side { line, polled, .. } = &mut self.sources[key.0 as usize].sides[direction as usize];
        trace!(below IoWaits { source: key.0, direction: direction } at own.as_ref().map(|own| own.1));
        self.waiters.wait(line, own.map_or(polled, |(waiter, _)| waiter), waker)
    }

    /// The waiting task has seen its event, or was dropped.
    pub(crate) fn leave(&mut self, key: SourceKey, direction: Direction, waiter: WaiterKey) -> Waker {
        let side = &mut self.sources[key.0 as usize].sides[direction as usize];
        trace!(below IoLeft { source: key.0, direction: direction, ahead: (&self.waiters, waiter) });
        self.waiters.leave(&mut side.line, waiter)
    }

    /// (4) Takes events from the system, and collects the wakers of their waiters. Waits up to `timeout` for the first
    /// event or a ring: `None` is without limit, zero is not at all. Returns the number of events.
    pub(crate) fn take_events(&mut self, timeout: Option<Duration>, woken: &mut Vec<(Waker, Reason)>) -> usize {
        let Some(poll) = &mut self.poll else { return 0 };
        match poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            // A signal ended the park: the loop goes on, as after a ring.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return 0,
            Err(error) => {
                panic!("the loop cannot wait for events any more (was its epoll descriptor closed?): {error}")
            }
        }
        let mut count = 0;
        for event in &self.events {
            if event.token() == BELL {
                continue;
            }
            let (slot, generation) = (event.token().0 as u32, (event.token().0 >> 32) as u32);
            let Some(source) = self.sources.get_mut(slot as usize).filter(|it| it.generation == generation) else {
                continue;
            };
            count += 1;
            let ends = [event.is_read_closed(), event.is_write_closed()].map(|closed| closed || event.is_error());
            let ready = [event.is_readable() || ends[0], event.is_writable() || ends[1]];
            for way in [Direction::Read, Direction::Write].into_iter().filter(|way| ready[*way as usize]) {
                let side = &mut source.sides[way as usize];
                side.ready = true;
                side.ended |= ends[way as usize];
                let reason = trace!(reason IoReady {
                    source: slot,
                    direction: way,
                    ended: side.ended,
                    wakes: (&self.waiters, &side.line)
                });
                self.waiters.call_all(&mut side.line, reason, woken);
            }
        }
        count
    }

    /// Closes epoll: the runtime is being dropped. From here on a wait at a socket gives an error.
    pub(crate) fn close(&mut self) {
        self.poll = None;
    }

    /// Calls every waiter that is left at the sockets that outlive their runtime.
    pub(crate) fn clear(&mut self, woken: &mut Vec<(Waker, Reason)>) {
        for side in self.sources.iter_mut().flat_map(|(_, source)| &mut source.sides) {
            self.waiters.call_all(&mut side.line, Reason::unknown(), woken);
        }
    }
}

/// The error of a socket whose runtime was dropped.
fn gone() -> io::Error {
    io::Error::other(
        "the runtime that this socket belongs to was dropped: keep the Runtime alive while its sockets are used",
    )
}
