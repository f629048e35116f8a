//! What the forms take: one collection of futures of one type. It is a trait of its own, so that the compiler can say
//! this when it is given something else.
//!
//! Read before: nothing.

/// A collection of futures of one type: an array, a `Vec`, any iterator. All forms but the macros take one.
///
/// It is implemented for everything that can be iterated over and gives futures; there is nothing to implement. It is a
/// trait so that the compiler can say what to write instead of Python's `gather(a(), b())` and `gather(a())`:
///
/// ```compile_fail,E0277
/// async fn a() {}
///
/// runtime::block_on(gather::gather(a())); // a gather takes one collection of futures of one type; …
/// ```
///
/// Each `async fn` and each `async` block has a type of its own. So `gather([a(), b()])` has two types in one array,
/// and the compiler expects "future, found a different future" (E0308). Three cures:
///
/// ```
/// use gather::{gather, gather_tasks};
///
/// async fn a() -> u32 { 1 }
/// async fn b() -> u32 { 2 }
///
/// runtime::block_on(async {
///     // Different types side by side: the macro.
///     assert_eq!(gather!(a(), b()).await, (1, 2));
///     // One type for both: boxes.
///     let boxed: [std::pin::Pin<Box<dyn Future<Output = u32>>>; 2] = [Box::pin(a()), Box::pin(b())];
///     assert_eq!(gather(boxed).await, [1, 2]);
///     // One function called with different arguments is one type.
///     assert_eq!(gather([3, 4].map(async |n| n)).await, [3, 4]);
/// });
/// ```
#[diagnostic::on_unimplemented(
    message = "a gather takes one collection of futures of one type; for different types `gather!(a, b)`",
    label = "this is not a collection of futures",
    note = "a collection is an array, a `Vec` or an iterator: `gather([get(1), get(2)])`, `gather(urls.iter().map(get))`",
    note = "for two futures of different types, in place of `gather(a(), b())`: `gather!(a(), b()).await`"
)]
pub trait Futures {
    /// What each future gives.
    type Output;
    /// The type of the futures.
    type Future: Future<Output = Self::Output>;
    /// The iterator that gives them.
    type Iter: Iterator<Item = Self::Future>;

    /// The iterator over the futures.
    fn into_futures(self) -> Self::Iter;
}

// Without this the compiler would tell what this impl lacks ("is not an iterator") instead of the message above.
#[diagnostic::do_not_recommend]
impl<I: IntoIterator<Item: Future>> Futures for I {
    type Output = <I::Item as Future>::Output;
    type Future = I::Item;
    type Iter = I::IntoIter;

    fn into_futures(self) -> I::IntoIter {
        self.into_iter()
    }
}
