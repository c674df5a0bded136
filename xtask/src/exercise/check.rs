//! Checking a step: builds its tests and runs each of them with a deadline.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Deserializer, Value};

use crate::cargo::cargo;
use crate::deadline;

/// What to check, and how.
#[derive(Clone, Debug)]
pub struct Check {
    /// The workspace's folder.
    pub root: PathBuf,
    /// The step's name.
    pub step: String,
    /// How long a test may take.
    pub limit: Duration,
    /// The name of the only property to check, if not all.
    pub only: Option<String>,
    /// Where cargo builds, if not in its usual place.
    pub target: Option<PathBuf>,
    /// Whether the compiler prints to standard error. Otherwise [`Verdict::DoesNotCompile`] has its words.
    pub compiler_prints: bool,
}

/// A test of the step: something that must hold of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// The test's name, a sentence with underscores.
    pub name: String,
    /// The file in `tests` that it is in, or the crate.
    pub file: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Holds,
    /// It met a `todo!()`.
    NotWritten,
    /// It failed, with this message.
    Fails(String),
    /// It was still running at its deadline.
    NeverEnds,
}

/// What a check finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The step or its tests do not compile; what the compiler said, unless it has printed it.
    DoesNotCompile(String),
    /// All properties, in the order of their tests.
    Checked(Vec<Property>),
    /// It was interrupted.
    Interrupted,
}

/// A test function.
#[derive(Clone, Debug)]
struct Test {
    /// Its file in `tests`, or the crate.
    file: String,
    /// The program that has it.
    program: PathBuf,
    /// Where its package is.
    folder: PathBuf,
    /// Its name, after its modules.
    path: String,
}

/// Tests, or what the compiler said.
type Built = Result<Vec<Test>, String>;

/// The tests of what all steps share, from the workspace's folder.
pub const SHARED: &str = "xtask/lab/tests/conformance.rs";

/// What cargo calls them.
pub const SHARED_TESTS: [&str; 4] = ["--package", "lab", "--test", "conformance*"];

/// How often a check asks whether to go on.
const TICK: Duration = Duration::from_millis(50);

/// A test that runs for longer than this is probably waiting, so others may run beside it.
const BUSY: Duration = Duration::from_millis(500);

impl Check {
    /// The usual check: ten seconds a test, and the compiler prints.
    pub fn new(root: &Path, step: &str) -> Self {
        Self {
            root: root.into(),
            step: step.into(),
            limit: Duration::from_secs(10),
            only: None,
            target: None,
            compiler_prints: true,
        }
    }

    /// Builds the step's tests and runs each, a few at once. If they pass, does the same with the lab's
    /// tests of what all steps share. `progress` gets each property as soon as it is known, and `None`
    /// in between, where it may break the check off.
    ///
    /// # Errors
    ///
    /// If cargo or a test cannot be run.
    pub fn run(
        &self,
        mut progress: impl FnMut(Option<&Property>) -> ControlFlow<()>,
    ) -> Result<Verdict, Box<dyn Error>> {
        let tests = match self.build(&["--package", &self.step], self.compiler_prints)? {
            Ok(tests) => tests,
            Err(words) => return Ok(Verdict::DoesNotCompile(words)),
        };
        let Some(mut known) = self.test(&tests, &mut progress)? else {
            return Ok(Verdict::Interrupted);
        };
        let all_hold = known.iter().all(Property::holds);
        let is_found = self.only.is_some() && !known.is_empty();
        if all_hold && !is_found && self.root.join(SHARED).exists() {
            // It does not compile if another step does not, and then says nothing of this one.
            if self.compiler_prints {
                _ = writeln!(io::stderr(), "Now what all steps share.");
            }
            let tests = self.build(&SHARED_TESTS, false)?;
            let Some(shared) = self.test(&tests.unwrap_or_default(), &mut progress)? else {
                return Ok(Verdict::Interrupted);
            };
            known.extend(shared);
        }
        Ok(Verdict::Checked(known))
    }

    /// Runs the tests, a few at once. `None` if that was broken off.
    fn test(
        &self,
        tests: &[Test],
        progress: &mut impl FnMut(Option<&Property>) -> ControlFlow<()>,
    ) -> Result<Option<Vec<Property>>, Box<dyn Error>> {
        let at_once = thread::available_parallelism().map_or(2, usize::from);
        let (mut started, mut running) = (0, BTreeMap::new());
        let mut known = BTreeMap::new();
        let (done, results) = mpsc::channel();
        let stop = &AtomicBool::new(false);
        thread::scope(|scope| {
            let outcome = loop {
                if known.len() == tests.len() {
                    break Ok(Some(known.into_values().collect()));
                }
                let mut latest = None;
                let is_busy = |start: &&Instant| start.elapsed() < BUSY;
                if started < tests.len() && running.values().filter(is_busy).count() < at_once {
                    let test = &tests[started];
                    let command = self.command(test, &["--exact", &test.path, "--nocapture"]);
                    let (number, done) = (started, done.clone());
                    scope.spawn(move || {
                        let finished = deadline::run_unless(stop, command, self.limit);
                        _ = done.send((number, finished)); // or this was broken off
                    });
                    running.insert(started, Instant::now());
                    started += 1;
                } else if let Ok((number, finished)) = results.recv_timeout(TICK) {
                    running.remove(&number);
                    let outcome = match finished {
                        Ok(finished) => outcome(&finished),
                        Err(error) => break Err(error.into()),
                    };
                    let (name, file) = (tests[number].name().into(), tests[number].file.clone());
                    let property = Property {
                        name,
                        file,
                        outcome,
                    };
                    latest = Some(&*known.entry(number).or_insert(property));
                }
                if progress(latest).is_break() {
                    break Ok(None);
                }
            };
            stop.store(true, Relaxed); // ends the tests that still run
            outcome
        })
    }

