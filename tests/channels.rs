//! Channels: what is sent arrives once and in order, waits when there is no room, and comes back when nobody will
//! receive it; whatever end goes first, on whatever thread.

use proptest::prelude::*;
use runtime::spawn;
use runtime::sync::mpsc::{Receiver, Send, SendError, Sender, TryRecvError, TrySendError, UnboundedSender};
use runtime::sync::{mpsc, oneshot};
use runtime::task::yield_now;
use runtime::time::{sleep, timeout};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::error::Error;
use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use tests::{
    Count, Dropped, Log, OnDrop, Random, cases, counted, panic_message, poll_once, thread_number, until_parked,
    virtually,
};

const MS: Duration = Duration::from_millis(1);

fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

fn recv_with<T>(receiver: &mut Receiver<T>, waker: &Waker) -> Poll<Option<T>> {
    receiver.poll_recv(&mut Context::from_waker(waker))
}

/// Does every thing of a list in every order: calls `f` with each order of the numbers below `n`.
fn in_every_order(n: usize, f: &mut impl FnMut(&[usize])) {
    fn go(order: &mut Vec<usize>, n: usize, f: &mut impl FnMut(&[usize])) {
        if order.len() == n {
            return f(order);
        }
        for next in 0..n {
            if !order.contains(&next) {
                order.push(next);
                go(order, n, f);
                order.pop();
            }
        }
    }
    go(&mut Vec::new(), n, f);
}

/// Something to drop, and what it is called.
type Thing = (&'static str, Box<dyn FnOnce()>);

fn thing<T: 'static>(name: &'static str, value: T) -> Thing {
    (name, Box::new(move || drop(value)))
}

/// Drops the things that `make` gives in every order, and expects these lines in the log after each, sorted.
#[track_caller]
fn drop_in_every_order(make: impl Fn(&Log) -> Vec<Thing>, expected: &[&str]) {
    let n = make(&Log::new()).len();
    in_every_order(n, &mut |order| {
        let log = Log::new();
        let mut things: Vec<Option<Thing>> = make(&log).into_iter().map(Some).collect();
        let mut names = Vec::new();
        for &which in order {
            let (name, drop_it) = things[which].take().expect("each once");
            names.push(name);
            drop_it();
        }
        let mut lines = log.take();
        lines.sort();
        assert_eq!(lines, expected, "dropped in the order {names:?}");
    });
}

// One value.

#[test]
fn a_oneshot_gives_its_value_whether_it_was_sent_before_or_after_the_receiver_came() {
    let (sender, mut receiver) = oneshot::channel();
    assert_eq!(sender.send("before"), Ok(()));
    assert_eq!(poll_once(&mut receiver), Poll::Ready(Ok("before")));

    let (sender, mut receiver) = oneshot::channel();
    let (count, waker) = Count::new();
    assert!(poll_with(&mut receiver, &waker).is_pending());
    assert_eq!(sender.send("after"), Ok(()));
    assert_eq!(count.wakes(), 1);
    assert_eq!(poll_with(&mut receiver, &waker), Poll::Ready(Ok("after")));
}

#[test]
fn a_receiver_that_waits_is_polled_twice_however_long_it_takes() {
    virtually(async {
        let (sender, receiver) = oneshot::channel();
        let (senders, mut values) = mpsc::channel(1);
        drop(spawn(async move {
            sleep(MS).await;
            sender.send(1).unwrap();
            sleep(MS).await;
            senders.send(2).await.unwrap();
            pending::<()>().await;
            drop(senders);
        }));
        let polls = Cell::new(0);
        assert_eq!(counted(&polls, receiver).await, Ok(1));
        assert_eq!(polls.replace(0), 2);
        assert_eq!(counted(&polls, values.recv()).await, Some(2));
        assert_eq!(polls.get(), 2);
    });
}

#[test]
fn a_oneshots_sender_that_goes_without_a_value_is_an_error_of_the_receiver() {
    let (sender, mut receiver) = oneshot::channel::<u8>();
    let (count, waker) = Count::new();
    assert!(poll_with(&mut receiver, &waker).is_pending());
    assert_eq!(receiver.try_recv(), Ok(None));
    drop(sender);
    assert_eq!(count.wakes(), 1);
    let error = receiver.try_recv().unwrap_err();
    assert_eq!(
        error.to_string(),
        "no value: the sender was dropped without sending one, or the value was taken before"
    );
    assert_eq!(poll_with(&mut receiver, &waker), Poll::Ready(Err(error)));
}

