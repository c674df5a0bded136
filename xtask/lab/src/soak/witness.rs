//! What both hosts see and remember of a run.

use std::any::Any;
use std::panic;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use errors::OnFailure;

use super::case::{Case, Fate};
use crate::pools::Event;
use crate::promises::Promises;

/// What a pool did.
#[derive(Debug, PartialEq)]
pub struct Run {
    /// What happened, in order, and when; with threads, at no time.
    pub log: Vec<(Duration, Event)>,
    /// Whether a callback panicked.
    pub callback_panicked: bool,
    /// How it reached the caller.
    pub ended: Ended,
    /// Threads or tasks of the pool that were still there.
    pub left: usize,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It returned.
    Well,
    /// With the panic of a job.
    JobPanic,
    /// With the panic of a callback.
    CallbackPanic,
}

/// What callbacks panic with.
struct Callback;

impl Ended {
    /// Whose panic it was.
    ///
    /// # Errors
    ///
    /// If it was nobody's that was to panic: what it said.
    pub fn with(payload: Box<dyn Any + Send>) -> Result<Self, String> {
        if payload.is::<Callback>() {
            return Ok(Self::CallbackPanic);
        }
        match payload.downcast_ref::<&str>() {
            Some(&("job" | "a scoped thread panicked")) => return Ok(Self::JobPanic),
            Some(text) => return Err(format!("the pool panicked: {text}")),
            None => {}
        }
        match payload.downcast_ref::<String>() {
            Some(text) if text != "job" => Err(format!("the pool panicked: {text}")),
            _ => Ok(Self::JobPanic),
        }
    }
}

/// Hears everything, and panics where the case says so.
pub struct Witness {
    /// The case.
    pub case: Case,
    promises: Promises,
    memory: Mutex<Memory>,
}

/// What a witness remembers.
pub struct Memory {
    log: Vec<(Duration, Event)>,
    /// The last job that has started.
    latest: usize,
    /// Whether jobs may never start: nobody is to wait for one.
    released: bool,
    results: usize,
    callbacks: usize,
    callback_panicked: bool,
}

impl Memory {
    /// Whether this job has started, or one after it, or may never.
    pub fn has_started(&self, job: usize) -> bool {
        self.released || self.latest >= job
    }
}

impl Witness {
    /// Has seen nothing yet.
    pub fn new(case: Case, promises: Promises) -> Self {
        let memory = Memory {
            log: Vec::with_capacity(4 * case.jobs.len()),
            latest: 0,
            released: case.plan.reads == 0,
            results: 0,
            callbacks: 0,
            callback_panicked: false,
        };
        Self {
            case,
            promises,
            memory: Mutex::new(memory),
        }
    }

    /// Remembers it and calls `wake`, then panics if it is for this callback to do so.
    pub fn note(&self, at: Duration, event: Event, wake: impl FnOnce()) {
        let mut memory = self.memory();
        memory.log.push((at, event));
        match event {
            Event::Started { job, .. } => memory.latest = memory.latest.max(job),
            Event::Finished { job, .. } => {
                let fails = self.case.job(job).fate != Fate::Done;
                memory.released |= fails && self.case.plan.on_failure == OnFailure::Stop;
            }
            Event::Result { .. } => {
                memory.results += 1;
                memory.released |= memory.results >= self.case.plan.reads;
            }
            Event::Stop => memory.released = true,
            _ => {}
        }
        memory.callbacks += usize::from((self.promises.is_callback)(&event));
        let panics =
            (self.promises.is_callback)(&event) && self.case.bad_callback == Some(memory.callbacks);
        if panics {
            memory.callback_panicked = true;
            memory.released = true;
        }
        drop(memory);
        wake();
        if panics {
            panic::resume_unwind(Box::new(Callback)); // unlike `panic!` it prints nothing
        }
    }

    /// What it remembers.
    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it has seen until now, and not what it may see while what is `left` is counted.
    pub fn run(&self, ended: Ended, left: impl FnOnce() -> usize) -> Run {
        let memory = self.memory();
        let (log, callback_panicked) = (memory.log.clone(), memory.callback_panicked);
        drop(memory); // whoever is left may have something to say
        Run {
            log,
            callback_panicked,
            ended,
            left: left(),
        }
    }
}
