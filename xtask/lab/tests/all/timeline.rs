//! What the timeline draws, and that it draws what the pools do.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, io, thread};

use anstream::adapter::strip_str;
use clap::{Args, FromArgMatches};
use lab::harness::{Mode, PATIENCE, play};
use lab::pools::{self, Adapter, Event, Threads};
use lab::program::Program;
use lab::script::Script;
use lab::steps::{STEPS, Step, with_flags};
use lab::timeline::{self, svg, text, trace};
use serde_json::Value;
use xtask::cargo::root;

fn step(name: &str) -> Step {
    Step::named(name).expect("it is a step")
}

/// `errors --panic 2`
fn with_panic() -> Step {
    let mut errors = step("errors");
    errors.program.panic = Some(2);
    errors
}

/// Without colours.
fn text(step: &Step, width: usize, ascii: bool) -> String {
    let picture = timeline::draw(step, PATIENCE).expect("the pool runs");
    strip_str(&text::draw(&picture, width, ascii)).to_string()
}

fn coloured(step: &Step) -> String {
    let picture = timeline::draw(step, PATIENCE).expect("the pool runs");
    text::draw(&picture, 80, false)
}

fn svg(step: &Step) -> String {
    svg::draw(&timeline::draw(step, PATIENCE).expect("the pool runs"))
}

fn trace(step: &Step) -> String {
    trace::draw(&timeline::draw(step, PATIENCE).expect("the pool runs"))
}

/// Runs `cargo xtask timeline`.
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
fn draws_the_steps() {
    for step in STEPS {
        insta::assert_snapshot!(step.name, text(&step, 80, false));
    }
}

#[test]
fn the_readme_shows_what_is_drawn() {
    let drawn = text(&with_panic(), 80, false);
    assert!(include_str!("../../README.md").contains(&drawn), "{drawn}");
}

#[test]
fn every_run_draws_the_same() {
    let draw = || STEPS.map(|step| text(&step, 80, false));
    let first = draw();
    for _ in 0..10 {
        assert_eq!(draw(), first);
    }
}

#[test]
fn the_committed_pictures_are_what_is_drawn() {
    for step in STEPS {
        let root = root().expect("tests run in the workspace");
        let file = root.join(step.name).join("timeline.svg");
        let committed = fs::read_to_string(file).expect("the picture is there");
        assert!(
            committed == svg(&step),
            "{}/timeline.svg is not what is drawn: run `cargo xtask timeline --svg`",
            step.name
        );
    }
}

#[test]
fn pictures_are_small_and_have_words_but_no_script() {
    for step in STEPS {
        let svg = svg(&step);
        assert!(svg.len() < 40_000, "{}: {} bytes", step.name, svg.len());
        for needed in [
            "role=\"img\" aria-labelledby=\"title description\"",
            &format!("<title id=\"title\">{}: ", step.name),
            "<desc id=\"description\">",
            "@media (prefers-color-scheme: dark)",
        ] {
            assert!(svg.contains(needed), "{}: {needed}", step.name);
        }
        for word in ["<script", "href", "url(", "NaN", "inf", "—"] {
            assert!(!svg.contains(word), "{}: {word}", step.name);
        }
    }
}

#[test]
fn text_fits_the_terminal_however_much_it_shows() {
    let mut steps = Vec::from(STEPS);
    for mut step in STEPS {
        let hundred = |_| NonZeroUsize::new(100).expect("100 is not 0");
        step.program.workers = step.program.workers.map(hundred);
        step.program.min_workers = step.program.min_workers.map(hundred);
        step.program.max_workers = step.program.max_workers.map(hundred);
        step.program.rate = step.program.rate.map(|_| 1e99);
        step.program.jobs = Some(1000 / step.program.bursts.unwrap_or(1));
        steps.push(step);
        step.program.jobs = Some(0);
        steps.push(step);
    }
    for step in steps {
        let picture = timeline::draw(&step, PATIENCE).expect("the pool runs");
        for (width, ascii) in [40, 57, 80, 100].map(|width| (width, width % 2 == 0)) {
            let text = strip_str(&text::draw(&picture, width, ascii)).to_string();
            assert!(text.lines().count() < 60, "{text}");
            assert!(!ascii || text.is_ascii(), "{text}");
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
                assert_eq!(line.trim_end(), line);
            }
        }
    }
}

