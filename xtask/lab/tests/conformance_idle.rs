//! A pool that waits uses no processor time. A program of its own, because it looks at all threads of its process.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use lab::pools::{Adapter, Event, Threads};
use lab::script::{Job, Outcome, Script, When};
use lab::steps;
use testing::{Counter, not_zero};

/// How long no thread may do anything. What polls does so more often.
const WINDOW: Duration = Duration::from_millis(250);

/// How often a pool may come to rest later than that, as it may on a busy machine.
const TRIES: usize = 16;

/// Where a pool is held, so that all of it has to wait.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hold {
    /// Where it takes another job: no worker has one.
    Submitting,
    /// In its jobs: the queue is full, and no result comes.
    Working,
    /// Where results are read: no worker has room for another one.
    Reading,
}

struct Harness {
    hold: Hold,
    /// Counts the threads that are held.
    held: Counter,
    is_over: Mutex<bool>,
    over: Condvar,
}

impl Harness {
    fn new(hold: Hold) -> Self {
        Self {
            hold,
            held: Counter::default(),
            is_over: Mutex::default(),
            over: Condvar::default(),
        }
    }

    fn hold(&self, here: Hold) {
        if here == self.hold {
            self.held.add_one();
            let is_over = self.is_over.lock().expect("nothing panics with it");
            let waited = self.over.wait_while(is_over, |is_over| !*is_over);
            drop(waited.expect("nothing panics with it"));
        }
    }

    fn release(&self) {
        *self.is_over.lock().expect("nothing panics with it") = true;
        self.over.notify_all();
    }
}

impl Threads for Harness {
    fn work(&self, _worker: usize, _job: usize) -> Outcome {
        self.hold(Hold::Working);
        Outcome::Done
    }

    fn stop(&self, _when: When) {}

    fn record(&self, event: Event) {
        match event {
            Event::Submitted { .. } => self.hold(Hold::Submitting),
            Event::Result { .. } => self.hold(Hold::Reading),
            _ => {}
        }
    }
}

#[test]
fn a_pool_that_waits_uses_no_processor_time() {
    let mut steps_of_threads = BTreeMap::new();
    let mut runs = Vec::new();
    for step in steps::asked_for() {
        let Adapter::Threads(pool) = step.adapter else {
            continue; // what holds one task here holds the thread of all of them
        };
        for (hold, number) in [
            (Hold::Submitting, 1),
            (Hold::Working, 2),
            (Hold::Reading, 1),
        ] {
            let harness = Arc::new(Harness::new(hold));
            let script = Script {
                workers: not_zero(2),
                capacity: not_zero(1),
                jobs: vec![Job::default(); 10],
                ..Script::PLAIN
            };
            let running = {
                let harness = harness.clone();
                let caller = thread::Builder::new().name("caller of run".into());
                caller.spawn(move || pool(&script, 10, harness))
            };
            harness.held.wait_for(number);
            runs.push((harness, running.expect("threads can be started")));
        }
        for id in switches().into_keys() {
            steps_of_threads.entry(id).or_insert(step.name);
        }
    }
    let mut busy = busy_threads();
    for _ in 1..TRIES {
        if !busy.is_empty() {
            busy = busy_threads(); // it may still have been on its way
        }
    }
    for (harness, running) in runs {
        harness.release();
        let ended = running.join().expect("the pool does not panic");
        ended.expect("threads can be started");
    }
    let step = |(id, name)| (steps_of_threads.get(&id).copied(), name);
    let busy = Vec::from_iter(busy.into_iter().map(step));
    assert!(busy.is_empty(), "{busy:?} poll, or spin");
}

/// Id and name of the other threads of this process that do something within the window: that run or want to run at its
/// begin or end, or have run meanwhile.
fn busy_threads() -> Vec<(String, String)> {
    let before = switches();
    thread::sleep(WINDOW);
    let after = switches();
    let is_busy = |(id, (_, switches)): &(&String, &(String, _))| match before.get(*id) {
        Some((_, before)) => before.is_none() || before != switches,
        None => true,
    };
    let busy = after.iter().filter(is_busy);
    busy.map(|(id, (name, _))| (id.clone(), name.clone()))
        .collect()
}

/// Name of each other thread, and how often it has given up the processor; `None` if it runs or wants to.
fn switches() -> BTreeMap<String, (String, Option<String>)> {
    let own = fs::read_link("/proc/thread-self").expect("Linux has it");
    let mut switches = BTreeMap::new();
    for thread in fs::read_dir("/proc/self/task").expect("Linux has it") {
        let path = thread.expect("it is a folder").path();
        let id = path.file_name().map(|id| id.to_string_lossy().into_owned());
        let id = id.expect("each thread has an id");
        if own.ends_with(Path::new("task").join(&id)) {
            continue;
        }
        let Ok(status) = fs::read_to_string(path.join("status")) else {
            continue; // it has ended
        };
        let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key));
        let name = line("Name:\t").unwrap_or_default().to_owned();
        let sleeps = line("State:\t").is_some_and(|state| state.starts_with('S'));
        let counts = status.lines().filter(|line| line.contains("ctxt_switches"));
        let counts = sleeps.then(|| Vec::from_iter(counts).join(", "));
        switches.insert(id, (name, counts));
    }
    switches
}
