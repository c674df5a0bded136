//! What the pool is asked to do: bursts of jobs, and pauses between them.

use clap::ValueEnum;
use rand::RngExt;

/// The kind of load to put on the pool. Each method draws the next number of a random load.
#[derive(Clone, Copy, ValueEnum)]
pub enum Load {
    Article, // equal bursts of jobs of 1 second, 5 seconds apart
    Random,  // bursts, jobs and pauses of random size, with these averages
}

impl Load {
    /// Number of jobs in a burst: `jobs`, or that many on average.
    pub fn jobs(self, jobs: usize, random: &mut impl RngExt) -> usize {
        match self {
            Self::Article => jobs,
            Self::Random => random.random_range(0..=jobs.saturating_mul(2)),
        }
    }

    /// Duration of a job, in seconds.
    pub fn duration(self, random: &mut impl RngExt) -> f64 {
        match self {
            Self::Article => 1.0,
            Self::Random => -(1.0 - random.random::<f64>()).ln(), // many short jobs, a few long ones
        }
    }

    /// Duration of the pause after a burst, in seconds.
    pub fn pause(self, random: &mut impl RngExt) -> f64 {
        match self {
            Self::Article => 5.0,
            Self::Random => random.random_range(0.0..10.0),
        }
    }
}
