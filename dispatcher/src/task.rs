use std::any::Any;
use std::error::Error;
use std::panic::{self, AssertUnwindSafe};

/// Work that may fail. If it panics, its worker reports that and goes on. A stack overflow is no panic:
/// it ends the process.
pub type Task = Box<dyn FnOnce() -> Result<(), TaskError> + Send>;

/// The error of a task that failed.
pub type TaskError = Box<dyn Error + Send + Sync>;

/// Turns a panic of `run` into an error with its message.
pub(crate) fn contain<T>(run: impl FnOnce() -> T) -> Result<T, TaskError> {
    panic::catch_unwind(AssertUnwindSafe(run))
        .map_err(|payload| format!("panicked: {}", message(payload)).into())
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
