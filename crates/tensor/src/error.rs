//! What can go wrong with tensors and their files.

use crate::DataType;

/// An operation on a tensor or a tensor file that could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TensorError {
    /// A typed access named another type than the tensor has.
    #[error("tensor holds {got}, expected {expected}")]
    DtypeMismatch {
        /// The type that was asked for.
        expected: DataType,
        /// The type of the tensor.
        got: DataType,
    },
    /// The number of elements does not fit the shape.
    #[error("shape {shape:?} needs {expected} elements, got {got}")]
    LengthMismatch {
        /// The shape given.
        shape: Vec<usize>,
        /// Elements that the shape has.
        expected: usize,
        /// Elements that were given.
        got: usize,
    },
    /// The number of bytes does not fit dtype and shape.
    #[error("{dtype} of shape {shape:?} needs {expected} bytes, got {got}")]
    ByteLengthMismatch {
        /// Element type.
        dtype: DataType,
        /// The shape given.
        shape: Vec<usize>,
        /// Bytes that dtype and shape need.
        expected: usize,
        /// Bytes that were given.
        got: usize,
    },
    /// The number of elements or bytes of a shape overflows.
    #[error("shape {shape:?} has more elements than memory can address")]
    ShapeOverflow {
        /// The shape given.
        shape: Vec<usize>,
    },
    /// The allocator refused.
    #[error("cannot allocate {bytes} bytes")]
    OutOfMemory {
        /// Size of the allocation.
        bytes: usize,
    },
    /// Strings have no byte form.
    #[error("string tensors have no raw bytes; build them from text")]
    StringBytes,
    /// A bit cast between types of different width.
    #[error("cannot reinterpret {from} ({} bits) as {to} ({} bits)", from.bits(), to.bits())]
    BitCast {
        /// Type of the tensor.
        from: DataType,
        /// The type asked for.
        to: DataType,
    },
    /// Shapes that cannot be broadcast together.
    #[error("shapes {left:?} and {right:?} cannot be broadcast: sizes differ and neither is 1")]
    Broadcast {
        /// One shape.
        left: Vec<usize>,
        /// The other shape.
        right: Vec<usize>,
    },
    /// A reshape that would change the number of elements, or would need a copy.
    #[error("cannot view shape {from:?} as {to:?}: {reason}")]
    Reshape {
        /// The shape there was.
        from: Vec<usize>,
        /// The shape asked for.
        to: Vec<usize>,
        /// Why not.
        reason: &'static str,
    },
    /// An axis outside the rank.
    #[error("axis {axis} is outside rank {rank}")]
    Axis {
        /// The axis asked for.
        axis: usize,
        /// The rank there is.
        rank: usize,
    },
    /// A list of axes that is no permutation.
    #[error("{perm:?} is not a permutation of {rank} axes")]
    Permutation {
        /// The list given.
        perm: Vec<usize>,
        /// The rank there is.
        rank: usize,
    },
    /// A view that would leave its data.
    #[error("view leaves its data: {reason}")]
    ViewBounds {
        /// Which bound.
        reason: &'static str,
    },
    /// Widened values of a kind that the data type does not store.
    #[error("{dtype} cannot be made of {kind} values")]
    WideKind {
        /// Target type.
        dtype: DataType,
        /// Kind of the values: float, signed, unsigned, bool, string, complex.
        kind: &'static str,
    },
    /// A value outside the range of the type that was asked for.
    #[error("element {index} is {value}, outside the range of {to}")]
    OutOfRange {
        /// Position in row-major order.
        index: usize,
        /// The value in words.
        value: String,
        /// The type asked for.
        to: DataType,
    },
    /// Something was asked of a type that it does not have.
    #[error("{dtype} has no {what}")]
    Lacks {
        /// Type of the tensor.
        dtype: DataType,
        /// What it lacks.
        what: &'static str,
    },
    /// A conversion that has no meaning.
    #[error("cannot cast {from} to {to}")]
    Cast {
        /// Type of the tensor.
        from: DataType,
        /// The type asked for.
        to: DataType,
    },
    /// Text that is no number.
    #[error("element {index} is {text:?}, expected a number for {to}")]
    Parse {
        /// Position in row-major order.
        index: usize,
        /// The text, shortened.
        text: String,
        /// The type asked for.
        to: DataType,
    },
    /// A `.npy` stream that is damaged or of a kind that is not read.
    #[error("npy: {0}")]
    Npy(String),
    /// A `.npz` archive that is damaged or beyond its limits.
    #[error("npz: {0}")]
    Npz(String),
    /// Input or output failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
