//! What an answer says of a step: the fields of `say!`, of whatever types they are.

use std::any::Any;
use std::fmt::{self, Debug};
use std::time::{Duration, Instant};

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, or what nobody can read.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number; of a duration, its nanoseconds.
    Number(u64),
    /// A moment.
    Moment(Instant),
    /// Anything else, as `{:?}` shows it: a ticket, the key of a timer.
    Text(String),
    /// Several.
    List(Vec<Value>),
}

/// The name of a field, and its value.
pub type Field = (&'static str, Value);

/// A value that is told. Two traits give it: [`ViaDebug`] if there is one, otherwise [`ViaNothing`]; a method call takes the
/// first one that fits.
pub struct Told<'a, T: ?Sized>(pub &'a T);

impl<T: ?Sized> Debug for Told<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

/// Of what can be shown.
pub trait ViaDebug {
    /// The value.
    fn value(&self) -> Value;
}

/// Of all else: it is not known.
pub trait ViaNothing {
    /// Nothing.
    fn value(&self) -> Value;
}

impl<T: Debug + 'static> ViaDebug for Told<'_, T> {
    fn value(&self) -> Value {
        Value::of(self.0)
    }
}

impl<T: ?Sized> ViaNothing for &Told<'_, T> {
    fn value(&self) -> Value {
        Value::Null
    }
}

impl Value {
    /// The value of anything that can be shown.
    pub fn of<T: Debug + 'static>(it: &T) -> Value {
        let any = it as &dyn Any;
        if let Some(is) = any.downcast_ref::<bool>() {
            return Value::Bool(*is);
        }
        if let Some(moment) = any.downcast_ref::<Instant>() {
            return Value::Moment(*moment);
        }
        if let Some(Some(moment)) = any.downcast_ref::<Option<Instant>>() {
            return Value::Moment(*moment);
        }
        let duration = any.downcast_ref::<Duration>().copied();
        if let Some(duration) = duration.or(any.downcast_ref::<Option<Duration>>().copied().flatten()) {
            return Value::Number(duration.as_nanos() as u64);
        }
        let text = any.downcast_ref::<&str>().map(|text| (*text).to_owned()).unwrap_or_else(|| format!("{it:?}"));
        match (text.as_str(), text.parse()) {
            ("None", _) => Value::Null,
            (_, Ok(number)) => Value::Number(number),
            _ => Value::Text(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Told, Value, ViaDebug as _, ViaNothing as _};
    use std::time::Duration;

    #[test]
    #[expect(clippy::needless_borrow, reason = "`say!` borrows, for what cannot be shown needs it")]
    fn a_field_of_any_type_has_a_value() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "it is shown only")]
        struct Ticket(u32);
        struct Secret;
        assert_eq!((&Told(&7_usize)).value(), Value::Number(7));
        assert_eq!((&Told(&true)).value(), Value::Bool(true));
        assert_eq!((&Told(&Some(Duration::from_micros(1)))).value(), Value::Number(1_000));
        assert_eq!((&Told(&None::<Duration>)).value(), Value::Null);
        assert_eq!((&Told(&Ticket(3))).value(), Value::Text("Ticket(3)".to_owned()));
        assert_eq!((&Told(&Secret)).value(), Value::Null);
    }
}
