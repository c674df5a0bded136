use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Allows one start each period, as a token bucket: it gains a token each period, holds at most
/// `burst` of them, and is empty at first. In any window of length t, at most `burst + t / period`
/// starts are allowed.
///
/// When no worker is free to start a job, or no job has come, that start is missed. The bucket keeps up to
/// `burst` of the missed starts, which may follow later, all at once. With a burst of 1 the next start
/// comes a full period after a late one, which tokio's interval calls `MissedTickBehavior::Delay`.
///
/// Timers have a resolution of a millisecond, so each start may be late by that much. To keep up the
/// rate on average, allow a burst of 2, and of 2 more for each thousand starts a second.
#[derive(Debug)]
pub struct Limiter {
    period: Duration,
    burst: NonZeroU32,
    /// When the bucket was last empty. It has gained a token each period since.
    empty: Instant,
}

impl Limiter {
    /// A limiter whose first start is allowed one period from now. A period of zero allows every
    /// start.
    ///
    /// ```
    /// let period = std::time::Duration::from_millis(500);
    /// let two_a_second = rate_limited::Limiter::new(period, std::num::NonZeroU32::MIN);
    /// ```
    pub fn new(period: Duration, burst: NonZeroU32) -> Self {
        Self {
            period: period.min(FAR_FUTURE),
            burst,
            empty: Instant::now(),
        }
    }

    /// Waits until a start is allowed, and takes no token: [`take`](Self::take) does.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped while it waits has taken nothing: call `ready` again.
    ///
    /// # Panics
    ///
    /// If it has to wait, in a runtime without timers.
    ///
    /// ```
    /// async fn start(limiter: &mut rate_limited::Limiter) {
    ///     limiter.ready().await;
    ///     limiter.take();
    /// }
    /// ```
    pub async fn ready(&self) {
        let due = self.empty + self.period;
        if Instant::now() < due {
            sleep_until(due).await;
        }
    }

    /// Counts a start now. If the start has not waited for [`ready`](Self::ready), the following one waits a
    /// period longer.
    ///
    /// ```
    /// fn start_at_once(limiter: &mut rate_limited::Limiter) {
    ///     limiter.take(); // the next `ready` waits longer
    /// }
    /// ```
    pub fn take(&mut self) {
        let full = self.period * self.burst.get();
        let overflow = self.empty.elapsed().saturating_sub(full); // the bucket was full for so long
        self.empty += overflow + self.period;
    }
}

/// About 30 years. Longer periods are clamped to this, so that neither `Instant + period` nor `period *
/// burst` can overflow.
const FAR_FUTURE: Duration = Duration::from_secs(1_000_000_000);
