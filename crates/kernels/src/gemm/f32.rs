//! The `f32` product: checks, partition over threads, cache blocks.

use std::ops::Range;

use super::pack::M_BLOCK;
use super::tile::best_tile;
use super::{
    A, Block, K_BLOCK, MR, MatRef, NR, PackedBRef, Stage, StageBias, TileF32, k_blocks, pack_a_into,
};
use crate::elementwise::{UnaryOp, unary_rows_alone};
use crate::isa::Isa;
use crate::team::{Parts, Team};

/// A vector added to C.
#[derive(Debug, Clone, Copy, Default)]
pub enum Bias<'a> {
    /// Nothing is added.
    #[default]
    None,
    /// `m` values, one per row.
    PerRow(&'a [f32]),
    /// `n` values, one per column.
    PerCol(&'a [f32]),
}

/// What is applied to the finished sums.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// `max(x, 0)`; NaN stays NaN.
    Relu,
    /// `min(high, max(low, x))`; NaN stays NaN.
    Clip {
        /// Lower bound.
        low: f32,
        /// Upper bound.
        high: f32,
    },
    /// Any other function, applied while the output is still in cache.
    Unary(UnaryOp),
}

impl Activation {
    /// The bounds, for the kinds that are applied in registers.
    pub(crate) fn clamp(self) -> Option<(f32, f32)> {
        match self {
            Activation::Relu => Some((0.0, f32::INFINITY)),
            Activation::Clip { low, high } => Some((low, high)),
            Activation::None | Activation::Unary(_) => None,
        }
    }
}

/// `activation(alpha * A·B + beta * C + bias)`. The default is plain `A·B`.
#[derive(Debug, Clone, Copy)]
pub struct Epilogue<'a> {
    /// Factor of the product.
    pub alpha: f32,
    /// Factor of what C held before; zero means that C is not read. One fuses a residual addition.
    pub beta: f32,
    /// Added vector.
    pub bias: Bias<'a>,
    /// Applied last.
    pub activation: Activation,
}

impl Default for Epilogue<'_> {
    fn default() -> Self {
        Epilogue { alpha: 1.0, beta: 0.0, bias: Bias::None, activation: Activation::None }
    }
}

/// Sizes of a product, as one value.
#[derive(Clone, Copy)]
struct Sizes {
    m: usize,
    n: usize,
    k: usize,
}

/// Multiply-adds below which waking the team costs more than it gains (about 5 µs of one thread).
const ALONE_BELOW: usize = 200_000;
/// Tasks per thread: more than one, so that a thread which is held up is helped.
const TASKS_PER_THREAD: usize = 4;
/// Panels of C to which a function is applied at a time.
const UNARY_PANELS: usize = 2;

/// Scratch values that [`gemm`] needs for an `m x k` matrix A with this column stride.
#[must_use]
pub fn gemm_scratch_len(team: &Team, k: usize, a_col_stride: usize) -> usize {
    if a_col_stride == 1 { 0 } else { team.threads() * M_BLOCK * k.min(K_BLOCK) }
}

/// `C = activation(alpha * A·B + beta * C + bias)` with A `m x k`, B `k x n` packed, C `m x n` row-major, rows `ldc` apart.
/// Elements of `c` between the rows are untouched.
///
/// # Panics
/// If a slice is too short for its sizes, `b` has other sizes, or `scratch` is shorter than [`gemm_scratch_len`].
#[allow(clippy::too_many_arguments, reason = "the customary parameters of a matrix product")]
pub fn gemm(
    team: &Team,
    isa: Isa,
    m: usize,
    n: usize,
    k: usize,
    a: MatRef<'_>,
    b: PackedBRef<'_>,
    c: &mut [f32],
    ldc: usize,
    epilogue: &Epilogue<'_>,
    scratch: &mut [f32],
) {
    gemm_with(team, best_tile(isa), m, n, k, a, b, c, ldc, epilogue, scratch);
}

