//! A pool of tasks under tokio's paused clock: every run of a script is the same.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use super::{Ended, Recorder, Run};
use crate::pools::{BoxFuture, Event, Tasks};
use crate::script::{MILLISECOND, Outcome, Script, When};

struct Harness {
    start: Instant,
    recorder: Recorder,
    changed: Notify,
}

impl Harness {
    async fn wait_for(&self, job: usize) {
        loop {
            let changed = self.changed.notified();
            if self.recorder.state().has_started(job) {
                return;
            }
            changed.await;
        }
    }
}

impl Tasks for Harness {
    fn jobs(&self) -> usize {
        self.recorder.script.jobs.len()
    }

    fn interval(&self, job: usize) -> Duration {
        self.recorder.script.job(job).interval
    }

    fn work(self: Arc<Self>, worker: usize, job: usize) -> BoxFuture<(usize, Outcome)> {
        Box::pin(async move {
            self.record(Event::Started { worker, job });
            let script = &self.recorder.script;
            let todo = script.job(job);
            for _ in 0..todo.yields {
                yield_now().await;
            }
            if let Some(other) = script.waits_for(job) {
                self.wait_for(other).await;
            }
            sleep_unless_zero(todo.duration).await;
            self.record(Event::Finished { worker, job });
            (job, todo.outcome.come_about())
        })
    }

    fn stop(self: Arc<Self>, when: When) -> BoxFuture<()> {
        Box::pin(async move {
            match when {
                When::After(time) => sleep_unless_zero(time).await,
                When::Started(job) => self.wait_for(job).await,
            }
            self.record(Event::Stop);
        })
    }

    fn record(&self, event: Event) {
        self.recorder.record(self.start.elapsed(), event);
        self.changed.notify_waiters();
    }
}

async fn sleep_unless_zero(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

/// Runs the pool.
pub fn play(
    pool: fn(Arc<Script>, Arc<dyn Tasks>) -> BoxFuture<()>,
    recorder: Recorder,
    deadline: Duration,
) -> Result<Run, String> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let script = recorder.script.clone();
    let start = runtime.block_on(async { Instant::now() });
    let harness = Arc::new(Harness {
        start,
        recorder,
        changed: Notify::new(),
    });

    let mut in_time = false;
    let ended = super::run(|| {
        let run = pool(script.clone(), harness.clone());
        in_time = runtime.block_on(async { timeout(deadline, run).await.is_ok() });
        Ok(())
    })?;
    if ended == Ended::Well && !in_time {
        return Err(format!("the pool still runs after {deadline:?}"));
    }
    runtime.block_on(async {
        let end = start.elapsed();
        if script.drops {
            // Such a pool joins no task: they end when it is their turn.
            let all_end = async {
                while tasks_left() != 0 {
                    sleep(MILLISECOND).await;
                }
            };
            _ = timeout(deadline, all_end).await; // an error: some are left
        }
        Ok(harness.recorder.finish(end, ended, tasks_left))
    })
}

fn tasks_left() -> usize {
    Handle::current().metrics().num_alive_tasks()
}
