//! Errors of operators. They do not know their node: the caller that does adds it.

use lehr_tensor::{DataType, TensorError};

/// Why an operator could not be built, inferred or evaluated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpError {
    /// A required input is absent.
    #[error("input {index} is missing")]
    MissingInput {
        /// Position of the input.
        index: usize,
    },
    /// An input is of the wrong kind (tensor, sequence, optional, map).
    #[error("input {index}: expected {expected}, got {got}")]
    InputKind {
        /// Position of the input.
        index: usize,
        /// What the operator takes.
        expected: &'static str,
        /// What it was given.
        got: String,
    },
    /// An input has an element type that the operator does not take.
    #[error("input {index}: expected {expected}, got {}", got.name())]
    InputType {
        /// Position of the input.
        index: usize,
        /// What the operator takes.
        expected: String,
        /// What it was given.
        got: DataType,
    },
    /// An attribute is missing, unknown or has a wrong value.
    #[error("attribute '{name}': {problem}")]
    Attribute {
        /// Its name.
        name: String,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// Shapes do not fit; the sentence says expected and got.
    #[error("{0}")]
    Shape(String),
    /// Contents are out of range; the sentence says expected and got.
    #[error("{0}")]
    Value(String),
    /// Valid, but not handled here.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// From the tensor layer.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// An error inside a subgraph, with the node that failed there.
    #[error("in subgraph node '{node}' ({op}): {source}")]
    Subgraph {
        /// Name of the inner node.
        node: String,
        /// Its operator.
        op: String,
        /// What happened there.
        source: Box<OpError>,
    },
    /// The run was stopped from outside or ran into a limit of its environment.
    #[error("stopped: {0}")]
    Stopped(String),
}

impl OpError {
    /// A shape error with the given sentence.
    #[cold]
    pub fn shape(message: impl Into<String>) -> Self {
        Self::Shape(message.into())
    }

    /// A value error with the given sentence.
    #[cold]
    pub fn value(message: impl Into<String>) -> Self {
        Self::Value(message.into())
    }

    /// An attribute error.
    #[cold]
    pub fn attribute(name: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Attribute { name: name.into(), problem: problem.into() }
    }

    /// An input of an element type that is not taken.
    #[cold]
    pub fn input_type(index: usize, expected: impl Into<String>, got: DataType) -> Self {
        Self::InputType { index, expected: expected.into(), got }
    }
}
