//! What pages refer to: it has to be there.

use std::fs;
use std::path::Path;

use super::page::{Page, resolve};
use xtask::steps::STEPS;

/// For each step the names in the article's listing, and as `go` those that pages may name besides.
const GO_NAMES: &str = include_str!("../go-names.txt");

/// The section of a lesson whose table names Rust's counterparts.
const FROM_GO_TO_RUST: &str = "From Go to Rust";

/// What on this page refers to something that is not there, in the workspace at `root`.
#[must_use]
pub fn problems(root: &Path, page: &Page) -> Vec<String> {
    let links = page.links.iter().filter_map(|link| {
        let problem = broken(root, page, &link.target)?;
        Some(page.at(&link.range, &format!("`{}`: {problem}", link.target)))
    });
    let files = page.names.iter().filter_map(|name| {
        let is_missing = is_file_name(&name.text) && !is_file(root, page, &name.text);
        is_missing.then(|| page.at(&name.range, &format!("there is no file `{}`", name.text)))
    });
    links
        .chain(files)
        .chain(unknown_names(root, page))
        .chain(unknown_go_names(page))
        .collect()
}

/// What is wrong with a link, if something is.
fn broken(root: &Path, page: &Page, target: &str) -> Option<String> {
    if target.starts_with("https://") || target.starts_with("http://") {
        return None; // tests need no network
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let Some(resolved) = resolve(page.folder(), path) else {
        return Some("it leads out of the workspace".into());
    };
    let file = root.join(&resolved);
    if !file.exists() {
        return Some("there is no such file".into());
    }
    if anchor.is_empty() {
        return None;
    }
    let anchors = match path {
        "" => page.anchors.clone(),
        _ if file.is_dir() => anchors(root, &format!("{resolved}/README.md"))?,
        _ => anchors(root, &resolved)?,
    };
    (!anchors.iter().any(|known| known == anchor))
        .then(|| format!("there is no `#{anchor}`; there are {}", anchors.join(", ")))
}

fn anchors(root: &Path, path: &str) -> Option<Vec<String>> {
    Page::read(root, path).ok().map(|page| page.anchors)
}

/// Whether text in code font looks like a file of the workspace.
fn is_file_name(text: &str) -> bool {
    let is_path = text
        .chars()
        .all(|c| c.is_alphanumeric() || "/._-".contains(c));
    let extension = text.rsplit_once('.').map(|(_, extension)| extension);
    is_path && text.contains('/') && matches!(extension, Some("rs" | "md" | "toml" | "svg"))
}

/// Whether a file of this name is there: seen from the page, from the root, or in some step.
fn is_file(root: &Path, page: &Page, name: &str) -> bool {
    let folders = [page.folder(), ""]
        .into_iter()
        .chain(STEPS.iter().map(|step| step.name));
    folders
        .filter_map(|folder| resolve(folder, name))
        .any(|path| root.join(path).is_file())
}

/// Names in the table of Rust's counterparts that occur neither in the step nor on the page that explains
/// them.
fn unknown_names(root: &Path, page: &Page) -> Vec<String> {
    let is_rust = |column: &Option<String>| {
        column
            .as_ref()
            .is_some_and(|column| column.contains("Rust") || column.contains("Here"))
    };
    let mut names = page
        .names
        .iter()
        .filter(|name| name.section.contains(FROM_GO_TO_RUST) && is_rust(&name.column))
        .peekable();
    if names.peek().is_none() {
        return Vec::new();
    }
    let mut known = fs::read_to_string(root.join("xtask/book/go-to-rust.md")).unwrap_or_default();
    for folder in ["src", "examples", "tests"] {
        read_all(&root.join(page.folder()).join(folder), &mut known);
    }
    let known = Vec::from_iter(words(&known));
    let problems = names.filter_map(|name| {
        let word = words(&name.text).find(|word| !known.contains(word))?;
        Some(page.at(
            &name.range,
            &format!(
                "`{word}` occurs neither in the code of {} nor in go-to-rust.md",
                page.folder()
            ),
        ))
    });
    problems.collect()
}

/// Names in the Go columns of a step's tables that its listing does not have.
fn unknown_go_names(page: &Page) -> Vec<String> {
    let list = |key: &str| {
        let mut lines = GO_NAMES.lines();
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
    };
    let Some(listing) = list(page.folder()) else {
        return Vec::new();
    };
    let known = Vec::from_iter(words(listing).chain(words(list("go").unwrap_or_default())));
    let is_go = |column: &String| column == "Go" || column.contains("article");
    let names = page.names.iter();
    let names = names.filter(|name| name.column.as_ref().is_some_and(is_go));
    let problems = names.filter_map(|name| {
        let word = words(&name.text).find(|word| !known.contains(word))?;
        let message = format!("the article's listing has no `{word}` (xtask/lessons/go-names.txt)");
        Some(page.at(&name.range, &message))
    });
    problems.collect()
}

fn read_all(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        text.push_str(&fs::read_to_string(entry.path()).unwrap_or_default());
        text.push('\n');
    }
}

