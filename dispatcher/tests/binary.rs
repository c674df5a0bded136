//! What the program prints.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn dispatcher(flags: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_dispatcher"));
    program
        .args(flags)
        .output()
        .expect("the program can be started")
}

fn lines(output: &Output) -> Vec<&str> {
    let stdout = str::from_utf8(&output.stdout).expect("only text is printed");
    stdout.lines().collect()
}

/// The line without the id of the worker that runs a task, which may differ from run to run.
fn without_worker(line: &str) -> String {
    let mut words: Vec<_> = line.split(' ').collect();
    if words.last() == Some(&"task") {
        words[1] = "#";
    }
    words.join(" ")
}

/// How often each line is there.
fn facts(output: &Output) -> BTreeMap<String, usize> {
    let mut facts = BTreeMap::new();
    for line in lines(output) {
        *facts.entry(without_worker(line)).or_default() += 1;
    }
    facts
}

#[test]
fn prints_the_articles_lines() {
    let output = dispatcher(&["--speed", "1000"]);
    assert!(output.status.success());
    insta::assert_debug_snapshot!(facts(&output), @r#"
    {
        "Executing task 1": 1,
        "Executing task 10": 1,
        "Executing task 2": 1,
        "Executing task 3": 1,
        "Executing task 4": 1,
        "Executing task 5": 1,
        "Executing task 6": 1,
        "Executing task 7": 1,
        "Executing task 8": 1,
        "Executing task 9": 1,
        "Worker # processing task": 10,
        "Worker 1 stopping": 1,
        "Worker 2 stopping": 1,
        "Worker 3 stopping": 1,
        "Worker pool stopped": 1,
    }
    "#);

    let lines = lines(&output);
    assert_eq!(lines.last(), Some(&"Worker pool stopped"));
    let mut processing = 0;
    for line in lines {
        if line.ends_with("processing task") {
            processing += 1;
        } else if line.starts_with("Executing") {
            assert!(processing > 0, "no worker has taken the task of {line:?}");
            processing -= 1;
        }
    }
}

#[test]
fn one_worker_runs_the_tasks_in_order() {
    let output = dispatcher(&["--speed", "1000", "--workers", "1", "--jobs", "3"]);
    insta::assert_snapshot!(lines(&output).join("\n"), @r"
    Worker 1 processing task
    Executing task 1
    Worker 1 processing task
    Executing task 2
    Worker 1 processing task
    Executing task 3
    Worker 1 stopping
    Worker pool stopped
    ");
}

#[test]
fn no_jobs_start_and_stop_the_pool() {
    let start = Instant::now();
    let output = dispatcher(&["--speed", "50", "--jobs", "0"]);
    assert!(
        start.elapsed() >= Duration::from_millis(100),
        "it is stopped after 5 seconds"
    );
    assert!(output.status.success());
    insta::assert_debug_snapshot!(facts(&output), @r#"
    {
        "Worker 1 stopping": 1,
        "Worker 2 stopping": 1,
        "Worker 3 stopping": 1,
        "Worker pool stopped": 1,
    }
    "#);
}

/// More than the queue holds, and stopped long before they are done.
#[test]
fn stopping_runs_every_task() {
    let output = dispatcher(&["--speed", "100000", "--jobs", "3000"]);
    assert!(output.status.success());
    let facts = facts(&output);
    for task in 1..=3000 {
        let line = format!("Executing task {task}");
        assert_eq!(facts.get(&line), Some(&1), "{line}");
    }
    assert_eq!(lines(&output).last(), Some(&"Worker pool stopped"));
}

#[test]
fn the_task_that_is_to_fail_fails() {
    let flags = ["--speed", "1000", "--workers", "1", "--jobs", "3"];
    let output = dispatcher(&[&flags[..], &["--fail", "2"]].concat());
    assert!(output.status.success());
    insta::assert_snapshot!(lines(&output).join("\n"), @r"
    Worker 1 processing task
    Executing task 1
    Worker 1 processing task
    Executing task 2
    Worker 1 task error: task 2 failed
    Worker 1 processing task
    Executing task 3
    Worker 1 stopping
    Worker pool stopped
    ");
}

#[test]
fn a_task_that_does_not_exist_cannot_fail() {
    let output = dispatcher(&["--speed", "1000", "--jobs", "3", "--fail", "4"]);
    assert!(output.status.success());
    assert!(!facts(&output).keys().any(|line| line.contains("error")));
}

/// The address space has room for the stacks of a few threads of a gigabyte.
#[cfg(target_os = "linux")]
#[test]
fn if_a_thread_is_refused_those_before_it_end_and_the_program_says_so() {
    let limited = "ulimit -v 8000000 && exec \"$0\" --workers 1000";
    let output = Command::new("sh")
        .args(["-c", limited, env!("CARGO_BIN_EXE_dispatcher")])
        .env("RUST_MIN_STACK", "1073741824")
        .output()
        .expect("a shell can be started");
    assert_eq!(output.status.code(), Some(1));

    let stderr = str::from_utf8(&output.stderr).expect("only text is printed");
    let error = "dispatcher: cannot start a thread: ";
    assert!(stderr.starts_with(error), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");

    let facts = facts(&output);
    let started = facts.len();
    assert!((1..1000).contains(&started), "{started} were started");
    let stopping = (1..=started).map(|worker| (format!("Worker {worker} stopping"), 1));
    assert_eq!(facts, stopping.collect(), "each of them ends");
}
