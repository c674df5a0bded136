//! Steps and peers that do the same jobs, in rounds: all share whatever else goes on, and another one is
//! first each time.

use std::hint::spin_loop;
use std::sync::Arc;
use std::thread;

use lab::pools::Adapter;
use lab::steps::STEPS;
use xtask::steps::Selection;

use crate::case::{Candidate, Case};
use crate::machine::{cores, others_since, progress, ticks};
use crate::peers;
use crate::report::{Output, figure, number, section, spread, table};

const TRIVIAL: &str = "trivial jobs";
const SHORT: &str = "jobs of 1 us";
const LONG: &str = "jobs of 10 us";
const SKEWED: &str = "jobs of 1 us, every 16th of 32 us";
const BUSY: &str = "trivial jobs beside a busy loop for each core";

/// Steps and peers, and the most cores that they use.
type Candidates = (fn() -> Vec<Candidate>, fn() -> Vec<Candidate>, usize);
const THREADS: Candidates = (
    || steps(|adapter| matches!(adapter, Adapter::Threads(_))),
    peers::of_threads,
    usize::MAX,
);
const TASKS: Candidates = (
    || steps(|adapter| matches!(adapter, Adapter::Tasks(_))),
    peers::of_tasks,
    1,
);
const BUSY_CORES: Candidates = (
    || vec![Candidate::new("dispatcher", beside_busy_loops)],
    || vec![Candidate::new("alone", |case| case.through("dispatcher"))],
    usize::MAX,
);

fn steps(is: fn(Adapter) -> bool) -> Vec<Candidate> {
    let steps = STEPS.iter().filter(|step| is(step.adapter));
    steps.map(|step| Candidate::step(step.name)).collect()
}

/// The nanoseconds of a job and of every 16th; the number of jobs on all cores, and on one, which has
/// only what is worth comparing over time; and the numbers of workers.
type Jobs = (&'static str, [f64; 2], [usize; 2], &'static [usize]);
const GROUPS: [(Candidates, Jobs); 9] = [
    (THREADS, (TRIVIAL, [0.0; 2], [1_000_000, 400_000], &[2, 8])),
    (THREADS, (SHORT, [1e3; 2], [1_000_000, 100_000], &[2, 8])),
    (THREADS, (LONG, [1e4; 2], [20_000, 0], &[2, 8])),
    (THREADS, (SKEWED, [1e3, 32e3], [48_000, 0], &[2, 8])),
    (THREADS, (TRIVIAL, [0.0; 2], [10_000, 0], &[1_000])),
    (TASKS, (TRIVIAL, [0.0; 2], [1_000_000, 400_000], &[2, 8])),
    (TASKS, (SHORT, [1e3; 2], [1_000_000, 0], &[2, 8])),
    (TASKS, (TRIVIAL, [0.0; 2], [10_000, 0], &[10_000])),
    (BUSY_CORES, (BUSY, [0.0; 2], [1_000_000, 0], &[2, 8])),
];

