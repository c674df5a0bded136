//! What the program prints.

use std::collections::BTreeMap;
use std::process::{Command, Output};

fn errors(flags: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_errors"));
    program
        .args(flags)
        .output()
        .expect("the program can be started")
}

fn lines(output: &Output) -> Vec<&str> {
    let stdout = str::from_utf8(&output.stdout).expect("only text is printed");
    stdout.lines().collect()
}

/// How often each line is there.
fn facts(output: &Output) -> BTreeMap<&str, usize> {
    let mut facts = BTreeMap::new();
    for line in lines(output) {
        *facts.entry(line).or_default() += 1;
    }
    facts
}

#[test]
fn prints_the_articles_lines() {
    let output = errors(&["--speed", "1000"]);
    assert!(output.status.success());
    insta::assert_debug_snapshot!(facts(&output), @r#"
    {
        "All workers completed": 1,
        "Job 1 completed: Result of job 1": 1,
        "Job 2 completed: Result of job 2": 1,
        "Job 3 error: job 3 failed": 1,
        "Job 4 completed: Result of job 4": 1,
        "Job 5 completed: Result of job 5": 1,
        "Processing job 1": 1,
        "Processing job 2": 1,
        "Processing job 3": 1,
        "Processing job 4": 1,
        "Processing job 5": 1,
    }
    "#);

    let lines = lines(&output);
    assert_eq!(lines.last(), Some(&"All workers completed"));
    let position = |start: &str| lines.iter().position(|line| line.starts_with(start));
    for job in 1..=5 {
        let started = position(&format!("Processing job {job}"));
        assert!(
            started < position(&format!("Job {job} ")),
            "job {job} ends after it starts"
        );
    }
}

#[test]
fn the_cause_goes_to_standard_error() {
    let output = errors(&["--speed", "1000", "--jobs", "8"]);
    let stderr = str::from_utf8(&output.stderr).expect("only text is printed");
    insta::assert_snapshot!(stderr, @r"
      because: timed out
      because: timed out
    ");
}

#[test]
fn one_worker_takes_the_jobs_in_order() {
    let output = errors(&["--speed", "1000", "--workers", "1", "--jobs", "4"]);
    let (work, results): (Vec<_>, Vec<_>) = lines(&output)
        .into_iter()
        .partition(|line| line.starts_with("Processing"));
    insta::assert_snapshot!([work, results].concat().join("\n"), @r"
    Processing job 1
    Processing job 2
    Processing job 3
    Processing job 4
    Job 1 completed: Result of job 1
    Job 2 completed: Result of job 2
    Job 3 error: job 3 failed
    Job 4 completed: Result of job 4
    All workers completed
    ");
}

#[test]
fn no_jobs_print_the_last_line_only() {
    let output = errors(&["--jobs", "0"]);
    assert!(output.status.success());
    assert_eq!(lines(&output), ["All workers completed"]);
}
