#![doc = "[timeline]: ../../../errors/timeline.svg"] // as seen from target/doc
#![doc = include_str!("../README.md")]

mod job_error;

use std::io;
use std::iter::{Chain, Peekable};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, Scope};
use std::vec;

use crossbeam::channel::{Receiver, Sender, bounded};

pub use job_error::JobError;

/// What the pool does once a job has failed or panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// Do all the other jobs.
    Continue,
    /// Start no more jobs, finish those in hand, and hand back the rest. A job that another worker
    /// is taking at that moment is in hand.
    Stop,
}

/// The jobs that were never started: those still in the queue, then those never handed in.
pub type Unstarted<I> = Chain<vec::IntoIter<<I as Iterator>::Item>, Peekable<I>>;

/// A fixed number of workers on one shared queue of jobs that may fail.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Threads that take jobs from the queue.
    pub workers: NonZeroUsize,
    /// Jobs that may wait in the queue, and results that may wait to be read.
    pub capacity: NonZeroUsize,
    /// Whether one failure ends it all.
    pub on_failure: OnFailure,
}

impl Pool {
    /// Does `work` on every job, gives `on_result` each job with its result, in the order they
    /// come, and returns the jobs that were never started: none, unless a failure stopped the pool.
    ///
    /// `work` gets the worker's id, from 1, and the job. `on_result` runs on the calling thread.
    /// Once this returns, every worker has ended.
    ///
    /// # Errors
    ///
    /// If the system refuses to start a thread; no job has been started then.
    ///
    /// # Panics
    ///
    /// If `jobs` or `on_result` does, once every worker has ended. A panic in `jobs` closes the queue;
    /// one in `work` is that job's result.
    pub fn run<J: Send, R: Send, E: Send, I: Iterator<Item = J> + Send>(
        self,
        jobs: impl IntoIterator<IntoIter = I>,
        work: impl Fn(usize, &J) -> Result<R, E> + Sync,
        mut on_result: impl FnMut(J, Result<R, JobError<E>>),
    ) -> io::Result<Unstarted<I>> {
        let mut jobs = jobs.into_iter().peekable();
        let stop = AtomicBool::new(false);

        let queued = thread::scope(|scope| {
            let (submit, queue) = bounded(self.capacity.get());
            let (reply, results) = bounded(self.capacity.get());

            for id in 1..=self.workers.get() {
                let (queue, reply, work, stop) = (queue.clone(), reply.clone(), &work, &stop);
                spawn(scope, format!("worker {id}"), move || {
                    worker(id, queue, reply, work, self.on_failure, stop);
                })?;
            }
            drop(reply); // from here on only the workers hold it

            let (jobs, stop) = (&mut jobs, &stop);
            spawn(scope, "submitter".into(), move || {
                submit_all(jobs, submit, stop)
            })?;

            for (job, result) in &results {
                on_result(job, result);
                if results.is_empty() {
                    thread::yield_now(); // let some gather: to be woken costs more than a short job
                }
            } // the last worker is gone, and its `reply` with it
            io::Result::Ok(queue.into_iter().collect::<Vec<_>>()) // what no worker took
        })?;
        Ok(queued.into_iter().chain(jobs))
    }
}

/// Hands in jobs, waiting while the queue is full; `next_if` leaves a job where it is once stopped.
fn submit_all<J>(
    jobs: &mut Peekable<impl Iterator<Item = J>>,
    submit: Sender<J>,
    stop: &AtomicBool,
) {
    while let Some(job) = jobs.next_if(|_| !stop.load(Relaxed)) {
        if submit.send(job).is_err() {
            return; // nobody is left to take it
        }
    }
}

/// Works until the pool stops, the queue is closed and empty, or nobody reads results any more.
fn worker<J, R, E>(
    id: usize,
    queue: Receiver<J>,
    reply: Sender<(J, Result<R, JobError<E>>)>,
    work: impl Fn(usize, &J) -> Result<R, E>,
    on_failure: OnFailure,
    stop: &AtomicBool,
) {
    while !stop.load(Relaxed)
        && let Ok(job) = queue.recv()
    {
        let result = job_error::contain(|| work(id, &job));
        if result.is_err() && on_failure == OnFailure::Stop {
            stop.store(true, Relaxed);
        }
        if reply.send((job, result)).is_err() {
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
