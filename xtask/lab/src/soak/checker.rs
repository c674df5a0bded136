//! What must be true of every run.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::guarantees::{Guarantees, Panic, Stop};
use crate::harness::{Ended, Run};
use crate::pools::{Adapter, Event};
use crate::script::{MILLISECOND, Outcome, Script};
use crate::steps::Step;

/// Returns the violation, unless the condition holds.
macro_rules! ensure {
    ($holds:expr => $($violation:tt)*) => {
        if !$holds {
            return Err(format!($($violation)*));
        }
    };
}

/// Checks a run of the script.
///
/// # Errors
///
/// The first violation of what the step guarantees.
pub fn check(step: &Step, script: &Script, run: &Run) -> Result<(), String> {
    let guarantees = &step.guarantees;
    let most = script.most_workers(guarantees.scales);
    let one_by_one = most == 1 && script.submitters.get() == 1;
    let mut checker = Checker {
        guarantees,
        script,
        most,
        in_order: one_by_one || matches!(step.adapter, Adapter::Tasks(_)),
        jobs: vec![Seen::default(); script.jobs.len()],
        workers: BTreeMap::new(),
        latest: 0,
        refused: None,
        stopped: false,
    };
    for &(at, event) in &run.log {
        let checked = checker.event(event);
        checked.map_err(|violation| format!("{violation}, at {at:?}"))?;
    }
    checker.end(run)?;
    if guarantees.is_limited {
        limiter(script, run)?;
    }
    if guarantees.scales {
        scaler(script, run)?;
    }
    ensure! { run.left == 0 => "{} threads or tasks are left", run.left }
    Ok(())
}

/// Accounts for every job and every worker.
struct Checker<'a> {
    guarantees: &'a Guarantees,
    script: &'a Script,
    /// Maximum number of workers.
    most: usize,
    /// Whether jobs start in the order of submission.
    in_order: bool,
    jobs: Vec<Seen>,
    workers: BTreeMap<usize, Worker>,
    /// The job that started last.
    latest: usize,
    /// The last job that was handed back and had not been submitted.
    refused: Option<usize>,
    stopped: bool,
}

/// What was seen of a job.
#[derive(Clone, Default)]
struct Seen {
    submitted: bool,
    started: bool,
    finished: bool,
    handed_back: bool,
    outcome: Option<Outcome>,
}

/// What was seen of a worker.
#[derive(Default)]
struct Worker {
    in_flight: Option<usize>,
    /// Its last job panicked.
    lost: bool,
    /// The pool has said that it ends.
    ended: bool,
}

