//! What the pool promises, under a simulated clock: exact, repeatable and instant.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::iter::{once, repeat_n};
use std::panic::panic_any;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Waker};
use std::time::Duration;

use async_channel::{Receiver, unbounded};
use dynamic::{Event, Pool, Refused, RunningPool};
use testing::not_zero;
use tokio::runtime::{Builder, Handle};
use tokio::sync::Semaphore;
use tokio::task::{coop::unconstrained, yield_now};
use tokio::time::{Instant, advance, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// From `min` to `max` workers, and a look at the queue each second.
fn configure(min: usize, max: usize, capacity: usize) -> Pool {
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

/// What happened, and at which simulated time.
#[derive(Clone)]
struct Log {
    start: Instant,
    facts: Arc<Mutex<Vec<(Duration, Fact)>>>,
}

#[derive(Clone)]
enum Fact {
    Note(&'static str),
    Started { worker: usize, job: usize },
    Result(usize),
    Event(Event),
}

impl Log {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            facts: Arc::default(),
        }
    }

    fn facts(&self) -> MutexGuard<'_, Vec<(Duration, Fact)>> {
        let facts = self.facts.lock();
        facts.expect("nothing panics while it is locked")
    }

    fn add(&self, fact: Fact) {
        self.facts().push((self.start.elapsed(), fact));
    }

    fn observer(&self) -> impl FnMut(Event) + Send + use<> {
        let log = self.clone();
        move |event| log.add(Fact::Event(event))
    }

    fn events(&self) -> Vec<Event> {
        let event = |(_, fact): &(_, Fact)| match fact {
            Fact::Event(event) => Some(event.clone()),
            _ => None,
        };
        self.facts().iter().filter_map(event).collect()
    }

    /// The workers that have done jobs.
    fn workers(&self) -> BTreeSet<usize> {
        let worker = |(_, fact): &(_, Fact)| match fact {
            Fact::Started { worker, .. } => Some(*worker),
            _ => None,
        };
        self.facts().iter().filter_map(worker).collect()
    }

    /// The workers that have ended because they were retired, and the others that have ended.
    fn ended(&self) -> [Vec<usize>; 2] {
        let (mut retired, mut finished) = (Vec::new(), Vec::new());
        for event in self.events() {
            match event {
                Event::ShuttingDown { worker } => retired.push(worker),
                Event::Finished { worker } => finished.push(worker),
                _ => {}
            }
        }
        [retired, finished]
    }

    /// A line for each moment at which something happened. Which worker takes a job, or retires, is
    /// left open by the pool, as is the order of what happens at one moment. So lines do not say it.
    fn text(&self) -> String {
        let mut lines = Vec::new();
        for facts in self.facts().chunk_by(|a, b| a.0 == b.0) {
            let (mut started, mut results) = (Vec::new(), Vec::new());
            let (mut words, mut panics) = (Vec::new(), Vec::new());
            let (mut retired, mut finished) = (0, 0);
            for (_, fact) in facts {
                match fact {
                    Fact::Note(note) => words.push(note.to_string()),
                    Fact::Started { job, .. } => started.push(*job),
                    Fact::Result(job) => results.push(*job),
                    Fact::Event(Event::ShuttingDown { .. }) => retired += 1,
                    Fact::Event(Event::Finished { .. }) => finished += 1,
                    Fact::Event(event @ Event::Panicked { .. }) => panics.push(event.to_string()),
                    Fact::Event(event) => words.push(event.to_string()),
                }
            }
            panics.sort_unstable();
            words.append(&mut panics);
            for (what, mut jobs) in [("results of jobs", results), ("started jobs", started)] {
                jobs.sort_unstable();
                words.extend((!jobs.is_empty()).then(|| format!("{what} {jobs:?}")));
            }
            for (count, what) in [(retired, "shut down"), (finished, "finished")] {
                words.extend((count > 0).then(|| format!("{count} {what}")));
            }
            let (time, words) = (facts[0].0.as_secs_f64(), words.join("; "));
            lines.push(format!("{time:>6.3}  {words}"));
        }
        lines.join("\n")
    }
}

