//! The explorer: every schedule of a small program on the real loop, until one fails; and faults on purpose.
//!
//! [`explore()`] runs a program again and again under the virtual clock, each time with other choices: which ready task is
//! polled next, which of two timers with one deadline fires first, what [`choose`] gives. The program may use whatever
//! runs under the virtual clock: tasks, gathers, channels, semaphores, timeouts, aborts, plain `Rc` and `Cell`.
//!
//! ```
//! use runtime::explore::explorer;
//! use runtime::task::{Builder, yield_now};
//! use std::{cell::Cell, rc::Rc};
//!
//! let explored = explorer().run(|| async {
//!     let count = Rc::new(Cell::new(0));
//!     let add = |later: usize, count: Rc<Cell<u32>>| async move {
//!         for _ in 0..later {
//!             yield_now().await;
//!         }
//!         let before = count.get();
//!         yield_now().await; // Another task may be polled here.
//!         count.set(before + 1);
//!     };
//!     let early = Builder::new().name("early").spawn(add(0, Rc::clone(&count)));
//!     let late = Builder::new().name("late").spawn(add(2, Rc::clone(&count)));
//!     early.await.unwrap();
//!     late.await.unwrap();
//!     assert!(count.get() == 2, "an update was lost");
//! });
//! let failure = explored.failure.expect("a schedule fails");
//! assert_eq!((failure.run, failure.schedule.to_string().as_str()), (4, "3:1"));
//! assert!(failure.message.contains("an update was lost"), "{failure}");
//! ```
//!
//! # In a test of your own
//!
//! The feature is for tests, so it stands where the crates for tests stand; other builds of your crate do not have it:
//!
//! ```toml
//! [dev-dependencies]
//! runtime = { path = "../glassloop/runtime", features = ["explore"] }
//! ```
//!
//! Then a test is a call of [`explore()`] with the program. It panics with a message such as this one, of the program above:
//!
//! ```text
//! an update was lost (count.rs:21). It holds in the loop's own order and fails in schedule 4, with 1 overtaking:
//!   step 3: "late" (count.rs:18) is polled before "early" (count.rs:17), ready since `yield_now` at count.rs:14, and goes on until it ends.
//!   Again: "3:1".     Step through it: target/explore/count.html
//! ```
//!
//! The first line says what failed and where. Each line with "step" is one at which the schedule leaves the loop's own order:
//! who is polled, and who would have been. Steps count from 0; each poll is one, and each other choice. Look at what both
//! tasks share: what did the one do with it before that step, and what does the other do after it? When the program hangs,
//! there is a line for each task: what it waits for, and who holds that. [`Explorer::replay`] runs the schedule of the last
//! line again with the same options, under a debugger or with more `assert!`s. The page shows every event, and opens at the
//! first of these steps.
//!
//! Tasks have the names that [`task::Builder`](crate::task::Builder) gives them, and the lines where they were spawned. A
//! program for the explorer is small: two or three tasks, and of each what the question needs. Put an `assert!` where
//! something must hold. A program that must not hang needs none: a hang is a failure. Await the handles of the tasks, for
//! when main ends, what is left is dropped.
//!
//! An await lets others in only if it has to wait. A `send` to a channel with room, an `acquire` of a free permit, a `recv`
//! of a value that is there: each goes on at once, and nobody is polled in between, on this loop and on any other with one
//! thread. So where a wait in the real program may be long, let the small one wait: with [`yield_now`](crate::task::yield_now),
//! with a `sleep`, or with a channel that has no room.
//!
//! With other bounds than those of [`explore()`], the failure is a value, and the page is asked for:
//!
//! ```
//! use runtime::explore::explorer;
//! # use runtime::{task::yield_now, time::timeout};
//! # use std::time::Duration;
//! # let program = || async { _ = timeout(Duration::from_secs(1), yield_now()).await };
//! let explored = explorer().time_passes().run(&program);
//! if let Some(failure) = explored.failure {
//!     failure.page("target/late.html", &program).unwrap();
//!     panic!("{failure}");
//! }
//! ```
//!
//! # The order of the schedules
//!
//! The loop is first in, first out. To take another task than the head of its queue is an *overtaking*: it costs one, and
//! the overtaker goes on for nothing until it waits. Every other choice that is not the loop's own costs one as well: a
//! timer that fires first or early, a `choose` that is not 0, a wake for nothing. They all count as overtakings, because
//! each lets something come before what this loop would do; most are tasks that overtake others. Schedules come in the
//! order of what they cost. So the first run is the loop's own order, the first failure has the fewest overtakings, and
//! nothing needs to be made smaller afterwards. [`Explorer::overtakings`] is the bound of the sum; three, unless told.
//!
//! A bound of the switches between tasks, which other explorers have, would bound nothing here: tasks wait all the time,
//! and each wait is a switch.
//!
//! An abort "at any point" needs no option: a task whose body is `handle.abort()` runs at every point. So do wakes from
//! outside, if they are written as tasks.
//!
//! # What it proves, and what not
//!
//! "Held in all 238 schedules" means: this program, with this input, in every order in which an executor may poll its
//! tasks. "Held in 39,692 schedules with at most 3 overtakings" says nothing of the others. It says nothing either of:
//!
//! - what happens between two awaits that wait: a task is not interrupted there, as on this loop. On a runtime with many
//!   threads two tasks do run at once;
//! - weak memory, atomics and threads: that is loom's;
//! - sockets, files, names, blocking jobs, other threads: they are refused, by name. [`io::duplex`](crate::io::duplex) may
//!   stand for a socket, and a task for whoever is on the other side. The system's clock cannot be refused, for the
//!   standard library gives it to everybody: a program that does other things because of it is told that it does not do
//!   the same twice. [`time::now`](crate::time::now) is the virtual clock, and is the same in every run;
//! - a longer program. The number of schedules explodes: three tasks with 1, 2, 3 yields have 238, 4,875, 106,106; four
//!   with 1 and 2 have 10,180 and 1,704,885. One more yield in each of three tasks is twenty times as much.
//!
//! There is no reduction (sleep sets, DPOR, hashes of states). They need to know what a task touches, and a plain `Cell`
//! does not tell: they would miss the bug of the example above.
//!
//! | | what runs | what is chosen | how much | for what |
//! | --- | --- | --- | --- | --- |
//! | this | tasks on the project's own loop, unchanged, with plain `Rc` and `Cell` | ready tasks, ties of timers, early alarms, wakes for nothing, `choose` | all within a bound, the fewest overtakings first | async code on one thread, and the loop itself |
//! | loom | threads, with loom's own atomics, locks and cells; no tasks | threads, and what a load may see under C11 | all, or up to so many preemptions; with DPOR | lock-free code, memory orders |
//! | shuttle | threads and futures, with shuttle's own primitives | threads and tasks at each operation of a primitive | at random, PCT, or depth first | big programs with threads, where exhaustive search is hopeless |
//! | asupersync's lab | tasks on asupersync's own API | tasks by a seed, where a task is cancelled, faults | as many seeds as are given; also a search in the style of DPOR | programs written for asupersync |
//! | tokio's paused clock | tasks on tokio | nothing: one order | one run | tests with timers |
//!
//! # How fast
//!
//! `cargo run --release -p benches --features explore --bin schedules` searches two tasks and a semaphore, in turn with
//! shuttle's depth-first search of the same program. On two processors with nothing else to do, in the median of nine rounds,
//! the explorer ran 286,000 schedules a second, 1.97 times as many as shuttle. It has 8 schedules of that program and shuttle
//! has 336: shuttle switches at each operation of a primitive, and here a task goes on until it awaits. Three tasks of three
//! yields each take 0.74 s, all 106,106 schedules.
//!
//! # Whether it finds anything
//!
//! The project explores itself: `tests/explored.rs` and `tests/protocols.rs`. `tests/mutants.py` puts one fault after the
//! other into a copy of the runtime and of gather (a granted permit that a dropped `Acquire` keeps, a tally that counts
//! twice, 25 in all), and names the explored programs that fail. All 25 are killed.
//! `cargo test -p tests --test explored --test protocols` runs the programs in less than ten seconds, in a debug build.
//!
//! # When it fails
//!
//! A schedule fails when main panics; when a task panics and nobody has taken its [`JoinError`](crate::JoinError) by the
//! time main ends; when nothing can happen any more; when there are more steps than [`Explorer::steps`]; and when the
//! program does other things under the same choices, because of a `HashMap`, a clock or a static. When main ends, what is
//! left is dropped, as by `block_on`. Panics of the program are kept back while it is explored, and not printed.

