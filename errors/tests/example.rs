//! The example `check-json`, run as a person runs it, with the paths and messages of Linux.
#![cfg(target_os = "linux")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::{ffi::OsStrExt, fs::symlink};
use std::path::{Path, PathBuf};
use std::process::Output;

use testing::example;

/// An empty folder of this name.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    _ = fs::remove_dir_all(&folder); // an error: it is not there
    fs::create_dir_all(&folder).expect("there is room");
    folder
}

fn check_json(folder: &Path, argument: &str) -> Output {
    let mut check_json = example("check-json");
    let output = check_json.arg(argument).current_dir(folder).output();
    output.expect("the example is built")
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("only text is printed")
}

#[test]
fn one_bad_file_takes_nothing_else_along() {
    let folder = folder("check-json");
    let write = |name: &str, text: &[u8]| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("there is room");
        fs::write(path, text).expect("there is room");
    };
    for number in 0..300 {
        let name = format!("good/{}/{number}.json", number % 7);
        write(&name, b"{\"a\": [1]}");
    }
    write("other.txt", b"{");
    write("invalid.json", b"{\n  \"a\" 1}");
    write("binary.json", b"\"\xff\"");
    write("panics.json", b"[]");
    let nested = |depth| "[".repeat(depth) + "1" + &"]".repeat(depth);
    write("deep.json", nested(127).as_bytes());
    write("deeper.json", nested(128).as_bytes());
    fs::write(folder.join(OsStr::from_bytes(b"\xff.json")), "[").expect("there is room");
    symlink("nowhere", folder.join("gone.json")).expect("there is room");
    symlink("..", folder.join("good/up")).expect("there is room");

    let output = check_json(&folder, ".");
    let mut lines = Vec::from_iter(text(&output.stdout).lines());
    let errors = lines.len() - 2;
    lines[..errors].sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @r"
    ./binary.json: invalid unicode code point at line 1 column 2
    ./deeper.json: recursion limit exceeded at line 1 column 128
    ./gone.json: No such file or directory (os error 2)
    ./invalid.json: expected `:` at line 2 column 7
    ./panics.json: a bug: attempt to divide by zero
    ./�.json: EOF while parsing a list at line 1 column 1
      good invalid unreadable panicked
       301       4          1        1
    ");
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn good_files_alone_are_a_success() {
    let folder = folder("good-json");
    fs::write(folder.join("a.json"), "1").expect("there is room");
    let output = check_json(&folder, ".");
    let table = "  good invalid unreadable panicked\n     1       0          0        0\n";
    assert_eq!(text(&output.stdout), table);
    assert!(output.status.success());
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let output = check_json(&folder("no-json"), "nowhere");
    let printed = text(&output.stdout);
    assert!(printed.starts_with("nowhere: "), "{printed}");
    assert_eq!(output.status.code(), Some(1));
}
