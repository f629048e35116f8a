//! `little`: the rows that it measures, and the points that it draws.

use crate::process::run;

/// Limit, L, λ, W in milliseconds and λ × W of each row.
fn rows(text: &str) -> Vec<[f64; 5]> {
    let rows = text.lines().map(|line| line.trim_start_matches("//!").split_whitespace());
    let numbers = rows.map(|words| words.map_while(|word| word.parse().ok()).collect::<Vec<f64>>());
    numbers.filter_map(|numbers| numbers.try_into().ok()).collect()
}

#[test]
fn the_rows_are_those_of_the_doc_and_the_service_sets_the_knee() {
    let path = format!("{}/rows.svg", env!("CARGO_TARGET_TMPDIR"));
    let done = run("little", &[&path]);
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    assert!(done.stdout.ends_with(&format!("\ndrawn: {path}\n")), "{done:?}");
    let rows = rows(&done.stdout);
    let doc = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/little.rs")).expect("a source");
    assert_eq!(rows, self::rows(&doc), "the doc quotes what it prints");
    assert_eq!(rows.iter().map(|row| row[0] as u32).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 64]);
    let alone = rows[0][3];
    for [limit, counted, flow, time, product] in rows {
        // L is what the limit sets, but for the end, when fewer are left than may be in flight.
        assert!(counted <= limit && counted > 0.95 * limit, "L at limit {limit}");
        // A thousand calls at eight workers: λ is what so many in flight, or so many workers, can do in a call's time.
        let bound = limit.min(8.0) * 1e3 / alone;
        assert!(flow <= bound + 0.1 && flow > 0.98 * bound, "λ at limit {limit}");
        // W is the call alone up to the knee, and above it all that is added is the wait in line.
        assert!(time >= alone && (limit > 8.0 || time == alone), "W at limit {limit}");
        assert!((product - flow * time / 1e3).abs() < 0.05 && (counted - product).abs() < 0.005, "limit {limit}");
    }
}

#[test]
fn the_points_stand_on_the_law_where_the_rows_say() {
    let path = format!("{}/points.svg", env!("CARGO_TARGET_TMPDIR"));
    let done = run("little", &[&path]);
    let svg = std::fs::read_to_string(&path).expect("it was drawn");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    let attribute = |circle: &str, name: &str| -> f64 {
        let value = circle.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name}: {circle}"))
    };
    let circles: Vec<&str> = svg.lines().filter(|line| line.starts_with("<circle")).collect();
    let rows = rows(&done.stdout);
    assert_eq!((circles.len(), rows.len()), (7, 7));
    for (circle, [limit, counted, flow, time, product]) in circles.iter().zip(rows) {
        // 55 a doubling, from the corner at (60, 420).
        let (x, y) = (attribute(circle, "cx"), attribute(circle, "cy"));
        assert!((x - (60.0 + 55.0 * product.log2())).abs() < 0.5, "x at limit {limit}: {circle}");
        assert!((y - (420.0 - 55.0 * counted.log2())).abs() < 0.5, "y at limit {limit}: {circle}");
        assert!(svg.contains(&format!(">{limit}: {flow:.0}/s × {time:.0} ms</text>")), "the label at limit {limit}");
    }
}

#[test]
fn a_drawing_that_cannot_be_kept_is_refused_before_anything_is_measured() {
    let done = run("little", &["/no/such/folder/little.svg"]);
    assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{done:?}");
    assert!(done.stderr.starts_with("error: cannot draw /no/such/folder/little.svg: No such file"), "{done:?}");
    assert!(done.stderr.ends_with("; name a file in a folder that may be written to\n"), "{done:?}");
}

#[test]
fn a_file_that_is_no_drawing_stays_as_it_is() {
    let path = format!("{}/notes.txt", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, "mine").expect("the target folder takes files");
    let done = run("little", &[&path]);
    assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{done:?}");
    assert!(done.stderr.contains("it is there and no drawing, so it is not overwritten"), "{done:?}");
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "mine");
}
