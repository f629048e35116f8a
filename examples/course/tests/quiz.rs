//! The quiz: what counts as right is what the program of the question prints.

#[path = "../quiz/programs.rs"]
mod programs;

use course::quiz::questions;
use programs::{PROGRAMS, printed};

#[test]
fn the_right_answer_is_what_the_program_prints() {
    let asked: Vec<_> = questions().into_iter().filter(|it| it.code.is_some()).collect();
    assert_eq!(asked.len(), PROGRAMS.len());
    for question in asked {
        let name = format!("{}{}", question.form, question.number);
        let program = PROGRAMS.iter().find(|(of, _)| *of == name).unwrap_or_else(|| panic!("no program {name}")).1;
        let says = printed(program);
        let right: Vec<_> = question.options.iter().filter(|(_, belief)| belief.is_none()).collect();
        assert_eq!(right.len(), 1, "{name}");
        assert_eq!(right[0].0, says, "{name}");
        let others = question.options.iter().filter(|(text, belief)| belief.is_some() && *text == says);
        assert_eq!(others.count(), 0, "{name}");
    }
}
