//! One adapter a step: it plays a script on the step's real pool. What a job does, and what becomes of events, is up
//! to the harness.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use errors::JobError;
use tokio::runtime::Builder;
use tokio::select;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::script::{Outcome, Script, When};

/// Something that happens in a run. Jobs have their number, workers their id.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A job has been submitted; where the pool takes jobs from an iterator, it has taken this one.
    Submitted { job: usize },
    /// A worker starts a job. The harness records this, and the next.
    Started { worker: usize, job: usize },
    /// A worker has come to the end of a job.
    Finished { worker: usize, job: usize },
    /// The pool reports the outcome of a job.
    Result { job: usize, outcome: Outcome },
    /// The pool hands back a job that it never started.
    HandedBack { job: usize },
    /// The pool is stopped or cancelled.
    Stop,
    /// The pool adds this many workers.
    ScaledUp { count: usize },
    /// The pool retires this many workers.
    ScaledDown { count: usize },
    /// The pool reports that a worker ends.
    Ended { worker: usize },
}

impl Outcome {
    fn result(self) -> Result<(), &'static str> {
        match self {
            Self::Done => Ok(()),
            _ => Err("failed"),
        }
    }
}

/// What plays a script on a pool of threads.
pub trait Threads: Send + Sync {
    /// Does a job.
    fn work(&self, worker: usize, job: usize) -> Outcome;
    /// Waits until this job is to be submitted or, after the last one, until no more come.
    fn arrive(&self, _job: usize) {}
    /// Waits until the pool is to be stopped.
    fn stop(&self, when: When);
    /// Records an event.
    fn record(&self, event: Event);
}

/// What plays a script on a pool of tasks.
pub trait Tasks: Send + Sync {
    /// The time until this job is to be submitted or, after the last one, until no more come.
    fn interval(&self, job: usize) -> Duration;
    /// Does a job, and says which it was.
    fn work(self: Arc<Self>, worker: usize, job: usize) -> BoxFuture<(usize, Outcome)>;
    /// Waits until the pool is to be stopped.
    fn stop(self: Arc<Self>, when: When) -> BoxFuture<()>;
    /// Records an event.
    fn record(&self, event: Event);
}

/// Work that does not wait can be done by tasks as well.
impl<H: Threads + 'static> Tasks for H {
    fn interval(&self, _job: usize) -> Duration {
        Duration::ZERO
    }

    fn work(self: Arc<Self>, worker: usize, job: usize) -> BoxFuture<(usize, Outcome)> {
        Box::pin(async move { (job, Threads::work(&*self, worker, job)) })
    }

    fn stop(self: Arc<Self>, when: When) -> BoxFuture<()> {
        Box::pin(async move { Threads::stop(&*self, when) })
    }

    fn record(&self, event: Event) {
        Threads::record(self, event);
    }
}

/// A future of any type.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Runs a pool from its start to its end. Besides the script, whose jobs only the harness looks at, it gets their number.
#[derive(Clone, Copy, Debug)]
pub enum Adapter {
    /// On threads.
    Threads(fn(&Script, usize, Arc<dyn Threads>) -> io::Result<()>),
    /// On tokio's tasks.
    Tasks(fn(Script, usize, Arc<dyn Tasks>) -> BoxFuture<()>),
}

impl Adapter {
    /// Runs the pool with work that does not wait; tasks run on this thread.
    ///
    /// # Errors
    ///
    /// If the system refuses to start a thread or a runtime.
    pub fn run(
        self,
        script: Script,
        jobs: usize,
        harness: Arc<impl Threads + 'static>,
    ) -> io::Result<()> {
        match self {
            Self::Threads(pool) => pool(&script, jobs, harness),
            Self::Tasks(pool) => {
                let runtime = Builder::new_current_thread().enable_time().build()?;
                runtime.block_on(pool(script, jobs, harness));
                Ok(())
            }
        }
    }
}

/// The numbers of the jobs, each recorded when the pool takes it.
fn taken(jobs: usize, harness: &Arc<dyn Threads>) -> impl Iterator<Item = usize> {
    let arrived = (1..).inspect(|&job| harness.arrive(job));
    let jobs = arrived.take_while(move |&job| job <= jobs);
    jobs.inspect(|&job| harness.record(Event::Submitted { job }))
}

/// Step 1.
pub fn basic(script: &Script, jobs: usize, harness: Arc<dyn Threads>) -> io::Result<()> {
    let (workers, capacity) = (script.workers, script.capacity);
    let pool = basic::Pool { workers, capacity };
    let work = |worker, job| (job, harness.work(worker, job));
    pool.run(taken(jobs, &harness), work, |(job, outcome)| {
        harness.record(Event::Result { job, outcome });
    })
}

