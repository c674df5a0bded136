//! A step's `exercise.md`: the parts to write, the task of each, and its hints.

/// One function to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1.
    pub number: usize,
    /// The function: `worker`, or `Limiter::take` where a step has several of the name.
    pub function: String,
    /// What is to be done: a paragraph, then the numbered steps.
    pub task: Vec<String>,
    /// From gentle to nearly there.
    pub hints: Vec<Hint>,
}

/// A title and some Markdown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// The summary of its `<details>`.
    pub title: String,
    /// What the `<details>` hold.
    pub text: String,
}

/// What an `exercise.md` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exercise {
    /// The parts, in order.
    pub parts: Vec<Part>,
    /// The name of a property, and what to look at when it does not hold.
    pub advice: Vec<(String, String)>,
}

impl Exercise {
    /// Reads the text of an `exercise.md`. Only the sections of parts and of advice count.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut exercise = Self::default();
        for section in sections(text) {
            if section[0].starts_with("## Part ") {
                let number = exercise.parts.len() + 1;
                let part = part(number, &section);
                let form = || format!("`{}` is not `## Part {number}: `function``", section[0]);
                exercise.parts.push(part.ok_or_else(form)?);
            } else if section[0] == "## If a check fails" {
                exercise.advice = advice(&section[1..].join("\n"))?;
            }
        }
        match exercise.parts.is_empty() {
            true => Err("it has no `## Part 1: `function``".into()),
            false => Ok(exercise),
        }
    }

    /// What to look at when the property of this name does not hold.
    pub fn advice(&self, property: &str) -> Option<&str> {
        Some(&self.advice[self.place(property)?].1)
    }

    /// Where that stands in the list, which has at its top what is to be looked at first.
    pub fn place(&self, property: &str) -> Option<usize> {
        self.advice.iter().position(|(name, _)| name == property)
    }
}

/// A list of properties, each with what to look at when it does not hold.
///
/// # Errors
///
/// If an item of the list has another form.
pub fn advice(text: &str) -> Result<Vec<(String, String)>, String> {
    let items = items(&Vec::from_iter(text.lines()), |line| {
        line.strip_prefix("- ")
    });
    let advice = items.iter().map(|item| {
        let (name, advice) = item.strip_prefix('`')?.split_once("`: ")?;
        Some((name.to_owned(), advice.to_owned()))
    });
    let form = "advice has the form `- `property`: what to look at`";
    advice.collect::<Option<_>>().ok_or(form.into())
}

/// The lines of each section, from its heading on. A `## ` inside a code block is no heading.
fn sections(text: &str) -> Vec<Vec<&str>> {
    let (mut sections, mut in_code) = (Vec::<Vec<_>>::new(), false);
    for line in text.lines().map(str::trim_end) {
        in_code ^= line.starts_with("```");
        if line.starts_with("## ") && !in_code {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    sections
}

fn part(number: usize, section: &[&str]) -> Option<Part> {
    let heading = section[0].strip_prefix(&format!("## Part {number}: `"))?;
    let (function, _) = heading.split_once('`')?;
    let lines = &section[1..];
    let hints = lines.iter().position(|line| line.starts_with("<details>"));
    let (task, hints) = lines.split_at(hints.unwrap_or(lines.len()));
    let steps = task.iter().position(|line| numbered(line).is_some());
    let (paragraph, steps) = task.split_at(steps.unwrap_or(task.len()));

    let mut task = vec![paragraph.join(" ").trim().to_owned()];
    let steps = items(steps, numbered);
    task.extend(
        (1..)
            .zip(steps)
            .map(|(number, step)| format!("{number}. {step}")),
    );
    task.retain(|text| !text.is_empty());
    Some(Part {
        number,
        function: function.into(),
        task,
        hints: hints
            .split(|line| *line == "</details>")
            .filter_map(hint)
            .collect(),
    })
}

/// The items of a list, whose lines begin as `start` says. Indented lines continue an item.
fn items<'a>(lines: &[&'a str], start: impl Fn(&'a str) -> Option<&'a str>) -> Vec<String> {
    let mut items = Vec::<String>::new();
    for line in lines {
        if let Some(text) = start(line) {
            items.push(text.into());
        } else if let (true, Some(item)) = (line.starts_with(' '), items.last_mut()) {
            *item += " ";
            *item += line.trim();
        }
    }
    items
}

fn numbered(line: &str) -> Option<&str> {
    let (number, text) = line.split_once(". ")?;
    number.parse::<usize>().is_ok().then_some(text)
}

fn hint(lines: &[&str]) -> Option<Hint> {
    let start = lines
        .iter()
        .position(|line| line.starts_with("<details>"))?;
    let (_, title) = lines[start].split_once("<summary>")?;
    let title = title.trim_end_matches("</summary>");
    Some(Hint {
        title: title.replace("<code>", "`").replace("</code>", "`"),
        text: lines[start + 1..].join("\n").trim().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_a_function_a_task_and_hints() {
        let text = "# Title\n\n1. Not this.\n\n## Part 1: `A::b` (1 minute)\n\nDo\nit.\n\n1. First,\n   this.\n2. That.\n\n\
                    <details><summary>How <code>b</code>?</summary>\n\n```rust\n## Part 2: `c`\n```\n\n</details>\n\n\
                    ## If a check fails\n\n- `x_y`: Look\n  there.\n\n## Else\n\n- not this\n";
        let owned = |texts: &[&str]| Vec::from_iter(texts.iter().copied().map(String::from));
        let part = Part {
            number: 1,
            function: "A::b".into(),
            task: owned(&["Do it.", "1. First, this.", "2. That."]),
            hints: vec![Hint {
                title: "How `b`?".into(),
                text: "```rust\n## Part 2: `c`\n```".into(),
            }],
        };
        let exercise = Exercise::parse(text).expect("it is one");
        assert_eq!(exercise.parts, [part]);
        assert_eq!(exercise.advice("x_y"), Some("Look there."));
        assert_eq!(exercise.advice("y"), None);
    }

    #[test]
    fn an_error_says_what_is_wrong() {
        for (text, error) in [
            ("# Nothing", "it has no `## Part 1: `function``"),
            (
                "## Part 2: `a`",
                "`## Part 2: `a`` is not `## Part 1: `function``",
            ),
            (
                "## Part 1: a",
                "`## Part 1: a` is not `## Part 1: `function``",
            ),
            (
                "## If a check fails\n\n- This.",
                "advice has the form `- `property`: what to look at`",
            ),
        ] {
            assert_eq!(Exercise::parse(text), Err(error.into()));
        }
    }
}
