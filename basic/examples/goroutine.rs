//! The article's first primer: start a thread, and wait until it has ended.
//!
//! `join` waits for exactly as long as the thread takes. A sleep is a guess: without its 100 ms, the
//! article's version printed the line in 3 of 600 runs.

use std::io::{Write, stdout};
use std::thread;

fn main() {
    let greeter = thread::spawn(|| say("Hello from goroutine"));

    greeter.join().expect("writing a line does not panic");
}

/// `println!` panics if its reader has gone, as in `| head -1`. This ignores that error.
fn say(line: &str) {
    _ = writeln!(stdout(), "{line}");
}
