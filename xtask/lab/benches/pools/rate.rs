//! The limiters in real time: how much of the rate they deliver, and whether they ever exceed it.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::{Duration, Instant};

use governor::{Quota, RateLimiter};
use rate_limited::{Limiter, Pool, Submitter};
use tokio_util::sync::CancellationToken;

use crate::tasks::runtime;
use crate::threads::CAPACITY;

/// Starts a second.
pub const RATES: [u32; 4] = [100, 1_000, 10_000, 100_000];

const WORKERS: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not 0");

/// How a limiter did at a rate.
pub struct Rate {
    pub limiter: &'static str,
    pub asked: u32,
    pub burst: NonZeroU32,
    /// The share of the asked rate, in each round.
    pub delivered: Vec<f64>,
    /// The most starts in any window beyond those that the rate allows in it; at most `burst`,
    /// and one more as a start is seen a little after it was allowed.
    pub excess: f64,
}

/// Both limiters at all rates, a second each.
pub fn rates() -> Vec<Rate> {
    let rate = |limiter, asked| Rate {
        limiter,
        asked,
        burst: burst(asked),
        delivered: Vec::new(),
        excess: 0.0,
    };
    let limiters = |asked| [rate("rate-limited", asked), rate("governor", asked)];
    RATES.into_iter().flat_map(limiters).collect()
}

/// What the step's documentation says: 2, and 2 more for each thousand starts a second.
fn burst(rate: u32) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(1 + rate / 500)
}

impl Rate {
    /// Whether it never exceeded the rate by more than the burst.
    pub fn is_within(&self) -> bool {
        self.excess <= f64::from(self.burst.get()) + 1.0
    }

    pub fn round(&mut self) {
        let period = Duration::from_secs(1) / self.asked;
        let begin = Instant::now();
        let starts = match self.limiter {
            "governor" => with_governor(period, self.burst, self.asked),
            _ => with_step(period, self.burst, self.asked),
        };
        let asked = f64::from(self.asked);
        let mut slack = 0.0_f64;
        let mut last = 0.0;
        for (number, start) in starts.iter().enumerate() {
            last = (*start - begin).as_secs_f64();
            let ahead = number as f64 - last * asked;
            slack = if number == 0 {
                -ahead
            } else {
                slack.max(-ahead)
            };
            self.excess = self.excess.max(ahead + slack + 1.0);
        }
        self.delivered.push(starts.len() as f64 / (last * asked));
    }
}

fn with_step(period: Duration, burst: NonZeroU32, jobs: u32) -> Vec<Instant> {
    let pool = Pool {
        workers: WORKERS,
        capacity: CAPACITY,
    };
    let mut starts = Vec::with_capacity(jobs as usize);
    runtime().block_on(async {
        let limiter = Limiter::new(period, burst);
        let cancel = CancellationToken::new();
        let work = |_, _| async { Instant::now() };
        let submit_all = async |submitter: Submitter<u32>| {
            for job in 0..jobs {
                submitter.submit(job).await?;
            }
            Ok(())
        };
        let on_result = |start| starts.push(start);
        _ = pool.run(cancel, limiter, submit_all, work, on_result).await;
    });
    starts
}

/// Its bucket is full at first.
fn with_governor(period: Duration, burst: NonZeroU32, jobs: u32) -> Vec<Instant> {
    let mut starts = Vec::with_capacity(jobs as usize);
    let quota = Quota::with_period(period).expect("a period is not 0");
    let limiter = RateLimiter::direct(quota.allow_burst(burst));
    runtime().block_on(async {
        for _ in 0..jobs {
            limiter.until_ready().await;
            starts.push(Instant::now());
        }
    });
    starts
}
