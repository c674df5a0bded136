//! Printing, and ending with an error.

use std::convert::Infallible;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::process;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::deadline;

/// Prints a line, with its colours if they can be seen. When its reader has gone, as in `| head -1`, the program ends quietly.
pub fn say(line: impl Display) {
    match writeln!(anstream::stdout(), "{line}") {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            deadline::end_all();
            process::exit(0)
        }
        Err(error) => fail(format!("cannot write to standard output: {error}")),
    }
}

/// Flags that do not fit together, as an error that [`fail`] treats like clap's own.
pub fn refusal(message: impl Display) -> clap::Error {
    clap::Error::raw(
        clap::error::ErrorKind::ValueValidation,
        format!("{message}\n"),
    )
}

/// Ends the program with an error: with exit code 2 if it is the command line's, and 1 otherwise.
pub fn fail(error: impl Into<Box<dyn Error>>) -> ! {
    let error = error.into();
    if let Some(refusal) = error.downcast_ref::<clap::Error>() {
        refusal.exit();
    }
    deadline::end_all();
    _ = writeln!(io::stderr(), "xtask: {error}");
    process::exit(1)
}

/// Says on standard error that something goes on: after 2, 4, 8, 16 seconds and so on.
#[derive(Debug)]
pub struct Progress(Instant, Duration);

impl Default for Progress {
    /// Starts now.
    fn default() -> Self {
        Self(Instant::now(), Duration::from_secs(2))
    }
}

impl Progress {
    /// Says what goes on, if it is time to.
    pub fn tick(&mut self, what: &str) {
        let Self(start, next) = self;
        if start.elapsed() >= *next {
            _ = writeln!(io::stderr(), "  .. {what}: {} s", next.as_secs());
            *next *= 2;
        }
    }
}

/// Does `work`, and says meanwhile what goes on.
pub fn patiently<R>(what: &str, work: impl FnOnce() -> R) -> R {
    thread::scope(|scope| {
        let (done, waits) = mpsc::channel::<Infallible>();
        scope.spawn(move || {
            let mut progress = Progress::default();
            let pause = Duration::from_millis(500);
            while waits.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                progress.tick(what);
            }
        });
        let result = work();
        drop(done);
        result
    })
}
