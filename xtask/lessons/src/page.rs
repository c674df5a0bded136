//! A page of Markdown: its headings, links, names in code font and code blocks, each with its place.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;

use pulldown_cmark::{CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};

/// A Markdown file of the workspace.
#[derive(Debug, Default)]
pub struct Page {
    /// From the root of the workspace, with `/`.
    pub path: String,
    /// The whole file.
    pub text: String,
    /// The first heading, as plain text.
    pub title: String,
    /// What `#` links can name: headings by GitHub's rule, and `id` attributes.
    pub anchors: Vec<String>,
    /// Where links and pictures lead, also those written in HTML. One by reference counts where the
    /// reference is defined.
    pub links: Vec<Link>,
    /// Text in code font.
    pub names: Vec<Name>,
    /// Fenced code blocks.
    pub blocks: Vec<Block>,
}

/// A link or a picture, or the definition of a reference.
#[derive(Debug)]
pub struct Link {
    /// Where it leads, as written.
    pub target: String,
    /// Where in the page it stands.
    pub range: Range<usize>,
}

/// Text in code font.
#[derive(Debug)]
pub struct Name {
    /// The text.
    pub text: String,
    /// Where in the page it stands.
    pub range: Range<usize>,
    /// The nearest heading above, of level 1 or 2.
    pub section: String,
    /// In a table: the heading of its column.
    pub column: Option<String>,
}

/// A fenced code block.
#[derive(Debug)]
pub struct Block {
    /// What follows the opening fence: the language first.
    pub info: String,
    /// Where in the page the block stands.
    pub range: Range<usize>,
    /// What is between the fences, without the indentation of the block.
    pub text: String,
    /// Where in the page that is, in whole lines.
    pub content: Range<usize>,
    /// What each of these lines starts with, if the block stands in a list.
    pub indent: String,
}

impl Page {
    /// Reads a page of the workspace at `root`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read; the error names it.
    pub fn read(root: &Path, path: &str) -> io::Result<Self> {
        let text = fs::read_to_string(root.join(path));
        let text =
            text.map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
        Ok(Self::parse(path, text))
    }

    /// Parses a page.
    #[must_use]
    pub fn parse(path: &str, text: String) -> Self {
        let mut page = Self {
            path: path.to_owned(),
            ..Self::default()
        };
        let parser = Parser::new_ext(&text, Options::ENABLE_TABLES);
        for (_, definition) in parser.reference_definitions().iter() {
            page.add_link(&definition.dest, definition.span.clone());
        }

        let mut section = String::new();
        let mut columns = Vec::new(); // the headings of the table that we are in
        let mut column = None; // the number of the column
        let mut words = String::new(); // the text of the heading, or of the column's heading, so far
        for (event, range) in parser.into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { .. }) => words.clear(),
                Event::End(TagEnd::Heading(level)) => {
                    page.add_anchor(slug(&words));
                    if page.title.is_empty() {
                        page.title.clone_from(&words);
                    }
                    if level as usize <= 2 {
                        section.clone_from(&words);
                    }
                }
                Event::Start(Tag::TableHead) => columns.clear(),
                Event::Start(Tag::TableCell) => words.clear(),
                Event::End(TagEnd::TableCell) => match &mut column {
                    Some(column) => *column += 1,
                    None => columns.push(words.clone()),
                },
                Event::Start(Tag::TableRow) => column = Some(0),
                Event::End(TagEnd::Table) => column = None,

                Event::Start(
                    Tag::Link {
                        link_type: LinkType::Inline,
                        dest_url,
                        ..
                    }
                    | Tag::Image {
                        link_type: LinkType::Inline,
                        dest_url,
                        ..
                    },
                ) => page.add_link(&dest_url, range),
                Event::Html(html) | Event::InlineHtml(html) => page.add_html(&html, &range),

                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    let (content, indent) = inside(&text, &range);
                    page.blocks.push(Block {
                        info: info.into_string(),
                        range,
                        text: String::new(),
                        content,
                        indent: indent.to_owned(),
                    });
                    words.clear();
                }
                Event::End(TagEnd::CodeBlock) => {
                    if let Some(block) = page.blocks.last_mut() {
                        block.text = words.clone();
                    }
                }
                Event::Text(text) => words.push_str(&text),
                Event::Code(text) => {
                    words.push_str(&text);
                    page.names.push(Name {
                        text: text.into_string(),
                        range,
                        section: section.clone(),
                        column: column.and_then(|column: usize| columns.get(column).cloned()),
                    });
                }
                _ => {}
            }
        }
        page.links.sort_by_key(|link| link.range.start);
        page.text = text;
        page
    }

    /// The line of a place, from 1.
    #[must_use]
    pub fn line(&self, place: &Range<usize>) -> usize {
        1 + self.text[..place.start].matches('\n').count()
    }

    /// A message about a place, as compilers write it.
    #[must_use]
    pub fn at(&self, place: &Range<usize>, message: &str) -> String {
        format!("{}:{}: {message}", self.path, self.line(place))
    }

    /// The folder of the page, from the root of the workspace.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The step that an edit without a path is for: the page's folder, or the step whose answers it has.
    #[must_use]
    pub fn step(&self) -> &str {
        let answers = self.path.strip_prefix("xtask/lessons/answers/");
        let step = answers.and_then(|name| name.strip_suffix(".md"));
        step.unwrap_or_else(|| self.folder())
    }

    fn add_link(&mut self, target: &str, range: Range<usize>) {
        let target = target.to_owned();
        self.links.push(Link { target, range });
    }

    fn add_anchor(&mut self, anchor: String) {
        let mut unique = anchor.clone();
        for count in 1.. {
            if !self.anchors.contains(&unique) {
                break;
            }
            unique = format!("{anchor}-{count}");
        }
        self.anchors.push(unique);
    }

    fn add_html(&mut self, html: &str, range: &Range<usize>) {
        for (attribute, value) in attributes(html) {
            match attribute {
                "id" => self.anchors.push(value.to_owned()),
                "href" | "src" | "srcset" => self.add_link(value, range.clone()),
                _ => {}
            }
        }
    }
}

