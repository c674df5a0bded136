//! `WaitGroup`: one thread waits until any number of others are done.
//!
//! Use it when work gives no result whose channel could end, and its threads go on to other things.
//! Each clone stands for work that is not done. Dropping it, even by a panic, marks that work as
//! done, so there is no counter to get wrong.

use std::io::{Write, stdout};
use std::thread;

use crossbeam::sync::WaitGroup;

fn main() {
    let pending = WaitGroup::new();

    for _ in 1..=3 {
        let pending = pending.clone();
        thread::spawn(move || {
            say("Log written");
            drop(pending); // marks this work as done
        });
    }

    pending.wait(); // drops this thread's clone, and waits until no other is left
    say("All logs written");
}

/// `println!` panics if its reader has gone, as in `| head -1`. This ignores that error.
fn say(line: &str) {
    _ = writeln!(stdout(), "{line}");
}
