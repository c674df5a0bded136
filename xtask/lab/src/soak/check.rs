//! What must be true of every run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::case::{Case, Fate, Load};
use super::witness::{Ended, Run};
use crate::pools::{Adapter, End, Ending, Event};
use crate::promises::{Panic, Stop};
use crate::steps::Step;

use errors::OnFailure;

/// What is wrong with a run.
type Wrong = String;

/// Fails with what is wrong, unless the run kept all that the step promises.
pub fn check(step: &Step, case: &Case, run: &Run) -> Result<(), Wrong> {
    let mut books = Books::new(step, case);
    for &(at, event) in &run.log {
        books
            .enter(event)
            .map_err(|wrong| format!("{wrong}, at {at:?}"))?;
    }
    books.close(run)?;
    if step.scenario.rate.is_some() {
        limiter(case, run)?;
    }
    if step.scenario.max_workers.is_some() {
        scaler(case, run)?;
    }
    ensure(run.left == 0, || {
        format!("{} threads or tasks are left", run.left)
    })
}

fn ensure(holds: bool, wrong: impl FnOnce() -> Wrong) -> Result<(), Wrong> {
    if holds { Ok(()) } else { Err(wrong()) }
}

/// Every job and every worker, accounted for.
struct Books<'a> {
    step: &'a Step,
    case: &'a Case,
    /// The job that each worker has in hand.
    in_hand: BTreeMap<usize, usize>,
    started: BTreeSet<usize>,
    finished: BTreeSet<usize>,
    results: BTreeMap<usize, End>,
    handed_back: BTreeSet<usize>,
    submitted: BTreeSet<usize>,
    /// The last job that was handed back before it was submitted.
    refused: Option<usize>,
    /// Workers lost to panics.
    lost: BTreeSet<usize>,
    /// Workers that are to start no other job.
    gone: BTreeSet<usize>,
    /// Workers of which the pool said that they end.
    ended: BTreeSet<usize>,
    latest: usize,
    stopped: bool,
    failed: bool,
}

impl<'a> Books<'a> {
    fn new(step: &'a Step, case: &'a Case) -> Self {
        Self {
            step,
            case,
            in_hand: BTreeMap::new(),
            started: BTreeSet::new(),
            finished: BTreeSet::new(),
            results: BTreeMap::new(),
            handed_back: BTreeSet::new(),
            submitted: BTreeSet::new(),
            refused: None,
            lost: BTreeSet::new(),
            gone: BTreeSet::new(),
            ended: BTreeSet::new(),
            latest: 0,
            stopped: false,
            failed: false,
        }
    }

    fn scales(&self) -> bool {
        self.step.scenario.max_workers.is_some()
    }

