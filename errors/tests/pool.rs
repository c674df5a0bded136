//! What makes it a pool, and what becomes of each job.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;
use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::sync::{Barrier, Mutex};
use std::time::Duration;
use std::{fmt, iter, thread};

use crossbeam::channel::{bounded, unbounded};
use errors::{JobError, OnFailure, Pool};

fn pool(workers: usize, capacity: usize, on_failure: OnFailure) -> Pool {
    let not_zero = |n| NonZeroUsize::new(n).expect("tests ask for at least 1");
    Pool {
        workers: not_zero(workers),
        capacity: not_zero(capacity),
        on_failure,
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

/// An error with a cause, which may have one too.
#[derive(Debug)]
struct Failed(&'static str, Option<Box<Failed>>);

impl Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|cause| cause as _)
    }
}

/// The error and all its causes.
fn chain(error: &dyn Error) -> String {
    let chain = iter::successors(Some(error), |&error| error.source());
    Vec::from_iter(chain.map(ToString::to_string)).join(" < ")
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("a panic in a panic");
    }
}

/// One worker survives everything that can become of a job.
#[test]
fn one_worker_takes_the_jobs_in_order() {
    let transcript = with_deadline(|| {
        let (work, results) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let say = |lines: &Mutex<Vec<String>>, line| lines.lock().expect("no panic").push(line);

        let unstarted = pool(1, 2, OnFailure::Continue)
            .run(
                1..=8,
                |worker, &job| {
                    say(&work, format!("worker {worker}: job {job}"));
                    match job {
                        2 => Err(Failed("no cause", None)),
                        3 => {
                            let root = Failed("the disk is full", None);
                            let cause = Failed("cannot write", Some(root.into()));
                            Err(Failed("cannot save", Some(cause.into())))
                        }
                        4 => panic!("text"),
                        5 => panic_any(String::from("owned text")),
                        6 => panic_any(6),
                        7 => panic_any(PanicsWhenDropped),
                        _ => Ok(job * 2),
                    }
                },
                |job, result| match result {
                    Ok(result) => say(&results, format!("job {job}: result {result}")),
                    Err(error) => say(&results, format!("job {job}: {}", chain(&error))),
                },
            )
            .expect("threads can be started");
        assert_eq!(unstarted.count(), 0);
        [work, results]
            .map(|lines| lines.into_inner().expect("no panic").join("\n"))
            .join("\n")
    });
    insta::assert_snapshot!(transcript, @r"
    worker 1: job 1
    worker 1: job 2
    worker 1: job 3
    worker 1: job 4
    worker 1: job 5
    worker 1: job 6
    worker 1: job 7
    worker 1: job 8
    job 1: result 2
    job 2: no cause
    job 3: cannot save < cannot write < the disk is full
    job 4: panicked: text
    job 5: panicked: owned text
    job 6: panicked: no message
    job 7: panicked: no message
    job 8: result 16
    ");
}

#[test]
fn a_failure_and_a_panic_are_told_apart() {
    let results = with_deadline(|| {
        let mut results = Vec::new();
        let work = |_, &failed: &bool| match failed {
            true => Err("text"),
            false => panic!("text"),
        };
        let on_result = |_, result: Result<(), _>| results.push(result);
        let unstarted = pool(1, 1, OnFailure::Continue)
            .run([true, false], work, on_result)
            .expect("threads can be started");
        assert_eq!(unstarted.count(), 0);
        results
    });
    insta::assert_debug_snapshot!(results, @r#"
    [
        Err(
            Failed(
                "text",
            ),
        ),
        Err(
            Panicked(
                "text",
            ),
        ),
    ]
    "#);
}

/// The jobs can only end if all of them have started.
#[test]
fn as_many_jobs_run_at_once_as_there_are_workers() {
    for workers in [1, 2, 3, 16] {
        with_deadline(move || {
            let everyone = Barrier::new(workers);
            let work = |_, _: &_| Err::<(), _>(everyone.wait());
            let unstarted = pool(workers, 1, OnFailure::Continue)
                .run(0..workers * 3, work, |_, _| {})
                .expect("threads can be started");
            assert_eq!(unstarted.count(), 0);
        });
    }
}

#[test]
fn never_more_jobs_run_at_once_than_there_are_workers() {
    for (workers, capacity) in [(1, 100), (2, 1), (3, 100), (8, 3)] {
        let peak = with_deadline(move || {
            let (in_flight, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let work = |_, job: &usize| {
                peak.fetch_max(in_flight.fetch_add(1, Relaxed) + 1, Relaxed);
                thread::yield_now(); // an invitation to start one too many
                in_flight.fetch_sub(1, Relaxed);
                if job.is_multiple_of(3) {
                    Err(())
                } else {
                    Ok(())
                }
            };
            let unstarted = pool(workers, capacity, OnFailure::Continue)
                .run(0..100, work, |_, _| {})
                .expect("threads can be started");
            assert_eq!(unstarted.count(), 0);
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

/// Two workers; the test says when each job fails, and sees who takes the next one.
#[test]
fn whoever_is_free_first_takes_the_next_job() {
    let log = with_deadline(|| {
        let (started, starts) = unbounded();
        let gates: Vec<_> = (0..5).map(|_| bounded::<()>(0)).collect();
        let work = |worker: usize, &job: &usize| {
            started
                .send((worker, job))
                .expect("the test listens until the end");
            gates[job].1.recv().expect("the test holds the gates");
            Err::<(), _>("every job fails")
        };

        thread::scope(|scope| {
            let run = scope.spawn(|| {
                let pool = pool(2, 100, OnFailure::Continue);
                pool.run(0..5, work, |_, _| {}).map(Iterator::count)
            });
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
                .expect("threads can be started");
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

/// Which jobs succeeded, which failed, and which were never started.
type Fates = (Vec<usize>, Vec<usize>, Vec<usize>);

/// Jobs 3, 7, 8, 13, 17, 18, ... fail. Reads no more than 1000 jobs that were never started.
fn fates(pool: Pool, jobs: impl Iterator<Item = usize> + Send + 'static) -> Fates {
    let fails = |job| matches!(job % 10, 3 | 7 | 8);
    with_deadline(move || {
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        let work = |_, &job: &usize| if fails(job) { Err(job) } else { Ok(job) };
        let on_result = |job, result| match result {
            Ok(same) => done.push((job, same)),
            Err(JobError::Failed(same)) => failed.push((job, same)),
            Err(JobError::Panicked(message)) => panic!("{message}"),
        };
        let unstarted = pool
            .run(jobs, work, on_result)
            .expect("threads can be started");
        let unstarted = unstarted.take(1000).collect();

        for (job, same) in done.iter().chain(&failed) {
            assert_eq!(job, same, "each job comes back with its own result");
        }
        let [done, failed] = [done, failed].map(|jobs| {
            let mut jobs = Vec::from_iter(jobs.into_iter().map(|(job, _)| job));
            jobs.sort_unstable();
            jobs
        });
        assert!(done.iter().all(|&job| !fails(job)));
        assert!(failed.iter().all(|&job| fails(job)));
        (done, failed, unstarted)
    })
}

fn merged(done: Vec<usize>, failed: Vec<usize>) -> Vec<usize> {
    let mut jobs = [done, failed].concat();
    jobs.sort_unstable();
    jobs
}

const SIZES: [(usize, usize); 8] = [
    (1, 1),
    (1, 100),
    (2, 1),
    (2, 3),
    (3, 2),
    (3, 100),
    (8, 1),
    (8, 20),
];

#[test]
fn every_job_is_done_once_at_any_capacity() {
    for (workers, capacity) in SIZES {
        for jobs in [0, 1, 3, 4, 500] {
            let pool = pool(workers, capacity, OnFailure::Continue);
            let (done, failed, unstarted) = fates(pool, 0..jobs);
            assert_eq!(merged(done, failed), Vec::from_iter(0..jobs), "{pool:?}");
            assert_eq!(unstarted, [], "{pool:?}");
        }
    }
}

/// Every job succeeded, failed, or comes back: in order, none lost, none twice.
#[test]
fn a_stopped_pool_loses_no_job() {
    for _ in 0..5 {
        for (workers, capacity) in SIZES {
            let pool = pool(workers, capacity, OnFailure::Stop);
            for jobs in [0, 1, 3, 4, 30, 100] {
                let (done, failed, unstarted) = fates(pool, 0..jobs);
                let stopped = !failed.is_empty();
                assert_eq!(stopped, jobs > 3, "{pool:?}, {jobs} jobs");
                let all = [merged(done, failed), unstarted].concat();
                assert_eq!(all, Vec::from_iter(0..jobs), "{pool:?}, {jobs} jobs");
            }
            let (done, failed, unstarted) = fates(pool, 0..); // without end
            let started = merged(done, failed);
            let all = [&started[..], &unstarted].concat();
            assert_eq!(all, Vec::from_iter(0..started.len() + 1000), "{pool:?}");
        }
    }
}

#[test]
fn one_worker_stops_at_the_first_failure() {
    for capacity in [1, 2, 3, 4, 5, 6, 7, 100] {
        let pool = pool(1, capacity, OnFailure::Stop);
        let (done, failed, unstarted) = fates(pool, 0..8);
        assert_eq!(done, [0, 1, 2], "capacity {capacity}");
        assert_eq!(failed, [3], "capacity {capacity}");
        assert_eq!(unstarted, [4, 5, 6, 7], "capacity {capacity}");
    }
}

/// Job 0 fails when jobs 1 and 2 have started, and these end when its failure has been read.
#[test]
fn a_stopped_pool_finishes_the_jobs_in_hand() {
    for fail in [|| Err("job 0"), || panic!("job 0")] {
        for capacity in [1, 2, 10] {
            let (mut ended, unstarted) = with_deadline(move || {
                let (everyone, mut ended) = (Barrier::new(3), Vec::new());
                let (open, gate) = bounded(2);
                let work = |_, &job: &usize| {
                    if job < 3 {
                        everyone.wait();
                    }
                    match job {
                        0 => fail(),
                        _ => gate.recv().map_err(|_| "the test holds the gate"),
                    }
                };
                let on_result = |job, result: Result<(), _>| {
                    ended.push((job, result.is_ok()));
                    if job == 0 {
                        open.send(()).expect("job 1 has a gate");
                        open.send(()).expect("job 2 has a gate");
                    }
                };
                let unstarted = pool(3, capacity, OnFailure::Stop)
                    .run(0.., work, on_result)
                    .expect("threads can be started");
                let unstarted = Vec::from_iter(unstarted.take(5));
                (ended, unstarted)
            });
            assert_eq!(ended[0], (0, false));
            ended.sort_unstable();
            assert_eq!(ended, [(0, false), (1, true), (2, true)]);
            assert_eq!(unstarted, [3, 4, 5, 6, 7]);
        }
    }
}

/// The failure is known before there is a second job; a worker is waiting for it.
#[test]
fn a_stopped_pool_starts_no_job_that_comes_later() {
    for workers in [1, 2, 3] {
        let (started, unstarted) = with_deadline(move || {
            let (failed, wait) = bounded::<()>(0);
            let mut failed = Some(failed);
            let later = iter::from_fn(move || {
                _ = wait.recv(); // an error at last: the failure has been read
                Some("later")
            });
            let jobs = iter::once("now").chain(later);

            let mut started = Vec::new();
            let on_result = |job, _: Result<(), _>| {
                started.push(job);
                failed = None;
            };
            let unstarted = pool(workers, 1, OnFailure::Stop)
                .run(jobs, |_, _| Err("every job fails"), on_result)
                .expect("threads can be started");
            let unstarted = Vec::from_iter(unstarted.take(2));
            (started, unstarted)
        });
        assert_eq!(started, ["now"]);
        assert_eq!(unstarted, ["later", "later"]);
    }
}

#[test]
fn a_panic_in_the_callback_ends_the_pool() {
    for on_failure in [OnFailure::Continue, OnFailure::Stop] {
        let panicked = with_deadline(move || {
            let on_result = |_, _| panic!("no more results, please");
            let work = |_, &job: &usize| Ok::<_, ()>(job);
            let run = || pool(3, 1, on_failure).run(0.., work, on_result);
            panic::catch_unwind(AssertUnwindSafe(run)).is_err()
        });
        assert!(panicked, "the caller gets its own panic back");
    }
}

#[test]
fn a_panic_in_the_jobs_closes_the_queue() {
    let (panicked, done) = with_deadline(|| {
        let mut done = Vec::new();
        let jobs = (0..).inspect(|&job| assert_ne!(job, 3, "no more jobs, please"));
        let work = |_, _: &usize| Ok::<_, ()>(());
        let on_result = |job, _| done.push(job);
        let run = || {
            pool(1, 1, OnFailure::Stop)
                .run(jobs, work, on_result)
                .map(drop)
        };
        (panic::catch_unwind(AssertUnwindSafe(run)).is_err(), done)
    });
    assert!(panicked, "the caller learns of the panic");
    assert_eq!(done, [0, 1, 2], "what was handed in is done");
}
