//! `diff` blocks: an edit of a step, and what it is claimed to do. And Rust blocks that do not compile.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::edit::Edit;
use super::page::{Block, Page, resolve};
use super::workspace::{Workspace, is_inside, words};
use xtask::cargo::cargo;
use xtask::deadline::Finished;
use xtask::exercise::blank::blank;
use xtask::exercise::check::{Check, Outcome, Property, Verdict};
use xtask::exercise::parts::Part;
use xtask::exercise::{self, Files};
use xtask::steps::STEPS;

/// How long a program may take of which something else is claimed than that it hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// How long the compiler may take.
const BUILD: Duration = Duration::from_secs(600);

/// What is claimed of an edited step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Its program never ends.
    Hangs,
    /// Its program prints this, as part of a line.
    Prints(String),
    /// The test of this name fails.
    Fails(String),
    /// It does not compile, with this error code.
    DoesNotCompile(String),
    /// As an answer to an exercise it is refused: the test of this name fails, or never ends.
    Refused(String),
    /// As an answer to an exercise it is accepted: all tests pass.
    Accepted,
    /// It compiles without a word, and `cargo xtask check` finds something: a part of an exercise that is
    /// not written. No block claims this; it has to be so for every part.
    Unwritten,
}

impl Claim {
    /// What the info string of a `diff` block claims, or that of a `rust,compile_fail,E0000` block; `None` if the block
    /// is only to be looked at.
    ///
    /// # Errors
    ///
    /// If the claim is none of those that are known.
    pub fn parse(info: &str) -> Result<Option<Self>, String> {
        let is_code = |word: &str| {
            word.len() == 5 && word.starts_with('E') && word[1..].parse::<u16>().is_ok()
        };
        let Some(("diff", claim)) = info.split_once(' ') else {
            let code = info.split(',').find(|word| is_code(word));
            return Ok(code.map(|code| Self::DoesNotCompile(code.into())));
        };
        let (word, rest) = claim.trim().split_once(' ').unwrap_or((claim.trim(), ""));
        match (word, rest.trim()) {
            ("hangs", "") => Ok(Some(Self::Hangs)),
            ("prints", text) if !text.is_empty() => Ok(Some(Self::Prints(text.into()))),
            ("fails", test) if !test.is_empty() => Ok(Some(Self::Fails(test.into()))),
            (code, "") if is_code(code) => Ok(Some(Self::DoesNotCompile(code.into()))),
            ("refused", property) if !property.is_empty() => {
                Ok(Some(Self::Refused(property.into())))
            }
            ("accepted", "") => Ok(Some(Self::Accepted)),
            _ => Err(format!(
                "`{claim}` is not a claim: `hangs`, `prints TEXT`, `fails TEST`, `E0000`, `refused PROPERTY` or `accepted`"
            )),
        }
    }
}

/// What a `diff` block makes of a step.
#[derive(Debug)]
pub struct Edited {
    /// The step.
    pub step: String,
    /// What to run.
    command: String,
    /// The files it changes, from the root of the workspace, as they were.
    originals: BTreeMap<String, String>,
    /// The same, changed.
    files: BTreeMap<String, String>,
}

impl Edited {
    /// What a block of the page claims, and of which files; `None` if it claims nothing. Writes nothing.
    ///
    /// # Errors
    ///
    /// If that is not known, or the edit does not apply.
    pub fn of(root: &Path, page: &Page, block: &Block) -> Result<Option<(Claim, Self)>, String> {
        let Some(claim) = Claim::parse(&block.info)? else {
            return Ok(None);
        };
        let edited = match block.info.starts_with("diff") {
            true => Self::new(root, page.step(), &block.text)?,
            false => Self::example(page.step(), &block.text),
        };
        Ok(Some((claim, edited)))
    }

