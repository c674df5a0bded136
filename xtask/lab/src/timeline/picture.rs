//! What there is to draw, whatever it is drawn with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::pools::{End, Event};
use crate::scenario::{Scenario, Show};
use crate::steps::Step;

use super::Recording;

/// A run of a step's pool: rows of workers, bars of work, and what else the section is about.
#[derive(Debug)]
pub struct Picture {
    /// The step and its idea.
    pub title: String,
    /// What the pool was given to do.
    pub caption: String,
    /// When the pool had ended.
    pub end: Duration,
    /// The workers, by the first job they took.
    pub rows: Vec<Row>,
    /// What happened besides.
    pub tracks: Vec<Track>,
    /// When the pool was stopped, and what that is called.
    pub stop: Option<(Duration, &'static str)>,
    /// What it comes to.
    pub figures: Vec<Figure>,
}

/// A line beneath the picture.
#[derive(Debug)]
pub struct Figure {
    /// The kind of bars that it is about, if it is about one.
    pub kind: Option<Kind>,
    /// Of what.
    pub name: &'static str,
    /// How much, or which.
    pub value: String,
}

/// A worker.
#[derive(Debug)]
pub struct Row {
    /// When the worker was there.
    pub alive: (Duration, Duration),
    /// What it did, in order.
    pub bars: Vec<Bar>,
}

/// A job, as long as a worker has it in hand.
#[derive(Debug)]
pub struct Bar {
    /// When, from and to.
    pub time: (Duration, Duration),
    /// Its number in the program.
    pub number: usize,
    /// How it ended.
    pub kind: Kind,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Well.
    Done,
    /// Well, and after the pool was stopped or cancelled.
    Late,
    /// In an error.
    Failed,
    /// In a panic.
    Panicked,
}

/// Something that happens beside the workers.
#[derive(Debug)]
pub enum Track {
    /// Moments, each with a few words or none.
    Marks {
        /// Of what.
        name: &'static str,
        /// When, and which.
        marks: Vec<(Duration, String)>,
        /// When there could have been one, and maybe was.
        chances: Vec<Duration>,
    },
    /// A number that changes.
    Level {
        /// Of what.
        name: &'static str,
        /// From when on it is how much.
        steps: Vec<(Duration, usize)>,
    },
}

impl Track {
    fn is_empty(&self) -> bool {
        match self {
            Self::Marks { marks, .. } => marks.is_empty(),
            Self::Level { steps, .. } => steps.is_empty(),
        }
    }
}

impl Picture {
    /// Computes the picture from what the pool did.
    pub fn new(step: &Step, recording: &Recording) -> Self {
        let scenario = &step.scenario;
        let stop = recording
            .events
            .iter()
            .find(|(_, event)| *event == Event::Stop)
            .map(|&(at, _)| {
                let name = if scenario.timeout.is_some() {
                    "cancel"
                } else {
                    "stop"
                };
                (at, name)
            });
        let rows = rows(scenario, recording);
        let tracks: Vec<_> = scenario
            .shows
            .iter()
            .map(|&show| track(show, scenario, recording))
            .filter(|track| !track.is_empty())
            .collect();
        let figures = figures(scenario, recording, &rows, &tracks);
        Self {
            title: format!("{}: {}", step.name, step.idea),
            caption: caption(scenario),
            end: recording.end,
            rows,
            tracks,
            stop,
            figures,
        }
    }

