//! Files that are replaced as a whole: each is the old one or the new one at any time.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

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

/// Puts a new file, on the same disk, in the place of another, with the permissions of that.
///
/// # Errors
///
/// If it cannot be moved: its path, and why.
pub fn move_file(new: &Path, target: &Path) -> io::Result<()> {
    if let Ok(old) = fs::metadata(target) {
        fs::set_permissions(new, old.permissions()).map_err(about(new))?;
    }
    let target = fs::canonicalize(target).unwrap_or(target.into()); // a link stays one
    fs::rename(new, &target).map_err(about(&target))
}

/// An error that says which file it is about.
pub fn about(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
