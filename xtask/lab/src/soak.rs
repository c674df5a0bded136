//! `cargo xtask soak`: random scripts, and what must hold in all their runs.

pub mod checker;
pub mod generator;
pub mod shrink;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::iter;
use std::ops::ControlFlow;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use xtask::output::say;
use xtask::run::above_zero;

use crate::harness::{Time, play};
use crate::pools::Adapter;
use crate::script::Script;
use crate::steps::Step;

/// How long to go on, and where to begin.
#[derive(clap::Args, Debug)]
pub struct Flags {
    /// How many minutes to go on, above 0; Ctrl-C ends it before [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = minutes)]
    minutes: Option<Duration>,

    /// The seed to begin with, instead of a random one; without --minutes, the only one: it is run
    /// a thousand times, as threads do not do the same each time
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = seed)]
    seed: Option<u64>,
}

fn minutes(text: &str) -> Result<Duration, &'static str> {
    let minutes = above_zero(text)?;
    Ok(Duration::try_from_secs_f64(minutes * 60.0).unwrap_or(Duration::MAX))
}

fn seed(text: &str) -> Result<u64, &'static str> {
    text.parse()
        .map_err(|_| "takes a whole number from 0 to 18446744073709551615")
}

/// Runs the steps' pools, and prints how many runs of each kept all guarantees.
///
/// # Errors
///
/// If one did not: which, and what was wrong.
pub fn soak(steps: &[&Step], flags: &Flags) -> Result<(), Box<dyn Error>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Relaxed) {
            process::exit(130);
        }
    })?;

    let begin = Instant::now();
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    let first = flags.seed.unwrap_or(u64::try_from(now)?);
    let progress = Progress::new(first);
    let after_each = |tally: &Tally| {
        progress.show(begin.elapsed(), tally);
        match interrupted.load(Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    let tally = match (flags.seed, flags.minutes) {
        (Some(seed), None) => explore(steps, iter::repeat_n(seed, 1000), PATIENCE, after_each),
        (_, minutes) => {
            let length = minutes.unwrap_or(Duration::from_secs(60));
            let in_time = move |&seed: &u64| seed == first || begin.elapsed() < length;
            let seeds = (first..=u64::MAX).take_while(in_time);
            explore(steps, seeds, PATIENCE, after_each)
        }
    };
    progress.clear();
    let tally = tally?;
    let seconds = begin.elapsed().as_secs_f64();
    say(format_args!(
        "seeds from {first}, {seconds:.0} seconds; all guarantees kept in"
    ));
    for step in steps {
        let Count { runs, jobs } = tally.get(step.name).copied().unwrap_or_default();
        say(format_args!(
            "{:<12} {runs:>9} runs, {jobs:>11} jobs",
            step.name
        ));
    }
    if interrupted.load(Relaxed) {
        process::exit(130);
    }
    Ok(())
}

/// How many runs a step has had, and jobs in them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// Runs.
    pub runs: u64,
    /// Jobs, started or not.
    pub jobs: u64,
}

/// The runs that kept all guarantees, by step.
pub type Tally = BTreeMap<&'static str, Count>;

/// A run that takes longer than this, in real time, is stuck.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How long a failing script may be shrunk.
const SHRINKING: Duration = Duration::from_secs(30);

/// Runs each step's pool with each seed, steps of threads beside steps of tasks, until there are no more or `after_each`
/// run says so.
///
/// # Errors
///
/// The first violation.
pub fn explore(
    steps: &[&Step],
    seeds: impl Iterator<Item = u64> + Clone + Sync,
    patience: Duration,
    after_each: impl Fn(&Tally) -> ControlFlow<()> + Sync,
) -> Result<Tally, Box<dyn Error>> {
    let tally = Mutex::new(Ok(Tally::new()));
    let explore_some = |steps: Vec<&Step>, seeds| {
        for seed in seeds {
            for step in &steps {
                let script = generator::script(&step.guarantees, seed);
                let violation = violation(step, &script, patience);
                let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                let Ok(counts) = &mut *tally else { return };
                if let Err(violation) = violation {
                    *tally = Err(Failure::shrunk(step, seed, script, violation, patience));
                    return;
                }
                let count = counts.entry(step.name).or_default();
                count.runs += 1;
                count.jobs += script.jobs.len() as u64;
                if after_each(counts).is_break() {
                    return;
                }
            }
        }
    };
    let (threads, tasks): (Vec<_>, Vec<_>) =
        (steps.iter().copied()).partition(|step| matches!(step.adapter, Adapter::Threads(_)));
    let panics = thread::scope(|scope| {
        let groups = [threads, tasks]
            .into_iter()
            .filter(|steps| !steps.is_empty());
        let start = |steps| scope.spawn(|| explore_some(steps, seeds.clone()));
        let running = Vec::from_iter(groups.map(start));
        running
            .into_iter()
            .filter_map(|thread| thread.join().err())
            .count()
    });
    if panics > 0 {
        return Err("a check panicked".into());
    }
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(tally?)
}

