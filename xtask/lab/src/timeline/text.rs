//! The picture, in a terminal.

use std::borrow::Cow;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use textwrap::{Options, WordSplitter};

use super::picture::{Bar, Figure, Picture, Row, Track, axis_step, index, peak, seconds};

/// What to draw on.
#[derive(Clone, Copy, Debug)]
pub struct Paper {
    /// How many columns there are.
    pub width: usize,
    /// Whether there is nothing but ASCII.
    pub ascii: bool,
}

/// The columns that it takes at least, however narrow the terminal.
const MIN_WIDTH: usize = 40;

/// The rows that there are at most; the other workers are only counted.
const MAX_ROWS: usize = 32;

/// The lines that a level takes.
const LEVEL_LINES: usize = 3;

/// Draws the picture; its colours are escape sequences.
pub fn draw(picture: &Picture, paper: Paper) -> String {
    let width = paper.width.max(MIN_WIDTH);
    let names = (1..=picture.rows.len().min(MAX_ROWS)).map(|nth| format!("worker {nth}"));
    let names = Vec::from_iter(names);
    let tracks = picture.tracks.iter().map(|track| match track {
        Track::Marks { name, .. } => name.len(),
        Track::Level { name, steps } => format!("{name} {}", peak(steps)).len(),
    });
    let gutter = names.iter().map(String::len).chain(tracks).max();
    let gutter = gutter.unwrap_or(0);
    let canvas = Canvas {
        symbols: if paper.ascii { &ASCII } else { &UNICODE },
        gutter,
        columns: width.saturating_sub(gutter + 3),
        end: picture.span,
    };

    let title = wrap(&picture.title, "", width);
    let mut lines = Vec::from_iter(title.iter().map(|line| styled(line, Style::new().bold())));
    lines.extend(wrap(&picture.caption, "", width));
    lines.push(String::new());
    lines.extend(canvas.stop(picture));
    for (name, row) in names.iter().zip(&picture.rows) {
        lines.push(canvas.bordered(name, &canvas.row(row, picture)));
    }
    let more = picture.rows.len() - names.len();
    if more > 0 {
        lines.push(canvas.bordered("", &text(&format!(" and {more} more workers"), DIM)));
    }
    for track in &picture.tracks {
        lines.extend(canvas.track(track));
    }
    lines.extend(canvas.axis());
    lines.push(String::new());
    let figures = picture.figures.iter();
    lines.extend(figures.flat_map(|figure| canvas.figure(figure, width)));
    lines.into_iter().map(|line| line + "\n").collect()
}

/// What to draw with; arrays of four are for the looks in their order.
struct Symbols {
    /// How a bar begins and ends.
    ends: [char; 2],
    /// What a bar is filled with.
    fills: [char; 4],
    /// What follows the number of a job.
    endings: [&'static str; 4],
    idle: char,
    stop: [char; 2],
    mark: char,
    border: char,
    corner: char,
    axis: char,
    tick: char,
    /// From empty to full.
    levels: &'static [char],
}

const UNICODE: Symbols = Symbols {
    ends: ['▐', '▌'],
    fills: ['█', '▓', '▒', '░'],
    endings: ["", "", " ✗", " !"],
    idle: '·',
    stop: ['▼', '┊'],
    mark: '▲',
    border: '│',
    corner: '└',
    axis: '─',
    tick: '┬',
    levels: &[' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
};

const ASCII: Symbols = Symbols {
    ends: ['[', ']'],
    fills: ['#', '=', 'x', '!'],
    endings: ["", "", " x", " !"],
    idle: '.',
    stop: ['v', ':'],
    mark: '^',
    border: '|',
    corner: '+',
    axis: '-',
    tick: '+',
    levels: &[' ', '.', ':', '#'],
};

const COLOURS: [AnsiColor; 4] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Red,
    AnsiColor::Magenta,
];

const DIM: Style = Style::new().dimmed();

/// A character, and how it looks.
type Cell = (char, Style);

const BLANK: Cell = (' ', Style::new());

/// Columns for the time from 0 to `end`, and one more for what happens at the end.
struct Canvas {
    symbols: &'static Symbols,
    gutter: usize,
    columns: usize,
    end: Duration,
}

impl Canvas {
    fn column(&self, at: Duration) -> usize {
        let column = at.as_nanos() * self.columns as u128 / self.end.as_nanos();
        usize::try_from(column).map_or(self.columns, |column| column.min(self.columns))
    }

