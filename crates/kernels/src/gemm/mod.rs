//! Matrix products.
//!
//! `f32`: B (or, for convolutions, A) is packed once into panels; the other side is read in place. Every element of C is
//! one sequential sum over K in blocks of [`K_BLOCK`], so its bits depend on K and the tier alone, not on the tile that
//! computed it, on M, N or on the threads. After Goto & van de Geijn, "Anatomy of High-Performance Matrix
//! Multiplication", 2008.

mod f32;
mod f64;
mod integer;
mod pack;
mod tile;

pub use f32::{Activation, Bias, Epilogue, gemm, gemm_scratch_len, gemm_with};
pub(crate) use f32::{stage_of, stretch};
pub use f64::gemm_f64;
pub use integer::{Byte, gemm_i32};
pub(crate) use pack::{M_BLOCK, pack_a_into, packed_a_len};
pub use pack::{MatRef, PackedB, PackedBRef};
pub(crate) use tile::{A, Block, Stage, StageBias, best_tile};
pub use tile::{TileF32, tiles};

/// Rows of a tile.
pub const MR: usize = 6;
/// Columns of a tile and of a panel of B.
pub const NR: usize = 16;
/// Longest stretch of K that is summed in registers: a panel of it (32 KiB) just fits the first-level cache.
pub const K_BLOCK: usize = 512;

/// The stretches in which K is summed: as even as possible, none above [`K_BLOCK`], at least one (empty for K = 0).
pub(crate) fn k_blocks(k: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let count = k.div_ceil(K_BLOCK).max(1);
    let (each, extra) = (k / count, k % count);
    let start = move |i: usize| i * each + i.min(extra);
    (0..count).map(move |i| start(i)..start(i + 1))
}
