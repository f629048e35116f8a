//! gather in place against the other join futures, all on our loop: what is compared is the join future alone.
//!
//! gather and `join_all` are shown on tokio, too. Every round makes many gathers inside one `block_on`.

use crate::case::{Case, Role};
use crate::executor::Executor;
use crate::joiners::{Bounded, BufferedJoinAll, Concurrency, Gather, JoinAll, Joiner, RungGather, Unordered};
use crate::{Ours, Tokio};
use fastrand::Rng;
use std::cell::{Cell, RefCell};
use std::future::{poll_fn, ready};
use std::mem;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Numbers of children: around and far above the 30 at which `join_all` changes its strategy.
const SIZES: [usize; 7] = [2, 10, 30, 100, 1_000, 10_000, 100_000];
/// A round has about so many polls of children, and at least one gather.
const POLLS: usize = 40_000;
/// Above this many children, futures-concurrency is left out where few of them are ready at a time: it looks at every
/// child in every poll, and a round would take ten seconds.
const SCANNED: usize = 10_000;
/// The least that any single cell must reach against the best peer that polls selectively.
const FLOOR: f64 = 1.3;
/// Up to so many children `join_all` polls blindly.
const BLIND: usize = 30;

/// What the children do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pattern {
    /// They are ready at the first poll.
    Ready,
    /// Each yields so often.
    Yields(usize),
    /// They wait to be woken, in random order, so many in each turn of the loop.
    Woken(usize),
}

impl Pattern {
    const ALL: [(Pattern, &str); 4] = [
        (Pattern::Ready, "all ready"),
        (Pattern::Yields(10), "each yields 10 times"),
        (Pattern::Woken(1), "woken one by one"),
        (Pattern::Woken(16), "woken 16 a turn"),
    ];

    /// The least that ours must reach against who polls blindly.
    fn floor_to_blind(self) -> f64 {
        match self {
            Pattern::Ready => 0.8,
            Pattern::Yields(_) => 0.95,
            Pattern::Woken(_) => 0.55,
        }
    }

