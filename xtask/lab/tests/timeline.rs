//! What the timeline draws, and that it draws what the pools do.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{io, thread};

use anstream::adapter::strip_str;
use lab::harness::{PATIENCE, Time, play};
use lab::pools::{self, Adapter, Event, Threads};
use lab::script::{Outcome, Script};
use lab::steps::{STEPS, Step};
use lab::timeline::picture::Picture;
use lab::timeline::text::{self, Paper};
use lab::timeline::{self, svg, svg_file, trace};
use serde_json::Value;

fn picture(step: &Step) -> Picture {
    timeline::draw(step, PATIENCE).expect("the pool runs")
}

fn text(picture: &Picture, width: usize, ascii: bool) -> String {
    strip_str(&text::draw(picture, Paper { width, ascii })).to_string()
}

fn step(name: &str) -> Step {
    let step = STEPS.into_iter().find(|step| step.name == name);
    step.expect("it is a step")
}

/// `errors --panic 2`
fn with_panic() -> Step {
    let mut errors = step("errors");
    errors.scenario.panic = Some(2);
    errors
}

#[test]
fn draws_the_steps() {
    for step in STEPS {
        insta::assert_snapshot!(step.name, text(&picture(&step), 80, false));
    }
}

#[test]
fn the_readme_shows_what_is_drawn() {
    let drawn = text(&picture(&with_panic()), 80, false);
    assert!(include_str!("../README.md").contains(&drawn), "{drawn}");
}

#[test]
fn draws_the_same_each_time() {
    let draw = || STEPS.map(|step| text(&picture(&step), 80, false));
    let first = draw();
    for _ in 0..10 {
        assert_eq!(draw(), first);
    }
}

#[test]
fn the_committed_pictures_are_what_is_drawn() {
    for step in STEPS {
        let file = svg_file(&step).expect("tests run in the workspace");
        let committed = fs::read_to_string(file).expect("the picture is there");
        assert!(
            committed == svg::draw(&picture(&step)),
            "{}/timeline.svg is not what is drawn: run `cargo xtask timeline --svg`",
            step.name
        );
    }
}

#[test]
fn pictures_are_small_and_have_no_script_but_words() {
    for step in STEPS {
        let svg = svg::draw(&picture(&step));
        assert!(svg.len() < 40_000, "{}: {} bytes", step.name, svg.len());
        assert!(svg.contains("role=\"img\" aria-labelledby=\"title description\""));
        assert!(svg.contains(&format!("<title id=\"title\">{}: ", step.name)));
        assert!(svg.contains("<desc id=\"description\">"));
        assert!(svg.contains("@media (prefers-color-scheme: dark)"));
        assert!(!svg.contains("<script") && !svg.contains("href") && !svg.contains("url("));
        for word in ["NaN", "inf", "—"] {
            assert!(!svg.contains(word), "{}: {word}", step.name);
        }
    }
}

/// However narrow the terminal and however much there is to draw.
#[test]
fn fits_the_terminal() {
    let mut steps = Vec::from(STEPS);
    for mut step in STEPS {
        let hundred = |_| NonZeroUsize::new(100).expect("100 is not 0");
        step.scenario.workers = step.scenario.workers.map(hundred);
        step.scenario.min_workers = step.scenario.min_workers.map(hundred);
        step.scenario.max_workers = step.scenario.max_workers.map(hundred);
        step.scenario.jobs = Some(1000 / step.scenario.bursts.unwrap_or(1));
        steps.push(step);
        step.scenario.jobs = Some(0);
        steps.push(step);
    }
    for step in steps {
        let picture = picture(&step);
        for width in [40, 57, 80, 100] {
            for ascii in [false, true] {
                let text = text(&picture, width, ascii);
                assert!(text.lines().count() < 60, "{text}");
                assert!(!ascii || text.is_ascii(), "{text}");
                for line in text.lines() {
                    assert!(line.chars().count() <= width, "{width}: {line}");
                    assert_eq!(line.trim_end(), line);
                }
            }
        }
    }
}

