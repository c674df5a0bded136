//! What a seed stands for: a pool, its jobs, and what befalls them.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::panic;
use std::time::Duration;

use errors::OnFailure;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::pools::{End, Ending, Failure, Outcome, Plan};
use crate::promises::{Panic, Promises, Stop};
use crate::steps::Step;

/// One run of a pool; the same for the same seed.
#[derive(Clone, Debug)]
pub struct Case {
    /// How to build the pool.
    pub plan: Plan,
    /// What its jobs are; job 1 comes first.
    pub jobs: Vec<Job>,
    /// When it is stopped, if it can be.
    pub stop: When,
    /// Which of the pool's callbacks panics, counted from 1.
    pub bad_callback: Option<usize>,
    /// What is special about when jobs come, and how long they are.
    pub load: Load,
    /// How many workers are left at the least to do jobs, and not only wait in one.
    pub busy: usize,
}

/// What a job does: all of it, in this order.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// How long after the job before it is handed in, where they are handed in one by one.
    pub gap: Duration,
    /// How many times it yields.
    pub yields: usize,
    /// The job that must have started, or one after it, before this one can end.
    pub waits_for: Option<usize>,
    /// How long it takes; with threads, some steps of a loop.
    pub length: Duration,
    /// What it comes to.
    pub fate: Fate,
}

/// What a job comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A result.
    Done,
    /// An error.
    Fails,
    /// A panic.
    Panics(Payload),
}

/// What a job panics with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A text that is compiled in.
    Str,
    /// A text that was made up.
    String,
    /// What is no text.
    Number,
    /// What panics again if it is dropped.
    Bomb,
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic::resume_unwind(Box::new("dropped"));
    }
}

impl Fate {
    /// Comes to it. Unlike those of `panic!`, these panics print nothing.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Done => Ok(()),
            Self::Fails => Err(Failure),
            Self::Panics(Payload::Str) => panic::resume_unwind(Box::new("job")),
            Self::Panics(Payload::String) => panic::resume_unwind(Box::new(String::from("job"))),
            Self::Panics(Payload::Number) => panic::resume_unwind(Box::new(7)),
            Self::Panics(Payload::Bomb) => panic::resume_unwind(Box::new(Bomb)),
        }
    }

    /// What the pool is to say of it.
    pub fn end(self, promises: &Promises) -> Option<End> {
        match self {
            Self::Done => Some(End::Done),
            Self::Fails => Some(End::Failed),
            Self::Panics(_) => promises.panicked,
        }
    }

    /// Whether it panics.
    pub fn panics(self) -> bool {
        matches!(self, Self::Panics(_))
    }
}

/// When the pool is stopped; where that drains it, counted from when all jobs were handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It is not.
    Never,
    /// Before it does anything.
    AtOnce,
    /// After this time.
    After(Duration),
    /// When this job has started, or one after it.
    Started(usize),
}

/// When jobs come, and how long they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// As it happens.
    Any,
    /// Constant, and no more than the fewest workers can do.
    Light,
    /// Constant, and more than the most workers can do: the queue is always full.
    Heavy,
}

const MILLISECOND: Duration = Duration::from_millis(1);