    fn blank(&self) -> Vec<Cell> {
        vec![BLANK; self.columns + 1]
    }

    fn line(&self, name: &str, border: char, cells: &[Cell]) -> String {
        let gutter = self.gutter;
        let used = cells
            .iter()
            .rposition(|cell| cell.0 != ' ')
            .map_or(0, |last| last + 1);
        let cells = &cells[..used];
        format!(
            "{name:>gutter$} {}{}",
            styled(&border.to_string(), DIM),
            paint(cells)
        )
    }

    fn bordered(&self, name: &str, cells: &[Cell]) -> String {
        self.line(name, self.symbols.border, cells)
    }

    fn row(&self, row: &Row, picture: &Picture) -> Vec<Cell> {
        let mut cells = self.blank();
        let (from, to) = (self.column(row.alive.0), self.column(row.alive.1));
        cells[from..to].fill((self.symbols.idle, DIM));
        if let Some((at, _)) = picture.stop {
            cells[self.column(at)] = (self.symbols.stop[1], DIM);
        }
        for bar in &row.bars {
            self.bar(&mut cells, bar);
        }
        for bar in &row.bars {
            self.label_beside(&mut cells, bar);
        }
        cells
    }

    /// A bar has at least one column; its number is in it if there is room.
    fn bar(&self, cells: &mut [Cell], bar: &Bar) {
        let (from, to) = self.columns_of(bar);
        let (look, bar_cells) = (index(bar.look), &mut cells[from..to]);
        bar_cells.fill((self.symbols.fills[look], COLOURS[look].on_default()));
        if let [first, .., last] = bar_cells {
            [first.0, last.0] = self.symbols.ends;
        }
        let mut label = text(&self.label(bar), Style::new().bold());
        if label.len() + 4 <= bar_cells.len() {
            label.insert(0, BLANK);
            label.push(BLANK);
        }
        if label.len() < bar_cells.len() {
            let start = (bar_cells.len() - label.len()).div_ceil(2);
            bar_cells[start..start + label.len()].copy_from_slice(&label);
        }
    }

    /// A number that has no room in its bar goes to the right of it, otherwise to the left, if the
    /// worker is idle there and a column stays free between it and the next bar.
    fn label_beside(&self, cells: &mut [Cell], bar: &Bar) {
        let (from, to) = self.columns_of(bar);
        let label = text(&self.label(bar), Style::new().bold());
        if label.len() < to - from {
            return;
        }
        let right = Some((to, to..to + label.len() + 1));
        let left = from.checked_sub(label.len());
        let left = left.map(|start| (start, start.saturating_sub(1)..from));
        for (start, room) in [right, left].into_iter().flatten() {
            let free = |cell: &Cell| cell.0 == self.symbols.idle || *cell == BLANK;
            let is_free = |column| cells.get(column).is_none_or(free);
            if room.into_iter().all(is_free)
                && let Some(beside) = cells.get_mut(start..start + label.len())
            {
                return beside.copy_from_slice(&label);
            }
        }
    }

    fn columns_of(&self, bar: &Bar) -> (usize, usize) {
        let from = self.column(bar.time.0);
        (from, self.column(bar.time.1).max(from + 1))
    }

    fn label(&self, bar: &Bar) -> String {
        format!("{}{}", bar.number, self.symbols.endings[index(bar.look)])
    }

    /// The line above the workers that says when the pool was stopped.
    fn stop(&self, picture: &Picture) -> Option<String> {
        let (at, name) = picture.stop?;
        let mut cells = self.blank();
        cells[self.column(at)] = (self.symbols.stop[0], DIM);
        self.label_mark(&mut cells, at, name);
        Some(self.line("", ' ', &cells))
    }

    fn track(&self, track: &Track) -> Vec<String> {
        match track {
            Track::Marks {
                name,
                marks,
                chances,
            } => vec![self.bordered(name, &self.marks(marks, chances))],
            Track::Level { name, steps } => self.level(name, steps),
        }
    }

    fn marks(&self, marks: &[(Duration, String)], chances: &[Duration]) -> Vec<Cell> {
        let mut cells = self.blank();
        for &at in chances {
            cells[self.column(at)] = (self.symbols.idle, DIM);
        }
        for &(at, _) in marks {
            cells[self.column(at)] = (self.symbols.mark, Style::new().bold());
        }
        for (at, label) in marks {
            self.label_mark(&mut cells, *at, label);
        }
        cells
    }

