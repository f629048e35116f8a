//! Dice: numbers that look random and come again for the same seed.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::RangeInclusive;

/// Seeds are below this: short enough to be typed again.
const SEEDS: u64 = 1_000_000_000;

/// Where a check gets its numbers from. The same seed gives the same numbers.
///
/// ```
/// use course::Dice;
///
/// let (mut one, mut other) = (Dice::new(7), Dice::new(7));
/// assert_eq!(one.roll(1..=6), other.roll(1..=6));
/// ```
#[derive(Debug, Clone)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Dice with this seed.
    pub fn new(seed: u64) -> Dice {
        Dice { state: seed }
    }

    /// A seed that nobody has used before.
    pub fn fresh_seed() -> u64 {
        // The standard library draws its hash keys from the system's random numbers.
        RandomState::new().hash_one(std::process::id()) % SEEDS
    }

    /// Dice of their own for program `number`: a program does not depend on what the ones before it have rolled.
    pub fn of(seed: u64, number: u64) -> Dice {
        let mut dice = Dice::new(seed);
        let start = dice.next();
        Dice::new(start ^ number.wrapping_mul(0xD134_2543_DE82_EF95))
    }

    /// The next number, of 64 bits.
    #[expect(clippy::should_implement_trait, reason = "dice never end, so an Option would only be in the way")]
    pub fn next(&mut self) -> u64 {
        // SplitMix64, by Steele, Lea and Flood: one addition and three multiplications or shifts.
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number of this range.
    pub fn roll(&mut self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.next() % (range.end() - range.start() + 1)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.roll(1..=n) == 1
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, these: &'a [T]) -> &'a T {
        &these[self.roll(0..=these.len() as u64 - 1) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn every_face_comes_up_and_no_other() {
        let mut dice = Dice::new(1);
        let mut seen = [0; 7];
        (0..600).for_each(|_| seen[dice.roll(1..=6) as usize] += 1);
        assert_eq!(seen[0], 0);
        assert!(seen[1..].iter().all(|&times| times > 50), "{seen:?}");
    }

    #[test]
    fn programs_have_dice_of_their_own() {
        assert_ne!(Dice::of(1, 1).next(), Dice::of(1, 2).next());
        assert_ne!(Dice::of(1, 1).next(), Dice::of(2, 1).next());
        assert_eq!(Dice::of(3, 4).next(), Dice::of(3, 4).next());
    }
}
