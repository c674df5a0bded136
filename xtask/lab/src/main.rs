//! `cargo xtask timeline`, `play` and `soak`, which are run from here.

use clap::{Parser, Subcommand};
use lab::play;
use lab::soak;
use lab::steps::{STEPS, Step};
use lab::timeline;
use xtask::flags;
use xtask::output::fail;
use xtask::steps::Selection;

/// What is done with the steps' pools.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Flags {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Draw what the steps' pools do, from a run of each in simulated time
    Timeline {
        #[command(flatten)]
        steps: Selection,

        #[command(flatten)]
        flags: Box<timeline::Flags>,
    },
    /// Decide what happens next to a step's pool, and see what it does
    Play(play::Flags),
    /// Run the steps' pools in random ways, and check what must hold in all of them
    Soak(flags::Soak),
}

/// The steps that were named, in the article's order.
fn included(steps: &Selection) -> Vec<&'static Step> {
    let included = STEPS.iter().filter(|step| steps.includes(step.name));
    included.collect()
}

fn main() {
    let result = match Flags::parse().command {
        Task::Timeline { steps, flags } => timeline::timeline(&included(&steps), &flags),
        Task::Play(flags) => play::play(&flags),
        Task::Soak(flags) => soak::soak(&included(&flags.steps), &flags),
    };
    result.unwrap_or_else(|error| fail(error));
}