/// A job of this duration panics at once, even before its future is made.
const PANIC: Duration = Duration::MAX;

/// Jobs that come all at once, and the pause after them.
type Burst = (Vec<Duration>, Duration);

/// Submits the bursts, stops the pool, and gives what happened meanwhile. The first burst comes a tenth
/// of a second late, so that no job of whole seconds ends just when the scaler looks.
async fn play(pool: Pool, bursts: &[Burst]) -> Log {
    let log = Log::new();
    let work = {
        let log = log.clone();
        move |worker, (job, duration): (usize, Duration)| {
            log.add(Fact::Started { worker, job });
            assert!(duration != PANIC, "job {job}");
            async move {
                sleep(duration).await;
                job
            }
        }
    };
    let (pool, results) = pool.start(work, log.observer());

    let submit_all = async {
        sleep(SECOND / 10).await;
        for (number, (jobs, pause)) in bursts.iter().enumerate() {
            log.add(Fact::Note("burst"));
            for job in (number * 100 + 1..).zip(jobs.iter().copied()) {
                pool.submit(job).await.expect("results are read");
            }
            sleep(*pause).await;
        }
        log.add(Fact::Note("stop"));
        pool.stop().await;
        assert_eq!(tasks(), 0, "tasks left running");
    };
    let read_all = async {
        while let Ok(job) = results.recv().await {
            log.add(Fact::Result(job));
        }
    };
    with_deadline(async { tokio::join!(submit_all, read_all) }).await;
    log
}

/// A pool whose jobs are to sleep for as long as they say.
fn sleepers(pool: Pool) -> (RunningPool<Duration>, Receiver<Duration>) {
    let work = |_, duration| async move {
        sleep(duration).await;
        duration
    };
    pool.start(work, |_| {})
}

/// Submits jobs, waiting for room.
async fn submit<J: Debug>(pool: &RunningPool<J>, jobs: impl IntoIterator<Item = J>) {
    for job in jobs {
        pool.submit(job).await.expect("results may be read");
    }
}

/// Submits jobs that each sleep for a second.
async fn submit_seconds(pool: &RunningPool<Duration>, jobs: usize) {
    submit(pool, repeat_n(SECOND, jobs)).await;
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
    let log = play(pool, &vec![burst; 3]).await;
    insta::assert_snapshot!(log.text());
}

