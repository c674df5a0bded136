//! `Barrier`: a fixed number of threads wait for each other, and then all of them go on.
//!
//! Use it when no thread may begin the next phase before every thread has ended this one. The number
//! is fixed from the start: if one thread never comes, all others wait for ever. A thread that panics
//! never comes, so a pool, where work may panic, does not end with a barrier.

use std::io::{Write, stdout};
use std::sync::Barrier;
use std::thread;

fn main() {
    let everyone_is_ready = Barrier::new(3);

    thread::scope(|scope| {
        for _ in 1..=3 {
            scope.spawn(|| {
                say("Ready");
                everyone_is_ready.wait();
                say("Go");
            });
        }
    });
}

/// `println!` panics if its reader has gone, as in `| head -1`. This ignores that error.
fn say(line: &str) {
    _ = writeln!(stdout(), "{line}");
}
