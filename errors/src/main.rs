//! The article's pool with errors: every third job fails, and nothing else is lost.

mod cli;

use std::error::Error;
use std::num::NonZeroUsize;
use std::{fmt, io, thread};

use clap::Parser;
use cli::{fail, note, say, seconds};
use errors::{JobError, OnFailure, Pool};

/// Step 6: each job ends in a result, be it a success, an error or a contained panic.
#[derive(Parser)]
#[command(mut_args(|arg| arg.allow_negative_numbers(true)))]
struct Flags {
    /// How many workers share the jobs, 1 to 1000
    #[arg(long, value_name = "N", default_value = "3", value_parser = cli::workers)]
    workers: NonZeroUsize,

    /// How many jobs to do, 0 to 1000000
    #[arg(long, value_name = "N", default_value = "5", value_parser = cli::jobs)]
    jobs: usize,

    /// How many times faster than the article to run, above 0
    #[arg(long, value_name = "X", default_value = "1", value_parser = cli::speed)]
    speed: f64,
}

/// What a job fails with, and why.
#[derive(Debug)]
struct Failed {
    job: usize,
    cause: io::Error,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {} failed", self.job)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

fn main() {
    let flags = Flags::parse_from(cli::arguments());
    let second = seconds(1.0 / flags.speed);
    let pool = Pool {
        workers: flags.workers,
        capacity: NonZeroUsize::new(1024).expect("1024 is not 0"),
        on_failure: OnFailure::Continue,
    };

    let work = |_worker, &job: &usize| {
        say(format_args!("Processing job {job}"));
        thread::sleep(second);
        if job.is_multiple_of(3) {
            let cause = io::ErrorKind::TimedOut.into();
            return Err(Failed { job, cause });
        }
        Ok(format!("Result of job {job}"))
    };
    let on_result = |job, result: Result<_, JobError<_>>| match result {
        Ok(result) => say(format_args!("Job {job} completed: {result}")),
        Err(error) => {
            say(format_args!("Job {job} error: {error}"));
            if let Some(cause) = error.source() {
                note(format_args!("  because: {cause}"));
            }
        }
    };

    let unstarted = pool
        .run(1..=flags.jobs, work, on_result)
        .unwrap_or_else(|error| fail(error));
    assert_eq!(unstarted.count(), 0, "the pool goes on after a failure");
    say("All workers completed");
}
