//! What a pool has done by some moment, and what that means.

use std::collections::BTreeMap;
use std::time::Duration;

use super::moves::{Game, Move};
use crate::guarantees::{Panic, Stop};
use crate::harness::Run;
use crate::pools::{Adapter, Event};
use crate::script::{Outcome, Script};
use crate::timeline::picture::{count, list, seconds};

/// The maximum number of jobs.
const MAX_JOBS: usize = 99;

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

/// The pool at a moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub at: Duration,
    /// How many jobs have come.
    pub arrived: usize,
    /// By id. Threads that do the same have no order: they are numbered in the order of their first jobs.
    pub workers: BTreeMap<usize, Worker>,
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
    /// What the pool did after the last move, and why.
    pub story: String,
    /// What is wrong, in words.
    pub mistake: Option<String>,
    /// What time goes on to.
    pub next_due: Option<Duration>,
}

impl View {
    /// Computes it from a run, of which only the log up to `now` is looked at.
    pub fn new(
        game: &Game,
        script: &Script,
        arrived: usize,
        now: Duration,
        log: &[(Duration, Event)],
        run: &Result<Run, String>,
    ) -> Self {
        let guarantees = &game.step.guarantees;
        let before = game.views.last().cloned().unwrap_or_default();
        let names = names(log);
        let name = |worker: usize| match game.step.adapter {
            Adapter::Tasks(_) => worker,
            Adapter::Threads(_) => names.get(&worker).copied().unwrap_or(names.len() + worker),
        };
        let first = script.workers.get();
        let mut view = Self {
            at: now,
            arrived,
            workers: (1..=first)
                .map(|id| (id, Worker::Free(Duration::ZERO)))
                .collect(),
            over: run.as_ref().is_ok_and(|run| run.end <= now),
            ..Self::default()
        };
        let (mut last_id, mut retiring) = (first, 0_usize);
        let mut jobs = Vec::from_iter(1..=arrived); // those that wait
        let mut accepted = Vec::new();
        let mut unread = BTreeMap::new(); // by worker
        let mut story = Story::default();
        for &(at, event) in log.iter().filter(|(at, _)| *at <= now) {
            let is_new = at > before.at || game.views.is_empty();
            match event {
                Event::Submitted { job } => accepted.push(job),
                Event::Started { worker, job } => {
                    let worker = name(worker);
                    let was = view.workers.insert(worker, Worker::Busy(job));
                    let frees = view.workers.values().filter_map(|worker| match worker {
                        Worker::Free(since) => Some(*since),
                        _ => None,
                    });
                    let frees = Vec::from_iter(frees);
                    let first_free = match was {
                        Some(Worker::Free(since)) => {
                            !frees.is_empty() && frees.iter().all(|other| since < *other)
                        }
                        _ => false,
                    };
                    last_id = last_id.max(worker);
                    jobs.retain(|&other| other != job);
                    if is_new {
                        story.started.push((worker, job, first_free));
                    }
                }
                Event::Finished { worker, job } => {
                    let worker = name(worker);
                    let panicked = script.job(job).outcome == Outcome::Panicked;
                    let next = match guarantees.panic {
                        Panic::Worker | Panic::ReplacedWorker if panicked => Worker::Ended,
                        _ => Worker::Free(at),
                    };
                    view.workers.insert(worker, next);
                    if panicked && guarantees.panic == Panic::ReplacedWorker {
                        view.workers.remove(&worker);
                        last_id += 1;
                        view.workers.insert(last_id, Worker::Free(at));
                    }
                    if !panicked {
                        unread.insert(job, worker);
                    }
                    if is_new {
                        story.finished.push((worker, job));
                    }
                }
                Event::Result { job, outcome } => {
                    view.results.push((job, outcome));
                    unread.remove(&job);
                    if is_new {
                        story.results.push(job);
                    }
                }
                Event::HandedBack { job } => {
                    view.handed_back.push(job);
                    jobs.retain(|&other| other != job);
                    if is_new {
                        story.handed_back.push(job);
                    }
                }
                Event::Stop => {
                    view.stopped = true;
                    story.stopped |= is_new;
                }
                Event::ScaledUp { count: added } => {
                    let kept = added.min(retiring);
                    retiring -= kept;
                    for _ in kept..added {
                        last_id += 1;
                        view.workers.insert(last_id, Worker::Free(at));
                    }
                    view.reports.push(format!("{added} more workers"));
                    if is_new {
                        story.added = Some((added, kept));
                    }
                }
                Event::ScaledDown { count: retired } => {
                    retiring += retired;
                    view.reports.push(format!("{retired} fewer workers"));
                    if is_new {
                        story.retired = Some(retired);
                    }
                }
                Event::Ended { worker } => {
                    let worker = name(worker);
                    if guarantees.scales && !view.stopped {
                        retiring = retiring.saturating_sub(1);
                        view.workers.remove(&worker);
                    } else {
                        view.workers.insert(worker, Worker::Ended);
                    }
                    view.reports.push(format!("worker {worker} ended"));
                    if is_new {
                        story.ended.push(worker);
                    }
                }
            }
        }
        let cancelled = view.stopped && guarantees.stop == Stop::HandsBack;
        if cancelled || view.stopped && jobs.is_empty() {
            for worker in view.workers.values_mut() {
                if let Worker::Free(_) = worker {
                    *worker = Worker::Ended; // not every pool reports that
                }
            }
        }
        let has_replies = guarantees.panicked == Some(Outcome::Lost); // read in the order of the jobs
        if !has_replies {
            for (&job, worker) in &unread {
                if let Some(free @ Worker::Free(_)) = view.workers.get_mut(worker) {
                    *free = Worker::Unread(job);
                }
            }
        }
        // An iterator is asked for the next job when the one before has its place.
        let asks =
            matches!(game.step.adapter, Adapter::Threads(_)) && guarantees.stop != Stop::Drains;
        let mut waiting = jobs.into_iter().peekable();
        if guarantees.is_limited {
            view.limited = waiting.next_if(|job| accepted.contains(job));
        }
        let room = if asks {
            script.capacity.get()
        } else {
            usize::MAX
        };
        for job in waiting {
            match accepted.contains(&job) && view.queue.len() < room {
                true => view.queue.push(job),
                false => view.submitters.push(job),
            }
        }
        view.next_due = view.due(game, log, run);
        view.mistake = view.mistake(game, run);
        view.story = story.tell(game, &before, &view, script);
        view
    }

