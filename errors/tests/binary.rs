//! What the program prints.

use std::collections::BTreeMap;
use std::process::{Command, Output};

fn errors(flags: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_errors"));
    let output = program.args(flags).output();
    output.expect("the program can be started")
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("only text is printed")
}

/// How often each line is there.
fn facts(output: &Output) -> BTreeMap<&str, usize> {
    let mut facts = BTreeMap::new();
    for line in text(&output.stdout).lines() {
        *facts.entry(line).or_default() += 1;
    }
    facts
}

#[test]
fn prints_the_articles_lines() {
    let output = errors(&["--speed", "1000"]);
    assert!(output.status.success());
    assert_eq!(text(&output.stderr), "");
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

    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert_eq!(lines.last(), Some(&"All workers completed"));
    let position = |start: String| {
        let position = lines.iter().position(|line| line.starts_with(&start));
        position.expect("the line is there")
    };
    for job in 1..=5 {
        let started = position(format!("Processing job {job}"));
        let ended = position(format!("Job {job} "));
        assert!(started < ended, "job {job} ends after it starts");
    }
}

#[test]
fn a_panic_is_contained_and_the_other_jobs_are_done() {
    let output = errors(&["--speed", "1000", "--workers", "1", "--panic", "2"]);
    assert!(output.status.success());
    insta::assert_debug_snapshot!(facts(&output), @r#"
    {
        "All workers completed": 1,
        "Job 1 completed: Result of job 1": 1,
        "Job 2 error: panicked: a bug in job 2": 1,
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
    let stderr = text(&output.stderr);
    let says_so = |line: &str| line.starts_with("thread 'worker 1'") && line.contains("panicked");
    assert!(stderr.lines().any(says_so), "{stderr}");
}
