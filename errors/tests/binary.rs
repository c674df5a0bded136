//! What the program prints.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

fn errors(flags: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_errors"));
    let output = program.args(flags).env("RUST_BACKTRACE", "0").output();
    output.expect("the program can be started")
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

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).expect("only text is printed")
}

#[test]
fn the_cause_goes_to_standard_error() {
    let output = errors(&["--speed", "1000", "--jobs", "8"]);
    insta::assert_snapshot!(stderr(&output), @r"
      because: timed out
      because: timed out
    ");
}

/// The lines of one worker's jobs, and then those of their results: how the two mix may differ.
fn sorted_out(output: &Output) -> String {
    let lines = lines(output).into_iter();
    let (work, results): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("Processing"));
    [work, results].concat().join("\n")
}

#[test]
fn one_worker_takes_the_jobs_in_order() {
    let output = errors(&["--speed", "1000", "--workers", "1", "--jobs", "4"]);
    insta::assert_snapshot!(sorted_out(&output), @r"
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

/// The first lines of jobs that go on for longer than any test.
fn first_lines(number: usize, flags: &[&str]) -> Vec<String> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_errors"));
    program.args(flags).args(["--speed", "0.00001"]);
    let running = program.stdout(Stdio::piped()).spawn();
    let mut running = running.expect("the program can be started");
    let stdout = running.stdout.take().expect("it is piped");
    let (line, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut all = BufReader::new(stdout).lines().map_while(Result::ok);
        all.try_for_each(|text| line.send(text))
    });
    let lines = (0..number).map(|_| lines.recv_timeout(Duration::from_secs(30)));
    let lines: Result<Vec<_>, _> = lines.collect();
    running.kill().expect("it is still running");
    running.wait().expect("it has been killed");
    lines.expect("the program prints this many lines")
}

#[test]
fn as_many_jobs_run_at_once_as_there_are_workers() {
    for (flags, workers) in [(&[][..], 3), (&["--workers", "5"], 5)] {
        let lines = first_lines(workers, flags);
        let starts = lines.iter().filter(|line| line.contains("rocessing job"));
        assert_eq!(starts.count(), workers);
    }
}

#[test]
fn no_jobs_print_the_last_line_only() {
    let output = errors(&["--jobs", "0"]);
    assert!(output.status.success());
    assert_eq!(lines(&output), ["All workers completed"]);
}

#[test]
fn a_panic_is_contained_and_the_other_jobs_are_done() {
    let output = errors(&["--speed", "1000", "--workers", "1", "--panic", "2"]);
    assert!(output.status.success());
    insta::assert_snapshot!(sorted_out(&output), @r"
    Processing job 1
    Processing job 2
    Processing job 3
    Processing job 4
    Processing job 5
    Job 1 completed: Result of job 1
    Job 2 error: panicked: a bug in job 2
    Job 3 error: job 3 failed
    Job 4 completed: Result of job 4
    Job 5 completed: Result of job 5
    All workers completed
    ");
    let says_so = |line: &str| line.starts_with("thread 'worker 1'") && line.contains("panicked");
    assert!(stderr(&output).lines().any(says_so), "{}", stderr(&output));
}