#[test]
fn lines_are_broken_only_where_the_next_word_has_no_room() {
    for width in 20..100 {
        let drawn = text(&picture(&step("rate-limited")), width, false);
        let head = drawn.lines().skip(1).take_while(|line| !line.is_empty()); // of the caption
        let head = Vec::from_iter(head.skip_while(|line| !line.starts_with("3 workers")));
        assert!(!head.is_empty(), "{drawn}");
        for pair in head.windows(2) {
            let (word, _) = pair[1].split_once(' ').unwrap_or((pair[1], ""));
            assert!(pair[0].len() + 1 + word.len() > width, "{width}: {drawn}");
        }
    }
}

fn timeline(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_lab"));
    program.arg("timeline").args(arguments);
    for colours in ["CLICOLOR", "CLICOLOR_FORCE", "NO_COLOR"] {
        program.env_remove(colours);
    }
    program.envs(variables.iter().copied());
    program.output().expect("the program can be started")
}

#[test]
fn flags_turn_the_scenario() {
    let output = timeline(&["cancellation", "--workers", "1", "--timeout", "2.5"], &[]);
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout), @r"
    cancellation: stopping early and losing nothing
    1 worker, 10 jobs of 1 s, one every 0.5 s, cancelled after 2.5 s

                                                                        ▼cancel
       worker 1 │▐█████████ 1 ████████▌▐█████████ 2 ████████▌▐▓▓▓▓▓▓▓▓▓ 3 ▓▓▓▓▓▓▓▓▌
    handed back │                                                               4-6▲
                └┬──────────┬──────────┬──────────┬──────────┬──────────┬──────────┬
                 0 s        0.5 s      1 s        1.5 s      2 s        2.5 s    3 s

    Makespan:              3 s
    Shortest possible:     3 s on 1 worker, as the jobs come in
    Workers worked:        100 % of their time
    ▓▓ Ended after cancel: 3
    Handed back:           4-6
    Never submitted:       7-10
    ");
}

