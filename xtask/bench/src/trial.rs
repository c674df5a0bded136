//! What is measured: a candidate does the jobs of a trial.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use lab::script::Script;

use crate::harness::play;

/// A step's pool, or what one could use instead.
#[derive(Clone)]
pub struct Candidate {
    pub name: &'static str,
    /// Does all jobs of a trial, and returns the sum of their results.
    run: Rc<dyn Fn(Trial) -> usize>,
    /// The steps that it is compared with; none means all.
    beside: &'static [&'static str],
}

impl Candidate {
    pub fn new(name: &'static str, run: impl Fn(Trial) -> usize + 'static) -> Self {
        let (run, beside): (_, &[&str]) = (Rc::new(run), &[]);
        Self { name, run, beside }
    }

    /// The step of this name.
    pub fn step(name: &'static str) -> Self {
        Self::new(name, |trial| trial.play(name))
    }

    /// A step with one thing changed, or a step before it: compared with those steps only.
    pub fn beside(self, beside: &'static [&'static str]) -> Self {
        Self { beside, ..self }
    }

    /// Whether it is compared with this step.
    pub fn is_beside(&self, step: &str) -> bool {
        self.beside.is_empty() || self.beside.contains(&step)
    }

    /// Does the jobs and returns nanoseconds per job.
    ///
    /// # Panics
    ///
    /// If a job was lost or done twice.
    pub fn measure(&self, trial: Trial) -> f64 {
        let start = Instant::now();
        let sum = (self.run)(trial);
        let time = start.elapsed();
        let expected = trial.jobs * (trial.jobs + 1) / 2;
        assert_eq!(sum, expected, "{} did other jobs", self.name);
        time.as_nanos() as f64 / trial.jobs as f64
    }
}

/// Jobs, numbered from 1, for a pool.
#[derive(Clone, Copy)]
pub struct Trial {
    pub workers: NonZeroUsize,
    pub capacity: NonZeroUsize,
    pub jobs: usize,
    /// Number of spins of a job, and of every 16th job.
    spins: [u32; 2],
}

impl Trial {
    /// Jobs of `ns` nanoseconds, and every 16th of `every_16th`, with the capacity that the programs use, except for
    /// `dynamic`.
    ///
    /// # Panics
    ///
    /// If `workers` is 0.
    pub fn new(workers: usize, jobs: usize, [ns, every_16th]: [f64; 2]) -> Self {
        let not_zero = |number| NonZeroUsize::new(number).expect("a trial needs workers");
        Self {
            workers: not_zero(workers),
            capacity: not_zero(1024),
            jobs,
            spins: [spins(ns), spins(every_16th)],
        }
    }

    /// The same with another capacity.
    pub fn capacity(self, capacity: usize) -> Self {
        let capacity = NonZeroUsize::new(capacity).expect("a queue needs room");
        Self { capacity, ..self }
    }

    /// Does a job. Its result is its number, so that the sum of all results shows if one was lost.
    pub fn work(self, job: usize) -> usize {
        spin(self.spins[usize::from(job.is_multiple_of(16))], job as u64);
        black_box(job)
    }

    /// What the pool of a step is to do.
    pub fn script(self) -> Script {
        Script {
            workers: self.workers,
            max_workers: self.workers,
            capacity: self.capacity,
            period: Duration::ZERO, // every start is allowed
            ..Script::PLAIN
        }
    }

    /// Does the jobs through a step's pool, and returns the sum of their results.
    pub fn play(self, step: &str) -> usize {
        play(step, self.script(), self.jobs, move |job| {
            _ = self.work(job)
        })
    }
}

/// How often one can spin in so many nanoseconds.
fn spins(ns: f64) -> u32 {
    const SPINS: u32 = 100_000;
    static NS: LazyLock<f64> = LazyLock::new(|| {
        let tries = (0..100).map(|seed| {
            let start = Instant::now();
            spin(SPINS, seed);
            start.elapsed().as_nanos() as f64
        });
        tries.fold(f64::INFINITY, f64::min) // other load can only slow it down
    });
    (ns / *NS * f64::from(SPINS)).round() as u32
}

/// Multiplies the result of the multiplication before: no processor can do two at a time.
fn spin(spins: u32, seed: u64) {
    let mut number = seed;
    for _ in 0..spins {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
    }
    black_box(number);
}
