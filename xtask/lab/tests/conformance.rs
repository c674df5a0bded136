//! What all pools have in common, checked for each of them. `STEP=basic` asks for one.
//!
//! All of them run on real threads here, those of tokio's tasks too, because what a job does may block.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use lab::pools::{Adapter, Event, Threads};
use lab::script::{Job, Outcome, Script, When};
use lab::steps::{self, Step};
use testing::{Watched, let_others_run, not_zero};
use tokio::runtime::Builder;
use tokio::task::block_in_place;

/// A pool, and how many jobs it gets.
fn script(workers: usize, capacity: usize, jobs: usize) -> Script {
    Script {
        workers: not_zero(workers),
        max_workers: not_zero(workers),
        capacity: not_zero(capacity),
        jobs: vec![Job::default(); jobs],
        period: Duration::ZERO,
        ..Script::PLAIN
    }
}

/// How many jobs are submitted while every worker has one and none ends. A pool that takes jobs from an iterator holds
/// one more than the queue.
fn most_submitted(step: &Step, workers: usize, capacity: usize) -> usize {
    let iterates = ["basic", "waitgroup", "job-struct", "errors"].contains(&step.name);
    workers + capacity + usize::from(iterates)
}

/// What happened so far. A job, or the reader of results, can wait for more.
#[derive(Default)]
struct Log(Watched<State>);

#[derive(Default)]
struct State {
    events: Vec<Event>,
    has_ended: bool,
}

impl Log {
    fn add(&self, event: Event) {
        self.0.change(|state| state.events.push(event));
    }

    fn wait_until(&self, holds: impl Fn(&[Event]) -> bool) {
        self.0.wait(|state| holds(&state.events));
    }
}

fn is_submitted(event: &Event) -> bool {
    matches!(event, Event::Submitted { .. })
}

fn is_started(event: &Event) -> bool {
    matches!(event, Event::Started { .. })
}

fn is_result(event: &Event) -> bool {
    matches!(event, Event::Result { .. })
}

fn count(events: &[Event], is: fn(&Event) -> bool) -> usize {
    events.iter().filter(|event| is(event)).count()
}

/// Calls `on_event` in the job that starts, or where the pool reports a result.
struct Harness<F> {
    log: Arc<Log>,
    on_event: F,
}

impl<F: Fn(&Log, Event) + Send + Sync> Threads for Harness<F> {
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
        if is_result(&event) {
            (self.on_event)(&self.log, event);
        }
    }
}

/// Runs the step's pool and gives what happened.
///
/// # Panics
///
/// If the pool is stuck.
fn run(
    step: Step,
    script: Script,
    on_event: impl Fn(&Log, Event) + Send + Sync + 'static,
) -> Vec<Event> {
    let log = Arc::new(Log::default());
    let harness = Harness {
        log: log.clone(),
        on_event,
    };
    let harness = Arc::new(harness);
    thread::spawn(move || {
        let (log, jobs) = (harness.log.clone(), script.jobs.len());
        match step.adapter {
            Adapter::Threads(pool) => pool(&script, jobs, harness).expect("threads can be started"),
            Adapter::Tasks(pool) => {
                let mut runtime = Builder::new_multi_thread();
                let runtime = runtime.worker_threads(2).enable_time().build();
                let runtime = runtime.expect("a runtime starts");
                runtime.block_on(pool(script, jobs, harness));
            }
        }
        log.0.change(|state| state.has_ended = true);
    });
    let ended = log.0.wait_until(|state| state.has_ended);
    let is_stuck = ended.is_none();
    drop(ended);
    let events = log.0.lock().events.clone();
    let seen = &events[..events.len().min(50)];
    assert!(!is_stuck, "{} has not ended, after {seen:?}", step.name);
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
    for step in steps::asked_for() {
        let events = run(step, script(1, 2, 20), |_, _| {});
        assert_eq!(started(&events), Vec::from_iter(1..=20), "{}", step.name);
    }
}

/// Jobs end only in groups of as many as there are workers.
#[test]
fn as_many_jobs_run_at_once_as_there_are_workers() {
    for step in steps::asked_for() {
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

/// The first jobs end when the queue is full.
#[test]
fn never_more_jobs_run_at_once_than_there_are_workers() {
    for step in steps::asked_for() {
        for (workers, capacity) in [(1, 100), (2, 1), (3, 100), (8, 3)] {
            let most = most_submitted(&step, workers, capacity);
            let events = run(step, script(workers, capacity, 200), move |log, event| {
                if let Event::Started { job, .. } = event
                    && job <= workers
                {
                    log.wait_until(|events| count(events, is_submitted) >= most);
                    if job == 1 {
                        let_others_run();
                    }
                }
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
    for step in steps::asked_for() {
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
    for step in steps::asked_for() {
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

/// While every worker is busy, the queue takes as many jobs as it has room for.
#[test]
fn as_many_jobs_wait_as_the_capacity_and_no_more() {
    for step in steps::asked_for() {
        for capacity in [1, 5, 1500] {
            let most = most_submitted(&step, 2, capacity);
            let events = run(
                step,
                script(2, capacity, capacity + 100),
                move |log, event| {
                    if let Event::Started {
                        job: job @ (1 | 2), ..
                    } = event
                    {
                        log.wait_until(|events| count(events, is_submitted) >= most);
                        if job == 1 {
                            let_others_run();
                            log.add(Event::Stop); // now job 2 may end, too
                        }
                        log.wait_until(|events| events.contains(&Event::Stop));
                    }
                },
            );
            let while_busy = events.split(|event| matches!(event, Event::Finished { .. }));
            let while_busy = while_busy.map(|events| count(events, is_submitted)).next();
            let case = format!("{}, capacity {capacity}", step.name);
            assert_eq!(while_busy, Some(most), "{case}");
            // Later, each worker may have taken a job that it has not started yet.
            let (mut submitted, mut taken) = (0_usize, 0);
            for event in events {
                submitted += usize::from(is_submitted(&event));
                taken += usize::from(is_started(&event));
                let waiting = submitted.saturating_sub(taken);
                assert!(waiting <= most, "{waiting} jobs, {case}");
            }
        }
    }
}

/// While no result is read, each worker waits with one more. The others submit from the thread that reads results, or
/// have no queue of results.
#[test]
fn as_many_results_wait_as_the_capacity_and_no_more() {
    let has_queue_of_results = |step: &Step| ["basic", "waitgroup", "errors"].contains(&step.name);
    for step in steps::asked_for().into_iter().filter(has_queue_of_results) {
        for capacity in [1, 5, 1500] {
            let most = 1 + capacity + 2;
            let events = run(
                step,
                script(2, capacity, capacity + 100),
                move |log, event| {
                    if let Event::Result { .. } = event
                        && count(&log.0.lock().events, is_result) == 1
                    {
                        log.wait_until(|events| count(events, is_started) >= most);
                        let_others_run();
                        log.add(Event::Stop); // to mark the place
                    }
                },
            );
            let unread = events.split(|event| *event == Event::Stop).next();
            let unread = started(unread.expect("a result was read")).len();
            assert_eq!(unread, most, "{}, capacity {capacity}", step.name);
        }
    }
}
