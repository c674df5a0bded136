//! An edit of a step's files, written as a `diff` block without line numbers.

/// What a `diff` block says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// The command to run afterwards: the block's first line, if it starts with `$ `.
    pub command: Option<String>,
    /// What changes where, in order.
    pub changes: Vec<Change>,
}

/// A run of lines that is replaced by another.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The file as named by `+++ `, if one is.
    pub file: Option<String>,
    lines: Vec<Line>,
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Stays(String),
    Goes(String),
    Comes(String),
}

impl Edit {
    /// Parses the text of a `diff` block.
    ///
    /// # Errors
    ///
    /// If a line is none of a diff's, or a change changes nothing or has no line to be found by.
    pub fn parse(block: &str) -> Result<Self, String> {
        let mut edit = Self::default();
        let mut file = None;
        let mut lines = Vec::new();
        for line in block.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                edit.command = Some(command.trim().to_owned());
            } else if line.starts_with("--- ") || line.starts_with("@@") {
                edit.add(&file, &mut lines)?;
            } else if let Some(name) = line.strip_prefix("+++ ") {
                edit.add(&file, &mut lines)?;
                let name = name.trim();
                file = Some(name.strip_prefix("b/").unwrap_or(name).to_owned());
            } else if let Some(line) = line.strip_prefix('-') {
                lines.push(Line::Goes(line.to_owned()));
            } else if let Some(line) = line.strip_prefix('+') {
                lines.push(Line::Comes(line.to_owned()));
            } else if line.is_empty() || line.starts_with(' ') {
                lines.push(Line::Stays(line.to_owned()));
            } else {
                return Err(format!(
                    "a line of a diff starts with `-`, `+` or a space: {line}"
                ));
            }
        }
        edit.add(&file, &mut lines)?;
        match edit.changes.is_empty() {
            true => Err("the diff changes nothing".into()),
            false => Ok(edit),
        }
    }

    fn add(&mut self, file: &Option<String>, lines: &mut Vec<Line>) -> Result<(), String> {
        let is_blank = |line: &Line| matches!(line, Line::Stays(text) if text.trim().is_empty());
        while lines.last().is_some_and(is_blank) {
            lines.pop();
        }
        let blank = lines.iter().take_while(|line| is_blank(line)).count();
        lines.drain(..blank);
        if lines.is_empty() {
            return Ok(());
        }
        if lines.iter().all(|line| matches!(line, Line::Stays(_))) {
            return Err(
                "a part of the diff changes nothing: no line starts with `-` or `+`".into(),
            );
        }
        if lines.iter().all(|line| matches!(line, Line::Comes(_))) {
            return Err(
                "nothing says where these lines go: add a line that stays, with a space before it"
                    .into(),
            );
        }
        self.changes.push(Change {
            file: file.clone(),
            lines: std::mem::take(lines),
        });
        Ok(())
    }
}

impl Change {
    /// Makes the change in the text of a file. Spaces at the start and the end of a line do not count.
    ///
    /// # Errors
    ///
    /// If the lines to be found are not in the text, or more than once.
    pub fn apply(&self, text: &str) -> Result<String, String> {
        let old: Vec<_> = self.lines.iter().filter_map(Line::old).collect();
        let lines: Vec<_> = text.lines().collect();
        let is_here = |start: &usize| {
            let found = lines[*start..].iter().map(|line| line.trim());
            found.take(old.len()).eq(old.iter().copied())
        };
        let mut places = (0..lines.len()).filter(is_here);
        let Some(start) = places.next() else {
            return Err(missing(&lines, &old));
        };
        if let Some(second) = places.next() {
            let (first, second) = (start + 1, second + 1);
            return Err(format!(
                "the lines to change occur twice, at lines {first} and {second}: add a line that stays"
            ));
        }

        let mut new: Vec<&str> = lines[..start].to_vec();
        let mut rest = lines[start..].iter();
        for line in &self.lines {
            match line {
                Line::Stays(_) => new.extend(rest.next()),
                Line::Goes(_) => drop(rest.next()),
                Line::Comes(text) => new.push(text),
            }
        }
        new.extend(rest);
        Ok(new.join("\n") + "\n")
    }
}

impl Line {
    fn old(&self) -> Option<&str> {
        match self {
            Self::Stays(text) | Self::Goes(text) => Some(text.trim()),
            Self::Comes(_) => None,
        }
    }
}

/// Names the line that is not there, or says that the lines do not follow each other.
fn missing(lines: &[&str], old: &[&str]) -> String {
    let is_missing = |old: &&&str| !lines.iter().any(|line| line.trim() == **old);
    match old.iter().find(is_missing) {
        Some(line) => format!("it no longer applies; this line is not there:\n    {line}"),
        None => format!(
            "it no longer applies; these lines do not follow each other:\n    {}",
            old.join("\n    ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "fn a() {\n    one();\n    two();\n}\n\nfn b() {\n    two();\n}\n";

    fn apply(block: &str) -> Result<String, String> {
        let edit = Edit::parse(block)?;
        let change = |text: String, change: &Change| change.apply(&text);
        edit.changes.iter().try_fold(FILE.to_owned(), change)
    }

    #[test]
    fn lines_are_found_by_their_text_and_keep_their_indentation() {
        let edited = apply(" one();\n-two();\n+    three();\n");
        assert_eq!(edited, Ok(FILE.replacen("two", "three", 1)));
    }

    #[test]
    fn a_diff_may_have_several_places_with_or_without_numbers() {
        let edited = apply("@@ -1,2 +1,2 @@\n-one();\n\n@@\n\n fn b() {\n-two();\n");
        let expected = "fn a() {\n    two();\n}\n\nfn b() {\n}\n";
        assert_eq!(edited.as_deref(), Ok(expected));
    }

    #[test]
    fn an_empty_line_is_one_that_stays() {
        let edited = apply(" }\n\n+fn c() {}\n fn b() {\n");
        assert_eq!(edited, Ok(FILE.replace("fn b", "fn c() {}\nfn b")));
    }

    #[test]
    fn files_and_the_command_are_named_above_the_lines() {
        let block = "$ cargo run -p basic\n--- a/src/main.rs\n+++ b/src/main.rs\n-x\n--- c.rs\n+++ c.rs\n-y\n";
        let edit = Edit::parse(block).expect("it is a diff");
        assert_eq!(edit.command.as_deref(), Some("cargo run -p basic"));
        let files = edit.changes.iter().map(|change| change.file.as_deref());
        assert_eq!(Vec::from_iter(files), [Some("src/main.rs"), Some("c.rs")]);
    }

    #[test]
    fn what_no_longer_applies_says_why() {
        for (block, message) in [
            ("-three();\n", "this line is not there:\n    three();"),
            (" one();\n-}\n", "do not follow each other"),
            ("-two();\n", "occur twice, at lines 3 and 7"),
            ("+three();\n", "where these lines go"),
            (" one();\n", "changes nothing"),
            ("\n", "changes nothing"),
            ("one();\n", "starts with `-`, `+` or a space: one();"),
        ] {
            let error = apply(block).expect_err(block);
            assert!(error.contains(message), "{block}: {error}");
        }
    }
}
