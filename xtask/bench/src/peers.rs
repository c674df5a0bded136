//! What one could use instead of the steps' pools.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

use crossbeam::channel;
use futures_util::stream::{self, StreamExt};
use rayon::prelude::*;
use threadpool::ThreadPool;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::harness::block_on;
use crate::trial::{Candidate, Trial};

/// Instead of pools of threads.
pub fn of_threads() -> Vec<Candidate> {
    vec![
        Candidate::new("ideal", plain_loop),
        Candidate::new("threadpool", threadpool),
        Candidate::new("par_iter", par_iter),
        Candidate::new("the Book's", book),
        Candidate::new("no results", threadpool_without_results).beside(&["dispatcher"]),
        Candidate::new("room for 100", |trial| trial.capacity(100).play("basic"))
            .beside(&["basic"]),
        Candidate::new("room for 10", |trial| trial.capacity(10).play("basic")).beside(&["basic"]),
        Candidate::new("bounded(1)", bounded_1).beside(&["job-struct"]),
        Candidate::new("basic, boxed", basic_boxed).beside(&["dispatcher", "errors"]),
    ]
}

/// Instead of pools of tasks; all of it on one thread.
pub fn of_tasks() -> Vec<Candidate> {
    vec![
        Candidate::new("ideal", plain_loop),
        Candidate::new("JoinSet", join_set),
        Candidate::new("spawn", spawn),
        Candidate::new("unordered", buffer_unordered),
    ]
}

/// One thread that does one job after the other.
fn plain_loop(trial: Trial) -> usize {
    (1..=trial.jobs).map(|job| trial.work(job)).sum()
}

/// `basic` with jobs that are closures in boxes.
fn basic_boxed(trial: Trial) -> usize {
    type Boxed = Box<dyn FnOnce() -> usize + Send>;
    let jobs = (1..=trial.jobs).map(|job| -> Boxed { Box::new(move || trial.work(job)) });
    let (workers, capacity) = (trial.workers, trial.capacity);
    let mut sum = 0;
    let done = basic::Pool { workers, capacity }.run(jobs, |_, job| job(), |result| sum += result);
    done.expect("threads start");
    sum
}

/// `job-struct` if each job brought a channel of one for its reply.
fn bounded_1(trial: Trial) -> usize {
    let (reply, handles) = mpsc::channel();
    let jobs = (1..=trial.jobs).map(move |data| {
        let (result, handle) = channel::bounded(1);
        reply.send(handle).expect("all replies are read");
        (data, result)
    });
    let work = |_, (data, result): (_, channel::Sender<_>)| {
        result.send(trial.work(data)).expect("all replies are read");
    };
    let (workers, capacity) = (trial.workers, trial.capacity);
    let pool = job_struct::Pool { workers, capacity };
    thread::scope(|scope| {
        let replies = handles.into_iter().map(|handle| handle.recv());
        let replies = replies.map(|reply| reply.expect("no job is dropped"));
        let sum = scope.spawn(|| replies.sum());
        pool.run(jobs, work).expect("threads start");
        sum.join().expect("no job is dropped")
    })
}

/// A closure for each job, which sends its result.
fn tasks(
    trial: Trial,
) -> (
    impl Iterator<Item = impl FnOnce() + Send + 'static>,
    Receiver<usize>,
) {
    let (reply, results) = mpsc::channel();
    let tasks = (1..=trial.jobs).map(move |job| {
        let reply = reply.clone();
        move || reply.send(trial.work(job)).expect("results are read")
    });
    (tasks, results)
}

pub fn threadpool(trial: Trial) -> usize {
    let pool = ThreadPool::new(trial.workers.get());
    let (tasks, results) = tasks(trial);
    tasks.for_each(|task| pool.execute(task));
    let sum = results.iter().sum();
    pool.join();
    sum
}

/// Results are added up by the tasks themselves, as in `dispatcher`.
fn threadpool_without_results(trial: Trial) -> usize {
    let pool = ThreadPool::new(trial.workers.get());
    let sum = Arc::new(AtomicUsize::new(0));
    for job in 1..=trial.jobs {
        let sum = sum.clone();
        pool.execute(move || _ = sum.fetch_add(trial.work(job), Relaxed));
    }
    pool.join();
    sum.load(Relaxed)
}

pub fn par_iter(trial: Trial) -> usize {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(trial.workers.get());
    let threads = threads.build().expect("threads start");
    let jobs = (1..trial.jobs + 1).into_par_iter();
    threads.install(|| jobs.map(|job| trial.work(job)).sum())
}

/// A pool like the one that chapter 21 of the Rust Book builds: boxed closures, one `std` channel, and its receiver
/// in a mutex, which a worker holds while it waits for its next job.
pub fn book(trial: Trial) -> usize {
    let (submit, queue) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
    let queue = Mutex::new(queue);
    let next = || queue.lock().expect("no job runs under this lock").recv();
    thread::scope(|scope| {
        for _ in 0..trial.workers.get() {
            scope.spawn(|| {
                while let Ok(job) = next() {
                    job();
                }
            });
        }
        let (tasks, results) = tasks(trial);
        for task in tasks {
            submit.send(Box::new(task)).expect("workers receive");
        }
        drop(submit);
        results.iter().sum()
    })
}

/// A task for each job, and a semaphore that limits how many run at a time.
fn join_set(trial: Trial) -> usize {
    block_on(async {
        let mut sum = 0;
        let permits = Arc::new(Semaphore::new(trial.workers.get()));
        let mut tasks = JoinSet::new();
        for job in 1..=trial.jobs {
            let permit = permits.clone().acquire_owned().await;
            let permit = permit.expect("nothing closes the semaphore");
            tasks.spawn(async move {
                let result = trial.work(job);
                drop(permit);
                result
            });
            while let Some(result) = tasks.try_join_next() {
                sum += result.expect("no job panics");
            }
        }
        sum + tasks.join_all().await.into_iter().sum::<usize>()
    })
}

/// A task for each job, all at once.
fn spawn(trial: Trial) -> usize {
    block_on(async {
        let spawn = |job| tokio::spawn(async move { trial.work(job) });
        let tasks = Vec::from_iter((1..=trial.jobs).map(spawn));
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("no job panics");
        }
        sum
    })
}

/// No tasks: a stream that polls so many futures at a time.
fn buffer_unordered(trial: Trial) -> usize {
    let results = stream::iter(1..=trial.jobs).map(|job| async move { trial.work(job) });
    let results = results.buffer_unordered(trial.workers.get());
    block_on(results.fold(0, async |sum, result| sum + result))
}
