//! What stands side by side in the lessons of the book: a program on the loop as it is and with a fault, or two programs
//! that differ in one thing.

/// A comparison that stands in a lesson, both sides beside each other.
#[derive(Clone, Copy)]
pub(crate) struct WhatIf {
    /// The number of the lesson.
    pub(crate) lesson: u32,
    /// The question of the lesson that it answers, from 1.
    pub(crate) answers: Option<usize>,
    /// What `step` is told.
    pub(crate) words: &'static [&'static str],
    /// What it is called.
    pub(crate) title: &'static str,
}

/// In lesson 0 there is no loop that could have a fault.
pub(crate) const WHAT_IFS: [WhatIf; 17] = [
    WhatIf::of(1, &["sleep", "--what-if", "drop-wake:1"], "What if the first wake were lost?"),
    WhatIf::of(1, &["sleep", "--what-if", "wake-twice:1"], "What if the first wake came twice?"),
    WhatIf::of(1, &["fair", "--what-if", "clear-late"], "What if the flag came down after the poll?").answering(2),
    WhatIf::of(2, &["by_hand", "--what-if", "forget-waker:1"], "What if the first waker that is kept were forgotten?"),
    WhatIf::of(3, &["fair", "--what-if", "lifo"], "What if the queue were last in, first out?"),
    WhatIf::of(3, &["fair", "--what-if", "until-empty"], "What if a turn went on until nothing is ready?"),
    WhatIf::of(4, &["fair", "--what-if", "clear-late"], "What if \"queued\" were cleared after the poll?").answering(2),
    WhatIf::of(5, &["--beside", "no-ring"], "What if nobody rang?"),
    WhatIf::of(6, &["--beside", "long-poll"], "What if a poll took 40 ms?"),
    WhatIf::of(7, &["--beside", "short-reads"], "What if a read is shorter than what it asks for?"),
    WhatIf::of(8, &["--beside", "naive"], "What if a gather polled all its children?"),
    WhatIf::of(9, &["--beside", "abort-at-an-await"], "What if it were cancelled at its second await?"),
    WhatIf::of(10, &["--beside", "abort-at-once"], "What if the abort came before the first poll?"),
    WhatIf::of(11, &["--beside", "abort-while-granted"], "What if who is granted a permit were aborted?"),
    WhatIf::of(12, &["--beside", "no-ring-at-the-end"], "What if a job that has ended rang nobody?"),
    WhatIf::of(13, &["--beside", "short-writes"], "What if the system had no room for the answer?"),
    WhatIf::of(14, &["two", "--what-if", "drop-wake:2"], "What if the second wake were lost? The hang is one for gdb."),
];

impl WhatIf {
    const fn of(lesson: u32, words: &'static [&'static str], title: &'static str) -> WhatIf {
        WhatIf { lesson, answers: None, words, title }
    }

    const fn answering(self, question: usize) -> WhatIf {
        WhatIf { answers: Some(question), ..self }
    }
}