#[test]
fn flags_change_the_scenario_and_the_characters() {
    let flags = ["--workers", "1", "--timeout", "2.5", "--ascii"];
    let output = timeline(&[&["cancellation"][..], &flags].concat(), &[]);
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout), @r"
    cancellation: stopping early and losing nothing
    1 worker, 10 jobs of 1 s, one every 0.5 s, cancelled after 2.5 s

                                                                        vcancel
       worker 1 |[######### 1 ########][######### 2 ########][========= 3 ========]
    handed back |                                                               4-6^
                ++----------+----------+----------+----------+----------+----------+
                 0 s        0.5 s      1 s        1.5 s      2 s        2.5 s    3 s

    Makespan:              3 s
    Shortest possible:     3 s on 1 worker, as the jobs come in
    Workers worked:        100 % of their time
    == Ended after cancel: 3
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

/// And the first value changes what is drawn, except for `--burst`: where all jobs are there from the start, no worker misses
/// a tick that it could have used.
#[test]
fn flags_take_what_they_say_and_no_more() {
    for (step, flag, takes, takes_not) in [
        ("basic", "--workers", "1 1000", "0 1001"),
        ("basic", "--jobs", "0 10000", "-1 10001"),
        ("cancellation", "--timeout", "0 4.5", "-1 inf"),
        ("rate-limited", "--rate", "0.1 1e9 1e99", "0 inf"),
        ("rate-limited", "--burst", "1 1000000", "0 1000001"),
        ("rate-limited", "--pause", "2.5 0", "-1 inf"),
        ("dispatcher", "--fail", "1 10000", "0 10001"),
        ("errors", "--panic", "1 10000", "0 10001"),
        ("dynamic", "--min-workers", "1 10", "0 11"),
        ("dynamic", "--max-workers", "2 1000", "1 1001"),
        ("dynamic", "--bursts", "0 500", "501"), // of 20 jobs
    ] {
        let plain = self::step(step);
        let with = |value| {
            let command = Program::augment_args(clap::Command::new("timeline"));
            let flags = command.try_get_matches_from(["timeline", flag, value]);
            let flags = flags.and_then(|flags| Program::from_arg_matches(&flags));
            with_flags(&[&plain], &flags.ok()?).ok()?.pop()
        };
        for (values, expected) in [(takes, true), (takes_not, false)] {
            for value in values.split(' ') {
                assert_eq!(with(value).is_some(), expected, "{step} {flag} {value}");
            }
        }
        let changed = takes
            .split(' ')
            .find_map(with)
            .expect("it takes the first value");
        let is_seen = text(&changed, 80, false) != text(&plain, 80, false);
        assert_eq!(is_seen, flag != "--burst", "{step} {flag}");
    }
}

/// 10,000 periods of this rate take 99,998.8 s, and timers round each up to a millisecond.
#[test]
fn the_longest_run_that_is_allowed_is_drawn() {
    let longest = ["rate-limited", "--rate", "0.10000012", "--jobs", "10000"];
    let output = timeline(&longest, &[]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn several_steps_are_drawn_in_the_articles_order() {
    let drawn = |arguments: &[&str]| timeline(arguments, &[]).stdout;
    let both = [drawn(&["basic"]), drawn(&["errors"])].join(&b'\n');
    assert_eq!(drawn(&["errors", "basic"]), both);
}

#[test]
fn a_trace_is_written_to_the_file() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join("basic.json");
    let write_to = |file: &Path| timeline(&["basic", "--trace", &file.to_string_lossy()], &[]);

    let output = write_to(&file);
    assert!(output.status.success() && output.stdout.is_empty());
    let written = fs::read_to_string(file).expect("it was written");
    assert_eq!(written, trace(&step("basic")));

    let output = write_to(folder);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.starts_with("xtask: cannot write "), "{message}");
}

/// A column shows its longest queue, not its last.
#[test]
fn a_queue_shows_however_short_its_time() {
    let mut dispatcher = step("dispatcher");
    dispatcher.program.jobs = Some(5);
    dispatcher.program.rest = Some(Duration::from_secs(1000));
    let drawn = text(&dispatcher, 80, false);
    assert!(drawn.contains("queue 2 │█"), "{drawn}");
}

#[test]
fn workers_that_are_not_drawn_are_counted() {
    let mut basic = step("basic");
    for (workers, expected) in [(32, None), (100, Some("│ and 68 more workers"))] {
        basic.program.workers = NonZeroUsize::new(workers);
        let drawn = text(&basic, 80, false);
        let more = drawn.lines().find(|line| line.contains(" more workers"));
        assert_eq!(more.map(str::trim_start), expected, "{drawn}");
    }
}

#[test]
fn long_lists_of_jobs_are_cut() {
    let mut errors = step("errors");
    errors.program.jobs = Some(60);
    let drawn = text(&errors, 80, false);
    let failed = "Failed:             3 6 9 12 15 18 21 24 27 30 33 36 and 8 more\n";
    assert!(drawn.contains(failed), "{drawn}");
}

#[test]
fn colours_tell_how_a_job_ended() {
    let colours = |step| {
        let drawn = coloured(&step);
        // red: failed, yellow: late, magenta: panicked, cyan: done
        [31, 33, 35, 36].map(|code| drawn.contains(&format!("\x1b[{code}m")))
    };
    assert_eq!(colours(step("basic")), [false, false, false, true]);
    assert_eq!(colours(step("errors")), [true, false, false, true]);
    assert_eq!(colours(with_panic()), [true, false, true, true]);
    assert_eq!(colours(step("cancellation")), [false, true, false, true]);

    let drawn = coloured(&with_panic());
    for bar in ["\x1b[31m▐▒▒▒▒", "\x1b[35m▐░░░░", "\x1b[36m▐████"] {
        assert!(drawn.contains(bar), "one colour from end to end: {drawn}");
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

/// Jobs that take 0.1 s and start one by one.
fn short_jobs(jobs: usize) -> Step {
    let mut step = step("rate-limited");
    step.program.workers = NonZeroUsize::new(1);
    step.program.jobs = Some(jobs);
    step
}

#[test]
fn numbers_have_their_place_beside_bars_in_text() {
    let rows = [5, 13, 20].map(|jobs| {
        let drawn = text(&short_jobs(jobs), 60, false);
        let row = drawn.lines().find(|line| line.starts_with("worker 1"));
        row.expect("it has a row").to_owned()
    });
    insta::assert_snapshot!(rows.join("\n"), @r"
    worker 1 │·········▐1·······▐2········▐3·······▐4········▐5
    worker 1 │···█1··█2··█3·█4··█5··█6·█7··█8··█9··█··█11·█12·█
    worker 1 │·1█·█2·█·█4·█·█·█7·█·█9·█·█··█·█·█··█·█··█·█··█·█
    ");
}

#[test]
fn numbers_have_their_place_beside_bars_in_svg() {
    let svg = svg(&short_jobs(13));
    let texts = svg.lines().filter(|line| line.ends_with("</text>"));
    let numbers = texts.skip_while(|text| !text.contains("worker 1")).skip(8);
    let numbers = numbers.take_while(|text| !text.contains("ticks"));
    insta::assert_snapshot!(Vec::from_iter(numbers).join("\n"), @r#"
    <text class="" x="568.2" y="96.5">8</text>
    <text class="" x="624.0" y="96.5">9</text>
    <text class="" x="679.7" y="96.5">10</text>
    <text class="" x="735.5" y="96.5">11</text>
    <text class="" x="791.2" y="96.5">12</text>
    <text class="right" x="829.8" y="96.5">13</text>
    "#);
}

#[test]
fn without_jobs_only_rests_take_time() {
    for mut step in STEPS {
        step.program.jobs = Some(0);
        let run = play(&step, &step.program.script(), Mode::VirtualClock, PATIENCE);
        let rest = step.program.rest.unwrap_or_default(); // before it is stopped
        assert_eq!(run.expect("the pool runs").end, rest, "{}", step.name);
    }
}

/// In microseconds; phase M names, X is a job, C a count, i an instant of the whole process.
#[test]
fn traces_are_in_the_trace_event_format() {
    let mut step = step("dispatcher");
    step.program.workers = NonZeroUsize::new(2);
    step.program.jobs = Some(3);
    let trace: Value = serde_json::from_str(&trace(&step)).expect("it is JSON");
    assert_eq!(trace["displayTimeUnit"], "ms");
    let events = trace["traceEvents"].as_array().expect("a list of events");
    let events = Vec::from_iter(events.iter().map(Value::to_string));
    insta::assert_snapshot!(events.join("\n"), @r#"
    {"args":{"name":"dispatcher: a pool you can hold: submit, dispatch, stop"},"name":"process_name","ph":"M","pid":1,"tid":0,"ts":0}
    {"args":{"name":"worker 1"},"name":"thread_name","ph":"M","pid":1,"tid":1,"ts":0}
    {"args":{"sort_index":1},"name":"thread_sort_index","ph":"M","pid":1,"tid":1,"ts":0}
    {"cat":"done","dur":1000000,"name":"job 1","ph":"X","pid":1,"tid":1,"ts":0}
    {"cat":"done","dur":1000000,"name":"job 3","ph":"X","pid":1,"tid":1,"ts":1000000}
    {"args":{"name":"worker 2"},"name":"thread_name","ph":"M","pid":1,"tid":2,"ts":0}
    {"args":{"sort_index":2},"name":"thread_sort_index","ph":"M","pid":1,"tid":2,"ts":0}
    {"cat":"done","dur":1000000,"name":"job 2","ph":"X","pid":1,"tid":2,"ts":0}
    {"args":{"jobs":1},"name":"queue","ph":"C","pid":1,"tid":0,"ts":0}
    {"args":{"jobs":0},"name":"queue","ph":"C","pid":1,"tid":0,"ts":1000000}
    {"name":"stop","ph":"i","pid":1,"s":"p","tid":0,"ts":5000000}
    "#);
}

// Broken pools, each drawn as `basic`.

/// Enough for a pool that does less than it could; a busy machine may make any pool look so.
const IMPATIENT: Duration = Duration::from_millis(150);

type Pool = fn(&Script, usize, Arc<dyn Threads>) -> io::Result<()>;

fn draw_as_basic(patience: Duration, pool: Pool) -> Result<String, String> {
    let mut basic = step("basic");
    basic.adapter = Adapter::Threads(pool);
    let picture = timeline::draw(&basic, patience);
    let picture = picture.map_err(|error| error.to_string())?;
    Ok(strip_str(&text::draw(&picture, 80, false)).to_string())
}

/// A pool in a few lines, whose workers end after a job that `is_last`.
fn small_pool(
    script: &Script,
    jobs: usize,
    harness: Arc<dyn Threads>,
    is_last: fn(usize) -> bool,
) -> io::Result<()> {
    let jobs = Mutex::new(1..=jobs);
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
    let pool: Pool = |script, jobs, harness| small_pool(script, jobs, harness, |_| false);
    let drawn = draw_as_basic(PATIENCE, pool);
    assert_eq!(drawn, Ok(text(&step("basic"), 80, false)));
}

#[test]
fn broken_pools_look_broken() {
    let broken: [(_, Pool); 3] = [
        ("a worker is missing", |script, jobs, harness| {
            let mut script = script.clone();
            script.workers = NonZeroUsize::new(2).expect("2 is not 0");
            pools::basic(&script, jobs, harness)
        }),
        ("a worker gets no second job", |script, jobs, harness| {
            small_pool(script, jobs, harness, |job| job == 2)
        }),
        ("work is left out", |script, jobs, harness| {
            pools::basic(script, jobs - 1, harness)
        }),
    ];
    for (how, pool) in broken {
        let drawn = draw_as_basic(IMPATIENT, pool).expect("it is drawn");
        assert_ne!(drawn, text(&step("basic"), 80, false), "{how}");
    }
}

#[test]
fn a_pool_that_is_stuck_is_reported() {
    let drawn = draw_as_basic(IMPATIENT, |script, jobs, harness| {
        small_pool(script, jobs, harness, |job| job == 2 || job == 3)?;
        loop {
            thread::park();
        }
    });
    let error = drawn.expect_err("it does not end");
    let expected = "basic: the pool is stuck for ";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn a_pool_that_panics_is_reported() {
    let drawn = draw_as_basic(PATIENCE, |_, _, _| resume_unwind(Box::new("broken")));
    assert_eq!(drawn, Err("basic: the pool panicked: broken".into()));
}

#[test]
fn a_pool_of_tasks_that_never_ends_is_reported() {
    let mut step = step("cancellation");
    step.adapter = Adapter::Tasks(|script, jobs, harness| {
        Box::pin(async move {
            pools::cancellation(script, jobs, harness).await;
            std::future::pending().await
        })
    });
    let error = timeline::draw(&step, PATIENCE).expect_err("it never ends");
    let expected = "cancellation: the pool still runs after ";
    assert!(error.to_string().starts_with(expected), "{error}");
}
