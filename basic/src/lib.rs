#![doc = "[timeline]: ../../../basic/timeline.svg"] // as seen from target/doc
#![doc = include_str!("../README.md")]

use std::io;
use std::num::NonZeroUsize;
use std::thread::{self, Scope};

use crossbeam::channel::{Receiver, Sender, bounded};

/// A fixed number of workers on one shared queue of jobs.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Threads that take jobs from the queue.
    pub workers: NonZeroUsize,
    /// Jobs that may wait in the queue, and results that may wait to be read.
    pub capacity: NonZeroUsize,
}

impl Pool {
    /// Does `work` on every job and hands each result to `on_result`, in the order they come.
    ///
    /// `work` gets the worker's id, from 1, and the job. `on_result` runs on the calling thread.
    /// Once this returns, every job is done and every worker has ended.
    ///
    /// # Errors
    ///
    /// If the system refuses to start a thread; no job has been started then.
    ///
    /// # Panics
    ///
    /// If `jobs`, `work` or `on_result` does. A panic in `work` ends its worker, and the others do
    /// the jobs that are left; one in `jobs` closes the queue; one in `on_result` ends the pool. All
    /// of them wait for every worker to end before they reach the caller.
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

            for id in 1..=self.workers.get() {
                let (queue, reply, work) = (queue.clone(), reply.clone(), &work);
                spawn(scope, format!("worker {id}"), move || {
                    worker(id, queue, reply, work);
                })?;
            }
            drop((queue, reply)); // from here on only the workers hold them

            spawn(scope, "submitter".into(), move || submit_all(jobs, submit))?;

            for result in &results {
                on_result(result);
                if results.is_empty() {
                    thread::yield_now(); // let some gather: to be woken costs more than a short job
                }
            } // the last worker is gone, and its `reply` with it
            Ok(())
        })
    }
}

/// Hands in every job, waiting while the queue is full; dropping `submit` then closes the queue.
fn submit_all<J>(jobs: impl Iterator<Item = J>, submit: Sender<J>) {
    for job in jobs {
        if submit.send(job).is_err() {
            return; // no worker is left to take it
        }
    }
}

/// Works until the queue is closed and empty, or nobody reads results any more.
fn worker<J, R>(id: usize, queue: Receiver<J>, reply: Sender<R>, work: impl Fn(usize, J) -> R) {
    for job in queue {
        if reply.send(work(id, job)).is_err() {
            return;
        }
    }
}

/// Starts a thread in `scope`; unlike `scope.spawn` it reports a refusal, and which thread it hit.
fn spawn<'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: String,
    run: impl FnOnce() + Send + 'scope,
) -> io::Result<()> {
    match thread::Builder::new()
        .name(name.clone())
        .spawn_scoped(scope, run)
    {
        Ok(_) => Ok(()), // the scope joins it
        Err(error) => {
            let message = format!("cannot start {name}: {error}");
            Err(io::Error::new(error.kind(), message))
        }
    }
}
