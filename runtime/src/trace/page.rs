//! The page: one HTML file that holds the trace, the sources that it names, and what it takes to step through them.

use super::Recorder;
use super::json::{list, text};
use crate::runtime::Runtime;
use std::any::Any;
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

/// The page without what is put into it.
const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");

/// The sentences for the events, as a text; `page/words.txt` says in what form.
pub const WORDS: &str = include_str!("page/words.txt");

/// The script in pieces, in reading order: what is known at an event, how it is said, how it is shown, how one moves.
const SCRIPT: [&str; 17] = [
    include_str!("page/changes.js"),
    include_str!("page/state.js"),
    include_str!("page/tickets.js"),
    include_str!("page/history.js"),
    include_str!("page/words.js"),
    include_str!("page/view.js"),
    include_str!("page/circle.js"),
    include_str!("page/code.js"),
    include_str!("page/tasks.js"),
    include_str!("page/waits.js"),
    include_str!("page/remote.js"),
    include_str!("page/gathers.js"),
    include_str!("page/events.js"),
    include_str!("page/slider.js"),
    include_str!("page/moves.js"),
    include_str!("page/predict.js"),
    include_str!("page/main.js"),
];

/// Runs `future` on a new runtime, as [`block_on`](crate::block_on) does, and writes a page to `path` on which to step
/// through what the loop did: open it in a browser.
///
/// ```no_run
/// runtime::trace::page("turns.html", async { runtime::task::yield_now().await })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// When there can be no runtime or the file cannot be made: `future` is not polled then. And when the page cannot be
/// written to it.
///
/// # Panics
/// With `future`'s panic; the page is written before.
#[track_caller]
pub fn page<F: Future>(path: impl AsRef<Path>, future: F) -> io::Result<F::Output> {
    let name = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.as_ref().display()));
    let file = fs::File::create(path.as_ref()).map_err(name)?;
    let (recorder, runtime, caller) = (Recorder::start(), Runtime::new()?, Location::caller());
    let result = catch_unwind(AssertUnwindSafe(|| runtime.block_on(future)));
    drop(runtime);
    let written = recorder.write_page(&format!("{}:{}", caller.file(), caller.line()), file);
    let output = result.unwrap_or_else(|payload: Box<dyn Any + Send>| resume_unwind(payload));
    written.map_err(name).map(|()| output)
}

impl Recorder {
    /// Writes the page of the events so far.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn write_page(&self, title: &str, mut out: impl io::Write) -> io::Result<()> {
        let mut data = String::from("{\"title\":");
        text(title, &mut data);
        data.push_str(",\"words\":");
        text(WORDS, &mut data);
        data.push_str(",\"sources\":");
        let mut files = BTreeSet::new();
        for event in self.log().lock().iter() {
            files.extend([Some(event.source.0), event.program.map(Location::file)].into_iter().flatten());
        }
        list(files, &mut data, |file, data| {
            list([file, &read(file).unwrap_or_default()], data, text);
        });
        data.push_str(",\"events\":");
        list(self.log().lock().iter(), &mut data, |event, data| data.push_str(&event.to_json()));
        data.push('}');
        let page = HTML.replace("/*style*/", STYLE).replace("/*script*/", &SCRIPT.join("\n"));
        let (before, after) = page.split_once("/*data*/").expect("the page has a place for the data");
        [before, &data, after].iter().try_for_each(|piece| out.write_all(piece.as_bytes()))
    }
}

/// A source file by the name that the compiler gave it: from the top of the workspace that it was compiled in.
fn read(file: &str) -> Option<String> {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).into_iter();
    let here = [PathBuf::from(env!("CARGO_MANIFEST_DIR")), env::current_dir().unwrap_or_default()];
    let folders: Vec<PathBuf> = here.into_iter().chain(package).collect();
    folders.iter().flat_map(|folder| folder.ancestors()).find_map(|folder| fs::read_to_string(folder.join(file)).ok())
}
