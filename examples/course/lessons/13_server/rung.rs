//! Rung 13: the loop serves HTTP under load.
//!
//! The loop itself is that of rung 12: what is new is a program that needs all of it. A task accepts connections and
//! spawns [`serve`](server::serve) for each. That reads requests and answers them until the connection ends.
//!
//! - TCP brings bytes, not requests. A read may bring a piece of a request, or one and the beginning of the next. So what
//!   was read is kept in `input`, a request is taken out when all of its head is there, and the rest stays.
//! - A client that sends a head without an end, or nothing at all, must not hold memory or a descriptor for ever: there
//!   are [`Limits`](server::Limits).
//! - HTTP/1.1 keeps a connection unless somebody says `close`. HTTP/1.0 closes it unless the client asks for
//!   `keep-alive`, and then waits to be told so. The end of the answer's body is its `Content-Length`.
//! - To stop is to answer what is in work, to say in this answer that it is the last one, and then to close. So a client
//!   that has sent more knows what was not answered.
//!
//! ```text
//! $ cargo run --release -p course --example rung_13                      # asks itself 10,000 times
//! $ cargo run --release -p course --example rung_13 -- 127.0.0.1:8080    # serves until it is killed
//! $ cargo run --release -p examples --example load_test -- http://127.0.0.1:8080/hello http://127.0.0.1:8080/slow
//! ```
//!
//! # What this step buys
//!
//! On rung 12 one writes the server that everybody writes first: one read, one request, one answer. Two requests that
//! come in one read get one answer then, and the client waits for the other for ever.
//!
//! # What it leaves out, and what that costs here
//!
//! The table stands in the package's README, beside the command that measures it.
//!
//! # Where it is in the real crate
//!
//! `examples/server.rs` is a server on the real loop, with hyper.

#![allow(dead_code, reason = "a loop offers more than one program uses")]

/// Names one step of the loop. In a rung it does nothing, and you may skip these lines: the check of a lesson records
/// the steps of your own loop with the same words.
macro_rules! say(($($step:tt)*) => { () });

/// (6) What a waker of this loop is, and the way that a wake takes.
pub mod wake {
    use crossbeam_channel::Sender;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst, fence};
    use std::task::{RawWaker, RawWakerVTable, Waker};

    /// Which task to poll.
    #[derive(Clone, Copy, PartialEq)]
    pub struct Ticket {
        /// Where the task lives.
        pub slot: u32,
        /// Tells the task from those that lived in the slot before it.
        pub generation: u16,
    }

    impl Ticket {
        /// The waker that carries this ticket of the loop with that number: `| loop 16 | generation 16 | slot 32 |`.
        pub fn waker(self, runtime: u16) -> Waker {
            let bits = u64::from(runtime) << 48 | u64::from(self.generation) << 32 | u64::from(self.slot);
            // SAFETY: `from_raw` asks for a vtable that keeps RawWaker's contract, on any thread. The data pointer is a
            // number and is never dereferenced. Clone copies it; wake and wake_by_ref read it and touch only
            // thread-safe state or the loop of this very thread; drop has nothing to release.
            #[allow(unsafe_code, reason = "the standard library has no safe way to make a waker of a number")]
            unsafe {
                Waker::from_raw(RawWaker::new(std::ptr::without_provenance(bits as usize), &VTABLE))
            }
        }
    }

    /// What a waker does when it is cloned, woken, woken by reference, dropped.
    static VTABLE: RawWakerVTable = RawWakerVTable::new(|data| RawWaker::new(data, &VTABLE), wake, wake, |_| ());

    /// (6) Called by the standard library, when somebody uses a waker, on any thread.
    fn wake(data: *const ()) {
        let bits = data.addr() as u64;
        let (runtime, ticket) = ((bits >> 48) as u16, Ticket { slot: bits as u32, generation: (bits >> 32) as u16 });
        say!(Wake { task: ticket });
        match super::run::current().filter(|core| core.number == runtime) {
            // The loop that runs on this thread is the ticket's own. No `unpark`: the loop is awake, for it has called
            // the code that wakes, and it looks at the queue before it parks.
            Some(core) => core.tasks.borrow_mut().push(ticket),
            None => super::table::post(runtime, ticket),
        }
    }

    /// The part of a loop that other threads may touch.
    pub struct Inbox {
        /// The way in for the tickets of tasks to be polled. The loop has the other end. (It is crossbeam's, because
        /// from rung 5 on the loop asks whether it is empty. The standard library's channel cannot say that.)
        pub messages: Sender<Ticket>,
        /// Set by the loop when it is about to park. Taken down by the loop, or by the sender that rings.
        pub parked: AtomicBool,
        /// Ends the park of the loop.
        pub bell: mio::Waker,
    }

    impl Inbox {
        /// Asks the loop to poll this task. When the loop is gone nobody receives the message, and nothing happens.
        pub fn post(&self, ticket: Ticket) {
            let _ = self.messages.send(ticket); // (x)
            fence(SeqCst);
            // (y) The swap lets one of many senders ring.
            if self.parked.swap(false, SeqCst) {
                self.bell.wake().expect("the bell takes a ring for as long as it lives");
            }
        }
    }
}

/// Which inbox stands behind the number of a loop.
pub mod table {
    use super::wake::{Inbox, Ticket};
    use std::sync::{Arc, RwLock};

    /// The inbox of each loop, by the loop's number. Empty when the loop is gone.
    static TABLE: RwLock<Vec<Option<Arc<Inbox>>>> = RwLock::new(Vec::new());

