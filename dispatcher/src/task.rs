use std::any::Any;
use std::error::Error;
use std::fmt;
use std::mem;
use std::panic::{self, AssertUnwindSafe};

/// A piece of work that may fail. If it panics, its worker reports that and goes on.
pub type Task = Box<dyn FnOnce() -> Result<(), TaskError> + Send>;

/// Why a task failed.
pub type TaskError = Box<dyn Error + Send + Sync>;

/// What a worker reports while the pool runs; reads as the line to print.
#[derive(Debug)]
pub enum Event {
    /// A worker is about to run a task.
    Processing {
        /// The worker's id, from 1.
        worker: usize,
    },
    /// A task returned an error or panicked.
    Failed {
        /// The worker's id, from 1.
        worker: usize,
        /// What the task returned, or the message it panicked with.
        error: TaskError,
    },
    /// The pool has stopped and the worker is about to end.
    Stopping {
        /// The worker's id, from 1.
        worker: usize,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Processing { worker } => write!(f, "Worker {worker} processing task"),
            Self::Failed { worker, error } => write!(f, "Worker {worker} task error: {error}"),
            Self::Stopping { worker } => write!(f, "Worker {worker} stopping"),
        }
    }
}

/// The pool did not take a task: here it is back.
pub enum Refused {
    /// The queue has no room now.
    Full(Task),
    /// The pool has stopped.
    Stopped(Task),
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Stopped(_) => "Stopped(..)",
        })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the queue is full",
            Self::Stopped(_) => "the pool has stopped",
        })
    }
}

impl Error for Refused {}

/// Turns a panic into an error with its message.
pub(crate) fn contain<T>(run: impl FnOnce() -> T) -> Result<T, TaskError> {
    panic::catch_unwind(AssertUnwindSafe(run))
        .map_err(|payload| format!("panicked: {}", message(payload)).into())
}

/// What `panic!` was given; a payload that is not text is leaked, as dropping it could panic again.
fn message(payload: Box<dyn Any + Send>) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        mem::forget(payload);
        "no message".to_owned()
    }
}