#[test]
fn a_oneshots_value_comes_back_when_the_receiver_is_gone() {
    let (sender, receiver) = oneshot::channel();
    assert!(!sender.is_closed());
    drop(receiver);
    assert!(sender.is_closed());
    assert_eq!(sender.send("back"), Err("back"));
}

#[test]
fn a_oneshots_value_is_there_once() {
    let (sender, mut receiver) = oneshot::channel();
    assert_eq!(receiver.try_recv(), Ok(None));
    sender.send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(Some(1)));
    assert!(receiver.try_recv().is_err());
    assert!(matches!(poll_once(&mut receiver), Poll::Ready(Err(_))));
}

#[test]
fn a_timeout_over_a_receiver_loses_no_value() {
    virtually(async {
        let (sender, mut receiver) = oneshot::channel();
        let (senders, mut values) = mpsc::unbounded();
        drop(spawn(async move {
            sleep(MS * 3).await;
            sender.send(1).unwrap();
            senders.send(2).unwrap();
        }));
        assert!(timeout(MS, &mut receiver).await.is_err());
        assert!(timeout(MS, values.recv()).await.is_err());
        assert_eq!(receiver.await, Ok(1));
        assert_eq!(values.recv().await, Some(2));
    });
}

#[test]
fn a_oneshots_value_is_dropped_once_in_whatever_order_its_ends_go() {
    let not_sent = |log: &Log| {
        let (sender, receiver) = oneshot::channel::<Dropped>();
        vec![thing("sender", sender), thing("receiver", receiver), thing("value", Dropped(log.clone(), "value"))]
    };
    drop_in_every_order(not_sent, &["value dropped"]);
    // To send is to drop the sender.
    let sent_in_time = |log: &Log| {
        let (sender, receiver) = oneshot::channel();
        let value = Dropped(log.clone(), "value");
        let send: Thing = ("send", Box::new(move || _ = sender.send(value)));
        vec![send, thing("receiver", receiver)]
    };
    drop_in_every_order(sent_in_time, &["value dropped"]);
    let with_a_waiting_receiver = |log: &Log| {
        let (sender, mut receiver) = oneshot::channel();
        assert!(poll_once(&mut receiver).is_pending());
        let value = Dropped(log.clone(), "value");
        let send: Thing = ("send", Box::new(move || _ = sender.send(value)));
        vec![send, thing("receiver", receiver)]
    };
    drop_in_every_order(with_a_waiting_receiver, &["value dropped"]);
}

// Many values.

#[test]
fn values_arrive_in_the_order_in_which_they_were_sent() {
    let (sender, mut receiver) = mpsc::unbounded();
    let other = sender.clone();
    for n in 0..100 {
        if n % 3 == 0 { &other } else { &sender }.send(n).unwrap();
    }
    drop((sender, other));
    let received: Vec<i32> = std::iter::from_fn(|| receiver.try_recv().ok()).collect();
    assert_eq!(received, (0..100).collect::<Vec<_>>());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn a_bounded_channel_takes_as_many_values_as_it_has_room_for_and_not_one_more() {
    for capacity in [1, 2, 7, 100] {
        let (sender, mut receiver) = mpsc::channel(capacity);
        for n in 0..capacity {
            assert_eq!(poll_once(&mut sender.send(n)), Poll::Ready(Ok(())));
        }
        assert_eq!(sender.try_send(capacity), Err(TrySendError::Full(capacity)));
        let (count, waker) = Count::new();
        let mut waits = sender.send(capacity);
        assert!(poll_with(&mut waits, &waker).is_pending());
        assert_eq!((receiver.try_recv(), count.wakes()), (Ok(0), 1));
        // The place that came free is the waiting one's.
        assert_eq!(sender.try_send(0), Err(TrySendError::Full(0)));
        assert_eq!(poll_with(&mut waits, &waker), Poll::Ready(Ok(())));
        assert_eq!(sender.try_send(0), Err(TrySendError::Full(0)));
        let received: Vec<usize> = std::iter::from_fn(|| receiver.try_recv().ok()).collect();
        assert_eq!(received, (1..=capacity).collect::<Vec<_>>());
        assert_eq!(count.wakes(), 1);
    }
}

#[test]
fn a_sender_runs_ahead_of_its_receiver_by_the_capacity() {
    for capacity in [1, 3] {
        let log = Log::new();
        virtually(async {
            let (sender, mut receiver) = mpsc::channel(capacity);
            let inner = log.clone();
            drop(spawn(async move {
                for n in 0..5 {
                    sender.send(n).await.unwrap();
                    inner.add(format!("sent {n}"));
                }
            }));
            for n in 0..5 {
                // Time goes on only when the sender can do no more.
                sleep(MS).await;
                log.add(format!("received {}", receiver.recv().await.unwrap()));
                assert_eq!(
                    log.take().iter().filter(|line| line.starts_with("sent")).count(),
                    if n == 0 { capacity } else { usize::from(n + capacity - 1 < 5) }
                );
            }
            assert_eq!(receiver.recv().await, None);
        });
    }
}

#[test]
fn waiting_senders_get_their_places_in_the_order_in_which_they_came() {
    let (sender, mut receiver) = mpsc::channel(2);
    let mut line: Vec<_> = (0..6).map(|n| (sender.send(n), Count::new())).collect();
    for (n, (send, (_, waker))) in line.iter_mut().enumerate() {
        assert_eq!(poll_with(send, waker).is_ready(), n < 2);
    }
    drop(line.drain(..2));
    for n in 0..4 {
        let expected: Vec<usize> = (0..4).map(|m| usize::from(m < n)).collect();
        assert_eq!(line.iter().map(|(_, (count, _))| count.wakes()).collect::<Vec<_>>(), expected);
        assert_eq!(receiver.try_recv(), Ok(n));
        // Without need and before its turn: it keeps its place.
        if let Some((send, (_, waker))) = line.get_mut(n + 1) {
            assert!(poll_with(send, waker).is_pending());
        }
        let (send, (_, waker)) = &mut line[n];
        assert_eq!(poll_with(send, waker), Poll::Ready(Ok(())));
    }
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(4), Ok(5)));
}

