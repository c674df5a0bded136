//! The steps that use threads, and pools that do the same. The libraries are called directly: through the lab's
//! adapters each job would pay for a call through `dyn`, and for its place in a script and in a log.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

use crossbeam::channel;
use job_struct::{Job, JobHandle};
use rayon::prelude::*;

use crate::trial::{Candidate, Trial};

pub const STEPS: [Candidate; 5] = [
    Candidate::new("basic", basic),
    Candidate::new("waitgroup", waitgroup),
    Candidate::new("job-struct", job_struct),
    Candidate::new("dispatcher", dispatcher),
    Candidate::new("errors", errors),
];

pub const PEERS: [Candidate; 8] = [
    Candidate::new("ideal", plain_loop),
    Candidate::new("threadpool", threadpool),
    Candidate::new("par_iter", par_iter),
    Candidate::new("the Book's", book),
    Candidate::new("room for 100", |trial| basic(trial.capacity(100))).beside(&["basic"]),
    Candidate::new("room for 10", |trial| basic(trial.capacity(10))).beside(&["basic"]),
    Candidate::new("bounded(1)", job_struct_bounded_1).beside(&["job-struct"]),
    Candidate::new("basic, boxed", basic_boxed).beside(&["dispatcher", "errors"]),
];

/// One thread that does one job after the other.
pub fn plain_loop(trial: Trial) -> u64 {
    (0..trial.jobs).map(|job| trial.work(job)).sum()
}

pub fn basic(trial: Trial) -> u64 {
    sum_in_basic(trial, 0..trial.jobs, |job| trial.work(job))
}

/// Jobs as closures in boxes.
fn basic_boxed(trial: Trial) -> u64 {
    type Boxed = Box<dyn FnOnce() -> u64 + Send>;
    let jobs = (0..trial.jobs).map(|job| -> Boxed { Box::new(move || trial.work(job)) });
    sum_in_basic(trial, jobs, |job| job())
}

/// The sum of the results of `jobs` through `basic`.
pub fn sum_in_basic<J: Send>(
    trial: Trial,
    jobs: impl Iterator<Item = J> + Send,
    work: impl Fn(J) -> u64 + Sync,
) -> u64 {
    let mut sum = 0;
    let (workers, capacity) = (trial.workers, trial.capacity);
    let pool = basic::Pool { workers, capacity };
    let done = pool.run(jobs, |_, job| work(job), |result| sum += result);
    done.expect("threads start");
    sum
}

fn waitgroup(trial: Trial) -> u64 {
    let (workers, capacity) = (trial.workers, trial.capacity);
    let pool = waitgroup::Pool { workers, capacity };
    let work = |_, job| trial.work(job);
    let sum = pool.run(0..trial.jobs, work, |results| results.sum());
    sum.expect("threads start")
}

fn job_struct(trial: Trial) -> u64 {
    let wait = |reply: JobHandle<_>| reply.wait().expect("no job is dropped");
    let complete = |job: Job<_, _>| job.complete(|data| trial.work(data));
    with_replies(trial, Job::new, wait, complete)
}

/// The same pool if each job brought a channel of one for its reply.
fn job_struct_bounded_1(trial: Trial) -> u64 {
    let new = |data| {
        let (reply, result) = channel::bounded(1);
        ((data, reply), result)
    };
    let wait = |result: channel::Receiver<_>| result.recv().expect("no job is dropped");
    with_replies(trial, new, wait, |(data, reply)| {
        reply.send(trial.work(data)).expect("all replies are read");
    })
}

