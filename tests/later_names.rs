//! The names around the channels and the semaphore that came later: permits that own their semaphore, the end of the other
//! side, what is in the queue, ends that stay on their thread, and what holds for any type of value.

use runtime::spawn;
use runtime::sync::mpsc::{self, SendError, TryRecvError, TrySendError};
use runtime::sync::{Acquire, AcquireOwned, Local, OwnedPermit, Semaphore, oneshot};
use runtime::task::yield_now;
use runtime::time::{sleep, timeout};
use std::cell::Cell;
use std::fmt::Debug;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;
use tests::{Count, Log, OnDrop, panic_message, poll_once, virtually};

const MS: Duration = Duration::from_millis(1);

fn pending_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> bool {
    Pin::new(future).poll(&mut Context::from_waker(waker)).is_pending()
}

// Permits that own their semaphore.

#[test]
fn an_owned_permit_moves_into_a_task_and_comes_back_when_the_task_ends() {
    let semaphore = Rc::new(Semaphore::new(2));
    let log = Log::new();
    virtually(async {
        for n in 0..4 {
            let permit = Rc::clone(&semaphore).acquire_owned().await;
            // Both of the first two have come back when the third one hears of it.
            log.add(format!("{n} has one of {}", semaphore.available_permits() + 1));
            drop(spawn(async move {
                sleep(10 * MS).await;
                drop(permit);
            }));
        }
        sleep(20 * MS).await;
    });
    assert_eq!(log.take(), ["0 has one of 2", "1 has one of 1", "2 has one of 2", "3 has one of 1"]);
    assert_eq!((semaphore.available_permits(), Rc::strong_count(&semaphore)), (2, 1));
}

#[test]
fn owned_and_borrowed_waiters_stand_in_one_line() {
    let semaphore = Rc::new(Semaphore::new(0));
    let mut first = semaphore.acquire();
    let mut second = Rc::clone(&semaphore).acquire_owned();
    let mut third = semaphore.acquire();
    assert!(poll_once(&mut first).is_pending() && poll_once(&mut second).is_pending());
    assert!(poll_once(&mut third).is_pending());
    semaphore.add_permits(2);
    assert!(poll_once(&mut third).is_pending());
    assert!(poll_once(&mut second).is_ready() && poll_once(&mut third).is_ready());
    assert!(poll_once(&mut first).is_ready());
}

#[test]
fn an_owned_waiter_that_was_granted_a_permit_and_goes_passes_it_on() {
    let semaphore = Rc::new(Semaphore::new(0));
    let (count, waker) = Count::new();
    let mut first = Rc::clone(&semaphore).acquire_owned();
    let mut second = Rc::clone(&semaphore).acquire_owned();
    assert!(pending_with(&mut first, Waker::noop()) && pending_with(&mut second, &waker));
    semaphore.add_permits(1);
    assert_eq!(count.wakes(), 0);
    drop(first);
    assert_eq!(count.wakes(), 1);
    drop(second);
    assert_eq!((semaphore.available_permits(), Rc::strong_count(&semaphore)), (1, 1));
}

#[test]
fn an_owned_permit_is_tried_for_and_forgotten_like_a_borrowed_one() {
    let semaphore = Rc::new(Semaphore::new(2));
    let one: OwnedPermit = Rc::clone(&semaphore).try_acquire_owned().unwrap();
    one.forget();
    let two = Rc::clone(&semaphore).try_acquire_owned().unwrap();
    assert!(Rc::clone(&semaphore).try_acquire_owned().is_none());
    drop(two);
    // What was forgotten is gone, and holds no share of the semaphore.
    assert_eq!((semaphore.available_permits(), Rc::strong_count(&semaphore)), (1, 1));
}

#[test]
fn an_acquire_that_gave_its_permit_takes_no_second_one() {
    const AGAIN: &str = "an Acquire was polled after it had given its permit: call acquire again for another one";
    let semaphore = Rc::new(Semaphore::new(3));
    let mut borrowed: Acquire<'_> = semaphore.acquire();
    let mut owned: AcquireOwned = Rc::clone(&semaphore).acquire_owned();
    let permits = (poll_once(&mut borrowed), poll_once(&mut owned));
    assert_eq!(panic_message(|| poll_once(&mut borrowed).is_ready()), AGAIN);
    assert_eq!(panic_message(|| poll_once(&mut owned).is_ready()), AGAIN);
    assert_eq!(semaphore.available_permits(), 1);
    drop(permits);
    // Nor does one that had to wait.
    let all: Vec<_> = (0..3).map(|_| semaphore.try_acquire().unwrap()).collect();
    let mut waits = semaphore.acquire();
    assert!(poll_once(&mut waits).is_pending());
    drop(all);
    assert!(poll_once(&mut waits).is_ready());
    assert_eq!(panic_message(|| poll_once(&mut waits).is_ready()), AGAIN);
    assert_eq!(semaphore.available_permits(), 3);
}

// The end of the other side.