    fn enter(&mut self, event: Event) -> Result<(), Wrong> {
        let promises = &self.step.promises;
        match event {
            Event::Started { worker, job } => {
                let most = self.case.most_workers(self.scales());
                let other = self.in_hand.insert(worker, job);
                ensure(self.started.insert(job), || {
                    format!("job {job} started twice")
                })?;
                ensure(other.is_none(), || {
                    format!("two workers are worker {worker}")
                })?;
                ensure(!self.gone.contains(&worker), || {
                    format!("worker {worker}, which had ended, started job {job}")
                })?;
                ensure(self.scales() || (1..=most).contains(&worker), || {
                    format!("there is a worker {worker}")
                })?;
                ensure(self.in_hand.len() <= most, || {
                    format!("{} jobs at once", self.in_hand.len())
                })?;
                ensure(!self.handed_back.contains(&job), || {
                    format!("job {job} started after it was handed back")
                })?;
                ensure(
                    !self.stopped || !matches!(promises.stop, Stop::HandsBack { .. }),
                    || format!("job {job} started after the pool was cancelled"),
                )?;
                let in_order = matches!(self.step.adapter, Adapter::Tasks(_))
                    || most == 1 && self.case.plan.submitters.get() == 1;
                ensure(!in_order || job > self.latest, || {
                    format!("job {job} started after job {}", self.latest)
                })?;
                self.latest = job;
            }
            Event::Finished { worker, job } => {
                let in_hand = self.in_hand.remove(&worker);
                ensure(in_hand == Some(job), || {
                    format!("worker {worker} had {in_hand:?}")
                })?;
                self.finished.insert(job);
                let fate = self.case.job(job).fate;
                if fate.panics() && promises.panic != Panic::Job {
                    self.lost.insert(worker);
                    self.gone.insert(worker);
                }
                if fate != Fate::Done && self.stops_on_failure() {
                    self.failed = true;
                    self.gone.insert(worker);
                }
            }
            Event::Result { job, end } => {
                let known = self.results.insert(job, end);
                ensure(known.is_none(), || format!("job {job} has two results"))?;
                let expected = match self.finished.contains(&job) {
                    true => self.case.job(job).fate.end(promises),
                    false => Some(End::Lost),
                };
                ensure(Some(end) == expected, || {
                    format!("job {job} is {end:?}, not {expected:?}")
                })?;
            }
            Event::HandedBack { job } => {
                self.refused = (!self.submitted.contains(&job))
                    .then_some(job)
                    .or(self.refused);
                ensure(self.handed_back.insert(job), || {
                    format!("job {job} was handed back twice")
                })?;
                ensure(!self.started.contains(&job), || {
                    format!("job {job} was handed back after it had started")
                })?;
            }
            Event::Ended { worker } => {
                ensure(self.ended.insert(worker), || {
                    format!("worker {worker} ended twice")
                })?;
                ensure(!self.in_hand.contains_key(&worker), || {
                    format!("worker {worker} ended with a job in hand")
                })?;
                self.gone.insert(worker);
            }
            Event::Stop => self.stopped = true,
            Event::Submitted { job } => _ = self.submitted.insert(job),
            Event::ScaledUp { .. } | Event::ScaledDown { .. } => {}
        }
        Ok(())
    }

    fn stops_on_failure(&self) -> bool {
        self.step.promises.stops_on_failure && self.case.plan.on_failure == OnFailure::Stop
    }

    fn close(&self, run: &Run) -> Result<(), Wrong> {
        let promises = &self.step.promises;
        let workers = self.case.plan.workers.get();

        let dropped = self.case.plan.ending == Ending::Drop
            && self.stopped
            && matches!(promises.stop, Stop::HandsBack { .. });
        if dropped && run.ended == Ended::Well {
            return Ok(()); // the jobs went with the future
        }

        let callback_panic = run.callback_panicked && promises.callback_panics_reach_caller;
        let job_panic = !self.lost.is_empty() && promises.panic == Panic::Worker;
        let expected = match run.ended {
            Ended::Well => !callback_panic && !job_panic,
            Ended::JobPanic => job_panic,
            Ended::CallbackPanic => callback_panic,
        };
        ensure(expected, || format!("the pool ended {:?}", run.ended))?;
        if callback_panic {
            return Ok(()); // it ends the pool: no more is promised
        }

        ensure(self.in_hand.is_empty(), || {
            format!("jobs still run after the end: {:?}", self.in_hand)
        })?;
        if let Some(last) = self.ended.union(&self.lost).max().copied()
            && !self.ended.is_empty()
        {
            let ended = self.ended.union(&self.lost).count();
            let expected = if self.scales() {
                last.max(workers)
            } else {
                workers
            };
            ensure(ended == expected, || {
                format!("{ended} of {expected} workers ended")
            })?;
        }

        let unread = self.results.len() >= self.case.plan.reads;
        let all_lost = promises.panic == Panic::Worker && self.lost.len() >= workers;
        let back = self.failed || self.stopped && promises.stop != Stop::Never;
        for job in 1..=self.case.plan.jobs {
            let started = self.started.contains(&job);
            let result = self.results.get(&job).copied();
            let expected = match started {
                true => self.case.job(job).fate.end(promises),
                false => promises
                    .panicked
                    .filter(|_| promises.panic == Panic::Worker),
            };
            ensure(unread || result == expected, || {
                format!("job {job} came to {result:?}, not {expected:?}")
            })?;
            // The caller gets either the panic or the jobs that were never started.
            let may_be_gone = unread || all_lost || back && job_panic;
            let never_handed_in = promises.stop == Stop::HandsBack { all: false }
                && self.refused.is_some_and(|refused| refused < job)
                && !self.submitted.contains(&job);
            let handed_back = back && self.handed_back.contains(&job);
            ensure(
                started || handed_back || may_be_gone || never_handed_in,
                || format!("job {job} was lost"),
            )?;
        }
        Ok(())
    }
}

