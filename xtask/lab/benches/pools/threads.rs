//! The steps that use threads, and what else does the same.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc};

use crossbeam::channel;
use job_struct::{Job, JobHandle};
use rayon::prelude::*;

use crate::book::Book;
use crate::contest::{Contender, Variant};
use crate::work::Load;

/// The capacity that the programs use, but for `dynamic`: a queue wants room.
pub const CAPACITY: NonZeroUsize = NonZeroUsize::new(1024).expect("1024 is not 0");

/// How many replies are waited for at a time.
const IN_FLIGHT: usize = 256;

pub const STEPS: [Contender; 5] = [
    Contender::new("basic", basic),
    Contender::new("waitgroup", waitgroup),
    Contender::new("job-struct", job_struct),
    Contender::new("dispatcher", dispatcher),
    Contender::new("errors", errors),
];

pub const PEERS: [Contender; 6] = [
    Contender::new("ideal", plain_loop),
    Contender::new("threadpool", threadpool),
    Contender::new("rusty_pool", rusty_pool),
    Contender::new("rayon job", rayon_job),
    Contender::new("par_iter", par_iter),
    Contender::new("the Book's", book),
];

/// A step, but for one thing.
pub const VARIANTS: [Variant; 5] = [
    Variant {
        step: "basic",
        with: Contender::new("room for 100", basic_100),
    },
    Variant {
        step: "basic",
        with: Contender::new("room for 10", basic_10),
    },
    Variant {
        step: "job-struct",
        with: Contender::new("bounded(1) replies", job_struct_bounded_1),
    },
    Variant {
        step: "dispatcher",
        with: Contender::new("basic, jobs boxed", basic_boxed),
    },
    Variant {
        step: "errors",
        with: Contender::new("basic, jobs boxed", basic_boxed),
    },
];

/// One thread, and nothing between the jobs; divided by the cores that is as good as it can get.
pub fn plain_loop(load: Load, _workers: NonZeroUsize, jobs: u64) -> u64 {
    (0..jobs).map(|job| load.work(job)).sum()
}

pub fn basic(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    basic_with_room(CAPACITY, load, workers, jobs)
}

fn basic_100(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    let capacity = NonZeroUsize::new(100).expect("100 is not 0");
    basic_with_room(capacity, load, workers, jobs)
}

fn basic_10(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    let capacity = NonZeroUsize::new(10).expect("10 is not 0");
    basic_with_room(capacity, load, workers, jobs)
}

fn basic_with_room(capacity: NonZeroUsize, load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    let mut sum = 0;
    let pool = basic::Pool { workers, capacity };
    pool.run(0..jobs, |_, job| load.work(job), |result| sum += result)
        .expect("threads start");
    sum
}

pub fn waitgroup(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    let pool = waitgroup::Pool {
        workers,
        capacity: CAPACITY,
    };
    pool.run(0..jobs, |_, job| load.work(job), |results| results.sum())
        .expect("threads start")
}

pub fn job_struct(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    with_replies(
        workers,
        jobs,
        Job::new,
        |handle: JobHandle<u64>| handle.wait().expect("no job is dropped"),
        |job| job.complete(|data| load.work(data)),
    )
}

/// The same, if each job brought a channel of one for its reply.
fn job_struct_bounded_1(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    with_replies(
        workers,
        jobs,
        |data| {
            let (reply, result) = channel::bounded(1);
            ((data, reply), result)
        },
        |result| result.recv().expect("no job is dropped"),
        |(data, reply)| reply.send(load.work(data)).expect("all replies are read"),
    )
}

fn with_replies<J: Send, R>(
    workers: NonZeroUsize,
    jobs: u64,
    new: impl Fn(u64) -> (J, R),
    wait: impl Fn(R) -> u64,
    complete: impl Fn(J) + Sync,
) -> u64 {
    let mut sum = 0;
    let mut replies = VecDeque::with_capacity(IN_FLIGHT);
    let jobs = (0..jobs).map(|data| {
        if replies.len() == IN_FLIGHT {
            sum += replies.pop_front().map_or(0, &wait);
        }
        let (job, reply) = new(data);
        replies.push_back(reply);
        job
    });
    let pool = job_struct::Pool {
        workers,
        capacity: CAPACITY,
    };
    pool.run(jobs, |_, job| complete(job))
        .expect("threads start");
    sum + replies.into_iter().map(wait).sum::<u64>()
}

