//! The join futures under test: the same children in, their results in order out.

use futures::stream::{FuturesUnordered, StreamExt};
use futures_buffered::FuturesUnorderedBounded;
use futures_concurrency::future::Join;

/// A way to await many children in place.
pub trait Joiner: 'static {
    /// Its column.
    const NAME: &'static str;
    /// Its column when it runs on tokio.
    const ON_TOKIO: &'static str;

    /// Awaits all, in the order of the input.
    fn join<F, I>(children: I) -> impl Future<Output = Vec<u64>>
    where
        F: Future<Output = u64>,
        I: ExactSizeIterator<Item = F>;
}

/// Ours.
#[derive(Debug)]
pub enum Gather {}

impl Joiner for Gather {
    const NAME: &'static str = "gather";
    const ON_TOKIO: &'static str = "gather on tokio";

    fn join<F, I>(children: I) -> impl Future<Output = Vec<u64>>
    where
        F: Future<Output = u64>,
        I: ExactSizeIterator<Item = F>,
    {
        gather::gather(children)
    }
}

/// The gather of the course's last rung, for a look.
#[derive(Debug)]
pub enum RungGather {}

impl Joiner for RungGather {
    const NAME: &'static str = "gather of rung 13";
    const ON_TOKIO: &'static str = "gather of rung 13 on tokio";

    fn join<F, I>(children: I) -> impl Future<Output = Vec<u64>>
    where
        F: Future<Output = u64>,
        I: ExactSizeIterator<Item = F>,
    {
        crate::on_rung::gather(children)
    }
}

/// futures' `join_all`.
#[derive(Debug)]
pub enum JoinAll {}

impl Joiner for JoinAll {
    const NAME: &'static str = "join_all";
    const ON_TOKIO: &'static str = "join_all on tokio";

    fn join<F, I>(children: I) -> impl Future<Output = Vec<u64>>
    where
        F: Future<Output = u64>,
        I: ExactSizeIterator<Item = F>,
    {
        futures::future::join_all(children)
    }
}

/// futures' `FuturesUnordered`, with the results put in order.
#[derive(Debug)]
pub enum Unordered {}

impl Joiner for Unordered {
    const NAME: &'static str = "FuturesUnordered";
    const ON_TOKIO: &'static str = "FuturesUnordered on tokio";

    async fn join<F, I>(children: I) -> Vec<u64>
    where
        F: Future<Output = u64>,
        I: ExactSizeIterator<Item = F>,
    {
        let mut results = vec![0; children.len()];
        let numbered = |(index, child): (usize, F)| async move { (index, child.await) };
        let mut running: FuturesUnordered<_> = children.enumerate().map(numbered).collect();
        while let Some((index, result)) = running.next().await {
            results[index] = result;
        }
        results
    }
}

/// futures-concurrency's `join` of a vector.
#[derive(Debug)]
pub enum Concurrency {}

impl Joiner for Concurrency {
    const NAME: &'static str = "futures-concurrency";
    const ON_TOKIO: &'static str = "futures-concurrency on tokio";

    fn join<F, I>(children: I) -> impl Future<Output = Vec<u64>>
    where
        F: Future<Output = u64>,
        I: ExactSizeIterator<Item = F>,
    {
        children.collect::<Vec<_>>().join()
    }
}

/// futures-buffered's `join_all`.
#[derive(Debug)]
pub enum BufferedJoinAll {}

impl Joiner for BufferedJoinAll {
    const NAME: &'static str = "buffered join_all";
    const ON_TOKIO: &'static str = "buffered join_all on tokio";

    fn join<F, I>(children: I) -> impl Future<Output = Vec<u64>>
    where
        F: Future<Output = u64>,
        I: ExactSizeIterator<Item = F>,
    {
        futures_buffered::join_all(children)
    }
}

/// futures-buffered's `FuturesUnorderedBounded`, with the results put in order.
#[derive(Debug)]
pub enum Bounded {}

impl Joiner for Bounded {
    const NAME: &'static str = "FuturesUnorderedBounded";
    const ON_TOKIO: &'static str = "FuturesUnorderedBounded on tokio";

    async fn join<F, I>(children: I) -> Vec<u64>
    where
        F: Future<Output = u64>,
        I: ExactSizeIterator<Item = F>,
    {
        let mut results = vec![0; children.len()];
        let numbered = |(index, child): (usize, F)| async move { (index, child.await) };
        let mut running: FuturesUnorderedBounded<_> = children.enumerate().map(numbered).collect();
        while let Some((index, result)) = running.next().await {
            results[index] = result;
        }
        results
    }
}
