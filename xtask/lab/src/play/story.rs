//! In words: what the pool did after the last move and why, and what is wrong.

use super::moves::Game;
use super::view::Worker;
use crate::guarantees::Stop;
use crate::script::{MILLISECOND, Outcome};
use crate::timeline::picture::{count, list, seconds};

/// What the pool did after the last move, and why.
pub fn story(game: &Game) -> String {
    let (before, now) = (&game.before, &game.now);
    let guarantees = &game.step.guarantees;
    let mut parts = Vec::new();
    macro_rules! say {
        ($($text:tt)*) => { parts.push(format!($($text)*)) };
    }
    if now.at > before.at + MILLISECOND {
        say!("it is {}", seconds(now.at));
    }
    let results = now.results.iter().skip(before.results.len());
    for (job, _) in results.filter(|(_, outcome)| *outcome == Outcome::Lost) {
        say!("the reply of job {job} is lost, and its handle says so");
    }
    if now.stopped && !before.stopped {
        let (flying, waiting) = (now.in_flight().len(), now.waiting().len());
        let refused = usize::from(!now.submitters.is_empty() && !now.over);
        let back = now.handed_back.len() + now.accepted().len() + refused;
        let go = |number| if number == 1 { "goes" } else { "go" };
        let go_on = format!("{} in flight {} on", count(flying, "job"), go(flying));
        match guarantees.stop {
            Stop::Never => say!("no more jobs come: the queue is closed"),
            Stop::Drains => say!("stopped: {go_on}, {waiting} that wait are still done"),
            Stop::HandsBack => say!("cancelled: {go_on}, {back} {} back", go(back)),
        }
    }
    if let fewer @ 1.. = before.wanted.saturating_sub(now.wanted) {
        let workers = count(fewer, "worker");
        say!("no job waits: the scaler retires {workers}, the next that are free");
    } else if let more @ 1.. = now.wanted.saturating_sub(before.wanted) {
        let new = now.workers.len().saturating_sub(before.workers.len());
        let kept = more.saturating_sub(new);
        if kept > 0 {
            say!("jobs wait: {} taken back", count(kept, "retirement"));
        }
        if new > 0 {
            say!("jobs wait: the scaler adds {}", count(new, "worker"));
        }
    }
    let free = before.workers.values().filter_map(|worker| match worker {
        Worker::Free(since) => Some(since),
        _ => None,
    });
    let is_first = |since| free.clone().filter(|other| *other <= since).count() == 1;
    for (job, id) in now.started(before) {
        let why = match before.workers.get(&id) {
            _ if guarantees.is_limited => "may start a job",
            Some(Worker::Free(since)) if is_first(since) => "was free longest",
            Some(Worker::Busy(_)) => "was free first",
            Some(_) => "is free",
            None => "is new",
        };
        say!("worker {id} {why}: it takes job {job}");
    }
    let (old, new) = (before.waiting(), now.waiting());
    let new = new
        .into_iter()
        .filter(|job| !old.contains(job) && !now.stopped);
    let (held, outside) = new.partition::<Vec<_>, _>(|job| !now.submitters.contains(job));
    match (&held[..], guarantees.is_limited) {
        ([], _) => {}
        (_, true) => say!("the limiter holds back {}", jobs(held)),
        (_, false) => say!("no worker is free for {}", jobs(held)),
    }
    if !outside.is_empty() {
        say!(
            "the queue is full: the submitter waits with {}",
            jobs(outside)
        );
    }
    if now.over && !before.over {
        say!("the last worker has ended: the results end");
    } else if parts.is_empty() {
        say!("nothing else changes");
    }
    parts.join("; ")
}

/// What is wrong with the state after the last move.
pub fn mistake(game: &Game) -> Option<String> {
    let (now, guarantees) = (&game.now, &game.step.guarantees);
    let goes_back = now.stopped && guarantees.stop == Stop::HandsBack;
    let waiting = if goes_back {
        now.accepted()
    } else {
        now.waiting()
    };
    let all = |test: fn(&Worker) -> bool| now.workers.values().all(test);
    let is_unread = |worker: &Worker| matches!(worker, Worker::Unread(_));
    let unread = now.workers.values().find(|worker| is_unread(worker));
    let is_free = |worker: &Worker| matches!(worker, Worker::Free(_));
    let free = now.workers.iter().find(|(_, worker)| is_free(worker));
    Some(match (unread, free, waiting.first(), &now.error) {
        _ if all(is_unread) => {
            "every worker waits for a result to be read, and no result is read".into()
        }
        (.., Some(_), _) if all(|worker| *worker == Worker::Ended) && (now.over || !goes_back) => {
            format!("every worker has ended, with {} still to do", jobs(waiting))
        }
        (Some(Worker::Unread(job)), ..) => {
            format!("job {job} has ended, and its result is not read")
        }
        (_, Some((id, _)), Some(job), _) if !guarantees.is_limited => {
            format!("worker {id} is free, and job {job} waits")
        }
        (.., Some(error)) => format!("once all jobs have ended, {error}"),
        _ => return None,
    })
}

fn jobs(numbers: Vec<usize>) -> String {
    let plural = if numbers.len() == 1 { "" } else { "s" };
    format!("job{plural} {}", list(numbers))
}
