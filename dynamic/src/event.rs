use std::any::Any;
use std::fmt;
use std::mem;

/// What the pool reports while it runs; reads as the line to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The scaler adds workers; first those that were to retire but have not ended yet.
    ScalingUp {
        /// How many.
        count: usize,
        /// Jobs in the queue when this was decided.
        queue: usize,
    },
    /// The scaler retires workers.
    ScalingDown {
        /// How many.
        count: usize,
    },
    /// A worker was retired and has ended.
    ShuttingDown {
        /// The worker's id, from 1.
        worker: usize,
    },
    /// A worker found the queue closed and empty, or that nobody reads results any more.
    Finished {
        /// The worker's id, from 1.
        worker: usize,
    },
    /// A job panicked and ended its worker; another takes its place.
    Panicked {
        /// What the panic said.
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

/// What `panic!` was given; a payload that is not text is leaked, as dropping it could panic again.
pub(crate) fn message(payload: Box<dyn Any + Send>) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        mem::forget(payload);
        "no message".to_owned()
    }
}
