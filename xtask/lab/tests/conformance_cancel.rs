//! What the steps that can be cancelled have in common, checked for each of them. `STEP=cancellation` asks for one.
//!
//! The clock is paused, so time is simulated and exact.

use std::any::Any;
use std::cell::Cell;
use std::num::{NonZeroU32, NonZeroUsize};
use std::panic::panic_any;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use lab::steps;
use testing::not_zero;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Barrier, mpsc as tasks, oneshot};
use tokio::task::{LocalSet, yield_now};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// More jobs than any pool here takes before it stops.
const MANY: usize = 100_000;

/// A step that can be cancelled.
#[derive(Clone, Copy, Debug)]
enum Step {
    Cancellation,
    RateLimited,
}

/// Those that the environment variable `STEP` asks for. The output of a test that fails names the step.
fn asked_for() -> impl Iterator<Item = Step> {
    let steps = steps::asked_for().into_iter();
    let steps = steps.filter_map(|step| match step.name {
        "cancellation" => Some(Step::Cancellation),
        "rate-limited" => Some(Step::RateLimited),
        _ => None,
    });
    steps.inspect(|step| println!("{step:?}"))
}

/// The pool of a step. Where there is a limiter, it allows every start.
struct Pool {
    step: Step,
    workers: NonZeroUsize,
    capacity: NonZeroUsize,
}

fn pool(step: Step, workers: usize, capacity: usize) -> Pool {
    let (workers, capacity) = (not_zero(workers), not_zero(capacity));
    Pool {
        step,
        workers,
        capacity,
    }
}

impl Pool {
    async fn run<J: Send + 'static, R: Send + 'static, W: Future<Output = R> + Send + 'static>(
        self,
        cancel: CancellationToken,
        submit_all: impl AsyncFnOnce(Submitter<J>) -> Result<(), J>,
        work: impl Fn(usize, J) -> W + Clone + Send + 'static,
        on_result: impl FnMut(R),
    ) -> Vec<J> {
        let (workers, capacity) = (self.workers, self.capacity);
        match self.step {
            Step::Cancellation => {
                use cancellation::{Pool, Refused};
                let submit_all = async |submitter| {
                    let submitted = submit_all(Submitter::Cancellation(submitter)).await;
                    submitted.map_err(Refused)
                };
                let pool = Pool { workers, capacity };
                pool.run(cancel, submit_all, work, on_result, |_event| {})
                    .await
            }
            Step::RateLimited => {
                use rate_limited::{Limiter, Pool, Refused};
                let submit_all = async |submitter| {
                    let submitted = submit_all(Submitter::RateLimited(submitter)).await;
                    submitted.map_err(Refused)
                };
                let pool = Pool { workers, capacity };
                let limiter = Limiter::new(Duration::ZERO, NonZeroU32::MIN);
                pool.run(cancel, limiter, submit_all, work, on_result).await
            }
        }
    }
}

/// The submitter of a step; it gives a refused job back.
enum Submitter<J> {
    Cancellation(cancellation::Submitter<J>),
    RateLimited(rate_limited::Submitter<J>),
}

impl<J> Submitter<J> {
    async fn submit(&self, job: J) -> Result<(), J> {
        match self {
            Self::Cancellation(to) => to.submit(job).await.map_err(|refused| refused.0),
            Self::RateLimited(to) => to.submit(job).await.map_err(|refused| refused.0),
        }
    }
}

/// Submits `jobs` one after the other, until one is refused.
fn submit_all<J>(
    jobs: impl IntoIterator<Item = J>,
) -> impl AsyncFnOnce(Submitter<J>) -> Result<(), J> {
    async |submitter| {
        for job in jobs {
            submitter.submit(job).await?;
        }
        Ok(())
    }
}

/// Gives the submitter to the task that waits for it. The pool then takes jobs until it is cancelled.
fn give_away<J>(
    give: oneshot::Sender<Submitter<J>>,
) -> impl AsyncFnOnce(Submitter<J>) -> Result<(), J> {
    async |submitter| {
        _ = give.send(submitter); // an error: the task has ended
        Ok(())
    }
}

/// Runs `test` and fails, instead of hanging, if it does not end. A simulated day takes no time.
async fn with_deadline<T>(test: impl Future<Output = T>) -> T {
    let day = 24 * 60 * 60 * SECOND;
    timeout(day, test).await.expect("it ends within a day")
}

