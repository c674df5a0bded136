//! Whether ten million jobs cost more each, or more memory, than ten thousand.

use std::env;
use std::io;
use std::num::NonZeroUsize;
use std::process::Command;

use crate::contest::Contender;
use crate::machine::{on_one_core, peak_memory};
use crate::work::Spinner;
use crate::{tasks, threads};

/// How many jobs.
pub const SIZES: [u64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];

const WORKERS: NonZeroUsize = NonZeroUsize::new(2).expect("2 is not 0");

/// So many jobs at once.
pub struct Growth {
    pub step: &'static str,
    pub sizes: Vec<Point>,
}

/// What they cost.
pub struct Point {
    pub jobs: u64,
    /// Nanoseconds a job, without the start of the pool.
    pub ns: f64,
    /// The most memory in use, in KiB, where known.
    pub memory: Option<u64>,
}

impl Growth {
    /// The largest cost over the smallest.
    pub fn cost(&self) -> f64 {
        let ns: Vec<_> = self.sizes.iter().map(|point| point.ns).collect();
        let (min, max) = crate::contest::range(&ns);
        max / min
    }

    /// Peak memory of the most jobs over that of 100,000.
    pub fn memory(&self) -> Option<f64> {
        let few = self.sizes.iter().find(|point| point.jobs == 100_000)?;
        let most = self.sizes.last()?;
        Some(most.memory? as f64 / few.memory? as f64)
    }
}

/// Every step that can be asked to grow; the dispatcher's tasks have no results to collect.
pub fn steps() -> impl Iterator<Item = Contender> {
    let steps = threads::STEPS.into_iter().chain(tasks::STEPS);
    steps.map(|step| match step.name {
        "dispatcher" => Contender::new("dispatcher", threads::dispatcher_adding_up),
        _ => step,
    })
}

/// Measures in a process of its own, whose peak memory is that of these jobs.
///
/// # Errors
///
/// If that process does not do it.
pub fn measure(step: &str, jobs: u64) -> io::Result<Point> {
    let child = Command::new(env::current_exe()?)
        .args(["--grow", &jobs.to_string(), step])
        .output()?;
    let text = String::from_utf8_lossy(&child.stdout);
    let mut words = text.split_whitespace();
    let ns = words.next().and_then(|ns| ns.parse().ok());
    let memory = words.next().and_then(|memory| memory.parse().ok());
    match ns {
        Some(ns) => Ok(Point { jobs, ns, memory }),
        None => Err(io::Error::other(format!(
            "{step} did not do {jobs} jobs: {}",
            String::from_utf8_lossy(&child.stderr)
        ))),
    }
}

/// In that process: says what they cost, and the memory.
pub fn child(step: Contender, jobs: u64) {
    let nothing = Spinner::calibrate().load(0.0);
    let times = (1_000_000 / jobs).clamp(1, 50);
    let total = |jobs| {
        let runs = (0..times).map(|_| step.measure(nothing, WORKERS, jobs) * jobs as f64);
        runs.fold(f64::INFINITY, f64::min) // others can only slow it down
    };
    let measure = || (total(jobs) - total(1)) / (jobs - 1) as f64; // without the start of the pool
    let ns = on_one_core(measure).unwrap_or_else(measure);
    let memory = peak_memory().map_or(String::new(), |memory| memory.to_string());
    println!("{ns} {memory}");
}
