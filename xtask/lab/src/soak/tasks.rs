//! A pool of tasks on a paused clock: each seed is one schedule, and gives it again exactly.

use std::future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use super::case::{Case, When};
use super::witness::{Ended, Run, Witness};
use crate::pools::{Ending, Event, Later, Outcome, Plan, Tasks};
use crate::promises::Promises;

const MILLISECOND: Duration = Duration::from_millis(1);

#[derive(Clone)]
struct Host(Arc<Shared>);

struct Shared {
    start: Instant,
    witness: Witness,
    moved: Notify,
}

impl Host {
    async fn wait_for(&self, job: usize) {
        loop {
            let moved = self.0.moved.notified();
            if self.0.witness.memory().has_started(job) {
                return;
            }
            moved.await;
        }
    }
}

impl Tasks for Host {
    fn submit(&self, job: usize) -> Later<()> {
        Box::pin(sleep_unless_zero(self.0.witness.case.job(job).gap))
    }

    fn work(&self, worker: usize, job: usize) -> Later<Outcome> {
        let host = self.clone();
        Box::pin(async move {
            host.hear(Event::Started { worker, job });
            let todo = host.0.witness.case.job(job);
            for _ in 0..todo.yields {
                yield_now().await;
            }
            if let Some(other) = todo.waits_for {
                host.wait_for(other).await;
            }
            sleep_unless_zero(todo.length).await;
            host.hear(Event::Finished { worker, job });
            todo.fate.outcome()
        })
    }

    fn stop(&self) -> Later<()> {
        let host = self.clone();
        Box::pin(async move {
            match host.0.witness.case.stop {
                When::Never => future::pending().await,
                When::AtOnce => {}
                When::After(time) => sleep(time).await,
                When::Started(job) => host.wait_for(job).await,
            }
            host.hear(Event::Stop);
        })
    }

    fn hear(&self, event: Event) {
        let Shared {
            start,
            witness,
            moved,
        } = &*self.0;
        witness.note(start.elapsed(), event, || moved.notify_waiters());
    }
}

async fn sleep_unless_zero(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

/// Runs the pool.
///
/// # Errors
///
/// If it has not ended by its deadline, or panics of its own.
pub fn run(
    case: Case,
    promises: Promises,
    deadline: Duration,
    pool: fn(Plan, Arc<dyn Tasks>) -> Later<()>,
) -> Result<Run, String> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| error.to_string())?;
    let host = runtime.block_on(async {
        Host(Arc::new(Shared {
            start: Instant::now(),
            witness: Witness::new(case, promises),
            moved: Notify::new(),
        }))
    });
    let witness = &host.0.witness;

    let run = async {
        let run = pool(witness.case.plan, Arc::new(host.clone()));
        let ended = timeout(deadline, run).await;
        ended.map_err(|_| format!("the pool still runs after {deadline:?}"))?;
        if witness.case.plan.ending == Ending::Drop {
            settle(deadline).await;
        }
        Ok(witness.run(Ended::Well, tasks_left))
    };
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(run))).unwrap_or_else(|payload| {
        let ended = Ended::with(payload)?;
        runtime.block_on(settle(Duration::ZERO));
        Ok(runtime.block_on(async { witness.run(ended, tasks_left) }))
    })
}

/// Gives tasks the time to end that nobody waits for: aborted ones end when it is their turn.
async fn settle(deadline: Duration) {
    for _ in 0..10 {
        yield_now().await;
    }
    let all_end = async {
        while tasks_left() != 0 {
            sleep(MILLISECOND).await;
        }
    };
    _ = timeout(deadline, all_end).await; // an error: some are left
}

fn tasks_left() -> usize {
    Handle::current().metrics().num_alive_tasks()
}
