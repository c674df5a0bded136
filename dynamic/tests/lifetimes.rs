//! How the program counts workers.

#[path = "../src/lifetimes.rs"]
mod lifetimes;

use std::time::Duration;

use dynamic::Event;
use lifetimes::peak_and_total;
use tokio::time::Instant;

/// Two workers at first, and these events at these seconds.
fn count(events: &[(u64, Event)]) -> (usize, u64) {
    let start = Instant::now();
    let at = |second| start + Duration::from_secs(second);
    let events = events.iter().cloned();
    let events = events.map(|(second, event)| (at(second), event));
    let (peak, total) = peak_and_total(2, start, events);
    (peak, total.as_secs())
}

fn up(count: usize) -> Event {
    Event::ScalingUp { count, queue: 0 }
}

fn down(count: usize) -> Event {
    Event::ScalingDown { count }
}

const RETIRED: Event = Event::ShuttingDown { worker: 1 };
const FINISHED: Event = Event::Finished { worker: 1 };

#[test]
fn without_scaling_the_workers_live_until_they_finish() {
    assert_eq!(count(&[]), (2, 0));
    assert_eq!(count(&[(3, FINISHED), (5, FINISHED)]), (2, 3 + 5));
}

#[test]
fn workers_that_are_added_live_from_then_on() {
    let events = [(2, up(1)), (10, FINISHED), (10, FINISHED), (10, FINISHED)];
    assert_eq!(count(&events), (3, 10 + 10 + 8));
}

#[test]
fn a_worker_that_is_to_retire_lives_until_it_ends() {
    let events = [(1, up(1)), (2, down(1)), (4, RETIRED)];
    let then = [(5, FINISHED), (5, FINISHED)];
    assert_eq!(count(&[&events[..], &then].concat()), (3, 3 + 5 + 5));
}

#[test]
fn a_worker_that_is_to_retire_and_is_kept_is_not_a_new_one() {
    let events = [(1, up(2)), (2, down(2)), (3, up(1)), (4, RETIRED)];
    let then = [(5, FINISHED), (5, FINISHED), (5, FINISHED)];
    assert_eq!(count(&[&events[..], &then].concat()), (4, 3 + 4 + 5 + 5));
}

#[test]
fn a_worker_that_replaces_one_is_not_one_more() {
    let panicked = Event::Panicked {
        message: String::new(),
    };
    let events = [(1, panicked), (5, FINISHED), (5, FINISHED)];
    assert_eq!(count(&events), (2, 5 + 5));
}
