//! What tasks use to wait for each other: [`Semaphore`], [`oneshot`] and [`mpsc`].
//!
//! The semaphore belongs to one thread, as the loop does, and has no lock. The channels may have their ends on different
//! threads, so that other threads can talk to the loop; a short lock guards each.

mod semaphore;
pub mod oneshot;
pub mod mpsc;
mod errors;

pub use semaphore::{Acquire, Permit, Semaphore};
