//! What the checker of `cargo xtask soak` says of a run, and that a script is played as it says.

use std::num::NonZeroU32;
use std::time::Duration;

use lab::guarantees::Stop;
use lab::harness::{Ended, Mode, Run, deadline as deadline_of, play};
use lab::pools::Event;
use lab::script::Outcome::{Done, Failed, Panicked};
use lab::script::{Job, Script, When};
use lab::soak::checker;
use lab::steps::{STEPS, Step};
use testing::not_zero;

/// Steps, a run, and what is said of it. Two workers have three jobs, unless the run begins with other settings.
///
/// `start 1 2`: worker 1 starts job 2. `finish 1 2`: it comes to the end of it. `done 2`, `failed 2`, `panicked 2`: the pool
/// reports this of job 2. `does 1 2`: all three, done. `three`: as two workers may do three jobs. `end 1`: the pool reports
/// that worker 1 ends. `at 5`: what follows is at 5 ms. `panic`: the call ends with a panic.
const RUNS: &str = "
    # A plain run.
    all: three => right

    # Every event has its place.
    basic: three, start 1 2 => job 2 started twice
    basic: start 1 1, start 1 2 => two workers are worker 1
    basic: start 3 1 => there is a worker 3
    basic: start 0 1 => there is a worker 0
    basic: finish 1 1 => worker 1 had None
    basic: start 1 1, finish 1 2 => worker 1 had Some(1)
    basic: does 1 1, done 1 => job 1 has two results
    errors: back 1, start 1 1 => job 1 started after it was handed back
    errors: back 1, back 1 => job 1 was handed back twice
    errors: start 1 1, back 1 => job 1 was handed back after it had started
    cancellation: end 1, end 1 => worker 1 ended twice
    cancellation: start 1 1, end 1 => worker 1 ended with a job in flight
    cancellation: end 1, start 1 1 => worker 1, which had ended, started job 1

    # Workers are as many as they may be, even if the maximum is below the minimum.
    dynamic: start 1 1, start 2 2, start 7 3 => jobs still run after the end
    dynamic: max 2, start 1 1, start 2 2, start 7 3 => 3 jobs at once
    dynamic: max 1, start 1 1, start 2 2, start 7 3 => 3 jobs at once

    # Jobs start in order where that can be told: another worker may have been about to start job 1.
    basic: does 1 2, does 1 1, does 1 3 => right
    basic: workers 1, does 1 2, does 1 1 => job 1 started after job 2
    cancellation: does 1 2, does 1 1 => job 1 started after job 2
    dispatcher: workers 1, does 1 2, does 1 1 => job 1 started after job 2
    dispatcher: workers 1, submitters 2, does 1 2, does 1 1, does 1 3 => right

    # Each job has its outcome.
    errors: fails 2, panics 3, does 1 1, start 1 2, finish 1 2, failed 2, start 1 3, finish 1 3, panicked 3 => right
    errors: fails 2, start 1 2, finish 1 2, done 2 => job 2 is Done, not Some(Failed)
    errors: panics 3, start 1 3, finish 1 3, failed 3 => job 3 is Failed, not Some(Panicked)
    basic: start 1 1, done 1 => job 1 is Done, not Some(Lost)
    basic: does 2 2, does 2 3, start 1 1, finish 1 1 => job 1 came to None, not Some(Done)
    basic: does 2 2, does 2 3, start 1 1 => jobs still run after the end: [1]

    # No job is lost.
    all: does 1 1, does 2 2 => job 3 was lost
    job-struct: does 1 1, does 2 2, submit 3 => job 3 came to None, not Some(Lost)
    cancellation: does 1 1, does 2 2, submit 3, stop, back 3 => right
    cancellation: does 1 1, does 2 2, submit 3, stop => job 3 was lost
    cancellation: does 1 1, does 2 2, back 3 => job 3 was lost
    rate-limited dispatcher: does 1 1, does 2 2, stop, back 3 => right
    rate-limited dispatcher: does 1 1, does 2 2, stop => job 3 was lost
    basic: does 1 1, does 2 2, stop, back 3 => job 3 was lost

    # The caller submits no more once a job was refused; of the dispatcher's it does.
    cancellation rate-limited: does 1 1, stop, back 2 => right
    dispatcher: does 1 1, stop, back 2 => job 3 was lost
    cancellation: submit 3, does 1 1, stop, back 2 => job 3 was lost

    # Results that are not read.
    waitgroup: reads 1, does 1 1 => right
    waitgroup: reads 2, does 1 1 => job 2 was lost

    # A failure stops nothing.
    errors: jobs 2, fails 1, start 1 1, finish 1 1, failed 1 => job 2 was lost
    errors: jobs 2, fails 1, start 1 1, finish 1 1, failed 1, does 1 2 => right

    # A panic costs what the step says.
    basic: jobs 2, panics 1, start 1 1, finish 1 1, does 2 2, panic => right
    basic: jobs 2, panics 1, start 1 1, finish 1 1, does 2 2 => the pool ended Completed
    basic: three, panic => the pool ended Panicked
    dynamic: jobs 2, panics 1, start 1 1, finish 1 1, does 2 2 => right
    dynamic: jobs 2, panics 1, start 1 1, finish 1 1, does 2 2, panic => the pool ended Panicked
    basic dynamic: panics 1, start 1 1, finish 1 1, does 1 2 => worker 1, which had ended, started job 2
    errors: jobs 2, panics 1, start 1 1, finish 1 1, panicked 1, does 1 2 => right

    # With the last worker go the jobs that it would have done.
    basic: panics 1, panics 2, start 1 1, finish 1 1, start 2 2, finish 2 2, panic => right
    basic: workers 3, panics 1, panics 2, start 1 1, finish 1 1, start 2 2, finish 2 2, panic => job 3 was lost

    # The caller gets either the panic or the jobs that were never started.
    rate-limited: jobs 2, panics 1, start 1 1, finish 1 1, stop, panic => right
    rate-limited: jobs 2, panics 1, start 1 1, finish 1 1, panic => job 2 was lost

    # After a cancel no job starts, and after a stop all do.
    cancellation rate-limited: stop, three => job 1 started after the pool was cancelled
    dispatcher dynamic: stop, three => right

    # Every worker ends. Ids are never used again.
    cancellation: three, end 1, end 2 => right
    cancellation: three, end 2 => 1 of 2 workers ended
    dynamic: three, end 1, end 2, end 3 => right
    dynamic: three, end 1, end 3 => 2 of 3 workers ended
    dynamic: three, end 1 => 1 of 2 workers ended
    dynamic: does 1 1, does 2 2, does 3 3, end 1, end 2 => 2 of 3 workers ended
    cancellation: jobs 1, panics 1, start 1 1, finish 1 1, end 2, panic => right
    basic: left 2, three => 2 threads or tasks are left

    # The limiter keeps to its rate.
    rate-limited: period 10, at 10, does 1 1, at 20, does 1 2, at 30, does 1 3 => right
    rate-limited: period 10, at 10, does 1 1, at 25, does 1 2, at 35, does 1 3 => right
    rate-limited: period 10, at 9, does 1 1, at 20, does 1 2, at 30, does 1 3 => job 1 started too early for the limiter
    rate-limited: period 10, at 10, does 1 1, at 19, does 1 2, at 30, does 1 3 => job 2 started too early for the limiter
    rate-limited: period 10, at 10, does 1 1, at 25, does 1 2, at 30, does 1 3 => job 3 started too early for the limiter
    rate-limited: period 10, burst 2, at 20, does 1 1, does 1 2, at 30, does 1 3 => right
    rate-limited: period 10, burst 2, at 20, does 1 1, does 1 2, at 29, does 1 3 => job 3 started too early for the limiter
    rate-limited: period 10, burst 2, at 15, does 1 1, at 20, does 1 2, at 30, does 1 3 => right
    rate-limited: period 10, burst 2, at 10, does 1 1, does 1 2, at 30, does 1 3 => job 2 started too early for the limiter
    rate-limited: period 10, burst 2, at 90, does 1 1, does 1 2, does 1 3 => job 3 started too early for the limiter

    # The scaler keeps to its bounds. Others have none.
    dynamic: three, up, down, up, down => right
    dynamic: three, up, up => 4 workers, at 0ns
    dynamic: three, down => 1 workers, at 0ns
    basic: three, up, up => right

    # Idle for long, the workers are the fewest.
    dynamic: at 10, up, three, at 1000, down, end 3, stop, end 1, end 2 => right
    dynamic: at 10, up, three, at 1000, stop, end 1, end 2 => idle for long, and there are 2 workers, to be 3
    dynamic: three, at 1000, stop, end 1, end 2, end 3 => idle for long, and there are 3 workers, to be 2
    dynamic: at 10, up, three, at 20, stop, end 1, end 2 => right
    dynamic: period 1000, at 10, up, three, at 1000, stop, end 1, end 2 => right
