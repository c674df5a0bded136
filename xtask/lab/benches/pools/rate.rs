//! The limiters in real time: how much of the rate they deliver, and whether they ever exceed it.

use std::mem;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use governor::{Quota, RateLimiter};
use lab::script::Script;

use crate::harness::{block_on, play, step};
use crate::progress::progress;
use crate::report::{Figure, Table};

/// Makes a number of starts: one a period, and a burst.
type Start = fn(Duration, NonZeroU32, u32) -> Vec<Instant>;

const LIMITERS: [(&str, Start); 2] = [("rate-limited", with_step), ("governor", with_governor)];

/// Measures both limiters at all rates, for a second each.
pub fn measure(rounds: usize) -> Table {
    let title = "rate: how much of it is missed, and the most starts beyond it in any window;\n\
                 a start is seen a little after it was allowed: hence one more than the burst";
    let mut table = Table::new(title, ["starts/s", "burst", "missed, %", "most beyond"]);
    for rate in [100, 1_000, 10_000, 100_000] {
        let mut figures = [(); 2].map(|()| [Figure::default(), Figure::default()]);
        for round in 1..=rounds {
            for ((name, start), [missed, beyond]) in LIMITERS.iter().zip(&mut figures) {
                progress(format_args!("{name} at {rate}, round {round}"));
                let (share, most_beyond) = measure_once(rate, *start);
                missed.rounds.push((1.0 - share) * 100.0);
                beyond.rounds.push(most_beyond);
            }
        }
        let [[missed, beyond], governor] =
            figures.map(|[missed, beyond]| [missed, beyond.max().into()]);
        let (rate, burst) = (f64::from(rate), f64::from(burst(rate).get()));
        let step = [missed.at_most(1.0), beyond.at_most(burst + 1.0)];
        for ((name, _), figures) in LIMITERS.iter().zip([step, governor]) {
            let [missed, beyond] = figures;
            table.row(name, [rate.into(), burst.into(), missed, beyond]);
        }
    }
    table
}

/// As the step's documentation advises: 2, and 2 more for each thousand starts a second.
fn burst(rate: u32) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(1 + rate / 500)
}

/// The share of the rate that is delivered, and the most starts in any window beyond those that it allows.
fn measure_once(rate: u32, start: Start) -> (f64, f64) {
    let begin = Instant::now();
    let starts = start(Duration::from_secs(1) / rate, burst(rate), rate);
    let (mut allowed, mut least_ahead, mut most_beyond) = (0.0, f64::INFINITY, 0.0_f64);
    for (number, start) in starts.iter().enumerate() {
        allowed = (*start - begin).as_secs_f64() * f64::from(rate);
        let ahead = number as f64 - allowed;
        least_ahead = ahead.min(least_ahead);
        most_beyond = most_beyond.max(ahead - least_ahead + 1.0);
    }
    (starts.len() as f64 / allowed, most_beyond)
}

fn with_step(period: Duration, burst: NonZeroU32, jobs: u32) -> Vec<Instant> {
    let starts = Arc::new(Mutex::new(Vec::with_capacity(jobs as usize)));
    let script = Script {
        workers: NonZeroUsize::new(8).expect("8 is not 0"),
        period,
        burst,
        ..Script::PLAIN
    };
    let log = starts.clone();
    let work = move |_| log.lock().expect("no job panics").push(Instant::now());
    play(step("rate-limited"), script, jobs as usize, work);
    mem::take(&mut starts.lock().expect("no job panics"))
}

/// Its bucket is full at first.
fn with_governor(period: Duration, burst: NonZeroU32, jobs: u32) -> Vec<Instant> {
    let quota = Quota::with_period(period).expect("a period is not 0");
    let limiter = RateLimiter::direct(quota.allow_burst(burst));
    let mut starts = Vec::with_capacity(jobs as usize);
    block_on(async {
        for _ in 0..jobs {
            limiter.until_ready().await;
            starts.push(Instant::now());
        }
    });
    starts
}
