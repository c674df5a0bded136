//! `cargo xtask run`: the steps' programs, one after the other.

use std::error::Error;
use std::io::{self, Write};
use std::process::{self, Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

#[cfg(unix)]
use nix::sys::signal::{SigSet, Signal, kill};

use crate::cargo;
#[cfg(unix)]
use crate::deadline;
use crate::output::say;
use crate::steps::Step;

/// Builds and runs the program of each step under a heading, at the given speed.
///
/// Ctrl-C is for the program that runs: this one waits until it has ended, says where it stopped, and
/// ends with 130. SIGTERM is passed on to the program; then this one ends with 143.
///
/// # Errors
///
/// At the first program that cannot be built or that fails: which, and how.
pub fn run<'a>(steps: impl Iterator<Item = &'a Step>, speed: f64) -> Result<(), Box<dyn Error>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    let terminated = Arc::new(AtomicBool::new(false));
    let is_running = Arc::new(Mutex::new(false));
    #[cfg(unix)]
    on_termination(is_running.clone(), terminated.clone())?; // before ctrlc, which handles SIGTERM like Ctrl-C
    ctrlc::set_handler(move || flag.store(true, Relaxed))?;

    for (number, Step { name, idea, .. }) in steps.enumerate() {
        let gap = if number == 0 { "" } else { "\n" };
        say(format_args!("{gap}== {name}: {idea}"));

        let built = cargo::program(&format!("--package {name}"));
        if interrupted.load(Relaxed) {
            stopped(name, 130);
        }
        let mut program = built?;
        program.args(["--speed", &speed.to_string()]);
        let mut child = {
            let mut is_running = locked(&is_running);
            *is_running = true;
            spawn(&mut program)?
        };
        // A signal of this moment may have missed the program.
        let mut passed_on = interrupted.load(Relaxed);
        if passed_on {
            terminate(&mut child);
        }
        let status = loop {
            if terminated.swap(false, Relaxed) {
                terminate(&mut child);
                passed_on = true;
            }
            match child.try_wait()? {
                Some(status) => break status,
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        *locked(&is_running) = false;
        if passed_on || terminated.load(Relaxed) {
            stopped(name, 143);
        } else if interrupted.load(Relaxed) || is_interrupt(status) {
            stopped(name, 130);
        }
        if !status.success() {
            return Err(format!("{name} failed: {status}").into());
        }
    }
    Ok(())
}

fn stopped(step: &str, code: i32) -> ! {
    _ = writeln!(io::stderr(), "xtask: stopped in {step}");
    process::exit(code)
}

fn locked(is_running: &Mutex<bool>) -> MutexGuard<'_, bool> {
    is_running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets the flag at each SIGTERM; ends this program if none of a step is running. A terminal sends Ctrl-C to
/// the step, too; SIGTERM is sent to this program alone.
#[cfg(unix)]
fn on_termination(is_running: Arc<Mutex<bool>>, terminated: Arc<AtomicBool>) -> io::Result<()> {
    let signals = SigSet::from(Signal::SIGTERM);
    signals.thread_block()?; // also in the threads that start later
    thread::spawn(move || {
        while signals.wait().is_ok() {
            match *locked(&is_running) {
                true => terminated.store(true, Relaxed),
                false => process::exit(143),
            }
        }
    });
    Ok(())
}

/// Starts a program. It inherits which signals are blocked, so meanwhile none is.
#[cfg(unix)]
fn spawn(program: &mut Command) -> io::Result<Child> {
    let signals = SigSet::from(Signal::SIGTERM);
    signals.thread_unblock()?;
    let child = program.spawn();
    signals.thread_block()?;
    child
}

#[cfg(not(unix))]
fn spawn(program: &mut Command) -> io::Result<Child> {
    program.spawn()
}

#[cfg(unix)]
fn terminate(child: &mut Child) {
    _ = kill(deadline::pid(child.id()), Signal::SIGTERM); // an error means that it has ended already
}

#[cfg(not(unix))]
fn terminate(child: &mut Child) {
    _ = child.kill();
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
