//! A pool of tasks under tokio's paused clock: every run of a script is the same.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use super::{Recorder, Run};
use crate::pools::{BoxFuture, Event, Tasks};
use crate::script::{Outcome, Script, When};

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
    pool: fn(Script, usize, Arc<dyn Tasks>) -> BoxFuture<()>,
    recorder: Recorder,
    deadline: Duration,
) -> Result<Run, String> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let _clock = runtime.enter();
    let start = Instant::now();
    let harness = Arc::new(Harness {
        start,
        recorder,
        changed: Notify::new(),
    });

    let late = |_| io::Error::other(format!("the pool still runs after {deadline:?}"));
    let ended = super::run(|| {
        let script = harness.recorder.script.clone();
        let jobs = script.jobs.len();
        let run = pool(script, jobs, harness.clone());
        let run = runtime.block_on(async { timeout(deadline, run).await });
        run.map_err(late)
    })?;
    let left = || runtime.metrics().num_alive_tasks();
    Ok(harness.recorder.finish(start.elapsed(), ended, left))
}
