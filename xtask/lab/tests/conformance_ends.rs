//! Threads that the system refuses, and threads that end late.
#![cfg(target_os = "linux")]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::{env, fs, thread};

use lab::pools::{Adapter, Event, Threads};
use lab::script::{Job, Outcome, Script, When};
use lab::steps::{self, Step};
use testing::{not_zero, with_deadline};

type Pool = fn(&Script, usize, Arc<dyn Threads>) -> std::io::Result<()>;

fn pools() -> impl Iterator<Item = (Step, Pool)> {
    let pool = |step: Step| match step.adapter {
        Adapter::Threads(pool) => Some((step, pool)),
        Adapter::Tasks(_) => None,
    };
    steps::asked_for().into_iter().filter_map(pool)
}

fn script(workers: usize, jobs: usize) -> Script {
    Script {
        workers: not_zero(workers),
        capacity: not_zero(1),
        jobs: vec![Job::default(); jobs],
        ..Script::PLAIN
    }
}

/// Counts the jobs that start.
#[derive(Default)]
struct Started(AtomicUsize);

impl Threads for Started {
    fn work(&self, _worker: usize, _job: usize) -> Outcome {
        self.0.fetch_add(1, SeqCst);
        Outcome::Done
    }

    fn stop(&self, _when: When) {}

    fn record(&self, _event: Event) {}
}

/// What the test's own process asks the other one for: a run of this step.
const REFUSE: &str = "TEST_THREADS_ARE_REFUSED_TO";

/// In a process with room for the stacks of a few threads only.
#[test]
fn a_refused_thread_is_an_error_and_no_job_starts() {
    const NAME: &str = "a_refused_thread_is_an_error_and_no_job_starts";

    if let Ok(name) = env::var(REFUSE) {
        return run_where_threads_are_refused(&name);
    }
    let this = env::current_exe().expect("a program knows where it is");
    for (step, _) in pools() {
        // A thread with a stack of a gigabyte: seven of them, or none at all.
        for (room, stack) in [
            ("8000000", "1073741824"),
            ("unlimited", "1152921504606846976"),
        ] {
            let limited = format!("ulimit -v {room} && exec \"$0\" --exact {NAME} --nocapture");
            let output = Command::new("sh")
                .args(["-c", &limited])
                .arg(&this)
                .env("RUST_MIN_STACK", stack)
                .env(REFUSE, step.name)
                .output();
            let output = output.expect("there is a shell");
            let text = String::from_utf8_lossy(&output.stdout);
            let found = text.lines().find_map(|line| line.split_once("found: "));
            let found = found.map_or(String::from_utf8_lossy(&output.stderr), |line| {
                line.1.into()
            });
            assert_eq!(found, "an error, and 0 jobs started", "{}", step.name);
        }
    }
}

fn run_where_threads_are_refused(name: &str) {
    let (_, pool) = pools()
        .find(|(step, _)| step.name == name)
        .expect("it is asked for");
    let started = Arc::new(Started::default());
    let ended = pool(&script(1000, 10), 10, started.clone());
    let ended = if ended.is_err() {
        "an error"
    } else {
        "no error"
    };
    println!(
        "\nfound: {ended}, and {} jobs started",
        started.0.load(SeqCst)
    );
}

/// The folder in which the system describes this thread.
fn folder() -> PathBuf {
    Path::new("/proc").join(fs::read_link("/proc/thread-self").expect("Linux has it"))
}

/// Three workers with a job each. One thread of the pool is late: it ends when `run` waits for it, or has returned.
struct Late {
    /// The worker's id; 0 for the thread that submits.
    id: usize,
    everyone: Barrier,
    results: AtomicUsize,
    /// The thread that calls `run`.
    caller: PathBuf,
    /// All other threads.
    others: Mutex<Vec<PathBuf>>,
    has_returned: AtomicBool,
    has_ended: Mutex<Option<bool>>,
}

impl Late {
    fn new(id: usize) -> Self {
        Self {
            id,
            everyone: Barrier::new(3),
            results: AtomicUsize::new(0),
            caller: folder(),
            others: Mutex::default(),
            has_returned: AtomicBool::new(false),
            has_ended: Mutex::default(),
        }
    }

    /// Notes the thread on which this is called, and how it is to end.
    fn note(self: &Arc<Self>, id: Option<usize>) {
        let thread = folder();
        if thread == self.caller || END.with_borrow(Option::is_some) {
            return;
        }
        let mut late = None;
        if id == Some(self.id) {
            *self.has_ended.lock().expect("no panic") = Some(false);
            late = Some(self.clone());
        } else {
            self.others.lock().expect("no panic").push(thread);
        }
        END.set(Some(End(late)));
    }

    fn end_late(&self) {
        let until = |holds: &dyn Fn() -> bool| {
            while !self.has_returned.load(SeqCst) && !holds() {
                thread::yield_now();
            }
        };
        until(&|| self.results.load(SeqCst) == 3);
        let others = self.others.lock().expect("no panic").clone();
        until(&|| others.iter().all(|other| !other.exists()));
        // By now the caller has been woken. If it sleeps, it waits for this thread.
        until(&|| {
            let status = fs::read_to_string(self.caller.join("status"));
            status.is_ok_and(|status| status.contains("State:\tS"))
        });
        *self.has_ended.lock().expect("no panic") = Some(true);
    }
}

thread_local!(static END: RefCell<Option<End>> = const { RefCell::new(None) });

/// Is dropped when its thread ends: after the thread's closure, on which alone a scope waits.
struct End(Option<Arc<Late>>);

impl Drop for End {
    fn drop(&mut self) {
        if let Some(late) = &self.0 {
            late.end_late();
        }
    }
}

struct Harness(Arc<Late>);

impl Threads for Harness {
    fn work(&self, worker: usize, _job: usize) -> Outcome {
        self.0.note(Some(worker));
        self.0.everyone.wait();
        Outcome::Done
    }

    fn stop(&self, _when: When) {}

    fn record(&self, event: Event) {
        let is_submitted = matches!(event, Event::Submitted { .. });
        self.0.note(is_submitted.then_some(0));
        if let Event::Result { .. } = event {
            self.0.results.fetch_add(1, SeqCst);
        }
    }
}

#[test]
fn every_thread_has_ended_when_run_returns() {
    for (step, pool) in pools() {
        for id in 0..=3 {
            let has_ended = with_deadline(move || {
                let late = Arc::new(Late::new(id));
                let ended = pool(&script(3, 3), 3, Arc::new(Harness(late.clone())));
                let has_ended = late.has_ended.lock().expect("no panic").take();
                late.has_returned.store(true, SeqCst);
                ended.expect("threads can be started");
                has_ended
            });
            // Without a thread that submits, the caller does.
            let has_ended = has_ended.unwrap_or(id == 0);
            assert!(
                has_ended,
                "{}: worker {id} (0: the submitter) still runs",
                step.name
            );
        }
    }
}
