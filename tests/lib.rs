//! What the integration tests share.

use runtime::net::{TcpListener, TcpStream};
use runtime::time::{Sleep, sleep};
use runtime::{Runtime, Turn, spawn, task::yield_now};
use socket2::{Domain, Socket, Type};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::time::{Duration, Instant};

/// Runs `future` on a fresh runtime with the virtual clock: time costs nothing and stands still while work is ready.
#[track_caller]
pub fn virtually<F: Future>(future: F) -> F::Output {
    Runtime::builder().virtual_clock().build().expect("the system gives descriptors").block_on(future)
}

/// A list of what happened, in order, that many tasks may write to.
#[derive(Clone, Default, Debug)]
pub struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    /// An empty list.
    pub fn new() -> Log {
        Log::default()
    }

    /// Adds a line.
    pub fn add(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    /// Takes the lines.
    pub fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// Writes its name to a log when it is dropped.
#[derive(Debug)]
pub struct Dropped(pub Log, pub &'static str);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.add(format!("{} dropped", self.1));
    }
}

/// A waker that counts its wakes, for polling by hand.
#[derive(Default, Debug)]
pub struct Count(AtomicUsize);

impl Count {
    /// A fresh counter and a waker for it.
    pub fn new() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (Arc::clone(&count), Waker::from(Arc::clone(&count)))
    }

    /// Wakes so far.
    pub fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Count>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A waker that writes down what a counter of polls said when it was woken.
#[derive(Debug)]
pub struct Stamp {
    polls: Arc<AtomicUsize>,
    at: Mutex<Option<usize>>,
}

impl Stamp {
    /// One that nobody has woken, and a waker for it.
    pub fn new(polls: &Arc<AtomicUsize>) -> (Arc<Stamp>, Waker) {
        let stamp = Arc::new(Stamp { polls: Arc::clone(polls), at: Mutex::new(None) });
        (Arc::clone(&stamp), Waker::from(stamp))
    }

    /// What the counter said; `None` while nobody has woken it.
    pub fn at(&self) -> Option<usize> {
        *self.at.lock().expect("nothing panics under it")
    }
}

/// Spawns tasks that never rest: each counts its polls and yields, for as long as the loop runs.
pub fn spawn_busy(n: usize, polls: &Arc<AtomicUsize>) {
    for _ in 0..n {
        let polls = Arc::clone(polls);
        drop(spawn(async move {
            loop {
                polls.fetch_add(1, Ordering::SeqCst);
                yield_now().await;
            }
        }));
    }
}

/// Yields, and counts the polls that it takes, until the stamp's waker was woken; gives what the counter said then.
pub async fn yield_until_woken(stamp: &Stamp) -> usize {
    let begun = stamp.polls.load(Ordering::SeqCst);
    loop {
        yield_now().await;
        let now = stamp.polls.fetch_add(1, Ordering::SeqCst);
        if let Some(at) = stamp.at() {
            return at;
        }
        assert!(now < begun + 10_000, "the loop does not look around");
    }
}

impl Wake for Stamp {
    fn wake(self: Arc<Stamp>) {
        *self.at.lock().expect("nothing panics under it") = Some(self.polls.load(Ordering::SeqCst));
    }
}

/// Counts the polls of a future.
pub async fn counted<F: Future>(polls: &Cell<usize>, future: F) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        polls.set(polls.get() + 1);
        future.as_mut().poll(cx)
    })
    .await
}

/// Polls a future once, with a waker that does nothing.
pub fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// An allocator that counts what this thread allocates; a test target installs it with `#[global_allocator]`.
#[derive(Debug)]
pub struct CountingAllocator;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static BIG: Cell<isize> = const { Cell::new(0) };
}

#[allow(unsafe_code, reason = "the interface of an allocator is unsafe")]
// SAFETY: every call is handed on to the system's allocator as it came; the counters are thread-locals without a
// destructor and allocate nothing.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        grow(layout.size() as isize);
        // SAFETY: the caller's obligations are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        grow(-(layout.size() as isize));
        // SAFETY: the caller's obligations are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        let (old, new) = (layout.size() as isize, size as isize);
        // The system's allocator shrinks a block where it is. A block that grows may move: then both are there at once.
        let steps = if new < old { [-old, new] } else { [new, -old] };
        steps.into_iter().for_each(grow);
        // SAFETY: the caller's obligations are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn grow(bytes: isize) {
    if bytes.abs() > BIG_BLOCK {
        BIG.set(BIG.get() + bytes);
    }
    BYTES.set(BYTES.get() + bytes);
    PEAK.set(PEAK.get().max(BYTES.get()));
}

