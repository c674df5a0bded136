//! `Barrier`: a fixed number of threads all wait for each other, and then all go on.
//!
//! Use it where no one may begin the next phase before everyone has ended this one. The number is
//! fixed from the start: if one thread never comes, none passes. So a pool does not end with one.

use std::sync::Barrier;
use std::thread;

fn main() {
    let everyone_is_ready = Barrier::new(3);

    thread::scope(|scope| {
        for _ in 1..=3 {
            scope.spawn(|| {
                println!("Ready");
                everyone_is_ready.wait();
                println!("Go");
            });
        }
    });
}
