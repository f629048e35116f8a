//! Runs a program on `runtime` and `gather`, under the virtual clock, and keeps the record.
//!
//! It is asyncio's oracle.py over again, statement by statement. What differs between the two worlds stands in these
//! places and nowhere else:
//!
//! | asyncio | here |
//! | --- | --- |
//! | an exception unwinds the body | `?` hands a [`Stop`] on |
//! | `cancel()` raises `CancelledError` in the task, at its `await` | the task's future is dropped |
//! | `try … finally` | a guard that logs when it is dropped |
//! | `gather(return_exceptions=True)`, or `False` | `gather_tasks`, or `try_gather_tasks` |
//! | `as_completed` makes tasks | `as_completed` over the handles of tasks, which run on when their handles are dropped |
//! | `shield(task)`, for any number of joiners | a `JoinHandle` behind futures' `Shared` |

use crate::program::{Body, Program, Statement};
use crate::record::{Event, Record};
use futures::future::{FutureExt, LocalBoxFuture, Shared};
use gather::{TaskError, as_completed, gather_tasks, try_gather_tasks};
use runtime::sync::Semaphore;
use runtime::task::yield_now;
use runtime::time::{now, sleep, timeout};
use runtime::{AbortHandle, JoinError, spawn};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tests::{OnDrop, virtual_runtime};

/// How a body ends: with the value of its last statement, or before that.
type Ended = Result<Value, Stop>;

/// What ends a body early. The cancellation of the body itself is not here: then its future is dropped.
#[derive(Clone, Debug)]
enum Stop {
    /// An application error, raised by the program.
    Error(String),
    /// A task that this body joined was cancelled. It passes through `catch`.
    Cancelled,
}

/// One run of a program: what all of its tasks share.
struct Run {
    /// When the program began.
    start: Instant,
    events: RefCell<Vec<Event>>,
    semaphores: HashMap<String, Semaphore>,
    /// The tasks by the names that `spawn` gave them.
    tasks: RefCell<HashMap<String, Task>>,
    /// How many gathers each path has begun, for the paths of the children.
    families: RefCell<HashMap<Rc<str>, usize>>,
}

/// A spawned task, for those who join or cancel it.
struct Task {
    /// Its end, for every joiner.
    end: Shared<LocalBoxFuture<'static, Ended>>,
    abort: AbortHandle,
}

/// Who runs a body: main, a task or a child of a gather.
struct Runner {
    run: Rc<Run>,
    path: Rc<str>,
}

/// Runs `program` to its end and gives the record.
pub(crate) fn execute(program: &Program) -> Record {
    let runtime = virtual_runtime();
    let run = Rc::new(runtime.block_on(async { Run::new(program) }));
    let main = Runner { run: Rc::clone(&run), path: "main".into() };
    let (result, ended_ms) = runtime.block_on(async move {
        let result = outcome(main.body(&program.main).await);
        // One quiet millisecond, so that nobody is in the middle of a step when the loop ends.
        sleep(Duration::from_millis(1)).await;
        (result, main.run.ms())
    });
    // Cancels what still runs. The guards of these tasks still log, and at the loop's time.
    drop(runtime);
    let run = Rc::into_inner(run).expect("a dropped runtime has dropped every task");
    Record::new(result, ended_ms, run.events.into_inner())
}

impl Run {
    fn new(program: &Program) -> Run {
        let semaphores = program.semaphores.iter();
        Run {
            start: now(),
            events: RefCell::default(),
            semaphores: semaphores.map(|(name, permits)| (name.clone(), Semaphore::new(*permits))).collect(),
            tasks: RefCell::default(),
            families: RefCell::default(),
        }
    }

    /// The time, in milliseconds since the program began.
    fn ms(&self) -> u64 {
        (now() - self.start).as_millis() as u64
    }
}

impl Runner {
    /// Runs a body inside of whatever polls this.
    fn body<'a>(&'a self, body: &'a Body) -> LocalBoxFuture<'a, Ended> {
        // In a box, because bodies contain bodies.
        Box::pin(async move {
            let mut value = Value::Null;
            for statement in body.iter() {
                value = self.statement(statement).await?;
            }
            Ok(value)
        })
    }

    /// What a task runs: the body, and the runner along with it.
    async fn own(self, body: Body) -> Ended {
        self.body(&body).await
    }

    async fn statement(&self, statement: &Statement) -> Ended {
        match statement {
            Statement::Log(label) => self.log(label),
            Statement::Value(value) => return Ok(value.clone()),
            Statement::Yield => yield_now().await,
            Statement::Sleep(duration) => sleep(*duration).await,
            Statement::Raise(name) => return Err(Stop::Error(name.clone())),
            Statement::Catch(body) => return self.catch(body).await,
            Statement::Finally(body, label) => return self.finally(body, label).await,
            Statement::Gather { bodies, return_exceptions: true } => return self.gather(bodies).await,
            Statement::Gather { bodies, return_exceptions: false } => return self.try_gather(bodies).await,
            Statement::AsCompleted(bodies) => return self.as_completed(bodies).await,
            Statement::Timeout(limit, body) => return self.timeout(*limit, body).await,
            Statement::Spawn(name, body) => self.spawn(name, body),
            Statement::Cancel(name) => self.run.tasks.borrow()[name].abort.abort(),
            Statement::Join(name) => return self.join(name).await,
            Statement::WithPermit(semaphore, body) => return self.with_permit(semaphore, body).await,
        }
        Ok(Value::Null)
    }

