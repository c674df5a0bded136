//! A command with a deadline. At the deadline the command is ended, and with it everything that it started.
//!
//! The deadline is measured in the command's own time: the time in which it waits for a processor that other programs
//! use does not count. Linux tells how long that is; elsewhere own time is real time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
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
    /// What it took.
    pub usage: Usage,
}

/// Time that a command and all that it has started took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// How long it ran.
    pub time: Duration,
    /// The same without the time in which it waited for a processor.
    pub own_time: Duration,
    /// How long it computed, on all processors together; zero if the system does not tell.
    pub computed: Duration,
}

impl Usage {
    /// What counts against a limit: all the time in which it waits, and a quarter of that in which it computes, as that takes
    /// longer on a slow computer.
    fn counted(&self) -> Duration {
        self.own_time - self.computed.min(self.own_time) * 3 / 4
    }
}

impl Finished {
    /// Whether it ended in time, and with exit code 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

/// How often a command is looked after.
const TICK: Duration = Duration::from_millis(50);

/// How many times its limit a command may run that hardly gets a processor.
const PATIENCE: u32 = 40;

const LONGEST_OUTPUT: usize = 1 << 20;

/// The commands that run now. On Unix a process id here is also the id of the command's process group.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Runs `command` without input, for at most `limit` of its own time.
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
    let (mut reader, writer) = io::pipe()?;
    command.stdin(Stdio::null());
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = start(&mut command)?;
    let (id, start) = (child.id(), Instant::now());
    let (mut usage, mut threads) = (Usage::default(), Threads::new());
    let mut left = || {
        let passed = start.elapsed() - usage.time;
        if passed >= TICK {
            let (computed, waited) = measure(id, passed, &mut threads);
            usage.time += passed;
            let seen = passed.min(TICK * 4); // beyond that this program was held up, too
            usage.own_time += own(seen, computed, waited);
            usage.computed += computed;
        }
        match stop.load(Relaxed) || usage.time >= limit.saturating_mul(PATIENCE) {
            true => Duration::ZERO,
            false => limit.saturating_sub(usage.counted()),
        }
    };
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
    let in_time = read(&chunks, &mut left, &mut output);
    let status = if in_time {
        wait(&mut child, &mut left)?
    } else {
        None
    };
    if status.is_none() {
        end(&mut child);
        child.wait()?;
        // What was written before the end may still be in the pipe.
        let end = Instant::now() + Duration::from_secs(1);
        let mut left = || end.saturating_duration_since(Instant::now());
        read(&chunks, &mut left, &mut output);
    }
    running(|running| running.remove(&child.id()));
    let output = String::from_utf8_lossy(&output).into_owned();
    Ok(Finished {
        output,
        status,
        usage,
    })
}

/// How long each thread has computed so far, how long it has waited for a processor, and whether it wants one now.
type Threads = BTreeMap<String, (Duration, Duration, bool)>;

/// How long all threads of a process, and of those that it has started, computed and waited in the last time.
fn measure(id: u32, passed: Duration, threads: &mut Threads) -> (Duration, Duration) {
    let (mut now, mut all) = (Threads::new(), (Duration::ZERO, Duration::ZERO));
    add_threads(&id.to_string(), &mut now);
    for (thread, &(computed, waited, wants)) in &now {
        let before = threads.get(thread).copied().unwrap_or_default();
        let computed = computed.saturating_sub(before.0);
        all.0 += computed;
        all.1 += waiting(passed, computed, waited.saturating_sub(before.1), wants);
    }
    *threads = now;
    all
}

/// How long a thread waited for a processor. Linux counts that once the thread has its turn; until then it is all the time
/// in which a thread that wants to compute did not.
fn waiting(passed: Duration, computed: Duration, counted: Duration, wants: bool) -> Duration {
    let so_far = passed.saturating_sub(computed) * u32::from(wants);
    counted.min(passed).max(so_far)
}

