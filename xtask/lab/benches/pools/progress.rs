//! What is being measured right now.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

/// Says what is going on, in a line of the terminal that the next one replaces.
pub fn progress(what: impl Display) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        _ = write!(stderr, "\r\x1b[K{what}");
        _ = stderr.flush();
    }
}
