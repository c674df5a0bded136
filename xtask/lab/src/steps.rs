//! What the lab knows of each step: one row, with its adapter in `pools`.

use std::env;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use crate::guarantees::{Guarantees, Panic, Stop};
use crate::pools::{self, Adapter};
use crate::program::{MAX_JOBS, MAX_TIME, Program};
use crate::script::Outcome;

/// A step's pool: how to run it, what its program does with it, and what it guarantees.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Its name in the table of xtask, which says more of it.
    pub name: &'static str,
    /// Plays a script on its pool.
    pub adapter: Adapter,
    /// What its program does.
    pub program: Program,
    /// What its pool guarantees.
    pub guarantees: Guarantees,
}

/// All of them, in the article's order.
pub const STEPS: [Step; 8] = [
    Step {
        name: "basic",
        adapter: Adapter::Threads(pools::basic),
        program: Program::ARTICLE,
        guarantees: Guarantees::PLAIN,
    },
    Step {
        name: "waitgroup",
        adapter: Adapter::Threads(pools::waitgroup),
        program: Program::ARTICLE,
        guarantees: Guarantees::PLAIN,
    },
    Step {
        name: "job-struct",
        adapter: Adapter::Threads(pools::job_struct),
        program: Program::ARTICLE,
        guarantees: Guarantees {
            panicked: Some(Outcome::Lost),
            ..Guarantees::PLAIN
        },
    },
    Step {
        name: "cancellation",
        adapter: Adapter::Tasks(pools::cancellation),
        program: Program {
            jobs: Some(10),
            interval: Duration::from_millis(500),
            timeout: Some(Duration::from_secs(5)),
            ..Program::ARTICLE
        },
        guarantees: Guarantees {
            stop: Stop::HandsBack,
            ..Guarantees::PLAIN
        },
    },
    Step {
        name: "dispatcher",
        adapter: Adapter::Threads(pools::dispatcher),
        program: Program {
            jobs: Some(10),
            unset: Some("fail"),
            rest: Some(Duration::from_secs(5)),
            ..Program::ARTICLE
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
        program: Program {
            unset: Some("panic"),
            every_third_fails: true,
            ..Program::ARTICLE
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
        program: Program {
            jobs: Some(10),
            duration: Duration::from_millis(100),
            rate: Some(2.0),
            burst: Some(NonZeroU32::MIN),
            pause: Some(Duration::ZERO),
            ..Program::ARTICLE
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
        program: Program {
            workers: None,
            min_workers: NonZeroUsize::new(2),
            max_workers: NonZeroUsize::new(10),
            bursts: Some(3),
            jobs: Some(20),
            rest: Some(Duration::from_secs(5)),
            ..Program::ARTICLE
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

/// The steps, with these flags instead of their own values.
///
/// # Errors
///
/// If no step has such a flag, or the picture would be too large.
pub fn with_flags(steps: &[&Step], flags: &Program) -> Result<Vec<Step>, String> {
    let mut steps = Vec::from_iter(steps.iter().map(|&&step| step));
    macro_rules! set {
        ($($flag:ident)*) => {
            $(if flags.$flag.is_some() {
                let name = stringify!($flag);
                let programs = steps.iter_mut().map(|step| &mut step.program);
                let have_it = programs.filter(|has| has.$flag.is_some() || has.unset == Some(name));
                if have_it.map(|program| program.$flag = flags.$flag).count() == 0 {
                    let names = Vec::from_iter(steps.iter().map(|step| step.name));
                    let flag = name.replace('_', "-");
                    return Err(format!("--{flag} is no flag of {}", names.join(" or ")));
                }
            })*
        };
    }
    set!(workers jobs timeout fail panic rate burst pause min_workers max_workers bursts);
    steps.iter().try_for_each(check)?;
    Ok(steps)
}

/// Whether it can be run and drawn.
fn check(Step { name, program, .. }: &Step) -> Result<(), String> {
    let (min, max) = (program.workers(), program.most_workers());
    let (jobs, seconds) = (program.total(), MAX_TIME.as_secs());
    Err(if max < min {
        format!("--min-workers {min} is above --max-workers {max}, and takes at most that")
    } else if jobs > MAX_JOBS {
        format!("{name}: {jobs} jobs are too many to draw, {MAX_JOBS} are not")
    } else if program.lower_bound(jobs) > MAX_TIME {
        format!("{name}: this takes more than {seconds} s, too much to draw")
    } else {
        return Ok(());
    })
}
