//! The steps, in the article's order. A new step is one more row.

use crate::output::say;

/// A section of the article, and the crate that shows its idea.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The crate, its folder and its program.
    pub name: &'static str,
    /// The heading of the section.
    pub section: &'static str,
    /// The one thing to learn from it.
    pub idea: &'static str,
}

/// All of them.
pub const STEPS: [Step; 8] = [
    Step {
        name: "basic",
        section: "Basic Worker Pool Implementation",
        idea: "a fixed pool on one shared channel",
    },
    Step {
        name: "waitgroup",
        section: "Worker Pool with WaitGroups",
        idea: "knowing when the work is done",
    },
    Step {
        name: "job-struct",
        section: "Advanced Worker Pool with Job Struct",
        idea: "typed jobs that carry their own reply",
    },
    Step {
        name: "cancellation",
        section: "Worker Pool with Context for Cancellation",
        idea: "stopping early and losing nothing",
    },
    Step {
        name: "dispatcher",
        section: "Worker Pool with Job Queue and Dispatcher",
        idea: "a pool you can hold: submit, dispatch, stop",
    },
    Step {
        name: "errors",
        section: "Error Handling in Worker Pools",
        idea: "failure is a value; a panic is contained",
    },
    Step {
        name: "rate-limited",
        section: "Rate-Limited Worker Pool",
        idea: "no faster than the downstream allows",
    },
    Step {
        name: "dynamic",
        section: "Dynamic Worker Pool",
        idea: "as many workers as the load asks for",
    },
];

/// Prints them, a line each.
pub fn list() {
    for (
        number,
        Step {
            name,
            section,
            idea,
            ..
        },
    ) in (1..).zip(&STEPS)
    {
        say(format_args!("{number}  {name:<13} {idea:<44} {section}"));
    }
}
