//! A pool like the one that chapter 21 of the Rust Book builds: boxed closures, one `std` channel,
//! and its receiver in a mutex, which a worker holds while it waits for its next job.

use std::num::NonZeroUsize;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

type Job = Box<dyn FnOnce() + Send>;

pub struct Book {
    queue: Option<Sender<Job>>,
    workers: Vec<JoinHandle<()>>,
}

impl Book {
    pub fn new(workers: NonZeroUsize) -> Self {
        let (submit, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        let worker = |_| {
            let queue = queue.clone();
            thread::spawn(move || work(&queue))
        };
        Self {
            queue: Some(submit),
            workers: (0..workers.get()).map(worker).collect(),
        }
    }

    pub fn execute(&self, run: impl FnOnce() + Send + 'static) {
        let queue = self.queue.as_ref().expect("taken only when dropped");
        queue.send(Box::new(run)).expect("workers receive");
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held until the end of this statement, a job longer than it takes to get one.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        self.queue = None;
        for worker in self.workers.drain(..) {
            worker.join().expect("no job panics");
        }
    }
}
