//! The article's second primer: a value moves from one thread to another through a channel.
//!
//! The channel has room for nothing, as Go's `make(chan string)`: `send` waits for `recv`. The sender
//! moves into the thread. If the thread ended without sending, `recv` would return an error instead
//! of waiting for ever.

use std::io::{Write, stdout};
use std::thread;

use crossbeam::channel::bounded;

fn main() {
    let (message, inbox) = bounded(0);

    thread::spawn(move || message.send("Hello from goroutine"));

    say(inbox.recv().expect("the thread sends before it ends"));
}

/// `println!` panics if its reader has gone, as in `| head -1`. This ignores that error.
fn say(line: &str) {
    _ = writeln!(stdout(), "{line}");
}
