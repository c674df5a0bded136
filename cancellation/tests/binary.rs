//! What the program prints, and how it takes its flags.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Runs the program and fails, instead of hanging, if it does not end.
fn cancellation(flags: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_cancellation"));
    program.args(flags);
    let (done, output) = mpsc::channel();
    thread::spawn(move || done.send(program.output()));
    let output = output.recv_timeout(Duration::from_secs(60));
    output
        .expect("it ends within a minute")
        .expect("the program can be started")
}

fn lines(text: &[u8]) -> Vec<String> {
    let text = str::from_utf8(text).expect("only text is printed");
    text.lines().map(without_worker).collect()
}

/// The line without the worker's id, which may differ from run to run.
fn without_worker(line: &str) -> String {
    let mut words: Vec<_> = line.split(' ').collect();
    if words[0] == "Worker" && words[1] != "pool" {
        words[1] = "#";
    }
    words.join(" ")
}

/// How often each line is there.
fn facts(lines: &[String]) -> BTreeMap<&str, usize> {
    let mut facts = BTreeMap::new();
    for line in lines {
        *facts.entry(line.as_str()).or_default() += 1;
    }
    facts
}

fn position(lines: &[String], line: &str) -> Option<usize> {
    lines.iter().position(|other| other == line)
}

/// The numbers of the jobs on the lines that read so, in order.
fn jobs(lines: &[String], before: &str, after: &str) -> Vec<usize> {
    let job = |line: &String| line.strip_prefix(before)?.strip_suffix(after)?.parse().ok();
    lines.iter().filter_map(job).collect()
}

/// With time to spare the timeout cannot come too early, however busy the machine is.
#[test]
fn prints_the_articles_lines() {
    let output = cancellation(&["--speed", "50", "--timeout", "1000"]);
    assert!(output.status.success());
    assert_eq!(lines(&output.stderr), [""; 0]);
    let lines = lines(&output.stdout);
    insta::assert_debug_snapshot!(facts(&lines), @r#"
    {
        "All jobs sent, closing channel": 1,
        "Result: 10": 1,
        "Result: 12": 1,
        "Result: 14": 1,
        "Result: 16": 1,
        "Result: 18": 1,
        "Result: 2": 1,
        "Result: 20": 1,
        "Result: 4": 1,
        "Result: 6": 1,
        "Result: 8": 1,
        "Sent job 1": 1,
        "Sent job 10": 1,
        "Sent job 2": 1,
        "Sent job 3": 1,
        "Sent job 4": 1,
        "Sent job 5": 1,
        "Sent job 6": 1,
        "Sent job 7": 1,
        "Sent job 8": 1,
        "Sent job 9": 1,
        "Worker # finished": 3,
        "Worker # processing job 1": 1,
        "Worker # processing job 10": 1,
        "Worker # processing job 2": 1,
        "Worker # processing job 3": 1,
        "Worker # processing job 4": 1,
        "Worker # processing job 5": 1,
        "Worker # processing job 6": 1,
        "Worker # processing job 7": 1,
        "Worker # processing job 8": 1,
        "Worker # processing job 9": 1,
        "Worker pool shut down": 1,
    }
    "#);

    for job in 1..=10 {
        let started = position(&lines, &format!("Worker # processing job {job}"));
        let ended = position(&lines, &format!("Result: {}", job * 2));
        assert!(started < ended, "job {job} ends after it starts");
    }
    let in_order = Vec::from_iter(1..=10);
    assert_eq!(jobs(&lines, "Sent job ", ""), in_order);
    assert_eq!(jobs(&lines, "Worker # processing job ", ""), in_order);
    assert!(
        position(&lines, "Sent job 10") < position(&lines, "All jobs sent, closing channel"),
        "the queue is closed after the last job"
    );
    assert_eq!(lines.last().expect("not empty"), "Worker pool shut down");
}

/// On a busy machine the timeout may come before the last jobs: then those must be accounted for.
#[test]
fn the_articles_timeout_loses_nothing() {
    let output = cancellation(&["--speed", "20"]);
    assert_eq!(output.status.code(), Some(0));
    assert_every_job_is_accounted_for(&output);
}

#[test]
fn jobs_that_never_started_are_named() {
    let output = cancellation(&["--speed", "20", "--timeout", "3"]);
    assert_eq!(output.status.code(), Some(0));
    let named = assert_every_job_is_accounted_for(&output);
    assert!(
        named.ends_with(&[7, 8, 9, 10]),
        "job 7 is due with the timeout, which comes first"
    );
}

#[test]
fn of_many_jobs_that_never_started_only_the_first_are_named() {
    for (jobs, last) in [
        ("20", "Job 20 never started"),
        ("30", "... nor did 10 more jobs"),
    ] {
        let output = cancellation(&["--timeout", "0", "--jobs", jobs]);
        let lines = lines(&output.stderr);
        assert_eq!(lines.last().map(String::as_str), Some(last), "{lines:?}");
    }
}

#[test]
fn a_timeout_of_0_starts_no_job() {
    let output = cancellation(&["--timeout", "0"]);
    assert_eq!(output.status.code(), Some(0));
    let named = assert_every_job_is_accounted_for(&output);
    assert_eq!(named, Vec::from_iter(1..=10));
    insta::assert_snapshot!(lines(&output.stdout).join("\n"), @r"
    Producer stopping due to context cancellation
    Worker # shutting down
    Worker # shutting down
    Worker # shutting down
    Worker pool shut down
    ");
}

#[test]
fn no_jobs_end_at_once() {
    let output = cancellation(&["--jobs", "0"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(lines(&output.stderr), [""; 0]);
    insta::assert_snapshot!(lines(&output.stdout).join("\n"), @r"
    All jobs sent, closing channel
    Worker # finished
    Worker # finished
    Worker # finished
    Worker pool shut down
    ");
}

/// Checks the output of 10 jobs on 3 workers, and returns the jobs that never started.
fn assert_every_job_is_accounted_for(output: &Output) -> Vec<usize> {
    let named = jobs(&lines(&output.stderr), "Job ", " never started");
    let lines = lines(&output.stdout);
    let facts = facts(&lines);
    let count = |line: &str| facts.get(line).copied().unwrap_or(0);

    let started = jobs(&lines, "Worker # processing job ", "");
    for &job in &started {
        assert_eq!(count(&format!("Sent job {job}")), 1);
        assert_eq!(count(&format!("Result: {}", job * 2)), 1);
    }
    assert_eq!(count("Consumer stopping due to context cancellation"), 0);
    assert_eq!(
        count("All jobs sent, closing channel")
            + count("Producer stopping due to context cancellation"),
        1
    );
    assert_eq!(
        count("Worker # shutting down") + count("Worker # finished"),
        3
    );
    assert_eq!(lines.last().expect("not empty"), "Worker pool shut down");
    assert_eq!([started, named.clone()].concat(), Vec::from_iter(1..=10));
    named
}
