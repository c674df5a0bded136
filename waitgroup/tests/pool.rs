//! What the caller can do with the results, and how they end.

use std::any::Any;
use std::cell::Cell;
use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, unbounded};
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

/// One end counts, the other waits until the count reaches a number, and fails if it goes beyond.
fn counter() -> (Count, Counted) {
    let (one, ones) = unbounded();
    (Count(one), Counted(ones, Mutex::new(0)))
}

struct Count(Sender<()>);

impl Count {
    fn add_one(&self) {
        self.0.send(()).expect("the test counts to the end");
    }
}

struct Counted(Receiver<()>, Mutex<usize>);

impl Counted {
    fn reaches(&self, number: usize) {
        let mut counted = self.1.lock().expect("no panic");
        while *counted < number {
            let one = self.0.recv_timeout(Duration::from_secs(30));
            one.expect("the count goes on");
            *counted += 1;
        }
        (0..5).for_each(|_| thread::yield_now()); // an invitation to go beyond
        assert!(self.0.is_empty(), "the count goes beyond {number}");
    }
}

/// The text of the panic that `run` ends with.
fn panic_of<T>(run: impl FnOnce() -> T) -> String {
    let outcome = panic::catch_unwind(AssertUnwindSafe(run)).map(drop);
    let payload: Box<dyn Any + Send> = outcome.expect_err("the caller learns of the panic");
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .expect("the panics of these tests are texts")
}

/// Each job is the result before it, so their number is not known beforehand.
#[test]
fn the_results_end_when_the_jobs_do() {
    let seen = with_deadline(|| {
        let (submit, jobs) = unbounded();
        let mut seen = vec![1];
        let read = |results: &mut dyn Iterator<Item = u32>| {
            while let Some(&last) = seen.last()
                && last < 1000
            {
                submit.send(last).expect("the pool takes jobs");
                seen.push(results.next().expect("a job is in flight"));
            }
            drop(submit);
            assert_eq!(results.next(), None, "no more jobs, no more results");
            assert_eq!(results.next(), None, "the end stays the end");
        };
        pool(3, 100)
            .run(jobs, |_, job| job * 2, read)
            .expect("threads can be started");
        seen
    });
    insta::assert_snapshot!(format!("{seen:?}"), @"[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]");
}

#[test]
fn reading_may_stop_early() {
    for (workers, capacity, number) in [(1, 1, 0), (1, 1, 1), (3, 1, 3), (3, 100, 3), (8, 2, 50)] {
        let results = with_deadline(move || {
            let mut seen = Vec::new();
            let read = |results: &mut dyn Iterator<Item = u64>| seen.extend(results.take(number));
            pool(workers, capacity)
                .run(0.., |_, job| job, read)
                .expect("threads can be started");
            seen
        });
        assert_eq!(results.len(), number);
    }
}

/// The two results read, what waits to be read, what has no room, and the last job of each worker.
#[test]
fn few_jobs_start_once_reading_has_stopped() {
    let started = with_deadline(|| {
        let started = AtomicUsize::new(0);
        let work = |_, _: usize| started.fetch_add(1, Relaxed);
        pool(3, 4)
            .run(0.., work, |results| results.take(2).for_each(drop))
            .expect("threads can be started");
        started.into_inner()
    });
    assert!(started <= 2 + 4 + 3 + 3, "{started} jobs started");
}

/// Three workers. While each result is read, the workers start as many jobs as they can: those whose
/// results wait to be read, and one each for whose result there is no room.
#[test]
fn as_many_results_wait_as_the_capacity_says() {
    for capacity in [1, 5] {
        with_deadline(move || {
            let (count, started) = counter();
            let read = |results: &mut dyn Iterator<Item = ()>| {
                started.reaches(capacity + 3);
                for (read, ()) in (1..).zip(results) {
                    started.reaches((read + capacity + 3).min(30));
                }
            };
            pool(3, capacity)
                .run(0..30, |_, _: usize| count.add_one(), read)
                .expect("threads can be started");
        });
    }
}

