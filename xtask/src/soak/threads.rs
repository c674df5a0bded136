//! A pool of threads, and jobs that disturb its schedule: they yield, spin, and wait for each other.
//!
//! That reaches schedules that would be rare, not all of them, and the same seed does not give the
//! same schedule again. An error that takes an interleaving of a few instructions, or another
//! processor's order of memory, can pass unseen.

use std::fs;
use std::hint;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::case::{Case, When};
use super::witness::{Ended, Run, Witness};
use crate::pools::{Event, Outcome, Plan, Threads};
use crate::promises::Promises;

struct Host {
    witness: Witness,
    moved: Condvar,
}

impl Host {
    fn wait_for(&self, job: usize) {
        let memory = self.witness.memory();
        let moved = self.moved.wait_while(memory, |seen| !seen.has_started(job));
        drop(moved.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Threads for Host {
    fn work(&self, worker: usize, job: usize) -> Outcome {
        self.hear(Event::Started { worker, job });
        let todo = self.witness.case.job(job);
        for _ in 0..todo.yields {
            thread::yield_now();
        }
        if let Some(other) = todo.waits_for {
            self.wait_for(other);
        }
        for _ in 0..todo.length.as_millis() * 20 {
            hint::spin_loop();
        }
        self.hear(Event::Finished { worker, job });
        todo.fate.outcome()
    }

    fn stop(&self) {
        match self.witness.case.stop {
            When::Never | When::AtOnce => {}
            When::After(time) => (0..time.as_millis()).for_each(|_| thread::yield_now()),
            When::Started(job) => self.wait_for(job),
        }
        self.hear(Event::Stop);
    }

    fn hear(&self, event: Event) {
        self.witness
            .note(Duration::ZERO, event, || self.moved.notify_all());
    }
}

/// Only one pool at a time, or else nobody could tell whose threads are left.
static ONE: Mutex<()> = Mutex::new(());

/// Runs the pool.
///
/// # Errors
///
/// If it cannot be started, or panics of its own.
pub fn run(
    case: Case,
    promises: Promises,
    pool: fn(Plan, Arc<dyn Threads>) -> io::Result<()>,
) -> Result<Run, String> {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let host = Arc::new(Host {
        witness: Witness::new(case, promises),
        moved: Condvar::new(),
    });
    let plan = host.witness.case.plan;
    let ended = match catch_unwind(AssertUnwindSafe(|| pool(plan, host.clone()))) {
        Ok(Ok(())) => Ended::Well,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(payload) => Ended::with(payload)?,
    };
    let run = host.witness.run(ended, 0); // what there is to see at this moment, and not later
    let left = threads_left();
    Ok(Run { left, ..run })
}

/// How many threads that a pool names are there for good: when a scope ends, the last instructions
/// of its threads may be still to come.
fn threads_left() -> usize {
    let patience = Instant::now() + Duration::from_secs(5);
    loop {
        let left = pool_threads();
        if left == 0 || Instant::now() > patience {
            return left;
        }
        thread::yield_now();
    }
}

/// How many threads are there that a pool names; where the system does not say, none.
fn pool_threads() -> usize {
    let names = fs::read_dir("/proc/self/task").into_iter().flatten();
    let names = names.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    let is_pools = |name: &String| {
        ["worker ", "submitter", "dispatcher"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    names.filter(is_pools).count()
}
