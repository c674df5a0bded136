//! Step 1: a fixed pool of workers on one shared channel of jobs. The lesson is in `README.md`.
#![cfg_attr(doctest, doc = include_str!("../README.md"))] // its examples are tested

use std::{io, num::NonZeroUsize, panic::resume_unwind, thread};

use crossbeam::channel::{Receiver, Sender, bounded};

/// Works until the queue is closed and empty, or the results are no longer read.
fn worker<J, R>(id: usize, queue: Receiver<J>, reply: Sender<R>, work: impl Fn(usize, J) -> R) {
    for job in queue {
        if reply.send(work(id, job)).is_err() {
            return;
        }
    }
}

/// Submits every job, waiting while the queue is full. When this drops `submit`, the queue closes.
fn submit_all<J>(jobs: impl Iterator<Item = J>, submit: Sender<J>) {
    for job in jobs {
        if submit.send(job).is_err() {
            return; // every worker has ended
        }
    }
}

/// A fixed number of worker threads on one shared queue of jobs.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Number of worker threads.
    pub workers: NonZeroUsize,
    /// Number of jobs that may wait in the queue, and of results that may wait to be read. Memory
    /// for all of them is allocated at the start; too little memory is a panic or ends the program.
    pub capacity: NonZeroUsize,
}

impl Pool {
    /// Does `work` on every job, and calls `on_result` with each result as soon as it is there.
    ///
    /// `work` gets the worker's id, from 1, and the job. `on_result` runs on the calling thread.
    /// When this returns, every job is done and every thread has ended.
    ///
    /// # Errors
    ///
    /// If the system refuses to start a thread. No job has been started then.
    ///
    /// # Panics
    ///
    /// If `jobs`, `work` or `on_result` panics, with the same panic, once no job runs any more. A panic
    /// in `work` ends its worker, and the others do the remaining jobs. If no worker is left, `run`
    /// waits until `jobs` yields the next one or ends, and drops the remaining jobs. A panic in `jobs`
    /// closes the queue. After a panic in `on_result`, each worker ends with the next job that it does.
    #[doc = include_str!("run.md")] // an example
    pub fn run<J: Send, R: Send>(
        self,
        jobs: impl IntoIterator<Item = J, IntoIter: Send>,
        work: impl Fn(usize, J) -> R + Sync,
        mut on_result: impl FnMut(R),
    ) -> io::Result<()> {
        let jobs = jobs.into_iter();
        thread::scope(|scope| {
            let (submit, queue) = bounded(self.capacity.get());
            let (reply, results) = bounded(self.capacity.get());
            let mut threads = Vec::new();
            for id in 1..=self.workers.get() {
                let (queue, reply, work) = (queue.clone(), reply.clone(), &work);
                let thread = thread::Builder::new().name(format!("worker {id}"));
                let run = move || worker(id, queue, reply, work);
                threads.push(thread.spawn_scoped(scope, run)?);
            }
            drop((queue, reply)); // now only the workers hold these

            let thread = thread::Builder::new().name("submitter".into());
            threads.push(thread.spawn_scoped(scope, move || submit_all(jobs, submit))?);

            for result in &results {
                on_result(result);
                if results.is_empty() {
                    thread::yield_now(); // to be woken costs more than a short job
                }
            } // ends when the last worker has dropped its `reply`
            drop(on_result); // it may own what `jobs` waits for

            for thread in threads {
                thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            }
            Ok(())
        })
    }
}
