//! What all pools have in common, checked for each of them. `STEP=basic` asks for one.
//!
//! All of them run on real threads here, those of tokio's tasks too: what a job does may block.

use std::collections::BTreeMap;
use std::env;
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use lab::harness::{PATIENCE, Time, play};
use lab::pools::{Adapter, Event, Threads};
use lab::script::{Job, Outcome, Script, When};
use lab::steps::{STEPS, Step};
use tokio::runtime::Builder;
use tokio::task::block_in_place;

fn steps() -> impl Iterator<Item = Step> {
    let only = env::var("STEP").ok();
    let is_asked_for = move |step: &Step| only.as_deref().is_none_or(|only| only == step.name);
    STEPS.into_iter().filter(is_asked_for)
}

/// A pool, and how many jobs it gets.
fn script(workers: usize, capacity: usize, jobs: usize) -> Script {
    let not_zero = |number| NonZeroUsize::new(number).expect("tests ask for at least 1");
    Script {
        workers: not_zero(workers),
        max_workers: not_zero(workers),
        capacity: not_zero(capacity),
        jobs: vec![Job::default(); jobs],
        period: Duration::ZERO,
        ..Script::PLAIN
    }
}

/// What happened so far. A job, or the reader of results, can wait for more.
struct Log {
    events: Mutex<Vec<Event>>,
    grown: Condvar,
}

impl Log {
    fn add(&self, event: Event) {
        self.events.lock().expect("no panic").push(event);
        self.grown.notify_all();
    }

    fn wait_until(&self, holds: impl Fn(&[Event]) -> bool) {
        let events = self.events.lock().expect("no panic");
        let waited = self.grown.wait_while(events, |events| !holds(events));
        drop(waited.expect("no panic"));
    }
}

fn is_submitted(event: &Event) -> bool {
    matches!(event, Event::Submitted { .. })
}

fn is_started(event: &Event) -> bool {
    matches!(event, Event::Started { .. })
}

fn count(events: &[Event], is: fn(&Event) -> bool) -> usize {
    events.iter().filter(|event| is(event)).count()
}

type OnEvent = dyn Fn(&Log, Event) + Send + Sync;

/// Calls `on_event` in the job that starts, or where the pool reports a result.
struct Harness {
    log: Arc<Log>,
    on_event: Box<OnEvent>,
}

impl Threads for Harness {
    fn work(&self, worker: usize, job: usize) -> Outcome {
        let started = Event::Started { worker, job };
        self.log.add(started);
        block_in_place(|| (self.on_event)(&self.log, started));
        self.log.add(Event::Finished { worker, job });
        Outcome::Done
    }

    fn stop(&self, _when: When) {}

    fn record(&self, event: Event) {
        self.log.add(event);
        if let Event::Result { .. } = event {
            (self.on_event)(&self.log, event);
        }
    }
}

/// Runs the step's pool and gives what happened. Fails if the pool has not ended in time.
fn run(
    step: Step,
    script: Script,
    on_event: impl Fn(&Log, Event) + Send + Sync + 'static,
) -> Vec<Event> {
    let log = Log {
        events: Mutex::default(),
        grown: Condvar::new(),
    };
    let harness = Harness {
        log: Arc::new(log),
        on_event: Box::new(on_event),
    };
    let log = harness.log.clone();
    let harness = Arc::new(harness);
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        let jobs = script.jobs.len();
        match step.adapter {
            Adapter::Threads(pool) => pool(&script, jobs, harness).expect("threads can be started"),
            Adapter::Tasks(pool) => {
                let mut runtime = Builder::new_multi_thread();
                let runtime = runtime.worker_threads(2).enable_time().build();
                let runtime = runtime.expect("a runtime starts");
                runtime.block_on(pool(script, jobs, harness));
            }
        }
        done.send(()).expect("the test waits for it");
    });
    let ended = ended.recv_timeout(Duration::from_secs(8));
    let events = log.events.lock().expect("no panic").clone();
    let seen = &events[..events.len().min(50)];
    ended.unwrap_or_else(|_| panic!("{} has not ended, after {seen:?}", step.name));
    events
}

fn started(events: &[Event]) -> Vec<usize> {
    let job = |event: &Event| match event {
        Event::Started { job, .. } => Some(*job),
        _ => None,
    };
    events.iter().filter_map(job).collect()
}

#[test]
fn one_worker_takes_the_jobs_in_order() {
    for step in steps() {
        let events = run(step, script(1, 2, 20), |_, _| {});
        assert_eq!(started(&events), Vec::from_iter(1..=20), "{}", step.name);
    }
}

/// Jobs end only in groups of as many as there are workers.
#[test]
fn as_many_jobs_run_at_once_as_there_are_workers() {
    for step in steps() {
        for workers in [1, 2, 3, 8] {
            let events = run(step, script(workers, 1, 3 * workers), move |log, event| {
                if let Event::Started { .. } = event {
                    log.wait_until(|events| {
                        let finished = |event: &Event| matches!(event, Event::Finished { .. });
                        let group = count(events, finished) / workers + 1;
                        count(events, is_started) >= group * workers
                    });
                }
            });
            assert_eq!(started(&events).len(), 3 * workers, "{}", step.name);
        }
    }
}

