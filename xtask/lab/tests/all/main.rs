//! The tests of the lab and of the programs of all steps: one program, so that they run side by side.

mod check;
#[cfg(target_os = "linux")]
mod faults;
mod play;
mod program;
mod programs;
mod scaling;
mod soak;
mod timeline;
