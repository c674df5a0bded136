//! What the pool promises.

use std::panic::{self, AssertUnwindSafe, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread;

use dispatcher::{Event, Pool, Refused, RunningPool, Submitter, Task};
use testing::{Gates, let_others_run, memory_in_use, not_zero, with_deadline};

fn start(
    workers: usize,
    capacity: usize,
    observe: impl Fn(Event) + Clone + Send + 'static,
) -> RunningPool {
    let pool = Pool {
        workers: not_zero(workers),
        capacity: not_zero(capacity),
    };
    pool.start(observe).expect("threads can be started")
}

/// Waits until the pool's `Debug` output says this.
fn wait_until(submitter: &Submitter, state: &str) {
    while !format!("{submitter:?}").contains(state) {
        thread::yield_now();
    }
}

/// Lines that tasks and the observer write. They end when all of these are gone.
#[derive(Clone)]
struct Log(Sender<String>);

impl Log {
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

/// All lines that are written in a test, by its tasks and observers, too.
#[track_caller]
fn transcript(test: impl FnOnce(&Log) + Send + 'static) -> Vec<String> {
    with_deadline(|| {
        let (log, lines) = channel();
        test(&Log(log));
        Vec::from_iter(lines)
    })
}

/// A task that says which worker runs it, and ends when the test opens its gate.
fn gated(gates: &Gates, task: usize) -> Task {
    let pass = gates.gate(task);
    Box::new(move || {
        let thread = thread::current();
        let worker = thread.name().and_then(|name| name.strip_prefix("worker "));
        pass(worker.ok_or("no worker")?.parse()?);
        Ok(())
    })
}

/// A pool with one worker, which is busy until gate 1 opens.
fn busy(capacity: usize) -> (RunningPool, Gates) {
    let (pool, gates) = (start(1, capacity, |_| {}), Gates::default());
    pool.submit(gated(&gates, 1));
    gates.next_start();
    (pool, gates)
}

/// The same with room for one task in the queue, which is taken.
fn full(log: &Log) -> (RunningPool, Gates) {
    let (pool, gates) = busy(1);
    pool.submit(log.task("second"));
    (pool, gates)
}

/// Submits on a thread of its own, and returns once this many submitters wait for room.
fn submit_and_wait(
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
            let (pool, gates) = (start(3, 1, |_| {}), Gates::default());
            let worker_of = |task| {
                pool.submit(gated(&gates, task));
                gates.next_start().0
            };
            let workers = [0, 1, 2].map(worker_of);
            for (free, task) in (1..).zip(order) {
                gates.open(task);
                wait_until(&pool.submitter(), &format!("free: Some({free})"));
            }
            let chosen = [3, 4, 5].map(worker_of);
            [3, 4, 5].iter().for_each(|&task| gates.open(task));
            pool.stop();
            (order.map(|task| workers[task]), chosen)
        });
        assert_eq!(chosen, freed);
    }
}

#[test]
fn submitters_that_wait_go_on_in_their_order_one_for_each_place() {
    with_deadline(|| {
        let (pool, gates) = busy(1);
        pool.submit(gated(&gates, 2)); // fills the queue
        let (accepted, accepts) = channel();
        for task in 3..=5 {
            let accepted = accepted.clone();
            let then = move |submitted: Result<(), Refused>| {
                submitted.expect("the pool runs");
                accepted.send(task).expect("the test listens");
            };
            submit_and_wait(&pool.submitter(), gated(&gates, task), task - 2, then);
        }
        for task in 3..=5 {
            let_others_run();
            assert!(accepts.try_recv().is_err(), "{task} went on without room");
            gates.open(task - 2);
            assert_eq!(accepts.recv(), Ok(task));
            assert_eq!(gates.next_start().1, task - 1);
        }
        gates.open(4);
        gates.open(5);
        pool.stop();
    });
}

