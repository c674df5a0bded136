//! How a run went, in the figures that one would monitor in production.

use std::fmt;
use std::time::Duration;

/// What the work reports about a job that is done.
pub struct Done {
    /// Time that it waited in the queue.
    pub in_queue: Duration,
    /// Time that its work took.
    pub at_work: Duration,
    /// Number of workers that were busy when it started, its own included.
    pub busy: usize,
}

/// Figures of a run. Takes the same memory for any number of jobs.
#[derive(Default)]
pub struct Summary {
    jobs: usize,
    in_queue: Times,
    at_work: Times,
    peak_busy: usize,
    pub peak_queue: usize,
    /// How long the run took.
    pub elapsed: Duration,
}

impl Summary {
    /// Counts a job.
    pub fn add(&mut self, done: &Done) {
        self.jobs += 1;
        self.in_queue.add(done.in_queue);
        self.at_work.add(done.at_work);
        self.peak_busy = self.peak_busy.max(done.busy);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elapsed = self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        let busy = self.at_work.total.as_secs_f64() / elapsed;
        writeln!(f, "Jobs done:      {}", self.jobs)?;
        writeln!(f, "Peak queue:     {} jobs", self.peak_queue)?;
        writeln!(f, "Time in queue:  {}", self.in_queue)?;
        writeln!(f, "Time at work:   {}", self.at_work)?;
        write!(
            f,
            "Workers busy:   average {busy:.1}, most {}",
            self.peak_busy
        )
    }
}

/// Sums up durations, of the queue or of the work of all jobs.
#[derive(Default)]
struct Times {
    count: u32,
    total: Duration,
    longest: Duration,
}

impl Times {
    fn add(&mut self, time: Duration) {
        self.count = self.count.saturating_add(1);
        self.total = self.total.saturating_add(time);
        self.longest = self.longest.max(time);
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.total.checked_div(self.count) {
            Some(average) => write!(f, "average {average:.2?}, longest {:.2?}", self.longest),
            None => f.write_str("no jobs"),
        }
    }
}
