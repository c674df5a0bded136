//! `cargo xtask exercise` and what belongs to it, in a small workspace of its own.

use std::collections::BTreeMap;
#[cfg(target_os = "linux")]
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use testing::{Running, with_deadline};
use xtask::exercise::blank::{self, find};
use xtask::exercise::parts::{Exercise, advice};
use xtask::exercise::{DIGESTS, Files, digests};
use xtask::steps::STEPS;

const LIB: &str = "\
//! Sums.

use std::num::Wrapping;

/// Adds them.
pub fn add(one: u32, other: u32) -> u32 {
    (Wrapping(one) + Wrapping(other)).0
}

/// Two of it.
pub struct Twice(pub u32);

impl Twice {
    /// Their sum.
    pub fn sum(self) -> u32 { add(self.0, self.0) }
}
";

const TESTS: &str = "\
#[test]
fn one_and_one_are_two() {
    assert_eq!(basic::add(1, 1), 2, \"there are two\");
}

#[test]
fn twice_two_is_four() {
    assert_eq!(basic::Twice(2).sum(), 4);
}
";

const EXERCISE: &str = "\
# Exercise

## Part 1: `add` (two minutes)

Add them.

1. Add the first
   to the second.

<details><summary>How?</summary>

With `+`.

</details>

<details><summary>Nearly there</summary>

```rust
## Part 9: `none`
one + other
```

</details>

## Part 2: `sum`

Use `add`.

## If a check fails

- `one_and_one_are_two`: Is it added
  at all?
";

/// A workspace in a folder whose name has a space, with the step `basic`.
struct Room(TempDir);

impl Room {
    fn new() -> Self {
        Self::with(LIB)
    }

    /// One in which this has been done.
    fn after(arguments: &str) -> Self {
        let room = Self::new();
        room.ends(0, arguments);
        room
    }

    fn with(lib: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("a room ").tempdir();
        let room = Self(folder.expect("there is room for a folder"));
        room.members(&["basic"]);
        room.package("basic", "basic", "[lib]\npath = \"src/lib.rs\"");
        room.write_lib(lib);
        room.write("basic/tests/sums.rs", TESTS);
        room.write("basic/exercise.md", EXERCISE);
        room.write("xtask/none", "");
        room.ends(0, "exercise --accept basic");
        room
    }

    fn members(&self, folders: &[&str]) {
        let manifest = format!("[workspace]\nresolver = \"3\"\nmembers = {folders:?}\n");
        self.write("Cargo.toml", &manifest);
    }

    fn package(&self, folder: &str, name: &str, more: &str) {
        let manifest = format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n\n{more}\n");
        self.write(&format!("{folder}/Cargo.toml"), &manifest);
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        let folder = path.parent().expect("it is in the room");
        fs::create_dir_all(folder).expect("there is room for it");
        fs::write(path, text).expect("there is room for it");
    }

    /// Ours, except for this.
    fn edit(&self, old: &str, new: &str) {
        self.write_lib(&LIB.replace(old, new));
    }

    fn write_lib(&self, text: &str) {
        self.write("basic/src/lib.rs", text);
    }

    fn lib(&self) -> String {
        self.read("basic/src/lib.rs")
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).expect("it is there at any time")
    }

    fn rename(&self, path: &str, new: &str) {
        fs::rename(self.path(path), self.path(new)).expect("they are ours");
    }

    fn xtask(&self, arguments: &str) -> Command {
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        xtask.args(arguments.split(' ')).current_dir(self.0.path());
        xtask.env_remove("CARGO_TARGET_DIR");
        xtask
    }

    /// Runs it, and gives all that it prints.
    fn cargo(&self, arguments: &str) -> String {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments.split(' ')).current_dir(self.0.path());
        let output = cargo.env_remove("CARGO_TARGET_DIR").output();
        let output = output.expect("there is a cargo");
        assert!(output.status.success(), "{arguments}: {}", text(&output));
        text(&output)
    }

    /// The same for xtask.
    fn ends(&self, code: i32, arguments: &str) -> String {
        let output = self.xtask(arguments).output();
        let output = output.expect("xtask can be started");
        let text = text(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {text}");
        text
    }

    /// The files of each attempt that is kept.
    fn attempts(&self) -> BTreeMap<String, String> {
        let entries = fs::read_dir(self.path(".attempts/basic")).expect("something is kept");
        let paths = entries.map(|entry| entry.expect("it can be read").path());
        let attempts = paths.filter_map(|path| {
            let name = path
                .file_name()?
                .to_str()
                .filter(|name| name.starts_with("20"))?;
            let lib = fs::read_to_string(path.join("src/lib.rs"));
            Some((name.to_owned(), lib.expect("an attempt has all the files")))
        });
        attempts.collect()
    }
}

