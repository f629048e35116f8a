//! What if the program were another one: two programs that differ in one thing, side by side, as the faults of the loop are.

use super::gathers::naive;
use super::{Bell, Clock, ms, named, say};
use crate::transcript::sentences;
use gather::gather;
use runtime::Runtime;
use runtime::net::{TcpListener, TcpStream};
use runtime::sync::Semaphore;
use runtime::task::yield_now;
use runtime::time::{sleep, timeout};
use runtime::trace::Recorder;
use std::fmt::Write;
use std::io;
use std::rc::Rc;
use std::thread;

/// Two programs that differ in one thing.
#[derive(Debug, Clone, Copy)]
pub struct Beside {
    /// What it is called on the command line.
    pub name: &'static str,
    /// The lesson that it belongs to.
    pub lesson: u32,
    clock: Clock,
    /// The two.
    sides: [Side; 2],
}

/// What one of the two is called, and its program.
type Side = (&'static str, fn(&Runtime));

/// All of them, in the order of the lessons.
pub const BESIDE: [Beside; 9] = [
    Beside {
        name: "no-ring",
        lesson: 5,
        clock: Clock::Virtual,
        sides: [("A put rings", |runtime| put(runtime, true)), ("A put rings nobody", |runtime| put(runtime, false))],
    },
    Beside {
        name: "long-poll",
        lesson: 6,
        clock: Clock::System,
        sides: [
            ("Both tasks await", |runtime| two_sleepers(runtime, false)),
            ("One blocks the thread for 40 ms", |runtime| two_sleepers(runtime, true)),
        ],
    },
    Beside {
        name: "short-reads",
        lesson: 7,
        clock: Clock::Virtual,
        sides: [
            ("16 bytes come, 64 were asked for", |runtime| reads(runtime, 64)),
            ("16 bytes come, and 16 were asked for", |runtime| reads(runtime, 16)),
        ],
    },
    Beside {
        name: "naive",
        lesson: 8,
        clock: Clock::Virtual,
        sides: [
            ("A wake marks its child", |runtime| naps(runtime, false)),
            ("Naive: each wake polls all", |runtime| naps(runtime, true)),
        ],
    },
    Beside {
        name: "abort-at-an-await",
        lesson: 9,
        clock: Clock::Virtual,
        sides: [
            ("It reads to the end", |runtime| three_awaits(runtime, None)),
            ("Aborted at its second await", |runtime| three_awaits(runtime, Some(15))),
        ],
    },
    Beside {
        name: "abort-at-once",
        lesson: 10,
        clock: Clock::Virtual,
        sides: [
            ("Aborted at its first await", |runtime| three_awaits(runtime, Some(5))),
            ("Aborted before its first poll", |runtime| three_awaits(runtime, Some(0))),
        ],
    },
    Beside {
        name: "abort-while-granted",
        lesson: 11,
        clock: Clock::Virtual,
        sides: [
            ("The second in line takes its permit", |runtime| granted(runtime, false)),
            ("It is aborted when the permit is its own", |runtime| granted(runtime, true)),
        ],
    },
    Beside {
        name: "no-ring-at-the-end",
        lesson: 12,
        clock: Clock::Virtual,
        sides: [
            ("The job rings", |runtime| put(runtime, true)),
            ("The job rings nobody", |runtime| put(runtime, false)),
        ],
    },
    Beside {
        name: "short-writes",
        lesson: 13,
        clock: Clock::Virtual,
        sides: [
            ("A short answer", |runtime| writes(runtime, 1_000)),
            ("An answer for which the system has no room", |runtime| writes(runtime, 16 << 20)),
        ],
    },
];

/// Of each of the two at most so many steps stand on a page.
const MOST: usize = 150;

impl Beside {
    /// The pair with this name.
    pub fn named(name: &str) -> Option<&'static Beside> {
        const { &BESIDE }.iter().find(|beside| beside.name == name)
    }

    /// The sentences of both traces.
    ///
    /// # Errors
    /// When there can be no runtime.
    pub fn record(&self) -> io::Result<[Vec<String>; 2]> {
        let [left, right] = self.sides.map(|(_, run)| {
            let recorder = Recorder::start();
            let builder = Runtime::builder();
            let runtime = if self.clock == Clock::Virtual { builder.virtual_clock() } else { builder }.build()?;
            run(&runtime);
            drop(runtime);
            io::Result::Ok(sentences(&recorder.events()))
        });
        Ok([left?, right?])
    }

    /// A page with both traces side by side, in the form of that of a fault.
    ///
    /// # Errors
    /// When there can be no runtime.
    pub fn page(&self) -> io::Result<String> {
        let traces = self.record()?;
        let [left, right] = &traces;
        let same = left.iter().zip(right).take_while(|(left, right)| left == right).count();
        let step = |trace: &[String]| escaped(trace.get(same).map_or("the end", |sentence| sentence));
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>glassloop: {}</title>\n{STYLE}</head>\n<body>\n\
             <h1>What if: {}</h1>\n<p>They differ first at event {same}: {} | {}</p>\n<div class=\"both\">\n",
            self.name,
            self.name,
            step(left),
            step(right)
        );
        for ((title, _), trace) in self.sides.into_iter().zip(&traces) {
            let _ = write!(
                page,
                "<section>\n<h2>{}</h2>\n<p class=\"ending\">{} events</p>\n<ol start=\"0\">\n",
                escaped(title),
                trace.len()
            );
            for (number, sentence) in trace.iter().take(MOST).enumerate() {
                let class = match number {
                    _ if number == same => " class=\"first\"",
                    _ if number > same => " class=\"after\"",
                    _ => "",
                };
                let _ = writeln!(page, "<li{class}>{}</li>", escaped(sentence));
            }
            if trace.len() > MOST {
                let _ = writeln!(page, "<li class=\"after\">and {} more</li>", trace.len() - MOST);
            }
            page.push_str("</ol>\n</section>\n");
        }
        page.push_str("</div>\n</body>\n</html>\n");
        Ok(page)
    }
}