    /// How often a child is polled.
    fn polls(self) -> usize {
        match self {
            Pattern::Ready => 1,
            Pattern::Yields(times) => times + 1,
            Pattern::Woken(_) => 2,
        }
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let sizes = Pattern::ALL.into_iter().flat_map(|pattern| SIZES.map(|n| (pattern, n)));
    sizes.map(|((pattern, name), n)| cell(pattern, name, n)).collect()
}

fn cell(pattern: Pattern, name: &str, n: usize) -> Case {
    let gathers = (POLLS / (n * pattern.polls())).max(1);
    let cell = Square { pattern, n, gathers, order: shuffled(n).into() };
    let name = format!("gather, {name}, n = {n}");
    let mut case = Case::new("gather_in_place", name, (n * gathers) as u64, "child").target(FLOOR);
    case.slow = ![10, 1_000, 100_000].contains(&n);
    case = case.why(
        "Of the peers futures-buffered is the fastest that polls only who was woken. Where children are woken one by one, about \
         300 of 720 instructions a wake are the loop's turn, the poll of main and the wake itself, which everybody pays: an \
         array that is polled in the known order, in the same loop, takes 0.36 to 0.46 of our time. So to be 1.3 times as fast \
         in all, the gather's own part would have to be 1.6 times as fast: 270 instructions and not 400, of which the two polls \
         of the child are 230, the drain 73, the mark 60 and the copy of the waker 24. Where two children yield, \
         futures-buffered polls again within one poll, up to 61 times, and saves the turns; ours returns to the loop after \
         each batch, as asyncio does. Up to 30 children join_all has no wakers of its own: each wake of the parent polls every \
         child. Here a child is polled once for each of its wakes, in the order of the wakes, at any n; so even few children \
         have a set of wakers and a queue. Tried and not kept: a lock of our own that is given back by a plain store (2 to 7 % \
         faster where children are woken; 40 lines, and who finds it taken spins), one atomic for each wake instead of a lock \
         (5 % slower), a linked queue (15 % slower where children yield), results by push (20 % slower).",
    );
    let case = cell.on::<Gather, Ours>(case, Gather::NAME, Role::Ours);
    let join_all = if n <= BLIND { Role::Blind } else { Role::Peer };
    let mut case = cell.on::<JoinAll, Ours>(case, JoinAll::NAME, join_all);
    if n <= BLIND {
        case = case.target_to_blind(pattern.floor_to_blind());
        case.polls_a_wake = cell.polls_a_wake::<JoinAll>();
    }
    let case = cell.on::<BufferedJoinAll, Ours>(case, BufferedJoinAll::NAME, Role::Peer);
    let case = cell.on::<Bounded, Ours>(case, Bounded::NAME, Role::Peer);
    let mut case = cell.on::<Unordered, Ours>(case, Unordered::NAME, Role::Peer);
    if n <= SCANNED || !matches!(pattern, Pattern::Woken(_)) {
        case = cell.on::<Concurrency, Ours>(case, Concurrency::NAME, Role::Peer);
    }
    let case = cell.on::<RungGather, Ours>(case, RungGather::NAME, Role::Shown);
    let case = cell.on::<Gather, Tokio>(case, Gather::ON_TOKIO, Role::Shown);
    let case = cell.on::<JoinAll, Tokio>(case, JoinAll::ON_TOKIO, Role::Shown);
    case.limit("an array alone", move || cell.array_alone())
}

/// One gather of so many children, each of which yields ten times.
pub(crate) async fn gather_yielding(n: u64) {
    let cell = Square { pattern: Pattern::Yields(10), n: n as usize, gathers: 1, order: [].into() };
    cell.check(&cell.join::<Gather>().await);
}

/// The order in which children are woken: the same in every round.
fn shuffled(n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    Rng::with_seed(n as u64).shuffle(&mut order);
    order
}

/// One cell of the matrix.
#[derive(Debug, Clone)]
struct Square {
    pattern: Pattern,
    n: usize,
    /// How many gathers a round makes.
    gathers: usize,
    order: Rc<[usize]>,
}

impl Square {
    fn on<J: Joiner, E: Executor>(&self, case: Case, name: &'static str, role: Role) -> Case {
        let cell = self.clone();
        case.named(name, role, E::new, move || {
            let cell = cell.clone();
            async move {
                for _ in 0..cell.gathers {
                    cell.check(&cell.join::<J>().await);
                }
            }
        })
    }

    async fn join<J: Joiner>(&self) -> Vec<u64> {
        self.join_through::<J>(&Uncounted).await
    }

    /// What stands around the children is nothing in a round, and a count of their polls where that is asked for.
    async fn join_through<J: Joiner>(&self, around: &impl Around) -> Vec<u64> {
        let numbers = (0..self.n).map(|n| n as u64);
        match self.pattern {
            Pattern::Ready => J::join(numbers.map(|n| around.child(ready(n)))).await,
            Pattern::Yields(times) => J::join(numbers.map(|n| around.child(Yields { left: times, n }))).await,
            Pattern::Woken(at_once) => {
                let gates = Gates::new(self.n);
                let mut children = pin!(J::join(numbers.map(|n| around.child(gates.child(n)))));
                let mut batches = self.order.chunks(at_once);
                poll_fn(|cx| {
                    let polled = children.as_mut().poll(cx);
                    if polled.is_pending() {
                        batches.next().expect("after the last batch all are done").iter().for_each(|&n| gates.open(n));
                    }
                    polled
                })
                .await
            }
        }
    }

    /// The limit: an array of children that are polled in the right order, because it is known beforehand.
    fn array_alone(&self) {
        let cx = &mut Context::from_waker(Waker::noop());
        for _ in 0..self.gathers {
            let numbers = (0..self.n).map(|n| n as u64);
            let results = match self.pattern {
                Pattern::Ready => Array::new(numbers.map(ready)).round_robin(cx),
                Pattern::Yields(times) => Array::new(numbers.map(|n| Yields { left: times, n })).round_robin(cx),
                Pattern::Woken(_) => {
                    let gates = Gates::new(self.n);
                    let mut array = Array::new(numbers.map(|n| gates.child(n)));
                    (0..self.n).for_each(|n| array.poll(n, cx));
                    for &n in self.order.iter() {
                        gates.open(n);
                        array.poll(n, cx);
                    }
                    array.results
                }
            };
            self.check(&results);
        }
    }

