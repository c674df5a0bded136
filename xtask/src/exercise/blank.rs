//! Replacing the bodies of functions by what is to be done.

use std::ops::Range;

use syn::{Block, Ident, ImplItem, Item, Type};

use super::parts::Part;
use super::sources::Files;

/// Without it the compiler warns of what only the missing bodies use.
pub const ALLOW: &str = "\
// Until every part is written, some of this file is unused.
#![allow(dead_code, unused_imports, unused_mut, unused_variables)]
";

/// Where a function is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, from the step's folder.
    pub path: String,
    /// The line of its name, from 1.
    pub line: usize,
    /// The bytes of the file between the braces of its body.
    pub body: Range<usize>,
}

/// The files with the body of each part replaced.
///
/// # Errors
///
/// If a function is not there or there is more than one, and if a file is not Rust.
pub fn blank<'a>(files: &Files, parts: impl Iterator<Item = &'a Part>) -> Result<Files, String> {
    let mut files = files.clone();
    for part in parts {
        let place = find(&files, &part.function)?;
        let file = files.get_mut(&place.path).expect("it was found there");
        let text = text(file)?;
        let (_, line) = text[..place.body.end].rsplit_once('\n').unwrap_or_default();
        let indent = line.len() - line.trim_start().len();
        let (before, after) = (&text[..place.body.start], &text[place.body.end..]);
        let new = format!("{before}{}{:indent$}{after}", body(part, indent + 4), "");
        *file = with_line_ends_of(file, &new);
    }

    let lib = files.get_mut("src/lib.rs").ok_or("there is no lib.rs")?;
    let old = text(lib)?;
    if !old.contains(ALLOW) {
        let parsed = syn::parse_file(&old).map_err(|error| error.to_string())?;
        let last = parsed.attrs.last();
        let last = last.map(|last| last.bracket_token.span.close().end().line);
        let (before, after) = old.split_at(line_start(&old, last.unwrap_or(0)));
        *lib = with_line_ends_of(lib, &format!("{before}{ALLOW}{after}"));
    }
    Ok(files)
}

/// Whether this part is still to be written. A function that is gone or cannot be read is not.
pub fn is_blank(files: &Files, part: &Part) -> Option<Place> {
    let place = find(files, &part.function).ok()?;
    let text = text(&files[&place.path]).ok()?;
    text[place.body.clone()].contains("todo!(").then_some(place)
}

/// Finds the function of this name, or this `Type::name`, in all the files.
///
/// # Errors
///
/// If it is not there or there is more than one, and if a file is not Rust.
pub fn find(files: &Files, function: &str) -> Result<Place, String> {
    let mut places = Vec::new();
    for (path, file) in files {
        let parsed = syn::parse_file(&text(file)?);
        let parsed = parsed.map_err(|error| format!("{path}: {error}"))?;
        for (name, line, block) in functions(&parsed.items) {
            if name == function || name.ends_with(&format!("::{function}")) {
                let (path, braces) = (path.clone(), block.brace_token.span);
                let body = braces.open().byte_range().end..braces.close().byte_range().start;
                places.push(Place { path, line, body });
            }
        }
    }
    match places.len() {
        1 => Ok(places.remove(0)),
        0 => Err(format!("there is no function `{function}`")),
        _ => Err(format!(
            "there are several functions `{function}`; name the type, too"
        )),
    }
}

/// Each function, as `name` or `Type::name`, with the line of its name.
fn functions(items: &[Item]) -> Vec<(String, usize, &Block)> {
    let place = |owner: &str, name: &Ident| (format!("{owner}{name}"), name.span().start().line);
    let mut functions = Vec::new();
    for item in items {
        match item {
            Item::Fn(item) => {
                let (name, line) = place("", &item.sig.ident);
                functions.push((name, line, &*item.block));
            }
            Item::Impl(item) => {
                let mut owner = String::new();
                if let Type::Path(path) = &*item.self_ty
                    && let Some(last) = path.path.segments.last()
                {
                    owner = format!("{}::", last.ident);
                }
                for item in &item.items {
                    if let ImplItem::Fn(item) = item {
                        let (name, line) = place(&owner, &item.sig.ident);
                        functions.push((name, line, &item.block));
                    }
                }
            }
            _ => {} // no step has functions elsewhere
        }
    }
    functions
}

/// The task as a comment, and a panic.
fn body(part: &Part, indent: usize) -> String {
    let mut lines = Vec::new();
    for (step, text) in part.task.iter().enumerate() {
        if step == 1 {
            lines.push("//".into());
        }
        let hanging = if step == 0 { "" } else { "   " };
        for (number, line) in wrap(text, 100 - 6 - indent).iter().enumerate() {
            let hanging = if number == 0 { "" } else { hanging };
            lines.push(format!("// {hanging}{line}"));
        }
    }
    lines.push(format!(
        "todo!(\"part {}: {}\")",
        part.number, part.function
    ));
    let lines = lines.iter().map(|line| format!("{:indent$}{line}\n", ""));
    format!("\n{}", String::from_iter(lines))
}

/// The text in lines of at most `width` bytes, if its words are no longer.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::<String>::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => *line += &format!(" {word}"),
            _ => lines.push(word.into()),
        }
    }
    lines
}

/// Where the line after this many lines starts.
fn line_start(text: &str, lines: usize) -> usize {
    text.split_inclusive('\n').take(lines).map(str::len).sum()
}

/// The text with Unix line ends, and without a byte order mark.
fn text(file: &[u8]) -> Result<String, String> {
    let text = str::from_utf8(file).map_err(|error| error.to_string())?;
    Ok(text.trim_start_matches('\u{feff}').replace("\r\n", "\n"))
}

fn with_line_ends_of(old: &[u8], new: &str) -> Vec<u8> {
    let is_windows = old.windows(2).any(|pair| pair == b"\r\n");
    let end = if is_windows { "\r\n" } else { "\n" };
    new.replace('\n', end).into_bytes()
}