    /// Gives a new loop its number. Numbers are not used again, so a process can make 65,536 loops.
    pub fn register(inbox: &Arc<Inbox>) -> u16 {
        let mut table = TABLE.write().unwrap();
        table.push(Some(Arc::clone(inbox)));
        let number = u16::try_from(table.len() - 1);
        // Without the lock: a panic under it would leave no loop of the process with a table.
        drop(table);
        number.expect("no more than 65,536 loops can be made in one process")
    }

    /// Takes a loop out of the table.
    pub fn unregister(number: u16) {
        TABLE.write().unwrap()[usize::from(number)] = None;
    }

    /// Posts a ticket to the loop with this number. When the loop is gone there is nobody to be woken.
    pub fn post(number: u16, ticket: Ticket) {
        let inbox = TABLE.read().unwrap()[usize::from(number)].clone();
        inbox.inspect(|inbox| inbox.post(ticket));
    }
}

/// (2) All tasks, and the queue of those that are ready.
pub mod ready {
    use super::wake::Ticket;
    use slab::Slab;
    use std::{collections::VecDeque, pin::Pin};

    /// A task that the loop can poll.
    pub enum Body {
        /// The future of `block_on`, which stays with `block_on`: it may borrow, and its output may have any type, so
        /// it does not fit into a list with the others.
        Main,
        /// A spawned future. In a box it has a place of its own, which it never leaves: that is what `Pin` asks for.
        Task(Pin<Box<dyn Future<Output = ()>>>),
    }

    /// Where one task lives.
    struct Slot {
        /// The ticket of the task that lives here. A ticket that differs belongs to a task that has ended: it is *stale*.
        ticket: Ticket,
        /// Whether the ticket stands in the queue.
        queued: bool,
        /// `None` while the task is polled: then the loop has it in hand.
        body: Option<Body>,
    }

    /// All tasks of a loop, and the queue of those that are ready.
    #[derive(Default)]
    pub struct Tasks {
        /// A slab is a vector that remembers its free places: `vacant_key` names the one that the next `insert` takes, and
        /// `remove` makes one free.
        slots: Slab<Slot>,
        /// Who is to be polled, first in, first out.
        pub queue: VecDeque<Ticket>,
        /// The generation of the next task: a running number, one count for all slots.
        next: u16,
    }

    impl Tasks {
        /// (1) Gives a new task a free slot, a ticket for it, and its first place in the queue. Called by `spawn`, and by
        /// `block_on` for main.
        pub fn insert(&mut self, body: Body) -> Ticket {
            let ticket = Ticket { slot: self.slots.vacant_key() as u32, generation: self.next };
            // After the last number the first comes again. A waker that was kept through 65,536 tasks may then wake the
            // wrong one: a poll without reason, after which a future says Pending again.
            self.next = self.next.wrapping_add(1);
            say!(Spawn { task: ticket, slot: ticket.slot, generation: ticket.generation });
            self.slots.insert(Slot { ticket, queued: false, body: Some(body) });
            self.push(ticket);
            ticket
        }

        /// The slot of this ticket. `None` when its task has ended: then the slot is empty, or has another ticket.
        fn slot(&mut self, ticket: Ticket) -> Option<&mut Slot> {
            self.slots.get_mut(ticket.slot as usize).filter(|slot| slot.ticket == ticket)
        }

        /// (2) Puts a task at the end of the queue, unless it stands there already or has ended. Called by
        /// `insert`, by a wake, and by the loop for the wakes that came to the inbox.
        pub fn push(&mut self, ticket: Ticket) {
            let Some(slot) = self.slot(ticket).filter(|slot| !slot.queued) else {
                // It is queued already, or its task has ended.
                say!(PushRefused { task: ticket, stale: self.slot(ticket).is_none() });
                return;
            };
            slot.queued = true;
            say!(Push { task: ticket });
            self.queue.push_back(ticket);
        }

        /// (2) Takes the next task out of the queue, and its body out of its slot. Called by the loop, which polls the
        /// body. So neither list is borrowed during the poll, in which the task may spawn others and wake them.
        pub fn pop(&mut self) -> Option<(Ticket, Body)> {
            let ticket = self.queue.pop_front()?;
            // `None` when the ticket is stale: its task was woken in its last poll, and has ended since.
            let slot = self.slot(ticket)?;
            slot.queued = false;
            say!(Pop { task: ticket });
            // The body is there: it is away only while the task is polled, and nothing is popped then.
            slot.body.take().map(|body| (ticket, body))
        }

        /// Puts the body of a pending task back into its slot. Called by the loop, after the poll.
        pub fn put_back(&mut self, ticket: Ticket, body: Body) {
            self.slot(ticket).expect("a task keeps its slot until it ends").body = Some(body);
        }

        /// Frees the slot of a task that has ended. Called by the loop, after the last poll.
        pub fn remove(&mut self, ticket: Ticket) {
            self.slots.remove(ticket.slot as usize);
        }
    }
}

/// What time it is for a loop.
pub mod clock {
    use std::{cell::Cell, time::Instant};

    /// The clock of one loop. It counts nanoseconds from its beginning on.
    pub struct Clock {
        pub start: Instant,
        /// The virtual time, which only the loop lets jump; `None` when the system's clock is the clock.
        pub standing: Cell<Option<u64>>,
    }

    impl Clock {
        /// The time as the timers count it.
        pub fn nanos(&self) -> u64 {
            self.standing.get().unwrap_or_else(|| self.start.elapsed().as_nanos() as u64)
        }
    }
}

/// (5) Who is to be woken when.
pub mod timers {
    use std::{collections::BTreeMap, task::Waker};

