//! Lehr takes a trained model out of its framework and runs it: load, optimise, compile, run.
//!
//! ```
//! use lehr::{Model, ModelOptions, Tensor};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
//! let model = Model::load(format!("{folder}/affine.onnx"))?;
//! let mut session = model.session(&ModelOptions::default())?;
//! let x = Tensor::from_vec(&[1, 3], vec![1.0f32, 2.0, 3.0])?;
//! let outputs = session.run([("x", x)])?;
//! let y = outputs.tensor("y").ok_or("the model has no output y")?;
//! assert_eq!(y.as_slice::<f32>()?.as_ref(), [1.5, 1.5, 3.5]);
//! # Ok(())
//! # }
//! ```
//!
//! The items at the top of this crate are the stable interface. The modules that re-export whole layers ([`graph`],
//! [`ops`], [`onnx`], [`passes`], [`runtime`], [`tensor`]) are for tools that look inside models; they change between versions.
//!
//! # Invariants
//! - Every file that can not be used gives all its problems at once, never a panic.
//! - A [`Model`] is what the file says, in the newest semantics; optimising happens on the way to a [`Session`].
#![forbid(unsafe_code)]

pub mod batch;
pub mod bundle;
pub mod comparison;
pub mod conformance;
pub mod deploy;
pub mod made_up;
pub mod recorded;
pub mod report;
pub mod summary;

mod model;
mod predict;
mod rows;

pub use lehr_formats::onnx;
pub use lehr_graph as graph;
pub use lehr_ops as ops;
pub use lehr_passes as passes;
pub use lehr_pipeline as pipeline;
pub use lehr_runtime as runtime;
pub use lehr_tensor as tensor;

pub use lehr_graph::{Datum, Diagnostic, Shape, ValueType};
pub use lehr_passes::OptLevel;
pub use lehr_pipeline::{Answers, Pipeline, PipelineError, Source};
pub use lehr_runtime::{
    CancelToken, CompiledModel, FeedError, Feeds, Keep, Outputs, Port, RunError, Session, Tier,
};
pub use lehr_tensor::{DataType, Tensor};
pub use model::{Examined, LoadOptions, Model, ModelError, ModelOptions};
pub use predict::{Carried, PredictError, Predictor, Timings, bundled_pipeline, signature};

/// The README's example, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
