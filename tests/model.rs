//! Any tree of gathers, any schedule of wakes, any moment of dropping, panics among the children: every child is dropped
//! exactly once, none is polled after its end, no wake is lost, results stand in order. The forms whose children are tasks
//! have random programs of their own, and asyncio to compare with, in `parity.rs`.

use futures::stream;
use gather::{as_completed, first_ok, gather, gather_streams, race, try_gather};
use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tests::{Count, cases};

/// What is run: a tree whose leaves are awaited by the gathers above them.
#[derive(Debug, Clone)]
enum Tree {
    /// Ends after so many wakes of its own and so many from outside.
    Leaf {
        yields: usize,
        waits: usize,
        end: End,
    },
    Node {
        form: Form,
        limit: Option<usize>,
        children: Vec<Tree>,
    },
}

/// How a leaf ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Value,
    Error,
    Panic,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Gather,
    TryGather,
    /// `gather!`, of at most three.
    Tuple,
    /// `try_gather!`, of at most three.
    TryTuple,
    /// `gather_streams`, of streams with one item each.
    Streams,
    Race,
    FirstOk,
    AsCompleted,
}

/// What happens to it from outside, step by step.
#[derive(Debug, Clone)]
enum Step {
    /// A leaf gets on, and wakes. Which one: this number, modulo those that wait.
    Wake(usize),
    /// A leaf wakes for nothing.
    Spurious(usize),
    /// The parent is polled, woken or not, by one of two tasks.
    Poll { by: usize },
    /// Everything is dropped.
    Drop,
}

fn trees() -> impl Strategy<Value = Tree> {
    let end = prop_oneof![150 => Just(End::Value), 40 => Just(End::Error), 1 => Just(End::Panic)];
    let leaf = (0..3_usize, 0..3_usize, end).prop_map(|(yields, waits, end)| Tree::Leaf { yields, waits, end });
    // The root is a gather in any case: a leaf alone would have the executor's own waker.
    node(leaf.prop_recursive(3, 60, 12, node))
}

fn node(child: impl Strategy<Value = Tree>) -> impl Strategy<Value = Tree> {
    let form = prop_oneof![
        4 => Just(Form::Gather),
        2 => Just(Form::TryGather),
        1 => Just(Form::Tuple),
        1 => Just(Form::TryTuple),
        1 => Just(Form::Streams),
        1 => Just(Form::Race),
        1 => Just(Form::FirstOk),
        2 => Just(Form::AsCompleted),
    ];
    (form, prop::option::of(1..4_usize), prop::collection::vec(child, 0..12)).prop_map(|(form, limit, mut children)| {
        children.truncate(if matches!(form, Form::Tuple | Form::TryTuple) { 3 } else { 12 });
        Tree::Node { form, limit, children }
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => any::<usize>().prop_map(Step::Wake),
        2 => any::<usize>().prop_map(Step::Spurious),
        6 => (0..2_usize).prop_map(|by| Step::Poll { by }),
        1 => Just(Step::Drop),
    ];
    prop::collection::vec(step, 0..60)
}

/// What a tree gives. Numbers are those of the leaves, in the order in which they are met from left to right.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Leaf(usize),
    Failed(usize),
    List(Vec<Value>),
    Nth(usize, Box<Value>),
    Success(Box<Value>),
}

/// All leaves that exist or have existed.
#[derive(Default)]
struct World {
    leaves: RefCell<Vec<Rc<State>>>,
}

