//! What makes it a pool.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Duration;

use crossbeam::channel::{bounded, unbounded};
use waitgroup::Pool;

fn pool(workers: usize, capacity: usize) -> Pool {
    let not_zero = |n| NonZeroUsize::new(n).expect("tests ask for at least 1");
    Pool {
        workers: not_zero(workers),
        capacity: not_zero(capacity),
    }
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

#[test]
fn one_worker_takes_the_jobs_in_order() {
    let transcript = with_deadline(|| {
        let log = Mutex::new(Vec::new());
        let work = |worker, job: usize| {
            let line = format!("worker {worker}: job {job}");
            log.lock().expect("no panic").push(line);
            job * 2
        };
        let read = |results: &mut dyn Iterator<Item = usize>| {
            let lines = results.map(|result| format!("result {result}"));
            lines.collect::<Vec<_>>()
        };
        let results = pool(1, 2)
            .run(1..=4, work, read)
            .expect("one thread can be started");
        [log.into_inner().expect("no panic"), results]
            .concat()
            .join("\n")
    });
    insta::assert_snapshot!(transcript, @r"
    worker 1: job 1
    worker 1: job 2
    worker 1: job 3
    worker 1: job 4
    result 2
    result 4
    result 6
    result 8
    ");
}

/// The jobs can only end if all of them have started.
#[test]
fn as_many_jobs_run_at_once_as_there_are_workers() {
    for workers in [1, 2, 3, 16] {
        with_deadline(move || {
            let everyone = Barrier::new(workers);
            let work = |_, _| everyone.wait();
            let met = pool(workers, 1)
                .run(0..workers * 3, work, |results| results.count())
                .expect("threads can be started");
            assert_eq!(met, workers * 3);
        });
    }
}

#[test]
fn never_more_jobs_run_at_once_than_there_are_workers() {
    for (workers, capacity) in [(1, 100), (2, 1), (3, 100), (8, 3)] {
        let peak = with_deadline(move || {
            let (in_flight, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let work = |_, _| {
                peak.fetch_max(in_flight.fetch_add(1, Relaxed) + 1, Relaxed);
                thread::yield_now(); // an invitation to start one too many
                in_flight.fetch_sub(1, Relaxed);
            };
            pool(workers, capacity)
                .run(0..500, work, |results| results.count())
                .expect("threads can be started");
            assert_eq!(
                in_flight.into_inner(),
                0,
                "a job was still running after the end"
            );
            peak.into_inner()
        });
        assert!(peak <= workers, "{peak} jobs at once on {workers} workers");
    }
}

/// Two workers; the test says when each job ends, and sees who takes the next one.
#[test]
fn whoever_is_free_first_takes_the_next_job() {
    let log = with_deadline(|| {
        let (started, starts) = unbounded();
        let gates: Vec<_> = (0..5).map(|_| bounded::<()>(0)).collect();
        let work = |worker: usize, job: usize| {
            started
                .send((worker, job))
                .expect("the test listens until the end");
            gates[job].1.recv().expect("the test holds the gates");
        };

        thread::scope(|scope| {
            let run = scope.spawn(|| pool(2, 100).run(0..5, work, |results| results.count()));
            let open = |job: usize| gates[job].0.send(()).expect("the job waits at its gate");
            let next = || starts.recv().expect("another job starts");

            let first: BTreeMap<_, _> = [next(), next()].map(|(worker, job)| (job, worker)).into();
            let name = |worker| if first[&0] == worker { "A" } else { "B" };
            let mut log = String::from("A has 0, B has 1\n");
            for ends in [1, 2, 0] {
                open(ends);
                let (worker, job) = next();
                log += &format!("{ends} ends, {} takes {job}\n", name(worker));
            }
            open(3);
            open(4);
            run.join()
                .expect("no panic")
                .expect("two threads can be started");
            log
        })
    });
    insta::assert_snapshot!(log, @r"
    A has 0, B has 1
    1 ends, B takes 2
    2 ends, B takes 3
    0 ends, A takes 4
    ");
}

/// One worker, which looks up at each job's start: one more may be in the submitter's hand.
#[test]
fn no_more_jobs_wait_than_the_capacity() {
    for capacity in [1, 5] {
        let most = with_deadline(move || {
            let (pulled, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let jobs = (1..=500).inspect(|_| _ = pulled.fetch_add(1, Relaxed));
            let work = |_, job| {
                most.fetch_max(pulled.load(Relaxed) - job, Relaxed);
            };
            pool(1, capacity)
                .run(jobs, work, |results| results.count())
                .expect("one thread can be started");
            most.into_inner()
        });
        assert!(most <= capacity + 1, "{most} jobs, capacity {capacity}");
    }
}

#[test]
fn every_job_is_done_once_at_any_capacity() {
    for (workers, capacity, jobs) in [(1, 1, 0), (1, 1, 1), (3, 1, 2000), (8, 1, 2000), (2, 64, 3)]
    {
        let mut done = with_deadline(move || {
            pool(workers, capacity)
                .run(0..jobs, |_, job| job, |results| Vec::from_iter(results))
                .expect("threads can be started")
        });
        done.sort_unstable();
        assert_eq!(
            done,
            Vec::from_iter(0..jobs),
            "workers {workers}, capacity {capacity}"
        );
    }
}

/// Each job is the result before it, so nobody can know how many there will be.
#[test]
fn the_results_end_when_the_jobs_do() {
    let seen = with_deadline(|| {
        let (submit, jobs) = unbounded();
        let read = |results: &mut dyn Iterator<Item = u32>| {
            let mut seen = vec![1];
            while let Some(&last) = seen.last()
                && last < 1000
            {
                submit.send(last).expect("the pool takes jobs");
                seen.push(results.next().expect("a job is in hand"));
            }
            drop(submit);
            assert_eq!(results.next(), None, "no more jobs, no more results");
            seen
        };
        pool(3, 1)
            .run(jobs, |_, job| job * 2, read)
            .expect("threads can be started")
    });
    insta::assert_snapshot!(format!("{seen:?}"), @"[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]");
}

#[test]
fn reading_may_stop_early() {
    for (workers, capacity, number) in [(1, 1, 0), (1, 1, 1), (3, 1, 3), (3, 100, 3), (8, 2, 50)] {
        let results = with_deadline(move || {
            let read =
                |results: &mut dyn Iterator<Item = u64>| Vec::from_iter(results.take(number));
            pool(workers, capacity)
                .run(0.., |_, job| job, read)
                .expect("threads can be started")
        });
        assert_eq!(results.len(), number);
    }
}

/// Unread results bring the workers to a halt; each one that is read lets one more job start.
#[test]
fn results_that_wait_make_the_workers_wait() {
    with_deadline(|| {
        let (started, starts) = unbounded();
        let work = |_, _| started.send(()).expect("the test listens until the end");
        let next = || starts.recv().expect("another job starts");
        let read = |results: &mut dyn Iterator<Item = ()>| {
            (0..5 + 3).for_each(|_| next()); // the capacity, and one in each worker's hand
            for () in results.take(100) {
                next();
                assert!(starts.is_empty(), "only one more job starts");
            }
        };
        pool(3, 5)
            .run(0.., work, read)
            .expect("three threads can be started");
    });
}

#[test]
fn a_panic_in_a_job_costs_one_worker_and_reaches_the_caller() {
    let (outcome, mut done) = with_deadline(|| {
        let mut done = Vec::new();
        let work = |_, job: usize| if job == 3 { panic!("job 3") } else { job };
        let run = || pool(2, 1).run(0..100, work, |results| done.extend(results));
        let outcome = panic::catch_unwind(AssertUnwindSafe(run));
        (outcome.is_err(), done)
    });
    assert!(outcome, "the caller learns of the panic");
    done.sort_unstable();
    let others = (0..100).filter(|&job| job != 3);
    assert_eq!(
        done,
        Vec::from_iter(others),
        "the other worker does the other jobs"
    );
}

#[test]
fn a_panic_in_every_worker_ends_the_pool() {
    let panicked = with_deadline(|| {
        let work = |_, _| panic!("every job");
        panic::catch_unwind(|| pool(2, 1).run(0..100, work, |results| results.for_each(drop::<()>)))
            .is_err()
    });
    assert!(panicked, "the caller learns of the panic");
}

#[test]
fn a_panic_while_reading_ends_the_pool() {
    let panicked = with_deadline(|| {
        let read = |results: &mut dyn Iterator<Item = usize>| {
            results.next();
            panic!("no more results, please");
        };
        panic::catch_unwind(|| pool(3, 1).run(0.., |_, job| job, read)).is_err()
    });
    assert!(panicked, "the caller gets its own panic back");
}

#[test]
fn a_panic_in_the_jobs_closes_the_queue() {
    let (panicked, done) = with_deadline(|| {
        let mut done = Vec::new();
        let jobs = (0..).inspect(|&job| assert_ne!(job, 3, "no more jobs, please"));
        let read = |results: &mut dyn Iterator<Item = usize>| done.extend(results);
        let run = || pool(1, 1).run(jobs, |_, job| job, read);
        (panic::catch_unwind(AssertUnwindSafe(run)).is_err(), done)
    });
    assert!(panicked, "the caller learns of the panic");
    assert_eq!(done, [0, 1, 2], "what was handed in is done");
}
