//! How fast jobs may start, in which order, and what a cancel does to a job that waits for its start. All other promises
//! of a cancel are checked in `xtask/lab/tests/conformance_cancel.rs`, as step 4 promises the same.

use std::cell::Cell;
use std::fmt::Display;
use std::num::NonZeroU32;
use std::sync::mpsc;
use std::time::Duration;

use rate_limited::{Limiter, Pool, Refused, Submitter};
use testing::not_zero;
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

const MICROSECOND: Duration = Duration::from_micros(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// More jobs than any pool here takes before it stops.
const MANY: usize = 100_000;

fn pool(workers: usize, capacity: usize) -> Pool {
    Pool {
        workers: not_zero(workers),
        capacity: not_zero(capacity),
    }
}

fn limiter(period: Duration, burst: u32) -> Limiter {
    let burst = NonZeroU32::new(burst).expect("tests ask for at least 1");
    Limiter::new(period, burst)
}

fn unlimited() -> Limiter {
    limiter(Duration::ZERO, 1)
}

/// Runs `test` and fails, instead of hanging, if it does not end. A simulated day takes no time.
async fn with_deadline<T>(test: impl Future<Output = T>) -> T {
    let day = 24 * 60 * 60 * SECOND;
    timeout(day, test).await.expect("it ends within a day")
}

/// Submits `jobs` one after the other, until one is refused.
fn submit_all<J>(
    jobs: impl IntoIterator<Item = J>,
) -> impl AsyncFnOnce(Submitter<J>) -> Result<(), Refused<J>> {
    async |submitter| {
        for job in jobs {
            submitter.submit(job).await?;
        }
        Ok(())
    }
}

/// Notes lines, each with the simulated time at which it was said.
#[derive(Clone)]
struct Log {
    start: Instant,
    lines: mpsc::Sender<(Duration, String)>,
}

impl Log {
    fn say(&self, line: impl Display) {
        let line = (self.start.elapsed(), line.to_string());
        self.lines.send(line).expect("the test keeps the receiver");
    }
}

/// The article's scenario, as in `main.rs`. Which free worker takes a job is left open.
#[tokio::test(start_paused = true)]
async fn the_articles_scenario() {
    let (lines, transcript) = mpsc::channel();
    let start = Instant::now();
    let log = Log { start, lines };
    let work_log = log.clone();
    let work = move |_worker, job: usize| {
        let log = work_log.clone();
        async move {
            log.say(format_args!("Worker # processing job {job}"));
            sleep(SECOND / 10).await;
            job * 2
        }
    };
    let on_result = |result| log.say(format_args!("Result: {result}"));
    let cancel = CancellationToken::new();
    let jobs = submit_all(1..=10);
    let run = pool(3, 100).run(cancel, limiter(SECOND / 2, 1), jobs, work, on_result);
    assert_eq!(with_deadline(run).await, []);
    drop(log);
    let lines = transcript
        .iter()
        .map(|(at, line)| format!("{at:?}  {line}"));
    insta::assert_snapshot!(Vec::from_iter(lines).join("\n"), @r"
    500ms  Worker # processing job 1
    600ms  Result: 2
    1s  Worker # processing job 2
    1.1s  Result: 4
    1.5s  Worker # processing job 3
    1.6s  Result: 6
    2s  Worker # processing job 4
    2.1s  Result: 8
    2.5s  Worker # processing job 5
    2.6s  Result: 10
    3s  Worker # processing job 6
    3.1s  Result: 12
    3.5s  Worker # processing job 7
    3.6s  Result: 14
    4s  Worker # processing job 8
    4.1s  Result: 16
    4.5s  Worker # processing job 9
    4.6s  Result: 18
    5s  Worker # processing job 10
    5.1s  Result: 20
    ");
}

/// Runs jobs of the given lengths, checks that they start in order, and returns when each did.
async fn starts(workers: usize, limiter: Limiter, lengths: Vec<Duration>) -> Vec<Duration> {
    let origin = Instant::now();
    let (starter, started) = mpsc::channel();
    let work = move |_, (job, length)| {
        let start = (job, origin.elapsed());
        starter.send(start).expect("the test keeps the receiver");
        sleep(length)
    };
    let jobs = submit_all(lengths.into_iter().enumerate());
    let run = pool(workers, 100).run(CancellationToken::new(), limiter, jobs, work, drop);
    assert_eq!(with_deadline(run).await, []);
    let in_order = |(position, (job, start))| {
        assert_eq!(job, position, "jobs start in order");
        start
    };
    started.iter().enumerate().map(in_order).collect()
}

#[tokio::test(start_paused = true)]
async fn the_rate_does_not_depend_on_the_number_of_workers() {
    for workers in [1, 3, 50] {
        let lengths = vec![SECOND / 10; 20];
        let starts = starts(workers, limiter(SECOND / 2, 1), lengths).await;
        let expected = (1..=20).map(|n| n * SECOND / 2);
        assert_eq!(starts, Vec::from_iter(expected), "{workers} workers");
    }
}

/// In any window of length t, at most `burst + t / period` jobs start.
#[tokio::test(start_paused = true)]
async fn the_rate_is_never_exceeded() {
    let jobs_of = |length: fn(u32) -> Duration| Vec::from_iter((0..50).map(length));
    let all_lengths = [
        jobs_of(|_| Duration::ZERO),
        jobs_of(|_| 3 * SECOND),
        jobs_of(|job| job % 5 * 130 * MILLISECOND),
        jobs_of(|job| {
            if job % 16 == 0 {
                20 * SECOND
            } else {
                Duration::ZERO
            }
        }),
        jobs_of(|job| job * job % 7 * 1300 * MICROSECOND),
    ];
    for period in [
        SECOND,
        7 * MILLISECOND,
        1500 * MICROSECOND,
        300 * MICROSECOND,
    ] {
        for burst in [1, 2, 3, 10] {
            for workers in [1, 3, 50] {
                for lengths in &all_lengths {
                    let starts = starts(workers, limiter(period, burst), lengths.clone()).await;
                    assert_eq!(starts.len(), 50);
                    assert!(starts[0] >= period, "the bucket is empty at first");
                    for (i, first) in starts.iter().enumerate() {
                        for (number, last) in (1..).zip(&starts[i..]) {
                            let periods = (*last - *first).as_nanos() / period.as_nanos();
                            assert!(
                                number <= u128::from(burst) + periods,
                                "{number} starts from {first:?} to {last:?}: \
                                 period {period:?}, burst {burst}, {workers} workers"
                            );
                        }
                    }
                }
            }
        }
    }
}

/// The only worker is busy for 10 seconds, and misses as many starts. The jobs after that take no time.
#[tokio::test(start_paused = true)]
async fn missed_starts_follow_at_once_up_to_the_burst() {
    for (burst, expected) in [
        (1, [1.0, 11.0, 12.0, 13.0, 14.0, 15.0]),
        (2, [1.0, 11.0, 11.0, 12.0, 13.0, 14.0]),
        (4, [1.0, 11.0, 11.0, 11.0, 11.0, 12.0]),
    ] {
        let mut lengths = vec![Duration::ZERO; 6];
        lengths[0] = 10 * SECOND;
        let starts = starts(1, limiter(SECOND, burst), lengths).await;
        assert_eq!(starts, expected.map(Duration::from_secs_f64), "{burst}");
    }
}

/// With jobs longer than the period the workers are the limit, if there are few of them.
#[tokio::test(start_paused = true)]
async fn long_jobs_wait_for_a_worker() {
    let lengths = vec![SECOND * 7 / 2; 6];
    let seconds = |starts: Vec<Duration>| Vec::from_iter(starts.iter().map(Duration::as_secs_f64));
    let few = starts(3, limiter(SECOND, 1), lengths.clone()).await;
    assert_eq!(seconds(few), [1.0, 2.0, 3.0, 4.5, 5.5, 6.5]);
    let many = starts(4, limiter(SECOND, 1), lengths).await;
    assert_eq!(seconds(many), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[tokio::test(start_paused = true)]
async fn the_end_does_not_wait_for_another_start() {
    for workers in [1, 3, 50] {
        let begin = Instant::now();
        starts(workers, limiter(Duration::MAX, 1), vec![]).await;
        assert_eq!(begin.elapsed(), Duration::ZERO);

        starts(workers, limiter(SECOND, 1), vec![SECOND / 10; 2]).await;
        assert_eq!(begin.elapsed(), SECOND * 21 / 10);
    }
}

/// The limiter is 10 seconds old when the pool starts: its bucket is full.
#[tokio::test(start_paused = true)]
async fn the_limiter_goes_on_as_it_is_when_the_pool_starts() {
    let limiter = limiter(SECOND, 3);
    sleep(10 * SECOND).await;
    let starts = starts(1, limiter, vec![Duration::ZERO; 5]).await;
    let expected = [0, 0, 0, 1, 2].map(Duration::from_secs);
    assert_eq!(starts, expected);
}

#[tokio::test(start_paused = true)]
async fn a_period_of_zero_is_no_limit() {
    let starts = starts(3, unlimited(), vec![SECOND; 7]).await;
    let seconds = starts.iter().map(Duration::as_secs);
    assert_eq!(Vec::from_iter(seconds), [0, 0, 0, 1, 1, 1, 2]);
}

/// A cancel at any time, some of them at the instant at which jobs end and the next one is due.
#[tokio::test(start_paused = true)]
async fn a_cancel_finishes_what_was_started_and_hands_back_the_rest_in_order() {
    for (workers, capacity) in [(1, 1), (1, 100), (3, 1), (3, 100), (50, 2)] {
        for quarters in 0..30 {
            let cancel = CancellationToken::new();
            let (starter, started) = mpsc::channel();
            let work = {
                let cancel = cancel.clone();
                move |_, job| {
                    assert!(!cancel.is_cancelled(), "job {job} starts after the cancel");
                    starter.send(job).expect("the test keeps the receiver");
                    async move {
                        sleep(SECOND).await;
                        job
                    }
                }
            };
            let mut done = Vec::new();
            let on_result = |job| done.push(job);
            let later = async {
                sleep(quarters * SECOND / 4).await;
                cancel.cancel();
                cancel.cancel(); // a second time changes nothing
            };
            let mut jobs = 1..=10;
            let run = pool(workers, capacity).run(
                cancel.clone(),
                limiter(SECOND / 2, 1),
                submit_all(jobs.by_ref()),
                work,
                on_result,
            );
            let (unstarted, ()) = with_deadline(async { tokio::join!(run, later) }).await;

            let started = Vec::from_iter(started);
            assert_eq!(done, started, "what was started is finished");
            assert_eq!(
                Vec::from_iter(started.into_iter().chain(unstarted).chain(jobs)),
                Vec::from_iter(1..=10),
                "workers {workers}, capacity {capacity}, cancelled after {quarters} quarter seconds"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_before_the_start_no_job_starts() {
    for period in [Duration::ZERO, SECOND, Duration::MAX] {
        let cancel = CancellationToken::new();
        cancel.cancel();
        let work = async |_, job| panic!("job {job} starts");
        let run = pool(3, 2).run(
            cancel,
            limiter(period, 1),
            submit_all(1..=10),
            work,
            |()| {},
        );
        assert_eq!(with_deadline(run).await, [1], "the first job is refused");
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_cancel_ends_the_longest_period() {
    let cancel = CancellationToken::new();
    let later = async {
        sleep(60 * 60 * SECOND).await;
        cancel.cancel();
    };
    let limiter = limiter(Duration::MAX, u32::MAX);
    let work = async |_, job| panic!("job {job} starts");
    let run = pool(3, 2).run(cancel.clone(), limiter, submit_all(1..=10), work, |()| {});
    let (unstarted, ()) = with_deadline(async { tokio::join!(run, later) }).await;
    assert_eq!(
        unstarted,
        [1, 2, 3, 4],
        "at the gate, in the queue, refused"
    );
}

/// However many workers wait, they hold no job: one job waits at the gate, one in the queue, and one for
/// room in it.
#[tokio::test(start_paused = true)]
async fn jobs_wait_outside_the_workers() {
    let asked = Cell::new(0);
    let jobs = (1..MANY).inspect(|_| asked.set(asked.get() + 1));
    let work = async |_, _| sleep(SECOND).await;
    let cancel = CancellationToken::new();
    let run = pool(50, 1).run(cancel, limiter(SECOND, 1), submit_all(jobs), work, drop);
    let look = async {
        sleep(SECOND / 2).await;
        for started in 0..100 {
            assert_eq!(asked.get(), started + 3, "after {started} starts");
            sleep(SECOND).await;
        }
    };
    let ended = with_deadline(async {
        tokio::select! {
            _ = run => "the run",
            () = look => "the look",
        }
    });
    assert_eq!(ended.await, "the look");
}

/// Without a limit nothing waits. Otherwise tokio says what is missing.
#[test]
fn a_limit_needs_a_runtime_with_timers() {
    for (limiter, expected) in [
        (unlimited(), "Ok"),
        (limiter(SECOND, 1), "timers are disabled"),
    ] {
        let runtime = Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime without input and output asks for nothing");
        let ended = std::thread::spawn(move || {
            let cancel = CancellationToken::new();
            let jobs = submit_all(1..=3);
            runtime.block_on(pool(1, 1).run(cancel, limiter, jobs, async |_, _| {}, drop))
        });
        let ended = match ended.join() {
            Ok(unstarted) => format!("Ok({unstarted:?})"),
            Err(panic) => *panic.downcast::<String>().expect("it panics with a text"),
        };
        assert!(ended.contains(expected), "{ended}");
    }
}