#[derive(Default)]
struct State {
    number: usize,
    yields: Cell<usize>,
    waits: Cell<usize>,
    ended: Cell<bool>,
    dropped: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

struct Leaf {
    state: Rc<State>,
    end: End,
}

impl Future for Leaf {
    type Output = Result<Value, usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let state = &self.state;
        assert!(!state.ended.get(), "polled after its end");
        if state.yields.get() > 0 {
            state.yields.set(state.yields.get() - 1);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if state.waits.get() > 0 {
            *state.waker.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.ended.set(true);
        match self.end {
            End::Value => Poll::Ready(Ok(Value::Leaf(state.number))),
            End::Error => Poll::Ready(Err(state.number)),
            // As `panic!`, but the hook prints nothing.
            End::Panic => resume_unwind(Box::new("a leaf panics")),
        }
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        assert!(!self.state.dropped.replace(true), "dropped twice");
        // Its last waker outlives it, as those do that somebody has kept.
    }
}

type Boxed = Pin<Box<dyn Future<Output = Result<Value, usize>>>>;

/// Starts nothing yet. `first` is the number of the tree's first leaf.
fn build(world: &Rc<World>, tree: &Tree, first: usize) -> Boxed {
    let (form, limit, trees) = match tree {
        Tree::Leaf { yields, waits, end } => {
            let (yields, waits) = (Cell::new(*yields), Cell::new(*waits));
            let state = Rc::new(State { number: first, yields, waits, ..State::default() });
            world.leaves.borrow_mut().push(Rc::clone(&state));
            return Box::pin(Leaf { state, end: *end });
        }
        Tree::Node { form, limit, children } => (*form, limit.unwrap_or(usize::MAX), children.clone()),
    };
    let world = Rc::clone(world);
    let mut next = first;
    let mut children = trees.into_iter().map(move |tree| {
        let child = build(&world, &tree, next);
        next += leaves(&tree);
        child
    });
    let value = |result: Result<Value, usize>| result.unwrap_or_else(Value::Failed);
    match form {
        Form::Gather => {
            Box::pin(
                async move { Ok(Value::List(gather(children).limit(limit).await.into_iter().map(value).collect())) },
            )
        }
        Form::Tuple => match [(); 3].map(|()| children.next()) {
            [None, ..] => Box::pin(async { Ok(Value::List(vec![])) }),
            [Some(a), None, _] => {
                Box::pin(async move { Ok(Value::List(<[_; 1]>::from(gather!(a).await).map(value).into())) })
            }
            [Some(a), Some(b), None] => {
                Box::pin(async move { Ok(Value::List(<[_; 2]>::from(gather!(a, b).await).map(value).into())) })
            }
            [Some(a), Some(b), Some(c)] => {
                Box::pin(async move { Ok(Value::List(<[_; 3]>::from(gather!(a, b, c).await).map(value).into())) })
            }
        },
        Form::TryTuple => match [(); 3].map(|()| children.next()) {
            [None, ..] => Box::pin(async { Ok(Value::List(vec![])) }),
            [Some(a), None, _] => {
                Box::pin(async move { gather::try_gather!(a).await.map(|(a,)| Value::List(vec![a])) })
            }
            [Some(a), Some(b), None] => {
                Box::pin(async move { gather::try_gather!(a, b).await.map(|(a, b)| Value::List(vec![a, b])) })
            }
            [Some(a), Some(b), Some(c)] => {
                Box::pin(async move { gather::try_gather!(a, b, c).await.map(|(a, b, c)| Value::List(vec![a, b, c])) })
            }
        },
        Form::Streams => Box::pin(async move {
            let items = gather_streams(children.map(stream::once)).limit(limit).await;
            assert!(items.iter().all(|items| items.len() == 1), "one item of each");
            Ok(Value::List(items.into_iter().flatten().map(value).collect()))
        }),
        Form::TryGather => Box::pin(async move { try_gather(children).limit(limit).await.map(Value::List) }),
        Form::Race => Box::pin(async move {
            let first = race(children).limit(limit).await;
            Ok(first.map_or(Value::List(vec![]), |(index, result)| Value::Nth(index, Box::new(value(result)))))
        }),
        Form::FirstOk => Box::pin(async move {
            let failed = |errors: Vec<_>| Value::List(errors.into_iter().map(Value::Failed).collect());
            Ok(first_ok(children).limit(limit).await.map_or_else(failed, |value| Value::Success(Box::new(value))))
        }),
        Form::AsCompleted => Box::pin(async move {
            let (mut ends, mut all) = (as_completed(children).limit(limit), Vec::new());
            while let Some((index, result)) = ends.next().await {
                all.push((index, value(result)));
            }
            all.sort_by_key(|(index, _)| *index);
            Ok(Value::List(all.into_iter().map(|(_, value)| value).collect()))
        }),
    }
}

fn leaves(tree: &Tree) -> usize {
    match tree {
        Tree::Leaf { .. } => 1,
        Tree::Node { children, .. } => children.iter().map(leaves).sum(),
    }
}

/// Whether a tree whose first leaf has the number `first` can have given this.
fn fits(tree: &Tree, first: usize, result: &Result<Value, usize>) -> bool {
    let (form, children) = match tree {
        Tree::Leaf { end, .. } => {
            return *result == if *end == End::Error { Err(first) } else { Ok(Value::Leaf(first)) };
        }
        Tree::Node { form, children, .. } => (form, children),
    };
    let firsts = children.iter().scan(first, |next, tree| Some(std::mem::replace(next, *next + leaves(tree))));
    let children: Vec<(&Tree, usize)> = children.iter().zip(firsts).collect();
    let child_fits = |&(tree, first): &(&Tree, usize), value: &Value| {
        fits(tree, first, &Ok(value.clone())) || matches!(value, Value::Failed(leaf) if fits(tree, first, &Err(*leaf)))
    };
    match (form, result) {
        (Form::Race, Ok(Value::List(values))) => values.is_empty() && children.is_empty(),
        (_, Ok(Value::List(values))) if values.len() == children.len() => {
            let fails = matches!(form, Form::TryGather | Form::TryTuple);
            children.iter().zip(values).all(|(child, value)| child_fits(child, value))
                && (!fails || !values.iter().any(|value| matches!(value, Value::Failed(_))))
        }
        (Form::FirstOk, Ok(Value::Success(value))) => children.iter().any(|child| child_fits(child, value)),
        (Form::TryGather | Form::TryTuple, &Err(leaf)) => {
            children.iter().any(|&(tree, first)| fits(tree, first, &Err(leaf)))
        }
        (Form::Race, Ok(Value::Nth(index, value))) => {
            children.get(*index).is_some_and(|child| child_fits(child, value))
        }
        _ => false,
    }
}

/// The tree, and the two tasks that may poll it.
struct Run {
    world: Rc<World>,
    root: Option<Boxed>,
    tasks: [(Arc<Count>, Waker); 2],
    /// Who has polled last, and how often it had been woken before.
    last: (usize, usize),
    result: Option<Result<Value, usize>>,
    /// A leaf's panic came through.
    panicked: bool,
}

impl Run {
    fn woken(&self) -> bool {
        let (by, before) = self.last;
        self.tasks[by].0.wakes() > before
    }

