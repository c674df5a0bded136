//! Printing, and ending with an error.

use std::convert::Infallible;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
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

/// Says on standard error that something goes on, if it takes longer than two seconds: on a terminal each second, in a line that
/// goes away again, and elsewhere each ten seconds.
#[derive(Debug)]
pub struct Progress {
    start: Instant,
    next: Duration,
    is_shown: bool,
}

impl Progress {
    /// Starts now.
    #[expect(clippy::new_without_default, reason = "a time is no default")]
    pub fn new() -> Self {
        let (start, next) = (Instant::now(), Duration::from_secs(2));
        Self {
            start,
            next,
            is_shown: false,
        }
    }

    /// Says what goes on, if it is time to.
    pub fn tick(&mut self, what: &str) {
        let elapsed = self.start.elapsed();
        if elapsed < self.next {
            return;
        }
        self.is_shown = io::stderr().is_terminal();
        let (start, end, pause) = match self.is_shown {
            true => ("\r", "\x1b[K", 1),
            false => ("", "\n", 10),
        };
        _ = write!(
            io::stderr(),
            "{start}  .. {what}: {} s{end}",
            elapsed.as_secs()
        );
        self.next = elapsed + Duration::from_secs(pause);
    }

    /// Takes the line away, before another is printed.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// Does `work`, and says meanwhile what goes on.
pub fn patiently<R>(what: &str, work: impl FnOnce() -> R) -> R {
    thread::scope(|scope| {
        let (done, waits) = mpsc::channel::<Infallible>();
        scope.spawn(move || {
            let mut progress = Progress::new();
            let second = Duration::from_secs(1);
            while waits.recv_timeout(second) == Err(RecvTimeoutError::Timeout) {
                progress.tick(what);
            }
            progress.clear();
        });
        let result = work();
        drop(done);
        result
    })
}
