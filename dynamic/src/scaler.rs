use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_channel::{Receiver, Sender, unbounded};
use tokio::select;
use tokio::task::JoinSet;
use tokio::time::Interval;

use crate::{Decision, Event, Pool, worker};

/// Starts, counts and retires the workers of a pool. One task owns it.
pub(crate) struct Scaler<J, R, F> {
    pool: Pool,
    queue: Receiver<J>,
    reply: Sender<R>,
    work: Arc<F>,
    workers: JoinSet<Event>,
    last_id: usize,
    /// Number of workers that are to stay.
    size: usize,
    /// Sends one message for each worker that is to retire.
    retire: Sender<()>,
    /// Holds these messages. The next worker without a job takes one, and ends.
    retirements: Receiver<()>,
}

impl<J, R, W, F> Scaler<J, R, F>
where
    J: Send + 'static,
    R: Send + 'static,
    W: Future<Output = R> + Send + 'static,
    F: Fn(usize, J) -> W + Send + Sync + 'static,
{
    /// A scaler without workers.
    pub fn new(pool: Pool, queue: Receiver<J>, reply: Sender<R>, work: Arc<F>) -> Self {
        let (retire, retirements) = unbounded();
        Self {
            pool,
            queue,
            reply,
            work,
            workers: JoinSet::new(),
            last_id: 0,
            size: 0,
            retire,
            retirements,
        }
    }

    /// Keeps as many workers as the queue asks for, until all of them have ended.
    pub async fn run(mut self, mut ticks: Interval, mut observe: impl FnMut(Event)) {
        let mut observe = |event| {
            let observed = catch_unwind(AssertUnwindSafe(|| observe(event)));
            drop(observed); // an error: its own panic, which does not end the scaler
        };
        self.grow(self.pool.min_workers.get());
        loop {
            select! {
                biased; // first what has happened, then what to do about it
                ended = self.next_ended() => {
                    let Some(event) = ended else { return };
                    if !self.queue_is_over() {
                        self.start_missing(); // after a panic, one is missing
                    }
                    observe(event);
                }
                _ = ticks.tick() => {
                    let queue = self.queue.len();
                    match self.pool.decide(queue, self.size) {
                        _ if self.queue_is_over() => {} // the workers end by themselves
                        Decision::Add(count) => {
                            observe(Event::ScalingUp { count, queue });
                            self.grow(count);
                        }
                        Decision::Remove(count) => {
                            observe(Event::ScalingDown { count });
                            self.shrink(count);
                        }
                        Decision::Keep => {}
                    }
                }
            }
        }
    }

    /// Adds workers: first those that are to retire and have not noticed, then new ones.
    fn grow(&mut self, count: usize) {
        self.size += count;
        for _ in 0..count {
            _ = self.retirements.try_recv(); // an error: none is to retire
        }
        self.start_missing();
    }

    /// Retires workers, without waiting for those that are busy.
    fn shrink(&mut self, count: usize) {
        self.size -= count;
        for _ in 0..count {
            let sent = self.retire.try_send(());
            sent.expect("an open channel without a capacity has room");
        }
    }

    /// Starts workers until there are as many as are to stay.
    fn start_missing(&mut self) {
        while self.workers.len() < self.size {
            self.last_id += 1;
            let (queue, retirements) = (self.queue.clone(), self.retirements.clone());
            let (reply, work) = (self.reply.clone(), self.work.clone());
            self.workers
                .spawn(worker(self.last_id, retirements, queue, reply, work));
        }
    }

    /// Whether the queue will never yield a job again.
    fn queue_is_over(&self) -> bool {
        self.queue.is_closed() && self.queue.is_empty()
    }

    /// Waits until a worker has ended: none if there is no worker, or the runtime is shutting down.
    async fn next_ended(&mut self) -> Option<Event> {
        match self.workers.join_next().await? {
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
