#![doc = "[timeline]: ../../../cancellation/timeline.svg"] // as seen from target/doc
#![doc = include_str!("../README.md")]

use std::error::Error;
use std::fmt;
use std::iter;
use std::num::NonZeroUsize;
use std::panic;
use std::pin::pin;

use async_channel::{Receiver, SendError, Sender, bounded};
use tokio::select;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What a worker reports when it ends; reads as the line to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The pool was cancelled.
    ShuttingDown {
        /// The worker's id, from 1.
        worker: usize,
    },
    /// The queue is closed and empty.
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

/// A fixed number of workers on one shared queue of jobs, until there are no more or it is cancelled.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Tasks that take jobs from the queue.
    pub workers: NonZeroUsize,
    /// Jobs that may wait in the queue, and results that may wait to be read.
    pub capacity: NonZeroUsize,
}

impl Pool {
    /// Does `work` on every job that `produce` submits, hands each result to `on_result` in the
    /// order they come, and returns the jobs that were submitted but never started: none, unless
    /// `cancel` was cancelled.
    ///
    /// `work` gets the worker's id, from 1, and the job. Cancelling is cooperative: jobs in hand
    /// are finished and their results delivered, no other job is started, and `produce` learns of it
    /// from `submit`. Once this returns, every worker has ended.
    ///
    /// Dropping the future instead aborts the workers where they wait.
    ///
    /// # Panics
    ///
    /// If `produce`, `work`, `on_result` or `observe` does. A panic in `work` or `observe` ends its
    /// worker, and the others do the jobs that are left before it reaches the caller; the other two
    /// abort the workers.
    pub async fn run<J, R, W>(
        self,
        cancel: CancellationToken,
        produce: impl AsyncFnOnce(Submitter<J>),
        work: impl Fn(usize, J) -> W + Clone + Send + 'static,
        mut on_result: impl FnMut(R),
        observe: impl Fn(Event) + Clone + Send + 'static,
    ) -> Vec<J>
    where
        J: Send + 'static,
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
        drop(reply); // from here on only the workers hold it

        let produce = produce(Submitter {
            queue: submit,
            cancel,
        });
        let consume = async {
            while let Ok(result) = results.recv().await {
                on_result(result);
            } // the last worker is gone, and its `reply` with it
            queue.close(); // so what is submitted now is refused
        };
        tokio::join!(biased; produce, consume);

        while let Some(ended) = workers.join_next().await {
            ended.unwrap_or_else(|error| panic::resume_unwind(error.into_panic()));
        }
        iter::from_fn(|| queue.try_recv().ok()).collect()
    }
}

/// Hands in jobs; dropping it closes the queue.
#[derive(Debug)]
pub struct Submitter<J> {
    queue: Sender<J>,
    cancel: CancellationToken,
}

impl<J> Submitter<J> {
    /// Hands in a job, waiting while the queue is full.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the job, if the pool was cancelled or has ended.
    pub async fn submit(&self, job: J) -> Result<(), Refused<J>> {
        let mut send = pin!(self.queue.send(job));
        let sent = select! {
            biased;
            () = self.cancel.cancelled() => {
                self.queue.close(); // now the send cannot wait any longer: it gives the job back
                send.await
            }
            sent = &mut send => sent,
        };
        sent.map_err(|SendError(job)| Refused(job))
    }
}

/// The pool takes no more jobs: here is the one it did not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused<J>(pub J);

impl<J> fmt::Display for Refused<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pool takes no more jobs")
    }
}

impl<J: fmt::Debug> Error for Refused<J> {}

/// Works until cancelled, the queue is closed and empty, or nobody reads results any more.
async fn worker<J, R, W: Future<Output = R>>(
    id: usize,
    cancel: CancellationToken,
    queue: Receiver<J>,
    reply: Sender<R>,
    work: impl Fn(usize, J) -> W,
    observe: impl Fn(Event),
) {
    let mut cancelled = pin!(cancel.cancelled());
    loop {
        let job = select! {
            biased; // cancellation first: a fair choice would go on starting jobs after it
            () = &mut cancelled => return observe(Event::ShuttingDown { worker: id }),
            job = queue.recv() => job,
        };
        let Ok(job) = job else {
            return observe(Event::Finished { worker: id });
        };
        if reply.send(work(id, job).await).await.is_err() {
            return observe(Event::Finished { worker: id });
        }
    }
}