#[test]
fn a_sender_sees_the_receiver_go_and_hears_of_a_close() {
    for goes in [true, false] {
        let (sender, mut receiver) = mpsc::channel::<u32>(1);
        let other = sender.clone();
        let (counts, wakers): (Vec<_>, Vec<_>) = (0..2).map(|_| Count::new()).unzip();
        let mut waits = [Box::pin(sender.closed()), Box::pin(other.closed())];
        for (wait, waker) in waits.iter_mut().zip(&wakers) {
            assert!(pending_with(wait, waker));
        }
        if goes {
            drop(receiver)
        } else {
            receiver.close()
        }
        assert!(counts.iter().all(|count| count.wakes() == 1));
        assert!(waits.iter_mut().all(|wait| poll_once(wait).is_ready()));
        assert!(poll_once(&mut Box::pin(sender.closed())).is_ready(), "at once from then on");
    }
}

#[test]
fn whoever_no_longer_waits_for_the_end_is_not_woken_and_leaves_no_waker() {
    let (sender, receiver) = mpsc::unbounded::<u32>();
    let (count, waker) = Count::new();
    let mut wait = Box::pin(sender.closed());
    assert!(pending_with(&mut wait, &waker) && pending_with(&mut wait, &waker));
    assert_eq!(Arc::strong_count(&count), 3);
    drop(wait);
    assert_eq!(Arc::strong_count(&count), 2);
    drop(receiver);
    assert_eq!(count.wakes(), 0);
    // The same for a channel with one value.
    let (mut sender, receiver) = oneshot::channel::<u32>();
    let mut wait = Box::pin(sender.closed());
    assert!(pending_with(&mut wait, &waker));
    drop(wait);
    assert_eq!(Arc::strong_count(&count), 2);
    drop(receiver);
    assert_eq!(count.wakes(), 0);
}

#[test]
fn work_for_an_answer_that_nobody_waits_for_is_stopped() {
    let log = Log::new();
    virtually(async {
        let (mut sender, receiver) = oneshot::channel::<u32>();
        let inner = log.clone();
        let worker = spawn(async move {
            match timeout(100 * MS, sender.closed()).await {
                Ok(()) => inner.add("nobody waits"),
                Err(_) => drop(sender.send(7)),
            }
        });
        assert!(timeout(10 * MS, receiver).await.is_err());
        worker.await.unwrap();
        log.add("over");
    });
    assert_eq!(log.take(), ["nobody waits", "over"]);
    // One that has been given up can still send.
    let answer = virtually(async {
        let (mut sender, receiver) = oneshot::channel();
        assert!(timeout(MS, sender.closed()).await.is_err());
        sender.send(7).unwrap();
        receiver.await
    });
    assert_eq!(answer, Ok(7));
}

#[test]
fn the_end_of_a_receiver_on_another_thread_is_seen() {
    let (sender, receiver) = mpsc::channel::<u32>(1);
    let (mut one, other) = oneshot::channel::<u32>();
    let thread = thread::spawn(move || drop((receiver, other)));
    runtime::block_on(async {
        sender.closed().await;
        one.closed().await;
    });
    assert!(sender.is_closed() && one.is_closed());
    thread.join().unwrap();
}

// What is in the queue.

#[test]
fn a_receiver_counts_what_it_can_take_at_once() {
    let (sender, mut receiver) = mpsc::channel(3);
    let unbounded = mpsc::unbounded();
    let check = |len: usize, send: bool| {
        if send {
            sender.try_send(len).unwrap();
            unbounded.0.send(len).unwrap();
        }
        for it in [&receiver, &unbounded.1] {
            assert_eq!((it.len(), it.is_empty(), it.is_closed()), (len, len == 0, false));
        }
    };
    check(0, false);
    check(1, true);
    check(2, true);
    let mut from_unbounded = unbounded.1;
    assert_eq!((receiver.try_recv(), from_unbounded.try_recv()), (Ok(1), Ok(1)));
    assert_eq!((receiver.len(), from_unbounded.len()), (1, 1));
    unbounded.0.send(3).unwrap();
    assert_eq!(from_unbounded.len(), 2, "those that it has taken out of the common queue and those in it");
    // Who waits for a place has sent nothing yet.
    for n in 0..2 {
        sender.try_send(n).unwrap();
    }
    let mut waits = sender.send(9);
    assert!(poll_once(&mut waits).is_pending());
    assert_eq!(receiver.len(), 3);
    drop(waits);
    drop((sender, unbounded.0));
    // Closed, and what is there can still be received.
    assert!(receiver.is_closed() && !receiver.is_empty() && from_unbounded.is_closed());
    let (_sender, mut receiver) = mpsc::channel::<u32>(1);
    receiver.close();
    assert!(receiver.is_closed() && receiver.is_empty());
}

// Ends that stay on their thread.