    /// How often children are polled after their first polls, for each wake of a child. `None` where nobody is woken.
    ///
    /// # Panics
    /// When the results are wrong.
    fn polls_a_wake<J: Joiner>(&self) -> Option<f64> {
        let wakes = self.n * (self.pattern.polls() - 1);
        let polls = Counted::default();
        let mut gather = pin!(self.join_through::<J>(&polls));
        let cx = &mut Context::from_waker(Waker::noop());
        let results = loop {
            if let Poll::Ready(results) = gather.as_mut().poll(cx) {
                break results;
            }
        };
        self.check(&results);
        (wakes > 0).then(|| (polls.0.get() - self.n) as f64 / wakes as f64)
    }

    fn check(&self, results: &[u64]) {
        assert_eq!(results.len(), self.n);
        assert!(results.iter().enumerate().all(|(index, &result)| index as u64 == result));
    }
}

/// What stands around children.
trait Around {
    fn child(&self, child: impl Future<Output = u64> + Unpin) -> impl Future<Output = u64>;
}

/// Nothing.
struct Uncounted;

impl Around for Uncounted {
    fn child(&self, child: impl Future<Output = u64> + Unpin) -> impl Future<Output = u64> {
        child
    }
}

/// The count of the children's polls.
#[derive(Default)]
struct Counted(Cell<usize>);

impl Around for Counted {
    fn child(&self, mut child: impl Future<Output = u64> + Unpin) -> impl Future<Output = u64> {
        poll_fn(move |cx| {
            self.0.set(self.0.get() + 1);
            Pin::new(&mut child).poll(cx)
        })
    }
}

/// Children in an array, and their results.
struct Array<F> {
    children: Vec<F>,
    results: Vec<u64>,
    left: usize,
}

impl<F: Future<Output = u64> + Unpin> Array<F> {
    fn new(children: impl ExactSizeIterator<Item = F>) -> Array<F> {
        let left = children.len();
        Array { children: children.collect(), results: vec![u64::MAX; left], left }
    }

    fn poll(&mut self, n: usize, cx: &mut Context<'_>) {
        if let Poll::Ready(result) = Pin::new(&mut self.children[n]).poll(cx) {
            self.results[n] = result;
            self.left -= 1;
        }
    }

    /// Here all children are done after the same number of polls.
    fn round_robin(mut self, cx: &mut Context<'_>) -> Vec<u64> {
        while self.left > 0 {
            (0..self.children.len()).for_each(|n| self.poll(n, cx));
        }
        self.results
    }
}

/// A child that yields, by waking itself, on whatever executor.
struct Yields {
    left: usize,
    n: u64,
}

impl Future for Yields {
    type Output = u64;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(self.n) };
        self.left = left;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What children wait for.
struct Gates(RefCell<Vec<Gate>>);

enum Gate {
    Closed(Option<Waker>),
    Open,
}

impl Gates {
    fn new(n: usize) -> Gates {
        Gates(RefCell::new((0..n).map(|_| Gate::Closed(None)).collect()))
    }

    fn child(&self, n: u64) -> Gated<'_> {
        Gated { gates: self, n }
    }

    /// Lets a child end, and wakes it.
    fn open(&self, n: usize) {
        let gate = mem::replace(&mut self.0.borrow_mut()[n], Gate::Open);
        if let Gate::Closed(Some(waker)) = gate {
            waker.wake();
        }
    }
}

/// A child that waits for its gate.
struct Gated<'a> {
    gates: &'a Gates,
    n: u64,
}

impl Future for Gated<'_> {
    type Output = u64;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        let mut gates = self.gates.0.borrow_mut();
        match &mut gates[self.n as usize] {
            Gate::Open => Poll::Ready(self.n),
            Gate::Closed(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
