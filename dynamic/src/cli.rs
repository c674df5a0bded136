//! What every scenario needs of its command line; the same file in each step.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::num::NonZeroUsize;
use std::time::Duration;
use std::{env, process};

/// The command line. Text that is not UTF-8 stays wrong, for the flag it was given to to refuse.
pub fn arguments() -> impl Iterator<Item = String> {
    env::args_os().map(|argument| argument.to_string_lossy().into_owned())
}

pub fn workers(text: &str) -> Result<NonZeroUsize, &'static str> {
    let number = text.parse().ok().filter(|n: &NonZeroUsize| n.get() <= 1000);
    number.ok_or("takes a whole number from 1 to 1000")
}

pub fn jobs(text: &str) -> Result<usize, &'static str> {
    let number = text.parse().ok().filter(|&n| n <= 1_000_000);
    number.ok_or("takes a whole number from 0 to 1000000")
}

pub fn speed(text: &str) -> Result<f64, &'static str> {
    let number = text
        .parse()
        .ok()
        .filter(|&x: &f64| x > 0.0 && x.is_finite());
    number.ok_or("takes a number above 0")
}

/// A length of time; one too long to count is the longest there is.
pub fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// Prints a line. When its reader has gone, as in `| head -1`, the program ends quietly.
pub fn say(line: impl Display) {
    match writeln!(io::stdout(), "{line}") {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => process::exit(0),
        Err(error) => fail(format_args!("cannot write to standard output: {error}")),
    }
}

/// Prints a line that is not the article's, to standard error.
pub fn note(line: impl Display) {
    _ = writeln!(io::stderr(), "{line}");
}

/// Ends the program with an error.
pub fn fail(error: impl Display) -> ! {
    note(format_args!("{}: {error}", env!("CARGO_PKG_NAME")));
    process::exit(1)
}
