//! refused: wait asleep
//!
//! Does nothing, for ever.

pub fn block_on<F: Future>(_future: F) -> F::Output {
    #[expect(clippy::empty_loop, reason = "the mistake that this mutant makes")]
    loop {}
}
