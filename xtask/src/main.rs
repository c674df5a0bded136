//! `cargo xtask`: everything that is done with the steps.

use clap::builder::PossibleValuesParser;
use clap::{CommandFactory, Parser, Subcommand};
use xtask::bench;
use xtask::output::{fail, say};
use xtask::run;
use xtask::soak;
use xtask::steps::{self, STEPS, Step};
use xtask::timeline;

/// Everything that is done with the steps.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Flags {
    #[command(subcommand)]
    command: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// List the steps in the article's order, with the one idea of each
    List,
    /// Run the steps' programs in the article's order
    Run {
        #[command(flatten)]
        steps: Steps,

        /// How many times faster than the article to run, above 0
        #[arg(long, value_name = "X", default_value = "1", allow_negative_numbers = true, value_parser = run::above_zero)]
        speed: f64,
    },
    /// Draw what the steps' pools do, from a run of each in simulated time
    Timeline {
        #[command(flatten)]
        steps: Steps,

        #[command(flatten)]
        flags: timeline::Flags,
    },
    /// Measure what the steps' pools cost beyond the jobs, beside the pools one could use instead
    Bench {
        #[command(flatten)]
        steps: Steps,

        #[command(flatten)]
        flags: bench::Flags,
    },
    /// Run the steps' pools in random ways, and check what must hold in all of them
    Soak {
        #[command(flatten)]
        steps: Steps,

        #[command(flatten)]
        flags: soak::Flags,
    },
}

#[derive(clap::Args)]
struct Steps {
    /// Which steps; all of them by default
    #[arg(value_name = "STEP", value_parser = PossibleValuesParser::new(STEPS.map(|step| step.name)))]
    names: Vec<String>,
}

impl Steps {
    /// The steps that were named, in the article's order.
    fn selected(&self) -> Vec<&'static Step> {
        let named =
            |step: &&Step| self.names.is_empty() || self.names.iter().any(|name| name == step.name);
        STEPS.iter().filter(named).collect()
    }
}

fn main() {
    let result = match Flags::parse().command {
        None => return say(Flags::command().render_help()),
        Some(Task::List) => return steps::list(),
        Some(Task::Run { steps, speed }) => run::run(&steps.selected(), speed),
        Some(Task::Timeline { steps, flags }) => timeline::timeline(&steps.selected(), &flags),
        Some(Task::Bench { steps, flags }) => bench::bench(&steps.names, flags),
        Some(Task::Soak { steps, flags }) => soak::soak(&steps.selected(), &flags),
    };
    result.unwrap_or_else(|error| fail(error));
}
