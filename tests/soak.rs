//! A soak: one loop works for long, on everything at random. At the end of every second nothing may be lost, and memory,
//! descriptors and threads have to be where they were.
//!
//! Sockets, timers, channels, gathers, aborts, jobs and wakes from other threads run side by side; in between, other
//! runtimes are made and dropped while threads still write to them. It runs for two seconds, or for as many as
//! `GLASSLOOP_SOAK` says: `GLASSLOOP_SOAK=600 cargo test -p tests --test soak`. The seed is printed; `GLASSLOOP_SOAK_SEED`
//! sets it. It gives the same decisions in every run; when each thing comes is the system's affair.

use gather::{gather, gather_tasks, try_gather};
use runtime::net::{TcpListener, TcpStream};
use runtime::sync::{Semaphore, mpsc, oneshot};
use runtime::task::{spawn_blocking, yield_now};
use runtime::time::{interval, now, sleep, timeout};
use runtime::{Handle, Runtime, spawn};
use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Display;
use std::future::{pending, poll_fn};
use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};
use tests::{LOCAL, OnDrop, Random, open_descriptors, rest, until};

/// Bytes in use, of all threads.
static BYTES: AtomicIsize = AtomicIsize::new(0);

struct Everywhere;

#[allow(unsafe_code, reason = "the interface of an allocator is unsafe")]
// SAFETY: every call is handed on to the system's allocator as it came; the counter is an atomic and allocates nothing.
unsafe impl GlobalAlloc for Everywhere {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size() as isize, SeqCst);
        // SAFETY: the caller's obligations are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size() as isize, SeqCst);
        // SAFETY: the caller's obligations are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Everywhere = Everywhere;

/// What queues, slots and lines may keep for the next burst, beyond what they kept at the beginning.
const KEPT_BYTES: isize = 256 * 1024;

/// Threads outside of the loop, which do what they are told.
const OUTSIDE: usize = 2;

/// Scenes that run at the same time.
const SCENES: usize = 24;

/// Futures that were made, and those that were dropped.
static MADE: AtomicUsize = AtomicUsize::new(0);
static DROPPED: AtomicUsize = AtomicUsize::new(0);

/// What a future keeps that must not be lost.
fn token() -> impl Send + 'static {
    MADE.fetch_add(1, SeqCst);
    OnDrop::new(|| _ = DROPPED.fetch_add(1, SeqCst))
}

/// Something for a thread outside to do.
type Errand = Box<dyn FnOnce() + Send>;

/// What a scene may use.
#[derive(Clone)]
struct Stage {
    /// Where the loop's own server listens, which sends back what it gets.
    server: SocketAddr,
    outside: Rc<[std::sync::mpsc::Sender<Errand>]>,
}

impl Stage {
    fn outside(&self, random: &mut Random, errand: impl FnOnce() + Send + 'static) {
        self.outside[random.below(OUTSIDE)]
            .send(Box::new(errand))
            .expect("the threads outside live as long as the stage");
    }
}

async fn echo(stream: TcpStream) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut buffer).await.unwrap() {
            0 => return stream.shutdown(Shutdown::Write).unwrap(),
            n => stream.write_all(&buffer[..n]).await.unwrap(),
        }
    }
}

async fn serve(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        drop(spawn(echo(stream)));
    }
}

async fn sockets(stage: Stage, mut random: Random) {
    let sent: Vec<u8> = (0..1 + random.below(100_000)).map(|_| random.number() as u8).collect();
    let stream = TcpStream::connect(stage.server).await.unwrap();
    let (written, received) = gather::gather!(
        async {
            stream.write_all(&sent).await?;
            stream.shutdown(Shutdown::Write)
        },
        async {
            let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
            loop {
                match stream.read(&mut buffer).await? {
                    0 => return Ok::<_, std::io::Error>(received),
                    n => received.extend_from_slice(&buffer[..n]),
                }
            }
        }
    )
    .await;
    written.unwrap();
    assert!(received.unwrap() == sent, "{} bytes came back otherwise", sent.len());
}

async fn timers(_stage: Stage, mut random: Random) {
    for _ in 0..1 + random.below(5) {
        let (start, nap) = (now(), Duration::from_micros(random.below(2_000) as u64));
        match random.below(4) {
            0 => sleep(nap).await,
            1 => assert!(timeout(nap, pending::<()>()).await.is_err()),
            2 => {
                let mut ticks = interval(nap.max(Duration::from_micros(1)));
                ticks.tick().await;
                ticks.tick().await;
            }
            _ => {
                // Most timeouts never come.
                assert_eq!(timeout(Duration::from_secs(3_600), yield_now()).await, Ok(()));
                continue;
            }
        }
        assert!(now() - start >= nap, "{nap:?} took {:?}", now() - start);
    }
}