#[test]
fn never_more_jobs_run_at_once_than_there_are_workers() {
    for step in steps() {
        for (workers, capacity) in [(1, 100), (2, 1), (3, 100), (8, 3)] {
            let events = run(step, script(workers, capacity, 200), |_, _| {
                (0..5).for_each(|_| thread::yield_now()); // so that one too many would start
            });
            let mut in_flight = 0;
            for event in events {
                match event {
                    Event::Started { .. } => in_flight += 1,
                    Event::Finished { .. } => in_flight -= 1,
                    _ => {}
                }
                let name = step.name;
                assert!(
                    in_flight <= workers,
                    "{name}: {in_flight} on {workers} workers"
                );
            }
            assert_eq!(in_flight, 0, "{}: jobs run after the end", step.name);
        }
    }
}

/// Of two workers, one is kept busy by job 1, then the other one by job 4.
#[test]
fn the_worker_that_is_free_first_takes_the_next_job() {
    for step in steps() {
        let events = run(step, script(2, 100, 5), |log, event| {
            let others = match event {
                Event::Started { job: 1, .. } => 4,
                Event::Started { job: 2, .. } => 2,
                Event::Started { job: 4, .. } => 5,
                _ => return,
            };
            log.wait_until(|events| count(events, is_started) >= others);
        });
        let worker = |event| match event {
            Event::Started { worker, job } => Some((job, worker)),
            _ => None,
        };
        let workers = BTreeMap::from_iter(events.into_iter().filter_map(worker));
        assert_eq!(workers[&5], workers[&1], "{}", step.name);
        for job in [3, 4] {
            assert_eq!(workers[&job], workers[&2], "{}, job {job}", step.name);
        }
    }
}

#[test]
fn every_job_is_done_once_at_any_capacity() {
    for step in steps() {
        for (workers, capacity, jobs) in
            [(1, 1, 0), (1, 1, 1), (3, 1, 500), (8, 1, 500), (2, 64, 3)]
        {
            let events = run(step, script(workers, capacity, jobs), |_, _| {});
            let result = |event: &Event| match event {
                Event::Result { job, outcome } => Some((*job, *outcome)),
                _ => None,
            };
            let mut results = Vec::from_iter(events.iter().filter_map(result));
            results.sort_unstable_by_key(|&(job, _)| job);
            let expected = Vec::from_iter((1..=jobs).map(|job| (job, Outcome::Done)));
            let case = format!("{}, {workers} workers, capacity {capacity}", step.name);
            assert_eq!(results, expected, "{case}");
            assert_eq!(started(&events).len(), jobs, "{case}");
        }
    }
}

/// While every worker is busy, the queue takes as many jobs as it has room for. Where the pool takes jobs from an
/// iterator, it holds one more.
#[test]
fn as_many_jobs_wait_as_the_capacity_and_no_more() {
    for step in steps() {
        for capacity in [1, 5] {
            let iterates = ["basic", "waitgroup", "job-struct", "errors"].contains(&step.name);
            let most = 2 + capacity + usize::from(iterates);
            let events = run(step, script(2, capacity, 100), move |log, event| {
                if let Event::Started { job: 1 | 2, .. } = event {
                    log.wait_until(|events| count(events, is_submitted) >= most);
                    (0..100).for_each(|_| thread::yield_now()); // so that one too many would come
                }
            });
            let while_busy = events.split(|event| matches!(event, Event::Finished { .. }));
            let while_busy = while_busy.map(|events| count(events, is_submitted)).next();
            assert_eq!(while_busy, Some(most), "{}, capacity {capacity}", step.name);
            // Later, each worker may have taken a job that it has not started yet.
            let (mut submitted, mut taken) = (0_usize, 0);
            for event in events {
                submitted += usize::from(is_submitted(&event));
                taken += usize::from(is_started(&event));
                let waiting = submitted.saturating_sub(taken);
                assert!(
                    waiting <= most,
                    "{}: {waiting} jobs, capacity {capacity}",
                    step.name
                );
            }
        }
    }
}

/// While no result is read, each worker waits with one more. The others submit from the thread that reads results, or
/// have no queue of results.
#[test]
fn as_many_results_wait_as_the_capacity_and_no_more() {
    for step in steps().filter(|step| ["basic", "waitgroup", "errors"].contains(&step.name)) {
        for capacity in [1, 5] {
            let most = 1 + capacity + 2;
            let events = run(step, script(2, capacity, 100), move |log, event| {
                if let Event::Result { .. } = event
                    && count(&log.events.lock().expect("no panic"), is_result) == 1
                {
                    log.wait_until(|events| count(events, is_started) >= most);
                    (0..100).for_each(|_| thread::yield_now()); // so that one too many would start
                    log.add(Event::Stop); // to mark the place
                }
            });
            let unread = events.split(|event| *event == Event::Stop).next();
            let unread = started(unread.expect("a result was read")).len();
            assert_eq!(unread, most, "{}, capacity {capacity}", step.name);
        }
    }
}

fn is_result(event: &Event) -> bool {
    matches!(event, Event::Result { .. })
}

#[test]
fn the_end_leaves_no_thread_and_no_task() {
    for step in steps() {
        let run = play(&step, &script(4, 2, 50), Time::Disturbed, PATIENCE);
        let run = run.expect("the pool runs");
        assert_eq!(run.left, 0, "{}", step.name);
    }
}