    /// How much time to draw; there is always some.
    pub fn span(&self) -> Duration {
        match self.end.is_zero() {
            true => Duration::from_secs(1),
            false => self.end,
        }
    }
}

/// The workers, in the order of the first job they took; those that took none come last.
fn rows(scenario: &Scenario, recording: &Recording) -> Vec<Row> {
    let mut workers = BTreeMap::<usize, Row>::new();
    let mut ends = BTreeMap::new();
    let mut stopped = false;
    // Whoever was there from the start is; others are there from their first job on.
    let row = |worker, at| Row {
        alive: (
            if worker <= scenario.workers.get() {
                Duration::ZERO
            } else {
                at
            },
            recording.end,
        ),
        bars: Vec::new(),
    };
    for &(at, event) in &recording.events {
        match event {
            Event::Started { worker, job } => {
                let row = workers.entry(worker).or_insert_with(|| row(worker, at));
                row.bars.push(Bar {
                    time: (at, recording.end),
                    number: job,
                    kind: Kind::Done,
                });
            }
            Event::Finished { worker, job } => {
                let bars = workers.get_mut(&worker).map(|row| &mut row.bars);
                if let Some(bar) =
                    bars.and_then(|bars| bars.iter_mut().rfind(|bar| bar.number == job))
                {
                    bar.time.1 = at;
                    bar.kind = if stopped { Kind::Late } else { Kind::Done };
                }
            }
            Event::Result {
                job,
                end: End::Failed,
            } => _ = ends.insert(job, Kind::Failed),
            Event::Result {
                job,
                end: End::Panicked,
            } => _ = ends.insert(job, Kind::Panicked),
            Event::Stop => stopped = true,
            Event::Ended { worker } => {
                workers
                    .entry(worker)
                    .or_insert_with(|| row(worker, at))
                    .alive
                    .1 = at;
            }
            _ => {}
        }
    }
    for missing in workers.len()..scenario.workers.get() {
        workers.insert(usize::MAX - missing, row(0, Duration::ZERO));
    }
    let mut rows: Vec<Row> = workers.into_values().collect();
    for bar in rows.iter_mut().flat_map(|row| &mut row.bars) {
        bar.kind = ends.get(&bar.number).copied().unwrap_or(bar.kind);
        bar.number = scenario.number(bar.number);
    }
    rows.sort_by_key(|row| match row.bars.first() {
        Some(bar) => (bar.time.0, bar.number),
        None => (Duration::MAX, 0),
    });
    rows
}

fn track(show: Show, scenario: &Scenario, recording: &Recording) -> Track {
    let marks = |name, pick: fn(Event) -> Option<usize>| {
        let label =
            |(at, jobs): (_, Vec<_>)| (at, list(jobs.into_iter().map(|job| scenario.number(job))));
        Track::Marks {
            name,
            marks: by_moment(recording, pick).map(label).collect(),
            chances: Vec::new(),
        }
    };
    match show {
        Show::Replies => marks("replies", |event| match event {
            Event::Result { job, .. } => Some(job),
            _ => None,
        }),
        Show::HandedBack => marks("handed back", handed_back),
        Show::Ticks => {
            // Closer than this, no two can be told apart.
            let closest = (recording.end / 1000).max(Duration::from_nanos(1));
            let period = scenario.period().unwrap_or(Duration::MAX).max(closest);
            let tick = |nth| Some(period.checked_mul(nth)?).filter(|&at| at <= recording.end);
            Track::Marks {
                name: "ticks",
                marks: by_moment(recording, started)
                    .map(|(at, jobs)| match jobs.len() {
                        1 => (at, String::new()),
                        several => (at, several.to_string()),
                    })
                    .collect(),
                chances: (1..).map_while(tick).collect(),
            }
        }
        Show::Queue => Track::Level {
            name: "queue",
            steps: queue(recording),
        },
        Show::Scaling => Track::Marks {
            name: "scaler",
            marks: by_moment(recording, |event| match event {
                Event::ScaledUp { count } => Some(format!("+{count}")),
                Event::ScaledDown { count } => Some(format!("-{count}")),
                _ => None,
            })
            .map(|(at, changes)| (at, changes.join(" ")))
            .collect(),
            chances: Vec::new(),
        },
    }
}

/// What `pick` takes of the events, together for each moment.
fn by_moment<T>(
    recording: &Recording,
    pick: impl Fn(Event) -> Option<T>,
) -> impl Iterator<Item = (Duration, Vec<T>)> {
    let mut moments = BTreeMap::<_, Vec<_>>::new();
    for &(at, event) in &recording.events {
        if let Some(picked) = pick(event) {
            moments.entry(at).or_default().push(picked);
        }
    }
    moments.into_iter()
}

fn started(event: Event) -> Option<usize> {
    match event {
        Event::Started { job, .. } => Some(job),
        _ => None,
    }
}

fn handed_back(event: Event) -> Option<usize> {
    match event {
        Event::HandedBack { job } => Some(job),
        _ => None,
    }
}

/// How many jobs have been submitted and not started, from when on.
fn queue(recording: &Recording) -> Vec<(Duration, usize)> {
    let changes = by_moment(recording, |event| match event {
        Event::Submitted { .. } => Some(1),
        Event::Started { .. } => Some(-1),
        _ => None,
    });
    let mut length = 0_isize;
    let level = |(at, changes): (_, Vec<_>)| {
        length += changes.iter().sum::<isize>();
        (at, usize::try_from(length).unwrap_or(0))
    };
    changes.map(level).collect()
}

/// The most that a level comes to.
pub fn peak(steps: &[(Duration, usize)]) -> usize {
    steps.iter().map(|&(_, level)| level).max().unwrap_or(0)
}

fn caption(scenario: &Scenario) -> String {
    let workers = scenario.workers.get();
    let workers = match scenario.max_workers {
        Some(max) => format!("{workers} to {}", count(max.get(), "worker")),
        None => count(workers, "worker"),
    };
    let (jobs, length) = (count(scenario.jobs, "job"), seconds(scenario.length));
    let mut caption = match (scenario.bursts, scenario.pause) {
        (Some(bursts), Some(pause)) => {
            let (bursts, pause) = (count(bursts, "burst"), seconds(pause));
            format!("{workers}, {bursts} of {jobs} of {length}, {pause} apart")
        }
        _ => format!("{workers}, {jobs} of {length}"),
    };
    if !scenario.apart.is_zero() {
        caption += &format!(", one every {}", seconds(scenario.apart));
    }
    if let Some(rate) = scenario.rate {
        caption += &format!(", at most {} started a second", number(rate));
    }
    if let Some(timeout) = scenario.timeout {
        caption += &format!(", cancelled after {} s", number(timeout));
    }
    if let (None, Some(pause)) = (scenario.bursts, scenario.pause) {
        caption += &format!(", stopped after {}", seconds(pause));
    }
    caption += scenario.note;
    caption
}

fn figures(
    scenario: &Scenario,
    recording: &Recording,
    rows: &[Row],
    tracks: &[Track],
) -> Vec<Figure> {
    let bars = || rows.iter().flat_map(|row| &row.bars);
    let makespan = bars().map(|bar| bar.time.1).max().unwrap_or_default();
    let length = |(from, to): (Duration, Duration)| to.saturating_sub(from);
    let worked: Duration = bars().map(|bar| length(bar.time)).sum();
    let there: Duration = rows.iter().map(|row| length(row.alive)).sum();
    let share = match there.is_zero() {
        true => NONE.into(),
        false => format!(
            "{:.0} % of their time",
            100.0 * worked.div_duration_f64(there)
        ),
    };

    let mut figures = Vec::new();
    let mut add = |kind, name, value| figures.push(Figure { kind, name, value });
    add(None, "Makespan", seconds(makespan));
    add(None, "Shortest possible", shortest(scenario, recording));
    add(None, "Workers worked", share);
    for track in tracks {
        if let Track::Level { steps, .. } = track {
            add(None, "Longest queue", count(peak(steps), "job"));
        }
    }
    if let Some(max) = scenario.max_workers {
        let there = |at| {
            let there = |row: &&Row| row.alive.0 == at || (row.alive.0..row.alive.1).contains(&at);
            rows.iter().filter(there).count()
        };
        let most = rows.iter().map(|row| there(row.alive.0)).max();
        add(
            None,
            "Most workers",
            format!("{} of {max}", most.unwrap_or(0)),
        );
    }
    if scenario.rate.is_some() {
        let mut starts: Vec<_> = bars().map(|bar| bar.time.0).collect();
        starts.sort_unstable();
        let closest = starts.windows(2).map(|pair| pair[1] - pair[0]).min();
        let closest = closest.map_or(NONE.into(), |gap| format!("{} apart", seconds(gap)));
        add(None, "Closest starts", closest);
    }
    for (kind, name) in [
        (Kind::Failed, "Failed"),
        (Kind::Panicked, "Panicked"),
        (Kind::Late, after(scenario)),
    ] {
        let of_kind = bars().filter(|bar| bar.kind == kind);
        let numbers = list(of_kind.map(|bar| bar.number));
        if numbers != NONE {
            add(Some(kind), name, numbers);
        }
    }
    if scenario.timeout.is_some() {
        let jobs = |pick: fn(Event) -> Option<usize>| -> BTreeSet<_> {
            let events = recording.events.iter();
            events.filter_map(|&(_, event)| pick(event)).collect()
        };
        let (handed_back, started) = (jobs(handed_back), jobs(started));
        let in_no_hand = |job: &usize| !handed_back.contains(job) && !started.contains(job);
        let never_submitted = list((1..=scenario.total()).filter(in_no_hand));
        add(None, "Handed back", list(handed_back));
        add(None, "Never submitted", never_submitted);
    }
    figures
}

/// What the makespan can be compared with, and under what conditions.
fn shortest(scenario: &Scenario, recording: &Recording) -> String {
    let workers = match scenario.max_workers {
        Some(max) => format!("with {} from the start", count(max.get(), "worker")),
        None => format!("on {}", count(scenario.workers.get(), "worker")),
    };
    let jobs = match scenario.timeout {
        // Of a pool that is cancelled nobody expects more than what it has started.
        Some(_) => recording
            .events
            .iter()
            .filter_map(|&(_, event)| started(event))
            .count(),
        None => scenario.total(),
    };
    let shortest = seconds(scenario.shortest(jobs));
    match scenario.rate {
        Some(rate) => format!("{shortest} {workers} at {} starts a second", number(rate)),
        None if scenario.apart.is_zero() => format!("{shortest} {workers}"),
        None => format!("{shortest} {workers}, as the jobs come in"),
    }
}

/// What to call jobs that finished after the pool was stopped or cancelled.
fn after(scenario: &Scenario) -> &'static str {
    match scenario.timeout {
        Some(_) => "Ended after cancel",
        None => "Ended after stop",
    }
}

