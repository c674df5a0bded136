//! What the caller can do with the results, and how they end.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::ThreadId;
use std::time::{Duration, Instant};
use std::{io, thread};

use crossbeam::channel::{bounded, unbounded};
use testing::{Counter, not_zero, panic_of, with_deadline};
use waitgroup::Pool;

/// More jobs than any pool here takes before it ends.
const MANY: usize = 100_000;

fn pool(workers: usize, capacity: usize) -> Pool {
    Pool {
        workers: not_zero(workers),
        capacity: not_zero(capacity),
    }
}

#[test]
fn every_job_gives_one_result() {
    let mut results = with_deadline(|| {
        let mut results = Vec::new();
        pool(2, 1)
            .run(0..300, |_, job| job, |all| results.extend(all))
            .expect("threads can be started");
        results
    });
    results.sort_unstable();
    assert_eq!(results, Vec::from_iter(0..300));
}

/// Each worker has one of the jobs, as these wait for each other.
#[test]
fn workers_have_the_ids_from_1_on() {
    let ids = with_deadline(|| {
        let everyone = Barrier::new(5);
        let work = |worker: usize, _| {
            everyone.wait();
            worker
        };
        let mut ids = Vec::new();
        pool(5, 1)
            .run(0..5, work, |all| ids.extend(all))
            .expect("threads can be started");
        ids.sort_unstable();
        ids
    });
    assert_eq!(ids, [1, 2, 3, 4, 5]);
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
            let read = |results: &mut dyn Iterator<Item = usize>| seen.extend(results.take(number));
            pool(workers, capacity)
                .run(0..MANY, |_, job| job, read)
                .expect("threads can be started");
            seen
        });
        assert_eq!(results.len(), number);
    }
}

/// Three workers. Two results are read, four wait to be read, and three have no room. Then nothing more is read, so the
/// pool ends, although each unread result takes its time when it is dropped: until then, or until another job starts.
#[test]
fn no_job_starts_once_reading_has_stopped() {
    struct SetAtEnd<'a>(&'a AtomicBool);
    impl Drop for SetAtEnd<'_> {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    struct Unread<'a>(&'a Counter, &'a AtomicBool, ThreadId);
    impl Drop for Unread<'_> {
        fn drop(&mut self) {
            let start = Instant::now();
            let patience = Duration::from_secs(2); // a pool may drop results before its workers know
            let Self(started, has_ended, caller) = self;
            while thread::current().id() == *caller // a worker drops the one that it cannot send
                && started.count() < 10
                && !has_ended.load(SeqCst)
                && start.elapsed() < patience
            {
                thread::yield_now();
            }
        }
    }

    let started = with_deadline(|| {
        let (started, has_ended) = (Counter::default(), AtomicBool::new(false));
        let (at_end, caller) = (SetAtEnd(&has_ended), thread::current().id());
        let jobs = (0..MANY).inspect(move |_| _ = &at_end);
        let work = |_, _| {
            started.add_one();
            Unread(&started, &has_ended, caller)
        };
        let read = |results: &mut dyn Iterator<Item = Unread<'_>>| {
            results.take(2).for_each(std::mem::forget);
            started.wait_for(2 + 4 + 3);
        };
        pool(3, 4)
            .run(jobs, work, read)
            .expect("threads can be started");
        started.count()
    });
    assert_eq!(started, 2 + 4 + 3);
}

/// The jobs that are left are not taken, and `run` waits for the one that `jobs` is about to yield.
#[test]
fn once_reading_has_stopped_the_other_jobs_are_dropped() {
    let submitted = with_deadline(|| {
        let (submit, jobs) = bounded(1);
        thread::scope(|scope| {
            let submitted = scope.spawn(move || {
                let refused = (0..MANY).find(|&job| submit.send(job).is_err());
                refused.unwrap_or(MANY)
            });
            pool(2, 1)
                .run(jobs, |_, job| job, |results| _ = results.next())
                .expect("threads can be started");
            submitted.join().expect("it does not panic")
        })
    });
    assert!(
        submitted < MANY,
        "all jobs are taken, although no result is read"
    );
}

