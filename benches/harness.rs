//! The harness's own tests: medians and quartiles, verdicts beyond the noise, the null contestant, the tables.
//!
//! `cargo bench -p benches -- --test` runs them with the cases.

use benches::case::{Against, Case, Role, Round};
use benches::measure::{Effort, NULL, Outcome, Score, Verdict, judge, measure, median, quantile};
use benches::report::{Board, columns};
use benches::results::{HEADLINES, headlines, markdown};
use std::cell::RefCell;
use std::rc::Rc;

#[test]
fn medians_and_quartiles_lie_between_the_values() {
    assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
    assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
    let sorted = [1.0, 2.0, 3.0, 4.0, 5.0];
    assert_eq!([0.0, 0.25, 0.75, 1.0].map(|part| quantile(&sorted, part)), [1.0, 2.0, 4.0, 5.0]);
    assert_eq!(quantile(&[7.0], 0.25), 7.0);
}

#[test]
fn a_ratio_is_the_median_of_the_pairs_and_not_the_ratio_of_the_medians() {
    let score = Score::of("other", Role::Peer, &[(1.0, 3.0), (10.0, 10.0), (2.0, 8.0)], 2);
    assert_eq!((score.ratio, score.quartiles, score.range), (3.0, (2.0, 3.5), (1.0, 4.0)));
    assert_eq!((score.cost, score.costs, score.pairs), (4.0, (1.5, 5.0), 3));
}

#[test]
fn a_target_is_met_or_missed_only_beyond_the_noise() {
    assert_eq!(judge(2.2, 2.0, 1.1), Verdict::Met);
    assert_eq!(judge(2.1, 2.0, 1.1), Verdict::WithinNoise);
    assert_eq!(judge(2.0, 2.0, 1.1), Verdict::WithinNoise);
    assert_eq!(judge(1.9, 2.0, 1.1), Verdict::WithinNoise);
    assert_eq!(judge(1.8, 2.0, 1.1), Verdict::Missed);
    assert_eq!([2.0, 1.99].map(|ratio| judge(ratio, 2.0, 1.0)), [Verdict::Met, Verdict::Missed]);
}

#[test]
fn the_noise_is_the_farther_quartile_of_ours_against_ours() {
    let with_null = |ratios: [f64; 5]| {
        let pairs = ratios.map(|ratio| (1.0, ratio));
        Outcome { case: Case::new("s", "c", 1, "turn"), scores: vec![Score::of(NULL, Role::Null, &pairs, 1)] }
    };
    assert_eq!(with_null([0.1, 0.8, 1.0, 1.1, 9.0]).noise(), 1.25);
    assert_eq!(with_null([0.1, 0.9, 1.0, 1.5, 9.0]).noise(), 1.5);
    assert_eq!(with_null([1.0; 5]).noise(), 1.0);
}

#[test]
fn a_cost_in_place_of_a_ratio_is_judged_with_the_same_noise() {
    let verdict = |most: f64| {
        let case = Case::new("s", "c", 1, "task").target_at_most(most);
        let ours = Score::of("ours", Role::Ours, &[(100.0, 100.0)], 1);
        let null = Score::of(NULL, Role::Null, &[(1.0, 1.1)], 1);
        Outcome { case, scores: vec![ours, null] }.judged()[0].verdict
    };
    assert_eq!([111.0, 100.0, 90.0].map(verdict), [Verdict::Met, Verdict::WithinNoise, Verdict::Missed]);
}

/// A contestant whose rounds cost this, and that says when it is made and when it has its round.
fn says(name: &'static str, cost: f64, log: &Rc<RefCell<Vec<&'static str>>>) -> impl Fn() -> Round + use<> {
    let log = Rc::clone(log);
    move || {
        log.borrow_mut().push("new");
        let log = Rc::clone(&log);
        Box::new(move || {
            log.borrow_mut().push(name);
            cost
        })
    }
}

