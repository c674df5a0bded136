//! A program of its own, because it looks at all threads of pools.

use std::sync::mpsc::channel;
use std::thread;

use dispatcher::{Pool, RunningPool};
use testing::{not_zero, threads_rest};

fn start(workers: usize) -> RunningPool {
    let pool = Pool {
        workers: not_zero(workers),
        capacity: not_zero(1),
    };
    pool.start(|_| {}).expect("threads can be started")
}

/// Three workers wait for a task, one is in a task that waits, and a submitter waits for room.
#[test]
fn workers_and_submitters_that_wait_use_no_processor_time() {
    let (idle, full) = (start(3), start(1));
    let (open, gate) = channel();
    full.submit(Box::new(move || Ok(gate.recv()?)));
    let handle = full.submitter();
    let submit = move || [(); 2].map(|()| handle.submit(Box::new(|| Ok(()))).is_ok());
    let submitter = thread::Builder::new().name("submitter".into());
    let submitter = submitter.spawn(submit).expect("threads can be started");

    threads_rest(&["worker ", "submitter"], 5);

    open.send(()).expect("the task waits at its gate");
    assert_eq!(submitter.join().expect("it does not panic"), [true; 2]);
    full.stop();
    idle.stop();
}
