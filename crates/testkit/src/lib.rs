//! Code that tests of several crates share: bounded runs, and what readers do with hostile bytes.
//!
//! It is not: part of anything that ships.
//!
//! # Invariants
//! - Everything random is seeded, and the seed is an argument.
#![forbid(unsafe_code)]

pub mod bounded;
pub mod hostile;
