//! Where steps guarantee different things: after a panic, and when stopped.

use crate::script::Outcome;

/// What a step guarantees besides that every job is done once.
#[derive(Clone, Copy, Debug)]
pub struct Guarantees {
    /// What a panic in a job costs.
    pub panic: Panic,
    /// The outcome that the pool reports of a job that panicked, if any.
    pub panicked: Option<Outcome>,
    /// What stopping the pool does to the jobs that it has not started.
    pub stop: Stop,
    /// Whether it keeps to a rate.
    pub is_limited: bool,
    /// Whether the number of workers changes.
    pub scales: bool,
}

/// What a panic in a job costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panic {
    /// A worker; the caller gets the panic when the pool ends.
    Worker,
    /// A worker; another one takes its place.
    ReplacedWorker,
    /// Only the job.
    Job,
}

/// What stopping a pool does to the jobs that it has not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The pool cannot be stopped.
    Never,
    /// It does them.
    Drains,
    /// It hands them back, and the first that it refuses; the caller submits no more.
    HandsBack,
}

impl Guarantees {
    /// A panic costs a worker, and the pool cannot be stopped.
    pub const PLAIN: Self = Self {
        panic: Panic::Worker,
        panicked: None,
        stop: Stop::Never,
        is_limited: false,
        scales: false,
    };
}
