//! Random scripts.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use errors::OnFailure;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::guarantees::{Guarantees, Panic, Stop};
use crate::script::{Job, MILLISECOND, Outcome, Script, When};

/// The script of this seed, for a step with these guarantees.
pub fn script(guarantees: &Guarantees, seed: u64) -> Script {
    let mut dice = Dice(Xoshiro256PlusPlus::seed_from_u64(seed));
    let workers = dice.up_to_64();
    let max_workers = match dice.one_in(8) {
        true => dice.one_to(workers), // below the minimum
        false => workers + dice.below(65 - workers),
    };
    let most_jobs = match dice.one_in(20) {
        true => 2000,
        false => dice.pick([4, 20, 50, 100, 300]),
    };
    let count = dice.below(most_jobs + 1);

    let panics = match dice.below(8) {
        0 => dice.below(workers),
        1 => dice.below(count + 1),
        _ => 0,
    };
    // Some jobs wait for a later one. That takes as many workers, and one more.
    let alive = match guarantees.panic {
        Panic::Worker => workers.saturating_sub(panics).max(1),
        _ => workers,
    };
    let waiting = match dice.one_in(4) {
        true => dice.below(alive),
        false => 0,
    };

    let longest = dice.pick([0, 1, 5, 50]).min(20_000 / count.max(1));
    let widest = dice.pick([0, 0, 1, 20]).min(20_000 / count.max(1));
    let (equal, bursts) = (dice.one_in(2), dice.one_in(2));
    let pause = dice.pick([longest / 2, longest * 2, widest * 10]);
    let jobs_in_burst = dice.pick([3, 10, 30]);
    let yields = dice.pick([0, 0, 1, 4]);
    let failures = dice.pick([usize::MAX, 10, 2]); // one in so many
    let mut jobs: Vec<_> = (1..=count)
        .map(|job| {
            let interval = match bursts {
                true if dice.one_in(jobs_in_burst) => pause,
                true => 0,
                false => dice.below(widest + 1),
            };
            let duration = match equal {
                true => longest,
                false => dice.below(longest + 1),
            };
            Job {
                interval: milliseconds(interval),
                yields: dice.below(yields + 1),
                waits_for: job.next_multiple_of(waiting + 1).min(count) - job,
                duration: milliseconds(duration),
                outcome: match dice.one_in(failures) {
                    true => Outcome::Failed,
                    false => Outcome::Done,
                },
            }
        })
        .collect();
    for _ in 0..panics.min(count * count) {
        let job = dice.below(count);
        jobs[job].outcome = Outcome::Panicked;
    }

    let period = dice.pick([
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_micros(300),
        MILLISECOND,
        Duration::from_micros(2500),
        MILLISECOND * 7,
        MILLISECOND * 100,
        Duration::MAX,
    ]);
    let stop = match dice.below(6) {
        0 if guarantees.stop != Stop::Drains => When::Never,
        1 => When::After(Duration::ZERO),
        2 if count > 0 => When::Started(dice.one_to(count)),
        3 if guarantees.stop == Stop::Drains && period < Duration::MAX => {
            When::After((period + MILLISECOND) * 10) // enough to be idle for long
        }
        _ => When::After(milliseconds(dice.pick([0, 1, 10, 100, 1000]))),
    };
    // A limiter with an endless period never lets anything start, so such a pool ends only if it is stopped in time.
    let never_ends = guarantees.stop == Stop::HandsBack && !matches!(stop, When::After(_));
    Script {
        workers: not_zero(workers),
        max_workers: not_zero(max_workers),
        capacity: not_zero(dice.up_to_64()),
        period: if never_ends {
            period.min(MILLISECOND * 100)
        } else {
            period
        },
        burst: NonZeroU32::new(dice.pick([1, 2, 10])).unwrap_or(NonZeroU32::MIN),
        on_failure: dice.pick([OnFailure::Continue, OnFailure::Stop]),
        jobs,
        reads: match dice.one_in(16) {
            true => dice.below(count + 1),
            false => usize::MAX,
        },
        submitters: not_zero(dice.pick([1, 1, 2, 5])),
        stop_early: dice.one_in(2),
        stop,
        drops: dice.one_in(4),
    }
}

fn milliseconds(count: usize) -> Duration {
    MILLISECOND * u32::try_from(count).unwrap_or(u32::MAX)
}

fn not_zero(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}

struct Dice(Xoshiro256PlusPlus);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    fn one_to(&mut self, last: usize) -> usize {
        self.0.random_range(1..=last)
    }

    /// A small number as often as any.
    fn up_to_64(&mut self) -> usize {
        let last = self.pick([4, 64]);
        self.one_to(last)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[self.below(N)]
    }
}
