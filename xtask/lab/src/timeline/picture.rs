//! A run as it is drawn, whatever it is drawn with.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::successors;
use std::time::Duration;

use errors::OnFailure;

use crate::harness::Run;
use crate::pools::Event;
use crate::scenario::Scenario;
use crate::script::Outcome;
use crate::steps::Step;

/// Rows of workers, bars of work, and what else the section is about.
#[derive(Debug)]
pub struct Picture {
    pub title: String,
    pub caption: String,
    /// How much time it shows; never 0.
    pub span: Duration,
    /// The workers, in the order of the first job they took.
    pub rows: Vec<Row>,
    /// The length of the queue from each time on; empty if the queue is not shown.
    pub queue: Vec<(Duration, usize)>,
    pub tracks: Vec<Track>,
    /// When the pool was stopped, and what that is called.
    pub stop: Option<(Duration, &'static str)>,
    pub figures: Vec<Figure>,
}

/// A worker: from when to when it existed, and its jobs in order.
#[derive(Debug)]
pub struct Row {
    pub alive: (Duration, Duration),
    pub bars: Vec<Bar>,
}

/// A job in flight: from when to when, and its number in the program.
#[derive(Debug)]
pub struct Bar {
    pub time: (Duration, Duration),
    pub number: usize,
    pub look: Look,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Done,
    /// Done, after the pool was stopped or cancelled.
    Late,
    Failed,
    Panicked,
}

impl Look {
    pub fn name(self) -> &'static str {
        ["done", "late", "failed", "panicked"][self as usize]
    }
}

/// Moments of one kind.
#[derive(Debug)]
pub struct Track {
    pub name: &'static str,
    pub marks: Vec<Mark>,
}

/// A moment with a few words; `None` where something could have happened, and did not.
pub type Mark = (Duration, Option<String>);