/// How many allocations `f` makes on this thread. Needs the [`CountingAllocator`].
pub fn allocations<R>(f: impl FnOnce() -> R) -> (usize, R) {
    let before = ALLOCATIONS.get();
    let result = f();
    (ALLOCATIONS.get() - before, result)
}

/// How many bytes this thread has allocated and not freed. Needs the [`CountingAllocator`].
pub fn bytes_in_use() -> isize {
    BYTES.get()
}

/// A block of more bytes than that is a big one: 64 KB.
const BIG_BLOCK: isize = 64 * 1024;

/// How many bytes of big blocks, of more than 64 KB, this thread has allocated and not freed: for what is made of small
/// pieces that another thread frees. Needs the [`CountingAllocator`].
pub fn big_bytes_in_use() -> isize {
    BIG.get()
}

/// The most bytes that were in use at once while `f` ran, above those before. Needs the [`CountingAllocator`].
pub fn peak_bytes<R>(f: impl FnOnce() -> R) -> (isize, R) {
    let before = BYTES.get();
    PEAK.set(before);
    let result = f();
    (PEAK.get() - before, result)
}

/// The descriptors that this process has open, by number.
pub fn open_descriptors() -> Vec<i32> {
    let mut open: Vec<i32> = std::fs::read_dir("/proc/self/fd")
        .expect("Linux lists a process's descriptors")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    open.sort_unstable();
    open
}

/// How many cases a property test tries: `PROPTEST_CASES`, which proptest itself asks only where a test says no number,
/// or `n`. Under valgrind a few have to do.
pub fn cases(n: u32) -> u32 {
    std::env::var("PROPTEST_CASES").map_or(n, |text| text.parse().expect("PROPTEST_CASES: a number"))
}

/// Numbers that look random and are the same in every run: xorshift64*.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A sequence for every seed but zero.
    pub fn new(seed: u64) -> Random {
        assert_ne!(seed, 0, "xorshift stays at zero for ever");
        Random(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.number() % n as u64) as usize
    }

    /// Puts `items` into another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

/// Runs the body of the test called `test` in a process of its own, for what is counted or limited by process:
/// descriptors, memory. The test calls this and does nothing else.
#[track_caller]
pub fn alone(test: &str, body: impl FnOnce()) {
    alone_with(test, &[], body);
}

/// The same, with these variables in the environment of that process.
#[track_caller]
pub fn alone_with(test: &str, variables: &[(&str, &str)], body: impl FnOnce()) {
    if cfg!(miri) {
        return body(); // Miri starts no process. There, the tests run one after the other.
    }
    let Some(child) = in_a_process_of_its_own(test, variables, body) else { return };
    let said = format!("{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success() && said.contains("1 passed"), "alone in its process, the test said:\n{said}");
}

/// What the process said and how it ended; `None` in that process itself, when the body is over.
fn in_a_process_of_its_own(
    test: &str,
    variables: &[(&str, &str)],
    body: impl FnOnce(),
) -> Option<std::process::Output> {
    const CHILD: &str = "GLASSLOOP_ALONE";
    if std::env::var(CHILD).is_ok_and(|name| name == test) {
        body();
        return None;
    }
    let child = std::process::Command::new(std::env::current_exe().expect("a process knows its program"))
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, test)
        .envs(variables.iter().copied())
        .output()
        .expect("the program that runs can be run again");
    Some(child)
}

/// Runs the body of the test called `test` in a process of its own, and asserts that this process is aborted. Gives what
/// it said.
#[track_caller]
pub fn aborted(test: &str, body: impl FnOnce()) -> String {
    use std::os::unix::process::ExitStatusExt;
    let child = in_a_process_of_its_own(test, &[], body);
    let child = child.expect("the body came to its end: nothing has aborted the process");
    let said = format!("{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert_eq!(child.status.signal(), Some(libc::SIGABRT), "alone in its process, the test said:\n{said}");
    said
}

/// Runs the body of the test called `test` in a process of its own, where it calls `process::exit`. Gives the status of
/// that process, and what it said.
#[track_caller]
pub fn exited(test: &str, body: impl FnOnce()) -> (Option<i32>, String) {
    let child = in_a_process_of_its_own(test, &[], body);
    let child = child.expect("the body came to its end: nothing has called exit");
    let said = format!("{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    (child.status.code(), said)
}

/// This thread's number, under which /proc lists it.
pub fn thread_number() -> u32 {
    let link = std::fs::read_link("/proc/thread-self").expect("Linux lists a process's threads");
    link.file_name().and_then(|name| name.to_str()?.parse().ok()).expect("a thread is listed under its number")
}

/// How many write calls this thread has made: to ring a parked loop is one.
pub fn writes() -> usize {
    let io = std::fs::read_to_string("/proc/thread-self/io").expect("Linux counts a thread's calls");
    io.lines().find_map(|line| line.strip_prefix("syscw: ")?.parse().ok()).expect("writes are counted under this name")
}

/// Whether this process has a thread with this number.
pub fn is_alive(thread: u32) -> bool {
    std::path::Path::new(&format!("/proc/self/task/{thread}")).exists()
}

/// Gives the processor away until `condition` holds: for what can be observed and tells nobody when it happens.
pub fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        std::thread::yield_now();
    }
}

