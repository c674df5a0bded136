//! What makes it a pool, and one that can be held.

use std::num::NonZeroUsize;
use std::panic::{self, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use dispatcher::{Event, Pool, Refused, Task};

fn start(
    workers: usize,
    capacity: usize,
    observe: impl Fn(Event) + Clone + Send + 'static,
) -> Pool {
    let not_zero = |n| NonZeroUsize::new(n).expect("tests ask for at least 1");
    Pool::start(not_zero(workers), not_zero(capacity), observe).expect("threads can be started")
}

/// Runs `test` and fails, instead of hanging, if it does not end.
fn with_deadline<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    let test = thread::spawn(move || done.send(test()));
    match result.recv_timeout(Duration::from_secs(60)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("still running after a minute"),
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            panic::resume_unwind(test.join().expect_err("it ended without a result"))
        }
    }
}

/// A log for tasks and the observer to write to; it ends when they are all gone.
#[derive(Clone)]
struct Log(Sender<String>);

impl Log {
    fn new() -> (Self, Receiver<String>) {
        let (log, lines) = unbounded();
        (Self(log), lines)
    }

    fn say(&self, line: impl ToString) {
        _ = self.0.send(line.to_string()); // the test may have read enough
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

fn joined(lines: &Receiver<String>) -> String {
    Vec::from_iter(lines).join("\n")
}

/// A task that says on which thread it starts, and ends when the test opens the gate.
fn gated() -> (Task, Receiver<String>, Sender<()>) {
    let ((started, start), (open, gate)) = (bounded(1), bounded(1));
    let task = Box::new(move || {
        let worker = thread::current().name().map(str::to_owned);
        started.send(worker.ok_or("no name")?)?;
        Ok(gate.recv()?)
    });
    (task, start, open)
}

/// A pool of one, whose worker is at the gate, with one task in the dispatcher's hands and one in
/// the queue, which has room for one.
fn full(log: &Log) -> (Pool, Sender<()>) {
    let pool = start(1, 1, |_| {});
    let (first, started, open) = gated();
    pool.submit(first);
    started.recv().expect("the first task starts");
    pool.submit(log.task("second"));
    pool.submit(log.task("third")); // returns once the second has left the queue
    (pool, open)
}

#[test]
fn one_worker_runs_the_tasks_in_order() {
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
        joined(&lines)
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

/// The tasks can only end if all of them have started.
#[test]
fn as_many_tasks_run_at_once_as_there_are_workers() {
    for workers in [1, 2, 3, 16] {
        with_deadline(move || {
            let everyone = Arc::new(Barrier::new(workers));
            let pool = start(workers, 1, |_| {});
            for _ in 0..workers * 3 {
                let everyone = everyone.clone();
                pool.submit(Box::new(move || {
                    everyone.wait();
                    Ok(())
                }));
            }
            pool.stop();
        });
    }
}

#[test]
fn never_more_tasks_run_at_once_than_there_are_workers() {
    for (workers, capacity) in [(1, 100), (2, 1), (3, 100), (8, 3)] {
        let peak = with_deadline(move || {
            let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
            let pool = start(workers, capacity, |_| {});
            for _ in 0..100 {
                let counts = counts.clone();
                pool.submit(Box::new(move || {
                    let (in_flight, peak) = &*counts;
                    peak.fetch_max(in_flight.fetch_add(1, Relaxed) + 1, Relaxed);
                    thread::yield_now(); // an invitation to start one too many
                    in_flight.fetch_sub(1, Relaxed);
                    Ok(())
                }));
            }
            pool.stop();
            let (in_flight, peak) = &*counts;
            assert_eq!(in_flight.load(Relaxed), 0, "a task still ran after the end");
            peak.load(Relaxed)
        });
        assert!(peak <= workers, "{peak} tasks at once on {workers} workers");
    }
}

/// The test says when each task ends, and sees who gets the next one.
#[test]
fn whoever_is_free_first_gets_the_next_task() {
    let log = with_deadline(|| {
        let pool = start(3, 100, |_| {});
        let (mut starts, mut gates) = (Vec::new(), Vec::new());
        for _ in 0..6 {
            let (task, start, open) = gated();
            pool.submit(task);
            starts.push(start);
            gates.push(open);
        }
        let gets = |task: usize| {
            let worker = starts[task].recv().expect("the task starts");
            format!("{worker} gets {task}\n")
        };
        let open = |task: usize| gates[task].send(()).expect("the task waits at its gate");

        let mut log = String::from_iter((0..3).map(gets));
        for (ends, next) in [(1, 3), (3, 4), (0, 5)] {
            open(ends);
            log += &format!("{ends} ends, {}", gets(next));
        }
        for ends in [2, 4, 5] {
            open(ends);
        }
        pool.stop();
        log
    });
    insta::assert_snapshot!(log, @r"
    worker 1 gets 0
    worker 2 gets 1
    worker 3 gets 2
    1 ends, worker 2 gets 3
    3 ends, worker 2 gets 4
    0 ends, worker 1 gets 5
    ");
}

/// In the article nine quick tasks wait for a slow one, while two workers have nothing to do.
#[test]
fn a_long_task_holds_up_nobody() {
    for slow in 0..10 {
        with_deadline(move || {
            let pool = start(3, 100, |_| {});
            let (done, quick) = unbounded();
            let (long, _started, open) = gated();
            let mut long = Some(long);
            for id in 0..10 {
                let done = done.clone();
                let quick = Box::new(move || Ok(done.send(id)?));
                let long = if id == slow { long.take() } else { None };
                pool.submit(long.unwrap_or(quick));
            }
            for _ in 0..9 {
                quick.recv().expect("a quick task ends");
            }
            open.send(()).expect("the long task waits at its gate");
            pool.stop();
        });
    }
}

#[test]
fn every_task_runs_once_at_any_capacity() {
    for (workers, capacity, tasks) in [(1, 1, 0), (1, 1, 1), (3, 1, 200), (8, 1, 200), (2, 64, 3)] {
        for end in [Pool::stop, drop] {
            let (mut ran, held) = with_deadline(move || {
                let (log, ran) = unbounded();
                let observer = Arc::new(());
                let held = observer.clone();
                let pool = start(workers, capacity, move |_| _ = &held);
                for id in 0..tasks {
                    let log = log.clone();
                    pool.submit(Box::new(move || Ok(log.send(id)?)));
                }
                end(pool);
                let held = Arc::strong_count(&observer) - 1;
                (Vec::from_iter(ran.try_iter()), held)
            });
            ran.sort_unstable();
            assert_eq!(
                ran,
                Vec::from_iter(0..tasks),
                "workers {workers}, capacity {capacity}"
            );
            assert_eq!(held, 0, "workers still running after the end");
        }
    }
}

#[test]
fn a_full_queue_gives_the_task_back() {
    let transcript = with_deadline(|| {
        let (log, lines) = Log::new();
        let (pool, open) = full(&log);

        let fourth = pool.try_submit(log.task("fourth"));
        let fifth = pool.submitter().try_submit(log.task("fifth"));
        let (Err(Refused::Full(fourth)), Err(Refused::Full(fifth))) = (fourth, fifth) else {
            panic!("there is no room");
        };
        fourth().expect("it does not fail");

        open.send(()).expect("the first task waits at its gate");
        let mut ran = Vec::from_iter(lines.iter().take(3)); // the queue is empty now
        pool.try_submit(fifth).expect("there is room");
        pool.stop();
        drop(log);
        ran.extend(lines);
        ran.join("\n")
    });
    insta::assert_snapshot!(transcript, @r"
    fourth
    second
    third
    fifth
    ");
}

#[test]
fn submit_waits_while_the_queue_is_full() {
    for by_submitter in [false, true] {
        let transcript = with_deadline(move || {
            let (log, lines) = Log::new();
            let (accepted, accepts) = bounded(1);
            let (pool, open) = full(&log);

            thread::scope(|scope| {
                scope.spawn(|| {
                    let (pool, log) = (&pool, log.clone());
                    if by_submitter {
                        let outcome = pool.submitter().submit(log.task("fourth"));
                        outcome.expect("the pool has not stopped");
                    } else {
                        pool.submit(log.task("fourth"));
                    }
                    accepted.send(()).expect("the test listens until the end");
                });
                for _ in 0..1000 {
                    thread::yield_now(); // an invitation to accept it
                    assert!(accepts.is_empty(), "accepted without room");
                }
                open.send(()).expect("the first task waits at its gate");
                accepts.recv().expect("accepted once there is room");
            });
            pool.stop();
            drop(log);
            joined(&lines)
        });
        assert_eq!(transcript, "second\nthird\nfourth");
    }
}

#[test]
fn a_pool_that_is_dropped_while_it_is_full_runs_what_it_has() {
    let transcript = with_deadline(|| {
        let (log, lines) = Log::new();
        let (pool, open) = full(&log);
        let submitter = pool.submitter();

        thread::scope(|scope| {
            scope.spawn(move || drop(pool));
            let mut task = log.task("refused");
            while let Err(Refused::Full(back)) = submitter.try_submit(task) {
                task = back;
                thread::yield_now(); // it is refused for being full until the drop has begun
            }
            open.send(()).expect("the first task waits at its gate");
        });
        drop(log);
        joined(&lines)
    });
    assert_eq!(transcript, "second\nthird");
}

#[test]
fn a_stopped_pool_gives_the_task_back() {
    for end in [Pool::stop, drop] {
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
            joined(&lines)
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
            let (accepted, accepts) = unbounded();

            let submitters = Vec::from_iter((0..4).map(|_| {
                let (handle, ran) = (pool.submitter(), ran.clone());
                let accepted = accepted.clone();
                thread::spawn(move || {
                    loop {
                        let ran = ran.clone();
                        let task: Task = Box::new(move || {
                            ran.fetch_add(1, Relaxed);
                            Ok(())
                        });
                        let outcome = match round % 10 {
                            0 => handle.try_submit(task),
                            _ => handle.submit(task),
                        };
                        match outcome {
                            Ok(()) => accepted.send(()).expect("the test listens"),
                            Err(Refused::Full(_)) => {}
                            Err(Refused::Stopped(_)) => return,
                        }
                    }
                })
            }));
            for _ in 0..round % 7 {
                accepts.recv().expect("tasks are accepted");
            }
            pool.stop();
            let ran_at_stop = ran.load(Relaxed);

            for submitter in submitters {
                submitter.join().expect("the pool does not make it panic");
            }
            let accepted = round % 7 + accepts.len();
            assert_eq!(ran.load(Relaxed), accepted, "run and accepted");
            assert_eq!(ran_at_stop, accepted, "run before stop returned");
        });
    }
}

/// Hands a pool to its own first task, which ends it while five more are queued.
fn ended_by_a_task(workers: usize, end: fn(Pool)) -> Vec<String> {
    with_deadline(move || {
        let (log, lines) = Log::new();
        let pool = start(workers, 10, log.observer());
        let submitter = pool.submitter();
        let (hand_over, pools) = bounded(1);
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

/// It closes the queue and does not wait: what is queued runs next, on the same thread.
#[test]
fn a_task_may_end_its_own_pool() {
    for end in [Pool::stop, drop] {
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
fn a_task_may_end_its_own_pool_of_many_workers() {
    let by_panic = |_pool: Pool| panic!("with the pool in hand");
    for (end, failed) in [(Pool::stop as fn(Pool), 0), (drop, 0), (by_panic, 1)] {
        let lines = ended_by_a_task(3, end);
        let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
        assert_eq!(count("processing task"), 6);
        assert_eq!(count("error: panicked: with the pool in hand"), failed);
        assert_eq!(count("stopping"), 3);
        for id in 1..=5 {
            assert_eq!(count(&format!("task {id}")), 1, "task {id}");
        }
        assert_eq!(lines.len(), 6 + failed + 3 + 5, "{lines:?}");
    }
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("a panic in a panic");
    }
}

#[test]
fn a_panic_in_a_task_is_reported_and_its_worker_lives_on() {
    let transcript = with_deadline(|| {
        let (log, lines) = Log::new();
        let pool = start(1, 1, log.observer());
        let panics: [fn(); 4] = [
            || panic!("text"),
            || panic_any(String::from("owned text")),
            || panic_any(5),
            || panic_any(PanicsWhenDropped),
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
        joined(&lines)
    });
    insta::assert_snapshot!(transcript, @r"
    Worker 1 processing task
    Worker 1 task error: panicked: text
    Worker 1 processing task
    Worker 1 task error: panicked: owned text
    Worker 1 processing task
    Worker 1 task error: panicked: no message
    Worker 1 processing task
    Worker 1 task error: panicked: no message
    Worker 1 processing task
    no panic
    Worker 1 stopping
    ");
}

#[test]
fn a_panic_in_the_observer_loses_the_event_only() {
    let transcript = with_deadline(|| {
        let (log, lines) = Log::new();
        let observer = log.observer();
        let pool = start(1, 1, move |event| match event {
            Event::Processing { .. } => panic!("the observer"),
            Event::Failed { .. } => panic_any(PanicsWhenDropped),
            Event::Stopping { .. } => observer(event),
        });
        pool.submit(log.task("first"));
        pool.submit(Box::new(|| Err("second".into())));
        pool.submit(log.task("third"));
        pool.stop();
        drop(log);
        joined(&lines)
    });
    insta::assert_snapshot!(transcript, @r"
    first
    third
    Worker 1 stopping
    ");
}

#[test]
fn a_task_may_hand_in_tasks() {
    let transcript = with_deadline(|| {
        let (log, lines) = Log::new();
        let pool = start(1, 1, |_| {});
        let (submitter, inner) = (pool.submitter(), log.task("inner"));
        let (handed_in, wait) = bounded(1);
        pool.submit(Box::new(move || {
            submitter.try_submit(inner).expect("there is room for it");
            Ok(handed_in.send(())?)
        }));
        wait.recv().expect("the task hands it in");
        pool.stop();
        drop(log);
        joined(&lines)
    });
    assert_eq!(transcript, "inner");
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