";

const THREE: &str =
    "start 1 1, start 2 2, finish 2 2, done 2, start 2 3, finish 2 3, finish 1 1, done 3, done 1";

#[test]
fn what_is_right_is_told_from_what_is_wrong() {
    let lines = RUNS.lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (steps, run) = line.split_once(": ").expect("a line begins with steps");
        let (run, expected) = run.split_once(" => ").expect("and ends with what is said");
        let is_meant =
            |step: &&Step| steps == "all" || steps.split(' ').any(|name| name == step.name);
        let mut steps = STEPS.iter().filter(is_meant).peekable();
        assert!(steps.peek().is_some(), "{line}");
        for step in steps {
            let (script, run) = script_and_run(run);
            let said = checker::check(step, &script, &run).err();
            let said = said.unwrap_or("right".into());
            assert!(said.starts_with(expected), "{line}\n{}: {said}", step.name);
        }
    }
}

fn step(name: &str) -> Step {
    Step::named(name).expect("it is a step")
}

fn script(jobs: usize) -> Script {
    Script {
        workers: not_zero(2),
        capacity: not_zero(1),
        period: Duration::ZERO,
        jobs: vec![Job::default(); jobs],
        ..Script::PLAIN
    }
}

fn script_and_run(text: &str) -> (Script, Run) {
    let (mut script, mut at) = (script(3), Duration::ZERO);
    let mut run = Run {
        log: Vec::new(),
        end: Duration::ZERO,
        ended: Ended::Completed,
        left: 0,
    };
    for words in text.replace("three", THREE).split(", ") {
        let mut words = words.split(' ');
        let verb = words.next().unwrap_or_default();
        let numbers = words.map(|word| word.parse().expect("numbers follow"));
        let numbers = Vec::<usize>::from_iter(numbers);
        let milliseconds = |number| Duration::from_millis(number as u64);
        match (verb, &numbers[..]) {
            ("jobs", &[jobs]) => script.jobs.truncate(jobs),
            ("fails", &[job]) => script.jobs[job - 1].outcome = Failed,
            ("panics", &[job]) => script.jobs[job - 1].outcome = Panicked,
            ("workers", &[workers]) => script.workers = not_zero(workers),
            ("max", &[workers]) => script.max_workers = not_zero(workers),
            ("reads", &[results]) => script.reads = results,
            ("submitters", &[threads]) => script.submitters = not_zero(threads),
            ("period", &[period]) => script.period = milliseconds(period),
            ("burst", &[jobs]) => script.burst = NonZeroU32::MIN.saturating_add(jobs as u32 - 1),
            ("left", &[threads]) => run.left = threads,
            ("panic", []) => run.ended = Ended::Panicked,
            ("at", &[time]) => at = milliseconds(time),
            _ => run
                .log
                .extend(events(verb, &numbers).into_iter().map(|event| (at, event))),
        }
    }
    (script, run)
}

