//! What stands behind a command, and the list of all commands.

/// All commands.
pub(crate) const HELP: &str = "  cargo run -p course               what to do next
  cargo run -p course -- list       all lessons
  cargo run -p course -- 1          begin with lesson 1
  cargo run -p course -- check      check your answer
  cargo run -p course -- watch      checks at each save
  cargo run -p course -- hint       a hint; again: one more
  cargo run -p course -- reset      begin anew; your file is
                                    kept beside the new one,
                                    and the lesson counts as
                                    not begun
  cargo run -p course -- solution   our answer
  cargo run -p course -- step       the lesson's program on
                                    the real loop, as a page
  cargo run -p course -- debug      gdb on a program that
                                    hangs: lesson 14
  cargo run -p course -- loop 8     your own loop: rung 8
                                    with what is accepted
                                    of yours in it, run

  Each takes the number of a lesson, as in: check 1
  Without a number they mean the exercise that you saved
  last, if it has changed since it was accepted; otherwise
  the first one that is not accepted.
  check takes a seed, as in: check 1 --seed 128402149
  step --mine makes a page of your own loop, at the step
  that breaks a rule. It takes a seed, too.
  All texts in one file, to read in a browser: book
  Before and after the course: quiz before, quiz after
  Where you were stuck, and for how long: report
  For a teacher, who marks a class: check --json FOLDER
";

/// The faults of the real loop. The explorer knows them, too; but until it is built, who has mistyped one would wait.
pub(crate) const FAULTS: [&str; 6] =
    ["drop-wake:N", "wake-twice:N", "forget-waker:N", "lifo", "until-empty", "clear-late"];

/// Whether this is one of the faults, with a number from 1 in the place of an `N`.
fn is_fault(text: &str) -> bool {
    let is = |fault: &&str| match fault.strip_suffix('N') {
        Some(name) => text.strip_prefix(name).is_some_and(|n| n.parse::<usize>().is_ok_and(|n| n > 0)),
        None => text == *fault,
    };
    FAULTS.iter().any(is)
}

/// What stands behind a command.
#[derive(Default)]
pub(crate) struct Orders {
    /// The lesson that is named.
    pub(crate) lesson: Option<u32>,
    /// The seed of a check.
    pub(crate) seed: Option<u64>,
    /// The student's own loop, not the real one.
    pub(crate) mine: bool,
    /// A fault of the loop.
    pub(crate) what_if: Option<String>,
}

impl Orders {
    /// Reads the words behind a command; an error says what is wrong with them.
    pub(crate) fn parse(words: &[&str]) -> Result<Orders, String> {
        let mut orders = Orders::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if *word == "--mine" {
                orders.mine = true;
            } else if let Some(fault) = word.strip_prefix("--what-if") {
                let fault = fault.strip_prefix('=').or_else(|| words.next().copied()).filter(|it| !it.is_empty());
                let fault = fault.ok_or("--what-if takes a fault, as in: --what-if drop-wake:1")?;
                if !is_fault(fault) {
                    let (last, first) = FAULTS.split_last().expect("there are some");
                    return Err(format!("There is no fault \"{fault}\". There are {} and {last}.", first.join(", ")));
                }
                orders.what_if = Some(fault.to_owned());
            } else if let Some(seed) = word.strip_prefix("--seed") {
                let seed = seed.strip_prefix('=').or_else(|| words.next().copied()).unwrap_or_default();
                orders.seed = Some(seed.parse().map_err(|_| "--seed takes a number, as in: --seed 7".to_owned())?);
            } else if word.starts_with('-') {
                return Err(format!("There is no flag \"{word}\"."));
            } else {
                let number = word.parse().map_err(|_| format!("\"{word}\" is no number of a lesson."))?;
                if let Some(first) = orders.lesson {
                    return Err(format!("{first} and {number}: a command is for one lesson. Give one number."));
                }
                orders.lesson = Some(number);
            }
        }
        Ok(orders)
    }
}
