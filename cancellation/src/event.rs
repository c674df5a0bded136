use std::fmt;

/// What a worker reports when it ends. Displays as the line to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The pool was cancelled.
    ShuttingDown {
        /// The worker's id, from 1.
        worker: usize,
    },
    /// The queue was closed and empty.
    Finished {
        /// The worker's id, from 1.
        worker: usize,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShuttingDown { worker } => write!(f, "Worker {worker} shutting down"),
            Self::Finished { worker } => write!(f, "Worker {worker} finished"),
        }
    }
}
