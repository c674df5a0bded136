//! A pool of threads without a clock: its jobs yield, spin and wait for each other.

use std::hint::spin_loop;
use std::io;
use std::sync::Arc;
use std::thread::yield_now;
use std::time::Duration;

use super::Ended;
use super::recorder::{Recorder, call, start};
use crate::pools::{Event, Threads};
use crate::script::{Outcome, Script, When};

struct Stress(Arc<Recorder>);

impl Threads for Stress {
    fn work(&self, worker: usize, job: usize) -> Outcome {
        self.record(Event::Started { worker, job });
        let script = &self.0.script;
        let todo = script.job(job);
        (0..todo.yields).for_each(|_| yield_now());
        if let Some(other) = script.waits_for(job) {
            self.0.wait_until_started(other);
        }
        (0..todo.duration.as_millis() * 20).for_each(|_| spin_loop());
        self.record(Event::Finished { worker, job });
        todo.outcome.finish()
    }

    fn stop(&self, when: When) {
        match when {
            When::After(time) => (0..time.as_millis()).for_each(|_| yield_now()),
            When::Started(job) => self.0.wait_until_started(job),
        }
        self.record(Event::Stop);
    }

    fn record(&self, event: Event) {
        self.0.record(Duration::ZERO, event);
    }
}

/// Runs the pool.
pub fn run(
    pool: fn(&Script, usize, Arc<dyn Threads>) -> io::Result<()>,
    recorder: &Arc<Recorder>,
    patience: Duration,
) -> Result<Ended, String> {
    let stress = Arc::new(Stress(recorder.clone()));
    let script = recorder.script.clone();
    let run = start("pool", move || {
        call(|| pool(&script, script.jobs.len(), stress))
    })?;
    recorder.wait(&run, patience)
}
