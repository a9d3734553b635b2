//! Sums and extremes of `f32` over the middle axis of three, or over lines.
//!
//! Sums are taken in blocks whose sums are then added, each of them in several interleaved parts, so that the error does
//! not grow with the length (Higham, "The Accuracy of Floating Point Summation", 1993).

use std::ops::Range;

use crate::isa::{Isa, SimdOp};
use crate::simd::{F32Simd, LANES};
use crate::team::{Parts, Team};

/// What is made of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// Their sum; 0 of nothing.
    Sum,
    /// Their sum over their number; NaN of nothing.
    Mean,
    /// The greatest one, NaN where one is; negative infinity of nothing.
    Max,
    /// The smallest one, NaN where one is; infinity of nothing.
    Min,
}

/// Values below which waking the team costs more than it gains.
const ALONE_BELOW: usize = 16_384;
/// Values that a task reads at least.
const TASK: usize = 8192;
/// Vectors of columns that are reduced side by side.
const WIDE: usize = 8;
/// Values of each part of a block of a sum.
const BLOCK: usize = 64;

/// `output[o, i]` is the reduction of `input[o, .., i]`, for an input of shape `[outer, n, inner]`.
///
/// # Panics
/// If a slice is too short.
pub fn reduce(
    team: &Team,
    isa: Isa,
    reduction: Reduction,
    [outer, n, inner]: [usize; 3],
    input: &[f32],
    output: &mut [f32],
) {
    let results = outer.checked_mul(inner);
    let len = results.and_then(|results| results.checked_mul(n));
    assert!(len.is_some_and(|len| len <= input.len()), "input of {} for {outer}·{n}·{inner}", input.len());
    assert!(results.is_some_and(|all| all <= output.len()), "output of {} for {outer}·{inner}", output.len());
    let (len, results) = (len.unwrap_or(0), results.unwrap_or(0));
    let output = Parts::new(output);
    // Lines are taken by the dozen where they are short, columns in stretches where they are many.
    let per_task = TASK.div_ceil(n.max(1)).next_multiple_of(if inner == 1 { 1 } else { WIDE * LANES });
    let task = |task: usize| {
        let mut at = task * per_task;
        let end = results.min(at + per_task);
        while at < end {
            let (matrix, column) = (at / inner, at % inner);
            let width = (inner - column).min(end - at);
            let input = &input[matrix * n * inner..][..n * inner];
            // SAFETY: stretches of results are disjoint.
            let output = unsafe { output.get(at, width) };
            isa.dispatch(Columns { reduction, input, n, inner, column, output });
            at += width;
        }
    };
    let tasks = results.div_ceil(per_task);
    if len < ALONE_BELOW { (0..tasks).for_each(task) } else { team.parallel_for(tasks, task) }
}

/// Neighbouring columns of a matrix of `n` rows of `inner` values.
struct Columns<'a> {
    reduction: Reduction,
    input: &'a [f32],
    n: usize,
    inner: usize,
    column: usize,
    output: &'a mut [f32],
}

impl SimdOp for Columns<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        match self.reduction {
            Reduction::Sum | Reduction::Mean => self.with::<S, 0>(s),
            Reduction::Max => self.with::<S, 1>(s),
            Reduction::Min => self.with::<S, 2>(s),
        }
    }
}

#[inline(always)]
fn join<S: F32Simd, const OP: u8>(s: S, a: S::V, b: S::V) -> S::V {
    match OP {
        0 => s.add(a, b),
        1 => s.maximum(a, b),
        _ => s.minimum(a, b),
    }
}

/// What changes nothing.
#[inline(always)]
const fn neutral(op: u8) -> f32 {
    match op {
        0 => 0.0,
        1 => f32::NEG_INFINITY,
        _ => f32::INFINITY,
    }
}

impl Columns<'_> {
    #[inline(always)]
    fn with<S: F32Simd, const OP: u8>(self, s: S) {
        let Columns { input, n, inner, column, output, .. } = self;
        if inner == 1 {
            let values = line::<S, OP>(s, &input[..n]);
            output.fill(values);
        } else {
            let width = output.len();
            let mut at = 0;
            // SAFETY: the columns from `column + at` on lie inside the matrix, the results inside of the output.
            unsafe {
                while at + WIDE * LANES <= width {
                    let sums = rows::<S, OP, WIDE, 1>(s, input, 0..n, inner, column + at, LANES);
                    for (v, sum) in sums.iter().enumerate() {
                        s.store(output.as_mut_ptr().add(at + v * LANES), *sum);
                    }
                    at += WIDE * LANES;
                }
                while at < width {
                    let lanes = LANES.min(width - at);
                    let [sum] = rows::<S, OP, 1, WIDE>(s, input, 0..n, inner, column + at, lanes);
                    if lanes == LANES {
                        s.store(output.as_mut_ptr().add(at), sum);
                    } else {
                        s.store_partial(output.as_mut_ptr().add(at), lanes, sum);
                    }
                    at += lanes;
                }
            }
        }
        if self.reduction == Reduction::Mean {
            output.iter_mut().for_each(|x| *x /= n as f32);
        }
    }
}

