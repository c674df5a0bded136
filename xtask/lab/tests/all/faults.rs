//! What happens to the programs: signals, outputs that are full or closed, threads that are refused.

use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::thread;

use testing::{kill, with_deadline};
use xtask::steps::STEPS;

use crate::program::{program, start};

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

/// Whether programs started from here ignore the signal, as they do under `nohup` or after `&`.
fn is_ignored(signal: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.expect("it tells this too").trim();
    let ignored = u64::from_str_radix(ignored, 16).expect("it is a set of bits");
    ignored & (1 << (signal - 1)) != 0
}

#[test]
fn a_signal_ends_the_threaded_steps() {
    for name in threaded() {
        for (signal, number) in [("INT", 2), ("TERM", 15)] {
            if is_ignored(number) {
                continue; // and rightly so
            }
            let mut running = start(name, "--speed 0.001");
            running.wait_for("processing");
            running.send(signal);
            let (status, _, stderr) = running.end();
            assert_eq!(status.signal(), Some(number as i32), "{name} {signal}");
            assert_eq!(stderr, "", "{name} {signal}");
        }
    }
}

/// Each job that has started has its result, and the others are named.
#[test]
fn no_job_is_lost_whatever_ends_the_program() {
    // Flags, and a text: after the line that has it comes a signal. Without a text the timeout ends it.
    let cancellation = [
        ("--speed 20 --jobs 10", ""), // on a busy machine it may come before the last jobs
        ("--speed 20 --timeout 3 --workers 1 --jobs 10", ""),
        ("--speed 20 --timeout 2 --jobs 24", ""),
        ("--speed 20 --timeout 2 --jobs 18446744073709551615", ""),
        ("--speed 2 --workers 1 --jobs 10", "Sent job 4"),
        // Job 1 is in flight, and goes on for a second.
        ("--workers 1 --timeout 0.1 --jobs 10", "Producer stopping"),
    ];
    let rate_limited = [
        ("--speed 4 --jobs 10", "Result: 2"),
        // The queue holds 1024 of the jobs, and job 1027 or one after it is refused.
        ("--speed 4 --jobs 2000", "Result: 2"),
        ("--speed 10 --pause 1e7 --jobs 10", "Result: 10"), // a pause of days
    ];
    thread::scope(|scope| {
        for (flags, text) in cancellation {
            scope.spawn(move || loses_no_job("cancellation", flags, text, "INT"));
        }
        for (flags, text) in rate_limited {
            scope.spawn(move || loses_no_job("rate-limited", flags, text, "TERM"));
        }
    });
}

fn loses_no_job(name: &str, flags: &str, text: &str, signal: &str) {
    let (_, jobs) = flags.split_once("--jobs ").expect("it says how many");
    let jobs = jobs.parse().expect("it is a number");
    let case = format!("{name} {flags}");
    let mut running = start(name, flags);
    if !text.is_empty() {
        running.wait_for(text);
        running.send(signal);
    }
    let (status, stdout, stderr) = running.end();
    let code = if text.is_empty() { 0 } else { 130 };
    assert_eq!(status.code(), Some(code), "{case}");

    let numbers = |words| -> Vec<usize> {
        let number = |line: &str| line.split_once(words)?.1.parse().ok();
        stdout.lines().filter_map(number).collect()
    };
    let (started, mut results) = (numbers("processing job "), numbers("Result: "));
    assert_eq!(started, Vec::from_iter(1..=started.len()), "{case}");
    results.sort_unstable();
    let doubled = Vec::from_iter(started.iter().map(|job| job * 2));
    assert_eq!(results, doubled, "{case}");

    let unstarted = (started.len() + 1..=jobs).take(20);
    let mut named = Vec::from_iter(unstarted.map(|job| format!("Job {job} never started")));
    let more = jobs - started.len() - named.len();
    if more > 0 {
        named.push(format!("... nor did {more} more"));
    }
    assert_eq!(Vec::from_iter(stderr.lines()), named, "{case}");
}

/// All jobs of a burst come before the first of them starts.
#[test]
fn the_first_signal_stops_the_dynamic_pool_and_loses_no_job() {
    for signal in ["INT", "TERM"] {
        let flags = "--bursts 1000 --jobs 30 --speed 100";
        let mut running = start("dynamic", flags);
        running.wait_for("--- Burst 3 ---");
        running.send(signal);
        let (status, stdout, stderr) = running.end();
        assert_eq!(status.code(), Some(130), "{signal}");
        assert!(stdout.ends_with("\nPool stopped\n"), "{stdout}");
        let bursts = stdout.matches("--- Burst").count();
        assert!((3..1000).contains(&bursts), "{bursts} bursts");
        for job in (0..bursts).flat_map(|burst| burst * 100 + 1..=burst * 100 + 30) {
            let result = format!("Result: {}\n", job * 2);
            assert_eq!(stdout.matches(&result).count(), 1, "{result}");
        }
        let summary = format!("Jobs done:      {}\n", bursts * 30);
        assert!(stderr.starts_with(&summary), "{stderr}");
    }
}

/// More jobs than fit into memory, and more than can be doubled.
#[test]
fn any_number_of_jobs_is_a_stream_that_a_signal_ends() {
    for load in ["article", "random"] {
        for jobs in ["9223372036854775808", "18446744073709551615"] {
            let flags = format!("--load {load} --jobs {jobs} --speed 1e6");
            let mut running = start("dynamic", &flags);
            running.wait_for("Result: 2000");
            running.send("INT");
            let (status, stdout, _) = running.end();
            assert!(stdout.ends_with("\nPool stopped\n"), "{flags}");
            assert_eq!(status.code(), Some(130), "{flags}");
        }
    }
}

/// The timeout comes after a tenth of a second. The pause takes 500 seconds, and the job in flight 1000.
#[test]
fn the_timeout_ends_the_pause_and_the_second_signal_ends_all() {
    let flags = "--workers 1 --speed 0.001 --timeout 1e-4";
    let mut running = start("cancellation", flags);
    running.wait_for("Producer stopping");
    running.send("INT");
    running.send("TERM");
    let (status, _, stderr) = running.end();
    assert_eq!((status.code(), &*stderr), (Some(130), ""));
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
                kill(&running.id().to_string(), signal);
            }
            let status = with_deadline(move || running.wait());
            let status = status.expect("the program was started");
            assert_eq!(status.code(), Some(130), "{name}, {signals:?}");
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
    for name in STEPS.map(|step| step.name) {
        let output = in_shell(name, "", "--speed 1000 >/dev/full");
        assert_eq!(output.status.code(), Some(1), "{name}");
        let error = "cannot write to standard output: No space left on device (os error 28)";
        let error = format!("{name}: {error}\n");
        assert!(stderr(&output).contains(&error), "{}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    }
}

#[test]
fn closed_outputs_do_not_matter() {
    for name in STEPS.map(|step| step.name) {
        for redirect in [">&-", "2>&-", "2>/dev/full"] {
            let output = in_shell(name, "", &format!("--speed 1000 {redirect}"));
            let error = format!("{name} {redirect}: {}", stderr(&output));
            assert!(output.status.success(), "{error}");
            assert!(!error.contains("panicked"), "{error}");
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
        let stdout = String::from_utf8_lossy(&output.stdout).to_lowercase();
        assert!(!stdout.contains("processing"), "{name}: {stdout}");
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
