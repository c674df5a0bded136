//! What the program prints, and how it takes its flags.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Runs the program and fails, instead of hanging, if it does not end.
fn rate_limited(flags: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_rate-limited"));
    program.args(flags);
    let (done, output) = mpsc::channel();
    thread::spawn(move || done.send(program.output()));
    let output = output.recv_timeout(Duration::from_secs(60));
    output
        .expect("it ends within a minute")
        .expect("the program can be started")
}

fn lines(output: &Output) -> Vec<String> {
    let stdout = str::from_utf8(&output.stdout).expect("only text is printed");
    stdout.lines().map(without_worker).collect()
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

/// Checks that so many jobs start in order and end after they start.
fn assert_in_order(lines: &[String], jobs: usize) {
    let starts = lines.iter().filter(|line| line.starts_with("Worker"));
    let expected = (1..=jobs).map(|job| format!("Worker # processing job {job}"));
    assert!(starts.cloned().eq(expected), "jobs start in order");

    let position = |line: String| lines.iter().position(|other| *other == line);
    for job in 1..=jobs {
        let started = position(format!("Worker # processing job {job}"));
        assert!(
            started < position(format!("Result: {}", job * 2)),
            "job {job} ends after it starts"
        );
    }
}

#[test]
fn prints_the_articles_lines() {
    let begin = Instant::now();
    let output = rate_limited(&["--speed", "50"]);
    let time = begin.elapsed();
    assert!(output.status.success());
    assert_eq!(str::from_utf8(&output.stderr), Ok(""));
    let lines = lines(&output);
    insta::assert_debug_snapshot!(facts(&lines), @r#"
    {
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
    }
    "#);
    assert_in_order(&lines, 10);
    assert!(
        time >= Duration::from_secs_f64(5.1 / 50.0),
        "5.1 of the article's seconds at least, not {time:?}"
    );
}

#[test]
fn takes_a_rate_and_a_burst() {
    let begin = Instant::now();
    let flags = ["--speed", "50", "--rate", "1", "--burst", "3"];
    let output = rate_limited(&[&flags[..], &["--jobs", "5", "--workers", "8"]].concat());
    let time = begin.elapsed();
    assert!(output.status.success());
    assert_in_order(&lines(&output), 5);
    assert!(
        time >= Duration::from_secs_f64(5.1 / 50.0),
        "5.1 of the article's seconds at least, not {time:?}"
    );
}

#[test]
fn any_rate_above_0_will_do() {
    for rate in ["1e9", "1e99"] {
        let output = rate_limited(&["--speed", "100", "--rate", rate, "--jobs", "5"]);
        assert!(output.status.success(), "{rate}");
        assert_in_order(&lines(&output), 5);
    }
}

#[test]
fn one_worker_takes_the_jobs_in_order() {
    let output = rate_limited(&["--speed", "50", "--workers", "1", "--jobs", "3"]);
    let (work, results): (Vec<_>, Vec<_>) = lines(&output)
        .into_iter()
        .partition(|line| line.starts_with("Worker"));
    insta::assert_snapshot!([work, results].concat().join("\n"), @r"
    Worker # processing job 1
    Worker # processing job 2
    Worker # processing job 3
    Result: 2
    Result: 4
    Result: 6
    ");
}

/// Nobody waits for a start that no job is left for, which would take years here.
#[test]
fn no_jobs_print_nothing() {
    let output = rate_limited(&["--jobs", "0", "--rate", "1e-9"]);
    assert!(output.status.success());
    assert_eq!(lines(&output), [""; 0]);
}
