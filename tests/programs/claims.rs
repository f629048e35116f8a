//! `claims`: what each of them comes to.

use crate::process::run;

#[test]
fn each_claim_comes_to_the_same_numbers_in_every_run() {
    let done = run("claims", &[]);
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    let expected = [
        "1 s are over",
        "2 s are over",
        "3 s are over",
        "results [3, 1, 2] after 3s",
        "a permit around the gather:   100 at once",
        "a permit around each request:  10 at once",
        "gather(…).limit(10):           10 at once",
        "limit None:     1000 of 1000 requests existed at once",
        "limit Some(10):   10 of 1000 requests existed at once",
        "timeout(3 s, gather):        Err(Elapsed(()))",
        "a timeout for each child:    [Ok(()), Ok(()), Err(Elapsed(()))]",
        "as_completed until then:     [0, 1], and then Err(Elapsed(()))",
        "try_gather:       an error: true, after 1s; 1 of 3 ended",
        "try_gather_tasks: an error: true, after 1s; 3 of 3 ended",
        "limit 500: 500 open at once",
        "limit  10:  10 open at once",
    ];
    let lines = done.stdout.lines().filter_map(|line| line.strip_prefix("   "));
    let shown: Vec<&str> = lines.filter(|line| !line.starts_with("True") && !line.starts_with("wait_for")).collect();
    assert_eq!(shown, expected);
    for number in 1..=6 {
        done.says(&format!("{number}. \""));
    }
}

#[test]
fn one_claim_can_be_asked_for_by_its_number() {
    let done = run("claims", &["3"]);
    assert_eq!(done.stdout.lines().filter(|line| line.starts_with(char::is_numeric)).count(), 1, "{done:?}");
    done.says("3. \"Hand gather a generator");
    for nonsense in ["0", "7", "all"] {
        let done = run("claims", &[nonsense]);
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{done:?}");
    }
}
