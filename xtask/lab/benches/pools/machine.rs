//! What this runs on, when, and who else uses it.

use std::env::consts::{ARCH, OS};
use std::fs;
use std::num::NonZeroUsize;
use std::thread;
use std::time::SystemTime;

/// Where and when: absolute figures mean nothing without it.
pub fn description() -> String {
    let cores = thread::available_parallelism().map_or(0, NonZeroUsize::get);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or(ARCH, |(_, model)| model);
    format!("{model}, {cores} cores, {OS}, {}", today())
}

/// Today's date in the proleptic Gregorian calendar, after Howard Hinnant's `civil_from_days`.
fn today() -> String {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let days = since.as_secs() / 86_400 + 719_468; // since 1 March of the year 0
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

/// Runs `run` on a thread that stays on one core, as do the threads it starts; `None` where that
/// cannot be asked for.
pub fn on_one_core<T: Send>(run: impl FnOnce() -> T + Send) -> Option<T> {
    if !cfg!(target_os = "linux") {
        return None; // elsewhere a thread does not pass its core on to those it starts
    }
    let pinned = move || {
        let core = core_affinity::get_core_ids()?.into_iter().next()?;
        core_affinity::set_for_current(core).then(run)
    };
    thread::scope(|scope| scope.spawn(pinned).join()).expect("what is measured does not panic")
}

/// The processors' time so far, in ticks.
#[derive(Clone, Copy)]
pub struct Ticks {
    total: u64,
    busy: u64,
    own: u64,
}

impl Ticks {
    /// `None` where the system does not tell.
    pub fn now() -> Option<Self> {
        let all = fs::read_to_string("/proc/stat").ok()?;
        let all: Vec<u64> = numbers(all.lines().next()?.strip_prefix("cpu")?);
        let [idle, wait_for_disk] = [*all.get(3)?, *all.get(4)?];
        let total = all.iter().take(8).sum(); // guests, which come next, are in user already
        let own = fs::read_to_string("/proc/self/stat").ok()?;
        let own = numbers(own.rsplit_once(')')?.1);
        Some(Self {
            total,
            busy: total - idle - wait_for_disk,
            own: own.get(11..15)?.iter().sum(), // its own and its children's, in user and in kernel
        })
    }

    /// The share of all processors' time since `start` that went to others.
    pub fn foreign_since(self, start: Self) -> f64 {
        let busy = (self.busy - start.busy).saturating_sub(self.own - start.own);
        busy as f64 / (self.total - start.total).max(1) as f64
    }
}

fn numbers(text: &str) -> Vec<u64> {
    let words = text.split_whitespace();
    words.map(|word| word.parse().unwrap_or(0)).collect()
}

/// The most memory that this process has held so far, in KiB.
pub fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