/// Returns when the loop of that thread is parked: it sleeps in epoll's system call.
pub fn until_parked(thread: u32) {
    until_in_epoll(&format!("/proc/self/task/{thread}/syscall"), Duration::from_millis(1));
}

/// Returns when the main thread of another process is parked for at least so long: what would end its park sooner has
/// ended it, and the process stays parked while the caller does something.
pub fn until_process_parked_for(process: u32, at_least: Duration) {
    until_in_epoll(&format!("/proc/{process}/syscall"), at_least);
}

/// Whether that thread of this process waits for another one: it sleeps in futex's system call.
pub fn waits_for_a_thread(thread: u32) -> bool {
    let now = std::fs::read_to_string(format!("/proc/self/task/{thread}/syscall")).unwrap_or_default();
    now.split_whitespace().next().and_then(|number| number.parse().ok()) == Some(libc::SYS_futex)
}

/// Returns when the thread of this file sleeps in epoll, and means to sleep at least so long.
fn until_in_epoll(file: &str, at_least: Duration) {
    let calls = [
        #[cfg(target_arch = "x86_64")]
        libc::SYS_epoll_wait,
        libc::SYS_epoll_pwait,
    ];
    until(|| {
        let now = std::fs::read_to_string(file).expect("the thread is there");
        // The number of the call and its arguments. The fourth is the timeout in milliseconds: with 0 it only asks, and
        // does not sleep, and a negative one, here a very large one, is no timeout.
        let mut words = now.split_whitespace();
        let call = words.next().and_then(|number| number.parse().ok());
        let timeout = words.nth(3).and_then(|timeout| u64::from_str_radix(timeout.trim_start_matches("0x"), 16).ok());
        call.is_some_and(|call| calls.contains(&call))
            && timeout.is_some_and(|timeout| u128::from(timeout) >= at_least.as_millis())
    });
}

/// Keeps `value` to the end of the process, where a leak checker finds that somebody still knows it.
pub fn forever<T: 'static>(value: T) -> &'static T {
    static KEPT: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let value = &*Box::leak(Box::new(value));
    KEPT.lock().expect("nothing panics under it").push(std::ptr::from_ref(value).expose_provenance());
    value
}

/// A timer of the running loop, armed for `waker` and due after `lead`; after longer if the machine stood still for so
/// long that it was due before it could be armed.
pub fn armed(mut lead: Duration, waker: &Waker) -> Sleep {
    loop {
        let mut timer = sleep(lead);
        if Pin::new(&mut timer).poll(&mut Context::from_waker(waker)).is_pending() {
            return timer;
        }
        lead *= 2;
    }
}

/// A timer whose deadline has come since it was armed, for `waker`. The loop has not heard of it yet.
pub fn overdue(waker: &Waker) -> Sleep {
    let timer = armed(Duration::from_nanos(1), waker);
    until(|| Instant::now() >= timer.deadline());
    timer
}

/// How many machine instructions `f` takes on this thread, so that "constant time" can be asserted without a clock. One
/// caller at a time, in a process of its own.
#[cfg(target_arch = "x86_64")]
pub fn instructions(f: impl FnOnce()) -> usize {
    use std::arch::asm;
    /// The processor traps after every instruction while this bit of its flags is set.
    const TRAP: u64 = 1 << 8;
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn trapped(_signal: libc::c_int) {
        COUNT.fetch_add(1, Ordering::Relaxed);
    }
    COUNT.store(0, Ordering::Relaxed);
    #[allow(unsafe_code, reason = "signals and the processor's flags are beyond safe code")]
    // SAFETY: the handler only adds to an atomic, which a signal handler may. The two pieces of assembly change one
    // bit of the flags and nothing else. They use the stack, as `asm!` allows without `nostack`, and leave it as it
    // was. The second takes back what the first did, on the same thread.
    unsafe {
        libc::signal(libc::SIGTRAP, trapped as extern "C" fn(libc::c_int) as libc::sighandler_t);
        asm!("pushfq", "or qword ptr [rsp], {}", "popfq", const TRAP);
        f();
        asm!("pushfq", "and qword ptr [rsp], {}", "popfq", const !TRAP as i32);
    }
    COUNT.load(Ordering::Relaxed)
}

