//! Each step's real pool, run through its library: what it does and what is watched is the host's.

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;
use std::num::{NonZeroU32, NonZeroUsize};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use cancellation::Refused;
use errors::{JobError, OnFailure};
use tokio::select;
use tokio_util::sync::CancellationToken;

/// How a pool is built, and how many jobs it gets. Each step takes of it what it knows.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Workers; for `dynamic` the fewest.
    pub workers: NonZeroUsize,
    /// For `dynamic`, the most.
    pub max_workers: NonZeroUsize,
    /// Jobs that may wait in the queue, and results that may wait to be read.
    pub capacity: NonZeroUsize,
    /// Jobs to hand in, numbered from 1.
    pub jobs: usize,
    /// For `waitgroup`, `job-struct` and `dynamic`, results to read before nobody does any more.
    pub reads: usize,
    /// For `rate-limited`, the time between two starts; for `dynamic`, between two looks at the queue.
    pub period: Duration,
    /// For `rate-limited`, how many missed starts may be made up for at once.
    pub burst: NonZeroU32,
    /// For `errors`, whether one failure ends it all.
    pub on_failure: OnFailure,
    /// For `dispatcher`, whether it may be stopped before every job is handed in.
    pub stop_early: bool,
    /// For `dispatcher`, how many threads hand in the jobs.
    pub submitters: NonZeroUsize,
    /// For pools that can be stopped or cancelled, how.
    pub ending: Ending,
}

/// How a pool is ended before it ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is stopped or cancelled.
    Stop,
    /// It is cancelled twice; no pool can be stopped twice.
    Twice,
    /// It is dropped instead.
    Drop,
    /// `dispatcher` is stopped from within a task.
    FromTask,
}

/// What a job comes to, unless it panics.
pub type Outcome = Result<(), Failure>;

/// The error of a job that is to fail.
#[derive(Clone, Copy, Debug)]
pub struct Failure;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the job failed")
    }
}

impl Error for Failure {}

/// What there is to say about a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A job is in the queue; only from pools that are handed their jobs one by one.
    Submitted {
        /// Which one.
        job: usize,
    },
    /// A worker starts a job. The host's work says so, and the next.
    Started {
        /// Who.
        worker: usize,
        /// What.
        job: usize,
    },
    /// A worker has come to the end of a job.
    Finished {
        /// Who.
        worker: usize,
        /// What.
        job: usize,
    },
    /// The pool says what a job came to.
    Result {
        /// Which one.
        job: usize,
        /// To what.
        end: End,
    },
    /// The pool gives a job back that it never started.
    HandedBack {
        /// Which one.
        job: usize,
    },
    /// The host has stopped or cancelled the pool.
    Stop,
    /// The pool adds workers.
    ScaledUp {
        /// How many.
        count: usize,
    },
    /// The pool retires workers.
    ScaledDown {
        /// How many.
        count: usize,
    },
    /// The pool says that a worker ends.
    Ended {
        /// Who.
        worker: usize,
    },
}

/// What a job came to, as far as the pool can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A result.
    Done,
    /// An error.
    Failed,
    /// A panic, contained.
    Panicked,
    /// Nothing: the reply was lost.
    Lost,
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok(()) => Self::Done,
            Err(Failure) => Self::Failed,
        }
    }
}

/// What a pool of threads works for.
pub trait Threads: Send + Sync {
    /// Does a job.
    fn work(&self, worker: usize, job: usize) -> Outcome;
    /// Waits until the pool is to stop; only asked by pools that can be stopped.
    fn stop(&self);
    /// Hears what the pool has to say.
    fn hear(&self, event: Event);
}

/// What a pool of tasks works for.
pub trait Tasks: Send + Sync {
    /// Waits until a job is to be handed in; only asked by pools that are handed them one by one.
    fn submit(&self, job: usize) -> Later<()>;
    /// Does a job.
    fn work(&self, worker: usize, job: usize) -> Later<Outcome>;
    /// Waits until the pool is to stop.
    fn stop(&self) -> Later<()>;
    /// Hears what the pool has to say.
    fn hear(&self, event: Event);
}

/// A future whose type does not matter.
pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Runs a pool from its start to its end.
#[derive(Clone, Copy, Debug)]
pub enum Adapter {
    /// On threads.
    Threads(fn(Plan, Arc<dyn Threads>) -> io::Result<()>),
    /// On tokio's tasks.
    Tasks(fn(Plan, Arc<dyn Tasks>) -> Later<()>),
}

