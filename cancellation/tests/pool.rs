//! What makes it a pool, and what a cancel loses: nothing. The clock is paused, so time is simulated.

use std::fmt::Display;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use cancellation::{Event, Pool, Refused, Submitter};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Barrier, oneshot};
use tokio::task::LocalSet;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

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

/// A producer that submits `jobs` until one is refused.
fn submit_all<J>(jobs: impl IntoIterator<Item = J>) -> impl AsyncFnOnce(Submitter<J>) {
    async |submitter| {
        for job in jobs {
            if submitter.submit(job).await.is_err() {
                return;
            }
        }
    }
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
        let mut refused = None;
        let mut ticks = interval(SECOND / 2);
        ticks.tick().await; // the first one is now
        let produce = async |submitter: Submitter<usize>| {
            for job in jobs.by_ref() {
                if let Err(Refused(job)) = submitter.submit(job).await {
                    refused = Some(job);
                    return log.say("Producer stopping due to context cancellation");
                }
                log.say(format_args!("Sent job {job}"));
                cancel.run_until_cancelled(ticks.tick()).await;
            }
            log.say("All jobs sent, closing channel");
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
            .run(cancel.clone(), produce, work, on_result, observe)
            .await;
        log.say("Worker pool shut down");

        for job in unstarted {
            log.say(format_args!("Job {job} was handed back"));
        }
        if let Some(job) = refused {
            log.say(format_args!("Job {job} was refused"));
        }
        for job in jobs {
            log.say(format_args!("Job {job} was not submitted"));
        }
    };
    with_deadline(async { tokio::join!(biased; cancel_in_time, run) }).await;
    text(transcript)
}

/// The timeout falls on the end of job 9, with job 10 in hand: both results are delivered.
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
    3.5 s  Job 7 was refused
    3.5 s  Job 8 was not submitted
    3.5 s  Job 9 was not submitted
    3.5 s  Job 10 was not submitted
    ");
}

/// One worker falls behind, so some jobs wait in the queue.
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
    3.0 s  Job 4 was handed back
    3.0 s  Job 5 was handed back
    3.0 s  Job 6 was handed back
    3.0 s  Job 7 was refused
    3.0 s  Job 8 was not submitted
    3.0 s  Job 9 was not submitted
    3.0 s  Job 10 was not submitted
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

/// The jobs can only end if all of them have started.
#[tokio::test(start_paused = true)]
async fn as_many_jobs_run_at_once_as_there_are_workers() {
    for (workers, jobs) in [(1, 3), (2, 6), (3, 9), (16, 48), (10_000, 10_000)] {
        let everyone = Arc::new(Barrier::new(workers));
        let work = move |_, _| {
            let everyone = everyone.clone();
            async move { everyone.wait().await }
        };
        let mut done = 0;
        let run = pool(workers, 1).run(
            CancellationToken::new(),
            submit_all(0..jobs),
            work,
            |_| done += 1,
            |_| {},
        );
        assert_eq!(with_deadline(run).await, []);
        assert_eq!(done, jobs);
        assert_eq!(alive_tasks(), 0, "a worker is left");
    }
}

#[tokio::test(start_paused = true)]
async fn never_more_jobs_run_at_once_than_there_are_workers() {
    for (workers, capacity) in [(1, 100), (2, 1), (3, 100), (8, 3)] {
        let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let work = {
            let counts = counts.clone();
            move |_, job| {
                let counts = counts.clone();
                async move {
                    let (in_flight, peak) = &*counts;
                    peak.fetch_max(in_flight.fetch_add(1, Relaxed) + 1, Relaxed);
                    sleep(job % 3 * MILLISECOND).await; // some end together, some at once
                    in_flight.fetch_sub(1, Relaxed);
                }
            }
        };
        let cancel = CancellationToken::new();
        let run = pool(workers, capacity).run(cancel, submit_all(0..500_u32), work, drop, |_| {});
        with_deadline(run).await;

        let (in_flight, peak) = &*counts;
        assert_eq!(in_flight.load(Relaxed), 0, "a job runs after the end");
        assert_eq!(peak.load(Relaxed), workers, "jobs at once");
    }
}

