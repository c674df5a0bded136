//! What was measured, as tables for people and as JSON for programs.

use std::fmt::{self, Display};

use comfy_table::{CellAlignment, Table as Layout, presets::NOTHING};
use serde_json::{Map, Value, json};

/// A value as measured, once or once a round. Displays as `0.49 (4%) ≤0.5✓`: the median, the spread from the
/// smallest to the largest in per cent of it, and the target.
#[derive(Clone, Default)]
pub struct Figure {
    pub rounds: Vec<f64>,
    pub at_most: Option<f64>,
}

impl Figure {
    pub fn median(&self) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        sorted.get(middle).copied().unwrap_or(f64::NAN) // the number of rounds is odd
    }

    pub fn min(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub fn max(&self) -> f64 {
        self.rounds.iter().copied().fold(0.0, f64::max)
    }

    /// The ratio of two medians.
    pub fn over(&self, other: &Self) -> Self {
        Self::from(self.median() / other.median())
    }

    pub fn at_most(self, at_most: impl Into<Option<f64>>) -> Self {
        let at_most = at_most.into();
        Self { at_most, ..self }
    }

    fn json(&self) -> Value {
        let (median, rounds, at_most) = (self.median(), &self.rounds, self.at_most);
        json!({ "median": median, "rounds": rounds, "at_most": at_most })
    }
}

impl From<f64> for Figure {
    fn from(value: f64) -> Self {
        Self::from_iter([value])
    }
}

impl FromIterator<f64> for Figure {
    fn from_iter<I: IntoIterator<Item = f64>>(rounds: I) -> Self {
        Self {
            rounds: rounds.into_iter().collect(),
            at_most: None,
        }
    }
}

impl Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let median = self.median();
        f.write_str(&number(median))?;
        if self.rounds.len() > 1 {
            write!(
                f,
                " ({:.0}%)",
                (self.max() - self.min()) / median.abs() * 100.0
            )?;
        }
        match self.at_most {
            Some(target) if median <= target => write!(f, "≤{target}✓"),
            Some(target) => write!(f, "≤{target}✗"),
            None => Ok(()),
        }
    }
}

/// To three digits, with a comma at each thousand.
pub fn number(number: f64) -> String {
    let digits = match number {
        number if number.fract() == 0.0 => 0,
        number => 2_usize.saturating_sub(number.abs().log10().max(0.0) as usize),
    };
    if number < 1000.0 {
        return format!("{number:.digits$}");
    }
    let text = format!("{number:.0}");
    let thousands = text.as_bytes().rchunks(3).rev();
    Vec::from_iter(thousands.map(String::from_utf8_lossy)).join(",")
}

/// Rows of figures.
pub struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<(String, Vec<Option<Figure>>)>,
}

impl Table {
    pub fn new(title: impl Into<String>, columns: impl IntoIterator<Item: Display>) -> Self {
        Self {
            title: title.into(),
            columns: columns
                .into_iter()
                .map(|column| column.to_string())
                .collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, with a figure or none in each column.
    pub fn row(
        &mut self,
        name: impl Display,
        figures: impl IntoIterator<Item: Into<Option<Figure>>>,
    ) {
        let figures = figures.into_iter().map(Into::into).collect();
        self.rows.push((name.to_string(), figures));
    }

    fn json(&self) -> Value {
        let row = |(name, figures): &(String, Vec<Option<Figure>>)| {
            let cells = self.columns.iter().zip(figures);
            let cells = cells.filter_map(|(column, figure)| Some((column, figure.as_ref()?)));
            let cells = cells.map(|(column, figure)| (column.clone(), figure.json()));
            json!({ "name": name, "figures": Map::from_iter(cells) })
        };
        json!({ "title": self.title, "rows": Vec::from_iter(self.rows.iter().map(row)) })
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut layout = Layout::new();
        let head = [String::new()].into_iter().chain(self.columns.clone());
        layout.load_style(NOTHING).add_row(head);
        for (name, figures) in &self.rows {
            let text = |figure: &Option<Figure>| figure.as_ref().map(Figure::to_string);
            let cells = figures
                .iter()
                .map(|figure| text(figure).unwrap_or_default());
            layout.add_row([name.clone()].into_iter().chain(cells));
        }
        for column in layout.column_iter_mut() {
            column.set_padding((0, 1));
            if column.index > 0 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(f, "\n{}\n{}", self.title, layout.trim_fmt())
    }
}

/// Tables that were measured together.
pub struct Section {
    pub title: &'static str,
    /// The share of the machine that others used meanwhile, in per cent; none where unknown.
    pub other_load: Figure,
    pub tables: Vec<Table>,
}

impl Section {
    pub fn json(&self) -> Value {
        let tables = Vec::from_iter(self.tables.iter().map(Table::json));
        json!({ "title": self.title, "other_load": self.other_load.json(), "tables": tables })
    }
}

impl Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n== {}", self.title)?;
        let rounds = &self.other_load.rounds;
        let busy = rounds.iter().filter(|share| **share > 5.0).count();
        match (rounds.len(), busy) {
            (0, _) => {
                f.write_str("Whether others used the machine is not known on this system.\n")?
            }
            (rounds, busy) => {
                let (median, most) = (self.other_load.median(), self.other_load.max());
                write!(
                    f,
                    "Others used {median:.0} % of the machine, {most:.0} % at most: "
                )?;
                match busy {
                    0 => writeln!(f, "it was quiet.")?,
                    _ => writeln!(f, "it was busy in {busy} of {rounds} rounds, so rough.")?,
                }
            }
        }
        self.tables.iter().try_for_each(|table| table.fmt(f))
    }
}
