//! The text of a schedule: where it differs from the loop's own order.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// One schedule of a program: at which steps the explorer chose something else than the loop, and what.
///
/// Its text is pairs `step:choice` with one space between them. Steps count from 0 and rise; a choice counts from 1, for
/// 0 is the loop's own. The empty text is the loop's own order. A schedule means something only for the program and the
/// options with which it was found.
///
/// ```
/// use runtime::explore::Schedule;
///
/// let schedule: Schedule = "3:1 7:2".parse()?;
/// assert_eq!(schedule.to_string(), "3:1 7:2");
/// assert_eq!("".parse::<Schedule>()?, Schedule::default());
/// let error = "7:2 3:1".parse::<Schedule>().unwrap_err();
/// assert!(error.to_string().contains("steps must rise"));
/// # Ok::<(), runtime::explore::ParseScheduleError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Schedule(pub(super) Vec<Deviation>);

/// A step at which a schedule differs from the loop's own order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Deviation {
    /// The step, from 0.
    pub(super) step: u32,
    /// What is chosen there, from 1.
    pub(super) choice: u32,
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Deviation { step, choice }) in self.0.iter().enumerate() {
            let space = if index > 0 { " " } else { "" };
            write!(f, "{space}{step}:{choice}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule(\"{self}\")")
    }
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseScheduleError(String);

impl fmt::Display for ParseScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ParseScheduleError {}

impl FromStr for Schedule {
    type Err = ParseScheduleError;

    fn from_str(text: &str) -> Result<Schedule, ParseScheduleError> {
        let mut deviations: Vec<Deviation> = Vec::new();
        // An empty text has no pair at all, and not an empty one.
        for pair in Some(text).filter(|text| !text.is_empty()).into_iter().flat_map(|text| text.split(' ')) {
            let wrong = |why: &str| {
                let form = "a schedule is pairs step:choice with one space between them, such as \"3:1 7:2\"";
                ParseScheduleError(format!("\"{pair}\" in the schedule \"{text}\": {why}; {form}"))
            };
            if pair.is_empty() {
                return Err(wrong("there is a space too many"));
            }
            let Some((step, choice)) = pair.split_once(':') else { return Err(wrong("there is no colon")) };
            let number = |what: &str, digits: &str| {
                let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                if !is_number {
                    return Err(wrong(&format!("the {what} is no number")));
                }
                if digits.len() > 1 && digits.starts_with('0') {
                    return Err(wrong(&format!("the {what} begins with a zero")));
                }
                digits.parse::<u32>().map_err(|_| wrong(&format!("the {what} is too big")))
            };
            let (step, choice) = (number("step", step)?, number("choice", choice)?);
            if choice == 0 {
                return Err(wrong("choices count from 1, for 0 is the loop's own"));
            }
            if deviations.last().is_some_and(|last| last.step >= step) {
                return Err(wrong("steps must rise"));
            }
            deviations.push(Deviation { step, choice });
        }
        Ok(Schedule(deviations))
    }
}
