//! What a job and its handle promise each other, and the pool that carries jobs.

use std::any::Any;
use std::cell::Cell;
use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Duration;

use crossbeam::channel::unbounded;
use job_struct::{Job, JobHandle, Pool};
use oneshot::RecvError as Lost;

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

/// `number` jobs that each hold their own number, and their handles.
fn jobs(number: usize) -> (Vec<Job<usize, usize>>, Vec<JobHandle<usize>>) {
    (0..number).map(Job::new).unzip()
}

fn wait_for_all(handles: Vec<JobHandle<usize>>) -> Vec<Result<usize, Lost>> {
    handles.into_iter().map(JobHandle::wait).collect()
}

/// The text of the panic that `run` ends with.
fn panic_of<T>(run: impl FnOnce() -> T) -> String {
    let outcome = panic::catch_unwind(AssertUnwindSafe(run)).map(drop);
    let payload: Box<dyn Any + Send> = outcome.expect_err("the caller learns of the panic");
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .expect("the panics of these tests are texts")
}

#[test]
fn the_kind_of_the_job_is_the_kind_of_its_result() {
    enum AnyJob {
        Number(Job<u64, u64>),
        Text(Job<&'static str, String>),
    }

    let (number, text) = with_deadline(|| {
        let (number, doubled) = Job::new(21);
        let (text, greeting) = Job::new("you");
        let work = |_, job| match job {
            AnyJob::Number(job) => job.complete(|number| number * 2),
            AnyJob::Text(job) => job.complete(|name| format!("hello, {name}")),
        };
        pool(2, 1)
            .run([AnyJob::Number(number), AnyJob::Text(text)], work)
            .expect("threads can be started");
        (doubled.wait(), greeting.wait())
    });
    assert_eq!(number, Ok(42));
    assert_eq!(text.as_deref(), Ok("hello, you"));
}

/// A worker that waited for its result to be read would never come to the last job.
#[test]
fn results_can_be_waited_for_in_any_order() {
    let results = with_deadline(|| {
        let (jobs, mut handles) = jobs(10);
        handles.reverse();
        thread::scope(|scope| {
            let work = |_, job: Job<_, _>| job.complete(|job| job);
            let run = scope.spawn(move || pool(2, 1).run(jobs, work));
            let results = wait_for_all(handles);
            run.join()
                .expect("no panic")
                .expect("threads can be started");
            results
        })
    });
    assert_eq!(results, Vec::from_iter((0..10).rev().map(Ok)));
}

/// Each job is the result before it, so the pool is still open when the result comes.
#[test]
fn a_result_comes_as_soon_as_its_job_is_done() {
    let last = with_deadline(|| {
        thread::scope(|scope| {
            let (submit, jobs) = unbounded();
            let work = |_, job: Job<_, _>| job.complete(|job| job * 2);
            let run = scope.spawn(move || pool(3, 100).run(jobs, work));
            let mut last = 1;
            while last < 1000 {
                let (job, handle) = Job::new(last);
                submit.send(job).expect("the pool takes jobs");
                last = handle.wait().expect("no job is lost");
            }
            drop(submit);
            run.join()
                .expect("no panic")
                .expect("threads can be started");
            last
        })
    });
    assert_eq!(last, 1024);
}

/// The handle of job 0 is dropped before the job is done, of job 1 meanwhile, of job 2 afterwards.
#[test]
fn a_job_whose_handle_is_dropped_is_done_all_the_same() {
    let (done, kept) = with_deadline(|| {
        let (jobs, handles) = jobs(4);
        let [before, meanwhile, afterwards, kept] =
            <[_; 4]>::try_from(handles).expect("there are 4 handles");

        drop(before);
        let meanwhile = Mutex::new(Some(meanwhile));
        let done = Mutex::new(Vec::new());
        let work = |_, job: Job<_, _>| {
            job.complete(|job| {
                if job == 1 {
                    drop(meanwhile.lock().expect("no panic").take());
                }
                done.lock().expect("no panic").push(job);
                job
            });
        };
        pool(1, 1).run(jobs, work).expect("threads can be started");
        drop(afterwards);
        (done.into_inner().expect("no panic"), kept.wait())
    });
    assert_eq!(done, [0, 1, 2, 3]);
    assert_eq!(kept, Ok(3));
}

/// The first job is never submitted, and the others are dropped by the work.
#[test]
fn a_job_that_is_dropped_is_lost() {
    let results = with_deadline(|| {
        let (jobs, handles) = jobs(4);
        pool(1, 1)
            .run(jobs.into_iter().skip(1), |_, job| drop(job))
            .expect("threads can be started");
        wait_for_all(handles)
    });
    assert_eq!(results, [Err(Lost); 4]);
}

/// Someone may be waiting when that happens.
#[test]
fn a_job_that_is_lost_wakes_who_waits_for_it() {
    let result = with_deadline(|| {
        let (job, handle) = Job::<_, usize>::new(0);
        thread::scope(|scope| {
            let waits = scope.spawn(|| handle.wait());
            (0..100).for_each(|_| thread::yield_now()); // an invitation to wait first
            drop(job);
            waits.join().expect("no panic")
        })
    });
    assert_eq!(result, Err(Lost));
}

/// An `Rc` cannot be sent to another thread.
#[test]
fn the_calling_thread_takes_the_jobs_from_the_iterator() {
    with_deadline(|| {
        let taken = Rc::new(());
        let (jobs, handles) = jobs(10);
        let jobs = jobs.into_iter().inspect(|_| _ = taken.clone());
        let work = |_, job: Job<_, _>| job.complete(|job| job);
        pool(2, 1).run(jobs, work).expect("threads can be started");
        assert_eq!(wait_for_all(handles), Vec::from_iter((0..10).map(Ok)));
    });
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

    with_deadline(move || {
        for round in 1..=10 {
            let everyone = Barrier::new(3);
            let work = |worker: usize, _| {
                everyone.wait();
                ON_THIS_THREAD.with(|it| it.0.set(worker * 5));
            };
            pool(3, 1).run(0..3, work).expect("threads can be started");
            assert_eq!(ENDED.load(Relaxed), round * 3, "a thread still runs");
        }
    });
}

#[test]
fn a_panic_in_a_job_loses_its_result_and_one_worker() {
    let (panic, results) = with_deadline(|| {
        let (jobs, handles) = jobs(100);
        let work = |_, job: Job<_, _>| {
            job.complete(|job| if job == 3 { panic!("job 3") } else { job });
        };
        let panic = panic_of(|| pool(2, 1).run(jobs, work));
        (panic, wait_for_all(handles))
    });
    assert_eq!(panic, "job 3", "it reaches the caller");
    let expected = (0..100).map(|job| if job == 3 { Err(Lost) } else { Ok(job) });
    let expected = Vec::from_iter(expected);
    assert_eq!(results, expected, "the other worker does the other jobs");
}

#[test]
fn a_panic_in_every_worker_ends_the_pool() {
    for capacity in [1, 100] {
        let (panic, results) = with_deadline(move || {
            let (jobs, handles) = jobs(10);
            let work = |_, _| panic!("every job");
            let panic = panic_of(|| pool(2, capacity).run(jobs, work));
            (panic, wait_for_all(handles))
        });
        assert_eq!(panic, "every job");
        assert_eq!(results, [Err(Lost); 10]);
    }

    let without_end = with_deadline(|| {
        let jobs = (0..).map(|number| Job::<usize, usize>::new(number).0);
        panic_of(|| pool(2, 1).run(jobs, |_, _| panic!("every job")))
    });
    assert_eq!(without_end, "every job");
}

#[test]
fn a_panic_in_the_jobs_closes_the_queue() {
    let (panic, results) = with_deadline(|| {
        let (jobs, handles) = jobs(5);
        let jobs = jobs.into_iter().enumerate().map(|(number, job)| {
            assert!(number < 3, "no more jobs, please");
            job
        });
        let work = |_, job: Job<_, _>| job.complete(|job| job);
        let panic = panic_of(|| pool(2, 1).run(jobs, work));
        (panic, wait_for_all(handles))
    });
    assert_eq!(panic, "no more jobs, please");
    assert_eq!(results, [Ok(0), Ok(1), Ok(2), Err(Lost), Err(Lost)]);
}