/// [`gemm`] with a given micro-kernel, for benchmarks and tuning.
///
/// # Panics
/// As [`gemm`].
#[allow(clippy::too_many_arguments, reason = "the customary parameters of a matrix product")]
pub fn gemm_with(
    team: &Team,
    tile: TileF32,
    m: usize,
    n: usize,
    k: usize,
    a: MatRef<'_>,
    b: PackedBRef<'_>,
    c: &mut [f32],
    ldc: usize,
    epilogue: &Epilogue<'_>,
    scratch: &mut [f32],
) {
    if m == 0 || n == 0 {
        return;
    }
    a.assert_covers(m, k);
    assert!(b.k() == k && b.n() == n, "packed {} x {}, expected {k} x {n}", b.k(), b.n());
    assert!(ldc >= n, "rows of C are {ldc} apart, expected at least {n}");
    let c_len = (m - 1).checked_mul(ldc).and_then(|rows| rows.checked_add(n));
    assert!(c_len.is_some_and(|len| len <= c.len()), "C of {m} x {n} exceeds its slice");
    match epilogue.bias {
        Bias::None => {}
        Bias::PerRow(bias) => assert!(bias.len() >= m, "{} biases for {m} rows", bias.len()),
        Bias::PerCol(bias) => assert!(bias.len() >= n, "{} biases for {n} columns", bias.len()),
    }
    let scratch_each = gemm_scratch_len(team, k, a.col_stride) / team.threads();
    assert!(scratch.len() >= scratch_each * team.threads(), "scratch of {} is too short", scratch.len());

    let sizes = Sizes { m, n, k };
    let grid = Grid::choose(sizes, team.threads());
    let c = Parts::new(c);
    let scratch = Parts::new(scratch);
    team.parallel_for_worker(grid.tasks(), |worker, task| {
        let (rows, cols) = grid.task(task);
        // SAFETY: no two concurrent tasks have the same worker index.
        let scratch = unsafe { scratch.get(worker * scratch_each, scratch_each) };
        // SAFETY: sizes were asserted above; tasks are disjoint blocks of C.
        unsafe { part(tile, sizes, rows, cols, a, b, c.as_ptr(), ldc, epilogue, scratch) };
    });
}

/// The partition of C into row-tile by panel blocks.
#[derive(Clone, Copy)]
struct Grid {
    sizes: Sizes,
    row_parts: usize,
    col_parts: usize,
}

impl Grid {
    /// A part of the rows reads all of B, a part of the columns all of A: the longer side is split first, if it can be
    /// balanced.
    fn choose(sizes: Sizes, threads: usize) -> Self {
        let Sizes { m, n, k } = sizes;
        let work = m.saturating_mul(n).saturating_mul(k);
        if threads == 1 || work < ALONE_BELOW {
            return Grid { sizes, row_parts: 1, col_parts: 1 };
        }
        let wanted = (threads * TASKS_PER_THREAD).min(work / (ALONE_BELOW / 4)).max(threads);
        let row_tiles = m.div_ceil(MR);
        if m > n && row_tiles >= 4 * wanted {
            return Grid { sizes, row_parts: wanted, col_parts: 1 };
        }
        let col_parts = wanted.min(n.div_ceil(NR));
        let row_parts = wanted.div_ceil(col_parts).min(row_tiles);
        Grid { sizes, row_parts, col_parts }
    }

    fn tasks(self) -> usize {
        self.row_parts * self.col_parts
    }

    fn task(self, index: usize) -> (Range<usize>, Range<usize>) {
        let (row, col) = (index / self.col_parts, index % self.col_parts);
        (stretch(self.sizes.m, MR, row, self.row_parts), stretch(self.sizes.n, NR, col, self.col_parts))
    }
}

/// The `index`-th of `parts` stretches of `0..len`, cut at multiples of `unit`.
pub(crate) fn stretch(len: usize, unit: usize, index: usize, parts: usize) -> Range<usize> {
    let units = len.div_ceil(unit);
    let (each, extra) = (units / parts, units % parts);
    let start = |i: usize| ((i * each + i.min(extra)) * unit).min(len);
    start(index)..start(index + 1)
}

/// The stage of a stretch of K: the first one scales, adds what C held and the bias; later ones add to C; the last one
/// clamps.
pub(crate) fn stage_of(epilogue: &Epilogue<'_>, bias: StageBias, k: &Range<usize>, k_total: usize) -> Stage {
    let first = k.start == 0;
    let last = k.end == k_total;
    Stage {
        alpha: epilogue.alpha,
        beta: if first { epilogue.beta } else { 1.0 },
        bias: if first { bias } else { StageBias::None },
        clamp: epilogue.activation.clamp().filter(|_| last),
    }
}

