//! Step 4: cancelling finishes the jobs in flight and hands back those that never started. The lesson is in `README.md`.
#![cfg_attr(doctest, doc = include_str!("../README.md"))] // its examples are tested

mod event;

use std::{error::Error, fmt, num::NonZeroUsize, pin::pin};

use async_channel::{Receiver, SendError, Sender, bounded};
use tokio::select;
use tokio::task::{JoinSet, coop::consume_budget};
use tokio_util::sync::CancellationToken;

pub use event::Event;

/// Works until the pool is cancelled, the queue is closed and empty, or the results are no longer read.
async fn worker<J, R, W: Future<Output = R>>(
    id: usize,
    cancel: CancellationToken,
    queue: Receiver<J>,
    reply: Sender<R>,
    work: impl Fn(usize, J) -> W,
    observe: impl Fn(Event),
) {
    while let Some(job) = next_job(&cancel, &queue).await {
        if reply.send(work(id, job).await).await.is_err() {
            return;
        }
    }
    observe(match cancel.is_cancelled() {
        true => Event::ShuttingDown { worker: id },
        false => Event::Finished { worker: id },
    });
}

/// Takes the next job: none if the pool is cancelled, or the queue is closed and empty.
async fn next_job<J>(cancel: &CancellationToken, queue: &Receiver<J>) -> Option<J> {
    consume_budget().await; // now and then lets others run: an `await` that is ready does not
    if !cancel.is_cancelled()
        && let Ok(job) = queue.try_recv()
    {
        return Some(job); // entering `select!`, even if there is a job, costs more than a short one
    }
    select! {
        biased; // cancellation first: a choice at random would go on starting jobs after it
        () = cancel.cancelled() => None,
        job = queue.recv() => job.ok(),
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

/// A fixed number of worker tasks on one shared queue of jobs, which can be cancelled.
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
    /// `work` gets the worker's id, from 1, and the job. After a cancel, no worker starts another job,
    /// those in flight are finished, and their results delivered. `submit` refuses jobs; one that is
    /// submitted before `run` takes its next turn is accepted and handed back. On a runtime of several
    /// threads, a job that a worker is taking at the moment of the cancel may still start.
    ///
    /// This returns when `submit_all` and all workers have ended: a cancel does not interrupt
    /// `submit_all`. Dropping the future aborts the workers and their jobs where they wait, except for
    /// what runs on other threads, such as `spawn_blocking`.
    ///
    /// # Panics
    ///
    /// If `submit_all`, `work`, `on_result` or `observe` panics, with the same panic. A panic in `work`
    /// or `observe` ends its worker, and the others do the remaining jobs first; with no worker left,
    /// they are dropped. A panic in `submit_all` or `on_result` aborts the workers. Panics, too, if the
    /// runtime shuts down meanwhile.
    #[doc = include_str!("run.md")] // an example
    #[must_use = "jobs that never started are lost if they are ignored"]
    pub async fn run<J, R, W>(
        self,
        cancel: CancellationToken,
        submit_all: impl AsyncFnOnce(Submitter<J>) -> Result<(), Refused<J>>,
        work: impl Fn(usize, J) -> W + Clone + Send + 'static,
        mut on_result: impl FnMut(R),
        observe: impl Fn(Event) + Clone + Send + 'static,
    ) -> Vec<J>
    where
        J: Send + 'static, // tokio's `spawn` asks for `Send` and `'static`
        R: Send + 'static,
        W: Future<Output = R> + Send + 'static,
    {
        let (submit, queue) = bounded(self.capacity.get());
        let (reply, results) = bounded(self.capacity.get());
        let mut workers = JoinSet::new();
        for id in 1..=self.workers.get() {
            let (cancel, queue, reply) = (cancel.clone(), queue.clone(), reply.clone());
            let (work, observe) = (work.clone(), observe.clone());
            workers.spawn(worker(id, cancel, queue, reply, work, observe));
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
        let queued = std::iter::from_fn(|| queue.try_recv().ok());
        let refused = submitted.err().map(|Refused(job)| job);
        queued.chain(refused).collect()
    }
}
