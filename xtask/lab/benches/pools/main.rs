//! `cargo bench`: what the steps' pools cost beyond the jobs, beside the pools one could use instead.
//!
//! Run it as `cargo xtask bench [STEP]...`, or as `cargo bench --bench pools -- --quick`.

mod book;
mod contest;
mod growth;
mod machine;
mod plot;
mod rate;
mod report;
mod tasks;
mod threads;
mod work;

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use xtask::output::{fail, say};
use xtask::steps::Selection;

use contest::{Contest, contests};
use machine::{Ticks, on_one_core};
use report::{Place, Report};
use work::Spinner;

/// What the steps' pools cost beyond the jobs, beside the pools one could use instead
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench")]
struct Flags {
    #[command(flatten)]
    steps: Selection,

    /// Fewer jobs and rounds: a minute or two instead of twelve, and rough numbers
    #[arg(long)]
    quick: bool,

    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,

    /// Instead of printing tables draw, into the lab's folder, when a pool pays
    #[arg(long, conflicts_with_all = ["names", "json"])]
    plot: bool,

    /// In a process of its own: do so many jobs and say what they cost
    #[arg(long, hide = true)]
    grow: Option<u64>,

    /// What `cargo bench` passes
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let flags = Flags::parse();
    if let Some(jobs) = flags.grow {
        let steps = growth::steps().filter(|step| flags.steps.includes(step.name));
        return steps.for_each(|step| growth::child(step, jobs));
    }
    let spinner = Spinner::calibrate();
    let result = match flags.plot {
        true => plot::plot(spinner, flags.quick, progress).map(|()| progress("")),
        false => report(&flags, spinner).map(|report| match flags.json {
            true => say(format_args!("{:#}", report.json())),
            false => say(report.text().trim_end()),
        }),
    };
    result.unwrap_or_else(|error| fail(error));
}

/// For many workers: so many each, or a few.
const MANY_JOBS: u64 = 10_000;

fn report(flags: &Flags, spinner: Spinner) -> Result<Report, Box<dyn Error>> {
    let (rounds, scale) = if flags.quick { (3, 10) } else { (7, 1) };
    let selected = |step: &str| flags.steps.includes(step);
    let start = |pinned| contests(&selected, spinner, scale, pinned);

    let all_cores = run(start(false), rounds, "all cores");
    let one_core = on_one_core(|| run(start(true), rounds, "one core"));

    let before = Ticks::now();
    let mut rates = if selected("rate-limited") {
        rate::rates()
    } else {
        Vec::new()
    };
    for round in 1..=if flags.quick { 1 } else { 3 } {
        for rate in &mut rates {
            progress(&format!(
                "rate, round {round}: {} {}",
                rate.limiter, rate.asked
            ));
            rate.round();
        }
    }

    progress("start-up");
    let start_up = selected("basic").then(first_scenario);

    let mut growth = Vec::new();
    for step in growth::steps().filter(|step| selected(step.name)) {
        let mut sizes = Vec::new();
        for jobs in growth::SIZES
            .into_iter()
            .take(if flags.quick { 2 } else { 4 })
        {
            progress(&format!("growth: {} {jobs}", step.name));
            sizes.push(growth::measure(step.name, jobs)?);
        }
        growth.push(growth::Growth {
            step: step.name,
            sizes,
        });
    }

    let nothing = spinner.load(0.0);
    let mut many = Vec::new();
    for (steps, workers) in [(&threads::STEPS[..], 1_000), (&tasks::STEPS[..], 10_000)] {
        for step in steps.iter().filter(|step| selected(step.name)) {
            progress(&format!("many workers: {}", step.name));
            let start = Instant::now();
            step.measure(
                nothing,
                NonZeroUsize::new(workers).expect("not 0"),
                MANY_JOBS,
            );
            many.push((step.name, workers, start.elapsed()));
        }
    }

    let foreign = foreign_since(before).into_iter().collect();
    progress("");
    Ok(Report {
        machine: machine::description(),
        rounds,
        all_cores,
        one_core,
        foreign,
        rates,
        growth,
        many,
        start_up,
    })
}

/// All contests once a round.
fn run(mut contests: Vec<Contest>, rounds: usize, place: &str) -> Place {
    let mut foreign = Vec::new();
    for round in 0..rounds {
        if !io::stderr().is_terminal() {
            eprintln!("{place}, round {} of {rounds}", round + 1);
        }
        let before = Ticks::now();
        for contest in &mut contests {
            let what = format!("{}, {} workers", contest.jobs.name, contest.workers);
            contest.round(round, |name| {
                progress(&format!(
                    "{place}, round {} of {rounds}: {what}: {name}",
                    round + 1
                ));
            });
        }
        foreign.extend(foreign_since(before));
    }
    Place { contests, foreign }
}

/// The share of the machine that others have used, where known.
fn foreign_since(before: Option<Ticks>) -> Option<f64> {
    Some(Ticks::now()?.foreign_since(before?))
}

/// The article's: 3 workers, 5 jobs of a second each, so 2 seconds at best.
fn first_scenario() -> Duration {
    let start = Instant::now();
    let pool = basic::Pool {
        workers: NonZeroUsize::new(3).expect("3 is not 0"),
        capacity: threads::CAPACITY,
    };
    let work = |_, _| thread::sleep(Duration::from_secs(1));
    pool.run(1..=5, work, |()| {}).expect("threads start");
    start.elapsed()
}

/// Says what is going on: on a terminal, in a line that the next one replaces.
fn progress(what: &str) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        _ = write!(stderr, "\r\x1b[K{what}");
        _ = stderr.flush();
    }
}