    /// Whether this move is possible now.
    pub fn allows(&self, one: Move) -> Result<(), String> {
        Err(match one {
            Move::End(job, _) if !self.in_flight().contains(&job) => {
                format!(
                    "job {job} is not in flight; in flight: {}",
                    list(self.in_flight())
                )
            }
            Move::Submit(_) | Move::Stop if self.stopped => "no more jobs come".into(),
            Move::Submit(count) if self.arrived + count > MAX_JOBS => {
                format!("{MAX_JOBS} jobs are the most")
            }
            _ => return Ok(()),
        })
    }

    /// The jobs in flight.
    pub fn in_flight(&self) -> Vec<usize> {
        let jobs = self.workers.values().filter_map(|worker| match worker {
            Worker::Busy(job) => Some(*job),
            _ => None,
        });
        jobs.collect()
    }

    /// When the pool would do something by itself, or its timer is next due.
    fn due(
        &self,
        game: &Game,
        log: &[(Duration, Event)],
        run: &Result<Run, String>,
    ) -> Option<Duration> {
        let guarantees = &game.step.guarantees;
        if let Adapter::Threads(_) = game.step.adapter {
            return None; // these have no timers
        }
        let end = self.at + Duration::from_secs(30); // before what ends unseen
        let mut later = log
            .iter()
            .map(|&(at, _)| at)
            .filter(|&at| at > self.at && at < end);
        let is_timed = guarantees.scales || guarantees.is_limited;
        let is_over = self.over || run.is_err() || self.stopped && guarantees.is_limited;
        let period = game.settings.period;
        let ticks = (self.at.as_nanos() / period.as_nanos() + 1) as u32;
        let tick = (is_timed && !is_over).then(|| period * ticks);
        later.next().into_iter().chain(tick).min()
    }

