//! `cargo xtask run`: the steps' programs, one after the other.

use std::env::{self, consts};
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use crate::output::say;
use crate::steps::Step;

/// Builds the programs of `steps` once, then runs each under a heading, at the given speed.
///
/// # Errors
///
/// If the build fails, and at the first program that fails: which, and how.
pub fn run(steps: &[&Step], speed: f64) -> Result<(), Box<dyn Error>> {
    build(steps)?;
    for (number, step) in steps.iter().enumerate() {
        let gap = if number == 0 { "" } else { "\n" };
        say(format_args!("{gap}== {}: {}", step.name, step.idea));

        let mut program = Command::new(program(step)?);
        let status = program.arg("--speed").arg(speed.to_string()).status();
        let status = status.map_err(|error| format!("{} did not start: {error}", step.name))?;
        if !status.success() {
            return Err(format!("{} failed: {status}", step.name).into());
        }
    }
    Ok(())
}

/// Builds the programs of `steps`, where [`program`] finds them.
///
/// # Errors
///
/// If the build fails; cargo has said how.
pub fn build(steps: &[&Step]) -> Result<(), Box<dyn Error>> {
    let profile = profile_folder()?;
    let name = profile.file_name().ok_or("the program is in no folder")?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["build", "--quiet", "--bins"]);
    cargo
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
    cargo
        .arg("--target-dir")
        .arg(profile.parent().ok_or("the target folder has no parent")?);
    cargo.arg("--profile").arg(if name == "debug" {
        "dev".as_ref()
    } else {
        name
    });
    for step in steps {
        cargo.args(["--package", step.name]);
    }
    match cargo.status()?.success() {
        true => Ok(()),
        false => Err("the build failed".into()),
    }
}

/// Where the step's program is.
///
/// # Errors
///
/// If this program does not know where it is itself.
pub fn program(step: &Step) -> io::Result<PathBuf> {
    Ok(profile_folder()?.join(format!("{}{}", step.name, consts::EXE_SUFFIX)))
}

/// A command that is the step's program, built first if it is not there.
///
/// # Errors
///
/// If the build fails; cargo has said how.
pub fn command(step: &Step) -> Result<Command, Box<dyn Error>> {
    let program = program(step)?;
    if !program.exists() {
        build(&[step])?;
    }
    Ok(Command::new(program))
}

/// The folder of this program, or for a test, which is in `deps`, the one above.
fn profile_folder() -> io::Result<PathBuf> {
    let mut folder = env::current_exe()?;
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    Ok(folder)
}

/// Takes a number above 0: a speed, or a rate.
///
/// # Errors
///
/// What it takes, if this is something else.
pub fn above_zero(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok();
    let number = number.filter(|&x: &f64| x > 0.0 && x.is_finite());
    number.ok_or("takes a number above 0")
}
