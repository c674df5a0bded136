//! What the program prints.

use std::collections::BTreeMap;
use std::process::{Command, Output};

fn job_struct(flags: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_job-struct"));
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
    let output = job_struct(&["--speed", "1000"]);
    assert!(output.status.success());
    let lines: Vec<_> = lines(&output).into_iter().map(without_worker).collect();
    insta::assert_debug_snapshot!(facts(&lines), @r#"
    {
        "All workers completed": 1,
        "Job 1 result: Processed: Job 1": 1,
        "Job 2 result: 4": 1,
        "Job 3 result: Processed: Job 3": 1,
        "Job 4 result: 8": 1,
        "Job 5 result: Processed: Job 5": 1,
        "Worker # processing job 1": 1,
        "Worker # processing job 2": 1,
        "Worker # processing job 3": 1,
        "Worker # processing job 4": 1,
        "Worker # processing job 5": 1,
    }
    "#);

    let position = |start: String| {
        let position = lines.iter().position(|line| line.starts_with(&start));
        position.expect("the line is there")
    };
    for job in 1..=5 {
        let started = position(format!("Worker # processing job {job}"));
        let ended = position(format!("Job {job} result:"));
        assert!(started < ended, "job {job} ends after it starts");
    }
}

/// However the jobs end, and however many there are: more than the two queues hold.
#[test]
fn results_come_in_order_of_submission_and_the_end_comes_last() {
    let output = job_struct(&["--speed", "1e6", "--workers", "8", "--jobs", "3000"]);
    let lines = lines(&output);
    let expected = (1..=3000).map(|job| match job % 2 {
        0 => format!("Job {job} result: {}", job * 2),
        _ => format!("Job {job} result: Processed: Job {job}"),
    });
    let results = lines.iter().filter(|line| line.starts_with("Job"));
    assert_eq!(
        results.copied().collect::<Vec<_>>(),
        expected.collect::<Vec<_>>()
    );
    assert_eq!(lines.last(), Some(&"All workers completed"));
}

#[test]
fn a_lost_job_ends_the_program() {
    let output = job_struct(&["--speed", "1000", "--panic", "3"]);
    assert_eq!(output.status.code(), Some(1));
    let lines = lines(&output);
    let is_result = |line: &&&str| !line.starts_with("Worker");
    let results = lines.iter().filter(is_result).copied();
    assert_eq!(
        results.collect::<Vec<_>>(),
        ["Job 1 result: Processed: Job 1", "Job 2 result: 4"]
    );
    let stderr = str::from_utf8(&output.stderr).expect("only text is printed");
    let last = stderr.lines().last();
    let error = "job-struct: job 3 was lost: receiving on a closed channel";
    assert_eq!(last, Some(error), "{stderr}");
}
