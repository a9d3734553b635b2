//! TODO
pub mod dim;
