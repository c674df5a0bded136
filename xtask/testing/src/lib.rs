//! What the tests of several steps need. Only tests depend on this, and it depends on nothing.
//!
//! A helper that fails names the line of the test that called it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::env::consts::EXE_EXTENSION;
use std::io::{self, BufRead, BufReader, Read};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// How long a test may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// How often, and for how long each time, a test looks in vain for a change: in all less than the deadline of
/// `cargo xtask check`, so that a learner reads what the test waited for. A look at which another thread waits for a processor,
/// or computes, does not count: the computer is busy.
const LOOKS: usize = 20;
const LOOK: Duration = Duration::from_millis(100);

/// The number as the type that pools take.
///
/// # Panics
///
/// If it is 0.
#[track_caller]
pub fn not_zero(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).expect("tests ask for at least 1")
}

/// Runs `test` on a thread of its own, and returns what it returns.
///
/// # Panics
///
/// If `test` panics, with the same panic; and if it has not ended after a minute, so that no test hangs.
#[track_caller]
pub fn with_deadline<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = channel();
    // The thread has the test's name, so a message says that it is the test's.
    let name = thread::current().name().unwrap_or_default().to_owned();
    let thread = thread::Builder::new().name(name);
    let test = thread.spawn(move || done.send(test()));
    let test = test.expect("the system has room for a thread");
    match result.recv_timeout(DEADLINE) {
        Ok(value) => value,
        Err(RecvTimeoutError::Timeout) => panic!("still running after a minute"),
        Err(RecvTimeoutError::Disconnected) => {
            resume_unwind(test.join().expect_err("it ended without a result"))
        }
    }
}

/// The text of the panic with which `run` ends.
///
/// # Panics
///
/// If `run` does not panic, or if the payload of its panic is no text.
#[track_caller]
pub fn panic_of<T>(run: impl FnOnce() -> T) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(run)) else {
        panic!("the panic is lost: the caller does not get it");
    };
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => match payload.downcast_ref::<&str>() {
            Some(text) => (*text).to_owned(),
            None => panic!("the caller gets another panic, which is no text"),
        },
    }
}

/// Lets the other threads run until all of them sleep, so that code that does too much has done it. Where the system does not
/// say that they sleep, gives them some time, and if they go on for long, too.
pub fn let_others_run() {
    let mut before = None;
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(1));
        let now = sleepers().ok().flatten();
        if now.is_some() && now == before {
            return; // not one was woken between the two looks, so there was a moment at which all slept
        }
        before = now;
    }
}

/// How often each other thread has slept so far; `None` if one of them does not sleep now. An error where the system is not Linux.
fn sleepers() -> io::Result<Option<String>> {
    let mut sleepers = String::new();
    for (_, status) in other_threads()? {
        if !status.contains("State:\tS") {
            return Ok(None);
        }
        let lines = status.lines();
        sleepers.extend(lines.filter(|line| line.starts_with("Pid:") || line.contains("ctxt")));
    }
    Ok(Some(sleepers))
}

/// Each other thread of this process: the folder that Linux has for it, and what is in its file `status`.
///
/// # Errors
///
/// If the system is not Linux.
pub fn other_threads() -> io::Result<Vec<(PathBuf, String)>> {
    let this = fs::read_link("/proc/thread-self")?;
    let mut threads = Vec::new();
    for thread in fs::read_dir("/proc/self/task")? {
        let thread = thread?.path();
        if thread.file_name() != this.file_name()
            && let Ok(status) = fs::read_to_string(thread.join("status"))
        {
            threads.push((thread, status)); // an error: it has ended
        }
    }
    Ok(threads)
}

/// A value that one thread changes and another one waits for.
#[derive(Debug, Default)]
pub struct Watched<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Watched<T> {
    /// The value at this moment.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let value = self.value.lock();
        value.expect("nothing panics while it is locked")
    }

    /// Changes the value, and wakes those who wait.
    pub fn change(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `is_met`. `None` if nothing changes for too long.
    pub fn wait_until(&self, is_met: impl Fn(&T) -> bool) -> Option<MutexGuard<'_, T>> {
        let (mut value, mut looks, mut start) = (self.lock(), 0, Instant::now());
        while !is_met(&value) {
            if looks == LOOKS || start.elapsed() > DEADLINE {
                return None;
            }
            let waited = self.changed.wait_timeout(value, LOOK);
            let (changed, waited) = waited.expect("nothing panics while it is locked");
            if waited.timed_out() {
                let is_busy = matches!(sleepers(), Ok(None));
                looks += usize::from(!is_busy);
            } else {
                (looks, start) = (0, Instant::now());
            }
            value = changed;
        }
        Some(value)
    }

    /// Waits until `is_met`, however long.
    pub fn wait(&self, is_met: impl Fn(&T) -> bool) {
        let waited = self.changed.wait_while(self.lock(), |value| !is_met(value));
        drop(waited.expect("nothing panics while it is locked"));
    }
}

