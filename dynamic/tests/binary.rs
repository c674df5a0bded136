//! What the program prints, and how it takes its flags and signals.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn program(flags: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_dynamic"));
    program.args(flags);
    program
}

fn dynamic(flags: &[&str]) -> Output {
    let output = program(flags).output();
    output.expect("the program can be started")
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("only text is printed")
}

/// The words that are numbers, and the line without them.
fn numbers(line: &str) -> (Vec<usize>, String) {
    let mut numbers = Vec::new();
    let mut words: Vec<_> = line.split(' ').collect();
    for word in &mut words {
        if let Ok(number) = word.trim_end_matches(')').parse() {
            numbers.push(number);
            *word = "#";
        }
    }
    (numbers, words.join(" "))
}

/// Times are real here, so that the moments of scaling differ from run to run. The rule does not.
#[test]
fn prints_the_articles_lines_and_scales_by_its_rule() {
    let output = dynamic(&["--speed", "100"]);
    assert!(output.status.success());

    let (mut queue, mut workers, mut retiring) = (0, 2, 0);
    let (mut peak_queue, mut peak_workers) = (0, 2);
    let (mut jobs, mut results, mut other) = (Vec::new(), Vec::new(), Vec::new());
    for line in text(&output.stdout).lines() {
        let case = format!("{line}: queue {queue}, workers {workers}, retiring {retiring}");
        let (numbers, words) = numbers(line);
        match (words.as_str(), numbers.as_slice()) {
            ("Worker # processing job #", &[_, job]) => {
                queue -= 1;
                jobs.push(job);
            }
            ("Result: #", &[result]) => {
                assert!(jobs.contains(&(result / 2)), "{case}: not started");
                results.push(result);
            }
            ("Scaling up: Adding # workers (queue length: #", &[count, seen]) => {
                assert_eq!(seen, queue, "{case}");
                assert!(queue > workers * 2 && workers < 10, "{case}");
                assert_eq!(count, (queue / 2).min(10 - workers), "{case}");
                workers += count;
                retiring -= retiring.min(count);
            }
            ("Scaling down: Removing # workers", &[count]) => {
                assert!(queue == 0 && workers > 2, "{case}");
                assert_eq!(count, (workers / 2).min(workers - 2), "{case}");
                workers -= count;
                retiring += count;
            }
            ("Worker # shutting down", _) => retiring -= 1,
            ("Worker # finished (no more jobs)", _) => workers -= 1,
            _ => {
                queue += if words.contains("Burst") { 20 } else { 0 };
                other.push(line);
            }
        }
        peak_queue = peak_queue.max(queue);
        peak_workers = peak_workers.max(workers + retiring);
    }
    assert_eq!((queue, workers, retiring), (0, 0, 0), "all have ended");
    // Two workers would take 10 of the article's seconds for a burst, however slow the machine is,
    // and the scaler looks every 2.
    assert!(peak_workers > 2, "it scales");

    results.sort_unstable();
    let ids = [1..=20, 101..=120, 201..=220].map(Vec::from_iter).concat();
    assert_eq!(
        jobs, ids,
        "started in the order in which they were submitted"
    );
    let doubled = ids.into_iter().map(|id| id * 2);
    assert_eq!(results, Vec::from_iter(doubled));
    insta::assert_snapshot!(other.join("\n").trim_start(), @r"
    --- Burst 1 ---

    --- Burst 2 ---

    --- Burst 3 ---

    Stopping pool...
    Pool stopped
    ");
    assert!(text(&output.stdout).starts_with("\n--- Burst 1 ---\n"));
    assert!(text(&output.stdout).ends_with("\nPool stopped\n"));

    let summary = text(&output.stderr);
    let counted = format!("Jobs done:      60\nPeak queue:     {peak_queue} jobs\n");
    assert!(summary.starts_with(&counted), "{counted}, not {summary}");
    let busy = summary.trim_end().rsplit(' ').next();
    let most = busy.and_then(|most| most.parse().ok());
    let most: usize = most.expect("the last figure is the most workers that were busy");
    assert!((3..=peak_workers).contains(&most), "{summary}");
    let figures = summary.lines().map(|line| line.split(':').next());
    insta::assert_snapshot!(figures.flatten().collect::<Vec<_>>().join("\n"), @r"
    Jobs done
    Peak queue
    Time in queue
    Time at work
    Workers busy
    ");
}

/// The lines without workers' ids, as the pool leaves open which worker ends first.
fn frame(output: &Output) -> String {
    let lines = text(&output.stdout).trim_start().lines();
    let lines = lines.map(|line| match line.strip_prefix("Worker ") {
        Some(_) => numbers(line).1,
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn no_jobs_print_only_the_frame() {
    let start = Instant::now();
    let output = dynamic(&["--jobs", "0", "--bursts", "2", "--speed", "100"]);
    assert!(
        start.elapsed() >= Duration::from_millis(100),
        "5 seconds after each burst"
    );
    assert!(output.status.success());
    insta::assert_snapshot!(frame(&output), @r"
    --- Burst 1 ---

    --- Burst 2 ---

    Stopping pool...
    Worker # finished (no more jobs)
    Worker # finished (no more jobs)
    Pool stopped
    ");

    let output = dynamic(&["--bursts", "0"]);
    assert!(output.status.success());
    insta::assert_snapshot!(frame(&output), @r"
    Stopping pool...
    Worker # finished (no more jobs)
    Worker # finished (no more jobs)
    Pool stopped
    ");
    assert!(text(&output.stdout).starts_with("\nStopping pool...\n"));
    assert!(text(&output.stderr).starts_with("Jobs done:      0\n"));
}

/// The results of a random load, in order.
fn random(flags: &[&str]) -> Vec<usize> {
    let output = dynamic(&[flags, &["--load", "random", "--speed", "10000"]].concat());
    assert!(output.status.success());
    assert!(text(&output.stdout).ends_with("\nPool stopped\n"));
    let lines = text(&output.stdout).lines();
    let results = lines.filter_map(|line| line.strip_prefix("Result: ")?.parse().ok());
    let mut results: Vec<_> = results.collect();
    results.sort_unstable();
    results
}

/// The second of these bursts is the largest, and the last one is the smallest.
#[test]
fn the_peak_queue_is_that_of_all_bursts() {
    let flags = ["--load", "random", "--seed", "6", "--speed", "1000"];
    let output = dynamic(&flags);
    let mut bursts = [0, 0, 0];
    for line in text(&output.stdout).lines() {
        if let Some(result) = line.strip_prefix("Result: ") {
            let result: usize = result.parse().expect("results are numbers");
            bursts[(result / 2 - 1) / 100] += 1;
        }
    }
    assert!(bursts[1] > bursts[0] && bursts[0] > bursts[2], "{bursts:?}");
    let (peak, _) = numbers(text(&output.stderr).lines().nth(1).expect("a summary"));
    assert!(peak[0] >= bursts[1], "{peak:?} of {bursts:?}");
}

#[test]
fn a_random_load_is_the_same_for_the_same_seed() {
    let default = random(&[]);
    assert!(!default.is_empty());
    assert_eq!(default, random(&["--seed", "1"]));
    assert_ne!(default, random(&["--seed", "2"]));
}

#[test]
fn no_two_jobs_have_the_same_id() {
    let flags = ["--jobs", "150", "--bursts", "10", "--max-workers", "1000"];
    let results = random(&flags);
    assert!(results.len() > 1000);
    let mut distinct = results.clone();
    distinct.dedup();
    assert_eq!(results, distinct);
}

/// Programs that get signals. Without one they would all end within a minute.
#[cfg(unix)]
mod signals {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Child, ChildStdout, Command, Stdio};

    use testing::with_deadline;

    use super::{program, text};

    fn start(flags: &[&str]) -> (Child, BufReader<ChildStdout>) {
        let mut program = program(flags);
        program.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = program.spawn().expect("the program can be started");
        let stdout = running.stdout.take().expect("it has been asked for");
        (running, BufReader::new(stdout))
    }

    /// Reads up to the line that reads so.
    fn read_to(line: &str, stdout: &mut impl BufRead) -> String {
        let mut printed = String::new();
        while !printed.ends_with(&format!("{line}\n")) {
            let read = stdout
                .read_line(&mut printed)
                .expect("only text is printed");
            assert!(read > 0, "{line:?} is not printed: {printed}");
        }
        printed
    }

    /// Sends the signal of this name.
    fn send(signal: &str, program: &Child) {
        let mut kill = Command::new("kill");
        let killed = kill.args(["-s", signal, &program.id().to_string()]);
        let killed = killed.status().expect("the system has `kill`");
        assert!(killed.success());
    }

    /// All jobs of a burst come before the first of them starts.
    #[test]
    fn the_first_signal_stops_the_pool_and_loses_no_job() {
        for signal in ["INT", "TERM"] {
            with_deadline(move || {
                let flags = ["--bursts", "1000", "--jobs", "30", "--speed", "100"];
                let (program, mut stdout) = start(&flags);
                let mut printed = read_to("--- Burst 3 ---", &mut stdout);
                send(signal, &program);
                let rest = stdout.read_to_string(&mut printed);
                rest.expect("only text is printed");
                let output = program.wait_with_output().expect("it was started");
                assert_eq!(output.status.code(), Some(130), "{signal}");

                assert!(printed.ends_with("\nPool stopped\n"), "{printed}");
                let bursts = printed.matches("--- Burst").count();
                assert!((3..1000).contains(&bursts), "{bursts} bursts");
                let jobs = (0..bursts).flat_map(|burst| burst * 100 + 1..=burst * 100 + 30);
                for job in jobs.clone() {
                    let result = format!("Result: {}\n", job * 2);
                    assert_eq!(printed.matches(&result).count(), 1, "{result}");
                }
                let summary = format!("Jobs done:      {}\n", jobs.count());
                assert!(text(&output.stderr).starts_with(&summary), "{summary}");
            });
        }
    }

    /// More jobs than fit into memory, and more than can be doubled.
    #[test]
    fn any_number_of_jobs_is_a_stream_that_a_signal_ends() {
        for load in ["article", "random"] {
            for jobs in ["9223372036854775808", "18446744073709551615"] {
                with_deadline(move || {
                    let flags = ["--load", load, "--jobs", jobs, "--speed", "1e6"];
                    let (program, mut stdout) = start(&flags);
                    read_to("Result: 2000", &mut stdout);
                    send("INT", &program);
                    let mut rest = String::new();
                    let read = stdout.read_to_string(&mut rest);
                    read.expect("only text is printed");
                    assert!(rest.ends_with("\nPool stopped\n"));
                    let output = program.wait_with_output().expect("it was started");
                    assert_eq!(output.status.code(), Some(130), "{load} {jobs}");
                });
            }
        }
    }
}
