//! `gather!` and `try_gather!`: a few children of different types, in place and without an allocation for them.
//!
//! The children lie in a tuple inside the future itself; their places are the fields. The engine is the same as for an
//! iterator of children. Here is the one thing that needs a macro of its own: which field a number means.

use crate::join::{Engine, Note, Places};
use std::convert::Infallible;
use std::fmt;
use std::ops::ControlFlow::{self, Break, Continue};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Awaits one to twelve futures of any types together; their outputs come as a tuple, in the order of the arguments.
///
/// The macro is an expression whose value is a future: `gather!(a, b).await`. It starts nothing before the first poll.
/// The children are polled in place, so they may borrow; the future is `Send` if they are.
///
/// This is asyncio's `gather(a(), b())` and tokio's `join!`, which polls every child whenever one is woken.
///
/// # Panics
/// The future panics when it is polled again after it gave its result, or after a child panicked through it.
///
/// # Cancel safety
/// Dropping the future drops the children.
///
/// ```
/// use gather::gather;
///
/// let name = String::from("Ada");
/// let (length, upper) = runtime::block_on(gather!(async { name.len() }, async { name.to_uppercase() }));
/// assert_eq!((length, upper.as_str()), (3, "ADA"));
/// ```
#[macro_export]
macro_rules! gather {
    ($($child:expr),+ $(,)?) => {
        $crate::tuple::gather(($(::core::option::Option::Some($child),)+))
    };
}

/// Awaits one to twelve futures of `Result`s together and gives a tuple of their values, or the first error at once.
///
/// First is the error that comes first. The other children are dropped then. All errors must be of one type; the values
/// may differ. Otherwise it is [`gather!`], and its asyncio counterpart the default of `gather`; tokio's is `try_join!`.
///
/// # Errors
/// The first error of a child.
///
/// # Panics
/// The future panics when it is polled again after it gave its result, or after a child panicked through it.
///
/// # Cancel safety
/// Dropping the future drops the children.
///
/// ```
/// use gather::try_gather;
///
/// let both = runtime::block_on(try_gather!(async { "7".parse::<u8>() }, async { "-7".parse::<i64>() }));
/// assert_eq!(both, Ok((7, -7)));
/// let failed = runtime::block_on(try_gather!(async { "7".parse::<u8>() }, async { "-7".parse::<u8>() }));
/// assert!(failed.is_err());
/// ```
#[macro_export]
macro_rules! try_gather {
    ($($child:expr),+ $(,)?) => {
        $crate::tuple::try_gather(($(::core::option::Option::Some($child),)+))
    };
}

/// What [`gather!`](crate::gather!) becomes.
pub fn gather<T: Tuple>(children: T) -> GatherTuple<T, false> {
    GatherTuple::new(children)
}

/// What [`try_gather!`](crate::try_gather!) becomes.
pub fn try_gather<T: TryTuple>(children: T) -> GatherTuple<T, true> {
    GatherTuple::new(children)
}

/// The future of [`gather!`](crate::gather!), and with `TRY` of [`try_gather!`](crate::try_gather!).
#[must_use = "a gather does nothing unless it is awaited"]
pub struct GatherTuple<T: Tuple, const TRY: bool> {
    /// Before the children, so that it is dropped first: what they wake while they are dropped wakes nobody.
    engine: Engine,
    /// Pinned with this future.
    children: T,
    rest: Rest<T::Outputs>,
}

/// What a tuple of children needs that is not pinned.
struct Rest<O> {
    /// What each child gave.
    outputs: O,
    notes: [Note; MOST],
    started: u32,
    ended: u32,
}

/// The most children that a tuple has.
const MOST: usize = 12;

impl<T: Tuple, const TRY: bool> GatherTuple<T, TRY> {
    fn new(children: T) -> GatherTuple<T, TRY> {
        let rest = Rest { outputs: T::Outputs::default(), notes: [Note::default(); MOST], started: 0, ended: 0 };
        GatherTuple { engine: Engine::new(None), children, rest }
    }

    fn fields(self: Pin<&mut Self>) -> (&mut Engine, Fields<'_, T>) {
        // SAFETY: both functions ask that what is pinned never moves. That is `children` alone, which leaves here as a
        // pin, and is pinned when this future is: no other method gives it out, and there is no `Drop` to move it.
        #[allow(unsafe_code, reason = "the projection from a pinned struct to its fields")]
        unsafe {
            let this = self.get_unchecked_mut();
            let children = Pin::new_unchecked(&mut this.children);
            (&mut this.engine, Fields { children, rest: &mut this.rest })
        }
    }
}

/// The places of a tuple.
struct Fields<'a, T: Tuple> {
    children: Pin<&'a mut T>,
    rest: &'a mut Rest<T::Outputs>,
}

