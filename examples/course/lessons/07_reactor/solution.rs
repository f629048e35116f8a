//! A solution of lesson 7. The module `io` of rung.rs is this text.

use super::{run, run::Core};
use mio::{Token, event::Source};
use std::{future::poll_fn, io::ErrorKind, io::Result, rc::Rc, task::Poll};

/// A source that the loop watches.
pub struct Watched<S: Source> {
    pub source: S,
    token: Token,
    core: Rc<Core>,
}

impl<S: Source> Watched<S> {
    /// Begins to watch `source`, which must not block.
    pub fn new(mut source: S) -> Result<Watched<S>> {
        let core = run::current().expect("a socket needs a running loop: make it inside block_on");
        let token = core.reactor.borrow_mut().register(&mut source)?;
        Ok(Watched { source, token, core })
    }

    /// Makes attempts until one does not block. Between two of them it waits for the system's word.
    pub async fn retry<R>(&mut self, way: usize, mut attempt: impl FnMut(&mut S) -> Result<R>) -> Result<R> {
        let Watched { source, token, core } = self;
        poll_fn(|cx| {
            while core.reactor.borrow_mut().side(*token, way).ready {
                match attempt(source) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        say!(IoWouldBlock { source: *token, direction: way });
                        core.reactor.borrow_mut().side(*token, way).ready = false;
                    }
                    result => return Poll::Ready(result),
                }
            }
            say!(IoWaits { source: *token, direction: way });
            let fresh = cx.waker().clone();
            let old = core.reactor.borrow_mut().side(*token, way).waker.replace(fresh);
            drop(old);
            Poll::Pending
        })
        .await
    }
}

impl<S: Source> Drop for Watched<S> {
    fn drop(&mut self) {
        let sides = self.core.reactor.borrow_mut().deregister(&mut self.source, self.token);
        drop(sides);
    }
}