/// Checks what a text says.
trait Says {
    fn has(&self, text: &str);
    fn lacks(&self, text: &str);
}

impl Says for str {
    #[track_caller]
    fn has(&self, text: &str) {
        assert!(self.contains(text), "no {text:?}: {self}");
    }

    #[track_caller]
    fn lacks(&self, text: &str) {
        assert!(!self.contains(text), "{text:?}: {self}");
    }
}

/// All that was printed, but for how long something takes.
fn text(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8(text).expect("only text is printed");
    let lines = text.split_inclusive('\n');
    lines.filter(|line| !line.starts_with("  .. ")).collect()
}

fn mine() -> String {
    LIB.replace("(Wrapping(one) + Wrapping(other)).0", "one + other // mine")
}

#[test]
fn bodies_become_tasks() {
    let room = Room::new();
    room.ends(0, "exercise basic --all")
        .has("part 1 of 2: `add` in basic/src/lib.rs:8\n");
    insta::assert_snapshot!(room.lib(), @r#"
    //! Sums.
    // Until every part is written, some of this file is unused.
    #![allow(dead_code, unused_imports, unused_mut, unused_variables)]

    use std::num::Wrapping;

    /// Adds them.
    pub fn add(one: u32, other: u32) -> u32 {
        // Add them.
        //
        // 1. Add the first to the second.
        todo!("part 1: add")
    }

    /// Two of it.
    pub struct Twice(pub u32);

    impl Twice {
        /// Their sum.
        pub fn sum(self) -> u32 {
            // Use `add`.
            todo!("part 2: sum")
        }
    }
    "#);
}

#[test]
#[ignore = "builds a workspace; .ci/run runs it"]
fn an_exercise_compiles_without_warnings() {
    let room = Room::after("exercise basic --all");
    assert_eq!(room.cargo("check --quiet"), "", "no warnings");
}

#[test]
fn one_part_leaves_the_others() {
    let room = Room::after("exercise basic --part 2");
    let lib = room.lib();
    lib.has("Wrapping(one)");
    lib.has("part 2: sum");
    room.ends(2, "exercise basic --part 3")
        .has("there is no part 3; there are 2");
}

#[test]
fn an_exercise_under_way_is_left_alone() {
    let room = Room::after("exercise basic");
    room.write_lib(&mine());
    let said = room.ends(1, "exercise basic");
    said.has("xtask: basic is under way, and nothing was changed");
    assert_eq!(room.lib(), mine());
}

#[test]
fn what_is_replaced_is_kept() {
    let room = Room::after("exercise basic");
    let unsolved = room.lib();
    for (attempt, command) in ["exercise basic --force", "reset basic"].iter().enumerate() {
        let mine = mine() + &format!("// {attempt}\n");
        room.write_lib(&mine);
        let said = room.ends(0, command);
        let kept = room.attempts();
        let (name, _) = kept
            .iter()
            .find(|(_, lib)| **lib == mine)
            .expect("it is kept");
        let place = format!("is kept in .attempts/basic/{name}.");
        assert!(said.replace('\\', "/").contains(&place), "{said}");
        assert_eq!(kept.len(), attempt + 1);
        let now = if attempt == 0 { unsolved.as_str() } else { LIB };
        assert_eq!(room.lib(), now);
    }
}

/// Without git nothing knows ours, so what was there takes their place.
#[test]
fn what_was_changed_before_the_first_exercise_is_kept() {
    let room = Room::new();
    room.write_lib(&mine());
    for command in ["reset basic", "solution basic"] {
        room.ends(1, command)
            .has("ours are not known: basic/src was changed");
        assert_eq!(room.lib(), mine());
    }
    room.ends(0, "exercise basic")
        .has("what was there counts as ours");
    room.lib().has("todo!(\"part 1: add\")");
    assert_eq!(Vec::from_iter(room.attempts().into_values()), [mine()]);
    room.ends(0, "reset basic");
    assert_eq!(room.lib(), mine());

    // An exercise whose ours are lost is not taken for ours.
    room.ends(0, "exercise basic --force");
    let unsolved = room.lib();
    fs::remove_dir_all(room.path(".attempts")).expect("it is ours");
    for command in ["exercise basic", "exercise basic --force", "reset basic"] {
        room.ends(1, command)
            .has("copy basic/src from a fresh copy");
        assert_eq!(room.lib(), unsolved);
    }
}

/// With git, ours are those of the last commit.
#[test]
fn git_knows_ours() {
    let room = Room::new();
    let git = |arguments: &str| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=x", "-c", "user.email=x@x"]);
        git.args(arguments.split(' ')).current_dir(room.0.path());
        let output = git.output().expect("there is git");
        assert!(output.status.success(), "{arguments}: {}", text(&output));
    };
    git("init --quiet");
    git("add basic");
    git("commit --quiet -m x");
    room.write_lib(&mine());
    room.ends(0, "exercise basic");
    assert_eq!(Vec::from_iter(room.attempts().into_values()), [mine()]);
    room.ends(0, "reset basic");
    assert_eq!(room.lib(), LIB);
}

