//! What becomes of each job.

use std::any::Any;
use std::cell::Cell;
use std::error::Error;
use std::fmt::Display;
use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::sync::{Barrier, Mutex};
use std::time::Duration;
use std::{fmt, iter, thread};

use crossbeam::channel::{RecvTimeoutError, bounded, unbounded};
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

/// The text of the panic that `run` ends with.
fn panic_of<T>(run: impl FnOnce() -> T) -> String {
    let outcome = panic::catch_unwind(AssertUnwindSafe(run)).map(drop);
    let payload: Box<dyn Any + Send> = outcome.expect_err("the caller learns of the panic");
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .expect("the panics of these tests are texts")
}

#[test]
fn one_worker_survives_all_that_can_become_of_a_job() {
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
                |(job, result)| match result {
                    Ok(result) => say(&results, format!("job {job}: result {result}")),
                    Err(error) => say(&results, format!("job {job}: {}", chain(&error))),
                },
            )
            .expect("threads can be started");
        assert_eq!(unstarted, []);
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
        let on_result = |(_, result): (_, Result<(), _>)| results.push(result);
        let unstarted = pool(1, 1, OnFailure::Continue)
            .run([true, false], work, on_result)
            .expect("threads can be started");
        assert_eq!(unstarted, []);
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

/// Which jobs succeeded, which failed, and which were never started.
type Outcomes = (Vec<usize>, Vec<usize>, Vec<usize>);

/// Jobs 3, 7, 8, 13, 17, 18, ... fail. Of the jobs that the pool has not taken, those up to 1000 are
/// counted as never started.
fn outcomes(pool: Pool, jobs: impl Iterator<Item = usize> + Send + 'static) -> Outcomes {
    let fails = |job| matches!(job % 10, 3 | 7 | 8);
    with_deadline(move || {
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        let work = |_, &job: &usize| if fails(job) { Err(job) } else { Ok(job) };
        let on_result = |(job, result)| match result {
            Ok(same) => done.push((job, same)),
            Err(JobError::Failed(same)) => failed.push((job, same)),
            Err(JobError::Panicked(message)) => panic!("{message}"),
        };
        let mut jobs = jobs;
        let mut unstarted = pool
            .run(jobs.by_ref(), work, on_result)
            .expect("threads can be started");
        unstarted.extend(jobs.take_while(|&job| job < 1000));

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

/// Every job succeeded, failed, or comes back: in order, none lost, none twice.
#[test]
fn a_stopped_pool_loses_no_job() {
    for _ in 0..5 {
        for (workers, capacity) in SIZES {
            let pool = pool(workers, capacity, OnFailure::Stop);
            for jobs in [0, 1, 3, 4, 30, 100] {
                let (done, failed, unstarted) = outcomes(pool, 0..jobs);
                let stopped = !failed.is_empty();
                assert_eq!(stopped, jobs > 3, "{pool:?}, {jobs} jobs");
                let all = [merged(done, failed), unstarted].concat();
                assert_eq!(all, Vec::from_iter(0..jobs), "{pool:?}, {jobs} jobs");
            }
            let (done, failed, unstarted) = outcomes(pool, 0..); // without end
            let started = merged(done, failed);
            let all = [started, unstarted].concat();
            assert_eq!(all, Vec::from_iter(0..1000), "{pool:?}");
        }
    }
}

#[test]
fn one_worker_stops_at_the_first_failure() {
    for capacity in [1, 2, 3, 4, 5, 6, 7, 100] {
        let pool = pool(1, capacity, OnFailure::Stop);
        let (done, failed, unstarted) = outcomes(pool, 0..8);
        assert_eq!(done, [0, 1, 2], "capacity {capacity}");
        assert_eq!(failed, [3], "capacity {capacity}");
        assert_eq!(unstarted, [4, 5, 6, 7], "capacity {capacity}");
    }
}

/// Job 0 fails when jobs 1 and 2 have started, and these end when its failure has been read.
#[test]
fn a_stopped_pool_finishes_the_jobs_in_flight() {
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
                let on_result = |(job, result): (_, Result<(), _>)| {
                    ended.push((job, result.is_ok()));
                    if job == 0 {
                        open.send(()).expect("job 1 has a gate");
                        open.send(()).expect("job 2 has a gate");
                    }
                };
                let mut jobs = 0..;
                let mut unstarted = pool(3, capacity, OnFailure::Stop)
                    .run(jobs.by_ref(), work, on_result)
                    .expect("threads can be started");
                unstarted.extend(jobs.take(5));
                (ended, unstarted)
            });
            assert_eq!(ended[0], (0, false));
            ended.sort_unstable();
            assert_eq!(ended, [(0, false), (1, true), (2, true)]);
            let following = Vec::from_iter(3..3 + unstarted.len());
            assert_eq!(unstarted, following, "in order, and none is missing");
        }
    }
}

/// The failure is known before there is a second job. A worker is waiting for that job.
#[test]
fn a_stopped_pool_starts_no_job_that_comes_later() {
    for workers in [1, 2, 3] {
        let (started, unstarted) = with_deadline(move || {
            let (failed, wait) = bounded::<()>(0);
            let mut failed = Some(failed);
            let later = iter::from_fn(move || {
                _ = wait.recv(); // an error, once the failure has been read
                Some("later")
            });
            let jobs = iter::once("now").chain(later);

            let mut started = Vec::new();
            let on_result = |(job, _): (_, Result<(), _>)| {
                started.push(job);
                failed = None;
            };
            let unstarted = pool(workers, 1, OnFailure::Stop)
                .run(jobs, |_, _| Err("every job fails"), on_result)
                .expect("threads can be started");
            (started, unstarted)
        });
        assert_eq!(started, ["now"]);
        assert_eq!(unstarted, ["later"]);
    }
}

