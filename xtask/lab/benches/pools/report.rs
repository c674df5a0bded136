//! What was measured, as text for people and as JSON for programs.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::contest::{Contest, Entry, Ratio, Target, median, range};
use crate::growth::Growth;
use crate::rate::Rate;

/// Everything that was measured.
pub struct Report {
    pub machine: String,
    pub rounds: usize,
    pub all_cores: Place,
    /// `None` where that cannot be asked for.
    pub one_core: Option<Place>,
    /// The share of the machine that others used during all that follows.
    pub foreign: Vec<f64>,
    pub rates: Vec<Rate>,
    pub growth: Vec<Growth>,
    /// Step, workers, and how long they took for 10,000 trivial jobs.
    pub many: Vec<(&'static str, usize, Duration)>,
    /// How long the article's first scenario took, of 2 seconds.
    pub start_up: Option<Duration>,
}

/// What was measured on some of the cores.
pub struct Place {
    pub contests: Vec<Contest>,
    /// The share of the machine that others used, in each round; none where unknown.
    pub foreign: Vec<f64>,
}

/// From here on the machine counts as busy with other things.
const FOREIGN: f64 = 0.05;

impl Report {
    /// Tables of at most 80 columns.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("a string takes all");
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let rounds = self.rounds;
        writeln!(out, "{}; medians of {rounds} rounds", self.machine)?;
        writeln!(out, "ns         what a job cost, work included")?;
        writeln!(
            out,
            "spread     from the fastest to the slowest round, of the median"
        )?;
        writeln!(
            out,
            "0.49≤0.5✓  the step's median over the peer's, and the target if there is one"
        )?;
        writeln!(
            out,
            "ideal      the jobs in a plain loop on each core that can share them; 1.3 of"
        )?;
        writeln!(out, "           it is a stretch")?;

        writeln!(out, "\n== All cores\n{}", load(&self.all_cores.foreign))?;
        for contest in &self.all_cores.contests {
            self::contest(out, contest)?;
        }
        writeln!(
            out,
            "\n== One core: without targets, but the numbers to compare over time"
        )?;
        match &self.one_core {
            None => writeln!(out, "It cannot be asked for on this system.")?,
            Some(place) => {
                writeln!(out, "{}", load(&place.foreign))?;
                for contest in &place.contests {
                    self::contest(out, contest)?;
                }
            }
        }
        writeln!(out, "\n== In its own time\n{}", load(&self.foreign))?;
        self.rates(out)?;
        self.growth(out)?;
        self.many(out)
    }

    fn rates(&self, out: &mut String) -> std::fmt::Result {
        if self.rates.is_empty() {
            return Ok(());
        }
        writeln!(
            out,
            "\nrate: how much of it is delivered, and the most starts beyond it in any window"
        )?;
        writeln!(
            out,
            "{:<13}{:>9}{:>7}{:>12}{:>8}{:>13}{:>8}",
            "", "starts/s", "burst", "delivered", "target", "most beyond", "target"
        )?;
        for rate in &self.rates {
            let (delivered, excess) = (median(&rate.delivered), rate.excess);
            let (enough, within) = match rate.limiter {
                "governor" => Default::default(),
                _ => (
                    format!("≥99{}", mark(delivered >= 0.99)),
                    format!("≤{}{}", rate.burst.get() + 1, mark(rate.is_within())),
                ),
            };
            writeln!(
                out,
                "{:<13}{:>9}{:>7}{:>10.1} %{enough:>8}{excess:>13.1}{within:>8}",
                rate.limiter,
                count(rate.asked.into()),
                rate.burst,
                delivered * 100.0
            )?;
        }
        writeln!(
            out,
            "A start is seen a little after it was allowed: hence one more than the burst."
        )
    }

