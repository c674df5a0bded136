//! When a start is allowed. The clock is paused, so time is simulated and exact.

use std::num::NonZeroU32;
use std::time::Duration;

use rate_limited::Limiter;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

const PERIOD: Duration = Duration::from_millis(100);

fn burst(burst: u32) -> NonZeroU32 {
    NonZeroU32::new(burst).expect("tests ask for at least 1")
}

/// Waits before each start for as long as `waits` says; returns when it came, in milliseconds.
async fn starts(limiter: &mut Limiter, waits: impl IntoIterator<Item = u64>) -> Vec<u128> {
    let origin = Instant::now();
    let mut starts = Vec::new();
    for wait in waits {
        sleep(Duration::from_millis(wait)).await;
        limiter.ready().await;
        limiter.take();
        starts.push(origin.elapsed().as_millis());
    }
    starts
}

#[tokio::test(start_paused = true)]
async fn the_first_start_is_a_period_after_the_beginning_whatever_the_burst() {
    for burst in [1, 2, 1000].map(burst) {
        let mut limiter = Limiter::new(PERIOD, burst);
        assert_eq!(starts(&mut limiter, [0; 4]).await, [100, 200, 300, 400]);
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_idle_stretch_a_full_bucket_starts_at_once() {
    for (size, expected) in [
        (1, [1000, 1100, 1200, 1300, 1400, 1500]),
        (2, [1000, 1000, 1100, 1200, 1300, 1400]),
        (5, [1000, 1000, 1000, 1000, 1000, 1100]),
    ] {
        let mut limiter = Limiter::new(PERIOD, burst(size));
        let starts = starts(&mut limiter, [1000, 0, 0, 0, 0, 0]).await;
        assert_eq!(starts, expected, "burst {size}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_may_be_large() {
    let mut limiter = Limiter::new(PERIOD, burst(5000));
    sleep(PERIOD * 10_000).await;
    let starts = starts(&mut limiter, [0; 5002]).await;
    assert_eq!(starts[4999..], [0, 100, 200]);
}

/// After 250 ms the bucket has gained two tokens and half of the third.
#[tokio::test(start_paused = true)]
async fn a_bucket_that_is_not_full_loses_nothing() {
    let mut limiter = Limiter::new(PERIOD, burst(3));
    let starts = starts(&mut limiter, [250, 0, 0, 0, 250, 0, 0]).await;
    assert_eq!(starts, [250, 250, 300, 400, 650, 650, 700]);
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_1_misses_ticks_as_tokio_does_with_delay() {
    // None is late by 1 to 5 ms, which an interval forgives: its next tick would not be delayed.
    let waits = [0, 250, 90, 100, 110, 1000, 0, 0, 190, 350, 0];

    let origin = Instant::now();
    let mut ticks = interval_at(origin + PERIOD, PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut expected = Vec::new();
    for wait in waits {
        sleep(Duration::from_millis(wait)).await;
        ticks.tick().await;
        expected.push(origin.elapsed().as_millis());
    }

    let mut limiter = Limiter::new(PERIOD, burst(1));
    assert_eq!(starts(&mut limiter, waits).await, expected);
}

#[tokio::test(start_paused = true)]
async fn waiting_takes_nothing() {
    let limiter = Limiter::new(PERIOD, burst(1));
    let origin = Instant::now();
    for _ in 0..3 {
        limiter.ready().await;
        assert_eq!(origin.elapsed(), PERIOD);
    }
}

/// A start is counted even if no caller waited for it: the next one comes a period later.
#[tokio::test(start_paused = true)]
async fn a_start_before_its_time_is_owed() {
    let mut limiter = Limiter::new(PERIOD, burst(2));
    limiter.take();
    assert_eq!(starts(&mut limiter, [0, 0]).await, [200, 300]);
}

#[tokio::test(start_paused = true)]
async fn a_period_of_zero_allows_every_start() {
    let mut limiter = Limiter::new(Duration::ZERO, burst(1));
    assert_eq!(starts(&mut limiter, [0, 0, 7, 0]).await, [0, 0, 7, 7]);
}

#[tokio::test(start_paused = true)]
async fn the_longest_period_lasts() {
    let century = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    for burst in [burst(1), NonZeroU32::MAX] {
        let mut limiter = Limiter::new(Duration::MAX, burst);
        let year = century / 100;
        timeout(year, limiter.ready())
            .await
            .expect_err("nothing is allowed for years");
        limiter.take();
        limiter.take();
        timeout(year, limiter.ready())
            .await
            .expect_err("and still nothing is");
    }
}

/// Timers come up to a millisecond late, and a burst of the documented size makes up for it.
#[tokio::test(start_paused = true)]
async fn short_periods_keep_the_rate_with_a_burst() {
    for rate in [700, 1_000, 3_000, 7_777, 50_000] {
        let seconds = 2;
        let burst = burst(2 + 2 * rate / 1000);
        let mut limiter = Limiter::new(Duration::from_secs(1) / rate, burst);
        let starts = starts(&mut limiter, (0..rate * seconds).map(|_| 0)).await;
        let last = starts.last().expect("there are some");
        assert!((1990..=2001).contains(last), "{rate} a second: {last} ms");
    }
}
