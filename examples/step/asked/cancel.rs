//! Lesson 9: a line that is lost and one that is kept, who is dropped when a child fails, and what a drop can do.

use super::{Bell, Clock, Lesson, Question, at, ms, named, say};
use gather::try_gather;
use runtime::Runtime;
use runtime::net::{TcpListener, TcpStream};
use runtime::time::{sleep, timeout};
use runtime::trace::Kind;
use std::mem;
use std::rc::Rc;

pub(super) const LESSON: Lesson = Lesson {
    number: 9,
    questions: [
        Question::Steps(Clock::Virtual, two_readers, |story| at(story.note("is to cancel"), story.notes())),
        Question::Steps(Clock::Virtual, the_second_fails, |story| {
            let armed = story.all(|kind| matches!(kind, Kind::TimerArmed { .. })).len();
            let dropped = story.all(|kind| matches!(kind, Kind::TimerDropped { .. })).len();
            let left = if armed == dropped { "No timer is armed" } else { "A timer is armed" };
            let notes = story.notes();
            let [first, second, third] = notes[..] else { unreachable!("three children are dropped") };
            let is_third = |note: &str, child: &str, at: &str| note == format!("{child}, dropped at {at} ms");
            let says = [
                if is_third(first, "the third", "10") { "The third has ended at 10 ms" } else { first },
                if is_third(second, "the second", "20") { "At 20 ms the second is dropped first" } else { second },
                if is_third(third, "the first", "20") { "then the first" } else { third },
            ];
            at(story.note(second), says.into_iter().chain([left]))
        }),
        Question::Steps(Clock::Virtual, says_goodbye, |story| {
            let notes = story.notes();
            let is_sent = notes == ["dropped: a message goes into a queue", "a task that lives on sends: goodbye"];
            let says = ["put a message into a queue", "a task that lives on has to send it"];
            at(story.note("dropped"), says.map(|words| if is_sent { words } else { "nobody says goodbye" }))
        }),
        Question::Steps(Clock::Virtual, writes_a_part, |story| at(story.note("Part"), [story.notes()[0]])),
    ],
};

/// A wire that gives a piece of text every 40 ms.
struct Wire(std::vec::IntoIter<&'static str>);

impl Wire {
    fn new() -> Wire {
        Wire(vec!["to ", "drop ", "is to ", "cancel\n"].into_iter())
    }

    async fn read(&mut self) -> &'static str {
        sleep(ms(40)).await;
        self.0.next().unwrap_or("\n")
    }
}

/// What it has read is its own, and is dropped with it.
async fn line(wire: &mut Wire) -> String {
    let mut line = String::new();
    while !line.ends_with('\n') {
        line += wire.read().await;
    }
    line
}

/// What it has read stays here.
struct LineReader {
    wire: Wire,
    line: String,
}

impl LineReader {
    async fn line(&mut self) -> String {
        while !self.line.ends_with('\n') {
            self.line += self.wire.read().await;
        }
        mem::take(&mut self.line)
    }
}

/// What became of it, in a line.
fn tell(read: Result<String, runtime::time::Elapsed>) {
    say(read.map_or("100 ms are over".to_owned(), |line| line.trim_end().to_owned()));
}

fn two_readers(runtime: &Runtime) {
    runtime.block_on(async {
        let mut wire = Wire::new();
        for _ in 0..2 {
            tell(timeout(ms(100), line(&mut wire)).await);
        }
        let mut reader = LineReader { wire: Wire::new(), line: String::new() };
        for _ in 0..2 {
            tell(timeout(ms(100), reader.line()).await);
        }
    });
}

/// Says when it is dropped.
struct Guard(&'static str, std::time::Instant);

impl Drop for Guard {
    fn drop(&mut self) {
        say(format!("{}, dropped at {} ms", self.0, (runtime::time::now() - self.1).as_millis()));
    }
}

async fn child(name: &'static str, start: std::time::Instant, naps: u64) -> Result<(), ()> {
    let _guard = Guard(name, start);
    sleep(ms(naps)).await;
    if name == "the second" { Err(()) } else { Ok(()) }
}

fn the_second_fails(runtime: &Runtime) {
    runtime.block_on(async {
        let start = runtime::time::now();
        let children = [("the first", 30), ("the second", 20), ("the third", 10)];
        let _ = try_gather(children.map(|(name, naps)| child(name, start, naps))).await;
    });
}

/// Rings when it is dropped.
struct Goodbye(Rc<Bell>);

impl Drop for Goodbye {
    fn drop(&mut self) {
        say("dropped: a message goes into a queue");
        self.0.ring();
    }
}

fn says_goodbye(runtime: &Runtime) {
    runtime.block_on(async {
        let bell = Rc::new(Bell::default());
        let hears = Rc::clone(&bell);
        let lives_on = named("lives on", async move {
            hears.heard().await;
            say("a task that lives on sends: goodbye");
        });
        let call = async {
            let _goodbye = Goodbye(bell);
            sleep(ms(1_000)).await;
        };
        let _ = timeout(ms(10), call).await;
        lives_on.await.expect("it ends");
    });
}

fn writes_a_part(runtime: &Runtime) {
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback works");
        let client = TcpStream::connect(listener.local_addr().expect("it has one")).await.expect("it listens");
        let (server, _) = listener.accept().await.expect("somebody has come");
        // More than the system keeps for a reader who does not read.
        let text = vec![b'x'; 32 << 20];
        let write = timeout(ms(10), client.write_all(&text)).await;
        let length = server.read(&mut [0; 1_000]).await.expect("it is open");
        if write.is_err() && length > 0 {
            say("Part of the text is written");
        }
    });
}