    /// A state in which something is wrong.
    fn mistake(&self, game: &Game, run: &Result<Run, String>) -> Option<String> {
        let stop = game.step.guarantees.stop;
        let waiting = Vec::from_iter(self.queue.iter().chain(&self.submitters).copied());
        let free = self
            .workers
            .iter()
            .find(|(_, worker)| matches!(worker, Worker::Free(_)));
        let unread = |worker: &Worker| matches!(worker, Worker::Unread(_));
        let some = self.workers.iter().find(|(_, worker)| unread(worker));
        let all_ended = self.workers.values().all(|worker| *worker == Worker::Ended);
        let goes_back = self.stopped && stop == Stop::HandsBack;
        if self.workers.values().all(unread) {
            Some("every worker waits for a result to be read; nobody reads".into())
        } else if let Some((id, Worker::Unread(job))) = some {
            Some(format!(
                "worker {id} has ended job {job}, and nobody reads its result"
            ))
        } else if all_ended && !waiting.is_empty() && self.over {
            Some(format!(
                "every worker has ended: lost with the pool: {}",
                jobs(&waiting)
            ))
        } else if all_ended && !waiting.is_empty() && !goes_back {
            Some(format!(
                "every worker has ended: nobody takes {}",
                jobs(&waiting)
            ))
        } else if let (Some((id, _)), Some(job)) = (free, waiting.first())
            && !game.step.guarantees.is_limited
        {
            Some(format!(
                "worker {id} is free and job {job} waits: nobody takes it"
            ))
        } else if let Err(error) = run {
            Some(format!("once all jobs have ended, {error}"))
        } else {
            None
        }
    }
}

/// The number of each worker, in the order of the first job that each has taken.
fn names(log: &[(Duration, Event)]) -> BTreeMap<usize, usize> {
    let mut first = BTreeMap::new();
    for &(at, event) in log {
        if let Event::Started { worker, job } = event {
            first.entry(worker).or_insert((at, job));
        }
    }
    let mut workers = Vec::from_iter(first);
    workers.sort_by_key(|&(_, first)| first);
    workers
        .into_iter()
        .zip(1..)
        .map(|((worker, _), number)| (worker, number))
        .collect()
}

/// What is new since the last move.
#[derive(Default)]
struct Story {
    /// Each worker with its job, and whether it was free for longer than all others that are.
    started: Vec<(usize, usize, bool)>,
    finished: Vec<(usize, usize)>,
    results: Vec<usize>,
    handed_back: Vec<usize>,
    ended: Vec<usize>,
    stopped: bool,
    /// How many workers were added, and how many of those were to retire.
    added: Option<(usize, usize)>,
    retired: Option<usize>,
}

