//! Checking a step: builds its tests and runs each of them with a deadline.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

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

/// Test programs, each with the name of its file in `tests`, or of the crate.
type Programs = Vec<(String, PathBuf)>;

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

    /// Builds the tests and runs each, a few at once. `progress` gets each property as soon as it is
    /// known, and `None` in between, where it may break the check off.
    ///
    /// # Errors
    ///
    /// If cargo or a test cannot be run.
    pub fn run(
        &self,
        mut progress: impl FnMut(Option<&Property>) -> ControlFlow<()>,
    ) -> Result<Verdict, Box<dyn Error>> {
        let programs = match self.build()? {
            Ok(programs) => programs,
            Err(message) => return Ok(Verdict::DoesNotCompile(message)),
        };
        let mut tests = Vec::new();
        for (file, program) in &programs {
            let list = self.command(program, &["--list", "--format=terse"]);
            let list = deadline::run(list, self.limit)?.output;
            let paths = list.lines().filter_map(|line| line.strip_suffix(": test"));
            let included = |path: &&str| self.only.as_deref().is_none_or(|only| name(path) == only);
            let paths = paths.filter(included).map(String::from);
            tests.extend(paths.map(|path| (file, program, path)));
        }

        let at_once = thread::available_parallelism().map_or(2, usize::from);
        let (mut started, mut running) = (0, BTreeMap::new());
        let (done, results) = mpsc::channel();
        let mut known = BTreeMap::new();
        while known.len() < tests.len() {
            let mut latest = None;
            let busy = |start: &&Instant| start.elapsed() < BUSY;
            if started < tests.len() && running.values().filter(busy).count() < at_once {
                let (_, program, path) = &tests[started];
                let command = self.command(program, &["--exact", path, "--nocapture"]);
                let (number, limit, done) = (started, self.limit, done.clone());
                thread::spawn(move || {
                    _ = done.send((number, deadline::run(command, limit))); // or it was interrupted
                });
                running.insert(started, Instant::now());
                started += 1;
            } else if let Ok((number, finished)) = results.recv_timeout(TICK) {
                running.remove(&number);
                let (file, _, path) = &tests[number];
                let property = Property {
                    name: name(path).into(),
                    file: (*file).clone(),
                    outcome: outcome(&finished?),
                };
                latest = Some(&*known.entry(number).or_insert(property));
            }
            if progress(latest).is_break() {
                return Ok(Verdict::Interrupted);
            }
        }
        Ok(Verdict::Checked(known.into_values().collect()))
    }

    /// Builds the step's tests. Gives their names and programs, or what the compiler said.
    fn build(&self) -> Result<Result<Programs, String>, Box<dyn Error>> {
        let mut build = cargo();
        build.args(["test", "--no-run", "--quiet", "--package", &self.step]);
        build.arg("--message-format=json-render-diagnostics");
        if let Some(target) = &self.target {
            build.arg("--target-dir").arg(target);
        }
        let stderr = if self.compiler_prints {
            Stdio::inherit()
        } else {
            Stdio::piped()
        };
        let output = build.current_dir(&self.root).stderr(stderr).output()?;
        if !output.status.success() {
            return Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let messages = output.stdout.split(|&byte| byte == b'\n');
        let programs = messages.filter_map(|line| {
            let message: Value = serde_json::from_slice(line).ok()?;
            let is_test = message["profile"]["test"].as_bool()?;
            let program = message["executable"].as_str().filter(|_| is_test)?;
            let name = message["target"]["name"].as_str()?;
            Some((name.to_owned(), PathBuf::from(program)))
        });
        Ok(Ok(programs.collect()))
    }

    /// A test program as `cargo test` would run it.
    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let folder = self.root.join(&self.step);
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&folder);
        command.env("CARGO_MANIFEST_DIR", &folder);
        command
            .env("INSTA_UPDATE", "no")
            .env("NO_COLOR", "1")
            .env("RUST_BACKTRACE", "0");
        command
    }
}

/// The name of a test, of its path.
fn name(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
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
        if let (true, Some((_, place))) = (
            line.starts_with("thread '"),
            line.split_once(" panicked at "),
        ) {
            let more = |line: &&str| {
                let ends = ["note: run with ", "thread '", "test "];
                !(line.is_empty() || ends.iter().any(|end| line.starts_with(end)))
            };
            let message = lines.by_ref().take_while(more);
            messages.push(Vec::from_iter([place].into_iter().chain(message)).join("\n"));
        }
    }
    messages
}

/// How a snapshot differs, as insta draws it.
fn snapshot(output: &str) -> Option<String> {
    let (_, difference) = output.split_once("-old snapshot\n")?;
    let is_end = |line: &&str| line.contains('┴');
    let lines = difference.lines().skip(2).take_while(|line| !is_end(line));
    let lines = lines.map(|line| line.split_once('│').map_or(line, |(_, line)| line));
    Some(
        Vec::from_iter(
            ["it differs (- expected, + yours):"]
                .into_iter()
                .chain(lines),
        )
        .join("\n"),
    )
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