#[test]
fn local_ends_pass_on_what_cannot_travel_in_order_and_wait_for_room() {
    let log = Log::new();
    virtually(async {
        let (sender, mut receiver) = mpsc::local(2);
        let inner = log.clone();
        let producer = spawn(async move {
            for n in 0..5 {
                sender.send(Rc::new(n)).await.unwrap();
                inner.add(format!("sent {n}"));
            }
        });
        yield_now().await;
        while let Some(n) = receiver.recv().await {
            log.add(format!("received {n}"));
        }
        producer.await.unwrap();
    });
    let log = log.take();
    let only = |word: &str| log.iter().filter_map(|it| it.strip_prefix(word)).collect::<Vec<_>>();
    assert_eq!(only("sent "), ["0", "1", "2", "3", "4"]);
    assert_eq!(only("received "), ["0", "1", "2", "3", "4"]);
    assert_eq!(log[..3], ["sent 0", "sent 1", "received 0"]);
}

#[test]
fn local_ends_say_the_same_as_those_that_travel() {
    let (sender, mut receiver) = mpsc::local(1);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(sender.try_send(1), Ok(()));
    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    let mut waits = sender.send(2);
    assert!(poll_once(&mut waits).is_pending());
    assert_eq!((receiver.try_recv(), receiver.len()), (Ok(1), 0));
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)), "the room is promised");
    assert_eq!(poll_once(&mut waits), std::task::Poll::Ready(Ok(())));
    drop(waits);
    let other = sender.clone();
    drop(sender);
    assert!(!receiver.is_closed());
    let mut end = Box::pin(other.closed());
    assert!(poll_once(&mut end).is_pending());
    receiver.close();
    assert!(poll_once(&mut end).is_ready());
    drop(end);
    assert_eq!(poll_once(&mut other.send(4)), std::task::Poll::Ready(Err(SendError(4))));
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(2), Err(TryRecvError::Disconnected)));
    assert_eq!(panic_message(|| mpsc::local::<u32>(0)), panic_message(|| mpsc::channel::<u32>(0)));
}

#[test]
fn a_local_oneshot_gives_its_value_and_tells_of_both_ends() {
    let (sender, receiver) = oneshot::local();
    sender.send(Rc::new(1)).unwrap();
    assert_eq!(virtually(receiver).as_deref(), Ok(&1));
    let (sender, receiver) = oneshot::local::<u32>();
    drop(sender);
    assert!(virtually(receiver).is_err());
    let (mut sender, mut receiver): (oneshot::Sender<u32, Local>, _) = oneshot::local();
    assert_eq!(receiver.try_recv(), Ok(None));
    drop(receiver);
    assert!(sender.is_closed());
    virtually(sender.closed());
    assert_eq!(sender.send(2), Err(2));
}

#[test]
fn values_of_local_ends_may_use_their_channel_while_they_are_dropped() {
    // No cell is open while user code runs.
    let (sender, receiver) = mpsc::local::<OnDrop<Box<dyn FnOnce()>>>(2);
    let refused = Rc::new(Cell::new(0));
    for _ in 0..2 {
        let (sender_again, count) = (sender.clone(), Rc::clone(&refused));
        let again = move || {
            let value = OnDrop::new(Box::new(|| ()) as Box<dyn FnOnce()>);
            count.set(count.get() + usize::from(sender_again.try_send(value).is_err()));
        };
        assert!(sender.try_send(OnDrop::new(Box::new(again))).is_ok());
    }
    drop(receiver);
    assert_eq!(refused.get(), 2);
}

// What holds whatever the value is.

/// Neither `Debug` nor unwind-safe, and it cannot be pinned freely.
struct Plain(Cell<u32>, std::marker::PhantomPinned);

/// A value like that.
fn plain() -> Plain {
    Plain(Cell::new(1), std::marker::PhantomPinned)
}

#[test]
fn the_ends_can_be_printed_and_unwound_past_whatever_the_value_is() {
    fn holds<T: Debug + UnwindSafe + RefUnwindSafe + Unpin>(_: &T) {}
    fn printed<T: Debug>(it: &T, text: &str) {
        assert_eq!(format!("{it:?}"), text);
    }
    let ((sender, receiver), (unbounded, other)) = (mpsc::channel::<Plain>(1), mpsc::unbounded::<Plain>());
    let (one, answer) = oneshot::channel::<Plain>();
    holds(&sender);
    holds(&receiver);
    holds(&unbounded);
    holds(&other);
    holds(&one);
    holds(&answer);
    let (local, local_receiver) = mpsc::local::<Plain>(1);
    holds(&local);
    holds(&local_receiver);
    printed(&sender, "Sender { closed: false }");
    printed(&receiver, "Receiver { .. }");
    printed(&unbounded, "UnboundedSender { closed: false }");
    printed(&one, "Sender { closed: false }");
    printed(&answer, "Receiver { .. }");
    let send = sender.send(plain());
    printed(&send, "Send { done: false, .. }");
    drop(send);
    assert!(unbounded.send(plain()).is_ok_and(|()| other.len() == 1));
    assert_eq!(plain().0.get(), 1);
}

#[test]
fn what_travels_and_what_stays_is_said_by_the_types() {
    fn travels<T: Send>(_: &T) {}
    let (sender, receiver) = mpsc::channel::<u32>(1);
    travels(&sender);
    travels(&receiver);
    travels(&sender.closed());
    let (one, other) = oneshot::channel::<u32>();
    travels(&one);
    travels(&other);
}
