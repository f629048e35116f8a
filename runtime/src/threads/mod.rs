//! What other threads may touch: the remote queue with its bell, the blocking pool, and [`Handle`](crate::Handle). It
//! implements what the circle asks for in `circle/remote.rs`.

pub(crate) mod inbox;
pub(crate) mod blocking;
pub(crate) mod handle;
