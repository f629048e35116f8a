//! The parts that the loop is made of, and that know nothing of a loop: a clock, the rule by which memory is given
//! back, lines of waiters, calls into foreign code, a lock, the handshake of a park, the wakes that are on their way,
//! the state that two ends of a channel share, one value on its way between two ends. Each can be read alone.

pub(crate) mod clock;
pub(crate) mod shrink;
pub(crate) mod line;
pub(crate) mod foreign;
pub(crate) mod lock;
pub(crate) mod park;
pub(crate) mod pending;
pub(crate) mod share;
pub(crate) mod transfer;
