//! Submits the load to the pool.

use std::time::Duration;

use dynamic::RunningPool;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use tokio::time::{Instant, sleep};

use crate::cli::seconds;
use crate::flags::Flags;

/// A job as it waits in the queue.
#[derive(Debug)]
pub struct Job {
    pub id: usize,
    pub duration: Duration,
    pub submitted: Instant,
}

/// Submits all bursts, and keeps the longest queue that it sees.
pub async fn submit_all(flags: &Flags, pool: &RunningPool<Job>, peak_queue: &mut usize) {
    let load = flags.load;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(flags.seed);
    let mut id = 0;
    for burst in 0..flags.bursts {
        say!("\n--- Burst {} ---", burst + 1);
        id = id.max(burst * 100); // 1, 2, ... 101, 102, ... as in the article
        for _ in 0..load.jobs(flags.jobs, &mut random) {
            id += 1;
            let job = Job {
                id,
                duration: seconds(load.duration(&mut random) / flags.speed),
                submitted: Instant::now(),
            };
            let submitted = pool.submit(job).await;
            submitted.expect("the consumer reads until the last result");
            *peak_queue = pool.queue_len().max(*peak_queue);
        }
        sleep(seconds(load.pause(&mut random) / flags.speed)).await;
    }
}
