//! `gather!` and `try_gather!`: a few children of different types, in place and without an allocation for them.
//!
//! The children lie in a tuple inside the future itself, and the place of a child is the number of its field. The
//! engine is the same as for an iterator of children. A macro is needed only to find a field by its number.
//!
//! Read before: `join.rs`, `pinned.rs`.

use crate::join::{Children, Engine, Note};
use crate::pinned::{Map, Pinned, poll_child};
use std::convert::Infallible;
use std::ops::ControlFlow::{Break, Continue};
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
        $crate::tuple::gather(($(::core::option::Option::Some($crate::tuple::always($child)),)+))
    };
}

/// Awaits one to twelve futures of `Result`s together and gives a tuple of their values, or the first error at once.
///
/// The first error is the one that comes first in time. The other children are dropped then. All errors must be of one
/// type; the values may differ. All else is as in [`gather!`]. Its counterpart in asyncio is `gather` without
/// `return_exceptions`; in tokio it is `try_join!`.
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

/// What [`gather!`](crate::gather!) calls. Its children never fail.
#[track_caller]
pub fn gather<T: Tuple<Error = Infallible>>(children: T) -> impl Future<Output = T::Values> {
    Pinned::new(joined(runtime::Mark::new("gather!"), children), Map(|Ok(values): Result<_, _>| values))
}

/// A child of [`gather!`](crate::gather!): whatever it gives is a success.
pub fn always<F: Future>(child: F) -> impl Future<Output = Result<F::Output, Infallible>> {
    Pinned::new(child, Map(Ok))
}

/// What [`try_gather!`](crate::try_gather!) calls.
#[track_caller]
pub fn try_gather<T: Tuple>(children: T) -> impl Future<Output = Result<T::Values, T::Error>> {
    joined(runtime::Mark::new("try_gather!"), children)
}

/// The future of both macros.
fn joined<T: Tuple>(mark: runtime::Mark, children: T) -> impl Future<Output = Result<T::Values, T::Error>> {
    Pinned::new(children, (Engine::new(mark), State::<T::Stored>::default()))
}

/// What is known of the children.
#[derive(Default)]
struct State<S> {
    /// The values of those that have ended.
    stored: S,
    /// The engine's notes, one for each child.
    notes: [Note; 12],
    /// How many have been polled.
    started: u32,
    /// How many have ended.
    ended: u32,
}

impl<T: Tuple> Future for Pinned<T, (Engine, State<T::Stored>)> {
    type Output = Result<T::Values, T::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (children, (engine, state)) = self.project();
        let mut fields = (children, state);
        let error = ready!(engine.poll(&mut fields, cx, |_, result| result.map_or_else(Break, Continue)));
        let (mut children, state) = fields;
        Poll::Ready(match error {
            None => Ok(T::values(&mut state.stored)),
            Some(error) => {
                engine.finish();
                children.set(T::default());
                Err(error)
            }
        })
    }
}

/// The children of a tuple, and their state.
impl<T: Tuple> Children for (Pin<&mut T>, &mut State<T::Stored>) {
    type End = Result<(), T::Error>;

    fn len(&self) -> usize {
        T::LEN as usize
    }

    fn alive(&self) -> usize {
        (T::LEN - self.1.ended) as usize
    }

    fn start(&mut self) -> Option<u32> {
        let place = self.1.started;
        self.1.started += u32::from(place < T::LEN);
        (place < T::LEN).then_some(place)
    }

    fn poll(&mut self, place: u32, cx: &mut Context<'_>) -> Poll<Self::End> {
        let result = ready!(self.0.as_mut().poll(place, &mut self.1.stored, cx));
        self.1.ended += 1;
        Poll::Ready(result)
    }

    fn note(&mut self, number: u32) -> &mut Note {
        &mut self.1.notes[number as usize]
    }
}

/// What the poll of a child gives. The child's value is stored in [`Tuple::Stored`].
type Ended<E> = Poll<Result<(), E>>;

/// A tuple of `Option`s of one to twelve futures, which give `Result`s with one type of error.
#[diagnostic::on_unimplemented(message = "the macro takes one to twelve futures; in `try_gather!` with one error type")]
pub trait Tuple: Default {
    /// A tuple of `Option`s of their values.
    type Stored: Default;
    /// A tuple of their values.
    type Values;
    /// The error of each.
    type Error;
    /// How many.
    const LEN: u32;

    /// Polls the child in `place`. When the child ends, drops it and stores its value.
    fn poll(self: Pin<&mut Self>, place: u32, stored: &mut Self::Stored, cx: &mut Context<'_>) -> Ended<Self::Error>;

    /// Takes all values, when all have ended.
    fn values(stored: &mut Self::Stored) -> Self::Values;
}

macro_rules! tuple {
    ($($place:tt $F:ident $T:ident),+) => {
        impl<Error, $($F: Future<Output = Result<$T, Error>>, $T),+> Tuple for ($(Option<$F>,)+) {
            type Stored = ($(Option<$T>,)+);
            type Values = ($($T,)+);
            type Error = Error;
            const LEN: u32 = [$($place),+].len() as u32;

            fn poll(self: Pin<&mut Self>, place: u32, stored: &mut Self::Stored, cx: &mut Context<'_>) -> Ended<Error> {
                match place {
                    $($place => {
                        // SAFETY: `map_unchecked_mut` asks for a field that stays where the tuple is: fields of a
                        // pinned tuple do, and nothing here moves one.
                        #[allow(unsafe_code, reason = "the projection from a pinned tuple to a field")]
                        let child = unsafe { self.map_unchecked_mut(|children| &mut children.$place) };
                        poll_child(child, cx).map(|result| result.map(|value| stored.$place = Some(value)))
                    })+
                    _ => unreachable!("the engine knows only the places that it got from `start`"),
                }
            }

            fn values(stored: &mut Self::Stored) -> Self::Values {
                ($(stored.$place.take().expect("every child has ended"),)+)
            }
        }
    };
}

/// From one field to twelve: each tuple is the one before and a field more.
macro_rules! tuples {
    ([$($fields:tt)*]) => {};
    ([$($fields:tt)*] ($($next:tt)+) $($rest:tt)*) => {
        tuple!($($fields)* $($next)+);
        tuples!([$($fields)* $($next)+,] $($rest)*);
    };
}

tuples!([] (0 A TA) (1 B TB) (2 C TC) (3 D TD) (4 E TE) (5 F TF) (6 G TG) (7 H TH) (8 I TI) (9 J TJ) (10 K TK) (11 L TL));

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
        let message = again.downcast_ref::<String>().unwrap();
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
