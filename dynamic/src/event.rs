use std::fmt;

/// What the pool reports while it runs. Displays as the line to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The scaler adds workers: first those that are to retire and have not ended yet, then new ones.
    ScalingUp {
        /// Number of workers.
        count: usize,
        /// Number of jobs in the queue at that moment.
        queue: usize,
    },
    /// The scaler retires workers.
    ScalingDown {
        /// Number of workers.
        count: usize,
    },
    /// A worker was retired and has ended.
    ShuttingDown {
        /// The worker's id, from 1.
        worker: usize,
    },
    /// A worker has ended, as the queue is closed and empty, or the results are no longer read.
    Finished {
        /// The worker's id, from 1.
        worker: usize,
    },
    /// A job has panicked and ended its worker, which another worker replaces. In a program that is
    /// built with `panic = "abort"`, a panic ends the program instead.
    Panicked {
        /// The message of the panic.
        message: String,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScalingUp { count, queue } => {
                write!(
                    f,
                    "Scaling up: Adding {count} workers (queue length: {queue})"
                )
            }
            Self::ScalingDown { count } => write!(f, "Scaling down: Removing {count} workers"),
            Self::ShuttingDown { worker } => write!(f, "Worker {worker} shutting down"),
            Self::Finished { worker } => write!(f, "Worker {worker} finished (no more jobs)"),
            Self::Panicked { message } => write!(f, "A job panicked: {message}"),
        }
    }
}
