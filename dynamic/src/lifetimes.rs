//! How many workers a run had and how long they lived, worked out from the pool's events.

use std::time::Duration;

use dynamic::Event;
use tokio::time::Instant;

/// The most workers at one time, and the lifetimes of all workers together.
pub fn peak_and_total(
    workers: usize,
    start: Instant,
    events: impl IntoIterator<Item = (Instant, Event)>,
) -> (usize, Duration) {
    let (mut alive, mut to_stay, mut since) = (workers, workers, start);
    let (mut peak, mut total) = (workers, Duration::ZERO);
    for (at, event) in events {
        total += (at - since) * alive as u32;
        since = at;
        match event {
            Event::ScalingUp { count, .. } => {
                to_stay += count; // first those that were to retire, then new ones
                alive = alive.max(to_stay);
            }
            Event::ScalingDown { count } => to_stay -= count,
            Event::ShuttingDown { .. } | Event::Finished { .. } => alive -= 1,
            Event::Panicked { .. } => {} // replaced at once
        }
        peak = peak.max(alive);
    }
    (peak, total)
}
