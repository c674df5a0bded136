//! A short run of what `cargo xtask soak` does at length, and that it finds what is to be found.

use std::fs::File;
use std::future;
#[cfg(unix)]
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
#[cfg(unix)]
use std::process::Stdio;
use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use lab::harness::{Mode, play};
use lab::pools::{self, Adapter, Event, Threads};
use lab::script::{Outcome, Script, When};
use lab::soak::{self, PATIENCE, generator};
use lab::steps::{STEPS, Step};

fn steps(is: fn(&Adapter) -> bool) -> Vec<&'static Step> {
    STEPS.iter().filter(|step| is(&step.adapter)).collect()
}

/// Runs all seeds, and gives what was wrong with the first that failed.
fn explore(steps: &[&Step], seeds: Range<u64>, patience: Duration) -> Result<(), String> {
    let runs = seeds.end - seeds.start;
    let next_seed = |_: &[_], done| (done < runs).then_some(seeds.start + done);
    for count in soak::explore(steps, patience, next_seed)? {
        assert!(count.runs == runs && count.jobs >= runs, "{count:?}");
    }
    Ok(())
}

#[test]
fn pools_of_threads_keep_all_guarantees() {
    let steps = steps(|adapter| matches!(adapter, Adapter::Threads(_)));
    explore(&steps, 0..20, PATIENCE).unwrap_or_else(|wrong| panic!("{wrong}"));
}

#[test]
fn pools_of_tasks_keep_all_guarantees() {
    let steps = steps(|adapter| matches!(adapter, Adapter::Tasks(_)));
    explore(&steps, 0..150, PATIENCE).unwrap_or_else(|wrong| panic!("{wrong}"));
}

#[test]
fn a_seed_gives_the_same_run_of_tasks_again() {
    for step in steps(|adapter| matches!(adapter, Adapter::Tasks(_))) {
        for seed in 0..20 {
            let script = generator::script(&step.guarantees, seed);
            let run = || play(step, &script, Mode::Stressed, PATIENCE);
            assert_eq!(run(), run(), "{}, seed {seed}", step.name);
        }
    }
}

#[test]
fn seeds_differ() {
    let scripts = (0..100).map(|seed| generator::script(&STEPS[0].guarantees, seed));
    let mut scripts = Vec::from_iter(scripts.map(|script| format!("{script:?}")));
    scripts.sort_unstable();
    scripts.dedup();
    assert_eq!(scripts.len(), 100);
}

/// Comes between a pool and its harness, and changes the events that are recorded.
struct Meddler {
    harness: Arc<dyn Threads>,
    change: fn(Event) -> Option<Event>,
}

impl Threads for Meddler {
    fn work(&self, worker: usize, job: usize) -> Outcome {
        self.harness.work(worker, job)
    }

    fn stop(&self, when: When) {
        self.harness.stop(when);
    }

    fn record(&self, event: Event) {
        if let Some(event) = (self.change)(event) {
            self.harness.record(event);
        }
    }
}

/// The pools of these steps, each broken in some way, and what is said of it.
const BROKEN: [(&str, Adapter, &str); 11] = [
    (
        "basic",
        Adapter::Threads(|script, jobs, harness| {
            let change = |event| match event {
                Event::Result { job: 3, .. } => None,
                event => Some(event),
            };
            pools::basic(script, jobs, Arc::new(Meddler { harness, change }))
        }),
        "job 3 came to None",
    ),
    (
        "job-struct",
        Adapter::Threads(|script, jobs, harness| {
            let change = |event| match event {
                Event::Result { job: 3, outcome } => Some(Event::Result { job: 1, outcome }),
                event => Some(event),
            };
            pools::job_struct(script, jobs, Arc::new(Meddler { harness, change }))
        }),
        "job 1 has two results",
    ),
    (
        "errors",
        Adapter::Threads(|script, jobs, harness| {
            let change = |event| match event {
                Event::Result { job, .. } => Some(Event::Result {
                    job,
                    outcome: Outcome::Done,
                }),
                event => Some(event),
            };
            pools::errors(script, jobs, Arc::new(Meddler { harness, change }))
        }),
        "is Done, not Some(",
    ),
    (
        "waitgroup",
        Adapter::Threads(|script, jobs, harness| {
            pools::waitgroup(script, jobs, harness.clone())?;
            if !script.jobs.is_empty() {
                _ = harness.work(1, 1);
            }
            Ok(())
        }),
        "job 1 started twice",
    ),
    (
        "dispatcher",
        Adapter::Threads(|script, jobs, harness| {
            pools::dispatcher(&one_more_worker(script), jobs, harness)
        }),
        "there is a worker ",
    ),
    (
        "basic",
        Adapter::Threads(|script, jobs, harness| {
            let run = AssertUnwindSafe(|| pools::basic(script, jobs, harness));
            catch_unwind(run).unwrap_or(Ok(()))
        }),
        "the pool ended Completed",
    ),
    (
        "cancellation",
        Adapter::Tasks(|script, jobs, harness| {
            harness.record(Event::Stop);
            pools::cancellation(script, jobs, harness)
        }),
        "started after the pool was cancelled",
    ),
    (
        "cancellation",
        Adapter::Tasks(|_, _, _| Box::pin(future::pending())),
        "the pool still runs after",
    ),
    (
        "rate-limited",
        Adapter::Tasks(|script, jobs, harness| {
            let burst = script.burst.saturating_add(1);
            let script = Script { burst, ..script };
            pools::rate_limited(script, jobs, harness)
        }),
        "started too early for the limiter",
    ),
    (
        "rate-limited",
        Adapter::Tasks(|script, jobs, harness| {
            Box::pin(async move {
                tokio::spawn(future::pending::<()>());
                pools::rate_limited(script, jobs, harness).await;
            })
        }),
        "1 threads or tasks are left",
    ),
    (
        "dynamic",
        Adapter::Tasks(|script, jobs, harness| {
            let script = Script {
                max_workers: script.max_workers.saturating_add(1),
                ..script
            };
            pools::dynamic(script, jobs, harness)
        }),
        " jobs at once",
    ),
];

