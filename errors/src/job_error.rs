use std::any::Any;
use std::error::Error;
use std::fmt;
use std::mem;
use std::panic::{self, AssertUnwindSafe};

/// Why a job gave no result.
#[derive(Debug)]
pub enum JobError<E> {
    /// The work returned an error; reads as that error, and has its source.
    Failed(E),
    /// The work panicked, with this message.
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

/// Turns a panic into an error. What `work` was changing when it panicked is the caller's to judge.
pub(crate) fn contain<R, E>(work: impl FnOnce() -> Result<R, E>) -> Result<R, JobError<E>> {
    match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(JobError::Failed),
        Err(payload) => Err(JobError::Panicked(message(payload))),
    }
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
