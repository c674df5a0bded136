//! What the pool is asked to do: bursts of jobs, and pauses between them.

use clap::ValueEnum;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// The kind of load to put on the pool.
#[derive(Clone, Copy, ValueEnum)]
pub enum Load {
    Article, // equal bursts of jobs of 1 second, 5 seconds apart
    Random,  // bursts, jobs and pauses of random size, with these averages
}

/// Jobs that come all at once, and the pause that follows them.
#[derive(Debug, PartialEq)]
pub struct Burst {
    /// Duration of each job, in seconds.
    pub jobs: Vec<f64>,
    /// Duration of the pause, in seconds.
    pub pause: f64,
}

impl Load {
    /// The bursts of this load, the same for the same seed.
    pub fn bursts(self, bursts: usize, jobs: usize, seed: u64) -> impl Iterator<Item = Burst> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        (0..bursts).map(move |_| match self {
            Self::Article => Burst {
                jobs: vec![1.0; jobs],
                pause: 5.0,
            },
            Self::Random => Burst {
                jobs: (0..random.random_range(0..=jobs * 2))
                    .map(|_| -(1.0 - random.random::<f64>()).ln()) // many short jobs, a few long ones
                    .collect(),
                pause: random.random_range(0.0..10.0),
            },
        })
    }
}
