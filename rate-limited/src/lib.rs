#![doc = "[timeline]: ../../../rate-limited/timeline.svg"] // as seen from target/doc
#![doc = include_str!("../README.md")]

mod limiter;

use std::iter::{self, Chain};
use std::num::NonZeroUsize;
use std::panic;
use std::pin::pin;
use std::sync::Arc;
use std::vec;

use async_channel::{Receiver, SendError, Sender, bounded};
use tokio::select;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use limiter::Limiter;

/// The jobs that were never started: first those still in the pool, then those never handed in.
pub type Unstarted<I> = Chain<vec::IntoIter<<I as Iterator>::Item>, I>;

/// A fixed number of workers on one shared queue of jobs, which all pass the same limiter.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Tasks that take jobs from the queue.
    pub workers: NonZeroUsize,
    /// Jobs that may wait in the queue, and results that may wait to be read.
    pub capacity: NonZeroUsize,
}

impl Pool {
    /// Does `work` on every job, each started when `limiter` allows it and in the order given,
    /// hands each result to `on_result` in the order they come, and returns the jobs that were
    /// never started: none, unless `cancel` was cancelled.
    ///
    /// `work` gets the worker's id, from 1, and the job. Cancelling is cooperative: jobs in hand
    /// are finished and their results delivered, no other job is started. Once this returns, every
    /// worker has ended.
    ///
    /// Dropping the future instead aborts the workers where they wait.
    ///
    /// # Panics
    ///
    /// If `jobs`, `work` or `on_result` does. A panic in `work` ends its worker, and the others do
    /// the jobs that are left before it reaches the caller; the other two abort the workers.
    pub async fn run<J, R, W, I>(
        self,
        cancel: CancellationToken,
        limiter: Limiter,
        jobs: impl IntoIterator<IntoIter = I>,
        work: impl Fn(usize, J) -> W + Clone + Send + 'static,
        mut on_result: impl FnMut(R),
    ) -> Unstarted<I>
    where
        I: Iterator<Item = J>,
        J: Send + 'static,
        R: Send + 'static,
        W: Future<Output = R> + Send + 'static,
    {
        let mut jobs = jobs.into_iter();
        let (submit, queue) = bounded(self.capacity.get());
        let (reply, results) = bounded(self.capacity.get());
        let gate = Arc::new(Mutex::new(Gate {
            queue: queue.clone(),
            next: None,
            limiter,
        }));

        let mut workers = JoinSet::new();
        for id in 1..=self.workers.get() {
            let (cancel, gate) = (cancel.clone(), gate.clone());
            let (reply, work) = (reply.clone(), work.clone());
            workers.spawn(worker(id, cancel, gate, reply, work));
        }
        drop(reply); // from here on only the workers hold it

        let produce = submit_all(&mut jobs, submit);
        let consume = async {
            while let Ok(result) = results.recv().await {
                on_result(result);
            } // the last worker is gone, and its `reply` with it
            queue.close(); // so a job that still waits for room is refused
        };
        let (refused, ()) = tokio::join!(biased; produce, consume);

        while let Some(ended) = workers.join_next().await {
            ended.unwrap_or_else(|error| panic::resume_unwind(error.into_panic()));
        }
        let next = gate.lock().await.next.take();
        let queued = iter::from_fn(|| queue.try_recv().ok());
        let unstarted: Vec<J> = next.into_iter().chain(queued).chain(refused).collect();
        unstarted.into_iter().chain(jobs)
    }
}

/// Hands in every job, waiting while the queue is full; gives back the one that was refused.
async fn submit_all<J>(jobs: &mut impl Iterator<Item = J>, submit: Sender<J>) -> Option<J> {
    for job in jobs {
        if let Err(SendError(job)) = submit.send(job).await {
            return Some(job);
        }
    }
    None
}

/// Works until cancelled, the queue is closed and empty, or nobody reads results any more.
async fn worker<J, R, W: Future<Output = R>>(
    id: usize,
    cancel: CancellationToken,
    gate: Arc<Mutex<Gate<J>>>,
    reply: Sender<R>,
    work: impl Fn(usize, J) -> W,
) {
    let mut cancelled = pin!(cancel.cancelled());
    loop {
        let job = select! {
            biased; // cancellation first: a fair choice would go on starting jobs after it
            () = &mut cancelled => return,
            job = async { gate.lock().await.pass().await } => job,
        };
        let Some(job) = job else { return };
        if reply.send(work(id, job).await).await.is_err() {
            return;
        }
    }
}

/// Where one worker at a time waits: for a job, and then for the limiter.
///
/// That the others cannot pass meanwhile is the point: none of them may start a job before it.
struct Gate<J> {
    queue: Receiver<J>,
    /// The job that waits here: a worker that is cancelled meanwhile leaves it behind.
    next: Option<J>,
    limiter: Limiter,
}

impl<J> Gate<J> {
    /// The next job, at the moment it may start; none once the queue is closed and empty.
    async fn pass(&mut self) -> Option<J> {
        if self.next.is_none() {
            self.next = Some(self.queue.recv().await.ok()?);
        }
        self.limiter.ready().await;
        self.limiter.take();
        self.next.take()
    }
}