/// Step 2.
pub fn waitgroup(script: &Script, jobs: usize, harness: Arc<dyn Threads>) -> io::Result<()> {
    let (workers, capacity) = (script.workers, script.capacity);
    let pool = waitgroup::Pool { workers, capacity };
    let work = |worker, job| (job, harness.work(worker, job));
    pool.run(taken(jobs, &harness), work, |results| {
        for (job, outcome) in results.take(script.reads) {
            harness.record(Event::Result { job, outcome });
        }
    })
}

/// Step 3; the replies are waited for in the order of the jobs.
pub fn job_struct(script: &Script, jobs: usize, harness: Arc<dyn Threads>) -> io::Result<()> {
    use job_struct::{Job, Pool};

    let (workers, capacity) = (script.workers, script.capacity);
    let pool = Pool { workers, capacity };
    let (reply, handles) = channel();
    let jobs = taken(jobs, &harness).map(move |number| {
        let (job, handle) = Job::new(number);
        _ = reply.send((number, handle)); // an error: no more replies are read
        job
    });
    let work = |worker, job: Job<_, _>| job.complete(|job| harness.work(worker, job));

    thread::scope(|scope| {
        let reader = || {
            for (job, handle) in handles.into_iter().take(script.reads) {
                let outcome = handle.wait().unwrap_or(Outcome::Lost);
                harness.record(Event::Result { job, outcome });
            }
        };
        thread::Builder::new().spawn_scoped(scope, reader)?;
        pool.run(jobs, work)
    })
}

/// Step 4.
pub fn cancellation(script: Script, jobs: usize, harness: Arc<dyn Tasks>) -> BoxFuture<()> {
    use cancellation::{Event as Said, Pool, Submitter};

    Box::pin(async move {
        let (workers, capacity) = (script.workers, script.capacity);
        let pool = Pool { workers, capacity };
        let cancel = CancellationToken::new();
        let submit_all = async |submitter: Submitter<usize>| {
            for job in 1..=jobs {
                pause(harness.interval(job), &cancel).await;
                submitter.submit(job).await?;
                harness.record(Event::Submitted { job });
            }
            pause(harness.interval(jobs + 1), &cancel).await;
            Ok(())
        };
        let observe = {
            let harness = harness.clone();
            move |event| {
                let (Said::ShuttingDown { worker } | Said::Finished { worker }) = event;
                harness.record(Event::Ended { worker });
            }
        };
        let run = pool.run(
            cancel.clone(),
            submit_all,
            work(&harness),
            |(job, outcome)| harness.record(Event::Result { job, outcome }),
            observe,
        );
        run_until_stopped(&script, &cancel, &harness, run).await;
    })
}