// For the tests of the loop itself.

/// A runtime with the virtual clock.
#[track_caller]
pub fn virtual_runtime() -> Runtime {
    Runtime::builder().virtual_clock().build().expect("the system gives descriptors")
}

/// Calls `f` inside the loop.
pub fn inside<R>(runtime: &Runtime, f: impl FnOnce() -> R) -> R {
    let mut f = Some(f);
    runtime.block_on(std::future::poll_fn(|_| Poll::Ready(f.take().expect("one poll is enough")())))
}

/// What a turn counted: polls, fired timers, events, remote wakes.
pub fn counts(turn: runtime::Turn) -> [usize; 4] {
    [turn.polls, turn.fired_timers, turn.events, turn.remote_wakes]
}

/// The text that `f` panics with.
#[track_caller]
pub fn panic_message<R>(f: impl FnOnce() -> R) -> String {
    let Err(payload) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)) else {
        panic!("this should have panicked");
    };
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().expect("a panic with a text")).to_owned(),
    }
}

/// Calls its closure when it is dropped.
pub struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> OnDrop<F> {
    /// Keeps `f` for then.
    pub fn new(f: F) -> OnDrop<F> {
        OnDrop(Some(f))
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

impl<F: FnOnce()> std::fmt::Debug for OnDrop<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnDrop")
    }
}

/// A moment in the life of a [`meddler`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The waker is being cloned.
    Clone,
    /// It is being woken.
    Wake,
    /// It is being dropped.
    Drop,
}

/// A foreign waker that calls `meddle` whenever it is cloned, woken or dropped: user code at the moments at which the
/// loop must not hold a borrow. It stays on its thread.
pub fn meddler(meddle: impl Fn(Moment) + 'static) -> Waker {
    let meddler = Meddler { home: std::thread::current().id(), meddle: Box::new(meddle) };
    #[allow(unsafe_code, reason = "the standard library's safe wakers do not tell of a clone")]
    // SAFETY: the data is a pointer that `Rc::into_raw` gave, and each function of the table takes it for what it is.
    // The count is not atomic, so each asks first whether this is the thread that it belongs to.
    unsafe {
        Waker::from_raw(RawWaker::new(Rc::into_raw(Rc::new(meddler)).cast(), &MEDDLER))
    }
}

struct Meddler {
    home: std::thread::ThreadId,
    meddle: Box<dyn Fn(Moment)>,
}

static MEDDLER: RawWakerVTable = RawWakerVTable::new(
    |data| {
        let meddler = ManuallyDrop::new(Meddler::of(data));
        (meddler.meddle)(Moment::Clone);
        RawWaker::new(Rc::into_raw(Rc::clone(&meddler)).cast(), &MEDDLER)
    },
    |data| (Meddler::of(data).meddle)(Moment::Wake),
    |data| (ManuallyDrop::new(Meddler::of(data)).meddle)(Moment::Wake),
    |data| (Meddler::of(data).meddle)(Moment::Drop),
);

impl Meddler {
    fn of(data: *const ()) -> Rc<Meddler> {
        let data: *const Meddler = data.cast();
        #[allow(unsafe_code, reason = "see `meddler`")]
        // SAFETY: the pointer is one that `Rc::into_raw` gave and that has not been taken back; `home` never changes, so
        // any thread may read it.
        unsafe {
            assert_eq!((*data).home, std::thread::current().id(), "a meddler stays on its thread");
            Rc::from_raw(data)
        }
    }
}

/// Sends a process the signal of this name (`TERM`, `9`). The shell does it: `kill` is a program that small systems lack,
/// and part of every shell.
#[track_caller]
pub fn send_signal(name: &str, process: impl std::fmt::Display) {
    let script = format!("kill -s {name} {process}");
    let status = std::process::Command::new("sh").args(["-c", &script]).status().expect("there is a shell");
    assert!(status.success(), "{script}: {status}");
}

