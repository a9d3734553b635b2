//! The `f32` tile and the loops around it, once for all tiers.

use super::{MR, NR};
use crate::isa::{Isa, SimdOp, Tier};
use crate::simd::{F32Simd, LANES};

/// Vectors per panel row.
const PANEL_VECS: usize = NR / LANES;
/// Steps of K for each cache line of the next panel that a tile asks for: as many tiles ask for all of it.
const STEPS_PER_LINE: usize = 8;

/// How a block reads A. All distances are in elements.
#[derive(Clone, Copy)]
pub(crate) enum A {
    /// Element `(r, k)` at `start + r * row_stride + k`.
    Rows { start: *const f32, row_stride: usize },
    /// Panels of MR rows, element `(r, k)` at `start + (r / MR) * panel_stride + k * MR + r % MR`.
    Packed { start: *const f32, panel_stride: usize },
}

/// A vector added to rows or columns of C.
#[derive(Clone, Copy)]
pub(crate) enum StageBias {
    None,
    /// One value per row of the block.
    PerRow(*const f32),
    /// One value per column of the block.
    PerCol(*const f32),
}

/// What is done with the sums of one stretch of K: `clamp(alpha * sum + beta * C + bias)`.
#[derive(Clone, Copy)]
pub(crate) struct Stage {
    pub alpha: f32,
    /// Zero means that C is not read.
    pub beta: f32,
    pub bias: StageBias,
    pub clamp: Option<(f32, f32)>,
}

/// A product of `rows x k` by `k x cols`.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub rows: usize,
    pub cols: usize,
    pub k: usize,
    pub a: A,
    /// Panels of NR columns, element `(k, c)` at `b + (c / NR) * b_panel + k * NR + c % NR`; all NR columns readable.
    pub b: *const f32,
    pub b_panel: usize,
    pub c: *mut f32,
    pub ldc: usize,
    pub stage: Stage,
}

/// A micro-kernel of the table, usable because a proof of its tier was shown.
#[derive(Clone, Copy)]
pub struct TileF32 {
    row: &'static Row,
    isa: Isa,
}

/// One row of the table.
struct Row {
    name: &'static str,
    tier: Tier,
    /// # Safety
    /// Everything that the block describes is in bounds, and nobody else accesses its part of C.
    run: unsafe fn(Isa, &Block),
}

impl TileF32 {
    /// Name of the kernel: types, tile, tier.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.row.name
    }

    /// The proof under which it runs.
    pub(crate) fn isa(&self) -> Isa {
        self.isa
    }

    /// # Safety
    /// Everything that `block` describes is in bounds, and nobody else accesses its part of C.
    #[inline]
    pub(crate) unsafe fn run(&self, block: &Block) {
        // SAFETY: passed on to the caller.
        unsafe { (self.row.run)(self.isa, block) }
    }
}

impl std::fmt::Debug for TileF32 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.row.name)
    }
}

/// The kernels that may run under `isa`, best last.
pub fn tiles(isa: Isa) -> impl DoubleEndedIterator<Item = TileF32> {
    TABLE.iter().filter(move |row| isa.covers(row.tier)).map(move |row| TileF32 { row, isa })
}

/// The kernel for `isa`.
pub(crate) fn best_tile(isa: Isa) -> TileF32 {
    tiles(isa).next_back().unwrap_or(TileF32 { row: &TABLE[0], isa })
}

