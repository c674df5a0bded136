//! What steps promise differently: of panics, and of being stopped.

use crate::pools::{End, Event};

/// How a step deals with what goes wrong, and with what is left when it is stopped.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// What a panic in a job costs.
    pub panic: Panic,
    /// What the pool says a job came to that panicked, if anything.
    pub panicked: Option<End>,
    /// What the pool says through a callback, which may panic.
    pub is_callback: fn(&Event) -> bool,
    /// Whether a panic there reaches the caller; or else the event is lost, and nothing else.
    pub callback_panics_reach_caller: bool,
    /// Whether a job that fails or panics can end it all.
    pub stops_on_failure: bool,
    /// What stopping it does to the jobs that it has not started.
    pub stop: Stop,
}

/// What a panic in a job costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panic {
    /// A worker, and it reaches the caller in the end.
    Worker,
    /// A worker, and another takes its place.
    ReplacedWorker,
    /// Only the job.
    Job,
}

/// What stopping a pool does to the jobs that it has not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nobody can stop it.
    Never,
    /// It does them.
    Drains,
    /// It hands them back.
    HandsBack {
        /// Those too that were not handed in yet: or else handing in ends with the first refused.
        all: bool,
    },
}

/// A step whose workers are lost to panics, whose results come through a callback, and which cannot
/// be stopped.
pub const PLAIN: Promises = Promises {
    panic: Panic::Worker,
    panicked: None,
    is_callback: |event| matches!(event, Event::Result { .. }),
    callback_panics_reach_caller: true,
    stops_on_failure: false,
    stop: Stop::Never,
};
