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

/// Weights that are asked for while others are used: memory is read all the time then, and not only while the first tile of
/// a panel waits for it.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    /// Where the next panel begins.
    panel: *const f32,
    /// Cache lines that are asked for with each segment.
    lines: usize,
    /// From the share of a tile to that of the next one, in cache lines.
    share: usize,
    /// Tiles that ask.
    tiles: usize,
}

/// Elements of a cache line.
const LINE: usize = 16;
/// Cache lines of the weights of a block of inputs and a block of outputs.
pub(super) const LINES: usize = BLOCK * BLOCK / LINE;

impl Ahead {
    /// Nothing is asked for.
    pub(super) const NONE: Ahead = Ahead { panel: std::ptr::null(), lines: 0, share: 0, tiles: 0 };

    /// A next panel from `panel` on of `segments` segments of `lines` cache lines each, shared out between `tiles` tiles.
    pub(super) fn shared(panel: *const f32, segments: usize, lines: usize, tiles: usize) -> Self {
        let each = lines.div_ceil(tiles.max(1));
        Ahead { panel, lines: each, share: segments * each, tiles: lines.div_ceil(each.max(1)) }
    }

    /// The share of the tile of this index.
    #[inline(always)]
    pub(super) fn of_tile(self, index: usize) -> Self {
        let lines = if index < self.tiles { self.lines } else { 0 };
        Ahead { panel: self.panel.wrapping_add(index * self.share * LINE), lines, ..self }
    }

    #[inline(always)]
    fn ask<S: F32Simd>(&mut self, s: S) {
        for _ in 0..self.lines {
            s.prefetch(self.panel);
            self.panel = self.panel.wrapping_add(LINE);
        }
    }
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
    pub ahead: Ahead,
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
                let mut ahead = tile.ahead;
                for &segment in list {
                    ahead.ask(s);
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
                let mut ahead = tile.ahead;
                for _ in 0..count {
                    ahead.ask(s);
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
