#![doc = "[timeline]: ../../../job-struct/timeline.svg"] // as seen from target/doc
#![doc = include_str!("../README.md")]

use std::error::Error;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::thread::{self, Scope};

use crossbeam::channel::{Receiver, bounded};

/// Data for a worker, together with the way back for its result.
#[derive(Debug)]
pub struct Job<D, R> {
    data: D,
    reply: oneshot::Sender<R>,
}

impl<D, R> Job<D, R> {
    /// A job to hand in, and the reply to keep.
    pub fn new(data: D) -> (Self, Reply<R>) {
        let (reply, result) = oneshot::channel();
        (Self { data, reply }, Reply(result))
    }

    /// Does `work` on the data and replies with the result, which nobody needs to wait for.
    ///
    /// This takes the job, so no job is replied to twice.
    pub fn complete(self, work: impl FnOnce(D) -> R) {
        _ = self.reply.send(work(self.data)); // an error: the reply was dropped unread
    }
}

/// Where one job's result arrives.
#[derive(Debug)]
pub struct Reply<R>(oneshot::Receiver<R>);

impl<R> Reply<R> {
    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// [`Lost`] if the job was dropped before it was complete.
    pub fn wait(self) -> Result<R, Lost> {
        for _ in 0..3 {
            if !self.0.has_message() {
                thread::yield_now(); // let some gather: to be woken costs more than a short job
            }
        }
        self.0.recv().map_err(|_| Lost)
    }
}

/// The job was dropped before it was complete: its work panicked, or nobody did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the job was dropped before it was complete")
    }
}

impl Error for Lost {}

/// A fixed number of workers on one shared queue of jobs.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Threads that take jobs from the queue.
    pub workers: NonZeroUsize,
    /// Jobs that may wait in the queue.
    pub capacity: NonZeroUsize,
}

impl Pool {
    /// Does `work` on every job.
    ///
    /// `work` gets the worker's id, from 1, and the job: a [`Job`], or an enum of several kinds of
    /// them. `jobs` runs on the calling thread. Once this returns, every job is done and every
    /// worker has ended; replies may be waited for meanwhile or afterwards.
    ///
    /// # Errors
    ///
    /// If the system refuses to start a thread; no job has been started then.
    ///
    /// # Panics
    ///
    /// If `work` or `jobs` does. A panic in `work` ends its worker and loses the reply, and the
    /// others do the jobs that are left; if there are no others, the queue is lost as soon as
    /// `jobs` ends or gives another. A panic in `jobs` closes the queue. Both wait for every worker
    /// to end before they reach the caller.
    pub fn run<J: Send>(
        self,
        jobs: impl IntoIterator<Item = J>,
        work: impl Fn(usize, J) + Sync,
    ) -> io::Result<()> {
        thread::scope(|scope| {
            let (submit, queue) = bounded(self.capacity.get());

            for id in 1..=self.workers.get() {
                let (queue, work) = (queue.clone(), &work);
                spawn(scope, format!("worker {id}"), move || {
                    worker(id, queue, work);
                })?;
            }
            drop(queue); // from here on only the workers hold it

            for job in jobs {
                if submit.send(job).is_err() {
                    break; // no worker is left to take it
                }
            }
            Ok(())
        }) // dropping `submit` closes the queue, and the scope waits for the workers
    }
}

/// Works until the queue is closed and empty.
fn worker<J>(id: usize, queue: Receiver<J>, work: impl Fn(usize, J)) {
    for job in queue {
        work(id, job);
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
