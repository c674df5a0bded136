//! What the program prints. That no job is lost, whatever ends it, is checked in `xtask/lab/tests/all/faults.rs`.

use testing::run;

/// With time to spare the timeout cannot come too early, however busy the machine is.
#[test]
fn prints_the_articles_lines() {
    let flags = "--speed 50 --timeout 1000";
    let printed = run(env!("CARGO_BIN_EXE_cancellation"), flags);
    assert_eq!((printed.code, &*printed.stderr), (Some(0), ""));
    insta::assert_snapshot!(printed.facts(), @r"
    All jobs sent, closing channel
    Result: [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    Sent job [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    Worker # finished (3 times)
    Worker # processing job [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    Worker pool shut down
    ");
    let position = |text| printed.lines.iter().position(|line| line == text);
    let closing = position("All jobs sent, closing channel");
    assert!(position("Sent job 10") < closing, "{:?}", printed.lines);
    assert_eq!(printed.last(), "Worker pool shut down");
}