/// Declares the table: a row brings the dispatch entry, the property tests against the scalar oracle
/// (`super::f32::tests::check_tile`: edges, alignment, guard elements, threads) and, through [`tiles`], the benchmark.
macro_rules! kernels {
    ($( $(#[$meta:meta])* $name:ident { tier: $tier:ident, vectors: $vectors:literal } )+) => {
        static TABLE: &[Row] = &[$(
            $(#[$meta])*
            Row { name: stringify!($name), tier: Tier::$tier, run: run_block::<$vectors> },
        )+];

        #[cfg(test)]
        mod table {
            $(
                $(#[$meta])*
                #[test]
                fn $name() {
                    crate::gemm::f32::tests::check_tile(stringify!($name));
                }
            )+
        }
    };
}

// `vectors` is the width of the main tile in vectors of eight: MR x vectors accumulators must fit the registers.
kernels! {
    f32_6x8_scalar { tier: Scalar, vectors: 1 }
    #[cfg(target_arch = "aarch64")]
    f32_6x8_neon { tier: Neon, vectors: 1 }
    #[cfg(target_arch = "x86_64")]
    f32_6x16_avx2 { tier: Avx2, vectors: 2 }
}

/// # Safety
/// As [`TileF32::run`].
unsafe fn run_block<const VECTORS: usize>(isa: Isa, block: &Block) {
    struct Run<'a, const VECTORS: usize>(&'a Block);
    impl<const VECTORS: usize> SimdOp for Run<'_, VECTORS> {
        type Out = ();
        #[inline(always)]
        fn run<S: F32Simd>(self, simd: S) {
            // SAFETY: granted by the caller of `run_block`.
            unsafe {
                match self.0.a {
                    A::Rows { start, row_stride } => {
                        columns::<S, VECTORS, false>(simd, self.0, start, row_stride, MR * row_stride);
                    }
                    A::Packed { start, panel_stride } => {
                        columns::<S, VECTORS, true>(simd, self.0, start, 1, panel_stride);
                    }
                }
            }
        }
    }
    isa.dispatch(Run::<VECTORS>(block));
}

/// Walks the columns of a block. Few rows take several panels at a time: one row alone has too few independent sums to
/// hide the latency of the multiply-add.
///
/// # Safety
/// As [`TileF32::run`].
#[inline(always)]
unsafe fn columns<S: F32Simd, const VECTORS: usize, const PACKED: bool>(
    simd: S,
    block: &Block,
    a: *const f32,
    row_stride: usize,
    tile_stride: usize,
) {
    let vectors = block.cols.div_ceil(LANES);
    let mut v = 0;
    if block.rows == 1 {
        while v + 8 <= vectors {
            // SAFETY: the caller vouches for the block, and tiles stay inside `rows x cols`; the same holds below.
            unsafe { tile::<S, 1, 8, PACKED>(simd, block, a, row_stride, 0, v) };
            v += 8;
        }
    } else if block.rows == 2 && VECTORS > 1 {
        while v + 4 <= vectors {
            // SAFETY: see above.
            unsafe { tile::<S, 2, 4, PACKED>(simd, block, a, row_stride, 0, v) };
            v += 4;
        }
    }
    while v < vectors {
        // SAFETY: see above.
        unsafe {
            if vectors - v < VECTORS {
                rows::<S, 1, PACKED>(simd, block, a, row_stride, tile_stride, v);
                v += 1;
            } else {
                rows::<S, VECTORS, PACKED>(simd, block, a, row_stride, tile_stride, v);
                v += VECTORS;
            }
        }
    }
}

/// Walks the rows of a block for VECTORS vectors from `vector`.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn rows<S: F32Simd, const VECTORS: usize, const PACKED: bool>(
    simd: S,
    block: &Block,
    mut a: *const f32,
    row_stride: usize,
    tile_stride: usize,
    vector: usize,
) {
    let mut row = 0;
    while row < block.rows {
        // SAFETY: tiles stay inside the rows of the block; the rest is granted by the caller.
        unsafe {
            match block.rows - row {
                1 => tile::<S, 1, VECTORS, PACKED>(simd, block, a, row_stride, row, vector),
                2 => tile::<S, 2, VECTORS, PACKED>(simd, block, a, row_stride, row, vector),
                3 => tile::<S, 3, VECTORS, PACKED>(simd, block, a, row_stride, row, vector),
                4 => tile::<S, 4, VECTORS, PACKED>(simd, block, a, row_stride, row, vector),
                5 => tile::<S, 5, VECTORS, PACKED>(simd, block, a, row_stride, row, vector),
                _ => tile::<S, MR, VECTORS, PACKED>(simd, block, a, row_stride, row, vector),
            }
        }
        row += MR;
        a = a.wrapping_add(tile_stride);
    }
}

/// One tile: rows `row..row + ROWS`, vectors `vector..vector + VECTORS` (the last ones possibly outside of the block).
///
/// # Safety
/// As [`TileF32::run`]; `a` points at the tile's first row; `vector` is a multiple of VECTORS or of the panel's width.
#[inline(always)]
unsafe fn tile<S: F32Simd, const ROWS: usize, const VECTORS: usize, const PACKED: bool>(
    simd: S,
    block: &Block,
    a: *const f32,
    row_stride: usize,
    row: usize,
    vector: usize,
) {
    let k_stride = if PACKED { MR } else { 1 };
    let row_stride = if PACKED { 1 } else { row_stride };
    let mut sums = [[simd.splat(0.0); VECTORS]; ROWS];
    let mut a = a;
    let mut b = block.b.wrapping_add(vector / PANEL_VECS * block.b_panel + vector % PANEL_VECS * LANES);
    // The first tiles of a panel ask for the next panel, each for a part of it, so that memory is read all the time and
    // not only while the first tile of a panel waits for it.
    let lines = block.k / STEPS_PER_LINE;
    let tile_index = row / MR;
    let mut ahead = b;
    if tile_index < STEPS_PER_LINE {
        ahead = b.wrapping_add(block.b_panel + tile_index * lines * NR);
    }
    let mut left = block.k;
    while left > 0 {
        simd.prefetch(ahead);
        ahead = ahead.wrapping_add(NR);
        let steps = left.min(STEPS_PER_LINE);
        left -= steps;
        for _ in 0..steps {
            let mut columns = [simd.splat(0.0); VECTORS];
            for (v, column) in columns.iter_mut().enumerate() {
                // SAFETY: panels are readable in full, and a tile never begins behind the last one.
                *column =
                    unsafe { simd.load(b.add(v / PANEL_VECS * block.b_panel + v % PANEL_VECS * LANES)) };
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                // SAFETY: ROWS rows and k columns of A are readable from here.
                let x = simd.splat(unsafe { *a.add(r * row_stride) });
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = simd.fma(x, column, *sum);
                }
            }
            a = a.wrapping_add(k_stride);
            b = b.wrapping_add(NR);
        }
    }
    // A copy, for the loops below may index it: that must not keep the sums themselves from living in registers.
    let mut done = [[simd.splat(0.0); VECTORS]; ROWS];
    for (done, sums) in done.iter_mut().zip(&sums) {
        for (done, sum) in done.iter_mut().zip(sums) {
            *done = *sum;
        }
    }
    for (r, sums) in done.iter().enumerate() {
        for (v, sum) in sums.iter().enumerate() {
            let col = (vector + v) * LANES;
            if col < block.cols {
                // SAFETY: row and column lie inside the block.
                unsafe { finish(simd, block, row + r, col, *sum) };
            }
        }
    }
}

