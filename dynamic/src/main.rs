//! The article's dynamic pool: bursts of jobs, and workers that come and go with them.

mod cli;
mod load;
mod signals;
mod summary;

use std::num::NonZeroUsize;
use std::process;
use std::sync::mpsc;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use cli::{note, say, seconds};
use dynamic::{Event, Pool, Scale};
use load::Load;
use signals::Signals;
use summary::Summary;
use tokio::select;
use tokio::time::{Instant, sleep};

/// Step 8: as many workers as the load asks for.
#[derive(Parser)]
#[command(mut_args(|arg| arg.allow_negative_numbers(true)))]
struct Flags {
    /// How many workers to start with, and to keep, 1 to 1000
    #[arg(long, value_name = "N", default_value = "2", value_parser = cli::workers)]
    min_workers: NonZeroUsize,

    /// How many workers never to exceed, 1 to 1000
    #[arg(long, value_name = "N", default_value = "10", value_parser = cli::workers)]
    max_workers: NonZeroUsize,

    /// How many bursts of jobs to submit, 0 to 1000000
    #[arg(long, value_name = "N", default_value = "3", value_parser = cli::jobs)]
    bursts: usize,

    /// How many jobs to do in each burst, 0 to 1000000
    #[arg(long, value_name = "N", default_value = "20", value_parser = cli::jobs)]
    jobs: usize,

    /// Whether bursts, jobs and pauses are the article's or random, with its averages
    #[arg(long, value_name = "LOAD", value_enum, default_value = "article")]
    load: Load,

    /// What the random load is drawn from, 0 to 18446744073709551615; the same for the same seed
    #[arg(long, value_name = "N", default_value = "1", value_parser = seed)]
    seed: u64,

    /// How many times faster than the article to run, above 0
    #[arg(long, value_name = "X", default_value = "1", value_parser = cli::speed)]
    speed: f64,
}

fn seed(text: &str) -> Result<u64, &'static str> {
    text.parse()
        .map_err(|_| "takes a whole number from 0 to 18446744073709551615")
}

/// A job as it waits in the queue.
#[derive(Debug)]
struct Job {
    id: usize,
    length: Duration,
    submitted: Instant,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let flags = Flags::parse_from(cli::arguments());
    let (min, max) = (flags.min_workers, flags.max_workers);
    if min > max {
        let message =
            format!("--min-workers {min} is above --max-workers {max}, and takes at most that");
        Flags::command()
            .error(ErrorKind::ValueValidation, message)
            .exit();
    }
    let mut signals = Signals::new();
    let mut summary = Summary::new(min.get());
    let (happened, events) = mpsc::channel();

    let scale = Scale {
        min,
        max,
        period: seconds(2.0 / flags.speed),
        capacity: NonZeroUsize::new(100).expect("100 is not 0"),
    };
    let work = |worker, job: Job| async move {
        let started = Instant::now();
        say(format_args!("Worker {worker} processing job {}", job.id));
        sleep(job.length).await;
        (job.id * 2, started - job.submitted, started.elapsed())
    };
    let observe = move |event: Event| {
        say(&event);
        _ = happened.send((Instant::now(), event));
    };
    let (pool, results) = Pool::start(scale, work, observe);

    let consumer = tokio::spawn(async move {
        let mut times = Vec::new();
        while let Ok((result, in_queue, at_work)) = results.recv().await {
            say(format_args!("Result: {result}"));
            times.push((in_queue, at_work));
        }
        times
    });
    let exit_code = select! {
        biased;
        code = signals.next() => code,
        () = submit_bursts(&flags, &pool, &mut summary) => 0,
    };

    say("\nStopping pool...");
    select! {
        biased;
        code = signals.next() => process::exit(code), // Ctrl-C while stopping: at once
        () = pool.stop() => {}
    }
    let times = consumer.await.expect("printing a line does not panic");
    say("Pool stopped");

    for (in_queue, at_work) in times {
        summary.job(in_queue, at_work);
    }
    for (at, event) in events {
        summary.event(at, &event);
    }
    note(summary);
    process::exit(exit_code);
}

async fn submit_bursts(flags: &Flags, pool: &Pool<Job>, summary: &mut Summary) {
    let bursts = flags.load.bursts(flags.bursts, flags.jobs, flags.seed);
    let mut id = 0;
    for (number, burst) in bursts.enumerate() {
        say(format_args!("\n--- Burst {} ---", number + 1));
        id = id.max(number * 100); // 1, 2, ... 101, 102, ... as in the article
        for length in burst.jobs {
            id += 1;
            let job = Job {
                id,
                length: seconds(length / flags.speed),
                submitted: Instant::now(),
            };
            let sent = pool.submit(job).await;
            sent.expect("the consumer reads until the last result");
            summary.queue(pool.queue_len());
        }
        sleep(seconds(burst.pause / flags.speed)).await;
    }
}
