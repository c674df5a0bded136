//! What `cargo xtask soak` says of a run: nothing if it is right, and of each thing that is wrong.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use lab::guarantees::Stop;
use lab::harness::{Ended, Mode, Run, deadline as deadline_of, play};
use lab::pools::Event;
use lab::script::Outcome::{self, Done, Failed, Panicked};
use lab::script::{Job, Script, When};
use lab::soak::checker;
use lab::steps::{STEPS, Step};

fn start(worker: usize, job: usize) -> Event {
    Event::Started { worker, job }
}

fn finish(worker: usize, job: usize) -> Event {
    Event::Finished { worker, job }
}

fn result(job: usize, outcome: Outcome) -> Event {
    Event::Result { job, outcome }
}

fn back(job: usize) -> Event {
    Event::HandedBack { job }
}

fn submitted(job: usize) -> Event {
    Event::Submitted { job }
}

fn ended(worker: usize) -> Event {
    Event::Ended { worker }
}

fn step(name: &str) -> Step {
    Step::named(name).expect("it is a step")
}

/// All that there is to a job that nothing happens to.
fn done(worker: usize, job: usize) -> [Event; 3] {
    [start(worker, job), finish(worker, job), result(job, Done)]
}

fn not_zero(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).expect("tests ask for at least 1")
}

/// Two workers and jobs with these outcomes, in a script and a run that are otherwise as plain as they can be.
struct Test {
    step: &'static str,
    script: Script,
    run: Run,
}

impl Test {
    fn new(step: &'static str, outcomes: &[Outcome], log: &[Event]) -> Self {
        let job = |&outcome| Job {
            outcome,
            ..Job::default()
        };
        Self {
            step,
            script: Script {
                workers: not_zero(2),
                capacity: not_zero(1),
                period: Duration::ZERO,
                jobs: outcomes.iter().map(job).collect(),
                ..Script::PLAIN
            },
            run: Run {
                log: log.iter().map(|&event| (Duration::ZERO, event)).collect(),
                end: Duration::ZERO,
                ended: Ended::Completed,
                left: 0,
            },
        }
    }

    fn script(mut self, change: impl FnOnce(&mut Script)) -> Self {
        change(&mut self.script);
        self
    }

    fn ended(mut self, ended: Ended) -> Self {
        self.run.ended = ended;
        self
    }

    /// When each of the events was, in milliseconds.
    fn at(mut self, times: &[u64]) -> Self {
        assert_eq!(times.len(), self.run.log.len());
        for ((at, _), &time) in self.run.log.iter_mut().zip(times) {
            *at = Duration::from_millis(time);
        }
        self
    }

    fn check(&self) -> Result<(), String> {
        checker::check(&step(self.step), &self.script, &self.run)
    }

    #[track_caller]
    fn right(self) {
        assert_eq!(self.check(), Ok(()));
    }

    #[track_caller]
    fn wrong(self, wrong: &str) {
        let said = self.check().expect_err(wrong);
        assert!(said.starts_with(wrong), "{said}");
    }
}

fn test(step: &'static str, log: &[Event]) -> Test {
    Test::new(step, &[Done; 3], log)
}

/// As two workers may do three jobs.
fn three_jobs() -> Vec<Event> {
    vec![
        start(1, 1),
        start(2, 2),
        finish(2, 2),
        result(2, Done),
        start(2, 3),
        finish(2, 3),
        finish(1, 1),
        result(3, Done),
        result(1, Done),
    ]
}

#[test]
fn a_plain_run_is_right() {
    for step in STEPS {
        test(step.name, &three_jobs()).right();
    }
}