pub fn errors(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    let mut sum = 0;
    let pool = errors::Pool {
        workers,
        capacity: CAPACITY,
        on_failure: errors::OnFailure::Stop,
    };
    let work = |_, &job: &u64| Ok::<_, Infallible>(load.work(job));
    let on_result = |(_, result): (_, Result<u64, _>)| sum += result.expect("no job fails");
    _ = pool.run(0..jobs, work, on_result).expect("threads start");
    sum
}

/// Jobs as closures, in boxes.
fn basic_boxed(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    type Boxed = Box<dyn FnOnce() -> u64 + Send>;
    let mut sum = 0;
    let jobs = (0..jobs).map(|job| -> Boxed { Box::new(move || load.work(job)) });
    let pool = basic::Pool {
        workers,
        capacity: CAPACITY,
    };
    pool.run(jobs, |_, job| job(), |result| sum += result)
        .expect("threads start");
    sum
}

fn start_dispatcher(workers: NonZeroUsize) -> dispatcher::RunningPool {
    let pool = dispatcher::Pool {
        workers,
        capacity: CAPACITY,
    };
    pool.start(|_| {}).expect("threads start")
}

fn dispatcher(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    let pool = start_dispatcher(workers);
    let sum = with_results(&pool, load, jobs);
    pool.stop();
    sum
}

/// Tasks without a result, as a million results would wait in a channel without bounds.
pub fn dispatcher_adding_up(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    let pool = start_dispatcher(workers);
    let sum = Arc::new(AtomicU64::new(0));
    for job in 0..jobs {
        let sum = sum.clone();
        pool.submit(Box::new(move || {
            sum.fetch_add(load.work(job), Relaxed);
            Ok(())
        }));
    }
    pool.stop();
    sum.load(Relaxed)
}

fn threadpool(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    let pool = threadpool::ThreadPool::new(workers.get());
    let sum = with_results(&pool, load, jobs);
    pool.join();
    sum
}

fn rusty_pool(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    let pool = rusty_pool::Builder::new()
        .core_size(workers.get())
        .max_size(workers.get())
        .build();
    let sum = with_results(&pool, load, jobs);
    pool.shutdown_join();
    sum
}

fn rayon_threads(workers: NonZeroUsize) -> rayon::ThreadPool {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(workers.get());
    pool.build().expect("threads start")
}

fn rayon_job(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    with_results(&rayon_threads(workers), load, jobs)
}

fn par_iter(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    let all = || (0..jobs).into_par_iter().map(|job| load.work(job)).sum();
    rayon_threads(workers).install(all)
}

fn book(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    let pool = Book::new(workers);
    with_results(&pool, load, jobs)
}

/// A pool that runs closures.
trait Execute {
    fn execute(&self, run: impl FnOnce() + Send + 'static);
}

/// Hands in every job with a sender for its result, then reads the results.
fn with_results(pool: &impl Execute, load: Load, jobs: u64) -> u64 {
    let (reply, results) = mpsc::channel();
    for job in 0..jobs {
        let reply = reply.clone();
        pool.execute(move || reply.send(load.work(job)).expect("results are read"));
    }
    drop(reply);
    results.iter().sum()
}

impl Execute for dispatcher::RunningPool {
    fn execute(&self, run: impl FnOnce() + Send + 'static) {
        self.submit(Box::new(|| {
            run();
            Ok(())
        }));
    }
}

impl Execute for threadpool::ThreadPool {
    fn execute(&self, run: impl FnOnce() + Send + 'static) {
        self.execute(run);
    }
}

impl Execute for rusty_pool::ThreadPool {
    fn execute(&self, run: impl FnOnce() + Send + 'static) {
        self.execute(run);
    }
}

impl Execute for rayon::ThreadPool {
    fn execute(&self, run: impl FnOnce() + Send + 'static) {
        self.spawn(run);
    }
}

impl Execute for Book {
    fn execute(&self, run: impl FnOnce() + Send + 'static) {
        self.execute(run);
    }
}