/// One worker, and a callback that does not return before the pool has stopped: the results of the jobs
/// before the failure fill all the room, so that no reader can learn of the failure.
#[test]
fn a_failure_stops_the_pool_before_anyone_learns_of_it() {
    const ROOM: usize = 1000;
    const FAILS: usize = 1 + ROOM; // the first result is being read, the others wait
    let (ended, unstarted) = with_deadline(|| {
        let (submitting, stopped) = bounded::<()>(0);
        let (failing, fails) = bounded(1);
        let jobs = (0..).inspect(move |&job| {
            let _submitting = &submitting; // dropped with the jobs
            if job == FAILS + 1 {
                fails.recv().expect("the job before this one starts");
            }
            if job > FAILS {
                thread::sleep(Duration::from_millis(1)); // asks `stop` once a millisecond
            }
        });
        let work = |_, &job: &usize| {
            if job == FAILS {
                failing.send(()).expect("the jobs wait for this");
                return Err("it fails");
            }
            Ok(())
        };
        let mut ended = 0;
        let on_result = |_| {
            if ended == 0 {
                let end = stopped.recv_timeout(Duration::from_secs(9));
                assert_eq!(end, Err(RecvTimeoutError::Disconnected));
            }
            ended += 1;
        };
        let capacity = ROOM;
        let unstarted = pool(1, capacity, OnFailure::Stop)
            .run(jobs, work, on_result)
            .expect("threads can be started");
        (ended, unstarted)
    });
    assert_eq!(ended, FAILS + 1);
    assert_eq!(unstarted[0], FAILS + 1);
}

#[test]
fn a_pool_that_continues_hands_back_no_job() {
    let unstarted = with_deadline(|| {
        let work = |_, _: &usize| Err::<(), _>("every job fails");
        pool(2, 1, OnFailure::Continue)
            .run(0..100, work, drop)
            .expect("threads can be started")
    });
    assert_eq!(unstarted, []);
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
            let work = |worker: usize, _: &_| {
                everyone.wait();
                end_late(worker);
                Ok::<_, ()>(())
            };
            let jobs = (0..3).inspect(|_| end_late(0)); // on the submitter's thread
            pool(3, 1, OnFailure::Stop)
                .run(jobs, work, drop)
                .expect("threads can be started");
            assert_eq!(ENDED.load(Relaxed), round * 4, "a thread still runs");
        }
    });
}

/// The jobs in flight end, and no others start than those that the workers took before they noticed.
#[test]
fn a_panic_in_the_callback_ends_the_pool() {
    for on_failure in [OnFailure::Continue, OnFailure::Stop] {
        let (panic, started) = with_deadline(move || {
            let started = AtomicUsize::new(0);
            let on_result = |_| panic!("no more results, please");
            let work = |_, _: &usize| Ok::<_, ()>(started.fetch_add(1, Relaxed));
            let panic = panic_of(|| pool(3, 1, on_failure).run(0.., work, on_result));
            (panic, started.into_inner())
        });
        assert_eq!(panic, "no more results, please");
        assert!(started <= 1 + 1 + 3 + 3, "{started} jobs started");
    }
}

#[test]
fn a_panic_in_the_jobs_closes_the_queue() {
    let (panic, done) = with_deadline(|| {
        let mut done = Vec::new();
        let jobs = (0..).inspect(|&job| assert!(job < 3, "no more jobs, please"));
        let work = |_, _: &usize| Ok::<_, ()>(());
        let on_result = |(job, _)| done.push(job);
        let panic = panic_of(|| pool(1, 1, OnFailure::Stop).run(jobs, work, on_result));
        (panic, done)
    });
    assert_eq!(panic, "no more jobs, please");
    assert_eq!(done, [0, 1, 2], "what was submitted is done");
}

/// A crawler is made like this: results give new jobs, so the callback owns the jobs' sender.
#[test]
fn a_panic_ends_the_pool_although_the_callback_owns_the_sender_of_the_jobs() {
    let panic = with_deadline(|| {
        let (submit, jobs) = unbounded();
        submit.send(1).expect("`jobs` is there");
        let on_result = move |(page, _): (usize, _)| {
            submit.send(page).expect("the pool takes jobs");
            panic!("in the callback");
        };
        let work = |_, _: &usize| Ok::<_, ()>(());
        panic_of(|| pool(2, 1, OnFailure::Continue).run(jobs, work, on_result))
    });
    assert_eq!(panic, "in the callback");
}

/// The jobs end when that sender is dropped, which is when the results have ended.
#[test]
fn a_stopped_pool_ends_although_the_callback_owns_the_sender_of_the_jobs() {
    let unstarted = with_deadline(|| {
        let (submit, jobs) = unbounded();
        submit.send(1).expect("`jobs` is there");
        let on_result = move |_| _ = &submit;
        let work = |_, _: &usize| Err::<(), _>("every job fails");
        pool(1, 1, OnFailure::Stop)
            .run(jobs, work, on_result)
            .expect("threads can be started")
    });
    assert_eq!(unstarted, []);
}
