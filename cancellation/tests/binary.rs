//! What the program prints, and how it takes its flags and signals.

use std::collections::BTreeMap;
#[cfg(unix)]
use std::io::{BufRead, BufReader};
#[cfg(unix)]
use std::process::{Child, Stdio};
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a test waits for the program.
const DEADLINE: Duration = Duration::from_secs(60);

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_cancellation"))
}

/// Runs the program and fails, instead of hanging, if it does not end.
fn cancellation(flags: &[&str]) -> Output {
    let mut program = program();
    program.args(flags);
    let (done, output) = mpsc::channel();
    thread::spawn(move || done.send(program.output()));
    let output = output.recv_timeout(DEADLINE);
    output
        .expect("it ends in time")
        .expect("the program can be started")
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("only text is printed")
}

fn lines(printed: &[u8]) -> Vec<String> {
    text(printed).lines().map(without_worker).collect()
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

fn position(lines: &[String], line: &str) -> usize {
    let position = lines.iter().position(|other| other == line);
    position.unwrap_or_else(|| panic!("{line:?} is not printed"))
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
    assert_every_job_is_accounted_for(&output, 3);
}

#[test]
fn jobs_that_never_started_are_named() {
    let output = cancellation(&["--speed", "20", "--timeout", "3", "--workers", "1"]);
    assert_eq!(output.status.code(), Some(0));
    let named = assert_every_job_is_accounted_for(&output, 1);
    assert!(
        named.ends_with(&[5, 6, 7, 8, 9, 10]),
        "job 4 may just start, the others are too late: {named:?}"
    );
}

#[test]
fn of_many_jobs_that_never_started_only_the_first_20_are_named() {
    for jobs in [24, 1000, usize::MAX] {
        let flags = ["--timeout", "2", "--speed", "20", "--jobs"];
        let output = cancellation(&[&flags[..], &[&jobs.to_string()]].concat());
        let started = lines(&output.stdout);
        let started = self::jobs(&started, "Worker # processing job ", "").len();
        let named = (started + 1..=jobs).take(20);
        let mut expected = Vec::from_iter(named.map(|job| format!("Job {job} never started")));
        let more = jobs - started - expected.len();
        if more > 0 {
            expected.push(format!("... nor did {more} more"));
        }
        assert_eq!(lines(&output.stderr), expected);
    }
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

/// Checks the output of 10 jobs, and returns the jobs that never started.
fn assert_every_job_is_accounted_for(output: &Output, workers: usize) -> Vec<usize> {
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
        workers
    );
    assert_eq!(lines.last().expect("not empty"), "Worker pool shut down");
    assert_eq!([started, named.clone()].concat(), Vec::from_iter(1..=10));
    named
}

/// Job 2 is in flight, and jobs 3 and 4 wait in the queue.
#[cfg(unix)]
#[test]
fn the_first_signal_finishes_the_jobs_in_flight_and_loses_none() {
    let test = |signal| {
        let mut running = Running::start(&["--workers", "1", "--speed", "2"]);
        running.wait_for("Sent job 4");
        send(signal, &running.program);
        let output = running.end();
        assert_eq!(output.status.code(), Some(130), "{signal}");
        assert_every_job_is_accounted_for(&output, 1);
    };
    thread::scope(|scope| {
        for signal in ["INT", "TERM"] {
            scope.spawn(move || test(signal));
        }
    });
}

/// The timeout comes while job 1 is in flight, which goes on for a second.
#[cfg(unix)]
#[test]
fn after_the_timeout_the_first_signal_lets_the_job_in_flight_finish() {
    let flags = ["--workers", "1", "--speed", "1", "--timeout", "0.1"];
    let mut running = Running::start(&flags);
    running.wait_for("Producer stopping due to context cancellation");
    send("INT", &running.program);
    let output = running.end();
    assert_eq!(output.status.code(), Some(130));
    let named = assert_every_job_is_accounted_for(&output, 1);
    assert_eq!(named, Vec::from_iter(2..=10));
}

/// The timeout comes after a tenth of a second. The pause takes 500 seconds, and the job in flight 1000.
#[cfg(unix)]
#[test]
fn the_cancel_ends_the_pause_and_the_second_signal_ends_all() {
    let flags = ["--workers", "1", "--speed", "0.001", "--timeout", "1e-4"];
    let mut running = Running::start(&flags);
    running.wait_for("Producer stopping due to context cancellation");
    send("INT", &running.program);
    send("TERM", &running.program);
    let output = running.end();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(text(&output.stderr), "");
}

/// A program that runs, and the lines that it prints.
#[cfg(unix)]
struct Running {
    program: Child,
    lines: mpsc::Receiver<String>,
    seen: Vec<String>,
}

#[cfg(unix)]
impl Running {
    fn start(flags: &[&str]) -> Self {
        let mut program = program()
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let stdout = program.stdout.take().expect("stdout is piped");
        let (line, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut all = BufReader::new(stdout).lines().map_while(Result::ok);
            all.try_for_each(|text| line.send(text))
        });
        let seen = Vec::new();
        Self {
            program,
            lines,
            seen,
        }
    }

    /// Waits until the program prints this line.
    fn wait_for(&mut self, expected: &str) {
        while self.seen.last().is_none_or(|line| line != expected) {
            let Ok(line) = self.lines.recv_timeout(DEADLINE) else {
                _ = self.program.kill();
                panic!("{expected:?} is not printed: {:?}", self.seen);
            };
            self.seen.push(line);
        }
    }

    /// Waits until the program has ended.
    fn end(mut self) -> Output {
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) => self.seen.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    _ = self.program.kill();
                    panic!("it does not end: {:?}", self.seen);
                }
            }
        }
        let output = self.program.wait_with_output();
        let output = output.expect("the program was started");
        Output {
            stdout: self.seen.join("\n").into(),
            ..output
        }
    }
}

/// Sends the signal of this name.
#[cfg(unix)]
fn send(signal: &str, program: &Child) {
    let process = program.id().to_string();
    let kill = Command::new("kill").args(["-s", signal, &process]).status();
    assert!(kill.expect("there is a kill").success());
}
