//! What a pool leaves behind. A program of its own, because it counts all threads that have the name of a pool's.

use std::time::Duration;

use lab::harness::{Mode, PATIENCE, play};
use lab::script::{Job, Script};
use lab::steps;
use testing::not_zero;

fn script() -> Script {
    Script {
        workers: not_zero(4),
        capacity: not_zero(2),
        jobs: vec![Job::default(); 50],
        period: Duration::ZERO,
        ..Script::PLAIN
    }
}

#[test]
fn the_end_leaves_no_thread_and_no_task() {
    for step in steps::asked_for() {
        let run = play(&step, &script(), Mode::Stressed, PATIENCE);
        let run = run.expect("the pool runs");
        assert_eq!(run.left, 0, "{}", step.name);
    }
}
