#![doc = "[timeline]: ../../../dispatcher/timeline.svg"] // as seen from target/doc
#![doc = include_str!("../README.md")]

mod task;

use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use crossbeam::channel::{Receiver, SendError, Sender, TrySendError, bounded};

pub use task::{Event, Refused, Task, TaskError};

/// A running pool. Dropping it stops it.
#[derive(Debug)]
pub struct Pool {
    // Dropped in this order: submitters see that the pool has gone, the queue closes with its last
    // sender, and then the threads can end.
    alive: Arc<()>,
    queue: Arc<Sender<Task>>,
    _threads: Threads,
}

impl Pool {
    /// Starts `workers` threads and a dispatcher, with room for `capacity` tasks in the queue.
    ///
    /// `observe` runs on the workers' threads. If it panics, that event is lost and nothing else.
    /// It is where the errors and panics of tasks go, as [`Event::Failed`].
    ///
    /// # Errors
    ///
    /// If the system refuses to start a thread; those started before it have ended then.
    pub fn start(
        workers: NonZeroUsize,
        capacity: NonZeroUsize,
        observe: impl Fn(Event) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let mut threads = Threads(Vec::new()); // before the channels, to be dropped after them
        let mut inboxes = Vec::new();
        let (submit, queue) = bounded(capacity.get());
        let (ready, free) = bounded(workers.get());

        for id in 1..=workers.get() {
            let (inbox, tasks) = bounded(1);
            inboxes.push(inbox);
            ready.send(id).expect("there is room for every worker");
            let (ready, observe) = (ready.clone(), observe.clone());
            threads.spawn(format!("worker {id}"), move || {
                worker(id, tasks, ready, observe)
            })?;
        }
        threads.spawn("dispatcher".into(), move || dispatch(queue, free, inboxes))?;

        Ok(Self {
            alive: Arc::new(()),
            queue: Arc::new(submit),
            _threads: threads,
        })
    }

    /// Hands in a task, waiting while the queue is full.
    ///
    /// Tasks are given to the workers in the order in which they were handed in. A task that hands
    /// in tasks should use [`Submitter::try_submit`]: if every worker waits here, nobody makes room.
    pub fn submit(&self, task: Task) {
        let sent = self.queue.send(task);
        sent.expect("the dispatcher receives as long as the pool has a sender");
    }

    /// Hands in a task unless the queue is full.
    ///
    /// # Errors
    ///
    /// [`Refused::Full`], with the task.
    pub fn try_submit(&self, task: Task) -> Result<(), Refused> {
        self.submitter().try_submit(task)
    }

    /// A handle for others to submit with, which does not keep the pool from stopping.
    pub fn submitter(&self) -> Submitter {
        Submitter {
            pool: Arc::downgrade(&self.alive),
            queue: Arc::downgrade(&self.queue),
        }
    }

    /// Closes the queue, runs every task in it, and waits until all threads have ended.
    ///
    /// A [`Submitter`] that is waiting for room still gets its task in; from then on each gets its
    /// task back. Dropping the pool does the same as this.
    ///
    /// Called from within a task, which cannot wait for itself, this only closes the queue: the
    /// tasks in it still run, and then the threads end by themselves.
    ///
    /// No pool can be stopped twice, as the first call takes it:
    ///
    /// ```compile_fail,E0382
    /// fn twice(pool: dispatcher::Pool) {
    ///     pool.stop();
    ///     pool.stop(); // error: use of moved value: `pool`
    /// }
    /// ```
    pub fn stop(self) {
        drop(self);
    }
}

/// Submits to a pool for as long as there is one, and gives tasks back from then on.
#[derive(Clone, Debug)]
pub struct Submitter {
    pool: Weak<()>,
    queue: Weak<Sender<Task>>,
}

impl Submitter {
    /// Hands in a task, waiting while the queue is full.
    ///
    /// # Errors
    ///
    /// [`Refused::Stopped`], with the task.
    pub fn submit(&self, task: Task) -> Result<(), Refused> {
        match self.queue() {
            Some(queue) => queue
                .send(task)
                .map_err(|SendError(task)| Refused::Stopped(task)),
            None => Err(Refused::Stopped(task)),
        }
    }

    /// Hands in a task unless the queue is full or the pool has stopped.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the task.
    pub fn try_submit(&self, task: Task) -> Result<(), Refused> {
        match self.queue() {
            Some(queue) => queue.try_send(task).map_err(|error| match error {
                TrySendError::Full(task) => Refused::Full(task),
                TrySendError::Disconnected(task) => Refused::Stopped(task),
            }),
            None => Err(Refused::Stopped(task)),
        }
    }

    /// The queue, which stays open for as long as this is held: what it accepts will run.
    fn queue(&self) -> Option<Arc<Sender<Task>>> {
        if self.pool.strong_count() == 0 {
            return None; // or else busy submitters could hold the queue open in turn, for ever
        }
        self.queue.upgrade()
    }
}

/// Gives each task to whoever has been free longest; at the end, dropping the inboxes closes them.
fn dispatch(queue: Receiver<Task>, free: Receiver<usize>, inboxes: Vec<Sender<Task>>) {
    for task in queue {
        let id = free
            .recv()
            .expect("a worker lives as long as its inbox is open");
        let sent = inboxes[id - 1].send(task);
        sent.expect("a worker lives as long as its inbox is open");
    }
}

/// Runs what comes into its inbox, until that is closed and empty.
fn worker(id: usize, inbox: Receiver<Task>, ready: Sender<usize>, observe: impl Fn(Event)) {
    let observe = |event| _ = task::contain(|| observe(event));

    for task in inbox {
        observe(Event::Processing { worker: id });
        if let Err(error) = task::contain(task).flatten() {
            observe(Event::Failed { worker: id, error });
        }
        _ = ready.send(id); // an error: the dispatcher has ended, and this was the last task
    }
    observe(Event::Stopping { worker: id });
}

/// Threads that are waited for.
#[derive(Debug)]
struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    fn spawn(&mut self, name: String, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        match thread::Builder::new().name(name.clone()).spawn(run) {
            Ok(thread) => {
                self.0.push(thread);
                Ok(())
            }
            Err(error) => {
                let message = format!("cannot start {name}: {error}");
                Err(io::Error::new(error.kind(), message))
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let current = thread::current().id();
        if self.0.iter().any(|thread| thread.thread().id() == current) {
            return; // called from within a task: a thread cannot wait for itself
        }
        for thread in self.0.drain(..) {
            _ = thread.join(); // only dropping `observe` can make it panic
        }
    }
}
