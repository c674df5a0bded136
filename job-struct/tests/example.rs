//! The example `stats`, run as a person runs it.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use testing::example;

/// Files that can be read and others that cannot, each in its place.
#[test]
fn answers_come_in_the_order_of_the_questions() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stats");
    fs::create_dir_all(folder.join("folder")).expect("there is room");
    let text = |number: usize| "again and again\n".repeat(number) + "again it ends in a long line";
    let (mut names, mut stdout) = (Vec::<OsString>::new(), Vec::new());
    // The first file takes longest.
    for number in [20_000].into_iter().chain(1..100) {
        let name = format!("{number}.txt");
        fs::write(folder.join(&name), text(number)).expect("there is room");
        let answer = format!("{} words, {} times again", 3 * number + 7, 2 * number + 1);
        stdout.push(format!(
            "{name}: {answer}, longest line: again it ends in a long line"
        ));
        names.push(name.into());
    }
    fs::write(folder.join("empty"), "").expect("there is room");
    stdout.push("empty: 0 words, 0 times , longest line: ".into());
    fs::write(folder.join("binary"), b"a \xff b").expect("there is room");
    names.extend(["empty", "gone", "folder", "binary"].map(OsString::from));
    let stderr = [
        "stats: gone: No such file or directory (os error 2)",
        "stats: folder: Is a directory (os error 21)",
        "stats: binary: stream did not contain valid UTF-8",
    ];
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::ffi::OsStringExt;
        let name = OsString::from_vec(b"\xff.txt".into());
        fs::write(folder.join(&name), "a a b").expect("there is room");
        names.push(name);
        stdout.push("\u{fffd}.txt: 3 words, 2 times a, longest line: a a b".into());
    }

    let mut stats = example("stats");
    let output = stats.args(names).current_dir(folder).output();
    let output = output.expect("the example is built");
    let text = |bytes| String::from_utf8(bytes).expect("only text is printed");
    let lines = text(output.stdout);
    assert_eq!(lines.lines().collect::<Vec<_>>(), stdout);
    let errors = text(output.stderr);
    match cfg!(unix) {
        true => assert_eq!(errors.lines().collect::<Vec<_>>(), stderr),
        false => assert_eq!(errors.lines().count(), stderr.len()), // in other words
    }
    assert_eq!(output.status.code(), Some(1));
}