/// The panic with which `run` ends. No worker may survive it.
async fn panic_of<T: 'static>(run: impl Future<Output = T> + 'static) -> Box<dyn Any + Send> {
    let tasks = LocalSet::new();
    let ended = tasks.spawn_local(with_deadline(run));
    let panic = tasks.run_until(ended).await.err().expect("it panics");
    sleep(MILLISECOND).await; // the workers have been aborted: now they end
    assert_eq!(alive_tasks(), 0, "a worker is left");
    panic.into_panic()
}

fn alive_tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Each job in turn cancels the pool as it ends, when other jobs end and the queue is not empty.
#[tokio::test(start_paused = true)]
async fn no_job_starts_after_the_cancel_and_none_is_lost() {
    for step in asked_for() {
        for (workers, capacity) in [(1, 1), (1, 100), (3, 1), (3, 100), (8, 3)] {
            for last in 1..=30 {
                let cancel = CancellationToken::new();
                let (starter, started) = mpsc::channel();
                let work = {
                    let cancel = cancel.clone();
                    move |_, job| {
                        assert!(!cancel.is_cancelled(), "job {job} starts after the cancel");
                        starter.send(job).expect("the test keeps the receiver");
                        let cancel = cancel.clone();
                        async move {
                            sleep(SECOND).await;
                            if job == last {
                                cancel.cancel();
                                cancel.cancel(); // a second time changes nothing
                            }
                            job
                        }
                    }
                };
                let mut jobs = 1..=40;
                let submit_all = submit_all(jobs.by_ref());
                let mut done = Vec::new();
                let on_result = |job| done.push(job);
                let run = pool(step, workers, capacity).run(cancel, submit_all, work, on_result);
                let unstarted = with_deadline(run).await;
                assert_eq!(alive_tasks(), 0, "a worker is left");

                let started = Vec::from_iter(started);
                done.sort_unstable();
                assert_eq!(done, started, "what was started is finished");
                assert!(done.contains(&last));
                assert_eq!(
                    Vec::from_iter(started.into_iter().chain(unstarted).chain(jobs)),
                    Vec::from_iter(1..=40),
                    "workers {workers}, capacity {capacity}, cancelled by job {last}"
                );
            }
        }
    }
}

/// In 20 rounds, a choice at random takes a job.
#[tokio::test(start_paused = true)]
async fn cancelled_before_the_start_every_job_is_refused() {
    for step in asked_for().flat_map(|step| [step; 20]) {
        let cancel = CancellationToken::new();
        cancel.cancel();
        let mut refused = Vec::new();
        let submit_all = async |submitter: Submitter<_>| {
            for job in 1..=5 {
                refused.extend(submitter.submit(job).await.err());
            }
            Ok(())
        };
        let work = async |_, job| panic!("job {job} starts");
        let run = pool(step, 3, 100).run(cancel, submit_all, work, |()| {});
        assert_eq!(with_deadline(run).await, [0; 0]);
        assert_eq!(refused, [1, 2, 3, 4, 5]);
    }
}

/// Nothing waits between the first `submit` and the last, so neither a worker nor `run` has its turn.
#[tokio::test(start_paused = true)]
async fn a_job_between_the_cancel_and_the_next_turn_of_run_is_handed_back() {
    for step in asked_for() {
        let cancel = CancellationToken::new();
        let submit_all = async |submitter: Submitter<_>| {
            for job in 1..=5 {
                submitter.submit(job).await?;
            }
            cancel.cancel();
            assert_eq!(submitter.submit(6).await, Ok(()));
            yield_now().await;
            submitter.submit(7).await
        };
        let work = async |_, job| panic!("job {job} starts");
        let run = pool(step, 3, 100).run(cancel.clone(), submit_all, work, |()| {});
        assert_eq!(with_deadline(run).await, [1, 2, 3, 4, 5, 6, 7]);
    }
}

/// Both wake the workers, which wait for either. In 20 rounds, a choice at random starts a job.
#[tokio::test(start_paused = true)]
async fn a_job_that_comes_together_with_the_cancel_does_not_start() {
    for step in asked_for() {
        for _ in 0..20 {
            let cancel = CancellationToken::new();
            let submit_all = async |submitter: Submitter<_>| {
                sleep(SECOND).await; // the workers wait
                submitter.submit(1).await?;
                cancel.cancel();
                Ok(())
            };
            let work = async |_, job| panic!("job {job} starts");
            let run = pool(step, 3, 100).run(cancel.clone(), submit_all, work, |()| {});
            assert_eq!(with_deadline(run).await, [1]);
        }
    }
}

