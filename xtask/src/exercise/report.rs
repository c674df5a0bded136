//! `cargo xtask check`: what of a step holds, in words, once or whenever a file is saved.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead, IsTerminal};
use std::ops::ControlFlow;
use std::path::Path;
use std::process;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use anstyle::AnsiColor;

use super::blank::{Place, is_blank, wrap};
use super::check::{Check, Outcome, Property, Verdict};
use super::compare::paint;
use super::parts::{Exercise, Part, advice};
use super::sources::Sources;
use crate::deadline;
use crate::files::plain_files;
use crate::output::{Progress, refusal, say};
use crate::steps::STEPS;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// How many lines of a test's message are shown, and how many characters of each. One test alone may say more.
const LINES: usize = 12;
const WIDTH: usize = 94;

/// How long a test may take while parts are not written: it may wait for a thread that has met a `todo!`.
const UNWRITTEN_LIMIT: Duration = Duration::from_secs(2);

/// What to look at if tests wait for ever.
const HANG: &str = "What never ends waits for something. Is a sender still alive, so that the queue or \
                    the results never end? Does each side wait for the other?";

/// What to look at if tests compute for ever.
const SPIN: &str = " It computes and does not wait: which loop goes on, and what should end it? A pool \
                    that waits uses no processor time.";

/// Reports each check. Ends the program with 1 if something does not hold yet. `watch` repeats the check
/// whenever a file of its step is saved, until a signal or the user ends it.
pub fn report(checks: &[Check], watch: bool) -> Result {
    ctrlc::set_handler(|| {
        deadline::end_all();
        process::exit(130);
    })?;
    if watch {
        let [check] = checks else {
            return Err(refusal("several steps are under way; say which one to watch").into());
        };
        repeat(check);
    }
    let mut solved = true;
    for check in checks {
        solved &= one(check, || ControlFlow::Continue(()))?;
    }
    if checks.iter().all(|check| check.only.is_empty()) {
        progress(&checks[0].root)?;
    }
    if solved { Ok(()) } else { process::exit(1) }
}

fn repeat(check: &Check) -> ! {
    let folder = check.root.join(&check.step);
    let (send, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut lines = io::stdin().lock().lines().map_while(|line| line.ok());
        lines.try_for_each(|line| send.send(line))
    });
    loop {
        if io::stdout().is_terminal() {
            say("\x1b[2J\x1b[H"); // an empty screen
        }
        let touched = check.touch_what_came_back();
        let seen = saved(&folder);
        let interrupt = || {
            for line in lines.try_iter() {
                obey(check, line.trim()).unwrap_or_else(complain);
            }
            match saved(&folder) == seen {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        };
        let done = touched.and_then(|()| one(check, interrupt));
        done.and_then(|_| progress(&check.root))
            .unwrap_or_else(complain);
        say("\nThis goes on when you save. h, n, l or q, and Enter: hint, next part, list, quit.");
        while interrupt().is_continue() {
            thread::sleep(Duration::from_millis(100));
        }
    }
}

fn complain(error: Box<dyn Error>) {
    say(format_args!("xtask: {error}"));
}

/// Does what a line says that was typed beside a check.
fn obey(check: &Check, line: &str) -> Result {
    let Check { root, step, .. } = check;
    match line {
        "h" => super::hint(root, step, None),
        "n" if !Sources::read(root, step)?
            .note("progress")
            .ends_with("solved") =>
        {
            Err("this part is not solved yet".into())
        }
        "n" => super::start(root, step, None, false, false),
        "l" => {
            super::list();
            Ok(())
        }
        "q" => {
            deadline::end_all();
            process::exit(0)
        }
        "" => Ok(()),
        other => Err(format!("`{other}` is none of h, n, l and q").into()),
    }
}

/// When each file of the folder was saved, and its size.
fn saved(folder: &Path) -> BTreeMap<String, (Option<SystemTime>, u64)> {
    let files = plain_files(folder, ".").unwrap_or_default().into_iter();
    files
        .map(|(path, data)| (path, (data.modified().ok(), data.len())))
        .collect()
}

