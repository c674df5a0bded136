//! The article's dynamic pool: bursts of jobs, and workers that come and go with them.

#[macro_use]
mod cli;
mod flags;
mod interrupt;
mod load;
mod submit;
mod summary;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cli::seconds;
use dynamic::{Event, Pool};
use flags::Flags;
use submit::{Job, submit_all};
use summary::{Done, Summary};
use tokio::time::{Instant, sleep};

/// Number of workers that are at work on a job.
static BUSY: AtomicUsize = AtomicUsize::new(0);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let flags = Flags::parse();
    let interrupt = interrupt::token();
    let start = Instant::now();
    let pool = Pool {
        min_workers: flags.min_workers,
        max_workers: flags.max_workers,
        period: seconds(2.0 / flags.speed),
        capacity: NonZeroUsize::new(100).expect("100 is not 0"),
    };

    let work = |worker, job: Job| async move {
        let started = Instant::now();
        let busy = BUSY.fetch_add(1, Relaxed) + 1;
        say!("Worker {worker} processing job {}", job.id);
        sleep(job.duration).await;
        BUSY.fetch_sub(1, Relaxed);
        let done = Done {
            in_queue: started - job.submitted,
            at_work: started.elapsed(),
            busy,
        };
        (job.id * 2, done)
    };
    let (pool, results) = pool.start(work, |event: Event| say!("{event}"));

    let consumer = tokio::spawn(async move {
        let mut summary = Summary::default();
        while let Ok((result, done)) = results.recv().await {
            say!("Result: {result}");
            summary.add(&done);
        }
        summary
    });
    let mut peak_queue = 0;
    let bursts = submit_all(&flags, &pool, &mut peak_queue);
    interrupt.run_until_cancelled(bursts).await;

    say!("\nStopping pool...");
    pool.stop().await;
    let mut summary = consumer.await.expect("printing a line does not panic");
    say!("Pool stopped");

    summary.peak_queue = peak_queue;
    summary.elapsed = start.elapsed();
    note!("{summary}");
    interrupt::exit_if_cancelled(&interrupt);
}
