//! A run as it is drawn, whatever it is drawn with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::harness::Run;
use crate::pools::Event;
use crate::scenario::{Failure, Scenario, Show};
use crate::script::Outcome;
use crate::steps::Step;

/// Rows of workers, bars of work, and what else the section is about.
#[derive(Debug)]
pub struct Picture {
    /// The step and its idea.
    pub title: String,
    /// What the pool was given to do.
    pub caption: String,
    /// How much time it shows; never 0.
    pub span: Duration,
    /// The workers, in the order of the first job they took.
    pub rows: Vec<Row>,
    /// What happened besides.
    pub tracks: Vec<Track>,
    /// When the pool was stopped, and what that is called.
    pub stop: Option<(Duration, &'static str)>,
    /// What it amounts to.
    pub figures: Vec<Figure>,
}

/// A line beneath the picture.
#[derive(Debug)]
pub struct Figure {
    /// The bars that it is about.
    pub look: Option<Look>,
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// A worker.
#[derive(Debug)]
pub struct Row {
    /// From when to when the worker existed.
    pub alive: (Duration, Duration),
    /// Its jobs, in order.
    pub bars: Vec<Bar>,
}

/// A job in flight.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// From when to when.
    pub time: (Duration, Duration),
    /// Its number in the program.
    pub number: usize,
    /// How it looks.
    pub look: Look,
}

/// How a job ended, and whether it ended well after the pool was stopped or cancelled.
pub type Look = (Outcome, bool);

/// The place of a look in tables of them: done, late, failed, panicked.
pub fn index(look: Look) -> usize {
    match look {
        (Outcome::Failed, _) => 2,
        (Outcome::Panicked, _) => 3,
        (_, late) => usize::from(late),
    }
}

/// Something that happens beside the workers.
#[derive(Debug)]
pub enum Track {
    /// Moments, each with a few words or none.
    Marks {
        /// The name of the track.
        name: &'static str,
        /// The time and the words of each.
        marks: Vec<(Duration, String)>,
        /// When there could have been one.
        chances: Vec<Duration>,
    },
    /// A number that changes.
    Level {
        /// The name of the track.
        name: &'static str,
        /// From when on it has which value.
        steps: Vec<(Duration, usize)>,
    },
}

impl Picture {
    /// Computes the picture from what the pool did.
    pub fn new(step: &Step, run: &Run) -> Self {
        let scenario = &step.scenario;
        let stop = run.log.iter().find(|(_, event)| *event == Event::Stop);
        let stop_name = if scenario.timeout.is_some() {
            "cancel"
        } else {
            "stop"
        };
        let rows = rows(scenario, run);
        let tracks = scenario
            .shows
            .iter()
            .filter_map(|&show| track(show, scenario, run));
        let tracks = Vec::from_iter(tracks);
        Self {
            title: format!("{}: {}", step.name, step.idea()),
            caption: caption(scenario),
            span: if run.end.is_zero() {
                Duration::from_secs(1)
            } else {
                run.end
            },
            figures: figures(scenario, run, &rows, &tracks),
            rows,
            tracks,
            stop: stop.map(|&(at, _)| (at, stop_name)),
        }
    }
}

/// The workers, in the order of the first job they took; those that took none come last.
fn rows(scenario: &Scenario, run: &Run) -> Vec<Row> {
    let minimum = scenario.workers().get();
    // The first workers exist from the start, others from their first job on.
    let row = |worker, at| Row {
        alive: (
            if worker <= minimum {
                Duration::ZERO
            } else {
                at
            },
            run.end,
        ),
        bars: Vec::new(),
    };
    let mut workers = BTreeMap::<usize, Row>::new();
    let mut reported = BTreeMap::new();
    let mut stopped = false;
    for &(at, event) in &run.log {
        match event {
            Event::Started { worker, job } => {
                let row = workers.entry(worker).or_insert_with(|| row(worker, at));
                row.bars.push(Bar {
                    time: (at, run.end),
                    number: job,
                    look: (Outcome::Done, false),
                });
            }
            Event::Finished { worker, job } => {
                let row = workers.entry(worker).or_insert_with(|| row(worker, at));
                if let Some(bar) = row.bars.iter_mut().rfind(|bar| bar.number == job) {
                    bar.time.1 = at;
                    bar.look = (Outcome::Done, stopped);
                }
            }
            Event::Result {
                job,
                outcome: outcome @ (Outcome::Failed | Outcome::Panicked),
            } => {
                reported.insert(job, (outcome, false));
            }
            Event::Stop => stopped = true,
            Event::Ended { worker } => {
                let row = workers.entry(worker).or_insert_with(|| row(worker, at));
                row.alive.1 = at;
            }
            _ => {}
        }
    }
    let mut rows = Vec::from_iter(workers.into_values());
    let missing = minimum.saturating_sub(rows.len());
    rows.extend((0..missing).map(|_| row(0, Duration::ZERO)));
    for bar in rows.iter_mut().flat_map(|row| &mut row.bars) {
        bar.look = reported.get(&bar.number).copied().unwrap_or(bar.look);
        bar.number = scenario.number(bar.number);
    }
    rows.sort_by_key(|row| {
        row.bars
            .first()
            .map_or((Duration::MAX, 0), |bar| (bar.time.0, bar.number))
    });
    rows
}

fn track(show: Show, scenario: &Scenario, run: &Run) -> Option<Track> {
    let jobs = |name, pick: fn(Event) -> Option<usize>| {
        let numbers = |jobs: Vec<_>| list(jobs.into_iter().map(|job| scenario.number(job)));
        let marks = by_moment(run, pick).map(|(at, jobs)| (at, numbers(jobs)));
        (name, Vec::from_iter(marks), Vec::new())
    };
    let (name, marks, chances) = match show {
        Show::Queue => {
            let steps = queue(run);
            let name = "queue";
            return (!steps.is_empty()).then_some(Track::Level { name, steps });
        }
        Show::Replies => jobs("replies", |event| match event {
            Event::Result { job, .. } => Some(job),
            _ => None,
        }),
        Show::HandedBack => jobs("handed back", handed_back),
        Show::Ticks => {
            let several = |count: usize| {
                if count == 1 {
                    String::new()
                } else {
                    count.to_string()
                }
            };
            let marks = by_moment(run, started).map(|(at, jobs)| (at, several(jobs.len())));
            // Closer than this, no two ticks can be told apart.
            let closest = (run.end / 1000).max(Duration::from_nanos(1));
            let period = scenario.period().unwrap_or(Duration::MAX).max(closest);
            let tick = |nth| period.checked_mul(nth).filter(|&at| at <= run.end);
            ("ticks", marks.collect(), (1..).map_while(tick).collect())
        }
        Show::Scaling => {
            let changes = by_moment(run, |event| match event {
                Event::ScaledUp { count } => Some(format!("+{count}")),
                Event::ScaledDown { count } => Some(format!("-{count}")),
                _ => None,
            });
            let marks = changes.map(|(at, changes)| (at, changes.join(" ")));
            ("scaler", marks.collect(), Vec::new())
        }
    };
    (!marks.is_empty()).then_some(Track::Marks {
        name,
        marks,
        chances,
    })
}

/// What `pick` takes of the events, together for each moment.
fn by_moment<T>(
    run: &Run,
    pick: impl Fn(Event) -> Option<T>,
) -> impl Iterator<Item = (Duration, Vec<T>)> {
    let mut moments = BTreeMap::<_, Vec<_>>::new();
    for &(at, event) in &run.log {
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

/// From when on how many jobs were submitted and not started.
fn queue(run: &Run) -> Vec<(Duration, usize)> {
    let changes = by_moment(run, |event| match event {
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

/// The maximum of a level.
pub fn peak(steps: &[(Duration, usize)]) -> usize {
    steps.iter().map(|&(_, level)| level).max().unwrap_or(0)
}

fn caption(scenario: &Scenario) -> String {
    let (workers, jobs) = (scenario.workers().get(), count(scenario.jobs(), "job"));
    let workers = match scenario.max_workers {
        Some(max) => format!("{workers} to {}", count(max.get(), "worker")),
        None => count(workers, "worker"),
    };
    let duration = seconds(scenario.duration);
    let mut caption = match scenario.bursts {
        Some(bursts) => {
            let rest = seconds(scenario.rest.unwrap_or_default());
            format!(
                "{workers}, {} of {jobs} of {duration}, {rest} apart",
                count(bursts, "burst")
            )
        }
        None => format!("{workers}, {jobs} of {duration}"),
    };
    let mut add = |words: String| caption += &format!(", {words}");
    if !scenario.interval.is_zero() {
        add(format!("one every {}", seconds(scenario.interval)));
    }
    if let Some(rate) = scenario.rate {
        add(format!("at most {} started a second", number(rate)));
    }
    if let Some(pause) = scenario.pause.filter(|&pause| pause > 0.0) {
        add(format!("none for {} s after half of them", number(pause)));
    }
    if let Some(timeout) = scenario.timeout {
        add(format!("cancelled after {} s", number(timeout)));
    }
    if let (None, Some(rest)) = (scenario.bursts, scenario.rest) {
        add(format!("stopped after {}", seconds(rest)));
    }
    if scenario.every_third_fails {
        add("every third fails".into());
    }
    let there_is = |job: &usize| (1..=scenario.total()).contains(job);
    if let Some(job) = scenario.fail.filter(there_is) {
        add(format!("job {job} fails"));
    }
    if let Some(job) = scenario.panic.filter(there_is) {
        add(format!("job {job} panics"));
    }
    if scenario.on_failure == Some(Failure::Stop) {
        add("the first failure stops it".into());
    }
    caption
}

fn figures(scenario: &Scenario, run: &Run, rows: &[Row], tracks: &[Track]) -> Vec<Figure> {
    let bars = || rows.iter().flat_map(|row| &row.bars);
    let length = |(from, to): (Duration, Duration)| to.saturating_sub(from);
    let worked: Duration = bars().map(|bar| length(bar.time)).sum();
    let alive: Duration = rows.iter().map(|row| length(row.alive)).sum();
    let share = match alive.is_zero() {
        true => NONE.into(),
        false => format!(
            "{:.0} % of their time",
            100.0 * worked.div_duration_f64(alive)
        ),
    };
    let makespan = bars().map(|bar| bar.time.1).max().unwrap_or_default();

    let mut figures = Vec::new();
    let mut add = |look, name, value| figures.push(Figure { look, name, value });
    add(None, "Makespan", seconds(makespan));
    add(None, "Shortest possible", shortest(scenario, run));
    add(None, "Workers worked", share);
    for track in tracks {
        if let Track::Level { steps, .. } = track {
            add(None, "Longest queue", count(peak(steps), "job"));
        }
    }
    if let Some(max) = scenario.max_workers {
        let alive = |row: &Row, at| row.alive.0 == at || (row.alive.0..row.alive.1).contains(&at);
        let alive = |at| rows.iter().filter(|row| alive(row, at)).count();
        let most = rows.iter().map(|row| alive(row.alive.0)).max();
        add(
            None,
            "Most workers",
            format!("{} of {max}", most.unwrap_or(0)),
        );
    }
    if scenario.rate.is_some() {
        let mut starts = Vec::from_iter(bars().map(|bar| bar.time.0));
        starts.sort_unstable();
        let closest = starts.windows(2).map(|pair| pair[1] - pair[0]).min();
        let closest = closest.map_or(NONE.into(), |gap| format!("{} apart", seconds(gap)));
        add(None, "Closest starts", closest);
    }
    let after = if scenario.timeout.is_some() {
        "Ended after cancel"
    } else {
        "Ended after stop"
    };
    let looks = [
        (Outcome::Failed, false),
        (Outcome::Panicked, false),
        (Outcome::Done, true),
    ];
    for (look, name) in looks.into_iter().zip(["Failed", "Panicked", after]) {
        let numbers = list(bars().filter(|bar| bar.look == look).map(|bar| bar.number));
        if numbers != NONE {
            add(Some(look), name, numbers);
        }
    }
    if scenario.hands_back() {
        let jobs = |pick: fn(Event) -> Option<usize>| -> BTreeSet<_> {
            run.log
                .iter()
                .filter_map(|&(_, event)| pick(event))
                .collect()
        };
        let (handed_back, started) = (jobs(handed_back), jobs(started));
        let is_missing = |job: &usize| !handed_back.contains(job) && !started.contains(job);
        let never_submitted = list((1..=scenario.total()).filter(is_missing));
        add(None, "Handed back", list(handed_back));
        if scenario.timeout.is_some() {
            add(None, "Never submitted", never_submitted);
        }
    }
    figures
}

/// What the makespan can be compared with, and under what conditions.
fn shortest(scenario: &Scenario, run: &Run) -> String {
    let workers = match scenario.max_workers {
        Some(max) => format!("with {} from the start", count(max.get(), "worker")),
        None => format!("on {}", count(scenario.workers().get(), "worker")),
    };
    let jobs = match scenario.hands_back() {
        true => run
            .log
            .iter()
            .filter(|(_, event)| started(*event).is_some())
            .count(),
        false => scenario.total(),
    };
    let shortest = seconds(scenario.lower_bound(jobs));
    match scenario.rate {
        Some(rate) => format!("{shortest} {workers} at {} starts a second", number(rate)),
        None if scenario.interval.is_zero() => format!("{shortest} {workers}"),
        None => format!("{shortest} {workers}, as the jobs come in"),
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

/// An empty list.
const NONE: &str = "none";

/// More runs of numbers are not listed.
const MAX_RUNS: usize = 12;

/// Numbers in order, with `1-3` for three or more in a row; only the first if there are many.
fn list(numbers: impl IntoIterator<Item = usize>) -> String {
    let numbers = Vec::from_iter(BTreeSet::from_iter(numbers));
    let runs = Vec::from_iter(numbers.chunk_by(|one, next| one + 1 == *next));
    let mut list = Vec::from_iter(runs.iter().take(MAX_RUNS).map(|run| match run {
        [first, _, .., last] => format!("{first}-{last}"),
        few => Vec::from_iter(few.iter().map(usize::to_string)).join(" "),
    }));
    let left_out: usize = runs.iter().skip(MAX_RUNS).map(|run| run.len()).sum();
    if left_out > 0 {
        list.push(format!("and {left_out} more"));
    }
    match list.is_empty() {
        true => NONE.into(),
        false => list.join(" "),
    }
}

/// The distance of marks on the axis: the next of 1, 2, 5, 10, 20, 50... milliseconds.
pub fn axis_step(least: Duration) -> Duration {
    let powers = std::iter::successors(Some(Duration::from_millis(1)), |power| Some(*power * 10));
    let mut steps = powers.flat_map(|power| [1, 2, 5].map(|factor| power * factor));
    steps.find(|&step| step >= least).unwrap_or(least)
}
