//! `cargo xtask bench`: what the pools cost, measured by `benches/pools` with optimised builds.

use std::env;
use std::error::Error;
use std::process::Command;

/// What to measure, and how to show it.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Flags {
    /// Fewer jobs and rounds: a minute or two instead of twelve, and rough numbers
    #[arg(long)]
    pub quick: bool,

    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,

    /// Instead of printing tables draw, into xtask's folder, when a pool pays
    #[arg(long, conflicts_with_all = ["names", "json"])]
    pub plot: bool,
}

/// Runs `cargo bench` for the steps of these names, or for all of them.
///
/// # Errors
///
/// If it cannot be built or run; it has said why.
pub fn bench(names: &[String], flags: Flags) -> Result<(), Box<dyn Error>> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["bench", "--package", "xtask", "--bench", "pools"]);
    cargo.args([
        "--manifest-path",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"),
    ]);
    cargo.arg("--").args(names);
    for (flag, on) in [
        ("--quick", flags.quick),
        ("--json", flags.json),
        ("--plot", flags.plot),
    ] {
        cargo.args(on.then_some(flag));
    }
    match cargo.status()?.success() {
        true => Ok(()),
        false => Err("the benchmark failed".into()),
    }
}
