//! refused: a result is passed on
//!
//! Returns an error of the same kind, which has lost its text.

use super::reactor::Side;
use super::{run, run::Core};
use mio::{Token, event::Source};
use std::future::poll_fn;
use std::io::ErrorKind::WouldBlock;
use std::io::Result;
use std::rc::Rc;
use std::task::Poll;

/// A socket, or another source, that the loop watches.
pub struct Watched<S: Source> {
    pub source: S,
    /// By this the reactor knows it.
    token: Token,
    core: Rc<Core>,
}

impl<S: Source> Watched<S> {
    /// Given: begins to watch `source`. The flags of both
    /// sides are up at first.
    pub fn new(mut source: S) -> Result<Watched<S>> {
        let core = run::current().expect("no loop here");
        let mut reactor = core.reactor.borrow_mut();
        let token = reactor.register(&mut source)?;
        drop(reactor);
        Ok(Watched { source, token, core })
    }

    /// Given: does something with one side of this socket:
    /// with its flag `ready: bool`, or with the place for
    /// a waker, `waker: Option<Waker>`.
    fn side<T>(
        &self,
        // READ or WRITE.
        way: usize,
        act: impl FnOnce(&mut Side) -> T,
    ) -> T {
        let mut reactor = self.core.reactor.borrow_mut();
        act(reactor.side(self.token, way))
    }

    /// Makes attempts until one does not block. Between two
    /// of them it waits for the system's word.
    pub async fn retry<R>(
        &mut self,
        // READ or WRITE.
        way: usize,
        // One call of the system, such as a read.
        mut attempt: impl FnMut(&mut S) -> Result<R>,
    ) -> Result<R> {
        // A future whose `poll` is this closure.
        poll_fn(|cx| {
            let ready = self.side(way, |side| side.ready);
            if ready {
                match attempt(&mut self.source) {
                    Err(e) if e.kind() == WouldBlock => {
                        self.side(way, |side| side.ready = false);
                    }
                    Err(e) => return Poll::Ready(Err(e.kind().into())),
                    result => return Poll::Ready(result),
                }
            }
            let fresh = cx.waker().clone();
            let old = self.side(way, |side| side.waker.replace(fresh));
            drop(old);
            Poll::Pending
        })
        .await
    }
}

impl<S: Source> Drop for Watched<S> {
    fn drop(&mut self) {
        let mut reactor = self.core.reactor.borrow_mut();
        let sides = reactor.deregister(&mut self.source, self.token);
        drop(reactor);
        drop(sides);
    }
}
