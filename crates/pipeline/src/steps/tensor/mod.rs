//! Tensors as they are.

pub mod axes;
pub mod axis;
pub mod batch;
pub mod blocks;
pub mod cast;
pub mod expand;
pub mod pad_tensor;
pub mod quantize;
pub mod slice;
pub mod squeeze;