    /// A timer: its deadline, and how many were armed before it. So two timers with one deadline fire in the order in
    /// which they were armed.
    pub type Key = (u64, u64);

    /// All armed timers of a loop, in the order in which they fire.
    #[derive(Default)]
    pub struct Timers {
        /// Whom to wake when. An ordered map: the first entry is the next to fire.
        armed: BTreeMap<Key, Waker>,
        /// How many were ever armed.
        count: u64,
    }

    impl Timers {
        /// Arms a timer.
        pub fn arm(&mut self, deadline: u64, waker: Waker) -> Key {
            let key = (deadline, self.count);
            self.count += 1;
            say!(TimerArmed { timer: key, deadline: deadline });
            self.armed.insert(key, waker);
            key
        }

        /// The waker's place of a timer that has not fired; `None` when it has.
        pub fn waiting(&mut self, key: Key) -> Option<&mut Waker> {
            self.armed.get_mut(&key)
        }

        /// The next deadline.
        pub fn next(&self) -> Option<u64> {
            self.armed.keys().next().map(|&(deadline, _)| deadline)
        }

        /// Takes the first timer whose deadline has come, and gives whom to wake.
        pub fn fire(&mut self, now: u64) -> Option<Waker> {
            let first = self.armed.first_entry().filter(|first| first.key().0 <= now)?;
            say!(TimerFired { timer: *first.key() });
            Some(first.remove())
        }

        /// Forgets a timer, whether it has fired or not. The waker is for the caller to drop, outside of every borrow.
        pub fn release(&mut self, key: Key) -> Option<Waker> {
            say!(TimerDropped { timer: key });
            self.armed.remove(&key)
        }
    }
}

/// Futures that wait for a time.
pub mod time {
    use super::{run, run::Core, timers::Key};
    use std::task::{Context, Poll, Waker};
    use std::{future::poll_fn, mem, pin::Pin, pin::pin, rc::Rc, time::Duration, time::Instant};

    /// A future that is ready when its deadline has passed.
    pub struct Sleep {
        core: Rc<Core>,
        /// Its timer, whether it has fired or not.
        timer: Key,
    }

    /// Waits for `duration`, from this call on.
    pub fn sleep(duration: Duration) -> Sleep {
        let core = run::current().expect("sleep needs a running loop: call it inside block_on");
        let deadline = core.clock.nanos() + duration.as_nanos() as u64;
        // Nobody waits yet. The first poll leaves a waker.
        let timer = core.timers.borrow_mut().arm(deadline, Waker::noop().clone());
        Sleep { core, timer }
    }

    /// The time by the loop's clock.
    pub fn now() -> Instant {
        let core = run::current().expect("now needs a running loop: ask inside block_on");
        core.clock.start + Duration::from_nanos(core.clock.nanos())
    }

    impl Future for Sleep {
        type Output = ();

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            // The waker of the latest poll counts. The old one is dropped when the borrow has ended: that is foreign code.
            let fresh = cx.waker().clone();
            let old = self.core.timers.borrow_mut().waiting(self.timer).map(|waker| mem::replace(waker, fresh));
            if old.is_some() { Poll::Pending } else { Poll::Ready(()) }
        }
    }

    impl Drop for Sleep {
        fn drop(&mut self) {
            let waker = self.core.timers.borrow_mut().release(self.timer);
            drop(waker);
        }
    }

    /// The time was over.
    #[derive(Debug)]
    pub struct Elapsed;

    /// Waits for `future`, but not longer than `duration`; then the future is dropped.
    pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
        let (mut future, mut sleep) = (pin!(future), pin!(sleep(duration)));
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => sleep.as_mut().poll(cx).map(|()| Err(Elapsed)),
        })
        .await
    }
}

/// (4) What the system told of the sockets, and who waits there.
pub mod reactor {
    use mio::{Events, Interest, Poll, Token, event::Source};
    use slab::Slab;
    use std::{io, task::Waker, time::Duration};

    /// The two directions of a source: the index of a side.
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;

    /// What is known of one direction of a source.
    pub struct Side {
        /// An attempt is worth it: the system has told so, and none has failed since. True at first.
        pub ready: bool,
        /// Who waits for the system to tell.
        pub waker: Option<Waker>,
    }

    /// All sources of a loop (sockets, and whatever else mio can watch).
    pub struct Reactor {
        poll: Poll,
        /// Room for what one look brings.
        events: Events,
        /// Each source with the token that is good for it: a late event of a closed socket must not reach its successor.
        pub sources: Slab<(Token, [Side; 2])>,
        /// The generation of the next source.
        next: usize,
    }

    impl Reactor {
        /// A reactor, and the bell that ends its park.
        pub fn new() -> (Reactor, mio::Waker) {
            let poll = Poll::new().expect("the system gives the loop a descriptor");
            let bell = mio::Waker::new(poll.registry(), Token(usize::MAX)).expect("and one for the bell");
            (Reactor { poll, events: Events::with_capacity(1024), sources: Slab::new(), next: 0 }, bell)
        }

        /// Begins to watch a source. Its token is `| generation 32 | slot 32 |`.
        pub fn register(&mut self, source: &mut impl Source) -> io::Result<Token> {
            let token = Token(self.next << 32 | self.sources.vacant_key());
            self.poll.registry().register(source, token, Interest::READABLE | Interest::WRITABLE)?;
            self.sources.insert((token, [(); 2].map(|()| Side { ready: true, waker: None })));
            self.next += 1;
            say!(IoRegistered { source: token, ready: true });
            Ok(token)
        }

