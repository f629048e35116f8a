//! The command `debug`: gdb on the lesson's program, with the printers of the real loop.

use crate::catalog::{Course, PROGRAMS_OF_STEP};
use crate::commands::{Desk, OK, USAGE};
use crate::compile::build;
use std::io;
use std::path::Path;
use std::process::Command;

impl Desk<'_> {
    /// Builds the program that shows the lesson on the real loop, and starts gdb on it.
    pub(crate) fn debug(&mut self, number: Option<u32>) -> io::Result<u8> {
        let number = number.unwrap_or(LAST);
        let Some(program) = PROGRAMS_OF_STEP.get(number as usize) else {
            return self.refuse("There is no such lesson.");
        };
        if Command::new("gdb").arg("--version").output().is_err() {
            self.tell("gdb is not installed. On Debian and Ubuntu: apt install gdb. What else there is, and lldb, stands in examples/step/DEBUGGER.md.")?;
            return Ok(USAGE);
        }
        self.tell("(The program is being built. The first time that takes a moment: the real loop is compiled.)")?;
        let Some(step) = build(&["-p", "step", "--example", "step"])? else {
            self.tell("It does not compile. What stands above says why.")?;
            return Ok(USAGE);
        };
        self.say(&format!("\n  gdb on the program of lesson {number}, \"{program}\".\n"))?;
        self.tell("Say this to it:")?;
        // There nothing is ready. The program's own output would stand between.
        self.say("\n  break runtime::circle::core::Core::wait\n")?;
        self.say(&format!("  run {program} --text > /dev/null\n"))?;
        self.say("  glass tasks       who waits, and at which .await\n")?;
        self.say("  glass ready       the ready queue\n")?;
        self.say("  glass timers      who sleeps until when\n")?;
        self.say("  glass waits       who waits for whom\n  continue\n  quit\n\n")?;
        self.tell("(A warning of gdb's about a missing auto-load script is about Rust's own types. It does no harm.)")?;
        let status = gdb(&step, program).status()?;
        Ok(if status.success() { OK } else { USAGE })
    }
}

/// The lesson about the debugger.
const LAST: u32 = 14;

/// gdb on a program of `step`. Without the safe path it would not load the printers, and print numbers.
fn gdb(step: &Path, program: &str) -> Command {
    let folder = step.parent().unwrap_or(step);
    let mut gdb = Command::new("gdb");
    gdb.arg("-q").args(["-iex", &format!("set auto-load safe-path {}", folder.display())]);
    gdb.args(["-ex", "set confirm off"]).arg("--args").arg(step).args([program, "--text"]);
    // The printers name the sources from the top of the workspace.
    gdb.current_dir(Course::top());
    gdb
}