/// Computes the block `rows x cols` of C.
///
/// # Safety
/// All slices cover `sizes` (C from `c`, rows `ldc` apart), the biases too; nobody else accesses this block of C.
#[allow(clippy::too_many_arguments, reason = "the customary parameters of a matrix product")]
unsafe fn part(
    tile: TileF32,
    sizes: Sizes,
    rows: Range<usize>,
    cols: Range<usize>,
    a: MatRef<'_>,
    b: PackedBRef<'_>,
    c: *mut f32,
    ldc: usize,
    epilogue: &Epilogue<'_>,
    scratch: &mut [f32],
) {
    let b_panel = sizes.k * NR;
    for index in 0..rows.len().div_ceil(M_BLOCK) {
        // As even as possible: a block of a few rows would read all of B for little.
        let stretch = stretch(rows.len(), MR, index, rows.len().div_ceil(M_BLOCK));
        let (row, m) = (rows.start + stretch.start, stretch.len());
        for k in k_blocks(sizes.k) {
            let a = if a.col_stride == 1 {
                A::Rows {
                    start: a.data.as_ptr().wrapping_add(row * a.row_stride + k.start),
                    row_stride: a.row_stride,
                }
            } else {
                pack_a_into(a, row..row + m, k.clone(), scratch);
                A::Packed { start: scratch.as_ptr(), panel_stride: k.len() * MR }
            };
            // Other functions than bounds are applied to a few panels at a time, while they are in the first-level cache.
            let unary = match epilogue.activation {
                Activation::Unary(op) if k.end == sizes.k => Some(op),
                _ => None,
            };
            let step = if unary.is_some() { UNARY_PANELS * NR } else { cols.len().max(1) };
            for col in cols.clone().step_by(step) {
                let bias = match epilogue.bias {
                    Bias::None => StageBias::None,
                    Bias::PerRow(bias) => StageBias::PerRow(bias.as_ptr().wrapping_add(row)),
                    Bias::PerCol(bias) => StageBias::PerCol(bias.as_ptr().wrapping_add(col)),
                };
                let block = Block {
                    rows: m,
                    cols: step.min(cols.end - col),
                    k: k.len(),
                    a,
                    b: b.as_slice().as_ptr().wrapping_add(col / NR * b_panel + k.start * NR),
                    b_panel,
                    c: c.wrapping_add(row * ldc + col),
                    ldc,
                    stage: stage_of(epilogue, bias, &k, sizes.k),
                };
                // SAFETY: the block is a part of what the caller vouches for; `col` is a multiple of NR.
                unsafe { tile.run(&block) };
                if let Some(op) = unary {
                    // SAFETY: the same block of C.
                    unsafe { unary_rows_alone(tile.isa(), op, block.c, block.rows, block.cols, ldc) };
                }
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::gemm::{PackedB, tiles};
    use crate::testing::{Guarded, Rng, close};

    /// Naive product in `f64`.
    fn oracle(s: Sizes, a: MatRef<'_>, b: MatRef<'_>, c: &[f32], ldc: usize, e: &Epilogue<'_>) -> Vec<f32> {
        let mut out = Vec::with_capacity(s.m * s.n);
        for i in 0..s.m {
            for j in 0..s.n {
                let at = |k: usize| f64::from(a.data[i * a.row_stride + k * a.col_stride]);
                let bt = |k: usize| f64::from(b.data[k * b.row_stride + j * b.col_stride]);
                let mut x = f64::from(e.alpha) * (0..s.k).map(|k| at(k) * bt(k)).sum::<f64>();
                if e.beta != 0.0 {
                    x += f64::from(e.beta) * f64::from(c[i * ldc + j]);
                }
                x += match e.bias {
                    Bias::None => 0.0,
                    Bias::PerRow(bias) => f64::from(bias[i]),
                    Bias::PerCol(bias) => f64::from(bias[j]),
                };
                x = match e.activation {
                    Activation::Relu => x.max(0.0),
                    Activation::Clip { low, high } => x.max(f64::from(low)).min(f64::from(high)),
                    Activation::Unary(UnaryOp::Neg) => -x,
                    _ => x,
                };
                out.push(x as f32);
            }
        }
        out
    }

    /// The property test of a row of the table: random sizes (edges included), strides, misaligned slices, guard
    /// elements around and between the rows of C, one and three threads with the same bits.
    pub(in crate::gemm) fn check_tile(name: &str) {
        let Some(tile) = Isa::supported().flat_map(tiles).find(|tile| tile.name() == name) else {
            println!("{name}: not supported by this CPU");
            return;
        };
        let teams = [Team::new(1), Team::new(3)];
        for seed in 0..400 {
            let mut rng = Rng::new(seed);
            let mut sizes = Sizes { m: rng.below(41), n: rng.below(41), k: rng.below(41) };
            match seed % 10 {
                0 => sizes.k = K_BLOCK - 2 + rng.below(600),
                1 => sizes = Sizes { m: 1 + rng.below(2), n: 100 + rng.below(300), k: 40 + rng.below(40) },
                2 => sizes.m = M_BLOCK + rng.below(200),
                3 => sizes = Sizes { m: 50 + rng.below(50), n: 90 + rng.below(90), k: 70 },
                _ => {}
            }
            check_one(tile, &teams, sizes, &mut rng, seed);
        }
    }

    fn check_one(tile: TileF32, teams: &[Team], s: Sizes, rng: &mut Rng, seed: u64) {
        let (a_pad, b_pad) = (rng.below(3), rng.below(3));
        let a_data = Guarded::random(rng, s.m.max(s.k) * (s.m.max(s.k) + a_pad));
        let b_data = Guarded::random(rng, s.k.max(s.n) * (s.k.max(s.n) + b_pad));
        let a = if rng.below(2) == 0 {
            MatRef::rows(a_data.get(), s.k + a_pad)
        } else {
            MatRef::transposed(a_data.get(), s.m + a_pad)
        };
        let b = if rng.below(2) == 0 {
            MatRef::rows(b_data.get(), s.n + b_pad)
        } else {
            MatRef::transposed(b_data.get(), s.k + b_pad)
        };
        let bias = Guarded::random(rng, s.m.max(s.n));
        let epilogue = Epilogue {
            alpha: [1.0, -0.5][rng.below(2)],
            beta: [0.0, 1.0, 0.25][rng.below(3)],
            bias: [Bias::None, Bias::PerRow(bias.get()), Bias::PerCol(bias.get())][rng.below(3)],
            activation: [
                Activation::None,
                Activation::Relu,
                Activation::Clip { low: -0.5, high: 0.75 },
                Activation::Unary(UnaryOp::Neg),
            ][rng.below(4)],
        };
        let ldc = s.n + rng.below(4);
        let mut before = Guarded::random(rng, if s.m == 0 { 0 } else { (s.m - 1) * ldc + s.n });
        if epilogue.beta == 0.0 {
            before.get_mut().fill(f32::NAN);
        }
        let packed = PackedB::pack(s.k, s.n, b).unwrap();
        let expected = oracle(s, a, b, before.get(), ldc, &epilogue);
        let mut bits: Option<Vec<u32>> = None;
        for team in teams {
            let mut c = before.clone();
            let mut scratch = Guarded::zeros(gemm_scratch_len(team, s.k, a.col_stride));
            gemm_with(
                team,
                tile,
                s.m,
                s.n,
                s.k,
                a,
                packed.view(),
                c.get_mut(),
                ldc,
                &epilogue,
                scratch.get_mut(),
            );
            c.assert_guards();
            scratch.assert_guards();
            for i in 0..s.m {
                for j in 0..s.n {
                    let (got, want) = (c.get()[i * ldc + j], expected[i * s.n + j]);
                    let tolerance = 1e-6 * (4.0 + s.k as f32).min(200.0);
                    assert!(close(got, want, tolerance), "seed {seed} at {i},{j}: {got} != {want}");
                }
                let gap = i * ldc + s.n..((i + 1) * ldc).min(c.get().len());
                let same = c.get()[gap.clone()].iter().zip(&before.get()[gap]);
                assert!(
                    same.into_iter().all(|(a, b)| a.to_bits() == b.to_bits()),
                    "seed {seed}: gap of row {i}"
                );
            }
            let now: Vec<u32> = c.get().iter().map(|x| x.to_bits()).collect();
            assert!(bits.as_ref().is_none_or(|bits| *bits == now), "seed {seed}: bits depend on the threads");
            bits = Some(now);
        }
    }
}