/// Job 1 is long: worker 2 takes one short job after another, until worker 1 is free first.
#[tokio::test(start_paused = true)]
async fn whoever_is_free_first_takes_the_next_job() {
    let (log, transcript) = Log::new();
    let work = move |worker, (job, seconds)| {
        let log = log.clone();
        async move {
            log.say(format_args!("worker {worker} takes job {job}"));
            sleep(seconds * SECOND).await;
        }
    };
    let jobs = [5, 1, 1, 5, 1, 1].into_iter().zip(1..);
    let jobs = jobs.map(|(seconds, job)| (job, seconds));
    let cancel = CancellationToken::new();
    with_deadline(pool(2, 100).run(cancel, submit_all(jobs), work, drop, |_| {})).await;
    insta::assert_snapshot!(text(transcript), @r"
    0.0 s  worker 1 takes job 1
    0.0 s  worker 2 takes job 2
    1.0 s  worker 2 takes job 3
    2.0 s  worker 2 takes job 4
    5.0 s  worker 1 takes job 5
    6.0 s  worker 1 takes job 6
    ");
}

#[tokio::test(start_paused = true)]
async fn every_job_is_done_once_at_any_capacity() {
    for (workers, capacity, jobs) in [(1, 1, 0), (1, 1, 1), (3, 1, 2000), (8, 1, 2000), (2, 64, 3)]
    {
        let mut done = Vec::new();
        let on_result = |job: usize| done.push(job);
        let work = async |_, job| job;
        let cancel = CancellationToken::new();
        let run = pool(workers, capacity).run(cancel, submit_all(0..jobs), work, on_result, |_| {});
        assert_eq!(with_deadline(run).await, []);
        assert_eq!(alive_tasks(), 0, "a worker is left");

        done.sort_unstable();
        assert_eq!(
            done,
            Vec::from_iter(0..jobs),
            "workers {workers}, capacity {capacity}"
        );
    }
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
            let mut refused = None;
            let mut done = Vec::new();
            let produce = async |submitter: Submitter<usize>| {
                for job in jobs.by_ref() {
                    if let Err(Refused(job)) = submitter.submit(job).await {
                        refused = Some(job);
                        return;
                    }
                }
            };
            let on_result = |job| done.push(job);
            let run = pool(workers, capacity).run(cancel, produce, work, on_result, observe);
            let unstarted = with_deadline(run).await;
            assert_eq!(alive_tasks(), 0, "a worker is left");

            let started = Vec::from_iter(started);
            done.sort_unstable();
            assert_eq!(done, started, "what was started is finished");
            assert!(done.contains(&last));
            assert_eq!(
                Vec::from_iter(
                    started
                        .into_iter()
                        .chain(unstarted)
                        .chain(refused)
                        .chain(jobs)
                ),
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
    let produce = async |submitter: Submitter<_>| {
        for job in 1..=5 {
            refused.extend(submitter.submit(job).await.err());
        }
    };
    let work = async |_, job| panic!("job {job} starts");
    let run = pool(3, 100).run(cancel, produce, work, |()| {}, |_| {});
    assert_eq!(with_deadline(run).await, []);
    assert_eq!(refused, [1, 2, 3, 4, 5].map(Refused));
}

/// Nothing waits between the first `submit` and the cancel, so no worker has run yet.
#[tokio::test(start_paused = true)]
async fn cancelled_before_a_worker_runs_every_job_is_handed_back() {
    let cancel = CancellationToken::new();
    let produce = {
        let cancel = cancel.clone();
        async move |submitter: Submitter<_>| {
            for job in 1..=5 {
                assert_eq!(submitter.submit(job).await, Ok(()));
            }
            cancel.cancel();
            assert_eq!(submitter.submit(6).await, Err(Refused(6)));
        }
    };
    let work = async |_, job| panic!("job {job} starts");
    let run = pool(3, 100).run(cancel, produce, work, |()| {}, |_| {});
    assert_eq!(with_deadline(run).await, [1, 2, 3, 4, 5]);
}

/// A job in hand takes 10 seconds and another waits in the queue; nobody waits for either.
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
        let produce = async |submitter: Submitter<_>| {
            for job in 1..=4 {
                let outcome = submitter.submit(job).await;
                log.say(format_args!("submit {job}: {outcome:?}"));
            }
        };
        let work = async |_, job| {
            sleep(10 * SECOND).await;
            job
        };
        let on_result = |job| log.say(format_args!("{job} is done"));
        let event_log = log.clone();
        let observe = move |event| event_log.say(event);
        let unstarted = pool(1, 1)
            .run(cancel.clone(), produce, work, on_result, observe)
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

/// A submitter that outlives `produce` keeps the pool waiting for jobs, but not past a cancel.
#[tokio::test(start_paused = true)]
async fn after_the_end_a_submitter_is_refused() {
    let cancel = CancellationToken::new();
    let mut kept = None;
    let produce = async |submitter: Submitter<_>| {
        assert_eq!(submitter.submit(1).await, Ok(()));
        kept = Some(submitter);
    };
    let mut done = Vec::new();
    let work = async |_, job| job;
    let run = pool(3, 1).run(cancel.clone(), produce, work, |job| done.push(job), |_| {});
    let later = async {
        sleep(SECOND).await;
        cancel.cancel();
    };
    let (unstarted, ()) = with_deadline(async { tokio::join!(run, later) }).await;
    assert_eq!((done, unstarted), (vec![1], vec![]));

    let submitter = kept.expect("it was kept");
    let refused = with_deadline(submitter.submit(2)).await;
    assert_eq!(refused, Err(Refused(2)));
    assert_eq!(Refused(2).to_string(), "the pool takes no more jobs");
}

/// Nobody cancels, and the submitter waits for room in a task of its own.
#[tokio::test(start_paused = true)]
async fn a_dropped_pool_leaves_no_task_and_refuses_jobs() {
    let (give, take) = oneshot::channel();
    let outside = tokio::spawn(async {
        let submitter: Submitter<_> = take.await.expect("`produce` gives it away");
        loop {
            if let Err(Refused(job)) = submitter.submit(1).await {
                return job;
            }
        }
    });
    let produce = async |submitter| give.send(submitter).expect("the task waits for it");
    let (starter, started) = mpsc::channel();
    let work = move |_, _| {
        starter.send(()).expect("the test keeps the receiver");
        sleep(SECOND)
    };
    let begin = Instant::now();
    let run = pool(3, 2).run(CancellationToken::new(), produce, work, drop, |_| {});
    timeout(SECOND * 5 / 2, run)
        .await
        .expect_err("it does not end, and is dropped at 2.5 seconds");

    assert_eq!(with_deadline(outside).await.expect("no panic"), 1);
    assert_eq!(begin.elapsed(), SECOND * 5 / 2, "refused at once");
    sleep(MILLISECOND).await; // the workers were told: now they end
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
async fn a_panic_in_every_worker_ends_the_pool() {
    let work = async |_, _| panic!("every job");
    let cancel = CancellationToken::new();
    let run = pool(2, 1).run(cancel, submit_all(0..), work, |()| {}, |_| {});
    assert_panics(run, "every job").await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_callback_ends_the_pool() {
    let work = async |_, job| {
        sleep(SECOND).await;
        job
    };
    let cancel = CancellationToken::new;
    let on_result = |_| panic!("no more results");
    let run = pool(3, 1).run(cancel(), submit_all(0..), work, on_result, |_| {});
    assert_panics(run, "no more results").await;

    let produce = async |submitter: Submitter<_>| {
        submitter.submit(1).await.expect("the pool takes jobs");
        panic!("no more jobs");
    };
    let run = pool(3, 1).run(cancel(), produce, work, drop, |_| {});
    assert_panics(run, "no more jobs").await;

    let observe = |_| panic!("no more events");
    let run = pool(3, 1).run(cancel(), submit_all(0..5), work, drop, observe);
    assert_panics(run, "no more events").await;
}

/// Checks that the panic of `run` reaches whoever awaits it, and that no worker survives.
async fn assert_panics<T: 'static>(run: impl Future<Output = T> + 'static, expected: &str) {
    let tasks = LocalSet::new();
    let ended = tasks.spawn_local(with_deadline(run));
    let panic = tasks.run_until(ended).await.err().expect("it panics");
    assert_eq!(panic.into_panic().downcast_ref(), Some(&expected));
    sleep(MILLISECOND).await; // the workers were told: now they end
    assert_eq!(alive_tasks(), 0);
}

#[test]
fn a_refusal_says_why() {
    assert_eq!(Refused(1).to_string(), "the pool takes no more jobs");
}
