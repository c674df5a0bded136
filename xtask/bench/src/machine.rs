//! What this runs on, when, how much of it others use, and what is being measured right now.

use std::env::consts::{ARCH, OS};
use std::fmt::Display;
use std::fs;
use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::thread;
use std::time::SystemTime;

/// The number of cores that this thread may use.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Where and when: absolute figures mean nothing without it.
pub fn description() -> String {
    let model = field("/proc/cpuinfo", "model name").unwrap_or(ARCH.to_owned());
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    format!("{model}, {} cores, {OS}, {}", cores(), &now[..10])
}

/// The peak memory of this process so far, in MiB.
pub fn peak_memory() -> Option<f64> {
    let memory = field("/proc/self/status", "VmHWM")?;
    let kib: f64 = memory.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
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

/// The share of all processors' time since `start` that others used, in per cent, where known.
pub fn others_since(start: Option<[f64; 2]>) -> Option<f64> {
    let ([all, by_others], [all_now, by_others_now]) = (start?, ticks()?);
    Some((by_others_now - by_others).max(0.0) / (all_now - all).max(1.0) * 100.0)
}

/// The time of all processors so far, and what others than this process used of it.
pub fn ticks() -> Option<[f64; 2]> {
    let sum = |file, first, count| -> Option<f64> {
        let text = fs::read_to_string(file).ok()?;
        let words = text.split_whitespace().skip(first).take(count);
        words.map(|word| word.parse::<f64>().ok()).sum()
    };
    let all = sum("/proc/stat", 1, 8)?; // guests, which come next, are in the first already
    let idle = sum("/proc/stat", 4, 2)?; // and waiting for a disk
    let own = sum("/proc/self/stat", 13, 4)?; // and its children's, in user and in kernel
    Some([all, all - idle - own])
}

/// Says what is going on, in a line of the terminal that the next one replaces.
pub fn progress(what: impl Display) {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K{what}");
    }
}
