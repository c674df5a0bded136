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
use std::io::{self, IsTerminal};
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

use crate::output::say;
use crate::pools::Adapter;
use crate::steps::Step;

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
    let number = text.parse().ok().filter(|&x: &f64| x > 0.0);
    let length = number.and_then(|x| Duration::try_from_secs_f64(x * 60.0).ok());
    length.ok_or("takes a number above 0")
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

    let (count, stride, length) = match (flags.seed, flags.minutes) {
        (Some(_), None) => (1000, 0, Duration::MAX),
        (_, minutes) => (u64::MAX, 1, minutes.unwrap_or(Duration::from_secs(60))),
    };
    let random = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map(|now| now.as_secs() * 1_000_000)
    };
    let first = flags.seed.map_or_else(random, Ok)?;
    let seeds = (0..count)
        .map(move |n| first.wrapping_add(n * stride))
        .take_while(move |_| begin.elapsed() < length); // the runs in hand end, or are stuck
    let mut progress = Progress {
        next: Duration::ZERO,
    };

    let tally = explore(steps, seeds, PATIENCE, |tally| {
        progress.show(begin.elapsed(), first, tally);
        match interrupted.load(Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
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
        thread::Builder::new().spawn(move || run_all(runner, &steps, seeds, news))?;
    } // never joined: a run may be stuck
    drop(news);

    let mut tally = Tally::new();
    let mut running = [None, None];
    let mut next_look = Instant::now();
    loop {
        match inbox.recv_timeout(TICK) {
            Ok(News {
                runner,
                step,
                seed,
                ended: None,
            }) => running[runner] = Some((Instant::now(), step, seed)),
            Ok(News {
                runner,
                step,
                seed,
                ended: Some(ended),
            }) => {
                running[runner] = None;
                let count = tally.entry(step.name).or_default();
                count.runs += 1;
                count.jobs += ended.map_err(|wrong| Broken { step, seed, wrong })?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) if running.iter().all(Option::is_none) => {
                return Ok(tally);
            }
            Err(RecvTimeoutError::Disconnected) => return Err("a check panicked".into()),
        }
        if Instant::now() < next_look {
            continue;
        }
        next_look = Instant::now() + TICK;
        for (since, step, seed) in running.into_iter().flatten() {
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

/// What a runner says of a run.
struct News {
    runner: usize,
    step: Step,
    seed: u64,
    /// How many jobs it had, or what was wrong; nothing when it starts.
    ended: Option<Result<u64, String>>,
}

fn run_all(runner: usize, steps: &[Step], seeds: impl Iterator<Item = u64>, news: Sender<News>) {
    for seed in seeds {
        for &step in steps {
            let say = |ended| {
                let wanted = news.send(News {
                    runner,
                    step,
                    seed,
                    ended,
                });
                wanted.is_ok()
            };
            if !say(None) {
                return;
            }
            let case = Case::new(&step.promises, seed);
            let kept = observe(&step, &case).and_then(|run| check(&step, &case, &run));
            say(Some(kept.map(|()| case.jobs.len() as u64)));
        }
    }
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
    next: Duration,
}

impl Progress {
    fn show(&mut self, now: Duration, first: u64, tally: &Tally) {
        if now < self.next {
            return;
        }
        let (seconds, runs) = (
            now.as_secs(),
            tally.values().map(|count| count.runs).sum::<u64>(),
        );
        let line = format!("{seconds} s: {runs} runs, seeds from {first}");
        match io::stderr().is_terminal() {
            true => {
                eprint!("\r{line}");
                self.next += Duration::from_secs(1);
            }
            false => {
                eprintln!("{line}");
                self.next += Duration::from_secs(30);
            }
        }
    }

    fn clear(&self) {
        if io::stderr().is_terminal() {
            eprintln!();
        }
    }
}
