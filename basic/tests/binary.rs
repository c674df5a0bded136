//! What the program prints.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

fn basic(flags: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_basic"));
    let output = program.args(flags).output();
    output.expect("the program can be started")
}

fn lines(output: &Output) -> Vec<&str> {
    let stdout = str::from_utf8(&output.stdout).expect("only text is printed");
    stdout.lines().collect()
}

/// The line without the worker's id, which may differ from run to run.
fn without_worker(line: &str) -> String {
    let mut words: Vec<_> = line.split(' ').collect();
    if words[0] == "Worker" {
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

#[test]
fn prints_the_articles_lines() {
    let output = basic(&["--speed", "1000"]);
    assert!(output.status.success());
    let lines: Vec<_> = lines(&output).into_iter().map(without_worker).collect();
    insta::assert_debug_snapshot!(facts(&lines), @r#"
    {
        "Result: 10": 1,
        "Result: 2": 1,
        "Result: 4": 1,
        "Result: 6": 1,
        "Result: 8": 1,
        "Worker # processing job 1": 1,
        "Worker # processing job 2": 1,
        "Worker # processing job 3": 1,
        "Worker # processing job 4": 1,
        "Worker # processing job 5": 1,
    }
    "#);

    let position = |line: String| {
        let position = lines.iter().position(|other| *other == line);
        position.expect("the line is there")
    };
    for job in 1..=5 {
        let started = position(format!("Worker # processing job {job}"));
        let ended = position(format!("Result: {}", job * 2));
        assert!(started < ended, "job {job} ends after it starts");
    }
}

#[test]
fn one_worker_takes_the_jobs_in_order() {
    let output = basic(&["--speed", "1000", "--workers", "1", "--jobs", "3"]);
    let (work, results): (Vec<_>, Vec<_>) = lines(&output)
        .into_iter()
        .partition(|line| line.starts_with("Worker"));
    insta::assert_snapshot!([work, results].concat().join("\n"), @r"
    Worker 1 processing job 1
    Worker 1 processing job 2
    Worker 1 processing job 3
    Result: 2
    Result: 4
    Result: 6
    ");
}

/// The first lines of jobs that go on for longer than any test.
fn first_lines(number: usize, flags: &[&str]) -> Vec<String> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_basic"));
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
fn no_jobs_print_nothing() {
    let output = basic(&["--jobs", "0"]);
    assert!(output.status.success());
    assert_eq!(lines(&output), [""; 0]);
}
