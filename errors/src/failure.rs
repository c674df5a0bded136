use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};

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
        Err(payload) => Err(JobError::Panicked(message(payload))),
    }
}

/// The text that `panic!` was called with.
fn message(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast() {
        Ok(text) => *text, // a `String`
        Err(payload) => payload
            .downcast_ref::<&str>()
            .map_or("no message".into(), ToString::to_string),
    }
}