thread_local! {
    /// The id of the worker on this thread, and the job that it has in flight.
    static IN_FLIGHT: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Step 5. A task says itself that it is done: the pool says only which ones were not.
pub fn dispatcher(script: &Script, jobs: usize, harness: Arc<dyn Threads>) -> io::Result<()> {
    use dispatcher::{Event as Said, Pool};

    let observe = {
        let harness = harness.clone();
        move |event| match event {
            Said::Processing { worker } => IN_FLIGHT.set((worker, 0)),
            Said::Failed { error, .. } => {
                let (_, job) = IN_FLIGHT.get();
                let outcome = match error.to_string().starts_with("panicked: ") {
                    true => Outcome::Panicked,
                    false => Outcome::Failed,
                };
                harness.record(Event::Result { job, outcome });
            }
            Said::Stopping { worker } => harness.record(Event::Ended { worker }),
        }
    };
    let (workers, capacity) = (script.workers, script.capacity);
    let pool = Pool { workers, capacity };
    let pool = pool.start(observe)?;

    let submitter = pool.submitter();
    let submit = |first| {
        for job in (first..=jobs).step_by(script.submitters.get()) {
            harness.arrive(job);
            let task_harness = harness.clone();
            let submitted = submitter.submit(Box::new(move || {
                let (worker, _) = IN_FLIGHT.get();
                IN_FLIGHT.set((worker, job));
                task_harness.work(worker, job).result()?;
                let outcome = Outcome::Done;
                task_harness.record(Event::Result { job, outcome });
                Ok(())
            }));
            harness.record(match submitted {
                Ok(()) => Event::Submitted { job },
                Err(_) => Event::HandedBack { job },
            });
        }
    };
    thread::scope(|scope| {
        match script.submitters.get() {
            1 => submit(1),
            several => (1..=several).for_each(|first| _ = scope.spawn(move || submit(first))),
        }
        if let Some(when) = script.stop {
            harness.stop(when);
        }
        pool.stop();
    });
    Ok(())
}

/// Step 6.
pub fn errors(script: &Script, jobs: usize, harness: Arc<dyn Threads>) -> io::Result<()> {
    let (workers, capacity) = (script.workers, script.capacity);
    let pool = errors::Pool { workers, capacity };
    let work = |worker, &job: &usize| harness.work(worker, job).result();
    pool.run(taken(jobs, &harness), work, |(job, result)| {
        let outcome = match result {
            Ok(()) => Outcome::Done,
            Err(JobError::Failed(_)) => Outcome::Failed,
            Err(JobError::Panicked(_)) => Outcome::Panicked,
        };
        harness.record(Event::Result { job, outcome });
    })
}

/// Step 7.
pub fn rate_limited(script: Script, jobs: usize, harness: Arc<dyn Tasks>) -> BoxFuture<()> {
    use rate_limited::{Limiter, Pool, Submitter};

    Box::pin(async move {
        let (workers, capacity) = (script.workers, script.capacity);
        let pool = Pool { workers, capacity };
        let cancel = CancellationToken::new();
        let limiter = Limiter::new(script.period, script.burst);
        let submit_all = async |submitter: Submitter<usize>| {
            for job in 1..=jobs {
                pause(harness.interval(job), &cancel).await;
                submitter.submit(job).await?;
                harness.record(Event::Submitted { job });
            }
            pause(harness.interval(jobs + 1), &cancel).await;
            Ok(())
        };
        let run = pool.run(
            cancel.clone(),
            limiter,
            submit_all,
            work(&harness),
            |(job, outcome)| harness.record(Event::Result { job, outcome }),
        );
        run_until_stopped(&script, &cancel, &harness, run).await;
    })
}

/// Step 8.
pub fn dynamic(script: Script, jobs: usize, harness: Arc<dyn Tasks>) -> BoxFuture<()> {
    use dynamic::{Event as Said, Pool, Refused};

    Box::pin(async move {
        let pool = Pool {
            min_workers: script.workers,
            max_workers: script.max_workers,
            period: script.period,
            capacity: script.capacity,
        };
        let observe = {
            let harness = harness.clone();
            move |event| match event {
                Said::ScalingUp { count, .. } => harness.record(Event::ScaledUp { count }),
                Said::ScalingDown { count } => harness.record(Event::ScaledDown { count }),
                Said::ShuttingDown { worker } | Said::Finished { worker } => {
                    harness.record(Event::Ended { worker });
                }
                Said::Panicked { .. } => {} // the job has no result
            }
        };
        let (pool, results) = pool.start(work(&harness), observe);

        let consume = async {
            let results = results; // dropped after the last read
            for _ in 0..script.reads {
                let Ok((job, outcome)) = results.recv().await else {
                    return;
                };
                harness.record(Event::Result { job, outcome });
            }
        };
        let never = CancellationToken::new();
        let produce = async {
            for job in 1..=jobs {
                pause(harness.interval(job), &never).await;
                harness.record(match pool.submit(job).await {
                    Ok(()) => Event::Submitted { job },
                    Err(Refused(job)) => Event::HandedBack { job },
                });
            }
            if let Some(when) = script.stop {
                harness.clone().stop(when).await;
            }
            pool.stop().await;
        };
        tokio::join!(biased; produce, consume);
    })
}

/// Waits before a submission, unless that is cancelled.
async fn pause(interval: Duration, cancel: &CancellationToken) {
    if !interval.is_zero() {
        cancel.run_until_cancelled(sleep(interval)).await;
    }
}

/// The work of a pool of tasks.
fn work(
    harness: &Arc<dyn Tasks>,
) -> impl Fn(usize, usize) -> BoxFuture<(usize, Outcome)> + Clone + Send + 'static {
    let harness = harness.clone();
    move |worker, job| harness.clone().work(worker, job)
}

/// Cancels the run when the harness says so, and records the jobs that it hands back.
async fn run_until_stopped(
    script: &Script,
    cancel: &CancellationToken,
    harness: &Arc<dyn Tasks>,
    run: impl Future<Output = Vec<usize>>,
) {
    let stop = async {
        if let Some(when) = script.stop {
            harness.clone().stop(when).await;
            cancel.cancel();
        }
        pending().await
    };
    let unstarted = select! {
        biased;
        never = stop => never,
        unstarted = run => unstarted,
    };
    for job in unstarted {
        harness.record(Event::HandedBack { job });
    }
}