/// Applies the stage to one vector of sums and writes it.
///
/// # Safety
/// As [`TileF32::run`]; `row` and `col` lie inside the block.
#[inline(always)]
unsafe fn finish<S: F32Simd>(simd: S, block: &Block, row: usize, col: usize, sum: S::V) {
    let stage = &block.stage;
    let valid = LANES.min(block.cols - col);
    let full = valid == LANES;
    // SAFETY: `valid` columns from `col` lie inside the block; the same holds for all accesses below.
    let c = unsafe { block.c.add(row * block.ldc + col) };
    let mut x = simd.mul(sum, simd.splat(stage.alpha));
    if stage.beta != 0.0 {
        // SAFETY: see above.
        let old = unsafe { if full { simd.load(c) } else { simd.load_partial(c, valid) } };
        x = simd.fma(simd.splat(stage.beta), old, x);
    }
    match stage.bias {
        StageBias::None => {}
        // SAFETY: see above.
        StageBias::PerRow(bias) => x = simd.add(x, simd.splat(unsafe { *bias.add(row) })),
        StageBias::PerCol(bias) => {
            // SAFETY: see above.
            let bias = unsafe {
                let bias = bias.add(col);
                if full { simd.load(bias) } else { simd.load_partial(bias, valid) }
            };
            x = simd.add(x, bias);
        }
    }
    if let Some((low, high)) = stage.clamp {
        x = simd.min(simd.splat(high), simd.max(simd.splat(low), x));
    }
    // SAFETY: see above.
    unsafe { if full { simd.store(c, x) } else { simd.store_partial(c, valid, x) } }
}
