//! The flags of commands that are built with optimisation. `cargo xtask` parses them first, so that `--help` and a wrong
//! flag are answered before that build.

use std::time::Duration;

use crate::run::above_zero;
use crate::steps::Selection;

/// What `cargo xtask soak` takes.
#[derive(clap::Args, Debug)]
pub struct Soak {
    /// Which steps.
    #[command(flatten)]
    pub steps: Selection,

    /// How many minutes to go on, above 0; Ctrl-C ends it before [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = minutes)]
    pub minutes: Option<Duration>,

    /// The seed to begin with, instead of a random one; without --minutes, the only one: it is run
    /// a thousand times, as threads do not do the same each time
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
}

/// What `cargo xtask bench` takes.
#[derive(clap::Args, Debug)]
pub struct Bench {
    /// Which steps.
    #[command(flatten)]
    pub steps: Selection,

    /// Fewer jobs and rounds: a minute instead of nine, and rough numbers
    #[arg(long)]
    pub quick: bool,

    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,

    /// Instead of printing tables draw, into the folder of the benchmarks, when a pool pays
    #[arg(long, conflicts_with_all = ["names", "json"])]
    pub plot: bool,
}

fn minutes(text: &str) -> Result<Duration, &'static str> {
    let minutes = above_zero(text)?;
    Ok(Duration::try_from_secs_f64(minutes * 60.0).unwrap_or(Duration::MAX))
}

fn seed(text: &str) -> Result<u64, String> {
    let number = text.parse().ok();
    number.ok_or_else(|| format!("takes a whole number from 0 to {}", u64::MAX))
}
