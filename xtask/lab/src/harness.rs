//! Plays a script on a step's pool, and records what happens.

mod tasks;
mod threads;

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use crate::pools::{Adapter, Event};
use crate::script::{JobPanic, Script};
use crate::steps::Step;

/// What a pool did.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The events in order, each with the time since the start; on threads without a clock, that is always 0.
    pub log: Vec<(Duration, Event)>,
    /// When the pool had ended.
    pub end: Duration,
    /// How the call of the pool ended.
    pub ended: Ended,
    /// The number of threads or tasks of the pool that were left.
    pub left: usize,
}

/// How the call of a pool ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It returned.
    Well,
    /// With the panic of a job.
    Panic,
}

/// How pools of threads experience time. Tasks always run under a paused clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// A conductor keeps a simulated clock: every run of a script is the same.
    Conducted,
    /// There is no clock. Jobs disturb the schedule: they yield, spin and wait for each other. That reaches schedules
    /// that are rare otherwise, but not all, and not the same one again.
    Disturbed,
}

/// How long a pool may do nothing at all, in real time, before it counts as stuck.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Plays the script on the step's pool.
///
/// # Errors
///
/// If the pool cannot be started, panics of its own, or is stuck: on threads that are conducted for `patience` in which
/// nothing happens; otherwise for `patience` in all, or past its deadline in simulated time.
pub fn play(step: &Step, script: &Script, time: Time, patience: Duration) -> Result<Run, String> {
    let recorder = Recorder::new(script.clone());
    match step.adapter {
        Adapter::Threads(pool) => threads::play(pool, recorder, time, patience),
        Adapter::Tasks(pool) => {
            let (done, ended) = channel();
            let deadline = script.deadline(&step.guarantees);
            let play = move || done.send(tasks::play(pool, recorder, deadline));
            let started = thread::Builder::new().spawn(play); // never joined: it may be stuck
            started.map_err(|error| error.to_string())?;
            let ended = ended.recv_timeout(patience);
            ended.unwrap_or_else(|_| Err(format!("the pool is stuck for {patience:?}")))
        }
    }
}

/// Runs a pool, and says how that ended.
fn run(pool: impl FnOnce() -> io::Result<()>) -> Result<Ended, String> {
    match catch_unwind(AssertUnwindSafe(pool)) {
        Ok(Ok(())) => Ok(Ended::Well),
        Ok(Err(error)) => Err(error.to_string()),
        Err(payload) if payload.is::<JobPanic>() => Ok(Ended::Panic),
        Err(payload) => Err(format!("the pool panicked: {}", message(&*payload))),
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("(no text)")
}

/// Keeps the log of a run.
struct Recorder {
    script: Script,
    state: Mutex<State>,
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
    /// Whether this job has started, or a later one, or may never start.
    fn has_started(&self, job: usize) -> bool {
        self.released || self.latest >= job
    }
}

impl Recorder {
    fn new(script: Script) -> Self {
        let state = State {
            released: script.reads == 0,
            ..State::default()
        };
        Self {
            script,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with it")
    }

    /// Records the event.
    fn record(&self, at: Duration, event: Event) {
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
    }

    /// The run as it is now, without what happens while the threads or tasks that are `left` are counted.
    fn finish(&self, end: Duration, ended: Ended, left: impl FnOnce() -> usize) -> Run {
        let log = self.state().log.clone();
        let left = left();
        Run {
            log,
            end,
            ended,
            left,
        }
    }
}
