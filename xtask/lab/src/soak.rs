//! `cargo xtask soak`: the steps' pools, run in random ways, and what must hold in all of them.

mod case;
mod check;
mod tasks;
mod threads;
mod witness;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future;
use std::io::{self, IsTerminal, Write};
use std::iter;
use std::ops::ControlFlow;
use std::panic;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::runtime::Builder;
use tokio::select;
use tokio::signal::ctrl_c;

use crate::pools::Adapter;
use crate::steps::Step;
use xtask::output::say;
use xtask::run::above_zero;

pub use case::{Case, Fate, Job, Load, Payload, When};
pub use check::check;
pub use witness::{Ended, Run};

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

/// Runs the steps' pools, and prints how many runs of each kept all promises.
///
/// # Errors
///
/// If one did not: which, and what was wrong.
pub fn soak(steps: &[&Step], flags: &Flags) -> Result<(), Box<dyn Error>> {
    hide_panics_of_scopes();
    let interrupted = interrupted()?;
    let begin = Instant::now();

    let random = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok::<_, Box<dyn Error>>(u64::try_from(now.as_micros())?)
    };
    let first = flags.seed.map_or_else(random, Ok)?;
    let mut progress = Progress::new();
    let look_up = |tally: &Tally| {
        progress.show(begin.elapsed(), first, tally);
        match interrupted.load(Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    let tally = match (flags.seed, flags.minutes) {
        (Some(seed), None) => explore(steps, iter::repeat_n(seed, 1000), PATIENCE, look_up),
        (_, minutes) => {
            let length = minutes.unwrap_or(Duration::from_secs(60));
            let in_time = move |&seed: &u64| seed == first || begin.elapsed() < length;
            let seeds = (first..=u64::MAX).take_while(in_time);
            explore(steps, seeds, PATIENCE, look_up) // the runs in hand end, or are stuck
        }
    };
    progress.clear();
    let tally = tally?;
    let seconds = begin.elapsed().as_secs_f64();
    say(format_args!(
        "seeds from {first}, {seconds:.0} seconds; all promises kept in"
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

/// A scope says on standard error that one of its threads panicked, as many are to do here.
fn hide_panics_of_scopes() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.payload_as_str() != Some("a scoped thread panicked") {
            report(info);
        }
    }));
}

/// Whether Ctrl-C was pressed, from now on.
fn interrupted() -> io::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let (ready, listens) = channel();
    let flag = interrupted.clone();
    thread::Builder::new().spawn(move || {
        runtime.block_on(async {
            select! {
                biased; // it listens once it has been polled
                pressed = ctrl_c() => flag.store(pressed.is_ok(), Relaxed),
                () = async { _ = ready.send(()); future::pending().await } => {}
            }
        });
    })?;
    _ = listens.recv(); // an error: it cannot listen
    Ok(interrupted)
}

/// How many runs a step has had, and jobs in them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// Runs.
    pub runs: u64,
    /// Jobs, started or not.
    pub jobs: u64,
}

/// The runs that kept all promises, by step.
pub type Tally = BTreeMap<&'static str, Count>;

/// A run that takes longer than this, in real time, is stuck.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How often to look up from the runs.
const TICK: Duration = Duration::from_millis(50);

