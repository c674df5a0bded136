//! The code of the page on choosing a pool is compiled and run here, because it names pools that only this package has.

/// The page.
#[cfg(doctest)]
#[doc = include_str!("../../book/choosing.md")]
mod choosing {}
