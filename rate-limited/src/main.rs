//! The article's rate limit: 3 workers that together start 2 jobs a second.

#[macro_use]
mod cli;
mod interrupt;
mod unstarted;

use std::num::{NonZeroU32, NonZeroUsize};

use clap::Parser;
use cli::seconds;
use rate_limited::{Limiter, Pool, Submitter};
use tokio::time::sleep;

/// Step 7: jobs that start at the rate that the downstream allows, however many workers there are.
#[derive(Parser)]
struct Flags {
    /// Number of workers, 1 to 1000
    #[arg(long, value_name = "N", default_value = "3", value_parser = cli::workers)]
    workers: NonZeroUsize,

    /// Number of jobs
    #[arg(long, value_name = "N", default_value = "10")]
    jobs: usize,

    /// How many times faster than the article to run, above 0
    #[arg(long, value_name = "X", default_value = "1", value_parser = cli::above_zero)]
    speed: f64,

    /// Number of jobs that all workers together may start a second, on the article's clock, above 0
    #[arg(long, value_name = "JOBS_PER_SECOND", default_value = "2", value_parser = cli::above_zero)]
    rate: f64,

    /// Number of missed starts that may follow all at once, 1 or more
    #[arg(long, value_name = "N", default_value = "1")]
    burst: NonZeroU32,

    /// Seconds, on the article's clock, in which no job comes, after the first half of them, above 0
    #[arg(long, value_name = "SECONDS", value_parser = cli::above_zero)]
    pause: Option<f64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let flags: Flags = cli::parse();
    let second = seconds(1.0 / flags.speed);
    let pool = Pool {
        workers: flags.workers,
        capacity: NonZeroUsize::new(1024).expect("1024 is not 0"),
    };
    let cancel = interrupt::token();
    let limiter = Limiter::new(seconds(1.0 / flags.rate / flags.speed), flags.burst);

    let mut jobs = 1..=flags.jobs;
    let pause = flags.pause.map(|pause| seconds(pause / flags.speed));
    let submit_all = async |submitter: Submitter<usize>| {
        for job in jobs.by_ref() {
            submitter.submit(job).await?;
            if job == flags.jobs / 2
                && let Some(pause) = pause
            {
                cancel.run_until_cancelled(sleep(pause)).await;
            }
        }
        Ok(())
    };
    let work = move |worker, job| async move {
        say!("Worker {worker} processing job {job}");
        sleep(second / 10).await;
        job * 2
    };
    let on_result = |result| say!("Result: {result}");

    let unstarted = pool
        .run(cancel.clone(), limiter, submit_all, work, on_result)
        .await;

    unstarted::print(unstarted.into_iter().chain(jobs));
    interrupt::exit_if_cancelled(&cancel);
}
