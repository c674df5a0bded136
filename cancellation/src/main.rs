//! The article's cancellation: a job each half second, and a timeout that falls among the last ones.

mod cli;
mod signals;

use std::num::NonZeroUsize;
use std::pin::pin;
use std::process;
use std::time::Duration;

use cancellation::{Event, Pool, Refused, Submitter};
use clap::Parser;
use cli::{note, say, seconds};
use signals::Signals;
use tokio::select;
use tokio::time::{interval, sleep};
use tokio_util::sync::CancellationToken;

/// Step 4: cancelling finishes what was started and hands back what was not.
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

    /// After how many of the article's seconds to cancel, 0 or more
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = timeout)]
    timeout: f64,
}

fn timeout(text: &str) -> Result<f64, &'static str> {
    let number = text
        .parse()
        .ok()
        .filter(|&x: &f64| x >= 0.0 && x.is_finite());
    number.ok_or("takes a number of seconds, 0 or more")
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let flags = Flags::parse_from(cli::arguments());
    let mut signals = Signals::new();
    let cancel = CancellationToken::new();
    let mut scenario = pin!(scenario(&flags, cancel.clone()));
    let mut timeout = pin!(sleep(seconds(flags.timeout / flags.speed)));

    let mut exit_code = 0;
    select! {
        biased;
        code = signals.next() => exit_code = code,
        () = &mut timeout => {}
        () = &mut scenario => return,
    }
    cancel.cancel();
    select! {
        biased;
        code = signals.next() => exit_code = code, // the second Ctrl-C: at once
        () = scenario => {}
    }
    process::exit(exit_code);
}

async fn scenario(flags: &Flags, cancel: CancellationToken) {
    let second = seconds(1.0 / flags.speed);
    let pool = Pool {
        workers: flags.workers,
        capacity: NonZeroUsize::new(1024).expect("1024 is not 0"),
    };

    let mut jobs = 1..=flags.jobs;
    let mut refused = None;
    let mut ticks = interval((second / 2).max(Duration::from_nanos(1)));
    ticks.tick().await; // the first one is now
    let cancelled = cancel.clone();
    let produce = async |submitter: Submitter<usize>| {
        for job in jobs.by_ref() {
            if let Err(Refused(job)) = submitter.submit(job).await {
                refused = Some(job);
                return say("Producer stopping due to context cancellation");
            }
            say(format_args!("Sent job {job}"));
            cancelled.run_until_cancelled(ticks.tick()).await;
        }
        say("All jobs sent, closing channel");
    };
    let work = move |worker, job| async move {
        say(format_args!("Worker {worker} processing job {job}"));
        sleep(second).await;
        job * 2
    };
    let on_result = |result| say(format_args!("Result: {result}"));
    let observe = |event: Event| say(event);

    let unstarted = pool.run(cancel, produce, work, on_result, observe).await;
    say("Worker pool shut down");

    name_unstarted(unstarted.into_iter().chain(refused).chain(jobs));
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
