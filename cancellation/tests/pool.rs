//! What a cancel stops, and that it loses nothing. With a paused clock, time is simulated and exact.

use std::cell::Cell;
use std::fmt::Display;
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};
use std::time::Duration;

use cancellation::{Event, Pool, Refused, Submitter};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

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
async fn scenario(workers: usize, timeout: Duration) -> String {
    let (log, transcript) = Log::new();
    let cancel = CancellationToken::new();
    let cancel_in_time = async {
        sleep(timeout).await;
        cancel.cancel();
    };
    let run = async {
        let mut jobs = 1..=10;
        let submit_all = async |submitter: Submitter<usize>| {
            for job in jobs.by_ref() {
                let submitted = submitter.submit(job).await;
                submitted
                    .inspect_err(|_| log.say("Producer stopping due to context cancellation"))?;
                log.say(format_args!("Sent job {job}"));
                cancel.run_until_cancelled(sleep(SECOND / 2)).await;
            }
            log.say("All jobs sent, closing channel");
            Ok(())
        };
        let work_log = log.clone();
        let work = move |worker, job| {
            let log = work_log.clone();
            async move {
                log.say(format_args!("Worker {worker} processing job {job}"));
                sleep(SECOND).await;
                job * 2
            }
        };
        let on_result = |result| log.say(format_args!("Result: {result}"));
        let event_log = log.clone();
        let observe = move |event: Event| event_log.say(event);

        let unstarted = pool(workers, 100)
            .run(cancel.clone(), submit_all, work, on_result, observe)
            .await;
        log.say("Worker pool shut down");

        log.say(format_args!("handed back: {unstarted:?}"));
        log.say(format_args!("not submitted: {:?}", Vec::from_iter(jobs)));
    };
    with_deadline(async { tokio::join!(biased; cancel_in_time, run) }).await;
    text(transcript)
}

