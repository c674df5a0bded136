//! What the program prints.

use testing::run;

#[test]
fn prints_the_articles_lines() {
    let printed = run(env!("CARGO_BIN_EXE_errors"), "--speed 1000");
    assert_eq!((printed.code, &*printed.stderr), (Some(0), ""));
    insta::assert_snapshot!(printed.facts(), @r"
    All workers completed
    Job 1 completed: Result of job [1]
    Job 2 completed: Result of job [2]
    Job 3 error: job 3 failed
    Job 4 completed: Result of job [4]
    Job 5 completed: Result of job [5]
    Processing job [1, 2, 3, 4, 5]
    ");
    assert_eq!(printed.last(), "All workers completed");
}

#[test]
fn a_panic_is_contained_and_the_other_jobs_are_done() {
    let flags = "--speed 1000 --workers 1 --panic 2";
    let printed = run(env!("CARGO_BIN_EXE_errors"), flags);
    assert_eq!(printed.code, Some(0));
    let mut jobs = printed.lines;
    jobs.retain(|line| line.starts_with("Job"));
    insta::assert_snapshot!(jobs.join("\n"), @r"
    Job 1 completed: Result of job 1
    Job 2 error: panicked: a bug in job 2
    Job 3 error: job 3 failed
    Job 4 completed: Result of job 4
    Job 5 completed: Result of job 5
    ");
    let stderr = printed.stderr;
    assert!(stderr.contains("thread 'worker 1'"), "{stderr}");
}
