//! `cargo xtask`: everything that is done with the steps.

use std::env;
use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand};
use xtask::cargo::become_program;
use xtask::exercise;
use xtask::flags;
use xtask::output::{fail, say};
use xtask::run::{above_zero, run};
use xtask::steps::{STEPS, Selection};

/// Everything that is done with the steps.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
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
        steps: Selection,

        /// How many times faster than the article to run, above 0
        #[arg(long, value_name = "X", default_value = "1", allow_negative_numbers = true, value_parser = above_zero)]
        speed: f64,
    },
    /// Run the commands and try the edits that the pages show, and update what has changed
    Lessons(Arguments),
    /// Make a book of all pages
    Book(Arguments),
    /// Draw what the steps' pools do, from a run of each in simulated time
    Timeline(Arguments),
    /// Decide what happens next to a step's pool, and see what it does
    Play(Arguments),
    /// Measure what the steps' pools cost beyond the jobs, beside the pools one could use instead
    Bench(flags::Bench),
    /// Run the steps' pools in random ways, and check what must hold in all of them
    Soak(flags::Soak),
    #[command(flatten)]
    Exercise(exercise::Command),
}

/// For another package, which says itself what it takes.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
struct Arguments {
    /// Which steps or pages, and what else `--help` lists
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// What follows the command, for the program that does it.
fn again() -> Arguments {
    let arguments = env::args_os().skip(2).collect();
    Arguments { arguments }
}

fn main() {
    let run_with = |package: &str, command: &str, rest: Arguments| {
        let words = Some(command.into()).filter(|_| !command.is_empty());
        become_program(package, words.into_iter().chain(rest.arguments))
    };
    let result = match Flags::parse().command {
        None => return say(Flags::command().render_help()),
        Some(Task::List) => return exercise::list(),
        Some(Task::Run { steps, speed }) => {
            let included = STEPS.iter().filter(|step| steps.includes(step.name));
            run(included, speed)
        }
        Some(Task::Lessons(rest)) => run_with("-p lessons", "lessons", rest),
        Some(Task::Book(rest)) => run_with("-p lessons", "book", rest),
        Some(Task::Timeline(rest)) => run_with("-p lab", "timeline", rest),
        Some(Task::Play(rest)) => run_with("-p lab --features keys", "play", rest),
        Some(Task::Soak(_)) => run_with("-p lab --release", "soak", again()),
        Some(Task::Bench(_)) => run_with("-p bench --release", "", again()),
        Some(Task::Exercise(command)) => exercise::run(&command),
    };
    result.unwrap_or_else(|error| fail(error));
}