/// The whole lines between two fences, and what precedes the fence on its line.
fn inside<'a>(text: &'a str, block: &Range<usize>) -> (Range<usize>, &'a str) {
    let line_start = |place: usize| text[..place].rfind('\n').map_or(0, |end| end + 1);
    let end = line_start(text[..block.end].trim_end().len());
    let start = text[block.start..]
        .find('\n')
        .map_or(end, |length| block.start + length + 1);
    (
        start..end.max(start),
        &text[line_start(block.start)..block.start],
    )
}

/// `name="value"`, wherever it occurs in HTML.
pub fn attributes(html: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut pieces = html.split("=\"");
    let mut before = pieces.next().unwrap_or_default();
    pieces.filter_map(move |piece| {
        let (value, rest) = piece.split_once('"')?;
        let name = before
            .rsplit(|c: char| !c.is_alphanumeric() && c != '-')
            .next()?;
        before = rest;
        Some((name, value))
    })
}

/// The anchor that GitHub makes of a heading.
#[must_use]
pub fn slug(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let kept: String = heading.trim().chars().filter(kept).collect();
    kept.to_lowercase().replace(' ', "-")
}

/// `path` as seen from `folder`, both from the root of the workspace. `None` if it leads out of that.
#[must_use]
pub fn resolve(folder: &str, path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_those_of_github() {
        let headings = "# Step 1: a *fixed* pool, `run`!\n\n## What it costs\n\n## What it costs\n\n<a id=\"here\"></a>\n";
        let page = Page::parse("a.md", headings.into());
        let expected = [
            "step-1-a-fixed-pool-run",
            "what-it-costs",
            "what-it-costs-1",
            "here",
        ];
        assert_eq!(page.anchors, expected);
        assert_eq!(page.title, "Step 1: a fixed pool, run!");
        assert_eq!(slug("Threads & tasks – both"), "threads--tasks--both");
    }

    #[test]
    fn a_block_in_a_list_keeps_its_place_and_loses_its_indentation() {
        let page = Page::parse(
            "a.md",
            "1. Run\n\n   ```console x\n   $ a\n     b\n\n   c\n   ```\n".into(),
        );
        let block = &page.blocks[0];
        assert_eq!(
            (block.info.as_str(), block.text.as_str()),
            ("console x", "$ a\n  b\n\nc\n")
        );
        assert_eq!(
            &page.text[block.content.clone()],
            "   $ a\n     b\n\n   c\n"
        );
        assert_eq!(block.indent, "   ");
        assert_eq!(page.line(&block.range), 3);
    }

    #[test]
    fn an_empty_block_is_empty() {
        let page = Page::parse("a.md", "```diff\n```\n\ntext\n".into());
        assert_eq!(page.blocks[0].content, 8..8);
    }

    #[test]
    fn links_and_pictures_count_once() {
        let text = "[a](b.md) ![p][q] <img src=\"i.svg\"> [s][q] <https://x>\n\n[q]: r.svg\n";
        let page = Page::parse("a.md", text.into());
        let targets = page.links.iter().map(|link| link.target.as_str());
        assert_eq!(Vec::from_iter(targets), ["b.md", "i.svg", "r.svg"]);
    }

    #[test]
    fn a_name_knows_its_section_and_column() {
        let page = Page::parse(
            "a.md",
            "# A\n\n## B `c`\n\n| Go | In Rust |\n|---|---|\n| `go` | `spawn` |\n\n`x`\n".into(),
        );
        let names = page.names.iter().map(|name| {
            (
                name.text.as_str(),
                name.section.as_str(),
                name.column.as_deref(),
            )
        });
        let expected = [
            ("c", "A", None),
            ("go", "B c", Some("Go")),
            ("spawn", "B c", Some("In Rust")),
            ("x", "B c", None),
        ];
        assert_eq!(Vec::from_iter(names), expected);
    }

    #[test]
    fn paths_are_resolved_within_the_workspace() {
        assert_eq!(
            resolve("xtask/book", "../../basic/src").as_deref(),
            Some("basic/src")
        );
        assert_eq!(resolve("basic", "../.."), None);
    }
}
