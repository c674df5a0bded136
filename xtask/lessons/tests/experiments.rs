//! Edits tried on a step of a few lines: each claim when it is true, and when it is not.

use std::fs;
use std::time::Duration;

use lessons::experiment::{Edited, Laboratory};
use lessons::page::Page;
use tempfile::TempDir;

const WORKSPACE: &str = "[workspace]\nresolver = \"3\"\nmembers = [\"basic\"]\n";
const MANIFEST: &str = "[package]\nname = \"basic\"\nedition = \"2024\"\n";

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

const HARMLESS: &str = "-number * 2\n+number + number\n";
const WRONG: &str = "-number * 2\n+number * 3\n";
const ENDLESS: &str = "-number * 2\n+loop { std::hint::spin_loop(); _ = number; }\n";
const MISTYPED: &str = "-number * 2\n+\"number\"\n";

/// Tries the edits, one after the other. Where a claim is false, the message has to contain what is given.
fn try_all(experiments: &[(&str, &str, Result<(), &str>)]) {
    let workspace = workspace();
    let mut laboratory = Laboratory::new(workspace.path(), "basic").expect("it can be copied");
    (laboratory.hangs, laboratory.never_ends) = (Duration::from_secs(1), Duration::from_secs(1));
    for (info, block, expected) in experiments {
        let page = Page::parse("basic/README.md", format!("```{info}\n{block}```\n"));
        let edited = Edited::of(workspace.path(), &page, &page.blocks[0]);
        let outcome = edited.and_then(|edited| {
            let (claim, edited) = edited.expect("it claims something");
            laboratory.try_edit(&edited, &claim)
        });
        let is_expected = match (&outcome, expected) {
            (Err(error), Err(message)) => error.contains(message),
            (outcome, expected) => outcome.is_ok() == expected.is_ok(),
        };
        assert!(is_expected, "{info}\n{block}\n{outcome:?}");
    }
    let lib = fs::read_to_string(workspace.path().join("basic/src/lib.rs"));
    assert_eq!(
        lib.ok().as_deref(),
        Some(LIB),
        "the step itself is as it was"
    );
}

#[test]
#[ignore = "builds a workspace; .ci/run runs it"]
fn what_is_claimed_of_a_program_is_compared_with_what_it_does() {
    let ends = Err(
        "it does not; `cargo run -p basic -- --speed 100` ends with exit status: 0 and prints:\nResult: 6",
    );
    let does_not_compile = Err("it does not compile:\nerror[E0308]");
    let anyway = Err("does so without the edit, too");
    let another = Err("the error is another:\nerror[E0308]");
    let compiles = Err("it compiles");
    let (wrong, right) = (
        "basic::double(\"2\");\n",
        "# fn main() {\nbasic::double(2);\n# }\n",
    );
    let gone = (
        "-number * 4\n",
        Err("basic/src/lib.rs: it no longer applies"),
    );
    let no_run = (
        "$ ls\n-number * 2\n",
        Err("`ls` does not start with `cargo run`"),
    );
    let no_file = ("+++ b/src/gone.rs\n-x\n", Err("basic/src/gone.rs: "));
    try_all(&[
        ("diff hangs", ENDLESS, Ok(())),
        ("diff hangs", HARMLESS, ends),
        ("diff hangs", MISTYPED, does_not_compile),
        ("diff hangs", gone.0, gone.1),
        ("diff hangs", no_run.0, no_run.1),
        ("diff hangs", no_file.0, no_file.1),
        ("diff prints Result: 9", WRONG, Ok(())),
        ("diff prints Result: 9", HARMLESS, ends),
        ("diff prints Result: 6", HARMLESS, anyway),
        ("diff E0308", MISTYPED, Ok(())),
        ("diff E0373", MISTYPED, another),
        ("diff E0308", HARMLESS, compiles),
        ("rust,compile_fail,E0308", wrong, Ok(())),
        ("rust,compile_fail,E0373", wrong, another),
        ("rust,compile_fail,E0308", right, compiles),
    ]);
}

#[test]
#[ignore = "builds a workspace; .ci/run runs it"]
fn what_is_claimed_of_the_tests_is_compared_with_what_they_do() {
    let holds = Err("the test does not fail: Holds");
    let never_ends = Err("the test does not fail: NeverEnds { spins: Some(true) }");
    let does_not_compile = Err("it does not compile:");
    let no_test = Err("basic has no property `two`");
    try_all(&[
        ("diff fails two_becomes_four", WRONG, Ok(())),
        ("diff fails two_becomes_four", HARMLESS, holds),
        ("diff fails two_becomes_four", ENDLESS, never_ends),
        ("diff fails two_becomes_four", MISTYPED, does_not_compile),
        ("diff fails two", WRONG, no_test),
        ("diff refused two_becomes_four", WRONG, Ok(())),
        ("diff refused two_becomes_four", ENDLESS, Ok(())),
        ("diff refused two_becomes_four", HARMLESS, holds),
        ("diff accepted", HARMLESS, Ok(())),
        ("diff accepted", WRONG, Err("two_becomes_four: Fails(")),
    ]);
}
