use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Allows one start each period: a token bucket that gains a token each period, holds up to `burst`
/// of them, and is empty at first.
///
/// In no stretch of time does it allow more than `burst` starts and one for each period in it.
///
/// A tick that nobody took in time is a missed tick. The bucket keeps up to `burst` of them to be
/// made up for at once, and drops the rest. With a burst of 1 the next start is a full period after
/// a late one: what tokio's interval calls
/// [`Delay`](tokio::time::MissedTickBehavior::Delay).
///
/// Timers have a resolution of a millisecond, so that much is missed at each tick. To keep up the
/// rate on average, allow a burst of 2, and of 2 more for each thousand starts a second.
#[derive(Debug)]
pub struct Limiter {
    period: Duration,
    burst: NonZeroU32,
    /// When the bucket was last empty: it has gained a token each period since then.
    empty: Instant,
}

impl Limiter {
    /// A limiter whose first start is one period from now; a period of zero allows every start.
    pub fn new(period: Duration, burst: NonZeroU32) -> Self {
        Self {
            period: period.min(AGES),
            burst,
            empty: Instant::now(),
        }
    }

    /// Waits until a start is allowed.
    pub async fn ready(&self) {
        let due = self.empty + self.period;
        if Instant::now() < due {
            sleep_until(due).await;
        }
    }

    /// Counts a start now.
    pub fn take(&mut self) {
        let full = self.period.saturating_mul(self.burst.get());
        let lost = self.empty.elapsed().saturating_sub(full); // what came while it was full
        self.empty += lost + self.period;
    }
}

/// Some 30 years: a period longer than this is as good as this, and can be added to the time of day.
/// Tokio's timers draw the line there too.
const AGES: Duration = Duration::from_secs(1_000_000_000);