/// Step 1.
pub fn basic(plan: Plan, host: Arc<dyn Threads>) -> io::Result<()> {
    let pool = basic::Pool {
        workers: plan.workers,
        capacity: plan.capacity,
    };
    let work = |worker, job| (job, host.work(worker, job).into());
    pool.run(1..=plan.jobs, work, |(job, end)| {
        host.hear(Event::Result { job, end });
    })
}

/// Step 2.
pub fn waitgroup(plan: Plan, host: Arc<dyn Threads>) -> io::Result<()> {
    let pool = waitgroup::Pool {
        workers: plan.workers,
        capacity: plan.capacity,
    };
    let work = |worker, job| (job, host.work(worker, job).into());
    pool.run(1..=plan.jobs, work, |results| {
        for (job, end) in results.take(plan.reads) {
            host.hear(Event::Result { job, end });
        }
    })
}

/// Step 3; the replies are waited for in the order of the jobs.
pub fn job_struct(plan: Plan, host: Arc<dyn Threads>) -> io::Result<()> {
    use job_struct::{Job, Pool};

    let pool = Pool {
        workers: plan.workers,
        capacity: plan.capacity,
    };
    let (jobs, replies): (Vec<_>, Vec<_>) = (1..=plan.jobs).map(Job::new).unzip();
    let work = |worker, job: Job<_, _>| job.complete(|job| host.work(worker, job).into());

    thread::scope(|scope| {
        scope.spawn(|| {
            for (job, reply) in (1..).zip(replies).take(plan.reads) {
                let end = reply.wait().unwrap_or(End::Lost);
                host.hear(Event::Result { job, end });
            }
        });
        pool.run(jobs, work)
    })
}

/// Step 4.
pub fn cancellation(plan: Plan, host: Arc<dyn Tasks>) -> Later<()> {
    use cancellation::{Event as Said, Pool, Submitter};

    Box::pin(async move {
        let pool = Pool {
            workers: plan.workers,
            capacity: plan.capacity,
        };
        let cancel = CancellationToken::new();
        let produce = async |submitter: Submitter<usize>| {
            for job in 1..=plan.jobs {
                cancel.run_until_cancelled(host.submit(job)).await;
                if let Err(Refused(job)) = submitter.submit(job).await {
                    return host.hear(Event::HandedBack { job });
                }
                host.hear(Event::Submitted { job });
            }
        };
        let observe = {
            let host = host.clone();
            move |event| {
                let (Said::ShuttingDown { worker } | Said::Finished { worker }) = event;
                host.hear(Event::Ended { worker });
            }
        };
        let run = pool.run(
            cancel.clone(),
            produce,
            work(&host),
            |(job, end)| host.hear(Event::Result { job, end }),
            observe,
        );
        let unstarted = stoppable(plan.ending, &cancel, &host, run).await;
        for job in unstarted.into_iter().flatten() {
            host.hear(Event::HandedBack { job });
        }
    })
}

