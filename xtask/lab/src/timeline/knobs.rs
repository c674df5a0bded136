//! The steps' own flags, to see what a pool does when it is given something else to do.

use std::num::{NonZeroU32, NonZeroUsize};
use std::str::FromStr;
use std::time::Duration;

use crate::scenario::Scenario;
use crate::steps::Step;

/// The steps' own flags; what is not given is as in the step.
#[derive(clap::Args, Debug)]
#[command(mut_args(|arg| arg.allow_negative_numbers(true)))]
pub struct Knobs {
    /// How many workers share the jobs, 1 to 1000
    #[arg(long, value_name = "N", value_parser = workers)]
    workers: Option<NonZeroUsize>,

    /// How many jobs to do, for dynamic in each burst, 0 to 10000
    #[arg(long, value_name = "N", value_parser = jobs)]
    jobs: Option<usize>,

    /// After how many of the article's seconds to cancel, 0 or more: cancellation
    #[arg(long, value_name = "SECONDS", value_parser = timeout)]
    timeout: Option<f64>,

    /// How many jobs all workers together may start in one of the article's seconds, above 0: rate-limited
    #[arg(long, value_name = "JOBS_PER_SECOND", value_parser = xtask::run::above_zero)]
    rate: Option<f64>,

    /// How many missed starts may be made up for at once, 1 to 1000000: rate-limited
    #[arg(long, value_name = "N", value_parser = burst)]
    burst: Option<NonZeroU32>,

    /// How many workers to start with, and to keep, 1 to 1000: dynamic
    #[arg(long, value_name = "N", value_parser = workers)]
    min_workers: Option<NonZeroUsize>,

    /// How many workers never to exceed, 1 to 1000: dynamic
    #[arg(long, value_name = "N", value_parser = workers)]
    max_workers: Option<NonZeroUsize>,

    /// How many bursts of jobs to submit, 0 to 10000: dynamic
    #[arg(long, value_name = "N", value_parser = jobs)]
    bursts: Option<usize>,
}

/// More jobs than this are not drawn.
const MAX_JOBS: usize = 10_000;

/// Nor more time.
pub const MAX_TIME: Duration = Duration::from_secs(100_000);

impl Knobs {
    /// The steps, with what was given instead of what they had.
    ///
    /// # Errors
    ///
    /// If none of the steps has such a flag, or there would be too much to draw.
    pub fn turn(&self, steps: &[&Step]) -> Result<Vec<Step>, String> {
        let mut steps: Vec<Step> = steps.iter().copied().copied().collect();
        let may_grow = |scenario: &Scenario| scenario.max_workers.is_some();

        set("--workers", self.workers, &mut steps, |scenario| {
            (!may_grow(scenario)).then_some(&mut scenario.workers)
        })?;
        set("--jobs", self.jobs, &mut steps, |scenario| {
            Some(&mut scenario.jobs)
        })?;
        set("--timeout", self.timeout, &mut steps, |scenario| {
            scenario.timeout.as_mut()
        })?;
        set("--rate", self.rate, &mut steps, |scenario| {
            scenario.rate.as_mut()
        })?;
        set("--burst", self.burst, &mut steps, |scenario| {
            scenario.rate.is_some().then_some(&mut scenario.burst)
        })?;
        set("--min-workers", self.min_workers, &mut steps, |scenario| {
            may_grow(scenario).then_some(&mut scenario.workers)
        })?;
        set("--max-workers", self.max_workers, &mut steps, |scenario| {
            scenario.max_workers.as_mut()
        })?;
        set("--bursts", self.bursts, &mut steps, |scenario| {
            scenario.bursts.as_mut()
        })?;
        steps.iter().try_for_each(check)?;
        Ok(steps)
    }
}

/// Sets what the flag is for in every step that has it.
fn set<T: Copy>(
    flag: &str,
    value: Option<T>,
    steps: &mut [Step],
    field: impl Fn(&mut Scenario) -> Option<&mut T>,
) -> Result<(), String> {
    let Some(value) = value else { return Ok(()) };
    let fields = steps
        .iter_mut()
        .filter_map(|step| field(&mut step.scenario));
    if fields.map(|field| *field = value).count() == 0 {
        let names: Vec<_> = steps.iter().map(|step| step.name).collect();
        return Err(format!("{flag} is no flag of {}", names.join(" or ")));
    }
    Ok(())
}

fn check(Step { name, scenario, .. }: &Step) -> Result<(), String> {
    let (min, total) = (scenario.workers, scenario.total());
    if let Some(max) = scenario.max_workers.filter(|&max| max < min) {
        return Err(format!(
            "--min-workers {min} is above --max-workers {max}, and takes at most that"
        ));
    }
    if total > MAX_JOBS {
        return Err(format!(
            "{name}: {total} jobs are too many to draw, {MAX_JOBS} are not"
        ));
    }
    if scenario.shortest(total) > MAX_TIME {
        let most = MAX_TIME.as_secs();
        return Err(format!(
            "{name}: this takes more than {most} s, too much to draw"
        ));
    }
    Ok(())
}

fn workers(text: &str) -> Result<NonZeroUsize, &'static str> {
    number(text, |n: &NonZeroUsize| n.get() <= 1000).ok_or("takes a whole number from 1 to 1000")
}

fn jobs(text: &str) -> Result<usize, &'static str> {
    number(text, |&n| n <= MAX_JOBS).ok_or("takes a whole number from 0 to 10000")
}

fn timeout(text: &str) -> Result<f64, &'static str> {
    let possible = |x: &f64| *x >= 0.0 && x.is_finite();
    number(text, possible).ok_or("takes a number of seconds, 0 or more")
}

fn burst(text: &str) -> Result<NonZeroU32, &'static str> {
    let possible = |n: &NonZeroU32| n.get() <= 1_000_000;
    number(text, possible).ok_or("takes a whole number from 1 to 1000000")
}

fn number<T: FromStr>(text: &str, possible: impl Fn(&T) -> bool) -> Option<T> {
    text.parse().ok().filter(possible)
}
