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

use crate::case::{Candidate, Case, block_on};

/// Instead of pools of threads.
pub fn of_threads() -> Vec<Candidate> {
    vec![
        Candidate::new("ideal", plain_loop),
        Candidate::new("threadpool", threadpool),
        Candidate::new("par_iter", par_iter),
        Candidate::new("the Book's", book),
        Candidate::new("no results", threadpool_without_results).compared_with(&["dispatcher"]),
        Candidate::new("room for 100", |case| case.capacity(100).through("basic"))
            .compared_with(&["basic"]),
        Candidate::new("room for 10", |case| case.capacity(10).through("basic"))
            .compared_with(&["basic"]),
        Candidate::new("bounded(1)", bounded_1).compared_with(&["job-struct"]),
        Candidate::new("basic, boxed", basic_boxed).compared_with(&["dispatcher", "errors"]),
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
fn plain_loop(case: Case) -> usize {
    (1..=case.jobs).map(|job| case.work(job)).sum()
}

/// `basic` with jobs that are closures in boxes.
fn basic_boxed(case: Case) -> usize {
    type Boxed = Box<dyn FnOnce() -> usize + Send>;
    let jobs = (1..=case.jobs).map(|job| -> Boxed { Box::new(move || case.work(job)) });
    let (workers, capacity) = (case.workers, case.capacity);
    let mut sum = 0;
    let done = basic::Pool { workers, capacity }.run(jobs, |_, job| job(), |result| sum += result);
    done.expect("threads start");
    sum
}

/// `job-struct` if each job brought a channel of one for its reply.
fn bounded_1(case: Case) -> usize {
    let (reply, handles) = mpsc::channel();
    let jobs = (1..=case.jobs).map(move |data| {
        let (result, handle) = channel::bounded(1);
        reply.send(handle).expect("all replies are read");
        (data, result)
    });
    let work = |_, (data, result): (_, channel::Sender<_>)| {
        result.send(case.work(data)).expect("all replies are read");
    };
    let (workers, capacity) = (case.workers, case.capacity);
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
    case: Case,
) -> (
    impl Iterator<Item = impl FnOnce() + Send + 'static>,
    Receiver<usize>,
) {
    let (reply, results) = mpsc::channel();
    let tasks = (1..=case.jobs).map(move |job| {
        let reply = reply.clone();
        move || reply.send(case.work(job)).expect("results are read")
    });
    (tasks, results)
}

pub fn threadpool(case: Case) -> usize {
    let pool = ThreadPool::new(case.workers.get());
    let (tasks, results) = tasks(case);
    tasks.for_each(|task| pool.execute(task));
    let sum = results.iter().sum();
    pool.join();
    sum
}

/// Results are added up by the tasks themselves, as in `dispatcher`.
fn threadpool_without_results(case: Case) -> usize {
    let pool = ThreadPool::new(case.workers.get());
    let sum = Arc::new(AtomicUsize::new(0));
    for job in 1..=case.jobs {
        let sum = sum.clone();
        pool.execute(move || _ = sum.fetch_add(case.work(job), Relaxed));
    }
    pool.join();
    sum.load(Relaxed)
}

pub fn par_iter(case: Case) -> usize {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(case.workers.get());
    let threads = threads.build().expect("threads start");
    let jobs = (1..case.jobs + 1).into_par_iter();
    threads.install(|| jobs.map(|job| case.work(job)).sum())
}

/// A pool like the one that chapter 21 of the Rust Book builds: boxed closures, one `std` channel, and its receiver
/// in a mutex, which a worker holds while it waits for its next job.
pub fn book(case: Case) -> usize {
    let (submit, queue) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
    let queue = Mutex::new(queue);
    let next = || queue.lock().expect("no job runs under this lock").recv();
    thread::scope(|scope| {
        for _ in 0..case.workers.get() {
            scope.spawn(|| {
                while let Ok(job) = next() {
                    job();
                }
            });
        }
        let (tasks, results) = tasks(case);
        for task in tasks {
            submit.send(Box::new(task)).expect("workers receive");
        }
        drop(submit);
        results.iter().sum()
    })
}

/// A task for each job, and a semaphore that limits how many run at a time.
fn join_set(case: Case) -> usize {
    block_on(async {
        let mut sum = 0;
        let permits = Arc::new(Semaphore::new(case.workers.get()));
        let mut tasks = JoinSet::new();
        for job in 1..=case.jobs {
            let permit = permits.clone().acquire_owned().await;
            let permit = permit.expect("nothing closes the semaphore");
            tasks.spawn(async move {
                let result = case.work(job);
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
fn spawn(case: Case) -> usize {
    block_on(async {
        let spawn = |job| tokio::spawn(async move { case.work(job) });
        let tasks = Vec::from_iter((1..=case.jobs).map(spawn));
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("no job panics");
        }
        sum
    })
}

/// No tasks: a stream that polls so many futures at a time.
fn buffer_unordered(case: Case) -> usize {
    let results = stream::iter(1..=case.jobs).map(|job| async move { case.work(job) });
    let results = results.buffer_unordered(case.workers.get());
    block_on(results.fold(0, async |sum, result| sum + result))
}
