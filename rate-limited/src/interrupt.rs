//! Ctrl-C and the request to terminate. The same file in steps 4, 7 and 8.

use std::process;

use tokio_util::sync::CancellationToken;

/// A token that the first Ctrl-C or request to terminate cancels. The second one ends the program at
/// once.
///
/// Signals are handled on a thread of their own, so that they work even while the program's output is
/// not read and its other thread waits for that. A signal that was ignored at the start, as under `nohup`,
/// cancels as well.
pub fn token() -> CancellationToken {
    let interrupt = CancellationToken::new();
    let token = interrupt.clone();
    let on_signal = move || {
        exit_if_cancelled(&token);
        token.cancel();
    };
    ctrlc::set_handler(on_signal).unwrap_or_else(|error| fail!("cannot handle Ctrl-C: {error}"));
    interrupt
}

/// Ends the program if the token is cancelled, with the exit code that is usual after Ctrl-C.
pub fn exit_if_cancelled(interrupt: &CancellationToken) {
    if interrupt.is_cancelled() {
        process::exit(130);
    }
}
