//! The article's third pool: jobs of two kinds, each with a result of its own kind.

mod any_job;
#[macro_use]
mod cli;

use std::num::NonZeroUsize;
use std::thread;

use any_job::{AnyHandle, AnyJob, new_job};
use clap::Parser;
use cli::seconds;
use crossbeam::channel::bounded;
use job_struct::Pool;

/// Step 3: jobs that carry typed data and the sender of their result.
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
    let capacity = NonZeroUsize::new(1024).expect("1024 is not 0");
    let pool = Pool {
        workers: flags.workers,
        capacity,
    };

    let (submitted, handles) = bounded(capacity.get());
    let jobs = (1..=flags.jobs).map(move |id| {
        let (job, handle) = new_job(id);
        let sent = submitted.send((id, handle));
        sent.expect("the loop below receives until this sender is dropped");
        (id, job)
    });
    let work = move |worker, (id, job)| {
        say!("Worker {worker} processing job {id}");
        thread::sleep(second);
        assert!(flags.panic != Some(id), "a bug in job {id}");
        match job {
            AnyJob::Number(job) => job.complete(|number| number * 2),
            AnyJob::Text(job) => job.complete(|text| format!("Processed: {text}")),
        }
    };
    let run = thread::Builder::new().spawn(move || pool.run(jobs, work));
    let run = run.unwrap_or_else(|error| fail!("cannot start a thread: {error}"));

    for (id, handle) in handles {
        let result = match handle {
            AnyHandle::Number(handle) => handle.wait().map(|number| number.to_string()),
            AnyHandle::Text(handle) => handle.wait(),
        };
        let result = result.unwrap_or_else(|error| fail!("job {id} was lost: {error}"));
        say!("Job {id} result: {result}");
    }
    let ended = run
        .join()
        .expect("a panic loses its job, so `fail!` was called");
    ended.unwrap_or_else(|error| fail!("cannot start a thread: {error}"));
    say!("All workers completed");
}