/// Cancels when it is woken.
struct CancelOnWake(CancellationToken);

impl Wake for CancelOnWake {
    fn wake(self: Arc<Self>) {
        self.0.cancel();
    }
}

/// A worker that takes a job from a full queue wakes the `submit` that waits for room. Here this cancels the pool: after the
/// worker has taken the job, and before it does anything else.
#[tokio::test(start_paused = true)]
async fn a_job_that_a_worker_takes_at_the_cancel_is_not_lost() {
    for step in asked_for() {
        for workers in [1, 3] {
            let cancel = CancellationToken::new();
            let submit_all = async |submitter: Submitter<_>| {
                for job in 1..=workers {
                    submitter.submit(job).await?;
                    sleep(MILLISECOND).await; // a worker takes it
                }
                submitter.submit(workers + 1).await?; // fills the queue
                let mut submit = pin!(submitter.submit(workers + 2));
                let waker = Waker::from(Arc::new(CancelOnWake(cancel.clone())));
                let submitted = submit.as_mut().poll(&mut Context::from_waker(&waker));
                assert_eq!(submitted, Poll::Pending, "there is room");
                cancel.cancelled().await;
                submit.await
            };
            let mut done = Vec::new();
            let work = async |_, job| {
                sleep(SECOND).await;
                job
            };
            let on_result = |job| done.push(job);
            let run = pool(step, workers, 1).run(cancel.clone(), submit_all, work, on_result);
            let unstarted = with_deadline(run).await;
            let all = Vec::from_iter(done.into_iter().chain(unstarted));
            assert_eq!(
                all,
                Vec::from_iter(1..=workers + 2),
                "done, then handed back"
            );
        }
    }
}

/// On several threads a worker that is taking a job at the moment of the cancel may start it.
#[test]
fn on_several_threads_a_cancel_loses_no_job() {
    let mut runtime = Builder::new_multi_thread();
    let runtime = runtime.worker_threads(4).enable_time().build();
    let runtime = runtime.expect("four threads can be started");
    for step in asked_for() {
        for last in 1..=100 {
            let cancel = CancellationToken::new();
            let has_returned = Arc::new(AtomicBool::new(false));
            let (starter, started) = mpsc::channel();
            let work = {
                let cancel = cancel.clone();
                move |_, job| {
                    let start = (job, has_returned.load(SeqCst));
                    starter.send(start).expect("the test keeps the receiver");
                    let (cancel, has_returned) = (cancel.clone(), has_returned.clone());
                    async move {
                        if job == last {
                            cancel.cancel();
                            has_returned.store(true, SeqCst);
                        }
                        job
                    }
                }
            };
            let mut jobs = 1..=300;
            let mut done = Vec::new();
            let on_result = |job| done.push(job);
            let run = pool(step, 4, 8).run(cancel, submit_all(jobs.by_ref()), work, on_result);
            let unstarted = runtime.block_on(async { timeout(60 * SECOND, run).await });
            let unstarted = unstarted.expect("it ends within a minute");

            let (mut started, late): (Vec<_>, Vec<_>) = started.iter().unzip();
            let late = late.into_iter().filter(|&late| late).count();
            assert!(
                late <= 4,
                "{late} jobs start after the cancel, on 4 workers"
            );
            started.sort_unstable();
            done.sort_unstable();
            assert_eq!(done, started, "what was started is finished");
            let mut all = Vec::from_iter(started.into_iter().chain(unstarted).chain(jobs));
            all.sort_unstable();
            assert_eq!(all, Vec::from_iter(1..=300), "cancelled by job {last}");
        }
    }
}

