#![doc = "[timeline]: ../../../errors/timeline.svg"] // as seen from target/doc
#![doc = include_str!("../README.md")]

mod failure;

use std::io;
use std::num::NonZeroUsize;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, ScopedJoinHandle};

use crossbeam::channel::{Receiver, Sender, bounded};

pub use failure::{JobError, OnFailure};

/// A fixed number of worker threads on one shared queue of jobs that may fail.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Number of worker threads.
    pub workers: NonZeroUsize,
    /// Number of jobs that may wait in the queue, and of results that may wait to be read. Memory
    /// for all of them is allocated at the start; too little memory is a panic or ends the program.
    pub capacity: NonZeroUsize,
    /// What to do after a job has failed or panicked.
    pub on_failure: OnFailure,
}

impl Pool {
    /// Does `work` on every job, calls `on_result` with each job and its result as soon as it is
    /// there, and returns the jobs that it took from `jobs` and never started: none, unless a failure
    /// stopped the pool.
    ///
    /// `work` gets the worker's id, from 1, and the job. `on_result` runs on the calling thread.
    /// When this returns, every thread has ended. To keep the jobs that the pool has not taken, lend
    /// `jobs` as `jobs.by_ref()`. After a failure that stops it, the pool still waits for `jobs` to
    /// yield the next one or to end.
    ///
    /// # Errors
    ///
    /// If the system refuses to start a thread. No job has been started then.
    ///
    /// # Panics
    ///
    /// If `jobs` or `on_result` panics, with the same panic, once no job runs any more. A panic in
    /// `jobs` closes the queue. After a panic in `on_result`, each worker ends with the next job that
    /// it does. A panic in `work` is that job's result, unless the program is built with
    /// `panic = "abort"`: then it ends the program.
    pub fn run<J: Send, R: Send, E: Send>(
        self,
        jobs: impl IntoIterator<Item = J, IntoIter: Send>,
        work: impl Fn(usize, &J) -> Result<R, E> + Sync,
        on_result: impl FnMut((J, Result<R, JobError<E>>)),
    ) -> io::Result<Vec<J>> {
        let jobs = jobs.into_iter();
        let stop = &AtomicBool::new(false);
        let work = |id, job: J| {
            let result = failure::contain(|| work(id, &job));
            if result.is_err() && self.on_failure == OnFailure::Stop {
                stop.store(true, Relaxed); // before anyone learns of the failure
            }
            (job, result)
        };

        thread::scope(|scope| {
            let (submit, queue) = bounded(self.capacity.get());
            let (reply, results) = bounded(self.capacity.get());

            let mut workers = Vec::new();
            for id in 1..=self.workers.get() {
                let (queue, reply, work) = (queue.clone(), reply.clone(), &work);
                let thread = thread::Builder::new().name(format!("worker {id}"));
                let run = move || worker(id, queue, reply, work, stop);
                workers.push(thread.spawn_scoped(scope, run)?);
            }
            drop(reply); // now only the workers hold this

            let thread = thread::Builder::new().name("submitter".into());
            let submitter = thread.spawn_scoped(scope, move || submit_all(jobs, submit, stop))?;

            let results = std::iter::from_fn(move || {
                yield_while(|| results.is_empty());
                results.recv().ok() // `None` when the last worker has dropped its `reply`
            });
            results.for_each(on_result); // drops `on_result`, which may own what `jobs` waits for
            let queued: Vec<J> = queue.iter().collect(); // until `submit` is dropped

            // A join waits for all of a thread, a scope only for its closure.
            let ended = workers.into_iter().map(ScopedJoinHandle::join);
            let refused = ended
                .fold(Ok(()), Result::and)
                .and(submitter.join())
                .unwrap_or_else(|panic| panic::resume_unwind(panic));
            Ok(queued.into_iter().chain(refused).collect())
        })
    }
}

/// Submits every job, waiting while the queue is full. When this drops `submit`, the queue closes.
/// Once the pool stops, this gives back the job that it holds.
fn submit_all<J>(jobs: impl Iterator<Item = J>, submit: Sender<J>, stop: &AtomicBool) -> Option<J> {
    for job in jobs {
        if stop.load(Relaxed) {
            return Some(job);
        }
        if submit.send(job).is_err() {
            return None; // `on_result` has panicked
        }
    }
    None
}

/// Works until the queue is closed and empty, the pool stops, or the results are no longer read.
fn worker<J, R>(
    id: usize,
    queue: Receiver<J>,
    reply: Sender<R>,
    work: impl Fn(usize, J) -> R,
    stop: &AtomicBool,
) {
    while !stop.load(Relaxed)
        && let Ok(job) = queue.recv()
    {
        if reply.send(work(id, job)).is_err() {
            return;
        }
    }
}

/// Yields to other threads a few times while `is_empty`: a thread that sleeps costs more to wake
/// than a short job takes.
fn yield_while(is_empty: impl Fn() -> bool) {
    let yields = (0..4).take_while(|_| is_empty());
    yields.for_each(|_| thread::yield_now());
}
