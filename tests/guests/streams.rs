//! futures as a guest: its extension traits on sockets, pipes and whatever else yields bytes or items.

use crate::{ROUNDS, connection, host};
use futures::future::{join, join3};
use futures::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter, copy};
use futures::stream::{FuturesUnordered, StreamExt, TryStreamExt};
use futures::{AsyncRead, AsyncWrite};
use runtime::io::{Async, duplex};
use runtime::net::TcpStream;
use runtime::sync::{mpsc, oneshot};
use runtime::time::{interval, now};
use runtime::{block_on, fs, spawn};
use std::cell::Cell;
use std::io;
use std::time::Duration;
use tests::{counted, virtually};

/// Says something and waits for the echo, again and again; then ends its direction, and expects the end of the other.
pub(crate) async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    for number in 0..ROUNDS {
        let said = format!("message {number}");
        stream.write_all(said.as_bytes()).await.expect("somebody reads");
        stream.flush().await.expect("somebody reads");
        let mut heard = vec![0; said.len()];
        stream.read_exact(&mut heard).await.expect("somebody writes");
        assert_eq!(heard, said.as_bytes());
    }
    stream.close().await.expect("it is open");
    assert_eq!(stream.read(&mut [0; 8]).await.expect("the end is no error"), 0);
}

/// Sends everything back until the end, and then the end.
pub(crate) async fn send_back(stream: impl AsyncRead + AsyncWrite) -> io::Result<u64> {
    let (reader, mut writer) = stream.split();
    let copied = copy(reader, &mut writer).await?;
    writer.close().await?;
    Ok(copied)
}

/// One task talks, another sends back.
pub(crate) async fn echo() {
    let (client, server) = connection().await;
    let echo = spawn(send_back(server));
    talk(client).await;
    let said: usize = (0..ROUNDS).map(|number| format!("message {number}").len()).sum();
    assert_eq!(echo.await.expect("it ends").expect("no error"), said as u64);
}

/// Sends a pattern of this many bytes, and then the end.
pub(crate) async fn send(length: usize, mut stream: impl AsyncWrite + Unpin) {
    let bytes: Vec<u8> = (0..length).map(|number| (number % 251) as u8).collect();
    stream.write_all(&bytes).await.expect("somebody reads");
    stream.close().await.expect("it is open");
}

/// Receives that pattern, and then the end.
pub(crate) async fn receive(length: usize, mut stream: impl AsyncRead + Unpin) {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("the end is no error");
    assert_eq!(bytes.len(), length);
    assert!(bytes.iter().enumerate().all(|(number, byte)| *byte == (number % 251) as u8));
}

#[test]
fn copy_sends_back_message_after_message() {
    host(ROUNDS, echo);
}

#[test]
fn the_halves_of_a_split_work_in_two_tasks_at_once() {
    const LENGTH: usize = 4 << 20;
    host(1, async || {
        let (client, server) = connection().await;
        let echo = spawn(send_back(server));
        let (reader, writer) = client.split();
        let sender = spawn(send(LENGTH, writer));
        receive(LENGTH, reader).await;
        sender.await.expect("it ends");
        assert_eq!(echo.await.expect("it ends").expect("no error"), LENGTH as u64);
    });
}

#[test]
fn a_shared_reference_to_a_socket_is_a_stream_of_its_own() {
    const LENGTH: usize = 4 << 20;
    host(1, async || {
        let (one, other) = connection().await;
        join(join(send(LENGTH, &one), receive(LENGTH, &one)), join(send(LENGTH, &other), receive(LENGTH, &other)))
            .await;
    });
}

#[test]
fn the_ends_of_a_stream_in_memory_are_streams_and_so_are_shared_references_to_them() {
    virtually(async {
        let (near, far) = duplex(7);
        let echo = spawn(send_back(far));
        talk(near).await;
        assert!(echo.await.expect("it ends").expect("no error") > 0);
        let (near, far) = duplex(7);
        let echo = spawn(async move { send_back(&far).await });
        talk(&near).await;
        assert!(echo.await.expect("it ends").expect("no error") > 0);
    });
}

#[test]
fn a_chain_of_copies_hands_on_what_the_first_one_reads() {
    const LENGTH: usize = 1 << 20;
    host(1, async || {
        let (source, first) = connection().await;
        let (second, third) = connection().await;
        let (fourth, sink) = connection().await;
        let hand_on = async |from: TcpStream, mut to: TcpStream| {
            let copied = copy(from, &mut to).await.expect("no error");
            AsyncWriteExt::close(&mut to).await.expect("it is open");
            copied
        };
        let chain = join(hand_on(first, second), hand_on(third, fourth));
        let (_, copied, _) = join3(send(LENGTH, source), chain, receive(LENGTH, sink)).await;
        assert_eq!(copied, (LENGTH as u64, LENGTH as u64));
    });
}

#[test]
fn lines_are_cut_by_a_buffered_reader_and_gathered_by_a_buffered_writer() {
    host(ROUNDS, async || {
        let (client, server) = connection().await;
        let shout = spawn(async move {
            let mut lines = BufReader::new(&server).lines();
            let mut writer = BufWriter::new(&server);
            while let Some(line) = lines.try_next().await.expect("text") {
                writer.write_all(line.to_uppercase().as_bytes()).await.expect("somebody reads");
                writer.write_all(b"\n").await.expect("somebody reads");
                writer.flush().await.expect("somebody reads");
            }
        });
        let mut answers = BufReader::new(&client).lines();
        for number in 0..ROUNDS {
            client.write_all(format!("line {number}\n").as_bytes()).await.expect("somebody reads");
            assert_eq!(answers.next().await.expect("no end").expect("text"), format!("LINE {number}"));
        }
        AsyncWriteExt::close(&mut &client).await.expect("it is open");
        assert!(answers.next().await.is_none());
        shout.await.expect("it ends");
    });
}

