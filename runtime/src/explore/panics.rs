//! Panics of an explored program: they are kept instead of told, for most schedules panic on purpose.
//!
//! The place of a panic is known to the panic hook only. While an explorer runs on some thread, the process has a hook
//! that keeps the panics of such threads, and hands those of all others to the hook that was there before.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::{Arc, Mutex, PoisonError};

/// A panic hook.
type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

/// How many explorers run, and the hook that was there before the first of them.
static HOOKED: Mutex<(usize, Option<Arc<Box<Hook>>>)> = Mutex::new((0, None));

thread_local! {
    /// The panics of this thread since they were last taken: text, file and line. `None` when no explorer runs here.
    static KEPT: RefCell<Option<Vec<Told>>> = const { RefCell::new(None) };
}

/// What the hook was told of a panic.
struct Told {
    text: String,
    file: String,
    line: u32,
}

/// While it lives, the panics of this thread are kept.
pub(super) struct Keeping(());

impl Keeping {
    pub(super) fn start() -> Keeping {
        KEPT.set(Some(Vec::new()));
        let mut hooked = HOOKED.lock().unwrap_or_else(PoisonError::into_inner);
        if hooked.1.is_none() {
            let before: Arc<Box<Hook>> = Arc::new(take_hook());
            let others = Arc::clone(&before);
            hooked.1 = Some(before);
            set_hook(Box::new(move |info| {
                if !keep(info) {
                    others(info);
                }
            }));
        }
        hooked.0 += 1;
        Keeping(())
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        KEPT.set(None);
        let mut hooked = HOOKED.lock().unwrap_or_else(PoisonError::into_inner);
        hooked.0 -= 1;
        // A thread that panics may not change the hook; ours hands everything on.
        if hooked.0 == 0 && !std::thread::panicking() {
            // Ours has the other share.
            drop(take_hook());
            if let Some(Ok(before)) = hooked.1.take().map(Arc::try_unwrap) {
                set_hook(before);
            }
        }
    }
}

/// Keeps a panic, if an explorer runs on this thread.
fn keep(info: &PanicHookInfo<'_>) -> bool {
    let keep = |kept: &RefCell<Option<Vec<Told>>>| {
        let Ok(mut kept) = kept.try_borrow_mut() else { return false };
        let Some(kept) = kept.as_mut() else { return false };
        let (file, line) = info.location().map_or(("?", 0), |at| (at.file(), at.line()));
        kept.push(Told { text: text_of(info.payload()).to_owned(), file: file.to_owned(), line });
        true
    };
    KEPT.try_with(keep).unwrap_or(false)
}

/// Forgets the panics so far: another run begins.
pub(super) fn forget() {
    KEPT.with_borrow_mut(|kept| kept.iter_mut().for_each(Vec::clear));
}

/// The file and line of the latest panic with this text.
pub(super) fn place_of(text: &str) -> Option<(String, u32)> {
    KEPT.with_borrow(|kept| {
        let told = kept.as_ref()?.iter().rev().find(|told| told.text == text)?;
        Some((told.file.clone(), told.line))
    })
}

/// The text of a panic, when it has one.
pub(super) fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a text")
}
