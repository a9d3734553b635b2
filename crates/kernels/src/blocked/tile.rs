//! The register tile of blocked products: some pixels by one or two blocks of output channels, summed over all of K.
//!
//! K consists of segments of consecutive elements, one for each tap and block of input channels; a segment is a distance
//! from a pixel. Weights are packed in the order in which they are read. After Georganas et al., "Anatomy of
//! High-Performance Deep Learning Convolutions on SIMD Architectures", 2018, and Dukhan, "The Indirect Convolution
//! Algorithm", 2019.

use super::BLOCK;
use super::finish::Finish;
use crate::simd::F32Simd;

/// Most pixels of a tile that is two blocks wide: twelve sums, two weights and a pixel fill sixteen registers.
pub(super) const WIDE: usize = 6;
/// Most pixels of a tile that is one block wide.
pub(super) const NARROW: usize = 12;

/// Where segments begin, counted from each pixel.
#[derive(Clone, Copy)]
pub(super) enum Segments<'a> {
    List(&'a [isize]),
    /// A constant step apart, beginning at the pixel.
    Steps {
        count: usize,
        step: usize,
    },
}

/// What a tile reads and writes. Distances are in elements.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    /// First pixel of the input.
    pub input: *const f32,
    /// From a pixel of the input to the next one of the tile.
    pub step: usize,
    pub segments: Segments<'a>,
    /// Elements of a segment.
    pub depth: usize,
    /// `[segments * depth][VECTORS * 8]`.
    pub weights: *const f32,
    /// VECTORS blocks.
    pub bias: Option<*const f32>,
    /// Like `output`.
    pub residual: Option<*const f32>,
    pub finish: Finish,
    /// First pixel of the output.
    pub output: *mut f32,
    /// From a pixel of the output to the next one of the tile.
    pub out_step: usize,
    /// From a block of the output to the next one.
    pub plane: usize,
}

/// Computes a tile of `rows` pixels and VECTORS blocks.
///
/// # Safety
/// `1 <= rows <= WIDE`, or `NARROW` for one block; everything that the tile describes is in bounds, and nobody else accesses its
/// part of the output.
#[inline(always)]
pub(super) unsafe fn run<S: F32Simd, const VECTORS: usize>(s: S, tile: &Tile<'_>, rows: usize) {
    // SAFETY: granted by the caller.
    unsafe {
        match rows {
            1 => sum::<S, 1, VECTORS>(s, tile),
            2 => sum::<S, 2, VECTORS>(s, tile),
            3 => sum::<S, 3, VECTORS>(s, tile),
            4 => sum::<S, 4, VECTORS>(s, tile),
            5 => sum::<S, 5, VECTORS>(s, tile),
            6 => sum::<S, 6, VECTORS>(s, tile),
            _ if VECTORS > 1 => debug_assert!(false, "{rows} pixels"),
            7 => sum::<S, 7, VECTORS>(s, tile),
            8 => sum::<S, 8, VECTORS>(s, tile),
            9 => sum::<S, 9, VECTORS>(s, tile),
            10 => sum::<S, 10, VECTORS>(s, tile),
            11 => sum::<S, 11, VECTORS>(s, tile),
            _ => sum::<S, 12, VECTORS>(s, tile),
        }
    }
}

/// # Safety
/// As [`run`] with ROWS pixels.
#[inline(always)]
unsafe fn sum<S: F32Simd, const ROWS: usize, const VECTORS: usize>(s: S, tile: &Tile<'_>) {
    let mut sums = [[s.splat(0.0); VECTORS]; ROWS];
    if let Some(bias) = tile.bias {
        for v in 0..VECTORS {
            // SAFETY: VECTORS blocks of bias.
            let bias = unsafe { s.load(bias.add(v * BLOCK)) };
            sums.iter_mut().for_each(|sums| sums[v] = bias);
        }
    }
    // SAFETY: granted by the caller.
    unsafe {
        match tile.segments {
            Segments::List(list) => {
                let mut weights = tile.weights;
                for &segment in list {
                    weights = add::<S, ROWS, VECTORS>(
                        s,
                        tile,
                        &mut sums,
                        tile.input.wrapping_offset(segment),
                        weights,
                    );
                }
            }
            Segments::Steps { count, step } => {
                let (mut weights, mut pixel) = (tile.weights, tile.input);
                for _ in 0..count {
                    weights = add::<S, ROWS, VECTORS>(s, tile, &mut sums, pixel, weights);
                    pixel = pixel.wrapping_add(step);
                }
            }
        }
    }
    if let Some(residual) = tile.residual {
        for (row, sums) in sums.iter_mut().enumerate() {
            for (v, sum) in sums.iter_mut().enumerate() {
                // SAFETY: like the output.
                *sum = s.add(*sum, unsafe { s.load(residual.add(v * tile.plane + row * tile.out_step)) });
            }
        }
    }
    tile.finish.apply(s, &mut sums);
    for (row, sums) in sums.iter().enumerate() {
        for (v, sum) in sums.iter().enumerate() {
            // SAFETY: granted by the caller.
            unsafe { s.store(tile.output.add(v * tile.plane + row * tile.out_step), *sum) };
        }
    }
}

/// Adds a segment to the sums; returns where the weights of the next one are.
///
/// # Safety
/// As [`run`]: the segment of each pixel and its weights are readable in full.
#[inline(always)]
unsafe fn add<S: F32Simd, const ROWS: usize, const VECTORS: usize>(
    s: S,
    tile: &Tile<'_>,
    sums: &mut [[S::V; VECTORS]; ROWS],
    mut pixel: *const f32,
    mut weights: *const f32,
) -> *const f32 {
    for _ in 0..tile.depth {
        // SAFETY: granted by the caller.
        unsafe {
            let mut columns = [s.splat(0.0); VECTORS];
            for (v, column) in columns.iter_mut().enumerate() {
                *column = s.load(weights.add(v * BLOCK));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let x = s.splat(*pixel.add(row * tile.step));
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = s.fma(x, column, *sum);
                }
            }
        }
        pixel = pixel.wrapping_add(1);
        weights = weights.wrapping_add(VECTORS * BLOCK);
    }
    weights
}