#[test]
fn closing_ends_one_direction_and_the_other_goes_on() {
    host(1, async || {
        let (mut client, server) = connection().await;
        let server = spawn(async move {
            receive(1000, &server).await;
            send(2000, &server).await;
        });
        send(1000, &mut client).await;
        receive(2000, &mut client).await;
        server.await.expect("it ends");
    });
}

#[test]
fn closing_once_more_is_no_error_even_when_the_peer_has_gone() {
    host(1, async || {
        let (mut client, server) = connection().await;
        AsyncWriteExt::close(&mut client).await.expect("it is open");
        AsyncWriteExt::close(&mut client).await.expect("it was closed by this end");
        drop(server);
        assert_eq!(client.read(&mut [0; 8]).await.expect("the end is no error"), 0);
        AsyncWriteExt::close(&mut client).await.expect("both ends are closed");
    });
}

#[test]
fn a_unix_socket_is_a_stream_by_async() {
    host(ROUNDS, async || {
        let (client, server) = mio::net::UnixStream::pair().expect("a pair of sockets");
        let (client, server) = (Async::new(client).expect("mio can watch it"), Async::new(server).expect("so it can"));
        // Closing is flushing for what is only known to be a source: the end comes when the socket is dropped.
        let echo = spawn(async move {
            let (reader, mut writer) = server.split();
            copy(reader, &mut writer).await
        });
        let (mut reader, mut writer) = client.split();
        for number in 0..ROUNDS {
            let said = [number as u8; 100];
            writer.write_all(&said).await.expect("somebody reads");
            let mut heard = [0; 100];
            reader.read_exact(&mut heard).await.expect("somebody writes");
            assert_eq!(heard, said);
        }
        drop((reader, writer));
        assert_eq!(echo.await.expect("it ends").expect("no error"), 100 * ROUNDS as u64);
    });
}

#[test]
fn a_pipe_is_a_stream_by_async() {
    const LENGTH: usize = 1 << 20;
    host(1, async || {
        let (sender, receiver) = mio::unix::pipe::new().expect("a pipe");
        let sender = spawn(send(LENGTH, Async::new(sender).expect("mio can watch it")));
        receive(LENGTH, Async::new(receiver).expect("mio can watch it")).await;
        sender.await.expect("it ends");
    });
}

#[test]
fn the_lines_of_a_file_are_a_stream() {
    let path = format!("{}/lines.txt", env!("CARGO_TARGET_TMPDIR"));
    let text: String = (0..10_000).map(|number| format!("line {number}\n")).collect();
    std::fs::write(&path, &text).expect("the target folder takes files");
    let path = &path;
    host(1, async || {
        let long = fs::lines(path).try_filter(|line| std::future::ready(line.len() > 8));
        let long: Vec<String> = long.try_collect().await.expect("the file can be read");
        assert_eq!(long.len(), 9_000);
        assert_eq!(long.first().map(String::as_str), Some("line 1000"));
    });
}

#[test]
fn the_ticks_of_an_interval_are_a_stream() {
    let second = Duration::from_secs(1);
    virtually(async {
        let start = now();
        let ticks: Vec<_> = interval(second).take(5).map(|tick| tick - start).collect().await;
        assert_eq!(ticks, [0, 1, 2, 3, 4].map(Duration::from_secs));
        assert_eq!(now() - start, 4 * second);
    });
}

#[test]
fn what_a_channel_receives_is_a_stream() {
    host(ROUNDS, async || {
        let (sender, receiver) = mpsc::channel(1);
        let source = spawn(async move {
            for number in 0..2 * ROUNDS {
                sender.send(number).await.expect("somebody receives");
            }
        });
        let squares: Vec<usize> = receiver.map(|number| number * number).collect().await;
        assert_eq!(squares, (0..2 * ROUNDS).map(|number| number * number).collect::<Vec<_>>());
        source.await.expect("it ends");
    });
}

#[test]
fn futures_unordered_polls_a_child_once_at_first_and_once_per_wake() {
    // As many as the budget of a poll, and more: it polls two children before it hears that the budget is spent, and puts
    // them behind the others.
    for (children, refused) in [(128, 0), (1_000, 2 * 7)] {
        block_on(async {
            let polls = &Cell::new(0);
            let (senders, receivers): (Vec<_>, Vec<_>) = (0..children).map(|_| oneshot::channel()).unzip();
            let all: FuturesUnordered<_> = receivers.into_iter().map(|receiver| counted(polls, receiver)).collect();
            drop(spawn(async move {
                for (number, sender) in senders.into_iter().enumerate().rev() {
                    sender.send(number).expect("somebody receives");
                }
            }));
            let mut order: Vec<usize> = all.map(|received| received.expect("each is sent")).collect().await;
            assert_eq!(polls.get(), 2 * children + refused);
            let behind = order.split_off(children - refused);
            assert!(order.is_sorted_by(|one, next| one > next) && behind.is_sorted_by(|one, next| one > next));
            order.extend(behind);
            order.sort_unstable();
            assert!(order.into_iter().eq(0..children));
        });
    }
}
