//! What makes it a pool, under a simulated clock: exact, repeatable and instant.

use std::collections::BTreeSet;
use std::fmt;
use std::iter;
use std::num::NonZeroUsize;
use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dynamic::{Event, Pool, Refused, Scale};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// From `min` to `max` workers, and a look at the queue each second.
fn scale(min: usize, max: usize, capacity: usize) -> Scale {
    let not_zero = |n| NonZeroUsize::new(n).expect("tests ask for at least 1");
    Scale {
        min: not_zero(min),
        max: not_zero(max),
        period: SECOND,
        capacity: not_zero(capacity),
    }
}

/// Waits for `test` and fails, instead of hanging, if it does not end.
async fn with_deadline<T>(test: impl Future<Output = T>) -> T {
    let ended = timeout(HOUR, test).await;
    ended.expect("still running after a simulated hour")
}

/// How many tasks there are; tests start none of their own.
fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// What happens, and when.
#[derive(Clone)]
struct Log {
    begin: Instant,
    entries: Arc<Mutex<Vec<(Duration, Entry)>>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Entry {
    Burst(usize),
    Submitted,
    WorkerBegins,
    Working { worker: usize, job: usize },
    Worked { worker: usize },
    Reported(Event),
    WorkerEnds,
    Result(usize),
    Stopping,
    Stopped,
}

impl Log {
    fn new() -> Self {
        Self {
            begin: Instant::now(),
            entries: Arc::default(),
        }
    }

    fn add(&self, entry: Entry) {
        let entries = self.entries.lock();
        let mut entries = entries.expect("nothing panics while it is locked");
        entries.push((self.begin.elapsed(), entry));
    }

    fn entries(&self) -> Vec<(Duration, Entry)> {
        let entries = self.entries.lock();
        entries.expect("nothing panics while it is locked").clone()
    }
}

/// The lines that the program prints, and their seconds.
impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, entry) in self.entries() {
            let line = match entry {
                Entry::Burst(number) => format!("--- Burst {number} ---"),
                Entry::Working { worker, job } => format!("Worker {worker} processing job {job}"),
                Entry::Reported(event) => event.to_string(),
                Entry::Result(result) => format!("Result: {result}"),
                Entry::Stopping => "Stopping pool...".into(),
                Entry::Stopped => "Pool stopped".into(),
                _ => continue,
            };
            writeln!(f, "{:>6.3}  {line}", at.as_secs_f64())?;
        }
        Ok(())
    }
}

/// Every worker has a clone, in its clone of the work, for as long as it lives.
struct Alive {
    log: Log,
}

impl Clone for Alive {
    fn clone(&self) -> Self {
        self.log.add(Entry::WorkerBegins);
        let log = self.log.clone();
        Self { log }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.log.add(Entry::WorkerEnds);
    }
}

/// Jobs that come all at once, by their length, and the pause after them.
type Burst = (Vec<Duration>, Duration);

/// A job of this length panics at once.
const PANIC: Duration = Duration::MAX;

/// What `main` does, with a log: submits the bursts and stops the pool.
async fn run(scale: Scale, bursts: Vec<Burst>) -> Log {
    let log = Log::new();
    let alive = Alive { log: log.clone() };
    let work = move |worker, (job, length)| {
        let alive = &alive; // all of it is captured
        let log = alive.log.clone();
        async move {
            log.add(Entry::Working { worker, job });
            if length != PANIC {
                sleep(length).await;
            }
            log.add(Entry::Worked { worker });
            assert!(length != PANIC, "job {job}");
            job * 2
        }
    };
    let reported = log.clone();
    let observe = move |event| reported.add(Entry::Reported(event));
    let (pool, results) = Pool::start(scale, work, observe);

    let submit = async {
        for (number, (jobs, pause)) in bursts.into_iter().enumerate() {
            log.add(Entry::Burst(number + 1));
            for (job, length) in (number * 100 + 1..).zip(jobs) {
                pool.submit((job, length)).await.expect("results are read");
                log.add(Entry::Submitted);
            }
            sleep(pause).await;
        }
        log.add(Entry::Stopping);
        pool.stop().await;
        assert_eq!(tasks(), 0, "nothing is left running");
    };
    let consume = async {
        while let Ok(result) = results.recv().await {
            log.add(Entry::Result(result));
        }
    };
    with_deadline(async { tokio::join!(submit, consume) }).await;
    log.add(Entry::Stopped);
    log
}

