//! What the program prints. That no job is lost, whatever ends it, is checked in `xtask/lab/tests/all/faults.rs`; how
//! fast jobs start, with a simulated clock in `limiter.rs` and `pool.rs`.

use testing::{Printed, run};

fn rate_limited(flags: &str) -> Printed {
    let printed = run(env!("CARGO_BIN_EXE_rate-limited"), flags);
    assert_eq!((printed.code, &*printed.stderr), (Some(0), ""));
    printed
}

#[test]
fn prints_the_articles_lines() {
    let printed = rate_limited("--speed 50");
    insta::assert_snapshot!(printed.facts(), @r"
    Result: [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    Worker # processing job [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    ");
}

/// Three jobs of those that come after the pause start at once; each is in flight when the next one starts.
#[test]
fn after_a_pause_as_many_jobs_start_at_once_as_the_burst_says() {
    let lines = rate_limited("--speed 8 --jobs 6 --pause 3 --burst 3").lines;
    let at_once = ["job 4", "job 5", "job 6"].map(|job| format!("Worker # processing {job}"));
    assert!(lines.windows(3).any(|lines| lines == at_once), "{lines:?}");
}

#[test]
fn a_rate_may_be_any_number_above_0() {
    for rate in ["1e9", "1e99"] {
        let printed = rate_limited(&format!("--speed 100 --jobs 5 --rate {rate}"));
        assert_eq!(printed.lines.len(), 10, "{rate}");
    }
}
