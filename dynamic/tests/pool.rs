//! What the pool promises, under a simulated clock: exact, repeatable and instant.

use std::collections::BTreeSet;
use std::iter;
use std::num::NonZeroUsize;
use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_channel::{Receiver, unbounded};
use dynamic::{Event, Pool, Refused, RunningPool};
use tokio::runtime::{Builder, Handle};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{Instant, advance, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// From `min` to `max` workers, and a look at the queue each second.
fn configure(min: usize, max: usize, capacity: usize) -> Pool {
    let not_zero = |n| NonZeroUsize::new(n).expect("tests ask for at least 1");
    Pool {
        min_workers: not_zero(min),
        max_workers: not_zero(max),
        period: SECOND,
        capacity: not_zero(capacity),
    }
}

/// Waits for `test` and fails, instead of hanging, if it does not end.
async fn with_deadline<T>(test: impl Future<Output = T>) -> T {
    let ended = timeout(HOUR, test).await;
    ended.expect("still running after a simulated hour")
}

/// Number of tasks that run: tests start none of their own.
fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Lines, each with the simulated time at which it was written.
#[derive(Clone)]
struct Log {
    start: Instant,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Log {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            lines: Arc::default(),
        }
    }

    fn say(&self, line: impl ToString) {
        let (at, line) = (self.start.elapsed().as_secs_f64(), line.to_string());
        let mut lines = self
            .lines
            .lock()
            .expect("nothing panics while it is locked");
        lines.push(format!("{at:>6.3}  {line}"));
    }

    fn text(&self) -> String {
        let lines = self.lines.lock();
        lines.expect("nothing panics while it is locked").join("\n")
    }
}

/// A job that takes so long.
type Job = (usize, Duration);

/// A job of this duration panics at once.
const PANIC: Duration = Duration::MAX;

/// Jobs that come all at once, and the pause after them.
type Burst = (Vec<Duration>, Duration);

/// What the program does: submits the bursts and stops the pool. Returns the lines that it prints.
async fn transcript(pool: Pool, bursts: &[Burst]) -> String {
    let log = Log::new();
    let work = {
        let log = log.clone();
        move |worker, (job, duration): Job| {
            log.say(format_args!("Worker {worker} processing job {job}"));
            async move {
                assert!(duration != PANIC, "job {job}");
                sleep(duration).await;
                job * 2
            }
        }
    };
    let observe = {
        let log = log.clone();
        move |event| log.say(event)
    };
    let (pool, results) = pool.start(work, observe);

    let submit_all = async {
        for (number, (jobs, pause)) in bursts.iter().enumerate() {
            log.say(format_args!("--- Burst {} ---", number + 1));
            for job in (number * 100 + 1..).zip(jobs.iter().copied()) {
                pool.submit(job).await.expect("results are read");
            }
            sleep(*pause).await;
        }
        log.say("Stopping pool...");
        pool.stop().await;
        assert_eq!(tasks(), 0, "tasks left running");
    };
    let read_all = async {
        while let Ok(result) = results.recv().await {
            log.say(format_args!("Result: {result}"));
        }
    };
    with_deadline(async { tokio::join!(submit_all, read_all) }).await;
    log.say("Pool stopped");
    log.text()
}

/// The same, and checks that it is the same each time.
async fn same_transcript(pool: Pool, bursts: &[Burst]) -> String {
    let first = transcript(pool, bursts).await;
    for _ in 0..10 {
        assert_eq!(first, transcript(pool, bursts).await);
    }
    first
}

/// The numbers between `before` and `after`, on the lines that have both.
fn numbers(transcript: &str, before: &str, after: &str) -> Vec<usize> {
    let number = |line: &str| {
        let (_, line) = line.split_once(before)?;
        line.strip_suffix(after)?.parse().ok()
    };
    transcript.lines().filter_map(number).collect()
}

/// A pool whose jobs are to sleep for as long as they say.
fn sleepers(pool: Pool) -> (RunningPool<Duration>, Receiver<Duration>) {
    let work = |_, duration| async move {
        sleep(duration).await;
        duration
    };
    pool.start(work, |_| {})
}

