//! The picture, in a terminal.

use std::fmt::Write as _;
use std::iter::zip;
use std::ops::Range;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use textwrap::{Options, WordSplitter, fill};

use super::picture::{Mark, Picture, Row, seconds};

/// Minimum number of columns, however narrow the terminal.
const MIN_WIDTH: usize = 40;

/// Maximum number of rows; further workers are only counted.
const MAX_ROWS: usize = 32;

const PLAIN: Style = Style::new();
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// What the bars of each style are filled with, and what follows their number.
const BARS: [(char, Style, &str); 4] = [
    ('█', AnsiColor::Cyan.on_default(), ""),
    ('▓', AnsiColor::Yellow.on_default(), ""),
    ('▒', AnsiColor::Red.on_default(), " ✗"),
    ('░', AnsiColor::Magenta.on_default(), " !"),
];

/// The characters that are not ASCII, and what replaces them.
const UNICODE: &str = "▐▌█▓▒░·▼┊▲│└─┬✗";
const ASCII: &str = "[]#=x!.v:^|+-+x";

/// Draws the picture; its colours are escape sequences.
pub fn draw(picture: &Picture, width: usize, ascii: bool) -> String {
    let width = width.max(MIN_WIDTH);
    let options = Options::new(width).word_splitter(WordSplitter::NoHyphenation);
    let shown = picture.rows.len().min(MAX_ROWS);
    let last = format!("worker {shown}");
    let queue = format!("queue {}", picture.peak());
    let names = picture.tracks.keys().map(|name| name.len());
    let gutter = names.chain([queue.len()]).fold(last.len(), usize::max);
    let mut canvas = Canvas {
        text: String::new(),
        gutter,
        blank: vec![(' ', PLAIN); width - gutter - 2],
        span: picture.span,
    };

    let title = fill(&picture.title, &options);
    let caption = fill(&picture.caption, &options);
    canvas.text += &format!("{BOLD}{title}{BOLD:#}\n{caption}\n\n");
    if let Some((at, name)) = picture.stop {
        canvas.marks("", ' ', ('▼', DIM), &[(at, Some(name.into()))]);
    }
    for (nth, row) in (1..=shown).zip(&picture.rows) {
        canvas.row(&format!("worker {nth}"), row, picture.stop);
    }
    if let more @ 1.. = picture.rows.len() - shown {
        let mut cells = canvas.blank.clone();
        put(&mut cells, &format!(" and {more} more workers"), DIM);
        canvas.line("", '│', &cells);
    }
    if !picture.queue.is_empty() {
        canvas.queue(&queue, picture, ascii);
    }
    for (name, marks) in &picture.tracks {
        canvas.marks(name, '│', ('▲', BOLD), marks);
    }
    canvas.axis(picture);
    canvas.text.push('\n');
    for (bar, name, value) in &picture.stats {
        let name = format!("{name}:");
        let name = match bar.map(|bar| BARS[bar as usize]) {
            Some((fill, style, _)) => format!("{style}{fill}{fill}{style:#} {name:<20}"),
            None => format!("{name:<23}"),
        };
        let options = options.clone().initial_indent(&name);
        let value = fill(value, options.subsequent_indent(&" ".repeat(23)));
        canvas.text += &format!("{value}\n");
    }
    match ascii {
        true => to_ascii(canvas.text),
        false => canvas.text,
    }
}

/// Replaces what is not ASCII.
pub fn to_ascii(mut text: String) -> String {
    for (unicode, ascii) in zip(UNICODE.chars(), ASCII.chars()) {
        text = text.replace(unicode, &ascii.to_string());
    }
    text
}

/// A character, and how it looks.
type Cell = (char, Style);

struct Canvas {
    text: String,
    /// The width of the names.
    gutter: usize,
    /// Columns for the time from 0 to `span`, and one more for what happens at the end.
    blank: Vec<Cell>,
    span: Duration,
}

impl Canvas {
    fn column(&self, at: Duration) -> usize {
        let columns = self.blank.len() as u128 - 1;
        (at.min(self.span).as_nanos() * columns / self.span.as_nanos()) as usize
    }

    /// At least one column.
    fn columns(&self, time: &Range<Duration>) -> Range<usize> {
        let from = self.column(time.start);
        from..self.column(time.end).max(from + 1)
    }

