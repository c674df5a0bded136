//! What happens to the programs: signals, outputs that are full or closed, threads that are refused.

use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use xtask::steps::STEPS;

use crate::program::program;

const TASKS: [&str; 3] = ["cancellation", "rate-limited", "dynamic"];

/// The steps whose workers are threads.
fn threaded() -> impl Iterator<Item = &'static str> {
    STEPS
        .iter()
        .map(|step| step.name)
        .filter(|name| !TASKS.contains(name))
}

/// The step's program run by a shell, after `prepare`.
fn in_shell(name: &str, prepare: &str, flags: &str) -> Output {
    let program = program(name);
    let program = program.get_program().to_str().expect("the path is text");
    let script = format!("{prepare} exec '{program}' {flags}");
    let output = Command::new("sh").arg("-c").arg(script).output();
    output.expect("there is a shell")
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).expect("programs print text")
}

fn kill(pid: u32, signal: &str) {
    let command = format!("kill -{signal} {pid}");
    let status = Command::new("sh").arg("-c").arg(command).status();
    assert!(status.expect("there is a shell").success());
}

/// Whether programs started from here ignore the signal, as they do under `nohup` or after `&`.
fn is_ignored(signal: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.expect("it tells this too").trim();
    let ignored = u64::from_str_radix(ignored, 16).expect("it is a set of bits");
    ignored & (1 << (signal - 1)) != 0
}

/// A program in the middle of its work.
struct Running {
    program: Child,
    stdout: BufReader<std::process::ChildStdout>,
    /// Dropped when it has ended: in a minute at the latest, as it is killed then.
    _watched: Sender<()>,
}

impl Running {
    /// Starts it, and waits until its first job has started.
    fn start(name: &str, flags: &[&str]) -> Self {
        let mut program = program(name);
        program
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut program = program.spawn().expect("the program can be started");
        let stdout = program.stdout.take().expect("stdout is piped");
        let (watched, ended) = channel();
        let pid = program.id();
        thread::spawn(move || {
            let minute = Duration::from_secs(60);
            if ended.recv_timeout(minute) == Err(RecvTimeoutError::Timeout) {
                kill(pid, "KILL");
            }
        });
        let mut running = Self {
            program,
            stdout: BufReader::new(stdout),
            _watched: watched,
        };
        let mut line = String::new();
        while !line.to_lowercase().contains("processing") {
            line.clear();
            let length = running
                .stdout
                .read_line(&mut line)
                .expect("programs print text");
            assert_ne!(length, 0, "{name} ended before its first job");
        }
        running
    }

    fn send(&self, signal: &str) {
        kill(self.program.id(), signal);
    }

    /// The exit status, and what it printed since to each output.
    fn end(mut self) -> (ExitStatus, String, String) {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout
            .read_to_string(&mut stdout)
            .expect("programs print text");
        let mut errors = self.program.stderr.take().expect("stderr is piped");
        errors
            .read_to_string(&mut stderr)
            .expect("programs print text");
        (self.program.wait().expect("it was started"), stdout, stderr)
    }
}

#[test]
fn a_signal_ends_the_threaded_steps() {
    for name in threaded() {
        for (signal, number) in [("INT", 2), ("TERM", 15)] {
            if is_ignored(number) {
                continue; // and rightly so
            }
            let running = Running::start(name, &["--speed", "0.001"]);
            running.send(signal);
            let (status, _, stderr) = running.end();
            assert_eq!(status.signal(), Some(number as i32), "{name} {signal}");
            assert_eq!(stderr, "", "{name} {signal}");
        }
    }
}

/// These, and the first line that each prints. More is to come, whatever signal comes.
const FIRST_LINES: [(&str, &str); 3] = [
    ("cancellation", "Sent job 1\n"),
    ("rate-limited", "Worker 1 processing job 1\n"),
    ("dynamic", "\n"),
];

