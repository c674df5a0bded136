//! Who is measured against whom: all of them in each round, so that they share whatever else goes on.

use std::num::NonZeroUsize;
use std::thread;
use std::time::Instant;

use crate::work::{Load, Spinner};
use crate::{tasks, threads};

/// Something that can do jobs: `run` does them all and gives the sum of their results.
#[derive(Clone, Copy)]
pub struct Contender {
    pub name: &'static str,
    pub run: fn(Load, NonZeroUsize, u64) -> u64,
}

impl Contender {
    pub const fn new(name: &'static str, run: fn(Load, NonZeroUsize, u64) -> u64) -> Self {
        Self { name, run }
    }

    /// Nanoseconds a job.
    ///
    /// # Panics
    ///
    /// If a job was lost or done twice.
    pub fn measure(self, load: Load, workers: NonZeroUsize, jobs: u64) -> f64 {
        let start = Instant::now();
        let sum = (self.run)(load, workers, jobs);
        let time = start.elapsed();
        assert_eq!(sum, jobs * (jobs - 1) / 2, "{} did other jobs", self.name);
        time.as_nanos() as f64 / jobs as f64
    }
}

/// What a step is compared with besides its peers: itself but for one thing, or a step before it.
#[derive(Clone, Copy)]
pub struct Variant {
    pub step: &'static str,
    pub with: Contender,
}

/// The jobs of a contest.
#[derive(Clone, Copy)]
pub struct Jobs {
    pub name: &'static str,
    pub load: Load,
    pub count: u64,
}

/// The same jobs for everyone.
pub struct Contest {
    pub jobs: Jobs,
    pub workers: NonZeroUsize,
    /// On one core; targets are for two.
    pinned: bool,
    pub steps: Vec<Entry>,
    pub peers: Vec<Entry>,
    pub variants: Vec<(&'static str, Entry)>,
}

/// A contender and how it did.
pub struct Entry {
    pub contender: Contender,
    /// What the time is divided by: for the plain loop, the cores that could share it.
    share: f64,
    /// Nanoseconds a job, in each round.
    pub rounds: Vec<f64>,
}

impl Entry {
    fn new(contender: Contender, share: usize) -> Self {
        Self {
            contender,
            share: share as f64,
            rounds: Vec::new(),
        }
    }

    pub fn name(&self) -> &'static str {
        self.contender.name
    }

    pub fn median(&self) -> f64 {
        median(&self.rounds)
    }
}

impl Contest {
    /// Measures all of them once, another one first each time.
    pub fn round(&mut self, round: usize, mut progress: impl FnMut(&str)) {
        let Jobs { load, count, .. } = self.jobs;
        let variants = self.variants.iter_mut().map(|(_, entry)| entry);
        let mut entries: Vec<_> = self.steps.iter_mut().chain(&mut self.peers).collect();
        entries.extend(variants);
        let first = round % entries.len();
        entries.rotate_left(first);
        for entry in entries {
            progress(entry.name());
            let ns = entry.contender.measure(load, self.workers, count);
            entry.rounds.push(ns / entry.share);
        }
    }

    /// Each step over each peer, then over its variants.
    pub fn ratios(&self) -> impl Iterator<Item = Ratio> {
        let peers = self.steps.iter().flat_map(move |step| {
            let peers = self.peers.iter();
            peers.map(move |peer| self.ratio(step, peer))
        });
        let variants = self.variants.iter().filter_map(move |(name, variant)| {
            let step = self.steps.iter().find(|step| step.name() == *name)?;
            Some(self.ratio(step, variant))
        });
        peers.chain(variants)
    }

    fn ratio(&self, step: &Entry, peer: &Entry) -> Ratio {
        Ratio {
            step: step.name(),
            peer: peer.name(),
            value: step.median() / peer.median(),
            target: target(step.name(), peer.name(), self.jobs.name, self.workers.get())
                .filter(|_| !self.pinned),
        }
    }
}