pub(crate) mod hooks;
mod panics;
mod run;
mod choices;
mod schedule;
mod search;
mod story;
mod tale;
mod what_if;

pub use schedule::{ParseScheduleError, Schedule};
#[doc(hidden)]
pub use what_if::what_if_on;
pub use what_if::{Difference, Ending, WhatIf, what_if};

use crate::Runtime;
use hooks::is_explored;
use search::{Options, Runner, on_runtime};
use std::env;
use std::fmt;
use std::fs;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Runs `program` under every schedule with at most three overtakings, until one fails: `explorer().run(program)`, with
/// a panic for a failure.
///
/// Gives what was explored. The message of the panic says what failed, under which schedule, and where the page is on
/// which to step through it: `target/explore/FILE.html`, named after the file of the call. When another call in that file
/// has left a page in the same process, as another test does, the line of the call is in the name, too.
///
/// ```
/// use runtime::{explore::explore, spawn, task::yield_now};
/// use std::{cell::Cell, rc::Rc};
///
/// let explored = explore(|| async {
///     let count = Rc::new(Cell::new(0));
///     let add = |count: Rc<Cell<u32>>| async move {
///         yield_now().await;
///         count.set(count.get() + 1);
///     };
///     let tasks = [spawn(add(Rc::clone(&count))), spawn(add(Rc::clone(&count)))];
///     for task in tasks {
///         task.await.unwrap();
///     }
///     assert_eq!(count.get(), 2, "an update was lost");
/// });
/// assert!(explored.complete);
/// println!("{explored}"); // held in all 35 schedules
/// ```
///
/// # Panics
/// When a schedule fails; inside a running loop; inside a program that is being explored.
#[track_caller]
pub fn explore<F: Future<Output = ()>>(program: impl Fn() -> F) -> Explored {
    let at = Location::caller();
    let program = on_runtime(&program, at);
    let explored = explorer().run_on(&program);
    let Some(failure) = &explored.failure else { return explored };
    let message = &failure.message;
    let (path, shown) = page_path(&page_name(at));
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| failure.page_on(&path, &program));
    match written {
        Ok(()) => panic!("{message}     Step through it: {}", shown.display()),
        Err(error) => panic!("{message}     There is no page of it: {error}"),
    }
}