/// The first task in the queue waits for what its submitter does next.
#[test]
fn a_submitter_goes_on_as_soon_as_the_queue_has_one_place() {
    let lines = transcript(|log| {
        let (pool, gates) = busy(4);
        let (went_on, wait) = channel();
        pool.submit(Box::new(move || Ok(wait.recv()?)));
        for id in 2..=4 {
            pool.submit(log.task(id));
        }
        submit_and_wait(&pool.submitter(), log.task(5), 1, move |submitted| {
            submitted.expect("the pool runs");
            went_on.send(()).expect("the first task waits for it");
        });
        gates.open(1);
        pool.stop();
    });
    assert_eq!(lines, ["2", "3", "4", "5"]);
}

#[test]
fn the_task_of_a_submitter_that_waits_runs_even_if_the_pool_is_stopped() {
    let lines = transcript(|log| {
        let (pool, gates) = full(log);
        let submitter = pool.submitter();
        let (outcome, submitted) = channel();
        submit_and_wait(&submitter, log.task("third"), 1, move |submitted| {
            outcome.send(submitted).expect("the test listens");
        });
        let stop = thread::spawn(|| pool.stop());
        wait_until(&submitter, "free: None");
        let_others_run();
        assert!(submitted.try_recv().is_err(), "the queue is still full");

        gates.open(1);
        assert!(matches!(submitted.recv(), Ok(Ok(()))));
        stop.join().expect("stopping does not panic");
    });
    assert_eq!(lines, ["second", "third"]);
}

