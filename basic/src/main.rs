//! The article's first pool: 3 workers, 5 jobs of a second each.

#[macro_use]
mod cli;

use std::num::NonZeroUsize;
use std::thread;

use basic::Pool;
use clap::Parser;
use cli::seconds;

/// Step 1: a fixed pool of workers on one shared channel of jobs.
#[derive(Parser)]
struct Flags {
    /// Number of workers, 1 to 1000
    #[arg(long, value_name = "N", default_value = "3", value_parser = cli::workers)]
    workers: NonZeroUsize,

    /// Number of jobs
    #[arg(long, value_name = "N", default_value = "5")]
    jobs: usize,

    /// How many times faster than the article to run, above 0
    #[arg(long, value_name = "X", default_value = "1", value_parser = cli::above_zero)]
    speed: f64,
}

fn main() {
    let flags: Flags = cli::parse();
    let second = seconds(1.0 / flags.speed);
    let pool = Pool {
        workers: flags.workers,
        capacity: NonZeroUsize::new(1024).expect("1024 is not 0"),
    };

    let work = |worker, job| {
        say!("Worker {worker} processing job {job}");
        thread::sleep(second);
        job * 2
    };
    let on_result = |result| say!("Result: {result}");

    pool.run(1..=flags.jobs, work, on_result)
        .unwrap_or_else(|error| fail!("cannot start a thread: {error}"));
}