#[test]
fn a_read_only_file_is_left_alone() {
    let room = Room::new();
    let path = room.path("basic/src/lib.rs");
    let mut permissions = fs::metadata(&path).expect("it is there").permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).expect("it is ours");
    room.ends(1, "exercise basic").has("lib.rs is read-only");
    assert_eq!(room.lib(), LIB);
}

/// One that is no UTF-8, a pipe that is not written to, and links to a file and a folder that are none of the step's.
#[cfg(target_os = "linux")]
#[test]
fn only_plain_files_are_read_and_replaced() {
    use std::os::unix::{ffi::OsStrExt, fs::symlink};
    let room = Room::new();
    room.write("elsewhere/lib.rs", "// private\n");
    let no_name = room.path("basic/src").join(OsStr::from_bytes(b"\xff.rs"));
    fs::write(&no_name, "// no name\n").expect("Linux takes it");
    let link = |to, from| symlink(room.path(to), room.path(from)).expect("there is room");
    link("elsewhere", "basic/src/folder");
    link("elsewhere/lib.rs", "basic/src/link.rs");
    let mut pipe = Command::new("mkfifo");
    let pipe = pipe.arg(room.path("basic/src/pipe.rs")).status();
    assert!(pipe.expect("Linux has it").success());

    let ends = |code, arguments| {
        let finished = xtask::deadline::run(room.xtask(arguments), Duration::from_secs(60));
        let finished = finished.expect("xtask can be started");
        let status = finished.status.expect("it does not wait for the pipe");
        assert_eq!(status.code(), Some(code), "{}", finished.output);
        finished.output
    };
    ends(0, "exercise basic");
    room.write_lib(&mine());
    ends(0, "reset basic");
    let (name, _) = room.attempts().pop_first().expect("mine is kept");
    let kept = fs::read_dir(room.path(&format!(".attempts/basic/{name}/src")));
    let kept = kept.expect("it is there").flatten();
    assert_eq!(
        Vec::from_iter(kept.map(|file| file.file_name())),
        ["lib.rs"]
    );
    assert_eq!(fs::read(no_name).expect("it is there"), b"// no name\n");

    // Nothing is written through a link.
    for (target, path) in [
        ("elsewhere/lib.rs", "basic/src/lib.rs"),
        ("elsewhere", "basic/src"),
    ] {
        room.rename(path, "away");
        link(target, path);
        ends(1, "reset basic").has("is no plain file; move it away");
        fs::remove_file(room.path(path)).expect("it is a link");
        room.rename("away", path);
    }
    assert_eq!(room.read("elsewhere/lib.rs"), "// private\n");
}

#[cfg(unix)]
#[test]
fn permissions_are_kept() {
    use std::os::unix::fs::PermissionsExt;
    let room = Room::new();
    let permissions = fs::Permissions::from_mode(0o640);
    fs::set_permissions(room.path("basic/src/lib.rs"), permissions).expect("it is ours");
    room.ends(0, "exercise basic");
    room.write_lib(&mine());
    room.ends(0, "reset basic");
    let (attempt, _) = room.attempts().pop_first().expect("mine is kept");
    for folder in [
        "basic",
        ".attempts/basic/ours",
        &format!(".attempts/basic/{attempt}"),
    ] {
        let file = fs::metadata(room.path(folder).join("src/lib.rs"));
        let mode = file.expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "{folder}");
    }
}

