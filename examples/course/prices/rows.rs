//! The rows of the table of what rung 13 leaves out: what the real loop has, what rung 13 has, and what is measured.
//! `main.rs` measures them, and a test compares them with the README.

/// The rows, in the order of the table. An empty name: that of the row above.
pub const ROWS: [[&str; 3]; 16] = [
    ["task and result in one allocation", "Box and Rc", "allocations a spawn"],
    ["", "", "a spawn and its join"],
    ["a heap with dead entries", "an ordered map", "arm a timer among 100,000, and drop it"],
    ["", "", "a task that sleeps, among 100,000"],
    ["children in one slice", "Box and Arc a child, a list a batch", "allocations of a gather of 1,000 children"],
    ["", "", "a child of it that naps"],
    ["`limit`", "a semaphore, all children made at once", "most bytes at once, a child of 10,000, 10 at a time"],
    ["`on_progress`", "each child wrapped by hand", "a child that is counted"],
    ["a poll has a budget", "none", "permits taken in a row, before another task has its poll"],
    [
        "a turn has a budget, and looks inside it",
        "looks once a turn",
        "polls until a socket's message is heard of, 10,000 tasks ready",
    ],
    [
        "a line of waiters in each direction",
        "one waker: two readers need a semaphore",
        "a message to one of two readers",
    ],
    ["gives memory back", "keeps it", "bytes that are kept for each of 100,000 tasks that have ended"],
    ["a pool of threads, with a limit", "a thread a job", "a job that does nothing"],
    ["a short read clears \"ready\"", "tries again", "reads of the system for each message"],
    ["holds back the panic of a foreign waker", "does not", "a foreign waker panics: the loop"],
    ["numbers of loops are used again", "they are not", "loops that a process has made, one after the other"],
];
