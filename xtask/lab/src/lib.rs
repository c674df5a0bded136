//! What is done with the steps' pools: drawing and soaking them; `benches` measures them.
//!
//! A [script] is played on a step's real pool, through its [adapter](pools), by a [harness]: that
//! gives a run, a log of events. [`timeline`] draws a run. [`soak`] makes up scripts and checks their runs.

pub mod guarantees;
pub mod harness;
pub mod pools;
pub mod scenario;
pub mod script;
pub mod soak;
pub mod steps;
pub mod timeline;