const STYLE: &str = "<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 1rem; }
.both { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
ol { font: 13px/1.5 monospace; }
.first { background: #fc08; outline: 2px solid #c80; }
</style>
";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// One task puts something where main looks for it.
fn put(runtime: &Runtime, rings: bool) {
    runtime.block_on(async {
        let bell = Rc::new(Bell::default());
        let puts = Rc::clone(&bell);
        drop(named("puts", async move {
            say("it is put there");
            if rings { puts.ring() } else { puts.has_rung.set(true) }
        }));
        let found = timeout(ms(20), bell.heard()).await;
        say(if found.is_ok() { "main has found it" } else { "main has slept beside it" });
    });
}

fn two_sleepers(runtime: &Runtime, blocks: bool) {
    runtime.block_on(async {
        let polite = named("polite", sleep(ms(10)));
        let other = named("other", async move {
            if blocks {
                thread::sleep(ms(40));
            } else {
                sleep(ms(40)).await;
            }
        });
        polite.await.expect("it ends");
        other.await.expect("it ends");
    });
}

/// The two ends of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback works");
    let client = TcpStream::connect(listener.local_addr().expect("it has one")).await.expect("it listens");
    let (server, _) = listener.accept().await.expect("somebody has come");
    (client, server)
}

fn reads(runtime: &Runtime, asked: usize) {
    runtime.block_on(async {
        let (client, server) = pair().await;
        client.write_all(&[b'x'; 16]).await.expect("it is open");
        say("16 bytes are sent");
        let mut buffer = vec![0; asked];
        let length = server.read(&mut buffer).await.expect("it is open");
        say(format!("{length} bytes are read, and then it waits for more"));
        let _ = timeout(ms(5), server.read(&mut buffer)).await;
    });
}

fn naps(runtime: &Runtime, is_naive: bool) {
    runtime.block_on(async {
        let nap = |place: u64| {
            Box::pin(async move {
                sleep(ms(place)).await;
                say(format!("child {place} has ended"));
            })
        };
        if is_naive {
            let children = (1..=4).map(|place| {
                let mut child = nap(place);
                Box::pin(std::future::poll_fn(move |cx| {
                    say(format!("a poll of child {place}"));
                    child.as_mut().poll(cx)
                })) as std::pin::Pin<Box<dyn Future<Output = ()>>>
            });
            naive(children.collect()).await;
        } else {
            gather((1..=4).map(nap)).await;
        }
    });
}

/// A task with three awaits of 10 ms, aborted after so many milliseconds.
fn three_awaits(runtime: &Runtime, abort: Option<u64>) {
    runtime.block_on(async {
        let reader = named("reader", async {
            for piece in 1..=3 {
                sleep(ms(10)).await;
                say(format!("piece {piece}"));
            }
        });
        if let Some(after) = abort {
            if after > 0 {
                sleep(ms(after)).await;
            }
            reader.abort();
        }
        say(reader.await.map_or("it is aborted", |()| "it has read to the end"));
    });
}

fn granted(runtime: &Runtime, is_aborted: bool) {
    runtime.block_on(async {
        let permits = Rc::new(Semaphore::new(1));
        let first = permits.acquire().await;
        let [second, third] = ["second", "third"].map(|name| {
            let permits = Rc::clone(&permits);
            named(name, async move {
                let _permit = permits.acquire().await;
            })
        });
        yield_now().await;
        drop(first);
        if is_aborted {
            second.abort();
        }
        let _ = second.await;
        third.await.expect("it ends");
    });
}

fn writes(runtime: &Runtime, length: usize) {
    runtime.block_on(async {
        let (client, server) = pair().await;
        let writer = named("server", async move { server.write_all(&vec![b'x'; length]).await });
        let (mut all, mut buffer) = (0, vec![0; 4 << 20]);
        while let length @ 1.. = client.read(&mut buffer).await.expect("it is open") {
            all += length;
        }
        writer.await.expect("it ends").expect("it is open");
        say(format!("{all} bytes have come"));
    });
}

#[cfg(test)]
mod tests {
    use super::BESIDE;

    #[test]
    fn two_programs_side_by_side_begin_alike_and_differ() {
        for beside in BESIDE {
            let [left, right] = beside.record().unwrap();
            assert_eq!(left[0], right[0], "{}", beside.name);
            let differ = left.iter().zip(&right).any(|(left, right)| left != right);
            assert!(differ || left.len() != right.len(), "{}", beside.name);
            let page = beside.page().unwrap();
            assert_eq!(page.matches("<section>").count(), 2, "{}", beside.name);
            assert_eq!(page.matches("class=\"first\"").count(), 2, "{}", beside.name);
        }
    }
}
