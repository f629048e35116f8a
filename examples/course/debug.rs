//! The command `debug`: gdb on a program that hangs on the last rung, or on a lesson's program on the real loop, with the
//! printers of that loop.

use crate::catalog::{Course, PROGRAMS_OF_STEP};
use crate::commands::{Desk, OK, USAGE};
use crate::compile::build;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

/// The lesson about the debugger.
const LAST: u32 = 14;

/// The line of its exercise that has the number of the program.
const SEED: &str = "pub const SEED: u64 = ";

impl Desk<'_> {
    /// Starts gdb on the program of a lesson.
    pub(crate) fn debug(&mut self, number: Option<u32>) -> io::Result<u8> {
        let number = number.unwrap_or(LAST);
        let Some(program) = PROGRAMS_OF_STEP.get(number as usize) else {
            return self.refuse("There is no such lesson.");
        };
        if Command::new("gdb").arg("--version").output().is_err() {
            self.tell("gdb is not installed. On Debian and Ubuntu: apt install gdb. What else there is, and lldb, stands in examples/step/DEBUGGER.md.")?;
            return Ok(USAGE);
        }
        let is_last = number == LAST;
        self.tell(match is_last {
            true => "(The program is being built.)",
            false => "(The program is being built. The first time that takes a moment: the real loop is compiled.)",
        })?;
        let target: &[&str] = match is_last {
            true => &["-p", "course", "--example", "hang_14", "--profile", "debugger"],
            false => &["-p", "step", "--example", "step", "--profile", "debugger"],
        };
        let Some(path) = build(target)? else {
            self.tell("It does not compile. What stands above says why.")?;
            return Ok(USAGE);
        };
        let mut gdb = if is_last { self.hangs(&path)? } else { self.on_the_real_loop(&path, number, program)? };
        self.tell("(A warning of gdb's about a missing auto-load script is about Rust's own types. It does no harm.)")?;
        let status = gdb.status()?;
        Ok(if status.success() { OK } else { USAGE })
    }

    /// gdb on the program that hangs, with the number in the exercise, and what to say to it.
    fn hangs(&mut self, path: &Path) -> io::Result<Command> {
        let lesson = self.course.lessons().into_iter().find(|it| it.number == LAST);
        let exercise = lesson.and_then(|it| fs::read_to_string(it.file("exercise.rs")).ok()).unwrap_or_default();
        let seed = exercise.lines().find_map(|line| line.strip_prefix(SEED)?.split(';').next());
        let seed = seed.map(|it| it.replace('_', "")).and_then(|it| it.trim().parse().ok()).unwrap_or(u64::from(LAST));
        self.say(&format!("\n  gdb on lessons/14_benchmark/hang.rs, day {seed}.\n"))?;
        self.tell("Say this to it:")?;
        self.say("\n  run               it hangs; then press Ctrl-C\n")?;
        self.say("  glass waits       who waits for whom\n")?;
        self.say("  glass tasks       the tickets, and at which .await\n")?;
        self.say("  glass ready       the ready queue\n")?;
        self.say("  glass timers      who sleeps until when\n")?;
        self.say("  kill\n  quit\n\n")?;
        Ok(gdb(path, &[&seed.to_string()]))
    }

    /// gdb on the program that shows a lesson on the real loop, and what to say to it.
    fn on_the_real_loop(&mut self, path: &Path, number: u32, program: &str) -> io::Result<Command> {
        self.say(&format!("\n  gdb on the program of lesson {number}, \"{program}\".\n"))?;
        self.tell("Say this to it:")?;
        // There nothing is ready. The program's own output would stand between.
        self.say("\n  break runtime::circle::core::Core::wait\n")?;
        self.say(&format!("  run {program} --text > /dev/null\n"))?;
        self.say("  glass tasks       who waits, and at which .await\n")?;
        self.say("  glass ready       the ready queue\n")?;
        self.say("  glass timers      who sleeps until when\n")?;
        self.say("  glass waits       who waits for whom\n  continue\n  quit\n\n")?;
        Ok(gdb(path, &[program, "--text"]))
    }
}

/// gdb on a program. Without the safe path it would not load the printers, and print numbers.
fn gdb(program: &Path, words: &[&str]) -> Command {
    let folder = program.parent().unwrap_or(program);
    let mut gdb = Command::new("gdb");
    gdb.arg("-q").args(["-iex", &format!("set auto-load safe-path {}", folder.display())]);
    // A list that is longer than the terminal would wait for a key, and eat the command that comes next.
    gdb.args(["-ex", "set confirm off", "-ex", "set pagination off"]).arg("--args").arg(program).args(words);
    // The printers name the sources from the top of the workspace.
    gdb.current_dir(Course::top());
    gdb
}
