//! The screen: a line for each thing, and what the pool did.

use anstyle::{AnsiColor, Style};
use textwrap::fill;

use super::moves::Game;
use super::story::{mistake, story};
use super::view::{View, Worker};
use crate::guarantees::Stop;
use crate::script::Outcome;
use crate::timeline::picture::{list, seconds, title};
use crate::timeline::text::to_ascii;

/// Minimum number of columns.
pub const WIDTH: usize = 80;

const PLAIN: Style = Style::new();
const BOLD: Style = Style::new().bold();
const BUSY: Style = AnsiColor::Cyan.on_default();
const WRONG: Style = AnsiColor::Red.on_default().bold();

/// Draws the state after the last move, with a mark before each line that it has changed, and what the pool did.
pub fn draw(game: &Game, width: usize, ascii: bool) -> [String; 2] {
    let (title, moves) = (title(&game.step), cut(&game.words, width - "moves:".len()));
    let mut rows = format!("{BOLD}{title}{BOLD:#}\nmoves:{moves}\n\n");
    let before = lines(game, &game.before);
    for line in lines(game, &game.now) {
        let mark = if before.contains(&line) { ' ' } else { '▲' };
        let (name, text) = line;
        let plain = if text.is_empty() { "none" } else { &text };
        let text = cut(plain, width - "▲  worker 1 │ ".chars().count());
        let style = if text.contains('█') { BUSY } else { PLAIN };
        rows += &format!("{mark} {name:>9} │ {style}{text}{style:#}\n");
    }
    let story = fill(&(story(game) + "."), width);
    let mut words = format!("\n{BOLD}{story}{BOLD:#}\n");
    if let Some(mistake) = mistake(game) {
        let mistake = fill(&format!("Wrong: {mistake}."), width);
        words += &format!("{WRONG}{mistake}{WRONG:#}\n");
    }
    [rows, words].map(|text| if ascii { to_ascii(text) } else { text })
}

/// The end of a text that is too long: that is the newest.
fn cut(text: &str, width: usize) -> String {
    match text.chars().count().checked_sub(width) {
        None | Some(0) => text.into(),
        Some(more) => "..".to_owned() + &String::from_iter(text.chars().skip(more + 2)),
    }
}

/// The name and the text of each line.
fn lines(game: &Game, view: &View) -> Vec<(String, String)> {
    let (guarantees, settings) = (&game.step.guarantees, &game.script);
    let list = |jobs: &[usize]| list(jobs.iter().copied());
    let results = view.results.iter().map(|(job, outcome)| match outcome {
        Outcome::Done => job.to_string(),
        other => format!("{job} {other:?}").to_lowercase(),
    });
    let end = view.over.then(|| "end".into());
    let results = Vec::from_iter(results.chain(end)).join(", ");
    let (queued, capacity) = (view.queue.len(), settings.capacity);
    let closed = if view.stopped { ", closed" } else { "" };
    let queue = format!("{queued} of {capacity}{closed}: {}", list(&view.queue));
    let (period, burst, min) = (seconds(settings.period), settings.burst, settings.workers);
    let (max, wanted) = (settings.max_workers, view.wanted);
    let next = list(view.limited.as_slice());
    let limiter = format!("a start each {period}, at most {burst} at once; next: {next}");
    let scaler = format!("{min} to {max} workers, a look each {period}; wanted: {wanted}");
    let submitter = match &view.submitters[..] {
        [] => "none".into(),
        jobs if view.over => format!("keeps {}", list(jobs)),
        jobs => format!("waits for room with {}", list(jobs)),
    };
    let hands_back = guarantees.stop == Stop::HandsBack;
    let reports = matches!(game.step.name, "cancellation" | "dispatcher" | "dynamic");
    let workers = view.workers.iter().map(|(id, worker)| {
        let text = match worker {
            Worker::Free(_) => "free".into(),
            Worker::Busy(job) => format!("▐█████ {job} █████▌"),
            Worker::Unread(job) => format!("job {job} has ended, its result is not read"),
            Worker::Ended => "has ended".into(),
        };
        (format!("worker {id}"), text)
    });
    let others = [
        (true, "queue", queue),
        (guarantees.is_limited, "limiter", limiter),
        (guarantees.scales, "scaler", scaler),
        (true, "submitter", submitter),
        (true, "results", results),
        (reports, "reported", view.reports.join(", ")),
        (hands_back, "back", list(&view.handed_back)),
    ];
    let others = others.into_iter().filter(|(is_shown, ..)| *is_shown);
    let others = others.map(|(_, name, text)| (name.into(), text));
    workers.chain(others).collect()
}
