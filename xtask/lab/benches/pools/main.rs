//! `cargo bench`: what the steps' pools cost beyond the jobs, beside the pools one could use instead.
//!
//! Run it as `cargo xtask bench [STEP]...`, or as `cargo bench --bench pools -- --quick`.

mod groups;
mod harness;
mod machine;
mod own_time;
mod peers;
mod plot;
mod report;
mod trial;

use std::error::Error;

use clap::Parser;
use serde_json::json;
use xtask::output::{fail, say};
use xtask::steps::Selection;

use machine::{on_one_core, progress};

/// What the steps' pools cost beyond the jobs, beside the pools one could use instead
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench")]
struct Flags {
    #[command(flatten)]
    steps: Selection,

    /// Fewer jobs and rounds: a minute instead of nine, and rough numbers
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
ideal       the jobs in a plain loop on each core that can share them
no results  threadpool with tasks that add up their results, as in dispatcher";

fn main() {
    let flags = Flags::parse();
    let result = match flags.grow {
        Some(jobs) => return own_time::grow(&flags.steps, jobs),
        None if flags.plot => plot::plot(flags.quick),
        None => report(&flags),
    };
    progress("");
    result.unwrap_or_else(|error| fail(error));
}

fn report(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let rounds = if flags.quick { 3 } else { 7 };
    let groups = |one_core| groups::measure(&flags.steps, rounds, flags.quick, one_core);
    let mut sections = vec![groups(false)];
    sections.extend(on_one_core(|| groups(true)));
    sections.push(own_time::measure(&flags.steps, flags.quick)?);

    let machine = format!("{}; medians of {rounds} rounds", machine::description());
    let (texts, sections): (Vec<_>, Vec<_>) = sections.into_iter().unzip();
    let json = json!({ "machine": machine, "sections": sections });
    match flags.json {
        true => say(format!("{json:#}")),
        false => say(format!("{machine}\n{KEY}\n{}", texts.concat().trim_end())),
    }
    Ok(())
}