impl<T: Tuple> Places for Fields<'_, T> {
    type End = u32;

    fn open(&mut self) {}

    fn len(&self) -> usize {
        T::LEN as usize
    }

    fn alive(&self) -> usize {
        (T::LEN - self.rest.ended) as usize
    }

    fn all_taken(&self) -> bool {
        true
    }

    fn start(&mut self) -> Option<u32> {
        let place = self.rest.started;
        if place == T::LEN {
            return None;
        }
        self.rest.started += 1;
        Some(place)
    }

    fn poll(&mut self, place: u32, cx: &mut Context<'_>) -> Poll<u32> {
        ready!(self.children.as_mut().poll(place, &mut self.rest.outputs, cx));
        self.rest.ended += 1;
        Poll::Ready(place)
    }

    fn note(&mut self, number: u32) -> &mut Note {
        &mut self.rest.notes[number as usize]
    }
}

impl<T: Tuple> Future for GatherTuple<T, false> {
    type Output = T::All;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T::All> {
        let (engine, mut fields) = self.fields();
        let go_on = |_: &mut Fields<'_, T>, _| ControlFlow::<Infallible>::Continue(());
        ready!(engine.poll(&mut fields, cx, go_on));
        Poll::Ready(T::all(&mut fields.rest.outputs))
    }
}

impl<T: TryTuple> Future for GatherTuple<T, true> {
    type Output = Result<T::Values, T::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (engine, mut fields) = self.fields();
        let error = ready!(engine.poll(&mut fields, cx, |fields, place| {
            T::error(&mut fields.rest.outputs, place).map_or(Continue(()), Break)
        }));
        Poll::Ready(match error {
            None => Ok(T::values(&mut fields.rest.outputs)),
            Some(error) => {
                engine.finish();
                fields.children.set(T::default());
                Err(error)
            }
        })
    }
}

impl<T: Tuple, const TRY: bool> fmt::Debug for GatherTuple<T, TRY> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatherTuple").field("completed", &self.rest.ended).field("total", &T::LEN).finish()
    }
}

/// A tuple of `Option`s of one to twelve futures.
#[diagnostic::on_unimplemented(message = "`gather!` takes one to twelve futures", label = "not such futures")]
pub trait Tuple: Default {
    /// A tuple of `Option`s of what they give.
    type Outputs: Default;
    /// A tuple of what they give.
    type All;
    /// How many.
    const LEN: u32;

    /// Polls the child in `place`; at its end keeps what it gave and drops it.
    fn poll(self: Pin<&mut Self>, place: u32, outputs: &mut Self::Outputs, cx: &mut Context<'_>) -> Poll<()>;

    /// Takes everything, when all have ended.
    fn all(outputs: &mut Self::Outputs) -> Self::All;
}

/// A [`Tuple`] of futures that give `Result`s with one type of error.
#[diagnostic::on_unimplemented(message = "`try_gather!` takes one to twelve futures of `Result`s with one error type")]
pub trait TryTuple: Tuple {
    /// A tuple of their values.
    type Values;
    /// The error of each.
    type Error;

    /// Takes the error in `place`, if there is one.
    fn error(outputs: &mut Self::Outputs, place: u32) -> Option<Self::Error>;