#[test]
fn refuses_what_cannot_be_drawn() {
    let refusals = [
        &["basic", "errors", "--rate", "3"][..],
        &["dynamic", "--workers", "3"],
        &["--min-workers", "11"],
        &["dynamic", "--bursts", "1000"],
        &["rate-limited", "--rate", "1e-300"],
        &["--trace", "file"],
    ];
    let refusals = refusals.map(|arguments| {
        let output = timeline(arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    });
    insta::assert_snapshot!(refusals.concat(), @r"
    error: --rate is no flag of basic or errors
    error: --workers is no flag of dynamic
    error: --min-workers 11 is above --max-workers 10, and takes at most that
    error: dynamic: 20000 jobs are too many to draw, 10000 are not
    error: rate-limited: this takes more than 100000 s, too much to draw
    error: --trace takes one step: name it
    ");
}

#[test]
fn flags_take_what_they_say_and_no_more() {
    let takes = |arguments: &[&str]| match timeline(arguments, &[]).status.code() {
        Some(0) => true,
        Some(2) => false,
        other => panic!("{arguments:?}: {other:?}"),
    };
    for (step, flag, takes_these, but_not_these) in [
        ("basic", "--workers", &["1", "1000"][..], &["0", "1001"][..]),
        ("basic", "--jobs", &["0", "10000"], &["-1", "10001"]),
        ("cancellation", "--timeout", &["0", "4.5"], &["-1", "inf"]),
        (
            "rate-limited",
            "--rate",
            &["0.1", "1e9", "1e99"],
            &["0", "inf"],
        ),
        (
            "rate-limited",
            "--burst",
            &["1", "1000000"],
            &["0", "1000001"],
        ),
        ("dynamic", "--min-workers", &["1", "10"], &["0", "11"]),
        ("dynamic", "--max-workers", &["2", "1000"], &["1", "1001"]),
        ("dynamic", "--bursts", &["0", "500"], &["501"]), // of 20 jobs
        ("rate-limited", "--pause", &["0", "2.5"], &["-1", "inf"]),
        ("dispatcher", "--fail", &["1", "10000"], &["0", "10001"]),
        ("errors", "--panic", &["1", "10000"], &["0", "10001"]),
        ("errors", "--on-failure", &["continue", "stop"], &["wait"]),
    ] {
        for value in takes_these {
            assert!(takes(&[step, flag, value]), "{step} {flag} {value}");
        }
        for value in but_not_these {
            assert!(!takes(&[step, flag, value]), "{step} {flag} {value}");
        }
    }
}

/// But for `--burst`: where all jobs are there from the start, no worker misses a tick it could have used.
#[test]
fn every_flag_changes_what_is_drawn() {
    let drawn = |arguments: &[&str]| timeline(arguments, &[]).stdout;
    for arguments in [
        ["basic", "--workers", "2"],
        ["basic", "--jobs", "4"],
        ["cancellation", "--timeout", "3"],
        ["rate-limited", "--rate", "4"],
        ["dynamic", "--min-workers", "3"],
        ["dynamic", "--max-workers", "9"],
        ["dynamic", "--bursts", "2"],
        ["rate-limited", "--pause", "2"],
        ["dispatcher", "--fail", "3"],
        ["errors", "--panic", "2"],
    ] {
        assert!(drawn(&arguments) != drawn(&arguments[..1]), "{arguments:?}");
    }
}

/// 10,000 periods of this rate take 99,998.8 s, and timers round each up to a millisecond.
#[test]
fn the_longest_run_that_is_allowed_is_drawn() {
    let output = timeline(
        &["rate-limited", "--rate", "0.10000012", "--jobs", "10000"],
        &[],
    );
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn huge_numbers_fit_the_line() {
    for arguments in [
        ["cancellation", "--timeout", "1e300"],
        ["rate-limited", "--rate", "1e300"],
        ["rate-limited", "--rate", "1e-3"],
    ] {
        let drawn = timeline(&arguments, &[]).stdout;
        let drawn = String::from_utf8(drawn).expect("it prints text");
        assert!(
            drawn.contains(&arguments[2].replace("1e-3", "0.001")),
            "{drawn}"
        );
        assert!(
            drawn.lines().all(|line| line.chars().count() <= 80),
            "{drawn}"
        );
    }
}

#[test]
fn several_steps_are_drawn_one_below_the_other() {
    let drawn = |arguments: &[&str]| {
        let output = timeline(arguments, &[]);
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).expect("it prints text")
    };
    let both = [drawn(&["basic"]), drawn(&["errors"])].join("\n");
    assert_eq!(drawn(&["errors", "basic"]), both, "in the article's order");
}

#[test]
fn a_trace_is_written_to_the_file() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join("basic.json");
    let write_to = |file: &Path| timeline(&["basic", "--trace", &file.to_string_lossy()], &[]);

    let output = write_to(&file);
    assert!(output.status.success() && output.stdout.is_empty());
    let written = fs::read_to_string(file).expect("it was written");
    assert_eq!(written, trace::draw(&picture(&step("basic"))));

    let output = write_to(folder);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.starts_with("xtask: cannot write "), "{message}");
}

/// The conductor gives the queue room for all jobs: with less, the picture would show less.
#[test]
fn the_queue_is_drawn_in_full_however_long() {
    let mut dispatcher = step("dispatcher");
    dispatcher.scenario.jobs = Some(500);
    let drawn = text(&picture(&dispatcher), 80, false);
    assert!(drawn.contains("Longest queue:         497 jobs"), "{drawn}");

    dispatcher.scenario.jobs = Some(5);
    dispatcher.scenario.rest = Some(Duration::from_secs(1000));
    let drawn = text(&picture(&dispatcher), 80, false);
    assert!(
        drawn.contains("queue 2 │█"),
        "however short that was: {drawn}"
    );
}

#[test]
fn workers_that_are_not_drawn_are_counted() {
    let mut basic = step("basic");
    for (workers, expected) in [(32, false), (100, true)] {
        basic.scenario.workers = NonZeroUsize::new(workers);
        let drawn = text(&picture(&basic), 80, false);
        assert_eq!(
            drawn.contains("│ and 68 more workers\n"),
            expected,
            "{drawn}"
        );
        assert_eq!(drawn.contains(" more workers"), expected, "{drawn}");
    }
}

