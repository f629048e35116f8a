//! Lesson 13: four requests in three pieces, who waits for whom, a client without a word, and a stop.

use super::{Clock, Lesson, Question, at, ms, named, say, word};
use runtime::net::{TcpListener, TcpStream};
use runtime::time::{sleep, timeout};

use runtime::{JoinHandle, Runtime};
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

pub(super) const LESSON: Lesson = Lesson {
    number: 13,
    questions: [
        Question::Steps(Clock::Virtual, three_answers, |story| {
            let answers: Vec<&str> = story.notes().iter().filter_map(|note| note.strip_prefix("answer: ")).collect();
            let hellos = answers.iter().filter(|answer| **answer == "Hello, world!").count();
            let closes = story.note("the server closes");
            let count = format!("{} answers", word(answers.len()));
            let then = format!("then {} {}", super::times(hellos), answers.last().expect("some"));
            at(closes, [count, answers[0].to_owned(), then, "the server closes".to_owned()])
        }),
        Question::Steps(Clock::Virtual, one_is_slow, |story| {
            let order: Vec<&str> = story.notes().iter().filter_map(|note| note.strip_prefix("answered: ")).collect();
            let last = &order[order.len() - 2..];
            let is_so = last == ["0, slept for 5 ms", "0, Hello, world!"];
            let says =
                if is_so { "Only the two in one connection: the second waits for the first" } else { "All wait" };
            at(story.note("answered: 0"), [says])
        }),
        Question::Steps(Clock::Virtual, without_a_word, |story| {
            let open = story.note("without a limit it is still open");
            let closed = story.note("with a limit it is closed");
            let is_so = story.after(open).before(closed).notes().is_empty();
            at(closed, [if is_so { "`idle`" } else { "none" }])
        }),
        Question::Steps(Clock::Virtual, half_a_head, |story| {
            at(story.note("its head comes to its end"), story.notes())
        }),
    ],
};

/// What a server allows, and whether it is told to stop.
#[derive(Clone)]
struct Rules {
    idle: Duration,
    stop: Rc<Cell<bool>>,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { idle: ms(10_000), stop: Rc::default() }
    }
}

/// Answers the requests of a connection, one after the other, until it is to close.
async fn serve(stream: TcpStream, rules: Rules) -> io::Result<()> {
    let (mut head, mut buffer) = (Vec::new(), [0; 256]);
    loop {
        let end = head.windows(4).position(|it| it == b"\r\n\r\n");
        let Some(end) = end else {
            match timeout(rules.idle, stream.read(&mut buffer)).await {
                Err(_) | Ok(Ok(0)) => return Ok(()),
                Ok(length) => head.extend_from_slice(&buffer[..length?]),
            }
            continue;
        };
        let request: Vec<u8> = head.drain(..end + 4).collect();
        let request = String::from_utf8_lossy(&request).into_owned();
        let body = if request.contains("/slow") {
            sleep(ms(5)).await;
            "slept for 5 ms"
        } else {
            "Hello, world!"
        };
        stream.write_all(format!("{body}\n").as_bytes()).await?;
        if request.contains("HTTP/1.0") || rules.stop.get() {
            return Ok(());
        }
    }
}

/// A connection to a server of its own, which is a task.
async fn connection(name: &str, rules: &Rules) -> io::Result<(TcpStream, JoinHandle<io::Result<()>>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (stream, _) = listener.accept().await?;
    Ok((client, named(name, serve(stream, rules.clone()))))
}

/// All that comes until the other side closes.
async fn to_the_end(client: &TcpStream) -> io::Result<String> {
    let (mut all, mut buffer) = (Vec::new(), [0; 256]);
    while let length @ 1.. = client.read(&mut buffer).await? {
        all.extend_from_slice(&buffer[..length]);
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}

/// Runs a program that ends well if the loopback works.
fn run(runtime: &Runtime, program: impl AsyncFnOnce() -> io::Result<()>) {
    runtime.block_on(program()).expect("the loopback works");
}

fn three_answers(runtime: &Runtime) {
    run(runtime, async || {
        let (client, _server) = connection("server", &Rules::default()).await?;
        for piece in [
            "GET /slow HTTP/1.1\r\n\r\nGET /he",
            "llo HTTP/1.1\r\n\r\nGET /hello HTTP/1.0\r\n",
            "\r\nGET /slow HTTP/1.1\r\n\r\n",
        ] {
            client.write_all(piece.as_bytes()).await?;
            sleep(ms(1)).await;
        }
        for answer in to_the_end(&client).await?.lines() {
            say(format!("answer: {answer}"));
        }
        say("the server closes");
        Ok(())
    });
}

/// Five connections, of which the first one has two requests.
fn one_is_slow(runtime: &Runtime) {
    run(runtime, async || {
        let mut clients = Vec::new();
        for number in 0..5 {
            let (client, server) = connection(&format!("server {number}"), &Rules::default()).await?;
            let requests = match number {
                0 => "GET /slow HTTP/1.1\r\n\r\nGET /hello HTTP/1.0\r\n\r\n",
                _ => "GET /hello HTTP/1.0\r\n\r\n",
            };
            client.write_all(requests.as_bytes()).await?;
            clients.push(named(&format!("client {number}"), async move {
                for answer in to_the_end(&client).await?.lines() {
                    say(format!("answered: {number}, {answer}"));
                }
                drop(server);
                Ok::<(), io::Error>(())
            }));
        }
        for client in clients {
            client.await.expect("it ends")?;
        }
        Ok(())
    });
}

fn without_a_word(runtime: &Runtime) {
    run(runtime, async || {
        let week = Duration::from_secs(7 * 24 * 60 * 60);
        let (_patient_client, patient) =
            connection("without a limit", &Rules { idle: week, ..Rules::default() }).await?;
        let (_client, server) = connection("with a limit", &Rules::default()).await?;
        sleep(ms(20_000)).await;
        say(if patient.is_finished() { "without a limit it is closed" } else { "without a limit it is still open" });
        say(if server.is_finished() { "with a limit it is closed" } else { "with a limit it is still open" });
        Ok(())
    });
}

fn half_a_head(runtime: &Runtime) {
    run(runtime, async || {
        let rules = Rules::default();
        let (client, server) = connection("server", &rules).await?;
        client.write_all(b"GET /hello HT").await?;
        sleep(ms(1)).await;
        rules.stop.set(true);
        client.write_all(b"TP/1.1\r\n\r\n").await?;
        say("its head comes to its end");
        if to_the_end(&client).await?.contains("Hello") {
            say("it is answered");
        }
        server.await.expect("it ends")?;
        say("the connection closes");
        Ok(())
    });
}