/// A limit on the size of files has the effect of a full disk: without a handler for its signal it ends the
/// program in the middle of writing, with one the system reports an error.
#[cfg(unix)]
#[test]
fn a_full_disk_changes_nothing() {
    let big = format!("{LIB}{}", "// and much more\n".repeat(1000));
    for handler in ["", "trap '' XFSZ; "] {
        for (blocks, ours, theirs) in [
            (0, big.as_str(), big.as_str()), // ours cannot be kept
            (0, &big, "// mine\n"),
            (2, LIB, &big), // theirs cannot be kept, and the new ones would fit
            (2, &big, "// mine\n"), // the new ones cannot be written
        ] {
            let room = Room::with(ours);
            if theirs != ours {
                room.ends(0, "exercise basic");
                room.write_lib(theirs);
            }
            let script = format!("{handler}ulimit -f {blocks}; exec \"$0\" exercise --force basic");
            let mut shell = Command::new("sh");
            shell.args(["-c", &script, env!("CARGO_BIN_EXE_xtask")]);
            let output = shell.current_dir(room.0.path()).output();
            let output = output.expect("there is a shell");
            assert!(!output.status.success(), "{blocks}: {}", text(&output));
            assert_eq!(room.lib(), theirs, "{blocks}: {}", text(&output));

            room.ends(0, "exercise --force basic");
            room.ends(0, "reset basic");
            assert_eq!(room.lib(), ours, "ours is kept whole");
        }
    }
}

#[test]
fn attempts_of_the_same_second_are_all_kept() {
    let room = Room::after("exercise basic");
    for attempt in 0..9 {
        room.write_lib(&format!("// {attempt}\n"));
        room.ends(0, "reset basic");
    }
    assert_eq!(room.attempts().len(), 9);
}

/// Who has opened the old file reads the old one, all of it.
#[cfg(unix)]
#[test]
fn a_file_is_replaced_as_a_whole() {
    let room = Room::new();
    let old = fs::File::open(room.path("basic/src/lib.rs")).expect("it is there");
    room.ends(0, "exercise basic");
    let text = std::io::read_to_string(old).expect("it is still open");
    assert_eq!(text, LIB);
}

#[test]
fn commands_at_once_take_turns() {
    let room = Room::after("exercise basic");
    let unsolved = room.lib();
    thread::scope(|scope| {
        for number in 0..12 {
            let command = ["exercise basic --force", "reset basic"][number % 2];
            scope.spawn(|| room.ends(0, command));
        }
    });
    let known = [LIB, &unsolved];
    assert!(known.contains(&room.lib().as_str()), "{}", room.lib());
    for (name, lib) in room.attempts() {
        assert_eq!(lib, unsolved, "{name}");
    }
}

#[test]
fn output_that_is_not_read_stops_nothing() {
    let room = Room::after("exercise basic");
    let (reader, writer) = std::io::pipe().expect("there is room for a pipe");
    drop(reader);
    let status = room.xtask("reset basic").stdout(writer).status();
    assert!(status.expect("xtask can be started").success());
    assert_eq!(room.lib(), LIB);
}

