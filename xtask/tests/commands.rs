//! What `cargo xtask` does by itself: it lists the steps, runs them, and calls the lab.

use std::io;
use std::process::{Command, Output};
#[cfg(target_os = "linux")]
use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{Child, ChildStdout, Stdio},
};

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
    let mut list = Command::new(env!("CARGO_BIN_EXE_xtask"));
    list.arg("list").current_dir(std::env::temp_dir()); // in no workspace, so no step is under way
    let list = list.output().expect("xtask can be started");
    insta::assert_snapshot!(text(&list.stdout));
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

/// These are built with optimisation, which takes a minute: not for an answer that xtask knows.
#[test]
fn help_and_wrong_flags_of_soak_and_bench_are_answered_without_a_build() {
    let answer = |flags: &[&str]| {
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        xtask.args(flags).env("CARGO", "there is no such program");
        xtask.env_remove("CLICOLOR_FORCE");
        let output = xtask.output().expect("xtask can be started");
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        (output.status.code(), format!("{stdout}{stderr}"))
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
struct Running {
    xtask: Child,
    stdout: BufReader<ChildStdout>,
    lines: String,
}

#[cfg(target_os = "linux")]
impl Running {
    fn start() -> Self {
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        xtask.args(["run", "basic", "waitgroup", "--speed", "0.0001"]);
        xtask.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut xtask = xtask.process_group(0).spawn().expect("xtask starts");
        let stdout = xtask.stdout.take().expect("stdout is piped");
        let (mut stdout, mut lines) = (BufReader::new(stdout), String::new());
        while !lines.contains("processing job") {
            let length = stdout.read_line(&mut lines).expect("xtask prints text");
            assert_ne!(length, 0, "the step is running: {lines}");
        }
        Self {
            xtask,
            stdout,
            lines,
        }
    }

    fn kill(&self, signal: &str, whom: &str) {
        let kill = format!("kill -{signal} {whom}");
        let status = Command::new("sh").arg("-c").arg(kill).status();
        assert!(status.expect("there is a shell").success());
    }

    /// Its exit code and what it said on standard error, once it and its child have ended.
    fn end(mut self) -> (Option<i32>, String) {
        let rest = self.stdout.read_to_string(&mut self.lines);
        rest.expect("xtask prints text");
        assert!(!self.lines.contains("== waitgroup"), "{}", self.lines);
        let output = self.xtask.wait_with_output().expect("it was started");
        (output.status.code(), text(&output.stderr).to_owned())
    }
}

/// A step that a signal ends, as a crash would.
#[cfg(target_os = "linux")]
#[test]
fn xtask_stops_at_the_first_step_that_fails() {
    let running = Running::start();
    let children = format!("/proc/{0}/task/{0}/children", running.xtask.id());
    let child = std::fs::read_to_string(children).expect("Linux tells");
    running.kill("KILL", &child);
    let (code, stderr) = running.end();
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(stderr, @"xtask: basic failed: signal: 9 (SIGKILL)");
}

/// A terminal sends Ctrl-C to all that runs in it.
#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_the_step_and_then_xtask() {
    let running = Running::start();
    running.kill("INT", &format!("-{}", running.xtask.id()));
    let (code, stderr) = running.end();
    assert_eq!(code, Some(130));
    insta::assert_snapshot!(stderr, @"xtask: stopped in basic");
}

/// Whoever asks a program to end, as `kill` or a service manager does, knows only this one.
#[cfg(target_os = "linux")]
#[test]
fn a_request_to_end_ends_the_step_and_then_xtask() {
    let running = Running::start();
    running.kill("TERM", &running.xtask.id().to_string());
    let (code, stderr) = running.end();
    assert_eq!(code, Some(143));
    insta::assert_snapshot!(stderr, @"xtask: stopped in basic");
}

/// Here: for a target that is named, and into another folder.
#[test]
#[ignore = "builds a workspace; .ci/run runs it"]
fn xtask_runs_steps_wherever_cargo_puts_them() {
    let host = Command::new("rustc").arg("-vV").output();
    let host = host.expect("there is a compiler").stdout;
    let host = text(&host)
        .lines()
        .find_map(|line| line.strip_prefix("host: "));
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.args(["run", "basic", "--speed", "1000"]);
    xtask.env("CARGO_BUILD_TARGET", host.expect("it names its host"));
    xtask.env("CARGO_TARGET_DIR", env!("CARGO_TARGET_TMPDIR"));
    let output = xtask.output().expect("xtask can be started");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn xtask(flags: &[&str]) -> Output {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.args(flags).env_remove("CLICOLOR_FORCE");
    xtask.output().expect("xtask can be started")
}
