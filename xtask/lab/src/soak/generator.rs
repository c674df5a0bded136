//! Random scripts.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::guarantees::{Guarantees, Stop};
use crate::script::{Job, MILLISECOND, Outcome, Script, When};

/// The script of this seed, for a step with these guarantees.
pub fn script(guarantees: &Guarantees, seed: u64) -> Script {
    let mut dice = Dice(Xoshiro256PlusPlus::seed_from_u64(seed));
    let few_or_many = dice.pick([4, 64]);
    let workers = dice.one_to(few_or_many);
    let most_jobs = match dice.one_in(20) {
        true => 2000,
        false => dice.pick([4, 20, 100]),
    };
    let count = dice.up_to(most_jobs);

    // Some jobs wait for a later one. That takes as many workers, and one more that panics leave.
    let most_panics = dice.pick([0, 0, 0, 2 * workers.get() - 1]);
    let panics = dice.up_to(most_panics);
    let most_waiting = dice.pick([0, 0, 0, workers.get().saturating_sub(panics + 1)]);
    let waiting = dice.up_to(most_waiting);

    let most_time = 20_000 / count.max(1); // simulated time costs little, but something
    let longest = dice.pick([0, 1, 5, 50]).min(most_time);
    let burst = dice.pick([1, 10, 30]); // jobs that come at once
    let widest = dice.pick([0, 1, 20]).min(most_time) * burst;
    let yields = dice.pick([0, 4]);
    let failures = dice.pick([usize::MAX, 10, 2]); // one in so many
    let job = |job: usize| Job {
        interval: match dice.one_in(burst) {
            true => milliseconds(dice.up_to(widest)),
            false => Duration::ZERO,
        },
        yields: dice.up_to(yields),
        waits_for: job.next_multiple_of(waiting + 1).min(count) - job,
        duration: milliseconds(dice.up_to(longest)),
        outcome: match dice.one_in(failures) {
            true => Outcome::Failed,
            false => Outcome::Done,
        },
    };
    let mut jobs = Vec::from_iter((1..=count).map(job));
    for _ in 0..panics {
        if let Some(job) = jobs.get_mut(dice.up_to(count)) {
            job.outcome = Outcome::Panicked;
        }
    }

    let stop = match dice.up_to(3) {
        _ if guarantees.stop == Stop::Never => None,
        0 if guarantees.stop == Stop::HandsBack => None,
        1 => Some(When::Started(dice.up_to(count))),
        _ => Some(When::After(milliseconds(dice.pick([0, 1, 10, 100, 1000])))),
    };
    let period = dice.pick([
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_micros(2500),
        MILLISECOND * 7,
        MILLISECOND * 100,
        Duration::MAX,
    ]);
    Script {
        workers,
        max_workers: dice.one_to(few_or_many),
        capacity: NonZeroUsize::MIN.saturating_add(dice.pick([0, 1, 9, 63])),
        period: match stop {
            Some(When::After(_)) => period,
            _ => period.min(MILLISECOND * 100), // no job would ever start, nor end such a pool
        },
        burst: NonZeroU32::MIN.saturating_add(dice.pick([0, 1, 9])),
        jobs,
        reads: match dice.one_in(16) {
            true => dice.up_to(count),
            false => usize::MAX,
        },
        submitters: dice.one_to(3),
        stop,
    }
}

fn milliseconds(count: usize) -> Duration {
    MILLISECOND * u32::try_from(count).unwrap_or(u32::MAX)
}

struct Dice(Xoshiro256PlusPlus);

impl Dice {
    fn up_to(&mut self, most: usize) -> usize {
        self.0.random_range(0..=most)
    }

    fn one_to(&mut self, last: usize) -> NonZeroUsize {
        NonZeroUsize::MIN.saturating_add(self.up_to(last - 1))
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.up_to(count - 1) == 0
    }

    fn pick<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[self.up_to(N - 1)]
    }
}
