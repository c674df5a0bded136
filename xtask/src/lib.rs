//! The table of the steps, and what needs no step to compile: listing and running them, and exercises.

pub mod deadline;
pub mod exercise;
pub mod files;
pub mod flags;
pub mod output;
pub mod run;
pub mod steps;

pub use launch as cargo;