/// Plays the script on the step's pool and checks the run.
fn violation(step: &Step, script: &Script, patience: Duration) -> Result<(), String> {
    let run = play(step, script, Time::Disturbed, patience)?;
    checker::check(step, script, &run)
}

/// A script whose run violated a guarantee.
#[derive(Debug)]
pub struct Failure {
    step: &'static str,
    seed: u64,
    script: Script,
    violation: String,
}

impl Failure {
    /// Looks for the simplest script that fails. On threads it may fail only now and then: such a script gets some tries.
    fn shrunk(
        step: &Step,
        seed: u64,
        script: Script,
        mut violation: String,
        patience: Duration,
    ) -> Self {
        let begin = Instant::now();
        let tries = match step.adapter {
            Adapter::Threads(_) => 20,
            Adapter::Tasks(_) => 1,
        };
        let patience = patience.min(Duration::from_secs(1));
        // The same violation, whatever the numbers in it: another one could come from the simpler script itself.
        let kind =
            |violation: &str| violation.replace(|character: char| character.is_numeric(), "");
        let kind = |violation: &str| kind(violation.split(", at ").next().unwrap_or_default());
        let wanted = kind(&violation);
        let fails = |script: &Script| {
            let mut runs =
                iter::repeat_n(script, tries).take_while(|_| begin.elapsed() < SHRINKING);
            let found = runs.find_map(|script| self::violation(step, script, patience).err());
            let found = found.filter(|found| kind(found) == wanted);
            found.inspect(|found| violation.clone_from(found)).is_some()
        };
        let script = shrink::shrink(script, &step.guarantees, fails);
        Self {
            step: step.name,
            seed,
            script,
            violation,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            step,
            seed,
            script,
            violation,
        } = self;
        writeln!(f, "{step}, seed {seed}: {violation}")?;
        writeln!(f, "with this script, shrunk from that of the seed:")?;
        for (number, job) in (1..).zip(&script.jobs) {
            writeln!(f, "job {number}: {job:?}")?;
        }
        let settings = Script {
            jobs: Vec::new(),
            ..script.clone()
        };
        writeln!(f, "{settings:?}")?;
        write!(f, "again: cargo xtask soak --seed {seed} {step}")
    }
}

impl Error for Failure {}

/// How far it is, on standard error: a line that is overwritten, or if that is no terminal, a line now and then.
struct Progress {
    first: u64,
    overwrites: bool,
    next: Mutex<Duration>,
}

impl Progress {
    fn new(first: u64) -> Self {
        Self {
            first,
            overwrites: io::stderr().is_terminal(),
            next: Mutex::new(Duration::ZERO),
        }
    }

    fn show(&self, now: Duration, tally: &Tally) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if now < *next {
            return;
        }
        *next = now + Duration::from_secs(if self.overwrites { 1 } else { 30 });
        let runs: u64 = tally.values().map(|count| count.runs).sum();
        let line = format!(
            "{} s: {runs} runs, seeds from {}",
            now.as_secs(),
            self.first
        );
        // An error: standard error is closed.
        _ = match self.overwrites {
            true => write!(io::stderr(), "\r{line}"),
            false => writeln!(io::stderr(), "{line}"),
        };
    }

    fn clear(&self) {
        if self.overwrites {
            _ = writeln!(io::stderr());
        }
    }
}
