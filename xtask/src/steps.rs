//! The steps, in the article's order.

use clap::builder::PossibleValuesParser;

use crate::output::say;

/// A section of the article, and the crate that shows its idea.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The crate, its folder and its program.
    pub name: &'static str,
    /// The heading of the section.
    pub section: &'static str,
    /// The one thing to learn from it.
    pub idea: &'static str,
    /// The step that it changes one thing of, and the number of lines of code, added and removed together, by which
    /// their `src/lib.rs` differ. A test holds that number, so that the two do not drift apart.
    pub builds_on: Option<(&'static str, usize)>,
}

/// All of them.
pub const STEPS: [Step; 8] = [
    Step {
        name: "basic",
        section: "Basic Worker Pool Implementation",
        idea: "a fixed pool on one shared channel",
        builds_on: None,
    },
    Step {
        name: "waitgroup",
        section: "Worker Pool with WaitGroups",
        idea: "knowing when the work is done",
        builds_on: Some(("basic", 9)),
    },
    Step {
        name: "job-struct",
        section: "Advanced Worker Pool with Job Struct",
        idea: "typed jobs that carry their own reply",
        builds_on: Some(("basic", 33)),
    },
    Step {
        name: "cancellation",
        section: "Worker Pool with Context for Cancellation",
        idea: "stopping early and losing nothing",
        builds_on: None, // threads become tasks
    },
    Step {
        name: "dispatcher",
        section: "Worker Pool with Job Queue and Dispatcher",
        idea: "a pool you can hold: submit, dispatch, stop",
        builds_on: None, // a pool that runs, and a lock in place of channels
    },
    Step {
        name: "errors",
        section: "Error Handling in Worker Pools",
        idea: "failure is a value; a panic is contained",
        builds_on: Some(("basic", 12)),
    },
    Step {
        name: "rate-limited",
        section: "Rate-Limited Worker Pool",
        idea: "no faster than the downstream allows",
        builds_on: Some(("cancellation", 56)),
    },
    Step {
        name: "dynamic",
        section: "Dynamic Worker Pool",
        idea: "as many workers as the load asks for",
        builds_on: None, // a pool that runs, with the worker of step 4
    },
];

/// The steps that a command is for.
#[derive(clap::Args, Clone, Debug)]
pub struct Selection {
    /// Which steps; all of them by default
    #[arg(value_name = "STEP", value_parser = PossibleValuesParser::new(STEPS.map(|step| step.name)))]
    names: Vec<String>,
}

impl Selection {
    /// Whether the step of this name is one of them.
    pub fn includes(&self, step: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| name == step)
    }
}

/// Prints all steps, each with what `state` says of it.
pub fn list(state: impl Fn(&str) -> String) {
    for (number, step) in (1..).zip(&STEPS) {
        let Step {
            name,
            section,
            idea,
            ..
        } = step;
        let line = format!("{number}  {name:<13} {idea:<44} {}", state(name));
        say(format_args!("{}\n{:17}{section}", line.trim_end(), ""));
    }
}
