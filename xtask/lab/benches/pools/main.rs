//! `cargo bench`: what the steps' pools cost beyond the jobs, beside the pools one could use instead.
//!
//! Run it as `cargo xtask bench [STEP]...`, or as `cargo bench --bench pools -- --quick`.

mod extremes;
mod groups;
mod growth;
mod harness;
mod machine;
mod peers;
mod plot;
mod progress;
mod rate;
mod report;
mod trial;

use std::error::Error;

use clap::Parser;
use serde_json::json;
use xtask::output::{fail, say};
use xtask::steps::Selection;

use machine::{Ticks, on_one_core};
use progress::progress;
use report::Section;

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
    grow: Option<usize>,

    /// What `cargo bench` passes
    #[arg(long, hide = true)]
    bench: bool,
}

const KEY: &str = "\
98.3 (4%)   ns a job costs, with its work: the median, and the spread of the rounds
0.49≤0.5✓   the step's median over the peer's, and the target if it has one
ideal       the jobs in a plain loop on each core that can share them";

fn main() {
    let flags = Flags::parse();
    if let Some(jobs) = flags.grow {
        return growth::child(&flags.steps, jobs);
    }
    let result = match flags.plot {
        true => plot::plot(flags.quick),
        false => report(&flags),
    };
    result.unwrap_or_else(|error| fail(error));
}

fn report(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let rounds = if flags.quick { 3 } else { 7 };
    let groups = |one_core| groups::measure(&flags.steps, rounds, flags.quick, one_core);
    let mut sections = vec![groups(false)];
    sections.extend(on_one_core(|| groups(true)));
    sections.push(in_its_own_time(flags, rounds)?);
    progress("");

    let machine = format!("{}; medians of {rounds} rounds", machine::description());
    if flags.json {
        let sections = Vec::from_iter(sections.iter().map(Section::json));
        let all = json!({ "machine": machine, "sections": sections });
        say(format_args!("{all:#}"));
    } else {
        let sections = String::from_iter(sections.iter().map(Section::to_string));
        say(format_args!("{machine}\n{KEY}\n{}", sections.trim_end()));
    }
    Ok(())
}

/// What some steps are measured for besides, in real time or in processes of their own.
fn in_its_own_time(flags: &Flags, rounds: usize) -> Result<Section, Box<dyn Error>> {
    let before = Ticks::now();
    let mut tables = vec![growth::measure(&flags.steps, flags.quick)?];
    if flags.steps.includes("rate-limited") {
        tables.push(rate::measure(if flags.quick { 1 } else { 3 }));
    }
    if flags.steps.includes("dispatcher") {
        let jobs = if flags.quick { 100_000 } else { 1_000_000 };
        tables.push(extremes::busy(rounds, jobs));
    }
    if flags.steps.includes("basic") {
        tables.push(extremes::first_scenario());
    }
    Ok(Section {
        title: "In its own time",
        other_load: Ticks::others_since(before).into_iter().collect(),
        tables,
    })
}
