//! What the workers do in the article's scenario, and what they report. What a cancel promises is checked in
//! `xtask/lab/tests/conformance_cancel.rs`, as step 7 promises the same.

use std::fmt::Display;
use std::sync::mpsc;
use std::time::Duration;

use cancellation::{Event, Pool, Refused, Submitter};
use testing::not_zero;
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);

fn pool(workers: usize, capacity: usize) -> Pool {
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

/// The article's scenario, as in `main.rs`. Left open are the order of what happens at the same time, and which free
/// worker takes a job.
async fn scenario(workers: usize, timeout: Duration) -> String {
    let (lines, transcript) = mpsc::channel();
    let start = Instant::now();
    let log = Log { start, lines };
    let cancel = CancellationToken::new();
    let cancel_in_time = async {
        sleep(timeout).await;
        cancel.cancel();
    };
    let run = async {
        let mut jobs = 1..=10;
        let submit_all = async |submitter: Submitter<usize>| {
            for job in jobs.by_ref() {
                submitter.submit(job).await?;
                cancel.run_until_cancelled(sleep(SECOND / 2)).await;
            }
            Ok(())
        };
        let work_log = log.clone();
        let work = move |_worker, job| {
            let log = work_log.clone();
            async move {
                log.say(format_args!("Worker # processing job {job}"));
                sleep(SECOND).await;
                job * 2
            }
        };
        let on_result = |result| log.say(format_args!("Result: {result}"));
        let event_log = log.clone();
        let observe = move |event| match event {
            Event::ShuttingDown { .. } => event_log.say("Worker # shutting down"),
            Event::Finished { .. } => event_log.say("Worker # finished"),
        };

        let unstarted = pool(workers, 100)
            .run(cancel.clone(), submit_all, work, on_result, observe)
            .await;
        let unstarted = Vec::from_iter(unstarted.into_iter().chain(jobs));
        log.say(format_args!("never started: {unstarted:?}"));
    };
    with_deadline(async { tokio::join!(biased; cancel_in_time, run) }).await;
    drop(log);
    let mut lines = Vec::from_iter(transcript);
    lines.sort(); // by time, then by text
    let lines = lines.iter().map(|(at, line)| format!("{at:?}  {line}"));
    Vec::from_iter(lines).join("\n")
}

/// The timeout falls on the end of job 9, with job 10 in flight: both results are delivered.
#[tokio::test(start_paused = true)]
async fn the_articles_scenario() {
    insta::assert_snapshot!(scenario(3, 5 * SECOND).await, @r"
    0ns  Worker # processing job 1
    500ms  Worker # processing job 2
    1s  Result: 2
    1s  Worker # processing job 3
    1.5s  Result: 4
    1.5s  Worker # processing job 4
    2s  Result: 6
    2s  Worker # processing job 5
    2.5s  Result: 8
    2.5s  Worker # processing job 6
    3s  Result: 10
    3s  Worker # processing job 7
    3.5s  Result: 12
    3.5s  Worker # processing job 8
    4s  Result: 14
    4s  Worker # processing job 9
    4.5s  Result: 16
    4.5s  Worker # processing job 10
    5s  Result: 18
    5s  Worker # shutting down
    5s  Worker # shutting down
    5.5s  Result: 20
    5.5s  Worker # shutting down
    5.5s  never started: []
    ");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_before_all_jobs_are_sent() {
    insta::assert_snapshot!(scenario(3, SECOND * 13 / 4).await, @r"
    0ns  Worker # processing job 1
    500ms  Worker # processing job 2
    1s  Result: 2
    1s  Worker # processing job 3
    1.5s  Result: 4
    1.5s  Worker # processing job 4
    2s  Result: 6
    2s  Worker # processing job 5
    2.5s  Result: 8
    2.5s  Worker # processing job 6
    3s  Result: 10
    3s  Worker # processing job 7
    3.25s  Worker # shutting down
    3.5s  Result: 12
    3.5s  Worker # shutting down
    4s  Result: 14
    4s  Worker # shutting down
    4s  never started: [8, 9, 10]
    ");
}

/// One worker falls behind, so jobs 5 to 7 wait in the queue.
#[tokio::test(start_paused = true)]
async fn a_timeout_while_jobs_wait_in_the_queue() {
    insta::assert_snapshot!(scenario(1, SECOND * 13 / 4).await, @r"
    0ns  Worker # processing job 1
    1s  Result: 2
    1s  Worker # processing job 2
    2s  Result: 4
    2s  Worker # processing job 3
    3s  Result: 6
    3s  Worker # processing job 4
    4s  Result: 8
    4s  Worker # shutting down
    4s  never started: [5, 6, 7, 8, 9, 10]
    ");
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
    let expected = [1, 2].map(|worker| Event::Finished { worker });
    assert_eq!(events, expected, "each of them says so, once");
}

/// Two workers are idle, one is busy.
#[tokio::test(start_paused = true)]
async fn after_a_cancel_every_worker_says_once_that_it_shuts_down() {
    let (observer, events) = mpsc::channel();
    let observe = move |event| observer.send(event).expect("the test keeps the receiver");
    let cancel = CancellationToken::new();
    let submit_all = async |submitter: Submitter<_>| {
        submitter.submit(()).await?;
        sleep(SECOND).await;
        cancel.cancel();
        Ok(())
    };
    let work = async |_, ()| sleep(10 * SECOND).await;
    let run = pool(3, 1).run(cancel.clone(), submit_all, work, drop, observe);
    assert_eq!(with_deadline(run).await, []);

    let mut events = Vec::from_iter(events);
    events.sort_by_key(Event::to_string);
    let expected = [1, 2, 3].map(|worker| Event::ShuttingDown { worker });
    assert_eq!(events, expected);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_observe_reaches_the_caller() {
    let observe = |_| panic!("no more events");
    let work = async |_, job| job;
    let run = pool(3, 1).run(
        CancellationToken::new(),
        submit_all(0..5),
        work,
        drop,
        observe,
    );
    let tasks = LocalSet::new();
    let ended = tasks.spawn_local(with_deadline(run));
    let panic = tasks.run_until(ended).await.expect_err("it panics");
    assert_eq!(panic.into_panic().downcast_ref(), Some(&"no more events"));
}

#[test]
fn a_runtime_without_timers_is_enough() {
    let runtime = Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime without input and output asks for nothing");
    let mut done = Vec::new();
    let work = async |_, job| job;
    let on_result = |job| done.push(job);
    let cancel = CancellationToken::new();
    let run = pool(1, 1).run(cancel, submit_all(1..=3), work, on_result, |_| {});
    assert_eq!(runtime.block_on(run), [0; 0]);
    assert_eq!(done, [1, 2, 3]);
}
