//! What tasks use to wait for each other: [`Semaphore`], [`oneshot`] and [`mpsc`].
//!
//! The semaphore belongs to one thread, as the loop does, and has no lock. The ends of a channel may be on different
//! threads, so that other threads can talk to the loop. Each channel has a lock, which is held for a short time only.
//! [`mpsc::local`] and [`oneshot::local`] make ends that stay on one thread, without a lock.

mod semaphore;
pub mod oneshot;
pub mod mpsc;
mod send;
mod errors;

pub use crate::parts::share::{Anywhere, Local, Reach};
pub use semaphore::{Acquire, AcquireOwned, OwnedPermit, Permit, Semaphore};
