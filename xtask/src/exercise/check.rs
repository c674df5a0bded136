//! Checking a step: builds its tests and runs each of them with a deadline.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Deserializer, Value};

use super::sources::{Sources, digest};
use crate::cargo::cargo;
use crate::deadline::{self, Finished, Usage};
use crate::files::plain_files;
use crate::output::patiently;
use crate::steps::STEPS;

/// What to check, and how.
#[derive(Clone, Debug)]
pub struct Check {
    /// The workspace's folder.
    pub root: PathBuf,
    /// The step's name.
    pub step: String,
    /// How long a test may take, in its own time.
    pub limit: Duration,
    /// The names of the only properties to check; all if there are none.
    pub only: Vec<String>,
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
    /// Whether other programs used the processors for more than half of its time.
    pub starved: bool,
}

/// What came of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Holds,
    /// It met the `todo!()` of this part.
    NotWritten(usize),
    /// It failed, with this message.
    Fails(String),
    /// A line of the step itself panicked: where, and with which message. The test failed, or never ended.
    Panics(String),
    /// It was still running at its deadline.
    NeverEnds {
        /// Whether it computed and did not wait, where the system tells.
        spins: Option<bool>,
    },
    /// It could not be built, because this package does not compile.
    LeftOut(String),
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

/// Those of these that are about a cancel, and those about threads. A step has one or the other.
const CANCEL: &str = "conformance_cancel";
const THREADS: &str = "conformance_ends";

/// How often a check asks whether to go on.
const TICK: Duration = Duration::from_millis(50);

/// A test that ends sooner than this says nothing of how busy the computer is.
const STARVED: Duration = Duration::from_secs(1);

/// A test that runs for longer than this is probably waiting, so others may run beside it.
const BUSY: Duration = Duration::from_millis(100);

impl Check {
    /// The usual check: three seconds a test, and the compiler prints.
    pub fn new(root: &Path, step: &str) -> Self {
        Self {
            root: root.into(),
            step: step.into(),
            limit: Duration::from_secs(3),
            only: Vec::new(),
            target: None,
            compiler_prints: true,
        }
    }

    /// Builds the tests of the step's pool and program (those of its examples say nothing of a learner's work), and runs
    /// each, a few at once. If they pass, does the same with the lab's tests of what all steps share. `progress` gets each property as soon as it is known, and `None`
    /// in between, where it may break the check off.
    ///
    /// # Errors
    ///
    /// If cargo or a test cannot be run, or no test has one of the names.
    pub fn run(
        &self,
        mut progress: impl FnMut(Option<&Property>) -> ControlFlow<()>,
    ) -> Result<Verdict, Box<dyn Error>> {
        if self.target.is_none() {
            self.touch_what_came_back()?;
        }
        let what = format!("{} and its tests", self.step);
        let mut which = self.programs(&self.step, |name| !name.starts_with("example"))?;
        which.extend(["--lib", "--bins"].map(String::from));
        let tests = match self.build(&self.step, &which, &what, self.compiler_prints)? {
            Ok(tests) => tests,
            Err(words) => return Ok(Verdict::DoesNotCompile(words)),
        };
        let Some(mut known) = self.test(&tests, &mut progress)? else {
            return Ok(Verdict::Interrupted);
        };
        let is_unknown = |known: &[Property], only: &String| {
            !known.iter().any(|property| property.name == *only)
        };
        let go_on = match self.only.is_empty() {
            true => known.iter().all(Property::holds),
            false => self.only.iter().any(|only| is_unknown(&known, only)),
        };
        if go_on && self.root.join(SHARED).exists() {
            let what = "the tests that all steps share";
            if self.compiler_prints && self.only.is_empty() {
                _ = writeln!(
                    io::stderr(),
                    "All of these hold. Next, {what} are built and run."
                );
            }
            let other = if self.can_be_cancelled() {
                THREADS
            } else {
                CANCEL
            };
            let is_shared = |name: &str| name.starts_with("conformance") && name != other;
            let which = self.programs("xtask/lab", is_shared)?;
            let tests = match self.build("lab", &which, what, false)? {
                Ok(tests) => tests,
                Err(words) => {
                    // Another step does not compile, which says nothing of this one.
                    let (_, package) = words.split_once("could not compile `").unwrap_or_default();
                    let package = package.split('`').next().unwrap_or_default().into();
                    known.push(Property {
                        name: "what_all_steps_share".into(),
                        file: "conformance".into(),
                        outcome: Outcome::LeftOut(package),
                        starved: false,
                    });
                    _ = progress(known.last());
                    return Ok(Verdict::Checked(known));
                }
            };
            let Some(shared) = self.test(&tests, &mut progress)? else {
                return Ok(Verdict::Interrupted);
            };
            known.extend(shared);
        }
        match self.only.iter().find(|only| is_unknown(&known, only)) {
            Some(name) => Err(format!("{} has no property `{name}`", self.step).into()),
            None => Ok(Verdict::Checked(known)),
        }
    }