impl Story {
    fn tell(mut self, game: &Game, before: &View, now: &View, script: &Script) -> String {
        let guarantees = &game.step.guarantees;
        let mut parts = Vec::new();
        let mut say = |part: String| parts.push(part);
        self.started.sort_by_key(|&(_, job, _)| job);
        if game.last_moves().is_empty() {
            say(format!("it is {}", seconds(now.at)));
        }
        for &(worker, job) in &self.finished {
            match script.job(job).outcome {
                Outcome::Failed => say(format!("job {job} ends with an error")),
                Outcome::Panicked => say(match guarantees.panic {
                    Panic::Worker => format!("job {job} panics, and ends worker {worker}"),
                    Panic::ReplacedWorker => {
                        format!("job {job} panics, and another worker replaces worker {worker}")
                    }
                    Panic::Job => {
                        format!("job {job} panics: its error is reported, and nothing else is lost")
                    }
                }),
                _ => say(format!("job {job} ends")),
            }
            if guarantees.panicked == Some(Outcome::Lost) {
                if now.results.contains(&(job, Outcome::Lost)) {
                    say("its reply is lost, and who waits for it is told".into());
                } else if !self.results.contains(&job) {
                    say("its reply waits to be read after those of the jobs before it".into());
                }
            }
        }
        if self.stopped {
            let flying = now.in_flight().len();
            let waiting = now.queue.len() + now.submitters.len() + self.handed_back.len();
            let waiting = waiting + usize::from(now.limited.is_some());
            let go = |number| if number == 1 { "goes" } else { "go" };
            let go_on = format!("{} in flight {} on", count(flying, "job"), go(flying));
            say(match guarantees.stop {
                Stop::Never => "no more jobs come: the queue is closed".into(),
                Stop::Drains => format!("stopped: {go_on}, and {waiting} that wait are still done"),
                Stop::HandsBack => format!("cancelled: {go_on}, {waiting} {} back", go(waiting)),
            });
        } else if game.last_moves().contains(&Move::Stop) {
            say("the submitter waits for room: no job comes after those".into());
        }
        if let Some((added, kept)) = self.added {
            say(match kept {
                0 => format!("many jobs wait: the scaler adds {}", count(added, "worker")),
                _ => format!(
                    "many jobs wait: the scaler wants {added} more, and takes back {}",
                    count(kept, "retirement")
                ),
            });
        } else if let Some(retired) = self.retired {
            let verb = if self.ended.is_empty() {
                "are to retire when their jobs end"
            } else {
                "retire"
            };
            say(format!(
                "no job waits: the scaler says that {} {verb}",
                count(retired, "worker")
            ));
        } else if game.last_moves().is_empty() && guarantees.scales {
            say("the scaler looks, and changes nothing".into());
        }
        for &(worker, job, longest) in &self.started {
            let just_free = self.finished.iter().any(|&(free, _)| free == worker);
            let is_new = !before.workers.contains_key(&worker) && !before.workers.is_empty();
            say(if just_free && before.limited != Some(job) {
                format!("worker {worker} is free first: it takes job {job}")
            } else if is_new {
                format!("worker {worker} is new and takes job {job}")
            } else if guarantees.is_limited {
                format!("the limiter lets job {job} start, on worker {worker}")
            } else if longest {
                format!("worker {worker} is free longest: it takes job {job}")
            } else {
                format!("worker {worker} takes job {job}")
            });
        }
        let moved = |job: &&usize| before.submitters.contains(job);
        for job in now.queue.iter().filter(moved) {
            say(format!("room in the queue: job {job} gets it"));
        }
        let known = |job: &usize| {
            before.queue.contains(job)
                || before.submitters.contains(job)
                || before.limited == Some(*job)
        };
        let new = Vec::from_iter(now.queue.iter().copied().filter(|job| !known(job)));
        if let Some(job) = now.limited.filter(|job| !known(job)) {
            say(format!("job {job} waits for the limiter"));
        }
        if !new.is_empty() && !self.stopped {
            say(match guarantees.is_limited {
                true => format!("{} in the queue", waits(&new)),
                false => format!("no worker is free: {} in the queue", waits(&new)),
            });
        }
        let new = Vec::from_iter(now.submitters.iter().copied().filter(|job| !known(job)));
        if !new.is_empty() && !self.stopped {
            say(format!(
                "the queue is full: the submitter waits with {}",
                jobs(&new)
            ));
        }
        for (worker, state) in &now.workers {
            let has_finished = self.finished.iter().any(|(free, _)| free == worker);
            if has_finished && matches!(state, Worker::Free(_)) && now.mistake.is_none() {
                say(format!("nothing for worker {worker} to start: it waits"));
            } else if has_finished && *state == Worker::Ended && now.stopped && !now.over {
                say(format!(
                    "nothing for worker {worker} to start any more: it ends"
                ));
            }
        }
        if !self.ended.is_empty() && !now.over && self.finished.is_empty() {
            say(format!("{} ended", workers(&self.ended)));
        }
        if !self.handed_back.is_empty() && !self.stopped {
            say(format!("{} to the caller", goes_back(&self.handed_back)));
        }
        if now.over && !before.over {
            say(match guarantees.stop {
                Stop::Drains => "the last worker has ended: the pool has stopped".into(),
                _ => "the last worker has ended: so the results end".into(),
            });
        }
        match parts.is_empty() {
            true => "nothing changes".into(),
            false => parts.join("; "),
        }
    }
}

fn jobs(numbers: &[usize]) -> String {
    let plural = if numbers.len() == 1 { "" } else { "s" };
    format!("job{plural} {}", list(numbers.iter().copied()))
}

fn workers(ids: &[usize]) -> String {
    match ids {
        [id] => format!("worker {id} has"),
        _ => format!("workers {} have", list(ids.iter().copied())),
    }
}

fn waits(numbers: &[usize]) -> String {
    let verb = if numbers.len() == 1 { "waits" } else { "wait" };
    format!("{} {verb}", jobs(numbers))
}

fn goes_back(numbers: &[usize]) -> String {
    let verb = if numbers.len() == 1 {
        "goes back"
    } else {
        "go back"
    };
    format!("{} {verb}", jobs(numbers))
}