/// Checks that all of some runs are the same, and right.
async fn runs(count: usize, scale: Scale, bursts: Vec<Burst>) -> Log {
    let log = run(scale, bursts.clone()).await;
    check(&log, scale);
    for _ in 1..count {
        let again = run(scale, bursts.clone()).await;
        assert!(again.entries() == log.entries(), "another order of events");
    }
    log
}

/// Follows the log of a run, and checks what it says at every moment.
fn check(log: &Log, scale: Scale) {
    let (min, max) = (scale.min.get(), scale.max.get());
    let (mut queue, mut workers, mut begun, mut alive, mut panicked) = (0, min, 0, 0, 0);
    let (mut busy, mut ended) = (BTreeSet::new(), BTreeSet::new());
    let (mut jobs, mut results) = (BTreeSet::new(), BTreeSet::new());
    let (mut stopping, mut finishing) = (false, false);

    let entries = log.entries();
    let mut entries = entries.iter().peekable();
    while let Some((at, entry)) = entries.next() {
        match *entry {
            Entry::Burst(_) | Entry::Stopped => {}
            Entry::Submitted => queue += 1,
            Entry::WorkerBegins => {
                begun += 1;
                alive += 1;
            }
            Entry::Working { worker, job } => {
                queue -= 1;
                assert!(jobs.insert(job), "{at:?} {entry:?}: done before");
                assert!(busy.insert(worker), "{at:?} {entry:?}: has one in hand");
                assert!(!ended.contains(&worker), "{at:?} {entry:?}: has ended");
            }
            Entry::Worked { worker } => _ = busy.remove(&worker),
            Entry::Reported(Event::ScalingUp { count, queue: seen }) => {
                assert!(seen == queue && !finishing, "{at:?} {entry:?}");
                assert!(queue > workers * 2 && workers < max, "{at:?} {entry:?}");
                assert_eq!(count, (queue / 2).min(max - workers), "{at:?} {entry:?}");
                workers += count;
            }
            Entry::Reported(Event::ScalingDown { count }) => {
                assert!(
                    queue == 0 && workers > min && !finishing,
                    "{at:?} {entry:?}"
                );
                assert_eq!(count, (workers / 2).min(workers - min), "{at:?} {entry:?}");
                workers -= count;
            }
            Entry::Reported(Event::ShuttingDown { worker } | Event::Finished { worker }) => {
                assert!(
                    ended.insert(worker),
                    "{at:?} {entry:?}: an id is used again"
                );
                finishing |= matches!(entry, Entry::Reported(Event::Finished { .. }));
            }
            Entry::Reported(Event::Panicked { .. }) => panicked += 1,
            Entry::WorkerEnds => alive -= 1,
            Entry::Result(result) => {
                assert!(results.insert(result / 2), "{at:?} {entry:?}: came before")
            }
            Entry::Stopping => stopping = true,
        }
        assert!(
            alive <= max as isize && busy.len() <= max,
            "{at:?} {entry:?}"
        );
        let moment_is_over = entries.peek().is_none_or(|(next, _)| next > at);
        if moment_is_over && !stopping {
            assert!(alive >= min as isize, "{at:?} {entry:?}");
        }
    }
    assert_eq!(
        alive, -1,
        "all workers have ended, and the first clone is gone"
    );
    assert_eq!(queue, 0, "every job is done");
    assert_eq!(jobs.len(), results.len() + panicked, "each in one way");
    assert_eq!(begun, ended.len() + panicked, "all have reported their end");
    assert!(ended.iter().all(|id| (1..=begun).contains(id)), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn the_articles_scenario() {
    let mut scale = scale(2, 10, 100);
    scale.period = 2 * SECOND;
    let burst = (vec![SECOND; 20], 5 * SECOND);
    insta::assert_snapshot!(runs(50, scale, vec![burst; 3]).await);
}

/// Any lengths, so that jobs, bursts and looks at the queue often come together.
#[tokio::test(start_paused = true)]
async fn whatever_the_load_the_rules_hold() {
    for seed in 0..40 {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut bursts = Vec::new();
        for _ in 0..10 {
            let jobs = random.random_range(0..40);
            let longest = random.random_range(1..50);
            let jobs = (0..jobs).map(|_| match random.random_range(0..longest) {
                13 => PANIC,
                tenths => SECOND * tenths / 10,
            });
            let jobs = jobs.collect();
            bursts.push((jobs, SECOND * random.random_range(0..80) / 10));
        }
        let min = random.random_range(1..4);
        let max = random.random_range(min..12);
        let scale = scale(min, max, [1, 5, 30][random.random_range(0..3)]);
        runs(2, scale, bursts).await;
    }
}

/// Three workers are busy for long, and one of them is to retire, when the second burst comes; and
/// again when the third one does, which is too small to change that.
#[tokio::test(start_paused = true)]
async fn whoever_is_to_retire_but_still_busy_stays_when_there_is_more_to_do() {
    let long_and_short = [vec![30 * SECOND; 3], vec![SECOND; 4]].concat();
    let bursts = vec![
        (long_and_short, 10 * SECOND),
        (vec![SECOND; 5], 19 * SECOND),
        (vec![SECOND; 2], 10 * SECOND),
    ];
    insta::assert_snapshot!(runs(50, scale(2, 4, 100), bursts).await, @r"
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

/// Two workers, and jobs of 3, 1, 1, 2 and 1 seconds.
#[tokio::test(start_paused = true)]
async fn whoever_is_free_first_takes_the_next_job() {
    let jobs = [3, 1, 1, 2, 1].map(|seconds| SECOND * seconds);
    let scale = scale(2, 2, 100);
    let log = runs(50, scale, vec![(jobs.into(), Duration::ZERO)]).await;
    insta::assert_snapshot!(log, @r"
    0.000  --- Burst 1 ---
    0.000  Stopping pool...
    0.000  Worker 1 processing job 1
    0.000  Worker 2 processing job 2
    1.000  Worker 2 processing job 3
    1.000  Result: 4
    2.000  Worker 2 processing job 4
    2.000  Result: 6
    3.000  Worker 1 processing job 5
    3.000  Result: 2
    4.000  Worker 2 finished (no more jobs)
    4.000  Worker 1 finished (no more jobs)
    4.000  Result: 8
    4.000  Result: 10
    4.000  Pool stopped
    ");
}

#[tokio::test(start_paused = true)]
async fn every_job_is_done_once_at_capacity_1() {
    for (min, max, jobs) in [(1, 1, 0), (1, 1, 1), (1, 1, 500), (3, 8, 500), (8, 8, 500)] {
        let scale = scale(min, max, 1);
        let log = runs(1, scale, vec![(vec![SECOND; jobs], Duration::ZERO)]).await;
        let results = log.entries().into_iter();
        let results = results.filter(|(_, entry)| matches!(entry, Entry::Result(_)));
        assert_eq!(results.count(), jobs);
    }
}

#[tokio::test(start_paused = true)]
async fn without_room_to_scale_there_is_no_scaling() {
    for (min, max) in [(3, 3), (3, 2), (3, 1)] {
        let scale = scale(min, max, 100);
        let bursts = vec![(vec![SECOND; 50], 30 * SECOND)];
        let log = run(scale, bursts).await;
        let begun = log.entries().into_iter();
        let begun = begun.filter(|(_, entry)| *entry == Entry::WorkerBegins);
        let why = "a maximum below the minimum is as good as that";
        assert_eq!(begun.count(), 3, "{why}");
        assert!(!log.to_string().contains("Scaling"), "{log}");
    }
}

#[tokio::test(start_paused = true)]
async fn any_period_will_do() {
    let bursts = vec![(vec![SECOND; 20], 2 * SECOND)];
    let mut scale = scale(2, 10, 100);

    scale.period = Duration::ZERO; // as often as timers can
    let log = runs(2, scale, bursts.clone()).await.to_string();
    let line = "0.001  Scaling up: Adding 8 workers (queue length: 18)";
    assert!(log.contains(line), "{log}");

    scale.period = Duration::MAX;
    let log = runs(2, scale, bursts).await.to_string();
    assert!(!log.contains("Scaling"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_one_job_and_its_worker_is_replaced() {
    let jobs = vec![SECOND, PANIC, SECOND, PANIC, PANIC, SECOND, SECOND];
    let scale = scale(2, 10, 100);
    let log = runs(50, scale, vec![(jobs, Duration::ZERO)]).await;
    insta::assert_snapshot!(log, @r"
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

/// A pool whose jobs are to sleep for as long as they say.
fn sleepers(scale: Scale) -> (Pool<Duration>, async_channel::Receiver<Duration>) {
    let work = |_, length| async move {
        sleep(length).await;
        length
    };
    Pool::start(scale, work, |_| {})
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_observer_loses_the_event_and_nothing_else() {
    let work = |_, job: usize| async move {
        match job {
            3 => panic!("job 3"),
            4 => panic_any(job),
            _ => {}
        }
    };
    let (message, messages) = async_channel::unbounded();
    let observe = move |event| {
        let sent = message.try_send(format!("{event}"));
        sent.expect("the test reads them");
        panic!("{event}");
    };
    let (pool, results) = Pool::start(scale(1, 5, 100), work, observe);
    with_deadline(async {
        for job in 0..100 {
            pool.submit(job).await.expect("results are read");
        }
        pool.stop().await;
    })
    .await;
    assert_eq!(results.len(), 98);
    assert_eq!(tasks(), 0, "nothing is left running");
    let messages = iter::from_fn(|| messages.try_recv().ok());
    insta::assert_snapshot!(messages.collect::<Vec<_>>().join("\n"), @r"
    A job panicked: job 3
    A job panicked: no message
    Worker 3 finished (no more jobs)
    ");
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_dropped_still_does_what_is_in_its_queue() {
    let (pool, results) = sleepers(scale(1, 3, 100));
    for _ in 0..50 {
        pool.submit(SECOND).await.expect("results are read");
    }
    drop(pool);
    let count = async {
        let mut count = 0;
        while results.recv().await.is_ok() {
            count += 1;
        }
        count
    };
    assert_eq!(with_deadline(count).await, 50);
    assert_eq!(tasks(), 0, "nothing is left running");
}

#[tokio::test(start_paused = true)]
async fn results_that_are_not_read_hold_up_workers_and_then_submitters() {
    let (pool, results) = sleepers(scale(2, 2, 3));
    let room = 3 + 2 + 3; // results, workers who wait with theirs, jobs in the queue
    for _ in 0..room {
        let submit = with_deadline(pool.submit(SECOND)).await;
        submit.expect("results may be read");
    }
    let submit = timeout(HOUR, pool.submit(SECOND)).await;
    submit.expect_err("there is no more room");

    results.recv().await.expect("there are results");
    let submit = with_deadline(pool.submit(SECOND)).await;
    submit.expect("now there is room");

    let stop = timeout(HOUR, pool.stop()).await;
    stop.expect_err("the workers wait");
    let mut count = 1;
    with_deadline(async {
        while results.recv().await.is_ok() {
            count += 1;
        }
    })
    .await;
    assert_eq!(count, room + 1, "none is lost");
    assert_eq!(tasks(), 0, "nothing is left running");
}

#[tokio::test(start_paused = true)]
async fn stopping_does_what_is_in_the_queue() {
    let (pool, results) = sleepers(scale(1, 1, 100));
    for _ in 0..50 {
        pool.submit(SECOND).await.expect("results may be read");
    }
    let begin = Instant::now();
    with_deadline(pool.stop()).await;
    assert_eq!(begin.elapsed(), 50 * SECOND);
    assert_eq!(results.len(), 50);
    assert_eq!(tasks(), 0, "nothing is left running");
}

/// Of five busy workers four are to retire when the first of them finds that nobody reads.
#[tokio::test(start_paused = true)]
async fn when_nobody_reads_results_the_pool_ends() {
    let (pool, results) = sleepers(scale(1, 10, 100));
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
    assert_eq!(begin.elapsed(), 51 * SECOND, "jobs in hand are finished");
    assert_eq!(tasks(), 0, "nothing is left running");
}

#[tokio::test(start_paused = true)]
async fn when_nobody_reads_results_no_job_is_started() {
    let (pool, results) = sleepers(scale(2, 10, 100));
    for seconds in iter::once(SECOND / 2).chain(iter::repeat_n(20 * SECOND, 50)) {
        pool.submit(seconds).await.expect("results may be read");
    }
    let begin = Instant::now();
    drop(results);
    with_deadline(pool.stop()).await;
    assert_eq!(begin.elapsed(), 20 * SECOND, "only two were started");
    assert_eq!(tasks(), 0, "nothing is left running");
}

#[tokio::test(start_paused = true)]
async fn when_nobody_reads_results_a_job_that_waits_for_room_is_handed_back() {
    let (pool, results) = sleepers(scale(1, 1, 1));
    for _ in 0..2 {
        pool.submit(SECOND).await.expect("results may be read");
        yield_now().await; // the worker takes the first
    }
    drop(results);
    let refused = with_deadline(pool.submit(HOUR)).await;
    assert_eq!(refused, Err(Refused(HOUR)));
    with_deadline(pool.stop()).await;
    assert_eq!(tasks(), 0, "nothing is left running");
}

/// In real time, and in no certain order: up to many workers and down to the fewest, often.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_make_no_difference() {
    let mut scale = scale(2, 6, 10);
    scale.period = Duration::ZERO;
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
    let (happened, events) = async_channel::unbounded();
    let observe = move |event| happened.try_send(event).expect("the test sees all events");
    let (pool, results) = Pool::start(scale, work, observe);
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

#[test]
fn a_refusal_says_why() {
    assert_eq!(Refused(1).to_string(), "the pool takes no more jobs");
}
