//! The steps that use tokio, and what does the same; all of it on one thread.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use rate_limited::Limiter;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::threads::plain_loop;
use crate::trial::{Candidate, Trial};

pub const STEPS: [Candidate; 3] = [
    Candidate::new("cancellation", cancellation),
    Candidate::new("rate-limited", rate_limited),
    Candidate::new("dynamic", dynamic),
];

pub const PEERS: [Candidate; 4] = [
    Candidate::new("ideal", plain_loop),
    Candidate::new("JoinSet", join_set),
    Candidate::new("spawn", spawn),
    Candidate::new("unordered", buffer_unordered),
];

/// Runs `future` on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime on this thread starts");
    runtime.block_on(future)
}

fn cancellation(trial: Trial) -> u64 {
    let mut sum = 0;
    let (workers, capacity) = (trial.workers, trial.capacity);
    let pool = cancellation::Pool { workers, capacity };
    let submit_all = async |submitter: cancellation::Submitter<u64>| {
        for job in 0..trial.jobs {
            submitter.submit(job).await?;
        }
        Ok(())
    };
    let cancel = CancellationToken::new();
    let work = move |_, job| async move { trial.work(job) };
    let on_result = |result: u64| sum += result;
    block_on(pool.run(cancel, submit_all, work, on_result, |_| {}));
    sum
}

/// At a rate that allows every start.
fn rate_limited(trial: Trial) -> u64 {
    let mut sum = 0;
    let (workers, capacity) = (trial.workers, trial.capacity);
    let pool = rate_limited::Pool { workers, capacity };
    let limiter = Limiter::new(Duration::ZERO, NonZeroU32::MIN);
    let submit_all = async |submitter: rate_limited::Submitter<u64>| {
        for job in 0..trial.jobs {
            submitter.submit(job).await?;
        }
        Ok(())
    };
    let cancel = CancellationToken::new();
    let work = move |_, job| async move { trial.work(job) };
    let on_result = |result: u64| sum += result;
    block_on(pool.run(cancel, limiter, submit_all, work, on_result));
    sum
}

/// With nothing to scale.
fn dynamic(trial: Trial) -> u64 {
    let pool = dynamic::Pool {
        min_workers: trial.workers,
        max_workers: trial.workers,
        period: Duration::from_secs(2),
        capacity: trial.capacity,
    };
    let work = move |_, job| async move { trial.work(job) };
    block_on(async {
        let (pool, results) = pool.start(work, |_| {});
        let submit_all = async {
            for job in 0..trial.jobs {
                pool.submit(job).await.expect("results are read");
            }
            pool.stop().await;
        };
        let read_all = async {
            let mut sum = 0;
            while let Ok(result) = results.recv().await {
                sum += result;
            }
            sum
        };
        tokio::join!(submit_all, read_all).1
    })
}

/// A task for each job, and a semaphore that limits how many run at a time.
fn join_set(trial: Trial) -> u64 {
    block_on(async {
        let mut sum = 0;
        let permits = Arc::new(Semaphore::new(trial.workers.get()));
        let mut tasks = JoinSet::new();
        for job in 0..trial.jobs {
            let permit = permits.clone().acquire_owned().await;
            let permit = permit.expect("nothing closes the semaphore");
            tasks.spawn(async move {
                let result = trial.work(job);
                drop(permit);
                result
            });
            while let Some(result) = tasks.try_join_next() {
                sum += result.expect("no job panics");
            }
        }
        sum + tasks.join_all().await.into_iter().sum::<u64>()
    })
}

/// A task for each job, all at once.
fn spawn(trial: Trial) -> u64 {
    block_on(async {
        let spawn = |job| tokio::spawn(async move { trial.work(job) });
        let tasks = Vec::from_iter((0..trial.jobs).map(spawn));
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("no job panics");
        }
        sum
    })
}

/// No tasks: a stream that polls so many futures at a time.
fn buffer_unordered(trial: Trial) -> u64 {
    let results = stream::iter(0..trial.jobs).map(|job| async move { trial.work(job) });
    let results = results.buffer_unordered(trial.workers.get());
    block_on(results.fold(0, async |sum, result| sum + result))
}