        /// Ends that. The wakers are for the caller to drop, outside of every borrow.
        pub fn deregister(&mut self, source: &mut impl Source, token: Token) -> [Side; 2] {
            let _ = self.poll.registry().deregister(source);
            say!(IoDeregistered { source: token });
            self.sources.remove(token.0 as u32 as usize).1
        }

        /// One side of a watched source.
        pub fn side(&mut self, token: Token, way: usize) -> &mut Side {
            &mut self.sources[token.0 as u32 as usize].1[way]
        }

        /// Sleeps until the system has something to tell, for up to `timeout`, and gives the wakers of whom it concerns.
        pub fn park(&mut self, timeout: Option<Duration>) -> Vec<Waker> {
            let mut woken = Vec::new();
            if let Err(error) = self.poll.poll(&mut self.events, timeout) {
                // After a signal there are no events, and the loop goes on.
                assert!(error.kind() == io::ErrorKind::Interrupted, "the loop cannot wait for events: {error}");
            }
            for event in &self.events {
                // A token without a source is the bell's, or its source is gone.
                let source = self.sources.get_mut(event.token().0 as u32 as usize).filter(|it| it.0 == event.token());
                let Some((_, sides)) = source else { continue };
                let ended = [event.is_read_closed(), event.is_write_closed()].map(|closed| closed || event.is_error());
                let ready = [event.is_readable() || ended[READ], event.is_writable() || ended[WRITE]];
                for way in [READ, WRITE].into_iter().filter(|&way| ready[way]) {
                    say!(IoReady { source: event.token(), direction: way });
                    sides[way].ready = true;
                    woken.extend(sides[way].waker.take());
                }
            }
            woken
        }
    }
}

/// A socket as its leaf sees it.
pub mod io {
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
}

/// TCP.
pub mod net {
    use super::{io::Watched, reactor::READ, reactor::WRITE};
    use std::io::{ErrorKind, Read, Result, Write};
    use std::net::SocketAddr;

    /// A socket that accepts connections.
    pub struct TcpListener(Watched<mio::net::TcpListener>);

    impl TcpListener {
        /// Listens at `address`; port 0 is a free one.
        pub fn bind(address: SocketAddr) -> Result<TcpListener> {
            Ok(TcpListener(Watched::new(mio::net::TcpListener::bind(address)?)?))
        }

        /// Where it listens.
        pub fn local_addr(&self) -> Result<SocketAddr> {
            self.0.source.local_addr()
        }

        /// Waits for the next connection.
        pub async fn accept(&mut self) -> Result<TcpStream> {
            let (stream, _) = self.0.retry(READ, |listener| listener.accept()).await?;
            Ok(TcpStream(Watched::new(stream)?))
        }
    }

    /// A connection.
    pub struct TcpStream(pub Watched<mio::net::TcpStream>);

    impl TcpStream {
        /// Connects to `address`.
        pub async fn connect(address: SocketAddr) -> Result<TcpStream> {
            let mut watched = Watched::new(mio::net::TcpStream::connect(address)?)?;
            let connected = watched.retry(WRITE, |stream| match stream.take_error()? {
                Some(error) => Err(error),
                // Neither refused nor connected: not yet.
                None => stream.peer_addr().map_err(|_| ErrorKind::WouldBlock.into()),
            });
            connected.await?;
            Ok(TcpStream(watched))
        }

        /// Reads what is there, or waits for it; 0 is the end.
        pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            self.0.retry(READ, |stream| stream.read(buffer)).await
        }

        /// Writes everything.
        pub async fn write_all(&mut self, mut bytes: &[u8]) -> Result<()> {
            while !bytes.is_empty() {
                let written = self.0.retry(WRITE, |stream| stream.write(bytes)).await?;
                bytes = &bytes[written..];
            }
            Ok(())
        }
    }
}

/// The loop itself.
pub mod run {
    use super::{clock::Clock, reactor::Reactor, ready::Body, ready::Tasks, timers::Timers, wake::Inbox, wake::Ticket};
    use crossbeam_channel::Receiver;
    use std::sync::atomic::{Ordering::SeqCst, fence};
    use std::task::{Context, Poll, Waker};
    use std::{cell::Cell, cell::RefCell, ops::ControlFlow, rc::Rc, rc::Weak, sync::Arc, time::Duration};

    /// While tasks are ready, everything else is asked once in so many polls: to ask costs a system call. The number is
    /// tokio's, and Go's.
    const POLLS_BETWEEN_LOOKS: u32 = 61;

    thread_local! {
        /// The loop that runs on this thread. `Weak`: it does not keep the loop alive.
        pub static CURRENT: RefCell<Weak<Core>> = const { RefCell::new(Weak::new()) };
    }

    /// The loop that runs on this thread, if there is one.
    pub fn current() -> Option<Rc<Core>> {
        CURRENT.with_borrow(Weak::upgrade)
    }

