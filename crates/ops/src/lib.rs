//! The operators: one file per operator with its attributes, reading and writing of old forms, inference, reference
//! evaluation, decomposition and binding to fast kernels; and the reference interpreter over them.
//!
//! It is not: a reader of files (see `lehr-formats`), a place for optimisations (see `lehr-passes`), or for SIMD code
//! (see `lehr-kernels`).
//!
//! # Invariants
//! - The lists (here for the default domain, in `com_microsoft`, `ml` and `preview` for theirs) hold every operator;
//!   adding one is one file and one line.
//! - `infer` and `eval` agree on types and shapes; `eval` and the fast kernel agree within the operator's tolerance.
//! - No operator panics, whatever its inputs and attributes are.
#![forbid(unsafe_code)]

pub mod com_microsoft;
pub mod cpu;
pub mod evaluate;
pub mod ml;
pub mod preview;
pub mod registry;
pub mod schema;
pub mod window;

mod axis;
mod convolution;
mod downgrade;
mod elementwise;
mod legacy_broadcast;
mod matrix_product;
mod normalization;
mod operand;
mod pooling;
mod quantization;
mod symbolic;
#[cfg(test)]
mod testing;

registry::operators! {
    abs::Abs;
    add::Add;
    average_pool::AveragePool;
    batch_normalization::BatchNormalization;
    concat::Concat;
    constant::Constant;
    conv::Conv;
    conv_integer::ConvInteger;
    conv_transpose::ConvTranspose;
    dequantize_linear::DequantizeLinear;
    gemm::Gemm;
    global_average_pool::GlobalAveragePool;
    global_lp_pool::GlobalLpPool;
    global_max_pool::GlobalMaxPool;
    identity::Identity;
    r#if::If;
    lp_pool::LpPool;
    matmul::MatMul;
    max_pool::MaxPool;
    quantize_linear::QuantizeLinear;
    relu::Relu;
    reshape::Reshape;
    squeeze::Squeeze;
    unsqueeze::Unsqueeze;
}
