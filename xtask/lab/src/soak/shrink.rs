//! Makes a failing script simpler, so that a person can read it.

use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::Range;
use std::time::Duration;

use crate::script::{Job, MILLISECOND, Outcome, Script, When};

/// The simplest script found that still fails. Tries one change after another, until none is left that keeps it failing.
pub fn shrink(mut script: Script, mut fails: impl FnMut(&Script) -> bool) -> Script {
    let mut change = |script: &mut Script, change: &dyn Fn(&mut Script)| {
        let mut simpler = script.clone();
        change(&mut simpler);
        let is_simpler = simpler != *script && is_playable(&simpler) && fails(&simpler);
        if is_simpler {
            *script = simpler;
        }
        is_simpler
    };
    loop {
        let before = script.clone();
        for setting in SETTINGS {
            change(&mut script, &setting);
        }
        let mut size = script.jobs.len();
        while size > 0 {
            let mut from = 0;
            while from < script.jobs.len() {
                let chunk = from..script.jobs.len().min(from + size);
                if change(&mut script, &|script| remove(script, chunk.clone())) {
                    continue;
                }
                for job in JOBS {
                    change(&mut script, &|script| {
                        script.jobs[chunk.clone()].iter_mut().for_each(job);
                    });
                }
                from += size;
            }
            size /= 2;
        }
        if script == before {
            return script;
        }
    }
}

/// Whether some worker does jobs while others wait in one, even if every panic costs a worker.
fn is_playable(script: &Script) -> bool {
    let panics = |job: &&Job| job.outcome == Outcome::Panicked;
    let panics = script.jobs.iter().filter(panics).count();
    let waiting = script.jobs.iter().map(|job| job.waits_for).max();
    waiting.is_none_or(|waiting| waiting == 0 || waiting + panics < script.workers.get())
}

fn remove(script: &mut Script, chunk: Range<usize>) {
    script.jobs.drain(chunk);
    if let Some(When::Started(job)) = &mut script.stop {
        *job = (*job).min(script.jobs.len());
    }
}

/// What can be simpler in jobs.
const JOBS: [fn(&mut Job); 6] = [
    |job| *job = Job::default(),
    |job| job.outcome = Outcome::Done,
    |job| job.waits_for = 0,
    |job| job.interval = Duration::ZERO,
    |job| job.duration = Duration::ZERO,
    |job| job.yields = 0,
];

/// What can be simpler in the settings.
const SETTINGS: [fn(&mut Script); 8] = [
    |script| script.workers = NonZeroUsize::MIN,
    |script| script.workers = NonZeroUsize::new(script.workers.get() / 2).unwrap_or(script.workers),
    |script| script.max_workers = script.workers,
    |script| script.capacity = NonZeroUsize::MIN,
    |script| (script.period, script.burst) = (MILLISECOND, NonZeroU32::MIN),
    |script| script.reads = usize::MAX,
    |script| script.submitters = NonZeroUsize::MIN,
    |script| script.stop = script.stop.map(|_| When::After(Duration::ZERO)),
];
