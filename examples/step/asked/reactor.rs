//! Lesson 7: attempts and edges, at real sockets, and a system that tells again and again.

use super::{Clock, Lesson, Question, at, ms, named, say, word};
use mio::net::{UnixDatagram, UnixStream};
use runtime::Runtime;
use runtime::io::Async;
use runtime::net::{TcpListener, TcpStream};
use runtime::time::sleep;
use runtime::trace::Kind;
use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::pin::pin;

pub(super) const LESSON: Lesson = Lesson {
    number: 7,
    questions: [
        Question::Steps(Clock::System, three_reads_and_one_more, |story| {
            let lengths: Vec<&str> = story.notes().iter().filter_map(|note| note.strip_suffix(" bytes")).collect();
            let would_block = story.first(|kind| matches!(kind, Kind::IoWouldBlock { .. })).seq;
            let rest: Vec<&str> = story
                .notes()
                .into_iter()
                .skip_while(|note| *note != "attempt 4")
                .filter(|note| *note != "4 bytes")
                .collect();
            let [first, second, third, ..] = lengths[..] else { unreachable!("four reads have come to an end") };
            let got = format!("attempts 1, 2 and 3 get {first}, {second} and {third} bytes");
            at(would_block, [got].into_iter().chain(rest.into_iter().map(str::to_owned)))
        }),
        Question::Steps(Clock::System, five_chunks, |story| {
            let attempts = story.notes().iter().filter(|note| note.starts_with("attempt")).count();
            let would_block = story.first(|kind| matches!(kind, Kind::IoWouldBlock { .. })).seq;
            at(would_block, [format!("{}: five give a chunk", word(attempts)), "would block".to_owned()])
        }),
        Question::Steps(Clock::Virtual, told_again_and_again, |story| {
            let told = story.notes().iter().filter(|note| **note == "the system says: there is something").count();
            let read = story.notes().iter().filter(|note| **note == "one read").count();
            let works = if read == 3 { "Then the bad read would work" } else { "It would not" };
            let price = if told == read { "a word of the system for each read" } else { "nothing" };
            at(story.note("one read"), [works, price])
        }),
        Question::Steps(Clock::Virtual, woken_by_a_timer, |story| {
            let polls = story.polls(story.task("reader"));
            let end = story.after(polls[1]).first(|kind| matches!(kind, Kind::PollEnd { .. }));
            let attempts = story.after(polls[1]).before(end.seq).all(|kind| matches!(kind, Kind::IoWouldBlock { .. }));
            let makes = if attempts.is_empty() { "it makes no attempt" } else { "it makes an attempt" };
            let says = if matches!(end.kind, Kind::PollEnd { ready: false, .. }) { "says Pending" } else { "Ready" };
            at(polls[1], [makes, says])
        }),
    ],
};

fn three_reads_and_one_more(runtime: &Runtime) {
    runtime.block_on(async {
        let (reader, mut writer) = UnixStream::pair().expect("the system gives sockets");
        let reader = Async::new(reader).expect("it can be watched");
        let mut attempts = 0;
        let mut read = |mut socket: &UnixStream| {
            attempts += 1;
            say(format!("attempt {attempts}"));
            socket.read(&mut [0; 8])
        };
        writer.write_all(b"twenty bytes of text").expect("there is room");
        for _ in 0..3 {
            let length = reader.read_with(&mut read).await.expect("it is open");
            say(format!("{length} bytes"));
        }
        drop(named("writer", async move {
            say("the writer");
            writer.write_all(b"more").expect("there is room");
        }));
        let length = reader.read_with(&mut read).await.expect("it is open");
        say(format!("{length} bytes"));
    });
}

fn five_chunks(runtime: &Runtime) {
    runtime.block_on(async {
        let (reader, writer) = UnixDatagram::pair().expect("the system gives sockets");
        let reader = Async::new(reader).expect("it can be watched");
        for _ in 0..5 {
            writer.send(b"chunk").expect("there is room");
        }
        let mut attempts = 0;
        let task = named("reader", async move {
            loop {
                let read = |socket: &UnixDatagram| {
                    attempts += 1;
                    say(format!("attempt {attempts}"));
                    socket.recv(&mut [0; 8])
                };
                reader.read_with(read).await.expect("it is open");
            }
        });
        sleep(ms(5)).await;
        task.abort();
    });
}

/// A socket of a system that tells in each turn whether something is there, and a task with one read for each word.
fn told_again_and_again(runtime: &Runtime) {
    runtime.block_on(async {
        let mut chunks = 3;
        while chunks > 0 {
            say("the system says: there is something");
            chunks -= 1;
            say("one read");
            runtime::task::yield_now().await;
        }
    });
}

fn woken_by_a_timer(runtime: &Runtime) {
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback works");
        let address = listener.local_addr().expect("it has one");
        let client = TcpStream::connect(address).await.expect("it listens");
        let (server, _) = listener.accept().await.expect("somebody has come");
        let reader = named("reader", async move {
            let mut buffer = [0; 8];
            let (mut read, mut nap) = (pin!(client.read(&mut buffer)), pin!(sleep(ms(10))));
            // Both are polled at each wake, whosever it is.
            let mut is_over = false;
            poll_fn(|cx| {
                is_over = is_over || nap.as_mut().poll(cx).is_ready();
                read.as_mut().poll(cx).map(|read| read.is_ok())
            })
            .await
        });
        sleep(ms(20)).await;
        server.write_all(b"bytes").await.expect("it is open");
        reader.await.expect("it ends");
    });
}
