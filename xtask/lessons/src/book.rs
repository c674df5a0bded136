//! `cargo xtask book`: all pages as one book, with their pictures.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use super::page::{Page, resolve};
use super::pages;
use xtask::cargo;
use xtask::output::say;
use xtask::steps::STEPS;

/// What `book` takes.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Flags {
    /// Open it in a browser
    #[arg(long)]
    open: bool,
}

/// These are 130 packages. Its default features serve and watch the book, which makes them 191.
const INSTALL: &str = "cargo install --locked mdbook --no-default-features --features search";

/// Assembles the book in `target/book-src` and has `mdbook` build it in `target/book`.
///
/// # Errors
///
/// If there is no `mdbook`, or it fails.
pub fn book(flags: Flags) -> Result<(), Box<dyn Error>> {
    let root = cargo::root()?;
    let source = root.join("target/book-src");
    match fs::remove_dir_all(&source) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    for (path, content) in assemble(&root)? {
        let path = source.join(path);
        fs::create_dir_all(path.parent().ok_or("a file is in a folder")?)?;
        fs::write(path, content)?;
    }

    let mut mdbook = Command::new("mdbook");
    mdbook.arg("build").arg(&source);
    match mdbook.args(flags.open.then_some("--open")).status() {
        Ok(status) if status.success() => say("The book is target/book/index.html"),
        Ok(status) => return Err(format!("mdbook failed: {status}").into()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(format!("mdbook is not installed; `{INSTALL}` installs it").into());
        }
        Err(error) => return Err(format!("mdbook does not start: {error}").into()),
    }
    Ok(())
}

/// The files of the book's source, by their paths: all lie as they do in the workspace, so that the links
/// between them stay true.
///
/// # Errors
///
/// If a page, or a file that it links to, cannot be read.
pub fn assemble(root: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let pages = pages(root)?;
    let mut files = BTreeMap::new();
    for page in &pages {
        let mut text = page.text.clone();
        let targets = page
            .links
            .iter()
            .filter_map(|link| Some((place(page, &link.range, &link.target)?, link)));
        let mut targets = Vec::from_iter(targets);
        targets.sort_by_key(|(place, _)| place.start);
        for (place, link) in targets.into_iter().rev() {
            text.replace_range(place, &in_book(root, page, &link.target));
        }
        files.insert(format!("src/{}", index(&page.path)), text.into_bytes());

        for link in &page.links {
            let path = link.target.split('#').next().unwrap_or_default();
            let linked = resolve(page.folder(), path).filter(|path| root.join(path).is_file());
            if let Some(path) = linked.filter(|path| !path.ends_with(".md")) {
                let content = fs::read(root.join(&path))?;
                files.insert(format!("src/{path}"), content);
            }
        }
    }
    files.insert("src/SUMMARY.md".into(), summary(&pages).into_bytes());
    files.insert("book.toml".into(), settings(&pages).into_bytes());
    files.insert("pages.css".into(), include_bytes!("pages.css").into());
    files.insert("pages.js".into(), include_bytes!("pages.js").into());
    Ok(files)
}

/// Where the target of a link stands, unless the link is written in HTML.
fn place(page: &Page, link: &Range<usize>, target: &str) -> Option<Range<usize>> {
    let text = &page.text[link.clone()];
    let is_before = |before: &str| {
        text.rfind(&format!("{before}{target}"))
            .map(|place| place + before.len())
    };
    let start = link.start + is_before("](").or_else(|| is_before("]: "))?;
    Some(start..start + target.len())
}

/// The target of a link, as the book has it: `index.md` for a `README.md`, or for its folder.
fn in_book(root: &Path, page: &Page, target: &str) -> String {
    let (path, anchor) = match target.split_once('#') {
        Some((path, anchor)) => (path, format!("#{anchor}")),
        None => (target, String::new()),
    };
    let is_folder = !path.is_empty()
        && resolve(page.folder(), path)
            .is_some_and(|path| root.join(path).join("README.md").exists());
    match is_folder {
        true => format!("{}/index.md{anchor}", path.trim_end_matches('/')),
        false => index(path) + &anchor,
    }
}

/// `mdbook` names a folder's page `index.md`.
fn index(path: &str) -> String {
    match path.strip_suffix("README.md") {
        Some(folder) => format!("{folder}index.md"),
        None => path.into(),
    }
}

/// The table of contents: the pages in order, with the exercises below their steps.
fn summary(pages: &[Page]) -> String {
    let mut summary = String::from("# Summary\n\n");
    for page in pages {
        let is_step = STEPS.iter().any(|step| step.name == page.folder());
        let level = match (
            page.path.as_str(),
            is_step && !page.path.ends_with("README.md"),
        ) {
            ("README.md", _) => "",
            (_, true) => "  - ",
            (_, false) => "- ",
        };
        summary += &format!("{level}[{}]({})\n", page.title, index(&page.path));
    }
    summary
}

fn settings(pages: &[Page]) -> String {
    let title = pages.first().map_or("", |front| &front.title);
    format!(
        "[book]\ntitle = {title:?}\nlanguage = \"en\"\n\n\
         [build]\nbuild-dir = \"../book\"\ncreate-missing = false\n\n\
         [output.html]\nadditional-css = [\"pages.css\"]\nadditional-js = [\"pages.js\"]\nno-section-label = true\nsmart-punctuation = false\n\n\
         [output.html.playground]\nrunnable = false\n"
    )
}
