//! `WaitGroup`: one thread waits until any number of others are done.
//!
//! Use it when work gives no result whose channel could end, and the threads go on to other things.
//! A clone is a promise, dropping it keeps it: no count to get wrong, and a panic drops it too.

use std::thread;

use crossbeam::sync::WaitGroup;

fn main() {
    let pending = WaitGroup::new();

    for _ in 1..=3 {
        let pending = pending.clone();
        thread::spawn(move || {
            println!("Log written");
            drop(pending); // done with what others wait for
        });
    }

    pending.wait(); // gives up our own share and waits until nobody has one
    println!("All logs written");
}