/// A line beneath the picture: the bars that it is about, its name, and its value.
pub type Figure = (Option<Look>, &'static str, String);

impl Picture {
    /// Computes the picture from what the pool did.
    pub fn new(step: &Step, run: &Run) -> Self {
        let scenario = &step.scenario;
        let mut picture = Self {
            title: format!("{}: {}", step.name, step.idea()),
            caption: caption(scenario),
            span: run.end,
            rows: rows(scenario, run),
            queue: queue(scenario, run),
            tracks: Vec::new(),
            stop: None,
            figures: Vec::new(),
        };
        if run.end.is_zero() {
            picture.span = Duration::from_secs(1);
        }
        if let Some((at, _)) = run.log.iter().find(|(_, event)| *event == Event::Stop) {
            let name = scenario.timeout.map_or("stop", |_| "cancel");
            picture.stop = Some((*at, name));
        }
        picture.tracks = picture.tracks(scenario, run);
        picture.figures = picture.figures(scenario, run);
        picture
    }

    /// The times on the axis: multiples of 1, 2, 5, 10, 20, 50... ms, at least `distance` apart.
    pub fn axis(&self, distance: Duration) -> impl Iterator<Item = Duration> {
        let powers = successors(Some(Duration::from_millis(1)), |power| Some(*power * 10));
        let mut steps = powers.flat_map(|power| [1, 2, 5].map(|factor| power * factor));
        let step = steps.find(|&step| step >= distance).unwrap_or(distance);
        let times = (0..).map(move |nth| step * nth);
        times.take_while(|&at| at <= self.span)
    }

    /// The maximum length of the queue.
    pub fn peak(&self) -> usize {
        let lengths = self.queue.iter().map(|&(_, length)| length);
        lengths.max().unwrap_or(0)
    }

    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.rows.iter().flat_map(|row| &row.bars)
    }

    fn tracks(&self, scenario: &Scenario, run: &Run) -> Vec<Track> {
        let mut tracks = BTreeMap::<_, BTreeMap<_, Vec<_>>>::new();
        for &(at, event) in &run.log {
            let (name, number) = match event {
                Event::Result { job, .. } if scenario.shows_replies => ("replies", job),
                Event::HandedBack { job } => ("handed back", job),
                Event::Started { job, .. } if scenario.rate.is_some() => ("ticks", job),
                Event::ScaledUp { count } | Event::ScaledDown { count } => ("scaler", count),
                _ => continue,
            };
            let moments = tracks.entry(name).or_default();
            moments.entry(at).or_default().push((event, number));
        }
        let words = |happened: Vec<(Event, usize)>| match happened[..] {
            [(Event::Started { .. }, _)] => String::new(),
            [(Event::Started { .. }, _), ..] => happened.len().to_string(),
            [(Event::ScaledUp { count }, _), ..] => format!("+{count}"),
            [(Event::ScaledDown { count }, _), ..] => format!("-{count}"),
            _ => list(happened.into_iter().map(|(_, job)| job)),
        };
        let tick = |nth| {
            let period = scenario.period()?.max(self.span / 1000); // closer, they would be a line
            let at = period.checked_mul(nth)?;
            (at <= self.span).then_some((at, None))
        };
        let mark = |(at, happened)| (at, Some(words(happened)));
        let tracks = tracks.into_iter().map(|(name, moments)| {
            let ticks = (1..).map_while(tick);
            let marks = ticks.chain(moments.into_iter().map(mark)).collect();
            Track { name, marks }
        });
        tracks.collect()
    }

    fn figures(&self, scenario: &Scenario, run: &Run) -> Vec<Figure> {
        let length = |(from, to): (Duration, Duration)| to.saturating_sub(from);
        let worked: Duration = self.bars().map(|bar| length(bar.time)).sum();
        let alive: Duration = self.rows.iter().map(|row| length(row.alive)).sum();
        let share = 100.0 * worked.div_duration_f64(alive.max(Duration::from_nanos(1)));
        let share = format!("{share:.0} % of their time");
        let makespan = self.bars().map(|bar| bar.time.1).max();
        let shortest = shortest(scenario, self.bars().count());

        let mut figures = Vec::new();
        let mut add = |look, name, value| figures.push((look, name, value));
        add(None, "Makespan", seconds(makespan.unwrap_or_default()));
        add(None, "Shortest possible", shortest);
        add(None, "Workers worked", share);
        if !self.queue.is_empty() {
            add(None, "Longest queue", count(self.peak(), "job"));
        }
        if let Some(max) = scenario.max_workers {
            let is_alive = |row: &&Row, at| (row.alive.0..row.alive.1).contains(&at);
            let alive = |at| self.rows.iter().filter(|row| is_alive(row, at)).count();
            let alive = self.rows.iter().map(|row| alive(row.alive.0));
            let most = alive.fold(scenario.workers().get(), usize::max);
            add(None, "Most workers", format!("{most} of {max}"));
        }
        if scenario.rate.is_some() {
            let mut starts = Vec::from_iter(self.bars().map(|bar| bar.time.0));
            starts.sort_unstable();
            let closest = starts.windows(2).map(|pair| pair[1] - pair[0]).min();
            let closest = closest.map(|gap| format!("{} apart", seconds(gap)));
            add(None, "Closest starts", closest.unwrap_or("none".into()));
        }
        let late = match scenario.timeout {
            Some(_) => "Ended after cancel",
            None => "Ended after stop",
        };
        let looks = [Look::Failed, Look::Panicked, Look::Late];
        for (look, name) in looks.into_iter().zip(["Failed", "Panicked", late]) {
            let mut bars = self.bars().filter(|bar| bar.look == look).peekable();
            if bars.peek().is_some() {
                add(Some(look), name, list(bars.map(|bar| bar.number)));
            }
        }
        if scenario.hands_back() {
            let handed_back = run.log.iter().filter_map(|&(_, event)| match event {
                Event::HandedBack { job } => Some(job),
                _ => None,
            });
            let handed_back = BTreeSet::from_iter(handed_back);
            let started = BTreeSet::from_iter(self.bars().map(|bar| bar.number));
            let is_new = |job: &usize| !handed_back.contains(job) && !started.contains(job);
            let never_submitted = list((1..=scenario.total()).filter(is_new));
            add(None, "Handed back", list(handed_back));
            if scenario.timeout.is_some() {
                add(None, "Never submitted", never_submitted);
            }
        }
        figures
    }
}