impl Case {
    /// The case of this seed.
    pub fn new(promises: &Promises, seed: u64) -> Self {
        let mut dice = Dice(Xoshiro256PlusPlus::seed_from_u64(seed));
        let load = dice.pick([Load::Any, Load::Any, Load::Light, Load::Heavy]);

        let workers = dice.up_to_64();
        let max_workers = match dice.one_in(8) {
            true => dice.one_to(workers), // less than the fewest
            false => workers + dice.below(65 - workers),
        };
        let most = workers.max(max_workers);
        let capacity = match load {
            Load::Heavy => 3 * most + 1, // even if all workers have just taken a job, it is long
            _ => dice.up_to_64(),
        };
        let most_jobs = match dice.one_in(20) {
            true => 2000,
            false => dice.pick([4, 20, 50, 100, 300]),
        };
        let jobs = dice.below(most_jobs + 1);

        // Some jobs wait until a later one has started: that takes as many workers, and one more.
        let panics = match (load, dice.below(4)) {
            (Load::Light | Load::Heavy, _) | (_, 0 | 1) => 0,
            (_, 2) => dice.below(workers),
            (_, _) => dice.below(jobs + 1),
        };
        let alive = match promises.panic {
            Panic::Worker => workers.saturating_sub(panics).max(1),
            _ => workers,
        };
        let waiting = match load {
            Load::Any if dice.one_in(2) => dice.below(alive),
            _ => 0,
        };

        let longest = dice.pick([0, 1, 5, 50]).min(20_000 / jobs.max(1));
        let widest = dice.pick([0, 0, 1, 20]).min(20_000 / jobs.max(1));
        let equal = dice.one_in(2);
        let bursts = dice.one_in(2);
        let (pause, jobs_in_burst) = (
            dice.pick([longest / 2, longest * 2, widest * 10]),
            dice.pick([3, 10, 30]),
        );
        let yields = dice.pick([0, 0, 1, 4]);
        let failures = dice.pick([usize::MAX, 10, 2]); // one in so many
        let length = longest.max(1);
        let steady = match load {
            Load::Any => None,
            Load::Light => Some((length.div_ceil(workers), length)),
            Load::Heavy => Some((0, length)),
        };
        let milliseconds = |count: usize| MILLISECOND * u32::try_from(count).unwrap_or(u32::MAX);
        let mut jobs: Vec<_> = (1..=jobs)
            .map(|job| {
                let gap = match bursts {
                    true if dice.one_in(jobs_in_burst) => pause,
                    true => 0,
                    false => dice.below(widest + 1),
                };
                let length = if equal {
                    longest
                } else {
                    dice.below(longest + 1)
                };
                let any = (gap, length);
                let (gap, length) = steady.unwrap_or(any);
                Job {
                    gap: milliseconds(gap),
                    yields: dice.below(yields + 1),
                    waits_for: (job % (waiting + 1) != 0 && job != jobs)
                        .then(|| job.next_multiple_of(waiting + 1).min(jobs)),
                    length: milliseconds(length),
                    fate: match dice.one_in(failures) {
                        true => Fate::Fails,
                        false => Fate::Done,
                    },
                }
            })
            .collect();
        for _ in 0..panics {
            if !jobs.is_empty() {
                let job = dice.below(jobs.len());
                jobs[job].fate = Fate::Panics(dice.payload(promises));
            }
        }

        let period = dice.pick([
            Duration::ZERO,
            Duration::from_nanos(1),
            Duration::from_micros(300),
            MILLISECOND,
            Duration::from_micros(2500),
            MILLISECOND * 7,
            MILLISECOND * 100,
            Duration::MAX,
        ]);
        let pauses = [0, 1, 10, 100, 1000].map(milliseconds);
        let stop = match dice.below(6) {
            0 if promises.stop != Stop::Drains => When::Never,
            1 => When::AtOnce,
            2 if !jobs.is_empty() => When::Started(dice.one_to(jobs.len())),
            3 if promises.stop == Stop::Drains && period < Duration::MAX => {
                When::After((period + MILLISECOND) * 10) // enough to be idle for long
            }
            _ => When::After(dice.pick(pauses)),
        };
        // A limiter of an absurd length never lets anything start.
        let ends = !matches!(promises.stop, Stop::HandsBack { .. })
            || matches!(stop, When::AtOnce | When::After(_));

        let reads = match load == Load::Any && dice.one_in(8) {
            true => dice.below(jobs.len() + 1),
            false => usize::MAX,
        };
        Self {
            plan: Plan {
                workers: not_zero(workers),
                max_workers: not_zero(max_workers),
                capacity: not_zero(capacity),
                jobs: jobs.len(),
                reads,
                period: if ends {
                    period
                } else {
                    period.min(MILLISECOND * 100)
                },
                burst: NonZeroU32::new(dice.pick([1, 2, 10])).unwrap_or(NonZeroU32::MIN),
                on_failure: dice.pick([OnFailure::Continue, OnFailure::Stop]),
                stop_early: dice.one_in(2),
                submitters: not_zero(dice.pick([1, 1, 2, 5])),
                ending: dice.pick([Ending::Stop, Ending::Twice, Ending::Drop, Ending::FromTask]),
            },
            bad_callback: (load == Load::Any && dice.one_in(6))
                .then(|| dice.one_to(jobs.len() + 1)),
            busy: if reads < jobs.len() {
                1
            } else {
                alive - waiting
            }, // unread results end workers
            jobs,
            stop,
            load,
        }
    }

