//! A pool of tasks under tokio's paused clock: every run of a script is the same.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use super::Run;
use super::recorder::{Recorder, call, start};
use crate::pools::{BoxFuture, Event, Tasks};
use crate::script::{Outcome, Script, When};

struct PausedClock {
    start: Instant,
    recorder: Arc<Recorder>,
    /// Wakes jobs that wait for others.
    changed: Notify,
}

impl PausedClock {
    async fn wait_for(&self, job: usize) {
        loop {
            let changed = self.changed.notified();
            if self.recorder.has_started(job) {
                return;
            }
            changed.await;
        }
    }
}

impl Tasks for PausedClock {
    fn interval(&self, job: usize) -> Duration {
        match &self.recorder.moments {
            Some(moments) => {
                let at = moments.jobs.get(job - 1).map_or(moments.end, |job| job.0);
                at.saturating_sub(self.start.elapsed())
            }
            None => self.recorder.script.interval(job),
        }
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
            let moments = self.recorder.moments.as_ref();
            let end = moments.map(|moments| moments.jobs[job - 1].1);
            let rest = end.map(|end| end.saturating_sub(self.start.elapsed()));
            sleep_unless_zero(rest.unwrap_or(todo.duration)).await;
            self.record(Event::Finished { worker, job });
            (job, todo.outcome.finish())
        })
    }

    fn stop(self: Arc<Self>, when: When) -> BoxFuture<()> {
        Box::pin(async move {
            match when {
                When::After(time) if self.recorder.moments.is_some() => {
                    sleep_unless_zero(time.saturating_sub(self.start.elapsed())).await;
                }
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

/// An adapter of a pool of tasks.
type Pool = fn(Script, usize, Arc<dyn Tasks>) -> BoxFuture<()>;

/// Runs the pool, on a thread of its own.
pub fn run(
    pool: Pool,
    recorder: &Arc<Recorder>,
    deadline: Duration,
    patience: Duration,
) -> Result<Run, String> {
    let log = recorder.clone();
    let run = start("tasks", move || run_here(pool, log, deadline))?;
    recorder.wait(&run, patience)
}

fn run_here(pool: Pool, recorder: Arc<Recorder>, deadline: Duration) -> Result<Run, String> {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let _clock = runtime.enter();
    let start = Instant::now();
    let harness = Arc::new(PausedClock {
        start,
        recorder: recorder.clone(),
        changed: Notify::new(),
    });
    let late = |_| io::Error::other(format!("the pool still runs after {deadline:?}"));
    let ended = call(|| {
        let script = recorder.script.clone();
        let jobs = script.jobs.len();
        let run = pool(script, jobs, harness);
        let run = runtime.block_on(async { timeout(deadline, run).await });
        run.map_err(late)
    })?;
    Ok(Run {
        log: recorder.log(),
        end: start.elapsed(),
        ended,
        left: runtime.metrics().num_alive_tasks(),
    })
}