#[test]
fn every_event_has_its_place() {
    let again = [&three_jobs()[..], &[start(1, 2)]].concat();
    test("basic", &again).wrong("job 2 started twice");
    test("basic", &[start(1, 1), start(1, 2)]).wrong("two workers are worker 1");
    test("basic", &[start(3, 1)]).wrong("there is a worker 3");
    test("basic", &[start(0, 1)]).wrong("there is a worker 0");
    test("basic", &[finish(1, 1)]).wrong("worker 1 had None");
    test("basic", &[start(1, 1), finish(1, 2)]).wrong("worker 1 had Some(1)");
    test("basic", &[&done(1, 1)[..], &[result(1, Done)]].concat()).wrong("job 1 has two results");
    test("errors", &[back(1), start(1, 1)]).wrong("job 1 started after it was handed back");
    test("errors", &[back(1), back(1)]).wrong("job 1 was handed back twice");
    test("errors", &[start(1, 1), back(1)]).wrong("job 1 was handed back after it had started");
    test("cancellation", &[ended(1), ended(1)]).wrong("worker 1 ended twice");
    test("cancellation", &[start(1, 1), ended(1)]).wrong("worker 1 ended with a job in flight");
    test("cancellation", &[ended(1), start(1, 1)])
        .wrong("worker 1, which had ended, started job 1");
}

#[test]
fn workers_are_as_many_as_they_may_be() {
    let three = [start(1, 1), start(2, 2), start(7, 3)];
    test("dynamic", &three).wrong("jobs still run after the end"); // but there may be three
    test("dynamic", &three)
        .script(|script| script.max_workers = not_zero(2))
        .wrong("3 jobs at once");
    test("dynamic", &three)
        .script(|script| script.max_workers = not_zero(1)) // less than the fewest
        .wrong("3 jobs at once");
    test("basic", &three).wrong("there is a worker 7");
}

#[test]
fn jobs_start_in_order_where_that_can_be_told() {
    let log = [done(1, 2), done(1, 1), done(1, 3)].concat();
    let one_worker = |script: &mut Script| script.workers = NonZeroUsize::MIN;
    test("basic", &log).right(); // another worker may have had job 1 in its hands
    test("basic", &log)
        .script(one_worker)
        .wrong("job 1 started after job 2");
    test("cancellation", &log).wrong("job 1 started after job 2");
    let two_submitters = |script: &mut Script| {
        one_worker(script);
        script.submitters = not_zero(2);
    };
    test("dispatcher", &log)
        .script(one_worker)
        .wrong("job 1 started after job 2");
    test("dispatcher", &log).script(two_submitters).right();
}

#[test]
fn each_job_comes_to_what_it_was_to_come_to() {
    let outcomes = [Done, Failed, Panicked];
    let log = |second, third| {
        [
            &done(1, 1)[..],
            &[start(1, 2), finish(1, 2), result(2, second)],
            &[start(1, 3), finish(1, 3), result(3, third)],
        ]
        .concat()
    };
    Test::new("errors", &outcomes, &log(Failed, Panicked)).right();
    Test::new("errors", &outcomes, &log(Done, Panicked)).wrong("job 2 is Done, not Some(Failed)");
    Test::new("errors", &outcomes, &log(Failed, Failed))
        .wrong("job 3 is Failed, not Some(Panicked)");
    test("basic", &[start(1, 1), result(1, Done)]).wrong("job 1 is Done, not Some(Lost)");
    test("basic", &three_jobs()[..8]).wrong("job 1 came to None, not Some(Done)");
    test("basic", &three_jobs()[..7]).wrong("job 1 came to None, not Some(Done)");
    test("basic", &three_jobs()[..6]).wrong("jobs still run after the end: [1]");
}

#[test]
fn no_job_is_lost() {
    let two = [done(1, 1), done(2, 2)].concat();
    let and = |more: &[Event]| [&two[..], more].concat();
    for step in STEPS {
        test(step.name, &two).wrong("job 3 was lost");
    }
    test("job-struct", &and(&[submitted(3)])).wrong("job 3 came to None, not Some(Lost)");
    test("cancellation", &and(&[submitted(3), Event::Stop, back(3)])).right();
    test("cancellation", &and(&[submitted(3), Event::Stop])).wrong("job 3 was lost");
    test("cancellation", &and(&[back(3)])).wrong("job 3 was lost"); // it was not cancelled
    test("rate-limited", &and(&[Event::Stop, back(3)])).right();
    test("rate-limited", &and(&[Event::Stop])).wrong("job 3 was lost");
    test("dispatcher", &and(&[Event::Stop, back(3)])).right();
    test("dispatcher", &and(&[Event::Stop])).wrong("job 3 was lost");
    test("basic", &and(&[Event::Stop, back(3)])).wrong("job 3 was lost"); // it cannot be stopped

    // The caller submits no more once a job was refused.
    let refused = [&done(1, 1)[..], &[Event::Stop, back(2)]].concat();
    test("cancellation", &refused).right();
    test("rate-limited", &refused).right();
    test("dispatcher", &refused).wrong("job 3 was lost"); // it goes on
    let submitted_later = [&[submitted(3)], &refused[..]].concat();
    test("cancellation", &submitted_later).wrong("job 3 was lost");

    // Only one result is read.
    let unread = |step| test(step, &done(1, 1)).script(|script| script.reads = 1);
    unread("waitgroup").right();
    test("waitgroup", &done(1, 1))
        .script(|script| script.reads = 2)
        .wrong("job 2 was lost");
}

