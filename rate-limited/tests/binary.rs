//! What the program prints, and how it takes its flags and signals.

use std::collections::BTreeMap;
#[cfg(unix)]
use std::io::{BufRead, BufReader};
#[cfg(unix)]
use std::process::{Child, Stdio};
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for the program.
const DEADLINE: Duration = Duration::from_secs(60);

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_rate-limited"))
}

/// Runs the program and fails, instead of hanging, if it does not end.
fn rate_limited(flags: &[&str]) -> Output {
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

fn lines(output: &Output) -> Vec<String> {
    text(&output.stdout).lines().map(without_worker).collect()
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

    let position = |line: String| {
        let position = lines.iter().position(|other| *other == line);
        position.unwrap_or_else(|| panic!("{line:?} is not printed"))
    };
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
fn the_rate_is_for_all_workers_together() {
    let begin = Instant::now();
    let flags = ["--speed", "50", "--rate", "1", "--jobs", "5"];
    let output = rate_limited(&[&flags[..], &["--workers", "8"]].concat());
    let time = begin.elapsed();
    assert!(output.status.success());
    assert_in_order(&lines(&output), 5);
    assert!(
        time >= Duration::from_secs_f64(5.1 / 50.0),
        "5.1 of the article's seconds at least, not {time:?}"
    );
}

/// Jobs 1 to 3 have started at 1.5 of the article's seconds, and jobs 4 to 6 come at 3.
#[test]
fn after_a_pause_as_many_jobs_start_at_once_as_the_burst_says() {
    for (burst, end) in [("1", 4.1), ("3", 3.1)] {
        let begin = Instant::now();
        let flags = ["--speed", "8", "--jobs", "6", "--pause", "3"];
        let output = rate_limited(&[&flags[..], &["--burst", burst]].concat());
        let time = begin.elapsed();
        assert!(output.status.success());
        let lines = lines(&output);
        assert_in_order(&lines, 6);
        assert!(
            time >= Duration::from_secs_f64(end / 8.0),
            "{end} of the article's seconds at least, not {time:?}"
        );
        if burst == "3" {
            let at_once =
                ["job 4", "job 5", "job 6"].map(|job| format!("Worker # processing {job}"));
            assert!(lines.windows(3).any(|lines| lines == at_once), "{lines:?}");
        }
    }
}

#[test]
fn a_rate_may_be_any_number_above_0() {
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

/// The end does not wait for another start, which would take years here.
#[test]
fn no_jobs_print_nothing() {
    let output = rate_limited(&["--jobs", "0", "--rate", "1e-9"]);
    assert!(output.status.success());
    assert_eq!(lines(&output), [""; 0]);
}

/// The queue holds 1024 of the jobs, and job 1027 or one after it is refused.
#[cfg(unix)]
#[test]
fn the_first_signal_finishes_the_jobs_in_flight_and_loses_none() {
    for (signal, jobs) in [("INT", 10), ("TERM", 10), ("INT", 2000)] {
        let jobs_flag = jobs.to_string();
        let mut running = Running::start(&["--speed", "4", "--jobs", &jobs_flag]);
        running.wait_for("Result: 2");
        send(signal, &running.program);
        let output = running.end();
        assert_eq!(output.status.code(), Some(130));
        let started = lines(&output).len() / 2;
        assert_in_order(&lines(&output), started);
        let unstarted = started + 1..=jobs;
        let named = unstarted.clone().take(20);
        let mut expected = Vec::from_iter(named.map(|job| format!("Job {job} never started")));
        if let Some(more) = unstarted.count().checked_sub(20) {
            expected.push(format!("... nor did {more} more"));
        }
        assert_eq!(Vec::from_iter(text(&output.stderr).lines()), expected);
    }
}

/// A pause of days.
#[cfg(unix)]
#[test]
fn a_signal_ends_the_pause() {
    let mut running = Running::start(&["--speed", "10", "--pause", "1e7"]);
    running.wait_for("Result: 10");
    send("INT", &running.program);
    let output = running.end();
    assert_eq!(output.status.code(), Some(130));
    assert_in_order(&lines(&output), 5);
    let named = text(&output.stderr).lines().map(String::from);
    let expected = (6..=10).map(|job| format!("Job {job} never started"));
    assert!(named.eq(expected), "{}", text(&output.stderr));
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
