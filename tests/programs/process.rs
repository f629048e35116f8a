//! The example programs as processes.

use serde_json::Value;
use socket2::{Domain, Socket, Type};
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Once, mpsc};
use std::thread;
use std::time::Duration;

/// A program that has not ended by then hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

/// The programs whose dependencies come with a feature of the same name.
const HEAVY: [&str; 4] = ["pool", "caches", "scrape", "web"];

/// A running program. It is killed when this is dropped, so a test that fails leaves none behind.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) child: Child,
}

/// What a program left.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    /// Starts the example with this name.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        Self::spawn(Command::new(binary(name)).args(arguments))
    }

    /// Starts `command` with its output piped.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { child: command.spawn().expect("the program starts") }
    }

    /// Waits for the end.
    pub(crate) fn finish(mut self) -> Done {
        let stdout = read_all(self.child.stdout.take().expect("piped"));
        let stderr = read_all(self.child.stderr.take().expect("piped"));
        let text = |output: mpsc::Receiver<String>| output.recv_timeout(PATIENCE).expect("the program ends in time");
        let (stdout, stderr) = (text(stdout), text(stderr));
        let status = self.child.wait().expect("it is our child");
        Done { status, stdout, stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail when it has ended, which is what they are for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Done {
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by a signal: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        assert!(self.stdout.contains(text), "{text:?} is not in\n{}{}", self.stdout, self.stderr);
    }

    /// The first line with this text.
    #[track_caller]
    pub(crate) fn line(&self, text: &str) -> &str {
        let line = self.stdout.lines().find(|line| line.contains(text));
        line.unwrap_or_else(|| panic!("{text:?} is not in\n{}{}", self.stdout, self.stderr))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs the example with this name to its end.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Done {
    Program::start(name, arguments).finish()
}

/// Runs the example with this name; it must print exactly this and succeed.
#[track_caller]
pub(crate) fn assert_prints(name: &str, expected: &str) {
    let done = run(name, &[]);
    assert_eq!(done.stdout, expected, "{}", done.stderr);
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""));
}

/// An address where nobody listens, and what keeps it so: it is bound, so that the system gives it to nobody else.
pub(crate) fn nobody() -> (SocketAddr, Socket) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    let address = socket.local_addr().ok().and_then(|address| address.as_socket()).expect("it is bound");
    (address, socket)
}

/// Reads to the end in a thread of its own, since a program blocks when nobody empties one of its two pipes.
fn read_all(mut output: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).expect("the output is text");
        sender.send(text)
    });
    receiver
}

/// Where the example with this name is: `target/debug/deps/programs-…` is this program, `target/debug/examples` its
/// neighbour.
pub(crate) fn binary(name: &str) -> PathBuf {
    static LIGHT: Once = Once::new();
    static HEAVIES: Once = Once::new();
    let this = std::env::current_exe().expect("this program has a path");
    let profile = this.ancestors().nth(2).expect("it lies in target/debug/deps").to_path_buf();
    let path = profile.join("examples").join(name);
    if HEAVY.contains(&name) {
        // `cargo test` never builds these, so what lies there may be old.
        HEAVIES.call_once(|| {
            let features = HEAVY.map(|name| format!("examples/{name}")).join(",");
            let names = HEAVY.iter().flat_map(|name| ["--example", name]);
            // With the package `tests`, so that they share what was built for the tests.
            build(&profile, ["-p", "examples", "-p", "tests", "--features", &features].into_iter().chain(names));
        });
    } else {
        LIGHT.call_once(|| {
            if !path.exists() {
                build(&profile, ["-p", "examples", "-p", "step", "--examples"]);
            }
        });
    }
    path
}

/// Builds more into the folder that this program was built into.
fn build<'a>(profile: &Path, what: impl IntoIterator<Item = &'a str>) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.arg("build").args(what).arg("--target-dir").arg(profile.parent().expect("it lies in target"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    // What cargo has said about this package to this program: ring asks for it, and would be built again each time.
    let told = |name: &str| name == "OUT_DIR" || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars().filter(|(name, _)| told(name)) {
        cargo.env_remove(name);
    }
    assert!(cargo.status().expect("cargo starts").success());
}