async fn channels(stage: Stage, mut random: Random) {
    let (bounded, mut from_here) = mpsc::channel(1 + random.below(8));
    let (unbounded, mut from_outside) = mpsc::unbounded();
    let (senders, values) = (1 + random.below(4) as u64, random.below(100) as u64);
    for n in 0..senders {
        let bounded = bounded.clone();
        drop(spawn(async move {
            for value in 0..values {
                bounded.send(n * values + value).await.unwrap();
            }
        }));
        let unbounded = unbounded.clone();
        stage.outside(&mut random, move || (0..values).for_each(|value| unbounded.send(n * values + value).unwrap()));
    }
    drop((bounded, unbounded));
    let (mut sum, mut other) = (0, 0);
    while let Some(value) = from_here.recv().await {
        sum += value;
    }
    while let Some(value) = from_outside.recv().await {
        other += value;
    }
    let all: u64 = (0..senders * values).sum();
    assert_eq!((sum, other), (all, all));
}

async fn gathers(_stage: Stage, mut random: Random) {
    let n = random.below(200);
    let mut children = Vec::new();
    for child in 0..n {
        let (yields, naps, kept) = (random.below(4), random.below(20) == 0, token());
        children.push(async move {
            let _kept = kept;
            for _ in 0..yields {
                yield_now().await;
            }
            if naps {
                sleep(Duration::from_micros(300)).await;
            }
            child
        });
    }
    let expected: Vec<usize> = (0..n).collect();
    match random.below(4) {
        0 => assert_eq!(gather(children).await, expected),
        1 => assert_eq!(gather(children).limit(1 + random.below(10)).await, expected),
        2 => {
            let results = gather_tasks(children).await;
            assert_eq!(results.into_iter().map(Result::unwrap).collect::<Vec<_>>(), expected);
        }
        _ => {
            let fails = n / 2;
            let children = children.into_iter().map(async |child| match child.await {
                child if child == fails => Err(child),
                child => Ok(child),
            });
            assert_eq!(try_gather(children).await, if n == 0 { Ok(vec![]) } else { Err(fails) });
        }
    }
}

async fn aborts(stage: Stage, mut random: Random) {
    let mut tasks = Vec::new();
    for _ in 0..random.below(30) {
        let kept = token();
        let (task, is_to_end) = (random.below(4), random.below(2) == 0);
        let task = spawn(async move {
            let _kept = kept;
            match task {
                0 => sleep(Duration::from_secs(3_600)).await,
                1 => pending().await,
                2 => while timeout(Duration::from_millis(1), pending::<()>()).await.is_err() {},
                _ => loop {
                    yield_now().await;
                },
            }
        });
        if is_to_end {
            task.abort();
        } else {
            let abort = task.abort_handle();
            stage.outside(&mut random, move || abort.abort());
        }
        tasks.push(task);
        if random.below(4) == 0 {
            yield_now().await;
        }
    }
    for task in tasks {
        assert!(task.await.unwrap_err().is_cancelled());
    }
}

async fn foreign_wakes(stage: Stage, mut random: Random) {
    for _ in 0..1 + random.below(20) {
        let answered = Arc::new(AtomicBool::new(false));
        let mut is_asked = false;
        poll_fn(|cx| {
            if answered.load(SeqCst) {
                return Poll::Ready(());
            }
            assert!(!is_asked, "it was woken before what it waits for had come");
            is_asked = true;
            let (waker, answered) = (cx.waker().clone(), Arc::clone(&answered));
            stage.outside(&mut random, move || {
                answered.store(true, SeqCst);
                waker.wake();
            });
            Poll::Pending
        })
        .await;
        let (handle, number, kept) = (Handle::current(), random.number(), token());
        let (tell, told) = oneshot::channel();
        stage.outside(&mut random, move || {
            drop(handle.spawn(async move {
                let _kept = kept;
                yield_now().await;
                tell.send(number).unwrap();
            }));
        });
        assert_eq!(told.await, Ok(number));
    }
}

async fn jobs(_stage: Stage, mut random: Random) {
    let jobs: Vec<_> = (0..random.below(20)).map(|n| spawn_blocking(move || n)).collect();
    for (n, job) in jobs.into_iter().enumerate() {
        assert_eq!(job.await.unwrap(), n);
    }
}

