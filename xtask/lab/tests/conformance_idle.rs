//! A pool that waits uses no processor time. A program of its own, because it looks at all threads of its process.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use lab::pools::{Adapter, Event, Threads};
use lab::script::{Job, Outcome, Script, When};
use lab::steps;
use testing::{Counter, Watched, not_zero, other_threads};

/// How long no thread may do anything. What polls does so more often.
const WINDOW: Duration = Duration::from_millis(250);

/// How often a pool may come to rest later than that.
const TRIES: usize = 8;

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
    is_over: Watched<bool>,
}

impl Harness {
    fn new(hold: Hold) -> Self {
        Self {
            hold,
            held: Counter::default(),
            is_over: Watched::default(),
        }
    }

    fn hold(&self, here: Hold) {
        if here == self.hold {
            self.held.add_one();
            self.is_over.wait(|is_over| *is_over);
        }
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
        for id in threads().into_keys() {
            steps_of_threads.entry(id).or_insert(step.name);
        }
    }
    let mut tries = 0;
    let busy = loop {
        let (busy, is_starved) = busy_threads();
        tries += usize::from(!is_starved);
        if tries == TRIES || (busy.is_empty() && !is_starved) {
            break busy;
        }
    };
    for (harness, running) in runs {
        harness.is_over.change(|is_over| *is_over = true);
        let ended = running.join().expect("the pool does not panic");
        ended.expect("threads can be started");
    }
    let step = |(id, name)| (steps_of_threads.get(&id).copied(), name);
    let busy = Vec::from_iter(busy.into_iter().map(step));
    assert!(busy.is_empty(), "{busy:?} poll, or spin");
}

/// Id and name of the other threads of this process that do something within the window, and whether one wants to and gets no
/// processor, as on a busy machine.
fn busy_threads() -> (Vec<(String, String)>, bool) {
    let before = threads();
    thread::sleep(WINDOW);
    let (mut busy, mut is_starved) = (Vec::new(), false);
    for (id, (name, wants, done)) in threads() {
        match before.get(&id) {
            Some((_, _, before)) if *before == done => is_starved |= wants,
            _ => busy.push((id, name)),
        }
    }
    (busy, is_starved)
}

/// Of each other thread: its name, whether it runs or wants to, and what it has done so far: how long it has run, and how often
/// it has given up the processor.
fn threads() -> BTreeMap<String, (String, bool, String)> {
    let mut threads = BTreeMap::new();
    for (path, status) in other_threads().expect("Linux has them") {
        let id = path.file_name().map(|id| id.to_string_lossy().into_owned());
        let id = id.expect("each thread has an id");
        let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key));
        let name = line("Name:\t").unwrap_or_default().to_owned();
        let wants = line("State:\t").is_some_and(|state| !state.starts_with('S'));
        let times = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        let switches = status.lines().filter(|line| line.contains("ctxt_switches"));
        let run = times.split(' ').take(1);
        threads.insert(id, (name, wants, run.chain(switches).collect()));
    }
    threads
}
