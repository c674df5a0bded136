//! The figures that the program prints.

#[path = "../src/summary.rs"]
mod summary;

use std::time::Duration;

use summary::Summary;

/// Jobs that waited for so many seconds each, and took two at work.
fn summary(waited: impl IntoIterator<Item = u64>) -> Summary {
    let seconds = Duration::from_secs;
    Summary {
        peak_workers: 9,
        lived: seconds(64),
        peak_queue: 7,
        times: waited
            .into_iter()
            .map(|waited| (seconds(waited), seconds(2)))
            .collect(),
    }
}

#[test]
fn a_summary_has_the_figures_to_monitor() {
    insta::assert_snapshot!(summary([3, 0, 1, 2, 0, 5, 1, 2]), @r"
    Jobs done:      8
    Peak workers:   9
    Peak queue:     7 jobs
    Time in queue:  median 1.00s, 99th percentile 5.00s
    Time at work:   median 2.00s, 99th percentile 2.00s
    Workers worked: 25 % of their time
    ");
}

#[test]
fn no_jobs_in_no_time_have_no_figures() {
    let nothing = Summary {
        lived: Duration::ZERO,
        ..summary([])
    };
    insta::assert_snapshot!(nothing, @r"
    Jobs done:      0
    Peak workers:   9
    Peak queue:     7 jobs
    Time in queue:  no jobs
    Time at work:   no jobs
    Workers worked: 0 % of their time
    ");
}

#[test]
fn percentiles_are_of_the_nearest_rank() {
    for (jobs, median, most) in [
        (1, 1, 1),
        (2, 1, 2),
        (3, 2, 3),
        (99, 50, 99),
        (100, 50, 99),
        (101, 51, 100),
        (1000, 500, 990),
    ] {
        let summary = summary((1..=jobs).rev()).to_string();
        let line = format!("median {median}.00s, 99th percentile {most}.00s");
        assert!(summary.contains(&line), "{jobs} jobs: {summary}");
    }
}