#[test]
#[ignore = "builds a workspace; .ci/run runs it"]
fn a_check_says_what_holds_and_what_is_next() {
    let room = Room::new();
    for command in ["check", "hint", "solution", "reset"] {
        room.ends(2, command).has("no exercise is under way");
    }
    room.ends(0, "exercise basic --all");
    insta::assert_snapshot!(sorted(&room.ends(1, "check")), @r"
    basic: a fixed pool on one shared channel
      … one and one are two
      … twice two is four

    0 of 2 properties hold.
    1 cannot be judged before part 1 is written.
    1 cannot be judged before part 2 is written.
    Next: part 1, `add` in basic/src/lib.rs:8. When stuck: `cargo xtask hint basic`.

    0 of 8 steps solved; under way: basic (0 of 2).
    ");
    room.edit("Wrapping(other)", "Wrapping(other + 1)");
    insta::assert_snapshot!(sorted(&room.ends(1, "check")), @r"
    basic: a fixed pool on one shared channel
      ✗ one and one are two
          basic/tests/sums.rs:3:5:
          assertion `left == right` failed: there are two
            left: 3
           right: 2
      ✗ twice two is four
          basic/tests/sums.rs:8:5:
          assertion `left == right` failed
            left: 5
           right: 4

    0 of 2 properties hold.
    one and one are two: Is it added at all?
    Next: `cargo xtask check basic one_and_one_are_two`. When stuck: `cargo xtask hint basic`.

    0 of 8 steps solved; under way: basic (0 of 2).
    ");
    room.write_lib(&mine());
    insta::assert_snapshot!(sorted(&room.ends(0, "check")), @r"
    basic: a fixed pool on one shared channel
      ✓ one and one are two
      ✓ twice two is four

    2 of 2 properties hold.
    Next: compare, `cargo xtask solution basic`, then `cargo xtask exercise waitgroup`.

    1 of 8 steps solved: basic.
    warning: unused import: `std::num::Wrapping`
     --> basic/src/lib.rs:3:5
      |
    3 | use std::num::Wrapping;
      |     ^^^^^^^^^^^^^^^^^^
      |
      = note: `#[warn(unused_imports)]` (part of `#[warn(unused)]`) on by default
    ");
    room.write_lib(&mine().replace("one +", "won +"));
    let said = room.ends(1, "check");
    said.has("It does not compile yet.");
    said.has("error[E0425]");
}

/// The report with its tests in order: they end in any.
fn sorted(report: &str) -> String {
    let (tests, rest) = report.split_once("\n\n").expect("there are tests");
    let mut sorted = Vec::<String>::new();
    for line in tests.lines() {
        match sorted.last_mut().filter(|_| line.starts_with("   ")) {
            Some(test) => *test += &format!("\n{line}"),
            None => sorted.push(line.into()),
        }
    }
    sorted[1..].sort_unstable();
    format!("{}\n\n{rest}", sorted.join("\n"))
}

#[test]
#[ignore = "builds a workspace; .ci/run runs it"]
fn parts_are_solved_one_after_the_other() {
    let room = Room::after("exercise basic");
    let lib = room.lib();
    lib.has("part 1: add");
    lib.lacks("part 2: sum");
    room.ends(1, "check")
        .has("2 cannot be judged before part 1 is written.");

    let first = lib.replace(
        "todo!(\"part 1: add\")",
        "one + other // mine, and no todo!()",
    );
    room.write_lib(&first);
    let said = room.ends(0, "check");
    said.has("Next: part 2, `cargo xtask exercise basic`.");
    said.has("0 of 8 steps solved; under way: basic (part 1 solved).");

    // What is solved stays.
    room.ends(0, "exercise basic");
    assert!(room.attempts().values().any(|lib| *lib == first));
    let lib = room.lib();
    lib.has("// mine");
    lib.has("part 2: sum");
    room.write_lib(&lib.replace("todo!(\"part 2: sum\")", "add(self.0, self.0)"));
    let said = room.ends(0, "hint");
    assert!(said.starts_with("That is all"), "part 2 has none: {said}");
    let said = room.ends(0, "check");
    said.has("then `cargo xtask exercise waitgroup`.");
    said.has("1 of 8 steps solved: basic.");
    let list = room.ends(0, "list");
    list.has("1  basic         a fixed pool on one shared channel           solved\n");

    // Whoever begins with the last part has not solved the step.
    room.ends(0, "exercise basic --part 2");
    room.lib().lacks("// mine"); // the others are ours
    room.write_lib(&mine());
    room.ends(0, "check")
        .has("under way: basic (part 2 solved).");
}

/// As `git restore` brings them back.
#[test]
#[ignore = "builds a workspace; .ci/run runs it"]
fn our_sources_are_no_solution() {
    let room = Room::after("exercise basic");
    room.write_lib(LIB);
    let said = room.ends(0, "check basic");
    said.has("2 of 2 properties hold.\nThese are our sources: nothing of yours is judged.\n");
    said.has("0 of 8 steps solved; under way: basic (begun).");
}

/// As `cp -p` or an archive brings it back.
#[test]
#[ignore = "builds a workspace; .ci/run runs it"]
fn a_file_that_comes_back_with_its_old_time_is_checked() {
    let room = Room::new();
    let wrong = LIB.replace("Wrapping(other)", "Wrapping(other + 1)");
    room.ends(0, "check basic");
    room.write_lib(&wrong);
    let path = room.path("basic/src/lib.rs");
    let time = || fs::metadata(&path).and_then(|data| data.modified());
    let time = || time().expect("it is there");
    let set_time = |time| {
        let file = fs::File::options().append(true).open(&path);
        file.and_then(|file| file.set_modified(time))
            .expect("it is ours");
    };
    let old = time();
    room.ends(1, "check basic");
    room.write_lib(LIB);
    room.ends(0, "check basic");
    room.write_lib(&wrong);
    set_time(old);
    room.ends(1, "check basic");
    // Also if cargo has built another one meanwhile; elsewhere than on Unix, nothing tells.
    if cfg!(unix) {
        let old = time();
        room.write_lib(LIB);
        room.cargo("test --quiet --no-run");
        room.write_lib(&wrong);
        set_time(old);
        room.ends(1, "check basic");
    }
}

#[test]
#[ignore = "builds a workspace; .ci/run runs it"]
fn one_property_is_checked_by_its_name() {
    let room = Room::after("exercise basic --all");
    room.edit("Wrapping(other)", "Wrapping(other + 1)");
    let said = room.ends(1, "check basic twice_two_is_four");
    said.has("✗ twice two is four");
    said.has("0 of 1 properties hold.");
    said.lacks("one and one");
    room.ends(1, "check basic nothing")
        .has("xtask: basic has no property `nothing`");
    room.ends(0, "list").has(" begun\n"); // one property is no verdict
}

/// What tells most comes first: a line of the step itself, then a property that has advice.
#[test]
#[ignore = "builds a workspace; .ci/run runs it"]
fn next_is_what_tells_most() {
    let room = Room::after("exercise basic --all");
    room.write(
        "basic/tests/binary.rs",
        "#[test]\nfn a_program() {\n    assert_eq!(basic::add(1, 1), 2);\n}\n",
    );
    let check = |lib: &str| {
        room.write_lib(lib);
        room.ends(1, "check")
    };
    check(&LIB.replace("Wrapping(other)", "Wrapping(other + 1)"))
        .has("Next: `cargo xtask check basic one_and_one_are_two`.");

    let panic = "let lock = std::sync::Mutex::new(());
    _ = std::thread::scope(|scope| scope.spawn(|| {
        let _guard = lock.lock();
        let numbers = [1, 2];
        numbers[one as usize + 1]
    }).join());
    drop(lock.lock().unwrap());
    (Wrapping(one) + Wrapping(other)).0";
    let said = check(&LIB.replace("(Wrapping(one) + Wrapping(other)).0", panic));
    said.has("index out of bounds: the len is 2 but the index is 2");
    said.lacks("PoisonError");
    said.lacks("Is it added at all?");

    // A panic that only says that there was another tells less than the test.
    let second_hand = "let lock = std::sync::Mutex::new(());
    _ = std::thread::scope(|scope| scope.spawn(|| {
        let _guard = lock.lock();
        std::panic::resume_unwind(Box::new(()))
    }).join().is_ok());
    std::panic::catch_unwind(|| drop(lock.lock().unwrap())).map_or(one, |()| other) + 3";
    let said = check(&LIB.replace("(Wrapping(one) + Wrapping(other)).0", second_hand));
    said.has("there are two\n");
    said.has("Is it added at all?");
    said.lacks("PoisonError");
}

/// Each with words of its own, and a panic of the step before it is the cause.
#[test]
#[ignore = "builds a workspace; .ci/run runs it"]
fn what_never_ends_waits_or_computes() {
    let room = Room::after("exercise basic --all");
    let check = |sum: &str| {
        room.edit("add(self.0, self.0)", sum);
        room.ends(1, "check basic --limit 1")
    };
    let waits = check("loop { std::thread::sleep(std::time::Duration::MAX) }");
    waits.has("What never ends waits for something.");
    let panics = check(
        "_ = std::thread::spawn(move || 1 / (self.0 - self.0)).join(); std::thread::park(); 0",
    );
    panics.has("attempt to divide by zero\n      and then it never ends");
    panics.lacks("What never ends");
    if cfg!(target_os = "linux") {
        waits.has("never ends: it waits; stopped after 1 s or more");
        let computes = check("loop {}");
        computes.has("never ends: it computes; stopped after 1 s or more");
        computes.has("It computes and does not wait");
    }
}

#[test]
#[ignore = "builds a workspace; .ci/run runs it"]
fn what_all_steps_share_is_checked_last() {
    let room = Room::new();
    room.members(&["basic", "xtask/lab"]);
    let dependencies = "[dependencies]\nbasic.path = \"../../basic\"";
    room.package("xtask/lab", "lab", dependencies);
    room.write("xtask/lab/src/lib.rs", "");
    let shared = "\
#[test]
fn this_step_keeps_to_it() {
    assert_eq!(std::env::var(\"STEP\").unwrap(), \"basic\");
    assert_eq!(basic::add(2, 2), 4);
}
";
    room.write("xtask/lab/tests/conformance.rs", shared);
    let of_others = "#[test]\nfn of_a_cancel() {\n    panic!();\n}\n";
    room.write("xtask/lab/tests/conformance_cancel.rs", of_others);
    room.ends(0, "check basic")
        .has("✓ this step keeps to it\n\n3 of 3 properties hold.\nThese are our sources");
    room.ends(0, "check basic this_step_keeps_to_it");
    room.ends(0, "check basic this_step_keeps_to_it twice_two_is_four");

    let wrong = LIB.replace(
        "Wrapping(other)",
        "Wrapping(if one == 2 { 9 } else { other })",
    );
    let wrong = wrong.replace("add(self.0, self.0)", "4");
    room.write_lib(&wrong);
    room.ends(1, "check basic")
        .has("✗ this step keeps to it\n      xtask/lab/tests/conformance.rs:4:5:");

    room.write_lib(LIB);
    room.write("xtask/lab/src/lib.rs", "another step does not compile");
    let said = room.ends(1, "check basic");
    said.has("lab does not compile, and these tests are built with all steps");
    said.has("2 of 3 properties hold.");
    said.has("Next: `cargo xtask check lab`");
}

/// The test that never ends holds a lock, which the system lets go once its process has ended.
#[cfg(unix)]
#[test]
#[ignore = "builds a workspace; .ci/run runs it"]
fn a_signal_ends_a_check_with_its_tests() {
    let room = Room::new();
    let endless = "let file = std::fs::File::create(\"lock\").unwrap();
        file.lock().unwrap();
        loop { std::thread::sleep(std::time::Duration::MAX) }";
    room.edit("add(self.0, self.0)", endless);
    let mut check = Running::start(&mut room.xtask("check basic --limit 1000"));
    check.wait_for("✓ one and one are two");
    let path = room.path("basic/lock");
    let file = with_deadline(move || {
        loop {
            match fs::File::open(&path) {
                Ok(file) if file.try_lock().is_err() => return file,
                _ => thread::yield_now(),
            }
        }
    });
    check.send("INT");
    let (status, ..) = check.end();
    assert_eq!(status.code(), Some(130));
    let locked = with_deadline(move || file.lock());
    locked.expect("the test has ended");
}

#[test]
fn hints_come_one_at_a_time() {
    let room = Room::after("exercise basic");
    for (count, last) in [
        (1, "With `+`.\n\n"),
        (2, "one + other\n```\n\n"),
        (2, "shows ours.\n"),
    ] {
        let said = room.ends(0, "hint");
        assert_eq!(
            said.matches("Part 1, `add`, hint ").count(),
            count,
            "{said}"
        );
        assert!(said.ends_with(last), "{said}");
    }
}

/// A file is in the place of the folder, as a read-only folder stops no administrator.
#[test]
fn without_a_place_for_attempts_hints_are_given_and_the_rest_says_what_to_do() {
    let room = Room::new();
    room.write(".attempts", "");
    room.ends(0, "hint basic").has("hint 2 of 2");
    room.ends(1, "exercise basic")
        .has(".attempts: make that a folder that can be written to");
    assert_eq!(room.lib(), LIB);
}

/// Cargo loads a workspace in which a file is missing whose place the manifest names.
#[test]
fn a_library_that_was_moved_away_is_put_back() {
    for step in STEPS {
        let manifest = fs::read_to_string(root().join(step.name).join("Cargo.toml"));
        let manifest = manifest.expect("a step has it");
        for path in ["path = \"src/lib.rs\"", "path = \"src/main.rs\""] {
            assert!(manifest.contains(path), "{}: {path}", step.name);
        }
    }
    let room = Room::after("exercise basic");
    room.rename("basic/src", "away");
    room.ends(0, "hint");
    room.ends(0, "reset");
    assert_eq!(room.lib(), LIB);
}

#[test]
fn a_limit_is_at_most_a_day() {
    let room = Room::new();
    for limit in ["0", "86401", "18446744073709551615"] {
        room.ends(2, &format!("check basic --limit {limit}"))
            .has("is not in 1..=86400");
    }
}

#[test]
fn the_solution_is_what_differs() {
    let room = Room::after("exercise basic --part 2");
    insta::assert_snapshot!(room.ends(0, "solution basic"), @r#"
    --- yours/src/lib.rs
    +++ ours/src/lib.rs
    @@ -12,8 +12,5 @@

     impl Twice {
         /// Their sum.
    -    pub fn sum(self) -> u32 {
    -        // Use `add`.
    -        todo!("part 2: sum")
    -    }
    +    pub fn sum(self) -> u32 { add(self.0, self.0) }
     }
    "#);
}

#[test]
#[ignore = "builds a workspace; .ci/run runs it"]
fn a_check_is_repeated_whenever_a_file_is_saved() {
    let room = Room::after("exercise basic");
    let mut watch = room.xtask("check --watch --limit 1000");
    let mut watch = Running::start(watch.stdin(Stdio::piped()));
    let mut stdin = watch.program.stdin.take().expect("it is piped");
    let mut says = |line: &str| stdin.write_all(line.as_bytes()).expect("it reads");
    watch.wait_for("0 of 2 properties hold.");
    watch.wait_for("This goes on when you save");
    room.write("basic/src/new.rs", &mine());
    room.rename("basic/src/new.rs", "basic/src/lib.rs");
    watch.wait_for("2 of 2 properties hold.");
    watch.wait_for("This goes on when you save");
    says("l\n");
    watch.wait_for("1  basic");
    says("h\n");
    watch.wait_for("Part 1, `add`, hint 1 of 2");
    says("x\n");
    watch.wait_for("`x` is none of h, n, l and q");
    says("n\n");
    watch.wait_for("part 2 of 2");
    watch.wait_for("1 cannot be judged before part 2 is written.");
    room.write_lib("not Rust");
    watch.wait_for("It does not compile yet.");
    room.edit("add(self.0, self.0)", "loop {}");
    watch.wait_for("✓ one and one are two");
    room.write_lib(LIB); // it does not wait for the end of the other
    watch.wait_for("2 of 2 properties hold.");
    says("q\n");
    let (status, ..) = watch.end();
    assert_eq!(status.code(), Some(0));
}

#[test]
#[ignore = "builds a workspace; .ci/run runs it"]
fn a_computer_is_made_ready() {
    let room = Room::new();
    for step in STEPS.iter().skip(1) {
        room.package(step.name, step.name, "");
        room.write(&format!("{}/src/lib.rs", step.name), "");
    }
    room.package("lab", "lab", "[features]\nkeys = []");
    room.write("lab/src/main.rs", "fn main() {}");
    room.members(&[&STEPS.map(|step| step.name)[..], &["lab"]].concat());
    room.cargo("generate-lockfile --offline");

    room.ends(0, "doctor")
        .has("✓ play is built.\nReady. It took ");
    room.write_lib(&mine());
    room.ends(0, "reset basic");
    assert_eq!(room.lib(), LIB, "ours is known from then on");
    room.write("errors/src/lib.rs", "broken");
    let said = room.ends(1, "doctor");
    said.has("xtask: errors does not compile; `cargo xtask reset errors` puts ours back\n");
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn the_digests_are_those_of_the_sources() {
    let committed = fs::read_to_string(root().join(DIGESTS)).expect("they are committed");
    let now = digests(root(), STEPS.iter().map(|step| step.name)).expect("the steps can be read");
    assert!(
        committed == now,
        "the steps' sources have changed: if this is meant, `cargo xtask exercise --accept basic`"
    );
}

#[test]
fn every_exercise_fits_its_step() {
    for step in &STEPS {
        let folder = root().join(step.name);
        let Ok(text) = fs::read_to_string(folder.join("exercise.md")) else {
            continue;
        };
        let exercise =
            Exercise::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", step.name));
        assert!(
            exercise.parts.len() >= 2,
            "{}: at least two parts",
            step.name
        );
        let sources = files(&folder.join("src"));
        blank::blank(&sources, exercise.parts.iter())
            .unwrap_or_else(|error| panic!("{}: {error}", step.name));
        for part in &exercise.parts {
            let what = format!("{}, part {}", step.name, part.number);
            find(&sources, &part.function).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(
                part.task.len() > 1,
                "{what}: a paragraph and numbered steps"
            );
            assert!(part.hints.len() >= 2, "{what}: at least two hints");
        }
        let mut tests = files(&folder.join("tests"));
        tests.extend(files(&root().join("xtask/lab/tests")));
        let is_there = |name: &String| {
            let head = format!("fn {name}(");
            tests
                .values()
                .any(|file| String::from_utf8_lossy(file).contains(&head))
        };
        for (property, _) in &exercise.advice {
            assert!(is_there(property), "{}: no test {property}", step.name);
        }
    }
}

#[test]
fn every_property_that_all_steps_share_has_advice() {
    let shared = advice(include_str!("../src/exercise/shared.md")).expect("it has a list");
    let tests = files(&root().join("xtask/lab/tests"));
    let tests = tests
        .iter()
        .filter(|(path, _)| path.contains("conformance"));
    let tests = tests.map(|(_, file)| String::from_utf8_lossy(file).into_owned());
    let tests = String::from_iter(tests);
    let lines = Vec::from_iter(tests.lines());
    let is_test = |line: &str| line == "#[test]" || line.starts_with("#[tokio::test");
    let tests = lines.windows(2).filter(|pair| is_test(pair[0]));
    let mut tests =
        Vec::from_iter(tests.filter_map(|pair| pair[1].split_once("fn ")?.1.split('(').next()));
    let mut advised = Vec::from_iter(shared.iter().map(|(name, _)| name.as_str()));
    tests.sort_unstable();
    advised.sort_unstable();
    assert_eq!(tests, advised);
}

fn files(folder: &Path) -> Files {
    let entries = fs::read_dir(folder).expect("a step has it");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let files = paths.filter(|path| path.is_file()).map(|path| {
        let name = path
            .file_name()
            .expect("files have names")
            .to_string_lossy();
        let file = fs::read(&path).expect("it can be read");
        (format!("src/{name}"), file)
    });
    files.collect()
}
