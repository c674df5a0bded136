//! The command line.

use std::num::NonZeroUsize;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::cli;
use crate::load::Load;

/// Step 8: as many workers as the load asks for.
#[derive(Parser)]
pub struct Flags {
    /// Number of workers to start with and to keep, 1 to 1000
    #[arg(long, value_name = "N", default_value = "2", value_parser = cli::workers)]
    pub min_workers: NonZeroUsize,

    /// Number of workers not to exceed, 1 to 1000
    #[arg(long, value_name = "N", default_value = "10", value_parser = cli::workers)]
    pub max_workers: NonZeroUsize,

    /// Number of bursts of jobs
    #[arg(long, value_name = "N", default_value = "3")]
    pub bursts: usize,

    /// Number of jobs in each burst
    #[arg(long, value_name = "N", default_value = "20")]
    pub jobs: usize,

    /// Whether bursts, jobs and pauses are the article's, or random with the same averages
    #[arg(long, value_name = "LOAD", value_enum, default_value = "article")]
    pub load: Load,

    /// Seed of the random load, which is the same for the same seed
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,

    /// How many times faster than the article to run, above 0
    #[arg(long, value_name = "X", default_value = "1", value_parser = cli::above_zero)]
    pub speed: f64,
}

impl Flags {
    /// Reads the flags; help and wrong flags end the program.
    pub fn parse() -> Self {
        let flags: Self = cli::parse();
        let (min, max) = (flags.min_workers, flags.max_workers);
        if min > max {
            let message = format!("--min-workers {min} is above --max-workers {max}");
            let error = Self::command().error(ErrorKind::ValueValidation, message);
            error.exit();
        }
        flags
    }
}