/// A scope alone would not wait for destructors of thread-locals.
#[test]
fn every_thread_has_ended_when_run_returns() {
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    struct EndsLate(Cell<usize>);
    impl Drop for EndsLate {
        fn drop(&mut self) {
            (0..self.0.get()).for_each(|_| thread::yield_now()); // an invitation to return too early
            ENDED.fetch_add(1, Relaxed);
        }
    }
    thread_local!(static ON_THIS_THREAD: EndsLate = const { EndsLate(Cell::new(0)) });
    let end_late = |thread: usize| ON_THIS_THREAD.with(|it| it.0.set(thread * 5));

    with_deadline(move || {
        for round in 1..=10 {
            let everyone = Barrier::new(3);
            let work = |worker: usize, _| {
                everyone.wait();
                end_late(worker);
            };
            let jobs = (0..3).inspect(|_| end_late(0)); // on the submitter's thread
            pool(3, 1)
                .run(jobs, work, |results| results.for_each(drop))
                .expect("threads can be started");
            assert_eq!(ENDED.load(Relaxed), round * 4, "a thread still runs");
        }
    });
}

#[test]
fn a_panic_in_a_job_costs_one_worker_and_reaches_the_caller() {
    let (panic, mut done) = with_deadline(|| {
        let mut done = Vec::new();
        let work = |_, job: usize| if job == 3 { panic!("job 3") } else { job };
        let panic = panic_of(|| pool(2, 1).run(0..100, work, |results| done.extend(results)));
        (panic, done)
    });
    assert_eq!(panic, "job 3");
    done.sort_unstable();
    let others = (0..100).filter(|&job| job != 3);
    assert_eq!(done, Vec::from_iter(others), "the other worker does these");
}

#[test]
fn a_panic_in_every_worker_ends_the_results() {
    let panic = with_deadline(|| {
        let work = |_, _| panic!("every job");
        panic_of(|| pool(2, 1).run(0.., work, |results| results.for_each(drop::<()>)))
    });
    assert_eq!(panic, "every job");
}

#[test]
fn a_panic_while_reading_ends_the_pool() {
    let (panic, started) = with_deadline(|| {
        let started = AtomicUsize::new(0);
        let work = |_, _: usize| started.fetch_add(1, Relaxed);
        let read = |results: &mut dyn Iterator<Item = usize>| {
            results.next();
            panic!("no more results, please");
        };
        let panic = panic_of(|| pool(3, 1).run(0.., work, read));
        (panic, started.into_inner())
    });
    assert_eq!(panic, "no more results, please");
    assert!(started <= 1 + 1 + 3 + 3, "{started} jobs started");
}

#[test]
fn a_panic_in_the_jobs_closes_the_queue() {
    let (panic, done) = with_deadline(|| {
        let mut done = Vec::new();
        let jobs = (0..).inspect(|&job| assert!(job < 3, "no more jobs, please"));
        let read = |results: &mut dyn Iterator<Item = usize>| done.extend(results);
        let panic = panic_of(|| pool(1, 1).run(jobs, |_, job| job, read));
        (panic, done)
    });
    assert_eq!(panic, "no more jobs, please");
    assert_eq!(done, [0, 1, 2], "what was submitted is done");
}

/// A crawler is made like this: results give new jobs, so `read` owns the jobs' sender.
#[test]
fn a_panic_ends_the_pool_although_the_reading_owns_the_sender_of_the_jobs() {
    let while_reading = with_deadline(|| {
        let (submit, jobs) = unbounded();
        submit.send(1).expect("`jobs` is there");
        let read = move |results: &mut dyn Iterator<Item = usize>| {
            let page = results.next().expect("there is a job");
            submit.send(page).expect("the pool takes jobs");
            panic!("while reading");
        };
        panic_of(|| pool(2, 1).run(jobs, |_, page| page, read))
    });
    assert_eq!(while_reading, "while reading");

    let in_every_worker = with_deadline(|| {
        let (submit, jobs) = unbounded();
        (0..2).for_each(|page| submit.send(page).expect("`jobs` is there"));
        let read = move |results: &mut dyn Iterator<Item = usize>| {
            results.for_each(|page| submit.send(page).expect("the pool takes jobs"));
        };
        let work = |_, _| panic!("in every worker");
        panic_of(|| pool(2, 1).run(jobs, work, read))
    });
    assert_eq!(in_every_worker, "in every worker");
}