    /// The closure by which the loop polls main. `block_on` makes one for each turn; it writes main's output into a
    /// variable of `block_on`.
    pub type PollMain<'a> = dyn FnMut(&mut Context<'_>) -> Poll<()> + 'a;

    /// The state of one loop. The tasks are in a `RefCell`, never borrowed while code of others runs (a poll, a drop):
    /// it may spawn and wake.
    pub struct Core {
        /// Its number in the table.
        pub number: u16,
        pub tasks: RefCell<Tasks>,
        pub timers: RefCell<Timers>,
        pub reactor: RefCell<Reactor>,
        /// Polls since everything else was asked.
        pub polls: Cell<u32>,
        pub clock: Clock,
        /// The loop's end of the inbox.
        pub messages: Receiver<Ticket>,
        pub inbox: Arc<Inbox>,
    }

    impl Core {
        /// One turn: `block_on` calls it again and again. It breaks when main is done.
        pub fn turn(&self, main: &mut PollMain<'_>) -> ControlFlow<()> {
            say!(TurnBegin {});
            if self.polls.get() >= POLLS_BETWEEN_LOOKS {
                self.look(Some(Duration::ZERO));
            }
            while self.tasks.borrow().queue.is_empty() {
                self.park();
            }
            // Only so many as are ready now; whoever is woken from here on belongs to the next turn.
            let ready = self.tasks.borrow().queue.len();
            for _ in 0..ready {
                let Some((ticket, body)) = self.tasks.borrow_mut().pop() else { continue };
                // The `?` ends the turn when main is done.
                self.poll(ticket, body, main)?;
            }
            say!(TurnEnd {});
            ControlFlow::Continue(())
        }

        /// (3) Polls one task, and puts it back if it is pending.
        fn poll(&self, ticket: Ticket, mut body: Body, main: &mut PollMain<'_>) -> ControlFlow<()> {
            self.polls.set(self.polls.get() + 1);
            let waker = ticket.waker(self.number);
            // A `Context` only carries the waker of this poll to the future, which takes it out by `cx.waker()`.
            let cx = &mut Context::from_waker(&waker);
            say!(PollBegin { task: ticket });
            let polled = match &mut body {
                Body::Main => main(cx),
                // `poll` uses up the pin that it is given; `as_mut` lends one for this poll.
                Body::Task(future) => future.as_mut().poll(cx),
            };
            say!(PollEnd { task: ticket, ready: polled.is_ready() });
            if polled.is_pending() {
                self.tasks.borrow_mut().put_back(ticket, body);
                return ControlFlow::Continue(());
            }
            self.tasks.borrow_mut().remove(ticket);
            say!(TaskEnd { task: ticket });
            if let Body::Main = body { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }

        /// Asks everything outside of the queue: (4) the system, for up to `timeout`, (5) the timers, and the inbox.
        fn look(&self, timeout: Option<Duration>) {
            self.polls.set(0);
            let woken = self.reactor.borrow_mut().park(timeout);
            woken.into_iter().for_each(Waker::wake);
            self.receive();
            self.fire();
        }

        /// Nothing is ready: waits until something is, unless a message has come a moment ago.
        fn park(&self) {
            self.inbox.parked.store(true, SeqCst); // (a)
            fence(SeqCst);
            let next = self.timers.borrow().next();
            let until_next = next.map(|next| Duration::from_nanos(next.saturating_sub(self.clock.nanos())));
            // The virtual clock. With no deadline to jump to, a socket may still bring something.
            let can_wait = next.is_none() && !self.reactor.borrow().sources.is_empty();
            let can_jump = self.clock.standing.get().is_some() && !can_wait;
            let timeout = if can_jump || !self.messages.is_empty() { Some(Duration::ZERO) } else { until_next }; // (b)
            say!(Park { timeout: timeout });
            self.look(timeout);
            say!(Unpark {});
            self.inbox.parked.store(false, SeqCst); // (c)
            if can_jump && self.tasks.borrow().queue.is_empty() {
                self.jump(next);
            }
        }

        /// Lets the virtual clock jump to the next deadline.
        fn jump(&self, next: Option<u64>) {
            let next = next.expect("nothing can happen any more: no task, no timer, no socket. Who forgot to wake?");
            say!(Jump { to: next });
            self.clock.standing.set(Some(next.max(self.clock.nanos())));
            self.fire();
        }

        /// (5) Fires the timers whose deadline has come, in order, and (6) wakes whom they concern.
        fn fire(&self) {
            let now = self.clock.nanos();
            // One at a time: the borrow ends before the wake.
            std::iter::from_fn(|| self.timers.borrow_mut().fire(now)).for_each(Waker::wake);
        }

        /// Moves what has come to the inbox into the queue, in the order in which it came.
        fn receive(&self) {
            self.messages.try_iter().for_each(|ticket| self.tasks.borrow_mut().push(ticket));
        }
    }
}

/// What a program calls.
pub mod runtime {
    use super::join::{JoinCell, JoinError, JoinHandle, Settle, settled};
    use super::run::{self, CURRENT, Core};
    use super::{clock::Clock, reactor::Reactor, ready::Body, table, wake::Inbox};
    use std::{cell::Cell, cell::RefCell, pin::pin, rc::Rc, rc::Weak, sync::Arc, time::Instant};

    /// A loop and its tasks. They live on between two calls of `block_on`.
    pub struct Runtime(Rc<Core>);

    impl Runtime {
        /// A loop by the system's clock.
        pub fn new() -> Runtime {
            Runtime::by(None)
        }

        /// A loop by a virtual clock.
        pub fn virtual_clock() -> Runtime {
            Runtime::by(Some(0))
        }

        fn by(standing: Option<u64>) -> Runtime {
            let (messages, receiver) = crossbeam_channel::unbounded();
            let (reactor, bell) = Reactor::new();
            let inbox = Arc::new(Inbox { messages, parked: false.into(), bell });
            let (number, tasks, timers) = (table::register(&inbox), RefCell::default(), RefCell::default());
            let clock = Clock { start: Instant::now(), standing: Cell::new(standing) };
            let (reactor, polls) = (RefCell::new(reactor), Cell::new(0));
            Runtime(Rc::new(Core { number, tasks, timers, reactor, polls, clock, messages: receiver, inbox }))
        }