    /// A Rust block as an example of the step, or of the lab, which has what the other pages name. As in a test of
    /// documentation, a line may start with `# `, and `main` may be missing.
    fn example(step: &str, code: &str) -> Self {
        let is_step = STEPS.iter().any(|known| known.name == step);
        let (name, folder) = if is_step {
            (step, step)
        } else {
            ("lab", "xtask/lab")
        };
        let lines = code.lines();
        let lines = lines.map(|line| line.strip_prefix("# ").unwrap_or(line));
        let mut code = Vec::from_iter(lines).join("\n");
        if !code.contains("fn main()") {
            code = format!("fn main() {{\n{code}\n}}\n");
        }
        let file =
            |text: &str| BTreeMap::from([(format!("{folder}/examples/block.rs"), text.into())]);
        Self {
            step: name.into(),
            command: String::new(),
            originals: file("fn main() {}\n"),
            files: file(&code),
        }
    }

    /// Applies a block, on a page in `folder`, to the files of the workspace at `root`. Writes nothing.
    ///
    /// # Errors
    ///
    /// If it does not apply.
    pub fn new(root: &Path, folder: &str, block: &str) -> Result<Self, String> {
        let edit = Edit::parse(block)?;
        let mut originals = BTreeMap::new();
        let mut files = BTreeMap::new();
        for change in &edit.changes {
            let path = file(folder, change.file.as_deref())?;
            let failed = |error: &dyn Display| format!("{path}: {error}");
            let step = root.join(path.split('/').next().unwrap_or_default());
            if root.join(&path).exists() && !is_inside(&step, &root.join(&path)) {
                return Err(failed(&"it leads out of the step"));
            }
            if !originals.contains_key(&path) {
                let text = fs::read_to_string(root.join(&path)).map_err(|error| failed(&error))?;
                originals.insert(path.clone(), text.clone());
                files.insert(path.clone(), text);
            }
            let text = change
                .apply(&files[&path])
                .map_err(|error| failed(&error))?;
            files.insert(path.clone(), text);
        }
        let steps = files.keys().filter_map(|path| path.split('/').next());
        let steps = BTreeSet::from_iter(steps.map(String::from));
        let mut steps = steps.into_iter();
        let (Some(step), None) = (steps.next(), steps.next()) else {
            return Err("it edits more than one step".into());
        };
        let usual = || format!("cargo run -p {step} -- --speed 100");
        let command = edit.command.unwrap_or_else(usual);
        if !command.starts_with("cargo run ") {
            return Err(format!("`{command}` does not start with `cargo run`"));
        }
        words(root, &command)?;
        Ok(Self {
            step,
            command,
            originals,
            files,
        })
    }
}

impl Edited {
    /// The step with this part of its exercise unwritten.
    ///
    /// # Errors
    ///
    /// If the part's function cannot be found.
    pub fn unwritten(root: &Path, step: &str, part: &Part) -> Result<Self, String> {
        let originals = exercise::files(&root.join(step)).map_err(|error| error.to_string())?;
        let mut files = blank(&originals, [part].into_iter())?;
        files.retain(|path, file| originals.get(path) != Some(file));
        let text = |files: &Files, path: &str| String::from_utf8_lossy(&files[path]).into_owned();
        let texts = |all| {
            files
                .keys()
                .map(move |path| (format!("{step}/{path}"), text(all, path)))
        };
        Ok(Self {
            step: step.into(),
            command: String::new(),
            originals: texts(&originals).collect(),
            files: texts(&files).collect(),
        })
    }
}

/// Tries edits on a copy of the workspace.
#[derive(Debug)]
pub struct Laboratory {
    /// A program that still runs after this time hangs. Sped up by 100, each ends in well under a second.
    pub hangs: Duration,
    /// A test that is claimed to fail, and still runs after this time, never ends.
    pub never_ends: Duration,
    copy: Workspace,
    /// What commands do without an edit.
    unedited: Mutex<BTreeMap<String, Finished>>,
}

