//! What is played on a pool: its settings, its jobs, and its end.

use std::num::{NonZeroU32, NonZeroUsize};
use std::panic;
use std::time::Duration;

/// The resolution of timers.
pub const MILLISECOND: Duration = Duration::from_millis(1);

/// One run of a pool, down to every job. Each step uses what its pool knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// Workers; for `dynamic` the minimum.
    pub workers: NonZeroUsize,
    /// For `dynamic`, the maximum.
    pub max_workers: NonZeroUsize,
    /// Jobs that may wait in the queue, and results that may wait to be read.
    pub capacity: NonZeroUsize,
    /// For `rate-limited`, the time between two starts; for `dynamic`, between two scaling decisions.
    pub period: Duration,
    /// For `rate-limited`, how many missed starts may be made up for at once.
    pub burst: NonZeroU32,
    /// The jobs, in the order of submission. Their numbers start at 1.
    pub jobs: Vec<Job>,
    /// How many results are read: after that many, their receiver is dropped.
    pub reads: usize,
    /// For `dispatcher`, how many threads submit the jobs. If several do, it may be stopped before all are submitted.
    pub submitters: NonZeroUsize,
    /// When the pool is shut down, where it can be. Without this, one that has to be is once all jobs are submitted.
    pub stop: Option<When>,
}

/// When things happen in a script that is played move by move: times since the start, in place of intervals and durations.
#[derive(Clone, Debug)]
pub struct Moments {
    /// When each job is submitted, and when it ends.
    pub jobs: Vec<(Duration, Duration)>,
    /// When no more jobs come.
    pub end: Duration,
}

/// What a job does, in this order. By default it takes no time and ends well.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Job {
    /// The time between the submission of the job before it and its own.
    pub interval: Duration,
    /// How many times it yields.
    pub yields: usize,
    /// It waits until the job that is this many behind it has started, or a later one; 0 for no wait.
    pub waits_for: usize,
    /// How long it takes; on threads without a clock, some steps of a loop.
    pub duration: Duration,
    /// How it ends.
    pub outcome: Outcome,
}

/// How a job ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// With a result.
    #[default]
    Done,
    /// With an error.
    Failed,
    /// With a panic.
    Panicked,
    /// Unknown: the pool dropped the reply.
    Lost,
}

impl Outcome {
    /// Ends a job in this way. Unlike `panic!`, this prints nothing.
    pub fn finish(self) -> Self {
        match self {
            Self::Panicked => panic::resume_unwind(Box::new(JobPanic)),
            outcome => outcome,
        }
    }
}

/// What jobs panic with.
pub struct JobPanic;

/// When a pool is shut down. Where that drains it, the time starts once all jobs are submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// After this time.
    After(Duration),
    /// When this job has started, or a later one.
    Started(usize),
}

impl Script {
    /// The article's pool, with three workers and without jobs.
    pub const PLAIN: Self = Self {
        workers: NonZeroUsize::new(3).expect("3 is not 0"),
        max_workers: NonZeroUsize::new(3).expect("3 is not 0"),
        capacity: NonZeroUsize::new(100).expect("100 is not 0"),
        period: Duration::from_secs(2),
        burst: NonZeroU32::MIN,
        jobs: Vec::new(),
        reads: usize::MAX,
        submitters: NonZeroUsize::MIN,
        stop: None,
    };

    /// The job of this number.
    pub fn job(&self, number: usize) -> Job {
        self.jobs[number - 1]
    }

    /// The time before the submission of this job; none before the end of the jobs.
    pub fn interval(&self, number: usize) -> Duration {
        let job = self.jobs.get(number - 1);
        job.map_or(Duration::ZERO, |job| job.interval)
    }

    /// The number of the job that must have started before this one ends.
    pub fn waits_for(&self, number: usize) -> Option<usize> {
        let distance = self.job(number).waits_for;
        (distance > 0).then(|| (number + distance).min(self.jobs.len()))
    }

    /// The maximum number of jobs at once.
    pub fn most_workers(&self, scales: bool) -> usize {
        match scales {
            true => self.workers.max(self.max_workers).get(),
            false => self.workers.get(),
        }
    }

    /// The earliest time at which any pool could end the first `count` jobs, if all jobs take equally long: each starts as
    /// soon as it is submitted, one of `workers` is free and the limiter, if there is one, allows it.
    pub fn lower_bound(&self, count: usize, workers: usize, is_limited: bool) -> Duration {
        let period = if is_limited {
            self.period
        } else {
            Duration::ZERO
        };
        let mut empty = Duration::ZERO; // when the limiter's bucket was empty
        let mut submitted = Duration::ZERO;
        let mut ends = Vec::<Duration>::with_capacity(count); // in order
        for (nth, job) in self.jobs.iter().take(count).enumerate() {
            submitted = submitted.saturating_add(job.interval);
            let free = nth
                .checked_sub(workers)
                .map_or(Duration::ZERO, |earlier| ends[earlier]);
            let start = submitted.max(free).max(empty.saturating_add(period));
            let full = start.saturating_sub(period.saturating_mul(self.burst.get()));
            empty = empty.max(full).saturating_add(period);
            ends.push(start.saturating_add(job.duration));
        }
        ends.last().copied().unwrap_or_default()
    }
}
