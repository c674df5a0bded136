//! What the pool promises.

use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use dispatcher::{Event, Pool, Refused, RunningPool, Submitter, Task};

fn start(
    workers: usize,
    capacity: usize,
    observe: impl Fn(Event) + Clone + Send + 'static,
) -> RunningPool {
    let not_zero = |n| NonZeroUsize::new(n).expect("tests ask for at least 1");
    let pool = Pool {
        workers: not_zero(workers),
        capacity: not_zero(capacity),
    };
    pool.start(observe).expect("threads can be started")
}

/// Runs `test` and fails, instead of hanging, if it does not end.
fn with_deadline<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = channel();
    let test = thread::spawn(move || done.send(test()));
    match result.recv_timeout(Duration::from_secs(30)) {
        Ok(value) => value,
        Err(RecvTimeoutError::Timeout) => panic!("still running after 30 seconds"),
        Err(RecvTimeoutError::Disconnected) => {
            panic::resume_unwind(test.join().expect_err("it ended without a result"))
        }
    }
}

/// Waits until the pool's `Debug` output says this.
fn wait_until(submitter: &Submitter, state: &str) {
    while !format!("{submitter:?}").contains(state) {
        thread::yield_now();
    }
}

/// Gives a mistake time to show: other threads run meanwhile.
fn let_others_run() {
    (0..1000).for_each(|_| thread::yield_now());
}

/// Lines that tasks and the observer write. They end when all of these are gone.
#[derive(Clone)]
struct Log(Sender<String>);

impl Log {
    fn new() -> (Self, Receiver<String>) {
        let (log, lines) = channel();
        (Self(log), lines)
    }

    fn say(&self, line: impl ToString) {
        _ = self.0.send(line.to_string()); // an error: the test has read enough
    }

    fn observer(&self) -> impl Fn(Event) + Clone + Send + 'static {
        let log = self.clone();
        move |event| log.say(event)
    }

    fn task(&self, line: impl ToString) -> Task {
        let (log, line) = (self.clone(), line.to_string());
        Box::new(move || {
            log.say(line);
            Ok(())
        })
    }
}

fn joined(lines: Receiver<String>) -> String {
    Vec::from_iter(lines).join("\n")
}

/// Opens the gate at which a task waits.
struct Gate {
    started: Receiver<String>,
    open: Sender<()>,
}

impl Gate {
    /// A task that ends when its gate is opened.
    fn task() -> (Task, Self) {
        let ((start, started), (open, opened)) = (channel(), channel());
        let task = Box::new(move || {
            let worker = thread::current().name().map(str::to_owned);
            start.send(worker.ok_or("no name")?)?;
            Ok(opened.recv()?)
        });
        (task, Self { started, open })
    }

    /// Waits until the task has started, and returns the name of its thread.
    fn worker(&self) -> String {
        self.started.recv().expect("the task starts")
    }

    fn open(&self) {
        self.open.send(()).expect("the task waits at its gate");
    }
}

/// Submits a task with a gate.
fn submit_gated(pool: &RunningPool) -> Gate {
    let (task, gate) = Gate::task();
    pool.submit(task);
    gate
}

/// Gives each free worker a task with a gate, one after the other.
fn occupy(pool: &RunningPool, free: usize) -> Vec<(String, Gate)> {
    let gates = (0..free).map(|_| submit_gated(pool));
    gates.map(|gate| (gate.worker(), gate)).collect()
}

/// A pool with one worker, which is busy.
fn busy(capacity: usize) -> (RunningPool, Gate) {
    let pool = start(1, capacity, |_| {});
    let gate = submit_gated(&pool);
    gate.worker();
    (pool, gate)
}

/// The same with room for one task in the queue, which is taken.
fn full(log: &Log) -> (RunningPool, Gate) {
    let (pool, gate) = busy(1);
    pool.submit(log.task("second"));
    (pool, gate)
}

/// Submits on a thread of its own, and returns once this many submitters wait for room.
fn submit_beyond(
    submitter: &Submitter,
    task: Task,
    waiting: usize,
    then: impl FnOnce(Result<(), Refused>) + Send + 'static,
) {
    let handle = submitter.clone();
    thread::spawn(move || then(handle.submit(task)));
    wait_until(submitter, &format!("submitters: {waiting}"));
}

