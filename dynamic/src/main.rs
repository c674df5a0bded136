//! The article's dynamic pool: bursts of jobs, and workers that come and go with them.

#[macro_use]
mod cli;
mod flags;
mod interrupt;
mod lifetimes;
mod load;
mod submit;
mod summary;

use std::num::NonZeroUsize;
use std::sync::mpsc;

use cli::seconds;
use dynamic::{Event, Pool};
use flags::Flags;
use lifetimes::peak_and_total;
use submit::{Job, submit_all};
use summary::Summary;
use tokio::time::{Instant, sleep};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let flags = Flags::parse();
    let interrupt = interrupt::token();
    let start = Instant::now();
    let (happened, events) = mpsc::channel();
    let pool = Pool {
        min_workers: flags.min_workers,
        max_workers: flags.max_workers,
        period: seconds(2.0 / flags.speed),
        capacity: NonZeroUsize::new(100).expect("100 is not 0"),
    };

    let work = |worker, job: Job| async move {
        let started = Instant::now();
        say!("Worker {worker} processing job {}", job.id);
        sleep(job.duration).await;
        (job.id * 2, started - job.submitted, started.elapsed())
    };
    let observe = move |event: Event| {
        say!("{event}");
        _ = happened.send((Instant::now(), event)); // an error: main has ended
    };
    let (pool, results) = pool.start(work, observe);

    let consumer = tokio::spawn(async move {
        let mut times = Vec::new();
        while let Ok((result, in_queue, at_work)) = results.recv().await {
            say!("Result: {result}");
            times.push((in_queue, at_work));
        }
        times
    });
    let mut peak_queue = 0;
    let bursts = submit_all(&flags, &pool, &mut peak_queue);
    interrupt.run_until_cancelled(bursts).await;

    say!("\nStopping pool...");
    pool.stop().await;
    let times = consumer.await.expect("printing a line does not panic");
    say!("Pool stopped");

    let (peak_workers, lived) = peak_and_total(flags.min_workers.get(), start, events);
    let summary = Summary {
        peak_workers,
        lived,
        peak_queue,
        times,
    };
    note!("{summary}");
    interrupt::exit_if_cancelled(&interrupt);
}