/// The first call of `explore` with a page of each name, in this process: the name, and the call's file and line.
static PAGES: Mutex<Vec<(String, &str, u32)>> = Mutex::new(Vec::new());

/// The name of the page of the call at this place. It is that of the file. Another call in a file of that name has its line
/// in the name, so that it leaves the page of the first one as it is.
fn page_name(at: &'static Location<'static>) -> String {
    let stem = Path::new(at.file()).file_stem().map_or("program".into(), |stem| stem.to_string_lossy());
    let mut pages = PAGES.lock().unwrap_or_else(PoisonError::into_inner);
    match pages.iter().find(|(name, ..)| *name == stem) {
        Some((_, file, line)) if (*file, *line) != (at.file(), at.line()) => {
            return format!("{stem}-{}.html", at.line());
        }
        Some(_) => {}
        None => pages.push((stem.to_string(), at.file(), at.line())),
    }
    format!("{stem}.html")
}

/// Where the page of a failure goes: below the folder `target` of the build. And the path from the top of the build.
fn page_path(name: &str) -> (PathBuf, PathBuf) {
    let name = Path::new("explore").join(name);
    if let Some(target) = env::var_os("CARGO_TARGET_DIR") {
        let path = PathBuf::from(target).join(name);
        return (path.clone(), path);
    }
    let here = env::current_dir().unwrap_or_default();
    let top = here.ancestors().find(|folder| folder.join("target").is_dir()).unwrap_or(&here);
    let shown = Path::new("target").join(name);
    (top.join(&shown), shown)
}

