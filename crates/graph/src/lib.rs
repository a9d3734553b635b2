//! The graph: one intermediate representation from the model file to the lowered plan.
//!
//! It is not: a file format (see `lehr-formats`), a set of operators (see `lehr-ops`), or anything that runs fast.
//!
//! # Invariants
//! - Uses of a value are exactly the places that read it; only methods of [`graph::Graph`] edit them.
//! - A node's inputs are values of the same graph; subgraphs see outer values only as captures, which are the
//!   trailing inputs of the node that holds them. All subgraphs of a node have the same list of captures.
//! - Semantics are those of the newest ONNX opset; older forms exist only while reading and writing.
//! - Types are inferred when a node is added; declared types are hints.
//! - Nothing here panics on the content of a graph, however it was made.
#![forbid(unsafe_code)]

pub mod attribute;
pub mod axes;
pub mod builder;
pub mod cost;
pub mod datum;
pub mod diagnostic;
pub mod dim;
mod equality;
pub mod error;
pub mod eval;
pub mod flags;
pub mod graph;
pub mod ids;
pub mod infer;
pub mod op;
pub mod opaque;
pub mod origin;
pub mod patch;
pub mod permutation;
pub mod permuted;
pub mod signature;
#[cfg(test)]
mod testing;
pub mod text;
pub mod transfer;
pub mod types;
pub mod verify;
pub mod wire;

pub use attribute::{Attribute, AttributeValue, Attributes};
pub use axes::{AxisMap, AxisRole};
pub use builder::Builder;
pub use cost::Cost;
pub use datum::Datum;
pub use diagnostic::{Code, Diagnostic, NodeRef, Severity};
pub use dim::{Dim, Shape, SymValues};
pub use error::OpError;
pub use eval::{Environment, EvalCx};
pub use flags::Flags;
pub use graph::{Def, Graph, Node, Use, Value};
pub use ids::{NodeId, ValueId};
pub use infer::InferCx;
pub use op::{Op, OpMeta, OpRef, OpSchema, Registry};
pub use origin::{Origin, SourceRef};
pub use patch::{Patch, PatchBuilder, PatchValue};
pub use permutation::Permutation;
pub use permuted::{Permuted, PermutedInput, permuted_type};
pub use signature::Signature;
pub use transfer::{ReadCx, ReadValues, SourceNode, WriteCx, WriteInput};
pub use types::{TensorType, ValueType};
pub use verify::verify;