/// Awaits up to 256 replies at a time.
fn with_replies<J: Send, R>(
    trial: Trial,
    new: impl Fn(u64) -> (J, R),
    wait: impl Fn(R) -> u64,
    complete: impl Fn(J) + Sync,
) -> u64 {
    let mut sum = 0;
    let mut replies = VecDeque::with_capacity(256);
    let jobs = (0..trial.jobs).map(|data| {
        if replies.len() == 256 {
            sum += replies.pop_front().map_or(0, &wait);
        }
        let (job, reply) = new(data);
        replies.push_back(reply);
        job
    });
    let (workers, capacity) = (trial.workers, trial.capacity);
    let pool = job_struct::Pool { workers, capacity };
    let done = pool.run(jobs, |_, job| complete(job));
    done.expect("threads start");
    sum + replies.into_iter().map(wait).sum::<u64>()
}

fn errors(trial: Trial) -> u64 {
    let mut sum = 0;
    let pool = errors::Pool {
        workers: trial.workers,
        capacity: trial.capacity,
        on_failure: errors::OnFailure::Stop,
    };
    let work = |_, &job: &u64| Ok::<_, Infallible>(trial.work(job));
    let on_result = |(_, result): (_, Result<u64, _>)| sum += result.expect("no job fails");
    let done = pool.run(0..trial.jobs, work, on_result);
    done.expect("threads start");
    sum
}

/// A closure for each job, which sends its result.
fn tasks(
    trial: Trial,
) -> (
    impl Iterator<Item = impl FnOnce() + Send + 'static>,
    Receiver<u64>,
) {
    let (reply, results) = mpsc::channel();
    let tasks = (0..trial.jobs).map(move |job| {
        let reply = reply.clone();
        move || reply.send(trial.work(job)).expect("results are read")
    });
    (tasks, results)
}

fn start_dispatcher(trial: Trial) -> dispatcher::RunningPool {
    let (workers, capacity) = (trial.workers, trial.capacity);
    let pool = dispatcher::Pool { workers, capacity };
    pool.start(|_| {}).expect("threads start")
}

pub fn dispatcher(trial: Trial) -> u64 {
    let pool = start_dispatcher(trial);
    let (tasks, results) = tasks(trial);
    for task in tasks {
        pool.submit(Box::new(|| {
            task();
            Ok(())
        }));
    }
    results.iter().sum()
}

/// Tasks without results, as ten million results would wait in that channel.
pub fn dispatcher_adding_up(trial: Trial) -> u64 {
    let pool = start_dispatcher(trial);
    let sum = Arc::new(AtomicU64::new(0));
    for job in 0..trial.jobs {
        let sum = sum.clone();
        pool.submit(Box::new(move || {
            sum.fetch_add(trial.work(job), Relaxed);
            Ok(())
        }));
    }
    pool.stop();
    sum.load(Relaxed)
}

pub fn threadpool(trial: Trial) -> u64 {
    let pool = threadpool::ThreadPool::new(trial.workers.get());
    let (tasks, results) = tasks(trial);
    tasks.for_each(|task| pool.execute(task));
    let sum = results.iter().sum();
    pool.join();
    sum
}

pub fn par_iter(trial: Trial) -> u64 {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(trial.workers.get());
    let threads = threads.build().expect("threads start");
    let jobs = (0..trial.jobs).into_par_iter();
    threads.install(|| jobs.map(|job| trial.work(job)).sum())
}

/// A pool like the one that chapter 21 of the Rust Book builds: boxed closures, one `std` channel, and its receiver
/// in a mutex, which a worker holds while it waits for its next job.
pub fn book(trial: Trial) -> u64 {
    let (submit, queue) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
    let queue = Arc::new(Mutex::new(queue));
    let worker = move || {
        loop {
            let job = queue.lock().expect("no job runs under this lock").recv();
            match job {
                Ok(job) => job(),
                Err(_) => return, // the queue is closed
            }
        }
    };
    let workers = (0..trial.workers.get()).map(|_| thread::spawn(worker.clone()));
    let workers = Vec::from_iter(workers);
    let (tasks, results) = tasks(trial);
    for task in tasks {
        submit.send(Box::new(task)).expect("workers receive");
    }
    drop(submit);
    let sum = results.iter().sum();
    for worker in workers {
        worker.join().expect("no job panics");
    }
    sum
}
