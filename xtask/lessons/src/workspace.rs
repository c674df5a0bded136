//! The workspace, or a copy of it to try edits in, as the place where commands run.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use xtask::cargo::{cargo, text};
use xtask::deadline::{self, Finished};

/// How long a command may take that has to build first.
const BUILD: Duration = Duration::from_secs(600);

/// A folder with the root manifest, and where cargo builds what is in it.
#[derive(Debug)]
pub struct Workspace {
    /// The folder.
    pub root: PathBuf,
    /// The target folder; cargo's own choice if `None`.
    pub target: Option<PathBuf>,
    /// Held while this is in use, so that two processes do not share a copy.
    _lock: Option<File>,
}

impl Workspace {
    /// The workspace itself.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            target: None,
            _lock: None,
        }
    }

    /// A copy in `target/lessons` of the workspace at `root`. Files that have not changed since the last copy keep their time, so
    /// that cargo does not build them again. Waits while another process uses the copy.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written.
    pub fn copy(root: &Path) -> io::Result<Self> {
        let folder = root.join("target/lessons");
        let copy = folder.join("workspace");
        fs::create_dir_all(&copy)?;
        let lock = File::create(folder.join("lock"))?;
        lock.lock()?;
        mirror(root, &copy)?;
        Ok(Self {
            root: copy,
            target: Some(folder.join("target")),
            _lock: Some(lock),
        })
    }

    /// Builds what the command `line` runs. Gives the program that it stands for, which then needs neither
    /// cargo nor its locks; `cargo xtask` builds on its own.
    ///
    /// # Errors
    ///
    /// What the compiler says if it does not build; or why it cannot be run.
    pub fn build(&self, line: &str) -> Result<Command, String> {
        let words = words(line)?;
        let ["cargo", "run", flags @ ..] = words.as_slice() else {
            let mut command = match words[0] {
                "cargo" => cargo(),
                program => Command::new(program),
            };
            command.args(&words[1..]);
            return Ok(self.place(command));
        };
        let mut flags = flags.splitn(2, |flag| *flag == "--");
        let mut command = cargo();
        command.args([
            "build",
            "--quiet",
            "--message-format=json-render-diagnostics",
        ]);
        command.args(flags.next().unwrap_or_default());
        let built = self.run(self.place(command), BUILD)?;
        let (messages, words): (Vec<_>, Vec<_>) =
            built.output.lines().partition(|line| line.starts_with('{'));
        let mut programs = messages
            .iter()
            .filter_map(|message| text(message, "executable"));
        let program = programs.next_back().filter(|_| built.succeeded());
        let mut program = Command::new(program.ok_or_else(|| words.join("\n"))?);
        program.args(flags.next().unwrap_or_default());
        Ok(self.place(program))
    }

    /// Runs a command of [`build`](Self::build), for at most `limit`.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn run(&self, command: Command, limit: Duration) -> Result<Finished, String> {
        deadline::run(command, limit).map_err(|error| error.to_string())
    }

    /// The command in this workspace, with a plain environment.
    pub fn place(&self, mut command: Command) -> Command {
        command.current_dir(&self.root).env_remove("RUST_BACKTRACE");
        command.envs([
            ("CARGO_TERM_COLOR", "never"),
            ("NO_COLOR", "1"),
            ("LC_ALL", "C"),
        ]);
        if let Some(target) = &self.target {
            command.env("CARGO_TARGET_DIR", target);
            command.env("CARGO_NET_OFFLINE", "true");
        }
        command
    }
}

/// The words of a command that a page may have run.
fn words(line: &str) -> Result<Vec<&str>, String> {
    let line = line
        .split_once(" #")
        .map_or(line, |(command, _comment)| command);
    let words = Vec::from_iter(line.split_whitespace());
    match words.as_slice() {
        ["cargo", "run" | "xtask", ..] | ["diff" | "ls", ..] => Ok(words),
        _ => Err("only `cargo run`, `cargo xtask`, `diff` and `ls` are run; mark the block `console ignore`".into()),
    }
}

/// Makes `copy` the same as `folder`, apart from hidden files other than cargo's, and from target folders.
fn mirror(folder: &Path, copy: &Path) -> io::Result<()> {
    fs::create_dir_all(copy)?;
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let (entry, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        let is_hidden = name.to_string_lossy().starts_with('.') && name != ".cargo";
        if is_hidden || name == "target" {
            continue;
        }
        let twin = copy.join(&name);
        names.insert(name);
        if entry.is_dir() {
            mirror(&entry, &twin)?;
        } else {
            let content = fs::read(&entry)?;
            if fs::read(&twin).ok().as_ref() != Some(&content) {
                fs::write(twin, content)?;
            }
        }
    }
    for entry in fs::read_dir(copy)? {
        let entry = entry?;
        match (
            names.contains(&entry.file_name()),
            entry.file_type()?.is_dir(),
        ) {
            (true, _) => {}
            (false, true) => fs::remove_dir_all(entry.path())?,
            (false, false) => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}
