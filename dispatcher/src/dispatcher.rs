use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;

use crate::Task;

/// Decides which worker gets which task. One of its two lists is always empty: no worker is free while
/// a task waits.
pub(crate) struct Dispatcher {
    capacity: usize,
    /// Tasks that wait for a worker, the first submitted first.
    queue: VecDeque<Waiting>,
    /// For each worker that waits for a task, the sender to its inbox, the longest free first. `None`
    /// once the queue is closed: a worker that finds it empty then ends.
    free: Option<VecDeque<oneshot::Sender<Task>>>,
}

/// A task in the queue.
struct Waiting {
    task: Task,
    /// While the queue is full, a submitter leaves its task beyond the capacity and waits until this
    /// is dropped.
    room: Option<oneshot::Sender<Infallible>>,
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher")
            .field("queue", &self.queue.len())
            .field("free", &self.free.as_ref().map(VecDeque::len))
            .finish_non_exhaustive()
    }
}

impl Dispatcher {
    pub fn new(capacity: NonZeroUsize) -> Self {
        Self {
            capacity: capacity.get(),
            queue: VecDeque::new(),
            free: Some(VecDeque::new()),
        }
    }

    /// Gives the task to the worker that has been free longest. If none is free, appends it to the queue.
    pub fn try_submit(&mut self, task: Task) -> Result<(), Refused> {
        let Some(free) = &mut self.free else {
            return Err(Refused::Stopped(task));
        };
        if let Some(to_worker) = free.pop_front() {
            let sent = to_worker.send(task);
            sent.expect("a free worker keeps its inbox until a task comes");
        } else if self.queue.len() < self.capacity {
            self.queue.push_back(Waiting { task, room: None });
        } else {
            return Err(Refused::Full(task));
        }
        Ok(())
    }

    /// Appends the task although the queue is full. It has a place as soon as the receiver that this
    /// returns is disconnected.
    pub fn submit_beyond_capacity(&mut self, task: Task) -> oneshot::Receiver<Infallible> {
        let (room, has_room) = oneshot::channel();
        let room = Some(room);
        self.queue.push_back(Waiting { task, room });
        has_room
    }

    /// Takes the first task of the queue for a worker that is done. If the queue is empty, gives the worker
    /// an inbox, to which its next task will come.
    pub fn next(&mut self) -> Result<Task, oneshot::Receiver<Task>> {
        if let Some(Waiting { task, .. }) = self.queue.pop_front() {
            if let Some(first_beyond) = self.queue.get_mut(self.capacity - 1) {
                first_beyond.room = None;
            }
            return Ok(task);
        }
        let (to_worker, inbox) = oneshot::channel();
        if let Some(free) = &mut self.free {
            free.push_back(to_worker);
        } // otherwise `to_worker` is dropped here: no task will come, and the worker ends
        Err(inbox)
    }

    /// Takes no more tasks, and ends the workers that are free.
    pub fn close(&mut self) {
        self.free = None;
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
