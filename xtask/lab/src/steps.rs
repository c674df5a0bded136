//! What the lab knows of each step: one row, with its adapter in `pools`.

use std::env;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use crate::guarantees::{Guarantees, Panic, Stop};
use crate::pools::{self, Adapter};
use crate::scenario::Scenario;
use crate::script::Outcome;

/// A step's pool: how to run it, what its program does with it, and what it guarantees.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Its name in the table of xtask, which says more of it.
    pub name: &'static str,
    /// Plays a script on its pool.
    pub adapter: Adapter,
    /// What its program does.
    pub scenario: Scenario,
    /// What its pool guarantees.
    pub guarantees: Guarantees,
}

/// All of them, in the article's order.
pub const STEPS: [Step; 8] = [
    Step {
        name: "basic",
        adapter: Adapter::Threads(pools::basic),
        scenario: Scenario::ARTICLE,
        guarantees: Guarantees::PLAIN,
    },
    Step {
        name: "waitgroup",
        adapter: Adapter::Threads(pools::waitgroup),
        scenario: Scenario::ARTICLE,
        guarantees: Guarantees::PLAIN,
    },
    Step {
        name: "job-struct",
        adapter: Adapter::Threads(pools::job_struct),
        scenario: Scenario::ARTICLE,
        guarantees: Guarantees {
            panicked: Some(Outcome::Lost),
            ..Guarantees::PLAIN
        },
    },
    Step {
        name: "cancellation",
        adapter: Adapter::Tasks(pools::cancellation),
        scenario: Scenario {
            jobs: Some(10),
            interval: Duration::from_millis(500),
            timeout: Some(Duration::from_secs(5)),
            ..Scenario::ARTICLE
        },
        guarantees: Guarantees {
            stop: Stop::HandsBack,
            ..Guarantees::PLAIN
        },
    },
    Step {
        name: "dispatcher",
        adapter: Adapter::Threads(pools::dispatcher),
        scenario: Scenario {
            jobs: Some(10),
            fail: Some(0), // none
            rest: Some(Duration::from_secs(5)),
            ..Scenario::ARTICLE
        },
        guarantees: Guarantees {
            panic: Panic::Job,
            panicked: Some(Outcome::Panicked),
            stop: Stop::Drains,
            ..Guarantees::PLAIN
        },
    },
    Step {
        name: "errors",
        adapter: Adapter::Threads(pools::errors),
        scenario: Scenario {
            panic: Some(0), // none
            third_fails: true,
            ..Scenario::ARTICLE
        },
        guarantees: Guarantees {
            panic: Panic::Job,
            panicked: Some(Outcome::Panicked),
            ..Guarantees::PLAIN
        },
    },
    Step {
        name: "rate-limited",
        adapter: Adapter::Tasks(pools::rate_limited),
        scenario: Scenario {
            jobs: Some(10),
            duration: Duration::from_millis(100),
            rate: Some(2.0),
            burst: Some(NonZeroU32::MIN),
            pause: Some(Duration::ZERO),
            ..Scenario::ARTICLE
        },
        guarantees: Guarantees {
            stop: Stop::HandsBack,
            is_limited: true,
            ..Guarantees::PLAIN
        },
    },
    Step {
        name: "dynamic",
        adapter: Adapter::Tasks(pools::dynamic),
        scenario: Scenario {
            workers: None,
            min_workers: NonZeroUsize::new(2),
            max_workers: NonZeroUsize::new(10),
            bursts: Some(3),
            jobs: Some(20),
            rest: Some(Duration::from_secs(5)),
            ..Scenario::ARTICLE
        },
        guarantees: Guarantees {
            panic: Panic::ReplacedWorker,
            stop: Stop::Drains,
            scales: true,
            ..Guarantees::PLAIN
        },
    },
];

impl Step {
    /// The step of this name.
    pub fn named(name: &str) -> Option<Self> {
        STEPS.into_iter().find(|step| step.name == name)
    }
}

/// The step that the environment variable `STEP` names; without it, all of them.
///
/// # Panics
///
/// If no step has that name.
pub fn asked_for() -> Vec<Step> {
    match env::var("STEP") {
        Ok(name) => vec![Step::named(&name).expect("STEP is the name of a step")],
        Err(_) => STEPS.to_vec(),
    }
}
