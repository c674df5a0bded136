//! Groups of candidates that do the same jobs, all of them in each round, so that they share whatever else goes on.

use std::num::NonZeroUsize;
use std::thread;

use lab::pools::Adapter;
use xtask::steps::Selection;

use crate::machine::Ticks;
use crate::progress::progress;
use crate::report::{Figure, Section, Table, number};
use crate::trial::{Candidate, Trial};
use crate::{harness, peers};

/// The same jobs for some steps and their peers.
struct Group {
    jobs: &'static str,
    trial: Trial,
    /// Number of cores that could share the jobs.
    cores: usize,
    /// With nanoseconds per job.
    steps: Vec<(Candidate, Figure)>,
    peers: Vec<(Candidate, Figure)>,
}

const TRIVIAL: &str = "trivial jobs";
const SHORT: &str = "jobs of 1 us";
const LONG: &str = "jobs of 10 us";
const SKEWED: &str = "jobs of 1 us, every 16th of 32 us";

/// What a ratio should be at most.
fn target(step: &str, peer: &str, jobs: &str, workers: usize, one_core: bool) -> Option<f64> {
    Some(match (step, peer, jobs, workers) {
        ("dispatcher", "threadpool", _, _) if one_core => 1.2,
        _ if one_core || workers > 8 => return None,
        ("dispatcher", "no results", TRIVIAL, _) => 1.1,
        ("dispatcher", "threadpool", SHORT, 2) => 0.85,
        ("dispatcher", "threadpool", SHORT, 8) => 1.0,
        ("dispatcher", "ideal", SKEWED, _) => 1.4,
        ("basic" | "waitgroup", "threadpool", TRIVIAL, _) => 0.5,
        ("basic" | "waitgroup", "the Book's", TRIVIAL, _) => 0.7,
        ("basic" | "waitgroup", "par_iter", LONG, _) => 1.05,
        ("basic" | "waitgroup" | "job-struct" | "errors", "threadpool", SHORT, 2) => 0.7,
        ("basic" | "waitgroup" | "job-struct" | "errors", "ideal", SHORT, 2) => 1.3,
        ("job-struct", "bounded(1)", TRIVIAL, _) => 0.5,
        ("errors", "basic, boxed", TRIVIAL, _) => 1.1,
        ("cancellation" | "dynamic", "JoinSet", TRIVIAL, _) => 0.5,
        _ => return None,
    })
}

/// Measures the selected steps and their peers; on one core only what is worth comparing over time.
pub fn measure(selected: &Selection, rounds: usize, quick: bool, one_core: bool) -> Section {
    let title = match one_core {
        true => "One core: the figures to compare over time",
        false => "All cores",
    };
    let mut groups = groups(selected, quick, one_core);
    let mut other_load = Figure::default();
    for round in 1..=rounds {
        let before = Ticks::now();
        for group in &mut groups {
            group.round(round, title);
        }
        other_load.rounds.extend(Ticks::others_since(before));
    }
    let tables = groups.iter().map(|group| group.table(one_core)).collect();
    Section {
        title,
        other_load,
        tables,
    }
}

fn groups(selected: &Selection, quick: bool, one_core: bool) -> Vec<Group> {
    const FEW: &[usize] = &[2, 8];
    let trivial = (
        TRIVIAL,
        [0.0; 2],
        if one_core { 400_000 } else { 1_000_000 },
        FEW,
    );
    let short = (
        SHORT,
        [1e3; 2],
        if one_core { 100_000 } else { 1_000_000 },
        FEW,
    );
    let long = (LONG, [1e4; 2], 20_000, FEW);
    let skewed = (SKEWED, [1e3, 32e3], 48_000, FEW);
    let many = |workers: &'static [usize]| (TRIVIAL, [0.0; 2], 10_000, workers);
    let (of_threads, of_tasks) = match one_core {
        true => (vec![trivial, short], vec![trivial]),
        false => (
            vec![trivial, short, long, skewed, many(&[1_000])],
            vec![trivial, short, many(&[10_000])],
        ),
    };
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get); // 1 where pinned
    let fields = [
        (of_threads, cores, true, peers::of_threads()),
        (of_tasks, 1, false, peers::of_tasks()),
    ];
    let mut groups = Vec::new();
    for (kinds, cores, on_threads, peers) in fields {
        let with_figure = |candidate: Candidate| (candidate, Figure::default());
        let steps = harness::steps(selected)
            .filter(|step| matches!(step.adapter, Adapter::Threads(_)) == on_threads);
        let steps = Vec::from_iter(steps.map(|step| with_figure(Candidate::step(step))));
        let is_beside = |peer: &Candidate| steps.iter().any(|(step, _)| peer.is_beside(step.name));
        let peers = Vec::from_iter(peers.into_iter().filter(is_beside).map(with_figure));
        for (jobs, ns, count, workers) in kinds {
            let count = if quick { count / 10 } else { count };
            groups.extend(workers.iter().map(|workers| Group {
                jobs,
                trial: Trial::new(*workers, count, ns),
                cores: cores.min(*workers),
                steps: steps.clone(),
                peers: peers.clone(),
            }));
        }
    }
    groups.retain(|group| !group.steps.is_empty());
    groups
}

impl Group {
    fn title(&self) -> String {
        let count = number(self.trial.jobs as f64);
        format!("{count} {}, {} workers", self.jobs, self.trial.workers)
    }

    /// Measures all of them once, another one first each time.
    fn round(&mut self, round: usize, place: &str) {
        let title = self.title();
        let mut entries = Vec::from_iter(self.steps.iter_mut().chain(&mut self.peers));
        let first = round % entries.len();
        entries.rotate_left(first);
        for (candidate, ns) in entries {
            let name = candidate.name;
            progress(format_args!("{place}, round {round}: {title}: {name}"));
            let shared_by = if name == "ideal" { self.cores } else { 1 };
            let cost = candidate.measure(self.trial) / shared_by as f64;
            ns.rounds.push(cost);
        }
    }

    /// A column for each step, then a row for each peer with the steps' ratios to it.
    fn table(&self, one_core: bool) -> Table {
        let names = self.steps.iter().map(|(step, _)| step.name);
        let mut table = Table::new(self.title(), ["ns"].into_iter().chain(names));
        let own = self.steps.iter().map(|(_, ns)| Some(ns.clone()));
        table.row("", [None].into_iter().chain(own));
        for (peer, ns) in &self.peers {
            let ratio = |(step, own): &(Candidate, Figure)| {
                let workers = self.trial.workers.get();
                let target = target(step.name, peer.name, self.jobs, workers, one_core);
                peer.is_beside(step.name)
                    .then(|| own.over(ns).at_most(target))
            };
            let ratios = self.steps.iter().map(ratio);
            table.row(peer.name, [Some(ns.clone())].into_iter().chain(ratios));
        }
        table
    }
}
