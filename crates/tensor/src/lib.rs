//! Tensors as values: data types, shapes, storage and their files.
//!
//! This crate holds every ONNX element type (`f64` down to 2-bit integers), immutable tensors over owned, mapped or
//! borrowed memory, the widened number representation that reference evaluation computes in, the conversions of the
//! ONNX `Cast` operator, strided views, and the `.npy` / `.npz` readers and writers. It knows nothing of graphs,
//! operators or kernels, and does no arithmetic.
//!
//! Invariants:
//!
//! * A [`Tensor`] is contiguous, row-major, little-endian and never changes; clones share storage.
//! * Storage length always equals what dtype and shape demand; elements below one byte are packed from the least
//!   significant bit and the unused bits of the last byte are zero.
//! * Bytes of a `bool` tensor are 0 or 1, whatever the file said.
//! * Nothing here panics on sizes, bytes or headers from outside: products are checked, allocation follows the check.
#[cfg(target_endian = "big")]
compile_error!(
    "tensors are stored little-endian and reinterpreted in place; big-endian targets are not supported"
);

mod atomic_file;
mod cast;
mod dtype;
mod element;
mod error;
pub mod formats;
pub mod npy;
pub mod npz;
pub mod packed;
mod storage;
mod tensor;
mod view;
mod wide;

pub use bytes::Bytes;
pub use half::{bf16, f16};

pub use atomic_file::AtomicFile;
pub use cast::{CastOptions, RoundMode};
pub use dtype::DataType;
pub use element::Element;
pub use error::TensorError;
pub use storage::map_file;
pub use tensor::Tensor;
pub use view::{View, ViewIter, broadcast_shapes, checked_len, row_major_strides};
pub use wide::Wide;