fn events(verb: &str, numbers: &[usize]) -> Vec<Event> {
    let result = |job, outcome| vec![Event::Result { job, outcome }];
    match (verb, numbers) {
        ("submit", &[job]) => vec![Event::Submitted { job }],
        ("start", &[worker, job]) => vec![Event::Started { worker, job }],
        ("finish", &[worker, job]) => vec![Event::Finished { worker, job }],
        ("done", &[job]) => result(job, Done),
        ("failed", &[job]) => result(job, Failed),
        ("panicked", &[job]) => result(job, Panicked),
        ("does", &[_, job]) => {
            let parts = [("start", numbers), ("finish", numbers), ("done", &[job])];
            parts
                .iter()
                .flat_map(|(verb, numbers)| events(verb, numbers))
                .collect()
        }
        ("back", &[job]) => vec![Event::HandedBack { job }],
        ("end", &[worker]) => vec![Event::Ended { worker }],
        ("stop", []) => vec![Event::Stop],
        ("up", []) => vec![Event::ScaledUp { count: 1 }],
        ("down", []) => vec![Event::ScaledDown { count: 1 }],
        _ => panic!("{verb:?} {numbers:?} is no event"),
    }
}

#[test]
fn a_pool_has_as_long_as_one_worker_takes() {
    let deadline = |step, stop| {
        let mut script = script(3);
        script.stop = stop;
        for (job, duration) in script.jobs.iter_mut().zip([30, 40, 50]) {
            job.interval = Duration::from_millis(100);
            job.duration = Duration::from_millis(duration);
        }
        script.period = Duration::from_millis(9);
        let deadline = deadline_of(&script, &self::step(step).guarantees);
        u64::try_from(deadline.as_millis()).expect("it is soon")
    };
    let after = |time| Some(When::After(Duration::from_millis(time)));
    // Each wait takes a millisecond more, as does the end.
    let (intervals, durations) = (3 * 101, 31 + 41 + 51 + 1);
    let all = intervals + durations;
    assert_eq!(deadline("cancellation", None), all);
    assert_eq!(deadline("rate-limited", None), 3 * 10 + all);
    assert_eq!(deadline("cancellation", after(0)), durations);
    assert_eq!(deadline("cancellation", after(200)), 200 + durations);
    assert_eq!(deadline("cancellation", after(10_000)), all);
    assert_eq!(deadline("dynamic", after(200)), all + 200);
}