/// Does one check and says what it finds. Gives whether everything holds.
fn one(check: &Check, interrupt: impl Fn() -> ControlFlow<()>) -> Result<bool> {
    let Check { root, step, .. } = check;
    let idea = STEPS
        .iter()
        .find(|row| row.name == step)
        .map_or("", |row| row.idea);
    say(format_args!("{step}: {idea}"));
    let mut exercise = super::exercise(root, step).unwrap_or_default(); // its advice is all that is missed
    let shared = advice(include_str!("shared.md")).unwrap_or_default();
    exercise.advice.extend(shared);
    let sources = Sources::read(root, step)?;
    let mut unwritten = exercise.parts.iter();
    let unwritten = unwritten.find_map(|part| Some((part, is_blank(&sources.theirs, part)?)));
    let number = unwritten.as_ref().map(|(part, _)| part.number);
    let mut check = check.clone();
    if number.is_some() {
        check.limit = check.limit.min(UNWRITTEN_LIMIT);
    }
    let (mut progress, mut is_starved) = (None::<Progress>, false);
    let verdict = check.run(|known| {
        match known {
            None => progress.get_or_insert_default().tick("the tests run"),
            Some(property) => {
                progress = None;
                if property.starved && !is_starved {
                    say("  This computer is very busy, so the tests take longer. Only their own time counts.");
                    is_starved = true;
                }
                say(line(property, number.is_some(), &check));
            }
        }
        interrupt()
    })?;

    let (state, next) = match &verdict {
        Verdict::Interrupted => return Ok(false),
        Verdict::DoesNotCompile(_) => {
            say("\nIt does not compile yet.");
            let next = "the compiler's first error; the others often follow from it";
            ("does not compile".into(), Some(next.into()))
        }
        Verdict::Checked(properties) => {
            let state = summary(properties, number);
            let first = first(properties, &exercise);
            let is_asked = check.only.is_empty() || first.is_some();
            let unwritten = unwritten.filter(|_| is_asked).map(|(part, place)| {
                let (
                    Part {
                        number, function, ..
                    },
                    Place { path, line, .. },
                ) = (part, place);
                format!("part {number}, `{function}` in {step}/{path}:{line}")
            });
            let first = first.filter(|_| unwritten.is_none()).map(|first| {
                if let Some(advice) = advise(first, &exercise) {
                    say(wrap(&format!("{first}: {advice}"), WIDTH).join("\n"));
                }
                match &first.outcome {
                    Outcome::LeftOut(package) => format!(
                        "`cargo xtask check {package}`, or `cargo xtask reset {package}`, which keeps what you wrote there"
                    ),
                    _ => format!("`cargo xtask check {step} {}`", first.name),
                }
            });
            (state, unwritten.or(first))
        }
    };
    let (solved, last) = (next.is_none(), exercise.parts.len());
    let (part, is_whole) = super::part_under_way(&sources).unwrap_or((last, true));
    let state = match (solved, part == last && is_whole) {
        (false, _) => state,
        (true, true) => "solved".into(),
        (true, false) => format!("part {part} solved"),
    };
    if !sources.differ() {
        say("These are our sources: nothing of yours is judged.");
    } else if check.only.is_empty() && !sources.note("progress").is_empty() {
        sources.set_note("progress", &state)?;
    }
    match &next {
        Some(next) => say(format_args!(
            "Next: {next}. When stuck: `cargo xtask hint {step}`."
        )),
        None if !check.only.is_empty() => say(format_args!("Next: `cargo xtask check {step}`.")),
        None if !sources.differ() => say(format_args!(
            "Next: `cargo xtask exercise {step}`, to write them yourself."
        )),
        None if part < last => say(format_args!(
            "Next: part {}, `cargo xtask exercise {step}`. To compare: `cargo xtask solution {step}`.",
            part + 1
        )),
        None => {
            let mut follows = STEPS.iter().skip_while(|row| row.name != step).skip(1);
            let follows = follows.next().unwrap_or(&STEPS[0]).name;
            say(format_args!(
                "Next: compare, `cargo xtask solution {step}`, then `cargo xtask exercise {follows}`."
            ));
        }
    }
    Ok(solved)
}

