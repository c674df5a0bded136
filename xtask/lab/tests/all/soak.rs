//! A short run of what `cargo xtask soak` does at length, and that it finds what is to be found.

use std::fs::File;
use std::future;
#[cfg(unix)]
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
#[cfg(target_os = "linux")]
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use lab::harness::{Mode, play};
use lab::pools::{self, Adapter, Event};
use lab::script::{Outcome, Script};
use lab::soak::{self, PATIENCE, generator};
use lab::steps::{STEPS, Step};
#[cfg(unix)]
use testing::kill;

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
    explore(&steps, 0..100, PATIENCE).unwrap_or_else(|wrong| panic!("{wrong}"));
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

/// The pools of these steps, each broken in some way, and what is said of it.
const BROKEN: [(&str, Adapter, &str); 8] = [
    (
        "basic",
        Adapter::Threads(|script, jobs, harness| {
            pools::basic(script, jobs.saturating_sub(1), harness)
        }),
        "was lost",
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

fn broken(name: &str, adapter: Adapter) -> Step {
    let step = Step::named(name).expect("it is a step");
    Step { adapter, ..step }
}

#[test]
fn broken_pools_are_found() {
    for (name, adapter, wrong) in BROKEN {
        let step = broken(name, adapter);
        let violation = |seed| {
            let script = generator::script(&step.guarantees, seed);
            soak::violation(&step, &script, PATIENCE).err()
        };
        let said = (0..100).find_map(violation).expect(wrong);
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
    let patience = Duration::from_secs(1);
    let step = broken("basic", adapter);
    let run = play(&step, &Script::PLAIN, Mode::Stressed, patience);
    assert_eq!(run.map(|run| run.left), Ok(1));
}

#[test]
fn a_failing_script_is_shrunk() {
    let (name, adapter, wrong) = BROKEN[5];
    let said = explore(&[&broken(name, adapter)], 0..100, PATIENCE).expect_err(wrong);
    assert!(said.contains(wrong) && said.lines().count() < 10, "{said}");
}

/// Said in full, with the command to see it again.
#[test]
fn a_stuck_pool_is_found() {
    let stuck = Adapter::Tasks(|_, _, _| {
        loop {
            thread::park();
        }
    });
    let patience = Duration::from_millis(50);
    let said = explore(&[&broken("dynamic", stuck)], 0..1, patience).expect_err("it is stuck");
    insta::assert_snapshot!(said, @r"
    dynamic, seed 0: the pool is stuck for 50ms
    with this script, shrunk from that of the seed:
    Script { workers: 1, max_workers: 1, capacity: 1, period: 1ms, burst: 1, jobs: [], reads: 18446744073709551615, submitters: 1, stop: Some(After(0ns)) }
    again: cargo xtask soak --seed 0 dynamic
    ");
}

fn soak(flags: &str) -> Command {
    let mut soak = Command::new(env!("CARGO_BIN_EXE_lab"));
    soak.arg("soak").args(flags.split(' '));
    soak.stdout(Stdio::piped()).stderr(Stdio::piped());
    soak
}

/// The counts, and the lines of progress.
fn counts(soak: &mut Command) -> (String, String) {
    let output = soak.output();
    let output = output.expect("the program can be started");
    assert!(output.status.success(), "{output:?}");
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    (text(output.stdout), text(output.stderr))
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_with_the_counts_so_far() {
    let mut soak = soak("cancellation")
        .spawn()
        .expect("the program can be started");
    let mut line = String::new();
    let mut progress = BufReader::new(soak.stderr.take().expect("it is piped"));
    progress.read_line(&mut line).expect("it prints text");
    assert!(line.starts_with("0 s: "), "{line}");

    kill(&soak.id().to_string(), "INT");
    let output = soak.wait_with_output().expect("it was started");
    assert_eq!(output.status.code(), Some(130));
    let counts = String::from_utf8(output.stdout).expect("it prints text");
    assert!(counts.contains("\ncancellation "), "{counts}");
    assert!(
        !counts.contains(" 60 seconds"),
        "it went on for its minute: {counts}"
    );
}

/// However short the time, and whether or not its progress can be written, each step runs once.
#[test]
fn it_goes_on_for_as_long_as_asked() {
    for flags in [
        "--minutes 0.005 --seed 1 cancellation",
        "--minutes 1e-300 --seed 1",
    ] {
        let mut soak = soak(flags);
        if cfg!(target_os = "linux") {
            let full = File::options().write(true).open("/dev/full");
            soak.stderr(full.expect("Linux has it"));
        }
        let (counts, _) = counts(&mut soak);
        assert!(counts.starts_with("seeds from 1, "), "{counts}");
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
    let seed = (0..).find(panics).expect("there is such a seed");
    let (counts, progress) = counts(&mut soak(&format!("--seed {seed} basic")));
    assert!(counts.contains("\nbasic             1000 runs"), "{counts}");
    assert!(progress.lines().count() < 10, "now and then: {progress}");
    for line in progress.lines() {
        assert!(line.contains(" runs, seeds from "), "{progress}");
    }
}
