use std::any::Any;
use std::error::Error;
use std::mem;
use std::panic::{self, AssertUnwindSafe};

/// Work that may fail. If it panics, its worker reports that and goes on.
pub type Task = Box<dyn FnOnce() -> Result<(), TaskError> + Send>;

/// The error of a task that failed.
pub type TaskError = Box<dyn Error + Send + Sync>;

/// Turns a panic of `run` into an error with its message.
pub(crate) fn contain<T>(run: impl FnOnce() -> T) -> Result<T, TaskError> {
    panic::catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let error = format!("panicked: {}", message(&*payload)).into();
        mem::forget(payload); // leaked: its destructor could panic again, and end the worker
        error
    })
}

/// The text that `panic!` was called with.
fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref().copied());
    text.unwrap_or("no message")
}