/// Runs each step's pool with each seed, steps of threads beside steps of tasks, until there are no
/// more or `look_up`, called now and then, ends it at once.
///
/// # Errors
///
/// If a run breaks a promise, or is still there after `patience`.
pub fn explore(
    steps: &[&Step],
    seeds: impl Iterator<Item = u64> + Clone + Send + 'static,
    patience: Duration,
    mut look_up: impl FnMut(&Tally) -> ControlFlow<()>,
) -> Result<Tally, Box<dyn Error>> {
    let (threads, tasks): (Vec<Step>, Vec<Step>) =
        (steps.iter().copied()).partition(|step| matches!(step.adapter, Adapter::Threads(_)));
    let (news, inbox) = channel();
    for (runner, steps) in [threads, tasks].into_iter().enumerate() {
        let (news, seeds) = (news.clone(), seeds.clone());
        thread::Builder::new().spawn(move || {
            _ = run_all(runner, &steps, seeds, news);
        })?;
    } // never joined: a run may be stuck
    drop(news);

    let mut tally = Tally::new();
    let mut running = BTreeMap::from([(0, None), (1, None)]);
    loop {
        match inbox.recv_timeout(TICK) {
            Ok(News::Starts { runner, step, seed }) => {
                running.insert(runner, Some((Instant::now(), step, seed)));
            }
            Ok(News::Ends { step, seed, ended }) => {
                let count = tally.entry(step.name).or_default();
                count.runs += 1;
                count.jobs += ended.map_err(|wrong| Broken { step, seed, wrong })?;
            }
            Ok(News::Done { runner }) => {
                running.remove(&runner);
                if running.is_empty() {
                    return Ok(tally);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err("a check panicked".into()),
        }
        for (since, step, seed) in running.values().copied().flatten() {
            if since.elapsed() > patience {
                let wrong = format!("stuck for {patience:?}");
                return Err(Broken { step, seed, wrong }.into());
            }
        }
        if look_up(&tally).is_break() {
            return Ok(tally);
        }
    }
}

/// What a runner says.
enum News {
    Starts {
        runner: usize,
        step: Step,
        seed: u64,
    },
    Ends {
        step: Step,
        seed: u64,
        /// How many jobs it had, or what was wrong.
        ended: Result<u64, String>,
    },
    Done {
        runner: usize,
    },
}

/// Ends early once nobody listens any more.
fn run_all(
    runner: usize,
    steps: &[Step],
    seeds: impl Iterator<Item = u64>,
    news: Sender<News>,
) -> Option<()> {
    for seed in seeds {
        for &step in steps {
            news.send(News::Starts { runner, step, seed }).ok()?;
            let case = Case::new(&step.promises, seed);
            let kept = observe(&step, &case).and_then(|run| check(&step, &case, &run));
            let ended = kept.map(|()| case.jobs.len() as u64);
            news.send(News::Ends { step, seed, ended }).ok()?;
        }
    }
    news.send(News::Done { runner }).ok()
}

/// Runs the step's pool as the case says.
///
/// # Errors
///
/// If it cannot be started, has not ended by its deadline, or panics of its own.
pub fn observe(step: &Step, case: &Case) -> Result<Run, String> {
    let (case, promises) = (case.clone(), step.promises);
    match step.adapter {
        Adapter::Threads(pool) => threads::run(case, promises, pool),
        Adapter::Tasks(pool) => {
            let deadline = case.deadline(step);
            tasks::run(case, promises, deadline, pool)
        }
    }
}

/// A run that broke a promise.
#[derive(Debug)]
pub struct Broken {
    step: Step,
    seed: u64,
    wrong: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, seed, wrong } = self;
        let name = step.name;
        writeln!(f, "{name}, seed {seed}: {wrong}")?;
        writeln!(f, "{}", Case::new(&step.promises, *seed))?;
        write!(f, "again: cargo xtask soak --seed {seed} {name}")
    }
}

impl Error for Broken {}

/// How far it is, on standard error: a line that is overwritten, or if that is no terminal, a line now
/// and then.
struct Progress {
    overwrites: bool,
    period: Duration,
    next: Duration,
}

impl Progress {
    fn new() -> Self {
        let overwrites = io::stderr().is_terminal();
        Self {
            overwrites,
            period: Duration::from_secs(if overwrites { 1 } else { 30 }),
            next: Duration::ZERO,
        }
    }

    fn is_due(&mut self, now: Duration) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + self.period;
        }
        due
    }

    fn show(&mut self, now: Duration, first: u64, tally: &Tally) {
        if !self.is_due(now) {
            return;
        }
        let runs: u64 = tally.values().map(|count| count.runs).sum();
        let line = format!("{} s: {runs} runs, seeds from {first}", now.as_secs());
        // An error: nobody reads it.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_above_0() {
        assert_eq!(minutes("1.5"), Ok(Duration::from_secs(90)));
        assert_eq!(minutes("1e300"), Ok(Duration::MAX));
        for text in ["0", "-1", "inf", "NaN", "x"] {
            assert_eq!(minutes(text), Err("takes a number above 0"), "{text}");
        }
    }

    #[test]
    fn seeds_are_whole_numbers() {
        assert_eq!(seed("18446744073709551615"), Ok(u64::MAX));
        assert!(seed("-1").is_err());
    }

    #[test]
    fn progress_is_shown_now_and_then() {
        let mut progress = Progress {
            overwrites: false,
            period: Duration::from_secs(30),
            next: Duration::ZERO,
        };
        let due = [0, 1, 29, 30, 31, 59, 60].map(|now| progress.is_due(Duration::from_secs(now)));
        assert_eq!(due, [true, false, false, true, false, false, true]);
    }
}