#[test]
fn values_of_granted_senders_stand_in_the_order_in_which_those_are_polled() {
    let (sender, mut receiver) = mpsc::channel(2);
    sender.try_send(0).unwrap();
    sender.try_send(1).unwrap();
    let [mut early, mut late] = [2, 3].map(|n| sender.send(n));
    assert!(poll_once(&mut early).is_pending() && poll_once(&mut late).is_pending());
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(0), Ok(1)));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert!(poll_once(&mut late).is_ready() && poll_once(&mut early).is_ready());
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(3), Ok(2)));
}

#[test]
fn a_capacity_of_zero_is_refused() {
    let message = panic_message(|| mpsc::channel::<u8>(0));
    assert_eq!(message, "a channel with room for nothing passes nothing on: give it a capacity of at least 1");
}

// Senders that are cancelled.

#[test]
fn senders_dropped_in_line_at_whatever_place_take_their_values_along_and_leave_the_others_in_order() {
    const LINE: u32 = 5;
    for gone in 0..1_u32 << LINE {
        let log = Log::new();
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send((100, None)).unwrap();
        let mut line: Vec<_> = (0..LINE).map(|n| Some(sender.send((n, Some(Dropped(log.clone(), "value")))))).collect();
        assert!(line.iter_mut().flatten().all(|send| poll_once(send).is_pending()));
        for (n, send) in line.iter_mut().enumerate() {
            if gone & 1 << n != 0 {
                *send = None;
            }
        }
        assert_eq!(log.take().len(), gone.count_ones() as usize);
        let mut received = Vec::new();
        while let Ok((n, _value)) = receiver.try_recv() {
            received.push(n);
            line.retain_mut(|send| send.as_mut().is_some_and(|send| poll_once(send).is_pending()));
        }
        let expected: Vec<u32> = [100].into_iter().chain((0..LINE).filter(|n| gone & 1 << n == 0)).collect();
        assert_eq!(received, expected, "gone: {gone:#b}");
        assert_eq!(log.take().len(), (LINE - gone.count_ones()) as usize);
    }
}

#[test]
fn a_granted_sender_that_is_dropped_passes_its_place_on() {
    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(0).unwrap();
    let ((_, first), (count, waker)) = (Count::new(), Count::new());
    let (mut granted, mut next) = (sender.send(1), sender.send(2));
    assert!(poll_with(&mut granted, &first).is_pending() && poll_with(&mut next, &waker).is_pending());
    assert_eq!((receiver.try_recv(), count.wakes()), (Ok(0), 0));
    drop(granted);
    assert_eq!(count.wakes(), 1);
    assert!(poll_once(&mut next).is_ready());
    assert_eq!(receiver.try_recv(), Ok(2));

    // With nobody behind it, there is room.
    sender.try_send(3).unwrap();
    let mut granted = sender.send(4);
    assert!(poll_once(&mut granted).is_pending());
    assert_eq!(receiver.try_recv(), Ok(3));
    assert_eq!(sender.try_send(5), Err(TrySendError::Full(5)));
    drop(granted);
    assert_eq!(sender.try_send(5), Ok(()));
}