/// Counts what happens on other threads, so that a test can wait for it.
#[derive(Debug, Default)]
pub struct Counter(Watched<usize>);

impl Counter {
    /// Adds one.
    pub fn add_one(&self) {
        self.0.change(|count| *count += 1);
    }

    /// The count at this moment.
    pub fn count(&self) -> usize {
        *self.0.lock()
    }

    /// Waits until the count is `number` or more.
    ///
    /// # Panics
    ///
    /// If the count stops below `number`.
    #[track_caller]
    pub fn wait_for(&self, number: usize) {
        let reached = self.0.wait_until(|&count| count >= number).is_some();
        let count = self.count();
        assert!(
            reached,
            "the count stops at {count} and should reach {number}"
        );
    }

    /// Waits until the count is `number`, and gives other threads time to go on counting.
    ///
    /// # Panics
    ///
    /// If the count stops below `number`, or goes beyond.
    #[track_caller]
    pub fn reaches(&self, number: usize) {
        self.wait_for(number);
        let_others_run();
        let count = self.count();
        assert!(
            count <= number,
            "the count is {count} and should stop at {number}"
        );
    }
}

/// Jobs that say when they start, and end when the test says so. When this is dropped, as by a test that fails, no job
/// waits any more.
#[derive(Debug, Default)]
pub struct Gates(Arc<Watched<State>>);

#[derive(Debug, Default)]
struct State {
    /// Worker and job of each start that the test has not read yet.
    starts: VecDeque<(usize, usize)>,
    open: BTreeSet<usize>,
    all_open: bool,
}

impl Gates {
    /// For a job to call with its worker's id: says that the job has started, and waits until its gate is open.
    pub fn gate(&self, job: usize) -> impl FnOnce(usize) + Send + use<> {
        let gates = self.0.clone();
        move |worker| {
            gates.change(|state| state.starts.push_back((worker, job)));
            let is_open = |state: &State| state.all_open || state.open.contains(&job);
            while gates.wait_until(is_open).is_none() {}
        }
    }

    /// Opens the gate of `job`. If the job comes later, it does not wait.
    pub fn open(&self, job: usize) {
        self.0.change(|state| _ = state.open.insert(job));
    }

    /// Waits for the next start: the worker and the job.
    ///
    /// # Panics
    ///
    /// If no other job starts.
    #[track_caller]
    pub fn next_start(&self) -> (usize, usize) {
        let state = self.0.wait_until(|state| !state.starts.is_empty());
        let start = state.and_then(|mut state| state.starts.pop_front());
        start.expect("no other job starts")
    }
}

impl Drop for Gates {
    fn drop(&mut self) {
        self.0.change(|state| state.all_open = true);
    }
}

/// Memory of this process that is in use, in MiB; 0 where the system is not Linux.
pub fn memory_in_use() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib = number.map_or(0, |kib| kib.parse().expect("the form is `VmRSS: 1234 kB`"));
    kib / 1024
}

/// An example of the package whose test calls this. `cargo test` builds the examples beside the tests.
pub fn example(name: &str) -> Command {
    let test = env::current_exe().expect("a program knows where it is");
    let folder = test
        .ancestors()
        .nth(2)
        .expect("tests are built in a folder of cargo's");
    let example = folder.join("examples").join(name);
    Command::new(example.with_extension(EXE_EXTENSION))
}

/// What a program has printed. Workers' ids, which may differ from run to run, are `#`.
#[derive(Debug)]
pub struct Printed {
    /// Its exit code.
    pub code: Option<i32>,
    /// The lines of its standard output.
    pub lines: Vec<String>,
    /// What it has printed to standard error.
    pub stderr: String,
}

/// Runs a program with these flags, with a space between two of them.
///
/// # Panics
///
/// If it does not end within a minute.
#[track_caller]
pub fn run(program: &str, flags: &str) -> Printed {
    let mut program = Command::new(program);
    program.args(flags.split(' '));
    let output = with_deadline(move || program.output());
    output.expect("the program can be started").into()
}

