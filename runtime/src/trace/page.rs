//! The page: one HTML file that holds the trace, the sources that it names, and what it takes to step through them.

use super::Event;
use super::Recorder;
use super::heading::Heading;
use super::json::{list, text};
use super::log::Log;
use super::sources;
use super::watchdog::{Watchdog, doing};
use crate::runtime::Runtime;
use std::any::Any;
use std::fmt;
use std::fs::{self, File};
use std::future::Future;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The page without what is put into it.
const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");

/// The sentences for the events, as a text; `page/words.txt` says in what form.
pub const WORDS: &str = include_str!("page/words.txt");

/// The glossary of ARCHITECTURE.md, a word and its meaning a line: the page explains these words where they stand.
const GLOSSARY: &str = include_str!("page/glossary.txt");

/// The script in pieces, in reading order: what is known at an event, how it is said, how it is shown, how one moves.
const SCRIPT: [&str; 22] = [
    include_str!("page/changes.js"),
    include_str!("page/state.js"),
    include_str!("page/tickets.js"),
    include_str!("page/cycle.js"),
    include_str!("page/beats.js"),
    include_str!("page/history.js"),
    include_str!("page/words.js"),
    include_str!("page/view.js"),
    include_str!("page/circle.js"),
    include_str!("page/code.js"),
    include_str!("page/tasks.js"),
    include_str!("page/waits.js"),
    include_str!("page/remote.js"),
    include_str!("page/lines.js"),
    include_str!("page/gathers.js"),
    include_str!("page/glossary.js"),
    include_str!("page/ask.js"),
    include_str!("page/events.js"),
    include_str!("page/slider.js"),
    include_str!("page/moves.js"),
    include_str!("page/predict.js"),
    include_str!("page/main.js"),
];

/// What a page of ours begins with, up to its title: another file is not overwritten.
const BEGINNING: [&str; 2] = ["<!doctype html>", "<title>glassloop"];

/// The pages that are being recorded now by [`page`], on whatever threads.
static RECORDING: Mutex<Vec<Arc<Recording>>> = Mutex::new(Vec::new());

/// Runs `future` on a new runtime, as [`block_on`](crate::block_on) does, and writes a page to `path` on which to step
/// through what the loop did: open it in a browser.
///
/// ```no_run
/// runtime::trace::page("turns.html", async { runtime::task::yield_now().await })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// The page is written aside and renamed: an earlier page stays until the new one is whole. It is written, too,
///
/// - when the program hangs: for three seconds nothing was ready, and no timer, socket, blocking job or message could
///   end that. Then the loop panics with the list of its tasks, as it does under the virtual clock. The environment
///   variable `GLASSLOOP_PATIENCE` sets another number of seconds;
/// - when one poll has taken as long: a line on the standard error says so, and the program goes on;
/// - whenever [`save`] is called, from any thread: by a handler of Ctrl-C, for example.
///
/// # Errors
/// When `path` is a file that is no page of this kind (it is not overwritten), when there can be no runtime or the file
/// cannot be made: `future` is not polled then. And when the page cannot be written. What is no regular file (a pipe, a
/// device) is written to directly, and only at the end.
///
/// # Panics
/// With `future`'s panic, or when it hangs; the page is written before.
#[track_caller]
pub fn page<F: Future>(path: impl AsRef<Path>, future: F) -> io::Result<F::Output> {
    let caller = Location::caller();
    let title = format!("{}:{}", caller.file(), caller.line());
    let recorder = Recorder::start();
    let (page, runtime) = (recorder.page_at(&title, path)?, Runtime::new()?);
    let watchdog = Watchdog::start(Arc::clone(&page.0), &runtime);
    let result = catch_unwind(AssertUnwindSafe(|| runtime.block_on_at(future, caller)));
    drop(runtime);
    drop(watchdog);
    let written = page.write();
    let output = result.unwrap_or_else(|payload: Box<dyn Any + Send>| resume_unwind(payload));
    written.map(|()| output)
}

/// Writes the pages that are being recorded now ([`page`], [`Recorder::page_at`]) as they are so far, and gives their paths.
/// Their titles say what the loop was doing. From any thread: a program that shall leave its page on Ctrl-C calls this when
/// the signal has come, before it ends.
///
/// ```
/// assert!(runtime::trace::save()?.is_empty(), "no page is being recorded");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// When a page cannot be written.
pub fn save() -> io::Result<Vec<PathBuf>> {
    let pages = RECORDING.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let pages = pages.into_iter().filter(|page| page.target.is_file);
    pages.map(|page| page.write_so_far().map(|()| page.target.path.clone())).collect()
}

