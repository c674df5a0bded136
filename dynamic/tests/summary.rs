//! The figures that the program prints.

#[path = "../src/summary.rs"]
mod summary;

use std::time::Duration;

use summary::{Done, Summary};

#[test]
fn a_summary_has_the_figures_to_monitor() {
    let seconds = Duration::from_secs;
    let mut summary = Summary::default();
    for (waited, busy) in [(3, 1), (0, 2), (1, 4), (2, 4), (5, 3), (1, 1)] {
        summary.add(&Done {
            in_queue: seconds(waited),
            at_work: seconds(2),
            busy,
        });
    }
    summary.peak_queue = 7;
    summary.elapsed = seconds(8);
    insta::assert_snapshot!(summary, @r"
    Jobs done:      6
    Peak queue:     7 jobs
    Time in queue:  average 2.00s, longest 5.00s
    Time at work:   average 2.00s, longest 2.00s
    Workers busy:   average 1.5, most 4
    ");
}

#[test]
fn no_jobs_in_no_time_have_no_figures() {
    insta::assert_snapshot!(Summary::default(), @r"
    Jobs done:      0
    Peak queue:     0 jobs
    Time in queue:  no jobs
    Time at work:   no jobs
    Workers busy:   average 0.0, most 0
    ");
}
