//! Jobs of two kinds, as one type each for the queue and for those who wait.

use job_struct::{Job, JobHandle};

/// The jobs that one queue carries.
pub enum AnyJob {
    Number(Job<usize, usize>),
    Text(Job<String, String>),
}

/// The handles of these jobs.
pub enum AnyHandle {
    Number(JobHandle<usize>),
    Text(JobHandle<String>),
}

/// As in the article: even ids are numbers, odd ones text.
pub fn new_job(id: usize) -> (AnyJob, AnyHandle) {
    if id.is_multiple_of(2) {
        let (job, handle) = Job::new(id);
        (AnyJob::Number(job), AnyHandle::Number(handle))
    } else {
        let (job, handle) = Job::new(format!("Job {id}"));
        (AnyJob::Text(job), AnyHandle::Text(handle))
    }
}