/// A page that is being recorded.
pub(super) struct Recording {
    target: Target,
    heading: Heading,
    pub(super) log: Log,
}

impl Recording {
    /// Writes the page of the events so far.
    fn write(&self) -> io::Result<()> {
        self.target.write(&html(&self.heading, self.log.lock().iter()))
    }

    /// The same in the middle of the program. The title says what the loop does.
    fn write_so_far(&self) -> io::Result<()> {
        // Under one lock: between two, the loop could go on, and the last event would be another than the title's.
        let events = self.log.lock();
        let heading = self.heading.clone().stopped(&doing(&events));
        let page = html(&heading, events.iter());
        drop(events);
        self.target.write(&page)
    }

    /// Writes the page while the program runs on, and says on the standard error why.
    pub(super) fn write_now(&self, why: &str) {
        if !self.target.is_file {
            return;
        }
        let path = self.target.path.display();
        // Nobody is there to tell of an error but the same reader.
        _ = match self.write() {
            Ok(()) => writeln!(io::stderr(), "glassloop: {why}; {path} shows what led to it. The program goes on."),
            Err(error) => writeln!(io::stderr(), "glassloop: {why}, and its page cannot be written: {error}"),
        };
    }
}

/// Where a page goes.
pub(super) struct Target {
    path: PathBuf,
    /// Whether it is a regular file, or will be one.
    is_file: bool,
    /// One writes at a time.
    writing: Mutex<()>,
}

impl Target {
    /// Whether a page may and can be written to this path.
    ///
    /// # Errors
    /// When another file is there, or none can be made.
    pub(super) fn check(path: &Path) -> io::Result<Target> {
        let name = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let there = fs::metadata(path).ok();
        if there.as_ref().is_some_and(fs::Metadata::is_dir) {
            return Err(name(io::Error::new(io::ErrorKind::IsADirectory, "this is a folder: name a file in it")));
        }
        let is_file = there.as_ref().is_none_or(fs::Metadata::is_file);
        // A link stays, and what it points to is replaced.
        let path = if there.is_some() { fs::canonicalize(path).map_err(name)? } else { path.to_owned() };
        let target = Target { path, is_file, writing: Mutex::new(()) };
        if !is_file {
            return Ok(target);
        }
        if there.is_some() && !is_ours(&target.path).map_err(name)? {
            return Err(name(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "this file is no page of glassloop, and is not overwritten: give another path, or remove it",
            )));
        }
        File::create(target.aside()).and_then(|_| fs::remove_file(target.aside())).map_err(name)?;
        Ok(target)
    }

    /// The file that becomes the page when it is whole.
    fn aside(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.path.with_file_name(format!(".{name}.{}.part", std::process::id()))
    }

    pub(super) fn write(&self, page: &str) -> io::Result<()> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let written = if self.is_file {
            let aside = self.aside();
            let written = fs::write(&aside, page).and_then(|()| fs::rename(&aside, &self.path));
            written.inspect_err(|_| _ = fs::remove_file(&aside))
        } else {
            File::options().write(true).open(&self.path).and_then(|mut file| file.write_all(page.as_bytes()))
        };
        written.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display())))
    }
}

/// Whether a file is a page of ours, or empty.
fn is_ours(path: &Path) -> io::Result<bool> {
    let mut beginning = Vec::new();
    File::open(path)?.take(1024).read_to_end(&mut beginning)?;
    let beginning = String::from_utf8_lossy(&beginning);
    Ok(beginning.is_empty() || beginning.starts_with(BEGINNING[0]) && beginning.contains(BEGINNING[1]))
}

/// A page that a recorder is to write: see [`Recorder::page_at`]. Until it is dropped, [`save`] writes it, too.
pub struct Page(Arc<Recording>);

impl Page {
    /// Writes the page of the events so far, aside and renamed.
    ///
    /// # Errors
    /// When the page cannot be written.
    pub fn write(&self) -> io::Result<()> {
        self.0.write()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        RECORDING.lock().unwrap_or_else(PoisonError::into_inner).retain(|page| !Arc::ptr_eq(page, &self.0));
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Page").field(&self.0.target.path).finish()
    }
}

