//! What makes it a pool.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Barrier;
use std::{io, thread};

use basic::Pool;
use crossbeam::channel::{bounded, unbounded};
use testing::{Counter, not_zero, panic_of, with_deadline};

/// More jobs than any pool here takes before it ends.
const MANY: usize = 100_000;

fn pool(workers: usize, capacity: usize) -> Pool {
    Pool {
        workers: not_zero(workers),
        capacity: not_zero(capacity),
    }
}

/// Each job ends when three more have been taken: the other worker's, one in the full queue, and one that waits for room.
#[test]
fn every_job_gives_one_result() {
    let mut results = with_deadline(|| {
        let (taken, mut results) = (Counter::default(), Vec::new());
        let jobs = (0..300).inspect(|_| taken.add_one());
        let work = |_, job: usize| {
            taken.wait_for((job + 4).min(300));
            job
        };
        pool(2, 1)
            .run(jobs, work, |job| results.push(job))
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
            .run(0..5, work, |worker| ids.push(worker))
            .expect("threads can be started");
        ids.sort_unstable();
        ids
    });
    assert_eq!(ids, [1, 2, 3, 4, 5]);
}

/// Each job is the result before it, so a result must not wait for other jobs.
#[test]
fn a_result_comes_as_soon_as_its_job_is_done() {
    let last = with_deadline(|| {
        let (submit, jobs) = unbounded();
        submit.send(1).expect("`jobs` is there");
        let (mut submit, mut last) = (Some(submit), 0);
        let on_result = |result| {
            last = result;
            match &submit {
                Some(jobs) if result < 1000 => jobs.send(result).expect("the pool takes jobs"),
                _ => submit = None, // no more jobs
            }
        };
        pool(3, 100)
            .run(jobs, |_, job| job * 2, on_result)
            .expect("threads can be started");
        last
    });
    assert_eq!(last, 1024);
}

/// Two workers with a job each, one of which panics. The other one does all that is left.
#[test]
fn a_panic_in_a_job_costs_one_worker_and_reaches_the_caller() {
    for panicking in [1, 2] {
        let (panic, mut done) = with_deadline(move || {
            let everyone = Barrier::new(2);
            let mut done = Vec::new();
            let work = |worker, job| {
                if job < 2 {
                    everyone.wait();
                    assert!(worker != panicking, "worker {worker}");
                }
                job
            };
            let panic = panic_of(|| pool(2, 1).run(0..100, work, |job: usize| done.push(job)));
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
        let everyone = Barrier::new(2);
        let work = |worker, _| -> usize {
            everyone.wait(); // both panic at once
            panic_any(worker)
        };
        let in_work = thrown(&|| pool(2, 1).run(0..2, work, drop));
        assert!([1, 2].contains(&in_work), "{in_work}");

        let jobs = || {
            (0..).inspect(|&job| {
                if job == 3 {
                    panic_any(job)
                }
            })
        };
        let in_jobs = thrown(&|| pool(2, 1).run(jobs(), |_, job: usize| job, drop));
        assert_eq!(in_jobs, 3);

        let in_on_result =
            thrown(&|| pool(2, 1).run(7..8, |_, job| job, |job: usize| panic_any(job)));
        assert_eq!(in_on_result, 7);
    });
}

#[test]
fn a_panic_in_every_worker_ends_the_pool() {
    let panic = with_deadline(|| {
        let work = |_, _| panic!("every job");
        panic_of(|| pool(2, 1).run(0..MANY, work, |()| {}))
    });
    assert_eq!(panic, "every job");
}

/// The jobs go on until their receiver is dropped, or until there are too many.
#[test]
fn with_no_worker_left_the_other_jobs_are_dropped() {
    let (panic, submitted) = with_deadline(|| {
        let (submit, jobs) = bounded(1);
        thread::scope(|scope| {
            let submitted = scope.spawn(move || {
                let refused = (0..MANY).find(|&job| submit.send(job).is_err());
                refused.unwrap_or(MANY)
            });
            let work = |_, _| panic!("every job");
            let panic = panic_of(|| pool(2, 1).run(jobs, work, |()| {}));
            (panic, submitted.join().expect("it does not panic"))
        })
    });
    assert_eq!(panic, "every job");
    assert!(
        submitted < MANY,
        "all jobs are taken, although no worker is left"
    );
}

/// Workers may only go on with the jobs that they took before they noticed.
#[test]
fn a_panic_in_the_callback_ends_the_pool() {
    let (panic, started) = with_deadline(|| {
        let (started, panics) = (Counter::default(), Counter::default());
        let work = |_, job: usize| {
            started.add_one();
            if job >= 10 {
                panics.wait_for(1);
                thread::yield_now();
            }
        };
        let on_result = |()| {
            panics.add_one();
            panic!("no more results, please");
        };
        let panic = panic_of(|| pool(3, 1).run(0..MANY, work, on_result));
        (panic, started.count())
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
        let panic = panic_of(|| pool(1, 1).run(jobs, |_, job: usize| job, |job| done.push(job)));
        (panic, done)
    });
    assert_eq!(panic, "no more jobs, please");
    assert_eq!(done, [0, 1, 2], "what was submitted is done");
}

/// A crawler is made like this: results give new jobs, so the callback owns the jobs' sender.
#[test]
fn a_panic_ends_the_pool_although_the_callback_owns_the_sender_of_the_jobs() {
    let in_the_callback = with_deadline(|| {
        let (submit, jobs) = unbounded();
        submit.send(1).expect("`jobs` is there");
        let on_result = move |page: usize| {
            submit.send(page).expect("the pool takes jobs");
            panic!("in the callback");
        };
        panic_of(|| pool(2, 1).run(jobs, |_, page| page, on_result))
    });
    assert_eq!(in_the_callback, "in the callback");

    for workers in [1, 2] {
        let in_every_worker = with_deadline(move || {
            let (submit, jobs) = unbounded();
            (0..workers).for_each(|page| submit.send(page).expect("`jobs` is there"));
            let on_result = move |page| submit.send(page).expect("the pool takes jobs");
            let work = |_, _| -> usize { panic!("in every worker") };
            panic_of(|| pool(workers, 1).run(jobs, work, on_result))
        });
        assert_eq!(in_every_worker, "in every worker");
    }
}
