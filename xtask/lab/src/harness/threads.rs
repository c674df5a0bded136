//! A pool of threads, either conducted or disturbed.
//!
//! The conductor keeps the clock. Each job waits until the conductor ends it, and the conductor waits until the pool has
//! started all that it can; then it sets the clock to the end of the job that is due first, and ends that one. So the
//! pool decides who does what, and the conductor when it ends.

use std::collections::BTreeMap;
use std::fs;
use std::hint;
use std::io;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::{Ended, PATIENCE, Recorder, Run, Time};
use crate::pools::{Event, Threads};
use crate::script::{Outcome, Script, When};

struct Harness {
    recorder: Recorder,
    time: Time,
    conductor: Mutex<Conductor>,
    /// Wakes the conductor.
    moved: Condvar,
    /// Wakes jobs that wait for others.
    started: Condvar,
}

struct Conductor {
    now: Duration,
    /// How many jobs the pool can have in flight.
    workers: usize,
    unfinished: usize,
    /// How many jobs have finished without a result so far; `None` if results do not come.
    results_due: Option<usize>,
    /// Whether the pool is still to be stopped.
    stop_due: bool,
    /// Who waits: until when, with which job (0 for the stop, which goes first) and as which worker. Dropping the sender
    /// ends the wait.
    waiting: BTreeMap<(Duration, usize, usize), Sender<()>>,
    /// How the pool ended.
    ended: Option<Result<Ended, String>>,
}

impl Harness {
    fn conductor(&self) -> MutexGuard<'_, Conductor> {
        self.conductor.lock().expect("no thread panics with it")
    }

    /// Waits until the conductor ends this job, or the wait for the stop.
    fn wait(&self, duration: Duration, job: usize, worker: usize) {
        let (release, released) = channel();
        let mut conductor = self.conductor();
        let due = conductor.now.saturating_add(duration);
        conductor.waiting.insert((due, job, worker), release);
        drop(conductor);
        self.moved.notify_one();
        _ = released.recv(); // an error, always: it is dropped
    }

    fn wait_for(&self, job: usize) {
        let state = self.recorder.state();
        let waited = self
            .started
            .wait_while(state, |state| !state.has_started(job));
        drop(waited.expect("no thread panics with it"));
    }
}

impl Threads for Harness {
    fn work(&self, worker: usize, job: usize) -> Outcome {
        self.record(Event::Started { worker, job });
        let script = &self.recorder.script;
        let todo = script.job(job);
        match self.time {
            Time::Conducted => self.wait(todo.duration, job, worker),
            Time::Disturbed => {
                for _ in 0..todo.yields {
                    thread::yield_now();
                }
                if let Some(other) = script.waits_for(job) {
                    self.wait_for(other);
                }
                for _ in 0..todo.duration.as_millis() * 20 {
                    hint::spin_loop();
                }
                self.record(Event::Finished { worker, job });
            }
        }
        todo.outcome.come_about()
    }

    fn stop(&self, when: When) {
        match (self.time, when) {
            (Time::Conducted, When::After(time)) => return self.wait(time, 0, 0),
            (_, When::After(time)) => (0..time.as_millis()).for_each(|_| thread::yield_now()),
            (_, When::Started(job)) => self.wait_for(job),
        }
        self.record(Event::Stop);
    }

    fn record(&self, event: Event) {
        if self.time == Time::Disturbed {
            self.recorder.record(Duration::ZERO, event);
            return self.started.notify_all();
        }
        if let Event::Ended { .. } = event {
            return; // at no certain time: the conductor does not wait for it
        }
        let mut conductor = self.conductor();
        if let Event::Result { .. } = event {
            conductor.results_due = conductor.results_due.map(|due| due.saturating_sub(1));
        }
        self.recorder.record(conductor.now, event);
        self.moved.notify_one();
    }
}

/// Only one pool at a time: otherwise the threads that are left could belong to any of them.
static ONE: Mutex<()> = Mutex::new(());

