//! `cargo xtask lessons` and `cargo xtask book`, which are run from here.

use clap::{Parser, Subcommand};
use lessons::{book, lessons};
use xtask::output::fail;

/// What is done with the pages.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Flags {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the commands and try the edits that the pages show, and update what has changed
    Lessons(lessons::Flags),
    /// Make a book of all pages
    Book(book::Flags),
}

fn main() {
    let result = match Flags::parse().command {
        Task::Lessons(flags) => lessons(&flags),
        Task::Book(flags) => book::book(flags),
    };
    result.unwrap_or_else(|error| fail(error));
}
