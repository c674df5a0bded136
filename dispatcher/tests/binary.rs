//! What the program prints.

use std::collections::BTreeMap;
use std::process::{Command, Output};

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
fn prints_what_the_article_prints() {
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
