//! The article's third pool: jobs of two kinds, each with a reply of its own kind.

mod cli;

use std::num::NonZeroUsize;
use std::thread;

use clap::Parser;
use cli::{fail, say, seconds};
use crossbeam::channel::bounded;
use job_struct::{Job, Lost, Pool, Reply};

/// Step 3: jobs carry typed data and a reply of their own.
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

/// What may be in the queue.
enum AnyJob {
    Number(Job<usize, usize>),
    Text(Job<String, String>),
}

/// What comes back for it.
enum AnyReply {
    Number(Reply<usize>),
    Text(Reply<String>),
}

/// Even ids are numbers, odd ones text.
fn job(id: usize) -> (AnyJob, AnyReply) {
    if id.is_multiple_of(2) {
        let (job, reply) = Job::new(id);
        (AnyJob::Number(job), AnyReply::Number(reply))
    } else {
        let (job, reply) = Job::new(format!("Job {id}"));
        (AnyJob::Text(job), AnyReply::Text(reply))
    }
}

fn main() {
    let flags = Flags::parse_from(cli::arguments());
    let second = seconds(1.0 / flags.speed);
    let capacity = NonZeroUsize::new(1024).expect("1024 is not 0");
    let pool = Pool {
        workers: flags.workers,
        capacity,
    };

    let work = |worker, (id, job)| {
        say(format_args!("Worker {worker} processing job {id}"));
        thread::sleep(second);
        match job {
            AnyJob::Number(job) => job.complete(|number| number * 2),
            AnyJob::Text(job) => job.complete(|text| format!("Processed: {text}")),
        }
    };

    thread::scope(|scope| {
        let (replies, pending) = bounded(capacity.get());
        scope.spawn(move || {
            for (id, reply) in pending {
                print(id, reply).unwrap_or_else(|error| fail(error));
            }
        });

        let jobs = (1..=flags.jobs).map(move |id| {
            let (job, reply) = job(id);
            replies
                .send((id, reply))
                .expect("the printer reads until the last reply");
            (id, job)
        });
        pool.run(jobs, work).unwrap_or_else(|error| fail(error));
    });
    say("All workers completed");
}

fn print(id: usize, reply: AnyReply) -> Result<(), Lost> {
    match reply {
        AnyReply::Number(reply) => say(format_args!("Job {id} result: {}", reply.wait()?)),
        AnyReply::Text(reply) => say(format_args!("Job {id} result: {}", reply.wait()?)),
    }
    Ok(())
}