#[test]
fn an_aborted_task_that_sends_loses_its_value_and_holds_nobody_up() {
    let log = Log::new();
    virtually(async {
        let (sender, mut receiver) = mpsc::channel(1);
        let tasks = ["first", "second", "third"].map(|name| {
            let (sender, value) = (sender.clone(), Dropped(log.clone(), name));
            spawn(async move { sender.send(value).await.is_ok() })
        });
        drop(sender);
        yield_now().await;
        let [first, second, third] = tasks;
        second.abort();
        assert!(second.await.unwrap_err().is_cancelled());
        log.add("aborted");
        drop(receiver.recv().await);
        drop(receiver.recv().await);
        assert!(receiver.recv().await.is_none());
        assert!(first.await.unwrap() && third.await.unwrap());
    });
    assert_eq!(log.take(), ["second dropped", "aborted", "first dropped", "third dropped"]);
}

// The end.

#[test]
fn the_last_sender_wakes_the_receiver_and_the_others_do_not() {
    let (sender, mut receiver) = mpsc::channel::<u8>(1);
    let senders = [sender.clone(), sender.clone(), sender];
    let (count, waker) = Count::new();
    assert!(recv_with(&mut receiver, &waker).is_pending());
    for (sender, wakes) in senders.into_iter().zip([0, 0, 1]) {
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        drop(sender);
        assert_eq!(count.wakes(), wakes);
    }
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(recv_with(&mut receiver, &waker), Poll::Ready(None));
    // However often it is asked.
    assert_eq!(recv_with(&mut receiver, &waker), Poll::Ready(None));
}

#[test]
fn what_was_sent_before_the_senders_went_is_received_after() {
    let (sender, mut receiver) = mpsc::channel(3);
    (0..3).for_each(|n| sender.try_send(n).unwrap());
    drop(sender);
    virtually(async {
        for n in 0..3 {
            assert_eq!(receiver.recv().await, Some(n));
        }
        assert_eq!(receiver.recv().await, None);
    });
}

#[test]
fn a_receiver_that_closes_a_full_channel_gives_those_in_line_their_values_back_and_drains_the_rest() {
    let (sender, mut receiver) = mpsc::channel(2);
    sender.try_send(0).unwrap();
    sender.try_send(1).unwrap();
    let mut line: Vec<_> = (2..6).map(|n| (sender.send(n), Count::new())).collect();
    assert!(line.iter_mut().all(|(send, (_, waker))| poll_with(send, waker).is_pending()));
    // The first of them has a place already when the channel is closed, but has not used it.
    assert_eq!(receiver.try_recv(), Ok(0));
    assert!(!sender.is_closed());
    receiver.close();
    assert!(sender.is_closed());
    assert!(line.iter().all(|(_, (count, _))| count.wakes() == 1));
    assert_eq!(sender.try_send(9), Err(TrySendError::Closed(9)));
    assert_eq!(poll_once(&mut sender.send(9)), Poll::Ready(Err(SendError(9))));
    for (n, (send, (_, waker))) in (2..).zip(&mut line) {
        assert_eq!(poll_with(send, waker), Poll::Ready(Err(SendError(n))));
    }
    // The senders are alive; nothing comes after what was there.
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    let (count, waker) = Count::new();
    assert_eq!(recv_with(&mut receiver, &waker), Poll::Ready(None));
    drop(line);
    drop(sender);
    assert_eq!(count.wakes(), 0);
}

#[test]
fn a_channel_may_be_closed_twice_and_while_its_line_is_being_dropped() {
    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(0).unwrap();
    let mut line = [1, 2, 3].map(|n| Some(sender.send(n)));
    assert!(line.iter_mut().flatten().all(|send| poll_once(send).is_pending()));
    line[1] = None;
    receiver.close();
    line[0] = None;
    receiver.close();
    assert_eq!(poll_once(line[2].as_mut().unwrap()), Poll::Ready(Err(SendError(3))));
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(0), Err(TryRecvError::Disconnected)));
}

