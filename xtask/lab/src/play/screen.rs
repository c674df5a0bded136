//! The screen: 80 columns, and a line or more for each thing.

use anstyle::{AnsiColor, Style};
use textwrap::{Options, WordSplitter, fill};
use xtask::steps::STEPS;

use super::moves::Game;
use super::view::{View, Worker};
use crate::guarantees::Stop;
use crate::script::Outcome;
use crate::timeline::picture::{count, seconds};
use crate::timeline::text::to_ascii;

const WIDTH: usize = 80;
const BOLD: Style = Style::new().bold();
const BUSY: Style = AnsiColor::Cyan.on_default();
const WRONG: Style = AnsiColor::Red.on_default().bold();

/// Draws the state after the last move, with a mark before what it has changed.
pub fn draw(game: &Game, ascii: bool) -> String {
    let settings = &game.settings;
    let row = STEPS.iter().find(|row| row.name == game.step.name);
    let idea = row.map_or("", |row| row.idea);
    let [.., now] = &game.views[..] else {
        return String::new();
    };
    let before = game
        .views
        .len()
        .checked_sub(2)
        .map(|nth| lines(game, &game.views[nth]));
    let mut text = format!("{BOLD}{}: {idea}{BOLD:#}\n", game.step.name);
    let room = count(settings.capacity.get(), "job");
    text += &format!(
        "{}, room for {room} in the queue",
        count(settings.workers.get(), "worker")
    );
    let period = seconds(settings.period);
    if game.step.guarantees.scales {
        text += &format!(
            ", at most {} workers, a look each {period}",
            settings.max_workers
        );
    }
    if game.step.guarantees.is_limited {
        text += &format!(", a start each {period}, burst {}", settings.burst);
    }
    let moves = wrapped(&format!("moves: {}", game.words.join(" ")), "       ");
    text += &format!("\n{}", moves.trim_end());
    text += "\n\n";
    for (name, line) in lines(game, now) {
        let is_new = before
            .as_ref()
            .is_some_and(|before| !before.contains(&(name.clone(), line.clone())));
        let mark = if is_new { '▲' } else { ' ' };
        let style = if line.contains('█') {
            BUSY
        } else {
            Style::new()
        };
        let line = wrapped(&line, &" ".repeat(14));
        text += format!("{mark} {name:>9} │ {style}{line}{style:#}").trim_end();
        text += "\n";
    }
    let story = wrapped(&format!("{}.", now.story), "");
    text += &format!("\n{BOLD}{story}{BOLD:#}\n");
    if let Some(mistake) = &now.mistake {
        text += &format!(
            "{WRONG}{}{WRONG:#}\n",
            wrapped(&format!("Wrong: {mistake}."), "")
        );
    }
    if ascii { to_ascii(text) } else { text }
}

fn wrapped(text: &str, indent: &str) -> String {
    let options = Options::new(WIDTH).word_splitter(WordSplitter::NoHyphenation);
    let options = options.initial_indent(indent).subsequent_indent(indent);
    fill(text, options).trim_start_matches(' ').into()
}

/// The name and the text of each line.
fn lines(game: &Game, view: &View) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut line = |name: &str, text: String| lines.push((name.to_owned(), text));
    for (id, worker) in &view.workers {
        let text = match worker {
            Worker::Free(_) => "free".into(),
            Worker::Busy(job) => format!("▐█████ {job} █████▌"),
            Worker::Unread(job) => format!("job {job} has ended, its result is not read"),
            Worker::Ended => "has ended".into(),
        };
        line(&format!("worker {id}"), text);
    }
    let capacity = game.settings.capacity;
    let closed = if view.stopped { ", closed" } else { "" };
    let queue = format!("{} of {capacity}{closed}: ", view.queue.len());
    line("queue", queue + &join(&view.queue));
    if game.step.guarantees.is_limited {
        line(
            "limiter",
            view.limited
                .map_or("-".into(), |job| format!("{job} is next")),
        );
    }
    line(
        "submitter",
        match &view.submitters[..] {
            [] => "-".into(),
            jobs => format!("waits for room with {}", join(jobs)),
        },
    );
    let results = view.results.iter().map(|(job, outcome)| match outcome {
        Outcome::Done => job.to_string(),
        Outcome::Failed => format!("{job} failed"),
        Outcome::Panicked => format!("{job} panicked"),
        Outcome::Lost => format!("{job} lost"),
    });
    let end = view.over.then(|| "end".into());
    line("results", or_none(results.chain(end), ", "));
    if let "cancellation" | "dispatcher" | "dynamic" = game.step.name {
        line("reported", or_none(view.reports.iter().cloned(), ", "));
    }
    if game.step.guarantees.stop == Stop::HandsBack {
        line("back", join(&view.handed_back));
    }
    lines
}

fn join(numbers: &[usize]) -> String {
    or_none(numbers.iter().map(usize::to_string), " ")
}

fn or_none(texts: impl Iterator<Item = String>, separator: &str) -> String {
    match Vec::from_iter(texts).join(separator) {
        none if none.is_empty() => "-".into(),
        some => some,
    }
}