/// Never more than `burst` starts and one a period, in any stretch of time.
fn limiter(case: &Case, run: &Run) -> Result<(), Wrong> {
    let nanoseconds = |time: Duration| i128::try_from(time.as_nanos()).unwrap_or(i128::MAX);
    let period = nanoseconds(case.plan.period);
    let burst = i128::from(case.plan.burst.get());
    let starts = run.log.iter().filter_map(|&(at, event)| match event {
        Event::Started { job, .. } => Some((nanoseconds(at), job)),
        _ => None,
    });
    // From start i to start j there are j - i + 1 of them, and all but `burst` take a period each:
    // so (j + 1) * period - (time of j) is at most i * period - (time of i) + burst * period.
    let mut limit = 0; // the bucket is empty at first
    let mut periods = 0;
    for (at, job) in starts {
        limit = limit.min(periods - at + burst * period);
        periods += period;
        ensure(periods - at <= limit, || {
            format!("job {job} started too early for the limiter, at {at} ns")
        })?;
    }
    Ok(())
}

/// Never fewer workers than the minimum nor more than the maximum, no scaling without a reason, and
/// back to the minimum when idle.
fn scaler(case: &Case, run: &Run) -> Result<(), Wrong> {
    let min = case.plan.workers.get();
    let max = case.most_workers(true);
    let submitted = |&(_, event): &(_, Event)| matches!(event, Event::Submitted { .. });
    let full_until = run
        .log
        .iter()
        .rposition(submitted)
        .filter(|_| case.load == Load::Heavy);
    let millisecond = Duration::from_millis(1); // the resolution of timers
    let period = (case.plan.period.max(millisecond)).saturating_add(millisecond);

    let all_read = case.plan.reads >= case.plan.jobs; // or else workers end before the stop
    let mut unfinished = case.plan.jobs;
    let mut workers = min;
    let mut last_end = Duration::ZERO;
    for (number, &(at, event)) in run.log.iter().enumerate() {
        let full = full_until.is_some_and(|last| number < last);
        match event {
            Event::ScaledUp { count } => workers += count,
            Event::ScaledDown { count } => workers = workers.saturating_sub(count),
            Event::Finished { .. } => {
                unfinished -= 1;
                last_end = at;
            }
            Event::Stop
                if all_read && unfinished == 0 && at - last_end >= period.saturating_mul(9) =>
            {
                let then = run.log[number..].iter();
                let alive = then.filter(|(_, event)| matches!(event, Event::Ended { .. }));
                let alive = alive.count();
                ensure(workers == min && alive == min, || {
                    format!("idle for long, and there are {alive} workers, to be {workers}")
                })?;
            }
            _ => {}
        }
        ensure((min..=max).contains(&workers), || {
            format!("{workers} workers, at {at:?}")
        })?;
        if let Event::ScaledUp { .. } | Event::ScaledDown { .. } = event {
            ensure(case.load != Load::Light, || {
                format!("scaled under a constant load that the fewest can do, at {at:?}")
            })?;
            ensure(!full || workers == max, || {
                format!("{workers} workers although the queue is full, at {at:?}")
            })?;
        }
        if full_until == Some(number) && at > period {
            ensure(workers == max, || {
                format!("{workers} workers although the queue was full, at {at:?}")
            })?;
        }
    }
    Ok(())
}
