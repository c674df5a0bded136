use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;

use crate::{Refused, Task};

/// Decides which worker gets which task. It starts no thread and waits for nothing.
///
/// No worker is free while a task waits, and no submitter waits while the queue has room.
pub(crate) struct Dispatcher {
    capacity: usize,
    /// Tasks that wait for a worker, the first submitted first.
    queue: VecDeque<Task>,
    /// Submitters that wait for room in the queue, the longest waiting first: the task of each, and the
    /// sender that tells it that its task is in the queue now.
    submitters: VecDeque<(Task, oneshot::Sender<()>)>,
    /// For each worker that waits for a task, the sender to its inbox, the longest free first. `None`
    /// once the queue is closed: a worker that finds it empty then ends.
    free: Option<VecDeque<oneshot::Sender<Task>>>,
}

impl Dispatcher {
    pub fn new(capacity: NonZeroUsize) -> Self {
        Self {
            capacity: capacity.get(),
            queue: VecDeque::new(),
            submitters: VecDeque::new(),
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
            self.queue.push_back(task);
        } else {
            return Err(Refused::Full(task));
        }
        Ok(())
    }

    /// Keeps the task of a submitter until the queue has room for it. The receiver gets a message then.
    pub fn wait_for_room(&mut self, task: Task) -> oneshot::Receiver<()> {
        let (has_room, room) = oneshot::channel();
        self.submitters.push_back((task, has_room));
        room
    }

    /// Takes the first task of the queue for a worker that is done. This makes room for one task: that
    /// of the submitter that has waited longest. If the queue is empty, gives the worker an inbox, to
    /// which its next task will come.
    pub fn next(&mut self) -> Result<Task, oneshot::Receiver<Task>> {
        if let Some(task) = self.queue.pop_front() {
            if let Some((task, has_room)) = self.submitters.pop_front() {
                self.queue.push_back(task);
                has_room.send(()).expect("the submitter waits for this");
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

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher")
            .field("capacity", &self.capacity)
            .field("queue", &self.queue.len())
            .field("submitters", &self.submitters.len())
            .field("free", &self.free.as_ref().map(VecDeque::len))
            .finish()
    }
}
