//! The parts that the loop is made of, and that know nothing of a loop: a clock, lines of waiters, a lock, the handshake
//! of a park, one value between two threads, calls into foreign code. Each can be read alone.

pub(crate) mod clock;
pub(crate) mod line;
pub(crate) mod foreign;
pub(crate) mod lock;
pub(crate) mod park;
pub(crate) mod transfer;
