//! What the program prints.

use testing::{Printed, run};

fn dispatcher(flags: &str) -> Printed {
    run(env!("CARGO_BIN_EXE_dispatcher"), flags)
}

#[test]
fn prints_what_the_article_prints() {
    let printed = dispatcher("--speed 1000");
    assert_eq!(printed.code, Some(0));
    insta::assert_snapshot!(printed.facts(), @r"
    Executing task [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    Worker # processing task (10 times)
    Worker # stopping (3 times)
    Worker pool stopped
    ");
    assert_eq!(printed.last(), "Worker pool stopped");
}

/// More than the queue holds, and stopped long before they are done.
#[test]
fn stopping_runs_every_task() {
    let printed = dispatcher("--speed 100000 --jobs 3000");
    assert_eq!(printed.code, Some(0));
    let tasks = format!("Executing task {:?}\n", Vec::from_iter(1..=3000));
    assert!(printed.facts().contains(&tasks), "{}", printed.facts());
    assert_eq!(printed.last(), "Worker pool stopped");
}

#[test]
fn the_task_that_is_to_fail_fails() {
    let printed = dispatcher("--speed 1000 --workers 1 --jobs 3 --fail 2");
    assert_eq!(printed.code, Some(0));
    insta::assert_snapshot!(printed.lines.join("\n"), @r"
    Worker # processing task
    Executing task 1
    Worker # processing task
    Executing task 2
    Worker # task error: task 2 failed
    Worker # processing task
    Executing task 3
    Worker # stopping
    Worker pool stopped
    ");
}
