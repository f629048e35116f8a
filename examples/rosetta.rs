//! The same fan-out in five languages: 10,000 waits of 100 ms, of which one fails after 50 ms. What does each do then?
//!
//! ```text
//! $ cargo run --release -p examples --example rosetta
//! $ cargo run --release -p examples --example rosetta -- --only ours
//! ```
//!
//! The programs of the other languages lie in the folder `rosetta`. Each form runs in a process of its own: its time is
//! that of the whole process, with all that starts up first, and ends 200 ms after it has its result, so that those who
//! run on can end. What is not installed is left out, and said.

use clap::Parser;
use examples::arguments::exit_status;
use examples::memory;
use examples::out::complain;
use examples::process::output;
use examples::progress::progress_bar;
use examples::say;
use examples::stop::or_signal;
use gather::{Outcomes, gather, gather_tasks, try_gather, try_gather_tasks};
use indicatif::ProgressBar;
use runtime::block_on;
use runtime::time::{now, sleep};
use std::cell::Cell;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How many forms there are, if all languages are installed.
const FORMS: u64 = 11;

/// The languages, in the order of the rows.
const LANGUAGES: [&str; 5] = ["ours", "python", "javascript", "java", "go"];

const COUNT: usize = 10_000;
const WAIT: Duration = Duration::from_millis(100);
const FAILS_AFTER: Duration = Duration::from_millis(50);

/// The same fan-out of 10,000 waits with one failure, in five languages.
#[derive(Debug, Parser)]
#[command(
    name = "rosetta",
    after_help = "Exit status: 0 if all that is installed ran, 1 if not, 2 if it could not begin, 130 after Ctrl-C, 143 \
                  after SIGTERM"
)]
struct Options {
    /// Only this language
    #[arg(long, value_name = "LANGUAGE", value_parser = LANGUAGES)]
    only: Option<String>,
    /// Only this form of ours, and only its numbers
    #[arg(long, hide = true)]
    form: Option<String>,
}

/// One form of one language.
struct Form {
    language: &'static str,
    name: &'static str,
    command: Command,
}

async fn child(number: usize, ended: Rc<Cell<usize>>) -> Result<(), &'static str> {
    if number == COUNT / 2 {
        sleep(FAILS_AFTER).await;
        return Err("no");
    }
    sleep(WAIT).await;
    ended.set(ended.get() + 1);
    Ok(())
}

/// Our own child process: prints when it was told of the failure and how, how many others ended, and memory in kB.
async fn ours(form: &str) {
    let (start, ended) = (now(), Rc::new(Cell::new(0)));
    let children = (0..COUNT).map(|number| child(number, Rc::clone(&ended)));
    let results = |failed: usize| format!("{COUNT} results, {failed} an error");
    let error = |failed: bool| if failed { "the error" } else { "no error" }.to_string();
    let outcome = match form {
        "try_gather" => error(try_gather(children).await.is_err()),
        "try_gather_tasks" => error(try_gather_tasks(children).await.is_err()),
        "gather" => results(gather(children).await.failures().count()),
        _ => results(gather_tasks(children).await.iter().filter(|it| !matches!(it, Ok(Ok(())))).count()),
    };
    let told = (now() - start).as_millis();
    sleep(2 * WAIT).await;
    // Each has a share of it until it has ended or was dropped. On a busy machine some may have begun late.
    while Rc::strong_count(&ended) > 1 {
        sleep(WAIT).await;
    }
    say!("{told}\t{outcome}\t{}\t{}", ended.get(), memory::peak().unwrap_or(0) / 1024);
}