/// The contests among `selected` and their peers; on one core only what is worth comparing over time.
pub fn contests(
    selected: &dyn Fn(&str) -> bool,
    spinner: Spinner,
    scale: u64,
    pinned: bool,
) -> Vec<Contest> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get); // 1 where pinned
    let jobs = |name, load, count: u64| Jobs {
        name,
        load,
        count: count / scale,
    };
    let trivial = jobs(
        TRIVIAL,
        spinner.load(0.0),
        if pinned { 400_000 } else { 1_000_000 },
    );
    let short = jobs(
        SHORT,
        spinner.load(1_000.0),
        if pinned { 100_000 } else { 1_000_000 },
    );
    let long = jobs(LONG, spinner.load(10_000.0), 20_000);
    let skewed = jobs(SKEWED, spinner.skewed(1_000.0, 32_000.0), 48_000);

    let of_threads: &[Jobs] = match pinned {
        false => &[trivial, short, long, skewed],
        true => &[trivial, short],
    };
    let of_tasks: &[Jobs] = match pinned {
        false => &[trivial, short],
        true => &[trivial],
    };
    let fields: [(&[Jobs], _, &[_], &[_], &[_]); 2] = [
        (
            of_threads,
            cores,
            &threads::STEPS,
            &threads::PEERS,
            &threads::VARIANTS,
        ),
        (of_tasks, 1, &tasks::STEPS, &tasks::PEERS, &[]),
    ];

    let mut contests = Vec::new();
    for (kinds, cores, steps, peers, variants) in fields {
        let steps = || steps.iter().filter(|step| selected(step.name));
        if steps().next().is_none() {
            continue;
        }
        for &jobs in kinds {
            for workers in WORKERS {
                let share = |peer: &Contender| match peer.name {
                    "ideal" => cores.min(workers.get()),
                    _ => 1,
                };
                let variants = variants.iter().filter(|variant| selected(variant.step));
                contests.push(Contest {
                    jobs,
                    workers,
                    pinned,
                    steps: steps().map(|&step| Entry::new(step, 1)).collect(),
                    peers: peers
                        .iter()
                        .map(|&peer| Entry::new(peer, share(&peer)))
                        .collect(),
                    variants: variants
                        .map(|variant| (variant.step, Entry::new(variant.with, 1)))
                        .collect(),
                });
            }
        }
    }
    contests
}

const WORKERS: [NonZeroUsize; 2] = [
    NonZeroUsize::new(2).expect("2 is not 0"),
    NonZeroUsize::new(8).expect("8 is not 0"),
];

const TRIVIAL: &str = "trivial jobs";
const SHORT: &str = "jobs of 1 us";
const LONG: &str = "jobs of 10 us";
const SKEWED: &str = "jobs of 1 us, every 16th of 32 us";

/// One median over another.
pub struct Ratio {
    pub step: &'static str,
    pub peer: &'static str,
    pub value: f64,
    pub target: Option<Target>,
}

/// What a ratio should be at most.
#[derive(Clone, Copy)]
pub struct Target {
    pub at_most: f64,
    /// Whether it is known to be out of reach for a plain channel, and there to show by how much.
    pub stretch: bool,
}

/// What there is a target for.
fn target(step: &str, peer: &str, jobs: &str, workers: usize) -> Option<Target> {
    let threaded = threads::STEPS.iter().any(|other| other.name == step);
    let at_most = match (step, peer, jobs, workers) {
        ("basic" | "waitgroup", "threadpool", TRIVIAL, _) => 0.5,
        ("basic" | "waitgroup", "the Book's", TRIVIAL, _) => 0.7,
        ("basic" | "waitgroup", "par_iter", LONG, _) => 1.05,
        ("job-struct", "bounded(1) replies", TRIVIAL, _) => 0.5,
        ("dispatcher", "threadpool", TRIVIAL, _) => 0.6,
        ("dispatcher", "ideal", SKEWED, _) => 1.25,
        ("errors", "basic, jobs boxed", TRIVIAL, _) => 1.1,
        ("cancellation" | "dynamic", "JoinSet", TRIVIAL, _) => 0.5,
        (_, "threadpool", SHORT, 2) if threaded => 0.7,
        (_, "ideal", SHORT, 2) if threaded => 1.3,
        _ => return None,
    };
    Some(Target {
        at_most,
        stretch: (peer, jobs) == ("ideal", SHORT),
    })
}

pub fn median(samples: &[f64]) -> f64 {
    let mut samples = samples.to_vec();
    samples.sort_by(f64::total_cmp);
    let middle = samples.len() / 2;
    match samples.len() % 2 {
        0 => (samples[middle - 1] + samples[middle]) / 2.0,
        _ => samples[middle],
    }
}

pub fn range(samples: &[f64]) -> (f64, f64) {
    let min = samples.iter().copied().fold(f64::INFINITY, f64::min);
    let max = samples.iter().copied().fold(0.0, f64::max);
    (min, max)
}
