//! Printing, and ending with an error.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::process;

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
