//! Simulated time for a pool of tasks: tokio's paused clock, which goes on when all tasks wait.

use std::error::Error;
use std::future;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::{Instant, sleep, timeout};

use crate::pools::{Event, Later, Outcome, Tasks};
use crate::scenario::Scenario;

use super::Recording;
use super::knobs::MAX_TIME;

/// A pool that takes longer than this, in simulated time, counts as stuck: twice as long as any run that is drawn.
const PATIENCE: Duration = MAX_TIME.saturating_mul(2);

#[derive(Clone)]
struct Host {
    start: Instant,
    scenario: Scenario,
    events: Sender<(Duration, Event)>,
}

impl Tasks for Host {
    fn submit(&self, job: usize) -> Later<()> {
        Box::pin(sleep_unless_zero(self.scenario.wait_before(job)))
    }

    fn work(&self, worker: usize, job: usize) -> Later<Outcome> {
        let host = self.clone();
        Box::pin(async move {
            host.hear(Event::Started { worker, job });
            sleep(host.scenario.length).await;
            host.hear(Event::Finished { worker, job });
            (host.scenario.fate)(job)
        })
    }

    fn stop(&self) -> Later<()> {
        let Some(wait) = self.scenario.wait_before_stop() else {
            return Box::pin(future::pending());
        };
        let host = self.clone();
        Box::pin(async move {
            sleep_unless_zero(wait).await;
            host.hear(Event::Stop);
        })
    }

    fn hear(&self, event: Event) {
        _ = self.events.send((self.start.elapsed(), event)); // an error: it has been given up
    }
}

async fn sleep_unless_zero(wait: Duration) {
    if !wait.is_zero() {
        sleep(wait).await;
    }
}

/// Runs a pool in simulated time.
///
/// # Errors
///
/// If the pool never ends.
pub fn run<F: Future<Output = ()>>(
    run: impl FnOnce(Arc<dyn Tasks>) -> F,
    scenario: &Scenario,
) -> Result<Recording, Box<dyn Error>> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    let (events, inbox) = channel();
    let end = runtime.block_on(async {
        let start = Instant::now();
        let host = Host {
            start,
            scenario: *scenario,
            events,
        };
        let ended = timeout(PATIENCE, run(Arc::new(host))).await;
        ended.map(|()| start.elapsed())
    });
    drop(runtime); // and with it every task that still runs
    Ok(Recording {
        end: end.map_err(|_| "the pool never ends")?,
        events: inbox.try_iter().collect(),
    })
}
