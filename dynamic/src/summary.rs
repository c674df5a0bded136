//! How a run went, in a few figures.

use std::fmt;
use std::time::Duration;

use dynamic::Event;
use tokio::time::Instant;

/// Jobs and workers, and the time they took.
pub struct Summary {
    peak_queue: usize,
    in_queue: Vec<Duration>,
    at_work: Vec<Duration>,
    workers: usize,
    /// Those of the workers that are not to retire.
    stay: usize,
    peak_workers: usize,
    /// The seconds that all workers together have lived, up to `counted`.
    lived: f64,
    counted: Instant,
}

impl Summary {
    /// Begins now, with this many workers.
    pub fn new(workers: usize) -> Self {
        Self {
            peak_queue: 0,
            in_queue: Vec::new(),
            at_work: Vec::new(),
            workers,
            stay: workers,
            peak_workers: workers,
            lived: 0.0,
            counted: Instant::now(),
        }
    }

    pub fn job(&mut self, in_queue: Duration, at_work: Duration) {
        self.in_queue.push(in_queue);
        self.at_work.push(at_work);
    }

    pub fn queue(&mut self, jobs: usize) {
        self.peak_queue = self.peak_queue.max(jobs);
    }

    pub fn event(&mut self, at: Instant, event: &Event) {
        self.lived += (at - self.counted).as_secs_f64() * self.workers as f64;
        self.counted = at;
        match *event {
            Event::ScalingUp { count, .. } => {
                self.stay += count; // first those who were to retire, then new ones
                self.workers = self.workers.max(self.stay);
                self.peak_workers = self.peak_workers.max(self.workers);
            }
            Event::ScalingDown { count } => self.stay -= count,
            Event::ShuttingDown { .. } | Event::Finished { .. } => self.workers -= 1,
            Event::Panicked { .. } => {} // replaced at once
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let worked: Duration = self.at_work.iter().sum();
        let share = 100.0 * worked.as_secs_f64() / self.lived.max(f64::MIN_POSITIVE);

        writeln!(f, "Jobs done:      {}", self.at_work.len())?;
        writeln!(f, "Peak workers:   {}", self.peak_workers)?;
        writeln!(f, "Peak queue:     {} jobs", self.peak_queue)?;
        writeln!(f, "Time in queue:  {}", Spread(&self.in_queue))?;
        writeln!(f, "Time at work:   {}", Spread(&self.at_work))?;
        write!(f, "Workers worked: {share:.0} % of their time")
    }
}

/// The middle and the far end of some lengths of time.
struct Spread<'a>(&'a [Duration]);

impl fmt::Display for Spread<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.to_vec();
        sorted.sort_unstable();
        let (Some(median), Some(most)) = (percentile(&sorted, 50), percentile(&sorted, 99)) else {
            return f.write_str("no jobs");
        };
        write!(f, "median {median:.2?}, 99th percentile {most:.2?}")
    }
}

/// The nearest-rank percentile of `sorted`: the least that `percent` of them do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_run_in_figures() {
        let mut summary = Summary::new(2);
        let begin = summary.counted;
        let event = |summary: &mut Summary, second: u32, event| {
            summary.event(begin + SECOND * second, &event);
        };
        let up = |count| Event::ScalingUp { count, queue: 0 };
        let down = |count| Event::ScalingDown { count };

        event(&mut summary, 2, up(6)); // 2 workers until now
        event(&mut summary, 3, down(4)); // 8
        for worker in 1..=3 {
            event(&mut summary, 3, Event::ShuttingDown { worker });
        }
        event(&mut summary, 5, up(1)); // 5: the fourth is busy, and stays now
        event(&mut summary, 5, down(2));
        event(&mut summary, 6, up(6)); // 5: two who are busy stay, and 4 begin
        event(&mut summary, 7, Event::Panicked { message: "".into() }); // 9, and it is replaced
        event(&mut summary, 8, down(4)); // 9
        for worker in 4..=7 {
            event(&mut summary, 9, Event::ShuttingDown { worker }); // 9, all at this moment
        }
        for worker in 8..=12 {
            event(&mut summary, 11, Event::Finished { worker }); // 5
        }
        assert_eq!(
            summary.lived,
            2.0 * 2.0 + 8.0 + 2.0 * 5.0 + 5.0 + 9.0 + 9.0 + 9.0 + 2.0 * 5.0
        );
        assert_eq!((summary.workers, summary.peak_workers), (0, 9));

        for second in 0..8 {
            summary.job(SECOND * second / 2, SECOND * 2);
        }
        for jobs in [3, 7, 5] {
            summary.queue(jobs);
        }
        insta::assert_snapshot!(summary, @r"
        Jobs done:      8
        Peak workers:   9
        Peak queue:     7 jobs
        Time in queue:  median 1.50s, 99th percentile 3.50s
        Time at work:   median 2.00s, 99th percentile 2.00s
        Workers worked: 25 % of their time
        ");
    }

    #[tokio::test(start_paused = true)]
    async fn no_jobs_in_no_time() {
        insta::assert_snapshot!(Summary::new(2), @r"
        Jobs done:      0
        Peak workers:   2
        Peak queue:     0 jobs
        Time in queue:  no jobs
        Time at work:   no jobs
        Workers worked: 0 % of their time
        ");
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let percentiles = |count: u32| {
            let sorted: Vec<_> = (1..=count).map(|n| SECOND * n).collect();
            [50, 99].map(|percent| percentile(&sorted, percent).map(|length| length.as_secs()))
        };
        assert_eq!(percentiles(0), [None, None]);
        assert_eq!(percentiles(1), [Some(1), Some(1)]);
        assert_eq!(percentiles(2), [Some(1), Some(2)]);
        assert_eq!(percentiles(3), [Some(2), Some(3)]);
        assert_eq!(percentiles(99), [Some(50), Some(99)]);
        assert_eq!(percentiles(100), [Some(50), Some(99)]);
        assert_eq!(percentiles(101), [Some(51), Some(100)]);
        assert_eq!(percentiles(1000), [Some(500), Some(990)]);
    }

    #[test]
    fn lengths_need_not_be_sorted() {
        let lengths = [3, 1, 2].map(|second| SECOND * second);
        assert_eq!(
            Spread(&lengths).to_string(),
            "median 2.00s, 99th percentile 3.00s"
        );
    }
}
