//! What was measured, as text for people and as JSON for programs.

use comfy_table::{CellAlignment, Table, presets::NOTHING};
use serde_json::{Value, json};

/// The same for people and for programs.
pub type Output = (String, Value);

/// The smallest, the median and the largest.
pub fn spread(rounds: &[f64]) -> [f64; 3] {
    let mut sorted = rounds.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len() - 1; // the number of rounds is odd
    [0, last / 2, last].map(|place| sorted[place])
}

/// A value measured once or once a round, as `0.49 (4%)≤0.5✓`: the median, the spread from the smallest
/// to the largest in per cent of it, and the target.
pub fn figure(rounds: &[f64], at_most: impl Into<Option<f64>>) -> Output {
    let ([least, median, most], at_most) = (spread(rounds), at_most.into());
    let mut text = number(median);
    if rounds.len() > 1 {
        text += &format!(" ({:.0}%)", (most - least) / median.abs() * 100.0);
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

/// Tables that were measured together, and the share of the machine that others used in each round, in
/// per cent; none where unknown.
pub fn section(title: &str, other_load: &[f64], tables: Vec<Output>) -> Output {
    let (texts, tables): (Vec<_>, Vec<_>) = tables.into_iter().unzip();
    let mut load = "Whether others used the machine is not known on this system.".to_owned();
    if !other_load.is_empty() {
        let ([_, median, most], rounds) = (spread(other_load), other_load.len());
        load = format!("Others used {median:.0} % of the machine, {most:.0} % at most: ");
        load += &match other_load.iter().filter(|share| **share > 5.0).count() {
            0 => "it was quiet.".to_owned(),
            busy => format!("it was busy in {busy} of {rounds} rounds, so rough."),
        };
    }
    let text = format!("\n== {title}\n{load}\n{}", texts.concat());
    let json = json!({ "title": title, "other_load": other_load, "tables": tables });
    (text, json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_a_spread_and_a_target() {
        let numbers = [0.123, 5.0, 98.34, 1_234.5, 1_000_000.0].map(number);
        assert_eq!(numbers, ["0.12", "5", "98.3", "1,234", "1,000,000"]);
        assert_eq!(figure(&[0.4, 0.5, 0.6], 0.5).0, "0.50 (40%)≤0.5✓");
        assert_eq!(figure(&[0.6], 0.5).0, "0.60≤0.5✗");
    }
}
