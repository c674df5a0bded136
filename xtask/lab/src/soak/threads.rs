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
    Ok(host
        .witness
        .run(ended, || threads_left(Duration::from_secs(5))))
}

/// How many threads that a pool names are there for good: when a scope ends, the last instructions
/// of its threads may be still to come.
fn threads_left(patience: Duration) -> usize {
    let begin = Instant::now();
    loop {
        let left = pool_threads();
        if left == 0 || begin.elapsed() > patience {
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn threads_that_are_left_are_counted() {
        let (release, released) = channel::<()>();
        let (ready, named) = channel();
        let thread = thread::Builder::new().name("worker 1".into());
        let thread = thread.spawn(move || {
            _ = ready.send(()); // it has its name now
            released.recv()
        });
        let thread = thread.expect("a thread can be started");
        named.recv().expect("it says that it is ready");
        assert_eq!(threads_left(Duration::ZERO), 1);

        drop(release);
        _ = thread.join();
        assert_eq!(threads_left(Duration::from_secs(60)), 0);
    }
}
