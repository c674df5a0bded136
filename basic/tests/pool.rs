//! What makes it a pool.

use std::cell::Cell;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

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
                .run(jobs, work, drop)
                .expect("threads can be started");
            assert_eq!(ENDED.load(Relaxed), round * 4, "a thread still runs");
        }
    });
}

#[test]
fn a_panic_in_a_job_costs_one_worker_and_reaches_the_caller() {
    let (panic, mut done) = with_deadline(|| {
        let mut done = Vec::new();
        let work = |_, job| if job == 3 { panic!("job 3") } else { job };
        let panic = panic_of(|| pool(2, 1).run(0..100, work, |job: usize| done.push(job)));
        (panic, done)
    });
    assert_eq!(panic, "job 3");
    done.sort_unstable();
    let others = (0..100).filter(|&job| job != 3);
    assert_eq!(done, Vec::from_iter(others), "the other worker does these");
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

    let in_every_worker = with_deadline(|| {
        let (submit, jobs) = unbounded();
        (0..2).for_each(|page| submit.send(page).expect("`jobs` is there"));
        let on_result = move |page| submit.send(page).expect("the pool takes jobs");
        let work = |_, _| -> usize { panic!("in every worker") };
        panic_of(|| pool(2, 1).run(jobs, work, on_result))
    });
    assert_eq!(in_every_worker, "in every worker");
}
