//! Writing the steps oneself: `cargo xtask exercise`, and what helps with it.

pub mod blank;
pub mod check;
mod compare;
mod doctor;
pub mod parts;
mod report;
mod sources;

use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use crate::cargo::root;
use crate::output::{refusal, say};
use crate::steps::{self, STEPS, Step};
use blank::{Place, blank, find, is_blank};
use check::Check;
use compare::compare;
use parts::{Exercise, Part};
pub use sources::{DIGESTS, Files, digests, read as files};
use sources::{Sources, lock};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// What can be done with exercises.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Make an exercise of a step: write its functions yourself, one part after the other
    Exercise {
        /// Which step; by default the one that is under way
        #[arg(value_parser = names())]
        step: Option<String>,

        /// Begin with this part, instead of the first or the next
        #[arg(long, value_name = "N")]
        part: Option<usize>,

        /// All parts at once
        #[arg(long, conflicts_with = "part")]
        all: bool,

        /// Start anew although the exercise is under way; what is there is kept in .attempts
        #[arg(long)]
        force: bool,

        /// For maintainers: take the sources of all steps, as they are now, for ours
        #[arg(long, hide = true)]
        accept: bool,
    },
    /// Say which properties of a pool hold already, and what to do next
    Check {
        /// Which step; by default those that are under way
        #[arg(value_parser = names())]
        step: Option<String>,

        /// Only these properties, by the names of their tests
        #[arg(value_name = "PROPERTY")]
        only: Vec<String>,

        /// Check again whenever a file of the step is saved
        #[arg(long)]
        watch: bool,

        /// How long one test may take, at most a day; the time in which other programs use the processors does not count
        #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = clap::value_parser!(u64).range(1..=86_400))]
        limit: u64,
    },
    /// Give one more hint
    Hint {
        /// Which step; by default the one that is under way
        #[arg(value_parser = names())]
        step: Option<String>,

        /// For this part, instead of the one that is under way
        #[arg(long, value_name = "N")]
        part: Option<usize>,
    },
    /// Show what differs between your sources and ours
    Solution(Which),
    /// Put our sources back; yours are kept in .attempts
    Reset(Which),
    /// Show what a step adds to the one it builds on, or to another
    Diff {
        /// Which step
        #[arg(value_parser = names())]
        step: String,

        /// Compare with this step
        #[arg(value_name = "STEP", value_parser = names())]
        other: Option<String>,
    },
    /// Say whether this computer is ready for a workshop, and make it so
    Doctor,
}

/// A step.
#[derive(Clone, Debug, Args)]
pub struct Which {
    /// Which step; by default the one that is under way
    #[arg(value_parser = names())]
    step: Option<String>,
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(STEPS.map(|step| step.name))
}

/// Does what was asked for.
///
/// # Errors
///
/// If it cannot be done: why, and what to do instead.
pub fn run(command: &Command) -> Result {
    let root = &root()?;
    match command {
        Command::Exercise { accept: true, .. } => {
            let digests = digests(root, STEPS.iter().map(|step| step.name))?;
            Ok(fs::write(root.join(DIGESTS), digests)?)
        }
        Command::Exercise {
            step,
            part,
            all,
            force,
            ..
        } => start(root, &the_one(root, step)?, *part, *all, *force),
        Command::Check {
            step,
            only,
            watch,
            limit,
        } => {
            let names = match step {
                Some(step) => vec![step.as_str()],
                None => under_way(root)?,
            };
            let limit = Duration::from_secs(*limit);
            let checks = names.iter().map(|name| Check {
                limit,
                only: only.clone(),
                ..Check::new(root, name)
            });
            report::report(&Vec::from_iter(checks), *watch)
        }
        Command::Hint { step, part } => hint(root, &the_one(root, step)?, *part),
        Command::Solution(Which { step }) => solution(root, &the_one(root, step)?),
        Command::Reset(Which { step }) => reset(root, &the_one(root, step)?),
        Command::Diff { step, other } => diff(root, step, other.as_deref()),
        Command::Doctor => doctor::doctor(root),
    }
}

