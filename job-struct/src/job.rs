use std::thread;

use oneshot::RecvError;

/// Data for a worker, and the sender of its result.
///
/// The pool only carries jobs. The result goes from the worker straight to the job's [`JobHandle`].
#[derive(Debug)]
pub struct Job<D, R> {
    data: D,
    reply: oneshot::Sender<R>,
}

impl<D, R> Job<D, R> {
    /// Makes a job to submit, and the handle that waits for its result.
    ///
    /// ```
    /// let (job, handle) = job_struct::Job::new(21);
    /// job.complete(|number| number * 2);
    /// assert_eq!(handle.wait(), Ok(42));
    /// ```
    pub fn new(data: D) -> (Self, JobHandle<R>) {
        let (reply, result) = oneshot::channel();
        (Self { data, reply }, JobHandle(result))
    }

    /// Does `work` on the data and sends the result to the job's handle.
    ///
    /// This takes the job, so that no job is completed twice. If the handle has been dropped, the
    /// work is done all the same, and its result is dropped.
    ///
    /// ```
    /// let (job, handle) = job_struct::Job::new("hello");
    /// job.complete(|text| text.len());
    /// assert_eq!(handle.wait(), Ok(5));
    /// ```
    pub fn complete(self, work: impl FnOnce(D) -> R) {
        _ = self.reply.send(work(self.data)); // an error: the handle was dropped
    }
}

/// Waits for the result of one job, as std's `JoinHandle` waits for that of a thread.
#[derive(Debug)]
pub struct JobHandle<R>(oneshot::Receiver<R>);

impl<R> JobHandle<R> {
    /// Waits for the result, however long the job takes.
    ///
    /// # Errors
    ///
    /// If the job was dropped before it was complete: its work panicked, or no worker took it.
    ///
    /// ```
    /// let (job, handle) = job_struct::Job::<u64, u64>::new(21);
    /// drop(job);
    /// assert!(handle.wait().is_err());
    /// ```
    pub fn wait(self) -> Result<R, RecvError> {
        if !self.0.has_message() {
            thread::yield_now(); // to be woken costs more than a short job
        }
        self.0.recv()
    }
}
