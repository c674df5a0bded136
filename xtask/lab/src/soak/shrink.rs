//! Makes a failing script simpler, so that a person can read it.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use errors::OnFailure;

use crate::guarantees::{Guarantees, Stop};
use crate::script::{Job, MILLISECOND, Outcome, Script, When};

/// The simplest script found that still fails. Tries one simpler script after another.
pub fn shrink(
    mut script: Script,
    guarantees: &Guarantees,
    mut fails: impl FnMut(&Script) -> bool,
) -> Script {
    loop {
        let mut simpler = simpler(&script).filter(|script| is_playable(script, guarantees));
        let Some(found) = simpler.find(|script| fails(script)) else {
            break;
        };
        drop(simpler);
        script = found;
    }
    script
}

/// Whether a correct pool ends when this is played on it.
fn is_playable(script: &Script, guarantees: &Guarantees) -> bool {
    let stops = match script.stop {
        When::Never => guarantees.stop != Stop::Drains,
        When::After(_) => true,
        When::Started(job) => (1..=script.jobs.len()).contains(&job),
    };
    stops && script.busy_workers(guarantees) > 0
}

/// Scripts that are simpler in one thing: in a setting, by some jobs, or in a property of some jobs.
fn simpler(script: &Script) -> impl Iterator<Item = Script> {
    let count = script.jobs.len();
    let halves =
        std::iter::successors(Some(count), |size| Some(size / 2)).take_while(|&size| size > 0);
    let chunks = halves.flat_map(move |size| {
        (0..count)
            .step_by(size)
            .map(move |from| from..(from + size).min(count))
    });
    let without = chunks.clone().map(|chunk| {
        let mut simpler = script.clone();
        simpler.jobs.drain(chunk);
        if let When::Started(job) = &mut simpler.stop {
            *job = (*job).min(simpler.jobs.len());
        }
        simpler
    });
    let changed = |change: &fn(&mut Script)| {
        let mut simpler = script.clone();
        change(&mut simpler);
        simpler
    };
    let plainer = chunks.flat_map(move |chunk| {
        JOBS.iter().map(move |change| {
            let mut simpler = script.clone();
            simpler.jobs[chunk.clone()].iter_mut().for_each(change);
            simpler
        })
    });
    let settings = SETTINGS.iter().map(changed);
    let simpler = settings.chain(without).chain(plainer);
    simpler.filter(move |simpler| simpler != script)
}

/// What can be simpler in a job.
const JOBS: [fn(&mut Job); 5] = [
    |job| job.outcome = Outcome::Done,
    |job| job.waits_for = 0,
    |job| job.interval = Duration::ZERO,
    |job| job.duration = Duration::ZERO,
    |job| job.yields = 0,
];

/// What can be simpler in the settings.
const SETTINGS: [fn(&mut Script); 14] = [
    |script| script.workers = NonZeroUsize::MIN,
    |script| script.workers = half(script.workers),
    |script| script.max_workers = script.workers.max(half(script.max_workers)),
    |script| script.capacity = NonZeroUsize::MIN,
    |script| script.capacity = half(script.capacity),
    |script| script.burst = NonZeroU32::MIN,
    |script| script.period = MILLISECOND,
    |script| script.reads = usize::MAX,
    |script| script.submitters = NonZeroUsize::MIN,
    |script| script.stop_early = false,
    |script| script.drops = false,
    |script| script.on_failure = OnFailure::Continue,
    |script| script.stop = When::Never,
    |script| {
        if script.stop != When::Never {
            script.stop = When::After(Duration::ZERO);
        }
    },
];

fn half(number: NonZeroUsize) -> NonZeroUsize {
    NonZeroUsize::new(number.get() / 2).unwrap_or(number)
}
