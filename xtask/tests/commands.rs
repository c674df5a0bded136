//! What `cargo xtask` does by itself: it lists the steps, runs them, and calls the lab.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};

use xtask::steps::STEPS;

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("programs print text")
}

#[test]
fn xtask_runs_the_named_steps_in_the_articles_order() {
    let output = xtask(&[
        "run",
        "waitgroup",
        "basic",
        "--speed",
        "1000",
        "--",
        "dispatcher",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("== basic"));
    let heading = |line: &&str| line.starts_with("==");
    let headings: Vec<_> = text(&output.stdout).lines().filter(heading).collect();
    insta::assert_snapshot!(headings.join("\n"), @r"
    == basic: a fixed pool on one shared channel
    == waitgroup: knowing when the work is done
    == dispatcher: a pool you can hold: submit, dispatch, stop
    ");
    assert_eq!(
        text(&output.stdout).matches("Worker pool stopped").count(),
        1
    );
}

#[test]
fn xtask_takes_a_speed_above_0() {
    for speed in ["0", "-1", "inf"] {
        let output = xtask(&["run", "basic", "--speed", speed]);
        assert_eq!(output.status.code(), Some(2), "{speed}");
        assert!(output.stdout.is_empty(), "{speed}");
    }
}

#[test]
fn xtask_ends_quietly_if_nobody_reads_on() {
    let (reader, writer) = io::pipe().expect("there is room for a pipe");
    drop(reader);
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let output = xtask.arg("list").stdout(writer).output();
    let output = output.expect("the program can be started");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
}

#[test]
fn xtask_says_what_it_does_not_know() {
    let output = xtask(&["run", "basics"]);
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(error.contains("'basics'"), "{error}");
    assert!(
        STEPS.iter().all(|step| error.contains(step.name)),
        "it lists the steps: {error}"
    );
}

#[test]
fn xtask_lists() {
    let commands = xtask(&[]);
    assert!(commands.status.success());
    for command in ["list", "run"] {
        assert!(
            text(&commands.stdout).contains(&format!("\n  {command}")),
            "{command} is listed"
        );
    }
    insta::assert_snapshot!(text(&xtask(&["list"]).stdout));
}

/// A step that a signal ends, as a crash would.
#[cfg(target_os = "linux")]
#[test]
fn xtask_stops_at_the_first_step_that_fails() {
    let flags = ["run", "basic", "waitgroup", "--speed", "0.0001"];
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask
        .args(flags)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = xtask.spawn().expect("xtask can be started");
    let mut stdout = BufReader::new(running.stdout.take().expect("stdout is piped"));
    let mut lines = String::new();
    while !lines.contains("processing job") {
        let length = stdout.read_line(&mut lines).expect("xtask prints");
        assert_ne!(length, 0, "the step is running: {lines}");
    }
    let children = format!("/proc/{0}/task/{0}/children", running.id());
    let child = std::fs::read_to_string(children).expect("Linux tells");
    let kill = Command::new("sh")
        .arg("-c")
        .arg(format!("kill -9 {child}"))
        .status();
    assert!(kill.expect("there is a shell").success());

    stdout
        .read_to_string(&mut lines)
        .expect("xtask prints text");
    let output = running.wait_with_output().expect("it is running");
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(text(&output.stderr), @"xtask: basic failed: signal: 9 (SIGKILL)");
    assert!(!lines.contains("== waitgroup"), "{lines}");
}

fn xtask(flags: &[&str]) -> Output {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.args(flags).output().expect("xtask can be started")
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_output_is_an_error_for_xtask() {
    let full = File::options().write(true).open("/dev/full");
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.arg("list").stdout(full.expect("Linux has it"));
    let output = xtask.output().expect("the program can be started");
    assert_eq!(output.status.code(), Some(1));
    let error = "xtask: cannot write to standard output: No space left on device (os error 28)\n";
    assert_eq!(text(&output.stderr), error);
}
