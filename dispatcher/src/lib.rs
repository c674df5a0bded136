//! Step 5: a pool to hold, whose dispatcher gives each task to a free worker. The lesson is in `README.md`.
#![cfg_attr(doctest, doc = include_str!("../README.md"))] // its examples are tested

mod dispatcher;
mod event;
mod task;

use std::error::Error;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::{fmt, io};

use dispatcher::Dispatcher;

pub use event::Event;
pub use task::{Task, TaskError};

/// Runs tasks until the queue is closed and empty.
fn worker(id: usize, dispatcher: &Mutex<Dispatcher>, observe: impl Fn(Event)) {
    let observe = |event| {
        _ = task::contain(|| observe(event)); // an error: `observe` panicked, and the worker goes on
    };

    while let Some(task) = next_task(dispatcher) {
        observe(Event::Processing { worker: id });
        if let Err(error) = task::contain(task).flatten() {
            observe(Event::Failed { worker: id, error });
        }
    }
    observe(Event::Stopping { worker: id });
}

/// Takes the next task, waiting while there is none: none once the queue is closed and empty.
fn next_task(dispatcher: &Mutex<Dispatcher>) -> Option<Task> {
    let next = lock(dispatcher).next();
    match next {
        Ok(task) => Some(task),
        Err(inbox) => {
            if !inbox.has_message() {
                thread::yield_now(); // to be woken costs more than a short task
            }
            inbox.recv().ok()
        }
    }
}

fn lock(dispatcher: &Mutex<Dispatcher>) -> MutexGuard<'_, Dispatcher> {
    let dispatcher = dispatcher.lock();
    dispatcher.expect("nothing panics while it holds this lock")
}

/// Submits tasks to a pool from anywhere. Once the pool has stopped, it gives each task back.
#[derive(Clone, Debug)]
pub struct Submitter {
    dispatcher: Arc<Mutex<Dispatcher>>,
}

impl Submitter {
    /// Submits a task, waiting while the queue is full. Submitters that wait go on in their order. If
    /// the pool is stopped meanwhile, their tasks still run.
    ///
    /// # Errors
    ///
    /// [`Refused::Stopped`], with the task.
    ///
    /// ```
    /// use dispatcher::{Refused, Submitter};
    ///
    /// fn greet(submitter: &Submitter) -> Result<(), Refused> {
    ///     submitter.submit(Box::new(|| Ok(println!("hello"))))
    /// }
    /// ```
    pub fn submit(&self, task: Task) -> Result<(), Refused> {
        let mut dispatcher = lock(&self.dispatcher);
        let submitted = dispatcher.try_submit(task);
        let Err(Refused::Full(task)) = submitted else {
            return submitted;
        };
        let room = dispatcher.wait_for_room(task);
        drop(dispatcher); // unlocks: no worker can make room before that
        if !room.has_message() {
            thread::yield_now(); // to be woken costs more than a short task
        }
        room.recv()
            .expect("workers run until the queue and its submitters are done");
        Ok(())
    }

    /// Submits a task unless the queue is full.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the task. In a task, `?` alone does not compile: a [`TaskError`] is `Sync`, and a
    /// refused task need not be. So keep the message, or run the refused task at once:
    ///
    /// ```
    /// use dispatcher::{Refused, Submitter, Task, TaskError};
    ///
    /// fn submit_or_fail(submitter: &Submitter, task: Task) -> Result<(), TaskError> {
    ///     submitter.try_submit(task).map_err(|refused| refused.to_string())?;
    ///     Ok(())
    /// }
    ///
    /// fn submit_or_run(submitter: &Submitter, task: Task) -> Result<(), TaskError> {
    ///     match submitter.try_submit(task) {
    ///         Ok(()) => Ok(()),
    ///         Err(Refused::Full(task) | Refused::Stopped(task)) => task(),
    ///     }
    /// }
    /// ```
    pub fn try_submit(&self, task: Task) -> Result<(), Refused> {
        lock(&self.dispatcher).try_submit(task)
    }
}

/// The pool did not take a task. This is the task.
pub enum Refused {
    /// The queue is full.
    Full(Task),
    /// The pool has stopped.
    Stopped(Task),
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Stopped(_) => "Stopped(..)",
        })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the queue is full",
            Self::Stopped(_) => "the pool has stopped",
        })
    }
}

impl Error for Refused {}