    /// Builds some tests. Gives those that are to be run, or what the compiler said.
    fn build(&self, which: &[&str], print: bool) -> Result<Built, Box<dyn Error>> {
        let mut build = cargo();
        build.args(["test", "--no-run", "--quiet"]).args(which);
        build.arg("--message-format=json-render-diagnostics");
        if let Some(target) = &self.target {
            build.arg("--target-dir").arg(target);
        }
        let stderr = if print {
            Stdio::inherit()
        } else {
            Stdio::piped()
        };
        let output = build.current_dir(&self.root).stderr(stderr).output()?;
        if !output.status.success() {
            return Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let mut tests = Vec::new();
        for message in Deserializer::from_slice(&output.stdout).into_iter::<Value>() {
            let message = message?;
            let is_test = message["profile"]["test"] == true;
            let (Some(program), true) = (message["executable"].as_str(), is_test) else {
                continue;
            };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let manifest = PathBuf::from(text(&message["manifest_path"]));
            let mut test = Test {
                file: text(&message["target"]["name"]),
                program: program.into(),
                folder: manifest.parent().map(PathBuf::from).unwrap_or_default(),
                path: String::new(),
            };
            let list = self.command(&test, &["--list", "--format=terse"]);
            let list = deadline::run(list, self.limit)?.output;
            for path in list.lines().filter_map(|line| line.strip_suffix(": test")) {
                test.path = path.into();
                if self.only.as_deref().is_none_or(|only| test.name() == only) {
                    tests.push(test.clone());
                }
            }
        }
        Ok(Ok(tests))
    }

    /// The test's program, as `cargo test` would run it.
    fn command(&self, test: &Test, arguments: &[&str]) -> Command {
        let mut command = Command::new(&test.program);
        command.args(arguments).current_dir(&test.folder);
        command.env("CARGO_MANIFEST_DIR", &test.folder);
        command.env("STEP", &self.step); // tells the shared tests which one
        command.env("INSTA_UPDATE", "no").env("NO_COLOR", "1");
        command.env("RUST_BACKTRACE", "0");
        command
    }
}

impl Test {
    fn name(&self) -> &str {
        self.path.rsplit("::").next().unwrap_or(&self.path)
    }
}

fn outcome(finished: &deadline::Finished) -> Outcome {
    let messages = panics(&finished.output);
    let is_todo = |message: &String| message.contains("not yet implemented: part ");
    // What a scope says of its threads tells less than what they said themselves.
    let tells = |message: &&String| !message.contains("a scoped thread panicked");
    if messages.iter().any(is_todo) {
        Outcome::NotWritten // even if it passed: some tests expect a panic
    } else if finished.succeeded() {
        Outcome::Holds
    } else if finished.status.is_none() {
        Outcome::NeverEnds
    } else if let Some(difference) = snapshot(&finished.output) {
        Outcome::Fails(difference)
    } else {
        let message = messages.iter().rfind(tells).or(messages.last());
        Outcome::Fails(message.unwrap_or(&finished.output).clone())
    }
}

/// The messages of all panics in the output, each after the place that it is from.
fn panics(output: &str) -> Vec<String> {
    let mut messages = Vec::new();
    let mut lines = output.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("thread '")
            && let Some((_, place)) = line.split_once(" panicked at ")
        {
            let ends = ["note: run with ", "thread '", "test "];
            let is_end =
                |line: &str| line.is_empty() || ends.iter().any(|end| line.starts_with(end));
            let message = lines.by_ref().take_while(|line| !is_end(line));
            messages.push(message.fold(place.to_owned(), |text, line| text + "\n" + line));
        }
    }
    messages
}

/// How a snapshot differs, as insta draws it.
fn snapshot(output: &str) -> Option<String> {
    let (_, table) = output.split_once("-old snapshot\n")?;
    let rows = table.lines().skip(2).take_while(|line| !line.contains('┴'));
    let rows = rows.map(|row| row.split_once('│').map_or(row, |(_number, row)| row));
    let text = "it differs (- expected, + yours):".to_owned();
    Some(rows.fold(text, |text, row| text + "\n" + row))
}

impl Property {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.outcome == Outcome::Holds
    }
}

/// The name in words.
impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name.replace('_', " "))
    }
}