/// Submits jobs that each sleep for a second.
async fn submit_seconds(pool: &RunningPool<Duration>, jobs: usize) {
    for _ in 0..jobs {
        pool.submit(SECOND).await.expect("results may be read");
    }
}

/// Reads the results to their end.
async fn count<R>(results: &Receiver<R>) -> usize {
    let mut count = 0;
    while results.recv().await.is_ok() {
        count += 1;
    }
    count
}

#[tokio::test(start_paused = true)]
async fn the_articles_scenario() {
    let pool = Pool {
        period: 2 * SECOND,
        ..configure(2, 10, 100)
    };
    let burst = (vec![SECOND; 20], 5 * SECOND);
    insta::assert_snapshot!(same_transcript(pool, &vec![burst; 3]).await);
}

/// Three workers are busy for long, and one of them is to retire, when the second burst comes; and
/// again when the third one does, which is too small to change that.
#[tokio::test(start_paused = true)]
async fn a_busy_worker_that_is_to_retire_stays_if_more_jobs_come() {
    let long_and_short = [vec![30 * SECOND; 3], vec![SECOND; 4]].concat();
    let bursts = [
        (long_and_short, 10 * SECOND),
        (vec![SECOND; 5], 19 * SECOND),
        (vec![SECOND; 2], 10 * SECOND),
    ];
    insta::assert_snapshot!(same_transcript(configure(2, 4, 100), &bursts).await, @r"
     0.000  --- Burst 1 ---
     0.000  Worker 1 processing job 1
     0.000  Worker 2 processing job 2
     1.000  Scaling up: Adding 2 workers (queue length: 5)
     1.000  Worker 3 processing job 3
     1.000  Worker 4 processing job 4
     2.000  Worker 4 processing job 5
     2.000  Result: 8
     3.000  Worker 4 processing job 6
     3.000  Result: 10
     4.000  Worker 4 processing job 7
     4.000  Result: 12
     5.000  Scaling down: Removing 2 workers
     5.000  Worker 4 shutting down
     5.000  Result: 14
    10.000  --- Burst 2 ---
    10.000  Scaling up: Adding 2 workers (queue length: 5)
    10.000  Worker 5 processing job 101
    11.000  Worker 5 processing job 102
    11.000  Result: 202
    12.000  Worker 5 processing job 103
    12.000  Result: 204
    13.000  Worker 5 processing job 104
    13.000  Result: 206
    14.000  Worker 5 processing job 105
    14.000  Result: 208
    15.000  Scaling down: Removing 2 workers
    15.000  Worker 5 shutting down
    15.000  Result: 210
    29.000  --- Burst 3 ---
    30.000  Worker 2 processing job 201
    30.000  Worker 1 shutting down
    30.000  Result: 2
    30.000  Result: 4
    31.000  Worker 3 processing job 202
    31.000  Result: 6
    31.000  Result: 402
    32.000  Result: 404
    39.000  Stopping pool...
    39.000  Worker 2 finished (no more jobs)
    39.000  Worker 3 finished (no more jobs)
    39.000  Pool stopped
    ");
}

/// As above, but the pool is stopped while three workers are busy and one of them is to retire.
#[tokio::test(start_paused = true)]
async fn a_worker_that_was_retired_says_so_even_if_the_pool_has_been_stopped() {
    let long_and_short = [vec![30 * SECOND; 3], vec![SECOND; 4]].concat();
    let bursts = [(long_and_short, 10 * SECOND)];
    let transcript = transcript(configure(2, 4, 100), &bursts).await;
    assert_eq!(numbers(&transcript, "Worker ", " shutting down").len(), 2);
    let finished = numbers(&transcript, "Worker ", " finished (no more jobs)");
    assert_eq!(finished.len(), 2, "{transcript}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_one_job_and_its_worker_is_replaced() {
    let jobs = vec![SECOND, PANIC, SECOND, PANIC, PANIC, SECOND, SECOND];
    let bursts = [(jobs, Duration::ZERO)];
    insta::assert_snapshot!(same_transcript(configure(2, 10, 100), &bursts).await, @r"
    0.000  --- Burst 1 ---
    0.000  Stopping pool...
    0.000  Worker 1 processing job 1
    0.000  Worker 2 processing job 2
    0.000  A job panicked: job 2
    0.000  Worker 3 processing job 3
    1.000  Worker 1 processing job 4
    1.000  Worker 3 processing job 5
    1.000  A job panicked: job 4
    1.000  A job panicked: job 5
    1.000  Worker 4 processing job 6
    1.000  Worker 5 processing job 7
    1.000  Result: 2
    1.000  Result: 6
    2.000  Worker 4 finished (no more jobs)
    2.000  Worker 5 finished (no more jobs)
    2.000  Result: 12
    2.000  Result: 14
    2.000  Pool stopped
    ");
}

#[tokio::test(start_paused = true)]
async fn after_a_panic_the_pool_has_as_many_workers_as_before() {
    let bursts = [
        (vec![SECOND; 20], 20 * SECOND),
        (vec![PANIC; 10], 20 * SECOND),
        (vec![SECOND; 4], 20 * SECOND),
    ];
    let transcript = transcript(configure(2, 6, 100), &bursts).await;
    assert_eq!(numbers(&transcript, "A job panicked: job ", "").len(), 10);
    let finished = numbers(&transcript, "Worker ", " finished (no more jobs)");
    assert_eq!(finished.len(), 2, "{transcript}");
}

/// Bursts of any size, so that workers come and go.
#[tokio::test(start_paused = true)]
async fn ids_count_up_from_1_and_each_worker_reports_its_end() {
    let bursts = [40, 3, 17, 0, 9, 100, 5].map(|jobs| (vec![SECOND; jobs], 7 * SECOND));
    let transcript = same_transcript(configure(2, 9, 30), &bursts).await;
    let ended = [" shutting down", " finished (no more jobs)"];
    let ended = ended
        .map(|end| numbers(&transcript, "Worker ", end))
        .concat();
    assert!(ended.len() > 20, "workers come and go");
    assert_eq!(
        BTreeSet::from_iter(ended.clone()).len(),
        ended.len(),
        "an id came twice"
    );
    assert_eq!(ended.iter().max(), Some(&ended.len()));
}

#[tokio::test(start_paused = true)]
async fn workers_stay_between_the_minimum_and_the_maximum() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let work = {
        let (now, most) = (now.clone(), most.clone());
        move |_, duration| {
            most.fetch_max(now.fetch_add(1, Relaxed) + 1, Relaxed);
            let now = now.clone();
            async move {
                sleep(duration).await;
                now.fetch_sub(1, Relaxed);
            }
        }
    };
    let (pool, results) = configure(3, 7, 100).start(work, |_| {});
    with_deadline(async {
        for _ in 0..60 {
            pool.submit(5 * SECOND).await.expect("results may be read");
        }
        sleep(60 * SECOND).await;
        assert_eq!(most.swap(0, Relaxed), 7, "the queue is long");

        sleep(60 * SECOND + SECOND / 4).await; // the scaler looks at whole seconds
        for _ in 0..10 {
            pool.submit(SECOND / 2).await.expect("results may be read");
        }
        sleep(SECOND / 8).await;
        assert_eq!(most.load(Relaxed), 3, "the pool was idle for long");
        pool.stop().await;
    })
    .await;
    assert_eq!(results.len(), 70);
}

#[tokio::test(start_paused = true)]
async fn a_maximum_below_the_minimum_counts_as_the_minimum() {
    for (min, max) in [(3, 3), (3, 2), (3, 1)] {
        let bursts = [(vec![SECOND; 50], 30 * SECOND)];
        let transcript = transcript(configure(min, max, 100), &bursts).await;
        assert!(!transcript.contains("Scaling"), "{transcript}");
        assert!(transcript.contains("Worker 3 finished"), "{transcript}");
        assert!(!transcript.contains("Worker 4"), "{transcript}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_period_is_at_least_a_millisecond_and_may_be_for_ever() {
    let bursts = [(vec![SECOND; 20], 2 * SECOND)];
    let pool = |period| Pool {
        period,
        ..configure(2, 10, 100)
    };
    let often = transcript(pool(Duration::ZERO), &bursts).await;
    let line = "0.001  Scaling up: Adding 8 workers (queue length: 18)";
    assert!(often.contains(line), "{often}");
    let never = transcript(pool(Duration::MAX), &bursts).await;
    assert!(!never.contains("Scaling"), "{never}");
}

/// Nothing is left to take at 5 seconds, when four jobs are in flight.
#[tokio::test(start_paused = true)]
async fn a_pool_whose_queue_is_closed_and_empty_does_not_scale() {
    let bursts = [(vec![5 * SECOND; 8], Duration::ZERO)];
    let transcript = transcript(configure(2, 4, 100), &bursts).await;
    assert_eq!(transcript.matches("Scaling").count(), 1, "{transcript}");
    assert!(transcript.contains("1.000  Scaling up"), "{transcript}");
}

/// As if the computer had been asleep: eight workers are idle, and one look retires four of them.
#[tokio::test(start_paused = true)]
async fn after_a_pause_the_scaler_does_not_make_up_for_looks_that_it_missed() {
    let log = Log::new();
    let observe = {
        let log = log.clone();
        move |event| log.say(event)
    };
    let work = |_, duration| sleep(duration);
    let (pool, results) = configure(1, 8, 100).start(work, observe);
    for _ in 0..100 {
        pool.submit(SECOND / 10).await.expect("results may be read");
    }
    sleep(SECOND * 29 / 10).await;
    advance(HOUR).await;
    yield_now().await;
    assert_eq!(
        log.text().matches("Scaling down").count(),
        1,
        "{}",
        log.text()
    );
    with_deadline(pool.stop()).await;
    assert_eq!(results.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_pool_says_how_long_its_queue_is() {
    let (pool, results) = sleepers(configure(2, 2, 100));
    submit_seconds(&pool, 10).await;
    assert_eq!(pool.queue_len(), 10);
    sleep(SECOND / 2).await;
    assert_eq!(pool.queue_len(), 8, "two are in flight");
    with_deadline(pool.stop()).await;
    assert_eq!(results.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_observer_loses_only_the_event() {
    let work = |_, job: usize| async move {
        match job {
            3 => panic!("job 3"),
            4 => panic_any(job),
            _ => {}
        }
    };
    let log = Log::new();
    let observe = {
        let log = log.clone();
        move |event: Event| {
            log.say(&event);
            panic!("{event}");
        }
    };
    let (pool, results) = configure(1, 5, 100).start(work, observe);
    with_deadline(async {
        for job in 0..100 {
            pool.submit(job).await.expect("results may be read");
        }
        pool.stop().await;
    })
    .await;
    assert_eq!(results.len(), 98);
    assert_eq!(tasks(), 0, "tasks left running");
    insta::assert_snapshot!(log.text(), @r"
    0.000  A job panicked: job 3
    0.000  A job panicked: no message
    0.000  Worker 3 finished (no more jobs)
    ");
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_dropped_does_what_is_in_its_queue() {
    let (pool, results) = sleepers(configure(1, 3, 100));
    submit_seconds(&pool, 50).await;
    drop(pool);
    assert_eq!(with_deadline(count(&results)).await, 50);
    assert_eq!(tasks(), 0, "tasks left running");
}

#[tokio::test(start_paused = true)]
async fn stopping_does_what_is_in_the_queue() {
    let (pool, results) = sleepers(configure(1, 1, 100));
    submit_seconds(&pool, 50).await;
    let begin = Instant::now();
    with_deadline(pool.stop()).await;
    assert_eq!(begin.elapsed(), 50 * SECOND);
    assert_eq!(results.len(), 50);
    assert_eq!(tasks(), 0, "tasks left running");
}

#[tokio::test(start_paused = true)]
async fn results_that_are_not_read_hold_up_workers_then_submitters_and_the_stop() {
    let (pool, results) = sleepers(configure(2, 2, 3));
    let room = 3 + 2 + 3; // results, workers that wait with theirs, jobs in the queue
    with_deadline(submit_seconds(&pool, room)).await;
    let submit = timeout(HOUR, pool.submit(SECOND)).await;
    submit.expect_err("there is no more room");

    results.recv().await.expect("results wait");
    with_deadline(submit_seconds(&pool, 1)).await;

    let stop = timeout(HOUR, pool.stop()).await;
    stop.expect_err("the workers wait");
    assert_eq!(with_deadline(count(&results)).await, room, "and one before");
    assert_eq!(tasks(), 0, "tasks left running");
}

/// Of five busy workers four are to retire when the first of them finds the results dropped.
#[tokio::test(start_paused = true)]
async fn when_the_results_are_dropped_the_pool_ends() {
    let (pool, results) = sleepers(configure(1, 10, 100));
    for seconds in [10, 20, 30, 40, 50, 1, 1, 1, 1, 1, 1] {
        let job = SECOND * seconds;
        pool.submit(job).await.expect("results may be read");
    }
    let begin = Instant::now();
    sleep(9 * SECOND).await;
    drop(results);

    sleep(2 * SECOND).await;
    assert_eq!(pool.submit(SECOND).await, Err(Refused(SECOND)));
    with_deadline(pool.stop()).await;
    assert_eq!(begin.elapsed(), 51 * SECOND, "jobs in flight are finished");
    assert_eq!(tasks(), 0, "tasks left running");
}

#[tokio::test(start_paused = true)]
async fn when_the_results_are_dropped_the_jobs_in_the_queue_are_dropped() {
    let (started, job) = (Arc::new(AtomicUsize::new(0)), Arc::new(()));
    let work = {
        let started = started.clone();
        move |_, (duration, _job): (Duration, Arc<()>)| {
            started.fetch_add(1, Relaxed);
            sleep(duration)
        }
    };
    let (pool, results) = configure(2, 10, 100).start(work, |_| {});
    for duration in iter::once(SECOND / 2).chain(iter::repeat_n(20 * SECOND, 50)) {
        let submitted = pool.submit((duration, job.clone())).await;
        submitted.expect("results may be read");
    }
    drop(results);
    sleep(SECOND).await;
    assert_eq!(started.load(Relaxed), 2);
    assert_eq!(Arc::strong_count(&job), 1, "jobs kept");
    let begin = Instant::now();
    with_deadline(pool.stop()).await;
    assert_eq!(begin.elapsed(), 19 * SECOND, "one was in flight");
    assert_eq!(tasks(), 0, "tasks left running");
}

#[tokio::test(start_paused = true)]
async fn when_the_results_are_dropped_a_job_that_waits_for_room_is_handed_back() {
    let (pool, results) = sleepers(configure(1, 1, 1));
    for _ in 0..2 {
        submit_seconds(&pool, 1).await;
        yield_now().await; // the worker takes the first
    }
    drop(results);
    let refused = with_deadline(pool.submit(HOUR)).await;
    assert_eq!(refused, Err(Refused(HOUR)));
    with_deadline(pool.stop()).await;
    assert_eq!(tasks(), 0, "tasks left running");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_stops_its_own_pool_waits_for_ever() {
    let own_pool = Arc::new(Mutex::new(None::<RunningPool<()>>));
    let work = {
        let own_pool = own_pool.clone();
        move |_, ()| {
            let pool = own_pool.lock().expect("nothing panics").take();
            async { pool.expect("it is there").stop().await }
        }
    };
    let (pool, results) = configure(1, 1, 1).start(work, |_| {});
    pool.submit(()).await.expect("results may be read");
    *own_pool.lock().expect("nothing panics") = Some(pool);
    let result = timeout(HOUR, results.recv()).await;
    result.expect_err("the job waits for its own end");
}

#[test]
#[should_panic(expected = "there is no reactor running")]
fn outside_of_a_runtime_starting_panics_with_the_message_of_tokio() {
    sleepers(configure(1, 1, 1));
}

#[test]
#[should_panic(expected = "timers are disabled")]
fn in_a_runtime_without_timers_starting_panics_with_the_message_of_tokio() {
    let runtime = Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime can be made");
    runtime.block_on(async { sleepers(configure(1, 1, 1)) });
}

#[tokio::test]
async fn if_the_runtime_shuts_down_the_pool_ends_and_jobs_are_refused() {
    for idle in [true, false] {
        let runtime = Builder::new_multi_thread().enable_time().build();
        let runtime = runtime.expect("a runtime can be made");
        let (pool, results) = {
            let _inside = runtime.enter();
            sleepers(configure(2, 10, 100))
        };
        if !idle {
            submit_seconds(&pool, 50).await;
        }
        runtime.shutdown_background();
        let end = async {
            assert_eq!(count(&results).await, 0);
            while pool.submit(SECOND).await.is_ok() {
                yield_now().await; // the runtime drops its tasks one after the other
            }
            pool.stop().await;
        };
        let ended = timeout(60 * SECOND, end).await;
        ended.expect("still running after a minute");
    }
}

#[test]
fn a_refusal_says_why() {
    assert_eq!(Refused(1).to_string(), "the pool takes no more jobs");
}

/// In real time, and in no certain order: up to many workers and down to the fewest, often.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_make_no_difference() {
    let pool = Pool {
        period: Duration::ZERO,
        ..configure(2, 6, 10)
    };
    let gate = Arc::new(Semaphore::new(0));
    let peak = Arc::new(AtomicUsize::new(0));
    let work = {
        let (gate, peak, in_flight) = (gate.clone(), peak.clone(), Arc::new(AtomicUsize::new(0)));
        move |_, job: usize| {
            let (gate, peak, in_flight) = (gate.clone(), peak.clone(), in_flight.clone());
            async move {
                peak.fetch_max(in_flight.fetch_add(1, Relaxed) + 1, Relaxed);
                gate.acquire().await.expect("it is not closed").forget();
                in_flight.fetch_sub(1, Relaxed);
                job
            }
        }
    };
    let (happened, events) = unbounded();
    let observe = move |event| happened.try_send(event).expect("the test sees all events");
    let (pool, results) = pool.start(work, observe);
    let (mut begun, mut ended) = (2, BTreeSet::new());

    let test = async {
        for _ in 0..100 {
            for job in 0..10 {
                pool.submit(job).await.expect("results are read");
            }
            let event = events.recv().await.expect("the pool is open");
            let Event::ScalingUp { count, .. } = event else {
                panic!("{event}");
            };
            begun += count;

            gate.add_permits(10);
            let mut done = BTreeSet::new();
            for _ in 0..10 {
                done.insert(results.recv().await.expect("the pool is open"));
            }
            assert!(done.into_iter().eq(0..10), "each job once");

            while ended.len() < begun - 2 {
                match events.recv().await.expect("the pool is open") {
                    Event::ScalingUp { count, .. } => begun += count,
                    Event::ScalingDown { .. } => {}
                    Event::ShuttingDown { worker } => assert!(ended.insert(worker), "{worker}"),
                    event => panic!("{event}"),
                }
            }
        }
        pool.stop().await;
    };
    let in_time = timeout(60 * SECOND, test).await;
    in_time.expect("still running after a minute");

    while let Ok(event) = events.try_recv() {
        match event {
            Event::Finished { worker } => assert!(ended.insert(worker), "{worker}"),
            event => panic!("{event}"),
        }
    }
    assert!(
        ended.into_iter().eq(1..=begun),
        "ids count up from 1, and two workers are kept"
    );
    assert!(peak.load(Relaxed) <= 6);
}
