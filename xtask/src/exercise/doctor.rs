//! `cargo xtask doctor`: whether a computer is ready for a workshop.

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::check::{SHARED, SHARED_TESTS};
use super::sources::{Sources, lock};
use crate::cargo::cargo;
use crate::output::say;
use crate::steps::STEPS;

/// Fetches and builds all that the steps and the commands need, and says how long it took.
pub fn doctor(root: &Path) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let lock = lock(root)?;
    for step in STEPS {
        let sources = Sources::read(root, step.name)?;
        if !sources.differ() {
            sources.keep_ours()?; // so that an edit before the first exercise loses nothing
        }
    }
    drop(lock);
    say("✓ This folder can be written to.");

    // Cargo has refused to build this program if Rust is too old.
    let version = Command::new("rustc").arg("--version").output()?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    say(format_args!("✓ Rust is new enough: {version}."));

    let fetch = |flags: &[&str]| {
        let mut fetch = cargo();
        fetch
            .args(["fetch", "--locked"])
            .args(flags)
            .current_dir(root);
        fetch
    };
    let here = fetch(&["--offline"]).stderr(Stdio::null()).status()?;
    if !here.success() && !fetch(&[]).status()?.success() {
        return Err("the dependencies cannot be fetched: is there a network?".into());
    }
    say("✓ The dependencies are here.");

    // Each as it is built later, so that nothing is left to build then.
    let steps = STEPS
        .iter()
        .map(|step| (step.name, vec!["test", "--no-run", "--package", step.name]));
    let lab = ("lab", vec!["build", "--bins", "--package", "lab"]);
    let play = ("play", [&lab.1[..], &["--features", "keys"]].concat());
    let shared = [&["test", "--no-run"], &SHARED_TESTS[..]].concat();
    let shared = root
        .join(SHARED)
        .exists()
        .then_some(("what all steps share", shared));
    for (name, arguments) in steps.chain([lab, play]).chain(shared) {
        let mut build = cargo();
        build
            .args(arguments)
            .args(["--quiet", "--locked", "--offline"]);
        if !build.current_dir(root).status()?.success() {
            let is_step = STEPS.iter().any(|step| step.name == name);
            let reset = format!("; `cargo xtask reset {name}` puts ours back");
            let reset = if is_step { &reset } else { "" };
            return Err(format!("{name} does not compile{reset}").into());
        }
        say(format_args!("✓ {name} is built."));
    }
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    say(format_args!(
        "Ready. It took {minutes:.1} minutes. No network is needed from here on."
    ));
    Ok(())
}
