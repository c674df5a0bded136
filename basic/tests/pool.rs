//! What makes it a pool.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Duration;

use basic::Pool;
use crossbeam::channel::{Receiver, Sender, bounded, unbounded};

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

/// Work that says when it starts, and ends when the test says so.
struct Gated {
    started: Sender<(usize, usize)>,
    gates: Vec<Receiver<()>>,
}

/// The test's side of [`Gated`].
struct Gates {
    starts: Receiver<(usize, usize)>,
    open: Vec<Sender<()>>,
}

/// For jobs 0 to `jobs` - 1.
fn gated(jobs: usize) -> (Gated, Gates) {
    let (started, starts) = unbounded();
    let (open, gates) = (0..jobs).map(|_| bounded(1)).unzip();
    (Gated { started, gates }, Gates { starts, open })
}

impl Gated {
    fn work(&self, worker: usize, job: usize) -> usize {
        let start = (worker, job);
        self.started.send(start).expect("the test reads all starts");
        self.gates[job].recv().expect("the test keeps the gates");
        job
    }
}

impl Gates {
    /// Waits for the next start of a job: the worker and the job.
    fn next_start(&self) -> (usize, usize) {
        let start = self.starts.recv_timeout(Duration::from_secs(30));
        start.expect("another job starts")
    }

    fn end(&self, job: usize) {
        self.open[job].send(()).expect("the job waits for this");
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

#[test]
fn one_worker_takes_the_jobs_in_order() {
    let transcript = with_deadline(|| {
        let work_log = Mutex::new(Vec::new());
        let results_log = RefCell::new(Vec::new()); // not `Sync`: results are read on this thread

        let work = |worker, job| {
            let line = format!("worker {worker}: job {job}");
            work_log.lock().expect("no panic").push(line);
            job * 2
        };
        let on_result = |result| results_log.borrow_mut().push(format!("result {result}"));
        pool(1, 2)
            .run(1..=4, work, on_result)
            .expect("threads can be started");

        let work_log = work_log.into_inner().expect("no panic");
        [work_log, results_log.into_inner()].concat().join("\n")
    });
    insta::assert_snapshot!(transcript, @r"
    worker 1: job 1
    worker 1: job 2
    worker 1: job 3
    worker 1: job 4
    result 2
    result 4
    result 6
    result 8
    ");
}

/// The jobs can only end if all of them have started.
#[test]
fn as_many_jobs_run_at_once_as_there_are_workers() {
    for workers in [1, 2, 3, 16] {
        with_deadline(move || {
            let everyone = Barrier::new(workers);
            let work = |_, _| everyone.wait();
            pool(workers, 1)
                .run(0..workers * 3, work, drop)
                .expect("threads can be started");
        });
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

#[test]
fn never_more_jobs_run_at_once_than_there_are_workers() {
    for (workers, capacity) in [(1, 100), (2, 1), (3, 100), (8, 3)] {
        let peak = with_deadline(move || {
            let (in_flight, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let work = |_, _| {
                peak.fetch_max(in_flight.fetch_add(1, Relaxed) + 1, Relaxed);
                thread::yield_now(); // an invitation to start one too many
                in_flight.fetch_sub(1, Relaxed);
            };
            pool(workers, capacity)
                .run(0..200, work, drop)
                .expect("threads can be started");
            assert_eq!(in_flight.into_inner(), 0, "a job runs after the end");
            peak.into_inner()
        });
        assert!(peak <= workers, "{peak} jobs at once on {workers} workers");
    }
}

/// Two workers; the test ends the jobs one by one, and sees which worker takes the next one.
#[test]
fn the_worker_that_is_free_first_takes_the_next_job() {
    let log = with_deadline(|| {
        let (jobs, gates) = gated(5);
        thread::scope(|scope| {
            let run = scope.spawn(|| pool(2, 100).run(0..5, |id, job| jobs.work(id, job), drop));

            let first: BTreeMap<_, _> = [gates.next_start(), gates.next_start()]
                .map(|(worker, job)| (job, worker))
                .into();
            let name = |worker| if first[&0] == worker { "A" } else { "B" };
            let mut log = String::from("A has 0, B has 1\n");
            for ends in [1, 2, 0] {
                gates.end(ends);
                let (worker, job) = gates.next_start();
                log += &format!("{ends} ends, {} takes {job}\n", name(worker));
            }
            gates.end(3);
            gates.end(4);
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

#[test]
fn every_job_is_done_once_at_any_capacity() {
    for (workers, capacity, jobs) in [(1, 1, 0), (1, 1, 1), (3, 1, 2000), (8, 1, 2000), (2, 64, 3)]
    {
        let mut done = with_deadline(move || {
            let mut done = Vec::new();
            let on_result = |job: usize| done.push(job);
            let pool = pool(workers, capacity);
            pool.run(0..jobs, |_, job| job, on_result)
                .expect("threads can be started");
            done
        });
        done.sort_unstable();
        assert_eq!(
            done,
            Vec::from_iter(0..jobs),
            "workers {workers}, capacity {capacity}"
        );
    }
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

/// One worker. During each job the submitter takes as many of the following jobs as it can: those
/// that wait in the queue, and one for which the queue has no room.
#[test]
fn as_many_jobs_wait_as_the_capacity_says() {
    for capacity in [1, 5] {
        with_deadline(move || {
            let (count, taken) = counter();
            let jobs = (0..30).inspect(move |_| count.add_one());
            let work = |_, job: usize| taken.reaches((job + 1 + capacity + 1).min(30));
            pool(1, capacity)
                .run(jobs, work, drop)
                .expect("threads can be started");
        });
    }
}

/// Three workers. While each result is read, the workers start as many jobs as they can: those whose
/// results wait to be read, and one each for whose result there is no room.
#[test]
fn as_many_results_wait_as_the_capacity_says() {
    for capacity in [1, 5] {
        with_deadline(move || {
            let (count, started) = counter();
            let mut read = 0;
            let on_result = |()| {
                read += 1;
                started.reaches((read + capacity + 3).min(30));
            };
            pool(3, capacity)
                .run(0..30, |_, _: usize| count.add_one(), on_result)
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
                .run(jobs, work, drop)
                .expect("threads can be started");
            assert_eq!(ENDED.load(Relaxed), round * 4, "a thread still runs");
        }
    });
}

/// Memory for all of the queue is allocated at the start, and so much does not exist.
#[test]
fn a_capacity_beyond_all_memory_is_a_panic() {
    with_deadline(|| panic_of(|| pool(1, usize::MAX).run(0..1, |_, job| job, drop)));
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
