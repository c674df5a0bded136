//! What the program prints.

use testing::run;

#[test]
fn prints_the_articles_lines() {
    let printed = run(env!("CARGO_BIN_EXE_basic"), "--speed 1000");
    assert_eq!(printed.code, Some(0));
    insta::assert_snapshot!(printed.facts(), @r"
    Result: [2, 4, 6, 8, 10]
    Worker # processing job [1, 2, 3, 4, 5]
    ");
}