async fn permits(_stage: Stage, mut random: Random) {
    let (n, holders) = (1 + random.below(3), Rc::new(AtomicUsize::new(0)));
    let semaphore = Rc::new(Semaphore::new(n));
    let tasks: Vec<_> = (0..random.below(40))
        .map(|_| {
            let (semaphore, holders, yields) = (Rc::clone(&semaphore), Rc::clone(&holders), random.below(3));
            spawn(async move {
                let _permit = semaphore.acquire().await;
                assert!(holders.fetch_add(1, SeqCst) < n);
                for _ in 0..yields {
                    yield_now().await;
                }
                holders.fetch_sub(1, SeqCst);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(semaphore.available_permits(), n);
}

/// A runtime that is dropped with all that is in it, while a thread outside spawns on it without end.
fn doomed(stage: &Stage, random: &mut Random) {
    let runtime = Runtime::new().unwrap();
    for _ in 0..random.below(20) {
        let (kept, what) = (token(), random.below(3));
        drop(runtime.spawn(async move {
            let _kept = kept;
            match what {
                0 => sleep(Duration::from_micros(100)).await,
                1 => _ = spawn_blocking(thread::yield_now).await,
                _ => _ = TcpListener::bind(LOCAL).await.unwrap().accept().await,
            }
        }));
    }
    let (handle, stop) = (runtime.handle(), Arc::new(AtomicBool::new(false)));
    let (ended, end) = std::sync::mpsc::channel();
    let stopped = Arc::clone(&stop);
    stage.outside(random, move || {
        while !stopped.load(SeqCst) {
            let kept = token();
            drop(handle.spawn(async move { drop(kept) }));
        }
        ended.send(()).unwrap();
    });
    for _ in 0..random.below(5) {
        runtime.turn(Some(Duration::from_micros(50)));
    }
    drop(runtime);
    stop.store(true, SeqCst);
    end.recv().unwrap();
}

/// A number from the environment.
fn setting<T: FromStr<Err: Display>>(name: &str, default: T) -> T {
    let Ok(text) = std::env::var(name) else { return default };
    text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}"))
}

/// A line past the harness, which keeps to itself what a test prints that passes.
fn say(line: &str) {
    std::io::stderr().write_all(format!("\n{line}\n").as_bytes()).expect("stderr takes a line");
}

/// The threads of this process.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("Linux lists a process's threads").count()
}

#[test]
fn a_loop_that_works_for_long_loses_nothing_and_keeps_nothing() {
    let (seconds, seed): (u64, u64) = (setting("GLASSLOOP_SOAK", 2), setting("GLASSLOOP_SOAK_SEED", 1));
    say(&format!("soak: {seconds} s, GLASSLOOP_SOAK_SEED={seed}"));
    let mut random = Random::new(seed);
    let day = Duration::from_secs(24 * 3_600);
    let runtime = Runtime::builder().max_blocking_threads(2).thread_keep_alive(day).build().unwrap();
    let outside: Rc<[_]> = (0..OUTSIDE)
        .map(|_| {
            let (sender, errands) = std::sync::mpsc::channel::<Errand>();
            thread::spawn(move || errands.iter().for_each(|errand| errand()));
            sender
        })
        .collect();
    let listener = runtime.block_on(TcpListener::bind(LOCAL)).unwrap();
    let stage = Stage { server: listener.local_addr().unwrap(), outside };
    drop(runtime.spawn(serve(listener)));

    let mut scenes = 0;
    let mut perform = |until: Instant| {
        while Instant::now() < until {
            runtime.block_on(async {
                let tasks: Vec<_> = (0..SCENES)
                    .map(|_| {
                        let (stage, of_scene) = (stage.clone(), Random::new(random.number()));
                        scenes += 1;
                        match random.below(8) {
                            0 => spawn(sockets(stage, of_scene)),
                            1 => spawn(timers(stage, of_scene)),
                            2 => spawn(channels(stage, of_scene)),
                            3 => spawn(gathers(stage, of_scene)),
                            4 => spawn(aborts(stage, of_scene)),
                            5 => spawn(foreign_wakes(stage, of_scene)),
                            6 => spawn(jobs(stage, of_scene)),
                            _ => spawn(permits(stage, of_scene)),
                        }
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                }
            });
            doomed(&stage, &mut random);
        }
        // What is on its way arrives; whatever a thread outside was told is done.
        for n in 0..OUTSIDE {
            let (tell, told) = std::sync::mpsc::channel();
            stage.outside[n].send(Box::new(move || tell.send(()).unwrap())).unwrap();
            told.recv().unwrap();
        }
        rest(&runtime);
    };

    // The pool has its threads, and queues and slots have the room that they keep.
    perform(Instant::now() + Duration::from_secs(1));
    let (mut descriptors, mut of_process) = (open_descriptors(), threads());
    let bytes = BYTES.load(SeqCst);
    let (end, mut round) = (Instant::now() + Duration::from_secs(seconds), 0);
    while round == 0 || Instant::now() < end {
        round += 1;
        // On a busy machine what was begun within the second may end after it.
        perform(Instant::now() + Duration::from_secs(1));
        // The server's side of a connection may hear of its end a little later, and so may the thread of a dropped pool.
        until(|| {
            rest(&runtime);
            open_descriptors() <= descriptors && threads() <= of_process
        });
        // The first count may have had a thread or a descriptor of a dropped pool among them, which was about to end.
        (descriptors, of_process) = (descriptors.min(open_descriptors()), of_process.min(threads()));
        let (made, dropped) = (MADE.load(SeqCst), DROPPED.load(SeqCst));
        assert_eq!(made, dropped, "seed {seed}, round {round}: futures made, and dropped");
        let kept = BYTES.load(SeqCst) - bytes;
        assert!(kept <= KEPT_BYTES, "seed {seed}, round {round}: {kept} bytes more than at the beginning");
    }
    say(&format!("soak: {scenes} scenes, {} futures, {} bytes", MADE.load(SeqCst), BYTES.load(SeqCst) - bytes));
}