#[test]
fn a_failure_stops_nothing() {
    let outcomes = [Failed, Done];
    let log = [start(1, 1), finish(1, 1), result(1, Failed)];
    Test::new("errors", &outcomes, &log).wrong("job 2 was lost");
    let goes_on = [&log[..], &done(1, 2)].concat();
    Test::new("errors", &outcomes, &goes_on).right();
}

#[test]
fn a_panic_costs_what_the_step_says() {
    let outcomes = [Panicked, Done];
    let log = [&[start(1, 1), finish(1, 1)][..], &done(2, 2)].concat();
    Test::new("basic", &outcomes, &log)
        .ended(Ended::Panicked)
        .right();
    Test::new("basic", &outcomes, &log).wrong("the pool ended Completed");
    Test::new("basic", &[Done; 2], &[done(1, 1), done(2, 2)].concat())
        .ended(Ended::Panicked)
        .wrong("the pool ended Panicked");
    Test::new("dynamic", &outcomes, &log).right();
    Test::new("dynamic", &outcomes, &log)
        .ended(Ended::Panicked)
        .wrong("the pool ended Panicked");

    let same_worker = [&[start(1, 1), finish(1, 1)][..], &done(1, 2)].concat();
    for step in ["basic", "dynamic"] {
        Test::new(step, &outcomes, &same_worker).wrong("worker 1, which had ended, started job 2");
    }
    let reported = [
        &[start(1, 1), finish(1, 1), result(1, Panicked)][..],
        &done(1, 2),
    ]
    .concat();
    Test::new("errors", &outcomes, &reported).right();

    // With the last worker goes what it would have done.
    let all = [Panicked, Panicked, Done];
    let both = [start(1, 1), finish(1, 1), start(2, 2), finish(2, 2)];
    Test::new("basic", &all, &both)
        .ended(Ended::Panicked)
        .right();
    Test::new("basic", &all, &both)
        .script(|script| script.workers = not_zero(3))
        .ended(Ended::Panicked)
        .wrong("job 3 was lost");

    // The caller gets either the panic or the jobs that were never started.
    let cancelled = [start(1, 1), finish(1, 1), Event::Stop];
    Test::new("rate-limited", &outcomes, &cancelled)
        .ended(Ended::Panicked)
        .right();
    Test::new("rate-limited", &outcomes, &cancelled[..2])
        .ended(Ended::Panicked)
        .wrong("job 2 was lost");
}

#[test]
fn after_a_cancel_no_job_starts_and_after_a_stop_all_do() {
    let log = [&[Event::Stop][..], &three_jobs()].concat();
    for step in ["cancellation", "rate-limited"] {
        test(step, &log).wrong("job 1 started after the pool was cancelled");
    }
    for step in ["dispatcher", "dynamic"] {
        test(step, &log).right();
    }
}

#[test]
fn every_worker_ends() {
    let and = |more: &[Event]| [&three_jobs()[..], more].concat();
    test("cancellation", &and(&[ended(1), ended(2)])).right();
    test("cancellation", &and(&[ended(2)])).wrong("1 of 2 workers ended");
    test("dynamic", &and(&[ended(1), ended(2), ended(3)])).right(); // ids are never used again
    test("dynamic", &and(&[ended(1), ended(3)])).wrong("2 of 3 workers ended");
    test("dynamic", &and(&[ended(1)])).wrong("1 of 2 workers ended");
    let third = [done(1, 1), done(2, 2), done(3, 3)].concat();
    let but_the_third = [&third[..], &[ended(1), ended(2)]].concat();
    test("dynamic", &but_the_third).wrong("2 of 3 workers ended");
    let panicked = [&[start(1, 1), finish(1, 1), ended(2)][..]].concat();
    Test::new("cancellation", &[Panicked], &panicked)
        .ended(Ended::Panicked)
        .right(); // one has ended, one was lost

    let mut left = test("basic", &three_jobs());
    left.run.left = 2;
    left.wrong("2 threads or tasks are left");
}

