//! The steps that use tokio, and what else does the same; all of it on one thread.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use governor::{Quota, RateLimiter};
use rate_limited::Limiter;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::contest::Contender;
use crate::threads::{CAPACITY, plain_loop};
use crate::work::Load;

pub const STEPS: [Contender; 3] = [
    Contender::new("cancellation", cancellation),
    Contender::new("rate-limited", rate_limited),
    Contender::new("dynamic", dynamic),
];

pub const PEERS: [Contender; 5] = [
    Contender::new("ideal", plain_loop),
    Contender::new("JoinSet", join_set),
    Contender::new("spawn", spawn),
    Contender::new("unordered", buffer_unordered),
    Contender::new("governor", governor),
];

pub fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime on this thread starts")
}

pub fn cancellation(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    let mut sum = 0;
    let pool = cancellation::Pool {
        workers,
        capacity: CAPACITY,
    };
    let submit_all = async |submitter: cancellation::Submitter<u64>| {
        for job in 0..jobs {
            submitter.submit(job).await?;
        }
        Ok(())
    };
    runtime().block_on(pool.run(
        CancellationToken::new(),
        submit_all,
        move |_, job| async move { load.work(job) },
        |result: u64| sum += result,
        |_| {},
    ));
    sum
}

/// At a rate that allows every start.
pub fn rate_limited(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    let mut sum = 0;
    let pool = rate_limited::Pool {
        workers,
        capacity: CAPACITY,
    };
    runtime().block_on(async {
        let work = move |_, job| async move { load.work(job) };
        let limiter = Limiter::new(Duration::ZERO, NonZeroU32::MIN);
        let cancel = CancellationToken::new();
        let submit_all = async |submitter: rate_limited::Submitter<u64>| {
            for job in 0..jobs {
                submitter.submit(job).await?;
            }
            Ok(())
        };
        let on_result = |result: u64| sum += result;
        _ = pool.run(cancel, limiter, submit_all, work, on_result).await;
    });
    sum
}

/// With nothing to scale.
pub fn dynamic(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    let pool = dynamic::Pool {
        min_workers: workers,
        max_workers: workers,
        period: Duration::from_secs(2),
        capacity: CAPACITY,
    };
    runtime().block_on(async {
        let work = move |_, job| async move { load.work(job) };
        let (pool, results) = pool.start(work, |_| {});
        let submit = async {
            for job in 0..jobs {
                pool.submit(job).await.expect("results are read");
            }
            pool.stop().await;
        };
        let add_up = async {
            let mut sum = 0;
            while let Ok(result) = results.recv().await {
                sum += result;
            }
            sum
        };
        tokio::join!(submit, add_up).1
    })
}

/// A task for each job, and a semaphore so that only so many run at a time.
fn join_set(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    runtime().block_on(async {
        let mut sum = 0;
        let permits = Arc::new(Semaphore::new(workers.get()));
        let mut tasks = JoinSet::new();
        for job in 0..jobs {
            let permit = permits.clone().acquire_owned().await;
            let permit = permit.expect("nobody closes the semaphore");
            tasks.spawn(async move {
                let result = load.work(job);
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
fn spawn(load: Load, _workers: NonZeroUsize, jobs: u64) -> u64 {
    runtime().block_on(async {
        let spawn = |job| tokio::spawn(async move { load.work(job) });
        let tasks: Vec<_> = (0..jobs).map(spawn).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("no job panics");
        }
        sum
    })
}

/// No tasks: a stream that polls so many futures at a time.
fn buffer_unordered(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    let results = stream::iter(0..jobs)
        .map(|job| async move { load.work(job) })
        .buffer_unordered(workers.get());
    runtime().block_on(results.fold(0, async |sum, result| sum + result))
}

/// The same behind a limiter that allows every start.
fn governor(load: Load, workers: NonZeroUsize, jobs: u64) -> u64 {
    let quota = Quota::per_second(NonZeroU32::MAX).allow_burst(NonZeroU32::MAX);
    let limiter = RateLimiter::direct(quota);
    let results = stream::iter(0..jobs)
        .map(async |job| {
            limiter.until_ready().await;
            load.work(job)
        })
        .buffer_unordered(workers.get());
    runtime().block_on(results.fold(0, async |sum, result| sum + result))
}
