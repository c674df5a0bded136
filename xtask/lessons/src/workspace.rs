//! The workspace, or a copy of it to try edits in, as the place where commands run.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use xtask::cargo::{cargo, text};
use xtask::deadline::{self, Finished};
use xtask::steps::STEPS;

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

    /// The copy of this name, in `target/lessons`, of the workspace at `root`. Files that have not changed since the last copy keep
    /// their time, so that cargo does not build them again. Waits while another process uses the copy.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written.
    pub fn copy(root: &Path, name: &str) -> io::Result<Self> {
        let folder = root.join("target/lessons");
        let copy = folder.join(name);
        fs::create_dir_all(&copy)?;
        let lock = File::create(folder.join(format!("{name}.lock")))?;
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
    /// What the compiler says if it does not build; or why it is not run.
    pub fn build(&self, line: &str) -> Result<Command, String> {
        let words = words(&self.root, line)?;
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

/// The words of a command that a page may have run: one that changes nothing, runs only programs of the steps and of
/// `cargo xtask`, and names only files of the workspace at `root`.
///
/// # Errors
///
/// If it is another.
pub fn words<'a>(root: &Path, line: &'a str) -> Result<Vec<&'a str>, String> {
    let line = line
        .split_once(" #")
        .map_or(line, |(command, _comment)| command);
    let mut words = Vec::new();
    for (nth, part) in line.split('"').enumerate() {
        match nth % 2 {
            0 => words.extend(part.split_whitespace()),
            _ => words.push(part), // in quotes
        }
    }
    let is_step = |name: &str| STEPS.iter().any(|step| step.name == name);
    let is_inside = |path: &str| is_inside(root, Path::new(path));
    let is_allowed = match words.as_slice() {
        ["cargo", "run", "-p", step, "--example", _] | ["cargo", "run", "-p", step] => {
            is_step(step)
        }
        ["cargo", "run", "-p", step, "--example", _, "--", ..] => is_step(step),
        ["cargo", "run", "-p", step, "--", ..] => is_step(step),
        ["cargo", "xtask", "--help"] | ["cargo", "xtask", _, "--help"] => true,
        ["cargo", "xtask", "list" | "diff", ..] => true,
        ["cargo", "xtask", "timeline", flags @ ..] => {
            let writes = |flag: &&str| flag.starts_with("--svg") || flag.starts_with("--trace");
            !flags.iter().any(writes)
        }
        ["cargo", "xtask", "play", _, "--moves", _] => true,
        ["diff", "-u", files @ ..] | ["diff" | "ls", files @ ..] => {
            files.iter().copied().all(is_inside)
        }
        _ => false,
    };
    let refused = "only `cargo run -p STEP`, `cargo xtask list`, `diff`, `timeline`, `play --moves` and `--help`, `diff` and `ls` are run, \
                   with files of the workspace; mark the block `console ignore`";
    is_allowed.then_some(words).ok_or_else(|| refused.into())
}

/// Whether a file or folder is there and in the folder `root`, also after links are followed. Flags are no files.
pub fn is_inside(root: &Path, path: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    let (root, path) = (real(root), real(&root.join(path)));
    root.zip(path)
        .is_some_and(|(root, path)| path.starts_with(root))
}

/// Makes `copy` the same as `folder`, apart from hidden files other than cargo's, from target folders, and from links and whatever
/// else is neither file nor folder.
fn mirror(folder: &Path, copy: &Path) -> io::Result<()> {
    fs::create_dir_all(copy)?;
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (kind, name, entry) = (entry.file_type()?, entry.file_name(), entry.path());
        let is_hidden = name.to_string_lossy().starts_with('.') && name != ".cargo";
        if is_hidden || name == "target" || !(kind.is_dir() || kind.is_file()) {
            continue;
        }
        let twin = copy.join(&name);
        names.insert(name);
        if kind.is_dir() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_change_nothing_run_no_other_program_and_stay_in_the_workspace() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        for line in [
            "cargo run -p basic -- --jobs 3 # a comment",
            "cargo run -p waitgroup --example wait_group",
            "cargo xtask timeline basic --workers 1",
            "cargo xtask play basic --moves \"1 2\"",
            "cargo xtask list",
            "cargo xtask exercise --help",
            "diff -u basic/src/lib.rs errors/src/lib.rs",
            "ls xtask/book",
            "ls",
        ] {
            words(root, line).expect(line);
        }
        for line in [
            "",
            "rm -r basic",
            "cargo build",
            "cargo run --config build.rustc-wrapper='/bin/sh' -p basic",
            "cargo run -p basic --config build.rustc-wrapper='/bin/sh'",
            "cargo run -p basic --example wait_group --config x",
            "cargo run -p basic --manifest-path /tmp/Cargo.toml",
            "cargo run -p lessons -- lessons",
            "cargo run",
            "cargo xtask exercise basic",
            "cargo xtask reset basic -- --help",
            "cargo xtask lessons",
            "cargo xtask play basic",
            "cargo xtask timeline basic --svg",
            "cargo xtask timeline basic --trace=x",
            "ls /etc",
            "ls ..",
            "ls basic/../..",
            "ls -l",
            "ls gone.md",
            "diff README.md /etc/passwd",
            "diff --paginate README.md README.md",
            "diff -u README.md ../x",
        ] {
            words(root, line).expect_err(line);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_workspace_leads_out_of_it_and_is_not_copied() {
        let folder = tempfile::tempdir().expect("there is room");
        let (inside, copy) = (folder.path().join("inside"), folder.path().join("copy"));
        fs::create_dir(&inside).expect("there is room");
        fs::write(inside.join("file"), "").expect("there is room");
        std::os::unix::fs::symlink(folder.path(), inside.join("link")).expect("there is room");
        assert!(is_inside(&inside, Path::new("file")) && !is_inside(&inside, Path::new("link")));
        mirror(&inside, &copy).expect("there is room");
        assert!(copy.join("file").exists() && !copy.join("link").exists());
    }
}
