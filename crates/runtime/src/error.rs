//! Errors of compiling and running.

use std::fmt;

use lehr_graph::dim::ShapeMismatch;
use lehr_graph::{OpError, Shape, ValueType};
use lehr_kernels::isa::IsaError;
use lehr_tensor::DataType;

/// Why a graph can not be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// Nodes depend on themselves.
    #[error("{nodes} nodes depend on themselves, expected a graph without circles")]
    Cycle {
        /// How many nodes can never run.
        nodes: usize,
    },
    /// A value to be kept does not exist.
    #[error("there is no value named '{name}' to keep")]
    UnknownValue {
        /// The asked name.
        name: String,
    },
    /// Subgraphs are nested too deeply.
    #[error("subgraphs are nested deeper than {limit}")]
    TooDeep {
        /// The most levels.
        limit: usize,
    },
    /// A node's weights can not be prepared.
    #[error("{}", NodeMessage(.0))]
    Node(OpError),
    /// `LEHR_ISA` or the asked tier is not usable.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// The asked tier is not one of this machine.
    #[error("this machine does not have the instruction set '{tier}'")]
    IsaMissing {
        /// Name of the tier.
        tier: &'static str,
    },
}

/// A fed value that does not fit the signature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// No input has that name.
    #[error("there is no input named '{name}', expected one of {}", quoted(.known))]
    Unknown {
        /// The name that was fed.
        name: String,
        /// All input names.
        known: Vec<String>,
    },
    /// An input was not fed.
    #[error("input '{name}' is missing, expected {expected}")]
    Missing {
        /// Its name.
        name: String,
        /// Its declared type.
        expected: Box<ValueType>,
    },
    /// An input was fed more than once.
    #[error("input '{name}' is fed twice")]
    Repeated {
        /// Its name.
        name: String,
    },
    /// More values than inputs.
    #[error("{got} values are fed, expected {expected}")]
    TooMany {
        /// Number of inputs.
        expected: usize,
        /// Number of values.
        got: usize,
    },
    /// The value is of another kind.
    #[error("input '{name}': expected {expected}, got {got}")]
    Kind {
        /// Name of the input.
        name: String,
        /// Its declared type.
        expected: Box<ValueType>,
        /// What was fed.
        got: String,
    },
    /// The element type differs.
    #[error("input '{name}': expected elements of type {expected}, got {got}")]
    ElementType {
        /// Name of the input.
        name: String,
        /// Declared element type.
        expected: DataType,
        /// Element type of what was fed.
        got: DataType,
    },
    /// Rank or sizes differ, or a symbol would need two values at once.
    #[error("input '{name}': expected shape {expected}, got {got:?}: {mismatch}")]
    Shape {
        /// Name of the input.
        name: String,
        /// Declared shape.
        expected: Box<Shape>,
        /// Shape of what was fed.
        got: Vec<usize>,
        /// Where they differ.
        mismatch: Box<ShapeMismatch>,
    },
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
    if quoted.is_empty() { "none, the model has no inputs".to_owned() } else { quoted.join(", ") }
}

/// Why a run gave no outputs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// What was fed does not fit.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// A node failed.
    #[error("{}", NodeMessage(.0))]
    Node(OpError),
    /// The run was cancelled, passed its deadline, or asked for too much.
    #[error("stopped: {0}")]
    Stopped(String),
}

impl From<OpError> for RunError {
    fn from(error: OpError) -> Self {
        match error {
            OpError::Stopped(reason) => Self::Stopped(reason),
            error => Self::Node(error),
        }
    }
}

/// An error at a node of the main graph, which is not "in a subgraph" to the reader of the message.
struct NodeMessage<'a>(&'a OpError);

impl fmt::Display for NodeMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            OpError::Subgraph { node, op, source } => write!(f, "node '{node}' ({op}): {source}"),
            other => other.fmt(f),
        }
    }
}
