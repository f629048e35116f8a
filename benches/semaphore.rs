//! The semaphore: free, and with ten tasks in line for every permit.

use crate::case::Case;
use crate::executor::{Executor, Semaphores};
use crate::{Bare, LocalSet, Ours, Smol, Tokio};
use std::cell::Cell;
use std::collections::VecDeque;
use std::hint::black_box;
use std::rc::Rc;

/// Permits taken and given back in one round when nobody waits.
const FREE: u64 = 100_000;
/// How many of them between two yields: tokio makes a task pause after 128.
const IN_A_ROW: u64 = 100;

/// Tasks that want a permit.
const TASKS: u64 = 100;
/// Permits for them.
const PERMITS: usize = 10;
/// How often each task takes one.
const TURNS: u64 = 200;

pub(crate) fn cases() -> Vec<Case> {
    let free_case = Case::new("semaphore", "semaphore, free", FREE, "permit").target_to_tokio(2.0);
    let contended_case = Case::new("semaphore", "semaphore, contended: 100 tasks, 10 permits", TASKS * TURNS, "permit")
        .target_to_tokio(2.0);
    vec![
        free_case
            .on(Ours::new, free::<Ours>)
            .on(Tokio::new, free::<Tokio>)
            .on(LocalSet::new, free::<LocalSet>)
            .on(Smol::new, free::<Smol>)
            .on(Bare::new, free::<Bare>),
        contended_case
            .on(Ours::new, contended::<Ours>)
            .on(Tokio::new, contended::<Tokio>)
            .on(LocalSet::new, contended::<LocalSet>)
            .on(Smol::new, contended::<Smol>)
            .limit("a queue alone", queue_alone),
    ]
}

async fn free<E: Semaphores>() {
    let semaphore = E::semaphore(1);
    let mut taken = 0;
    while taken < FREE {
        for _ in 0..IN_A_ROW {
            let permit = E::acquire(&semaphore).await;
            taken += 1;
            drop(black_box(permit));
        }
        E::yield_now().await;
    }
    assert_eq!(taken, FREE);
}

/// Each task keeps its permit over a yield. Never more than there are permits may hold one.
async fn contended<E: Semaphores>() {
    let semaphore = Rc::new(E::semaphore(PERMITS));
    let held = Rc::new(Cell::new(0));
    let spawn_one = |_| {
        let (semaphore, held) = (Rc::clone(&semaphore), Rc::clone(&held));
        E::spawn(async move {
            let mut most = 0;
            for _ in 0..TURNS {
                let permit = E::acquire(&semaphore).await;
                held.set(held.get() + 1);
                most = most.max(held.get());
                E::yield_now().await;
                held.set(held.get() - 1);
                drop(permit);
            }
            most
        })
    };
    let tasks: Vec<_> = (0..TASKS).map(spawn_one).collect();
    let mut most = 0;
    for task in tasks {
        most = most.max(E::join(task).await);
    }
    assert_eq!(most, PERMITS);
}

/// The line of who waits, without tasks: out at the front, in at the back.
fn queue_alone() {
    let mut line: VecDeque<u64> = (0..TASKS).collect();
    let mut turns = 0;
    while let Some(task) = line.pop_front() {
        turns += 1;
        if turns + TASKS <= TASKS * TURNS {
            line.push_back(black_box(task));
        }
    }
    assert_eq!(turns, TASKS * TURNS);
}
