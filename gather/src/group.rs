//! `TaskGroup`: tasks that do not outlive the block in which they were spawned.
//!
//! Beside each task runs a second one, its watcher. It awaits the end of the task and holds the sender of a channel, to
//! send an error. The channel is closed when nobody holds its sender any more. So the receiver gets every error, and at
//! last learns that all tasks have ended.
//!
//! Read before: `tasks.rs`.

use crate::tasks::{TaskError, flatten};
use runtime::sync::{mpsc, oneshot};
use runtime::{AbortHandle, spawn, task};
use std::rc::{Rc, Weak};
use std::{cell::RefCell, collections::BTreeMap, future::poll_fn, task::Poll};

/// The tasks that are aborted when this is dropped, in the order in which they were spawned.
type Tasks = RefCell<BTreeMap<task::Id, Abort>>;

/// Where the body of a [`task_group`] spawns its tasks; asyncio's `TaskGroup`, trio's nursery. [`task_group`] has an
/// example.
#[derive(Debug)]
pub struct TaskGroup<E> {
    /// The tasks that run. Dropped after the first error, or with the group.
    tasks: Weak<Tasks>,
    /// Where errors go. Held by the body and by each watcher. Weak here, because a clone of the group may live for ever
    /// and would keep the channel open.
    failures: Weak<mpsc::UnboundedSender<TaskError<E>>>,
}

/// Aborts a task when it is dropped.
#[derive(Debug)]
struct Abort(AbortHandle);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs `body`, and the tasks that it spawns into its group, until all of them have ended.
///
/// The first error, of the body or of a task, cancels the body and all tasks. In any case the group returns only when
/// the last of its tasks has ended and is dropped. It gives the body's value, or every error, the first one first. A
/// panic of a task is an error. A panic of the body cancels the tasks and goes on in the caller.
///
/// It is asyncio's `TaskGroup` and trio's nursery. A task can spawn tasks if it has a clone of the `Rc`.
///
/// # Errors
/// Every error, of the body and of the tasks. Tasks that were cancelled are not among them.
///
/// # Panics
/// When a task is spawned outside a runtime.
///
/// # Cancel safety
/// When it is dropped, its tasks are aborted. `drop` cannot wait for them: the loop drops them in its next turn.
///
/// ```
/// use gather::{TaskError, task_group};
/// use runtime::time::sleep;
/// use std::time::Duration;
///
/// runtime::block_on(async {
///     let sum = task_group(async |group| {
///         let (a, b) = (group.spawn(async { Ok(1) }), group.spawn(async { Ok(2) }));
///         Ok::<_, &str>(a.await.unwrap() + b.await.unwrap())
///     });
///     assert_eq!(sum.await.unwrap(), 3);
///
///     let failed = task_group(async |group| {
///         drop(group.spawn(async { Err::<(), _>("no") })); // nobody asks for its value
///         drop(group.spawn(async { Ok(sleep(Duration::from_secs(3_600)).await) })); // cancelled, as is this body
///         Ok(sleep(Duration::from_secs(3_600)).await)
///     });
///     assert!(matches!(failed.await.unwrap_err()[..], [TaskError::Failed("no")]));
/// });
/// ```
pub async fn task_group<T, E: 'static>(
    body: impl AsyncFnOnce(Rc<TaskGroup<E>>) -> Result<T, E>,
) -> Result<T, Vec<TaskError<E>>> {
    let (failures, mut failed) = mpsc::unbounded();
    let (tasks, failures) = (Rc::<Tasks>::default(), Rc::new(failures));
    let group = TaskGroup { tasks: Rc::downgrade(&tasks), failures: Rc::downgrade(&failures) };
    let mut body = Box::pin(body(Rc::new(group)));
    let first = poll_fn(|cx| match failed.poll_recv(cx) {
        Poll::Ready(Some(error)) => Poll::Ready(Err(error)),
        _ => body.as_mut().poll(cx).map_err(TaskError::Failed),
    });
    let (mut value, mut errors) = (None, Vec::new());
    first.await.map_or_else(|error| errors.push(error), |first| value = Some(first));
    drop((body, failures));
    if errors.is_empty() {
        errors.extend(poll_fn(|cx| failed.poll_recv(cx)).await); // The first error, or the end of all.
    }
    drop(tasks);
    while let Some(error) = poll_fn(|cx| failed.poll_recv(cx)).await {
        errors.push(error);
    }
    value.filter(|_| errors.is_empty()).ok_or(errors)
}

impl<E: 'static> TaskGroup<E> {
    /// Spawns a task into the group. Await the receiver for its value. The receiver is closed if the task failed or was
    /// cancelled; the error itself is returned by the group. After an error the group takes no more tasks: the future
    /// is dropped. asyncio's `create_task` of a `TaskGroup`, trio's `start_soon`.
    ///
    /// # Panics
    /// Outside a runtime.
    ///
    /// ```
    /// use gather::task_group;
    ///
    /// let sum = task_group(async |group| {
    ///     let (a, b) = (group.spawn(async { Ok::<_, ()>(1) }), group.spawn(async { Ok(2) }));
    ///     Ok(a.await.unwrap_or(0) + b.await.unwrap_or(0))
    /// });
    /// assert_eq!(runtime::block_on(sum).unwrap(), 3);
    /// ```
    #[track_caller]
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = Result<T, E>> + 'static) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        if let (Some(running), Some(failures)) = (self.tasks.upgrade(), self.failures.upgrade()) {
            let (task, tasks) = (spawn(future), Weak::clone(&self.tasks));
            let id = task.id();
            running.borrow_mut().insert(id, Abort(task.abort_handle()));
            drop(spawn(async move {
                let ended = flatten(task.await);
                tasks.upgrade().map(|tasks| tasks.borrow_mut().remove(&id));
                match ended {
                    Ok(value) => drop(sender.send(value)),
                    Err(TaskError::Cancelled) => {}
                    Err(error) => drop(failures.send(error)),
                }
            }));
        }
        receiver
    }
}