#[test]
fn a_receiver_that_goes_wakes_those_in_line_and_drops_what_is_in_the_queue() {
    let log = Log::new();
    let (sender, receiver) = mpsc::channel(2);
    for name in ["first", "second"] {
        assert!(sender.try_send(Dropped(log.clone(), name)).is_ok());
    }
    let (count, waker) = Count::new();
    let mut waits = sender.send(Dropped(log.clone(), "third"));
    assert!(poll_with(&mut waits, &waker).is_pending());
    drop(receiver);
    assert_eq!(count.wakes(), 1);
    assert_eq!(log.take(), ["first dropped", "second dropped"]);
    let Poll::Ready(Err(SendError(value))) = poll_with(&mut waits, &waker) else { panic!("the value comes back") };
    assert!(log.take().is_empty());
    drop(value);
    assert_eq!(log.take(), ["third dropped"]);
}

#[test]
fn values_are_dropped_once_in_whatever_order_the_ends_of_a_channel_go() {
    /// A sender in a task of its own, which has been polled and waits.
    fn waiting(sender: &Sender<Dropped>, value: Dropped) -> impl Future + use<> {
        let sender = sender.clone();
        let mut send = Box::pin(async move { sender.send(value).await });
        assert!(poll_once(&mut send).is_pending());
        send
    }
    let bounded = |log: &Log| {
        let (sender, receiver) = mpsc::channel(1);
        assert!(sender.try_send(Dropped(log.clone(), "in the queue")).is_ok());
        let one = waiting(&sender, Dropped(log.clone(), "in line, one"));
        let two = waiting(&sender, Dropped(log.clone(), "in line, two"));
        vec![thing("sender", sender), thing("receiver", receiver), thing("one", one), thing("two", two)]
    };
    let expected = ["in line, one dropped", "in line, two dropped", "in the queue dropped"];
    drop_in_every_order(bounded, &expected);

    let granted = |log: &Log| {
        let (sender, mut receiver) = mpsc::channel(1);
        assert!(sender.try_send(Dropped(log.clone(), "received")).is_ok());
        let one = waiting(&sender, Dropped(log.clone(), "granted"));
        let two = waiting(&sender, Dropped(log.clone(), "in line"));
        let received = receiver.try_recv().unwrap();
        vec![thing("receiver", receiver), thing("one", one), thing("two", two), thing("received", (received, sender))]
    };
    drop_in_every_order(granted, &["granted dropped", "in line dropped", "received dropped"]);

    let unbounded = |log: &Log| {
        let (sender, mut receiver) = mpsc::unbounded();
        for name in ["one", "two"] {
            assert!(sender.send(Dropped(log.clone(), name)).is_ok());
        }
        let received = receiver.try_recv().unwrap();
        vec![
            thing("a clone", sender.clone()),
            thing("sender", sender),
            thing("receiver", receiver),
            thing("received", received),
        ]
    };
    drop_in_every_order(unbounded, &["one dropped", "two dropped"]);
}

#[test]
fn values_may_use_their_own_channel_while_they_are_dropped() {
    struct Clings {
        sender: Sender<Clings>,
        log: Log,
        tries: bool,
    }
    impl Drop for Clings {
        fn drop(&mut self) {
            self.log.add(format!("closed: {}", self.sender.is_closed()));
            if self.tries {
                // Comes back, and is dropped here.
                let another = Clings { sender: self.sender.clone(), log: self.log.clone(), tries: false };
                assert!(matches!(self.sender.try_send(another), Err(TrySendError::Closed(_))));
            }
        }
    }
    let log = Log::new();
    let (sender, receiver) = mpsc::channel(2);
    for _ in 0..2 {
        let value = Clings { sender: sender.clone(), log: log.clone(), tries: true };
        assert!(sender.try_send(value).is_ok());
    }
    drop(sender);
    // The values hold the only senders: the receiver's end is theirs, too.
    drop(receiver);
    assert_eq!(log.take(), ["closed: true"; 4]);
}

// Errors.