/// Runs the pool.
pub fn play(
    pool: fn(&Script, usize, Arc<dyn Threads>) -> io::Result<()>,
    recorder: Recorder,
    time: Time,
    patience: Duration,
) -> Result<Run, String> {
    let _one = ONE.lock().expect("a run does not panic");
    let others = pool_threads(); // of a pool that was stuck

    // While the conductor has the clock, every job is submitted before the first ends: so it knows what to wait for.
    let mut script = recorder.script.clone();
    if time == Time::Conducted {
        let room = NonZeroUsize::new(script.jobs.len()).unwrap_or(script.capacity);
        script.capacity = script.capacity.max(room);
    }
    let conductor = Conductor {
        now: Duration::ZERO,
        workers: script.workers.get(),
        unfinished: script.jobs.len(),
        results_due: Some(0),
        stop_due: matches!(script.stop, Some(When::After(_))),
        waiting: BTreeMap::new(),
        ended: None,
    };
    let harness = Arc::new(Harness {
        recorder,
        time,
        conductor: Mutex::new(conductor),
        moved: Condvar::new(),
        started: Condvar::new(),
    });
    let player = harness.clone();
    let play = move || {
        let ended = super::run(|| pool(&script, script.jobs.len(), player.clone()));
        player.conductor().ended = Some(ended);
        player.moved.notify_one();
    };
    let started = thread::Builder::new().spawn(play); // never joined: it may be stuck
    started.map_err(|error| error.to_string())?;

    let ended = harness.conduct(patience)?;
    let left = || threads_left(others, patience.min(PATIENCE));
    let end = harness.conductor().now;
    Ok(harness.recorder.finish(end, ended, left))
}

impl Harness {
    /// Conducts until the pool has ended.
    fn conduct(&self, patience: Duration) -> Result<Ended, String> {
        let mut conductor = self.conductor();
        loop {
            if let Some(ended) = conductor.ended.take() {
                return ended;
            }
            if self.time == Time::Conducted && conductor.has_settled() {
                conductor.go_on(&self.recorder);
                continue;
            }
            let waited = self.moved.wait_timeout(conductor, patience);
            let (guard, result) = waited.expect("no thread panics with it");
            conductor = guard;
            if result.timed_out() && conductor.ended.is_none() && !conductor.has_settled() {
                if conductor.waiting.is_empty() {
                    return Err(format!("the pool is stuck for {patience:?}"));
                }
                conductor.expect_no_more();
            }
        }
    }
}

impl Conductor {
    /// Whether the pool has done all that it can before the clock goes on.
    fn has_settled(&self) -> bool {
        let expected = self.workers.min(self.unfinished) + usize::from(self.stop_due);
        self.waiting.len() >= expected.max(1) && self.results_due.unwrap_or(0) == 0
    }

    /// Sets the clock to when the first of those who wait is due, and ends its wait.
    fn go_on(&mut self, recorder: &Recorder) {
        let Some(((due, job, worker), _release)) = self.waiting.pop_first() else {
            return;
        };
        self.now = due;
        if job == 0 {
            self.stop_due = false;
            return recorder.record(due, Event::Stop);
        }
        self.unfinished = self.unfinished.saturating_sub(1);
        self.results_due = self.results_due.map(|due| due + 1);
        recorder.record(due, Event::Finished { worker, job });
    }

    /// The pool does less than it could: it is not waited for again.
    fn expect_no_more(&mut self) {
        self.stop_due &= self.waiting.keys().any(|&(_, job, _)| job == 0);
        self.workers = self.waiting.len() - usize::from(self.stop_due);
        self.results_due = self.results_due.filter(|&due| due == 0);
    }
}

/// How many threads of pools are there for good, besides others: when a scope ends, the last instructions of its threads
/// may be still to come.
fn threads_left(others: usize, patience: Duration) -> usize {
    let begin = Instant::now();
    loop {
        let left = pool_threads().saturating_sub(others);
        if left == 0 || begin.elapsed() > patience {
            return left;
        }
        thread::yield_now();
    }
}

/// How many threads have a name that pools give; 0 where the system does not say.
fn pool_threads() -> usize {
    let names = fs::read_dir("/proc/self/task").into_iter().flatten();
    let names = names.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    let is_pools = |name: &String| name.starts_with("worker ") || name.starts_with("submitter");
    names.filter(is_pools).count()
}
