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
    let mut search = example("search");
    let output = search.arg("needle").arg(folder).args(flags).output();
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
    let line = |name: &str, text: &[u8]| {
        let start = format!("{}: ", folder.join(name).display());
        [start.as_bytes(), text, b"\n"].concat()
    };
    let number = |number| {
        let text = format!("needle {number}");
        line(&format!("{}/{number}", number % 10), text.as_bytes())
    };
    let mut expected = Vec::from_iter((0..500).map(number));
    expected.push(line("0/not text", b"\xff needle \xff"));
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
    let words = Vec::from_iter(text(&output.stderr).split(' '));
    let ["3", "files", "read,", in_vain, ..] = words[..] else {
        panic!("{words:?}");
    };
    let in_vain: usize = in_vain.parse().expect("it is a number");
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    assert!(in_vain <= 64 + 2 * workers, "{in_vain}");
}

#[test]
fn a_folder_that_is_not_there_is_one_clear_line() {
    let output = search(Path::new("not-there"), &[]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.starts_with("search: not-there: "), "{error}");
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn a_reader_that_goes_ends_the_search() {
    let (reader, writer) = io::pipe().expect("there is room for a pipe");
    drop(reader);
    let mut search = example("search");
    let search = search.arg("needle").arg(folder("closed")).stdout(writer);
    let output = search.output().expect("the example can be started");
    assert!(output.status.success());
    assert!(text(&output.stderr).starts_with("1 files read, "));
}
