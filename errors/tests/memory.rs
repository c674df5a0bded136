//! What contained panics leave behind. A program of its own, because it measures all memory of the process.

use std::panic::resume_unwind;

use errors::Pool;
use testing::{memory_in_use, not_zero};

/// 300 messages of 1 MiB: 300 MiB if all are kept.
#[test]
fn contained_panics_leave_no_memory_in_use() {
    let before = memory_in_use();
    let pool = Pool {
        workers: not_zero(2),
        capacity: not_zero(1),
    };
    let work = |_, _: &_| -> Result<(), String> {
        // As `panic!` does, but without the hook that prints the message.
        resume_unwind(Box::new("x".repeat(1 << 20)))
    };
    let on_result = |(_, result): (_, Result<_, errors::JobError<_>>)| {
        let message = result.expect_err("it panicked").to_string();
        assert_eq!(message.len(), "panicked: ".len() + (1 << 20));
    };
    pool.run(0..300, work, on_result)
        .expect("threads can be started");
    let grown = memory_in_use().saturating_sub(before);
    assert!(grown < 100, "{grown} MiB are still in use");
}
