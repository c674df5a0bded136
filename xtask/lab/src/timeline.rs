//! `cargo xtask timeline`: what a step's pool does, drawn from a run in simulated time.

pub(crate) mod picture;
pub mod svg;
pub mod text;
pub mod trace;

use std::error::Error;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use terminal_size::{Width, terminal_size_of};
use xtask::cargo::root;
use xtask::output::{refusal, say};

use crate::harness::{Ended, Mode, PATIENCE, play};
use crate::program::Program;
use crate::steps::{Step, with_flags};
use picture::Picture;

/// What to draw, and how.
#[derive(clap::Args, Debug)]
pub struct Flags {
    #[command(flatten)]
    overrides: Program,

    /// Draw with nothing but ASCII
    #[arg(long)]
    ascii: bool,

    /// Write each picture to timeline.svg in the step's folder, instead of to the terminal
    #[arg(long, conflicts_with_all = ["ascii", "Program"])]
    svg: bool,

    /// Write the one step that is named to a file in the Chrome trace event format, for Perfetto,
    /// instead of to the terminal
    #[arg(long, value_name = "FILE", conflicts_with_all = ["ascii", "svg"])]
    trace: Option<PathBuf>,
}

/// Draws the steps.
///
/// # Errors
///
/// If a flag does not fit the steps, or a pool cannot be run.
pub fn timeline(steps: &[&Step], flags: &Flags) -> Result<(), Box<dyn Error>> {
    let steps = with_flags(steps, &flags.overrides).map_err(refusal)?;
    if flags.trace.is_some() && steps.len() > 1 {
        return Err(refusal("--trace takes one step: name it").into());
    }
    let width = terminal_size_of(io::stdout()).map_or(80, |(Width(width), _)| width.min(100));
    for (number, step) in steps.iter().enumerate() {
        let picture = draw(step, PATIENCE)?;
        let (file, text) = match &flags.trace {
            Some(file) => (file.clone(), trace::draw(&picture)),
            None if flags.svg => {
                let file = root()?.join(step.name).join("timeline.svg");
                (file, svg::draw(&picture))
            }
            None => {
                let gap = if number == 0 { "" } else { "\n" };
                let text = text::draw(&picture, width.into(), flags.ascii);
                say(format_args!("{gap}{}", text.trim_end()));
                continue;
            }
        };
        let cannot = |error| format!("cannot write {}: {error}", file.display());
        fs::write(&file, text).map_err(cannot)?;
    }
    Ok(())
}

/// Runs the step's pool as its program does, and computes the picture.
///
/// # Errors
///
/// If the pool cannot be run.
pub fn draw(step: &Step, patience: Duration) -> Result<Picture, Box<dyn Error>> {
    let run = play(step, &step.program.script(), Mode::VirtualClock, patience)
        .map_err(|error| format!("{}: {error}", step.name))?;
    if run.ended != Ended::Completed {
        return Err(format!("{}: a job's panic ended the pool", step.name).into());
    }
    Ok(Picture::new(step, &run))
}
