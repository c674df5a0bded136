//! The pool at a moment.

use std::collections::BTreeMap;
use std::time::Duration;

use super::moves::{Game, UNSEEN};
use crate::guarantees::{Panic, Stop};
use crate::pools::{Adapter, Event};
use crate::script::Outcome;

type Log = Vec<(Duration, Event)>;

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worker {
    /// It waits for a job, from this time on.
    Free(Duration),
    /// This job is in flight.
    Busy(usize),
    /// The result of this job has not been read.
    Unread(usize),
    /// It has ended.
    Ended,
}

/// What the pool has done by a moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub at: Duration,
    /// By id. Threads are numbered in the order of their first jobs.
    pub workers: BTreeMap<usize, Worker>,
    /// How many workers the scaler wants.
    pub wanted: usize,
    pub queue: Vec<usize>,
    /// The job that only the limiter holds back.
    pub limited: Option<usize>,
    /// The jobs that wait for room in the queue.
    pub submitters: Vec<usize>,
    pub results: Vec<(usize, Outcome)>,
    /// What the pool has reported.
    pub reports: Vec<String>,
    pub handed_back: Vec<usize>,
    pub stopped: bool,
    /// Whether the pool has ended, and so have the results.
    pub over: bool,
    /// Why the run did not end, once all jobs had.
    pub error: Option<String>,
    /// When the pool does something by itself, or its timer is next due.
    pub next_due: Option<Duration>,
}

impl View {
    /// Computes it from the log of a run up to `now`, when all jobs of the script have come.
    pub fn new(game: &Game, now: Duration, mut log: Log, end: Result<Duration, String>) -> Self {
        let (script, guarantees) = (&game.script, &game.step.guarantees);
        let is_threads = matches!(game.step.adapter, Adapter::Threads(_));
        let mut view = Self {
            at: now,
            wanted: script.workers.get(),
            over: end.as_ref().is_ok_and(|end| *end <= now),
            error: end.err(),
            ..Self::default()
        };
        let mut last_id = view.wanted;
        view.workers = (1..=last_id)
            .map(|id| (id, Worker::Free(Duration::ZERO)))
            .collect();
        let mut waiting = Vec::from_iter(1..=script.jobs.len());
        let mut accepted = Vec::new();
        let mut names = BTreeMap::new();
        let mut name = |worker| {
            let next = names.len() + 1;
            let name = *names.entry(worker).or_insert(next);
            if is_threads { name } else { worker }
        };
        // Threads that start jobs at the same moment do that in no certain order.
        log.sort_by_key(|&(at, event)| match event {
            Event::Started { job, .. } => (at, job),
            _ => (at, 0),
        });
        for &(at, event) in log.iter().take_while(|(at, _)| *at <= now) {
            match event {
                Event::Submitted { job } => accepted.push(job),
                Event::Started { worker, job } => {
                    view.workers.insert(name(worker), Worker::Busy(job));
                    waiting.retain(|&other| other != job);
                }
                Event::Finished { worker, job } => {
                    let next = match (script.job(job).outcome, guarantees.panic) {
                        (Outcome::Panicked, Panic::Worker | Panic::ReplacedWorker) => Worker::Ended,
                        // Replies are read in the order of the jobs.
                        _ if guarantees.panicked == Some(Outcome::Lost) => Worker::Free(at),
                        _ => Worker::Unread(job),
                    };
                    view.workers.insert(name(worker), next);
                }
                Event::Result { job, outcome } => {
                    view.results.push((job, outcome));
                    view.turn(|worker| worker == Worker::Unread(job), Worker::Free(at));
                }
                Event::HandedBack { job } => {
                    view.handed_back.push(job);
                    waiting.retain(|&other| other != job);
                }
                Event::Stop => view.stopped = true,
                Event::ScaledUp { count } => {
                    view.wanted += count;
                    view.reports.push(format!("{count} more workers"));
                }
                Event::ScaledDown { count } => {
                    view.wanted = view.wanted.saturating_sub(count);
                    view.reports.push(format!("{count} fewer workers"));
                }
                Event::Ended { worker } => {
                    let worker = name(worker);
                    view.workers.insert(worker, Worker::Ended);
                    view.reports.push(format!("worker {worker} ended"));
                }
            }
            if guarantees.scales && !view.stopped {
                view.workers.retain(|_, worker| *worker != Worker::Ended);
                while view.workers.len() < view.wanted {
                    last_id += 1;
                    view.workers.insert(last_id, Worker::Free(at));
                }
            }
        }
        if view.stopped && (guarantees.stop == Stop::HandsBack || waiting.is_empty()) {
            // Not every pool reports that.
            view.turn(|worker| matches!(worker, Worker::Free(_)), Worker::Ended);
        }
        // An iterator is asked for the next job when the one before has its place.
        let asks = is_threads && guarantees.stop != Stop::Drains;
        for job in waiting {
            if !accepted.contains(&job) || asks && view.queue.len() >= script.capacity.get() {
                view.submitters.push(job);
            } else if guarantees.is_limited && view.limited.is_none() {
                view.limited = Some(job);
            } else {
                view.queue.push(job);
            }
        }
        let is_timed = guarantees.scales || guarantees.is_limited && !view.stopped;
        let ticks = now.div_duration_f64(script.period) as u32 + 1;
        let tick = (is_timed && !view.over && view.error.is_none()).then(|| script.period * ticks);
        let later = log.iter().map(|&(at, _)| at).find(|at| *at > now);
        let later = later.filter(|at| *at < now + UNSEEN);
        view.next_due = later.into_iter().chain(tick).min();
        view
    }

    /// Changes what these workers do.
    fn turn(&mut self, is: impl Fn(Worker) -> bool, next: Worker) {
        for worker in self.workers.values_mut().filter(|worker| is(**worker)) {
            *worker = next;
        }
    }

    /// The jobs that have been submitted and wait, in order.
    pub fn accepted(&self) -> Vec<usize> {
        [self.limited.as_slice(), &self.queue].concat()
    }

    /// The jobs that wait, in order.
    pub fn waiting(&self) -> Vec<usize> {
        [self.accepted(), self.submitters.clone()].concat()
    }

    /// The jobs in flight, with their workers.
    pub fn in_flight(&self) -> BTreeMap<usize, usize> {
        let workers = self.workers.iter().filter_map(|(id, worker)| match worker {
            Worker::Busy(job) => Some((*job, *id)),
            _ => None,
        });
        workers.collect()
    }

    /// The jobs in flight that were not yet.
    pub fn started(&self, before: &Self) -> BTreeMap<usize, usize> {
        let mut jobs = self.in_flight();
        jobs.retain(|job, _| !before.in_flight().contains_key(job));
        jobs
    }
}
