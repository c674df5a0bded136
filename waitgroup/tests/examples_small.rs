//! What the two small examples print.

use std::io;

use testing::example;

const EXAMPLES: [&str; 2] = ["wait_group", "barrier"];

/// If an example did not wait, the right order would still come up now and then: so each runs 20 times.
#[test]
fn the_examples_wait_for_everyone() {
    let logs = "Log written\nLog written\nLog written\nAll logs written\n";
    let barrier = "Ready\nReady\nReady\nGo\nGo\nGo\n";
    for (name, expected) in EXAMPLES.into_iter().zip([logs, barrier]) {
        for _ in 0..20 {
            let output = example(name).output().expect("the example can be started");
            let printed = str::from_utf8(&output.stdout);
            assert_eq!(printed, Ok(expected), "{name}");
        }
    }
}

#[test]
fn the_examples_end_quietly_if_nobody_reads_their_output() {
    for name in EXAMPLES {
        let (reader, writer) = io::pipe().expect("there is room for a pipe");
        drop(reader);
        let output = example(name).stdout(writer).output();
        let output = output.expect("the example can be started");
        assert!(output.status.success(), "{name}");
        assert_eq!(str::from_utf8(&output.stderr), Ok(""), "{name}");
    }
}
