//! `cargo xtask check`: what of a step holds, in words, once or whenever a file is saved.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, SystemTime};

use anstyle::AnsiColor;

use super::blank::{Place, is_blank, wrap};
use super::check::{Check, Outcome, Property, SHARED, Verdict};
use super::compare::paint;
use super::parts::{Exercise, Part};
use super::sources::Sources;
use crate::deadline;
use crate::output::{refusal, say};
use crate::steps::STEPS;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// How many lines of a test's message are shown, and how many characters of each.
const LINES: usize = 12;
const WIDTH: usize = 94;

/// How long a test may take while parts are not written: it may wait for a thread that has met a `todo!`.
const UNWRITTEN_LIMIT: Duration = Duration::from_secs(2);

/// What to look at if tests never end.
const HANG: &str = "What never ends waits for something. Is a sender still alive, so that the queue or \
                    the results never end? Does each side wait for the other?";

/// Reports each check. Ends the program with 1 if something does not hold yet. `watch` repeats the check
/// whenever a file of its step is saved, until a signal ends it.
pub fn report(checks: &[Check], watch: bool) -> Result {
    ctrlc::set_handler(|| {
        deadline::end_all();
        process::exit(130);
    })?;
    if watch {
        let [check] = checks else {
            return Err(refusal("several steps are under way; say which one to watch").into());
        };
        return repeat(check);
    }
    let mut solved = true;
    for check in checks {
        solved &= one(check, || ControlFlow::Continue(()))?;
    }
    progress(&checks[0].root)?;
    if solved { Ok(()) } else { process::exit(1) }
}

fn repeat(check: &Check) -> Result {
    let folder = check.root.join(&check.step);
    loop {
        let seen = saved(&folder);
        if io::stdout().is_terminal() {
            say("\x1b[2J\x1b[H"); // an empty screen
        }
        let interrupt = || match saved(&folder) == seen {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        };
        match one(check, interrupt) {
            Ok(_) => progress(&check.root)?,
            Err(error) => say(format_args!("xtask: {error}")),
        }
        say("\nThis goes on when you save. Ctrl-C ends it.");
        while interrupt().is_continue() {
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// When each file of the folder was saved, and its size. Hidden ones are left out.
fn saved(folder: &Path) -> BTreeMap<PathBuf, (Option<SystemTime>, u64)> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            match fs::metadata(&path).ok().filter(|_| !is_hidden) {
                Some(data) if data.is_dir() => folders.push(path),
                Some(data) => _ = files.insert(path, (data.modified().ok(), data.len())),
                None => {} // or it has just been taken away
            }
        }
    }
    files
}

