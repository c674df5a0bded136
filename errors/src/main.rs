//! The article's pool with errors: every third job fails, and no other is lost.

#[macro_use]
mod cli;

use std::num::NonZeroUsize;
use std::thread;

use clap::Parser;
use cli::seconds;
use errors::Pool;

/// Step 6: jobs that end in a result: a success, an error or a contained panic.
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

    /// Number of a job that panics
    #[arg(long, value_name = "N")]
    panic: Option<usize>,
}

fn main() {
    let flags: Flags = cli::parse();
    let second = seconds(1.0 / flags.speed);
    let pool = Pool {
        workers: flags.workers,
        capacity: NonZeroUsize::new(1024).expect("1024 is not 0"),
    };

    let work = |_worker, job: &usize| {
        say!("Processing job {job}");
        thread::sleep(second);
        assert!(flags.panic != Some(*job), "a bug in job {job}");
        if job.is_multiple_of(3) {
            return Err(format!("job {job} failed"));
        }
        Ok(format!("Result of job {job}"))
    };
    let on_result = |(job, result)| match result {
        Ok(result) => say!("Job {job} completed: {result}"),
        Err(error) => say!("Job {job} error: {error}"),
    };

    pool.run(1..=flags.jobs, work, on_result)
        .unwrap_or_else(|error| fail!("cannot start a thread: {error}"));
    say!("All workers completed");
}
