//! Differences between sources, line by line.

use anstyle::{AnsiColor, Style};
use similar::{ChangeTag, TextDiff};

use super::blank::ALLOW;
use super::sources::Files;

/// The files of `old` and `new` that differ, as unified diffs with colours; nothing if none does.
///
/// The first path of a file is in `old_folder`, the second in `new_folder`. What an exercise adds does not count.
pub fn compare((old_folder, old): (&str, &Files), (new_folder, new): (&str, &Files)) -> String {
    let mut paths = Vec::from_iter(old.keys().chain(new.keys()));
    paths.sort();
    paths.dedup();
    let text = |files: &Files, path| {
        let file = files.get(path).map(|file| String::from_utf8_lossy(file));
        file.unwrap_or_default().replace(ALLOW, "")
    };

    let (bold, plain) = (Style::new().bold(), Style::new());
    let (red, green) = (AnsiColor::Red.on_default(), AnsiColor::Green.on_default());
    let mut lines = Vec::new();
    for path in paths {
        let (old, new) = (text(old, path), text(new, path));
        let diff = TextDiff::from_lines(&old, &new);
        for (number, hunk) in diff.unified_diff().iter_hunks().enumerate() {
            if number == 0 {
                lines.push(paint(bold, &format!("--- {old_folder}/{path}")));
                lines.push(paint(bold, &format!("+++ {new_folder}/{path}")));
            }
            lines.push(paint(
                AnsiColor::Cyan.on_default(),
                &hunk.header().to_string(),
            ));
            for change in hunk.iter_changes() {
                let style = match change.tag() {
                    ChangeTag::Delete => red,
                    ChangeTag::Insert => green,
                    ChangeTag::Equal => plain,
                };
                let line = format!("{}{}", change.tag(), change.value());
                lines.push(paint(style, line.trim_end()));
            }
        }
    }
    lines.join("\n")
}

/// The text in this style, for a terminal.
pub fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