#[test]
fn errors_give_the_value_back_and_print_without_asking_it() {
    /// Neither Debug nor Clone: what comes back is the very value.
    struct Mute(u8);
    fn check(error: impl Error, text: &str) {
        assert_eq!(error.to_string(), text);
        assert!(!format!("{error:?}").is_empty());
    }
    let (sender, receiver) = mpsc::channel(1);
    assert!(sender.try_send(Mute(0)).is_ok());
    let Err(TrySendError::Full(value)) = sender.try_send(Mute(1)) else { panic!("it is full") };
    assert_eq!(value.0, 1);
    check(TrySendError::Full(value), "the channel is full");
    drop(receiver);
    let Err(TrySendError::Closed(value)) = sender.try_send(Mute(2)) else { panic!("it is closed") };
    assert_eq!(value.0, 2);
    check(TrySendError::Closed(value), "the receiver of the channel is gone");
    let Poll::Ready(Err(SendError(value))) = poll_once(&mut sender.send(Mute(3))) else { panic!("it is closed") };
    assert_eq!(value.0, 3);
    check(SendError(value), "the receiver of the channel is gone");

    let (sender, mut receiver) = mpsc::unbounded();
    receiver.close();
    let Err(SendError(Mute(4))) = sender.send(Mute(4)) else { panic!("it is closed") };
    assert!(sender.is_closed());
    check(TryRecvError::Empty, "the channel is empty");
    check(TryRecvError::Disconnected, "the channel is empty and every sender is gone");
}

#[test]
fn a_send_polled_after_its_end_panics() {
    let (sender, _receiver) = mpsc::channel(1);
    let mut send = sender.send(1);
    assert!(poll_once(&mut send).is_ready());
    assert_eq!(
        panic_message(|| poll_once(&mut send)),
        "a Send was polled after it was done: call send again for the next value"
    );
}

// Other threads.

#[test]
fn senders_on_other_threads_end_the_parks_of_a_receiver() {
    let parked = thread_number();
    let (sender, mut receiver) = mpsc::channel(1);
    let (tell, told) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        for n in 0..20 {
            until_parked(parked);
            sender.try_send(n).unwrap();
            assert_eq!(told.recv(), Ok(n));
        }
        until_parked(parked);
        drop(sender);
    });
    let polls = Cell::new(0);
    runtime::block_on(async {
        for n in 0..20 {
            assert_eq!(counted(&polls, receiver.recv()).await, Some(n));
            tell.send(n).unwrap();
        }
        assert_eq!(counted(&polls, receiver.recv()).await, None);
    });
    assert_eq!(polls.get(), 42, "one park, one wake for each, and for the end");
    thread.join().unwrap();
}

#[test]
fn a_receiver_on_another_thread_makes_room_for_a_sender_that_is_parked() {
    let parked = thread_number();
    let (sender, mut receiver) = mpsc::channel(1);
    let (tell, told) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        for n in 0..20 {
            until_parked(parked);
            assert_eq!(receiver.try_recv(), Ok(n));
            assert_eq!(told.recv(), Ok(n + 1));
        }
        until_parked(parked);
        drop(receiver);
    });
    runtime::block_on(async {
        sender.send(0).await.unwrap();
        let polls = Cell::new(0);
        for n in 1..=20 {
            counted(&polls, sender.send(n)).await.unwrap();
            tell.send(n).unwrap();
        }
        assert_eq!(counted(&polls, sender.send(21)).await, Err(SendError(21)));
        assert_eq!(polls.get(), 42);
    });
    thread.join().unwrap();
}

