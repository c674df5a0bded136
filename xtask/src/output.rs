//! Printing to whoever still listens.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::process;

/// Prints a line. When its reader has gone, as in `| head -1`, the program ends quietly.
pub fn say(line: impl Display) {
    match writeln!(io::stdout(), "{line}") {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => process::exit(0),
        Err(error) => fail(format_args!("cannot write to standard output: {error}")),
    }
}

/// Ends the program with an error.
pub fn fail(error: impl Display) -> ! {
    _ = writeln!(io::stderr(), "xtask: {error}");
    process::exit(1)
}
