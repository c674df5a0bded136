//! Ctrl-C and, where the platform has it, the request to terminate; the same file in steps 4, 7, 8.

use crate::cli::fail;

/// The signals that ask a program to end, from the moment this is made.
pub struct Signals {
    #[cfg(unix)]
    streams: [tokio::signal::unix::Signal; 2],
}

#[cfg(unix)]
impl Signals {
    pub fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};

        let streams = [SignalKind::interrupt(), SignalKind::terminate()]
            .map(|kind| signal(kind).unwrap_or_else(|error| fail(error)));
        Self { streams }
    }

    /// Waits for the next one; gives the exit code that is customary for it.
    pub async fn next(&mut self) -> i32 {
        let [interrupt, terminate] = &mut self.streams;
        tokio::select! {
            biased;
            _ = interrupt.recv() => 130,
            _ = terminate.recv() => 143,
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    pub fn new() -> Self {
        Self {}
    }

    /// Waits for the next one; gives the exit code that is customary for it.
    pub async fn next(&mut self) -> i32 {
        tokio::signal::ctrl_c()
            .await
            .unwrap_or_else(|error| fail(error));
        130
    }
}
