//! Row-wise normalisations of `f32`: softmax, log-softmax, layer and root-mean-square normalisation.
//!
//! Rows are contiguous. A row is one task, its sums run in a fixed order of vectors.

use crate::isa::{Isa, SimdOp};
use crate::math;
use crate::simd::{F32Simd, LANES};
use crate::team::{Parts, Team};

/// Values per task.
const CHUNK: usize = 4096;
/// Values below which waking the team costs more than it gains.
const ALONE_BELOW: usize = 2 * CHUNK;

/// What is made of the rows of a softmax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Softmax {
    /// `e^x / Σ e^x`.
    Plain,
    /// `x - ln Σ e^x`.
    Log,
}

/// Parameters of [`normalize_rows`].
#[derive(Debug, Clone, Copy)]
pub struct Normalization<'a> {
    /// Whether the mean is subtracted (layer normalisation) or not (root mean square).
    pub centered: bool,
    /// Added to the variance.
    pub epsilon: f32,
    /// Factors, one per column.
    pub scale: Option<&'a [f32]>,
    /// Offsets, one per column.
    pub bias: Option<&'a [f32]>,
}

/// Statistics of the rows, as training and the ONNX operator want them.
#[derive(Debug, Default)]
pub struct RowStatistics<'a> {
    /// Receives the mean of each row (zero if not centered).
    pub mean: Option<&'a mut [f32]>,
    /// Receives `1 / √(variance + ε)` of each row.
    pub inverse_deviation: Option<&'a mut [f32]>,
}

/// Softmax of each row of `x` (`rows x len`, contiguous) into `y`. The maximum is subtracted first; a NaN makes its whole
/// row NaN.
///
/// # Panics
/// If `x` and `y` differ in length or are not made of rows of `len`.
pub fn softmax_rows(team: &Team, isa: Isa, kind: Softmax, len: usize, x: &[f32], y: &mut [f32]) {
    for_rows(team, len, x, y, |_, x, y| isa.dispatch(SoftmaxRow { kind, x, y }));
}

/// `y = (x - mean) / √(variance + ε) * scale + bias` for each row of `x` (`rows x len`, contiguous).
///
/// # Panics
/// If `x` and `y` differ in length or are not made of rows of `len`, or a parameter or statistic is too short.
pub fn normalize_rows(
    team: &Team,
    isa: Isa,
    normalization: &Normalization<'_>,
    len: usize,
    x: &[f32],
    y: &mut [f32],
    statistics: RowStatistics<'_>,
) {
    let parameters = [normalization.scale, normalization.bias];
    assert!(parameters.iter().flatten().all(|p| p.len() >= len), "fewer parameters than {len} columns");
    let rows = x.len().checked_div(len).unwrap_or(0);
    let (mean_out, deviation_out) =
        (per_row(statistics.mean, rows), per_row(statistics.inverse_deviation, rows));
    for_rows(team, len, x, y, |row, x, y| {
        let (mean, inverse) = isa.dispatch(NormalizeRow { normalization, x, y });
        for (out, value) in [(&mean_out, mean), (&deviation_out, inverse)] {
            if let Some(out) = out {
                // SAFETY: one value per row; a row is visited once.
                unsafe { out.get(row, 1)[0] = value };
            }
        }
    });
}

fn per_row(out: Option<&mut [f32]>, rows: usize) -> Option<Parts<'_, f32>> {
    assert!(out.as_ref().is_none_or(|out| out.len() >= rows), "fewer statistics than {rows} rows");
    out.map(Parts::new)
}

/// Calls `body(index, row of x, row of y)` for each row.
fn for_rows(
    team: &Team,
    len: usize,
    x: &[f32],
    y: &mut [f32],
    body: impl Fn(usize, &[f32], &mut [f32]) + Sync,
) {
    assert_eq!(x.len(), y.len(), "lengths of input and output");
    if x.is_empty() {
        return;
    }
    assert!(len > 0 && x.len().is_multiple_of(len), "{} values are not made of rows of {len}", x.len());
    let rows = x.len() / len;
    let per_task = if x.len() < ALONE_BELOW { rows } else { CHUNK.div_ceil(len) };
    let y = Parts::new(y);
    team.parallel_for(rows.div_ceil(per_task), |task| {
        for row in task * per_task..rows.min((task + 1) * per_task) {
            // SAFETY: rows are disjoint.
            body(row, &x[row * len..(row + 1) * len], unsafe { y.get(row * len, len) });
        }
    });
}

