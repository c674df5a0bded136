//! What is done with the steps' pools: drawing and soaking them; `benches` measures them.

pub mod pools;
pub mod promises;
pub mod scenario;
pub mod soak;
pub mod steps;
pub mod timeline;