        /// Drives `future` and all tasks until `future` is ready.
        pub fn block_on<F: Future>(&self, future: F) -> F::Output {
            // The inner loop would park the thread and starve the outer one.
            assert!(run::current().is_none(), "a loop runs on this thread already: spawn the future there");
            let Runtime(core) = self;
            let _entered = Entered(CURRENT.replace(Rc::downgrade(core)));
            core.tasks.borrow_mut().insert(Body::Main);
            let (mut future, mut output) = (pin!(future), None);
            // The loop polls main by this closure. It polls `future`, keeps the value in `output`, and tells the loop only
            // Ready or Pending.
            while core.turn(&mut |cx| future.as_mut().poll(cx).map(|value| output = Some(value))).is_continue() {}
            output.expect("the turns end when main has given its output")
        }
    }

    impl Drop for Runtime {
        /// Drops the tasks that have not ended; then wakers of this loop find nobody.
        fn drop(&mut self) {
            let _entered = Entered(CURRENT.replace(Rc::downgrade(&self.0)));
            // `RefCell::take` puts empty `Tasks` in their place, and its borrow ends; only then are the old ones
            // dropped. So a task's drop may borrow again.
            drop(self.0.tasks.take());
            table::unregister(self.0.number);
        }
    }

    /// While it lives, another loop is the one of this thread than before. A panic drops it, too.
    struct Entered(Weak<Core>);

    impl Drop for Entered {
        fn drop(&mut self) {
            CURRENT.set(self.0.clone());
        }
    }

    /// Drives `future` and all tasks that are spawned meanwhile, until `future` is ready.
    pub fn block_on<F: Future>(future: F) -> F::Output {
        Runtime::new().block_on(future)
    }

    /// (1) Makes a task of `future`. It is polled for the first time in the next turn. `'static`, because the task may
    /// outlive whoever spawns it; not `Send`, because it never leaves this thread.
    pub fn spawn<F: Future + 'static>(future: F) -> JoinHandle<F::Output> {
        let core = run::current().expect("spawn needs a running loop: call it inside block_on");
        let cell = Rc::new(JoinCell { result: None.into(), joiner: None.into(), aborted: false.into() });
        let settle = Settle { cell: Rc::clone(&cell), result: Some(Err(JoinError::Cancelled)) };
        let ticket = core.tasks.borrow_mut().insert(Body::Task(Box::pin(settled(settle, future))));
        JoinHandle { cell, task: ticket.waker(core.number) }
    }
}

/// What a task can do without waiting for anything.
pub mod task {
    use std::{future::poll_fn, mem, task::Poll};

    /// Lets the tasks that stand in the queue be polled first: Pending once, with the wake already done.
    pub async fn yield_now() {
        let mut yielded = false;
        poll_fn(|cx| {
            if mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// The result of a task.
pub mod join {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::{Context, Poll, Waker};
    use std::{cell::Cell, future::poll_fn, pin::Pin, pin::pin, rc::Rc};

    /// Why a task has no value.
    #[derive(Debug)]
    pub enum JoinError {
        /// It was aborted, or dropped with its loop.
        Cancelled,
        /// It panicked, with this.
        Panicked(Box<dyn std::any::Any + Send>),
    }

    /// What a task and its handle share.
    pub struct JoinCell<T> {
        /// The result, from the end of the task until the handle takes it.
        pub result: Cell<Option<Result<T, JoinError>>>,
        /// Who awaits the handle.
        pub joiner: Cell<Option<Waker>>,
        /// The task is to be dropped instead of its next poll.
        pub aborted: Cell<bool>,
    }

    /// Lives as long as its task, and settles the cell when it is dropped.
    pub struct Settle<T> {
        pub cell: Rc<JoinCell<T>>,
        /// Cancelled, until the task has another result.
        pub result: Option<Result<T, JoinError>>,
    }

    impl<T> Drop for Settle<T> {
        fn drop(&mut self) {
            self.cell.result.set(self.result.take()); // (a)
            self.cell.joiner.take().into_iter().for_each(Waker::wake); // (b)
        }
    }

    /// What the loop polls in the place of `future`. The guard is dropped after it.
    pub async fn settled<F: Future>(mut settle: Settle<F::Output>, future: F) {
        let mut future = pin!(future);
        let result = poll_fn(|cx| {
            if settle.cell.aborted.get() {
                return Poll::Ready(Err(JoinError::Cancelled));
            }
            match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                Ok(polled) => polled.map(Ok),
                Err(payload) => Poll::Ready(Err(JoinError::Panicked(payload))),
            }
        });
        settle.result = Some(result.await);
    }

    /// A task's result to come. To drop it is to let the task go on by itself.
    pub struct JoinHandle<T> {
        pub cell: Rc<JoinCell<T>>,
        /// Wakes the task.
        pub task: Waker,
    }

    impl<T> JoinHandle<T> {
        /// Asks the loop to drop the task.
        pub fn abort(&self) {
            self.cell.aborted.set(true);
            self.task.wake_by_ref();
        }
    }

    impl<T> Future for JoinHandle<T> {
        type Output = Result<T, JoinError>;

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
            if let Some(result) = self.cell.result.take() {
                return Poll::Ready(result); // (x)
            }
            let old = self.cell.joiner.replace(Some(cx.waker().clone())); // (y)
            drop(old);
            Poll::Pending
        }
    }
}

/// Permits, and the line of those who wait for one.
pub mod semaphore {
    use std::{cell::Cell, cell::RefCell, collections::VecDeque, rc::Rc};
    use std::{future::poll_fn, task::Poll, task::Waker};

    /// A number of permits, and the line of those who wait for one.
    pub struct Semaphore {
        free: Cell<usize>,
        line: RefCell<VecDeque<Rc<Waiter>>>,
    }

    /// One who has a permit or waits for it.
    #[derive(Default)]
    struct Waiter {
        granted: Cell<bool>,
        waker: Cell<Option<Waker>>,
    }

    impl Semaphore {
        /// A semaphore with so many permits.
        pub fn new(permits: usize) -> Semaphore {
            Semaphore { free: Cell::new(permits), line: RefCell::default() }
        }

        /// Waits for a permit.
        pub async fn acquire(&self) -> Permit<'_> {
            // From here on, to drop this future is to drop the permit, whether it is granted yet or not.
            let permit = Permit { semaphore: self, waiter: Rc::default() };
            self.line.borrow_mut().push_back(Rc::clone(&permit.waiter));
            if let Some(left) = self.free.get().checked_sub(1) {
                // Nobody is in line before it: otherwise `release` would have handed this permit over.
                self.free.set(left);
                self.release();
            }
            say!(PermitWaiting { semaphore: self });
            let granted = poll_fn(|cx| {
                let old = permit.waiter.waker.replace(Some(cx.waker().clone()));
                drop(old);
                if permit.waiter.granted.get() { Poll::Ready(()) } else { Poll::Pending }
            });
            granted.await;
            say!(PermitTaken { semaphore: self, left: self.free.get() });
            permit
        }

        /// Hands a permit to the first in line. If nobody is there it is free.
        fn release(&self) {
            let first = self.line.borrow_mut().pop_front();
            say!(PermitReleased { semaphore: self });
            let Some(waiter) = first else { return self.free.set(self.free.get() + 1) };
            waiter.granted.set(true);
            waiter.waker.take().into_iter().for_each(Waker::wake);
        }
    }

    /// The right to go on, once it is granted. To drop it is to give it back, or to leave the line.
    pub struct Permit<'a> {
        semaphore: &'a Semaphore,
        waiter: Rc<Waiter>,
    }

