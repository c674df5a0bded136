//! The article's rate limit: 3 workers that together start 2 jobs a second.

mod cli;
mod signals;

use std::num::{NonZeroU32, NonZeroUsize};
use std::pin::pin;
use std::process;

use clap::Parser;
use cli::{note, say, seconds};
use rate_limited::{Limiter, Pool};
use signals::Signals;
use tokio::select;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Step 7: however many workers there are, jobs start at the rate the downstream allows.
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

    /// How many jobs all workers together may start in one of the article's seconds, above 0
    #[arg(long, value_name = "JOBS_PER_SECOND", default_value = "2", value_parser = rate)]
    rate: f64,

    /// How many missed starts may be made up for at once, 1 to 1000000
    #[arg(long, value_name = "N", default_value = "1", value_parser = burst)]
    burst: NonZeroU32,
}

fn rate(text: &str) -> Result<f64, &'static str> {
    cli::speed(text)
}

fn burst(text: &str) -> Result<NonZeroU32, &'static str> {
    let number = text
        .parse()
        .ok()
        .filter(|n: &NonZeroU32| n.get() <= 1_000_000);
    number.ok_or("takes a whole number from 1 to 1000000")
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let flags = Flags::parse_from(cli::arguments());
    let mut signals = Signals::new();
    let cancel = CancellationToken::new();
    let mut scenario = pin!(scenario(&flags, cancel.clone()));

    let exit_code = select! {
        biased;
        code = signals.next() => code,
        () = &mut scenario => return,
    };
    cancel.cancel();
    select! {
        biased;
        _ = signals.next() => {} // the second Ctrl-C: at once
        () = scenario => {}
    }
    process::exit(exit_code);
}

async fn scenario(flags: &Flags, cancel: CancellationToken) {
    let tenth = seconds(0.1 / flags.speed);
    let pool = Pool {
        workers: flags.workers,
        capacity: NonZeroUsize::new(1024).expect("1024 is not 0"),
    };
    let limiter = Limiter::new(seconds(1.0 / flags.rate / flags.speed), flags.burst);

    let work = move |worker, job| async move {
        say(format_args!("Worker {worker} processing job {job}"));
        sleep(tenth).await;
        job * 2
    };
    let on_result = |result: usize| say(format_args!("Result: {result}"));

    let unstarted = pool
        .run(cancel, limiter, 1..=flags.jobs, work, on_result)
        .await;
    name_unstarted(unstarted);
}

/// Names the jobs that never started, or the first of them.
fn name_unstarted(mut jobs: impl Iterator<Item = usize>) {
    for job in jobs.by_ref().take(20) {
        note(format_args!("Job {job} never started"));
    }
    let more = jobs.count();
    if more > 0 {
        note(format_args!("... nor did {more} more jobs"));
    }
}