    fn log(&self, label: &str) {
        self.run.events.borrow_mut().push((self.run.ms(), self.path.to_string(), label.to_owned()));
    }

    async fn catch(&self, body: &Body) -> Ended {
        let ended = self.body(body).await;
        if let Err(Stop::Error(name)) = &ended {
            self.log(&format!("caught {name}"));
            return Ok(outcome(ended));
        }
        ended
    }

    async fn finally(&self, body: &Body, label: &str) -> Ended {
        // Declared before the body runs and so dropped after it, whether it ends or is dropped.
        let _guard = OnDrop::new(|| self.log(label));
        self.body(body).await
    }

    /// The children of the next gather, ready to be spawned. Each gather of a path gets a number, from 1, so that no two
    /// children ever share a path.
    fn children(&self, bodies: &[Body]) -> Vec<impl Future<Output = Ended> + 'static> {
        let mut families = self.run.families.borrow_mut();
        let family = families.entry(Rc::clone(&self.path)).or_default();
        *family += 1;
        let runner =
            |child| Runner { run: Rc::clone(&self.run), path: format!("{}.{family}.{child}", self.path).into() };
        bodies.iter().enumerate().map(|(child, body)| runner(child).own(Rc::clone(body))).collect()
    }

    async fn gather(&self, bodies: &[Body]) -> Ended {
        let results = gather_tasks(self.children(bodies)).await;
        Ok(self.gathered(results.into_iter().map(|joined| outcome(ended(joined))).collect()))
    }

    async fn try_gather(&self, bodies: &[Body]) -> Ended {
        match try_gather_tasks(self.children(bodies)).await {
            Ok(values) => Ok(self.gathered(values)),
            Err(TaskError::Failed(stop)) => Err(stop),
            Err(TaskError::Cancelled) => Err(Stop::Cancelled),
            Err(TaskError::Panicked(payload)) => resume_unwind(payload),
        }
    }

    fn gathered(&self, values: Vec<Value>) -> Value {
        let list = Value::Array(values);
        self.log(&format!("gathered {}", as_python_prints(&list)));
        list
    }

    async fn as_completed(&self, bodies: &[Body]) -> Ended {
        // Tasks of the loop, and not aborted with their handles: they run on after an error or a cancellation.
        let tasks: Vec<_> = self.children(bodies).into_iter().map(spawn).collect();
        let mut stream = as_completed(tasks);
        let mut values = Vec::new();
        while let Some((_, joined)) = stream.next().await {
            let value = ended(joined)?;
            self.log(&format!("completed {}", as_python_prints(&value)));
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    async fn timeout(&self, limit: Duration, body: &Body) -> Ended {
        match timeout(limit, self.body(body)).await {
            Ok(ended) => ended,
            Err(_elapsed) => {
                self.log("timed out");
                Ok(error("Timeout"))
            }
        }
    }

    fn spawn(&self, name: &str, body: &Body) {
        let runner = Runner { run: Rc::clone(&self.run), path: format!("{}/{name}", self.path).into() };
        let handle = spawn(runner.own(Rc::clone(body)));
        let task = Task { abort: handle.abort_handle(), end: handle.map(ended).boxed_local().shared() };
        let before = self.run.tasks.borrow_mut().insert(name.to_owned(), task);
        assert!(before.is_none(), "two tasks are called {name}");
    }

    async fn join(&self, name: &str) -> Ended {
        // A clone, so that the tasks are not borrowed while this waits.
        let end = self.run.tasks.borrow()[name].end.clone();
        end.await
    }

    async fn with_permit(&self, semaphore: &str, body: &Body) -> Ended {
        let _permit = self.run.semaphores[semaphore].acquire().await;
        self.log(&format!("permit {semaphore}"));
        self.body(body).await
    }
}

/// How a task's body ended. A task that was aborted is a cancellation to whoever joins it.
fn ended(joined: Result<Ended, JoinError>) -> Ended {
    match joined {
        Ok(ended) => ended,
        Err(error) if error.is_cancelled() => Err(Stop::Cancelled),
        Err(error) => resume_unwind(error.into_panic()),
    }
}

/// An end as a value, as it stands among results.
fn outcome(ended: Ended) -> Value {
    match ended {
        Ok(value) => value,
        Err(Stop::Error(name)) => error(&name),
        Err(Stop::Cancelled) => error("Cancelled"),
    }
}

fn error(name: &str) -> Value {
    json!({ "error": name })
}

/// JSON with Python's spaces after `,` and `:`, because the labels quote it.
fn as_python_prints(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(as_python_prints).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("\"{key}\": {}", as_python_prints(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        leaf => leaf.to_string(),
    }
}