/// An explorer, to be told its bounds: at most three overtakings, no wakes for nothing, time that stands still while a
/// task is ready, 100,000 schedules, 1,000 steps in each.
///
/// ```
/// let explored = runtime::explore::explorer().overtakings(usize::MAX).run(|| async {});
/// assert_eq!((explored.schedules, explored.complete), (1, true));
/// ```
pub fn explorer() -> Explorer {
    Explorer { options: Options::default() }
}

/// Runs a program under many schedules; from [`explorer`].
#[derive(Debug, Clone)]
#[must_use = "an explorer does nothing before run() or replay()"]
pub struct Explorer {
    options: Options,
}

impl Explorer {
    /// At most so many choices of a schedule are not the loop's own: another task than the head of the queue, back to the
    /// head before the overtaker waits, another order of timers with one deadline, an alarm while tasks are ready, a
    /// `choose` that is not 0, a wake for nothing. 3 unless told; `usize::MAX` is everything.
    pub fn overtakings(mut self, at_most: usize) -> Explorer {
        self.options.overtakings = at_most;
        self
    }

    /// Up to so many times in a schedule a waiting task is woken for nothing. None unless told.
    pub fn spurious_wakes(mut self, at_most: usize) -> Explorer {
        self.options.spurious_wakes = at_most;
        self
    }

    /// Timers may fire while tasks are ready: a task may take as long as it likes.
    pub fn time_passes(mut self) -> Explorer {
        self.options.time_passes = true;
        self
    }

    /// At most so many schedules are run. 100,000 unless told.
    pub fn schedules(mut self, at_most: usize) -> Explorer {
        self.options.schedules = at_most;
        self
    }

    /// A schedule with more steps than this fails; polls and other choices are steps. 1,000 unless told.
    pub fn steps(mut self, at_most: usize) -> Explorer {
        self.options.steps = at_most;
        self
    }

    /// Runs `program` under every schedule within the bounds, until one fails. A failure is a value here.
    ///
    /// ```
    /// use runtime::explore::explorer;
    ///
    /// let explored = explorer().run(|| async {
    ///     runtime::spawn(std::future::pending::<()>()).await.unwrap();
    /// });
    /// let failure = explored.failure.expect("it hangs");
    /// assert!(failure.message.contains("nothing can happen any more"));
    /// ```
    ///
    /// # Panics
    /// Inside a running loop; inside a program that is being explored.
    #[track_caller]
    pub fn run<F: Future<Output = ()>>(self, program: impl Fn() -> F) -> Explored {
        self.run_on(on_runtime(program, Location::caller()))
    }

    /// The same for a program that is given a runtime, and calls its `block_on` or `turn` itself.
    #[doc(hidden)]
    #[track_caller]
    pub fn run_on(self, program: impl Fn(&Runtime)) -> Explored {
        Runner::new(program, self.options).search()
    }

    /// Runs `program` under one schedule. It means something only with the options with which it was found.
    ///
    /// ```
    /// use runtime::explore::explorer;
    ///
    /// let explored = explorer().replay(&"5:1".parse().unwrap(), || async {});
    /// assert!(explored.failure.unwrap().message.contains("does not fit the program"));
    /// ```
    ///
    /// # Panics
    /// Inside a running loop; inside a program that is being explored.
    #[track_caller]
    pub fn replay<F: Future<Output = ()>>(self, schedule: &Schedule, program: impl Fn() -> F) -> Explored {
        Runner::new(on_runtime(program, Location::caller()), self.options).replay(schedule)
    }
}