impl Checker<'_> {
    fn event(&mut self, event: Event) -> Result<(), String> {
        use Event::{Ended, Finished, HandedBack, Result, Started, Stop, Submitted};
        match event {
            Submitted { job } => self.job(job)?.submitted = true,
            Started { worker, job } => self.started(worker, job)?,
            Finished { worker, job } => self.finished(worker, job)?,
            Result { job, outcome } => {
                let expected = match self.job(job)?.finished {
                    true => self.expected(job),
                    false => Some(Outcome::Lost),
                };
                let seen = self.job(job)?;
                ensure! { seen.outcome.is_none() => "job {job} has two results" }
                seen.outcome = Some(outcome);
                ensure! { Some(outcome) == expected => "job {job} is {outcome:?}, not {expected:?}" }
            }
            HandedBack { job } => {
                let seen = self.job(job)?;
                ensure! { !seen.handed_back => "job {job} was handed back twice" }
                ensure! { !seen.started => "job {job} was handed back after it had started" }
                seen.handed_back = true;
                if !seen.submitted {
                    self.refused = Some(job);
                }
            }
            Ended { worker } => {
                let seen = self.worker(worker)?;
                ensure! { !seen.ended => "worker {worker} ended twice" }
                ensure! { seen.in_flight.is_none() => "worker {worker} ended with a job in flight" }
                seen.ended = true;
            }
            Stop => self.stopped = true,
            Event::ScaledUp { .. } | Event::ScaledDown { .. } => {}
        }
        Ok(())
    }

    fn job(&mut self, job: usize) -> Result<&mut Seen, String> {
        let seen = self.jobs.get_mut(job.wrapping_sub(1));
        seen.ok_or_else(|| format!("there is no job {job}"))
    }

    fn worker(&mut self, worker: usize) -> Result<&mut Worker, String> {
        let is_one = self.guarantees.scales || (1..=self.most).contains(&worker);
        ensure! { is_one => "there is a worker {worker}" }
        Ok(self.workers.entry(worker).or_default())
    }

    fn in_flight(&self) -> impl Iterator<Item = usize> {
        self.workers.values().filter_map(|worker| worker.in_flight)
    }

    /// The outcome that the pool is to report of a job that has finished.
    fn expected(&self, job: usize) -> Option<Outcome> {
        match self.script.job(job).outcome {
            Outcome::Panicked => self.guarantees.panicked,
            outcome => Some(outcome),
        }
    }

    fn started(&mut self, worker: usize, job: usize) -> Result<(), String> {
        let seen = self.job(job)?;
        ensure! { !seen.started => "job {job} started twice" }
        ensure! { !seen.handed_back => "job {job} started after it was handed back" }
        seen.started = true;
        let seen = self.worker(worker)?;
        ensure! { seen.in_flight.is_none() => "two workers are worker {worker}" }
        let gone = seen.lost || seen.ended;
        ensure! { !gone => "worker {worker}, which had ended, started job {job}" }
        seen.in_flight = Some(job);
        let in_flight = self.in_flight().count();
        ensure! { in_flight <= self.most => "{in_flight} jobs at once" }
        let cancelled = self.stopped && self.guarantees.stop == Stop::HandsBack;
        ensure! { !cancelled => "job {job} started after the pool was cancelled" }
        let in_order = !self.in_order || job > self.latest;
        ensure! { in_order => "job {job} started after job {}", self.latest }
        self.latest = job;
        Ok(())
    }

    fn finished(&mut self, worker: usize, job: usize) -> Result<(), String> {
        self.job(job)?.finished = true;
        let outcome = self.script.job(job).outcome;
        let panicked = outcome == Outcome::Panicked && self.guarantees.panic != Panic::Job;
        let seen = self.worker(worker)?;
        let in_flight = seen.in_flight.take();
        ensure! { in_flight == Some(job) => "worker {worker} had {in_flight:?}" }
        seen.lost = panicked;
        Ok(())
    }

    fn end(&self, run: &Run) -> Result<(), String> {
        let Guarantees { panic, stop, .. } = *self.guarantees;
        let lost = self.workers.values().filter(|worker| worker.lost).count();
        let job_panic = lost > 0 && panic == Panic::Worker;
        let expected = if job_panic {
            Ended::Panicked
        } else {
            Ended::Completed
        };
        ensure! { run.ended == expected => "the pool ended {:?}", run.ended }
        let in_flight = Vec::from_iter(self.in_flight());
        ensure! { in_flight.is_empty() => "jobs still run after the end: {in_flight:?}" }

        // If the pool says of any worker that it ends, it does so of all. Their ids count up.
        let workers = self.script.workers.get();
        let expected = self.workers.keys().fold(workers, |most, id| most.max(*id));
        let ended = self.workers.values().filter(|worker| worker.ended).count();
        let gone = self
            .workers
            .values()
            .filter(|worker| worker.ended || worker.lost)
            .count();
        ensure! { ended == 0 || gone == expected => "{gone} of {expected} workers ended" }

        let results = self
            .jobs
            .iter()
            .filter(|seen| seen.outcome.is_some())
            .count();
        let unread = results >= self.script.reads;
        let all_lost = panic == Panic::Worker && lost >= workers;
        let back = self.stopped && stop != Stop::Never;
        // The caller gets either the panic or the jobs that never started.
        let may_be_gone = unread || all_lost || back && job_panic;
        for (job, seen) in (1..).zip(&self.jobs) {
            let expected = match seen.started {
                true => self.expected(job),
                false if panic == Panic::Worker && seen.submitted => self.guarantees.panicked,
                false => None,
            };
            let outcome = seen.outcome;
            ensure! { unread || outcome == expected => "job {job} came to {outcome:?}, not {expected:?}" }
            let refused_before = self.refused.is_some_and(|refused| refused < job);
            let never_submitted = stop == Stop::HandsBack && !seen.submitted && refused_before;
            let handed_back = back && seen.handed_back;
            let is_known = seen.started || handed_back || may_be_gone || never_submitted;
            ensure! { is_known => "job {job} was lost" }
        }
        Ok(())
    }
}

/// In any window of length t, at most `burst + t / period` jobs start.
fn limiter(script: &Script, run: &Run) -> Result<(), String> {
    let nanoseconds = |time: Duration| i128::try_from(time.as_nanos()).unwrap_or(i128::MAX);
    let period = nanoseconds(script.period);
    let burst = i128::from(script.burst.get());
    // From start i to start j there are j - i + 1 of them, and all but `burst` take a period each:
    // so (j + 1) * period - (time of j) is at most i * period - (time of i) + burst * period.
    let mut limit = 0; // the bucket is empty at first
    let mut periods = 0;
    for &(at, event) in &run.log {
        if let Event::Started { job, .. } = event {
            limit = limit.min(periods - nanoseconds(at) + burst * period);
            periods += period;
            let in_time = periods - nanoseconds(at) <= limit;
            ensure! { in_time => "job {job} started too early for the limiter, at {at:?}" }
        }
    }
    Ok(())
}

/// Never fewer workers than the minimum nor more than the maximum, and the minimum when idle for long.
fn scaler(script: &Script, run: &Run) -> Result<(), String> {
    let (min, max) = (script.workers.get(), script.most_workers(true));
    let long = script.period.max(MILLISECOND).saturating_add(MILLISECOND);
    let long = long.saturating_mul(9);

    let all_read = script.reads >= script.jobs.len(); // otherwise workers end before the stop
    let mut unfinished = script.jobs.len();
    let (mut workers, mut last_end) = (min, Duration::ZERO);
    for (number, &(at, event)) in run.log.iter().enumerate() {
        match event {
            Event::ScaledUp { count } => workers += count,
            Event::ScaledDown { count } => workers = workers.saturating_sub(count),
            Event::Finished { .. } => (unfinished, last_end) = (unfinished - 1, at),
            Event::Stop if all_read && unfinished == 0 && at - last_end >= long => {
                let ends = |(_, event): &&(_, Event)| matches!(event, Event::Ended { .. });
                let alive = run.log[number..].iter().filter(ends).count();
                let is_minimum = workers == min && alive == min;
                ensure! { is_minimum => "idle for long, and there are {alive} workers, to be {workers}" }
            }
            _ => {}
        }
        ensure! { (min..=max).contains(&workers) => "{workers} workers, at {at:?}" }
    }
    Ok(())
}
