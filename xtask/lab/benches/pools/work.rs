//! What the jobs do, and how long that takes.

use std::hint::black_box;
use std::time::Instant;

/// The work of a job: to spin for a while, which every 16th job may do longer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    spins: u32,
    spins_of_every_16th: u32,
}

impl Load {
    /// Does a job and gives its number back, so that the sum of the results shows if one was lost.
    pub fn work(self, job: u64) -> u64 {
        let spins = match job % 16 {
            0 => self.spins_of_every_16th,
            _ => self.spins,
        };
        spin(spins, job);
        black_box(job)
    }
}

/// Multiplies, each time what the time before gave: no processor can do that two at a time.
fn spin(spins: u32, seed: u64) {
    let mut number = seed;
    for _ in 0..spins {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
    }
    black_box(number);
}

/// How fast this machine spins.
#[derive(Clone, Copy, Debug)]
pub struct Spinner {
    ns_per_spin: f64,
}

impl Spinner {
    /// The fastest of many tries: others can only slow it down.
    pub fn calibrate() -> Self {
        const SPINS: u32 = 100_000;
        let tries = (0..100).map(|seed| {
            let start = Instant::now();
            spin(SPINS, seed);
            start.elapsed().as_nanos() as f64
        });
        let fastest = tries.fold(f64::INFINITY, f64::min);
        Self {
            ns_per_spin: fastest / f64::from(SPINS),
        }
    }

    /// Jobs of this many nanoseconds each.
    pub fn load(self, ns: f64) -> Load {
        self.skewed(ns, ns)
    }

    /// Jobs of `ns` nanoseconds, but every 16th of `every_16th`.
    pub fn skewed(self, ns: f64, every_16th: f64) -> Load {
        Load {
            spins: (ns / self.ns_per_spin).round() as u32,
            spins_of_every_16th: (every_16th / self.ns_per_spin).round() as u32,
        }
    }
}
