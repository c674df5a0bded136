//! Step 3: jobs that carry typed data and the way back for their result. The lesson is in `README.md`.
#![cfg_attr(doctest, doc = include_str!("../README.md"))] // its examples are tested

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::{io, thread};

use crossbeam::channel::{Receiver, Sender, bounded};

/// Data for a worker, and the sending end of a channel for its result.
///
/// The pool only carries jobs: each brings its own way back.
#[derive(Debug)]
pub struct Job<D, R> {
    data: D,
    reply: oneshot::Sender<R>,
}

impl<D, R> Job<D, R> {
    /// Makes a job to submit, and the handle to wait for its result with.
    pub fn new(data: D) -> (Self, JobHandle<R>) {
        let (reply, result) = oneshot::channel();
        (Self { data, reply }, JobHandle(result))
    }

    /// Does `work` on the data and sends the result to the job's handle.
    ///
    /// This takes the job, so no job is completed twice.
    pub fn complete(self, work: impl FnOnce(D) -> R) {
        _ = self.reply.send(work(self.data)); // an error: the handle was dropped
    }
}

/// Waits for the result of one job, as std's `JoinHandle` does for that of a thread.
#[derive(Debug)]
pub struct JobHandle<R>(oneshot::Receiver<R>);

impl<R> JobHandle<R> {
    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// If the job was dropped before it was complete: its work panicked, or no worker took it.
    pub fn wait(self) -> Result<R, oneshot::RecvError> {
        if !self.0.has_message() {
            thread::yield_now(); // to be woken costs more than a short job
        }
        self.0.recv()
    }
}

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
