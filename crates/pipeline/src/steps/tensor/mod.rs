//! Tensors as they are.

pub mod batch;
