//! A step's sources, and what is kept of them in `.attempts/`: ours, and every attempt.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::files::{about, move_file, write_file};

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
    /// All that is in the step's `src`.
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
        let ours = match only_ours(&theirs) {
            None => only_ours(&read(&root.join(ATTEMPTS).join(step).join("ours"))?),
            ours => ours,
        };
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
                "{step}/src was changed before its first exercise (or the workspace was updated since), so ours is \
                 not known; put it back first, for instance with `git stash push {step}/src`"
            )
            .into()
        })
    }

    /// Whether what is in the step's folder is not ours.
    pub fn differ(&self) -> bool {
        let same = |(path, file): (&String, _)| self.theirs.get(path) == Some(file);
        !self.ours.as_ref().is_some_and(|ours| ours.iter().all(same))
    }

    /// Keeps ours, so that they can be put back. If the step's folder has others, they are kept already.
    pub fn keep_ours(&self) -> Result<()> {
        match self.differ() {
            true => self.ours().map(|_| ()),
            false => write(&self.folder().join("ours"), self.ours()?),
        }
    }

    /// Keeps what is in the step's folder, if it is not ours. Gives where, from the workspace's folder.
    pub fn keep_theirs(&self) -> Result<Option<PathBuf>> {
        if !self.differ() {
            return Ok(None);
        }
        let mut name = timestamp(SystemTime::now());
        while self.folder().join(&name).exists() {
            name += "+"; // another of the same second
        }
        write(&self.folder().join(&name), &self.theirs)?;
        Ok(Some(Path::new(ATTEMPTS).join(&self.step).join(name)))
    }

    /// Replaces the files in the step's folder that differ from `files`. Each of them is the old one or
    /// the new one at any time, and all are the old ones if the new ones cannot be written.
    pub fn replace(&self, files: &Files) -> Result<()> {
        let is_changed = |(path, file): &(&String, &Vec<u8>)| self.theirs.get(*path) != Some(file);
        let changed = files.iter().filter(is_changed);
        let changed = Files::from_iter(changed.map(|(path, file)| (path.clone(), file.clone())));
        let target = |path| self.root.join(&self.step).join(path);
        for target in changed.keys().map(target) {
            if fs::metadata(&target).is_ok_and(|old| old.permissions().readonly()) {
                return Err(format!("{} is read-only", target.display()).into());
            }
        }
        let folder = self.folder().join("new");
        write(&folder, &changed)?;
        for path in changed.keys() {
            let (new, target) = (folder.join(path), target(path));
            if fs::read(&target).ok().as_ref() != self.theirs.get(path) {
                let target = target.display();
                return Err(format!("{target} was saved at this moment; try again").into());
            }
            move_file(&new, &target)?;
        }
        _ = fs::remove_dir_all(folder); // nothing is left in it
        Ok(())
    }

    /// What was noted of the step under this name, or nothing.
    pub fn note(&self, name: &str) -> String {
        fs::read_to_string(self.folder().join(name)).unwrap_or_default()
    }

    /// Notes something of the step under a name.
    pub fn set_note(&self, name: &str, text: &str) -> Result<()> {
        write(&self.folder(), &[(name.to_owned(), text.into())].into())
    }

    fn folder(&self) -> PathBuf {
        self.root.join(ATTEMPTS).join(&self.step)
    }
}

/// Lets one command at a time change the workspace: the others wait until what this gives is dropped.
pub fn lock(root: &Path) -> Result<File> {
    let path = root.join(ATTEMPTS).join("lock");
    write(&root.join(ATTEMPTS), &Files::new())?;
    let file = File::create(&path).map_err(about(&path))?;
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
fn digest(file: &[u8]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in file {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

/// All files in the folder's `src`, but those whose name starts with a dot.
///
/// # Errors
///
/// If one cannot be read: which, and why.
pub fn read(folder: &Path) -> Result<Files> {
    let (mut files, mut folders) = (Files::new(), vec!["src".to_owned()]);
    while let Some(inner) = folders.pop() {
        let path = folder.join(&inner);
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.map_err(about(&path))?,
        };
        for entry in entries {
            let entry = entry.map_err(about(&path))?.path();
            let name = entry.file_name().unwrap_or_default().to_string_lossy();
            let inner = format!("{inner}/{name}");
            if name.starts_with('.') {
                continue;
            } else if entry.is_dir() {
                folders.push(inner);
            } else {
                files.insert(inner, fs::read(&entry).map_err(about(&entry))?);
            }
        }
    }
    Ok(files)
}

/// Writes the files into the folder.
fn write(folder: &Path, files: &Files) -> Result<()> {
    fs::create_dir_all(folder).map_err(about(folder))?;
    for (path, file) in files {
        write_file(&folder.join(path), file)?;
    }
    Ok(())
}

/// The time in UTC, as a file may be named: `2026-11-25T02-10-48Z`.
fn timestamp(time: SystemTime) -> String {
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since_1970.unwrap_or_default().as_secs();
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // Years that begin in March end with the leap day, so the months before it are always the same.
    let days = seconds / 86400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        ..10 => (year + 400 * era, month + 3),
        10.. => (year + 400 * era + 1, month - 9),
    };
    format!("{year}-{month:02}-{day:02}T{hour:02}-{minute:02}-{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn attempts_are_named_by_the_time() {
        for (seconds, name) in [
            (0, "1970-01-01T00-00-00Z"),
            (951_782_399, "2000-02-28T23-59-59Z"),
            (951_782_400, "2000-02-29T00-00-00Z"),
            (1_798_761_599, "2026-12-31T23-59-59Z"),
            (1_798_761_600, "2027-01-01T00-00-00Z"),
            (4_107_542_400, "2100-03-01T00-00-00Z"),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(timestamp(time), name);
        }
    }
}
