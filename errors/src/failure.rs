use std::any::Any;
use std::error::Error;
use std::fmt;
use std::mem;
use std::panic::{self, AssertUnwindSafe};

/// What the pool does after a job has failed or panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// Do all other jobs.
    Continue,
    /// Start no other job, finish those in flight, and hand back the rest. A job that another worker
    /// is taking from the queue at that moment is in flight.
    Stop,
}

/// Why a job has no result.
#[derive(Debug)]
pub enum JobError<E> {
    /// The work returned this error. Displays as the error does, and has its source.
    Failed(E),
    /// The work panicked with this message.
    Panicked(String),
}

impl<E: fmt::Display> fmt::Display for JobError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
        }
    }
}

impl<E: Error> Error for JobError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => error.source(),
            Self::Panicked(_) => None,
        }
    }
}

/// Turns a panic of `work` into an error. Whether what `work` was changing can still be used is for
/// the caller to decide.
pub(crate) fn contain<R, E>(work: impl FnOnce() -> Result<R, E>) -> Result<R, JobError<E>> {
    match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(JobError::Failed),
        Err(payload) => {
            let error = JobError::Panicked(message(&*payload).to_owned());
            mem::forget(payload); // leaked: its destructor could panic again, and end the worker
            Err(error)
        }
    }
}

/// The text that `panic!` was called with.
fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref().copied());
    text.unwrap_or("no message")
}