/// Calls `$body` with the offset and the number of valid lanes of each vector of `$len` values.
macro_rules! for_vectors {
    ($len:expr, |$i:ident, $n:ident| $body:block) => {
        let mut $i = 0;
        while $i < $len {
            let $n = LANES.min($len - $i);
            $body
            $i += LANES;
        }
    };
}

/// The vector at `i`, lanes behind the end filled with `fill`.
#[inline(always)]
fn load<S: F32Simd>(s: S, x: &[f32], i: usize, fill: f32) -> S::V {
    let rest = &x[i..];
    if rest.len() >= LANES {
        // SAFETY: LANES values are left.
        return unsafe { s.load(rest.as_ptr()) };
    }
    let mut lanes = [fill; LANES];
    lanes[..rest.len()].copy_from_slice(rest);
    // SAFETY: an array of LANES values.
    unsafe { s.load(lanes.as_ptr()) }
}

#[inline(always)]
fn store<S: F32Simd>(s: S, y: &mut [f32], i: usize, v: S::V) {
    let rest = &mut y[i..];
    // SAFETY: the values that are left, at most LANES.
    unsafe {
        if rest.len() >= LANES {
            s.store(rest.as_mut_ptr(), v);
        } else {
            s.store_partial(rest.as_mut_ptr(), rest.len(), v);
        }
    }
}

struct SoftmaxRow<'a> {
    kind: Softmax,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl SimdOp for SoftmaxRow<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        let SoftmaxRow { kind, x, y } = self;
        let mut maxima = s.splat(f32::NEG_INFINITY);
        for_vectors!(x.len(), |i, _n| {
            maxima = s.max(load(s, x, i, f32::NEG_INFINITY), maxima);
        });
        let max = s.to_array(maxima).into_iter().fold(f32::NEG_INFINITY, f32::max);
        let shift = s.splat(max);
        let mut sums = s.splat(0.0);
        for_vectors!(x.len(), |i, n| {
            let e = math::exp(s, s.sub(load(s, x, i, f32::NEG_INFINITY), shift));
            if kind == Softmax::Plain {
                store(s, y, i, e);
            }
            // Lanes behind the end are exp(-inf) = 0, but NaN where the maximum is infinite.
            sums = s.add(sums, if n == LANES { e } else { keep(s, e, n) });
        });
        let sum = s.sum(sums);
        match kind {
            Softmax::Plain => {
                let factor = s.splat(1.0 / sum);
                for_vectors!(x.len(), |i, _n| {
                    let v = s.mul(load(s, y, i, 0.0), factor);
                    store(s, y, i, v);
                });
            }
            Softmax::Log => {
                let log = s.splat(sum.ln());
                for_vectors!(x.len(), |i, _n| {
                    let v = s.sub(s.sub(load(s, x, i, 0.0), shift), log);
                    store(s, y, i, v);
                });
            }
        }
    }
}

/// The first `n` lanes, zeros behind them.
#[inline(always)]
fn keep<S: F32Simd>(s: S, v: S::V, n: usize) -> S::V {
    let mut lanes = s.to_array(v);
    lanes[n..].fill(0.0);
    // SAFETY: an array of LANES values.
    unsafe { s.load(lanes.as_ptr()) }
}

