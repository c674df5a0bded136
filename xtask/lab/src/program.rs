//! What a step's program does with its pool: the step's own flags, with the article's values.

use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use xtask::run::above_zero;

use crate::script::{Job, Outcome, Script, When};

/// What a step's program does with its pool. A flag is `None` if the step has no such flag, or if it is not set.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
#[command(mut_args(|arg| arg.allow_negative_numbers(true)))]
pub struct Program {
    /// How many workers share the jobs, 1 to 1000
    #[arg(long, value_name = "N", value_parser = within::<NonZeroUsize>(1..=1000))]
    pub workers: Option<NonZeroUsize>,

    /// How many jobs to do, for dynamic in each burst, 0 to 10000
    #[arg(long, value_name = "N", value_parser = within::<usize>(0..=MAX_JOBS))]
    pub jobs: Option<usize>,

    /// After how many of the article's seconds to cancel, 0 or more: cancellation
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,

    /// Which task fails, 1 to 10000: dispatcher
    #[arg(long, value_name = "N", value_parser = within::<usize>(1..=MAX_JOBS))]
    pub fail: Option<usize>,

    /// Which job panics, 1 to 10000: errors
    #[arg(long, value_name = "N", value_parser = within::<usize>(1..=MAX_JOBS))]
    pub panic: Option<usize>,

    /// How many jobs all workers together may start in one of the article's seconds, above 0: rate-limited
    #[arg(long, value_name = "JOBS_PER_SECOND", value_parser = above_zero)]
    pub rate: Option<f64>,

    /// How many missed starts may be made up for at once, 1 to 1000000: rate-limited
    #[arg(long, value_name = "N", value_parser = within::<NonZeroU32>(1..=1_000_000))]
    pub burst: Option<NonZeroU32>,

    /// For how many of the article's seconds no job comes, after half of them, 0 or more: rate-limited
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub pause: Option<Duration>,

    /// How many workers to start with, and to keep, 1 to 1000: dynamic
    #[arg(long, value_name = "N", value_parser = within::<NonZeroUsize>(1..=1000))]
    pub min_workers: Option<NonZeroUsize>,

    /// Maximum number of workers, 1 to 1000: dynamic
    #[arg(long, value_name = "N", value_parser = within::<NonZeroUsize>(1..=1000))]
    pub max_workers: Option<NonZeroUsize>,

    /// How many bursts of jobs to submit, 0 to 10000: dynamic
    #[arg(long, value_name = "N", value_parser = within::<usize>(0..=MAX_JOBS))]
    pub bursts: Option<usize>,

    /// The flag that the step has without a default value, if any.
    #[arg(skip)]
    pub unset: Option<&'static str>,

    /// Whether every third job fails.
    #[arg(skip)]
    pub every_third_fails: bool,

    /// How long a job takes.
    #[arg(skip)]
    pub duration: Duration,

    /// The time between two submissions.
    #[arg(skip)]
    pub interval: Duration,

    /// The time after all jobs, or after each burst of them; then the pool is stopped.
    #[arg(skip)]
    pub rest: Option<Duration>,
}

/// Runs with more jobs are not drawn.
pub const MAX_JOBS: usize = 10_000;

/// Nor are longer ones.
pub const MAX_TIME: Duration = Duration::from_secs(100_000);

impl Program {
    /// Three workers, and five jobs of a second each that are submitted at once.
    pub const ARTICLE: Self = Self {
        workers: NonZeroUsize::new(3),
        jobs: Some(5),
        timeout: None,
        fail: None,
        panic: None,
        rate: None,
        burst: None,
        pause: None,
        min_workers: None,
        max_workers: None,
        bursts: None,
        unset: None,
        every_third_fails: false,
        duration: Duration::from_secs(1),
        interval: Duration::ZERO,
        rest: None,
    };

    /// Workers, or where their number changes, the minimum.
    pub fn workers(&self) -> NonZeroUsize {
        let workers = self.workers.or(self.min_workers);
        workers.unwrap_or(NonZeroUsize::MIN)
    }

    /// Maximum number of workers.
    pub fn most_workers(&self) -> NonZeroUsize {
        self.max_workers.unwrap_or(self.workers())
    }

    /// Jobs, or where they come in bursts, jobs in each.
    pub fn jobs(&self) -> usize {
        self.jobs.unwrap_or_default()
    }

    /// Jobs of all bursts.
    pub fn total(&self) -> usize {
        self.jobs().saturating_mul(self.bursts.unwrap_or(1))
    }

    /// A job's number in the program: those of each burst begin anew, at 1, at 101, at 201...
    pub fn number(&self, job: usize) -> usize {
        let (burst, nth) = ((job - 1) / self.jobs(), (job - 1) % self.jobs());
        burst * self.jobs().max(100) + nth + 1
    }

    /// The time between two starts.
    pub fn period(&self) -> Option<Duration> {
        let period = |rate| Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX);
        self.rate.map(period)
    }

    /// The script of its run.
    pub fn script(&self) -> Script {
        let pause = self.pause.unwrap_or_default();
        let stop = self.timeout.or(self.rest);
        let job = |job: usize| Job {
            interval: match (job - 1) % self.jobs() {
                _ if job == 1 => Duration::ZERO,
                0 => self.rest.unwrap_or_default(),
                nth if nth == self.jobs() / 2 => self.interval + pause,
                _ => self.interval,
            },
            duration: self.duration,
            outcome: match Some(job) {
                job if job == self.panic => Outcome::Panicked,
                job if job == self.fail => Outcome::Failed,
                _ if self.every_third_fails && job.is_multiple_of(3) => Outcome::Failed,
                _ => Outcome::Done,
            },
            ..Job::default()
        };
        Script {
            workers: self.workers(),
            max_workers: self.most_workers(),
            period: self.period().unwrap_or(Script::PLAIN.period),
            burst: self.burst.unwrap_or(Script::PLAIN.burst),
            jobs: (1..=self.total()).map(job).collect(),
            stop: stop.map(When::After),
            ..Script::PLAIN
        }
    }

    /// The earliest time at which any pool with all its workers could end this many of the jobs.
    pub fn lower_bound(&self, jobs: usize) -> Duration {
        let (script, workers) = (self.script(), self.most_workers().get());
        script.lower_bound(jobs, workers, self.rate.is_some())
    }
}

/// Parses a whole number in this range.
fn within<T: FromStr>(range: RangeInclusive<usize>) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let is_within = text.parse().is_ok_and(|number| range.contains(&number));
        let number = text.parse().ok().filter(|_| is_within);
        let (min, max) = (range.start(), range.end());
        number.ok_or_else(|| format!("takes a whole number from {min} to {max}"))
    }
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let number = text.parse().unwrap_or(f64::NAN);
    Duration::try_from_secs_f64(number).map_err(|_| "takes a number of seconds, 0 or more")
}
