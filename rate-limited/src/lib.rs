#![doc = "[timeline]: ../../../rate-limited/timeline.svg"] // as seen from target/doc
#![doc = include_str!("../README.md")]

mod limiter;

use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::panic;
use std::pin::pin;
use std::sync::Arc;

use async_channel::{Receiver, SendError, Sender, TrySendError, bounded};
use tokio::select;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

pub use limiter::Limiter;

/// A fixed number of worker tasks on one shared queue of jobs, and one limiter for all of them.
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
    /// `work` gets the worker's id, from 1, and the job. It is called in the order in which the jobs
    /// were submitted, each time when `limiter` allows it. On a runtime of several threads, two of the
    /// futures that it returns may begin in any order.
    ///
    /// After a cancel, `submit` refuses jobs, no worker starts another one, those in flight are
    /// finished, and their results delivered. On a runtime of several threads, a job that a worker is
    /// taking at the moment of the cancel may still start. When this returns, every worker has ended.
    ///
    /// Dropping the future aborts the workers where they wait, and the jobs that they have in flight.
    ///
    /// # Panics
    ///
    /// If `submit_all`, `work` or `on_result` panics, with the same panic, and if the limiter has to
    /// wait in a runtime without timers. A panic in `work` ends one worker, and the others do the
    /// remaining jobs first; without any other, the remaining jobs are dropped. A panic in `submit_all`
    /// or `on_result` aborts the workers.
    ///
    /// If the runtime shuts down meanwhile, there is no panic: the jobs in flight are lost, and this
    /// returns the others.
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
            next: None,
            limiter,
        }));

        let mut workers = JoinSet::new();
        for id in 1..=self.workers.get() {
            let (cancel, gate, reply) = (cancel.clone(), gate.clone(), reply.clone());
            let work = work.clone();
            workers.spawn(worker(id, cancel, gate, reply, work));
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
        let next = gate.lock().await.next.take();
        let queued = std::iter::from_fn(|| queue.try_recv().ok());
        let refused = submitted.err().map(|Refused(job)| job);
        next.into_iter().chain(queued).chain(refused).collect()
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
    gate: Arc<Mutex<Gate<J>>>,
    reply: Sender<R>,
    work: impl Fn(usize, J) -> W,
) {
    while let Some((job, turn)) = next_job(&cancel, &gate).await {
        let result = work(id, job);
        drop(turn); // only now may the job after it start
        if reply.send(result.await).await.is_err() {
            return;
        }
    }
}

/// Takes the next job when it may start, and holds the gate: none if the pool is cancelled, or the queue
/// is closed and empty.
async fn next_job<'a, J>(
    cancel: &CancellationToken,
    gate: &'a Mutex<Gate<J>>,
) -> Option<(J, MutexGuard<'a, Gate<J>>)> {
    let pass = async {
        let mut turn = gate.lock().await;
        Some((turn.pass().await?, turn))
    };
    select! {
        biased; // cancellation first: a choice at random would go on starting jobs after it
        () = cancel.cancelled() => None,
        next = pass => next,
    }
}

/// Where one worker at a time waits, for a job and then for the limiter.
///
/// The others wait for the lock meanwhile, in the order in which they became free. So jobs start in
/// the order of the queue.
struct Gate<J> {
    queue: Receiver<J>,
    /// The job that waits for the limiter. A worker that is cancelled meanwhile leaves it here.
    next: Option<J>,
    limiter: Limiter,
}

impl<J> Gate<J> {
    /// Waits until the next job may start: none if the queue is closed and empty.
    async fn pass(&mut self) -> Option<J> {
        if self.next.is_none() {
            self.next = Some(self.queue.recv().await.ok()?);
        }
        self.limiter.ready().await;
        self.limiter.take();
        self.next.take()
    }
}