    fn growth(&self, out: &mut String) -> std::fmt::Result {
        let Some(first) = self.growth.first() else {
            return Ok(());
        };
        writeln!(
            out,
            "\ngrowth: ns a job on one core, 2 workers, once started; peak memory in MiB"
        )?;
        write!(out, "{:<13}", "thousand jobs")?;
        for point in &first.sizes {
            write!(out, "{:>7}", count(point.jobs / 1000))?;
        }
        writeln!(out, "{:>14}{:>22}", "most/least", "memory, to 100,000")?;
        for growth in &self.growth {
            write!(out, "{:<13}", growth.step)?;
            for point in &growth.sizes {
                write!(out, "{:>7}", ns(point.ns))?;
            }
            let memory = growth.sizes.last().and_then(|point| point.memory);
            let memory = match (memory, growth.memory()) {
                (Some(kib), Some(ratio)) => {
                    format!("{:.1}, {}", kib as f64 / 1024.0, judged(ratio, Some(1.1)))
                }
                _ => "unknown".to_owned(),
            };
            writeln!(out, "{:>14}{memory:>22}", judged(growth.cost(), Some(1.15)))?;
        }
        Ok(())
    }

    fn many(&self, out: &mut String) -> std::fmt::Result {
        if !self.many.is_empty() {
            writeln!(out, "\nmany workers: start, 10,000 trivial jobs, end")?;
        }
        for (step, workers, time) in &self.many {
            let workers = count(*workers as u64);
            writeln!(
                out,
                "{step:<13}{workers:>10} workers{:>9.1} ms",
                time.as_secs_f64() * 1e3
            )?;
        }
        if let Some(time) = self.start_up {
            let ratio = time.as_secs_f64() / 2.0;
            writeln!(out, "\nthe article's first scenario, to its ideal of 2 s")?;
            writeln!(
                out,
                "{:<13}{:>14.4} s{:>11.4}≤1.01{}",
                "basic",
                time.as_secs_f64(),
                ratio,
                mark(ratio <= 1.01)
            )?;
        }
        Ok(())
    }

