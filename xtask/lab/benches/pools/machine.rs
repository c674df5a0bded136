//! What this runs on, when, and how much of it others use.

use std::env::consts::{ARCH, OS};
use std::fs;
use std::num::NonZeroUsize;
use std::thread;
use std::time::SystemTime;

/// Where and when: absolute figures mean nothing without it.
pub fn description() -> String {
    let cores = thread::available_parallelism().map_or(0, NonZeroUsize::get);
    let model = field("/proc/cpuinfo", "model name");
    let model = model.as_deref().unwrap_or(ARCH);
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let (today, _) = now.split_once('T').unwrap_or_default();
    format!("{model}, {cores} cores, {OS}, {today}")
}

/// The peak memory of this process so far, in KiB.
pub fn peak_memory() -> Option<u64> {
    let memory = field("/proc/self/status", "VmHWM")?;
    memory.split_whitespace().next()?.parse().ok()
}

/// What a file says about `name`, in a line of the form `name: value`.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned())
}

/// Runs `run` on a thread that stays on one core, as do the threads it starts; `None` where the system
/// does not offer that.
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

/// The time of all processors so far, in ticks.
#[derive(Clone, Copy)]
pub struct Ticks {
    total: u64,
    by_others: u64,
}

impl Ticks {
    /// `None` where the system does not tell.
    pub fn now() -> Option<Self> {
        let all = fs::read_to_string("/proc/stat").ok()?;
        let all = numbers(all.lines().next()?.strip_prefix("cpu")?);
        let [idle, wait_for_disk] = [*all.get(3)?, *all.get(4)?];
        let total: u64 = all.iter().take(8).sum(); // guests, which come next, are in user already
        let own = fs::read_to_string("/proc/self/stat").ok()?;
        let own = numbers(own.rsplit_once(')')?.1);
        let own: u64 = own.get(11..15)?.iter().sum(); // and its children's, in user and in kernel
        let by_others = (total - idle - wait_for_disk).saturating_sub(own);
        Some(Self { total, by_others })
    }

    /// The share of all processors' time since `start` that others used, in per cent, where known.
    pub fn others_since(start: Option<Self>) -> Option<f64> {
        let (start, now) = (start?, Self::now()?);
        let others = now.by_others.saturating_sub(start.by_others);
        Some(others as f64 / (now.total - start.total).max(1) as f64 * 100.0)
    }
}

fn numbers(text: &str) -> Vec<u64> {
    let words = text.split_whitespace();
    words.map(|word| word.parse().unwrap_or(0)).collect()
}