/// What a ratio should be at most.
fn target(step: &str, peer: &str, jobs: &str, workers: usize, one_core: bool) -> Option<f64> {
    Some(match (step, peer, jobs, workers) {
        ("dispatcher", "no results", _, _) if one_core => 1.2,
        _ if one_core || workers > 8 => return None,
        ("dispatcher", "no results", TRIVIAL, _) => 1.1,
        ("dispatcher", "no results", SHORT, 2) => 0.85,
        ("dispatcher", "no results", SHORT, 8) => 1.0,
        ("dispatcher", "ideal", SKEWED, _) => 1.4,
        ("dispatcher", "alone", BUSY, _) => 2.0,
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

/// The same jobs for some steps and their peers.
struct Group {
    jobs: &'static str,
    case: Case,
    /// Number of cores that can share the jobs.
    cores: usize,
    /// Steps, so many, and then peers, each with nanoseconds per job in each round.
    candidates: Vec<(Candidate, Vec<f64>)>,
    steps: usize,
}

pub fn measure(selected: &Selection, rounds: usize, quick: bool, one_core: bool) -> Output {
    let mut groups = groups(selected, quick, one_core);
    let mut other_load = Vec::new();
    for round in 1..=rounds {
        let start = ticks();
        for group in &mut groups {
            let count = group.candidates.len();
            for turn in 0..count {
                let (candidate, ns) = &mut group.candidates[(round + turn) % count];
                let (jobs, name) = (group.jobs, candidate.name);
                progress(format_args!("round {round}, {jobs}: {name}"));
                let shared_by = if name == "ideal" { group.cores } else { 1 };
                ns.push(candidate.measure(group.case) / shared_by as f64);
            }
        }
        other_load.extend(others_since(start));
    }
    let tables = groups.iter().map(|group| group.table(one_core)).collect();
    let titles = ["All cores", "One core: the figures to compare over time"];
    section(titles[usize::from(one_core)], &other_load, tables)
}

fn groups(selected: &Selection, quick: bool, one_core: bool) -> Vec<Group> {
    let mut groups = Vec::new();
    for ((steps, peers, max_cores), (jobs, ns, counts, workers)) in GROUPS {
        let (mut steps, mut peers) = (steps(), peers());
        steps.retain(|step| selected.includes(step.name));
        peers.retain(|peer| steps.iter().any(|step| peer.is_compared_with(step.name)));
        let unmeasured = |candidate: &Candidate| (candidate.clone(), Vec::new());
        let count = counts[usize::from(one_core)] / if quick { 10 } else { 1 };
        groups.extend(workers.iter().map(|workers| Group {
            jobs,
            case: Case::new(*workers, count, ns),
            cores: cores().min(max_cores).min(*workers),
            candidates: steps.iter().chain(&peers).map(unmeasured).collect(),
            steps: steps.len(),
        }));
    }
    groups.retain(|group| group.steps > 0 && group.case.jobs > 0);
    groups
}

impl Group {
    /// A column for each step, then a row for each peer with the steps' ratios to it.
    fn table(&self, one_core: bool) -> Output {
        let (workers, jobs) = (self.case.workers.get(), self.jobs);
        let (steps, peers) = self.candidates.split_at(self.steps);
        let mut columns = vec!["ns"];
        let mut rows = vec![("", vec![Output::default()])];
        for (step, own) in steps {
            columns.push(step.name);
            rows[0].1.push(figure(own, None));
        }
        for (peer, ns) in peers {
            let mut row = vec![figure(ns, None)];
            row.extend(steps.iter().map(|(step, own)| {
                let target = target(step.name, peer.name, jobs, workers, one_core);
                match peer.is_compared_with(step.name) {
                    true => figure(&[spread(own)[1] / spread(ns)[1]], target),
                    false => Output::default(),
                }
            }));
            rows.push((peer.name, row));
        }
        let count = number(self.case.jobs as f64);
        let title = format!("{count} {jobs}, {workers} workers");
        table(&title, &columns, rows)
    }
}

/// `dispatcher` beside a busy loop for each core.
fn beside_busy_loops(case: Case) -> usize {
    thread::scope(|scope| {
        let lifetime = Arc::new(()); // dropped even by a panic
        for _ in 0..cores() {
            let lifetime = Arc::downgrade(&lifetime);
            scope.spawn(move || {
                while lifetime.strong_count() > 0 {
                    spin_loop();
                }
            });
        }
        case.through("dispatcher")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_candidate_does_all_jobs() {
        for ((steps, peers, _), _) in GROUPS {
            for candidate in steps().iter().chain(&peers()) {
                candidate.measure(Case::new(2, 10, [0.0; 2]));
            }
        }
    }

    #[test]
    #[ignore = "takes seconds; .ci/run runs it"]
    fn a_million_jobs_are_each_done_once() {
        for step in STEPS {
            Candidate::step(step.name).measure(Case::new(4, 1_000_000, [0.0; 2]));
        }
    }
}