    impl Drop for Permit<'_> {
        fn drop(&mut self) {
            if self.waiter.granted.get() {
                return self.semaphore.release();
            }
            say!(PermitLeft { semaphore: self.semaphore });
            self.semaphore.line.borrow_mut().retain(|waiter| !Rc::ptr_eq(waiter, &self.waiter));
        }
    }
}

/// Jobs for other threads.
pub mod blocking {
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    use std::{future::poll_fn, sync::Arc, sync::Mutex, task::Poll, task::Waker, thread};

    /// Runs `job` on a thread of its own, and gives its result.
    pub async fn spawn_blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
        // The result, and whom to wake when it is there.
        let place = Arc::new(Mutex::new((None, None::<Waker>)));
        let threads = Arc::clone(&place);
        thread::spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(job));
            let mut place = threads.lock().unwrap();
            place.0 = Some(result); // (a)
            let task = place.1.take();
            drop(place);
            task.into_iter().for_each(Waker::wake); // (b)
        });
        let result = poll_fn(|cx| {
            let mut place = place.lock().unwrap();
            place.1 = Some(cx.waker().clone()); // (y)
            place.0.take().map_or(Poll::Pending, Poll::Ready) // (x)
        });
        result.await.unwrap_or_else(|payload| resume_unwind(payload))
    }
}

/// Many futures in one task.
pub mod gather {
    use std::task::{Context, Poll, Wake, Waker};
    use std::{convert::Infallible, future::poll_fn, mem, sync::Arc, sync::Mutex};

    /// Which children are to be polled, and whom to wake when there are any.
    struct ReadySet {
        /// The places of those that were woken, each once.
        ready: Vec<usize>,
        /// By place: whether it stands there.
        queued: Vec<bool>,
        /// The task that awaits the gather, until it is woken. One wake is enough for all that stand there.
        task: Option<Waker>,
    }

    /// What a child's waker points to.
    struct Child {
        place: usize,
        set: Arc<Mutex<ReadySet>>,
    }

    impl Wake for Child {
        /// Called by whoever holds the child's waker, on any thread.
        fn wake(self: Arc<Self>) {
            let mut set = self.set.lock().unwrap();
            if mem::replace(&mut set.queued[self.place], true) {
                return;
            }
            say!(ChildWoken { place: self.place });
            set.ready.push(self.place);
            let task = set.task.take();
            drop(set);
            task.into_iter().for_each(Waker::wake);
        }
    }

    /// Takes the places that are ready. Who is woken from here on belongs to the next batch, and wakes `task`.
    fn drain(set: &Mutex<ReadySet>, task: &Waker) -> Vec<usize> {
        let fresh = task.clone();
        let mut set = set.lock().unwrap();
        let old = set.task.replace(fresh);
        let ready = mem::take(&mut set.ready);
        ready.iter().for_each(|&place| set.queued[place] = false);
        drop(set);
        drop(old);
        ready
    }

