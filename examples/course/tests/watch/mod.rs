//! Runs a program in a process of its own and says how it ends, also when it does not: it *hangs* when all its threads
//! are asleep in many looks, one after the other, and use no processor time between them; it *spins* when it uses
//! processor time and nothing comes of it. A busy machine makes neither of the two: a thread that only waits for its
//! turn is not asleep, and uses no time.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fs, io};

/// So many looks in a row must find the process asleep. No program here sleeps a tenth as long.
const LOOKS: u32 = 60;
/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(25);
/// Processor time without output that is called a spin.
const SPIN: Duration = Duration::from_secs(1);

/// How a program ended.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Ending {
    /// By itself, without an error.
    Ends,
    /// By itself, with an error: a panic.
    Fails,
    /// Asleep, and nobody will wake it.
    Hangs,
    /// Busy, and nothing comes of it.
    Spins,
}

/// Runs `command` and gives its ending, with what it has written.
pub fn watch(command: &mut Command) -> (Ending, String) {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = Arc::<Mutex<String>>::default();
    let readers = [
        collect(child.stdout.take().expect("it is piped"), &text),
        collect(child.stderr.take().expect("it is piped"), &text),
    ];
    let ending = diagnose(&mut child, &text);
    // A child that has ended by itself is not there any more to be killed.
    let _ = child.kill();
    child.wait().expect("the child is ours");
    readers.into_iter().for_each(|reader| reader.join().expect("a reader does not panic"));
    let text = text.lock().unwrap().clone();
    (ending, text)
}

/// Keeps what the child writes.
fn collect(mut pipe: impl Read + Send + 'static, text: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let text = Arc::clone(text);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = pipe.read(&mut buffer) {
            text.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    })
}

/// Looks at the child until it is clear what becomes of it.
fn diagnose(child: &mut Child, text: &Mutex<String>) -> Ending {
    let (mut asleep, mut before) = (0, None);
    let (mut written, mut busy_since) = (0, Duration::ZERO);
    loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            return if status.success() { Ending::Ends } else { Ending::Fails };
        }
        // A child that ends just now has no threads to look at.
        if let Ok(look) = look(child.id()) {
            let length = text.lock().unwrap().len();
            if length > written {
                (written, busy_since) = (length, look.time);
            }
            if look.time.saturating_sub(busy_since) > SPIN {
                return Ending::Spins;
            }
            asleep = if look.asleep && before == Some(look) { asleep + 1 } else { 0 };
            if asleep == LOOKS {
                return Ending::Hangs;
            }
            before = Some(look);
        }
        thread::sleep(PAUSE);
    }
}

/// What one look shows.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
struct Look {
    threads: usize,
    /// All of them are asleep.
    asleep: bool,
    /// The processor time of all of them.
    time: Duration,
}

/// Looks at all threads of a process.
fn look(process: u32) -> io::Result<Look> {
    let mut look = Look { threads: 0, asleep: true, time: Duration::ZERO };
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let task = task?.path();
        // "28090 (name) S 1 …": the state stands behind the name, which may hold anything.
        let stat = fs::read_to_string(task.join("stat"))?;
        let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
        let schedstat = fs::read_to_string(task.join("schedstat"))?;
        let nanos = schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
        look.threads += 1;
        look.asleep &= state == Some('S');
        look.time += Duration::from_nanos(nanos);
    }
    Ok(look)
}
