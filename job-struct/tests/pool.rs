//! What a job and its handle promise each other, and the pool that carries jobs.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::path::Path;
use std::rc::Rc;
use std::sync::{Barrier, Mutex};
use std::{fs, thread};

use crossbeam::channel::unbounded;
use job_struct::{Job, JobHandle, Pool};
use oneshot::RecvError as Lost;
use testing::{not_zero, panic_of, with_deadline};

fn pool(workers: usize, capacity: usize) -> Pool {
    Pool {
        workers: not_zero(workers),
        capacity: not_zero(capacity),
    }
}

/// `number` jobs that each hold their own number, and their handles.
fn jobs(number: usize) -> (Vec<Job<usize, usize>>, Vec<JobHandle<usize>>) {
    (0..number).map(Job::new).unzip()
}

fn wait_for_all(handles: Vec<JobHandle<usize>>) -> Vec<Result<usize, Lost>> {
    handles.into_iter().map(JobHandle::wait).collect()
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

/// A job may take an hour. That `wait` has no timeout is seen in the source, as no test waits so long.
#[test]
fn wait_waits_as_long_as_the_job_takes() {
    for file in ["job.rs", "lib.rs"] {
        let path = format!("{}/src/{file}", env!("CARGO_MANIFEST_DIR"));
        let source = fs::read_to_string(path).expect("the step has this file");
        let code = source.lines().filter_map(|line| line.split("//").next());
        for line in code {
            for time in ["timeout", "deadline", "sleep", "Instant", "Duration"] {
                assert!(!line.contains(time), "src/{file} waits for a time: {line}");
            }
        }
    }
}

/// What `wait` returns if `then` comes when its thread sleeps: whether it slept, whether it had ended before, and the result.
fn while_a_thread_waits(
    then: fn(Job<usize, usize>),
) -> (bool, bool, thread::Result<Result<usize, Lost>>) {
    with_deadline(move || {
        let (job, handle) = Job::new(21);
        let (tell, thread) = unbounded();
        let waits = thread::spawn(move || {
            let link = fs::read_link("/proc/thread-self"); // Linux tells
            tell.send(link.unwrap_or_default()).expect("it is read");
            handle.wait()
        });
        let thread = Path::new("/proc").join(thread.recv().expect("it is sent"));
        let is_asleep = || {
            let status = fs::read_to_string(thread.join("status"));
            status.is_ok_and(|status| status.contains("State:\tS"))
        };
        let has_slept = (0..2000).any(|_| {
            thread::yield_now();
            waits.is_finished() || is_asleep()
        });
        let has_ended = waits.is_finished();
        then(job);
        (has_slept, has_ended, waits.join())
    })
}

/// The thread that waits comes to sleep, and not to an end, before its job is done.
#[cfg(target_os = "linux")]
#[test]
fn wait_sleeps_until_the_result_comes() {
    let (has_slept, has_ended, result) =
        while_a_thread_waits(|job| job.complete(|number| number * 2));
    let result = result.expect("`wait` does not panic");
    assert!(has_slept, "`wait` asks again and again");
    assert!(
        !has_ended,
        "`wait` returned {result:?} before the job was done"
    );
    assert_eq!(result, Ok(42));
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

#[test]
fn a_job_that_is_lost_wakes_the_thread_that_waits_for_it() {
    let (_, _, result) = while_a_thread_waits(drop);
    assert_eq!(result.expect("`wait` does not panic"), Err(Lost));
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

/// Each worker has one of the jobs, as these wait for each other.
#[test]
fn workers_have_the_ids_from_1_on() {
    let ids = with_deadline(|| {
        let everyone = Barrier::new(5);
        let work = |worker, job: Job<(), usize>| {
            everyone.wait();
            job.complete(|()| worker);
        };
        let (jobs, handles): (Vec<_>, Vec<_>) = (0..5).map(|_| Job::new(())).unzip();
        pool(5, 1).run(jobs, work).expect("threads can be started");
        wait_for_all(handles)
    });
    let ids = ids.into_iter().map(|id| id.expect("no job is lost"));
    assert_eq!(BTreeSet::from_iter(ids), BTreeSet::from([1, 2, 3, 4, 5]));
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

/// Both workers have a job. One of them panics, or both do at once; what they panic with is no text.
#[test]
fn a_panic_reaches_the_caller_as_it_is() {
    for panicking in [&[1][..], &[2], &[1, 2]] {
        let payload = with_deadline(move || {
            let both = Barrier::new(2);
            let work = |worker: usize, _| {
                both.wait();
                if panicking.contains(&worker) {
                    panic_any(worker);
                }
            };
            catch_unwind(AssertUnwindSafe(|| pool(2, 2).run(0..2, work)))
        });
        let payload = payload.expect_err("the caller learns of the panic");
        let payload = payload.downcast::<usize>().expect("it is as it was");
        assert!(panicking.contains(&payload), "{payload} of {panicking:?}");
    }
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
