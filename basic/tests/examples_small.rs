//! What the two small examples print.

use testing::{ends_quietly_unread, example};

/// If an example did not wait, the line would still come up now and then: so each runs 20 times.
#[test]
fn the_examples_print_the_articles_line() {
    for name in ["goroutine", "channel"] {
        for _ in 0..20 {
            let output = example(name).output().expect("the example can be started");
            let printed = str::from_utf8(&output.stdout);
            assert_eq!(printed, Ok("Hello from goroutine\n"), "{name}");
        }
        ends_quietly_unread(&mut example(name));
    }
}
