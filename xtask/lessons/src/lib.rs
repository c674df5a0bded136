//! `cargo xtask lessons`: what the pages show is run, tried and followed.

pub mod book;
pub mod console;
pub mod edit;
pub mod experiment;
pub mod links;
pub mod page;
pub mod workspace;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use similar::TextDiff;

use self::experiment::{Claim, Edited, Laboratory};
use self::page::{Block, Page};
use self::workspace::Workspace;
use xtask::cargo;
use xtask::deadline;
use xtask::exercise::parts::Exercise;
use xtask::files::{move_file, write_file};
use xtask::steps::STEPS;

/// What `lessons` takes.
#[derive(clap::Args, Clone, Debug)]
pub struct Flags {
    /// Change no page; fail where one is out of date
    #[arg(long)]
    check: bool,

    /// Which steps or pages, such as xtask/book/choosing.md; all by default
    #[arg(value_name = "STEP|PAGE")]
    pages: Vec<String>,
}

/// Runs, tries and follows what is on the pages, and updates what has changed.
///
/// # Errors
///
/// If something on a page is not so; what and where has been printed to standard error.
pub fn lessons(flags: &Flags) -> Result<(), Box<dyn Error>> {
    ctrlc::set_handler(|| {
        deadline::end_all();
        process::exit(130);
    })?;
    let root = cargo::root()?;
    let mut problems = Vec::new();
    let mut report = |problem: String| {
        note(&problem);
        problems.push(problem);
    };

    let pages = selected(&root, &flags.pages)?;
    for page in &pages {
        links::problems(&root, page)
            .into_iter()
            .for_each(&mut report);
    }
    let printed = run_all(&Workspace::new(root.clone()), &pages);
    for page in &pages {
        let new = updated(page, &printed, &mut report);
        if new == page.text {
            continue;
        }
        if flags.check {
            let diff = TextDiff::from_lines(&page.text, &new);
            let diff = diff
                .unified_diff()
                .header(&page.path, "what is printed now")
                .to_string();
            report(format!(
                "{diff}{}: out of date: `cargo xtask lessons` updates it",
                page.path
            ));
        } else {
            let (path, beside) = (root.join(&page.path), format!("{}.new", page.path));
            let beside = root.join(beside);
            write_file(&beside, new.as_bytes())?;
            move_file(&beside, &path)?;
            note(&format!("{}: updated", page.path));
        }
    }
    // Updating moves lines, so the pages are read again.
    try_all(&root, &selected(&root, &flags.pages)?, &mut report);
    match problems.len() {
        0 => Ok(()),
        number => Err(format!("problems: {number}\n{}", problems.join("\n")).into()),
    }
}

fn note(line: &str) {
    _ = writeln!(io::stderr(), "{line}");
}

/// What one reads first.
const BEFORE_STEP_1: &str = "xtask/book/go-to-rust.md";

/// The page that only the leader of a workshop reads: the last.
const FOR_LEADERS: &str = "xtask/book/teaching.md";

/// The pages of the workspace at `root`, in the order of the book.
///
/// # Errors
///
/// If one cannot be read.
pub fn pages(root: &Path) -> io::Result<Vec<Page>> {
    let front = Page::read(root, "README.md")?;
    let mut paths = Vec::new();
    let mut last = Vec::new();
    for step in &STEPS {
        paths.push(format!("{}/README.md", step.name));
        let exercise = format!("{}/exercise.md", step.name);
        if root.join(&exercise).exists() {
            paths.push(exercise);
        }
    }
    let mut loose = Vec::new();
    for entry in fs::read_dir(root.join("xtask/book")).into_iter().flatten() {
        let path = format!("xtask/book/{}", entry?.file_name().to_string_lossy());
        if path.ends_with(".md") {
            let place = front
                .links
                .iter()
                .position(|link| link.target.split('#').next() == Some(&path));
            loose.push((place.unwrap_or(usize::MAX), path));
        }
    }
    loose.sort();
    for (_, path) in loose {
        match path.as_str() {
            BEFORE_STEP_1 => paths.insert(0, path),
            FOR_LEADERS => last.push(path),
            _ => paths.push(path),
        }
    }
    paths.extend(["xtask/README.md", "xtask/lab/README.md"].map(String::from));
    let others = paths.iter().chain(&last);
    let others = others.map(|path| Page::read(root, path));
    [Ok(front)].into_iter().chain(others).collect()
}

/// The right and wrong answers to the exercises, which no learner reads: a page for each step that has one.
///
/// # Errors
///
/// If one cannot be read.
pub fn answers(root: &Path) -> io::Result<Vec<Page>> {
    let paths = STEPS.map(|step| format!("xtask/lessons/answers/{}.md", step.name));
    let paths = paths.iter().filter(|path| root.join(path).exists());
    paths.map(|path| Page::read(root, path)).collect()
}

