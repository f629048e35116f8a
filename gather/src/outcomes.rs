//! What to do with the results of a gather: tell successes from failures, and report every failure.
//!
//! Read before: nothing.

use std::{error::Error, fmt};

/// Sorts the `Result`s that a gather returned; each keeps its index in the input.
///
/// The idea is that of `GatherResults` in asyncio_tools. There, a cancelled child counts as a success, and there is an
/// exception even if nothing failed. Here, every error is a failure, and there is no compound error if nothing failed.
///
/// ```
/// use gather::{Outcomes, gather};
///
/// let results = runtime::block_on(gather(["1", "x", "3"].map(|text| async move { text.parse::<u32>() })));
/// assert_eq!(results.successes().collect::<Vec<_>>(), [(0, &1), (2, &3)]);
/// assert_eq!(results.failures().map(|(index, _)| index).collect::<Vec<_>>(), [1]);
/// let error = results.compound_error().unwrap();
/// assert_eq!(error.to_string(), "1 of 3 failed: [1] invalid digit found in string");
/// ```
pub trait Outcomes {
    /// What a success gives.
    type Value;
    /// What a failure gives.
    type Error;

    /// All results, in the order of the input.
    fn results(&self) -> &[Result<Self::Value, Self::Error>];

    /// The values, each with its index.
    fn successes(&self) -> impl Iterator<Item = (usize, &Self::Value)> {
        self.results().iter().enumerate().filter_map(|(index, result)| Some((index, result.as_ref().ok()?)))
    }

    /// The errors, each with its index.
    fn failures(&self) -> impl Iterator<Item = (usize, &Self::Error)> {
        self.results().iter().enumerate().filter_map(|(index, result)| Some((index, result.as_ref().err()?)))
    }

    /// One error that shows every failure, or `None` if nothing failed.
    fn compound_error(&self) -> Option<CompoundError>
    where
        Self::Error: fmt::Display,
    {
        let failures: Vec<_> = self.failures().map(|(index, error)| (index, error.to_string())).collect();
        (!failures.is_empty()).then_some(CompoundError { failures, total: self.results().len() })
    }
}

impl<T, E> Outcomes for [Result<T, E>] {
    type Value = T;
    type Error = E;

    fn results(&self) -> &[Result<T, E>] {
        self
    }
}

/// Every failure among the results of a gather, as texts. So it borrows nothing, and can be returned like any error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompoundError {
    /// Index and message of each.
    failures: Vec<(usize, String)>,
    /// How many results there are.
    total: usize,
}

impl CompoundError {
    /// The index and the message of each failure, in the order of the input; `exceptions` of Python's `ExceptionGroup`.
    ///
    /// ```
    /// use gather::Outcomes;
    ///
    /// let error = vec![Ok(1), Err("no"), Err("never")].compound_error().unwrap();
    /// assert_eq!(error.failures(), [(1, "no".to_owned()), (2, "never".to_owned())]);
    /// assert_eq!(error.to_string(), "2 of 3 failed: [1] no; [2] never");
    /// ```
    pub fn failures(&self) -> &[(usize, String)] {
        &self.failures
    }
}

impl fmt::Display for CompoundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failures: Vec<_> = self.failures.iter().map(|(index, message)| format!("[{index}] {message}")).collect();
        write!(f, "{} of {} failed: {}", failures.len(), self.total, failures.join("; "))
    }
}

impl Error for CompoundError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_is_a_success_or_a_failure_with_its_index() {
        let results = [Ok(1), Err("a"), Err("b"), Ok(4)];
        assert!(results.successes().eq([(0, &1), (3, &4)]));
        assert!(results.failures().eq([(1, &"a"), (2, &"b")]));
    }

    #[test]
    fn a_compound_error_shows_every_failure_and_is_none_without_one() {
        assert_eq!([Ok::<_, &str>(1), Ok(2)].compound_error(), None);
        assert_eq!(<[Result<(), &str>]>::compound_error(&[]), None);
        let error = [Err("a"), Ok(2), Err("b")].compound_error().unwrap();
        assert_eq!(error.to_string(), "2 of 3 failed: [0] a; [2] b");
        assert_eq!(error.failures(), [(0, "a".to_owned()), (2, "b".to_owned())]);
    }

    #[test]
    fn a_cancelled_task_is_a_failure() {
        let results = runtime::block_on(async {
            let task = runtime::spawn(std::future::pending::<()>());
            task.abort();
            [task.await]
        });
        assert_eq!(results.successes().count(), 0);
        assert_eq!(results.compound_error().unwrap().to_string(), "1 of 1 failed: [0] the task was cancelled");
    }
}