const TWO_PAIRS: Effort = Effort { pairs: 2, time: std::time::Duration::ZERO, at_least: 2 };

#[test]
fn ours_runs_against_each_other_in_turn_and_at_last_against_itself() {
    let log = Rc::default();
    let case = Case::new("s", "c", 1, "turn").target(2.0);
    let case = case.entry("ours", Role::Ours, says("ours", 10.0, &log));
    let outcome = measure(case.entry("other", Role::Peer, says("other", 25.0, &log)), TWO_PAIRS);
    let with_other = ["new", "new", "ours", "other", "ours", "other", "other", "ours"];
    let with_itself = ["new", "new", "ours", "ours", "ours", "ours", "ours", "ours"];
    assert_eq!(*log.borrow(), [with_other, with_itself].concat());
    let got: Vec<_> = outcome.scores.iter().map(|score| (score.name, score.ratio)).collect();
    assert_eq!(got, [("ours", 1.0), ("other", 2.5), (NULL, 1.0)]);
    assert_eq!(outcome.judged()[0].verdict, Verdict::Met);
}

#[test]
fn where_chance_decides_each_pair_has_new_contestants_and_the_spread_is_shown() {
    let log = Rc::default();
    let case = Case::new("s", "c", 1, "turn").spread().entry("ours", Role::Ours, says("ours", 10.0, &log));
    let outcome = measure(case.entry("other", Role::Tokio, says("other", 25.0, &log)), TWO_PAIRS);
    let pairs = ["new", "ours", "new", "other", "new", "other", "new", "ours"];
    assert_eq!(log.borrow()[..8], pairs);
    let cells = columns(&outcome);
    let full = |head: &str| cells.iter().find(|cell| cell.head == head).map(|cell| cell.full.as_str());
    assert_eq!(full("other"), Some("25.0 ns to 25.0 ns, 2.50 to 2.50×"));
    assert_eq!((full("× tokio"), full("× best peer")), (Some("—"), Some("—")));
}

