//! What the two small examples print.

use testing::{ends_quietly_unread, example};

/// If an example did not wait, the right order would still come up now and then: so each runs 20 times.
#[test]
fn the_examples_wait_for_everyone() {
    let logs = "Log written\nLog written\nLog written\nAll logs written\n";
    let barrier = "Ready\nReady\nReady\nGo\nGo\nGo\n";
    for (name, expected) in [("wait_group", logs), ("barrier", barrier)] {
        for _ in 0..20 {
            let output = example(name).output().expect("the example can be started");
            let printed = str::from_utf8(&output.stdout);
            assert_eq!(printed, Ok(expected), "{name}");
        }
        ends_quietly_unread(&mut example(name));
    }
}
