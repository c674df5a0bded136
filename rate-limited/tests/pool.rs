//! How fast jobs may start, in which order, and what a cancel hands back. With a paused clock, time is
//! simulated and exact.

use std::cell::Cell;
use std::fmt::Display;
use std::num::{NonZeroU32, NonZeroUsize};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};
use std::time::Duration;

use rate_limited::{Limiter, Pool, Refused, Submitter};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

const MICROSECOND: Duration = Duration::from_micros(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// More jobs than any pool here takes before it stops.
const MANY: usize = 100_000;

fn pool(workers: usize, capacity: usize) -> Pool {
    let not_zero = |n| NonZeroUsize::new(n).expect("tests ask for at least 1");
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

/// Gives the submitter to the task that waits for it. The pool then takes jobs until it is cancelled.
fn give_away<J>(
    give: oneshot::Sender<Submitter<J>>,
) -> impl AsyncFnOnce(Submitter<J>) -> Result<(), Refused<J>> {
    async |submitter| {
        _ = give.send(submitter); // an error: the task has ended
        Ok(())
    }
}

fn several_threads() -> Runtime {
    let runtime = Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build();
    runtime.expect("four threads can be started")
}

/// Polls once, so that the pool starts, and then no more.
fn poll_once(run: Pin<&mut impl Future>) {
    let ended = run.poll(&mut Context::from_waker(Waker::noop()));
    assert!(ended.is_pending(), "it ends at once");
}

fn alive_tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Notes lines, each with the simulated time at which it was said.
#[derive(Clone)]
struct Log {
    start: Instant,
    lines: mpsc::Sender<String>,
}

impl Log {
    fn new() -> (Self, mpsc::Receiver<String>) {
        let start = Instant::now();
        let (lines, transcript) = mpsc::channel();
        (Self { start, lines }, transcript)
    }

    fn say(&self, line: impl Display) {
        let now = self.start.elapsed().as_secs_f64();
        let line = format!("{now:?} s  {line}");
        self.lines.send(line).expect("the test keeps the receiver");
    }
}

fn text(transcript: mpsc::Receiver<String>) -> String {
    Vec::from_iter(transcript.try_iter()).join("\n")
}

/// The article's scenario, as in `main.rs`.
async fn scenario() -> String {
    let (log, transcript) = Log::new();
    let work_log = log.clone();
    let work = move |worker, job: usize| {
        let log = work_log.clone();
        async move {
            log.say(format_args!("Worker {worker} processing job {job}"));
            sleep(SECOND / 10).await;
            job * 2
        }
    };
    let on_result = |result| log.say(format_args!("Result: {result}"));
    let cancel = CancellationToken::new();
    let jobs = submit_all(1..=10);
    let run = pool(3, 100).run(cancel, limiter(SECOND / 2, 1), jobs, work, on_result);
    assert_eq!(with_deadline(run).await, []);
    log.say("the end");
    text(transcript)
}

#[tokio::test(start_paused = true)]
async fn the_articles_scenario() {
    insta::assert_snapshot!(scenario().await, @r"
    0.5 s  Worker 1 processing job 1
    0.6 s  Result: 2
    1.0 s  Worker 2 processing job 2
    1.1 s  Result: 4
    1.5 s  Worker 3 processing job 3
    1.6 s  Result: 6
    2.0 s  Worker 1 processing job 4
    2.1 s  Result: 8
    2.5 s  Worker 2 processing job 5
    2.6 s  Result: 10
    3.0 s  Worker 3 processing job 6
    3.1 s  Result: 12
    3.5 s  Worker 1 processing job 7
    3.6 s  Result: 14
    4.0 s  Worker 2 processing job 8
    4.1 s  Result: 16
    4.5 s  Worker 3 processing job 9
    4.6 s  Result: 18
    5.0 s  Worker 1 processing job 10
    5.1 s  Result: 20
    5.1 s  the end
    ");
}

#[test]
fn fifty_runs_are_identical() {
    let run = || {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let runtime = runtime.expect("a runtime without input and output asks for nothing");
        runtime.block_on(scenario())
    };
    let first = run();
    for _ in 1..50 {
        assert_eq!(run(), first);
    }
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
            assert_eq!(alive_tasks(), 0, "a worker is left");

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

/// Each job in turn cancels the pool as it ends, when the next one may start.
#[tokio::test(start_paused = true)]
async fn no_job_starts_after_the_cancel() {
    for last in 1..=20 {
        let cancel = CancellationToken::new();
        let (starter, started) = mpsc::channel();
        let work = {
            let cancel = cancel.clone();
            move |_, job| {
                assert!(!cancel.is_cancelled(), "job {job} starts after the cancel");
                starter.send(job).expect("the test keeps the receiver");
                let cancel = cancel.clone();
                async move {
                    sleep(SECOND).await;
                    if job == last {
                        cancel.cancel();
                    }
                }
            }
        };
        let mut jobs = 1..MANY;
        let submit_all = submit_all(jobs.by_ref());
        let run = pool(3, 2).run(cancel, limiter(SECOND / 2, 3), submit_all, work, drop);
        let unstarted = with_deadline(run).await;
        let started = Vec::from_iter(started);
        assert!(started.contains(&last));
        let all = started.into_iter().chain(unstarted).chain(jobs);
        assert_eq!(Vec::from_iter(all.take(50)), Vec::from_iter(1..=50));
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

/// A job in flight takes 10 seconds and another waits in the queue. `submit` waits for neither.
#[tokio::test(start_paused = true)]
async fn a_submit_that_waits_for_room_is_refused_at_once() {
    let (log, transcript) = Log::new();
    let cancel = CancellationToken::new();
    let cancel_twice = async {
        for seconds in [1, 2] {
            sleep(seconds * SECOND).await;
            log.say("cancel");
            cancel.cancel();
        }
    };
    let run = async {
        let submit_all = async |submitter: Submitter<_>| {
            for job in 1..=4 {
                let submitted = submitter.submit(job).await;
                log.say(format_args!("submit {job}: {submitted:?}"));
            }
            Ok(())
        };
        let work = async |_, job| {
            sleep(10 * SECOND).await;
            job
        };
        let on_result = |job| log.say(format_args!("{job} is done"));
        let unstarted = pool(1, 1)
            .run(cancel.clone(), unlimited(), submit_all, work, on_result)
            .await;
        log.say(format_args!("handed back: {unstarted:?}"));
    };
    with_deadline(async { tokio::join!(run, cancel_twice) }).await;
    insta::assert_snapshot!(text(transcript), @r"
    0.0 s  submit 1: Ok(())
    0.0 s  submit 2: Ok(())
    1.0 s  cancel
    1.0 s  submit 3: Err(Refused(3))
    1.0 s  submit 4: Err(Refused(4))
    3.0 s  cancel
    10.0 s  1 is done
    10.0 s  handed back: [2]
    ");
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

/// On several threads a worker that is taking a job at the moment of the cancel may start it.
#[test]
fn on_several_threads_a_cancel_loses_no_job() {
    several_threads().block_on(async {
        for last in 1..=200 {
            let cancel = CancellationToken::new();
            let has_returned = Arc::new(AtomicBool::new(false));
            let (starter, started) = mpsc::channel();
            let work = {
                let cancel = cancel.clone();
                move |_, job| {
                    let start = (job, has_returned.load(SeqCst));
                    starter.send(start).expect("the test keeps the receiver");
                    let (cancel, has_returned) = (cancel.clone(), has_returned.clone());
                    async move {
                        if job == last {
                            cancel.cancel();
                            has_returned.store(true, SeqCst);
                        }
                        job
                    }
                }
            };
            let mut jobs = 1..=300;
            let mut done = Vec::new();
            let on_result = |job| done.push(job);
            let submit_all = submit_all(jobs.by_ref());
            let run = pool(4, 8).run(cancel, unlimited(), submit_all, work, on_result);
            let run = timeout(60 * SECOND, run);
            let unstarted = run.await.expect("it ends within a minute");

            let (mut started, late): (Vec<_>, Vec<_>) = started.iter().unzip();
            started.sort_unstable();
            let late = late.into_iter().filter(|&late| late).count();
            assert!(
                late <= 4,
                "{late} jobs start after the cancel, on 4 workers"
            );
            done.sort_unstable();
            assert_eq!(done, started, "what was started is finished");
            let all = started.into_iter().chain(unstarted).chain(jobs);
            let all = Vec::from_iter(all);
            assert_eq!(all, Vec::from_iter(1..=300), "cancelled by job {last}");
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_dropped_run_aborts_its_workers() {
    let (starter, started) = mpsc::channel();
    let work = move |_, _| {
        starter.send(()).expect("the test keeps the receiver");
        sleep(SECOND)
    };
    let run = pool(3, 2).run(
        CancellationToken::new(),
        limiter(SECOND / 2, 1),
        submit_all(0..MANY),
        work,
        drop,
    );
    timeout(SECOND * 9 / 4, run)
        .await
        .expect_err("it does not end, and is dropped at 2.25 seconds");

    sleep(MILLISECOND).await; // the workers have been aborted: now they end
    assert_eq!(alive_tasks(), 0);
    assert_eq!(started.iter().count(), 4, "one each half second");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_job_costs_one_worker_and_reaches_the_caller() {
    let (doer, done) = mpsc::channel();
    let work = async |_, job| if job == 3 { panic!("job 3") } else { job };
    let on_result = move |job| doer.send(job).expect("the test keeps the receiver");
    let cancel = CancellationToken::new();
    let jobs = submit_all(0..100);
    let run = pool(2, 1).run(cancel, limiter(SECOND, 1), jobs, work, on_result);
    assert_panics(run, "job 3").await;
    let others = (0..100).filter(|&job| job != 3);
    assert_eq!(
        Vec::from_iter(done),
        Vec::from_iter(others),
        "the other worker does the other jobs"
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_every_worker_ends_the_pool_and_drops_the_jobs() {
    let job = Arc::new(());
    let jobs = submit_all(std::iter::repeat_n(job.clone(), MANY));
    let work = async |_, _| panic!("every job");
    let cancel = CancellationToken::new();
    let run = pool(2, 1).run(cancel, limiter(SECOND, 1), jobs, work, |()| {});
    assert_panics(run, "every job").await;
    assert_eq!(Arc::strong_count(&job), 1);
}

/// `work` panics when it is called, which is while the worker holds the gate.
#[tokio::test(start_paused = true)]
async fn a_panic_at_the_gate_lets_the_next_worker_in() {
    let (starter, started) = mpsc::channel();
    let work = move |_, job| {
        starter.send(job).expect("the test keeps the receiver");
        assert_ne!(job, 0, "job 0");
        async {}
    };
    let cancel = CancellationToken::new();
    let jobs = submit_all(0..5);
    let run = pool(2, 1).run(cancel, limiter(SECOND, 1), jobs, work, drop);
    let tasks = LocalSet::new();
    let ended = tasks.spawn_local(with_deadline(run));
    let panic = tasks.run_until(ended).await.expect_err("it panics");
    assert!(panic.is_panic());
    assert_eq!(Vec::from_iter(started), [0, 1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_elsewhere_ends_the_pool() {
    let work = async |_, job| {
        sleep(SECOND).await;
        job
    };
    let on_result = |_| panic!("no more results");
    let cancel = CancellationToken::new();
    let jobs = submit_all(0..MANY);
    let run = pool(3, 1).run(cancel, limiter(SECOND / 2, 1), jobs, work, on_result);
    assert_panics(run, "no more results").await;

    let jobs = submit_all((0..MANY).inspect(|&job| assert!(job < 10, "no more jobs")));
    let cancel = CancellationToken::new();
    let run = pool(3, 1).run(cancel, limiter(SECOND / 2, 1), jobs, work, drop);
    assert_panics(run, "no more jobs").await;
}

/// Checks that `run` panics with this text, and that no worker survives.
async fn assert_panics<T: 'static>(run: impl Future<Output = T> + 'static, expected: &str) {
    let tasks = LocalSet::new();
    let ended = tasks.spawn_local(with_deadline(run));
    let panic = tasks.run_until(ended).await.err().expect("it panics");
    assert_eq!(panic.into_panic().downcast_ref(), Some(&expected));
    sleep(MILLISECOND).await; // the workers have been aborted: now they end
    assert_eq!(alive_tasks(), 0);
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

#[test]
fn a_refusal_says_why() {
    assert_eq!(Refused(1).to_string(), "the pool takes no more jobs");
}

/// While nothing polls `run`, results are not read. Then as many wait as the capacity, each worker has
/// one more, and the queue is full.
#[tokio::test(start_paused = true)]
async fn workers_wait_when_as_many_results_as_the_capacity_are_not_read() {
    for (workers, capacity) in [(1, 1), (3, 5), (2, 100)] {
        let (give, take) = oneshot::channel();
        let submitted = Arc::new(AtomicUsize::new(0));
        let count = submitted.clone();
        let submitting = tokio::spawn(async move {
            let submitter: Submitter<_> = take.await.expect("`run` gives it away");
            while submitter.submit(()).await.is_ok() {
                count.fetch_add(1, SeqCst);
            }
        });
        let results = Cell::new(0);
        let cancel = CancellationToken::new();
        let work = async |_, ()| {};
        let on_result = |()| results.set(results.get() + 1);
        let pool = pool(workers, capacity);
        let mut run = pin!(pool.run(
            cancel.clone(),
            unlimited(),
            give_away(give),
            work,
            on_result
        ));
        poll_once(run.as_mut());
        sleep(SECOND).await; // until nothing can go on
        let expected = capacity + workers + capacity;
        assert_eq!(submitted.load(SeqCst), expected);

        cancel.cancel();
        assert_eq!(with_deadline(run).await.len(), capacity, "in the queue");
        assert_eq!(results.get(), capacity + workers);
        with_deadline(submitting).await.expect("no panic");
    }
}
