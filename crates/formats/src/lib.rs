//! Readers and writers of model files, one module per format.
//!
//! Invariants:
//! - A reader never panics, whatever the bytes; what it cannot read becomes a diagnostic.
//! - Sizes are checked before anything is allocated for them.

#![forbid(unsafe_code)]

pub mod onnx;
