//! Step 8: a pool that grows and shrinks with its load. The lesson is in `README.md`.
#![cfg_attr(doctest, doc = include_str!("../README.md"))] // its examples are tested

mod event;
mod scaler;

use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, SendError, Sender, bounded};
use tokio::select;
use tokio::task::{JoinHandle, coop::consume_budget};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use scaler::Scaler;

pub use event::Event;

/// Works until retired, or the queue is closed and empty. Closes and empties it if the results were dropped.
async fn worker<J, R, W: Future<Output = R>>(
    id: usize,
    retirements: Receiver<()>,
    queue: Receiver<J>,
    reply: Sender<R>,
    work: Arc<impl Fn(usize, J) -> W>,
) -> Event {
    loop {
        match next_job(id, &retirements, &queue).await {
            Ok(job) => {
                if reply.send(work(id, job).await).await.is_err() {
                    queue.close(); // no result is read any more: no job is wanted
                    while queue.try_recv().is_ok() {}
                }
            }
            Err(end) => return end,
        }
    }
}

/// Takes the next job, or says why this worker ends.
async fn next_job<J>(
    id: usize,
    retirements: &Receiver<()>,
    queue: &Receiver<J>,
) -> Result<J, Event> {
    consume_budget().await; // now and then lets others run: an `await` that is ready does not
    if retirements.is_empty()
        && let Ok(job) = queue.try_recv()
    {
        return Ok(job); // entering `select!`, even if there is a job, costs more than a short one
    }
    select! {
        biased; // retirement first: it was decided before the next job came
        _ = retirements.recv() => Err(Event::ShuttingDown { worker: id }),
        job = queue.recv() => job.map_err(|_closed| Event::Finished { worker: id }),
    }
}

/// A pool that has been started. Dropping it closes the queue, and the workers do the jobs in it.
#[derive(Debug)]
pub struct RunningPool<J> {
    submit: Sender<J>,
    scaler: JoinHandle<()>,
}

impl<J> RunningPool<J> {
    /// Submits a job, waiting while the queue is full.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the job, if the results were dropped and a worker has noticed, or the runtime
    /// has shut down.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it waits, for example by a timeout around it, its job is lost.
    /// To keep the job, pin the future, put the timeout around a `&mut` to it, and await it again.
    ///
    /// ```
    /// use std::{pin::pin, time::Duration};
    /// use dynamic::{Refused, RunningPool};
    /// use tokio::time::timeout;
    ///
    /// async fn submit(pool: &RunningPool<u32>, job: u32) -> Result<(), Refused<u32>> {
    ///     let mut submitted = pin!(pool.submit(job));
    ///     if let Ok(submitted) = timeout(Duration::from_secs(1), &mut submitted).await {
    ///         return submitted;
    ///     }
    ///     println!("the queue is full");
    ///     submitted.await // it still has the job
    /// }
    /// ```
    pub async fn submit(&self, job: J) -> Result<(), Refused<J>> {
        consume_budget().await;
        let sent = self.submit.send(job).await;
        sent.map_err(|SendError(job)| Refused(job))
    }

    /// Number of jobs that wait in the queue: a snapshot, which may have changed when it is read.
    ///
    /// ```
    /// fn is_behind(pool: &dynamic::RunningPool<u32>) -> bool {
    ///     pool.queue_len() > 100
    /// }
    /// ```
    pub fn queue_len(&self) -> usize {
        self.submit.len()
    }

    /// Closes the queue, and waits until every job in it is done and every worker has ended.
    ///
    /// If the results were dropped, the jobs in the queue are dropped instead. This waits for ever if
    /// more results wait than there is room for and none is read, or if a job of this pool awaits it.
    ///
    /// If the runtime shuts down meanwhile, this returns. The jobs in the queue are dropped, and those
    /// in flight are aborted where they wait, except for what runs on other threads, such as
    /// `spawn_blocking`.
    ///
    /// ```
    /// async fn finish(pool: dynamic::RunningPool<u32>) {
    ///     pool.stop().await; // every job is done
    /// }
    /// ```
    pub async fn stop(self) {
        drop(self.submit);
        _ = self.scaler.await; // an error: the runtime is shutting down
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

/// As many worker tasks on one shared queue of jobs as the queue asks for.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Minimum number of worker tasks. The pool starts with as many.
    pub min_workers: NonZeroUsize,
    /// Maximum number of worker tasks. A value below the minimum counts as the minimum.
    pub max_workers: NonZeroUsize,
    /// Time from one look of the scaler at the queue to the next: at least a millisecond, the
    /// resolution of timers.
    pub period: Duration,
    /// Number of jobs that may wait in the queue, and of results that may wait to be read. Memory
    /// for all of them is allocated at the start; too little memory is a panic or ends the program.
    pub capacity: NonZeroUsize,
}

/// What the scaler does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Add this many workers.
    Add(usize),
    /// Retire this many workers.
    Remove(usize),
    /// Leave the workers as they are.
    Keep,
}

