//! `cargo xtask timeline`: what a step's pool does, drawn from a run of it in simulated time.

mod clock;
mod conductor;
mod knobs;
mod picture;
pub mod svg;
pub mod text;
pub mod trace;

use std::error::Error;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use terminal_size::{Width, terminal_size_of};

pub use conductor::PATIENCE;
use knobs::Knobs;
pub use picture::Picture;
use text::Paper;

use crate::pools::{Adapter, Event, Plan};
use crate::steps::Step;
use xtask::cargo::root;
use xtask::output::{refusal, say};

/// What happened in a run, and when, in simulated time since its start.
#[derive(Debug, Default)]
pub struct Recording {
    /// What happened. In what order at one moment is left to chance where threads are at work.
    pub events: Vec<(Duration, Event)>,
    /// When the pool had ended.
    pub end: Duration,
}

/// Runs the step's pool in simulated time.
///
/// # Errors
///
/// If the pool cannot be started, is stuck or panics.
pub fn record(step: &Step, patience: Duration) -> Result<Recording, Box<dyn Error>> {
    let (scenario, plan) = (&step.scenario, step.scenario.plan());
    let recording = match step.adapter {
        Adapter::Threads(run) => {
            // Room for all, so that the conductor knows: every job is handed in before the first ends.
            let capacity =
                NonZeroUsize::new(plan.jobs).map_or(plan.capacity, |jobs| plan.capacity.max(jobs));
            let plan = Plan { capacity, ..plan };
            conductor::conduct(move |host| run(plan, host), scenario, patience)
        }
        Adapter::Tasks(run) => clock::run(|host| run(plan, host), scenario),
    };
    recording.map_err(|error| format!("{}: {error}", step.name).into())
}

/// What to draw, and how.
#[derive(clap::Args, Debug)]
pub struct Flags {
    #[command(flatten)]
    knobs: Knobs,

    /// Draw with nothing but ASCII
    #[arg(long)]
    ascii: bool,

    /// Write each picture to timeline.svg in the step's folder, instead of to the terminal
    #[arg(long, conflicts_with_all = ["ascii", "Knobs"])]
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
    let steps = flags.knobs.turn(steps).map_err(refusal)?;
    if flags.svg {
        let draw = |step| write(&svg_file(step)?, svg::draw(&draw(step)?));
        return steps.iter().try_for_each(draw);
    }
    if let Some(file) = &flags.trace {
        let [step] = steps.as_slice() else {
            return Err(refusal("--trace takes one step: name it").into());
        };
        return write(file, trace::draw(&draw(step)?));
    }
    let paper = Paper {
        width: terminal_size_of(io::stdout())
            .map_or(80, |(Width(width), _)| usize::from(width).min(100)),
        ascii: flags.ascii,
    };
    for (number, step) in steps.iter().enumerate() {
        let gap = if number == 0 { "" } else { "\n" };
        let text = text::draw(&draw(step)?, paper);
        match AutoStream::choice(&io::stdout()) {
            ColorChoice::Never => say(format_args!("{gap}{}", strip_str(text.trim_end()))),
            _ => say(format_args!("{gap}{}", text.trim_end())),
        }
    }
    Ok(())
}

/// Runs the step's pool, and computes its picture.
///
/// # Errors
///
/// If the pool cannot be run.
pub fn draw(step: &Step) -> Result<Picture, Box<dyn Error>> {
    Ok(Picture::new(step, &record(step, PATIENCE)?))
}

/// Where the step's picture is kept.
///
/// # Errors
///
/// If the current folder is not in the workspace.
pub fn svg_file(step: &Step) -> io::Result<PathBuf> {
    Ok(root()?.join(step.name).join("timeline.svg"))
}

fn write(file: &Path, text: String) -> Result<(), Box<dyn Error>> {
    fs::write(file, text)
        .map_err(|error| format!("cannot write {}: {error}", file.display()).into())
}
