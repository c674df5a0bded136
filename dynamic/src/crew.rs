use std::any::Any;

use async_channel::{Receiver, Sender, unbounded};
use tokio::task::JoinSet;

use crate::Event;

/// The workers of a pool: they start here, retire here, and are seen to end here.
pub(crate) struct Crew<F> {
    worker: F,
    tasks: JoinSet<Event>,
    last_id: usize,
    /// Number of workers that are to stay.
    size: usize,
    /// Holds one message for each worker that is to retire. The next worker without a job takes it.
    retire: Sender<()>,
    retirements: Receiver<()>,
}

impl<W, F> Crew<F>
where
    W: Future<Output = Event> + Send + 'static,
    F: Fn(usize, Receiver<()>) -> W,
{
    /// No workers yet. `worker` makes one, from its id and its receiver of retirements.
    pub fn new(worker: F) -> Self {
        let (retire, retirements) = unbounded();
        Self {
            worker,
            tasks: JoinSet::new(),
            last_id: 0,
            size: 0,
            retire,
            retirements,
        }
    }

    /// Number of workers, without those that are to retire and have not ended yet.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Adds workers: first those that are to retire and have not noticed, then new ones.
    pub fn grow(&mut self, count: usize) {
        self.size += count;
        for _ in 0..count {
            _ = self.retirements.try_recv(); // an error: none is to retire
        }
        self.refill();
    }

    /// Retires workers, without waiting for those that are busy.
    pub fn shrink(&mut self, count: usize) {
        self.size -= count;
        for _ in 0..count {
            let sent = self.retire.try_send(());
            sent.expect("an open channel without a capacity has room");
        }
    }

    /// Starts workers until there are as many as are to stay: after a panic, one is missing.
    pub fn refill(&mut self) {
        while self.tasks.len() < self.size {
            self.last_id += 1;
            let worker = (self.worker)(self.last_id, self.retirements.clone());
            self.tasks.spawn(worker);
        }
    }

    /// Waits until a worker has ended: none if there is no worker, or the runtime is shutting down.
    pub async fn next_ended(&mut self) -> Option<Event> {
        match self.tasks.join_next().await? {
            Ok(event) => Some(event),
            Err(error) => {
                let message = message(error.try_into_panic().ok()?);
                Some(Event::Panicked { message })
            }
        }
    }
}

/// The text that `panic!` was called with.
fn message(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast() {
        Ok(text) => *text, // a `String`
        Err(payload) => payload
            .downcast_ref::<&str>()
            .map_or("no message".into(), ToString::to_string),
    }
}