/// A pool that has been started. Dropping it stops it.
#[derive(Debug)]
pub struct RunningPool {
    submitter: Submitter,
    workers: Vec<JoinHandle<()>>,
}

impl RunningPool {
    /// Submits a task, waiting while the queue is full.
    ///
    /// Tasks start in the order in which they were submitted.
    ///
    /// A task that submits tasks should use [`Submitter::try_submit`]: if every worker waits for room in
    /// the queue, no worker makes room. A task that waits for another task of its own pool can wait for
    /// ever, for the same reason: if every worker waits, no worker runs that other task.
    ///
    /// ```
    /// fn greet(pool: &dispatcher::RunningPool, name: String) {
    ///     pool.submit(Box::new(move || Ok(println!("hello, {name}"))));
    /// }
    /// ```
    pub fn submit(&self, task: Task) {
        let submitted = self.submitter.submit(task);
        submitted.expect("only its owner can stop a pool");
    }

    /// Makes a handle that submits to this pool. It does not keep the pool running.
    ///
    /// ```
    /// fn greet_on_another_thread(pool: &dispatcher::RunningPool) {
    ///     let submitter = pool.submitter();
    ///     std::thread::spawn(move || submitter.submit(Box::new(|| Ok(println!("hello")))));
    /// }
    /// ```
    pub fn submitter(&self) -> Submitter {
        self.submitter.clone()
    }

    /// Closes the queue, and waits until every task in it has run and every worker has ended. Dropping
    /// the pool does the same.
    ///
    /// The task of a [`Submitter`] that waits for room still runs. From then on a [`Submitter`] gives each
    /// task back.
    ///
    /// Called in one of the pool's own tasks, this closes the queue and returns at once, as a thread
    /// cannot wait for itself: the remaining tasks run, and then the workers end. Called in a task of
    /// another pool, it waits. So two pools whose tasks stop each other wait for ever.
    ///
    /// No pool can be stopped twice, as the first call takes it:
    ///
    /// ```compile_fail,E0382
    /// fn twice(pool: dispatcher::RunningPool) {
    ///     pool.stop();
    ///     pool.stop(); // error: use of moved value: `pool`
    /// }
    /// ```
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for RunningPool {
    fn drop(&mut self) {
        lock(&self.submitter.dispatcher).close();

        let current = thread::current().id();
        let mut ids = self.workers.iter().map(|worker| worker.thread().id());
        if ids.any(|id| id == current) {
            return; // called in a task, and a thread cannot wait for itself
        }
        for worker in self.workers.drain(..) {
            _ = worker.join(); // an error: dropping `observe` panicked
        }
    }
}

/// A fixed number of worker threads, and a dispatcher that gives each task to one of them.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Number of worker threads.
    pub workers: NonZeroUsize,
    /// Number of tasks that may wait in the queue.
    pub capacity: NonZeroUsize,
}

impl Pool {
    /// Starts the workers.
    ///
    /// `observe` runs on their threads, and gets the errors and panics of tasks as [`Event::Failed`].
    /// They may come from several workers at once. If it panics, that event is lost and nothing else.
    ///
    /// # Errors
    ///
    /// If the system refuses to start a thread. Those started before it have ended then.
    ///
    /// ```
    /// let one = std::num::NonZeroUsize::MIN;
    /// let pool = dispatcher::Pool { workers: one, capacity: one };
    /// let pool = pool.start(|event| println!("{event}"))?;
    /// pool.submit(Box::new(|| Ok(println!("hello"))));
    /// pool.stop(); // the task has run
    /// # std::io::Result::Ok(())
    /// ```
    pub fn start(
        self,
        observe: impl Fn(Event) + Clone + Send + 'static,
    ) -> io::Result<RunningPool> {
        let dispatcher = Arc::new(Mutex::new(Dispatcher::new(self.capacity)));
        let mut pool = RunningPool {
            submitter: Submitter { dispatcher },
            workers: Vec::new(),
        };
        for id in 1..=self.workers.get() {
            let (dispatcher, observe) = (pool.submitter.dispatcher.clone(), observe.clone());
            let thread = thread::Builder::new().name(format!("worker {id}"));
            let run = move || worker(id, &dispatcher, observe);
            pool.workers.push(thread.spawn(run)?); // an error drops `pool`, which stops it
        }
        Ok(pool)
    }
}
