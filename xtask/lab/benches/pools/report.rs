//! What was measured, as text for people and as JSON for programs.

use comfy_table::{CellAlignment, Table, presets::NOTHING};
use serde_json::{Value, json};

/// The same for people and for programs.
pub type Output = (String, Value);

pub fn median(rounds: &[f64]) -> f64 {
    let mut sorted = rounds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2] // the number of rounds is odd
}

pub fn min(rounds: &[f64]) -> f64 {
    rounds.iter().copied().fold(f64::INFINITY, f64::min)
}

pub fn max(rounds: &[f64]) -> f64 {
    rounds.iter().copied().fold(0.0, f64::max)
}

/// A value measured once or once a round, as `0.49 (4%)≤0.5✓`: the median, the spread from the smallest to
/// the largest in per cent of it, and the target.
pub fn figure(rounds: &[f64], at_most: impl Into<Option<f64>>) -> Output {
    let (median, at_most) = (median(rounds), at_most.into());
    let mut text = number(median);
    if rounds.len() > 1 {
        let spread = (max(rounds) - min(rounds)) / median.abs() * 100.0;
        text += &format!(" ({spread:.0}%)");
    }
    if let Some(target) = at_most {
        let mark = if median <= target { '✓' } else { '✗' };
        text += &format!("≤{target}{mark}");
    }
    let json = json!({ "median": median, "rounds": rounds, "at_most": at_most });
    (text, json)
}

/// To three digits, with a comma at each thousand.
pub fn number(number: f64) -> String {
    let digits = match number.fract() {
        0.0 => 0,
        _ => 2_usize.saturating_sub(number.abs().log10() as usize),
    };
    let mut text = format!("{number:.digits$}");
    if number >= 1000.0 {
        for place in (1..text.len() - 2).rev().step_by(3) {
            text.insert(place, ',');
        }
    }
    text
}

/// Rows of figures, each with a name.
pub fn table(title: &str, columns: &[&str], rows: Vec<(&str, Vec<Output>)>) -> Output {
    let mut layout = Table::new();
    layout.load_style(NOTHING);
    layout.add_row([""].iter().chain(columns));
    let mut json = Vec::new();
    for (name, figures) in rows {
        let (texts, values): (Vec<_>, Vec<_>) = figures.into_iter().unzip();
        layout.add_row([name.to_owned()].into_iter().chain(texts));
        let figures = Value::from_iter(columns.iter().copied().zip(values));
        json.push(json!({ "name": name, "figures": figures }));
    }
    for column in layout.column_iter_mut() {
        column.set_padding((0, 1));
        if column.index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let text = format!("\n{title}\n{}\n", layout.trim_fmt());
    (text, json!({ "title": title, "rows": json }))
}

/// Tables that were measured together, and the share of the machine that others used in each round, in per
/// cent; none where unknown.
pub fn section(title: &str, other_load: &[f64], tables: Vec<Output>) -> Output {
    let (texts, tables): (Vec<_>, Vec<_>) = tables.into_iter().unzip();
    let rough = other_load.iter().filter(|share| **share > 5.0).count();
    let load = match other_load.len() {
        0 => "The load of others is not known on this system".to_owned(),
        rounds => format!(
            "Others used {:.0} % of the machine, {:.0} % at most, and over 5 % in {rough} of {rounds} \
             rounds, which are rough",
            median(other_load),
            max(other_load),
        ),
    };
    let text = format!("\n== {title}\n{load}.\n{}", texts.concat());
    let json = json!({ "title": title, "other_load": other_load, "tables": tables });
    (text, json)
}
