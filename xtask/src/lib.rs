//! What the steps share and a reader of one does not need: running all of them.

pub mod output;
pub mod run;
pub mod steps;
