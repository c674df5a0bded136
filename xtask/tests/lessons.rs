//! The pages of the workspace: what they refer to is there, and the edits that they show still apply.

use std::fs;
use std::path::Path;

use xtask::lessons::book::assemble;
use xtask::lessons::console;
use xtask::lessons::experiment::{Claim, Edited};
use xtask::lessons::page::{Page, resolve};
use xtask::lessons::{links, pages};
use xtask::steps::STEPS;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(path: &str) -> String {
    let text = fs::read_to_string(root().join(path));
    text.unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn all_pages() -> Vec<Page> {
    pages(root()).expect("the pages can be read")
}

fn none(problems: impl IntoIterator<Item = String>) {
    let problems = Vec::from_iter(problems);
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn everything_that_pages_refer_to_is_there() {
    none(
        all_pages()
            .iter()
            .flat_map(|page| links::problems(root(), page)),
    );
}

#[test]
fn every_block_says_what_to_do_with_it_and_every_edit_applies() {
    let pages = all_pages();
    let blocks = pages
        .iter()
        .flat_map(|page| page.blocks.iter().map(move |block| (page, block)));
    none(blocks.filter_map(|(page, block)| {
        let commands = console::is_run(&block.info).and_then(|is_run| match is_run {
            true => console::calls(&block.text).map(drop),
            false => Ok(()),
        });
        let edit = Claim::parse(&block.info).and_then(|claim| match claim {
            Some(_) => Edited::new(root(), page.folder(), &block.text).map(drop),
            None => Ok(()),
        });
        let error = commands.and(edit).err()?;
        Some(page.at(&block.range, &error))
    }));
}

#[test]
fn every_step_is_in_the_map_and_in_the_workspace() {
    let map = read("README.md");
    let rows = map.lines().filter(|line| line.starts_with('|'));
    let rows = rows.filter_map(|row| {
        STEPS
            .iter()
            .find(|step| row.contains(&format!("]({})", step.name)) && row.contains(step.section))
    });
    assert_eq!(
        Vec::from_iter(rows),
        Vec::from_iter(&STEPS),
        "the rows of the map"
    );

    let manifest = read("Cargo.toml");
    let (_, members) = manifest
        .split_once("members = [")
        .expect("it lists the members");
    let (members, _) = members.split_once(']').expect("the list ends");
    let members = members
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|member| !member.starts_with("xtask"));
    assert_eq!(Vec::from_iter(members), STEPS.map(|step| step.name));
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
    let places = STEPS.map(|step| summary.find(&format!("({}/index.md)", step.name)));
    assert!(places.is_sorted() && places[0].is_some(), "{summary}");
}

/// `cargo doc` puts the page of a step into `target/doc/STEP`, and copies no pictures there. So the step's
/// `lib.rs` has to define the reference to the picture as seen from there; of two definitions, the first counts.
#[test]
fn pictures_are_found_from_where_cargo_doc_puts_the_page() {
    for step in &STEPS {
        let lib = read(&format!("{}/src/lib.rs", step.name));
        let docs = lib
            .lines()
            .filter_map(|line| line.strip_prefix("#![doc = \"")?.split('"').next());
        let readme = read(&format!("{}/README.md", step.name));
        let docs = Vec::from_iter(docs.chain([readme.as_str()])).join("\n");
        let page = Page::parse(&format!("target/doc/{}/index.md", step.name), docs);
        assert!(!page.pictures.is_empty(), "{} has a picture", step.name);
        for picture in &page.pictures {
            let file = resolve(page.folder(), picture).filter(|file| !file.starts_with("target/"));
            let is_there = file.is_some_and(|file| root().join(file).exists());
            assert!(is_there, "{}: {picture}", step.name);
        }
    }
}
