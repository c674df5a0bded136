//! `examples/fetch.rs`, run as a person does, against its own server.

use std::thread;

use testing::{example, with_deadline};

/// The lines that the example prints.
fn fetch(flags: &[&str]) -> Vec<String> {
    let mut fetch = example("fetch");
    fetch.args(flags);
    let output = with_deadline(move || fetch.output().expect("the example can be started"));
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).expect("only text is printed");
    text.lines().map(String::from).collect()
}

/// The server refuses what comes beyond 24 requests in a second, so it notices a rate of 12 only if requests are a second
/// late. How many workers there are does not matter.
#[test]
fn no_number_of_workers_meets_the_servers_limit() {
    let test = |workers| {
        let lines = fetch(&["--rate", "12", "--workers", workers]);
        assert_eq!(lines.len(), 40);
        let refused = lines
            .iter()
            .filter(|line| !line.starts_with("200  http://127.0.0.1:"));
        assert_eq!(Vec::from_iter(refused), [""; 0], "{workers} workers");
    };
    thread::scope(|scope| {
        scope.spawn(|| test("1"));
        test("50");
    });
}

/// 40 requests start at once.
#[test]
fn a_limit_for_each_worker_is_none() {
    let lines = fetch(&["--rate", "12", "--each"]);
    assert!(
        lines.iter().any(|line| line.starts_with("429  ")),
        "{lines:?}"
    );
}

#[test]
fn what_is_no_url_has_a_line_and_the_rest_is_done() {
    let mut lines = fetch(&["nonsense", "http://127.0.0.1", "http://127.0.0.1:1/"]);
    lines.sort();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        lines[1..],
        [
            "invalid input parameter  nonsense",
            "invalid socket address  http://127.0.0.1"
        ]
    );
}
