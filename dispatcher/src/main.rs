//! The article's dispatcher: 10 tasks of a second each on 3 workers, stopped after 5 seconds.

mod cli;

use std::num::NonZeroUsize;
use std::thread;

use clap::Parser;
use cli::{fail, say, seconds};
use dispatcher::{Event, Pool};

/// Step 5: a pool to hold, whose dispatcher gives each task to a worker that is free.
#[derive(Parser)]
#[command(mut_args(|arg| arg.allow_negative_numbers(true)))]
struct Flags {
    /// How many workers share the jobs, 1 to 1000
    #[arg(long, value_name = "N", default_value = "3", value_parser = cli::workers)]
    workers: NonZeroUsize,

    /// How many jobs to do, 0 to 1000000
    #[arg(long, value_name = "N", default_value = "10", value_parser = cli::jobs)]
    jobs: usize,

    /// How many times faster than the article to run, above 0
    #[arg(long, value_name = "X", default_value = "1", value_parser = cli::speed)]
    speed: f64,
}

fn main() {
    let flags = Flags::parse_from(cli::arguments());
    let second = seconds(1.0 / flags.speed);
    let capacity = NonZeroUsize::new(1024).expect("1024 is not 0");

    let observe = |event: Event| say(event);
    let pool = Pool::start(flags.workers, capacity, observe).unwrap_or_else(|error| fail(error));

    for id in 1..=flags.jobs {
        pool.submit(Box::new(move || {
            say(format_args!("Executing task {id}"));
            thread::sleep(second);
            Ok(())
        }));
    }
    thread::sleep(seconds(5.0 / flags.speed));

    pool.stop();
    say("Worker pool stopped");
}