#[test]
fn colours_tell_what_came_of_a_job() {
    let paper = Paper {
        width: 80,
        ascii: false,
    };
    let colours = |step| {
        let drawn = text::draw(&picture(&step), paper);
        // red: failed, yellow: late, magenta: panicked, cyan: done
        [31, 33, 35, 36].map(|code| drawn.contains(&format!("\x1b[{code}m")))
    };
    assert_eq!(colours(step("basic")), [false, false, false, true]);
    assert_eq!(colours(step("errors")), [true, false, false, true]);
    assert_eq!(colours(with_panic()), [true, false, true, true]);
    assert_eq!(colours(step("cancellation")), [false, true, false, true]);

    let drawn = text::draw(&picture(&with_panic()), paper);
    for bar in ["\x1b[31m▐▒▒▒▒", "\x1b[35m▐░░░░", "\x1b[36m▐████"] {
        assert!(drawn.contains(bar), "one colour from end to end: {drawn}");
    }
}

/// Short jobs that start one by one: the more there are, the closer together they are drawn.
fn short_jobs(jobs: usize) -> Picture {
    let mut step = step("rate-limited");
    step.scenario.workers = NonZeroUsize::new(2);
    step.scenario.jobs = Some(jobs);
    step.scenario.rate = Some(0.7);
    picture(&step)
}

/// In text each bar is a column then. Its number is beside it, where there is room for it and a
/// column more, and never between two bars.
#[test]
fn numbers_have_their_place_beside_bars_in_text() {
    let pictures = [13, 20].map(|jobs| (jobs, short_jobs(jobs)));
    for (width, (jobs, picture)) in
        (30..100).flat_map(|width| pictures.iter().map(move |one| (width, one)))
    {
        let (jobs, drawn) = (*jobs, text(picture, width, false));
        let rows = drawn.lines().filter_map(|line| {
            let (name, row) = line.split_once('│')?;
            name.starts_with("worker").then(|| row.to_owned())
        });
        let rows = Vec::from_iter(rows);
        let bars: usize = rows.iter().map(|row| row.matches('█').count()).sum();
        assert_eq!(bars, jobs, "{drawn}");

        for row in &rows {
            let gaps = Vec::from_iter(row.split('█'));
            let (_, between) = gaps.split_last().expect("there is the end of the row");
            for gap in between {
                assert!(gap.is_empty() || gap.contains('·'), "{width}: {drawn}");
            }
        }
        let numbers: usize = rows
            .iter()
            .map(|row| {
                row.split(['·', '█'])
                    .filter(|word| !word.is_empty())
                    .count()
            })
            .sum();
        assert!(
            numbers == jobs || width < 57 || jobs > 13,
            "{width}: {drawn}"
        );
    }
}

/// The attribute of a line of SVG, in pixels.
fn pixels(line: &str, attribute: &str) -> f64 {
    let (_, rest) = line
        .split_once(&format!(" {attribute}=\""))
        .expect("it has one");
    let (number, _) = rest.split_once('"').expect("it ends");
    number.parse().expect("it is a number")
}

/// Where a line of SVG has text, from left to right.
fn extent(line: &str) -> (f64, f64) {
    let (head, rest) = line.split_once('>').expect("it is an element");
    let (text, _) = rest.split_once('<').expect("it ends");
    let (x, width) = (pixels(line, "x"), text.chars().count() as f64 * 7.4);
    if head.contains("right") {
        (x - width, x)
    } else if head.contains("middle") || head.contains("\"in\"") {
        (x - width / 2.0, x + width / 2.0)
    } else {
        (x, x + width)
    }
}