impl Recorder {
    /// Announces that the page of this recorder goes to `path`: nothing is written yet. For what [`page`] does not do, such
    /// as a runtime with a virtual clock.
    ///
    /// ```no_run
    /// use runtime::{Runtime, trace::Recorder};
    ///
    /// let recorder = Recorder::start();
    /// let page = recorder.page_at("a virtual hour", "hour.html")?;
    /// let runtime = Runtime::builder().virtual_clock().build()?;
    /// runtime.block_on(runtime::time::sleep(std::time::Duration::from_secs(3600)));
    /// page.write()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// When `path` is a file that is no page of this kind, or a folder, or when the file cannot be made.
    pub fn page_at(&self, heading: impl Into<Heading>, path: impl AsRef<Path>) -> io::Result<Page> {
        let target = Target::check(path.as_ref())?;
        let recording = Arc::new(Recording { target, heading: heading.into(), log: self.log() });
        RECORDING.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&recording));
        Ok(Page(recording))
    }

    /// Writes the page of the events so far. Its heading is a title, or a [`Heading`] that says more.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn write_page(&self, heading: impl Into<Heading>, mut out: impl io::Write) -> io::Result<()> {
        let page = html(&heading.into(), self.log().lock().iter());
        out.write_all(page.as_bytes())
    }

    /// Writes the page of the events so far to a file, aside and renamed, as [`page`] does.
    ///
    /// # Errors
    /// When another file is there, which is not overwritten, or when the page cannot be written.
    pub fn save_page(&self, heading: impl Into<Heading>, path: impl AsRef<Path>) -> io::Result<()> {
        Target::check(path.as_ref())?.write(&html(&heading.into(), self.log().lock().iter()))
    }
}

/// Whether a page may and can be written to this path.
///
/// # Errors
/// When another file is there, or none can be made.
#[cfg(feature = "explore")]
pub(crate) fn check_page(path: &Path) -> io::Result<()> {
    Target::check(path).map(|_| ())
}

/// Writes a page of another kind, which begins like ours.
///
/// # Errors
/// When another file is there, which is not overwritten, or when the page cannot be written.
#[cfg(feature = "explore")]
pub(crate) fn save_text(path: &Path, page: &str) -> io::Result<()> {
    Target::check(path)?.write(page)
}

#[cfg(feature = "explore")]
impl Recorder {
    /// The same; the page opens at this event.
    pub(crate) fn save_page_at(&self, title: &str, path: &Path, event: Option<u64>) -> io::Result<()> {
        let target = Target::check(path)?;
        let mut page = html(&title.into(), self.log().lock().iter());
        if let (Some(event), Some(body)) = (event, page.find("<body>")) {
            page.insert_str(body, &format!("<script>location.hash ||= \"#e={event}\";</script>\n"));
        }
        target.write(&page)
    }
}

/// The page of these events.
fn html<'a>(heading: &Heading, events: impl Iterator<Item = &'a Event> + Clone) -> String {
    // A file of the runtime is looked for where the runtime is, and one of the program where the program is: two of them
    // may have the same name.
    let mut files = Vec::new();
    for event in events.clone() {
        add_file(&mut files, event.source.0, sources::of_runtime);
        if let Some(file) = event.program.map(Location::file) {
            add_file(&mut files, file, sources::of_program);
        }
    }
    html_of(heading, files, |data| list(events, data, |event, data| data.push_str(&event.to_json())))
}

/// A file and its source, if it was found.
pub(super) type Source<'a> = (&'a str, Option<String>);

/// Adds a file once, in the order of the names. There are a few dozen at most.
fn add_file<'a>(files: &mut Vec<Source<'a>>, name: &'a str, source: fn(&str) -> Option<String>) {
    if let Err(place) = files.binary_search_by_key(&name, |(its, _)| its) {
        files.insert(place, (name, source(name)));
    }
}

/// The page of the events that `write` adds, with these files and their sources, as far as they were found.
pub(super) fn html_of(heading: &Heading, files: Vec<Source<'_>>, write: impl FnOnce(&mut String)) -> String {
    let mut data = String::from("{");
    heading.write(&mut data);
    data.push_str(",\"words\":");
    text(WORDS, &mut data);
    data.push_str(",\"glossary\":");
    text(GLOSSARY, &mut data);
    data.push_str(",\"sources\":");
    list(&files, &mut data, |(file, source), data| {
        list([*file, source.as_deref().unwrap_or_default()], data, text);
    });
    data.push_str(",\"events\":");
    write(&mut data);
    data.push('}');
    let page = HTML.replace("/*style*/", STYLE).replace("/*script*/", &SCRIPT.join("\n"));
    let (before, after) = page.split_once("/*data*/").expect("the page has a place for the data");
    [before, &data, after].concat()
}