#[test]
fn values_of_many_threads_arrive_once_each_and_in_their_senders_order_and_never_more_than_there_is_room_for() {
    const THREADS: usize = 4;
    const VALUES: usize = 1_000;
    for capacity in [1, 3, 64] {
        let (sender, mut receiver) = mpsc::channel(capacity);
        let sent = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..THREADS)
            .map(|name| {
                let (sender, sent) = (sender.clone(), Arc::clone(&sent));
                thread::spawn(move || {
                    runtime::block_on(async {
                        for n in 0..VALUES {
                            sender.send((name, n)).await.unwrap();
                            sent.fetch_add(1, Ordering::SeqCst);
                        }
                    });
                })
            })
            .collect();
        drop(sender);
        let mut next = [0; THREADS];
        runtime::block_on(async {
            for asked in 1.. {
                let received = receiver.recv().await;
                // What has been sent was received or found room; it may be counted late, never early.
                let ahead = sent.load(Ordering::SeqCst).saturating_sub(asked);
                assert!(ahead <= capacity, "{ahead} values in a channel for {capacity}");
                let Some((name, n)) = received else { break };
                assert_eq!(n, next[name]);
                next[name] += 1;
            }
        });
        assert_eq!(next, [VALUES; THREADS]);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn no_value_is_lost_or_dropped_twice_when_the_receiver_goes_while_threads_send() {
    const THREADS: u64 = 3;
    const VALUES: usize = 300;
    for seed in 1..=20 {
        let mut random = Random::new(seed);
        let (bounded, unbounded) = (mpsc::channel(1 + random.below(4)), mpsc::unbounded());
        let (dropped, back) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let threads: Vec<_> = (1..=THREADS)
            .map(|name| {
                let (one, two) = (bounded.0.clone(), unbounded.0.clone());
                let (dropped, back) = (Arc::clone(&dropped), Arc::clone(&back));
                let mut random = Random::new(seed * 10 + name);
                thread::spawn(move || {
                    runtime::block_on(async {
                        let count = |result: Result<(), SendError<_>>| {
                            back.fetch_add(usize::from(result.is_err()), Ordering::SeqCst);
                        };
                        for _ in 0..VALUES {
                            let dropped = Arc::clone(&dropped);
                            let value = OnDrop::new(move || _ = dropped.fetch_add(1, Ordering::SeqCst));
                            match random.below(4) {
                                0 => count(two.send(value)),
                                1 => _ = timeout(Duration::ZERO, one.send(value)).await.map(count),
                                2 => _ = one.try_send(value),
                                _ => count(one.send(value).await),
                            }
                        }
                    });
                })
            })
            .collect();
        let (mut one, mut two) = (bounded.1, unbounded.1);
        drop((bounded.0, unbounded.0));
        let mut received = 0;
        runtime::block_on(async {
            // Some wait in vain for ever if a place is lost.
            for _ in 0..random.below(200) {
                received += usize::from(one.recv().await.is_some());
                received += usize::from(two.try_recv().is_ok());
            }
        });
        if random.below(2) == 0 {
            one.close();
            while one.try_recv().is_ok() {
                received += 1;
            }
        }
        drop(one);
        drop(two);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(dropped.load(Ordering::SeqCst), THREADS as usize * VALUES, "seed {seed}");
        assert!(received + back.load(Ordering::SeqCst) <= THREADS as usize * VALUES, "seed {seed}");
    }
}

// Any sequence, against a queue.

#[derive(Debug, Clone)]
enum Step {
    /// A new send, polled once.
    Send,
    /// Polls a waiting send again.
    Poll(usize),
    /// Drops a waiting send.
    Cancel(usize),
    /// Tries to send.
    TrySend,
    /// Receives, or waits.
    Recv,
    /// Tries to receive.
    TryRecv,
    /// One more sender.
    Clone,
    /// One sender less; the one that the waiting sends borrow stays.
    DropSender,
    /// The receiver takes no more.
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => Just(Step::Send),
        6 => any::<usize>().prop_map(Step::Poll),
        4 => any::<usize>().prop_map(Step::Cancel),
        5 => Just(Step::TrySend),
        8 => Just(Step::Recv),
        8 => Just(Step::TryRecv),
        1 => Just(Step::Clone),
        1 => Just(Step::DropSender),
        1 => Just(Step::Close),
    ]
}

/// What should be known of a channel.
struct Model {
    capacity: usize,
    queue: VecDeque<usize>,
    line: VecDeque<usize>,
    granted: Vec<usize>,
    closed: bool,
}

impl Model {
    fn has_room(&self) -> bool {
        self.line.is_empty() && self.queue.len() + self.granted.len() < self.capacity
    }

    /// A place has come free.
    fn grant(&mut self) {
        if !self.closed {
            self.granted.extend(self.line.pop_front());
        }
    }

    fn take(&mut self) -> Option<usize> {
        let value = self.queue.pop_front()?;
        self.grant();
        Some(value)
    }

    /// A send leaves: whether it was granted a place.
    fn leave(&mut self, name: usize) -> bool {
        self.line.retain(|&it| it != name);
        let granted = self.granted.iter().position(|&it| it == name);
        granted.map(|at| self.granted.swap_remove(at)).is_some()
    }
}

