//! What the alias `cargo xtask` runs: it builds xtask and becomes it. It is built in a moment, as it has no
//! dependencies, and has a profile of its own, so that nothing else holds cargo's lock on it.

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    match launch::become_program("--package xtask", env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
