//! The error of a job that fails.

use std::error::Error;
use std::fmt;
use std::io;

/// Says which job failed. Its source says why.
#[derive(Debug)]
pub struct Failed {
    pub job: usize,
    pub cause: io::Error,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {} failed", self.job)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}
