//! What is done with the steps' pools: drawing and soaking them; the package `bench` measures them.
//!
//! A [script] is played on a step's real pool, through its [adapter](pools), by a [harness]: that
//! gives a run, a log of events. [`timeline`] draws a run. [`play`] lets a person decide what happens next. [`soak`] makes up scripts and checks their runs.

pub mod guarantees;
pub mod harness;
pub mod play;
pub mod pools;
pub mod program;
pub mod script;
pub mod soak;
pub mod steps;
pub mod timeline;

/// The pages that belong to no step: their code is compiled and run. That of `choosing.md` is in `bench`.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../book/at-work.md")]
    mod at_work {}
    #[doc = include_str!("../../book/best-practices.md")]
    mod best_practices {}
    #[doc = include_str!("../../book/finding-a-hang.md")]
    mod finding_a_hang {}
    #[doc = include_str!("../../book/go-to-rust.md")]
    mod go_to_rust {}
}
