//! The steps, in the article's order, with how their pools are run. A new step is one more row.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::pools::{self, Adapter, End, Event};
use crate::promises::{PLAIN, Panic, Promises, Stop};
use crate::scenario::{ARTICLE, Scenario, Show, every_third_fails};

/// A section of the article, and the crate that shows its idea.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The crate, its folder and its program.
    pub name: &'static str,
    /// The one thing to learn from it.
    pub idea: &'static str,
    /// What its program does, in figures.
    pub scenario: Scenario,
    /// Runs its pool.
    pub adapter: Adapter,
    /// What else may be relied on.
    pub promises: Promises,
}

/// All of them.
pub const STEPS: [Step; 8] = [
    Step {
        name: "basic",
        idea: "a fixed pool on one shared channel",
        scenario: ARTICLE,
        adapter: Adapter::Threads(pools::basic),
        promises: PLAIN,
    },
    Step {
        name: "waitgroup",
        idea: "knowing when the work is done",
        scenario: ARTICLE,
        adapter: Adapter::Threads(pools::waitgroup),
        promises: PLAIN,
    },
    Step {
        name: "job-struct",
        idea: "typed jobs that carry their own reply",
        scenario: Scenario {
            shows: &[Show::Replies],
            ..ARTICLE
        },
        adapter: Adapter::Threads(pools::job_struct),
        promises: Promises {
            panicked: Some(End::Lost),
            is_callback: |_| false,
            ..PLAIN
        },
    },
    Step {
        name: "cancellation",
        idea: "stopping early and losing nothing",
        scenario: Scenario {
            jobs: 10,
            apart: Duration::from_millis(500),
            timeout: Some(5.0),
            shows: &[Show::HandedBack],
            ..ARTICLE
        },
        adapter: Adapter::Tasks(pools::cancellation),
        promises: Promises {
            is_callback: |event| matches!(event, Event::Result { .. } | Event::Ended { .. }),
            stop: Stop::HandsBack { all: false },
            ..PLAIN
        },
    },
    Step {
        name: "dispatcher",
        idea: "a pool you can hold: submit, dispatch, stop",
        scenario: Scenario {
            jobs: 10,
            pause: Some(Duration::from_secs(5)),
            shows: &[Show::Queue],
            ..ARTICLE
        },
        adapter: Adapter::Threads(pools::dispatcher),
        promises: Promises {
            panic: Panic::Job,
            panicked: Some(End::Panicked),
            is_callback: |event| match event {
                Event::Result { end, .. } => *end != End::Done, // the task says itself that it is
                event => matches!(event, Event::Ended { .. }),
            },
            callback_panics_reach_caller: false,
            stop: Stop::Drains,
            ..PLAIN
        },
    },
    Step {
        name: "errors",
        idea: "failure is a value; a panic is contained",
        scenario: Scenario {
            fate: every_third_fails,
            note: ", every third fails, the second panics",
            ..ARTICLE
        },
        adapter: Adapter::Threads(pools::errors),
        promises: Promises {
            panic: Panic::Job,
            panicked: Some(End::Panicked),
            stops_on_failure: true,
            ..PLAIN
        },
    },
    Step {
        name: "rate-limited",
        idea: "no faster than the downstream allows",
        scenario: Scenario {
            jobs: 10,
            length: Duration::from_millis(100),
            rate: Some(2.0),
            shows: &[Show::Ticks],
            ..ARTICLE
        },
        adapter: Adapter::Tasks(pools::rate_limited),
        promises: Promises {
            stop: Stop::HandsBack { all: true },
            ..PLAIN
        },
    },
    Step {
        name: "dynamic",
        idea: "as many workers as the load asks for",
        scenario: Scenario {
            workers: NonZeroUsize::new(2).expect("2 is not 0"),
            max_workers: NonZeroUsize::new(10),
            bursts: Some(3),
            jobs: 20,
            pause: Some(Duration::from_secs(5)),
            shows: &[Show::Queue, Show::Scaling],
            ..ARTICLE
        },
        adapter: Adapter::Tasks(pools::dynamic),
        promises: Promises {
            panic: Panic::ReplacedWorker,
            is_callback: |event| {
                use Event::{Ended, ScaledDown, ScaledUp};
                matches!(event, ScaledUp { .. } | ScaledDown { .. } | Ended { .. })
            },
            callback_panics_reach_caller: false,
            stop: Stop::Drains,
            ..PLAIN
        },
    },
];
