//! A pool of threads under a virtual clock: every run of a script is the same.
//!
//! Each job waits until the clock ends it, and the clock waits until the pool has started all that it can. Then the clock
//! goes on to the end of the job that is due first, and ends that one. So the pool decides who does what, and the clock
//! when it ends.
//!
//! In a script that is played move by move, the jobs come and end at its moments, and the clock goes on when all threads of
//! the pool sleep. So the thread that began to wait first is served first, and a pool that does less than it could takes no
//! longer than any other.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use super::Ended;
use super::recorder::{Recorder, call, start, stuck};
use super::{LOOKS, look_again, pool_threads, status};
use crate::pools::{Event, Threads};
use crate::script::{MILLISECOND, Outcome, Script, When};

struct VirtualClock {
    recorder: Arc<Recorder>,
    state: Mutex<State>,
    /// Wakes the thread that keeps the clock.
    changed: Condvar,
}

struct State {
    now: Duration,
    /// How many jobs the pool can have in flight.
    workers: usize,
    unfinished: usize,
    /// How many jobs have finished without a result so far; `None` if results do not come.
    results_due: Option<usize>,
    /// Whether the pool is still to be stopped.
    stop_due: bool,
    /// Who waits: until when, with which job (0 for the stop, which goes first) and as which worker (0 for a job that is to
    /// be submitted). Dropping the sender ends the wait.
    waiting: BTreeMap<(Duration, usize, usize), Sender<()>>,
    /// How the pool ended.
    ended: Option<Result<Ended, String>>,
}

impl VirtualClock {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with it")
    }

    /// Waits until the clock ends this job, or the wait for the stop: at this moment or, without one, after the duration.
    fn wait(&self, moment: Option<Duration>, duration: Duration, job: usize, worker: usize) {
        let (release, released) = channel();
        let mut state = self.state();
        let due = moment.map_or(state.now.saturating_add(duration), |at| at.max(state.now));
        state.waiting.insert((due, job, worker), release);
        drop(state);
        self.changed.notify_one();
        _ = released.recv(); // an error, always: the sender is dropped
    }

    /// Keeps the clock until the pool has ended.
    fn keep(&self, patience: Duration) -> Result<Ended, String> {
        let (mut state, mut looks) = (self.state(), 0);
        loop {
            if let Some(ended) = state.ended.take() {
                return ended;
            }
            if state.has_settled() {
                state.go_on(&self.recorder);
                looks = 0;
            } else if looks < LOOKS {
                let waited = self.changed.wait_timeout(state, patience / LOOKS);
                let (guard, waited) = waited.expect("no thread panics with it");
                looks = if waited.timed_out() { looks + 1 } else { 0 };
                state = guard;
            } else if state.waiting.is_empty() {
                return Err(stuck(patience));
            } else {
                state.expect_no_more();
                looks = 0;
            }
        }
    }
}

impl VirtualClock {
    /// The same, going on whenever all threads of the pool sleep.
    fn keep_by_moves(
        &self,
        others: &BTreeSet<OsString>,
        patience: Duration,
    ) -> Result<Ended, String> {
        let mut looks = 0;
        loop {
            if !are_asleep(others, patience.max(Duration::from_secs(1))) {
                return Err(stuck(patience)); // in a loop
            }
            let mut state = self.state();
            if let Some(ended) = state.ended.take() {
                return ended;
            }
            if !state.waiting.is_empty() {
                state.go_on(&self.recorder);
                looks = 0;
                continue;
            }
            drop(state);
            if !look_again(&mut looks, patience) {
                return Err(stuck(patience));
            }
        }
    }
}

/// Waits until all threads of pools, besides others, have slept at one moment: each slept when looked at twice, and was not
/// woken between. Where the system does not say that, waits for some time. False if they do not sleep for `patience`.
fn are_asleep(others: &BTreeSet<OsString>, patience: Duration) -> bool {
    let (mut before, mut looks) = (None, 0);
    while look_again(&mut looks, patience) {
        let threads = pool_threads();
        if threads.is_empty() && !cfg!(target_os = "linux") {
            thread::sleep(MILLISECOND * 20);
            return true;
        }
        let threads = threads.difference(others);
        let now = Vec::from_iter(threads.map(|id| (id.clone(), status(id))));
        let sleeps = |(_, status): &(_, String)| status.contains("\tS (sleeping)");
        if now.iter().all(sleeps) && before.as_ref() == Some(&now) {
            return true;
        }
        before = Some(now);
    }
    false
}

impl Threads for VirtualClock {
    fn arrive(&self, job: usize) {
        if let Some(moments) = &self.recorder.moments {
            match moments.jobs.get(job - 1) {
                Some(&(at, _)) => self.wait(Some(at), Duration::ZERO, job, 0),
                None => self.wait(Some(moments.end), Duration::ZERO, 0, 0),
            }
        }
    }

    fn work(&self, worker: usize, job: usize) -> Outcome {
        self.record(Event::Started { worker, job });
        let todo = self.recorder.script.job(job);
        let moments = self.recorder.moments.as_ref();
        let end = moments.map(|moments| moments.jobs[job - 1].1);
        self.wait(end, todo.duration, job, worker);
        todo.outcome.finish()
    }

    fn stop(&self, when: When) {
        match when {
            When::After(time) => {
                let moment = self.recorder.moments.as_ref().map(|_| time);
                self.wait(moment, time, 0, 0);
            }
            When::Started(job) => {
                self.recorder.wait_until_started(job);
                self.record(Event::Stop);
            }
        }
    }

    fn record(&self, event: Event) {
        if let Event::Ended { .. } = event
            && self.recorder.moments.is_none()
        {
            return; // at no certain time, because the clock does not wait for it
        }
        let mut state = self.state();
        if let Event::Result { .. } = event {
            state.results_due = state.results_due.map(|due| due.saturating_sub(1));
        }
        self.recorder.record(state.now, event);
        self.changed.notify_one();
    }
}

impl State {
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
        if worker == 0 {
            return; // the job is submitted now
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

/// Runs the pool, and says how and when it ended.
pub fn run(
    pool: fn(&Script, usize, Arc<dyn Threads>) -> io::Result<()>,
    recorder: &Arc<Recorder>,
    patience: Duration,
) -> Result<(Ended, Duration), String> {
    // Every job is submitted before the first ends, so that the clock knows what to wait for.
    let mut script = recorder.script.clone();
    let room = NonZeroUsize::new(script.jobs.len()).unwrap_or(script.capacity);
    if recorder.moments.is_none() {
        script.capacity = script.capacity.max(room);
    }
    let others = pool_threads();
    let state = State {
        now: Duration::ZERO,
        workers: script.workers.get(),
        unfinished: script.jobs.len(),
        results_due: Some(0),
        stop_due: matches!(script.stop, Some(When::After(_))),
        waiting: BTreeMap::new(),
        ended: None,
    };
    let clock = Arc::new(VirtualClock {
        recorder: recorder.clone(),
        state: Mutex::new(state),
        changed: Condvar::new(),
    });
    let harness = clock.clone();
    start("pool", move || {
        let ended = call(|| pool(&script, script.jobs.len(), harness.clone()));
        harness.state().ended = Some(ended);
        harness.changed.notify_one();
    })?;
    let ended = match recorder.moments {
        Some(_) => clock.keep_by_moves(&others, patience)?,
        None => clock.keep(patience)?,
    };
    let end = clock.state().now;
    Ok((ended, end))
}
