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

mod axis;
mod elementwise;
mod legacy_broadcast;
mod symbolic;
#[cfg(test)]
mod testing;

registry::operators! {
    abs::Abs;
    add::Add;
    concat::Concat;
    constant::Constant;
    identity::Identity;
    r#if::If;
    relu::Relu;
    reshape::Reshape;
    squeeze::Squeeze;
    unsqueeze::Unsqueeze;
}