/// A number is in its bar or beside it, on no other bar, and to the right of it where there is room.
#[test]
fn numbers_have_their_place_beside_bars_in_svg() {
    for jobs in 2..100 {
        let svg = svg::draw(&short_jobs(jobs));
        let lines = || svg.lines();
        let bars = lines().filter(|line| line.contains("rx=\"4\""));
        let bars = bars.map(|line| {
            let (x, y) = (pixels(line, "x"), pixels(line, "y"));
            (
                x,
                x + pixels(line, "width"),
                y + pixels(line, "height") / 2.0 + 4.5,
            )
        });
        let bars = Vec::from_iter(bars);
        assert_eq!(bars.len(), jobs);

        let in_a_row = |base: f64| bars.iter().filter(move |bar| (bar.2 - base).abs() < 0.1);
        let labels = lines().filter(|line| line.starts_with("<text ") && pixels(line, "x") > 100.0);
        let labels = labels.filter(|line| in_a_row(pixels(line, "y")).next().is_some());
        let mut labelled = Vec::new();
        for label in labels {
            let (from, to) = extent(label);
            let inside = |bar: &(f64, f64, f64)| bar.0 <= from && to <= bar.1;
            let clear = |bar: &(f64, f64, f64)| to <= bar.0 || bar.1 <= from;
            let row = || in_a_row(pixels(label, "y"));
            assert!(row().any(inside) || row().all(clear), "{jobs}: {label}");
            // In its bar, or to the right of it.
            labelled.extend(row().find(|bar| inside(bar) || (from - bar.1).abs() < 5.0));
        }
        let gap = |bar: &(f64, f64, f64)| {
            let others = in_a_row(bar.2).map(|other| other.0).filter(|&x| x > bar.0);
            others.fold(844.0, f64::min) - bar.1
        };
        for bar in bars.iter().filter(|bar| gap(bar) > 2.0 * 7.4 + 4.5) {
            assert!(labelled.contains(&bar), "{jobs}: {svg}");
        }
    }
}

/// Whatever the number of workers, and wherever the last mark is.
#[test]
fn svg_keeps_to_the_page() {
    for timeout in (1..60).map(|tenths| f64::from(tenths) / 10.0) {
        let mut step = step("cancellation");
        step.scenario.timeout = Some(timeout);
        let svg = svg::draw(&picture(&step));
        for line in svg.lines().filter(|line| line.starts_with("<text ")) {
            let (from, to) = extent(line);
            let edge = if line.contains("middle") {
                880.0
            } else {
                860.0
            };
            assert!(from >= 0.0 && to <= edge, "{timeout}: {line}");
        }
    }
    let pitch = |workers| {
        let mut step = step("basic");
        step.scenario.workers = NonZeroUsize::new(workers);
        let svg = svg::draw(&picture(&step));
        let y = |name| {
            pixels(
                svg.lines().find(|line| line.contains(name)).expect(name),
                "y",
            )
        };
        y(">worker 2<") - y(">worker 1<")
    };
    assert_eq!(pitch(3), pitch(10));
    assert!(pitch(11) < pitch(10), "many workers are drawn smaller");
}

#[test]
fn what_came_of_jobs_is_listed() {
    let mut errors = step("errors");
    for (jobs, failed) in [
        (12, "Failed:             3 6 9 12\n"),
        (
            60,
            "Failed:             3 6 9 12 15 18 21 24 27 30 33 36 and 8 more\n",
        ),
    ] {
        errors.scenario.jobs = Some(jobs);
        let drawn = text(&picture(&errors), 80, false);
        assert!(drawn.contains(failed), "{drawn}");
    }
}

#[test]
fn without_jobs_nothing_takes_any_time() {
    for mut step in STEPS {
        step.scenario.jobs = Some(0);
        let run = play(&step, &step.scenario.script(), Time::Conducted, PATIENCE);
        let run = run.expect("the pool runs");
        let expected = match step.name {
            "dispatcher" => Duration::from_secs(5), // then it is stopped, whatever it does
            _ => Duration::ZERO,
        };
        assert_eq!(run.end, expected, "{}", step.name);
    }
}

#[test]
fn colours_only_where_they_are_wanted() {
    let is_coloured = |variables| timeline(&["errors"], variables).stdout.contains(&b'\x1b');
    assert!(!is_coloured(&[]), "not in a pipe");
    assert!(is_coloured(&[("CLICOLOR_FORCE", "1")]), "as on a terminal");
    let both = [("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")];
    assert!(!is_coloured(&both), "never with NO_COLOR");
}