thread_local! {
    /// The worker and the job that this thread is, and has in hand.
    static IN_HAND: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Step 5. A task says itself that it is done: the pool says only which ones were not.
pub fn dispatcher(plan: Plan, host: Arc<dyn Threads>) -> io::Result<()> {
    use dispatcher::{Event as Said, Pool};

    let observe = {
        let host = host.clone();
        move |event| match event {
            Said::Processing { worker } => IN_HAND.set((worker, 0)),
            Said::Failed { error, .. } => {
                let (_, job) = IN_HAND.get();
                let end = match error.is::<Failure>() {
                    true => End::Failed,
                    false => End::Panicked,
                };
                host.hear(Event::Result { job, end });
            }
            Said::Stopping { worker } => host.hear(Event::Ended { worker }),
        }
    };
    let (alive, ended) = mpsc::channel::<Infallible>();
    let observe = move |event| {
        let _alive = &alive; // as long as a worker has its clone of this
        observe(event);
    };
    let pool = Pool::start(plan.workers, plan.capacity, observe)?;

    let submitter = pool.submitter();
    let submit = |first| {
        for job in (first..=plan.jobs).step_by(plan.submitters.get()) {
            let task_host = host.clone();
            let submitted = submitter.submit(Box::new(move || {
                let (worker, _) = IN_HAND.get();
                IN_HAND.set((worker, job));
                task_host.work(worker, job)?;
                let end = End::Done;
                task_host.hear(Event::Result { job, end });
                Ok(())
            }));
            host.hear(match submitted {
                Ok(()) => Event::Submitted { job },
                Err(_) => Event::HandedBack { job },
            });
        }
    };
    thread::scope(|scope| {
        let submitters =
            (1..=plan.submitters.get()).map(|first| scope.spawn(move || submit(first)));
        let submitters = Vec::from_iter(submitters);
        if !plan.stop_early {
            for submitter in submitters {
                submitter.join().expect("what it calls does not panic");
            }
        }
        host.stop();
        match plan.ending {
            Ending::Stop | Ending::Twice => pool.stop(),
            Ending::Drop => drop(pool),
            Ending::FromTask => {
                let task = Box::new(move || {
                    pool.stop();
                    Ok(())
                });
                submitter
                    .submit(task)
                    .expect("the pool runs until it runs this");
                _ = ended.recv(); // an error: every worker has ended
            }
        }
    });
    Ok(())
}

/// Step 6.
pub fn errors(plan: Plan, host: Arc<dyn Threads>) -> io::Result<()> {
    let pool = errors::Pool {
        workers: plan.workers,
        capacity: plan.capacity,
        on_failure: plan.on_failure,
    };
    let work = |worker, &job: &usize| host.work(worker, job);
    let unstarted = pool.run(1..=plan.jobs, work, |job, result| {
        let end = match result {
            Ok(()) => End::Done,
            Err(JobError::Failed(Failure)) => End::Failed,
            Err(JobError::Panicked(_)) => End::Panicked,
        };
        host.hear(Event::Result { job, end });
    })?;
    for job in unstarted {
        host.hear(Event::HandedBack { job });
    }
    Ok(())
}

/// Step 7.
pub fn rate_limited(plan: Plan, host: Arc<dyn Tasks>) -> Later<()> {
    use rate_limited::{Limiter, Pool};

    Box::pin(async move {
        let pool = Pool {
            workers: plan.workers,
            capacity: plan.capacity,
        };
        let cancel = CancellationToken::new();
        let limiter = Limiter::new(plan.period, plan.burst);
        let run = pool.run(
            cancel.clone(),
            limiter,
            1..=plan.jobs,
            work(&host),
            |(job, end)| host.hear(Event::Result { job, end }),
        );
        let unstarted = stoppable(plan.ending, &cancel, &host, run).await;
        for job in unstarted.into_iter().flatten() {
            host.hear(Event::HandedBack { job });
        }
    })
}

/// Step 8.
pub fn dynamic(plan: Plan, host: Arc<dyn Tasks>) -> Later<()> {
    use dynamic::{Event as Said, Pool, Refused, Scale};

    Box::pin(async move {
        let scale = Scale {
            min: plan.workers,
            max: plan.max_workers,
            period: plan.period,
            capacity: plan.capacity,
        };
        let observe = {
            let host = host.clone();
            move |event| match event {
                Said::ScalingUp { count, .. } => host.hear(Event::ScaledUp { count }),
                Said::ScalingDown { count } => host.hear(Event::ScaledDown { count }),
                Said::ShuttingDown { worker } | Said::Finished { worker } => {
                    host.hear(Event::Ended { worker });
                }
                Said::Panicked { .. } => {} // the job has no result
            }
        };
        let (pool, results) = Pool::start(scale, work(&host), observe);

        let consume = async {
            let results = results; // dropped once nobody reads any more
            for _ in 0..plan.reads {
                let Ok((job, end)) = results.recv().await else {
                    return;
                };
                host.hear(Event::Result { job, end });
            }
        };
        let produce = async {
            for job in 1..=plan.jobs {
                host.submit(job).await;
                host.hear(match pool.submit(job).await {
                    Ok(()) => Event::Submitted { job },
                    Err(Refused(job)) => Event::HandedBack { job },
                });
            }
            host.stop().await;
            match plan.ending {
                Ending::Drop => drop(pool),
                _ => pool.stop().await,
            }
        };
        tokio::join!(biased; produce, consume);
    })
}

/// The work of a pool of tasks: its result says which job it is of.
fn work(
    host: &Arc<dyn Tasks>,
) -> impl Fn(usize, usize) -> Later<(usize, End)> + Clone + Send + 'static {
    let host = host.clone();
    move |worker, job| {
        let outcome = host.work(worker, job);
        Box::pin(async move { (job, outcome.await.into()) })
    }
}

/// Ends a run when the host says so; nothing is left of one that is dropped.
async fn stoppable<T>(
    ending: Ending,
    cancel: &CancellationToken,
    host: &Arc<dyn Tasks>,
    run: impl Future<Output = T>,
) -> Option<T> {
    let mut run = Box::pin(run);
    select! {
        biased;
        () = host.stop() => {}
        ended = &mut run => return Some(ended),
    }
    if ending == Ending::Drop {
        return None;
    }
    cancel.cancel();
    if ending == Ending::Twice {
        cancel.cancel();
    }
    Some(run.await)
}