/// Three workers are busy for long, and one of them is to retire, when the second burst comes; and
/// again when the third one does, which is too small to change that.
#[tokio::test(start_paused = true)]
async fn a_busy_worker_that_is_to_retire_stays_if_more_jobs_come() {
    let long_and_short = [vec![30 * SECOND; 3], vec![SECOND * 7 / 10; 4]].concat();
    let bursts = [
        (long_and_short, 10 * SECOND),
        (vec![SECOND * 7 / 10; 5], 19 * SECOND),
        (vec![SECOND * 7 / 10; 2], 10 * SECOND),
    ];
    let log = play(configure(2, 4, 100), &bursts).await;
    insta::assert_snapshot!(log.text(), @r"
     0.100  burst; started jobs [1, 2]
     1.000  Scaling up: Adding 2 workers (queue length: 5); started jobs [3, 4]
     1.700  results of jobs [4]; started jobs [5]
     2.400  results of jobs [5]; started jobs [6]
     3.100  results of jobs [6]; started jobs [7]
     3.800  results of jobs [7]
     4.000  Scaling down: Removing 2 workers; 1 shut down
    10.100  burst
    11.000  Scaling up: Adding 2 workers (queue length: 5); started jobs [101]
    11.700  results of jobs [101]; started jobs [102]
    12.400  results of jobs [102]; started jobs [103]
    13.100  results of jobs [103]; started jobs [104]
    13.800  results of jobs [104]; started jobs [105]
    14.000  Scaling down: Removing 2 workers
    14.500  results of jobs [105]; 1 shut down
    29.100  burst
    30.100  results of jobs [1, 2]; started jobs [201]; 1 shut down
    30.800  results of jobs [201]; started jobs [202]
    31.000  results of jobs [3]
    31.500  results of jobs [202]
    39.100  stop; 2 finished
    ");
}

/// 41 workers are busy and 40 of them are to retire, when there is work for three more.
#[tokio::test(start_paused = true)]
async fn as_many_workers_that_are_to_retire_stay_as_are_wanted() {
    let (log, gate) = (Log::new(), Arc::new(Semaphore::new(0)));
    let work = {
        let gate = gate.clone();
        move |_, ()| {
            let gate = gate.clone();
            async move { gate.acquire().await.expect("it is not closed").forget() }
        }
    };
    let (pool, results) = configure(1, 41, 100).start(work, log.observer());
    submit(&pool, repeat_n((), 82)).await;
    sleep(SECOND * 3 / 2).await; // 40 workers more
    gate.add_permits(41);
    sleep(SECOND * 7).await; // the queue is empty, and half of the workers are to retire, again and again
    assert_eq!(log.ended(), [vec![], vec![]], "all are busy");

    submit(&pool, repeat_n((), 6)).await;
    sleep(SECOND).await;
    let up = |count, queue| Event::ScalingUp { count, queue };
    let downs = [20, 10, 5, 3, 1, 1].map(|count| Event::ScalingDown { count });
    let events = [vec![up(40, 81)], downs.to_vec(), vec![up(3, 6)]].concat();
    assert_eq!(log.events(), events);

    gate.add_permits(41);
    sleep(SECOND / 4).await;
    let [retired, _] = log.ended();
    assert_eq!(retired.len(), 37, "four of 41 are to stay");
    assert_eq!(results.len(), 82);
    assert_eq!(pool.queue_len(), 2, "four of six jobs are in flight");

    gate.add_permits(6);
    with_deadline(pool.stop()).await;
    let mut ended = log.ended().concat();
    ended.sort_unstable();
    assert_eq!(ended, Vec::from_iter(1..=41), "no worker is new");
}

/// As above, but the pool is stopped while three workers are busy and one of them is to retire.
#[tokio::test(start_paused = true)]
async fn a_worker_that_was_retired_says_so_even_if_the_pool_has_been_stopped() {
    let long_and_short = [vec![30 * SECOND; 3], vec![SECOND; 4]].concat();
    let bursts = [(long_and_short, 10 * SECOND)];
    let log = play(configure(2, 4, 100), &bursts).await;
    let counts = log.ended().map(|workers| workers.len());
    assert_eq!(counts, [2, 2], "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_one_job_and_its_worker_is_replaced() {
    let jobs = vec![SECOND, PANIC, SECOND, PANIC, PANIC, SECOND, SECOND];
    let bursts = [(jobs, Duration::ZERO)];
    let log = play(configure(2, 10, 100), &bursts).await;
    insta::assert_snapshot!(log.text(), @r"
    0.100  burst; stop; A job panicked: job 2; started jobs [1, 2, 3]
    1.100  A job panicked: job 4; A job panicked: job 5; results of jobs [1, 3]; started jobs [4, 5, 6, 7]
    2.100  results of jobs [6, 7]; 2 finished
    ");
}

#[tokio::test(start_paused = true)]
async fn after_a_panic_the_pool_has_as_many_workers_as_before() {
    let bursts = [
        (vec![SECOND; 20], 20 * SECOND),
        (vec![PANIC; 10], 20 * SECOND),
        (vec![SECOND; 4], 20 * SECOND),
    ];
    let log = play(configure(2, 6, 100), &bursts).await;
    assert_eq!(log.text().matches("A job panicked: job ").count(), 10);
    let [_, finished] = log.ended();
    assert_eq!(finished.len(), 2, "{}", log.text());
}

/// Bursts of any size, so that workers come and go.
#[tokio::test(start_paused = true)]
async fn ids_count_up_from_1_and_each_worker_reports_its_end() {
    let bursts = [40, 3, 17, 0, 9, 100, 5].map(|jobs| (vec![SECOND; jobs], 7 * SECOND));
    let log = play(configure(2, 9, 30), &bursts).await;
    let mut ended = log.ended().concat();
    assert!(ended.len() > 20, "workers come and go");
    ended.sort_unstable();
    assert_eq!(ended, Vec::from_iter(1..=ended.len()));
    assert!(
        log.workers().into_iter().eq(ended),
        "each got its id, and has done a job"
    );
}

/// A job that computes for a tenth of a millisecond: time goes on while no other task can run.
fn compute() {
    let begun = pin!(advance(SECOND / 10_000));
    _ = begun.poll(&mut Context::from_waker(Waker::noop()));
}

/// The worker always finds a job and room for its result, so none of its `await`s ever waits.
#[tokio::test(start_paused = true)]
async fn the_scaler_acts_beside_a_worker_that_never_waits() {
    let pool = Pool {
        period: SECOND / 200,
        ..configure(1, 2, 8192)
    };
    let log = Log::new();
    let work = |_, ()| async { compute() };
    let (pool, results) = pool.start(work, log.observer());
    unconstrained(submit(&pool, repeat_n((), 8192))).await; // all of them before the worker takes the first
    with_deadline(pool.stop()).await;
    assert_eq!(results.len(), 8192);
    let events = log.events();
    let Event::ScalingUp { count: 1, queue } = events[0] else {
        panic!("{events:?}");
    };
    assert!(queue > 7000, "{queue}: 50 jobs take as long as a period");
}

/// The queue always has room, so that `submit` never waits.
#[tokio::test(start_paused = true)]
async fn the_pool_works_beside_a_submitter_that_never_waits() {
    let pool = Pool {
        period: SECOND / 200,
        ..configure(1, 2, 8192)
    };
    let log = Log::new();
    let work = |_, ()| sleep(SECOND);
    let (pool, results) = pool.start(work, log.observer());
    for _ in 0..8000 {
        compute();
        pool.submit(()).await.expect("results may be read");
    }
    let events = log.events();
    assert!(
        matches!(events[..], [Event::ScalingUp { count: 1, .. }]),
        "{events:?}"
    );
    drop(results);
    with_deadline(pool.stop()).await;
}

/// The first of them takes its job along. Who goes on to await the second one loses nothing.
#[tokio::test(start_paused = true)]
async fn a_submit_that_is_dropped_while_it_waits_loses_its_job_and_a_pinned_one_does_not() {
    let (pool, results) = sleepers(configure(1, 1, 1));
    submit_seconds(&pool, 1).await;
    yield_now().await; // the worker takes it
    submit_seconds(&pool, 1).await;

    let dropped = timeout(SECOND / 4, pool.submit(2 * SECOND)).await;
    dropped.expect_err("the queue is full");
    {
        let mut kept = pin!(pool.submit(3 * SECOND));
        let waited = timeout(SECOND / 4, &mut kept).await;
        waited.expect_err("the queue is full");
        with_deadline(kept).await.expect("results may be read");
    }
    drop(pool);

    let mut done = Vec::new();
    while let Ok(duration) = results.recv().await {
        done.push(duration);
    }
    assert_eq!(done, [SECOND, SECOND, 3 * SECOND]);
}

#[tokio::test(start_paused = true)]
async fn a_maximum_below_the_minimum_counts_as_the_minimum() {
    for (min, max) in [(3, 3), (3, 2), (3, 1)] {
        let bursts = [(vec![SECOND; 50], 30 * SECOND)];
        let log = play(configure(min, max, 100), &bursts).await;
        let [_, mut finished] = log.ended();
        finished.sort_unstable();
        assert_eq!(log.events().len(), 3, "nothing else happens");
        assert_eq!(finished, [1, 2, 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_period_is_at_least_a_millisecond_and_may_be_for_ever() {
    let bursts = [(vec![SECOND; 20], 2 * SECOND)];
    let pool = |period| Pool {
        period,
        ..configure(2, 10, 100)
    };
    let often = play(pool(Duration::ZERO), &bursts).await.text();
    let first = often.lines().find(|line| line.contains("Scaling up"));
    let first = first.expect("the queue is long");
    let at_once = first.starts_with(" 0.100") || first.starts_with(" 0.101");
    assert!(at_once, "{often}");
    let never = play(pool(Duration::MAX), &bursts).await.text();
    assert!(!never.contains("Scaling"), "{never}");
}

/// Nothing is left to take at 6 seconds, when four jobs are in flight.
#[tokio::test(start_paused = true)]
async fn a_pool_whose_queue_is_closed_and_empty_does_not_scale() {
    let bursts = [(vec![5 * SECOND; 8], Duration::ZERO)];
    let log = play(configure(2, 4, 100), &bursts).await.text();
    assert_eq!(log.matches("Scaling").count(), 1, "{log}");
    assert!(log.contains(" 1.000  Scaling up"), "{log}");
}

/// As if the computer had been asleep: eight workers are idle, and one look retires four of them.
#[tokio::test(start_paused = true)]
async fn after_a_pause_the_scaler_does_not_make_up_for_looks_that_it_missed() {
    let log = Log::new();
    let work = |_, duration| sleep(duration);
    let (pool, results) = configure(1, 8, 100).start(work, log.observer());
    submit(&pool, repeat_n(SECOND / 10, 100)).await;
    sleep(SECOND * 29 / 10).await;
    advance(HOUR).await;
    yield_now().await;
    let is_down = |event: &Event| matches!(event, Event::ScalingDown { .. });
    let downs = log.events().into_iter().filter(is_down).count();
    assert_eq!(downs, 1, "{}", log.text());
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
        let mut record = log.observer();
        move |event: Event| {
            record(event.clone());
            panic!("{event}");
        }
    };
    let (pool, results) = configure(1, 5, 100).start(work, observe);
    with_deadline(async {
        submit(&pool, 0..100).await;
        pool.stop().await;
    })
    .await;
    assert_eq!(results.len(), 98);
    assert_eq!(tasks(), 0, "tasks left running");
    let events = log.events().into_iter().map(|event| event.to_string());
    insta::assert_snapshot!(events.collect::<Vec<_>>().join("\n"), @r"
    A job panicked: job 3
    A job panicked: no message
    Worker 3 finished (no more jobs)
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

/// In a simulated minute without a job and without a look of the scaler, the runtime finds nothing to do and waits.
#[test]
fn an_idle_worker_sleeps_until_a_job_comes() {
    let waits = Arc::new(AtomicUsize::new(0));
    let count = waits.clone();
    let mut runtime = Builder::new_current_thread();
    runtime.enable_time().start_paused(true);
    runtime.on_thread_park(move || _ = count.fetch_add(1, Relaxed));
    let runtime = runtime.build().expect("a runtime can be made");
    runtime.block_on(async {
        let pool = Pool {
            period: HOUR,
            ..configure(2, 2, 1)
        };
        let (pool, results) = sleepers(pool);
        sleep(60 * SECOND).await;
        let waits = waits.load(Relaxed);
        assert!(
            waits < 10,
            "workers wake {waits} times, and there is no job"
        );
        with_deadline(pool.stop()).await;
        assert!(results.is_empty());
    });
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
    let seconds = [10, 20, 30, 40, 50, 1, 1, 1, 1, 1, 1];
    submit(&pool, seconds.map(|seconds| SECOND * seconds)).await;
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
    let durations = once(SECOND / 2).chain(repeat_n(20 * SECOND, 50));
    submit(&pool, durations.map(|duration| (duration, job.clone()))).await;
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
