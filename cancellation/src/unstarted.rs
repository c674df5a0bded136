//! What the program says about jobs that never started. The same file in steps 4 and 7.

/// Names the jobs on standard error: the first 20, and how many more.
pub fn print(mut jobs: impl Iterator<Item = usize>) {
    for job in jobs.by_ref().take(20) {
        note!("Job {job} never started");
    }
    let more = jobs.count();
    if more > 0 {
        note!("... nor did {more} more");
    }
}