/// Replaces the bodies of the parts by their tasks.
fn start(root: &Path, step: &str, part: Option<usize>, all: bool, force: bool) -> Result {
    let exercise = exercise(root, step)?;
    part.map(|number| nth(&exercise, number)).transpose()?;
    let _lock = lock(root)?;
    let sources = Sources::read(root, step)?;
    let progress = sources.note("progress");
    let is_solved = progress.ends_with("solved");
    if sources.differ() && !progress.is_empty() && !is_solved && !force {
        return Err(format!(
            "{step} is under way, and nothing was changed; `cargo xtask check {step}` says how far it is, \
             `--force` keeps a copy and starts anew"
        )
        .into());
    }
    // Who has solved a part goes on with the next one in the same files.
    let last = exercise.parts.len();
    let (solved, is_whole) = part_under_way(&sources)
        .filter(|_| is_solved && progress != "solved" && sources.differ() && !force)
        .unwrap_or((0, true));
    let number = part.unwrap_or(if solved < last { solved + 1 } else { 1 });
    let parts = match all {
        false => vec![nth(&exercise, number)?],
        true => exercise.parts.iter().collect(),
    };
    let goes_on = solved > 0 && number == solved + 1 && !all;
    let next = goes_on
        .then(|| blank(&sources.theirs, parts.iter().copied()).ok())
        .flatten();
    let is_late = number > 1 && (next.is_none() || !is_whole);
    let note = match (all, is_late) {
        (true, _) => String::new(),
        (false, true) => format!("{number} only"),
        (false, false) => number.to_string(),
    };
    let ours = sources.keep_ours()?;
    let files = match next {
        Some(files) => files,
        None => blank(&ours, parts.iter().copied())?,
    };
    put(&sources, &files, "begun")?;
    sources.set_note("part", &note)?;

    for part in parts {
        let Part {
            number, function, ..
        } = part;
        let Place { path, line, .. } = find(&files, function)?;
        say(format_args!(
            "part {number} of {last}: `{function}` in {step}/{path}:{line}"
        ));
    }
    say(format_args!(
        "\nNext: write {}, with `cargo xtask check {step} --watch` beside your editor.\n\
         When stuck: `cargo xtask hint`. To end: `cargo xtask reset`.",
        if all { "them" } else { "it" }
    ));
    Ok(())
}

/// The part that was begun last, and whether those before it are the learner's, too. `None` if all parts were begun at once.
fn part_under_way(sources: &Sources) -> Option<(usize, bool)> {
    let note = sources.note("part");
    let number = note.split(' ').next()?.parse().ok()?;
    Some((number, !note.ends_with("only")))
}

/// Replaces what is in the step's folder, and says where that is kept.
fn put(sources: &Sources, files: &Files, progress: &str) -> Result {
    let kept = sources.keep_theirs()?;
    sources.replace(files)?;
    sources.set_note("progress", progress)?;
    // Last, as the program ends if its output is not read.
    if let Some(kept) = kept {
        let step = &sources.step;
        say(format_args!(
            "What was in {step}/src is kept in {}.",
            kept.display()
        ));
    }
    Ok(())
}

/// What the step's `exercise.md` says.
fn exercise(root: &Path, step: &str) -> Result<Exercise> {
    let path = format!("{step}/exercise.md");
    let text = fs::read_to_string(root.join(&path)).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("{step} has no exercise yet"),
        _ => format!("{path}: {error}"),
    })?;
    Ok(Exercise::parse(&text).map_err(|error| format!("{path}: {error}"))?)
}

fn nth(exercise: &Exercise, number: usize) -> Result<&Part> {
    let mut parts = exercise.parts.iter();
    let part = parts.find(|part| part.number == number);
    let known = exercise.parts.len();
    Ok(part.ok_or_else(|| refusal(format_args!("there is no part {number}; there are {known}")))?)
}

/// The steps whose sources are not ours; at least one.
fn under_way(root: &Path) -> Result<Vec<&'static str>> {
    let mut names = Vec::new();
    for Step { name, .. } in STEPS {
        if Sources::read(root, name)?.differ() {
            names.push(name);
        }
    }
    match names.is_empty() {
        true => Err(refusal(
            "no exercise is under way; `cargo xtask exercise basic` begins the first",
        )
        .into()),
        false => Ok(names),
    }
}