/// Says how many properties hold, and what cannot be judged yet. Gives the first of that in short.
fn summary(properties: &[Property], unwritten: Option<usize>) -> String {
    let holding = properties
        .iter()
        .filter(|property| property.holds())
        .count();
    let state = format!("{holding} of {}", properties.len());
    say(format_args!("\n{state} properties hold."));
    let mut waiting = BTreeMap::<_, usize>::new();
    for property in properties {
        match property.outcome {
            Outcome::NotWritten(part) => *waiting.entry(part).or_default() += 1,
            _ if is_unjudged(property, unwritten.is_some()) => {
                *waiting.entry(unwritten.unwrap_or_default()).or_default() += 1;
            }
            _ => {}
        }
    }
    for (part, count) in waiting {
        say(format_args!(
            "{count} cannot be judged before part {part} is written."
        ));
    }
    state
}

/// A test of the program does not tell why its program failed, so nothing is said of that while parts are unwritten.
fn is_unjudged(property: &Property, is_unwritten: bool) -> bool {
    is_unwritten && property.file == "binary" && !property.holds()
}

/// What to look at first: of all that do not hold, what tells most.
fn first<'a>(properties: &'a [Property], exercise: &Exercise) -> Option<&'a Property> {
    let violated = properties.iter().filter(|property| !property.holds());
    violated.min_by_key(|property| {
        let place = exercise.place(&property.name).unwrap_or(usize::MAX);
        let is_own_line = matches!(property.outcome, Outcome::Panics(_)) && place < usize::MAX;
        (!is_own_line, property.file == "binary", place)
    })
}

/// What may be wrong if this property is the first that does not hold.
fn advise(first: &Property, exercise: &Exercise) -> Option<String> {
    let advice = exercise.advice(&first.name).map(String::from);
    match first.outcome {
        Outcome::NeverEnds { spins: Some(true) } => Some(advice.unwrap_or_default() + SPIN),
        Outcome::NeverEnds { .. } => advice.or(Some(HANG.into())),
        Outcome::Fails(_) => advice,
        _ => None, // its message says it all
    }
}

/// A property on a line, and below it what came of it.
fn line(property: &Property, is_unwritten: bool, check: &Check) -> String {
    let (mut colour, mut mark, mut message) = (AnsiColor::Red, "✗", String::new());
    match &property.outcome {
        Outcome::Holds => (colour, mark) = (AnsiColor::Green, "✓"),
        Outcome::NotWritten(_) => (colour, mark) = (AnsiColor::Yellow, "…"),
        _ if is_unjudged(property, is_unwritten) => (colour, mark) = (AnsiColor::Yellow, "…"),
        Outcome::LeftOut(package) => {
            (colour, mark) = (AnsiColor::Yellow, "…");
            message =
                format!("{package} does not compile, and these tests are built with all steps");
        }
        Outcome::NeverEnds { spins } => {
            mark = "∞";
            let how = spins.map_or(
                "",
                |spins| if spins { ": it computes" } else { ": it waits" },
            );
            message = format!(
                "never ends{how}; stopped after {} s or more",
                check.limit.as_secs()
            );
        }
        Outcome::Panics(text) | Outcome::Fails(text) => message = text.clone(),
    }
    let mut text = format!("  {} {property}", paint(colour.on_default(), mark));
    let lines = if check.only.is_empty() {
        LINES
    } else {
        usize::MAX
    };
    let cut = |line: &str| String::from_iter(line.chars().take(WIDTH));
    for line in message.lines().take(lines).map(cut) {
        text += &format!("\n      {line}");
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
