//! A step's sources, and what is kept of them in `.attempts/`: ours, and every attempt.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use super::blank::ALLOW;
use crate::files::{about, move_file, plain_files, write_file};
use crate::output::say;

/// Files by their path from the step's folder, as `src/lib.rs`.
pub type Files = BTreeMap<String, Vec<u8>>;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Where the digests of all steps' sources are, from the workspace's folder.
pub const DIGESTS: &str = "xtask/digests.txt";

/// What is git-ignored, from the workspace's folder.
const ATTEMPTS: &str = ".attempts";

/// A step's sources, as they were when they were read.
#[derive(Debug)]
pub struct Sources {
    /// The workspace's folder.
    root: PathBuf,
    /// The step's name.
    pub step: String,
    /// The plain files in the step's `src`.
    pub theirs: Files,
    /// Ours, from the step's folder or from where they are kept. `None` if neither has them.
    pub ours: Option<Files>,
}

impl Sources {
    /// Reads the sources of `step` in the workspace `root`.
    pub fn read(root: &Path, step: &str) -> Result<Self> {
        let list = root.join(DIGESTS);
        let list = fs::read_to_string(&list).map_err(about(&list))?;
        let digests = list.lines().filter_map(|line| {
            let (path, digest) = line.split_once(' ')?;
            Some((path.strip_prefix(step)?.strip_prefix('/')?, digest))
        });
        let only_ours = |files: &Files| -> Option<Files> {
            let ours = digests.clone().map(|(path, expected)| {
                let file = files.get(path).filter(|file| digest(file) == expected)?;
                Some((path.to_owned(), file.clone()))
            });
            ours.collect()
        };

        let theirs = read(&root.join(step))?;
        let kept = |name| read(&root.join(ATTEMPTS).join(step).join(name));
        let mut ours = only_ours(&theirs);
        if ours.is_none() {
            ours = only_ours(&kept("ours")?);
        }
        if ours.is_none() {
            let paths = digests.clone().map(|(path, _)| path);
            ours = only_ours(&from_git(root, step, paths));
        }
        if ours.is_none() {
            ours = Some(kept("before")?).filter(|files| !files.is_empty());
        }
        Ok(Self {
            root: root.into(),
            step: step.into(),
            theirs,
            ours,
        })
    }

    /// Ours.
    pub fn ours(&self) -> Result<&Files> {
        let step = &self.step;
        self.ours.as_ref().ok_or_else(|| {
            format!(
                "ours are not known: {step}/src was changed before its first exercise, or .attempts is gone, and git does \
                 not have them; copy {step}/src from a fresh copy of the workspace"
            )
            .into()
        })
    }

    /// Whether what is in the step's folder is not ours.
    pub fn differ(&self) -> bool {
        let same = |(path, file): (&String, _)| self.theirs.get(path) == Some(file);
        !self.ours.as_ref().is_some_and(|ours| ours.iter().all(same))
    }

    /// Keeps ours, so that they can be put back, and gives them. If they are not known, what was there before the first
    /// exercise takes their place.
    pub fn keep_ours(&self) -> Result<Files> {
        let is_exercise = |file: &Vec<u8>| String::from_utf8_lossy(file).contains(ALLOW);
        if self.ours.is_none() && !self.theirs.values().any(is_exercise) {
            self.keep("before", &self.theirs)?;
            let step = &self.step;
            say(format_args!(
                "{step}/src was changed before its first exercise; what was there counts as ours."
            ));
            return Ok(self.theirs.clone());
        }
        let ours = self.ours()?;
        match self.differ() {
            true => write(&self.folder().join("ours"), ours)?,
            false => self.keep("ours", ours)?,
        }
        Ok(ours.clone())
    }

    /// Keeps what is in the step's folder, if it is not ours. Gives where, from the workspace's folder.
    pub fn keep_theirs(&self) -> Result<Option<PathBuf>> {
        if !self.differ() {
            return Ok(None);
        }
        let now = humantime::format_rfc3339_seconds(SystemTime::now());
        let mut name = now.to_string().replace(':', "-"); // as a file may be named
        while self.folder().join(&name).exists() {
            name += "+"; // another of the same second
        }
        self.keep(&name, &self.theirs)?;
        Ok(Some(Path::new(ATTEMPTS).join(&self.step).join(name)))
    }

    /// Copies files of the step's folder, with their permissions.
    fn keep(&self, name: &str, files: &Files) -> Result<()> {
        let copy = self.folder().join(name);
        write(&copy, files)?;
        for path in files.keys() {
            let (file, copy) = (self.root.join(&self.step).join(path), copy.join(path));
            let permissions = fs::metadata(&file).map_err(about(&file))?.permissions();
            fs::set_permissions(&copy, permissions).map_err(about(&copy))?;
        }
        Ok(())
    }