/// The own time of threads that together computed and waited for a processor for so long while this time passed. Waiting for each
/// other when they have all processors counts, and so does waiting for something else.
fn own(passed: Duration, computed: Duration, waited: Duration) -> Duration {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let (passed, computed, waited) = (
        passed.as_secs_f64(),
        computed.as_secs_f64(),
        waited.as_secs_f64(),
    );
    let wanted = (computed + waited).min(passed); // at least one thread wanted to compute for so long
    let of_all = computed / (passed * processors as f64);
    let share = (computed / (computed + waited)).max(of_all).min(1.0);
    let lost = if waited > 0.0 {
        wanted * (1.0 - share)
    } else {
        0.0
    };
    Duration::from_secs_f64((passed - lost).max(0.0))
}

/// Adds the threads of a process and of those that it has started. On other systems than Linux there are none.
fn add_threads(process: &str, threads: &mut Threads) {
    let tasks = fs::read_dir(format!("/proc/{process}/task"));
    for task in tasks.into_iter().flatten().flatten() {
        let (path, thread) = (task.path(), task.file_name().to_string_lossy().into_owned());
        let times = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        let mut times = times
            .split(' ')
            .map(|time| time.parse().map(Duration::from_nanos));
        if let (Some(Ok(computed)), Some(Ok(waited))) = (times.next(), times.next()) {
            let state = fs::read_to_string(path.join("stat")).unwrap_or_default();
            threads.insert(thread, (computed, waited, state.contains(") R ")));
        }
        let children = fs::read_to_string(path.join("children")).unwrap_or_default();
        children
            .split_whitespace()
            .for_each(|child| add_threads(child, threads));
    }
}

/// Reads until the end of the output, or until no time is left. Whether the end came first.
fn read(
    chunks: &mpsc::Receiver<Vec<u8>>,
    left: &mut impl FnMut() -> Duration,
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
fn wait(child: &mut Child, left: &mut impl FnMut() -> Duration) -> io::Result<Option<ExitStatus>> {
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
    _ = child.kill();
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

/// With all that it has started: a program that goes on could not be built again.
#[cfg(not(unix))]
fn end_group(id: u32) {
    let mut taskkill = Command::new("taskkill");
    taskkill.args(["/F", "/T", "/PID", &id.to_string()]);
    _ = taskkill
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

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

    /// Each has a processor of two to itself, or a tenth of one, or waits for something else.
    #[test]
    fn waiting_for_a_processor_is_not_own_time() {
        let ms = Duration::from_millis;
        let processors = thread::available_parallelism().map_or(1, |all| all.get() as u32);
        assert_eq!(own(ms(100), ms(0), ms(0)), ms(100), "it waits");
        assert_eq!(own(ms(100), ms(100), ms(0)), ms(100), "it computes");
        let tenth = own(ms(100), ms(10), ms(90)).min(own(ms(100), ms(1), ms(900)));
        assert!(tenth <= ms(100) / processors.min(10), "{tenth:?}");
        assert_eq!(
            own(ms(100), ms(100) * processors, ms(900)),
            ms(100),
            "its threads have all processors"
        );
        assert_eq!(own(ms(100), ms(0), ms(40)), ms(60), "it was woken late");
    }

    #[test]
    fn a_thread_that_has_not_had_its_turn_is_waiting() {
        let ms = Duration::from_millis;
        assert_eq!(waiting(ms(50), ms(10), ms(0), true), ms(40));
        assert_eq!(waiting(ms(50), ms(10), ms(0), false), ms(0), "it sleeps");
        assert_eq!(
            waiting(ms(50), ms(10), ms(200), false),
            ms(50),
            "not what it waited before"
        );
    }

    #[test]
    fn a_loop_computes_and_a_sleep_does_not() {
        let spins = shell("while :; do :; done", Duration::from_millis(500));
        assert!(
            spins.usage.computed >= spins.usage.own_time / 2,
            "{spins:?}"
        );
        let waits = shell("sleep 1000", Duration::from_millis(500));
        assert!(waits.usage.computed < waits.usage.own_time / 2, "{waits:?}");
    }

    #[test]
    fn endless_output_neither_fills_the_memory_nor_delays_the_deadline() {
        let finished = shell("yes", Duration::from_millis(500));
        assert_eq!(finished.status, None);
        assert!(finished.output.len() <= LONGEST_OUTPUT);
    }
}
