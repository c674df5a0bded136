//! Submits the load to the pool.

use std::time::Duration;

use dynamic::RunningPool;
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

impl Job {
    /// A job that is submitted now.
    pub fn new(id: usize, duration: Duration) -> Self {
        Self {
            id,
            duration,
            submitted: Instant::now(),
        }
    }
}

/// Submits all bursts, and keeps the longest queue that it sees.
pub async fn submit_all(flags: &Flags, pool: &RunningPool<Job>, peak_queue: &mut usize) {
    let bursts = flags.load.bursts(flags.bursts, flags.jobs, flags.seed);
    let mut id = 0;
    for (number, burst) in bursts.enumerate() {
        say!("\n--- Burst {} ---", number + 1);
        id = id.max(number * 100); // 1, 2, ... 101, 102, ... as in the article
        for duration in burst.jobs {
            id += 1;
            let submitted = pool
                .submit(Job::new(id, seconds(duration / flags.speed)))
                .await;
            submitted.expect("the consumer reads until the last result");
            *peak_queue = pool.queue_len().max(*peak_queue);
        }
        sleep(seconds(burst.pause / flags.speed)).await;
    }
}
