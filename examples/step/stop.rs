//! Ctrl-C, for a program that records a page: the page is written before the program ends. So it is at SIGTERM, and when
//! the terminal is closed.

use runtime::trace;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{self, Write};
use std::{fs, process, thread};

/// From here on Ctrl-C, SIGTERM and SIGHUP (the terminal is closed) write the pages that are being recorded, and end the
/// program with 128 and the number of the signal, as shells have it. A SIGHUP that is ignored already, as under `nohup`,
/// stays ignored. The signals are awaited on a thread of their own, so it does not matter what the loop
/// does: it may be in a poll that never ends.
///
/// # Errors
/// When no handler can be installed.
pub fn leave_pages() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    if !is_ignored(SIGHUP) {
        signals.add_signal(SIGHUP)?;
    }
    thread::spawn(move || {
        let Some(signal) = signals.forever().next() else { return };
        // Nobody is there to tell of an error in the telling.
        _ = match trace::save() {
            Ok(pages) => pages.iter().try_for_each(|page| {
                let page = page.canonicalize().unwrap_or_else(|_| page.clone());
                writeln!(io::stderr(), "stopped; this page shows how far it came: file://{}", page.display())
            }),
            Err(error) => writeln!(io::stderr(), "stopped, and the page cannot be written: {error}"),
        };
        process::exit(128 + signal);
    });
    Ok(())
}

/// Whether this process ignores the signal. Linux says so in a file; elsewhere the answer is no.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    ignored.is_some_and(|ignored| ignored >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::{is_ignored, leave_pages};
    use crate::programs::Program;
    use runtime::trace::{Recorder, note};
    use signal_hook::consts::SIGHUP;
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    use std::{env, fs, thread};

    const CHILD: &str = "STEP_IS_STOPPED";

    /// As `step` records a program. This one never ends, and says when it has begun.
    fn record_for_ever(path: &str) {
        let program = Program {
            run: |runtime| {
                runtime.block_on(async {
                    note("so far");
                    println!("in the poll");
                    loop {
                        thread::park();
                    }
                })
            },
            ..*Program::named("sleep").expect("it is there")
        };
        let recorder = Recorder::start();
        let _page = recorder.page_at(program.title, path).expect("it can be written");
        leave_pages().expect("there are signals");
        program.record_with(recorder).expect("a runtime");
    }

    #[test]
    fn a_real_signal_leaves_the_page_of_a_poll_that_never_ends() {
        if let Ok(path) = env::var(CHILD) {
            return record_for_ever(&path);
        }
        let mut signals = vec![("INT", 130), ("TERM", 143)];
        // Where these tests run under `nohup`, whom they start ignores it, as it should.
        if !is_ignored(SIGHUP) {
            signals.push(("HUP", 129));
        }
        for (signal, code) in signals {
            let path = env::temp_dir().join(format!("step-stopped-{}-{signal}.html", std::process::id()));
            let mut child = Command::new(env::current_exe().expect("a process knows its program"))
                .args([
                    "stop::tests::a_real_signal_leaves_the_page_of_a_poll_that_never_ends",
                    "--exact",
                    "--nocapture",
                ])
                .env(CHILD, &path)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the program that runs can be run again");
            let mut said = BufReader::new(child.stdout.take().expect("piped")).lines();
            assert!(said.any(|line| line.expect("text").contains("in the poll")));
            // Part of every shell; the program `kill` is not everywhere.
            let kill = format!("kill -s {signal} {}", child.id());
            assert!(Command::new("sh").args(["-c", &kill]).status().expect("there is a shell").success());
            let ended = child.wait_with_output().expect("it ends");
            assert_eq!(ended.status.code(), Some(code));
            let told = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert!(told.contains(&format!("file://{}", path.display())), "{told}");
            let page = fs::read_to_string(&path).expect("the page is there");
            fs::remove_file(&path).expect("it can be removed");
            assert!(page.contains("so far") && !page.contains("\"kind\":\"PollEnd\""));
            assert!(page.contains("stopped in a poll of main (examples/step/stop.rs:"), "{}", &page[..300]);
        }
    }
}