    /// Replaces the files in the step's folder that differ from `files`. Each of them is the old one or
    /// the new one at any time, and all are the old ones if the new ones cannot be written.
    pub fn replace(&self, files: &Files) -> Result<()> {
        let is_changed = |(path, file): &(&String, &Vec<u8>)| self.theirs.get(*path) != Some(file);
        let changed = files.iter().filter(is_changed);
        let changed = Files::from_iter(changed.map(|(path, file)| (path.clone(), file.clone())));
        let step = self.root.join(&self.step);
        for target in changed.keys().map(|path| step.join(path)) {
            for path in target.ancestors().take_while(|path| **path != step) {
                let refused = match fs::symlink_metadata(path) {
                    Ok(old) if !old.is_file() && !old.is_dir() => "is no plain file; move it away",
                    Ok(old) if old.is_file() && old.permissions().readonly() => "is read-only",
                    _ => continue,
                };
                return Err(format!("{} {refused}", path.display()).into());
            }
        }
        let folder = self.folder().join("new");
        write(&folder, &changed)?;
        for path in changed.keys() {
            let (new, target) = (folder.join(path), step.join(path));
            if fs::read(&target).ok().as_ref() != self.theirs.get(path) {
                let target = target.display();
                return Err(format!("{target} was saved at this moment; try again").into());
            }
            if let Some(inner) = target.parent() {
                fs::create_dir_all(inner).map_err(about(inner))?; // it may have been moved away
            }
            move_file(&new, &target)?;
        }
        _ = fs::remove_dir_all(folder); // nothing is left in it
        Ok(())
    }

    /// What was noted of the step under this name, or nothing.
    pub fn note(&self, name: &str) -> String {
        note(&self.root, &self.step, name)
    }

    /// Notes something of the step under a name.
    pub fn set_note(&self, name: &str, text: &str) -> Result<()> {
        write(&self.folder(), &[(name.to_owned(), text.into())].into())
    }

    fn folder(&self) -> PathBuf {
        self.root.join(ATTEMPTS).join(&self.step)
    }
}

/// What was noted of a step under this name, or nothing.
pub fn note(root: &Path, step: &str, name: &str) -> String {
    fs::read_to_string(root.join(ATTEMPTS).join(step).join(name)).unwrap_or_default()
}

/// The files that git has of the last commit, if there is one.
fn from_git<'a>(root: &Path, step: &str, paths: impl Iterator<Item = &'a str>) -> Files {
    let file = |path: &str| {
        let mut git = Command::new("git");
        git.args(["show", &format!("HEAD:./{step}/{path}")])
            .current_dir(root);
        let output = git.stderr(Stdio::null()).output().ok()?;
        output
            .status
            .success()
            .then_some((path.to_owned(), output.stdout))
    };
    paths.map_while(file).collect()
}

/// Lets one command at a time change the workspace: the others wait until what this gives is dropped.
pub fn lock(root: &Path) -> Result<File> {
    let folder = root.join(ATTEMPTS);
    let path = folder.join("lock");
    let file =
        write(&folder, &Files::new()).and_then(|()| Ok(File::create(&path).map_err(about(&path))?));
    let file = file.map_err(|error| {
        format!(
            "{error}\nwhat you write is kept in {}: make that a folder that can be written to",
            folder.display()
        )
    })?;
    match file.lock() {
        Err(error) if error.kind() != ErrorKind::Unsupported => Err(about(&path)(error).into()),
        _ => Ok(file), // some network drives have no locks
    }
}

/// The digests of these steps' sources as they are now, as [`DIGESTS`] has them.
///
/// # Errors
///
/// If a source cannot be read.
pub fn digests<'a>(root: &Path, steps: impl Iterator<Item = &'a str>) -> Result<String> {
    let mut list = String::new();
    for step in steps {
        for (path, file) in read(&root.join(step))? {
            list += &format!("{step}/{path} {}\n", digest(&file));
        }
    }
    Ok(list)
}

/// FNV-1a of the file.
pub fn digest(file: &[u8]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in file {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

/// The plain files in the folder's `src`.
///
/// # Errors
///
/// If one of them cannot be read: its path, and why.
pub fn read(folder: &Path) -> Result<Files> {
    let mut files = Files::new();
    for path in plain_files(folder, "src")?.into_keys() {
        let file = folder.join(&path);
        files.insert(path, fs::read(&file).map_err(about(&file))?);
    }
    Ok(files)
}

/// Writes the files into the folder. One that is there already stays as it is, even if the disk is full.
fn write(folder: &Path, files: &Files) -> Result<()> {
    fs::create_dir_all(folder).map_err(about(folder))?;
    for (path, file) in files {
        let path = folder.join(path);
        if fs::read(&path).ok().as_ref() != Some(file) {
            write_file(&path, file)?;
        }
    }
    Ok(())
}
