//! The article's cancellation: a job each half second, and a timeout while the last ones are in flight.

#[macro_use]
mod cli;
mod interrupt;
mod unstarted;

use std::num::NonZeroUsize;

use cancellation::{Pool, Submitter};
use clap::Parser;
use cli::seconds;
use tokio::time::sleep;

/// Step 4: cancelling finishes the jobs in flight and hands back those that never started.
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

    /// Seconds, on the article's clock, until the pool is cancelled, above 0
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = cli::above_zero)]
    timeout: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let flags: Flags = cli::parse();
    let second = seconds(1.0 / flags.speed);
    let pool = Pool {
        workers: flags.workers,
        capacity: NonZeroUsize::new(1024).expect("1024 is not 0"),
    };
    let interrupt = interrupt::token();
    let cancel = interrupt.child_token(); // cancelled by Ctrl-C, or below by the timeout

    let mut jobs = 1..=flags.jobs;
    let submit_all = async |submitter: Submitter<usize>| {
        for job in jobs.by_ref() {
            if let Err(refused) = submitter.submit(job).await {
                say!("Producer stopping due to context cancellation");
                return Err(refused);
            }
            say!("Sent job {job}");
            cancel.run_until_cancelled(sleep(second / 2)).await;
        }
        say!("All jobs sent, closing channel");
        Ok(())
    };
    let work = move |worker, job| async move {
        say!("Worker {worker} processing job {job}");
        sleep(second).await;
        job * 2
    };
    let on_result = |result| say!("Result: {result}");
    let observe = |event| say!("{event}");

    let (timeout, timer) = (seconds(flags.timeout / flags.speed), cancel.clone());
    tokio::spawn(async move {
        sleep(timeout).await;
        timer.cancel();
    });

    let unstarted = pool
        .run(cancel.clone(), submit_all, work, on_result, observe)
        .await;
    say!("Worker pool shut down");

    unstarted::print(unstarted.into_iter().chain(jobs));
    interrupt::exit_if_cancelled(&interrupt);
}
