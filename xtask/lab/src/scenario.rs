//! What a step's program does with its pool, in figures.

use std::num::{NonZeroU32, NonZeroUsize};
use std::panic;
use std::time::Duration;

use errors::OnFailure;

use crate::pools::{Ending, Failure, Outcome, Plan};

/// What a step's program does with its pool. What the step does not know is `None`.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Workers, or where there may be more, the fewest.
    pub workers: NonZeroUsize,
    /// The most workers.
    pub max_workers: Option<NonZeroUsize>,
    /// Bursts of jobs.
    pub bursts: Option<usize>,
    /// Jobs, or where there are bursts, jobs in each.
    pub jobs: usize,
    /// How long a job takes.
    pub length: Duration,
    /// The time from handing in one job to handing in the next.
    pub apart: Duration,
    /// The time after each burst of jobs; after the last, the pool is stopped.
    pub pause: Option<Duration>,
    /// Seconds until the pool is cancelled.
    pub timeout: Option<f64>,
    /// Jobs that may start in a second.
    pub rate: Option<f64>,
    /// Missed starts that may be made up for at once.
    pub burst: NonZeroU32,
    /// What becomes of a job.
    pub fate: fn(usize) -> Outcome,
    /// What else there is to say of it, after a comma.
    pub note: &'static str,
    /// What its picture shows besides the workers.
    pub shows: &'static [Show],
}

/// What a section is about, as far as it can be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// When each reply came.
    Replies,
    /// How many jobs wait.
    Queue,
    /// When jobs were handed back, never started.
    HandedBack,
    /// When the limiter allows a start.
    Ticks,
    /// When workers are added and retired.
    Scaling,
}

/// Three workers, and five jobs of a second each that are handed in all at once.
pub const ARTICLE: Scenario = Scenario {
    workers: NonZeroUsize::new(3).expect("3 is not 0"),
    max_workers: None,
    bursts: None,
    jobs: 5,
    length: Duration::from_secs(1),
    apart: Duration::ZERO,
    pause: None,
    timeout: None,
    rate: None,
    burst: NonZeroU32::MIN,
    fate: |_| Ok(()),
    note: "",
    shows: &[],
};

/// Every third job fails, as in the article; the second panics, of which it has no example.
pub fn every_third_fails(job: usize) -> Outcome {
    match job {
        2 => panic::resume_unwind(Box::new("job 2")), // unlike `panic!` it prints nothing
        job if job.is_multiple_of(3) => Err(Failure),
        _ => Ok(()),
    }
}

impl Scenario {
    /// The jobs of all bursts.
    pub fn total(&self) -> usize {
        self.jobs.saturating_mul(self.bursts.unwrap_or(1))
    }

    /// The job's number in the program: those of each burst begin anew, at 1, at 101, at 201...
    pub fn number(&self, job: usize) -> usize {
        let (burst, nth) = ((job - 1) / self.jobs, (job - 1) % self.jobs);
        burst * self.jobs.max(100) + nth + 1
    }

    /// How long to wait before a job is handed in, once the one before it was.
    pub fn wait_before(&self, job: usize) -> Duration {
        match (job - 1).checked_rem(self.jobs) {
            _ if job == 1 => Duration::ZERO,
            Some(0) => self.pause.unwrap_or_default(),
            _ => self.apart,
        }
    }

    /// How long to wait before the pool is stopped: once every job was handed in, or from the start
    /// if the pool is cancelled.
    pub fn wait_before_stop(&self) -> Option<Duration> {
        match self.timeout {
            Some(timeout) => Some(seconds(timeout)),
            None if self.total() == 0 && self.bursts.is_some() => Some(Duration::ZERO),
            None => self.pause,
        }
    }

    /// The time between two starts.
    pub fn period(&self) -> Option<Duration> {
        self.rate.map(|rate| seconds(1.0 / rate))
    }

    /// How to build the pool.
    pub fn plan(&self) -> Plan {
        Plan {
            workers: self.workers,
            max_workers: self.max_workers.unwrap_or(self.workers),
            capacity: NonZeroUsize::new(100).expect("100 is not 0"),
            jobs: self.total(),
            reads: usize::MAX,
            period: self.period().unwrap_or(Duration::from_secs(2)),
            burst: self.burst,
            on_failure: OnFailure::Continue,
            stop_early: false,
            submitters: NonZeroUsize::MIN,
            ending: Ending::Stop,
        }
    }

    /// When the last of `jobs` jobs of this length can end at the earliest, whatever the pool does:
    /// each starts as soon as it is handed in, the limiter allows it and a worker is free, and all
    /// workers are there from the start.
    pub fn shortest(&self, jobs: usize) -> Duration {
        let workers = self.max_workers.unwrap_or(self.workers).get();
        let mut ends = Vec::with_capacity(jobs); // in order, as all jobs are of one length
        let mut submitted = Duration::ZERO;
        for job in 1..=jobs {
            submitted += self.wait_before(job);
            let nth = u32::try_from(job).unwrap_or(u32::MAX);
            let allowed = self.period().unwrap_or_default().saturating_mul(nth);
            let free = job.checked_sub(workers + 1).map(|earlier| ends[earlier]);
            let start = submitted.max(allowed).max(free.unwrap_or_default());
            ends.push(start.saturating_add(self.length));
        }
        ends.last().copied().unwrap_or_default()
    }
}

/// A length of time; one too long to count is the longest there is.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
