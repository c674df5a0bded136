#![doc = "[timeline]: ../../../cancellation/timeline.svg"] // as seen from target/doc
#![doc = include_str!("../README.md")]

use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::panic;
use std::pin::pin;

use async_channel::{Receiver, SendError, Sender, TrySendError, bounded};
use tokio::select;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// What a worker reports when it ends. Displays as the line to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The pool was cancelled.
    ShuttingDown {
        /// The worker's id, from 1.
        worker: usize,
    },
    /// The queue was closed and empty.
    Finished {
        /// The worker's id, from 1.
        worker: usize,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShuttingDown { worker } => write!(f, "Worker {worker} shutting down"),
            Self::Finished { worker } => write!(f, "Worker {worker} finished"),
        }
    }
}

/// A fixed number of worker tasks on one shared queue of jobs, which can be cancelled.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Number of worker tasks.
    pub workers: NonZeroUsize,
    /// Number of jobs that may wait in the queue, and of results that may wait to be read. Memory
    /// for all of them is allocated at the start.
    pub capacity: NonZeroUsize,
}

impl Pool {
    /// Does `work` on every job that `submit_all` submits, and calls `on_result` with each result as
    /// soon as it is there. Returns the jobs that never started: those left in the queue, in order,
    /// then the refused one that `submit_all` returned. Without a cancel there are none.
    ///
    /// `work` gets the worker's id, from 1, and the job. After a cancel, `submit` refuses jobs, no
    /// worker starts another one, those in flight are finished, and their results delivered. On a
    /// runtime of several threads, a job that a worker is taking at the moment of the cancel may still
    /// start. When this returns, every worker has ended.
    ///
    /// Dropping the future aborts the workers where they wait, and the jobs that they have in flight.
    ///
    /// # Panics
    ///
    /// If `submit_all`, `work`, `on_result` or `observe` panics, with the same panic. A panic in `work`
    /// or `observe` ends one worker, and the others do the remaining jobs first; without any other,
    /// the remaining jobs are dropped. A panic in `submit_all` or `on_result` aborts the workers.
    ///
    /// If the runtime shuts down meanwhile, there is no panic: the jobs in flight are lost, and this
    /// returns the others.
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

        let submitter = Submitter { submit, cancel };
        let read_all = async {
            while let Ok(result) = results.recv().await {
                on_result(result);
            } // the last worker has dropped its `reply`
            queue.close(); // refuses the job that may still wait for room
        };
        let (submitted, ()) = tokio::join!(biased; submit_all(submitter), read_all);

        while let Some(ended) = workers.join_next().await {
            if let Err(Ok(panic)) = ended.map_err(JoinError::try_into_panic) {
                panic::resume_unwind(panic);
            }
        }
        let queued = std::iter::from_fn(|| queue.try_recv().ok());
        let refused = submitted.err().map(|Refused(job)| job);
        queued.chain(refused).collect()
    }
}

/// Submits jobs to a pool. Dropping it closes the queue.
#[derive(Debug)]
pub struct Submitter<J> {
    submit: Sender<J>,
    cancel: CancellationToken,
}

impl<J> Submitter<J> {
    /// Submits a job, waiting while the queue is full.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the job, if the pool was cancelled or has ended.
    pub async fn submit(&self, job: J) -> Result<(), Refused<J>> {
        if self.cancel.is_cancelled() {
            return Err(Refused(job));
        }
        let Err(job) = self.submit.try_send(job).map_err(TrySendError::into_inner) else {
            return Ok(()); // waiting below, even if there is room, costs more than a short job
        };
        let mut send = pin!(self.submit.send(job));
        let sent = select! {
            biased; // cancellation first, as for the workers
            () = self.cancel.cancelled() => {
                self.submit.close(); // so that `send` waits no longer, and gives the job back
                send.await
            }
            sent = &mut send => sent,
        };
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
    if !cancel.is_cancelled()
        && let Ok(job) = queue.try_recv()
    {
        return Some(job); // waiting below, even if there is a job, costs more than a short one
    }
    select! {
        biased; // cancellation first: a choice at random would go on starting jobs after it
        () = cancel.cancelled() => None,
        job = queue.recv() => job.ok(),
    }
}
