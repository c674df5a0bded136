//! The table of the steps, and what needs no step to compile: listing and running them.

pub mod cargo;
pub mod output;
pub mod run;
pub mod steps;