/// Raises the number of descriptors that this process may have to `n`, if it is lower.
pub fn allow_descriptors(n: u64) {
    limit(libc::RLIMIT_NOFILE, |before| before.max(n));
}

// For the tests of sockets.

/// A port of this machine that the system chooses.
pub const LOCAL: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// Both ends of a connection, on the running loop.
pub async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(LOCAL).await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, near.local_addr().unwrap());
    (near, far)
}

/// Both ends of a connection whose sides keep little in the kernel: some 10 KB, so that a writer soon has to wait.
pub fn narrow() -> (std::net::TcpStream, std::net::TcpStream) {
    let socket = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_send_buffer_size(4096).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket
    };
    let listener = socket();
    listener.bind(&SocketAddr::from(LOCAL).into()).unwrap();
    listener.listen(1).unwrap();
    let near = socket();
    near.connect(&listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    (near.into(), far.into())
}

/// A listener whose queue is full, so that a further connect waits: its address, and what keeps it so.
pub fn full_listener() -> (SocketAddr, Socket, std::net::TcpStream) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(LOCAL).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let queued = std::net::TcpStream::connect(address).unwrap();
    until_readable(&listener);
    (address, listener, queued)
}

/// Returns when there is something to read, or somebody to accept. That the other side has sent it does not say so: under
/// load the system passes packets on when it gets round to it, on the loopback, too.
pub fn until_readable(socket: &impl AsRawFd) {
    let mut asked = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    #[allow(unsafe_code, reason = "the standard library does not wait for a listener")]
    // SAFETY: the call gets the address of one whole `pollfd` on this stack, and keeps it no longer than it lasts.
    until(|| unsafe { libc::poll(&mut asked, 1, -1) } == 1);
}

/// Turns until nothing is left to do.
pub fn rest(runtime: &Runtime) {
    while runtime.turn(Some(Duration::ZERO)) != Turn::default() {}
}

/// Takes every descriptor that this process may still have. Each is given back when its file is dropped. For tests that
/// run [`alone`].
pub fn take_all_descriptors() -> Vec<std::fs::File> {
    let mut taken = Vec::new();
    loop {
        match std::fs::File::open("/dev/null") {
            Ok(file) => taken.push(file),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
                return taken;
            }
        }
    }
}

/// Changes how much of `resource` this process may have, and gives what it was.
pub fn limit(resource: libc::__rlimit_resource_t, change: impl FnOnce(u64) -> u64) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    #[allow(unsafe_code, reason = "the standard library knows no limits")]
    // SAFETY: both calls get the address of a whole `rlimit` on this stack, and keep it no longer than they last.
    unsafe {
        assert_eq!(libc::getrlimit(resource, &mut limit), 0);
        let before = limit.rlim_cur;
        limit.rlim_cur = change(before);
        assert_eq!(libc::setrlimit(resource, &limit), 0, "{} is asked, {} allowed", limit.rlim_cur, limit.rlim_max);
        before
    }
}

/// Where a service is, by the environment. When it is not there, the test that asks is left out and says so, past the
/// harness, which keeps to itself what a test prints that passes.
pub fn service(variable: &str) -> Option<String> {
    if let Ok(address) = std::env::var(variable) {
        return Some(address);
    }
    left_out(&format!("{variable} is not set, and `tests/services run cargo test` sets it"));
    None
}

/// Says that the test that runs is left out, and why.
#[track_caller]
pub fn left_out(why: &str) {
    let thread = std::thread::current();
    let how = format!("{} is left out: {why}", thread.name().unwrap_or("a test"));
    assert!(std::env::var_os("GLASSLOOP_REQUIRE_SERVICES").is_none(), "{how}; GLASSLOOP_REQUIRE_SERVICES forbids it");
    // In one piece: other tests write, too.
    std::io::stderr().write_all(format!("\n{how}\n").as_bytes()).expect("stderr takes a line");
    list_left_out(&how);
}

/// Puts a test that is left out on the list that the last target, `zz_left_out`, prints: `NAME is left out: WHY`.
pub fn list_left_out(how: &str) {
    // Where there is no folder to write to, it was told of where it happened.
    let file = std::fs::File::options().append(true).create(true).open(left_out_list());
    let _ = file.and_then(|mut file| file.write_all(format!("{how}\n").as_bytes()));
}

/// Where the tests that are left out in this run of `cargo test` are listed: by the number of that process, whose children
/// all targets are.
pub fn left_out_list() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("glassloop-left-out-{}", std::os::unix::process::parent_id()))
}