    /// Takes all values, when all have ended well.
    fn values(outputs: &mut Self::Outputs) -> Self::Values;
}

macro_rules! tuple {
    ($len:literal: $($place:tt $F:ident $T:ident),+) => {
        impl<$($F: Future),+> Tuple for ($(Option<$F>,)+) {
            type Outputs = ($(Option<$F::Output>,)+);
            type All = ($($F::Output,)+);
            const LEN: u32 = $len;

            fn poll(self: Pin<&mut Self>, place: u32, outputs: &mut Self::Outputs, cx: &mut Context<'_>) -> Poll<()> {
                match place {
                    $($place => {
                        // SAFETY: `map_unchecked_mut` asks for a field that stays where the tuple is: fields of a
                        // pinned tuple do, and nothing here moves one.
                        #[allow(unsafe_code, reason = "the projection from a pinned tuple to a field")]
                        let child = unsafe { self.map_unchecked_mut(|children| &mut children.$place) };
                        poll_into(child, &mut outputs.$place, cx)
                    })+
                    _ => unreachable!("the engine starts with places 0 to LEN and learns no others"),
                }
            }

            fn all(outputs: &mut Self::Outputs) -> Self::All {
                ($(outputs.$place.take().expect("every child has ended"),)+)
            }
        }

        impl<Error, $($F: Future<Output = Result<$T, Error>>, $T),+> TryTuple for ($(Option<$F>,)+) {
            type Values = ($($T,)+);
            type Error = Error;

            fn error(outputs: &mut Self::Outputs, place: u32) -> Option<Error> {
                match place {
                    $($place => outputs.$place.take_if(|result| result.is_err())?.err(),)+
                    _ => None,
                }
            }

            fn values(outputs: &mut Self::Outputs) -> Self::Values {
                ($(outputs.$place.take().and_then(Result::ok).expect("every child has ended well"),)+)
            }
        }
    };
}

fn poll_into<F: Future>(
    mut child: Pin<&mut Option<F>>,
    output: &mut Option<F::Output>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let Some(future) = child.as_mut().as_pin_mut() else { return Poll::Pending };
    *output = Some(ready!(future.poll(cx)));
    child.set(None);
    Poll::Ready(())
}

tuple!(1: 0 A TA);
tuple!(2: 0 A TA, 1 B TB);
tuple!(3: 0 A TA, 1 B TB, 2 C TC);
tuple!(4: 0 A TA, 1 B TB, 2 C TC, 3 D TD);
tuple!(5: 0 A TA, 1 B TB, 2 C TC, 3 D TD, 4 E TE);
tuple!(6: 0 A TA, 1 B TB, 2 C TC, 3 D TD, 4 E TE, 5 F TF);
tuple!(7: 0 A TA, 1 B TB, 2 C TC, 3 D TD, 4 E TE, 5 F TF, 6 G TG);
tuple!(8: 0 A TA, 1 B TB, 2 C TC, 3 D TD, 4 E TE, 5 F TF, 6 G TG, 7 H TH);
tuple!(9: 0 A TA, 1 B TB, 2 C TC, 3 D TD, 4 E TE, 5 F TF, 6 G TG, 7 H TH, 8 I TI);
tuple!(10: 0 A TA, 1 B TB, 2 C TC, 3 D TD, 4 E TE, 5 F TF, 6 G TG, 7 H TH, 8 I TI, 9 J TJ);
tuple!(11: 0 A TA, 1 B TB, 2 C TC, 3 D TD, 4 E TE, 5 F TF, 6 G TG, 7 H TH, 8 I TI, 9 J TJ, 10 K TK);
tuple!(12: 0 A TA, 1 B TB, 2 C TC, 3 D TD, 4 E TE, 5 F TF, 6 G TG, 7 H TH, 8 I TI, 9 J TJ, 10 K TK, 11 L TL);

#[cfg(test)]
mod tests {
    use crate::testing::{Gate, Parent, yields};
    use std::future::pending;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn children_of_different_types_give_a_tuple_in_the_order_of_the_arguments() {
        let (a, b) = (Gate::default(), Gate::default());
        let borrowed = String::from("borrowed");
        let mut parent = Parent::new(gather!(a.child(1), async { borrowed.as_str() }, b.child([2.0]), yields(2, '3')));
        parent.pending();
        b.open();
        assert_eq!(parent.wakes(), 2); // One for the yield, one for the gate, which no poll has come between.
        parent.pending();
        assert_eq!((a.polls(), b.polls(), b.drops()), (1, 2, 1));
        a.open();
        assert_eq!(parent.ready(), (1, "borrowed", [2.0], '3'));
        assert_eq!((a.polls(), a.drops()), (2, 1));
    }

    #[test]
    fn it_takes_one_to_twelve_children() {
        assert_eq!(Parent::new(gather!(async { 1 })).ready(), (1,));
        let twelve = gather!(
            yields(1, 1),
            yields(2, 2),
            yields(3, 3),
            yields(0, 4),
            yields(1, 5),
            yields(2, 6),
            yields(3, 7),
            yields(0, 8),
            yields(1, 9),
            yields(2, 10),
            yields(3, 11),
            yields(0, 12),
        );
        let (all, polls) = Parent::new(twelve).run();
        assert_eq!(all, (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
        assert_eq!(polls, 4);
    }

    #[test]
    fn the_first_error_is_returned_at_once_and_the_others_are_dropped() {
        let (a, b, c) = (Gate::default(), Gate::default(), Gate::default());
        let children = try_gather!(a.child(Ok::<u8, _>(1)), b.child(Err::<(), _>("no")), c.child(Err::<f32, _>("nor")));
        let mut parent = Parent::new(children);
        parent.pending();
        a.open();
        parent.pending();
        b.open();
        assert_eq!(parent.ready(), Err("no"));
        assert_eq!((a.drops(), b.drops(), c.drops()), (1, 1, 1));
        assert_eq!(c.polls(), 1);
        let again = catch_unwind(AssertUnwindSafe(|| _ = parent.poll())).unwrap_err();
        let message = again.downcast_ref::<&str>().unwrap();
        assert!(message.contains("polled again after it had returned"));
    }

    #[test]
    fn values_without_an_error_are_a_tuple() {
        let all = try_gather!(yields(1, Ok::<_, ()>(1)), async { Ok("two") });
        assert_eq!(Parent::new(all).run().0, Ok((1, "two")));
    }

    #[test]
    fn dropping_it_drops_the_children() {
        let (a, b) = (Gate::default(), Gate::default());
        let mut parent = Parent::new(gather!(a.child(()), b.child(())));
        parent.pending();
        let kept = a.waker();
        parent.drop_future();
        kept.wake();
        assert_eq!((a.drops(), b.drops(), parent.wakes()), (1, 1, 0));
    }

    #[test]
    fn it_is_send_when_its_children_are() {
        fn is<T: Send + Sync>(_: T) {}
        is(gather!(async { 1 }, pending::<()>()));
        is(try_gather!(async { Ok::<_, ()>(1) }));
    }

    #[test]
    fn the_children_lie_in_the_future_itself() {
        let big = async {
            let bytes = [1_u8; 4_096];
            yields(1, ()).await;
            bytes.len()
        };
        let size = size_of_val(&big);
        assert!(size_of_val(&gather!(big)) > size);
    }
}
