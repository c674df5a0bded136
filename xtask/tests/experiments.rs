//! Edits tried on a step of a few lines: each claim when it is true, and when it is not.

use std::fs;

use tempfile::TempDir;
use xtask::lessons::experiment::{Claim, Laboratory};

const WORKSPACE: &str = "\
[workspace]
resolver = \"3\"
members = [\"basic\"]
";

const MANIFEST: &str = "\
[package]
name = \"basic\"
edition = \"2024\"
";

const LIB: &str = "\
pub fn double(number: u32) -> u32 {
    number * 2
}

#[test]
fn two_becomes_four() {
    assert_eq!(double(2), 4);
}
";

const MAIN: &str = "\
fn main() {
    println!(\"Result: {}\", basic::double(3));
}
";

fn workspace() -> TempDir {
    let folder = tempfile::tempdir().expect("there is room");
    let write = |path: &str, text: &str| {
        fs::write(folder.path().join(path), text).expect("there is room");
    };
    fs::create_dir_all(folder.path().join("basic/src")).expect("there is room");
    write("Cargo.toml", WORKSPACE);
    write("basic/Cargo.toml", MANIFEST);
    write("basic/src/lib.rs", LIB);
    write("basic/src/main.rs", MAIN);
    folder
}

#[test]
fn an_edit_does_what_is_claimed_or_the_message_says_what_it_does() {
    let workspace = workspace();
    let mut laboratory = Laboratory::new(workspace.path()).expect("it can be copied");
    let mut outcome = |claim: &str, block: &str| {
        let claim = Claim::parse(claim)
            .expect("it is a claim")
            .expect("it is one");
        laboratory.try_edit("basic", block, &claim)
    };

    let harmless = "-number * 2\n+number + number\n";
    let wrong = "-number * 2\n+number * 3\n";
    let endless = "-number * 2\n+loop { std::hint::spin_loop(); _ = number; }\n";
    let mistyped = "-number * 2\n+\"number\"\n";
    for (claim, block, message) in [
        ("diff hangs", endless, ""),
        (
            "diff hangs",
            harmless,
            "it does not; `cargo run -p basic -- --speed 100` ends with exit status: 0 and prints:\nResult: 6",
        ),
        ("diff hangs", mistyped, "it does not compile:\nerror[E0308]"),
        ("diff prints Result: 9", wrong, ""),
        ("diff prints Result: 9", harmless, "prints:\nResult: 6"),
        (
            "diff prints Result: 6",
            harmless,
            "does so without the edit, too",
        ),
        ("diff E0308", mistyped, ""),
        (
            "diff E0373",
            mistyped,
            "the error is another:\nerror[E0308]",
        ),
        ("diff E0308", harmless, "it compiles"),
        ("diff fails two_becomes_four", wrong, ""),
        ("diff fails two_becomes_four", harmless, "the test passes"),
        ("diff fails two", wrong, "basic has no such test"),
        (
            "diff fails two_becomes_four",
            mistyped,
            "it does not compile:",
        ),
        (
            "diff hangs",
            "-number * 4\n",
            "basic/src/lib.rs: it no longer applies",
        ),
        (
            "diff hangs",
            "+++ b/src/gone.rs\n-x\n",
            "basic/src/gone.rs: No such file",
        ),
    ] {
        match outcome(claim, block) {
            Ok(()) => assert_eq!(message, "", "{claim}\n{block}"),
            Err(error) => {
                let is_named = !message.is_empty() && error.contains(message);
                assert!(is_named, "{claim}\n{block}\n{error}");
            }
        }
    }
    let lib = fs::read_to_string(workspace.path().join("basic/src/lib.rs"));
    assert_eq!(
        lib.expect("it is there"),
        LIB,
        "the step itself is as it was"
    );
}