/// The description of the format, as far as it is used.
#[test]
fn traces_are_in_the_trace_event_format() {
    for step in STEPS {
        let picture = picture(&step);
        let trace: Value = serde_json::from_str(&trace::draw(&picture)).expect("it is JSON");
        let unit = trace["displayTimeUnit"].as_str();
        assert!(unit == Some("ms") || unit == Some("ns"));

        let is_a_kind = |name| ["done", "late", "failed", "panicked"].contains(&name);
        let mut phases = BTreeMap::<_, usize>::new();
        for event in trace["traceEvents"].as_array().expect("a list of events") {
            let phase = event["ph"].as_str().expect("every event has a phase");
            *phases.entry(phase).or_default() += 1;
            assert!(event["name"].is_string(), "{event}");
            assert!(event["pid"].is_u64() && event["tid"].is_u64(), "{event}");
            assert!(event["ts"].is_number(), "microseconds: {event}");
            let args = event["args"].as_object();
            let fits = match phase {
                "X" => event["dur"].is_number() && event["cat"].as_str().is_some_and(is_a_kind),
                "C" => args.is_some_and(|args| args.values().all(Value::is_number)),
                "i" => ["g", "p", "t"].map(Some).contains(&event["s"].as_str()),
                "M" => match event["name"].as_str() {
                    Some("process_name" | "thread_name") => event["args"]["name"].is_string(),
                    Some("thread_sort_index") => event["args"]["sort_index"].is_number(),
                    _ => false,
                },
                _ => false,
            };
            assert!(fits, "{event}");
        }
        let jobs: usize = picture.rows.iter().map(|row| row.bars.len()).sum();
        assert_eq!(phases["X"], jobs, "an event for each job");
        assert_eq!(
            phases["M"],
            1 + 2 * picture.rows.len(),
            "each worker has a name"
        );
    }
}