/// `Σ x`, or `Σ (x - shift)²`, as four sums of vectors, since one would wait for each addition.
#[inline(always)]
fn total<S: F32Simd, const SQUARES: bool>(s: S, x: &[f32], shift: f32) -> f32 {
    let shifts = s.splat(shift);
    let (vectors, rest) = x.as_chunks::<LANES>();
    let (groups, left) = vectors.as_chunks::<4>();
    let mut tail = [if SQUARES { shift } else { 0.0 }; LANES];
    tail[..rest.len()].copy_from_slice(rest);
    let mut sums = [s.splat(0.0); 4];
    for group in groups {
        for (sum, values) in sums.iter_mut().zip(group) {
            *sum = add_to::<S, SQUARES>(s, *sum, values, shifts);
        }
    }
    let mut sum = s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]));
    for values in left {
        sum = add_to::<S, SQUARES>(s, sum, values, shifts);
    }
    s.sum(add_to::<S, SQUARES>(s, sum, &tail, shifts))
}

/// `sum + x`, or `sum + (x - shift)²`.
#[inline(always)]
fn add_to<S: F32Simd, const SQUARES: bool>(s: S, sum: S::V, x: &[f32; LANES], shift: S::V) -> S::V {
    // SAFETY: an array of LANES values.
    let x = unsafe { s.load(x.as_ptr()) };
    if SQUARES {
        let difference = s.sub(x, shift);
        return s.fma(difference, difference, sum);
    }
    s.add(sum, x)
}

