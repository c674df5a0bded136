//! What every program needs for its command line and its output. The same file in each step.

use std::io::{self, ErrorKind, Write};
use std::num::NonZeroUsize;
use std::time::Duration;
use std::{env, fmt};

use clap::Parser;

/// Reads the flags; help and wrong flags end the program.
///
/// `Flags::parse()` would take the -1 of `--jobs -1` for a flag, and would not say which flag has a
/// value that is not UTF-8. Here each flag gets its value, and refuses it by name.
pub fn parse<Flags: Parser>() -> Flags {
    let arguments = env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let command = Flags::command().version(env!("CARGO_PKG_VERSION"));
    let command = command.mut_args(|flag| flag.allow_negative_numbers(true));
    let matches = command.get_matches_from(arguments);
    Flags::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Parses a number of workers: at most 1000, as each may be a thread.
pub fn workers(text: &str) -> Result<NonZeroUsize, &'static str> {
    let number = text.parse().ok().filter(|n: &NonZeroUsize| n.get() <= 1000);
    number.ok_or("takes a whole number from 1 to 1000")
}

/// Parses a number above 0: a speed or a rate.
pub fn above_zero(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok();
    let number = number.filter(|x: &f64| *x > 0.0 && x.is_finite());
    number.ok_or("takes a number above 0")
}

/// Seconds as a `Duration`, saturating at `Duration::MAX`.
pub fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// Prints a line of the article's. If its reader has gone, as in `| head -1`, the program ends quietly.
macro_rules! say {
    ($($line:tt)+) => { $crate::cli::print(format_args!($($line)+)) };
}

/// Prints a line that the article does not have, to standard error.
macro_rules! note {
    ($($line:tt)+) => {{
        use std::io::Write as _;
        _ = writeln!(std::io::stderr(), $($line)+); // an error: standard error is closed
    }};
}

/// Ends the program with an error message and exit code 1.
macro_rules! fail {
    ($($line:tt)+) => {{
        note!("{}: {}", env!("CARGO_PKG_NAME"), format_args!($($line)+));
        std::process::exit(1)
    }};
}

/// What `say!` does.
pub fn print(line: fmt::Arguments<'_>) {
    match writeln!(io::stdout(), "{line}") {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => fail!("cannot write to standard output: {error}"),
    }
}