/// Rust's names and keywords in a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| !word.is_empty() && !word.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace with one step and two pages.
    fn workspace() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("there is room");
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("it is in a folder")).expect("there is room");
            fs::write(path, text).expect("there is room");
        };
        write("basic/README.md", "# Step 1\n\n## What it costs\n");
        let lib = "fn worker() { while let Ok(job) = queue.recv() {} }\n";
        write("basic/src/lib.rs", lib);
        let page = "# From\n\n`available_parallelism`\n";
        write("xtask/book/go-to-rust.md", page);
        folder
    }

    fn problems_of(path: &str, text: &str) -> Vec<String> {
        problems(workspace().path(), &Page::parse(path, text.into()))
    }

    #[test]
    fn what_is_there_is_found() {
        let text = "# A\n[a](../../basic) [b](../../basic#what-it-costs) [c](../../basic/README.md#step-1) [d](#a) \
                    [e](https://there.is/no#such-page) `src/lib.rs` `basic/src/lib.rs` `not/a/path` `sender.rs`\n";
        assert_eq!(problems_of("xtask/book/a.md", text), [""; 0]);
    }

    #[test]
    fn what_is_not_there_is_named_with_its_line() {
        let no_file = ": there is no such file";
        for (text, problem) in [
            ("[a](gone.md)", no_file),
            ("![a](gone.svg)", no_file),
            ("[a][b]\n\n[b]: gone.md", no_file),
            ("<img src=\"gone.svg\">", no_file),
            ("[a](../..)", "leads out of the workspace"),
            ("[a](#gone)", "there is no `#gone`"),
            ("[a](README.md#gone)", "there are step-1, what-it-costs"),
            ("`src/gone.rs`", "there is no file `src/gone.rs`"),
        ] {
            let found = problems_of("basic/a.md", &format!("\n{text}\n"));
            let line = if text.contains("[b]:") { 4 } else { 2 };
            let [found] = &found[..] else {
                panic!("{found:?}")
            };
            assert!(
                found.starts_with(&format!("basic/a.md:{line}: ")),
                "{found}"
            );
            assert!(found.contains(problem), "{found}");
        }
    }

    #[test]
    fn names_in_the_column_for_rust_occur_in_the_code_or_are_explained() {
        let table = |name: &str| {
            format!("## From Go to Rust\n\n| Go | Rust |\n|---|---|\n| `range jobs` | `{name}` |\n")
        };
        for (name, expected) in [
            ("while let Ok(job) = ..", 0),
            ("worker", 0),
            ("thread::available_parallelism()", 1),
        ] {
            let problems = problems_of("basic/a.md", &table(name));
            assert_eq!(problems.len(), expected, "{problems:?}");
        }
        let elsewhere = table("gone").replace("From", "To");
        assert_eq!(problems_of("basic/a.md", &elsewhere), [""; 0]);
    }

    #[test]
    fn names_in_the_column_for_go_are_those_of_the_articles_listing() {
        let table = "| Go |\n|---|\n| `Quit chan bool` |\n";
        assert_eq!(problems_of("dispatcher/a.md", table), [""; 0]);
        let problem =
            "dynamic/a.md:3: the article's listing has no `Quit` (xtask/lessons/go-names.txt)";
        assert_eq!(problems_of("dynamic/a.md", table), [problem]);
        assert_eq!(problems_of("xtask/book/a.md", table), [""; 0]);
    }
}