/// Two workers with a job each, one of which panics. The other one does all that is left.
#[test]
fn a_panic_in_a_job_costs_one_worker_and_reaches_the_caller() {
    for panicking in [1, 2] {
        let (panic, mut done) = with_deadline(move || {
            let everyone = Barrier::new(2);
            let mut done = Vec::new();
            let work = |worker, job: usize| {
                if job < 2 {
                    everyone.wait();
                    assert!(worker != panicking, "worker {worker}");
                }
                job
            };
            let panic = panic_of(|| pool(2, 1).run(0..100, work, |results| done.extend(results)));
            (panic, done)
        });
        assert_eq!(panic, format!("worker {panicking}"));
        assert_eq!(done.len(), 99, "the other worker does these");
        done.sort_unstable();
        done.dedup();
        assert_eq!(done.len(), 99, "each of them once");
    }
}

/// What is thrown is a number, and not a text about it.
#[test]
fn the_caller_gets_the_panic_as_it_is() {
    let thrown = |run: &dyn Fn() -> io::Result<()>| {
        let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("the caller gets the panic");
        *panic.downcast::<usize>().expect("it is the number")
    };
    with_deadline(move || {
        let read_all = |results: &mut dyn Iterator<Item = usize>| results.for_each(drop);
        let everyone = Barrier::new(2);
        let work = |worker, _| -> usize {
            everyone.wait(); // both panic at once
            panic_any(worker)
        };
        let in_work = thrown(&|| pool(2, 1).run(0..2, work, read_all));
        assert!([1, 2].contains(&in_work), "{in_work}");

        let jobs = || {
            (0..).inspect(|&job| {
                if job == 3 {
                    panic_any(job)
                }
            })
        };
        let in_jobs = thrown(&|| pool(2, 1).run(jobs(), |_, job: usize| job, read_all));
        assert_eq!(in_jobs, 3);

        let read =
            |results: &mut dyn Iterator<Item = usize>| panic_any(results.next().unwrap_or(0));
        let in_read = thrown(&|| pool(2, 1).run(7..8, |_, job: usize| job, read));
        assert_eq!(in_read, 7);
    });
}

#[test]
fn a_panic_in_every_worker_ends_the_results() {
    let panic = with_deadline(|| {
        let work = |_, _| panic!("every job");
        panic_of(|| pool(2, 1).run(0..MANY, work, |results| results.for_each(drop::<()>)))
    });
    assert_eq!(panic, "every job");
}

/// Workers may only go on with the jobs that they took before they noticed.
#[test]
fn a_panic_while_reading_ends_the_pool() {
    let (panic, started) = with_deadline(|| {
        let (started, panics) = (AtomicUsize::new(0), Counter::default());
        let work = |_, job: usize| {
            started.fetch_add(1, SeqCst);
            if job >= 10 {
                panics.wait_for(1);
                thread::yield_now();
            }
        };
        let read = |results: &mut dyn Iterator<Item = ()>| {
            results.next();
            panics.add_one();
            panic!("no more results, please");
        };
        let panic = panic_of(|| pool(3, 1).run(0..MANY, work, read));
        (panic, started.into_inner())
    });
    assert_eq!(panic, "no more results, please");
    assert!(
        started < MANY,
        "all jobs are done, although no result is read"
    );
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

    for workers in [1, 2] {
        let in_every_worker = with_deadline(move || {
            let (submit, jobs) = unbounded();
            (0..workers).for_each(|page| submit.send(page).expect("`jobs` is there"));
            let read = move |results: &mut dyn Iterator<Item = usize>| {
                results.for_each(|page| submit.send(page).expect("the pool takes jobs"));
            };
            let work = |_, _| panic!("in every worker");
            panic_of(|| pool(workers, 1).run(jobs, work, read))
        });
        assert_eq!(in_every_worker, "in every worker");
    }
}
