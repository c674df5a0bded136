//! Whether each of ten million jobs costs more, or takes more memory, than each of ten thousand.

use std::env;
use std::io;
use std::process::Command;

use xtask::steps::Selection;

use crate::harness::steps;
use crate::machine::{on_one_core, peak_memory};
use crate::progress::progress;
use crate::report::{Figure, Table};
use crate::trial::{Candidate, Trial};
use lab::steps::Step;

/// Measures each size in a process of its own, whose peak memory is that of these jobs.
///
/// # Errors
///
/// If such a process fails.
pub fn measure(selected: &Selection, quick: bool) -> io::Result<Table> {
    let sizes = [10_000, 100_000, 1_000_000, 10_000_000];
    let sizes = if quick { &sizes[..2] } else { &sizes };
    let title = "growth: ns a job on one core, 2 workers, without the start; peak memory in MiB";
    let columns = sizes.iter().map(|jobs| format!("{}k jobs", jobs / 1000));
    let rest = ["most/least", "MiB", "to 100k"].map(String::from);
    let mut table = Table::new(title, columns.chain(rest));
    for Step { name, .. } in steps(selected) {
        let mut costs = Figure::default();
        let mut memory = Vec::new();
        for jobs in sizes {
            progress(format_args!("growth: {name} {jobs}"));
            let (ns, kib) = in_child(name, *jobs)?;
            costs.rounds.push(ns);
            memory.push(kib.map(|kib| kib / 1024.0));
        }
        let growth = Figure::from(costs.max() / costs.min()).at_most(1.15);
        let most = memory.last().copied().flatten();
        let memory_growth = most.zip(memory[1]).map(|(most, few)| most / few);
        let mut row = Vec::from_iter(costs.rounds.into_iter().map(|ns| Some(ns.into())));
        row.extend([Some(growth), most.map(Figure::from)]);
        row.push(memory_growth.map(|growth| Figure::from(growth).at_most(1.1)));
        table.row(name, row);
    }
    Ok(table)
}

/// Nanoseconds per job, and peak memory in KiB where known.
fn in_child(step: &str, jobs: usize) -> io::Result<(f64, Option<f64>)> {
    let child = Command::new(env::current_exe()?)
        .args(["--grow", &jobs.to_string(), step])
        .output()?;
    let text = String::from_utf8_lossy(&child.stdout);
    let mut numbers = text.split_whitespace().map(str::parse);
    match numbers.next() {
        Some(Ok(ns)) => Ok((ns, numbers.next().and_then(Result::ok))),
        _ => Err(io::Error::other(String::from_utf8_lossy(&child.stderr))),
    }
}

/// In that process: prints both.
pub fn child(selected: &Selection, jobs: usize) {
    for step in steps(selected) {
        let times = (1_000_000 / jobs).clamp(1, 50);
        let total = |jobs| {
            let measure =
                |_| Candidate::step(step).measure(Trial::new(2, jobs, [0.0; 2])) * jobs as f64;
            (0..times).map(measure).fold(f64::INFINITY, f64::min) // other load can only slow it down
        };
        let measure = || (total(jobs) - total(1)) / (jobs - 1) as f64; // without the start of the pool
        let ns = on_one_core(measure).unwrap_or_else(measure);
        let memory = peak_memory().map_or(String::new(), |memory| memory.to_string());
        println!("{ns} {memory}");
    }
}
