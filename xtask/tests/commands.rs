//! What `cargo xtask` does by itself: it lists the steps, runs them, and calls the lab.

use std::process::Command;
#[cfg(target_os = "linux")]
use std::{fs::File, os::unix::process::CommandExt};

use testing::{Printed, ends_quietly_unread, run};
#[cfg(target_os = "linux")]
use testing::{Running, kill};
use xtask::steps::STEPS;

/// What xtask prints. It takes its time if it has to build a step.
fn xtask(flags: &str) -> Printed {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask
        .args(flags.split_whitespace())
        .env_remove("CLICOLOR_FORCE");
    xtask.output().expect("xtask can be started").into()
}

#[test]
fn xtask_runs_the_named_steps_in_the_articles_order() {
    let printed = xtask("run waitgroup basic --speed 1000 -- dispatcher");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let headings = printed.lines.iter().filter(|line| line.starts_with("=="));
    let headings = Vec::from_iter(headings.map(String::as_str));
    assert_eq!(printed.lines[0], headings[0]);
    insta::assert_snapshot!(headings.join("\n"), @r"
    == basic: a fixed pool on one shared channel
    == waitgroup: knowing when the work is done
    == dispatcher: a pool you can hold: submit, dispatch, stop
    ");
    assert_eq!(printed.last(), "Worker pool stopped");
}

#[test]
fn xtask_takes_a_speed_above_0() {
    for speed in ["0", "-1", "inf"] {
        let printed = xtask(&format!("run basic --speed {speed}"));
        assert_eq!((printed.code, printed.last()), (Some(2), ""), "{speed}");
    }
}

#[test]
fn xtask_ends_quietly_if_nobody_reads_on() {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    ends_quietly_unread(xtask.arg("list"));
}

#[test]
fn xtask_says_what_it_does_not_know() {
    let printed = xtask("run basics");
    assert_eq!(printed.code, Some(2));
    let is_named = |name: &str| printed.stderr.contains(name);
    let lists_the_steps = STEPS.iter().all(|step| is_named(step.name));
    assert!(
        is_named("'basics'") && lists_the_steps,
        "{}",
        printed.stderr
    );
}

#[test]
fn xtask_lists() {
    let commands = xtask("");
    assert_eq!(commands.code, Some(0));
    for command in ["  list", "  run"] {
        let mut lines = commands.lines.iter();
        assert!(lines.any(|line| line.starts_with(command)), "{command}");
    }
    let mut list = Command::new(env!("CARGO_BIN_EXE_xtask"));
    list.arg("list").current_dir(std::env::temp_dir()); // in no workspace, so no step is under way
    let list = list.output().expect("xtask can be started");
    insta::assert_snapshot!(String::from_utf8_lossy(&list.stdout));
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
    assert_eq!(String::from_utf8_lossy(&output.stderr), error);
}

/// These are built with optimisation, which takes a minute: not for an answer that xtask knows.
#[test]
fn help_and_wrong_flags_of_soak_and_bench_are_answered_without_a_build() {
    let answer = |flags: &[&str]| {
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        xtask.args(flags).env("CARGO", "there is no such program");
        xtask.env_remove("CLICOLOR_FORCE");
        let output = xtask.output().expect("xtask can be started");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).expect("xtask prints text");
        (output.status.code(), text)
    };
    for (command, flag) in [("soak", "--minutes <N>"), ("bench", "--quick")] {
        let (code, help) = answer(&[command, "--help"]);
        assert!(code == Some(0) && help.contains(flag), "{help}");
    }
    for (flags, message) in [
        (["soak", "--minutes", "0"], "takes a number above 0"),
        (["soak", "--minutes", "inf"], "takes a number above 0"),
        (["soak", "--seed", "-1"], "takes a whole number from 0 to"),
        (["bench", "--plot", "basic"], "cannot be used with"),
    ] {
        let (code, error) = answer(&flags);
        assert!(code == Some(2) && error.contains(message), "{error}");
    }
}

/// `cargo xtask run basic waitgroup` in a process group of its own, once basic's first job has started.
#[cfg(target_os = "linux")]
fn start() -> Running {
    xtask("run basic --speed 1000"); // builds it
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.args(["run", "basic", "waitgroup", "--speed", "0.0001"]);
    let mut running = Running::start(xtask.process_group(0));
    running.wait_for("processing job");
    running
}

/// Its exit code and what it said on standard error, once it and its child have ended.
#[cfg(target_os = "linux")]
fn end(running: Running) -> (Option<i32>, String) {
    let (status, stdout, stderr) = running.end();
    assert!(!stdout.contains("== waitgroup"), "{stdout}");
    (status.code(), stderr)
}

/// A step that a signal ends, as a crash would.
#[cfg(target_os = "linux")]
#[test]
fn xtask_stops_at_the_first_step_that_fails() {
    let running = start();
    let children = format!("/proc/{0}/task/{0}/children", running.program.id());
    let child = std::fs::read_to_string(children).expect("Linux tells");
    kill(child.trim(), "KILL");
    let (code, stderr) = end(running);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(stderr, @"xtask: basic failed: signal: 9 (SIGKILL)");
}

/// A terminal sends Ctrl-C to all that runs in it.
#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_the_step_and_then_xtask() {
    let running = start();
    kill(&format!("-{}", running.program.id()), "INT");
    let (code, stderr) = end(running);
    assert_eq!(code, Some(130));
    insta::assert_snapshot!(stderr, @"xtask: stopped in basic");
}

/// Whoever asks a program to end, as `kill` or a service manager does, knows only this one.
#[cfg(target_os = "linux")]
#[test]
fn a_request_to_end_ends_the_step_and_then_xtask() {
    let running = start();
    running.send("TERM");
    let (code, stderr) = end(running);
    assert_eq!(code, Some(143));
    insta::assert_snapshot!(stderr, @"xtask: stopped in basic");
}

/// Here: for a target that is named, and into another folder.
#[test]
#[ignore = "builds a workspace; .ci/run runs it"]
fn xtask_runs_steps_wherever_cargo_puts_them() {
    let rustc = run("rustc", "-vV");
    let mut lines = rustc.lines.iter();
    let host = lines.find_map(|line| line.strip_prefix("host: "));
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.args(["run", "basic", "--speed", "1000"]);
    xtask.env("CARGO_BUILD_TARGET", host.expect("it names its host"));
    xtask.env("CARGO_TARGET_DIR", env!("CARGO_TARGET_TMPDIR"));
    let output = xtask.output().expect("xtask can be started");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
}
