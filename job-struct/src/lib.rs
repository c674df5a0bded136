//! Step 3: jobs that carry typed data and the sender of their result. The lesson is in `README.md`.
#![cfg_attr(doctest, doc = include_str!("../README.md"))] // its examples are tested

mod job;

use std::{io, num::NonZeroUsize, panic::resume_unwind, thread};

use crossbeam::channel::{Receiver, Sender, bounded};

pub use job::{Job, JobHandle};

/// Works until the queue is closed and empty.
fn worker<J>(id: usize, queue: Receiver<J>, work: impl Fn(usize, J)) {
    for job in queue {
        work(id, job);
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
    /// Number of jobs that may wait in the queue. Memory for all of them is allocated at the start;
    /// too little memory is a panic or ends the program.
    pub capacity: NonZeroUsize,
}

impl Pool {
    /// Does `work` on every job.
    ///
    /// `work` gets the worker's id, from 1, and the job: a [`Job`], or an enum of several kinds of
    /// them. `jobs` runs on the calling thread. When this returns, every job is done and every
    /// thread has ended. Handles can be waited for meanwhile, on other threads, or afterwards.
    ///
    /// # Errors
    ///
    /// If the system refuses to start a thread. No job has been started then.
    ///
    /// # Panics
    ///
    /// If `jobs` or `work` panics, with the same panic, once no job runs any more. A panic in
    /// `work` loses the job's result and ends its worker, and the others do the remaining jobs. If no
    /// worker is left, the remaining jobs are dropped when `jobs` yields the next one or ends. A panic
    /// in `jobs` closes the queue.
    ///
    /// ```
    /// let one = std::num::NonZeroUsize::MIN;
    /// let pool = job_struct::Pool { workers: one, capacity: one };
    /// let (job, handle) = job_struct::Job::new(21);
    /// pool.run([job], |_worker, job| job.complete(|number| number * 2))?;
    /// assert_eq!(handle.wait(), Ok(42));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn run<J: Send>(
        self,
        jobs: impl IntoIterator<Item = J>,
        work: impl Fn(usize, J) + Sync,
    ) -> io::Result<()> {
        let jobs = jobs.into_iter();
        thread::scope(|scope| {
            let (submit, queue) = bounded(self.capacity.get());
            let mut threads = Vec::new();
            for id in 1..=self.workers.get() {
                let (queue, work) = (queue.clone(), &work);
                let thread = thread::Builder::new().name(format!("worker {id}"));
                let run = move || worker(id, queue, work);
                threads.push(thread.spawn_scoped(scope, run)?);
            }
            drop(queue); // now only the workers hold this

            submit_all(jobs, submit);

            for thread in threads {
                thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            }
            Ok(())
        })
    }
}
