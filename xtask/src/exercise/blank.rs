//! Replacing the bodies of functions by what is to be done.

use std::ops::Range;

use syn::{Block, ImplItem, Item, Type};

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
        let indent = text[..place.body.end]
            .rsplit('\n')
            .next()
            .unwrap_or_default();
        let indent = indent.len() - indent.trim_start().len();
        let (before, after) = (&text[..place.body.start], &text[place.body.end..]);
        let new = format!("{before}{}{:indent$}{after}", body(part, indent + 4), "");
        *file = with_line_ends_of(file, &new);
    }

    let lib = files
        .get_mut("src/lib.rs")
        .ok_or("there is no src/lib.rs")?;
    let old = text(lib)?;
    if !old.contains(ALLOW) {
        let attributes = syn::parse_file(&old)
            .map_err(|error| error.to_string())?
            .attrs;
        let end = attributes.last().map_or(0, |last| {
            let end = last.bracket_token.span.close().byte_range().end;
            old[end..]
                .find('\n')
                .map_or(old.len(), |line| end + line + 1)
        });
        let new = format!("{}{ALLOW}{}", &old[..end], &old[end..]);
        *lib = with_line_ends_of(lib, &new);
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
        search(&parsed.items, function, &mut |line, block| {
            let braces = block.brace_token.span;
            places.push(Place {
                path: path.clone(),
                line,
                body: braces.open().byte_range().end..braces.close().byte_range().start,
            });
        });
    }
    match places.len() {
        1 => Ok(places.remove(0)),
        0 => Err(format!("there is no function `{function}`")),
        count => Err(format!(
            "there are {count} functions `{function}`; name its type, too"
        )),
    }
}

fn search(items: &[Item], function: &str, found: &mut impl FnMut(usize, &Block)) {
    for item in items {
        match item {
            Item::Fn(item) if item.sig.ident == function => {
                found(item.sig.ident.span().start().line, &item.block);
            }
            Item::Impl(item) => {
                let owner = match &*item.self_ty {
                    Type::Path(owner) => owner
                        .path
                        .segments
                        .last()
                        .map(|last| last.ident.to_string()),
                    _ => None,
                };
                let full = |name| format!("{}::{name}", owner.as_deref().unwrap_or_default());
                for item in &item.items {
                    if let ImplItem::Fn(item) = item
                        && (item.sig.ident == function || full(&item.sig.ident) == function)
                    {
                        found(item.sig.ident.span().start().line, &item.block);
                    }
                }
            }
            Item::Mod(item) => {
                if let Some((_, items)) = &item.content {
                    search(items, function, found);
                }
            }
            _ => {}
        }
    }
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

/// The text with Unix line ends, and without a byte order mark.
fn text(file: &[u8]) -> Result<String, String> {
    let text = str::from_utf8(file).map_err(|error| error.to_string())?;
    Ok(text.trim_start_matches('\u{feff}').replace("\r\n", "\n"))
}

fn with_line_ends_of(old: &[u8], new: &str) -> Vec<u8> {
    let windows = old.windows(2).any(|pair| pair == b"\r\n");
    if windows {
        new.replace('\n', "\r\n")
    } else {
        new.into()
    }
    .into_bytes()
}