#[test]
fn a_full_queue_gives_the_task_back() {
    let lines = transcript(|log| {
        let (pool, gates) = full(log);
        let submitter = pool.submitter();

        let third = submitter.try_submit(log.task("third, by the test"));
        let Err(Refused::Full(third)) = third else {
            panic!("{third:?}");
        };
        third().expect("it does not fail");

        gates.open(1);
        wait_until(&submitter, "queue: 0");
        submitter
            .try_submit(log.task("fourth"))
            .expect("the queue has room");
        pool.stop();
    });
    insta::assert_snapshot!(lines.join("\n"), @r"
    third, by the test
    second
    fourth
    ");
}

#[test]
fn a_pool_that_is_dropped_while_its_queue_is_full_runs_the_queue() {
    let lines = transcript(|log| {
        let (pool, gates) = full(log);
        let submitter = pool.submitter();

        let dropping = thread::spawn(move || drop(pool));
        wait_until(&submitter, "free: None");
        let refused = submitter.try_submit(log.task("third"));
        assert!(matches!(refused, Err(Refused::Stopped(_))), "{refused:?}");
        drop(refused);

        let_others_run();
        assert!(!dropping.is_finished(), "its tasks have not run yet");
        gates.open(1);
        dropping.join().expect("dropping a pool does not panic");
    });
    assert_eq!(lines, ["second"]);
}

#[test]
fn a_stopped_pool_gives_the_task_back() {
    for end in [RunningPool::stop, drop] {
        let lines = transcript(move |log| {
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
        });
        insta::allow_duplicates! {
            insta::assert_snapshot!(lines.join("\n"), @r"
            before
            the pool has stopped
            after
            the pool has stopped
            after
            ");
        }
    }
}

#[test]
fn a_task_may_submit_tasks() {
    let lines = transcript(|log| {
        let pool = start(1, 1, |_| {});
        let (submitter, inner) = (pool.submitter(), log.task("inner"));
        let (submitted, wait) = channel();
        pool.submit(Box::new(move || {
            submitter.try_submit(inner).expect("the queue has room");
            Ok(submitted.send(())?)
        }));
        wait.recv().expect("the task submits it");
        pool.stop();
    });
    assert_eq!(lines, ["inner"]);
}

/// Gives a pool to its own first task, which ends it while five more are in the queue.
fn ended_by_a_task(workers: usize, end: fn(RunningPool)) -> Vec<String> {
    transcript(move |log| {
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

/// Only a pool's own task cannot wait until that pool has ended.
#[test]
fn a_task_that_stops_another_pool_waits_for_it() {
    let lines = transcript(|log| {
        let (pool, gates) = full(log);
        let (submitter, stopped) = (pool.submitter(), log.task("stopped"));
        let other = start(1, 1, |_| {});
        other.submit(Box::new(|| {
            pool.stop();
            stopped()
        }));
        wait_until(&submitter, "free: None");
        let_others_run();
        gates.open(1);
        other.stop();
    });
    assert_eq!(lines, ["second", "stopped"]);
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
    let lines = transcript(|log| {
        let (observe, ended) = slow_to_end();
        let owner = AssertUnwindSafe(|| {
            let pool = start(3, 1, observe);
            pool.submit(log.task("first"));
            panic!("the owner");
        });
        panic::catch_unwind(owner).expect_err("the owner panics");
        assert_eq!(ended.load(Relaxed), 3);
    });
    assert_eq!(lines, ["first"]);
}

/// Here `observe` fails instead of the system.
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
    let lines = transcript(|log| {
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
    });
    insta::assert_snapshot!(lines.join("\n"), @r"
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
    let lines = transcript(|log| {
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
    });
    insta::assert_snapshot!(lines.join("\n"), @r"
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
    let lines = transcript(|log| {
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
    });
    insta::assert_snapshot!(lines.join("\n"), @r"
    first
    third
    Worker 1 stopping
    ");
}

#[test]
fn the_largest_capacity_takes_no_memory_in_advance() {
    with_deadline(|| {
        let (pool, gates) = busy(usize::MAX);
        let submitter = pool.submitter();
        for _ in 0..10_000 {
            let submitted = submitter.try_submit(Box::new(|| Ok(())));
            submitted.expect("the queue has room");
        }
        gates.open(1);
        pool.stop();
    });
}

/// Each reports at the start of its task, and goes on when the other one has reported, too.
#[test]
fn workers_report_on_their_own_threads_at_the_same_time() {
    let mut reports = transcript(|log| {
        let both = Arc::new(Barrier::new(2));
        let observer = log.clone();
        let pool = start(2, 1, move |event| {
            if let Event::Processing { worker } = event {
                both.wait();
                let thread = thread::current();
                observer.say(format_args!("{worker} on {:?}", thread.name()));
            }
        });
        pool.submit(Box::new(|| Ok(())));
        pool.submit(Box::new(|| Ok(())));
        pool.stop();
    });
    reports.sort();
    assert_eq!(
        reports,
        [r#"1 on Some("worker 1")"#, r#"2 on Some("worker 2")"#]
    );
}

/// A pool that kept each of them would grow for as long as it runs.
#[test]
fn what_a_task_panics_with_is_freed_at_once() {
    with_deadline(|| {
        let pool = start(1, 1, |_| {});
        let (payload, freed) = channel::<()>();
        pool.submit(Box::new(|| panic::resume_unwind(Box::new(payload))));
        freed.recv().expect_err("nothing is sent");

        let before = memory_in_use();
        for _ in 0..200 {
            let text = "x".repeat(1 << 20);
            pool.submit(Box::new(|| panic::resume_unwind(Box::new(text))));
        }
        pool.stop();
        let grown = memory_in_use().saturating_sub(before);
        assert!(grown < 100, "{grown} MiB are still in use");
    });
}

#[test]
fn a_refusal_says_why() {
    for (refused, debug, text) in [
        (
            Refused::Full as fn(Task) -> _,
            "Full(..)",
            "the queue is full",
        ),
        (Refused::Stopped, "Stopped(..)", "the pool has stopped"),
    ] {
        let refused = refused(Box::new(|| Ok(())));
        assert_eq!(
            format!("{refused:?}: {refused}"),
            format!("{debug}: {text}")
        );
    }
}