/// The step that is asked for, or else the only one that is under way.
fn the_one(root: &Path, step: &Option<String>) -> Result<String> {
    match (
        step,
        step.is_none()
            .then(|| under_way(root))
            .transpose()?
            .as_deref(),
    ) {
        (Some(step), _) => Ok(step.clone()),
        (None, Some([only])) => Ok((*only).into()),
        (None, several) => {
            let several = several.unwrap_or_default().join(", ");
            Err(refusal(format!("several steps are under way; name one: {several}")).into())
        }
    }
}

/// Prints how far each step is, beside what it is about.
pub fn list() {
    let root = root().ok();
    steps::list(|step| match &root {
        Some(root) => sources::note(root, step, "progress"),
        None => String::new(),
    });
}

/// Prints the hints given so far, and one more. Where that cannot be noted, all of them.
fn hint(root: &Path, step: &str, part: Option<usize>) -> Result {
    let _lock = lock(root); // or nothing can be noted
    let (sources, exercise) = (Sources::read(root, step)?, exercise(root, step)?);
    let note = sources.note("hints");
    let mut given = Vec::from_iter(note.split(' ').map(|count| count.parse().unwrap_or(0)));
    given.resize(exercise.parts.len(), 0);
    let part = match part {
        Some(number) => nth(&exercise, number)?,
        None => {
            let parts = || exercise.parts.iter();
            let has_more = |part: &&Part| given[part.number - 1] < part.hints.len();
            let blank = parts().find(|part| is_blank(&sources.theirs, part).is_some());
            let begun =
                part_under_way(&sources).and_then(|(begun, _)| parts().nth(begun.checked_sub(1)?));
            let part = blank.or(begun).or_else(|| parts().find(has_more));
            part.unwrap_or(&exercise.parts[0])
        }
    };
    let all = part.hints.len();
    let count = &mut given[part.number - 1];
    *count = (*count + 1).min(all + 1);
    let mut count = *count;
    let note = Vec::from_iter(given.iter().map(usize::to_string)).join(" ");
    if sources.set_note("hints", &note).is_err() {
        count = all + 1;
    }
    for (number, hint) in (1..).zip(&part.hints).take(count) {
        let (title, text) = (&hint.title, &hint.text);
        say(format_args!(
            "Part {}, `{}`, hint {number} of {all}: {title}\n\n{text}\n",
            part.number, part.function
        ));
    }
    if count > all {
        say(format_args!(
            "That is all of them. `cargo xtask solution {step}` shows ours."
        ));
    }
    Ok(())
}

/// Prints what differs between the sources in the step's folder and ours.
fn solution(root: &Path, step: &str) -> Result {
    let sources = Sources::read(root, step)?;
    match compare(("yours", &sources.theirs), ("ours", sources.ours()?)) {
        same if same.is_empty() => say(format_args!("{step}/src is the same as ours.")),
        difference => say(difference),
    }
    Ok(())
}

/// Puts our sources back.
fn reset(root: &Path, step: &str) -> Result {
    let _lock = lock(root)?;
    let sources = Sources::read(root, step)?;
    let ours = sources.ours()?;
    let note = sources.note("progress");
    let solved = Some(note).filter(|note| note == "solved");
    put(&sources, ours, &solved.unwrap_or_default())?;
    say(format_args!("{step}/src is ours."));
    Ok(())
}

/// Prints what differs between our sources of two steps, apart from their programs.
fn diff(root: &Path, step: &str, other: Option<&str>) -> Result {
    let builds_on = STEPS
        .iter()
        .find(|row| row.name == step)
        .and_then(|row| row.builds_on);
    let (old, new) = match (other, builds_on) {
        (Some(other), _) => (step, other),
        (None, Some((builds_on, _))) => (builds_on, step),
        (None, None) => {
            let message =
                format!("{step} builds on no other step; name a second one to compare with");
            return Err(refusal(message).into());
        }
    };
    let library = |step| -> Result<_> {
        let sources = Sources::read(root, step)?;
        let mut files = sources.ours.unwrap_or(sources.theirs);
        files.retain(|path, _| !["src/main.rs", "src/cli.rs"].contains(&path.as_str()));
        Ok(files)
    };
    say(compare((old, &library(old)?), (new, &library(new)?)));
    Ok(())
}
