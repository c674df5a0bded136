//! What takes processes of its own, or real time: growth, limiters, and the article's first scenario.

use std::env;
use std::error::Error;
use std::mem;
use std::num::NonZeroU32;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use governor::{Quota, RateLimiter};
use lab::script::Script;
use lab::steps::STEPS;
use serde_json::{Value, json};
use xtask::output::say;
use xtask::steps::Selection;

use crate::case::{Candidate, Case, block_on, do_jobs};
use crate::machine::{on_one_core, others_since, peak_memory, progress, ticks};
use crate::report::{Output, figure, section, spread, table};

pub fn measure(selected: &Selection, quick: bool) -> Result<Output, Box<dyn Error>> {
    let start = ticks();
    let mut tables = vec![growth(selected, quick)?];
    tables.extend(selected.includes("rate-limited").then(|| rate(quick)));
    tables.extend(selected.includes("basic").then(first_scenario));
    let other_load = others_since(start);
    Ok(section("In its own time", other_load.as_slice(), tables))
}

fn steps(selected: &Selection) -> impl Iterator<Item = &'static str> {
    let names = STEPS.iter().map(|step| step.name);
    names.filter(|name| selected.includes(name))
}

/// Whether each of ten million jobs costs more, or takes more memory, than each of ten thousand. Each
/// number of jobs has a process of its own, whose peak memory is that of these jobs.
fn growth(selected: &Selection, quick: bool) -> Result<Output, Box<dyn Error>> {
    let sizes = [10_000, 100_000, 1_000_000, 10_000_000];
    let mut rows = Vec::new();
    for name in steps(selected) {
        let (mut costs, mut memory) = (Vec::new(), Vec::new());
        for jobs in &sizes[..if quick { 2 } else { 4 }] {
            progress(format_args!("growth: {name} {jobs}"));
            let mut child = Command::new(env::current_exe()?);
            let child = child.args(["--grow", &jobs.to_string(), name]).output()?;
            let figures: Value = serde_json::from_slice(&child.stdout)
                .map_err(|_| String::from_utf8_lossy(&child.stderr))?;
            costs.extend(figures["ns"].as_f64());
            memory.extend(figures["MiB"].as_f64());
        }
        let mut row = Vec::from_iter(costs.iter().map(|ns| figure(&[*ns], None)));
        row.resize(4, Output::default());
        let [least, _, most] = spread(&costs);
        row.push(figure(&[most / least], 1.15));
        if let [_, few, ..] = memory[..] {
            let most = memory[memory.len() - 1];
            row.extend([figure(&[most], None), figure(&[most / few], 1.1)]);
        }
        rows.push((name, row));
    }
    let title = "growth: ns a job on one core, 2 workers, without the start; peak memory in MiB";
    let columns = ["10k", "100k", "1M", "10M", "most/least", "MiB", "to 100k"];
    Ok(table(title, &columns, rows))
}

/// In such a process: prints the cost of a job and the peak memory.
pub fn grow(selected: &Selection, jobs: usize) {
    for name in steps(selected) {
        let times = (1_000_000 / jobs).clamp(1, 50);
        let total = |jobs| {
            let measure =
                |_| Candidate::step(name).measure(Case::new(2, jobs, [0.0; 2])) * jobs as f64;
            (0..times).map(measure).fold(f64::INFINITY, f64::min) // other load can only slow it down
        };
        let measure = || (total(jobs) - total(1)) / (jobs - 1) as f64; // without the start of the pool
        let ns = on_one_core(measure).unwrap_or_else(measure);
        say(json!({ "ns": ns, "MiB": peak_memory() }));
    }
}

/// How much of a rate the limiters deliver, and whether they ever exceed it.
fn rate(quick: bool) -> Output {
    let mut rows = Vec::new();
    for rate in [100, 1_000, 10_000, 100_000] {
        // As the step's documentation advises: 2, and 2 more for each thousand starts a second.
        let burst = NonZeroU32::MIN.saturating_add(1 + rate / 500);
        let mut limiters = ["rate-limited", "governor"].map(|name| (name, Vec::new(), 0.0));
        for round in 1..=if quick { 1 } else { 3 } {
            for (limiter, missed, most_beyond) in &mut limiters {
                progress(format_args!("{limiter} at {rate}, round {round}"));
                let begin = Instant::now();
                let (mut allowed, mut least_ahead) = (0.0, f64::INFINITY);
                for (number, start) in starts(limiter, rate, burst).iter().enumerate() {
                    allowed = (*start - begin).as_secs_f64() * f64::from(rate);
                    let ahead = number as f64 - allowed;
                    least_ahead = ahead.min(least_ahead);
                    *most_beyond = f64::max(*most_beyond, ahead - least_ahead + 1.0);
                }
                missed.push((1.0 - f64::from(rate) / allowed) * 100.0);
            }
        }
        let (starts, burst) = (f64::from(rate), f64::from(burst.get()));
        for (limiter, missed, most_beyond) in limiters {
            let is_step = limiter == "rate-limited";
            let row = vec![
                figure(&[starts], None),
                figure(&[burst], None),
                figure(&missed, is_step.then_some(1.0)),
                figure(&[most_beyond], is_step.then_some(burst + 1.0)),
            ];
            rows.push((limiter, row));
        }
    }
    let title = "rate: how much of it is missed, and the most starts beyond it in any window;\n\
                 a start is seen a little after it was allowed: hence one more than the burst";
    let columns = ["starts/s", "burst", "missed, %", "most beyond"];
    table(title, &columns, rows)
}

/// When each job of a second starts.
fn starts(limiter: &str, rate: u32, burst: NonZeroU32) -> Vec<Instant> {
    let period = Duration::from_secs(1) / rate;
    let starts = Arc::new(Mutex::new(Vec::new()));
    let log = starts.clone();
    let start = move || log.lock().expect("no panic").push(Instant::now());
    if limiter == "governor" {
        let quota = Quota::with_period(period).expect("a period is not 0");
        let limiter = RateLimiter::direct(quota.allow_burst(burst)); // its bucket is full at first
        block_on(async {
            for _ in 0..rate {
                limiter.until_ready().await;
                start();
            }
        });
    } else {
        let script = Script {
            period,
            burst,
            ..Case::new(8, 0, [0.0; 2]).script()
        };
        do_jobs(limiter, script, rate as usize, move |_| start());
    }
    mem::take(&mut starts.lock().expect("no panic"))
}

/// The article's first scenario: 3 workers and 5 jobs of a second, so 2 seconds at best.
fn first_scenario() -> Output {
    progress("the article's first scenario");
    let start = Instant::now();
    let work = |_| thread::sleep(Duration::from_secs(1));
    do_jobs("basic", Script::PLAIN, 5, work);
    let ms = start.elapsed().as_secs_f64() * 1e3;
    let row = vec![figure(&[ms], None), figure(&[ms / 2e3], 1.01)];
    let title = "the article's first scenario, from start to end";
    table(title, &["ms", "over its 2 s"], vec![("basic", row)])
}
