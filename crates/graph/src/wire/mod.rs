//! The binary form of graphs: compact, deterministic, and checked on the way in.
//!
//! A file starts with [`MAGIC`], the [`VERSION`] as a varint, and one byte that says whether the tensors are inside
//! (1) or kept elsewhere and named by index (0). Numbers are LEB128 varints, signed ones zigzag coded. Short names and
//! symbolic expressions occur once; later places refer to them.
//!
//! Decoding trusts nothing: no length is believed beyond the bytes that are there, nesting is bounded by
//! [`MAX_NESTING`](crate::verify::MAX_NESTING), memory is linear in the input, and the result is verified.

mod codes;
mod decode;
mod encode;
mod tensors;
#[cfg(test)]
mod tests;

use lehr_tensor::{Bytes, Tensor};

use crate::error::OpError;
use crate::graph::Graph;
use crate::op::Registry;
use crate::verify::VerifyError;

pub use tensors::TensorPool;

/// The first bytes of every file.
pub const MAGIC: [u8; 4] = *b"LHRG";
/// The version that is written; older ones can be read.
pub const VERSION: u64 = 1;

/// Longest name that later places may refer to; bounds what a byte of input can expand to.
const MAX_SHARED_NAME: usize = 256;
/// The tensors are kept elsewhere.
const EXTERNAL: u8 = 0;
/// The tensors stand before the graph.
const INLINE: u8 = 1;

/// Takes the tensors of a graph that is being encoded.
pub trait ConstantSink {
    /// Keeps `tensor` and gives the index under which the [`ConstantSource`] will find it.
    fn put(&mut self, tensor: &Tensor) -> u64;
}

/// Gives the tensors of a graph that is being decoded.
pub trait ConstantSource {
    /// The tensor of that index; `None` when there is none.
    fn get(&self, index: u64) -> Option<Tensor>;
}

/// Why a graph could not be encoded or decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Not a graph in this form at all.
    #[error("expected a graph in binary form, got other data")]
    Magic,
    /// Written by a newer version.
    #[error("expected version {VERSION} or older of the binary form, got {got}")]
    Version {
        /// The version that the data has.
        got: u64,
    },
    /// The data ends too early, or a length is larger than what is there.
    #[error("byte {at}: the data ends too early")]
    Truncated {
        /// Offset in bytes.
        at: usize,
    },
    /// A code that is not valid at its place.
    #[error("byte {at}: expected {expected}, got {got}")]
    Invalid {
        /// Offset in bytes.
        at: usize,
        /// What is valid there.
        expected: String,
        /// What is there.
        got: String,
    },
    /// Graphs or types are nested too deeply.
    #[error("expected at most {} nested graphs or types", crate::verify::MAX_NESTING)]
    Nesting,
    /// The source has no tensor of that index.
    #[error("byte {at}: tensor {index} is missing")]
    MissingTensor {
        /// Offset in bytes.
        at: usize,
        /// Its index.
        index: u64,
    },
    /// Nodes that can not be built: all of them, up to a thousand.
    #[error("{}", in_lines(.0))]
    Nodes(Vec<NodeError>),
    /// The graph breaks an invariant.
    #[error("the graph is not valid: {0}")]
    Broken(VerifyError),
}

/// A node that this version can not build.
#[derive(Debug, thiserror::Error)]
#[error("node '{node}' ({op}): {problem}")]
pub struct NodeError {
    /// Its name.
    pub node: String,
    /// Its operator with domain.
    pub op: String,
    /// Why not.
    pub problem: NodeProblem,
}

/// Why a node can not be built.
#[derive(Debug, thiserror::Error)]
pub enum NodeProblem {
    /// No operator has that name.
    #[error("the operator is not known")]
    UnknownOperator,
    /// The operator does not take its attributes.
    #[error(transparent)]
    Attributes(#[from] OpError),
}

fn in_lines(errors: &[NodeError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Encodes `graph`; its tensors go to `constants`. Equal graphs give equal bytes.
///
/// # Errors
/// [`WireError::Nesting`].
pub fn encode(graph: &Graph, constants: &mut dyn ConstantSink) -> Result<Vec<u8>, WireError> {
    let mut out = codes::header(EXTERNAL);
    encode::Encoder::new(&mut out, constants).graph(graph)?;
    Ok(out)
}

/// Decodes what [`encode`] gave.
///
/// # Errors
/// [`WireError`] with the place of the first problem.
pub fn decode(
    data: &[u8],
    registry: &dyn Registry,
    constants: &dyn ConstantSource,
) -> Result<Graph, WireError> {
    let mut reader = codes::Reader::new(data);
    reader.header(EXTERNAL)?;
    decode::decode(reader, registry, constants)
}

/// Encodes `graph` with its tensors.
///
/// # Errors
/// [`WireError::Nesting`].
pub fn encode_inline(graph: &Graph) -> Result<Vec<u8>, WireError> {
    let mut pool = TensorPool::default();
    let mut body = Vec::new();
    encode::Encoder::new(&mut body, &mut pool).graph(graph)?;
    let mut out = codes::header(INLINE);
    tensors::write_all(pool.tensors(), &mut out);
    out.append(&mut body);
    Ok(out)
}

/// Decodes what [`encode_inline`] gave; large tensors share the memory of `data`.
///
/// # Errors
/// [`WireError`] with the place of the first problem.
pub fn decode_inline(data: &Bytes, registry: &dyn Registry) -> Result<Graph, WireError> {
    let mut reader = codes::Reader::new(data);
    reader.header(INLINE)?;
    let pool = tensors::read_all(&mut reader, data)?;
    decode::decode(reader, registry, &pool)
}