/// The program's next line waits for ever, and with it the only thread of its runtime.
#[test]
fn the_second_signal_ends_a_program_whose_output_is_not_read() {
    let test = |name: &str, first_line: &str| {
        for signals in [["INT", "TERM"], ["TERM", "INT"]] {
            let (output, stdout) = io::pipe().expect("there is a pipe");
            let mut program = program(name);
            program.stdout(stdout).stderr(Stdio::null());
            let mut running = program.spawn().expect("the program can be started");
            let mut output = BufReader::new(output);
            let mut line = String::new();
            output.read_line(&mut line).expect("it prints text");
            assert_eq!(line, first_line);
            fill(output.get_ref());

            for signal in signals {
                kill(running.id(), signal);
            }
            assert_eq!(exit_code(&mut running), Some(130), "{name}, {signals:?}");
        }
    };
    thread::scope(|scope| {
        for (name, first_line) in FIRST_LINES {
            scope.spawn(move || test(name, first_line));
        }
    });
}

/// Writes into a pipe until it is full.
fn fill(pipe: &PipeReader) {
    const O_NONBLOCK: i32 = 0o4000;
    let path = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    let mut other_end = File::options();
    let other_end = other_end.write(true).custom_flags(O_NONBLOCK).open(path);
    let mut other_end = other_end.expect("the pipe is open");
    for size in [4096, 1] {
        while other_end.write(&vec![b'\n'; size]).is_ok() {}
    }
}

/// Waits until the program has ended.
fn exit_code(running: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(status) = running.try_wait().expect("the program was started") {
            return status.code();
        }
        if Instant::now() > deadline {
            _ = running.kill();
            panic!("it does not end");
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Its output takes three descriptors, and loading a library one more for a moment. Built together with the examples,
/// tokio's network driver takes three or four.
#[test]
fn eight_descriptors_are_enough() {
    for (name, _) in FIRST_LINES {
        let output = in_shell(name, "ulimit -n 8;", "--speed 1e6 --jobs 0");
        assert!(!stderr(&output).contains(name), "{}", stderr(&output));
        assert!(output.status.success(), "{name}");
    }
}

/// The system refuses a thread with a stack of a terabyte.
#[test]
fn a_program_that_cannot_start_its_thread_for_signals_says_so() {
    let prepare = "ulimit -v 8000000; RUST_MIN_STACK=1099511627776; export RUST_MIN_STACK;";
    for (name, _) in FIRST_LINES {
        let output = in_shell(name, prepare, "--speed 1e6 --jobs 0");
        assert_eq!(output.status.code(), Some(1), "{name}: {}", stderr(&output));
        let message = format!("{name}: cannot handle Ctrl-C: ");
        assert!(stderr(&output).starts_with(&message), "{}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
        assert_eq!(output.stdout, b"", "{name}");
    }
}

#[test]
fn a_full_output_is_an_error() {
    for step in &STEPS {
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("Linux has it");
        let mut program = program(step.name);
        let output = program.args(["--speed", "1000"]).stdout(full).output();
        let output = output.expect("the program can be started");
        assert_eq!(output.status.code(), Some(1), "{}", step.name);
        let error = "cannot write to standard output: No space left on device (os error 28)";
        assert!(
            stderr(&output).contains(&format!("{}: {error}\n", step.name)),
            "{}",
            stderr(&output)
        );
        assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    }
}

#[test]
fn closed_outputs_do_not_matter() {
    for step in &STEPS {
        for redirect in [">&-", "2>&-", "2>/dev/full"] {
            let output = in_shell(step.name, "", &format!("--speed 1000 {redirect}"));
            assert!(
                output.status.success(),
                "{} {redirect}: {}",
                step.name,
                stderr(&output)
            );
            assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
        }
    }
}

/// There is address space for the stacks of a few threads of a gigabyte, and for all else.
#[test]
fn a_refused_thread_is_told_and_no_job_starts() {
    let prepare = "ulimit -v 8000000; RUST_MIN_STACK=1073741824; export RUST_MIN_STACK;";
    for name in threaded() {
        let output = in_shell(name, prepare, "--workers 1000");
        assert_eq!(output.status.code(), Some(1), "{name}: {}", stderr(&output));
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(
            !stdout.to_lowercase().contains("processing"),
            "{name} starts no job: {stdout}"
        );
        let message = format!("{name}: cannot start ");
        assert!(stderr(&output).starts_with(&message), "{}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    }
}

#[test]
fn a_thousand_workers_run() {
    for name in threaded().chain(["cancellation", "rate-limited"]) {
        let mut program = program(name);
        program.args(["--workers", "1000", "--jobs", "3000", "--speed", "1e6"]);
        let output = program.output().expect("the program can be started");
        assert!(output.status.success(), "{name}: {}", stderr(&output));
    }
}
