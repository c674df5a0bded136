//! The steps' programs, for tests of all of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::{Deserializer, Value};
use testing::Running;
use xtask::cargo::{cargo, root};

/// The programs by name, built from the sources as they are now.
static PROGRAMS: LazyLock<BTreeMap<String, PathBuf>> = LazyLock::new(|| {
    // As `cargo test` in the workspace's folder has just built them.
    let mut build = cargo();
    build.args(["build", "--bins", "--tests", "--message-format=json"]);
    build.current_dir(root().expect("tests run in the workspace"));
    let output = build.stderr(Stdio::inherit()).output();
    let output = output.expect("there is a cargo");
    assert!(output.status.success(), "the steps can be built");

    let messages = Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let messages = messages.map(|message| message.expect("cargo prints JSON"));
    let programs = messages.filter(|message| message["profile"]["test"] == false);
    let programs = programs.filter_map(|message| {
        let name = message["target"]["name"].as_str()?.to_owned();
        Some((name, message["executable"].as_str()?.into()))
    });
    programs.collect()
});

/// The step's program.
pub fn program(name: &str) -> Command {
    Command::new(&PROGRAMS[name])
}

/// The step's program, in the middle of its work.
pub fn start(name: &str, flags: &str) -> Running {
    Running::start(program(name).args(flags.split(' ')))
}