    /// Polls all children side by side, each when it was woken. Gives their outputs in the order of the input, or the
    /// first error as soon as it comes; then the other children are dropped.
    pub async fn try_gather<F, T, E>(futures: impl IntoIterator<Item = F>) -> Result<Vec<T>, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        // By place; `None` when the child has ended.
        let mut children: Vec<_> = futures.into_iter().map(|future| Some(Box::pin(future))).collect();
        let mut outputs: Vec<_> = children.iter().map(|_| None).collect();
        let mut left = children.len();
        let set = Arc::new(Mutex::new(ReadySet { ready: (0..left).collect(), queued: vec![true; left], task: None }));
        let child = |place| Waker::from(Arc::new(Child { place, set: Arc::clone(&set) }));
        let wakers: Vec<_> = (0..left).map(child).collect();
        let all_ended = poll_fn(|cx| {
            for place in drain(&set, cx.waker()) {
                let Some(future) = &mut children[place] else { continue };
                say!(ChildPoll { place: place });
                let polled = future.as_mut().poll(&mut Context::from_waker(&wakers[place]));
                say!(ChildPollEnd { place: place, ready: polled.is_ready(), alive: left });
                if let Poll::Ready(output) = polled {
                    children[place] = None;
                    outputs[place] = Some(output?);
                    left -= 1;
                }
            }
            if left == 0 { Poll::Ready(Ok(())) } else { Poll::Pending }
        });
        all_ended.await?;
        Ok(outputs.into_iter().flatten().collect())
    }

    /// The same for children that cannot fail.
    pub async fn gather<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
        let children = futures.into_iter().map(|future| async { Ok::<_, Infallible>(future.await) });
        let Ok(outputs) = try_gather(children).await;
        outputs
    }
}

/// HTTP.
pub mod server {
    use super::{net::TcpListener, net::TcpStream, runtime::spawn, time};
    use std::{cell::Cell, io::Result, rc::Rc, time::Duration};

    /// True when the server is to stop.
    pub type Stop = Rc<Cell<bool>>;

    /// What a client may take.
    #[derive(Clone, Copy)]
    pub struct Limits {
        /// The most bytes in the head of a request.
        pub head: usize,
        /// The longest time without a byte.
        pub idle: Duration,
    }

    /// Serves each connection in a task of its own.
    pub async fn listen(mut listener: TcpListener, stop: Stop, limits: Limits) {
        loop {
            match listener.accept().await {
                Ok(stream) => drop(spawn(serve(stream, Rc::clone(&stop), limits))),
                // With no descriptor left it fails at once, again and again: so not at once again.
                Err(_) => time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// Answers one request after the other, until the client leaves, a limit is passed, or the server stops.
    pub async fn serve(mut stream: TcpStream, stop: Stop, limits: Limits) -> Result<()> {
        let (mut input, mut buffer, mut keeps) = (Vec::new(), [0; 4096], true);
        while keeps {
            if let Some(end) = input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head: Vec<u8> = input.drain(..end + 4).collect();
                let answer = answer(&String::from_utf8_lossy(&head), &mut keeps, &stop).await;
                stream.write_all(answer.as_bytes()).await?;
            } else if input.len() > limits.head {
                return stream.write_all(b"HTTP/1.1 431 Too Large\r\nConnection: close\r\n\r\n").await;
            } else {
                match time::timeout(limits.idle, stream.read(&mut buffer)).await {
                    Ok(Ok(length @ 1..)) => input.extend_from_slice(&buffer[..length]),
                    _gone_or_idle => keeps = false,
                }
            }
        }
        Ok(())
    }

    /// The answer to a request with this head. `keeps` says afterwards whether the connection stays.
    async fn answer(head: &str, keeps: &mut bool, stop: &Stop) -> String {
        let mut words = head.split_whitespace();
        let (method, path, version) = (words.next(), words.next(), words.next());
        let mut fields = head.lines().filter_map(|line| line.split_once(':'));
        let connection = fields.find(|(name, _)| name.eq_ignore_ascii_case("connection")).map_or("", |field| field.1);
        let asks = |what| connection.trim().eq_ignore_ascii_case(what);
        *keeps = if version == Some("HTTP/1.0") { asks("keep-alive") } else { !asks("close") };
        // A request that is no GET may have a body, which nobody reads here.
        *keeps &= method == Some("GET");
        let (status, body) = match path {
            Some("/hello") => ("200 OK", "Hello, world!\n"),
            Some("/slow") => {
                time::sleep(Duration::from_millis(5)).await;
                ("200 OK", "slept for 5 ms\n")
            }
            _ => ("404 Not Found", "no such page\n"),
        };
        // Asked last, right before it is told: whatever else the client has sent, it knows that this is the last answer.
        *keeps &= !stop.get();
        let (length, connection) = (body.len(), if *keeps { "keep-alive" } else { "close" });
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: {connection}\r\n\r\n{body}")
    }
}

/// Serves at the address that it is given. Without one, it answers two requests of its own that come in one piece.
fn main() -> std::io::Result<()> {
    let given = std::env::args().nth(1).map(|address| address.parse().expect("an address, as in 127.0.0.1:8080"));
    runtime::block_on(async {
        let listener = net::TcpListener::bind(given.unwrap_or(([127, 0, 0, 1], 0).into()))?;
        let address = listener.local_addr()?;
        println!("http://{address}/hello and http://{address}/slow");
        let limits = server::Limits { head: 8192, idle: std::time::Duration::from_secs(10) };
        let server = runtime::spawn(server::listen(listener, server::Stop::default(), limits));
        if given.is_some() {
            server.await.expect("the server does not panic");
        }
        let (mut client, mut buffer) = (net::TcpStream::connect(address).await?, [0; 4096]);
        client.write_all(b"GET /hello HTTP/1.1\r\n\r\nGET /slow HTTP/1.0\r\n\r\n").await?;
        while let length @ 1.. = client.read(&mut buffer).await? {
            println!("{}", String::from_utf8_lossy(&buffer[..length]));
        }
        Ok(())
    })
}
