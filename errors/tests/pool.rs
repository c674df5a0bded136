//! What becomes of each job.

use std::error::Error;
use std::fmt::Display;
use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Barrier, Mutex};
use std::{fmt, iter};

use crossbeam::channel::unbounded;
use errors::{JobError, Pool};
use testing::{not_zero, panic_of, with_deadline};

fn pool(workers: usize, capacity: usize) -> Pool {
    Pool {
        workers: not_zero(workers),
        capacity: not_zero(capacity),
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

#[test]
fn one_worker_survives_all_that_can_become_of_a_job() {
    let transcript = with_deadline(|| {
        let (work, results) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let say = |lines: &Mutex<Vec<String>>, line| lines.lock().expect("no panic").push(line);

        pool(1, 2)
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
                        _ => Ok(job * 2),
                    }
                },
                |(job, result)| match result {
                    Ok(result) => say(&results, format!("job {job}: result {result}")),
                    Err(error) => say(&results, format!("job {job}: {}", chain(&error))),
                },
            )
            .expect("threads can be started");
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
    job 7: result 14
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
        pool(1, 1)
            .run([true, false], work, on_result)
            .expect("threads can be started");
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

/// Three jobs panic on each of the two workers; then two jobs wait for each other.
#[test]
fn a_panic_costs_no_worker() {
    let met = with_deadline(|| {
        let both = Barrier::new(2);
        let work = |_, &job: &usize| {
            both.wait();
            assert!(job >= 6, "job {job}");
            Ok::<_, ()>(())
        };
        let mut met = Vec::new();
        let on_result = |(job, result): (_, Result<_, _>)| met.extend(result.ok().map(|()| job));
        pool(2, 1)
            .run(0..8, work, on_result)
            .expect("threads can be started");
        met.sort_unstable();
        met
    });
    assert_eq!(met, [6, 7]);
}

/// Jobs 3, 7, 8, 13, 17, 18, ... fail, and each comes back once, with its own result.
#[test]
fn every_job_comes_back_with_its_own_result() {
    let fails = |job| matches!(job % 10, 3 | 7 | 8);
    for (workers, capacity) in [(1, 1), (2, 1), (2, 3), (3, 100), (8, 1)] {
        let mut results = with_deadline(move || {
            let mut results = Vec::new();
            let work = |_, &job: &usize| if fails(job) { Err(job) } else { Ok(job) };
            let on_result = |(job, result)| match result {
                Ok(same) => results.push((job, same, false)),
                Err(JobError::Failed(same)) => results.push((job, same, true)),
                Err(JobError::Panicked(message)) => panic!("{message}"),
            };
            pool(workers, capacity)
                .run(0..100, work, on_result)
                .expect("threads can be started");
            results
        });
        results.sort_unstable();
        let expected = (0..100).map(|job| (job, job, fails(job)));
        assert_eq!(results, Vec::from_iter(expected), "{workers}, {capacity}");
    }
}

/// The jobs in flight end, and no others start than those that the workers took before they noticed.
#[test]
fn a_panic_in_the_callback_ends_the_pool() {
    let (panic, started) = with_deadline(|| {
        let started = AtomicUsize::new(0);
        let on_result = |_| panic!("no more results, please");
        let work = |_, _: &usize| Ok::<_, ()>(started.fetch_add(1, Relaxed));
        let panic = panic_of(|| pool(3, 1).run(0.., work, on_result));
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
        let work = |_, _: &usize| Ok::<_, ()>(());
        let on_result = |(job, _)| done.push(job);
        let panic = panic_of(|| pool(1, 1).run(jobs, work, on_result));
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
        panic_of(|| pool(2, 1).run(jobs, work, on_result))
    });
    assert_eq!(panic, "in the callback");
}