/// `1 job`, `2 jobs`.
fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// With an exponent instead of a long row of zeros.
fn number(number: f64) -> String {
    match number {
        0.0 | 1e-6..1e9 => format!("{number}"),
        _ => format!("{number:e}"),
    }
}

/// In seconds, to a thousandth, with no more digits than needed.
pub fn seconds(time: Duration) -> String {
    let text = format!("{:.3}", time.as_secs_f64());
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} s")
}

/// What there is to list when there is nothing.
const NONE: &str = "none";

/// Numbers in order, with `1-3` for three or more in a row; if there are many, only the first.
fn list(numbers: impl IntoIterator<Item = usize>) -> String {
    let numbers = BTreeSet::from_iter(numbers);
    let mut runs = Vec::<(usize, usize)>::new();
    for &number in &numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let run = |&(first, last): &(usize, usize)| match last - first {
        0 => format!("{first}"),
        1 => format!("{first} {last}"),
        _ => format!("{first}-{last}"),
    };
    let mut list = Vec::from_iter(runs.iter().take(MAX_RUNS).map(run));
    if let Some(&(left_out, _)) = runs.get(MAX_RUNS) {
        list.push(format!("and {} more", numbers.range(left_out..).count()));
    }
    match list.is_empty() {
        true => NONE.into(),
        false => list.join(" "),
    }
}

/// More are not listed.
const MAX_RUNS: usize = 12;

/// The distance of marks on the axis: the next of 1, 2, 5, 10, 20, 50... milliseconds.
pub fn axis_step(least: Duration) -> Duration {
    let mut power = Duration::from_millis(1);
    loop {
        if let Some(factor) = [1, 2, 5]
            .into_iter()
            .find(|&factor| power * factor >= least)
        {
            return power * factor;
        }
        power *= 10;
    }
}
