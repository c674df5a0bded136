//! The programs of all steps, as a person meets them: flags, help, errors, and where output goes.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use xtask::cargo::root;
use xtask::steps::{STEPS, Step};

use crate::program::{program, start};

fn run<I: IntoIterator<Item: AsRef<OsStr>>>(step: &Step, flags: I) -> Output {
    program(step.name)
        .args(flags)
        .output()
        .expect("the program can be started")
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("programs print text")
}

/// The flags of a step and what its help says of each: `--jobs <N>` and `How many ... [default: 5]`.
fn flags(step: &Step) -> BTreeMap<String, String> {
    let output = run(step, ["--help"]);
    assert!(output.status.success(), "{}", step.name);
    let help = text(&output.stdout)
        .lines()
        .filter_map(|line| line.trim_start().split_once("  "));
    help.filter(|(flag, _)| flag.starts_with("--"))
        .map(|(flag, help)| (flag.to_owned(), help.trim_start().to_owned()))
        .collect()
}

#[test]
fn a_step_stands_in_every_place() {
    let root = root().expect("tests run in the workspace");
    for name in STEPS.map(|step| step.name) {
        let row = lab::steps::Step::named(name);
        assert!(row.is_some(), "xtask/lab/src/steps.rs has no {name}");
        for (file, text) in [
            ("Cargo.toml", format!("\"{name}\",")),
            ("Cargo.toml", format!("\n{name} = {{ path = ")),
            (
                "xtask/lab/Cargo.toml",
                format!("\n{name}.workspace = true\n"),
            ),
            ("xtask/digests.txt", format!("{name}/src/lib.rs")),
            ("README.md", format!("]({name}")),
            (&format!("{name}/timeline.svg"), "<svg".to_owned()),
        ] {
            let content = fs::read_to_string(root.join(file)).unwrap_or_default();
            assert!(content.contains(&text), "{file} has no {text:?}");
        }
    }
}

#[test]
fn every_step_has_the_common_flags_and_its_own() {
    let flags = STEPS.map(|step| {
        let flags = flags(&step).into_keys().collect::<Vec<_>>();
        format!("{}: {}", step.name, flags.join(" "))
    });
    insta::assert_snapshot!(flags.join("\n"), @r"
    basic: --jobs <N> --speed <X> --workers <N>
    waitgroup: --jobs <N> --speed <X> --workers <N>
    job-struct: --jobs <N> --panic <N> --speed <X> --workers <N>
    cancellation: --jobs <N> --speed <X> --timeout <SECONDS> --workers <N>
    dispatcher: --fail <N> --jobs <N> --speed <X> --workers <N>
    errors: --jobs <N> --panic <N> --speed <X> --workers <N>
    rate-limited: --burst <N> --jobs <N> --pause <SECONDS> --rate <JOBS_PER_SECOND> --speed <X> --workers <N>
    dynamic: --bursts <N> --jobs <N> --load <LOAD> --max-workers <N> --min-workers <N> --seed <N> --speed <X>
    ");
}

/// Help and default; but the article has 5 jobs in some sections, 10 in others, and 20 in a burst.
#[test]
fn the_same_flag_is_the_same_everywhere() {
    let mut seen = BTreeMap::new();
    for step in &STEPS {
        for (flag, mut help) in flags(step) {
            if flag.starts_with("--jobs ") {
                help = help.replace(" in each burst", "");
                let default = help.rfind(" [default: ").expect("there is a default");
                help.truncate(default);
            }
            let first = seen
                .entry(flag.clone())
                .or_insert((step.name, help.clone()));
            assert_eq!(first.1, help, "{flag} of {} and of {}", first.0, step.name);
        }
    }
}

/// Values that the flag does not take, besides those that no flag takes.
fn wrong(flag: &str) -> &'static [&'static str] {
    match flag {
        "--workers" | "--min-workers" | "--max-workers" => &["0", "1001", "-1", "1.5", "three"],
        "--jobs" | "--bursts" | "--fail" | "--panic" => &["18446744073709551616", "-1", "1.5", "x"],
        "--seed" => &["18446744073709551616", "-1", "x"],
        "--burst" => &["4294967296", "0", "-1", "some"],
        "--load" => &["heavy"],
        _ => &["0", "-1", "-0", "nan", "inf", "fast"],
    }
}