    /// A job, by its number.
    pub fn job(&self, job: usize) -> Job {
        self.jobs[job - 1]
    }

    /// The most jobs that may be in hand at once.
    pub fn most_workers(&self, scales: bool) -> usize {
        let workers = self.plan.workers.get();
        match scales {
            true => workers.max(self.plan.max_workers.get()),
            false => workers,
        }
    }

    /// The longest that any job takes.
    fn longest(&self) -> Duration {
        let lengths = self.jobs.iter().map(|job| job.length);
        lengths.max().unwrap_or_default()
    }

    /// When the pool has ended, by the latest: at every moment until the last job starts, some worker
    /// waits for a job that is not handed in yet or that the limiter does not allow, or all of them
    /// are busy.
    pub fn deadline(&self, step: &Step) -> Duration {
        let gaps: Duration = self.jobs.iter().map(|job| job.gap).sum();
        let lengths: Duration = self.jobs.iter().map(|job| job.length).sum();
        let count = |number| u32::try_from(number).unwrap_or(u32::MAX);
        let limiter = match step.scenario.rate {
            Some(_) => (self.plan.period.saturating_add(MILLISECOND))
                .saturating_mul(count(self.jobs.len())),
            None => Duration::ZERO,
        };
        let last_start = limiter.saturating_add(gaps + lengths / count(self.busy));
        let last_start = match (step.promises.stop, self.stop) {
            (Stop::HandsBack { .. }, When::AtOnce) => Duration::ZERO,
            (Stop::HandsBack { .. }, When::After(time)) => last_start.min(time),
            (Stop::Drains, When::After(time)) => last_start.saturating_add(time),
            _ => last_start,
        };
        last_start.saturating_add(self.longest() + MILLISECOND)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            plan,
            jobs,
            stop,
            load,
            bad_callback,
            ..
        } = self;
        let count = |is: fn(&&Job) -> bool| jobs.iter().filter(is).count();
        writeln!(
            f,
            "{} jobs: {} fail, {} panic, {} wait for others, {} take time",
            jobs.len(),
            count(|job| job.fate == Fate::Fails),
            count(|job| job.fate.panics()),
            count(|job| job.waits_for.is_some()),
            count(|job| !job.length.is_zero()),
        )?;
        writeln!(f, "{plan:?}")?;
        write!(f, "load: {load:?}, stop: {stop:?}")?;
        match bad_callback {
            Some(nth) => write!(f, ", callback {nth} panics"),
            None => Ok(()),
        }
    }
}

fn not_zero(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}

struct Dice(Xoshiro256PlusPlus);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    fn one_to(&mut self, last: usize) -> usize {
        self.0.random_range(1..=last)
    }

    /// As often few as many.
    fn up_to_64(&mut self) -> usize {
        let last = self.pick([4, 64]);
        self.one_to(last)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[self.below(N)]
    }

    fn payload(&mut self, promises: &Promises) -> Payload {
        use Payload::{Bomb, Number, Str, String};
        match promises.panic {
            // Such a payload ends up with std, or with the caller, and aborts the program.
            Panic::Worker => self.pick([Str, String, Number]),
            _ => self.pick([Str, String, Number, Bomb]),
        }
    }
}
