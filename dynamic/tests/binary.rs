//! What the program prints. What signals do to it is checked in `xtask/lab/tests/all/faults.rs`.

use testing::{Printed, run};

fn dynamic(flags: &str) -> Printed {
    let printed = run(env!("CARGO_BIN_EXE_dynamic"), flags);
    assert_eq!(printed.code, Some(0));
    printed
}

/// The numbers behind these words.
fn numbers(printed: &Printed, words: &str) -> Vec<usize> {
    let lines = printed.lines.iter();
    let numbers = lines.filter_map(|line| line.strip_prefix(words)?.parse().ok());
    numbers.collect()
}

/// The jobs that are done, in order.
fn done(printed: &Printed) -> Vec<usize> {
    let mut results = numbers(printed, "Result: ");
    results.sort_unstable();
    results.iter().map(|result| result / 2).collect()
}

/// Which workers end when is left open, as times are real here. Two workers would take 10 of the article's seconds for a
/// burst, however slow the machine is, and the scaler looks every 2: so it scales.
#[test]
fn prints_the_articles_lines() {
    let mut printed = dynamic("--speed 100");
    let jobs = [1..=20, 101..=120, 201..=220].map(Vec::from_iter).concat();
    assert_eq!(done(&printed), jobs);
    let started = numbers(&printed, "Worker # processing job ");
    assert_eq!(started, jobs, "in the order in which they were submitted");
    let scales = |line: &String| line.starts_with("Scaling up: Adding");
    assert!(printed.lines.iter().any(scales), "{:?}", printed.lines);

    let of_jobs = ["Worker ", "Result: ", "Scaling "];
    let is_of_jobs = |line: &String| of_jobs.iter().any(|words| line.starts_with(words));
    printed.lines.retain(|line| !is_of_jobs(line));
    insta::assert_snapshot!(printed.lines.join("\n").trim_start(), @r"
    --- Burst 1 ---

    --- Burst 2 ---

    --- Burst 3 ---

    Stopping pool...
    Pool stopped
    ");
    let summary = printed.stderr;
    assert!(summary.starts_with("Jobs done:      60\n"), "{summary}");
    let busy = summary.trim_end().rsplit(' ').next();
    let busy = busy.and_then(|most| most.parse().ok());
    assert!(
        busy.is_some_and(|most: usize| (3..=10).contains(&most)),
        "{summary}"
    );
}

#[test]
fn no_jobs_print_only_the_frame() {
    let printed = dynamic("--jobs 0 --bursts 2 --speed 1000");
    insta::assert_snapshot!(printed.lines.join("\n").trim_start(), @r"
    --- Burst 1 ---

    --- Burst 2 ---

    Stopping pool...
    Worker # finished (no more jobs)
    Worker # finished (no more jobs)
    Pool stopped
    ");
    let printed = dynamic("--bursts 0");
    insta::assert_snapshot!(printed.lines.join("\n").trim_start(), @r"
    Stopping pool...
    Worker # finished (no more jobs)
    Worker # finished (no more jobs)
    Pool stopped
    ");
    let summary = printed.stderr;
    assert!(summary.starts_with("Jobs done:      0\n"), "{summary}");
}

/// The second of these bursts is the largest, and the last one is the smallest.
#[test]
fn the_peak_queue_is_that_of_all_bursts() {
    let printed = dynamic("--load random --seed 6 --speed 1000");
    let mut bursts = [0, 0, 0];
    for job in done(&printed) {
        bursts[(job - 1) / 100] += 1;
    }
    assert!(bursts[1] > bursts[0] && bursts[0] > bursts[2], "{bursts:?}");
    let mut words = printed.stderr.split_whitespace();
    let peak = words.nth(5).and_then(|peak| peak.parse().ok());
    let peak: i32 = peak.expect("`Jobs done: .. Peak queue: ..`");
    assert!(peak >= bursts[1], "{peak} of {bursts:?}");
}

#[test]
fn a_random_load_is_the_same_for_the_same_seed() {
    let random = |flags| done(&dynamic(&format!("--load random --speed 10000{flags}")));
    let default = random("");
    assert!(!default.is_empty());
    assert_eq!(default, random(" --seed 1"));
    assert_ne!(default, random(" --seed 2"));
}

#[test]
fn no_two_jobs_have_the_same_id() {
    let flags = "--load random --speed 10000 --jobs 150 --bursts 10 --max-workers 1000";
    let jobs = done(&dynamic(flags));
    assert!(jobs.len() > 1000);
    assert!(jobs.windows(2).all(|pair| pair[0] < pair[1]), "{jobs:?}");
}
