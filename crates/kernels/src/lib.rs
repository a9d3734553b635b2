//! CPU kernels of Lehr: SIMD micro-kernels, the packed formats they read, ISA tiers and the thread team.
//!
//! This crate is slices and sizes in, slices out. It knows no graph, no operator and no file, allocates nothing in a
//! kernel (callers pass scratch; `*_scratch_len` functions tell how much) and installs nothing global.
//!
//! Invariants:
//! - A kernel for an instruction set is reachable only through an [`Isa`] value, which exists only if the
//!   CPU supports it.
//! - Results depend on inputs, sizes and the ISA tier, never on the number of threads: work is split over outputs.
//! - Sizes and slice lengths are asserted once at every safe entry; behind it, pointers are in bounds.
//! - Tails run the same vector arithmetic as full vectors, so a value does not depend on its position.

pub mod attention;
pub mod blocked;
pub mod conv;
pub mod elementwise;
pub mod gemm;
pub mod isa;
mod math;
pub mod norm;
pub mod pool;
pub mod recurrent;
pub mod reduce;
pub mod resample;
mod scratch;
mod simd;
pub mod team;
#[cfg(test)]
mod testing;

pub use isa::{Isa, IsaError, Tier};
pub use scratch::AlignedVec;
pub use team::Team;

/// Sizes that no kernel can accept; returned by the constructors that validate a geometry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// A size that must be at least one is zero.
    #[error("{what} is zero, expected at least 1")]
    Zero {
        /// Which size.
        what: &'static str,
    },
    /// A product or sum of sizes does not fit the address space.
    #[error("{what} is too large for the address space")]
    TooLarge {
        /// Which quantity.
        what: &'static str,
    },
    /// One size does not follow from the others.
    #[error("{what} is {got}, expected {expected}")]
    Mismatch {
        /// Which size.
        what: &'static str,
        /// The size that was given.
        got: usize,
        /// The size that was expected.
        expected: usize,
    },
    /// A size is not a multiple of another one.
    #[error("{what} is {got}, expected a multiple of {of}")]
    NotMultiple {
        /// Which size.
        what: &'static str,
        /// The size that was given.
        got: usize,
        /// What it must be a multiple of.
        of: usize,
    },
    /// The window reaches farther than the padded input.
    #[error("{what}: window spans {window} of a padded input of {input}")]
    WindowTooLarge {
        /// Which axis.
        what: &'static str,
        /// Extent of the dilated window.
        window: usize,
        /// Extent of the input with its padding.
        input: usize,
    },
}