    /// Gives files that cargo would take for unchanged a new time. Cargo compares the time of a file with that of the last build,
    /// and a file that was copied back has an old one.
    ///
    /// # Errors
    ///
    /// If the sources cannot be read.
    pub fn touch_what_came_back(&self) -> Result<(), Box<dyn Error>> {
        let sources = Sources::read(&self.root, &self.step)?;
        let (known, folder) = (sources.note("built"), self.root.join(&self.step));
        let state = || -> io::Result<Vec<(String, String)>> {
            let files = plain_files(&folder, "src")?
                .into_iter()
                .map(|(path, data)| {
                    let content = sources.theirs.get(&path).map(|file| digest(file));
                    let state = format!("{path} {content:?} {:?}", data.modified());
                    #[cfg(unix)] // no program can set this time
                    let state = {
                        use std::os::unix::fs::MetadataExt;
                        format!("{state} {}.{}", data.ctime(), data.ctime_nsec())
                    };
                    (path, state)
                });
            Ok(files.collect())
        };
        let mut new = state()?;
        new.retain(|(_, state)| !known.lines().any(|line| line == state));
        for (path, _) in &new {
            let file = File::options().append(true).open(folder.join(path));
            _ = file.and_then(|file| file.set_modified(SystemTime::now())); // or it is read-only
        }
        if !new.is_empty() {
            let lines = state()?.into_iter().map(|(_, state)| state + "\n");
            _ = sources.set_note("built", &String::from_iter(lines)); // or all is built each time
        }
        Ok(())
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
        let outcome: Result<_, Box<dyn Error>> = thread::scope(|scope| {
            let outcome = loop {
                if known.len() == tests.len() {
                    break Ok(true);
                }
                let mut latest = None;
                let is_busy = |start: &&Instant| start.elapsed() < BUSY;
                if started < tests.len() && running.values().filter(is_busy).count() < at_once {
                    let test = &tests[started];
                    let command = self.test_command(test);
                    let (number, done) = (started, done.clone());
                    scope.spawn(move || {
                        let finished = deadline::run_unless(stop, command, self.limit);
                        _ = done.send((number, finished)); // or this was broken off
                    });
                    running.insert(started, Instant::now());
                    started += 1;
                } else if let Ok((number, finished)) = results.recv_timeout(TICK) {
                    running.remove(&number);
                    let finished = match finished {
                        Ok(finished) => finished,
                        Err(error) => break Err(error.into()),
                    };
                    let property = self.property(&tests[number], &finished);
                    latest = Some(&*known.entry(number).or_insert(property))
                        .filter(|new| !new.is_doubtful());
                }
                if progress(latest).is_break() {
                    break Ok(false);
                }
            };
            stop.store(true, Relaxed); // ends the tests that still run
            outcome
        });
        if !outcome? {
            return Ok(None);
        }
        // The first of those runs once more, alone. If it never ends then, either, all are believed.
        let mut is_sure = false;
        for (&number, property) in known.iter_mut().filter(|(_, known)| known.is_doubtful()) {
            if !is_sure {
                let again = deadline::run(self.test_command(&tests[number]), self.limit * 3)?;
                *property = self.property(&tests[number], &again);
                is_sure = property.is_doubtful();
            }
            if progress(Some(property)).is_break() {
                return Ok(None);
            }
        }
        Ok(Some(known.into_values().collect()))
    }

    /// What cargo calls those test programs of a package's folder whose names this accepts.
    fn programs(&self, folder: &str, accept: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
        let files = plain_files(&self.root.join(folder), "tests")?;
        let names = files.keys().filter_map(|path| {
            let name = path.strip_prefix("tests/")?.strip_suffix(".rs")?;
            (accept(name) && !name.contains('/')).then(|| format!("--test={name}"))
        });
        Ok(names.collect())
    }

    /// Builds some tests of a package. Gives those that are to be run, or what the compiler said.
    fn build(
        &self,
        package: &str,
        which: &[String],
        what: &str,
        print: bool,
    ) -> Result<Built, Box<dyn Error>> {
        let mut build = cargo();
        build.args(["test", "--no-run", "--quiet", "--package", package]);
        build.args(which);
        build.arg("--message-format=json-render-diagnostics");
        if let Some(target) = &self.target {
            build.arg("--target-dir").arg(target);
        }
        if print && io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none() {
            build.env("CARGO_TERM_COLOR", "always"); // what it prints into a pipe comes to a terminal
        }
        let what = format!("{what} are being built");
        let output = patiently(&what, || build.current_dir(&self.root).output())?;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        if print {
            _ = io::stderr().write_all(words.as_bytes());
        }
        if !output.status.success() {
            return Ok(Err(words));
        }
        let mut tests = Vec::new();
        for message in Deserializer::from_slice(&output.stdout).into_iter::<Value>() {
            let message = message?;
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            if message["profile"]["test"] != true || message["executable"].is_null() {
                continue;
            }
            let manifest = PathBuf::from(text(&message["manifest_path"]));
            let mut test = Test {
                file: text(&message["target"]["name"]),
                program: text(&message["executable"]).into(),
                folder: manifest.parent().map(PathBuf::from).unwrap_or_default(),
                path: String::new(),
            };
            let list = self.command(&test, &["--list", "--format=terse"]);
            let list = deadline::run(list, self.limit)?.output;
            for path in list.lines().filter_map(|line| line.strip_suffix(": test")) {
                test.path = path.into();
                if self.only.is_empty() || self.only.iter().any(|only| test.name() == only) {
                    tests.push(test.clone());
                }
            }
        }
        Ok(Ok(tests))
    }