/// A job in flight takes 10 seconds and another waits in the queue. `submit` waits for neither, and `run` waits for
/// `submit_all`.
#[tokio::test(start_paused = true)]
async fn a_submit_that_waits_for_room_is_refused_at_once() {
    for step in asked_for() {
        let begin = Instant::now();
        let cancel = CancellationToken::new();
        let cancel_later = async {
            sleep(SECOND).await;
            cancel.cancel();
        };
        let submit_all = async |submitter: Submitter<_>| {
            submitter.submit(1).await?;
            submitter.submit(2).await?;
            assert_eq!(begin.elapsed(), Duration::ZERO, "there is room for two");
            for job in [3, 4] {
                assert_eq!(submitter.submit(job).await, Err(job));
                assert_eq!(
                    begin.elapsed(),
                    SECOND,
                    "job {job} is refused at the cancel"
                );
            }
            sleep(60 * SECOND).await;
            Ok(())
        };
        let work = async |_, _| sleep(10 * SECOND).await;
        let ended = Cell::new(Duration::ZERO);
        let on_result = |()| ended.set(begin.elapsed());
        let run = pool(step, 1, 1).run(cancel.clone(), submit_all, work, on_result);
        let (unstarted, ()) = with_deadline(async { tokio::join!(run, cancel_later) }).await;
        assert_eq!(unstarted, [2]);
        assert_eq!(ended.get(), 10 * SECOND, "the job in flight is finished");
        assert_eq!(
            begin.elapsed(),
            61 * SECOND,
            "a cancel does not interrupt `submit_all`"
        );
    }
}

#[test]
fn a_refusal_says_why() {
    let texts = [
        cancellation::Refused(1).to_string(),
        rate_limited::Refused(1).to_string(),
    ];
    assert_eq!(texts, ["the pool takes no more jobs"; 2]);
}

/// A submitter that outlives `submit_all` keeps the pool waiting for jobs until the cancel.
#[tokio::test(start_paused = true)]
async fn after_the_end_submit_refuses_jobs() {
    for step in asked_for() {
        let cancel = CancellationToken::new();
        let mut kept = None;
        let submit_all = async |submitter: Submitter<_>| {
            submitter.submit(1).await?;
            kept = Some(submitter);
            Ok(())
        };
        let mut done = Vec::new();
        let work = async |_, job| job;
        let on_result = |job| done.push(job);
        let run = pool(step, 3, 1).run(cancel.clone(), submit_all, work, on_result);
        let later = async {
            sleep(SECOND).await;
            cancel.cancel();
        };
        let (unstarted, ()) = with_deadline(async { tokio::join!(run, later) }).await;
        assert_eq!((done, unstarted), (vec![1], vec![]));

        let submitter = kept.expect("it was kept");
        assert_eq!(with_deadline(submitter.submit(2)).await, Err(2));
    }
}

/// Nothing cancels, and the submitter waits for room in a task of its own.
#[tokio::test(start_paused = true)]
async fn a_dropped_run_aborts_its_workers_and_refuses_jobs() {
    for step in asked_for() {
        let (give, take) = oneshot::channel();
        let outside = tokio::spawn(async {
            let submitter: Submitter<_> = take.await.expect("`run` gives it away");
            for job in 0..MANY {
                submitter.submit(job).await?;
            }
            Ok(())
        });
        let (starter, started) = mpsc::channel();
        let work = move |_, _| {
            starter.send(()).expect("the test keeps the receiver");
            sleep(SECOND)
        };
        let begin = Instant::now();
        let cancel = CancellationToken::new();
        let run = pool(step, 3, 2).run(cancel, give_away(give), work, drop);
        timeout(SECOND * 5 / 2, run)
            .await
            .expect_err("it does not end, and is dropped at 2.5 seconds");

        let outcome = with_deadline(outside).await.expect("no panic");
        assert_eq!(outcome, Err(11), "9 started and 2 in the queue");
        assert_eq!(begin.elapsed(), SECOND * 5 / 2, "refused at once");
        sleep(MILLISECOND).await; // the workers have been aborted: now they end
        assert_eq!(alive_tasks(), 0, "a worker is left");
        assert_eq!(started.iter().count(), 9, "3 workers, 3 seconds begun");
    }
}

