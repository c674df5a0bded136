//! What the two small examples print.

use std::io;

use testing::example;

const EXAMPLES: [&str; 2] = ["goroutine", "channel"];

/// If an example did not wait, the line would still come up now and then: so each runs 20 times.
#[test]
fn the_examples_print_the_articles_line() {
    for name in EXAMPLES {
        for _ in 0..20 {
            let output = example(name).output().expect("the example can be started");
            let printed = str::from_utf8(&output.stdout);
            assert_eq!(printed, Ok("Hello from goroutine\n"), "{name}");
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
