//! 10,000 connections under a small limit of open files: what fails, and the `.limit` that cures it.
//!
//! ```text
//! $ cargo run --release -p examples --example fd_limit
//! $ cargo run --release -p examples --example fd_limit -- --files 64 --limit 60     # too close to the limit
//! ```
//!
//! A gather without a limit starts all of its children at once, and each connection takes a descriptor. The system has
//! only so many for a process (`ulimit -n`), and those who find none left fail: the connections, and whatever else of
//! the program opens something just then. How many fail depends on the server: an attempt that fails takes from the
//! budget of the poll, so after 128 failures the connections that are open have their turn, and those that end make room.
//! The server is this same program in a process of its own, with a limit of its own.

use clap::Parser;
use examples::arguments::{count, exit_status};
use examples::progress::progress_bar;
use examples::say;
use examples::server::serve_with;
use examples::stop::{or_signal, until};
use gather::{Outcomes, gather};
use indicatif::HumanCount;
use rlimit::Resource;
use runtime::block_on;
use runtime::net::{TcpListener, TcpStream};
use runtime::task::spawn_blocking;
use runtime::time::now;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};

/// Many connections under a small limit of open files.
#[derive(Debug, Parser)]
#[command(
    name = "fd_limit",
    after_help = "Exit status: 0 if the limit cured it, 1 if not, 2 if it could not begin, \
    130 after Ctrl-C, 143 after SIGTERM"
)]
struct Options {
    /// How many connections, in all
    #[arg(long, value_name = "N", default_value = "10000", value_parser = count)]
    connections: u64,
    /// How many files may be open at once
    #[arg(long, value_name = "N", default_value = "256", value_parser = clap::value_parser!(u64).range(32..))]
    files: u64,
    /// How many connections may be open at once, in the second try
    #[arg(long, value_name = "N", default_value = "200", value_parser = count)]
    limit: u64,
    /// Be the server, until standard input ends
    #[arg(long, hide = true)]
    serve: bool,
}

/// What a connection says, and hears.
const WORDS: &[u8] = b"hello";

/// The server's side: echoes a few words and hangs up.
async fn serve() -> io::Result<()> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say!("{}", listener.local_addr()?);
    let end = spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
    let server = serve_with(listener, |stream: TcpStream| async move {
        let mut words = [0; WORDS.len()];
        if stream.read_exact(&mut words).await.is_ok() {
            // Who has left does not want to hear it.
            let _ = stream.write_all(&words).await;
        }
    });
    let _ = until(server, end).await;
    Ok(())
}

/// The server's process. It ends with this.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start() -> io::Result<Server> {
        let mut server = Command::new(std::env::current_exe()?);
        let mut process = server.arg("--serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("it is piped")).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| io::Error::other("the server does not start"))?;
        Ok(Server { process, address })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection: connects, says a few words and hears them again.
async fn talk(address: SocketAddr) -> io::Result<()> {
    let stream = TcpStream::connect(address).await?;
    stream.write_all(WORDS).await?;
    let mut heard = [0; WORDS.len()];
    stream.read_exact(&mut heard).await
}

/// All connections, so many at once; prints what came of them, and says whether all was well. When as many were started
/// as there may be files, something else of the program wants to open one.
async fn round(title: &str, address: SocketAddr, Options { connections, files, .. }: &Options, limit: u64) -> bool {
    let (connections, beside) = (*connections, *files.min(&(connections - 1)));
    let (bar, start, file) = (progress_bar(connections, "connections"), now(), RefCell::new(Ok(())));
    let talks = (0..connections).map(async |number| {
        if number == beside {
            *file.borrow_mut() = File::open("/dev/null").map(drop);
        }
        talk(address).await
    });
    let outcomes = gather(talks).limit(limit as usize).on_progress(|_| bar.inc(1)).await;
    bar.finish_and_clear();
    say!("  {title}, in {:.0?}", now() - start);
    say!("{:>12}   answered", HumanCount(outcomes.successes().count() as u64).to_string());
    let mut kinds = BTreeMap::<String, u64>::new();
    outcomes.failures().for_each(|(_, error)| *kinds.entry(error.to_string()).or_default() += 1);
    for (kind, count) in &kinds {
        say!("{:>12}   failed: {kind}", HumanCount(*count).to_string());
    }
    match file.into_inner() {
        Ok(()) => say!("{:12}   a file beside them: opened\n", ""),
        Err(error) => say!("{:12}   a file beside them: {error}\n", ""),
    }
    kinds.is_empty()
}

async fn fd_limit(options: Options) -> io::Result<ExitCode> {
    let Options { connections, files, limit, .. } = options;
    let server = Server::start()?;
    let (_, hard) = Resource::NOFILE.get()?;
    if files > hard {
        let cure = format!("ask for {hard} at most, or raise `ulimit -Hn`");
        return Err(io::Error::other(format!("--files {files}: the system allows this process {hard}; {cure}")));
    }
    Resource::NOFILE.set(files, hard)?;
    say!("  {} connections, and {files} files may be open at once\n", HumanCount(connections));
    round("without a limit", server.address, &options, connections).await;
    let good = round(&format!("with .limit({limit})"), server.address, &options, limit).await;
    Ok(ExitCode::from(u8::from(!good)))
}

fn main() -> ExitCode {
    let options = Options::parse();
    let serves = options.serve;
    exit_status(block_on(async {
        match serves {
            true => serve().await.map(|()| ExitCode::SUCCESS).map_err(|error| error.to_string()),
            false => or_signal(fd_limit(options)).await,
        }
    }))
}