impl Pool {
    /// Decides how many workers to add or remove, from the number of jobs in the queue and of workers.
    ///
    /// A queue of more than two jobs for each worker adds half as many workers as it has jobs. An empty
    /// queue removes half of the workers. Both stay within the minimum and the maximum. A queue of one or
    /// two jobs for each worker changes nothing: these jobs may wait behind long ones, whatever the
    /// maximum.
    ///
    /// ```
    /// let one = std::num::NonZeroUsize::MIN;
    /// let (five, period) = (one.saturating_add(4), std::time::Duration::from_secs(1));
    /// let pool = dynamic::Pool { min_workers: one, max_workers: five, period, capacity: one };
    /// assert_eq!(pool.decide(20, 2), dynamic::Decision::Add(3));
    /// ```
    pub fn decide(&self, queue: usize, workers: usize) -> Decision {
        let max_workers = self.max_workers.max(self.min_workers).get();
        let add = (queue / 2).min(max_workers.saturating_sub(workers));
        let remove = (workers / 2).min(workers.saturating_sub(self.min_workers.get()));
        if queue > workers.saturating_mul(2) && add > 0 {
            Decision::Add(add)
        } else if queue == 0 && remove > 0 {
            Decision::Remove(remove)
        } else {
            Decision::Keep
        }
    }

    /// Starts the pool, which does `work` on every job that is submitted, and returns its results.
    /// They end when the pool does. While they are not read, workers wait with theirs.
    ///
    /// `work` gets the worker's id, from 1 and never used again, and the job. A panic in `work` becomes
    /// an [`Event::Panicked`]: its job has no result, and another worker replaces the one that it ended.
    /// `observe` gets one event at a time. If it panics, that event is lost and nothing else.
    ///
    /// If the results are dropped, the pool ends as soon as a worker has another result: the jobs in the
    /// queue are dropped, and `submit` refuses more.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, and in one without timers, with tokio's own message.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let one = std::num::NonZeroUsize::MIN;
    /// let (five, period) = (one.saturating_add(4), std::time::Duration::from_secs(1));
    /// let pool = dynamic::Pool { min_workers: one, max_workers: five, period, capacity: one };
    /// let (pool, results) = pool.start(|_worker, job| async move { job * 2 }, drop);
    /// pool.submit(21).await.expect("the results are read");
    /// assert_eq!(results.recv().await, Ok(42));
    /// # }
    /// ```
    pub fn start<J, R, W>(
        self,
        work: impl Fn(usize, J) -> W + Send + Sync + 'static,
        observe: impl FnMut(Event) + Send + 'static,
    ) -> (RunningPool<J>, Receiver<R>)
    where
        J: Send + 'static, // tokio's `spawn` asks for `Send` and `'static`
        R: Send + 'static,
        W: Future<Output = R> + Send + 'static,
    {
        let (submit, queue) = bounded(self.capacity.get());
        let (reply, results) = bounded(self.capacity.get());

        let period = self.period.clamp(MILLISECOND, FAR_FUTURE);
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);

        let scaler = Scaler::new(self, queue, reply, Arc::new(work));
        let scaler = tokio::spawn(scaler.run(ticks, observe));
        (RunningPool { submit, scaler }, results)
    }
}

/// The resolution of timers.
const MILLISECOND: Duration = Duration::from_millis(1);

/// About 30 years. Longer periods are clamped to this, so that `Instant + period` cannot overflow.
const FAR_FUTURE: Duration = Duration::from_secs(1_000_000_000);