    /// Writes to the right of a mark, otherwise to the left, and without room not at all.
    fn label_mark(&self, cells: &mut [Cell], at: Duration, label: &str) {
        let label = text(label, Style::new());
        let column = self.column(at);
        let right = column + 1..column + 1 + label.len();
        let left = column.saturating_sub(label.len())..column;
        for place in [right, left] {
            if let Some(place) = cells.get_mut(place)
                && place.len() == label.len()
                && place.iter().all(|cell| *cell == BLANK)
            {
                return place.copy_from_slice(&label);
            }
        }
    }

    /// The most in each column's time, as a chart of a few lines.
    fn level(&self, name: &str, steps: &[(Duration, usize)]) -> Vec<String> {
        let mut most = vec![0; self.columns + 1];
        let ends = steps.iter().skip(1).map(|&(at, _)| at).chain([self.end]);
        for (&(from, level), to) in steps.iter().zip(ends) {
            let (from, to) = (self.column(from), self.column(to));
            for column in &mut most[from..to.max(from + 1)] {
                *column = level.max(*column);
            }
        }
        let peak = peak(steps);
        let levels = self.symbols.levels;
        let full = levels.len() - 1;
        let line = |line: usize| {
            let below = (LEVEL_LINES - 1 - line) * full;
            let cell = |&level: &usize| {
                let height = (level * LEVEL_LINES * full).div_ceil(peak.max(1));
                (
                    levels[height.saturating_sub(below).min(full)],
                    AnsiColor::Blue.on_default(),
                )
            };
            let name = match line {
                0 => format!("{name} {peak}"),
                line if line + 1 == LEVEL_LINES => "0".into(),
                _ => String::new(),
            };
            self.bordered(&name, &Vec::from_iter(most.iter().map(cell)))
        };
        (0..LEVEL_LINES).map(line).collect()
    }

    fn axis(&self) -> [String; 2] {
        let step = axis_step(self.end * 10 / u32::try_from(self.columns).unwrap_or(u32::MAX));
        let mut axis = vec![(self.symbols.axis, DIM); self.columns + 1];
        let mut labels = self.blank();
        for nth in 0.. {
            let at = step * nth;
            if at > self.end {
                break;
            }
            let column = self.column(at);
            axis[column] = (self.symbols.tick, DIM);
            let label = text(&seconds(at), DIM);
            let start = column.min(labels.len() - label.len());
            labels[start..start + label.len()].copy_from_slice(&label);
        }
        [
            self.line("", self.symbols.corner, &axis),
            self.line("", ' ', &labels),
        ]
    }

    fn figure(&self, figure: &Figure, width: usize) -> Vec<String> {
        let swatch = figure.look.map(index).map(|look| {
            let fill = self.symbols.fills[look];
            styled(&format!("{fill}{fill}"), COLOURS[look].on_default()) + " "
        });
        let name_width = FIGURE_INDENT - if swatch.is_some() { 3 } else { 0 };
        let name = format!("{:<name_width$}", format!("{}:", figure.name));
        let name = swatch.unwrap_or_default() + &name;
        let indent = " ".repeat(FIGURE_INDENT);
        let mut lines = wrap(&figure.value, &indent, width);
        if let Some(first) = lines.first_mut() {
            first.replace_range(..FIGURE_INDENT, &name);
        }
        lines
    }
}

/// Where the values of the figures begin.
const FIGURE_INDENT: usize = 23;

fn text(text: &str, style: Style) -> Vec<Cell> {
    text.chars().map(|character| (character, style)).collect()
}

fn styled(text: &str, style: Style) -> String {
    format!("{style}{text}{style:#}")
}

/// The characters, with escape sequences where the style changes.
fn paint(cells: &[Cell]) -> String {
    let runs = cells.chunk_by(|one, next| one.1 == next.1);
    let paint = |run: &[Cell]| styled(&run.iter().map(|cell| cell.0).collect::<String>(), run[0].1);
    runs.map(paint).collect()
}

/// Breaks between words, with `indent` before each line.
fn wrap(words: &str, indent: &str, width: usize) -> Vec<String> {
    let options = Options::new(width)
        .initial_indent(indent)
        .subsequent_indent(indent);
    let options = options.word_splitter(WordSplitter::NoHyphenation);
    let lines = textwrap::wrap(words, options);
    lines.into_iter().map(Cow::into_owned).collect()
}