#[test]
fn the_worker_that_has_been_free_longest_gets_the_next_task() {
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    for order in orders {
        let (freed, chosen) = with_deadline(move || {
            let pool = start(3, 1, |_| {});
            let submitter = pool.submitter();

            let busy = occupy(&pool, 3);
            let mut freed = Vec::new();
            for task in order {
                let (worker, gate) = &busy[task];
                gate.open();
                freed.push(worker.clone());
                wait_until(&submitter, &format!("free: Some({})", freed.len()));
            }
            let (chosen, gates): (Vec<_>, Vec<_>) = occupy(&pool, 3).into_iter().unzip();
            gates.iter().for_each(Gate::open);
            pool.stop();
            (freed, chosen)
        });
        assert_eq!(chosen, freed);
    }
}

#[test]
fn a_worker_that_is_done_takes_the_task_that_waits_longest() {
    with_deadline(|| {
        let pool = start(3, 100, |_| {});
        let mut busy = occupy(&pool, 3);
        let waiting = Vec::from_iter((0..4).map(|_| submit_gated(&pool)));

        for (ends, next) in [1, 2, 2, 0].into_iter().zip(waiting) {
            let (worker, gate) = &mut busy[ends];
            gate.open();
            assert_eq!(next.worker(), *worker);
            *gate = next;
        }
        busy.iter().for_each(|(_, gate)| gate.open());
        pool.stop();
    });
}

/// In the article nine quick tasks wait for a slow one, while two workers have nothing to do.
#[test]
fn no_task_waits_for_a_slow_one_while_a_worker_is_free() {
    for slow in 0..10 {
        with_deadline(move || {
            let pool = start(3, 100, |_| {});
            let (done, quick) = channel();
            let mut gate = None;
            for id in 0..10 {
                if id == slow {
                    gate = Some(submit_gated(&pool));
                } else {
                    let done = done.clone();
                    pool.submit(Box::new(move || Ok(done.send(id)?)));
                }
            }
            for _ in 0..9 {
                quick.recv().expect("a quick task ends");
            }
            gate.expect("one task is slow").open();
            pool.stop();
        });
    }
}

#[test]
fn submitters_that_wait_go_on_in_their_order_one_for_each_place() {
    with_deadline(|| {
        let (pool, first) = busy(1);
        let mut gates = vec![first, submit_gated(&pool)]; // the second fills the queue
        let (accepted, accepts) = channel();
        for id in 0..3 {
            let (task, gate) = Gate::task();
            gates.push(gate);
            let accepted = accepted.clone();
            submit_beyond(&pool.submitter(), task, id + 1, move |submitted| {
                submitted.expect("the pool runs");
                accepted.send(id).expect("the test listens");
            });
        }
        for (id, gate) in gates.iter().enumerate().take(3) {
            let_others_run();
            assert!(accepts.try_recv().is_err(), "{id} went on without room");
            gate.open();
            assert_eq!(accepts.recv(), Ok(id));
        }
        gates[3..].iter().for_each(Gate::open);
        pool.stop();
    });
}

/// The first task in the queue waits for what its submitter does next.
#[test]
fn a_submitter_goes_on_as_soon_as_the_queue_has_one_place() {
    with_deadline(|| {
        let (log, lines) = Log::new();
        let (pool, gate) = busy(4);
        let (went_on, wait) = channel();
        pool.submit(Box::new(move || Ok(wait.recv()?)));
        for id in 2..=4 {
            pool.submit(log.task(id));
        }
        submit_beyond(&pool.submitter(), log.task(5), 1, move |submitted| {
            submitted.expect("the pool runs");
            went_on.send(()).expect("the first task waits for it");
        });
        gate.open();
        pool.stop();
        drop(log);
        assert_eq!(joined(lines), "2\n3\n4\n5");
    });
}

