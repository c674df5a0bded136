//! The article's pool with errors: every third job fails, and no other is lost.

mod cli;
mod failed;
mod unstarted;

use std::error::Error;
use std::num::NonZeroUsize;
use std::{io, thread};

use clap::Parser;
use cli::{fail, note, say, seconds};
use errors::{JobError, OnFailure, Pool};
use failed::Failed;

/// Step 6: jobs that end in a result, be it a success, an error or a contained panic.
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

    /// Number of a job that panics, in addition to the errors of the article
    #[arg(long, value_name = "N")]
    panic: Option<usize>,

    /// Whether to do the other jobs after a job has failed or panicked
    #[arg(long, value_name = "WHAT", default_value = "continue", value_parser = ["continue", "stop"])]
    on_failure: String,
}

fn main() {
    let flags: Flags = cli::parse();
    let second = seconds(1.0 / flags.speed);
    let pool = Pool {
        workers: flags.workers,
        capacity: NonZeroUsize::new(1024).expect("1024 is not 0"),
        on_failure: match flags.on_failure.as_str() {
            "stop" => OnFailure::Stop,
            _ => OnFailure::Continue,
        },
    };

    let work = |_worker, &job: &usize| {
        say(format_args!("Processing job {job}"));
        thread::sleep(second);
        assert!(flags.panic != Some(job), "a bug in job {job}");
        if job.is_multiple_of(3) {
            let cause = io::ErrorKind::TimedOut.into();
            return Err(Failed { job, cause });
        }
        Ok(format!("Result of job {job}"))
    };
    let on_result = |(job, result): (_, Result<_, JobError<_>>)| match result {
        Ok(result) => say(format_args!("Job {job} completed: {result}")),
        Err(error) => {
            say(format_args!("Job {job} error: {error}"));
            if let Some(cause) = error.source() {
                note(format_args!("  because: {cause}"));
            }
        }
    };

    let mut jobs = 1..=flags.jobs;
    let unstarted = pool
        .run(jobs.by_ref(), work, on_result)
        .unwrap_or_else(|error| fail(format_args!("cannot start a thread: {error}")));
    say("All workers completed");

    unstarted::print(unstarted.into_iter().chain(jobs));
}