#[test]
fn what_a_flag_does_not_take_is_refused_by_name() {
    for step in &STEPS {
        for flag in flags(step).into_keys() {
            let flag = flag.split(' ').next().expect("a flag has a name");
            for value in wrong(flag) {
                refused(step, &[flag.into(), value.into()], flag);
            }
            refused(step, &[flag.into(), "".into()], flag);
            refused(step, &[flag.into(), not_utf8()], flag);
            refused(step, &[flag.into()], flag);
            let twice = [flag, "1", flag, "1"].map(OsString::from);
            refused(step, &twice, flag);
        }
        refused(step, &["--nonsense".into()], "--nonsense");
        refused(step, &["nonsense".into()], "nonsense");
        refused(step, &[not_utf8()], "unexpected argument");
    }
    let dynamic = STEPS.last().expect("there are steps");
    let crossed = ["--min-workers", "11"].map(OsString::from);
    refused(
        dynamic,
        &crossed,
        "--min-workers 11 is above --max-workers 10",
    );
}

/// One message that names what is wrong, exit code 2, and nothing was run.
fn refused(step: &Step, flags: &[OsString], name: &str) {
    let output = run(step, flags);
    let what = format!("{} {flags:?}", step.name);
    assert_eq!(output.status.code(), Some(2), "{what}");
    assert_eq!(text(&output.stdout), "", "{what}");
    let error = text(&output.stderr);
    let first = error.lines().next().expect("there is a message");
    assert!(
        first.starts_with("error: ") && first.contains(name),
        "{what}: {error}"
    );
    assert_eq!(error.matches("error:").count(), 1, "{what}: {error}");
}

#[cfg(unix)]
fn not_utf8() -> OsString {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(vec![b'5', 0xff])
}

#[cfg(not(unix))]
fn not_utf8() -> OsString {
    OsString::from("5\u{fffd}")
}

#[test]
fn no_jobs_end_well() {
    for step in &STEPS {
        let output = run(step, ["--jobs", "0", "--speed", "1000"]);
        assert!(output.status.success(), "{}", step.name);
        let lines = text(&output.stdout).lines();
        let of_jobs = |line: &&str| line.contains("job ") || line.contains("Result");
        assert_eq!(
            lines.filter(of_jobs).collect::<Vec<_>>(),
            [""; 0],
            "{}",
            step.name
        );
    }
}

/// And each job ends after it starts. When a result is read is left open.
#[test]
fn one_worker_takes_the_jobs_in_order() {
    for step in &STEPS {
        let workers = match step.name {
            "dynamic" => "--bursts 1 --min-workers 1 --max-workers 1",
            "cancellation" => "--timeout 1e9 --workers 1",
            _ => "--workers 1",
        };
        let output = run(step, format!("--speed 1000 --jobs 3 {workers}").split(' '));
        let lines = Vec::from_iter(text(&output.stdout).lines());
        let position = |words: &str| {
            let position = lines.iter().position(|line| line.contains(words));
            position.unwrap_or_else(|| panic!("{}: {lines:?}", step.name))
        };
        let start = match step.name {
            "dispatcher" => "Executing task",
            _ => "rocessing job",
        };
        let ends = match step.name {
            "dispatcher" => ["Executing task 2", "Executing task 3", "stopped"],
            "job-struct" | "errors" => ["Job 1 ", "Job 2 ", "Job 3 "],
            _ => ["Result: 2", "Result: 4", "Result: 6"],
        };
        let starts = [1, 2, 3].map(|job| position(&format!("{start} {job}")));
        let ends = ends.map(position);
        let in_order = starts.is_sorted() && ends.is_sorted();
        let is_after = (0..3).all(|job| starts[job] < ends[job]);
        assert!(in_order && is_after, "{}: {lines:?}", step.name);
    }
}

