//! Replacing the bodies of functions by what is to be done.

use std::ops::Range;

use proc_macro2::{Spacing, TokenStream, TokenTree};

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
/// If a function is not there or there is more than one, and if its braces do not match.
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
        *file = new.into_bytes();
    }

    let lib = files.get_mut("src/lib.rs").ok_or("there is no lib.rs")?;
    let old = text(lib)?;
    if !old.contains(ALLOW) {
        let is_head = |line: &str| line.starts_with("//!") || line.starts_with("#![");
        let head = (1..).zip(old.lines()).filter(|(_, line)| is_head(line));
        let last = head.last().map_or(0, |(number, _)| number);
        let (before, after) = old.split_at(line_start(old, last));
        *lib = format!("{before}{ALLOW}{after}").into_bytes();
    }
    Ok(files)
}

/// Whether this part is still to be written. A function that is gone or cannot be read is not.
pub fn is_blank(files: &Files, part: &Part) -> Option<Place> {
    let place = find(files, &part.function).ok()?;
    let text = text(&files[&place.path]).ok()?;
    let body: TokenStream = text[place.body.clone()].parse().ok()?;
    has_todo(body).then_some(place)
}

/// Whether a `todo!` is among these tokens. Comments and texts are none.
fn has_todo(tokens: TokenStream) -> bool {
    let mut before = String::new();
    tokens.into_iter().any(|token| {
        let is_todo = match &token {
            TokenTree::Group(group) => has_todo(group.stream()),
            TokenTree::Punct(punct) => {
                before == "todo" && punct.as_char() == '!' && punct.spacing() == Spacing::Alone
            }
            _ => false,
        };
        before = token.to_string();
        is_todo
    })
}

/// Finds the function of this name, or this `Type::name`, in all the files.
///
/// # Errors
///
/// If it is not there or there is more than one, and if its braces do not match.
pub fn find(files: &Files, function: &str) -> Result<Place, String> {
    let mut places = Vec::new();
    for (path, file) in files {
        let text = text(file)?;
        for name in names(text, function) {
            let body = body_after(text, name);
            let body = body.ok_or(format!("{path}: no end of `{function}`"))?;
            let line = 1 + text[..name].matches('\n').count();
            let path = path.clone();
            places.push(Place { path, line, body });
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

/// Where in the text the names of these functions end. It is read by lines, as `cargo fmt` writes them: a
/// function starts at the margin, or inside an `impl` that starts there.
fn names(text: &str, function: &str) -> Vec<usize> {
    let (owner, name) = function.rsplit_once("::").unwrap_or(("", function));
    let name = &format!("fn {name}");
    let is_other = |c: char| !c.is_alphanumeric() && c != '_';
    let (mut names, mut header, mut start) = (Vec::new(), "", 0);
    for line in text.split_inclusive('\n') {
        if line.starts_with("impl") || line.starts_with('}') {
            header = line;
        }
        let is_owned = match line.starts_with(char::is_whitespace) {
            true if owner.is_empty() => header.starts_with("impl"),
            true => header.starts_with("impl") && header.split(is_other).any(|word| word == owner),
            false => owner.is_empty(),
        };
        if let Some((before, after)) = line.split_once(name)
            && before.split_whitespace().all(is_qualifier)
            && after.starts_with(['(', '<'])
            && is_owned
        {
            names.push(start + before.len() + name.len());
        }
        start += line.len();
    }
    names
}

/// Whether this may stand before `fn`.
fn is_qualifier(word: &str) -> bool {
    word.starts_with("pub") || matches!(word, "async" | "const")
}

/// What is between the first brace after this place and the one that matches it. That is the first with
/// which the text between them is whole tokens: a brace in a comment or in quotes leaves those open.
fn body_after(text: &str, place: usize) -> Option<Range<usize>> {
    let open = place + text[place..].find('{')?;
    let mut ends = text[open..]
        .match_indices('}')
        .map(|(length, _)| open + length);
    let end = ends.find(|&end| text[open..=end].parse::<TokenStream>().is_ok())?;
    Some(open + 1..end)
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

fn text(file: &[u8]) -> Result<&str, String> {
    str::from_utf8(file).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: &str = r#"// fn one() {}
fn outer() {
    fn one() {}
}

impl<T: Fn() -> u8> fmt::First<T>
where
    T: Copy,
{
    pub(crate) async fn one(&self, two: T) {
        // }
        let _ = ('}', "\"}", b'}'); /* } */
    }
}

impl Second {
    fn one<T>() {}
    fn one_more() {}
}
"#;

    fn body(function: &str) -> Result<String, String> {
        let files = Files::from([("src/lib.rs".to_owned(), LIB.into())]);
        let place = find(&files, function)?;
        Ok(LIB[place.body].to_owned())
    }

    #[test]
    fn a_body_ends_at_its_own_brace() {
        let first = body("First::one").expect("there is one");
        assert!(first.ends_with("/* } */\n    "), "{first}");
        assert_eq!(body("Second::one").as_deref(), Ok(""));
    }

    #[test]
    fn a_todo_in_a_comment_or_a_text_is_none() {
        for (body, is_todo) in [
            ("todo!(\"part 1\")", true),
            ("if true { [todo!()] }", true),
            ("// todo!()\n/* todo!() */ \"todo!()\"", false),
            ("let todo = 1; todo != 1; print!()", false),
        ] {
            assert_eq!(
                has_todo(body.parse().expect("these are tokens")),
                is_todo,
                "{body}"
            );
        }
    }

    #[test]
    fn a_name_has_to_mean_one_function() {
        body("one").expect_err("there are two");
        body("Third::one").expect_err("there is no such type");
        assert_eq!(body("one_more").as_deref(), Ok(""));
        assert_eq!(body("outer").as_deref(), Ok("\n    fn one() {}\n"));
    }
}
