//! `cargo xtask bench`: what the steps' pools cost beyond the jobs, beside the pools one could use instead.

mod case;
mod groups;
mod machine;
mod own_time;
mod peers;
mod plot;
mod report;

use std::error::Error;

use clap::Parser;
use serde_json::json;
use xtask::flags;
use xtask::output::{fail, say};

use machine::{on_one_core, progress};

/// What the steps' pools cost beyond the jobs, beside the pools one could use instead
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench")]
struct Flags {
    #[command(flatten)]
    shared: flags::Bench,

    /// In a process of its own: do so many jobs and say what they cost
    #[arg(long, hide = true)]
    grow: Option<usize>,
}

const KEY: &str = "\
98.3 (4%)   ns a job costs, with its work: the median, and the spread of the rounds
0.49≤0.5✓   the step's median over the peer's, and the target if it has one
ideal       the jobs in a plain loop on each core that can share them
no results  threadpool with tasks that add up their results, as in dispatcher";

fn main() {
    let Flags { shared, grow } = Flags::parse();
    let result = match grow {
        Some(jobs) => return own_time::grow(&shared.steps, jobs),
        None if shared.plot => plot::plot(shared.quick),
        None => report(&shared),
    };
    progress("");
    result.unwrap_or_else(|error| fail(error));
}

fn report(flags: &flags::Bench) -> Result<(), Box<dyn Error>> {
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
