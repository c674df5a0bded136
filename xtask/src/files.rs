//! Plain files, found without following links, and replaced as a whole: each is the old one or the new one at any time.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// The plain files in a part of a folder, such as `src`, by their paths from that folder. Links, pipes and whatever else is no plain
/// file are left out, and so are names that start with a dot or are not UTF-8.
///
/// # Errors
///
/// If a folder cannot be read: its path, and why.
pub fn plain_files(folder: &Path, part: &str) -> io::Result<BTreeMap<String, Metadata>> {
    let (mut files, mut inner) = (BTreeMap::new(), vec![part.to_owned()]);
    while let Some(name) = inner.pop() {
        let path = folder.join(&name);
        match fs::symlink_metadata(&path) {
            Ok(data) if data.is_file() => _ = files.insert(name, data),
            Ok(data) if data.is_dir() => {
                for entry in fs::read_dir(&path).map_err(about(&path))? {
                    let entry = entry.map_err(about(&path))?.file_name();
                    let entry = entry.to_str().filter(|entry| !entry.starts_with('.'));
                    inner.extend(entry.map(|entry| format!("{name}/{entry}")));
                }
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(about(&path)(error)),
            _ => {} // no plain file, or it has just been taken away
        }
    }
    Ok(files)
}

/// Writes a file, and its folder if need be, and waits until it is on the disk.
///
/// # Errors
///
/// If it cannot be written: its path, and why.
pub fn write_file(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(about(folder))?;
    }
    let mut new = File::create(path).map_err(about(path))?;
    let written = new.write_all(content).and_then(|()| new.sync_all());
    written.map_err(about(path))
}

/// Puts a new file, on the same disk, in the place of another, with the permissions of that. A link is replaced, and not what it
/// leads to.
///
/// # Errors
///
/// If it cannot be moved: its path, and why.
pub fn move_file(new: &Path, target: &Path) -> io::Result<()> {
    if let Ok(old) = fs::metadata(target) {
        fs::set_permissions(new, old.permissions()).map_err(about(new))?;
    }
    fs::rename(new, target).map_err(about(target))
}

/// An error that says which file it is about.
pub fn about(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