/// The timeout falls on the end of job 9, with job 10 in flight: both results are delivered.
#[tokio::test(start_paused = true)]
async fn the_articles_scenario() {
    insta::assert_snapshot!(scenario(3, 5 * SECOND).await, @r"
    0.0 s  Sent job 1
    0.0 s  Worker 1 processing job 1
    0.5 s  Sent job 2
    0.5 s  Worker 2 processing job 2
    1.0 s  Sent job 3
    1.0 s  Worker 1 processing job 3
    1.0 s  Result: 2
    1.5 s  Sent job 4
    1.5 s  Worker 2 processing job 4
    1.5 s  Result: 4
    2.0 s  Sent job 5
    2.0 s  Worker 1 processing job 5
    2.0 s  Result: 6
    2.5 s  Sent job 6
    2.5 s  Worker 2 processing job 6
    2.5 s  Result: 8
    3.0 s  Sent job 7
    3.0 s  Worker 1 processing job 7
    3.0 s  Result: 10
    3.5 s  Sent job 8
    3.5 s  Worker 2 processing job 8
    3.5 s  Result: 12
    4.0 s  Sent job 9
    4.0 s  Worker 1 processing job 9
    4.0 s  Result: 14
    4.5 s  Sent job 10
    4.5 s  Worker 2 processing job 10
    4.5 s  Result: 16
    5.0 s  All jobs sent, closing channel
    5.0 s  Worker 1 shutting down
    5.0 s  Worker 3 shutting down
    5.0 s  Result: 18
    5.5 s  Worker 2 shutting down
    5.5 s  Result: 20
    5.5 s  Worker pool shut down
    5.5 s  handed back: []
    5.5 s  not submitted: []
    ");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_before_all_jobs_are_sent() {
    insta::assert_snapshot!(scenario(3, 3 * SECOND).await, @r"
    0.0 s  Sent job 1
    0.0 s  Worker 1 processing job 1
    0.5 s  Sent job 2
    0.5 s  Worker 2 processing job 2
    1.0 s  Sent job 3
    1.0 s  Worker 1 processing job 3
    1.0 s  Result: 2
    1.5 s  Sent job 4
    1.5 s  Worker 2 processing job 4
    1.5 s  Result: 4
    2.0 s  Sent job 5
    2.0 s  Worker 1 processing job 5
    2.0 s  Result: 6
    2.5 s  Sent job 6
    2.5 s  Worker 2 processing job 6
    2.5 s  Result: 8
    3.0 s  Producer stopping due to context cancellation
    3.0 s  Worker 1 shutting down
    3.0 s  Worker 3 shutting down
    3.0 s  Result: 10
    3.5 s  Worker 2 shutting down
    3.5 s  Result: 12
    3.5 s  Worker pool shut down
    3.5 s  handed back: [7]
    3.5 s  not submitted: [8, 9, 10]
    ");
}

/// One worker falls behind, so jobs 4 to 6 wait in the queue. Job 7 is refused.
#[tokio::test(start_paused = true)]
async fn a_timeout_while_jobs_wait_in_the_queue() {
    insta::assert_snapshot!(scenario(1, 3 * SECOND).await, @r"
    0.0 s  Sent job 1
    0.0 s  Worker 1 processing job 1
    0.5 s  Sent job 2
    1.0 s  Sent job 3
    1.0 s  Worker 1 processing job 2
    1.0 s  Result: 2
    1.5 s  Sent job 4
    2.0 s  Sent job 5
    2.0 s  Worker 1 processing job 3
    2.0 s  Result: 4
    2.5 s  Sent job 6
    3.0 s  Producer stopping due to context cancellation
    3.0 s  Worker 1 shutting down
    3.0 s  Result: 6
    3.0 s  Worker pool shut down
    3.0 s  handed back: [4, 5, 6, 7]
    3.0 s  not submitted: [8, 9, 10]
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
        runtime.block_on(scenario(3, 5 * SECOND))
    };
    let first = run();
    for _ in 1..50 {
        assert_eq!(run(), first);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_cancel_every_worker_finishes() {
    let (observer, events) = mpsc::channel();
    let observe = move |event| observer.send(event).expect("the test keeps the receiver");
    let work = async |_, job| job;
    let cancel = CancellationToken::new();
    let run = pool(2, 1).run(cancel, submit_all(1..=9), work, drop, observe);
    assert_eq!(with_deadline(run).await, [0; 0]);

    let mut events = Vec::from_iter(events);
    events.sort_by_key(Event::to_string);
    assert_eq!(
        events,
        [1, 2].map(|worker| Event::Finished { worker }),
        "each of them says so, once"
    );
}

/// Each job in turn cancels the pool as it ends, when other jobs end and the queue is not empty.
#[tokio::test(start_paused = true)]
async fn no_job_starts_after_the_cancel_and_none_is_lost() {
    for (workers, capacity) in [(1, 1), (1, 100), (3, 1), (3, 100), (8, 3)] {
        for last in 1..=30 {
            let cancel = CancellationToken::new();
            let (starter, started) = mpsc::channel();
            let (observer, events) = mpsc::channel();
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
                        job
                    }
                }
            };
            let observe = move |event| observer.send(event).expect("the test keeps the receiver");

            let mut jobs = 1..=40;
            let submit_all = submit_all(jobs.by_ref());
            let mut done = Vec::new();
            let on_result = |job| done.push(job);
            let run = pool(workers, capacity).run(cancel, submit_all, work, on_result, observe);
            let unstarted = with_deadline(run).await;
            assert_eq!(alive_tasks(), 0, "a worker is left");

            let started = Vec::from_iter(started);
            done.sort_unstable();
            assert_eq!(done, started, "what was started is finished");
            assert!(done.contains(&last));
            let all = started.into_iter().chain(unstarted).chain(jobs);
            assert_eq!(
                Vec::from_iter(all),
                Vec::from_iter(1..=40),
                "workers {workers}, capacity {capacity}, cancelled by job {last}"
            );
            let mut events = Vec::from_iter(events);
            events.sort_by_key(Event::to_string);
            assert_eq!(
                events,
                Vec::from_iter((1..=workers).map(|worker| Event::ShuttingDown { worker }))
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_before_the_start_every_job_is_refused() {
    let cancel = CancellationToken::new();
    cancel.cancel();
    let mut refused = Vec::new();
    let submit_all = async |submitter: Submitter<_>| {
        for job in 1..=5 {
            refused.extend(submitter.submit(job).await.err());
        }
        Ok(())
    };
    let work = async |_, job| panic!("job {job} starts");
    let run = pool(3, 100).run(cancel, submit_all, work, |()| {}, |_| {});
    assert_eq!(with_deadline(run).await, []);
    assert_eq!(refused, [1, 2, 3, 4, 5].map(Refused));
}

/// Nothing waits between the first `submit` and the cancel, so no worker has run yet.
#[tokio::test(start_paused = true)]
async fn cancelled_before_a_worker_runs_every_job_is_handed_back() {
    let cancel = CancellationToken::new();
    let submit_all = async |submitter: Submitter<_>| {
        for job in 1..=5 {
            submitter.submit(job).await?;
        }
        cancel.cancel();
        submitter.submit(6).await
    };
    let work = async |_, job| panic!("job {job} starts");
    let run = pool(3, 100).run(cancel.clone(), submit_all, work, |()| {}, |_| {});
    assert_eq!(with_deadline(run).await, [1, 2, 3, 4, 5, 6]);
}

/// Both wake the workers, which wait for either. In 20 rounds, a choice at random starts a job.
#[tokio::test(start_paused = true)]
async fn a_job_that_comes_together_with_the_cancel_does_not_start() {
    for _ in 0..20 {
        let cancel = CancellationToken::new();
        let submit_all = async |submitter: Submitter<_>| {
            sleep(SECOND).await; // the workers wait
            submitter.submit(1).await?;
            cancel.cancel();
            Ok(())
        };
        let work = async |_, job| panic!("job {job} starts");
        let run = pool(3, 100).run(cancel.clone(), submit_all, work, |()| {}, |_| {});
        assert_eq!(with_deadline(run).await, [1]);
    }
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
            let run = pool(4, 8).run(cancel, submit_all(jobs.by_ref()), work, on_result, |_| {});
            let run = timeout(60 * SECOND, run);
            let unstarted = run.await.expect("it ends within a minute");

            let (mut started, late): (Vec<_>, Vec<_>) = started.iter().unzip();
            let late = late.into_iter().filter(|&late| late).count();
            assert!(late <= 4, "{late} jobs start after the cancel");
            started.sort_unstable();
            done.sort_unstable();
            assert_eq!(done, started, "what was started is finished");
            let mut all = Vec::from_iter(started.into_iter().chain(unstarted).chain(jobs));
            all.sort_unstable();
            assert_eq!(all, Vec::from_iter(1..=300), "cancelled by job {last}");
        }
    });
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
        let event_log = log.clone();
        let observe = move |event| event_log.say(event);
        let unstarted = pool(1, 1)
            .run(cancel.clone(), submit_all, work, on_result, observe)
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
    10.0 s  Worker 1 shutting down
    10.0 s  1 is done
    10.0 s  handed back: [2]
    ");
}

/// A submitter that outlives `submit_all` keeps the pool waiting for jobs until the cancel.
#[tokio::test(start_paused = true)]
async fn after_the_end_submit_refuses_jobs() {
    let cancel = CancellationToken::new();
    let mut kept = None;
    let submit_all = async |submitter: Submitter<_>| {
        submitter.submit(1).await?;
        kept = Some(submitter);
        Ok(())
    };
    let mut done = Vec::new();
    let work = async |_, job| job;
    let on_result = |job| done.push(job);
    let run = pool(3, 1).run(cancel.clone(), submit_all, work, on_result, |_| {});
    let later = async {
        sleep(SECOND).await;
        cancel.cancel();
    };
    let (unstarted, ()) = with_deadline(async { tokio::join!(run, later) }).await;
    assert_eq!((done, unstarted), (vec![1], vec![]));

    let submitter = kept.expect("it was kept");
    let refused = with_deadline(submitter.submit(2)).await;
    assert_eq!(refused, Err(Refused(2)));
}

/// Nothing cancels, and the submitter waits for room in a task of its own.
#[tokio::test(start_paused = true)]
async fn a_dropped_run_aborts_its_workers_and_refuses_jobs() {
    let (give, take) = oneshot::channel();
    let outside = tokio::spawn(async {
        let submitter: Submitter<_> = take.await.expect("`run` gives it away");
        for job in 0..MANY {
            submitter.submit(job).await?;
        }
        Ok(())
    });
    let (starter, started) = mpsc::channel();
    let work = move |_, _| {
        starter.send(()).expect("the test keeps the receiver");
        sleep(SECOND)
    };
    let begin = Instant::now();
    let cancel = CancellationToken::new();
    let run = pool(3, 2).run(cancel, give_away(give), work, drop, |_| {});
    timeout(SECOND * 5 / 2, run)
        .await
        .expect_err("it does not end, and is dropped at 2.5 seconds");

    let outcome = with_deadline(outside).await.expect("no panic");
    assert_eq!(outcome, Err(Refused(11)), "9 started and 2 in the queue");
    assert_eq!(begin.elapsed(), SECOND * 5 / 2, "refused at once");
    sleep(MILLISECOND).await; // the workers have been aborted: now they end
    assert_eq!(alive_tasks(), 0);
    assert_eq!(started.iter().count(), 9, "3 workers, 3 seconds begun");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_job_costs_one_worker_and_reaches_the_caller() {
    let (doer, done) = mpsc::channel();
    let work = async |_, job| if job == 3 { panic!("job 3") } else { job };
    let on_result = move |job| doer.send(job).expect("the test keeps the receiver");
    let cancel = CancellationToken::new();
    let run = pool(2, 1).run(cancel, submit_all(0..100), work, on_result, |_| {});
    assert_panics(run, "job 3").await;
    let mut done = Vec::from_iter(done);
    done.sort_unstable();
    let others = (0..100).filter(|&job| job != 3);
    assert_eq!(
        done,
        Vec::from_iter(others),
        "the other worker does the other jobs"
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_every_worker_ends_the_pool_and_drops_the_jobs() {
    let job = Arc::new(());
    let jobs = std::iter::repeat_n(job.clone(), MANY);
    let work = async |_, _| panic!("every job");
    let cancel = CancellationToken::new();
    let run = pool(2, 1).run(cancel, submit_all(jobs), work, |()| {}, |_| {});
    assert_panics(run, "every job").await;
    assert_eq!(Arc::strong_count(&job), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_elsewhere_ends_the_pool() {
    let work = async |_, job| {
        sleep(SECOND).await;
        job
    };
    let cancel = CancellationToken::new;
    let on_result = |_| panic!("no more results");
    let run = pool(3, 1).run(cancel(), submit_all(0..MANY), work, on_result, |_| {});
    assert_panics(run, "no more results").await;

    let submit_all_but = async |submitter: Submitter<_>| {
        submitter.submit(1).await?;
        panic!("no more jobs");
    };
    let run = pool(3, 1).run(cancel(), submit_all_but, work, drop, |_| {});
    assert_panics(run, "no more jobs").await;

    let observe = |_| panic!("no more events");
    let run = pool(3, 1).run(cancel(), submit_all(0..5), work, drop, observe);
    assert_panics(run, "no more events").await;
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

#[test]
fn a_runtime_without_timers_is_enough() {
    let runtime = Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime without input and output asks for nothing");
    let mut done = Vec::new();
    let work = async |_, job| job;
    let on_result = |job| done.push(job);
    let cancel = CancellationToken::new();
    let unstarted =
        runtime.block_on(pool(1, 1).run(cancel, submit_all(1..=3), work, on_result, |_| {}));
    assert_eq!((done, unstarted), (vec![1, 2, 3], vec![]));
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
        let mut run = pin!(pool.run(cancel.clone(), give_away(give), work, on_result, |_| {}));
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
