//! The table of the steps, and what needs no step to compile: listing and running them, checking the pages.

pub mod cargo;
pub mod deadline;
pub mod exercise;
mod files;
pub mod lessons;
pub mod output;
pub mod run;
pub mod steps;