/// The forms of the languages that are installed. The others are named on stderr.
async fn forms(options: &Options, build: &Path, bar: &ProgressBar) -> io::Result<Vec<Form>> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("rosetta");
    let source = |name: &str| sources.join(name).into_os_string();
    let is_asked = |language: &str| options.only.as_deref().is_none_or(|only| only == language);
    let mut forms = Vec::new();
    let mut add = |language, names: &[&'static str], program: &Path, arguments: &dyn Fn(usize) -> Vec<_>| {
        for (number, name) in names.iter().enumerate() {
            let mut command = Command::new(program);
            command.args(arguments(number));
            forms.push(Form { language, name, command });
        }
    };
    let is_there = async |language: &str, program: &str, arguments: &[&OsStr]| {
        let mut asks = Command::new(program);
        asks.args(arguments);
        let why = match output(asks).await {
            Ok(output) if output.status.success() => return true,
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_string(),
            Err(error) if error.kind() == ErrorKind::NotFound => "not installed".to_string(),
            Err(error) => error.to_string(),
        };
        bar.suspend(|| complain(format_args!("{language} is left out: {why}")));
        false
    };
    if is_asked("ours") {
        let names = ["try_gather", "try_gather_tasks", "gather", "gather_tasks"];
        add("ours", &names, &std::env::current_exe()?, &|form| vec!["--form".into(), names[form].into()]);
    }
    let asks: [&OsStr; 2] = ["-c".as_ref(), "import asyncio; asyncio.TaskGroup".as_ref()];
    if is_asked("python") && is_there("python", "python3", &asks).await {
        let names = ["asyncio.gather", "gather(return_exceptions=True)", "TaskGroup"];
        let forms = ["gather", "return_exceptions", "group"];
        add("python", &names, Path::new("python3"), &|form| vec![source("gather.py"), forms[form].into()]);
    }
    if is_asked("javascript") && is_there("javascript", "node", &["-e".as_ref(), "performance.now()".as_ref()]).await {
        let names = ["Promise.all", "Promise.allSettled"];
        let forms = ["all", "settled"];
        add("javascript", &names, Path::new("node"), &|form| vec![source("gather.mjs"), forms[form].into()]);
    }
    let (classes, java, go) = (build.as_os_str(), source("Gather.java"), source("gather.go"));
    if is_asked("java") && is_there("java", "javac", &["-d".as_ref(), classes, &java]).await {
        add("java", &["CompletableFuture.allOf"], Path::new("java"), &|_| {
            vec!["-cp".into(), classes.into(), "Gather".into()]
        });
    }
    let binary = build.join("gather");
    let asks: [&OsStr; 4] = ["build".as_ref(), "-o".as_ref(), binary.as_os_str(), &go];
    if is_asked("go") && is_there("go", "go", &asks).await {
        add("go", &["WaitGroup"], &binary, &|_| Vec::new());
    }
    Ok(forms)
}

/// Runs a form and prints its row.
async fn measure(form: Form, bar: &ProgressBar) -> Result<(), String> {
    let start = Instant::now();
    let output = output(form.command).await.map_err(|error| format!("{}: {error}", form.language))?;
    let took = start.elapsed();
    let text = String::from_utf8_lossy(&output.stdout);
    let fields: Vec<&str> = text.trim().split('\t').collect();
    let [told, outcome, ended, memory] = fields[..] else {
        return Err(format!("{} {}: {}", form.language, form.name, String::from_utf8_lossy(&output.stderr)));
    };
    let megabytes =
        memory.parse::<u64>().map_or("?".to_string(), |kilobytes| format!("{} MB", kilobytes.div_ceil(1000)));
    let (language, name, took) = (form.language, form.name, format!("{took:.0?}"));
    bar.suspend(|| {
        say!("{language:11} {name:31} {told:>6} ms  {outcome:25} {ended:>6} {took:>8} {megabytes:>7}");
    });
    Ok(())
}

/// A folder for what is compiled. It goes with this.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // A compiler that was killed may be making files while this one removes: as long as one does, once more.
        while std::fs::remove_dir_all(&self.0).is_err_and(|error| error.kind() == ErrorKind::DirectoryNotEmpty) {}
    }
}

async fn rosetta(options: &Options) -> io::Result<ExitCode> {
    let folder = Folder(std::env::temp_dir().join(format!("glassloop-rosetta-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0)?;
    let bar = progress_bar(FORMS, "forms");
    let forms = forms(options, &folder.0, &bar).await?;
    bar.set_length(forms.len() as u64);
    let head = format!("{:43} {:>9}  {:25} {:>6} {:>8} {:>7}", "", "told after", "of", "ended", "process", "memory");
    bar.suspend(|| say!("{head}"));
    let (mut good, mut ran) = (true, Vec::new());
    for form in forms {
        let language = form.language;
        if let Err(error) = measure(form, &bar).await {
            bar.suspend(|| complain(format_args!("error: {error}")));
            good = false;
        } else if !ran.contains(&language) {
            ran.push(language);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if options.only.is_none() {
        let left_out: Vec<_> = LANGUAGES.into_iter().filter(|language| !ran.contains(language)).collect();
        let left_out = if left_out.is_empty() { "none".to_string() } else { left_out.join(", ") };
        say!("\n  these rows were run here: {}; left out: {left_out}", ran.join(", "));
        say!("  never run: C# (Task.WhenAll) and PHP with Swoole; what they do is known from their documentation only");
    }
    Ok(ExitCode::from(u8::from(!good)))
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(form) = &options.form {
        block_on(ours(form));
        return ExitCode::SUCCESS;
    }
    exit_status(block_on(or_signal(rosetta(&options))))
}