/// A send that waits, by name, and how often it was woken.
type Waiting<'a> = (usize, Send<'a, usize>, Arc<Count>, Waker);

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(400), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_sending_receiving_and_cancelling_goes_as_a_queue_says(
        capacity in 1..5_usize,
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let (sender, mut receiver) = mpsc::channel(capacity);
        let mut senders: Vec<Sender<usize>> = Vec::new();
        let mut model = Model {
            capacity, queue: VecDeque::new(), line: VecDeque::new(), granted: Vec::new(), closed: false,
        };
        let mut waiting: Vec<Waiting<'_>> = Vec::new();
        let (count, waker) = Count::new();
        // How often the receiver should have been woken, and whether it waits.
        let (mut wakes, mut waits) = (0, false);
        for (name, step) in steps.into_iter().enumerate() {
            let before = model.queue.len();
            let mut sends = false;
            match step {
                Step::Send => {
                    let (count, waker) = Count::new();
                    let mut send = sender.send(name);
                    match poll_with(&mut send, &waker) {
                        Poll::Ready(Err(error)) => prop_assert!(model.closed && error == SendError(name)),
                        Poll::Ready(Ok(())) => {
                            prop_assert!(!model.closed && model.has_room());
                            model.queue.push_back(name);
                            sends = true;
                        }
                        Poll::Pending => {
                            prop_assert!(!model.closed && !model.has_room());
                            model.line.push_back(name);
                            waiting.push((name, send, count, waker));
                        }
                    }
                }
                Step::Poll(which) if !waiting.is_empty() => {
                    let at = which % waiting.len();
                    let (name, send, _, waker) = &mut waiting[at];
                    let name = *name;
                    match poll_with(send, waker) {
                        Poll::Ready(Err(error)) => {
                            prop_assert!(model.closed && error == SendError(name));
                            model.leave(name);
                        }
                        Poll::Ready(Ok(())) => {
                            prop_assert!(!model.closed && model.leave(name));
                            model.queue.push_back(name);
                            sends = true;
                        }
                        Poll::Pending => {
                            prop_assert!(!model.closed && model.line.contains(&name));
                            continue;
                        }
                    }
                    drop(waiting.swap_remove(at));
                }
                Step::Cancel(which) if !waiting.is_empty() => {
                    let (name, send, ..) = waiting.swap_remove(which % waiting.len());
                    drop(send);
                    if model.leave(name) {
                        model.grant();
                    }
                }
                Step::Poll(_) | Step::Cancel(_) => {}
                Step::TrySend => {
                    let expected = match () {
                        () if model.closed => Err(TrySendError::Closed(name)),
                        () if model.has_room() => Ok(()),
                        () => Err(TrySendError::Full(name)),
                    };
                    prop_assert_eq!(sender.try_send(name), expected);
                    if expected.is_ok() {
                        model.queue.push_back(name);
                        sends = true;
                    }
                }
                Step::Recv => {
                    let expected = match model.take() {
                        None if !model.closed => Poll::Pending,
                        taken => Poll::Ready(taken),
                    };
                    prop_assert_eq!(recv_with(&mut receiver, &waker), expected);
                    waits |= expected.is_pending();
                }
                Step::TryRecv => {
                    let nothing = if model.closed { TryRecvError::Disconnected } else { TryRecvError::Empty };
                    prop_assert_eq!(receiver.try_recv(), model.take().ok_or(nothing));
                }
                Step::Clone => senders.push(sender.clone()),
                Step::DropSender => drop(senders.pop()),
                Step::Close => {
                    receiver.close();
                    model.closed = true;
                    waits = false;
                }
            }
            if sends {
                prop_assert_eq!(model.queue.len(), before + 1);
                wakes += usize::from(std::mem::take(&mut waits));
            }
            prop_assert!(model.queue.len() + model.granted.len() <= capacity);
            prop_assert_eq!(count.wakes(), wakes);
            for (name, _, count, _) in &waiting {
                // The closing of a channel wakes everybody who was not woken before.
                prop_assert_eq!(count.wakes(), usize::from(model.closed || model.granted.contains(name)));
            }
        }
    }
}

#[test]
fn sends_and_the_ends_of_a_channel_may_live_in_different_tasks() {
    // A pipeline of three stages, each with room for one, passes everything on in order.
    let received = Rc::new(RefCell::new(Vec::new()));
    virtually(async {
        let (first, mut stage) = mpsc::channel(1);
        drop(spawn(async move {
            for n in 0..100 {
                first.send(n).await.unwrap();
            }
        }));
        for _ in 0..3 {
            let (sender, next) = mpsc::channel(1);
            let mut from = std::mem::replace(&mut stage, next);
            drop(spawn(async move {
                while let Some(n) = from.recv().await {
                    sender.send(n + 1_000).await.unwrap();
                }
            }));
        }
        while let Some(n) = stage.recv().await {
            received.borrow_mut().push(n);
        }
    });
    assert_eq!(received.take(), (3_000..3_100).collect::<Vec<_>>());
}

#[test]
fn an_unbounded_channel_never_waits_and_never_refuses() {
    let (sender, mut receiver): (UnboundedSender<usize>, _) = mpsc::unbounded();
    for n in 0..100_000 {
        assert!(sender.send(n).is_ok());
    }
    assert!((0..100_000).all(|n| receiver.try_recv() == Ok(n)));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}