/// `on_result` owns the sender of what `submit_all` waits for. It ends with the results: after a cancel while the pool
/// is idle, and after a panic in every worker.
#[tokio::test(start_paused = true)]
async fn a_crawler_ends() {
    for step in asked_for() {
        for workers in [1, 3] {
            let crawl = |cancel, work: fn(usize)| {
                let (found, mut links) = tasks::unbounded_channel();
                (0..workers).for_each(|link| found.send(link).expect("the receiver is below"));
                let submit_all = async move |submitter: Submitter<_>| {
                    while let Some(link) = links.recv().await {
                        submitter.submit(link).await?;
                    }
                    Ok(())
                };
                let work = move |_, link| async move {
                    work(link);
                    link
                };
                let on_result = move |link| _ = (link < 100).then(|| found.send(link + workers));
                pool(step, workers, 1).run(cancel, submit_all, work, on_result)
            };

            let cancel = CancellationToken::new();
            let cancel_later = async {
                sleep(SECOND).await; // all links have been followed
                cancel.cancel();
            };
            let run = crawl(cancel.clone(), |_link| {});
            let (unstarted, ()) = with_deadline(async { tokio::join!(run, cancel_later) }).await;
            assert_eq!(unstarted, [0; 0]);

            let run = crawl(CancellationToken::new(), |_link| panic!("every link"));
            assert_eq!(panic_of(run).await.downcast_ref(), Some(&"every link"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_job_costs_one_worker_and_reaches_the_caller() {
    for step in asked_for() {
        let (doer, done) = mpsc::channel();
        let work = async |_, job| if job == 3 { panic!("job 3") } else { job };
        let on_result = move |job| doer.send(job).expect("the test keeps the receiver");
        let cancel = CancellationToken::new();
        let run = pool(step, 2, 1).run(cancel, submit_all(0..100), work, on_result);
        assert_eq!(panic_of(run).await.downcast_ref(), Some(&"job 3"));
        let mut done = Vec::from_iter(done);
        done.sort_unstable();
        let others = (0..100).filter(|&job| job != 3);
        let others = Vec::from_iter(others);
        assert_eq!(done, others, "the other worker does the other jobs");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_every_worker_ends_the_pool_and_drops_the_jobs() {
    for step in asked_for() {
        let job = Arc::new(());
        let jobs = std::iter::repeat_n(job.clone(), MANY);
        let work = async |_, _| panic!("every job");
        let cancel = CancellationToken::new();
        let run = pool(step, 2, 1).run(cancel, submit_all(jobs), work, |()| {});
        assert_eq!(panic_of(run).await.downcast_ref(), Some(&"every job"));
        assert_eq!(Arc::strong_count(&job), 1);
    }
}

/// Two jobs panic at once, with a payload that is no text.
#[tokio::test(start_paused = true)]
async fn the_panic_of_a_job_reaches_the_caller_as_it_is() {
    #[derive(Debug, PartialEq)]
    struct Payload(usize);

    for step in asked_for() {
        let both = Arc::new(Barrier::new(2));
        let work = move |_, job| {
            let both = both.clone();
            async move {
                both.wait().await;
                panic_any(Payload(job))
            }
        };
        let cancel = CancellationToken::new();
        let run = pool(step, 2, 1).run(cancel, submit_all([7, 7]), work, |()| {});
        let payload = panic_of(run).await;
        assert_eq!(payload.downcast_ref(), Some(&Payload(7)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_elsewhere_ends_the_pool() {
    for step in asked_for() {
        let work = async |_, job| {
            sleep(SECOND).await;
            job
        };
        let cancel = CancellationToken::new;
        let on_result = |_| panic!("no more results");
        let run = pool(step, 3, 1).run(cancel(), submit_all(0..MANY), work, on_result);
        assert_eq!(panic_of(run).await.downcast_ref(), Some(&"no more results"));

        let submit_all = async |submitter: Submitter<_>| {
            submitter.submit(1).await?;
            panic!("no more jobs");
        };
        let run = pool(step, 3, 1).run(cancel(), submit_all, work, drop);
        assert_eq!(panic_of(run).await.downcast_ref(), Some(&"no more jobs"));
    }
}

/// The workers are on a runtime that ends before the jobs do.
#[test]
fn a_runtime_that_shuts_down_is_a_panic() {
    for step in asked_for() {
        let ended = std::thread::spawn(move || {
            let mut context = Context::from_waker(Waker::noop());
            let runtime = Builder::new_current_thread().enable_time().build();
            let runtime = runtime.expect("a runtime without input and output asks for nothing");
            let work = async |_, _| sleep(60 * 60 * SECOND).await;
            let cancel = CancellationToken::new();
            let mut run = pin!(pool(step, 2, 1).run(cancel, submit_all(1..=2), work, drop));
            let started = async {
                assert!(run.as_mut().poll(&mut context).is_pending());
                yield_now().await;
            };
            runtime.block_on(started);
            drop(runtime);
            while run.as_mut().poll(&mut context).is_pending() {}
        });
        ended.join().expect_err("it panics");
    }
}

/// While nothing polls `run`, results are not read. Then as many wait as the capacity, each worker has one more, and the
/// queue is full.
#[tokio::test(start_paused = true)]
async fn workers_wait_when_as_many_results_as_the_capacity_are_not_read() {
    for step in asked_for() {
        for (workers, capacity) in [(1, 1), (3, 5), (2, 100), (1, 5000)] {
            let (give, take) = oneshot::channel();
            let submitted = Arc::new(AtomicUsize::new(0));
            let count = submitted.clone();
            let submitting = tokio::spawn(async move {
                let submitter: Submitter<_> = take.await.expect("`run` gives it away");
                while submitter.submit(()).await.is_ok() {
                    count.fetch_add(1, SeqCst);
                }
            });
            let results = Cell::new(0);
            let cancel = CancellationToken::new();
            let work = async |_, ()| {};
            let on_result = |()| results.set(results.get() + 1);
            let pool = pool(step, workers, capacity);
            let mut run = pin!(pool.run(cancel.clone(), give_away(give), work, on_result));
            poll_once(run.as_mut());
            sleep(SECOND).await; // until nothing can go on
            let expected = capacity + workers + capacity;
            assert_eq!(submitted.load(SeqCst), expected);

            cancel.cancel();
            assert_eq!(with_deadline(run).await.len(), capacity, "in the queue");
            assert_eq!(results.get(), capacity + workers);
            with_deadline(submitting).await.expect("no panic");
        }
    }
}

/// Polls once, so that the pool starts, and then no more.
fn poll_once(run: Pin<&mut impl Future>) {
    let ended = run.poll(&mut Context::from_waker(Waker::noop()));
    assert!(ended.is_pending(), "it ends at once");
}

/// The queue is full before the first job ends, and no job waits after that. tokio's budget is 128 a turn.
#[tokio::test(start_paused = true)]
async fn beside_a_full_queue_of_jobs_that_never_wait_another_task_gets_its_turn() {
    const JOBS: usize = 8192;
    for step in asked_for() {
        for workers in [1, 3] {
            let done = Arc::new(AtomicUsize::new(0));
            let is_full = CancellationToken::new();
            let work = {
                let (done, is_full) = (done.clone(), is_full.clone());
                move |_, ()| {
                    let (done, is_full) = (done.clone(), is_full.clone());
                    async move {
                        if !is_full.is_cancelled() {
                            is_full.cancelled().await;
                        }
                        done.fetch_add(1, SeqCst);
                    }
                }
            };
            let submit_all = async |submitter: Submitter<_>| {
                for _ in 0..JOBS {
                    submitter.submit(()).await?;
                }
                is_full.cancel();
                Ok(())
            };
            let other_task = tokio::spawn(async move {
                let (mut before, mut most) = (0, 0);
                while before < JOBS {
                    yield_now().await;
                    let now = done.load(SeqCst);
                    most = most.max(now - before);
                    before = now;
                }
                most
            });
            let run =
                pool(step, workers, JOBS).run(CancellationToken::new(), submit_all, work, drop);
            assert_eq!(with_deadline(run).await, []);
            let most = with_deadline(other_task).await.expect("no panic");
            assert!(
                most <= 1000,
                "{most} jobs between two turns of another task"
            );
        }
    }
}

/// There is room for all jobs, so the submitter never waits.
#[tokio::test(start_paused = true)]
async fn the_first_result_is_read_long_before_the_last_job_is_submitted() {
    const JOBS: usize = 8192;
    for step in asked_for() {
        let submitted = Cell::new(0);
        let jobs = (0..JOBS).inspect(|_| submitted.set(submitted.get() + 1));
        let mut at_first_result = None;
        let on_result = |_| _ = at_first_result.get_or_insert(submitted.get());
        let work = async |_, job| job;
        let run =
            pool(step, 1, JOBS).run(CancellationToken::new(), submit_all(jobs), work, on_result);
        assert_eq!(with_deadline(run).await, [0; 0]);
        let submitted = at_first_result.expect("there are results");
        assert!(
            submitted <= 1000,
            "{submitted} jobs are submitted before the first result is read"
        );
    }
}