/// The pages of these names: of a step, or from the root of the workspace.
fn selected(root: &Path, names: &[String]) -> Result<Vec<Page>, Box<dyn Error>> {
    let mut pages = pages(root)?;
    pages.extend(answers(root)?);
    let is_named = |page: &Page, name: &String| {
        page.path == *name || page.step() == name.trim_end_matches('/')
    };
    if let Some(name) = names
        .iter()
        .find(|name| !pages.iter().any(|page| is_named(page, name)))
    {
        return Err(format!("there is no page `{name}`, and no step of this name").into());
    }
    pages.retain(|page| names.is_empty() || names.iter().any(|name| is_named(page, name)));
    Ok(pages)
}

type Printed = BTreeMap<String, Result<String, String>>;

/// Runs every command of the pages once.
fn run_all(workspace: &Workspace, pages: &[Page]) -> Printed {
    let blocks = pages.iter().flat_map(|page| &page.blocks);
    let run = blocks.filter(|block| console::is_run(&block.info) == Ok(true));
    let calls = run.flat_map(|block| console::calls(&block.text).unwrap_or_default());
    let commands = BTreeSet::from_iter(calls.map(|call| call.command.to_owned()));

    let printed = Mutex::new(Printed::new());
    several_at_a_time(commands, |command| {
        let start = Instant::now();
        let output = console::output(workspace, &command);
        note(&format!(
            "$ {command} ({:.1} s)",
            start.elapsed().as_secs_f64()
        ));
        locked(&printed).insert(command, output);
    });
    printed.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Does `work` for each item, in four threads: most of the time they wait for programs that wait.
fn several_at_a_time<T: Send>(
    items: impl IntoIterator<Item = T, IntoIter: Send>,
    work: impl Fn(T) + Sync,
) {
    let items = Mutex::new(items.into_iter());
    let next = || locked(&items).next();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(item) = next() {
                    work(item);
                }
            });
        }
    });
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The text of the page, with the output of commands that no longer fits replaced.
fn updated(page: &Page, printed: &Printed, report: &mut dyn FnMut(String)) -> String {
    let mut text = page.text.clone();
    for block in page.blocks.iter().rev() {
        match updated_block(block, printed) {
            Ok(None) => {}
            Ok(Some(content)) => text.replace_range(block.content.clone(), &content),
            Err(error) => report(page.at(&block.range, &error)),
        }
    }
    text
}

fn updated_block(block: &Block, printed: &Printed) -> Result<Option<String>, String> {
    if !console::is_run(&block.info)? {
        return Ok(None);
    }
    let (mut content, mut fits) = (String::new(), true);
    for call in console::calls(&block.text)? {
        let printed = printed[call.command].as_ref();
        let printed = printed.map_err(|error| format!("$ {}: {error}", call.command))?;
        let lines = call.updated(printed)?;
        fits &= lines == call.output;
        for line in [format!("$ {}", call.command)].iter().chain(&lines) {
            let indent = if line.is_empty() { "" } else { &block.indent };
            content.push_str(&format!("{indent}{line}\n"));
        }
    }
    Ok((!fits).then_some(content))
}

/// Tries the edits of the pages: those of one step in turn, in their order.
fn try_all(root: &Path, pages: &[Page], report: &mut (dyn FnMut(String) + Send)) {
    let mut by_step = BTreeMap::<_, Vec<_>>::new();
    for (page, block) in pages
        .iter()
        .flat_map(|page| page.blocks.iter().map(move |block| (page, block)))
    {
        match Edited::of(root, page, block) {
            Ok(None) => {}
            Ok(Some((claim, edited))) => {
                let place = page.at(&block.range, &block.info);
                by_step
                    .entry(edited.step.clone())
                    .or_default()
                    .push((place, claim, edited));
            }
            Err(error) => report(page.at(&block.range, &format!("{}: {error}", block.info))),
        }
    }
    for page in pages
        .iter()
        .filter(|page| page.path.ends_with("/exercise.md"))
    {
        let (step, exercise) = (page.folder(), Exercise::parse(&page.text));
        for part in exercise.into_iter().flat_map(|exercise| exercise.parts) {
            let place = format!("{}: part {} unwritten", page.path, part.number);
            match Edited::unwritten(root, step, &part) {
                Ok(edited) => {
                    let experiments = by_step.entry(step.to_owned()).or_default();
                    experiments.push((place, Claim::Unwritten, edited));
                }
                Err(error) => report(format!("{place}: {error}")),
            }
        }
    }
    let report = Mutex::new(report);
    several_at_a_time(by_step, |(step, experiments)| {
        let laboratory = match Laboratory::new(root, &step) {
            Ok(laboratory) => laboratory,
            Err(error) => return locked(&report)(format!("the copy for {step}: {error}")),
        };
        for (place, claim, edited) in experiments {
            let start = Instant::now();
            let outcome = laboratory.try_edit(&edited, &claim);
            note(&format!("{place} ({:.1} s)", start.elapsed().as_secs_f64()));
            if let Err(error) = outcome {
                locked(&report)(format!("{place}: {error}"));
            }
        }
    });
}
