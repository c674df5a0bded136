//! A million jobs through each pool: every one is done once, and none twice.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use lab::pools::{Event, Threads};
use lab::script::{Outcome, Script, When};
use lab::steps::{STEPS, Step};

const MILLION: usize = 1_000_000;

/// Ticks off each job when it starts, and again when its result comes.
struct List {
    started: Vec<AtomicBool>,
    done: Vec<AtomicBool>,
    results: AtomicUsize,
}

impl List {
    fn new() -> Self {
        let unticked = || (0..MILLION).map(|_| AtomicBool::new(false)).collect();
        Self {
            started: unticked(),
            done: unticked(),
            results: AtomicUsize::new(0),
        }
    }

    fn start(&self, job: usize) {
        assert!(
            !self.started[job - 1].swap(true, Relaxed),
            "job {job} started twice"
        );
    }
}

impl Threads for List {
    fn work(&self, _worker: usize, job: usize) -> Outcome {
        self.start(job);
        Outcome::Done
    }

    fn stop(&self, _when: When) {}

    fn record(&self, event: Event) {
        if let Event::Result { job, outcome } = event {
            assert_eq!(outcome, Outcome::Done, "job {job}");
            assert!(
                self.started[job - 1].load(Relaxed),
                "job {job} never started"
            );
            assert!(
                !self.done[job - 1].swap(true, Relaxed),
                "job {job} has two results"
            );
            self.results.fetch_add(1, Relaxed);
        }
    }
}

#[test]
#[ignore = "takes seconds; .ci/run runs it"]
fn a_million_jobs_are_each_done_once() {
    let not_zero = |number| NonZeroUsize::new(number).expect("a script has at least 1 of each");
    let script = Script {
        workers: not_zero(4),
        max_workers: not_zero(4),
        capacity: not_zero(1000),
        period: Duration::ZERO,
        ..Script::PLAIN
    };
    let (done, ended) = mpsc::channel();
    for step in &STEPS {
        let (done, script) = (done.clone(), script.clone());
        thread::spawn(move || {
            do_a_million(step, script);
            done.send(()).expect("the test waits for all of them");
        });
    }
    drop(done);
    for _ in &STEPS {
        let patience = Duration::from_secs(300);
        ended
            .recv_timeout(patience)
            .expect("every pool ends, with all jobs done");
    }
}

fn do_a_million(step: &Step, script: Script) {
    let list = Arc::new(List::new());
    let ran = step.adapter.run(script, MILLION, list.clone());
    ran.expect("threads and runtimes can be started");
    assert_eq!(list.results.load(Relaxed), MILLION, "{}", step.name);
}
