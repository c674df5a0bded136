//! What the table of steps says of them.

use std::fs;
use std::path::Path;

use similar::{ChangeTag, TextDiff};
use xtask::steps::{STEPS, Step};

#[test]
fn a_step_changes_as_many_lines_as_the_table_says() {
    for Step {
        name, builds_on, ..
    } in STEPS
    {
        if let Some((base, lines)) = builds_on {
            assert_eq!(changed_lines(base, name), lines, "{name} on {base}");
        }
    }
}

#[test]
fn a_step_builds_on_one_before_it() {
    for (number, step) in STEPS.iter().enumerate() {
        let before = &STEPS[..number];
        let is_before = |(base, _)| before.iter().any(|earlier| earlier.name == base);
        assert!(step.builds_on.is_none_or(is_before), "{}", step.name);
    }
}

/// Lines of code that were removed from `base` and added to get `step`.
fn changed_lines(base: &str, step: &str) -> usize {
    let (old, new) = (code(base), code(step));
    let diff = TextDiff::from_lines(&old, &new);
    let changes = diff.iter_all_changes();
    let changed = changes.filter(|change| change.tag() != ChangeTag::Equal);
    changed.count()
}

/// The lines of the step's `src/lib.rs` without comments.
fn code(step: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("");
    let source = fs::read_to_string(root.join(step).join("src/lib.rs"));
    let source = source.expect("a step has a library");
    let code = source.lines().map(without_comment);
    let is_code = |line: &&str| !line.trim().is_empty();
    code.filter(is_code).flat_map(|line| [line, "\n"]).collect()
}

/// No text of the libraries has two slashes in it.
fn without_comment(line: &str) -> &str {
    line.split_once("//")
        .map_or(line, |(code, _)| code)
        .trim_end()
}

#[test]
fn comments_are_not_counted() {
    let lines = ["/// Doc", "    code(); // why", "    // why", "code();"];
    assert_eq!(
        lines.map(without_comment),
        ["", "    code();", "", "code();"]
    );
}
