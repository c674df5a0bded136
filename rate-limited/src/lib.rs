//! Step 7: jobs that start at the rate that the downstream allows. The lesson is in `README.md`.
#![cfg_attr(doctest, doc = include_str!("../README.md"))] // its examples are tested

mod limiter;

use std::{error::Error, fmt, num::NonZeroUsize, pin::pin, sync::Arc};

use async_channel::{Receiver, SendError, Sender, bounded};
use tokio::select;
use tokio::sync::Mutex;
use tokio::task::{JoinSet, coop::consume_budget};
use tokio_util::sync::CancellationToken;

pub use limiter::Limiter;

/// Works until the pool is cancelled, the queue is closed and empty, or the results are no longer read.
async fn worker<J, R, W: Future<Output = R>>(
    id: usize,
    cancel: CancellationToken,
    gate: Arc<Mutex<Gate<J>>>,
    reply: Sender<R>,
    work: impl Fn(usize, J) -> W,
) {
    while let Some(job) = next_job(&cancel, &gate).await {
        if reply.send(work(id, job).await).await.is_err() {
            return;
        }
    }
}

/// Takes the next job when it may start: none if the pool is cancelled, or the queue is closed and empty.
async fn next_job<J>(cancel: &CancellationToken, gate: &Mutex<Gate<J>>) -> Option<J> {
    select! {
        biased; // cancellation first: a choice at random would go on starting jobs after it
        () = cancel.cancelled() => None,
        job = async { gate.lock().await.next().await } => job,
    }
}

/// Where one worker at a time waits, for a job and then for the limiter.
///
/// The others wait for the lock meanwhile, in the order in which they became free. So jobs start in
/// the order of the queue.
struct Gate<J> {
    queue: Receiver<J>,
    /// The job that waits for the limiter. A worker that is cancelled meanwhile leaves it here.
    pending: Option<J>,
    limiter: Limiter,
}

impl<J> Gate<J> {
    /// Waits until the next job may start: none if the queue is closed and empty.
    async fn next(&mut self) -> Option<J> {
        if self.pending.is_none() {
            self.pending = Some(self.queue.recv().await.ok()?);
        }
        self.limiter.ready().await;
        self.limiter.take();
        self.pending.take()
    }
}

/// Submits jobs to a pool. Dropping it closes the queue.
#[derive(Debug)]
pub struct Submitter<J> {
    submit: Sender<J>,
}

impl<J> Submitter<J> {
    /// Submits a job, waiting while the queue is full.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the job, if the pool was cancelled or has ended.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped while it waits, for example by a timeout around it, takes its job along.
    /// To wait for something else and lose nothing, pin it and keep it: `xtask/book/at-work.md` shows how.
    #[doc = include_str!("submit.md")] // an example
    pub async fn submit(&self, job: J) -> Result<(), Refused<J>> {
        consume_budget().await;
        let sent = self.submit.send(job).await;
        sent.map_err(|SendError(job)| Refused(job))
    }
}

/// The pool takes no more jobs. This is the job that it did not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused<J>(pub J);

impl<J> fmt::Display for Refused<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pool takes no more jobs")
    }
}

impl<J: fmt::Debug> Error for Refused<J> {}

/// A fixed number of worker tasks on one shared queue of jobs, and one limiter for all of them.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Number of worker tasks.
    pub workers: NonZeroUsize,
    /// Number of jobs that may wait in the queue, and of results that may wait to be read. Memory
    /// for all of them is allocated at the start; too little memory is a panic or ends the program.
    pub capacity: NonZeroUsize,
}

impl Pool {
    /// Does `work` on every job that `submit_all` submits, and calls `on_result` with each result as
    /// soon as it is there. Returns the jobs that never started: those left in the queue, in order,
    /// then the refused one that `submit_all` returned. Without a cancel there are none.
    ///
    /// `work` gets the worker's id, from 1, and the job. Jobs start in the order in which they were
    /// submitted, each when `limiter` allows it. After a cancel, no worker starts another job, those in
    /// flight are finished, and their results delivered. `submit` refuses jobs; one that is submitted
    /// before `run` takes its next turn is accepted and handed back. On a runtime of several threads,
    /// two jobs that follow each other at once may start in any order, and a job that a worker is taking
    /// at the moment of the cancel may still start.
    ///
    /// This returns when `submit_all` and all workers have ended: a cancel does not interrupt
    /// `submit_all`. Dropping the future aborts the workers and their jobs where they wait, except for
    /// what runs on other threads, such as `spawn_blocking`.
    ///
    /// # Panics
    ///
    /// If `submit_all`, `work` or `on_result` panics, with the same panic. A panic in `work` ends its
    /// worker, and the others do the remaining jobs first; with no worker left, they are dropped. A
    /// panic in `submit_all` or `on_result` aborts the workers. Panics, too, if the runtime shuts down
    /// meanwhile, and if the limiter has to wait in a runtime without timers.
    #[doc = include_str!("run.md")] // an example
    #[must_use = "jobs that never started are lost if they are ignored"]
    pub async fn run<J, R, W>(
        self,
        cancel: CancellationToken,
        limiter: Limiter,
        submit_all: impl AsyncFnOnce(Submitter<J>) -> Result<(), Refused<J>>,
        work: impl Fn(usize, J) -> W + Clone + Send + 'static,
        mut on_result: impl FnMut(R),
    ) -> Vec<J>
    where
        J: Send + 'static, // tokio's `spawn` asks for `Send` and `'static`
        R: Send + 'static,
        W: Future<Output = R> + Send + 'static,
    {
        let (submit, queue) = bounded(self.capacity.get());
        let (reply, results) = bounded(self.capacity.get());

        let gate = Arc::new(Mutex::new(Gate {
            queue: queue.clone(),
            pending: None,
            limiter,
        }));

        let mut workers = JoinSet::new();
        for id in 1..=self.workers.get() {
            let (cancel, gate, reply) = (cancel.clone(), gate.clone(), reply.clone());
            workers.spawn(worker(id, cancel, gate, reply, work.clone()));
        }
        drop(reply); // now only the workers hold this

        let read_all = async {
            while let Ok(result) = results.recv().await {
                on_result(result);
            } // ends when the last worker has dropped its `reply`
            drop(on_result); // it may own what `submit_all` waits for
            queue.close(); // a `submit` that waits for room gets its job back
        };
        let submit_all = submit_all(Submitter { submit });
        let mut both = pin!(async { tokio::join!(biased; submit_all, read_all) });
        let (submitted, ()) = select! {
            biased; // cancellation first, as for the workers
            () = cancel.cancelled() => {
                queue.close(); // here, too
                both.await
            }
            done = &mut both => done,
        };

        workers.join_all().await; // passes a panic on
        let pending = gate.lock().await.pending.take();
        let queued = std::iter::from_fn(|| queue.try_recv().ok());
        let refused = submitted.err().map(|Refused(job)| job);
        pending.into_iter().chain(queued).chain(refused).collect()
    }
}
