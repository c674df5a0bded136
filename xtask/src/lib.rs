//! What the steps share and a reader of one does not need: running, drawing and measuring all of them.

pub mod bench;
pub mod output;
pub mod pools;
pub mod promises;
pub mod run;
pub mod scenario;
pub mod soak;
pub mod steps;
pub mod timeline;