    /// All of it, with each round.
    pub fn json(&self) -> Value {
        let place = |place: &Place| {
            let contests: Vec<_> = place.contests.iter().map(contest_json).collect();
            json!({ "foreign_load": place.foreign, "contests": contests })
        };
        json!({
            "machine": self.machine,
            "rounds": self.rounds,
            "all_cores": place(&self.all_cores),
            "one_core": self.one_core.as_ref().map(place),
            "foreign_load": self.foreign,
            "rates": self.rates.iter().map(|rate| json!({
                "limiter": rate.limiter,
                "starts_per_second": rate.asked,
                "burst": rate.burst,
                "delivered": rate.delivered,
                "most_beyond_in_any_window": rate.excess,
            })).collect::<Vec<_>>(),
            "growth": self.growth.iter().map(|growth| json!({
                "step": growth.step,
                "cost_most_over_least": growth.cost(),
                "memory_most_over_100000": growth.memory(),
                "sizes": growth.sizes.iter().map(|point| json!({
                    "jobs": point.jobs,
                    "ns_per_job": point.ns,
                    "peak_memory_kib": point.memory,
                })).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "many_workers": self.many.iter().map(|(step, workers, time)| json!({
                "step": step,
                "workers": workers,
                "seconds": time.as_secs_f64(),
            })).collect::<Vec<_>>(),
            "start_up_seconds": self.start_up.map(|time| time.as_secs_f64()),
        })
    }
}

/// A column for each step, then a line for each peer with the steps' ratios to it.
fn contest(out: &mut String, contest: &Contest) -> std::fmt::Result {
    let what = format!("{}, {} workers", contest.jobs.name, contest.workers);
    let jobs = format!("{} jobs", count(contest.jobs.count));
    let steps = &contest.steps;
    let width = if steps.len() > 4 { 11 } else { 13 };
    let rest = (24 + width * steps.len()).saturating_sub(what.len());
    let rest = rest.max(jobs.len() + 2);
    writeln!(out, "\n{what}{jobs:>rest$}")?;

    let mut line = |name: &str, of: &str, spread: &str, cell: &dyn Fn(&Entry) -> String| {
        write!(out, "{name:<11}{of:>6}{spread:>7}")?;
        (steps.iter()).try_for_each(|step| write!(out, "{:>width$}", cell(step)))?;
        writeln!(out)
    };
    line("", "ns", "spread", &|step| step.name().to_owned())?;
    line("", "", "", &|step| ns(step.median()))?;
    line("", "", "", &spread)?;
    let ratios: Vec<_> = contest.ratios().collect();
    for peer in &contest.peers {
        line(peer.name(), &ns(peer.median()), &spread(peer), &|step| {
            let of_both = |ratio: &&Ratio| (ratio.step, ratio.peer) == (step.name(), peer.name());
            let ratio = ratios.iter().find(of_both);
            let ratio = ratio.expect("each step is over each peer");
            judged(ratio.value, ratio.target.map(|target| target.at_most))
        })?;
    }
    for (step, variant) in &contest.variants {
        let of_both = |ratio: &&Ratio| (ratio.step, ratio.peer) == (*step, variant.name());
        let ratio = ratios.iter().find(of_both);
        let ratio = ratio.expect("each variant has its step");
        let judged = judged(ratio.value, ratio.target.map(|target| target.at_most));
        let name = format!("{step} / {}", variant.name());
        let (of, spread) = (ns(variant.median()), spread(variant));
        writeln!(out, "{name:<34}{judged:>11} of {of} ns, spread {spread}")?;
    }
    Ok(())
}

fn contest_json(contest: &Contest) -> Value {
    let entry = |entry: &Entry| {
        let (min, max) = range(&entry.rounds);
        json!({
            "name": entry.name(),
            "median_ns": entry.median(),
            "min_ns": min,
            "max_ns": max,
            "rounds_ns": entry.rounds,
        })
    };
    let ratio = |ratio: Ratio| {
        json!({
            "step": ratio.step,
            "peer": ratio.peer,
            "ratio": ratio.value,
            "target": ratio.target.map(|target: Target| target.at_most),
            "stretch": ratio.target.is_some_and(|target| target.stretch),
            "met": ratio.target.map(|target| ratio.value <= target.at_most),
        })
    };
    let variants = contest.variants.iter().map(|(_, variant)| variant);
    json!({
        "jobs": contest.jobs.name,
        "count": contest.jobs.count,
        "workers": contest.workers,
        "steps": contest.steps.iter().map(entry).collect::<Vec<_>>(),
        "peers": contest.peers.iter().chain(variants).map(entry).collect::<Vec<_>>(),
        "ratios": contest.ratios().map(ratio).collect::<Vec<_>>(),
    })
}

/// What others did meanwhile.
fn load(foreign: &[f64]) -> String {
    if foreign.is_empty() {
        return "Whether others used the machine meanwhile is not known on this system.".into();
    }
    let (_, most) = range(foreign);
    let median = median(foreign) * 100.0;
    let busy = foreign.iter().filter(|share| **share > FOREIGN).count();
    let verdict = match busy {
        0 => "the machine was quiet".to_owned(),
        _ => format!("busy in {busy} of {} rounds, so rough", foreign.len()),
    };
    format!(
        "Others used {median:.0} % of the machine, {:.0} % at most: {verdict}.",
        most * 100.0
    )
}

fn judged(ratio: f64, at_most: Option<f64>) -> String {
    let digits = if ratio < 9.995 { 2 } else { 0 };
    match at_most {
        Some(at_most) => format!("{ratio:.digits$}≤{at_most}{}", mark(ratio <= at_most)),
        None => format!("{ratio:.digits$} "),
    }
}

fn mark(met: bool) -> char {
    if met { '✓' } else { '✗' }
}

/// From the fastest to the slowest round, in per cent of the median.
fn spread(entry: &Entry) -> String {
    let (min, max) = range(&entry.rounds);
    format!("{:.0}%", (max - min) / entry.median() * 100.0)
}

fn ns(ns: f64) -> String {
    match ns {
        ns if ns < 9.95 => format!("{ns:.1}"),
        ns => format!("{ns:.0}"),
    }
}

/// With a comma at each thousand.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in (0..digits.len()).rev().zip(digits.chars()) {
        text.push(digit);
        if place > 0 && place % 3 == 0 {
            text.push(',');
        }
    }
    text
}
