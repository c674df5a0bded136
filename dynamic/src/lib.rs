#![doc = "[timeline]: ../../../dynamic/timeline.svg"] // as seen from target/doc
#![doc = include_str!("../README.md")]

mod event;

use std::error::Error;
use std::fmt;
use std::iter;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use async_channel::{Receiver, SendError, Sender, bounded, unbounded};
use tokio::select;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

pub use event::Event;

/// How many workers there may be, and how often that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Workers to start with, and to keep.
    pub min: NonZeroUsize,
    /// Workers never to exceed; less than `min` is as good as `min`.
    pub max: NonZeroUsize,
    /// How often the scaler looks at the queue; at least a millisecond, the resolution of timers.
    pub period: Duration,
    /// Jobs that may wait in the queue, and results that may wait to be read.
    pub capacity: NonZeroUsize,
}

/// What the scaler does about what it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Start this many workers.
    Add(usize),
    /// Retire this many workers.
    Remove(usize),
    /// Leave them as they are.
    Keep,
}

/// The scaler's rule: grow by half the queue once it is longer than two jobs a worker, shrink by
/// half the workers once it is empty, and stay between `min` and `max`.
pub fn decide(queue: usize, workers: usize, min: usize, max: usize) -> Decision {
    let add = (queue / 2).min(max.saturating_sub(workers));
    let remove = (workers / 2).min(workers.saturating_sub(min));
    if queue > workers.saturating_mul(2) && add > 0 {
        Decision::Add(add)
    } else if queue == 0 && remove > 0 {
        Decision::Remove(remove)
    } else {
        Decision::Keep
    }
}

/// A running pool. Dropping it closes the queue and leaves the workers to empty it.
#[derive(Debug)]
pub struct Pool<J> {
    queue: Sender<J>,
    scaler: JoinHandle<()>,
}

impl<J: Send + 'static> Pool<J> {
    /// Starts the pool, which does `work` on every job that is submitted, and gives its results:
    /// they end when the pool has. Results not read are back-pressure: workers wait with theirs.
    ///
    /// `work` gets the worker's id, from 1 and never used again, and the job. A panic in `work` is
    /// an [`Event::Panicked`], its job has no result, and another worker takes the place of the one
    /// it ended. `observe` sees one event at a time; if it panics, that event is lost and nothing
    /// else.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start<R, W>(
        scale: Scale,
        work: impl Fn(usize, J) -> W + Clone + Send + 'static,
        mut observe: impl FnMut(Event) + Send + 'static,
    ) -> (Self, Receiver<R>)
    where
        R: Send + 'static,
        W: Future<Output = R> + Send + 'static,
    {
        let (submit, queue) = bounded(scale.capacity.get());
        let (reply, results) = bounded(scale.capacity.get());
        let (retire, retired) = unbounded();

        let worker = {
            let (queue, retired) = (queue.clone(), retired.clone());
            move |id| {
                let (queue, retired, reply) = (queue.clone(), retired.clone(), reply.clone());
                worker(id, queue, retired, reply, work.clone())
            }
        };
        let observe = move |event| {
            _ = catch_unwind(AssertUnwindSafe(|| observe(event))).map_err(event::message);
        };
        let pool = Self {
            queue: submit,
            scaler: tokio::spawn(scaler(scale, queue, (retire, retired), worker, observe)),
        };
        (pool, results)
    }

    /// Hands in a job, waiting while the queue is full.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the job, once a worker has found that nobody reads results any more.
    pub async fn submit(&self, job: J) -> Result<(), Refused<J>> {
        let sent = self.queue.send(job).await;
        sent.map_err(|SendError(job)| Refused(job))
    }

    /// How many jobs wait in the queue.
    pub fn queue_len(&self) -> usize {
        self.queue.len()
    }

    /// Closes the queue and waits until every job in it is done and every worker has ended: for
    /// ever, if there are more results than have room and nobody reads them.
    pub async fn stop(self) {
        drop(self.queue);
        self.scaler.await.expect("panics are contained");
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

/// Keeps as many workers as the queue asks for; ends when they all have.
async fn scaler<J, W: Future<Output = Event> + Send + 'static>(
    scale: Scale,
    queue: Receiver<J>,
    (retire, retired): (Sender<()>, Receiver<()>),
    worker: impl Fn(usize) -> W,
    mut observe: impl FnMut(Event),
) {
    let (min, max) = (scale.min.get(), scale.max.get());
    let period = scale.period.clamp(MILLISECOND, AGES);
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);

    let mut tasks = JoinSet::new();
    let mut ids = 1..;
    let mut add = move |tasks: &mut JoinSet<Event>, count| {
        for id in ids.by_ref().take(count) {
            tasks.spawn(worker(id));
        }
    };
    add(&mut tasks, min);
    let mut workers = min; // not counting those who are to retire, even if they are still busy
    let mut ending = false;

    loop {
        select! {
            biased; // first what has happened, then what to do about it
            ended = tasks.join_next() => match ended {
                Some(Ok(event)) => {
                    if let Event::Finished { .. } = event {
                        ending = true; // so will the others
                        queue.close(); // what is submitted now is refused
                    }
                    observe(event);
                }
                Some(Err(error)) => {
                    let Ok(panic) = error.try_into_panic() else {
                        return; // the runtime is shutting down
                    };
                    observe(Event::Panicked { message: event::message(panic) });
                    add(&mut tasks, 1);
                }
                None => return,
            },
            _ = ticks.tick(), if !ending => {
                let queue = queue.len();
                match decide(queue, workers, min, max) {
                    Decision::Add(count) => {
                        observe(Event::ScalingUp { count, queue });
                        // Whoever was to retire but has been busy since stays.
                        let stay = iter::from_fn(|| retired.try_recv().ok()).take(count).count();
                        add(&mut tasks, count - stay);
                        workers += count;
                    }
                    Decision::Remove(count) => {
                        observe(Event::ScalingDown { count });
                        for _ in 0..count {
                            retire.try_send(()).expect("an open channel without bounds has room");
                        }
                        workers -= count;
                    }
                    Decision::Keep => {}
                }
            }
        }
    }
}

/// Works until retired, the queue is closed and empty, or nobody reads results any more.
async fn worker<J, R, W: Future<Output = R>>(
    id: usize,
    queue: Receiver<J>,
    retired: Receiver<()>,
    reply: Sender<R>,
    work: impl Fn(usize, J) -> W,
) -> Event {
    loop {
        let job = select! {
            biased; // retiring first: it was decided before the next job came
            _ = retired.recv() => return Event::ShuttingDown { worker: id },
            job = queue.recv() => job,
        };
        let Ok(job) = job else {
            return Event::Finished { worker: id };
        };
        if reply.send(work(id, job).await).await.is_err() {
            return Event::Finished { worker: id };
        }
    }
}

/// The resolution of timers.
const MILLISECOND: Duration = Duration::from_millis(1);

/// Some 30 years: a period longer than this is as good as this, and can be added to the time of day.
const AGES: Duration = Duration::from_secs(1_000_000_000);