/// The workers, in the order of the first job they took; those that took none come last.
fn rows(scenario: &Scenario, run: &Run) -> Vec<Row> {
    let outcomes = run.log.iter().filter_map(|&(_, event)| match event {
        Event::Result { job, outcome } => Some((job, outcome)),
        _ => None,
    });
    let outcomes = BTreeMap::from_iter(outcomes);
    let row = |from| {
        let (alive, bars) = ((from, run.end), Vec::new());
        Row { alive, bars }
    };
    // The first workers exist from the start, others from their first job on.
    let first = (1..=scenario.workers().get()).map(|worker| (worker, row(Duration::ZERO)));
    let mut workers = BTreeMap::from_iter(first);
    let mut well = Look::Done;
    for &(at, event) in &run.log {
        match event {
            Event::Started { worker, job } => {
                let row = workers.entry(worker).or_insert_with(|| row(at));
                let (time, number, look) = ((at, run.end), scenario.number(job), well);
                row.bars.push(Bar { time, number, look });
            }
            Event::Finished { worker, job } => {
                let row = workers.get_mut(&worker);
                if let Some(bar) = row.and_then(|row| row.bars.last_mut()) {
                    bar.time.1 = at;
                    bar.look = match outcomes.get(&job) {
                        Some(Outcome::Failed) => Look::Failed,
                        Some(Outcome::Panicked) => Look::Panicked,
                        _ => well,
                    };
                }
            }
            Event::Ended { worker } => {
                if let Some(row) = workers.get_mut(&worker) {
                    row.alive.1 = at;
                }
            }
            Event::Stop => well = Look::Late,
            _ => {}
        }
    }
    let mut rows = Vec::from_iter(workers.into_values());
    let first_job = |row: &Row| row.bars.first().map(|bar| (bar.time.0, bar.number));
    rows.sort_by_key(|row| first_job(row).unwrap_or((Duration::MAX, 0)));
    rows
}

/// From each time on, the number of jobs that were submitted and not started.
fn queue(scenario: &Scenario, run: &Run) -> Vec<(Duration, usize)> {
    let mut lengths = BTreeMap::new();
    let mut length = 0_isize; // below 0 while a job has started, and its `submit` has not returned
    for &(at, event) in run.log.iter().filter(|_| scenario.rest.is_some()) {
        length += match event {
            Event::Submitted { .. } => 1,
            Event::Started { .. } => -1,
            _ => continue,
        };
        lengths.insert(at, usize::try_from(length).unwrap_or(0));
    }
    lengths.into_iter().collect()
}

fn caption(scenario: &Scenario) -> String {
    let workers = count(scenario.most_workers().get(), "worker");
    let jobs = count(scenario.jobs(), "job");
    let mut caption = match scenario.max_workers {
        Some(_) => format!("{} to {workers}, ", scenario.workers()),
        None => format!("{workers}, "),
    };
    if let Some(bursts) = scenario.bursts {
        caption += &format!("{} of ", count(bursts, "burst"));
    }
    caption += &format!("{jobs} of {}", seconds(scenario.duration));

    let rest = scenario.rest.map(|rest| match scenario.bursts {
        Some(_) => format!("{} apart", seconds(rest)),
        None => format!("stopped after {}", seconds(rest)),
    });
    let interval = Some(scenario.interval).filter(|interval| !interval.is_zero());
    let pause = scenario.pause.filter(|&pause| pause > 0.0);
    let there_is = |job: &usize| (1..=scenario.total()).contains(job);
    let fail = scenario.fail.filter(there_is);
    let panic = scenario.panic.filter(there_is);
    let (rate, timeout) = (scenario.rate, scenario.timeout);
    let every_third = scenario.every_third_fails;
    let stops = scenario.on_failure == Some(OnFailure::Stop);
    let conditions = [
        rest,
        interval.map(|interval| format!("one every {}", seconds(interval))),
        rate.map(|rate| format!("at most {rate} started a second")),
        pause.map(|pause| format!("none for {pause} s after half of them")),
        timeout.map(|time| format!("cancelled after {time} s")),
        every_third.then(|| "every third fails".into()),
        fail.map(|job| format!("job {job} fails")),
        panic.map(|job| format!("job {job} panics")),
        stops.then(|| "the first failure stops it".into()),
    ];
    let conditions = conditions.into_iter().flatten();
    conditions.fold(caption, |caption, condition| caption + ", " + &condition)
}

/// What the makespan of this many jobs can be compared with, and under what conditions.
fn shortest(scenario: &Scenario, jobs: usize) -> String {
    let shortest = seconds(scenario.lower_bound(jobs));
    let workers = count(scenario.most_workers().get(), "worker");
    let workers = match scenario.max_workers {
        Some(_) => format!("with {workers} from the start"),
        None => format!("on {workers}"),
    };
    match scenario.rate {
        Some(rate) => format!("{shortest} {workers} at {rate} starts a second"),
        None if scenario.interval.is_zero() => format!("{shortest} {workers}"),
        None => format!("{shortest} {workers}, as the jobs come in"),
    }
}

/// `1 job`, `2 jobs`.
fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// In seconds, to a thousandth, with no more digits than needed.
pub fn seconds(time: Duration) -> String {
    let text = format!("{:.3}", time.as_secs_f64());
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} s")
}

/// Numbers in order, with `1-3` for three or more in a row; only the first 12 such runs.
fn list(numbers: impl IntoIterator<Item = usize>) -> String {
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