    fn poll(&mut self, by: usize) {
        let Some(root) = &mut self.root else { return };
        self.last = (by, self.tasks[by].0.wakes());
        let cx = &mut Context::from_waker(&self.tasks[by].1);
        match catch_unwind(AssertUnwindSafe(|| root.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(result)) => self.result = Some(result),
            Err(payload) => {
                assert_eq!(payload.downcast_ref(), Some(&"a leaf panics"));
                self.panicked = true;
            }
        }
        self.root = None;
    }

    /// Lets one of the leaves that wait get on, or pretends to. Whoever polled last hears of it.
    fn wake(&self, choice: usize, really: bool) -> bool {
        let leaves = self.world.leaves.borrow().clone();
        let waiting: Vec<_> =
            leaves.iter().filter(|leaf| !leaf.dropped.get() && leaf.waker.borrow().is_some()).collect();
        if waiting.is_empty() {
            return false;
        }
        let leaf = waiting[choice % waiting.len()];
        let waker = leaf.waker.borrow().clone().unwrap();
        if really {
            leaf.waits.set(leaf.waits.get() - 1);
            leaf.waker.take();
        }
        waker.wake();
        assert!(self.woken(), "a wake was lost");
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(1_000), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_child_is_dropped_once_and_never_polled_after_its_end(tree in trees(), steps in steps()) {
        let world = Rc::<World>::default();
        let root = Some(build(&world, &tree, 0));
        let tasks = [Count::new(), Count::new()];
        let mut run = Run { world, root, tasks, last: (0, 0), result: None, panicked: false };
        for step in steps {
            match step {
                Step::Wake(choice) => _ = run.wake(choice, true),
                Step::Spurious(choice) => _ = run.wake(choice, false),
                Step::Poll { by } => run.poll(by),
                Step::Drop => run.root = None,
            }
            if run.root.is_none() {
                break;
            }
        }
        let dropped_early = run.root.is_none() && run.result.is_none() && !run.panicked;
        // From here on as an executor does it: polled when woken, and at first.
        let by = run.last.0;
        run.poll(by);
        while run.root.is_some() {
            if run.woken() {
                run.poll(by);
            } else {
                prop_assert!(run.wake(0, true), "nobody waits, nobody will wake the parent, and it has not ended");
            }
        }
        for leaf in run.world.leaves.borrow().iter() {
            prop_assert!(leaf.dropped.get(), "leaf {} was left behind", leaf.number);
            // Wakers outlive everything, and wake nobody then.
            let before = [run.tasks[0].0.wakes(), run.tasks[1].0.wakes()];
            leaf.waker.take().into_iter().for_each(Waker::wake);
            prop_assert_eq!(before, [run.tasks[0].0.wakes(), run.tasks[1].0.wakes()]);
        }
        prop_assert_eq!(run.result.is_none(), dropped_early || run.panicked);
        if let Some(result) = &run.result {
            prop_assert!(fits(&tree, 0, result), "{:?}", result);
        }
    }
}