impl Laboratory {
    /// Copies the workspace at `root` for edits of this step: one that does not compile breaks what all steps share, for all steps of
    /// the same copy.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub fn new(root: &Path, step: &str) -> io::Result<Self> {
        Ok(Self {
            hangs: Duration::from_secs(3),
            never_ends: Duration::from_secs(5),
            copy: Workspace::copy(root, step)?,
            unedited: Mutex::default(),
        })
    }

    /// Makes an edit, and compares with the claim what then happens. One edit at a time.
    ///
    /// # Errors
    ///
    /// If the claim is false, or true even without the edit.
    pub fn try_edit(&self, edited: &Edited, claim: &Claim) -> Result<(), String> {
        let Edited { step, command, .. } = edited;
        if matches!(claim, Claim::Hangs | Claim::Prints(_))
            && holds(claim, &self.unedited(command, claim)?)
        {
            return Err(format!("`{command}` does so without the edit, too"));
        }
        self.write(&edited.files)?;
        let outcome = self.compare(step, command, claim);
        self.write(&edited.originals)?;
        outcome
    }

    /// What the command does without an edit; it is run once.
    fn unedited(&self, command: &str, claim: &Claim) -> Result<Finished, String> {
        let known = || self.unedited.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = known().get(command) {
            return Ok(run.clone());
        }
        let run = self.run(command, claim)?;
        known().insert(command.to_owned(), run.clone());
        Ok(run)
    }

    fn compare(&self, step: &str, command: &str, claim: &Claim) -> Result<(), String> {
        match claim {
            Claim::Hangs | Claim::Prints(_) => {
                let run = self.run(command, claim)?;
                match holds(claim, &run) {
                    true => Ok(()),
                    false => Err(format!("it does not; `{command}` {}", ended(&run))),
                }
            }
            Claim::DoesNotCompile(code) => {
                let mut check = cargo();
                check.args(["check", "--quiet", "--package", step]);
                check.args(["--lib", "--bins", "--examples"]);
                let checked = self.copy.run(self.copy.place(check), BUILD)?;
                match checked.succeeded() {
                    false if checked.output.contains(&format!("error[{code}]")) => Ok(()),
                    false => Err(format!(
                        "the error is another:\n{}",
                        last_lines(&checked.output)
                    )),
                    true => Err("it compiles".into()),
                }
            }
            Claim::Fails(test) | Claim::Refused(test) => {
                let tests = self.check(step, Some(test))?;
                let is_so = |test: &Property| match test.outcome {
                    Outcome::Fails(_) | Outcome::Panics(_) => true,
                    Outcome::NeverEnds { .. } => matches!(claim, Claim::Refused(_)),
                    Outcome::Holds | Outcome::NotWritten(_) | Outcome::LeftOut(_) => false,
                };
                match tests.iter().any(is_so) {
                    true => Ok(()),
                    false => Err(format!("the test does not fail: {:?}", tests[0].outcome)),
                }
            }
            Claim::Unwritten => {
                let mut build = cargo();
                build.args(["check", "--quiet", "--package", step]);
                let words = self.copy.run(self.copy.place(build), BUILD)?.output;
                let check = Check {
                    limit: self.never_ends,
                    target: self.copy.target.clone(),
                    compiler_prints: false,
                    ..Check::new(&self.copy.root, step)
                };
                let verdict = check.run(|known| match known {
                    Some(property) if !property.holds() => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                });
                match verdict.map_err(|error| error.to_string())? {
                    Verdict::Interrupted if words.is_empty() => Ok(()),
                    Verdict::Checked(_) => Err("every property holds without it".into()),
                    _ => Err(format!("the compiler says:\n{}", last_lines(&words))),
                }
            }
            Claim::Accepted => {
                let tests = self.check(step, None)?;
                match tests.iter().find(|test| !test.holds()) {
                    None => Ok(()),
                    Some(test) => Err(format!("{}: {:?}", test.name, test.outcome)),
                }
            }
        }
    }

    fn run(&self, command: &str, claim: &Claim) -> Result<Finished, String> {
        let limit = match claim {
            Claim::Hangs => self.hangs,
            _ => LIMIT,
        };
        let program = self.copy.build(command);
        let program = program.map_err(|words| does_not_compile(&words))?;
        self.copy.run(program, limit)
    }

    /// What came of the step's tests, or of the only one that is of interest.
    fn check(&self, step: &str, only: Option<&String>) -> Result<Vec<Property>, String> {
        let usual = Check::new(&self.copy.root, step);
        let check = Check {
            only: only.cloned().into_iter().collect(),
            limit: only.map_or(usual.limit, |_| self.never_ends),
            target: self.copy.target.clone(),
            compiler_prints: false,
            ..usual
        };
        match check.run(|_| ControlFlow::Continue(())) {
            Ok(Verdict::Checked(properties)) => Ok(properties),
            Ok(Verdict::DoesNotCompile(words)) => Err(does_not_compile(&words)),
            Ok(Verdict::Interrupted) => Err("it was interrupted".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn write(&self, files: &BTreeMap<String, String>) -> Result<(), String> {
        for (path, text) in files {
            let file = self.copy.root.join(path);
            let made = file.parent().map_or(Ok(()), fs::create_dir_all);
            let written = made.and_then(|()| fs::write(&file, text));
            written.map_err(|error| format!("the copy of {path}: {error}"))?;
        }
        Ok(())
    }
}

/// The file that a change is made in, from the root of the workspace.
fn file(folder: &str, named: Option<&str>) -> Result<String, String> {
    let is_in_step = |path: &str| {
        STEPS
            .iter()
            .any(|step| path.split('/').next() == Some(step.name))
    };
    let named = named.unwrap_or("src/lib.rs");
    let path = if is_in_step(named) {
        named.into()
    } else {
        format!("{folder}/{named}")
    };
    match resolve("", &path) {
        Some(resolved) if resolved != path => Err(format!("`{named}` is no plain path")),
        Some(_) if is_in_step(&path) => Ok(path),
        _ => Err(format!(
            "which step is it? Write `+++ b/STEP/{named}` above the lines"
        )),
    }
}

fn holds(claim: &Claim, run: &Finished) -> bool {
    match claim {
        Claim::Prints(text) => run.output.contains(text),
        _ => run.status.is_none(),
    }
}

fn ended(run: &Finished) -> String {
    let how = match run.status {
        Some(status) => format!("ends with {status}"),
        None => "does not end".into(),
    };
    format!("{how} and prints:\n{}", last_lines(&run.output))
}

fn does_not_compile(words: &str) -> String {
    format!("it does not compile:\n{}", last_lines(words))
}

/// Enough to see what happened.
fn last_lines(text: &str) -> String {
    let lines = Vec::from_iter(text.trim_end().lines());
    lines[lines.len().saturating_sub(30)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::Claim::{Accepted, DoesNotCompile, Fails, Hangs, Prints, Refused};
    use super::*;

    #[test]
    fn claims_are_parsed() {
        let of = |claim: fn(String) -> Claim, text: &str| Some(claim(text.into()));
        for (info, claim) in [
            ("diff", None),
            ("rust", None),
            ("rust,compile_fail", None),
            ("rust,compile_fail,E0373", of(DoesNotCompile, "E0373")),
            ("diff hangs", Some(Hangs)),
            ("diff E0373", of(DoesNotCompile, "E0373")),
            ("diff prints Result: 6", of(Prints, "Result: 6")),
            ("diff fails no_job_is_lost", of(Fails, "no_job_is_lost")),
            ("diff refused every_job", of(Refused, "every_job")),
            ("diff accepted", Some(Accepted)),
        ] {
            assert_eq!(Claim::parse(info), Ok(claim), "{info}");
        }
        for claim in ["hang", "hangs soon", "E037", "prints", "fails", "E0373 x"] {
            Claim::parse(&format!("diff {claim}")).expect_err(claim);
        }
    }

    #[test]
    fn a_change_is_made_in_lib_rs_unless_another_file_is_named() {
        for (folder, named, path) in [
            ("basic", None, "basic/src/lib.rs"),
            ("basic", Some("src/main.rs"), "basic/src/main.rs"),
            ("xtask/book", Some("errors/src/lib.rs"), "errors/src/lib.rs"),
        ] {
            assert_eq!(file(folder, named).as_deref(), Ok(path));
        }
        file("xtask/book", None).expect_err("the page belongs to no step");
        let outside = ["basic/../../etc/x", "../../../etc/x", "basic/../Cargo.toml"];
        for path in outside.into_iter().chain(["/etc/x", "./src/lib.rs"]) {
            file("basic", Some(path)).expect_err(path);
        }
    }
}
