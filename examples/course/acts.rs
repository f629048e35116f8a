//! What happens in a program of tasks and joiners: written down, or drawn by dice.

use crate::dice::Dice;
use crate::work::JOINERS;

/// One step of a program. Tasks are numbered from 1; a joiner is a task of which only the waker is there.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// A new task.
    Spawn,
    /// This joiner polls the handle of this task.
    Join(usize, u32),
    /// The task is woken; in its poll it returns a value.
    Return(usize),
    /// The task is woken; in its poll it panics.
    Panic(usize),
    /// The task is woken, for nothing: it says Pending.
    Wake(usize),
    /// Its handle aborts it.
    Abort(usize),
    /// Its handle is dropped.
    Drop(usize),
    /// The loop has a turn.
    Turn,
}

/// So many tasks at most.
const TASKS: u64 = 9;

impl Act {
    /// Any program.
    pub fn roll(dice: &mut Dice, size: f64) -> Vec<Act> {
        let mut tasks = 1;
        let mut acts = vec![Act::Spawn];
        for _ in 0..dice.roll(1..=(size * 25.0).ceil() as u64) {
            let task = dice.roll(1..=tasks) as usize;
            let act = match dice.roll(1..=20) {
                1..=2 if tasks < TASKS => {
                    tasks += 1;
                    Act::Spawn
                }
                3..=7 => Act::Join(task, dice.roll(u64::from(*JOINERS.start())..=u64::from(*JOINERS.end())) as u32),
                8..=10 => Act::Return(task),
                11 => Act::Panic(task),
                12 => Act::Wake(task),
                13..=14 => Act::Abort(task),
                15 => Act::Drop(task),
                _ => Act::Turn,
            };
            acts.push(act);
        }
        acts
    }
}