struct NormalizeRow<'a> {
    normalization: &'a Normalization<'a>,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl SimdOp for NormalizeRow<'_> {
    /// Mean and inverse deviation.
    type Out = (f32, f32);

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) -> (f32, f32) {
        let NormalizeRow { normalization, x, y } = self;
        let count = x.len() as f32;
        let mean = if normalization.centered { total::<S, false>(s, x, 0.0) / count } else { 0.0 };
        // The second pass over the differences avoids the cancellation of E[x²] - E[x]².
        let inverse = 1.0 / (total::<S, true>(s, x, mean) / count + normalization.epsilon).sqrt();
        let (shift, factor) = (s.splat(mean), s.splat(inverse));
        let scale = normalization.scale.map(|scale| &scale[..x.len()]);
        let bias = normalization.bias.map(|bias| &bias[..x.len()]);
        let mut from = 0;
        if let (Some(scale), Some(bias)) = (scale, bias) {
            let vectors = x.as_chunks::<LANES>().0.iter().zip(y.as_chunks_mut::<LANES>().0);
            let parameters = scale.as_chunks::<LANES>().0.iter().zip(bias.as_chunks::<LANES>().0);
            for ((x, y), (scale, bias)) in vectors.zip(parameters) {
                // SAFETY: arrays of LANES values.
                unsafe {
                    let v = s.mul(s.sub(s.load(x.as_ptr()), shift), factor);
                    let v = s.add(s.mul(v, s.load(scale.as_ptr())), s.load(bias.as_ptr()));
                    s.store(y.as_mut_ptr(), v);
                }
            }
            from = x.len() / LANES * LANES;
        }
        while from < x.len() {
            let mut v = s.mul(s.sub(load(s, x, from, 0.0), shift), factor);
            if let Some(scale) = scale {
                v = s.mul(v, load(s, scale, from, 0.0));
            }
            if let Some(bias) = bias {
                v = s.add(v, load(s, bias, from, 0.0));
            }
            store(s, y, from, v);
            from += LANES;
        }
        (mean, inverse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Guarded, Rng, close};

    fn softmax64(kind: Softmax, x: &[f32]) -> Vec<f32> {
        let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = x.iter().map(|x| (f64::from(*x) - f64::from(max)).exp()).sum();
        let one = |x: &f32| {
            let d = f64::from(*x) - f64::from(max);
            if kind == Softmax::Plain { d.exp() / sum } else { d - sum.ln() }
        };
        x.iter().map(|x| one(x) as f32).collect()
    }

    fn normalize64(n: &Normalization<'_>, x: &[f32]) -> (Vec<f32>, f32, f32) {
        let count = x.len() as f64;
        let mean = if n.centered { x.iter().map(|x| f64::from(*x)).sum::<f64>() / count } else { 0.0 };
        let variance = x.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / count;
        let inverse = 1.0 / (variance + f64::from(n.epsilon)).sqrt();
        let one = |(i, x): (usize, &f32)| {
            let v = (f64::from(*x) - mean) * inverse * n.scale.map_or(1.0, |scale| f64::from(scale[i]));
            (v + n.bias.map_or(0.0, |bias| f64::from(bias[i]))) as f32
        };
        (x.iter().enumerate().map(one).collect(), mean as f32, inverse as f32)
    }

    #[test]
    fn rows_equal_the_definition() {
        let teams = [Team::new(1), Team::new(3)];
        for seed in 0..80 {
            let mut rng = Rng::new(seed);
            let len = 1 + rng.below(70);
            let rows = if seed % 8 == 0 { ALONE_BELOW / len + 5 } else { 1 + rng.below(4) };
            let mut x = Guarded::random(&mut rng, rows * len);
            x.get_mut().iter_mut().for_each(|x| *x = *x * 20.0 + 3.0);
            let (scale, bias) = (Guarded::random(&mut rng, len), Guarded::random(&mut rng, len));
            let normalization = Normalization {
                centered: rng.below(2) == 0,
                epsilon: 1e-5,
                scale: (rng.below(2) == 0).then_some(scale.get()),
                bias: (rng.below(2) == 0).then_some(bias.get()),
            };
            for isa in Isa::supported() {
                let mut bits: Vec<Vec<u32>> = Vec::new();
                for team in &teams {
                    let mut all = Vec::new();
                    for kind in [Softmax::Plain, Softmax::Log] {
                        let mut y = Guarded::zeros(rows * len);
                        softmax_rows(team, isa, kind, len, x.get(), y.get_mut());
                        y.assert_guards();
                        for (x, y) in x.get().chunks(len).zip(y.get().chunks(len)) {
                            let want = softmax64(kind, x);
                            let same = y.iter().zip(&want).all(|(y, want)| close(*y, *want, 2e-6));
                            assert!(same, "seed {seed}: {kind:?} {y:?} {want:?}");
                        }
                        all.extend(y.get().iter().map(|y| y.to_bits()));
                    }
                    let mut y = Guarded::zeros(rows * len);
                    let (mut mean, mut inverse) = (Guarded::zeros(rows), Guarded::zeros(rows));
                    let statistics = RowStatistics {
                        mean: Some(mean.get_mut()),
                        inverse_deviation: Some(inverse.get_mut()),
                    };
                    normalize_rows(team, isa, &normalization, len, x.get(), y.get_mut(), statistics);
                    [&y, &mean, &inverse].into_iter().for_each(Guarded::assert_guards);
                    for row in 0..rows {
                        let part = row * len..(row + 1) * len;
                        let (want, want_mean, want_inverse) =
                            normalize64(&normalization, &x.get()[part.clone()]);
                        // A row of one value has no variance: its result is rounding times 1 / √ε.
                        let tolerance = if len == 1 { 2e-3 } else { 2e-4 };
                        let y = &y.get()[part];
                        assert!(y.iter().zip(&want).all(|(y, w)| close(*y, *w, tolerance)), "seed {seed}");
                        assert!(close(mean.get()[row], want_mean, 1e-5), "seed {seed}");
                        assert!(close(inverse.get()[row], want_inverse, 1e-4), "seed {seed}");
                    }
                    all.extend(y.get().iter().map(|y| y.to_bits()));
                    bits.push(all);
                }
                assert!(
                    bits.windows(2).all(|pair| pair[0] == pair[1]),
                    "seed {seed}: bits depend on threads"
                );
            }
        }
    }

    #[test]
    fn a_nan_fills_its_row_and_infinities_follow_the_arithmetic() {
        let team = Team::new(1);
        for isa in Isa::supported() {
            let mut x = vec![0.5; 22];
            x[3] = f32::NAN;
            x[12] = f32::NEG_INFINITY;
            let mut y = vec![0.0; 22];
            softmax_rows(&team, isa, Softmax::Plain, 11, &x, &mut y);
            assert!(y[..11].iter().all(|y| y.is_nan()));
            assert!(y[12] == 0.0 && close(y[11], 0.1, 1e-6));
        }
    }
}