/// Two workers do four jobs, of which the second waits until the third has started.
fn observed(name: &str, change: fn(&mut Script)) -> Run {
    let step = step(name);
    let mut script = script(4);
    script.jobs[1].waits_for = 1;
    script.stop = match step.guarantees.stop {
        Stop::Drains => Some(When::Started(4)), // these go on until they are stopped
        _ => None,
    };
    change(&mut script);
    let run = play(&step, &script, Mode::Stressed, Duration::from_secs(60));
    let run = run.expect("the pool runs");
    let checked = checker::check(&step, &script, &run);
    assert_eq!(checked, Ok(()), "{}", step.name);
    run
}

#[test]
fn jobs_wait_for_each_other() {
    let number =
        |run: &Run, is: fn(&Event) -> bool| run.log.iter().position(|(_, event)| is(event));
    let second_ends = |event: &Event| matches!(event, Event::Finished { job: 2, .. });
    let third_starts = |event: &Event| matches!(event, Event::Started { job: 3.., .. });
    let changes: [fn(&mut Script); 2] = [
        |_| {},
        |script| script.jobs[0].outcome = Failed, // which ends nothing
    ];
    for step in STEPS {
        for change in changes {
            let run = observed(step.name, change);
            assert!(
                number(&run, third_starts) < number(&run, second_ends),
                "{run:?}"
            );
        }
    }
}

/// The job that they wait for may never start then.
#[test]
fn jobs_wait_no_longer_once_the_pool_may_have_ended() {
    observed("waitgroup", |script| {
        script.reads = 1; // then the other worker ends, long before the last job
        script.jobs.resize(100, Job::default());
        script.jobs[1].waits_for = 98;
    });
}

#[test]
fn no_more_results_are_read_than_the_script_says() {
    for name in ["waitgroup", "job-struct", "dynamic"] {
        let run = observed(name, |script| script.reads = 2);
        let is_result = |(_, event): &&(_, Event)| matches!(event, Event::Result { .. });
        assert_eq!(run.log.iter().filter(is_result).count(), 2, "{name}");
    }
}

#[test]
fn a_run_that_ends_with_a_panic_says_when() {
    let mut script = script(1);
    script.jobs[0].outcome = Panicked;
    let duration = Duration::from_millis(5);
    script.jobs[0].duration = duration;
    let patience = Duration::from_secs(60);
    let run = play(&step("cancellation"), &script, Mode::Stressed, patience);
    let run = run.expect("the pool runs");
    assert_eq!((run.ended, run.end), (Ended::Panicked, duration));
}
