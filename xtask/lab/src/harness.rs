//! Plays a script on a step's pool, and records what happens.

mod recorder;
mod stress;
mod tasks;
mod virtual_clock;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::guarantees::{Guarantees, Stop};
use crate::pools::{Adapter, Event};
use crate::script::{Job, MILLISECOND, Moments, Script, When};
use crate::steps::Step;
use recorder::Recorder;

/// What a pool did.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The events in order, each with the time since the start; on stressed threads, that is always 0.
    pub log: Vec<(Duration, Event)>,
    /// When the pool had ended.
    pub end: Duration,
    /// How the call of the pool ended.
    pub ended: Ended,
    /// The number of threads or tasks of the pool that were left.
    pub left: usize,
}

/// How the call of a pool ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It returned.
    Completed,
    /// With the panic of a job.
    Panicked,
}

/// How pools of threads experience time. Pools of tasks always run under tokio's paused clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Under a virtual clock: every run of a script is the same.
    VirtualClock,
    /// Without a clock. Jobs disturb the schedule: they yield, spin and wait for each other. That reaches schedules that
    /// are rare otherwise, but not all, and not the same one again.
    Stressed,
}

/// How long a pool may do nothing at all, in real time, before it counts as stuck.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// In how many looks patience is spent. A process that is held up spends one of them at the most.
const LOOKS: u32 = 20;

/// Lets the pool's threads run before the next look: at first without delay, then for a millisecond. So they get as much
/// of a busy machine as the looks do. False once the looks have taken so long.
fn look_again(looks: &mut u128, patience: Duration) -> bool {
    const AT_ONCE: u128 = 100;
    *looks += 1;
    match *looks < AT_ONCE {
        true => thread::yield_now(),
        false => thread::sleep(MILLISECOND),
    }
    *looks < AT_ONCE + patience.as_millis()
}

/// Only one pool of threads at a time: otherwise the threads that are left could belong to any of them.
static ONE: Mutex<()> = Mutex::new(());

/// Plays the script on the step's pool.
///
/// # Errors
///
/// If the pool cannot be started, panics of its own, or is stuck: nothing happens for `patience`, or a pool of tasks runs
/// past its deadline in simulated time.
pub fn play(step: &Step, script: &Script, mode: Mode, patience: Duration) -> Result<Run, String> {
    let recorder = Arc::new(Recorder::new(script.clone(), None));
    run(step, &recorder, mode, patience)
}

/// Plays the script move by move: what the pool did, and how the run went.
pub fn play_moves(
    step: &Step,
    script: Script,
    moments: Moments,
    patience: Duration,
) -> (Vec<(Duration, Event)>, Result<Run, String>) {
    let recorder = Arc::new(Recorder::new(script, Some(moments)));
    let run = run(step, &recorder, Mode::VirtualClock, patience);
    (recorder.log(), run)
}

fn run(
    step: &Step,
    recorder: &Arc<Recorder>,
    mode: Mode,
    patience: Duration,
) -> Result<Run, String> {
    let pool = match step.adapter {
        Adapter::Threads(pool) => pool,
        Adapter::Tasks(pool) => {
            let deadline = deadline(&recorder.script, &step.guarantees);
            return tasks::run(pool, recorder, deadline, patience);
        }
    };
    let _one = ONE.lock().expect("a run does not panic");
    let others = pool_threads(); // of a pool that was stuck
    let (ended, end) = match mode {
        Mode::VirtualClock => virtual_clock::run(pool, recorder, patience)?,
        Mode::Stressed => (stress::run(pool, recorder, patience)?, Duration::ZERO),
    };
    let log = recorder.log(); // without what the threads that are left may do
    let left = threads_left(&others, patience.min(PATIENCE));
    Ok(Run {
        log,
        end,
        ended,
        left,
    })
}

/// When a pool of tasks has ended at the latest, even if it does one thing after the other and each takes a timer's
/// resolution longer.
pub fn deadline(script: &Script, guarantees: &Guarantees) -> Duration {
    let add = |sum: Duration, time| sum.saturating_add(time).saturating_add(MILLISECOND);
    let period = guarantees.is_limited.then_some(script.period);
    let waits = |job: &Job| [Some(job.interval), period].into_iter().flatten();
    let waits = script.jobs.iter().flat_map(waits).fold(Duration::ZERO, add);
    let waits = match (guarantees.stop, script.stop) {
        (Stop::HandsBack, Some(When::After(time))) => waits.min(time),
        (Stop::Drains, Some(When::After(time))) => waits.saturating_add(time),
        _ => waits,
    };
    let durations = script.jobs.iter().map(|job| job.duration);
    durations.fold(add(waits, Duration::ZERO), add)
}

/// How many threads of pools are left, besides others: when a scope ends, the last instructions of its threads may be
/// still to come.
fn threads_left(others: &BTreeSet<OsString>, patience: Duration) -> usize {
    let mut looks = 0;
    loop {
        let left = pool_threads().difference(others).count();
        if left == 0 || !look_again(&mut looks, patience) {
            return left;
        }
    }
}

/// What the system says of a thread: its state, and how often it has slept.
fn status(id: &OsString) -> String {
    let file = Path::new("/proc/self/task").join(id).join("status");
    let status = fs::read_to_string(file).unwrap_or_default();
    let wanted = ["State:", "voluntary", "nonvoluntary"];
    let lines = status.lines();
    let lines = lines.filter(|line| wanted.iter().any(|start| line.starts_with(start)));
    lines.collect()
}

/// The ids of all threads with a name of a pool's, which a thread without one gets from the thread that started it; none where the system does not list them.
fn pool_threads() -> BTreeSet<OsString> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten();
    let is_pools = |name: String| {
        name.trim_end() == "pool" || name.starts_with("worker ") || name.starts_with("submitter")
    };
    let pool_threads = threads.flatten().filter(|thread| {
        let name = fs::read_to_string(thread.path().join("comm"));
        name.is_ok_and(is_pools)
    });
    pool_threads.map(|thread| thread.file_name()).collect()
}