/// Does one check and says what it finds. Gives whether everything holds.
fn one(check: &Check, interrupt: impl Fn() -> ControlFlow<()>) -> Result<bool> {
    let Check { root, step, .. } = check;
    let number = STEPS.iter().position(|row| row.name == step);
    say(format_args!(
        "{step}: {}",
        number.map_or("", |number| STEPS[number].idea)
    ));
    let exercise = super::exercise(root, step).unwrap_or_default(); // its advice is all that is missed
    let sources = Sources::read(root, step)?;
    let blank = exercise.parts.iter().find_map(|part| {
        let Part {
            number, function, ..
        } = part;
        let Place { path, line, .. } = is_blank(&sources.theirs, part)?;
        Some(format!(
            "part {number}, `{function}` in {step}/{path}:{line}"
        ))
    });
    let mut check = check.clone();
    if blank.is_some() {
        check.limit = check.limit.min(UNWRITTEN_LIMIT);
    }
    let verdict = check.run(|known| {
        if let Some(property) = known {
            let of_program = blank.is_some() && property.file == "binary";
            say(line(property, of_program, check.limit, &exercise));
        }
        interrupt()
    })?;

    let (state, next) = match verdict {
        Verdict::Interrupted => return Ok(false),
        Verdict::DoesNotCompile(_) => {
            say("\nIt does not compile yet.");
            let next = "the compiler's first error; the others often follow from it";
            ("does not compile".into(), Some(next.into()))
        }
        Verdict::Checked(properties) => {
            let violated = Vec::from_iter(properties.iter().filter(|property| !property.holds()));
            let all = properties.len();
            let state = format!("{} of {all}", all - violated.len());
            say(format_args!("\n{state} properties hold."));
            let is_shared = |property: &Property| property.file == "conformance";
            if violated.is_empty()
                && root.join(SHARED).exists()
                && !properties.iter().any(is_shared)
            {
                say("Those that all steps share were left out: another step does not compile.");
            }
            let endless = violated
                .iter()
                .filter(|property| property.outcome == Outcome::NeverEnds);
            match Vec::from_iter(endless).as_slice() {
                [] => {}
                [only] => say(wrap(exercise.advice(&only.name).unwrap_or(HANG), WIDTH).join("\n")),
                _ => say(wrap(HANG, WIDTH).join("\n")), // they have a common cause
            }
            let test = |property: &&Property| format!("`cargo test -p {step} {}`", property.name);
            (
                state,
                violated
                    .first()
                    .map(|first| blank.unwrap_or_else(|| test(first))),
            )
        }
    };
    let is_begun = sources.differ() || !sources.note("progress").is_empty();
    let part = sources.note("part").parse().unwrap_or(0);
    let state = match (&next, part) {
        (Some(_), _) => state,
        (None, 0) => "solved".into(),
        (None, part) => format!("part {part} solved"),
    };
    if is_begun {
        sources.set_note("progress", &state)?;
    }
    match &next {
        Some(next) => say(format_args!(
            "Next: {next}. When stuck: `cargo xtask hint {step}`."
        )),
        None => {
            let follows = match number.and_then(|number| STEPS.get(number + 1)) {
                _ if (1..exercise.parts.len()).contains(&part) => {
                    format!("{step} --part {}", part + 1)
                }
                follows => follows.unwrap_or(&STEPS[0]).name.into(),
            };
            say(format_args!(
                "Next: compare, `cargo xtask solution {step}`, then `cargo xtask exercise {follows}`."
            ));
        }
    }
    Ok(next.is_none())
}

/// A property on a line, and below it what is wrong.
///
/// A test of the program does not tell why its program failed, so nothing is said of that while parts
/// are unwritten.
fn line(property: &Property, is_unwritten: bool, limit: Duration, exercise: &Exercise) -> String {
    let (colour, mark, message) = match &property.outcome {
        Outcome::Holds => (AnsiColor::Green, "✓", String::new()),
        Outcome::NotWritten => (AnsiColor::Yellow, "…", String::new()),
        Outcome::Fails(_) if is_unwritten => (AnsiColor::Yellow, "…", String::new()),
        Outcome::Fails(message) => (AnsiColor::Red, "✗", message.clone()),
        Outcome::NeverEnds => {
            let message = format!("never ends: stopped after {} s", limit.as_secs());
            (AnsiColor::Red, "∞", message)
        }
    };
    let mut text = format!("  {} {property}", paint(colour.on_default(), mark));
    if !message.is_empty() {
        let advice = exercise.advice(&property.name);
        let advice = advice.filter(|_| property.outcome != Outcome::NeverEnds);
        let cut = |line: &str| line.chars().take(WIDTH).collect();
        let lines = message.lines().take(LINES).map(cut);
        for line in lines.chain(wrap(advice.unwrap_or_default(), WIDTH)) {
            text += &format!("\n      {line}");
        }
    }
    text
}

/// Says how far along all the steps are.
fn progress(root: &Path) -> Result {
    let (mut solved, mut begun) = (Vec::new(), Vec::new());
    for step in STEPS {
        match Sources::read(root, step.name)?.note("progress").as_str() {
            "" => {}
            "solved" => solved.push(step.name.to_owned()),
            note => begun.push(format!("{} ({note})", step.name)),
        }
    }
    let list = |names: Vec<String>, what| match names.is_empty() {
        true => String::new(),
        false => format!("{what}{}", names.join(", ")),
    };
    let (count, all) = (solved.len(), STEPS.len());
    let (solved, begun) = (list(solved, ": "), list(begun, "; under way: "));
    say(format_args!(
        "\n{count} of {all} steps solved{solved}{begun}."
    ));
    Ok(())
}