/// What an explorer has done.
///
/// Its text is one line, `held in all 238 schedules.`, or the message of the failure.
#[derive(Debug, Clone)]
pub struct Explored {
    /// How many schedules were run.
    pub schedules: usize,
    /// Whether these are all within the bounds.
    pub complete: bool,
    /// The first schedule that failed.
    pub failure: Option<Failure>,
    /// Of which schedules it tells.
    of: Which,
}

/// Which schedules an [`Explored`] tells of.
#[derive(Debug, Clone, Copy)]
enum Which {
    /// All that the program has.
    All,
    /// Those with so many overtakings; there are others.
    Bounded(usize),
    /// The one that somebody gave, to be replayed.
    Given,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schedules = match self.schedules {
            1 => "1 schedule".to_owned(),
            n => format!("{} schedules", story::grouped(n)),
        };
        match (&self.failure, self.of) {
            (Some(failure), _) => f.write_str(&failure.message),
            (None, Which::Given) => f.write_str("held in the schedule that was replayed."),
            (None, _) if !self.complete => {
                write!(f, "held in the first {schedules}; there are more, which were not tried.")
            }
            (None, Which::Bounded(bound)) => write!(
                f,
                "held in {schedules} with at most {bound} overtaking{}; what takes more was not tried.",
                if bound == 1 { "" } else { "s" }
            ),
            (None, Which::All) if self.schedules == 1 => f.write_str("held in its one schedule."),
            (None, Which::All) => write!(f, "held in all {schedules}."),
        }
    }
}

/// A schedule that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What failed, at which step who was polled before whom, and the schedule: for people.
    pub message: String,
    /// The schedule, for [`Explorer::replay`].
    pub schedule: Schedule,
    /// The number of the schedule, from 1.
    pub run: usize,
    /// With what it was found.
    options: Options,
    /// The number of the event at which it leaves the loop's own order.
    first: Option<u64>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Failure {
    /// Runs `program` once more under the schedule and writes a page to `path` on which to step through it. It opens at
    /// the first overtaking.
    ///
    /// # Errors
    /// When `path` is a file that is no page of this kind (it is not overwritten), or cannot be written.
    ///
    /// # Panics
    /// Inside a running loop; inside a program that is being explored.
    #[track_caller]
    pub fn page<F: Future<Output = ()>>(&self, path: impl AsRef<Path>, program: impl Fn() -> F) -> io::Result<()> {
        self.page_on(path, on_runtime(program, Location::caller()))
    }

    /// The same for a program that is given a runtime.
    ///
    /// # Errors
    /// As for [`page`](Failure::page).
    #[doc(hidden)]
    #[track_caller]
    pub fn page_on(&self, path: impl AsRef<Path>, program: impl Fn(&Runtime)) -> io::Result<()> {
        // What may not be written is told before anything runs.
        crate::trace::check_page(path.as_ref())?;
        let (recorder, first) = search::record(program, self.options, &self.schedule);
        let what = self.message.lines().next().unwrap_or_default().trim_end_matches(':');
        recorder.save_page_at(what, path.as_ref(), first.or(self.first))
    }
}

/// One of `n`, chosen by the explorer that runs the program: every number from 0 to `n - 1` is tried. Outside of an
/// explorer it is 0.
///
/// The place of a fault, a short read, a message that is lost: 0 is what usually happens, and any other number costs one
/// of the overtakings.
///
/// ```
/// use runtime::explore::{choose, explorer};
/// use std::cell::RefCell;
///
/// assert_eq!(choose(3), 0);
/// let seen = RefCell::new(Vec::new());
/// explorer().run(|| async { seen.borrow_mut().push(choose(3)) });
/// assert_eq!(seen.into_inner(), [0, 1, 2]);
/// ```
///
/// # Panics
/// With `n` zero.
#[track_caller]
pub fn choose(n: usize) -> usize {
    assert!(n > 0, "choose(0) has nothing to choose from: give it at least 1");
    if n == 1 || !is_explored() {
        return 0;
    }
    hooks::choose_at(n, Location::caller(), false)
}