/// Jobs take longer here than any test. The others submit them one after the other, or start with two workers.
#[test]
fn as_many_jobs_run_at_once_as_there_are_workers() {
    for name in STEPS.map(|step| step.name) {
        let rate = match name {
            "cancellation" | "dynamic" => continue,
            "rate-limited" => " --rate 1e9",
            _ => "",
        };
        for (workers, number) in [("", 3), (" --workers 5", 5)] {
            let flags = format!("--jobs 10 --speed 1e-5{rate}{workers}");
            let mut running = start(name, &flags);
            (0..number).for_each(|_| _ = running.wait_for("processing"));
            running.program.kill().expect("it is still running");
            let (_, stdout, _) = running.end();
            let starts = stdout.to_lowercase().matches("processing").count();
            assert_eq!(starts, number, "{name}: {stdout}");
        }
    }
}

#[test]
fn a_pipe_that_closes_early_ends_it_quietly() {
    for step in &STEPS {
        let mut program = program(step.name);
        program.args(["--jobs", "100000", "--speed", "1e6"]);
        match step.name {
            "cancellation" => program.args(["--timeout", "1e9"]),
            "rate-limited" => program.args(["--rate", "1000"]),
            _ => &mut program,
        };
        program.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = program.spawn().expect("the program can be started");
        let mut stdout = BufReader::new(running.stdout.take().expect("stdout is piped"));
        let line = stdout.read_line(&mut String::new());
        line.expect("the program prints");
        drop(stdout);
        let output = running.wait_with_output().expect("it is running");
        assert_eq!(text(&output.stderr), "", "{}", step.name);
        assert!(output.status.success(), "{}", step.name);
    }
}

#[test]
fn the_command_line_is_handled_alike_everywhere() {
    let same_in = |file: &str, steps: &[&str]| {
        let read = |step: &&str| {
            let path = format!("{}/../../{step}/src/{file}", env!("CARGO_MANIFEST_DIR"));
            fs::read_to_string(path).expect("the step has the file")
        };
        let files: Vec<_> = steps.iter().map(read).collect();
        assert!(
            files.windows(2).all(|pair| pair[0] == pair[1]),
            "{file} differs among {steps:?}"
        );
    };
    same_in("cli.rs", &STEPS.map(|step| step.name));
    same_in("interrupt.rs", &["cancellation", "rate-limited", "dynamic"]);
    same_in("unstarted.rs", &["cancellation", "rate-limited"]);
}

/// A million times as fast as in the article, nothing takes a second any more: not a job, not a pause. At the article's
/// speed, what each step does here takes more than a minute.
#[test]
fn speed_is_for_all_that_takes_time() {
    program("basic"); // all are built before the first is timed
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        for step in &STEPS {
            let (times, flags): (_, &[_]) = match step.name {
                "cancellation" => (1, &["--workers", "1", "--timeout", "1e9"]),
                "dispatcher" => (20, &["--workers", "1"]), // no flag makes its pause longer
                "rate-limited" => (1, &["--workers", "1", "--pause", "100"]),
                "dynamic" => (1, &["--bursts", "20"]),
                _ => (1, &["--workers", "1"]),
            };
            for _ in 0..times {
                let output = run(step, [&["--speed", "1e6", "--jobs", "100"], flags].concat());
                assert!(output.status.success(), "{}", step.name);
            }
            done.send(()).expect("the test waits for it");
        }
    });
    let minute = Duration::from_secs(60);
    for step in &STEPS {
        let ended = ended.recv_timeout(minute);
        assert!(ended.is_ok(), "{} does not take a moment", step.name);
    }
}

/// A worker's first job takes that much longer. Only what is too fast is wrong here: a busy machine may be as slow as it is.
#[test]
fn a_speed_below_1_is_slower_than_the_article() {
    program("basic"); // all are built before the first is timed
    thread::scope(|scope| {
        for step in &STEPS {
            scope.spawn(move || {
                let (flags, next) = match step.name {
                    "dispatcher" => ("--workers 1", "executing task 2"),
                    "dynamic" => ("--jobs 1", "result: 2"),
                    _ => ("--workers 1", "processing job 2"),
                };
                let begin = Instant::now();
                let mut running = start(step.name, &format!("--speed 0.9 {flags}"));
                running.wait_for(next);
                let elapsed = begin.elapsed().as_secs_f64();
                running.program.kill().expect("it was started");
                running.end();
                assert!(elapsed >= 1.0 / 0.9, "{} takes {elapsed} s", step.name);
            });
        }
    });
}
