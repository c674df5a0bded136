//! What is measured: a candidate does the jobs of a case.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use lab::pools::{Event, Threads};
use lab::script::{Outcome, Script, When};
use lab::steps::Step;
use tokio::runtime::Builder;

/// A step's pool, or what one could use instead.
#[derive(Clone)]
pub struct Candidate {
    pub name: &'static str,
    /// Does all jobs of a case, and returns the sum of their results.
    run: Rc<dyn Fn(Case) -> usize>,
    /// The steps that it is compared with; none means all.
    only_with: &'static [&'static str],
}

impl Candidate {
    pub fn new(name: &'static str, run: impl Fn(Case) -> usize + 'static) -> Self {
        let (run, only_with): (_, &[&str]) = (Rc::new(run), &[]);
        Self {
            name,
            run,
            only_with,
        }
    }

    /// The step of this name.
    pub fn step(name: &'static str) -> Self {
        Self::new(name, |case| case.through(name))
    }

    /// A step with one thing changed, or a step before it: compared with those steps only.
    pub fn compared_with(self, only_with: &'static [&'static str]) -> Self {
        Self { only_with, ..self }
    }

    /// Whether it is compared with this step.
    pub fn is_compared_with(&self, step: &str) -> bool {
        self.only_with.is_empty() || self.only_with.contains(&step)
    }

    /// Does the jobs and returns nanoseconds per job.
    ///
    /// # Panics
    ///
    /// If a job was lost or done twice.
    pub fn measure(&self, case: Case) -> f64 {
        let start = Instant::now();
        let sum = (self.run)(case);
        let time = start.elapsed();
        let expected = case.jobs * (case.jobs + 1) / 2;
        assert_eq!(sum, expected, "{} did other jobs", self.name);
        time.as_nanos() as f64 / case.jobs as f64
    }
}

/// Jobs, numbered from 1, for a pool.
#[derive(Clone, Copy)]
pub struct Case {
    pub workers: NonZeroUsize,
    pub capacity: NonZeroUsize,
    pub jobs: usize,
    /// Number of spins of a job, and of every 16th job.
    spins: [u32; 2],
}

impl Case {
    /// Jobs of `ns` nanoseconds, and every 16th of `every_16th`, with the capacity that the programs use, except for
    /// `dynamic`.
    ///
    /// # Panics
    ///
    /// If `workers` is 0.
    pub fn new(workers: usize, jobs: usize, [ns, every_16th]: [f64; 2]) -> Self {
        let not_zero = |number| NonZeroUsize::new(number).expect("a case needs workers");
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
    pub fn through(self, step: &str) -> usize {
        do_jobs(step, self.script(), self.jobs, move |job| {
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

/// What the adapters play with: does the work, and only adds up what comes back.
struct Sum<W> {
    work: W,
    /// The sum of the numbers of all jobs that have a result.
    sum: AtomicUsize,
}

impl<W: Fn(usize) + Send + Sync> Threads for Sum<W> {
    fn work(&self, _worker: usize, job: usize) -> Outcome {
        (self.work)(job);
        Outcome::Done
    }

    fn stop(&self, _when: When) {}

    fn record(&self, event: Event) {
        if let Event::Result { job, .. } = event {
            self.sum.fetch_add(job, Relaxed);
        }
    }
}

/// Does jobs, numbered from 1, through the pool of the step of this name, and returns the sum of the numbers of those
/// that have a result.
///
/// # Panics
///
/// If a thread or a runtime cannot be started.
pub fn do_jobs(
    name: &str,
    script: Script,
    jobs: usize,
    work: impl Fn(usize) + Send + Sync + 'static,
) -> usize {
    let sum = AtomicUsize::new(0);
    let harness = Arc::new(Sum { work, sum });
    let adapter = Step::named(name).expect("it is in the table").adapter;
    let ran = adapter.run(script, jobs, harness.clone());
    ran.expect("threads and runtimes start");
    harness.sum.load(Relaxed)
}

/// Runs `future` on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime on this thread starts");
    runtime.block_on(future)
}