impl From<Output> for Printed {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("only text is printed");
        let without_worker = |line: &str| {
            let rest = line.strip_prefix("Worker ").unwrap_or_default();
            match rest.trim_start_matches(char::is_numeric) {
                rest if rest.starts_with(' ') => format!("Worker #{rest}"),
                _ => line.to_owned(),
            }
        };
        Self {
            code: output.status.code(),
            lines: text(output.stdout).lines().map(without_worker).collect(),
            stderr: text(output.stderr),
        }
    }
}

impl Printed {
    /// Its last line.
    pub fn last(&self) -> &str {
        self.lines.last().map_or("", String::as_str)
    }

    /// Its lines in alphabetical order. Those that differ only in the number at their end are one, with all numbers.
    pub fn facts(&self) -> String {
        let mut facts = BTreeMap::<_, (usize, Vec<usize>)>::new();
        for line in &self.lines {
            let words = line.trim_end_matches(char::is_numeric);
            let (times, numbers) = facts.entry(words).or_default();
            *times += 1;
            numbers.extend(line[words.len()..].parse::<usize>().ok());
        }
        let fact = |(words, (times, mut numbers)): (&str, (_, Vec<_>))| {
            numbers.sort_unstable();
            match (numbers.is_empty(), times) {
                (false, _) => format!("{words}{numbers:?}"),
                (true, 1) => words.to_owned(),
                (true, _) => format!("{words} ({times} times)"),
            }
        };
        Vec::from_iter(facts.into_iter().map(fact)).join("\n")
    }
}

/// Checks that a program ends well and without a word when its output is not read.
///
/// # Panics
///
/// If it does not.
#[track_caller]
pub fn ends_quietly_unread(program: &mut Command) {
    let (reader, writer) = io::pipe().expect("there is room for a pipe");
    drop(reader);
    let output = program.stdout(writer).output();
    let output = output.expect("the program can be started");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*stderr), (Some(0), ""));
}

/// A program in the middle of its work. When this is dropped, it is ended.
#[derive(Debug)]
pub struct Running {
    /// The program.
    pub program: Child,
    lines: Receiver<String>,
    seen: String,
}

impl Running {
    /// Starts it, and reads what it prints.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut program = command.spawn().expect("the program can be started");
        let stdout = BufReader::new(program.stdout.take().expect("it is piped"));
        let (line, lines) = channel();
        thread::spawn(move || {
            let mut all = stdout.lines().map_while(Result::ok);
            all.try_for_each(|text| line.send(text + "\n"))
        });
        Self {
            program,
            lines,
            seen: String::new(),
        }
    }

    /// Reads up to the next line that has this text, in large or small letters, and gives the line.
    ///
    /// # Panics
    ///
    /// If no line comes for a minute, or none any more.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(DEADLINE) else {
                panic!("{text:?} is not printed: {}", self.seen);
            };
            self.seen += &line;
            if line.to_lowercase().contains(&text.to_lowercase()) {
                return line;
            }
        }
    }

    /// Sends the signal of this name.
    ///
    /// # Panics
    ///
    /// If the program has ended.
    #[track_caller]
    pub fn send(&self, signal: &str) {
        kill(&self.program.id().to_string(), signal);
    }

    /// Waits until it has ended. Gives how, and all that it has printed to standard output and to standard error.
    ///
    /// # Panics
    ///
    /// If it goes on and prints nothing for a minute.
    #[track_caller]
    pub fn end(mut self) -> (ExitStatus, String, String) {
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) => self.seen += &line,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {}", self.seen),
            }
        }
        let mut stderr = String::new();
        let mut errors = self.program.stderr.take().expect("it is piped");
        let read = errors.read_to_string(&mut stderr);
        read.expect("only text is printed");
        let status = self.program.wait().expect("it was started");
        (status, std::mem::take(&mut self.seen), stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.program.try_wait() {
            _ = send(&self.program.id().to_string(), "INT"); // so that it can end what it has started
            thread::sleep(Duration::from_secs(1));
            _ = self.program.kill(); // an error: it has ended
        }
    }
}

/// Sends the signal of this name to a process, or with a minus before its id to its group.
///
/// # Panics
///
/// If there is no such process.
#[track_caller]
pub fn kill(process: &str, signal: &str) {
    assert!(send(process, signal), "{process} gets no {signal}");
}

fn send(process: &str, signal: &str) -> bool {
    let mut kill = Command::new("kill");
    let status = kill.args(["-s", signal, "--", process]).status();
    status.is_ok_and(|status| status.success())
}
