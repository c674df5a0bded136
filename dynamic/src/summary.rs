//! How a run went, in the figures that one would monitor in production.

use std::fmt;
use std::time::Duration;

/// Figures of a run.
pub struct Summary {
    pub peak_workers: usize,
    /// The lifetimes of all workers together.
    pub lived: Duration,
    pub peak_queue: usize,
    /// For each job that is done, the time that it waited in the queue and that its work took.
    pub times: Vec<(Duration, Duration)>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (in_queue, at_work): (Vec<_>, Vec<_>) = self.times.iter().copied().unzip();
        let worked = at_work.iter().sum::<Duration>().as_secs_f64();
        let share = 100.0 * worked / self.lived.as_secs_f64().max(f64::MIN_POSITIVE);

        writeln!(f, "Jobs done:      {}", self.times.len())?;
        writeln!(f, "Peak workers:   {}", self.peak_workers)?;
        writeln!(f, "Peak queue:     {} jobs", self.peak_queue)?;
        writeln!(f, "Time in queue:  {}", Spread(in_queue))?;
        writeln!(f, "Time at work:   {}", Spread(at_work))?;
        write!(f, "Workers worked: {share:.0} % of their time")
    }
}

/// The median and the 99th percentile of some durations.
struct Spread(Vec<Duration>);

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let nearest_rank = |percent: usize| (sorted.len() * percent).div_ceil(100).checked_sub(1);
        match (nearest_rank(50), nearest_rank(99)) {
            (Some(median), Some(most)) => {
                let (median, most) = (sorted[median], sorted[most]);
                write!(f, "median {median:.2?}, 99th percentile {most:.2?}")
            }
            _ => f.write_str("no jobs"),
        }
    }
}
