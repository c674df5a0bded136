//! Plays the steps' pools through the lab's adapters, and only adds up what comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use lab::pools::{Event, Threads};
use lab::script::{Outcome, Script, When};
use lab::steps::Step;
use tokio::runtime::Builder;

struct Harness<W> {
    work: W,
    /// The sum of the numbers of all jobs that have a result.
    sum: AtomicUsize,
}

impl<W: Fn(usize) + Send + Sync> Threads for Harness<W> {
    fn work(&self, _worker: usize, job: usize) -> Outcome {
        (self.work)(job);
        Outcome::Done
    }

    fn stop(&self, _when: When) {}

    fn record(&self, event: Event) {
        if let Event::Result { job, .. } = event {
            self.sum.fetch_add(job, Relaxed);
        }
    }
}

/// Plays the script on the pool of the step of this name, with jobs numbered from 1, and returns the sum of the numbers
/// of those that have a result.
///
/// # Panics
///
/// If a thread or a runtime cannot be started.
pub fn play(
    name: &str,
    script: Script,
    jobs: usize,
    work: impl Fn(usize) + Send + Sync + 'static,
) -> usize {
    let sum = AtomicUsize::new(0);
    let harness = Arc::new(Harness { work, sum });
    let adapter = Step::named(name).expect("it is in the table").adapter;
    let ran = adapter.run(script, jobs, harness.clone());
    ran.expect("threads and runtimes start");
    harness.sum.load(Relaxed)
}

/// Runs `future` on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime on this thread starts");
    runtime.block_on(future)
}
