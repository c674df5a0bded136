//! The example, as a person runs it.
#![cfg(unix)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use testing::{ends_quietly_unread, example};

/// A new folder with files in folders, some of whose names are unusual.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    _ = fs::remove_dir_all(&folder); // of an earlier run
    fs::create_dir_all(folder.join("a/deep")).expect("there is room");
    fs::create_dir_all(folder.join("empty")).expect("there is room");
    let unusual = ["two\nlines", "back\\slash", "carriage\rreturn"];
    let names = ["empty file", "a/deep/b"].into_iter().chain(unusual);
    for (number, name) in names.enumerate() {
        let text = "some text".repeat(number * 10_000);
        fs::write(folder.join(name), text).expect("there is room");
    }
    fs::write(folder.join(OsStr::from_bytes(b"not \xff text")), "x").expect("there is room");
    symlink("nowhere", folder.join("a/link")).expect("there is room");
    folder
}

fn checksum(folder: &Path, flags: &[&str]) -> Output {
    let output = example("checksum").arg(folder).args(flags).output();
    output.expect("the example can be started")
}

fn sorted(lines: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::from_iter(lines.split_inclusive(|&byte| byte == b'\n'));
    lines.sort_unstable();
    lines
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("it is text")
}

/// `sha256sum` is there on Linux.
#[test]
fn prints_what_sha256sum_prints() {
    let folder = folder("sha256sum");
    let mut find = Command::new("find");
    find.arg(&folder).args(["-type", "f"]);
    find.args(["-exec", "sha256sum", "{}", "+"]);
    let theirs = find.output().expect("there is a `find`");
    if !theirs.status.success() {
        return; // there is no `sha256sum`
    }
    for workers in ["1", "2", "100"] {
        let ours = checksum(&folder, &["--workers", workers]);
        assert!(ours.status.success());
        let (ours, theirs) = (sorted(&ours.stdout), sorted(&theirs.stdout));
        assert_eq!(ours, theirs, "{workers} workers");
    }
}

#[test]
fn a_folder_that_is_not_there_is_one_clear_line() {
    let output = checksum(Path::new("not-there"), &[]);
    assert_eq!(output.status.code(), Some(1));
    let error = "checksum: not-there: No such file or directory (os error 2)\n";
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("", error));
}

#[test]
fn what_cannot_be_read_is_one_clear_line_and_the_rest_is_done() {
    let folder = folder("unreadable");
    let closed = ["a/deep/b", "empty"].map(|name| folder.join(name));
    let set = |mode| {
        for path in &closed {
            let permissions = fs::Permissions::from_mode(mode);
            fs::set_permissions(path, permissions).expect("it is ours");
        }
    };
    set(0o000);
    let is_refused = fs::read(&closed[0]).is_err(); // not for root
    let output = checksum(&folder, &[]);
    set(0o700);
    if is_refused {
        assert_eq!(output.status.code(), Some(1));
        let mut errors = Vec::from_iter(text(&output.stderr).lines());
        errors.sort_unstable();
        let denied = "Permission denied (os error 13)";
        let expected = closed.map(|path| format!("checksum: {}: {denied}", path.display()));
        assert_eq!(errors, expected);
    }
    let done = if is_refused { 5 } else { 6 };
    assert_eq!(sorted(&output.stdout).len(), done);
}

#[test]
fn ends_quietly_if_nobody_reads_its_output() {
    ends_quietly_unread(example("checksum").arg(folder("closed")));
}