/// All of a line.
#[inline(always)]
fn line<S: F32Simd, const OP: u8>(s: S, line: &[f32]) -> f32 {
    let whole = line.len() / LANES;
    // SAFETY: so many vectors lie in the line.
    let [sums] = unsafe { rows::<S, OP, 1, WIDE>(s, line, 0..whole, LANES, 0, LANES) };
    let mut rest = [neutral(OP); LANES];
    let tail = &line[whole * LANES..];
    rest[..tail.len()].copy_from_slice(tail);
    // SAFETY: a vector.
    let sums = join::<S, OP>(s, sums, unsafe { s.load(rest.as_ptr()) });
    if OP == 0 {
        return s.sum(sums);
    }
    // Every lane is joined with every other one.
    let values = s.to_array(sums);
    values.into_iter().fold(neutral(OP), |best, x| match OP {
        1 if best >= x || best.is_nan() => best,
        2 if best <= x || best.is_nan() => best,
        _ => x,
    })
}

/// VECTORS vectors of columns from `column` on, INTERLEAVED rows at a time; the last vector has `lanes` columns.
///
/// # Safety
/// `input` has the rows, of `inner` values each, and the columns lie in them.
#[inline(always)]
unsafe fn rows<S: F32Simd, const OP: u8, const VECTORS: usize, const INTERLEAVED: usize>(
    s: S,
    input: &[f32],
    rows: Range<usize>,
    inner: usize,
    column: usize,
    lanes: usize,
) -> [S::V; VECTORS] {
    let empty = s.splat(neutral(OP));
    let load = |row: usize, v: usize| {
        let from = input.as_ptr().wrapping_add(row * inner + column + v * LANES);
        // SAFETY: granted by the caller.
        unsafe { if lanes == LANES { s.load(from) } else { s.load_partial(from, lanes) } }
    };
    let mut totals = [empty; VECTORS];
    let mut row = rows.start;
    while row < rows.end {
        let end = rows.end.min(row + BLOCK * INTERLEAVED);
        let mut sums = [[empty; VECTORS]; INTERLEAVED];
        while row + INTERLEAVED <= end {
            for (i, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = join::<S, OP>(s, *sum, load(row + i, v));
                }
            }
            row += INTERLEAVED;
        }
        while row < end {
            for (v, sum) in sums[0].iter_mut().enumerate() {
                *sum = join::<S, OP>(s, *sum, load(row, v));
            }
            row += 1;
        }
        for (v, total) in totals.iter_mut().enumerate() {
            let mut sum = sums[0][v];
            for other in &sums[1..] {
                sum = join::<S, OP>(s, sum, other[v]);
            }
            *total = join::<S, OP>(s, *total, sum);
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Guarded, Rng, close};

    #[test]
    fn agrees_with_the_definition_at_every_shape() {
        let teams = [Team::new(1), Team::new(3)];
        for seed in 0..120 {
            let mut rng = Rng::new(seed);
            let inner = [1, 8, 8, 3, 16, 75, 200][rng.below(7)];
            let n = [rng.below(5), rng.below(100), 700 + rng.below(1000)][rng.below(3)];
            let outer = 1 + rng.below(if n > 100 { 3 } else { 40 });
            let mut input = Guarded::random(&mut rng, outer * n * inner);
            if let Some(x) = input.get_mut().first_mut().filter(|_| seed.is_multiple_of(4)) {
                *x = f32::NAN;
            }
            for reduction in [Reduction::Sum, Reduction::Mean, Reduction::Max, Reduction::Min] {
                for isa in Isa::supported() {
                    let bits = teams.each_ref().map(|team| {
                        let mut output = Guarded::zeros(outer * inner);
                        reduce(team, isa, reduction, [outer, n, inner], input.get(), output.get_mut());
                        output.assert_guards();
                        for (index, got) in output.get().iter().enumerate() {
                            let (o, i) = (index / inner, index % inner);
                            let values = (0..n).map(|k| input.get()[(o * n + k) * inner + i]);
                            let sum = values.clone().map(f64::from).sum::<f64>();
                            let want = match reduction {
                                Reduction::Sum => sum as f32,
                                Reduction::Mean => (sum / n as f64) as f32,
                                _ if values.clone().any(f32::is_nan) => f32::NAN,
                                Reduction::Max => values.fold(f32::NEG_INFINITY, f32::max),
                                Reduction::Min => values.fold(f32::INFINITY, f32::min),
                            };
                            assert!(close(*got, want, 2e-5), "seed {seed} {reduction:?}: {got} != {want}");
                        }
                        output.get().iter().map(|x| x.to_bits()).collect::<Vec<_>>()
                    });
                    assert_eq!(bits[0], bits[1], "seed {seed}: bits depend on the threads");
                }
            }
        }
    }
}
