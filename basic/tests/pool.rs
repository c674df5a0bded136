//! What makes it a pool.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use basic::Pool;
use crossbeam::channel::unbounded;
use testing::{not_zero, panic_of, with_deadline};

fn pool(workers: usize, capacity: usize) -> Pool {
    Pool {
        workers: not_zero(workers),
        capacity: not_zero(capacity),
    }
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
        panic_of(|| pool(2, 1).run(0.., work, |()| {}))
    });
    assert_eq!(panic, "every job");
}

/// The jobs in flight end, and no others start than those that the workers took before they noticed.
#[test]
fn a_panic_in_the_callback_ends_the_pool() {
    let (panic, started) = with_deadline(|| {
        let started = AtomicUsize::new(0);
        let on_result = |_| panic!("no more results, please");
        let work = |_, _: usize| started.fetch_add(1, Relaxed);
        let panic = panic_of(|| pool(3, 1).run(0.., work, on_result));
        (panic, started.into_inner())
    });
    assert_eq!(panic, "no more results, please");
    let most = 1 + 1 + 3 + 3; // read, waiting, without room, and the last one of each worker
    assert!(started <= most, "{started} jobs started");
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