#[test]
fn a_trace_is_in_microseconds() {
    let trace: Value =
        serde_json::from_str(&trace::draw(&picture(&step("dispatcher")))).expect("it is JSON");
    let events = trace["traceEvents"].as_array().expect("a list of events");
    let lines = events
        .iter()
        .filter(|event| event["ph"] != "M")
        .map(|event| {
            let [phase, name] = ["ph", "name"].map(|key| event[key].as_str().unwrap_or_default());
            let (at, length) = (&event["ts"], event.get("dur").unwrap_or(&event["args"]));
            format!("{phase} {} {name} {at} {length}\n", event["tid"])
        });
    insta::assert_snapshot!(lines.collect::<String>(), @r#"
    X 1 job 1 0 1000000
    X 1 job 4 1000000 1000000
    X 1 job 7 2000000 1000000
    X 1 job 10 3000000 1000000
    X 2 job 2 0 1000000
    X 2 job 5 1000000 1000000
    X 2 job 8 2000000 1000000
    X 3 job 3 0 1000000
    X 3 job 6 1000000 1000000
    X 3 job 9 2000000 1000000
    C 0 queue 0 {"jobs":7}
    C 0 queue 1000000 {"jobs":4}
    C 0 queue 2000000 {"jobs":1}
    C 0 queue 3000000 {"jobs":0}
    i 0 stop 5000000 null
    "#);
}

// Broken pools, each drawn as `basic`.

/// Enough for a pool that does less than it could; a busy machine may make any pool look so.
const IMPATIENT: Duration = Duration::from_millis(150);

fn draw_as_basic(
    patience: Duration,
    pool: fn(&Script, Arc<dyn Threads>) -> io::Result<()>,
) -> Result<String, String> {
    let step = Step {
        adapter: Adapter::Threads(pool),
        ..step("basic")
    };
    let picture = timeline::draw(&step, patience);
    let text = picture.map(|picture| text(&picture, 80, false));
    text.map_err(|error| error.to_string())
}

fn basic() -> String {
    text(&picture(&step("basic")), 80, false)
}

/// A pool in a few lines, whose workers end after a job that `is_last`.
fn small_pool(
    script: &Script,
    harness: Arc<dyn Threads>,
    is_last: fn(usize) -> bool,
) -> io::Result<()> {
    let jobs = Mutex::new(1..=script.jobs.len());
    let next = || jobs.lock().expect("no panic").next();
    thread::scope(|scope| {
        for worker in 1..=script.workers.get() {
            let (harness, next) = (&harness, &next);
            scope.spawn(move || {
                while let Some(job) = next() {
                    let outcome = harness.work(worker, job);
                    harness.record(Event::Result { job, outcome });
                    if is_last(job) {
                        return;
                    }
                }
            });
        }
    });
    Ok(())
}

#[test]
fn another_pool_that_does_the_same_looks_the_same() {
    let drawn = draw_as_basic(PATIENCE, |script, harness| {
        small_pool(script, harness, |_| false)
    });
    assert_eq!(drawn, Ok(basic()));
}

#[test]
fn a_worker_that_is_missing_shows() {
    let drawn = draw_as_basic(IMPATIENT, |script, harness| {
        let workers = NonZeroUsize::new(2).expect("2 is not 0");
        let script = Script {
            workers,
            ..script.clone()
        };
        pools::basic(&script, harness)
    });
    assert_ne!(drawn.expect("it is drawn"), basic());
}

#[test]
fn a_worker_that_gets_no_second_job_shows() {
    let drawn = draw_as_basic(IMPATIENT, |script, harness| {
        small_pool(script, harness, |job| job == 2)
    });
    assert_ne!(drawn.expect("it is drawn"), basic());
}

#[test]
fn work_that_is_done_twice_shows() {
    struct Twice(Arc<dyn Threads>);
    impl Threads for Twice {
        fn work(&self, worker: usize, job: usize) -> Outcome {
            self.0.work(worker, job);
            self.0.work(worker, job)
        }
        fn stop(&self) {
            self.0.stop();
        }
        fn record(&self, event: Event) {
            self.0.record(event);
        }
    }
    let drawn = draw_as_basic(IMPATIENT, |script, harness| {
        pools::basic(script, Arc::new(Twice(harness)))
    });
    assert_ne!(drawn.expect("it is drawn"), basic());
}

#[test]
fn work_that_is_left_out_shows() {
    let drawn = draw_as_basic(IMPATIENT, |script, harness| {
        let mut script = script.clone();
        script.jobs.pop();
        pools::basic(&script, harness)
    });
    assert_ne!(drawn.expect("it is drawn"), basic());
}

#[test]
fn a_pool_that_is_stuck_is_reported() {
    let drawn = draw_as_basic(IMPATIENT, |script, harness| {
        small_pool(script, harness, |job| job == 2 || job == 3)?;
        loop {
            thread::park();
        }
    });
    let error = drawn.expect_err("it does not end");
    assert!(
        error.starts_with("basic: the pool is stuck for "),
        "{error}"
    );
}

#[test]
fn a_pool_that_panics_is_reported() {
    let drawn = draw_as_basic(PATIENCE, |_, _| {
        std::panic::resume_unwind(Box::new("broken"))
    });
    assert_eq!(drawn, Err("basic: the pool panicked: broken".into()));
}

#[test]
fn a_pool_of_tasks_that_never_ends_is_reported() {
    let step = Step {
        adapter: Adapter::Tasks(|script, harness| {
            Box::pin(async move {
                pools::cancellation(script, harness).await;
                std::future::pending().await
            })
        }),
        ..step("cancellation")
    };
    let error = timeline::draw(&step, PATIENCE).expect_err("it never ends");
    let error = error.to_string();
    assert!(
        error.starts_with("cancellation: the pool still runs after "),
        "{error}"
    );
}

/// The replies say that the jobs are done, and which were not.
#[test]
fn every_pool_tells_what_came_of_each_job() {
    for step in STEPS {
        let run = play(&step, &step.scenario.script(), Time::Conducted, PATIENCE);
        let run = run.expect("the pool runs");
        let mut outcomes = run.log.into_iter().filter_map(|(_, event)| match event {
            Event::Result { job, outcome } => Some((job, outcome)),
            _ => None,
        });
        let mut jobs = BTreeMap::new();
        assert!(
            outcomes.all(|(job, outcome)| jobs.insert(job, outcome).is_none()),
            "only once"
        );
        let expected = (1..=step.scenario.total()).map(|job| match (step.name, job) {
            ("errors", 3) => (job, Outcome::Failed),
            _ => (job, Outcome::Done),
        });
        assert_eq!(jobs, expected.collect(), "{}", step.name);
    }
}
