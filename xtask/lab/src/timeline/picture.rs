//! A run as it is drawn, whatever it is drawn with.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use xtask::steps::STEPS;

use crate::harness::Run;
use crate::pools::Event;
use crate::program::Program;
use crate::script::{MILLISECOND, Outcome};
use crate::steps::Step;

/// Rows of workers, bars of work, and what else the section is about.
#[derive(Debug)]
pub struct Picture {
    pub title: String,
    pub caption: String,
    /// How much time it shows; never 0.
    pub span: Duration,
    /// The workers, in the order of the first job they took; those that took none come last.
    pub rows: Vec<Row>,
    /// The length of the queue from each time on; empty if the queue is not shown.
    pub queue: BTreeMap<Duration, usize>,
    /// Moments of one kind, under their name.
    pub tracks: BTreeMap<&'static str, Vec<Mark>>,
    /// When the pool was stopped, and what that is called.
    pub stop: Option<(Duration, &'static str)>,
    pub stats: Vec<Stat>,
}

/// A worker: from when to when it existed, and its jobs in order.
#[derive(Debug)]
pub struct Row {
    pub alive: Range<Duration>,
    pub bars: Vec<Bar>,
}

/// A job in flight: from when to when, and its number in the program.
#[derive(Debug)]
pub struct Bar {
    pub time: Range<Duration>,
    pub number: usize,
    pub style: BarStyle,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarStyle {
    Done,
    /// Done, after the pool was stopped or cancelled.
    Late,
    Failed,
    Panicked,
}

impl BarStyle {
    pub fn name(self) -> &'static str {
        ["done", "late", "failed", "panicked"][self as usize]
    }
}

/// A moment with a few words; `None` where something could have happened, and did not.
pub type Mark = (Duration, Option<String>);

/// A line beneath the picture: the bars that it is about, its name, and its value.
pub type Stat = (Option<BarStyle>, &'static str, String);

impl Picture {
    /// Computes the picture from what the pool did.
    pub fn new(step: &Step, run: &Run) -> Self {
        let program = &step.program;
        let second = Duration::from_secs(1);
        let span = if run.end.is_zero() { second } else { run.end };
        let stop = run.log.iter().rfind(|(_, event)| *event == Event::Stop);
        let stop_name = program.timeout.map_or("stop", |_| "cancel");
        let mut picture = Self {
            title: title(step),
            caption: caption(program),
            span,
            rows: rows(program, run),
            queue: program.rest.map_or_else(BTreeMap::new, |_| queue(run)),
            tracks: tracks(step, run, span),
            stop: stop.map(|&(at, _)| (at, stop_name)),
            stats: Vec::new(),
        };
        picture.stats = picture.stats(program, run);
        picture
    }

    /// The times on the axis: multiples of 1, 2, 5, 10, 20, 50... ms, at least `distance` apart.
    pub fn axis(&self, distance: Duration) -> impl Iterator<Item = Duration> {
        let power = |nth: u32| 10_u32.pow(nth / 3) * [1, 2, 5][nth as usize % 3];
        let mut periods = (0..).map(|nth| MILLISECOND * power(nth));
        let period = periods.find(|&period| period >= distance);
        multiples(period.unwrap_or(distance), self.span)
    }

    /// The maximum length of the queue.
    pub fn peak(&self) -> usize {
        self.queue.values().copied().max().unwrap_or(0)
    }

    fn stats(&self, program: &Program, run: &Run) -> Vec<Stat> {
        let (rate, timeout) = (program.rate, program.timeout);
        let bars = || self.rows.iter().flat_map(|row| &row.bars);
        let length = |time: &Range<Duration>| time.end.saturating_sub(time.start);
        let worked: Duration = bars().map(|bar| length(&bar.time)).sum();
        let alive: Duration = self.rows.iter().map(|row| length(&row.alive)).sum();
        let share = 100.0 * worked.div_duration_f64(alive.max(Duration::from_nanos(1)));
        let share = format!("{share:.0} % of their time");
        let makespan = bars().map(|bar| bar.time.end).max().unwrap_or_default();
        let shortest = shortest(program, bars().count());
        let has_queue = !self.queue.is_empty();
        let queue = has_queue.then(|| count(self.peak(), "job"));

        let rows = &self.rows;
        let alive = |at| rows.iter().filter(|row| row.alive.contains(&at)).count();
        let most = rows.iter().map(|row| alive(row.alive.start));
        let most = most.fold(program.workers().get(), usize::max);
        let most = program.max_workers.map(|max| format!("{most} of {max}"));

        let mut starts = Vec::from_iter(bars().map(|bar| bar.time.start));
        starts.sort_unstable();
        let closest = starts.windows(2).map(|pair| pair[1] - pair[0]).min();
        let closest = closest.map_or("none".into(), |gap| seconds(gap) + " apart");

        let ended = |style| {
            let mut bars = bars().filter(|bar| bar.style == style).peekable();
            bars.peek()?;
            Some(list(bars.map(|bar| bar.number)))
        };
        let late = timeout.map_or("Ended after stop", |_| "Ended after cancel");
        let jobs = BTreeSet::from_iter(1..=program.total());
        let started = BTreeSet::from_iter(bars().map(|bar| bar.number));
        let handed_back = run.log.iter().filter_map(|(_, event)| match event {
            Event::HandedBack { job } => Some(*job),
            _ => None,
        });
        let handed_back = BTreeSet::from_iter(handed_back);
        let new = &(&jobs - &started) - &handed_back;

        let stats = [
            (None, "Makespan", Some(seconds(makespan))),
            (None, "Shortest possible", Some(shortest)),
            (None, "Workers worked", Some(share)),
            (None, "Longest queue", queue),
            (None, "Most workers", most),
            (None, "Closest starts", rate.map(|_| closest)),
            (Some(BarStyle::Failed), "Failed", ended(BarStyle::Failed)),
            (
                Some(BarStyle::Panicked),
                "Panicked",
                ended(BarStyle::Panicked),
            ),
            (Some(BarStyle::Late), late, ended(BarStyle::Late)),
            (None, "Handed back", timeout.map(|_| list(handed_back))),
            (None, "Never submitted", timeout.map(|_| list(new))),
        ];
        let known = |(style, name, value): (_, _, Option<_>)| Some((style, name, value?));
        stats.into_iter().filter_map(known).collect()
    }
}

/// A step's name and idea.
pub fn title(step: &Step) -> String {
    let row = STEPS.iter().find(|row| row.name == step.name);
    format!("{}: {}", step.name, row.map_or("", |row| row.idea))
}

/// The workers: the first ones exist from the start, others from their first job on.
fn rows(program: &Program, run: &Run) -> Vec<Row> {
    let outcomes = run.log.iter().filter_map(|(_, event)| match *event {
        Event::Result { job, outcome } => Some((job, outcome)),
        _ => None,
    });
    let outcomes = BTreeMap::from_iter(outcomes);
    let row = |from| Row {
        alive: from..run.end,
        bars: Vec::new(),
    };
    let first = (1..=program.workers().get()).map(|worker| (worker, row(Duration::ZERO)));
    let mut rows = BTreeMap::from_iter(first);
    let mut done = BarStyle::Done;
    for &(at, event) in &run.log {
        match event {
            Event::Started { worker, job } => {
                let row = rows.entry(worker).or_insert_with(|| row(at));
                let (time, number, style) = (at..run.end, program.number(job), done);
                row.bars.push(Bar {
                    time,
                    number,
                    style,
                });
            }
            Event::Finished { worker, job } => {
                if let Some(bar) = rows.get_mut(&worker).and_then(|row| row.bars.last_mut()) {
                    bar.time.end = at;
                    bar.style = match outcomes.get(&job) {
                        Some(Outcome::Failed) => BarStyle::Failed,
                        Some(Outcome::Panicked) => BarStyle::Panicked,
                        _ => done,
                    };
                }
            }
            Event::Ended { worker } => _ = rows.entry(worker).and_modify(|row| row.alive.end = at),
            Event::Stop => done = BarStyle::Late,
            _ => {}
        }
    }
    let mut rows = Vec::from_iter(rows.into_values());
    rows.sort_by_key(|row| match row.bars.first() {
        Some(bar) => (bar.time.start, bar.number),
        None => (Duration::MAX, 0),
    });
    rows
}

/// The length of the queue from each time on.
fn queue(run: &Run) -> BTreeMap<Duration, usize> {
    let mut queue = BTreeMap::new();
    let mut waiting = 0_isize; // below 0 while a job has started, and its `submit` has not returned
    for &(at, event) in &run.log {
        waiting += match event {
            Event::Submitted { .. } => 1,
            Event::Started { .. } => -1,
            _ => continue,
        };
        queue.insert(at, waiting.max(0).unsigned_abs());
    }
    queue
}

/// What the section is about: replies, ticks, scaling, jobs that are handed back.
fn tracks(step: &Step, run: &Run, span: Duration) -> BTreeMap<&'static str, Vec<Mark>> {
    let program = &step.program;
    let mut tracks = BTreeMap::<_, Vec<Mark>>::new();
    if let Some(period) = program.period().filter(|_| program.total() > 0) {
        let period = period.max(span / 1000); // closer, they would be a line
        let ticks = multiples(period, span).skip(1).map(|at| (at, None));
        tracks.insert("ticks", ticks.collect());
    }
    let has_replies = step.guarantees.panicked == Some(Outcome::Lost); // of its own for each job
    let mut moments = BTreeMap::<_, Vec<_>>::new();
    for &(at, event) in &run.log {
        let (track, job) = match event {
            Event::Started { job, .. } if program.rate.is_some() => ("ticks", job),
            Event::Result { job, .. } if has_replies => ("replies", job),
            Event::HandedBack { job } => ("handed back", job),
            Event::ScaledUp { count } | Event::ScaledDown { count } => {
                let sign = if let Event::ScaledUp { .. } = event {
                    '+'
                } else {
                    '-'
                };
                let mark = (at, Some(format!("{sign}{count}")));
                tracks.entry("scaler").or_default().push(mark);
                continue;
            }
            _ => continue,
        };
        moments.entry((track, at)).or_default().push(job);
    }
    for ((track, at), jobs) in moments {
        let words = match track {
            "ticks" if jobs.len() == 1 => String::new(),
            "ticks" => jobs.len().to_string(),
            _ => list(jobs),
        };
        tracks.entry(track).or_default().push((at, Some(words)));
    }
    tracks
}

/// Multiples of the period, from 0 to `span`.
fn multiples(period: Duration, span: Duration) -> impl Iterator<Item = Duration> {
    let times = (0..).map(move |nth| period * nth);
    times.take_while(move |&at| at <= span)
}

fn caption(program: &Program) -> String {
    let (rate, interval, timeout) = (program.rate, program.interval, program.timeout);
    let workers = count(program.most_workers().get(), "worker");
    let workers = match program.max_workers {
        Some(_) => format!("{} to {workers}", program.workers()),
        None => workers,
    };
    let (jobs, duration) = (count(program.jobs(), "job"), seconds(program.duration));
    let jobs = match program.bursts {
        Some(bursts) => format!("{} of {jobs} of {duration}", count(bursts, "burst")),
        None => format!("{jobs} of {duration}"),
    };
    let rest = program.rest.map(|rest| match program.bursts {
        Some(_) => format!("{} apart", seconds(rest)),
        None => format!("stopped after {}", seconds(rest)),
    });
    let is_late = !interval.is_zero();
    let pause = program.pause.filter(|pause| !pause.is_zero());
    let there_is = |job: &usize| (1..=program.total()).contains(job);
    let fail = program.fail.filter(there_is);
    let panic = program.panic.filter(there_is);
    let parts = [
        Some(workers),
        Some(jobs),
        rest,
        is_late.then(|| format!("one every {}", seconds(interval))),
        rate.map(|rate| format!("at most {rate} started a second")),
        pause.map(|pause| format!("none for {} after half of them", seconds(pause))),
        timeout.map(|time| format!("cancelled after {}", seconds(time))),
        program
            .every_third_fails
            .then(|| "every third fails".into()),
        fail.map(|job| format!("job {job} fails")),
        panic.map(|job| format!("job {job} panics")),
    ];
    Vec::from_iter(parts.into_iter().flatten()).join(", ")
}

/// What the makespan of this many jobs can be compared with, and under what conditions.
fn shortest(program: &Program, jobs: usize) -> String {
    let shortest = seconds(program.lower_bound(jobs));
    let workers = count(program.most_workers().get(), "worker");
    let workers = match program.max_workers {
        Some(_) => format!("with {workers} from the start"),
        None => format!("on {workers}"),
    };
    match program.rate {
        Some(rate) => format!("{shortest} {workers} at {rate} starts a second"),
        None if program.interval.is_zero() => format!("{shortest} {workers}"),
        None => format!("{shortest} {workers}, as the jobs come in"),
    }
}

/// `1 job`, `2 jobs`.
pub fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// In seconds, to a thousandth, with no more digits than needed.
pub fn seconds(time: Duration) -> String {
    format!("{} s", (time.as_secs_f64() * 1000.0).round() / 1000.0)
}

/// Numbers in order, with `1-3` for three or more in a row; only the first 12 such runs.
pub fn list(numbers: impl IntoIterator<Item = usize>) -> String {
    let numbers = Vec::from_iter(BTreeSet::from_iter(numbers));
    let mut runs = numbers.chunk_by(|one, next| one + 1 == *next);
    let shown = runs.by_ref().take(12).map(|run| match run {
        [first, _, .., last] => format!("{first}-{last}"),
        few => Vec::from_iter(few.iter().map(usize::to_string)).join(" "),
    });
    let shown = Vec::from_iter(shown).join(" ");
    match runs.flatten().count() {
        0 if shown.is_empty() => "none".into(),
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
