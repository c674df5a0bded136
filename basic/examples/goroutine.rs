//! The article's first primer: start a thread, and wait until it has ended.
//!
//! Joining is waiting for exactly as long as it takes. A sleep is a bet on how long that is: without
//! its 100 ms the article's version printed the line in 3 of 600 runs.

use std::thread;

fn main() {
    let greeter = thread::spawn(|| println!("Hello from goroutine"));

    greeter.join().expect("printing a line does not panic");
}