fn one_more_worker(script: &Script) -> Script {
    Script {
        workers: script.workers.saturating_add(1),
        ..script.clone()
    }
}

fn find(name: &str, adapter: Adapter, patience: Duration) -> String {
    let step = Step::named(name).expect("it is a step");
    let found = explore(&[&Step { adapter, ..step }], 0..100, patience);
    found.expect_err("the pool is broken")
}

#[test]
fn broken_pools_are_found() {
    for (name, adapter, wrong) in BROKEN {
        let said = find(name, adapter, PATIENCE);
        assert!(said.contains(wrong), "{wrong}: {said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_thread_that_is_left_is_found() {
    let adapter = Adapter::Threads(|script, jobs, harness| {
        let (ready, named) = channel();
        let thread = thread::Builder::new().name("worker 1".into());
        thread.spawn(move || {
            _ = ready.send(()); // it has its name now
            thread::park();
        })?;
        named.recv().expect("it says that it is ready");
        pools::basic(script, jobs, harness)
    });
    let step = Step {
        adapter,
        ..STEPS[0]
    };
    let run = play(
        &step,
        &Script::PLAIN,
        Mode::Stressed,
        Duration::from_secs(1),
    );
    assert_eq!(run.map(|run| run.left), Ok(1));
}

#[test]
fn a_failing_script_is_shrunk() {
    let (name, adapter, _) = BROKEN[8];
    let said = find(name, adapter, PATIENCE);
    assert!(said.lines().count() < 10, "{said}");
}

/// Said in full, with the command to see it again.
#[test]
fn a_stuck_pool_is_found() {
    let stuck = Adapter::Tasks(|_, _, _| {
        loop {
            thread::park();
        }
    });
    let said = find("dynamic", stuck, Duration::from_millis(50));
    insta::assert_snapshot!(said, @r"
    dynamic, seed 0: the pool is stuck for 50ms
    with this script, shrunk from that of the seed:
    Script { workers: 1, max_workers: 1, capacity: 1, period: 1ms, burst: 1, jobs: [], reads: 18446744073709551615, submitters: 1, stop: Some(After(0ns)) }
    again: cargo xtask soak --seed 0 dynamic
    ");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_with_the_counts_so_far() {
    let mut soak = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["soak", "cancellation"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let mut line = String::new();
    let mut progress = BufReader::new(soak.stderr.take().expect("it is piped"));
    progress.read_line(&mut line).expect("it prints text");
    assert!(line.starts_with("0 s: "), "{line}");

    let kill = format!("kill -INT {}", soak.id());
    let status = Command::new("sh").arg("-c").arg(kill).status();
    assert!(status.expect("there is a shell").success());
    let output = soak.wait_with_output().expect("it was started");
    assert_eq!(output.status.code(), Some(130));
    let counts = String::from_utf8(output.stdout).expect("it prints text");
    assert!(counts.contains("\ncancellation "), "{counts}");
    assert!(
        !counts.contains(" 60 seconds"),
        "it went on for its minute: {counts}"
    );
}

#[test]
fn it_goes_on_for_as_long_as_asked() {
    let output = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["soak", "--minutes", "0.005", "--seed", "1", "cancellation"])
        .output()
        .expect("the program can be started");
    assert!(output.status.success(), "{output:?}");
    let counts = String::from_utf8(output.stdout).expect("it prints text");
    assert!(counts.starts_with("seeds from 1, "), "{counts}");
    assert!(!counts.contains(" 0 runs"), "{counts}");
}

/// However short the time, and whether or not its progress can be written.
#[test]
fn every_step_runs_at_least_once() {
    for minutes in ["1e-300", "1e-9"] {
        let mut soak = Command::new(env!("CARGO_BIN_EXE_lab"));
        soak.args(["soak", "--minutes", minutes, "--seed", "1"]);
        if cfg!(target_os = "linux") {
            soak.stderr(
                File::options()
                    .write(true)
                    .open("/dev/full")
                    .expect("Linux has it"),
            );
        }
        let output = soak.output().expect("the program can be started");
        assert!(output.status.success(), "{output:?}");
        let counts = String::from_utf8(output.stdout).expect("it prints text");
        assert!(!counts.contains(" 0 runs"), "{counts}");
    }
}

/// A scope says that a thread of it has panicked, thousands of times here.
#[test]
fn what_panics_on_purpose_says_nothing() {
    let panics = |&seed: &u64| {
        let script = generator::script(&STEPS[0].guarantees, seed);
        let mut outcomes = script.jobs.iter().map(|job| job.outcome);
        let is_small = script.jobs.len() < 20 && script.workers.get() < 4;
        is_small && outcomes.any(|outcome| outcome == Outcome::Panicked)
    };
    let seed = (0..)
        .find(panics)
        .expect("there is such a seed")
        .to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["soak", "--seed", &seed, "basic"])
        .output()
        .expect("the program can be started");
    assert!(output.status.success(), "{output:?}");
    let counts = String::from_utf8(output.stdout).expect("it prints text");
    assert!(counts.contains("\nbasic             1000 runs"), "{counts}");
    let progress = String::from_utf8(output.stderr).expect("it prints text");
    assert!(progress.lines().count() < 10, "now and then: {progress}");
    assert!(
        progress
            .lines()
            .all(|line| line.contains(" runs, seeds from ")),
        "{progress}"
    );
}