/// An outcome with ours at 10 ns, and others at these ratios.
fn outcome(case: Case, others: &[(&'static str, Role, f64)]) -> Outcome {
    let mut scores = vec![Score::of("glassloop", Role::Ours, &[(10.0, 10.0)], 1)];
    scores.extend(others.iter().map(|&(name, role, ratio)| Score::of(name, role, &[(10.0, 10.0 * ratio)], 1)));
    scores.push(Score::of(NULL, Role::Null, &[(10.0, 10.0)], 1));
    Outcome { case, scores }
}

#[test]
fn who_polls_blindly_is_no_peer_and_has_a_column_of_its_own() {
    let mut case = Case::new("s", "c", 1, "child").target(1.3).target_to_blind(0.95);
    case.polls_a_wake = Some(5.5);
    let others = [("join_all", Role::Blind, 0.8), ("FuturesUnordered", Role::Peer, 2.0)];
    let outcome = outcome(case, &others);
    assert_eq!(outcome.best_peer().map(|score| score.name), Some("FuturesUnordered"));
    assert_eq!(outcome.best_other().map(|score| score.name), Some("join_all"));
    let cells: Vec<_> = columns(&outcome).into_iter().map(|cell| (cell.head, cell.full)).collect();
    let wanted = [
        ("glassloop", "10.0 ns"),
        ("FuturesUnordered", "20.0 ns, 2.00× (2.00 to 2.00)"),
        ("polls blindly", "join_all, 8.00 ns, 0.80× (0.80 to 0.80)"),
        ("its polls a wake", "5.5"),
        ("ours again", "1.00× (1.00 to 1.00)"),
        ("limit", "—"),
        ("× tokio", "—"),
        ("× best peer", "2.00× FuturesUnordered"),
        ("× limit", "—"),
        ("target", "1.3× peer, 0.95× blind"),
        ("verdict", "met, MISSED"),
    ];
    assert_eq!(cells, wanted.map(|(head, full)| (head, full.to_owned())));
}

#[test]
fn the_page_has_a_line_for_a_target_that_cases_share_and_says_what_a_ratio_is() {
    let mut board = Board::default();
    for (name, ratio) in [("a", 2.0), ("b", 0.9), ("c", 1.2)] {
        let mut case = Case::new("echo", name, 1, "message").target_to_tokio(1.1);
        if name == "a" {
            case = case.note("About a.");
        }
        _ = board.add(outcome(case, &[("tokio", Role::Tokio, ratio)]));
    }
    let page = markdown(&board);
    assert!(page.contains("| echo | 1.1× tokio | 2 | 0 | 1 | 0.90×, b |"), "{page}");
    assert!(page.contains("2 of 3 targets met, 0 within the noise"), "{page}");
    assert!(page.contains("**Note, a:** About a."), "{page}");
    assert!(page.contains("median of the ratios of the pairs"), "{page}");
    // A row begins with its case, and tests find its ratio to tokio by the column's name.
    assert!(page.contains("| b, per message | 10.0 ns | 9.00 ns, 0.90× (0.90 to 0.90) |"), "{page}");
}

#[test]
fn a_subjects_table_has_every_column_of_its_cases() {
    let mut board = Board::default();
    let case = |name: &'static str| Case::new("gather", name, 1, "child");
    let few = [("a", Role::Peer, 2.0), ("join_all", Role::Blind, 1.0)];
    _ = board.add(outcome(case("few"), &few));
    _ = board.add(outcome(case("many"), &[("a", Role::Peer, 2.0), ("join_all", Role::Peer, 3.0)]));
    let page = markdown(&board);
    let head = "| case | glassloop | a | join_all | polls blindly | its polls a wake | ours again |";
    assert!(page.contains(head), "{page}");
}

#[test]
fn the_readme_has_ten_rows_of_cases_that_exist() {
    let cases = benches::cases();
    let mut board = Board::default();
    for name in HEADLINES {
        let case = cases.iter().find(|case| case.name == name);
        let case = case.unwrap_or_else(|| panic!("no case is named {name}"));
        assert!(!case.spread, "{name} has no one figure");
        let others = [("tokio", Role::Tokio, 1.5), ("join_all", Role::Blind, 0.7), ("a", Role::Peer, 2.0)];
        _ = board.add(outcome(Case::new(case.subject, name, 1, case.each), &others));
    }
    let table = headlines(&board);
    for name in HEADLINES {
        let row = format!("| {name} | 10.0 ns | 15.0 ns | 1.50× | 7.00 ns join_all | 0.70× |\n");
        assert!(table.contains(&row), "{table}");
    }
    assert_eq!(table.lines().filter(|line| line.starts_with("| ")).count(), 12);
    assert!(!table.contains("targets"), "steering targets are no promise to a reader");
}

#[test]
fn every_case_has_ours_first_and_one_name_of_its_own() {
    let cases = benches::cases();
    let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
    for case in &cases {
        assert_eq!(case.entries[0].role, Role::Ours, "{}", case.name);
        for target in &case.targets {
            let role = match target.against {
                Against::Tokio => Role::Tokio,
                Against::Blind => Role::Blind,
                Against::Limit => Role::Limit,
                Against::Peer | Against::Itself => continue,
            };
            assert!(case.entries.iter().any(|entry| entry.role == role), "{} has no {role:?}", case.name);
        }
    }
}

#[test]
fn a_whole_run_is_over_in_less_than_twelve_minutes() {
    let contestants: usize = benches::cases().iter().map(|case| case.entries.len()).sum();
    let measuring = Effort::FULL.time * contestants as u32;
    // The rest is for warming up, for who takes longer than his time for his five pairs, and for the builds of `size`.
    assert!(measuring.as_secs() < 7 * 60, "{contestants} contestants take {measuring:?}");
}
