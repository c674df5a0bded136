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
use oneshot::RecvError;

/// Step 3: jobs that carry typed data and the way back for their result.
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
    let capacity = NonZeroUsize::new(1024).expect("1024 is not 0");
    let pool = Pool {
        workers: flags.workers,
        capacity,
    };

    let work = |worker, (id, job)| {
        say!("Worker {worker} processing job {id}");
        thread::sleep(second);
        match job {
            AnyJob::Number(job) => job.complete(|number| number * 2),
            AnyJob::Text(job) => job.complete(|text| format!("Processed: {text}")),
        }
    };

    thread::scope(|scope| {
        let (handles, pending) = bounded(capacity.get());
        let printer = move || {
            for (id, handle) in pending {
                print_result(id, handle)
                    .unwrap_or_else(|error| fail!("job {id} was lost: {error}"));
            }
        };
        let jobs = (1..=flags.jobs).map(|id| {
            let (job, handle) = new_job(id);
            let sent = handles.send((id, handle));
            sent.expect("the printer reads until the last handle");
            (id, job)
        });

        thread::Builder::new()
            .spawn_scoped(scope, printer)
            .and_then(|_printer| pool.run(jobs, work))
            .unwrap_or_else(|error| fail!("cannot start a thread: {error}"));
        drop(handles); // ends the printer, for which the scope waits
    });
    say!("All workers completed");
}

fn print_result(id: usize, handle: AnyHandle) -> Result<(), RecvError> {
    match handle {
        AnyHandle::Number(handle) => say!("Job {id} result: {}", handle.wait()?),
        AnyHandle::Text(handle) => say!("Job {id} result: {}", handle.wait()?),
    }
    Ok(())
}
