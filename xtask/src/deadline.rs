//! A command with a deadline. At the deadline the command is ended, and with it everything that it started.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What a command printed, and how it ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Standard output and standard error, in the order in which they were written; at most the first megabyte.
    pub output: String,
    /// `None` if it was still running at its deadline.
    pub status: Option<ExitStatus>,
}

impl Finished {
    /// Whether it ended in time, and with exit code 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

/// How often a command that prints nothing is looked after.
const TICK: Duration = Duration::from_millis(50);

const LONGEST_OUTPUT: usize = 1 << 20;

/// The commands that run now. On Unix a process id here is also the id of the command's process group.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Runs `command` without input, for at most `limit`.
///
/// # Errors
///
/// If the command cannot be started, or the system refuses a pipe.
pub fn run(command: Command, limit: Duration) -> io::Result<Finished> {
    run_unless(&AtomicBool::new(false), command, limit)
}

/// The same, but as soon as `stop` is true, the deadline is now.
///
/// # Errors
///
/// As for [`run`].
pub fn run_unless(
    stop: &AtomicBool,
    mut command: Command,
    limit: Duration,
) -> io::Result<Finished> {
    let deadline = Instant::now() + limit;
    let left = || match stop.load(Relaxed) {
        true => Duration::ZERO,
        false => deadline.saturating_duration_since(Instant::now()),
    };
    let (mut reader, writer) = io::pipe()?;
    command.stdin(Stdio::null());
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = start(&mut command)?;
    drop(command); // it holds the writing ends: from here on only the processes do

    let (send, chunks) = mpsc::channel();
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = reader.read(&mut chunk) {
            if send.send(chunk[..length].to_vec()).is_err() {
                return;
            }
        }
    });

    let mut output = Vec::new();
    let in_time = read(&chunks, left, &mut output);
    let status = if in_time {
        wait(&mut child, left)?
    } else {
        None
    };
    if status.is_none() {
        end(&mut child);
        child.wait()?;
        // What was written before the end may still be in the pipe.
        let end = Instant::now() + Duration::from_secs(1);
        let left = || end.saturating_duration_since(Instant::now());
        read(&chunks, left, &mut output);
    }
    running(|running| running.remove(&child.id()));
    let output = String::from_utf8_lossy(&output).into_owned();
    Ok(Finished { output, status })
}

/// Reads until the end of the output, or until no time is left. Whether the end came first.
fn read(
    chunks: &mpsc::Receiver<Vec<u8>>,
    left: impl Fn() -> Duration,
    output: &mut Vec<u8>,
) -> bool {
    loop {
        let left = left();
        match chunks.recv_timeout(left.min(TICK)) {
            Ok(_) if left.is_zero() => return false, // it writes faster than this reads
            Ok(chunk) => {
                let room = LONGEST_OUTPUT - output.len();
                output.extend(chunk.into_iter().take(room));
            }
            Err(RecvTimeoutError::Disconnected) => return true,
            Err(RecvTimeoutError::Timeout) if left.is_zero() => return false,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Waits for a process that has closed its output. `None` if no time is left.
fn wait(child: &mut Child, left: impl Fn() -> Duration) -> io::Result<Option<ExitStatus>> {
    loop {
        let status = child.try_wait()?;
        if status.is_some() || left().is_zero() {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Ends every command that runs, for a signal handler that then ends the program. No command starts
/// afterwards.
pub fn end_all() {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    for &id in running.iter() {
        end_group(id);
    }
    std::mem::forget(running); // the lock stays taken: no other command starts
}

fn running<R>(change: impl FnOnce(&mut BTreeSet<u32>) -> R) -> R {
    change(&mut RUNNING.lock().unwrap_or_else(PoisonError::into_inner))
}

fn start(command: &mut Command) -> io::Result<Child> {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    running(|running| {
        let child = command.spawn()?;
        running.insert(child.id());
        Ok(child)
    })
}

fn end(child: &mut Child) {
    end_group(child.id());
    _ = child.kill(); // elsewhere than on Unix; there cargo takes its children with it
}

#[cfg(unix)]
fn end_group(id: u32) {
    use nix::sys::signal::{Signal, killpg};
    _ = killpg(pid(id), Signal::SIGKILL); // an error means that it has ended already
}

/// A process id of std as nix has it.
#[cfg(unix)]
pub(crate) fn pid(id: u32) -> nix::unistd::Pid {
    let id = i32::try_from(id).expect("a process id is a positive i32");
    nix::unistd::Pid::from_raw(id)
}

#[cfg(not(unix))]
fn end_group(_id: u32) {} // Ctrl-C reaches every process of a console

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn shell(script: &str, limit: Duration) -> Finished {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        run(shell, limit).expect("there is a shell")
    }

    #[test]
    fn output_and_errors_come_in_the_order_they_were_written() {
        let finished = shell(
            "echo a; echo b >&2; echo c; exit 3",
            Duration::from_secs(60),
        );
        assert_eq!(finished.output, "a\nb\nc\n");
        assert_eq!(finished.status.and_then(|status| status.code()), Some(3));
        assert!(!finished.succeeded());
    }

    /// A process that outlives its parent, and keeps the output open.
    #[test]
    fn at_the_deadline_grandchildren_are_ended_too() {
        // A busy machine needs more time to come as far as the output.
        let limits = (0..8).map(|doubled| Duration::from_millis(100 << doubled));
        let mut tries = limits.map(|limit| shell("sleep 1000 & echo $!", limit));
        let finished = tries.find(|finished| !finished.output.is_empty());
        let finished = finished.expect("13 seconds are enough");
        assert_eq!(finished.status, None);
        let process = PathBuf::from("/proc").join(finished.output.trim());
        let deadline = Instant::now() + Duration::from_secs(10);
        // Until someone asks how it ended, an ended process is listed as a zombie, "Z".
        let runs = || {
            std::fs::read_to_string(process.join("stat")).is_ok_and(|stat| !stat.contains(") Z "))
        };
        while runs() {
            assert!(Instant::now() < deadline, "it still runs");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_process_that_closes_its_output_and_goes_on_is_ended() {
        let finished = shell(
            "exec >&- 2>&-; while :; do :; done",
            Duration::from_millis(100),
        );
        assert_eq!(finished.status, None);
    }

    #[test]
    fn endless_output_neither_fills_the_memory_nor_delays_the_deadline() {
        let finished = shell("yes", Duration::from_millis(500));
        assert_eq!(finished.status, None);
        assert!(finished.output.len() <= LONGEST_OUTPUT);
    }
}