    fn line(&mut self, name: &str, border: char, cells: &[Cell]) {
        let gutter = self.gutter;
        let used = cells.iter().rposition(|cell| cell.0 != ' ');
        let cells = &cells[..used.map_or(0, |last| last + 1)];
        _ = write!(self.text, "{name:>gutter$} {DIM}{border}{DIM:#}");
        for run in cells.chunk_by(|one, next| one.1 == next.1) {
            let (style, run) = (run[0].1, String::from_iter(run.iter().map(|cell| cell.0)));
            _ = write!(self.text, "{style}{run}{style:#}");
        }
        self.text.push('\n');
    }

    fn row(&mut self, name: &str, row: &Row, stop: Option<(Duration, &str)>) {
        let mut cells = self.blank.clone();
        cells[self.column(row.alive.start)..self.column(row.alive.end)].fill(('·', DIM));
        if let Some((at, _)) = stop {
            cells[self.column(at)] = ('┊', DIM);
        }
        for bar in &row.bars {
            let (fill, style, _) = BARS[bar.style as usize];
            let bar = &mut cells[self.columns(&bar.time)];
            bar.fill((fill, style));
            if let [first, .., last] = bar {
                (first.0, last.0) = ('▐', '▌');
            }
        }
        for bar in &row.bars {
            let drawn = self.columns(&bar.time);
            let mut label = format!("{}{}", bar.number, BARS[bar.style as usize].2);
            if label.chars().count() + 4 <= drawn.len() {
                label = format!(" {label} ");
            }
            let room = drawn.len().saturating_sub(label.chars().count());
            match room.div_ceil(2) {
                0 => put_beside(&mut cells, drawn, 1, &label, BOLD),
                half => put(&mut cells[drawn.start + half..], &label, BOLD),
            }
        }
        self.line(name, '│', &cells);
    }

    fn marks(&mut self, name: &str, border: char, mark: Cell, marks: &[Mark]) {
        let mut cells = self.blank.clone();
        for (at, words) in marks {
            cells[self.column(*at)] = words.as_ref().map_or(('·', DIM), |_| mark);
        }
        for (at, words) in marks {
            let (column, words) = (self.column(*at), words.as_deref().unwrap_or_default());
            put_beside(&mut cells, column..column + 1, 0, words, PLAIN);
        }
        self.line(name, border, &cells);
    }

    /// The longest queue in each column's time, as a chart of three lines.
    fn queue(&mut self, name: &str, picture: &Picture, ascii: bool) {
        let levels = match ascii {
            false => &[' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][..],
            true => &[' ', '.', ':', '#'],
        };
        let (full, peak) = (levels.len() - 1, picture.peak().max(1));
        let mut longest = vec![0; self.blank.len()];
        let ends = picture.queue.keys().skip(1).copied();
        for ((&from, &length), to) in zip(&picture.queue, ends.chain([self.span])) {
            for column in &mut longest[self.columns(&(from..to))] {
                *column = length.max(*column);
            }
        }
        for (name, below) in [(name, 2 * full), ("", full), ("0", 0)] {
            let cell = |&length: &usize| {
                let height = (length * 3 * full).div_ceil(peak);
                let level = height.saturating_sub(below).min(full);
                (levels[level], AnsiColor::Blue.on_default())
            };
            self.line(name, '│', &Vec::from_iter(longest.iter().map(cell)));
        }
    }

    fn axis(&mut self, picture: &Picture) {
        let mut axis = vec![('─', DIM); self.blank.len()];
        let mut labels = self.blank.clone();
        let distance = self.span * 10 / (axis.len() as u32 - 1);
        for at in picture.axis(distance) {
            let (column, label) = (self.column(at), seconds(at));
            let start = column.min(axis.len() - label.len());
            axis[column] = ('┬', DIM);
            put(&mut labels[start..], &label, DIM);
        }
        self.line("", '└', &axis);
        self.line("", ' ', &labels);
    }
}

fn put(cells: &mut [Cell], text: &str, style: Style) {
    for (cell, character) in zip(cells, text.chars()) {
        *cell = (character, style);
    }
}

/// Puts the text after what is drawn or, if only that has room, before it, with a gap to what is next.
fn put_beside(cells: &mut [Cell], drawn: Range<usize>, gap: usize, text: &str, style: Style) {
    let length = text.chars().count();
    let is_free = |room: Range<usize>| {
        let room = cells.get(room);
        room.is_some_and(|room| room.iter().all(|cell| cell.0 == ' ' || cell.1 == DIM))
    };
    if is_free(drawn.end..drawn.end + length + gap) {
        put(&mut cells[drawn.end..], text, style);
    } else if let Some(from) = drawn.start.checked_sub(length + gap)
        && is_free(from..drawn.start)
    {
        put(&mut cells[from + gap..], text, style);
    }
}
