//! Rung 8: many futures in one task. `gather` three times: naive, selective, counted.
//!
//! `gather` is one future made of many, its *children*. It is ready when all of them are, and gives their outputs in the
//! order of the input. The loop knows nothing of it: it polls the task, the task polls the gather, and the gather polls
//! children. The question is only which.
//!
//! - [`naive`](gather::naive) hands the task's own waker to every child. Then a wake does not say whose it was, so each
//!   poll of the task polls all children. With n children of which one becomes ready after the other, that is n² polls.
//! - [`selective`](gather::selective) gives each child a waker of its own, which raises a flag and wakes the task. Only
//!   children with a flag are polled. But to find the flags it looks at all n places at each poll of the task.
//! - [`gather`](gather::gather) keeps a list of the places that were woken, and counts who is left. It looks at nobody
//!   else. A wake costs the same among two children and among a million.
//!
//! ```text
//!   child's waker, place 3 --+
//!   child's waker, place 7 --+--wake--> ReadySet: [3, 7] --the first one wakes--> the task
//!                                            |
//!                                            +--drain, at the task's next poll--> polls 3 and 7 only
//! ```
//!
//! A place stands in the list once. Its flag is cleared by the drain, before the child is polled: as in the ready queue,
//! a wake during the poll counts for the next one.
//!
//! Each child has a box of its own. So it has a place that it never leaves, and may be pinned there.
//!
//! # What this step buys
//!
//! On rung 7 a task awaits one future after the other. If the first waits for what the second would do, the second is
//! never polled, and the task waits for ever. Here both are polled.
//!
//! # Where it is in the real crate
//!
//! The crate `gather`: its engine, ready set and wakers.

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
        pub fn insert(&mut self, body: Body) {
            let ticket = Ticket { slot: self.slots.vacant_key() as u32, generation: self.next };
            // After the last number the first comes again. A waker that was kept through 65,536 tasks may then wake the
            // wrong one: a poll without reason, after which a future says Pending again.
            self.next = self.next.wrapping_add(1);
            say!(Spawn { task: ticket, slot: ticket.slot, generation: ticket.generation });
            self.slots.insert(Slot { ticket, queued: false, body: Some(body) });
            self.push(ticket);
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
    use std::{mem, pin::Pin, rc::Rc, time::Duration, time::Instant};

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
    pub fn spawn(future: impl Future<Output = ()> + 'static) {
        let core = run::current().expect("spawn needs a running loop: call it inside block_on");
        core.tasks.borrow_mut().insert(Body::Task(Box::pin(future)));
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

/// Many futures in one task.
pub mod gather {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll, Wake, Waker};
    use std::{future::poll_fn, mem, pin::Pin};

    /// The children of a gather and what they gave.
    struct Children<F: Future> {
        /// By place; `None` when the child has ended.
        futures: Vec<Option<Pin<Box<F>>>>,
        outputs: Vec<Option<F::Output>>,
        /// How many have not ended.
        left: usize,
    }

    impl<F: Future> Children<F> {
        fn new(futures: impl IntoIterator<Item = F>) -> Children<F> {
            let futures: Vec<_> = futures.into_iter().map(|future| Some(Box::pin(future))).collect();
            Children { outputs: futures.iter().map(|_| None).collect(), left: futures.len(), futures }
        }

        /// Polls the child in this place, unless it has ended.
        fn poll(&mut self, place: usize, waker: &Waker) {
            let Some(future) = &mut self.futures[place] else { return };
            say!(ChildPoll { place: place });
            let polled = future.as_mut().poll(&mut Context::from_waker(waker));
            say!(ChildPollEnd { place: place, ready: polled.is_ready(), alive: self.left });
            if let Poll::Ready(output) = polled {
                self.futures[place] = None;
                self.outputs[place] = Some(output);
                self.left -= 1;
            }
        }

        /// Whether all have ended.
        fn all_ended(&self) -> Poll<()> {
            if self.left == 0 { Poll::Ready(()) } else { Poll::Pending }
        }
    }

    /// The bad one: whenever the task is polled, polls all children.
    pub async fn naive<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
        let mut children = Children::new(futures);
        poll_fn(|cx| {
            (0..children.futures.len()).for_each(|place| children.poll(place, cx.waker()));
            children.all_ended()
        })
        .await;
        children.outputs.into_iter().flatten().collect()
    }

    /// What a child's waker points to: its flag, and whom to wake then.
    struct Flag {
        woken: AtomicBool,
        task: Mutex<Option<Waker>>,
    }

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.woken.store(true, SeqCst);
            let task = self.task.lock().unwrap().take();
            task.into_iter().for_each(Waker::wake);
        }
    }

    /// The middling one: whenever the task is polled, looks at all children, and polls those that were woken.
    pub async fn selective<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
        let mut children = Children::new(futures);
        let flag = |_| Arc::new(Flag { woken: true.into(), task: None.into() });
        let flags: Vec<_> = (0..children.left).map(flag).collect();
        poll_fn(|cx| {
            for (place, flag) in flags.iter().enumerate() {
                let fresh = cx.waker().clone();
                let old = flag.task.lock().unwrap().replace(fresh);
                drop(old);
                if flag.woken.swap(false, SeqCst) {
                    children.poll(place, &Waker::from(Arc::clone(flag)));
                }
            }
            children.all_ended()
        })
        .await;
        children.outputs.into_iter().flatten().collect()
    }

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

    /// Polls all children side by side, each when it was woken. Gives their outputs in the order of the input.
    pub async fn gather<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
        let mut children = Children::new(futures);
        let all = (0..children.left).collect();
        let set = Arc::new(Mutex::new(ReadySet { ready: all, queued: vec![true; children.left], task: None }));
        let child = |place| Waker::from(Arc::new(Child { place, set: Arc::clone(&set) }));
        let wakers: Vec<Waker> = (0..children.left).map(child).collect();
        poll_fn(|cx| {
            drain(&set, cx.waker()).into_iter().for_each(|place| children.poll(place, &wakers[place]));
            children.all_ended()
        })
        .await;
        children.outputs.into_iter().flatten().collect()
    }
}

/// A child that sleeps, and counts how often it was polled.
async fn nap(millis: u64, polls: &std::cell::Cell<u32>) {
    let mut sleep = std::pin::pin!(time::sleep(std::time::Duration::from_millis(millis)));
    let counted = std::future::poll_fn(|cx| {
        polls.set(polls.get() + 1);
        sleep.as_mut().poll(cx)
    });
    counted.await;
}

/// A thousand naps, one of 1 ms, one of 2 ms, and so on, side by side in each of the three ways.
fn main() {
    for form in ["naive", "selective", "gather"] {
        let (polls, start) = (std::cell::Cell::new(0), std::time::Instant::now());
        let naps = (1..=1000).map(|millis| nap(millis, &polls));
        runtime::Runtime::virtual_clock().block_on(async {
            match form {
                "naive" => gather::naive(naps).await,
                "selective" => gather::selective(naps).await,
                _ => gather::gather(naps).await,
            }
        });
        println!("{form:>9}: {:>7} polls of 1,000 children, {:?}", polls.get(), start.elapsed());
    }
}
