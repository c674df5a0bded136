//! The example, as a person runs it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Output;

use testing::example;

/// A new folder with 500 files, each with a line that has the word.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    _ = fs::remove_dir_all(&folder); // of an earlier run
    for number in 0..500 {
        let file = folder.join(format!("{}/{number}", number % 10));
        fs::create_dir_all(file.parent().expect("it has one")).expect("there is room");
        fs::write(file, format!("one\nneedle {number}\nthree")).expect("there is room");
    }
    fs::write(folder.join("0/not text"), b"\xff needle \xff\n").expect("there is room");
    folder
}

fn search(folder: &Path, flags: &[&str]) -> Output {
    let output = example("search")
        .arg("needle")
        .arg(folder)
        .args(flags)
        .output();
    output.expect("the example can be started")
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("it is text")
}

fn lines(output: &Output) -> Vec<&[u8]> {
    Vec::from_iter(output.stdout.split_inclusive(|&byte| byte == b'\n'))
}

#[test]
fn finds_every_line_with_the_word() {
    let folder = folder("all");
    let output = search(&folder, &[]);
    assert!(output.status.success());
    let mut found = lines(&output);
    found.sort_unstable();
    let file = |name: String| folder.join(name).display().to_string();
    let line = |number| {
        format!(
            "{}: needle {number}\n",
            file(format!("{}/{number}", number % 10))
        )
    };
    let mut expected = Vec::from_iter((0..500).map(|number| line(number).into_bytes()));
    expected.push(
        [
            file("0/not text".into()).as_bytes(),
            b": \xff needle \xff\n",
        ]
        .concat(),
    );
    expected.sort_unstable();
    assert_eq!(found, expected);
    let read = "501 files read, 0 more in vain\n";
    assert_eq!(text(&output.stderr), read);
}

/// The pool has room for 64 paths and for 64 results.
#[test]
fn stops_soon_after_the_first_lines() {
    let output = search(&folder("first"), &["--first", "3"]);
    assert!(output.status.success());
    assert_eq!(lines(&output).len(), 3);
    let (read, in_vain) = text(&output.stderr)
        .split_once(" files read, ")
        .expect("it says so");
    assert_eq!(read, "3");
    let in_vain = in_vain
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    assert!(
        in_vain.is_some_and(|in_vain: usize| in_vain <= 64 + 2 * workers),
        "{in_vain:?}"
    );
}

#[test]
fn a_folder_that_is_not_there_is_one_clear_line() {
    let output = search(Path::new("not-there"), &[]);
    assert_eq!(output.status.code(), Some(1));
    let first = text(&output.stderr)
        .lines()
        .next()
        .expect("it says something");
    assert!(first.starts_with("search: not-there: "), "{first}");
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn a_reader_that_goes_ends_the_search() {
    let (reader, writer) = io::pipe().expect("there is room for a pipe");
    drop(reader);
    let mut example = example("search");
    let output = example
        .arg("needle")
        .arg(folder("closed"))
        .stdout(writer)
        .output();
    let output = output.expect("the example can be started");
    assert!(output.status.success());
    assert!(text(&output.stderr).starts_with("1 files read, "));
}
