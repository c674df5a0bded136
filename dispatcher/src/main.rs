//! The article's dispatcher: 10 tasks of a second each on 3 workers, stopped after 5 seconds.

#[macro_use]
mod cli;

use std::num::NonZeroUsize;
use std::thread;

use clap::Parser;
use cli::seconds;
use dispatcher::Pool;

/// Step 5: a pool to hold, whose dispatcher gives each task to the worker that has been free longest.
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

    /// Number of a task that fails
    #[arg(long, value_name = "N")]
    fail: Option<usize>,
}

fn main() {
    let flags: Flags = cli::parse();
    let second = seconds(1.0 / flags.speed);
    let pool = Pool {
        workers: flags.workers,
        capacity: NonZeroUsize::new(1024).expect("1024 is not 0"),
    };

    let pool = pool
        .start(|event| say!("{event}"))
        .unwrap_or_else(|error| fail!("cannot start a thread: {error}"));

    for id in 1..=flags.jobs {
        pool.submit(Box::new(move || {
            say!("Executing task {id}");
            thread::sleep(second);
            match flags.fail {
                Some(failing) if failing == id => Err(format!("task {id} failed").into()),
                _ => Ok(()),
            }
        }));
    }
    thread::sleep(seconds(5.0 / flags.speed));

    pool.stop();
    say!("Worker pool stopped");
}
