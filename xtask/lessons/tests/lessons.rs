//! The pages of the workspace: what they refer to is there, and the edits that they show still apply.

use std::fs;
use std::path::Path;
use std::process::Command;

use lessons::book::assemble;
use lessons::console;
use lessons::experiment::Edited;
use lessons::page::{Page, attributes, resolve};
use lessons::workspace::words;
use lessons::{answers, links, pages};
use tempfile::TempDir;
use xtask::steps::{STEPS, Step};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn read(path: &str) -> String {
    let text = fs::read_to_string(root().join(path));
    text.unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn all_pages() -> Vec<Page> {
    let mut all = pages(root()).expect("the pages can be read");
    all.extend(answers(root()).expect("the answers can be read"));
    all
}

fn none(problems: impl IntoIterator<Item = String>) {
    let problems = Vec::from_iter(problems);
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn everything_that_pages_refer_to_is_there() {
    let pages = all_pages();
    none(pages.iter().flat_map(|page| links::problems(root(), page)));
}

#[test]
fn every_block_says_what_to_do_with_it_and_every_edit_applies() {
    let pages = all_pages();
    let blocks = pages
        .iter()
        .flat_map(|page| page.blocks.iter().map(move |block| (page, block)));
    none(blocks.filter_map(|(page, block)| {
        let commands = console::is_run(&block.info).and_then(|is_run| match is_run {
            true => console::calls(&block.text)?
                .iter()
                .try_for_each(|call| words(root(), call.command).map(drop)),
            false => Ok(()),
        });
        let edit = Edited::of(root(), page, block).map(drop);
        let error = commands.and(edit).err()?;
        Some(page.at(&block.range, &error))
    }));
}

#[test]
fn every_step_is_in_the_map_and_in_the_workspace() {
    let map = read("README.md");
    let rows = map.lines().filter(|line| line.starts_with('|'));
    let rows = rows.filter_map(|row| {
        let is_linked = |step: &Step| row.contains(&format!("]({})", step.name));
        let mut steps = STEPS.iter();
        steps.find(|step| is_linked(step) && row.contains(step.section))
    });
    assert!(rows.eq(&STEPS), "the rows of the map");

    let steps = members().into_iter();
    let steps = steps.filter(|member| !member.starts_with("xtask"));
    assert_eq!(Vec::from_iter(steps), STEPS.map(|step| step.name));
}

/// The folders of all packages.
fn members() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let (_, members) = manifest
        .split_once("members = [")
        .expect("it lists the members");
    let (members, _) = members.split_once(']').expect("the list ends");
    let members = members.split('"').skip(1).step_by(2);
    members.map(String::from).collect()
}

/// Of all packages, as `.ci/run` makes it.
#[test]
#[ignore = "makes the documentation; .ci/run runs it"]
fn links_in_the_documentation_lead_to_files_and_anchors() {
    let mut doc = Command::new(env!("CARGO"));
    doc.args(["doc", "--locked", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings").current_dir(root());
    assert!(doc.status().expect("there is a cargo").success());
    let ids = |page: &str| {
        let page = read(&format!("target/doc/{page}"));
        let ids = attributes(&page).filter(|(name, _)| *name == "id");
        Vec::from_iter(ids.map(|(_, id)| id.to_owned()))
    };
    let leads_nowhere = |page: &str, link: &str| {
        let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
        let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
        let Some(target) = (match path {
            "" => Some(page.to_owned()),
            path => resolve(folder, path),
        }) else {
            return true;
        };
        let is_source = target.starts_with("src/"); // its lines are numbered by a script
        !root().join("target/doc").join(&target).is_file()
            || !(anchor.is_empty() || is_source || ids(&target).iter().any(|id| id == anchor))
    };
    let mut pages = Vec::new();
    for member in members() {
        let name = member.rsplit('/').next().unwrap_or_default();
        let mut folders = vec![name.replace('-', "_")];
        while let Some(folder) = folders.pop() {
            let path = root().join("target/doc").join(&folder);
            for entry in fs::read_dir(&path).expect("every package has its pages") {
                let entry = entry.expect("the folder can be read");
                let path = format!("{folder}/{}", entry.file_name().display());
                match entry.path().is_dir() {
                    true => folders.push(path),
                    false if path.ends_with(".html") => pages.push(path),
                    false => {}
                }
            }
        }
    }
    none(pages.iter().flat_map(|page| {
        let text = read(&format!("target/doc/{page}"));
        let links = attributes(&text).filter(|(name, link)| {
            *name == "href" && !link.contains("://") && !link.contains("${")
        });
        let broken = links.filter(|(_, link)| leads_nowhere(page, link));
        Vec::from_iter(broken.map(|(_, link)| format!("target/doc/{page}: {link}")))
    }));
}

/// The book has all pages, in order, and whatever they link to.
#[test]
fn links_in_the_book_lead_to_files_of_the_book() {
    let files = assemble(root()).expect("the files can be read");
    let text = |path: &str| String::from_utf8(files[path].clone()).expect("pages are text");
    let is_file = |path: &str| files.contains_key(path);
    let pages = files.keys().filter(|path| path.ends_with(".md"));
    let pages = pages.map(|path| Page::parse(path, text(path)));
    none(pages.flat_map(|page| {
        let links = page
            .links
            .iter()
            .filter(|link| !link.target.contains("://") && !link.target.starts_with('#'));
        let broken = links.filter(|link| {
            let path = link.target.split('#').next().unwrap_or_default();
            !resolve(page.folder(), path).is_some_and(|path| is_file(&path))
        });
        Vec::from_iter(broken.map(|link| page.at(&link.range, &link.target)))
    }));

    let summary = text("src/SUMMARY.md");
    let steps = STEPS.map(|step| format!("({}/index.md)", step.name));
    let order = [&["(xtask/book/go-to-rust.md)".to_owned()], &steps[..]].concat();
    let places = Vec::from_iter(order.iter().map(|page| summary.find(page)));
    assert!(places.is_sorted() && places[0].is_some(), "{summary}");
    let last = summary.lines().last().expect("it has lines");
    assert!(last.ends_with("(xtask/book/teaching.md)"), "{summary}");
}

#[test]
fn without_mdbook_the_message_says_how_to_get_it() {
    let folder = out_of_date();
    let mut lessons = lessons(folder.path(), &["book"]);
    lessons
        .env("CARGO", env!("CARGO"))
        .env("PATH", folder.path());
    let output = lessons.output().expect("the program can be started");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("cargo install --locked mdbook "), "{error}");
}

/// A workspace that has all pages, and on the root's a command whose output is not what it says.
fn out_of_date() -> TempDir {
    let folder = tempfile::tempdir().expect("there is room");
    let write = |path: &str, text: &str| write(folder.path(), path, text);
    write("Cargo.toml", "[workspace]\n");
    for step in STEPS.map(|step| step.name) {
        write(&format!("{step}/README.md"), "# A page\n");
    }
    write("xtask/README.md", "# A page\n");
    write("xtask/lab/README.md", "# A page\n");
    let block = "   ```console\n   $ ls basic\n   gone.md\n   ```\n";
    write("README.md", &format!("# Front\n\n1. Look:\n\n{block}"));
    folder
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().expect("it is in a folder")).expect("there is room");
    fs::write(path, text).expect("there is room");
}

fn lessons(folder: &Path, arguments: &[&str]) -> Command {
    let mut lessons = Command::new(env!("CARGO_BIN_EXE_lessons"));
    lessons.args(arguments).current_dir(folder);
    lessons
}

fn ends(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = lessons(folder, arguments).output();
    let output = output.expect("the program can be started");
    let error = String::from_utf8(output.stderr).expect("programs print text");
    (output.status.code(), error)
}

#[test]
fn output_that_has_changed_is_shown_as_a_difference_or_updated() {
    let folder = out_of_date();
    let page = || fs::read_to_string(folder.path().join("README.md")).expect("it is there");
    let old = page();

    let (code, error) = ends(folder.path(), &["lessons", "--check"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("\n-   gone.md\n+   README.md\n"), "{error}");
    assert_eq!(page(), old, "a check changes nothing");

    let (code, error) = ends(folder.path(), &["lessons", "README.md"]);
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(page(), old.replace("gone.md", "README.md"));

    let (code, error) = ends(folder.path(), &["lessons", "--check"]);
    assert_eq!(code, Some(0), "{error}");
}

/// Not a command that changes the sources, and no edit of what is not the step's.
#[test]
fn pages_change_nothing_but_themselves() {
    let folder = out_of_date();
    let files = ["basic/src/lib.rs", "victim"];
    files
        .iter()
        .for_each(|file| write(folder.path(), file, "old\n"));
    let edit = "-old\n+new\n```\n";
    let in_step = format!("+++ b/basic/src/lib.rs\n{edit}");
    for (block, problem) in [
        (
            "```console\n$ cargo xtask exercise basic\n```\n",
            "only `cargo run -p STEP`",
        ),
        (
            &format!("```diff hangs\n+++ b/basic/../victim\n{edit}"),
            "is no plain path",
        ),
        (
            &format!("```diff hangs\n$ cargo run --config x\n{in_step}"),
            "only `cargo run -p STEP`",
        ),
    ] {
        let page = format!("# Front\n\n{block}");
        write(folder.path(), "README.md", &page);
        let (code, error) = ends(folder.path(), &["lessons", "--check", "README.md"]);
        assert!(code == Some(1) && error.contains(problem), "{block}{error}");
        for file in files {
            let text = fs::read_to_string(folder.path().join(file));
            assert_eq!(text.ok().as_deref(), Some("old\n"));
        }
    }
}

#[test]
fn a_page_that_is_not_there_is_refused_by_name() {
    let (code, error) = ends(out_of_date().path(), &["lessons", "gone"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("`gone`"), "{error}");
}
