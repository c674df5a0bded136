//! `cargo xtask run`: the steps' programs, one after the other.

use std::error::Error;
use std::io::{self, Write};
use std::process::{self, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::cargo;
use crate::output::say;
use crate::steps::Step;

/// Builds and runs the program of each step under a heading, at the given speed.
///
/// Ctrl-C is for the program that runs: this one waits until it has ended, says where it stopped, and
/// ends with 130.
///
/// # Errors
///
/// At the first program that cannot be built or that fails: which, and how.
pub fn run<'a>(steps: impl Iterator<Item = &'a Step>, speed: f64) -> Result<(), Box<dyn Error>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    ctrlc::set_handler(move || flag.store(true, Relaxed))?;

    for (number, Step { name, idea, .. }) in steps.enumerate() {
        let gap = if number == 0 { "" } else { "\n" };
        say(format_args!("{gap}== {name}: {idea}"));

        let mut program = cargo::program(&format!("--package {name}"))?;
        let status = program.args(["--speed", &speed.to_string()]).status()?;
        if interrupted.load(Relaxed) || is_interrupt(status) {
            _ = writeln!(io::stderr(), "xtask: stopped in {name}");
            process::exit(130);
        }
        if !status.success() {
            return Err(format!("{name} failed: {status}").into());
        }
    }
    Ok(())
}

/// Whether a program ended because of Ctrl-C, also if this one has yet to hear of it.
fn is_interrupt(status: ExitStatus) -> bool {
    #[cfg(unix)]
    let by_signal = std::os::unix::process::ExitStatusExt::signal(&status) == Some(2);
    #[cfg(not(unix))]
    let by_signal = status.code() == Some(0xC000_013A_u32 as i32); // STATUS_CONTROL_C_EXIT
    by_signal || status.code() == Some(130)
}

/// Parses a number above 0.
///
/// # Errors
///
/// If it is none: what is expected.
pub fn above_zero(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok();
    let number = number.filter(|&x: &f64| x > 0.0 && x.is_finite());
    number.ok_or("takes a number above 0")
}
