//! The log of a run, and how its pool is run.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use super::{Ended, LOOKS};
use crate::pools::Event;
use crate::script::{JobPanic, Moments, Script};

/// Keeps the log of a run.
pub struct Recorder {
    pub script: Script,
    /// If it is played move by move.
    pub moments: Option<Moments>,
    state: Mutex<State>,
    /// Wakes threads that wait for jobs to start.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    log: Vec<(Duration, Event)>,
    /// The last job that has started.
    latest: usize,
    /// Whether jobs may never start, so that no job should wait for one.
    released: bool,
    results: usize,
}

impl State {
    fn has_started(&self, job: usize) -> bool {
        self.released || self.latest >= job
    }
}

impl Recorder {
    pub fn new(script: Script, moments: Option<Moments>) -> Self {
        let state = State {
            released: script.reads == 0,
            ..State::default()
        };
        Self {
            script,
            moments,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with it")
    }

    pub fn record(&self, at: Duration, event: Event) {
        let mut state = self.state();
        state.log.push((at, event));
        match event {
            Event::Started { job, .. } => state.latest = state.latest.max(job),
            Event::Result { .. } => {
                state.results += 1;
                state.released |= state.results >= self.script.reads;
            }
            Event::Stop => state.released = true,
            _ => {}
        }
        self.changed.notify_all();
    }

    /// Whether this job has started, or a later one, or may never start.
    pub fn has_started(&self, job: usize) -> bool {
        self.state().has_started(job)
    }

    /// Blocks until then.
    pub fn wait_until_started(&self, job: usize) {
        let not_yet = |state: &mut State| !state.has_started(job);
        let waited = self.changed.wait_while(self.state(), not_yet);
        drop(waited.expect("no thread panics with it"));
    }

    /// The log so far.
    pub fn log(&self) -> Vec<(Duration, Event)> {
        self.state().log.clone()
    }

    /// Waits for the end of a run. Fails if nothing is recorded for `patience`.
    pub fn wait<T>(
        &self,
        run: &Receiver<Result<T, String>>,
        patience: Duration,
    ) -> Result<T, String> {
        let (mut seen, mut looks) = (0, 0);
        while looks < LOOKS {
            if let Ok(ended) = run.recv_timeout(patience / LOOKS) {
                return ended;
            }
            let events = self.state().log.len();
            looks = if events == seen { looks + 1 } else { 0 };
            seen = events;
        }
        Err(stuck(patience))
    }
}

/// What is said of a pool in which nothing happens.
pub fn stuck(patience: Duration) -> String {
    format!("the pool is stuck for {patience:?}")
}

/// Calls `run` on a thread of its own with this name, which is never joined, because a pool may be stuck.
pub fn start<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<Receiver<T>, String> {
    let (done, ended) = channel();
    let started = thread::Builder::new()
        .name(name.into())
        .spawn(move || done.send(run()));
    started.map_err(|error| error.to_string())?;
    Ok(ended)
}

/// Calls a pool, and says how that ended.
pub fn call(pool: impl FnOnce() -> io::Result<()>) -> Result<Ended, String> {
    match catch_unwind(AssertUnwindSafe(pool)) {
        Ok(Ok(())) => Ok(Ended::Completed),
        Ok(Err(error)) => Err(error.to_string()),
        Err(payload) if payload.is::<JobPanic>() => Ok(Ended::Panicked),
        Err(payload) => Err(format!("the pool panicked: {}", message(&*payload))),
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("(no text)")
}
