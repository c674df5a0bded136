//! The article's second primer: a value moves from one thread to another through a channel.
//!
//! `recv` waits for it, so no join is needed to see it arrive. The sender moves into the thread: had
//! the thread ended without sending, `recv` would say so instead of waiting for ever.

use std::thread;

use crossbeam::channel::bounded;

fn main() {
    let (message, inbox) = bounded(1);

    thread::spawn(move || message.send("Hello from goroutine"));

    println!("{}", inbox.recv().expect("the thread sends before it ends"));
}
