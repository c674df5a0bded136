use std::fmt;

use crate::TaskError;

/// What a worker reports while the pool runs. Displays as the line to print.
#[derive(Debug)]
pub enum Event {
    /// A worker is about to run a task.
    Processing {
        /// The worker's id, from 1.
        worker: usize,
    },
    /// A task returned an error or panicked. In a program that is built with `panic = "abort"`, a panic
    /// ends the program instead.
    Failed {
        /// The worker's id, from 1.
        worker: usize,
        /// The error that the task returned, or `panicked: ` and its message.
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