#[test]
fn the_limiter_keeps_to_its_rate() {
    let starts = |times: [u64; 3], period, burst| {
        let log = [done(1, 1), done(1, 2), done(1, 3)].concat();
        let [a, b, c] = times;
        test("rate-limited", &log)
            .at(&[a, a, a, b, b, b, c, c, c])
            .script(|script| {
                script.period = Duration::from_millis(period);
                script.burst = NonZeroU32::new(burst).expect("tests ask for at least 1");
            })
    };
    starts([10, 20, 30], 10, 1).right();
    starts([10, 25, 35], 10, 1).right();
    starts([9, 20, 30], 10, 1).wrong("job 1 started too early for the limiter");
    starts([10, 19, 30], 10, 1).wrong("job 2 started too early for the limiter");
    starts([10, 25, 30], 10, 1).wrong("job 3 started too early for the limiter");
    starts([20, 20, 30], 10, 2).right();
    starts([20, 20, 29], 10, 2).wrong("job 3 started too early for the limiter");
    starts([15, 20, 30], 10, 2).right();
    starts([10, 10, 30], 10, 2).wrong("job 2 started too early for the limiter");
    starts([90, 90, 90], 10, 2).wrong("job 3 started too early for the limiter");
    starts([0, 0, 0], 0, 1).right();
}

const UP: Event = Event::ScaledUp { count: 1 };
const DOWN: Event = Event::ScaledDown { count: 1 };

#[test]
fn the_scaler_keeps_to_its_bounds() {
    let and = |more: &[Event]| [&three_jobs()[..], more].concat();
    test("dynamic", &and(&[UP, DOWN, UP, DOWN])).right();
    test("dynamic", &and(&[UP, UP])).wrong("4 workers, at 0ns");
    test("dynamic", &and(&[DOWN])).wrong("1 workers, at 0ns");
    test("basic", &and(&[UP, UP])).right(); // it has no scaler
}

#[test]
fn idle_for_long_there_are_the_fewest() {
    let idle = |log: &[Event], stop_at: u64| {
        let jobs = three_jobs();
        let all = [&[UP], &jobs[..], log, &[Event::Stop, ended(1), ended(2)]].concat();
        let mut times = vec![10; all.len()];
        times[1 + jobs.len()..].fill(stop_at);
        test("dynamic", &all).at(&times)
    };
    idle(&[DOWN, ended(3)], 1000).right();
    idle(&[], 1000).wrong("idle for long, and there are 2 workers, to be 3");
    idle(&[], 20).right(); // not for long
    idle(&[], 1000)
        .script(|script| script.period = Duration::from_secs(1))
        .right();

    let jobs = three_jobs();
    let still = [&jobs[..], &[Event::Stop, ended(1), ended(2), ended(3)]].concat();
    let mut times = vec![0; still.len()];
    times[jobs.len()..].fill(1000);
    test("dynamic", &still)
        .at(&times)
        .wrong("idle for long, and there are 3 workers, to be 2");
}

#[test]
fn a_pool_has_as_long_as_one_worker_takes() {
    let deadline = |step, stop| {
        let mut script = test(step, &[]).script;
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
    let mut script = test(step.name, &[]).script;
    script.jobs.push(Job::default());
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
    let mut script = Test::new("cancellation", &[Panicked], &[]).script;
    let duration = Duration::from_millis(5);
    script.jobs[0].duration = duration;
    let patience = Duration::from_secs(60);
    let run = play(&step("cancellation"), &script, Mode::Stressed, patience);
    let run = run.expect("the pool runs");
    assert_eq!((run.ended, run.end), (Ended::Panicked, duration));
}