#[test]
fn the_task_of_a_submitter_that_waits_runs_even_if_the_pool_is_stopped() {
    with_deadline(|| {
        let (log, lines) = Log::new();
        let (pool, gate) = full(&log);
        let submitter = pool.submitter();
        let (outcome, submitted) = channel();
        submit_beyond(&submitter, log.task("third"), 1, move |submitted| {
            outcome.send(submitted).expect("the test listens");
        });
        let stop = thread::spawn(|| pool.stop());
        wait_until(&submitter, "free: None");
        let_others_run();
        assert!(submitted.try_recv().is_err(), "the queue is still full");

        gate.open();
        assert!(matches!(submitted.recv(), Ok(Ok(()))));
        stop.join().expect("stopping does not panic");
        drop(log);
        assert_eq!(joined(lines), "second\nthird");
    });
}

#[test]
fn a_full_queue_gives_the_task_back() {
    let transcript = with_deadline(|| {
        let (log, lines) = Log::new();
        let (pool, gate) = full(&log);
        let submitter = pool.submitter();

        let third = submitter.try_submit(log.task("third, by the test"));
        let Err(Refused::Full(third)) = third else {
            panic!("{third:?}");
        };
        third().expect("it does not fail");

        gate.open();
        wait_until(&submitter, "queue: 0");
        submitter
            .try_submit(log.task("fourth"))
            .expect("the queue has room");
        pool.stop();
        drop(log);
        joined(lines)
    });
    insta::assert_snapshot!(transcript, @r"
    third, by the test
    second
    fourth
    ");
}

#[test]
fn a_pool_that_is_dropped_while_its_queue_is_full_runs_the_queue() {
    let transcript = with_deadline(|| {
        let (log, lines) = Log::new();
        let (pool, gate) = full(&log);
        let submitter = pool.submitter();

        let dropping = thread::spawn(move || drop(pool));
        wait_until(&submitter, "free: None");
        let refused = submitter.try_submit(log.task("third"));
        assert!(matches!(refused, Err(Refused::Stopped(_))), "{refused:?}");
        drop(refused);

        let_others_run();
        assert!(!dropping.is_finished(), "its tasks have not run yet");
        gate.open();
        dropping.join().expect("dropping a pool does not panic");
        drop(log);
        joined(lines)
    });
    assert_eq!(transcript, "second");
}

#[test]
fn a_stopped_pool_gives_the_task_back() {
    for end in [RunningPool::stop, drop] {
        let transcript = with_deadline(move || {
            let (log, lines) = Log::new();
            let pool = start(2, 1, |_| {});
            let submitter = pool.submitter();
            submitter
                .submit(log.task("before"))
                .expect("the pool is running");
            end(pool);

            for refused in [
                submitter.submit(log.task("after")),
                submitter.try_submit(log.task("after")),
            ] {
                let refused = refused.expect_err("the pool has stopped");
                log.say(&refused);
                let Refused::Stopped(task) = refused else {
                    panic!("{refused:?}");
                };
                task().expect("it does not fail");
            }
            drop(log);
            joined(lines)
        });
        insta::allow_duplicates! {
            insta::assert_snapshot!(transcript, @r"
            before
            the pool has stopped
            after
            the pool has stopped
            after
            ");
        }
    }
}

/// Submitters that never pause, as the pool stops: what is accepted runs, the rest comes back.
#[test]
fn no_task_is_lost_when_submitting_races_with_stopping() {
    for round in 0..100 {
        with_deadline(move || {
            let (workers, capacity) = (1 + round % 3, 1 + round % 4);
            let ran = Arc::new(AtomicUsize::new(0));
            let pool = start(workers, capacity, |_| {});
            let (accepted, accepts) = channel();

            let submitters = Vec::from_iter((0..4).map(|_| {
                let (submitter, ran) = (pool.submitter(), ran.clone());
                let accepted = accepted.clone();
                thread::spawn(move || {
                    loop {
                        let ran = ran.clone();
                        let task: Task = Box::new(move || {
                            ran.fetch_add(1, Relaxed);
                            Ok(())
                        });
                        let outcome = match round % 10 {
                            0 => submitter.try_submit(task),
                            _ => submitter.submit(task),
                        };
                        match outcome {
                            Ok(()) => accepted.send(()).expect("the test listens"),
                            Err(Refused::Full(_)) => {}
                            Err(Refused::Stopped(_)) => return,
                        }
                    }
                })
            }));
            drop(accepted);
            for _ in 0..round % 7 {
                accepts.recv().expect("tasks are accepted");
            }
            pool.stop();
            let ran_at_stop = ran.load(Relaxed);

            for submitter in submitters {
                submitter.join().expect("the pool does not make it panic");
            }
            let accepted = round % 7 + accepts.iter().count();
            assert_eq!(ran.load(Relaxed), accepted, "run and accepted");
            assert_eq!(ran_at_stop, accepted, "run before stop returned");
        });
    }
}

#[test]
fn a_task_may_submit_tasks() {
    let transcript = with_deadline(|| {
        let (log, lines) = Log::new();
        let pool = start(1, 1, |_| {});
        let (submitter, inner) = (pool.submitter(), log.task("inner"));
        let (submitted, wait) = channel();
        pool.submit(Box::new(move || {
            submitter.try_submit(inner).expect("the queue has room");
            Ok(submitted.send(())?)
        }));
        wait.recv().expect("the task submits it");
        pool.stop();
        drop(log);
        joined(lines)
    });
    assert_eq!(transcript, "inner");
}

/// Gives a pool to its own first task, which ends it while five more are in the queue.
fn ended_by_a_task(workers: usize, end: fn(RunningPool)) -> Vec<String> {
    with_deadline(move || {
        let (log, lines) = Log::new();
        let pool = start(workers, 10, log.observer());
        let submitter = pool.submitter();
        let (hand_over, pools) = channel();
        pool.submit(Box::new(move || {
            end(pools.recv()?);
            let refused = submitter.submit(Box::new(|| Ok(())));
            assert!(matches!(refused, Err(Refused::Stopped(_))));
            Ok(())
        }));
        for id in 1..=5 {
            pool.submit(log.task(format_args!("task {id}")));
        }
        hand_over.send(pool).expect("the first task waits for it");
        drop(log); // only the pool's threads and tasks have it now
        Vec::from_iter(lines)
    })
}

/// It closes the queue and does not wait: what is in the queue runs next, on the same thread.
#[test]
fn a_task_may_stop_its_own_pool() {
    for end in [RunningPool::stop, drop] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(ended_by_a_task(1, end).join("\n"), @r"
            Worker 1 processing task
            Worker 1 processing task
            task 1
            Worker 1 processing task
            task 2
            Worker 1 processing task
            task 3
            Worker 1 processing task
            task 4
            Worker 1 processing task
            task 5
            Worker 1 stopping
            ");
        }
    }
}

#[test]
fn a_task_may_stop_its_own_pool_of_many_workers() {
    let by_panic = |_pool: RunningPool| panic!("with the pool");
    let ends = [
        (RunningPool::stop as fn(RunningPool), 0),
        (drop, 0),
        (by_panic, 1),
    ];
    for (end, failed) in ends {
        let lines = ended_by_a_task(3, end);
        let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
        assert_eq!(count("processing task"), 6);
        assert_eq!(count("error: panicked: with the pool"), failed);
        assert_eq!(count("stopping"), 3);
        for id in 1..=5 {
            assert_eq!(count(&format!("task {id}")), 1, "task {id}");
        }
        assert_eq!(lines.len(), 6 + failed + 3 + 5, "{lines:?}");
    }
}

/// Counts the workers that have ended, each some time after its last event.
fn slow_to_end() -> (impl Fn(Event) + Clone + Send + 'static, Arc<AtomicUsize>) {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = ended.clone();
    let observe = move |event| {
        if let Event::Stopping { .. } = event {
            let_others_run();
            count.fetch_add(1, Relaxed);
        }
    };
    (observe, ended)
}

#[test]
fn a_panic_of_its_owner_stops_the_pool_and_waits_for_its_threads() {
    with_deadline(|| {
        let (log, lines) = Log::new();
        let (observe, ended) = slow_to_end();
        let owner = AssertUnwindSafe(|| {
            let pool = start(3, 1, observe);
            pool.submit(log.task("first"));
            panic!("the owner");
        });
        panic::catch_unwind(owner).expect_err("the owner panics");
        assert_eq!(ended.load(Relaxed), 3);
        drop(log);
        assert_eq!(joined(lines), "first");
    });
}

/// Here `observe` fails instead of the system; `tests/binary.rs` has a system that refuses a thread.
#[test]
fn a_start_that_fails_half_way_waits_for_the_threads_that_it_has_started() {
    struct CanBeCloned(AtomicUsize);

    impl Clone for CanBeCloned {
        fn clone(&self) -> Self {
            let left = self.0.fetch_sub(1, Relaxed);
            assert!(left > 0, "no more clones");
            Self(AtomicUsize::new(0))
        }
    }

    with_deadline(|| {
        let (observe, ended) = slow_to_end();
        let three_times = CanBeCloned(AtomicUsize::new(3));
        let observe = move |event| {
            _ = &three_times;
            observe(event);
        };
        let started = panic::catch_unwind(AssertUnwindSafe(|| start(5, 1, observe)));
        started.expect_err("the fourth clone panics");
        assert_eq!(ended.load(Relaxed), 3);
    });
}

#[test]
fn an_error_of_a_task_is_reported_after_the_task_and_before_the_next() {
    let transcript = with_deadline(|| {
        let (log, lines) = Log::new();
        let pool = start(1, 2, log.observer());
        for id in 1..=4 {
            let log = log.clone();
            pool.submit(Box::new(move || {
                log.say(format_args!("task {id}"));
                if id == 2 {
                    return Err("out of ink".into());
                }
                Ok(())
            }));
        }
        pool.stop();
        log.say("stopped");
        drop(log);
        joined(lines)
    });
    insta::assert_snapshot!(transcript, @r"
    Worker 1 processing task
    task 1
    Worker 1 processing task
    task 2
    Worker 1 task error: out of ink
    Worker 1 processing task
    task 3
    Worker 1 processing task
    task 4
    Worker 1 stopping
    stopped
    ");
}

#[test]
fn a_panic_in_a_task_is_reported_and_its_worker_goes_on() {
    let transcript = with_deadline(|| {
        let (log, lines) = Log::new();
        let pool = start(1, 1, log.observer());
        let panics: [fn(); 3] = [
            || panic!("text"),
            || panic_any(String::from("owned text")),
            || panic_any(5),
        ];
        for panics in panics {
            pool.submit(Box::new(move || {
                panics();
                Ok(())
            }));
        }
        pool.submit(log.task("no panic"));
        pool.stop();
        drop(log);
        joined(lines)
    });
    insta::assert_snapshot!(transcript, @r"
    Worker 1 processing task
    Worker 1 task error: panicked: text
    Worker 1 processing task
    Worker 1 task error: panicked: owned text
    Worker 1 processing task
    Worker 1 task error: panicked: no message
    Worker 1 processing task
    no panic
    Worker 1 stopping
    ");
}

#[test]
fn a_panic_in_the_observer_loses_only_the_event() {
    let transcript = with_deadline(|| {
        let (log, lines) = Log::new();
        let observer = log.observer();
        let pool = start(1, 1, move |event| match event {
            Event::Processing { .. } => panic!("the observer"),
            Event::Failed { .. } => panic!("the observer again"),
            Event::Stopping { .. } => observer(event),
        });
        pool.submit(log.task("first"));
        pool.submit(Box::new(|| Err("second".into())));
        pool.submit(log.task("third"));
        pool.stop();
        drop(log);
        joined(lines)
    });
    insta::assert_snapshot!(transcript, @r"
    first
    third
    Worker 1 stopping
    ");
}

#[test]
fn the_largest_capacity_takes_no_memory_in_advance() {
    with_deadline(|| {
        let (log, lines) = Log::new();
        let pool = start(1, usize::MAX, |_| {});
        pool.submit(log.task("first"));
        pool.stop();
        drop(log);
        assert_eq!(joined(lines), "first");
    });
}

#[test]
fn a_refusal_says_why() {
    let full = Refused::Full(Box::new(|| Ok(())));
    assert_eq!(
        (format!("{full:?}"), full.to_string()),
        ("Full(..)".into(), "the queue is full".into())
    );
    let stopped = Refused::Stopped(Box::new(|| Ok(())));
    assert_eq!(
        (format!("{stopped:?}"), stopped.to_string()),
        ("Stopped(..)".into(), "the pool has stopped".into())
    );
}
