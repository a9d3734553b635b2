//! TODO
pub mod schema;
