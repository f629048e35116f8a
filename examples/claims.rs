//! Claims about `gather` that people make, each as a small program: what it prints, and what is true.
//!
//! ```text
//! $ cargo run --example claims            # all of them
//! $ cargo run --example claims -- 3       # the third
//! ```
//!
//! They are told of asyncio's gather, and most of what is wrong with them is wrong here as well. Time is the virtual
//! clock's: the numbers are the same in every run.

use clap::Parser;
use examples::arguments::exit_status;
use examples::say;
use gather::{as_completed, gather, try_gather, try_gather_tasks};
use runtime::Runtime;
use runtime::sync::Semaphore;
use runtime::time::{now, sleep, timeout};
use std::cell::Cell;
use std::fs::File;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

/// Doubtful claims about gather, tried.
#[derive(Debug, Parser)]
#[command(name = "claims")]
struct Options {
    /// Which one. Without a number: all
    #[arg(value_parser = clap::value_parser!(u64).range(1..=6))]
    number: Option<u64>,
}

const SECOND: Duration = Duration::from_secs(1);

/// Counts how many are inside at once.
#[derive(Default)]
struct Gauge {
    inside: Cell<usize>,
    most: Cell<usize>,
}

impl Gauge {
    /// A request of one second.
    async fn request(&self) {
        self.inside.set(self.inside.get() + 1);
        self.most.set(self.most.get().max(self.inside.get()));
        sleep(SECOND).await;
        self.inside.set(self.inside.get() - 1);
    }
}

async fn one_by_one() {
    say!("1. \"gather awaits its children one by one, in order.\"");
    let start = now();
    let results = gather([3, 1, 2].map(async |seconds| {
        sleep(seconds * SECOND).await;
        say!("   {seconds} s are over");
        seconds
    }));
    say!("   results {:?} after {:?}", results.await, now() - start);
    say!("   True: the results stand in order. They are awaited together: 3 s, not 6.\n");
}

async fn a_semaphore_around_a_gather() {
    say!("2. \"Put the gather into a semaphore of 10, and at most 10 requests run.\"");
    let (gauge, semaphore) = (Gauge::default(), Semaphore::new(10));
    let permit = semaphore.acquire().await;
    gather((0..100).map(|_| gauge.request())).await;
    drop(permit);
    say!("   a permit around the gather:   {:3} at once", gauge.most.take());
    gather((0..100).map(async |_| {
        let _permit = semaphore.acquire().await;
        gauge.request().await;
    }))
    .await;
    say!("   a permit around each request: {:3} at once", gauge.most.take());
    gather((0..100).map(|_| gauge.request())).limit(10).await;
    say!("   gather(…).limit(10):          {:3} at once", gauge.most.take());
    say!("   True: one permit was taken for all of them. It has to be taken inside each child, or be a limit.\n");
}

async fn a_gather_of_a_generator() {
    say!("3. \"Hand gather a generator instead of a list, and the requests are made as they are needed.\"");
    for limit in [None, Some(10)] {
        // Each future holds a token from when it is made until it has ended.
        let (token, most) = (Rc::new(()), Cell::new(0));
        let requests = (0..1000).map(|_| {
            let token = Rc::clone(&token);
            most.set(most.get().max(Rc::strong_count(&token) - 1));
            async move {
                let _token = token;
                sleep(SECOND).await;
            }
        });
        match limit {
            None => drop(gather(requests).await),
            Some(limit) => drop(gather(requests).limit(limit).await),
        }
        say!("   limit {:9} {:4} of 1000 requests existed at once", format!("{limit:?}:"), most.get());
    }
    say!("   True: gather takes all there is before it waits for the first. With a limit it takes one at a time.\n");
}

async fn finished_and_pending() {
    say!("4. \"finished, pending = wait_for(gather(…), timeout): take what is there when time is up.\"");
    let naps = || [1, 2, 30].map(async |seconds| sleep(seconds * SECOND).await);
    say!("   timeout(3 s, gather):        {:?}", timeout(3 * SECOND, gather(naps())).await);
    let each = gather(naps().map(|nap| timeout(3 * SECOND, nap)));
    say!("   a timeout for each child:    {:?}", each.await);
    let (mut naps, mut done) = (as_completed(naps()), Vec::new());
    let rest = timeout(3 * SECOND, async {
        while let Some((index, ())) = naps.next().await {
            done.push(index);
        }
    });
    let rest = rest.await;
    say!("   as_completed until then:     {done:?}, and then {rest:?}");
    say!("   True: a gather whose time is up is dropped, and the results that it had are gone with it. asyncio's");
    say!("   wait_for cancels it. Two lists come from asyncio.wait; here, from a timeout for each, or as_completed.\n");
}

async fn the_first_error() {
    say!("5. \"The first error cancels the other children.\"");
    for form in ["try_gather", "try_gather_tasks"] {
        let ended = Rc::new(Cell::new(0));
        let children = (1..=3).map(|number| {
            let ended = Rc::clone(&ended);
            async move {
                sleep(number * SECOND).await;
                ended.set(ended.get() + 1);
                if number == 1 { Err("no") } else { Ok(()) }
            }
        });
        let start = now();
        let failed = match form {
            "try_gather" => try_gather(children).await.is_err(),
            _ => try_gather_tasks(children).await.is_err(),
        };
        let prompt = now() - start;
        sleep(5 * SECOND).await;
        say!("   {:17} an error: {failed}, after {prompt:?}; {} of 3 ended", format!("{form}:"), ended.get());
    }
    say!("   True of try_gather, and of asyncio's TaskGroup. asyncio's gather lets them run on: try_gather_tasks.\n");
}

async fn open_files() {
    say!("6. \"With asyncio you can open any number of files at once.\"");
    let open = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let before = open();
    for limit in [500, 10] {
        let most = Cell::new(0);
        let files = gather((0..500).map(async |_| {
            let _file = File::open("/dev/null");
            sleep(SECOND).await;
            most.set(most.get().max(open() - before));
        }));
        files.limit(limit).await;
        say!("   limit {limit:3}: {:3} open at once", most.get());
    }
    say!(
        "   True until the system says no: `ulimit -n` is 1024 on many. The program fd_limit shows what happens then.\n"
    );
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = match Runtime::builder().virtual_clock().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit_status(Err(format!("no loop: {error}"))),
    };
    runtime.block_on(async {
        let is_asked = |number| options.number.is_none_or(|asked| asked == number);
        for number in (1..=6).filter(|number| is_asked(*number)) {
            match number {
                1 => one_by_one().await,
                2 => a_semaphore_around_a_gather().await,
                3 => a_gather_of_a_generator().await,
                4 => finished_and_pending().await,
                5 => the_first_error().await,
                _ => open_files().await,
            }
        }
    });
    exit_status(Ok::<_, String>(ExitCode::SUCCESS))
}