    /// Whether it is the step about cancelling, or one that builds on that.
    fn can_be_cancelled(&self) -> bool {
        let step = STEPS.iter().find(|step| step.name == self.step);
        let base = step.and_then(|step| step.builds_on).map(|(base, _)| base);
        self.step == "cancellation" || base == Some("cancellation")
    }

    fn test_command(&self, test: &Test) -> Command {
        self.command(test, &["--exact", &test.path, "--nocapture"])
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

    /// What came of a test.
    fn property(&self, test: &Test, finished: &Finished) -> Property {
        let Usage {
            time,
            own_time,
            computed,
        } = finished.usage;
        let panics = panics(&finished.output);
        let told = Vec::from_iter(panics.iter().filter(|panic| !panic.is_second_hand()));
        let source = format!("{}/src/", self.step);
        let own = told
            .iter()
            .filter(|panic| !panic.is_assertion()) // that of a test in `src`
            .find(|panic| panic.message.replace('\\', "/").starts_with(&source));
        // Some tests expect a panic, so the one that made a test fail is its last.
        let is_of_test = |panic: &&&Panic<'_>| panic.thread == test.path;
        let of_test = told.iter().find(|panic| panic.is_assertion());
        let of_test = of_test.or(told.iter().rfind(is_of_test));
        let first = of_test.or(told.first()).map(|panic| &panic.message);
        let first = first.or(panics.last().map(|panic| &panic.message));

        let outcome = if let Some(part) = panics.iter().filter_map(Panic::part).max() {
            Outcome::NotWritten(part) // even if it passed: some tests expect a panic
        } else if finished.succeeded() {
            Outcome::Holds
        } else if let Some(panic) = own {
            let end = if finished.status.is_none() {
                "\nand then it never ends"
            } else {
                ""
            };
            Outcome::Panics(panic.message.clone() + end)
        } else if finished.status.is_none() {
            let spins = computed > own_time / 2;
            Outcome::NeverEnds {
                spins: (computed > Duration::ZERO).then_some(spins),
            }
        } else if let Some(difference) = snapshot(&finished.output) {
            Outcome::Fails(difference)
        } else {
            Outcome::Fails(first.unwrap_or(&finished.output).clone())
        };
        Property {
            name: test.name().into(),
            file: test.file.clone(),
            outcome,
            starved: time > own_time * 2 && time > STARVED,
        }
    }
}

impl Test {
    fn name(&self) -> &str {
        self.path.rsplit("::").next().unwrap_or(&self.path)
    }
}

/// A panic, as the test's output has it.
struct Panic<'a> {
    /// The thread's name.
    thread: &'a str,
    /// The place that it is from, and below it what it says.
    message: String,
}

impl Panic<'_> {
    /// Whether it only says that another thread has ended or panicked. An assertion that quotes such a text says more.
    fn is_second_hand(&self) -> bool {
        let is = |text: &&str| self.message.contains(*text);
        let is_wrong_panic =
            self.message.replace('\\', "/").contains("/tests/") && is(&"Any { .. }");
        let texts = [
            "PoisonError",
            "SendError",
            "RecvError",
            "Any { .. }",
            "a scoped thread panicked",
        ];
        texts.iter().any(is) && !is_wrong_panic && !self.is_assertion()
    }

    fn is_assertion(&self) -> bool {
        self.message.contains("\nassertion ")
    }

    /// The part whose `todo!()` it is.
    fn part(&self) -> Option<usize> {
        let (_, part) = self.message.split_once("not yet implemented: part ")?;
        part.split(':').next()?.parse().ok()
    }
}

/// All panics in the output.
fn panics(output: &str) -> Vec<Panic<'_>> {
    let mut panics = Vec::new();
    let mut lines = output.lines();
    while let Some(line) = lines.next() {
        if let Some(line) = line.strip_prefix("thread '")
            && let Some((thread, place)) = line.split_once(" panicked at ")
        {
            let thread = thread.rsplit_once('\'').map_or(thread, |(name, _id)| name);
            let ends = ["note: run with ", "thread '", "test "];
            let is_end =
                |line: &str| line.is_empty() || ends.iter().any(|end| line.starts_with(end));
            let message = lines.by_ref().take_while(|line| !is_end(line));
            let message = message.fold(place.to_owned(), |text, line| text + "\n" + line);
            panics.push(Panic { thread, message });
        }
    }
    panics
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

    /// Whether it ran out of time where the system does not tell how much of that it could use.
    fn is_doubtful(&self) -> bool {
        self.outcome == Outcome::NeverEnds { spins: None }
    }
}

/// The name in words.
impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.name.replace('_', " ");
        f.write_str(&words.replace("the articles", "the article's"))
    }
}
