//! `cargo xtask soak`: random scripts, and what must hold in all their runs.

pub mod checker;
pub mod generator;
pub mod shrink;

use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::mem;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use xtask::flags;
use xtask::output::say;

use crate::harness::{Mode, play};
use crate::pools::Adapter;
use crate::script::Script;
use crate::steps::Step;

/// Runs the steps' pools, and prints how many runs of each kept all guarantees.
///
/// # Errors
///
/// If one did not: which, and what was wrong.
pub fn soak(steps: &[&Step], flags: &flags::Soak) -> Result<(), Box<dyn Error>> {
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
    let length = flags.minutes.unwrap_or(Duration::from_secs(60));
    let overwrites = io::stderr().is_terminal();
    let mut next_line = Duration::ZERO;
    let next_seed = |counts: &[Count], runs| {
        let now = begin.elapsed();
        if now >= next_line {
            next_line = now + Duration::from_secs(if overwrites { 1 } else { 30 });
            let runs: u64 = counts.iter().map(|count| count.runs).sum();
            let line = format!("{} s: {runs} runs, seeds from {first}", now.as_secs());
            // An error: standard error is closed.
            _ = match overwrites {
                true => write!(io::stderr(), "\r{line}"),
                false => writeln!(io::stderr(), "{line}"),
            };
        }
        match (flags.seed, flags.minutes) {
            _ if interrupted.load(Relaxed) => None,
            (Some(seed), None) => (runs < 1000).then_some(seed),
            _ if runs == 0 || now < length => first.checked_add(runs),
            _ => None,
        }
    };
    let counts = explore(steps, PATIENCE, next_seed);
    if overwrites {
        _ = writeln!(io::stderr());
    }
    let counts = counts?;
    let seconds = begin.elapsed().as_secs_f64();
    say(format_args!(
        "seeds from {first}, {seconds:.0} seconds; all guarantees kept in"
    ));
    for (step, Count { runs, jobs }) in steps.iter().zip(counts) {
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

/// How many runs of a step kept all guarantees, and how many jobs they had.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// Runs.
    pub runs: u64,
    /// Jobs, started or not.
    pub jobs: u64,
}

/// A run that takes longer than this, in real time, is stuck.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How long a failing script may be shrunk.
const SHRINKING: Duration = Duration::from_secs(30);

/// How long a step runs before it is the turn of the next, so that pools of tasks go through many seeds.
const TURN: Duration = Duration::from_millis(50);

/// Runs each step's pool until `next_seed`, which is told all counts and how many runs the step has had, knows no more.
///
/// # Errors
///
/// The first violation, with the simplest script found that shows it.
pub fn explore(
    steps: &[&Step],
    patience: Duration,
    mut next_seed: impl FnMut(&[Count], u64) -> Option<u64>,
) -> Result<Vec<Count>, String> {
    let mut counts = vec![Count::default(); steps.len()];
    let mut turns = VecDeque::from_iter(steps.iter().enumerate());
    while let Some((index, step)) = turns.pop_front() {
        let turn = Instant::now();
        while let Some(seed) = next_seed(&counts, counts[index].runs) {
            let script = generator::script(&step.guarantees, seed);
            violation(step, &script, patience)
                .map_err(|violation| failure(step, seed, &script, violation, patience))?;
            counts[index].runs += 1;
            counts[index].jobs += script.jobs.len() as u64;
            if turn.elapsed() >= TURN {
                turns.push_back((index, step));
                break;
            }
        }
    }
    Ok(counts)
}

/// Plays the script on the step's pool and checks the run.
///
/// # Errors
///
/// The first violation.
pub fn violation(step: &Step, script: &Script, patience: Duration) -> Result<(), String> {
    let run = play(step, script, Mode::Stressed, patience)?;
    checker::check(step, script, &run)
}

/// Describes the simplest script found that fails in this way. On threads a script may fail only now and then: it gets
/// some tries.
fn failure(
    step: &Step,
    seed: u64,
    script: &Script,
    mut violation: String,
    patience: Duration,
) -> String {
    let begin = Instant::now();
    let tries = match step.adapter {
        Adapter::Threads(_) => 20,
        Adapter::Tasks(_) => 1,
    };
    let patience = patience.min(Duration::from_secs(1));
    // The same violation, whatever the numbers in it: another one could come from the simpler script itself.
    let kind = |violation: &str| {
        let words = violation.split(' ');
        String::from_iter(words.filter(|word| !word.contains(char::is_numeric)))
    };
    let wanted = kind(&violation);
    let mut script = shrink::shrink(script.clone(), |script| {
        let mut tries = (0..tries).take_while(|_| begin.elapsed() < SHRINKING);
        let found = tries.find_map(|_| self::violation(step, script, patience).err());
        let found = found.filter(|found| kind(found) == wanted);
        found.inspect(|found| violation.clone_from(found)).is_some()
    });
    let jobs = mem::take(&mut script.jobs);
    let jobs = (1..)
        .zip(jobs)
        .map(|(number, job)| format!("job {number}: {job:?}\n"));
    format!(
        "{step}, seed {seed}: {violation}\n\
         with this script, shrunk from that of the seed:\n\
         {jobs}{script:?}\n\
         again: cargo xtask soak --seed {seed} {step}",
        step = step.name,
        jobs = String::from_iter(jobs),
    )
}
