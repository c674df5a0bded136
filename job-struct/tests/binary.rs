//! What the program prints.

use testing::{Printed, run};

fn job_struct(flags: &str) -> Printed {
    run(env!("CARGO_BIN_EXE_job-struct"), flags)
}

#[test]
fn prints_the_articles_lines() {
    let printed = job_struct("--speed 1000");
    assert_eq!(printed.code, Some(0));
    insta::assert_snapshot!(printed.facts(), @r"
    All workers completed
    Job 1 result: Processed: Job [1]
    Job 2 result: [4]
    Job 3 result: Processed: Job [3]
    Job 4 result: [8]
    Job 5 result: Processed: Job [5]
    Worker # processing job [1, 2, 3, 4, 5]
    ");
}

/// However the jobs end, and however many there are: more than the two queues hold.
#[test]
fn results_come_in_order_of_submission_and_the_end_comes_last() {
    let printed = job_struct("--speed 1e6 --workers 8 --jobs 3000");
    let results = printed.lines.iter().filter(|line| line.starts_with("Job"));
    let expected = (1..=3000).map(|job| match job % 2 {
        0 => format!("Job {job} result: {}", job * 2),
        _ => format!("Job {job} result: Processed: Job {job}"),
    });
    assert!(expected.eq(results.cloned()), "{:?}", printed.lines);
    assert_eq!(printed.last(), "All workers completed");
}

#[test]
fn a_lost_job_ends_the_program() {
    let printed = job_struct("--speed 1000 --panic 3");
    assert_eq!(printed.code, Some(1));
    let lines = printed.lines.iter();
    let results = lines.filter(|line| !line.starts_with("Worker"));
    let expected = ["Job 1 result: Processed: Job 1", "Job 2 result: 4"];
    assert_eq!(Vec::from_iter(results), expected);
    let error = "job-struct: job 3 was lost: receiving on a closed channel";
    assert_eq!(printed.stderr.lines().last(), Some(error));
}
