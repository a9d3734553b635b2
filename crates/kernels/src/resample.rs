//! Weighted sums along the two axes of `f32` planes whose pixels hold one value, or several channels: linear and cubic
//! interpolation.
//!
//! The rows that an output row is made of are summed first, then the columns of that sum.

use std::ops::Range;

use crate::ShapeError;
use crate::isa::{Isa, SimdOp};
use crate::simd::{F32Simd, LANES};
use crate::team::{Parts, Team};

/// Multiply-adds of a task at least.
const TASK: usize = 1 << 15;

/// What each output position along an axis is made of.
#[derive(Debug, Clone, Copy)]
pub struct Taps<'a> {
    input: usize,
    width: usize,
    indices: &'a [usize],
    weights: &'a [f32],
}

impl<'a> Taps<'a> {
    /// `width` input positions, all below `input`, and their weights for each output position.
    ///
    /// # Errors
    /// The lists do not hold `width` entries for each output position, or a position lies outside.
    pub fn new(
        input: usize,
        width: usize,
        indices: &'a [usize],
        weights: &'a [f32],
    ) -> Result<Self, ShapeError> {
        if width == 0 {
            return Err(ShapeError::Zero { what: "number of taps" });
        }
        if weights.len() != indices.len() {
            let (got, expected) = (weights.len(), indices.len());
            return Err(ShapeError::Mismatch { what: "number of weights", got, expected });
        }
        if !indices.len().is_multiple_of(width) {
            return Err(ShapeError::NotMultiple { what: "number of weights", got: indices.len(), of: width });
        }
        match indices.iter().find(|index| **index >= input) {
            Some(&got) => Err(ShapeError::Mismatch { what: "position of a tap", got, expected: input }),
            None => Ok(Taps { input, width, indices, weights }),
        }
    }

    fn outputs(&self) -> usize {
        self.indices.len() / self.width
    }

    /// The taps of an output position.
    #[inline(always)]
    fn at(&self, output: usize) -> (&'a [usize], &'a [f32]) {
        let range = output * self.width..(output + 1) * self.width;
        (&self.indices[range.clone()], &self.weights[range])
    }
}

/// Scratch values that [`resample`] needs.
#[must_use]
pub fn resample_scratch_len(team: &Team, columns: &Taps<'_>, lanes: usize) -> usize {
    columns.input.saturating_mul(lanes).saturating_mul(team.threads())
}

/// `output[p, y, x, l]` are the sums of `input[p, .., .., l]` with the weights of `rows` at `y` times those of `columns`
/// at `x`, for `planes` planes of pixels of `lanes` values.
///
/// # Panics
/// If a slice is too short.
#[allow(clippy::too_many_arguments, reason = "what a resampling is made of")]
pub fn resample(
    team: &Team,
    isa: Isa,
    [planes, lanes]: [usize; 2],
    rows: &Taps<'_>,
    columns: &Taps<'_>,
    input: &[f32],
    output: &mut [f32],
    scratch: &mut [f32],
) {
    let product = |sizes: [usize; 4]| sizes.into_iter().try_fold(1, |a: usize, b| a.checked_mul(b));
    let (out_h, out_w) = (rows.outputs(), columns.outputs());
    let in_len = product([planes, rows.input, columns.input, lanes]);
    let out_len = product([planes, out_h, out_w, lanes]);
    assert!(in_len.is_some_and(|len| len <= input.len()), "input of {}, expected {in_len:?}", input.len());
    assert!(
        out_len.is_some_and(|len| len <= output.len()),
        "output of {}, expected {out_len:?}",
        output.len()
    );
    let each = columns.input * lanes;
    assert!(scratch.len() >= each * team.threads(), "scratch of {}", scratch.len());
    if out_len == Some(0) {
        return;
    }
    let plane_len = rows.input * each;
    let row_len = out_w * lanes;
    let per_task = TASK.div_ceil(each * rows.width + row_len * columns.width).min(out_h);
    let bands = out_h.div_ceil(per_task);
    let (output, scratch) = (Parts::new(output), Parts::new(scratch));
    let body = |worker: usize, task: usize| {
        let (plane, band) = (task / bands, task % bands);
        let range = band * per_task..out_h.min((band + 1) * per_task);
        let start = (plane * out_h + range.start) * row_len;
        // SAFETY: bands are disjoint.
        let output = unsafe { output.get(start, range.len() * row_len) };
        // SAFETY: no two concurrent tasks have the same worker index.
        let sums = unsafe { scratch.get(worker * each, each) };
        let input = &input[plane * plane_len..][..plane_len];
        isa.dispatch(Band { rows, columns, lanes, range, input, sums, output });
    };
    team.parallel_for_worker(planes * bands, body);
}

/// Some output rows of a plane.
struct Band<'a> {
    rows: &'a Taps<'a>,
    columns: &'a Taps<'a>,
    lanes: usize,
    range: Range<usize>,
    input: &'a [f32],
    sums: &'a mut [f32],
    output: &'a mut [f32],
}

impl SimdOp for Band<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        let row_len = self.columns.outputs() * self.lanes;
        for (y, out) in self.range.clone().zip(self.output.chunks_exact_mut(row_len)) {
            let (indices, weights) = self.rows.at(y);
            sum_rows(s, self.input, indices, weights, self.sums);
            match (self.lanes, self.columns.width) {
                (1, _) => sum_values(self.columns, self.sums, out),
                (LANES, 2) => sum_vectors(s, self.columns, self.sums, out),
                (lanes, _) => {
                    for (x, out) in out.chunks_exact_mut(lanes).enumerate() {
                        let (indices, weights) = self.columns.at(x);
                        sum_rows(s, self.sums, indices, weights, out);
                    }
                }
            }
        }
    }
}

/// The weighted sum of rows as long as the output.
#[inline(always)]
fn sum_rows<S: F32Simd>(s: S, input: &[f32], indices: &[usize], weights: &[f32], out: &mut [f32]) {
    match (indices, weights) {
        (&[a, b], &[u, v]) => weighted(s, input, [a, b], [u, v], out),
        (&[a, b, c, d], &[u, v, w, x]) => weighted(s, input, [a, b, c, d], [u, v, w, x], out),
        _ => {
            out.fill(0.0);
            for (index, weight) in indices.iter().zip(weights) {
                let row = &input[index * out.len()..][..out.len()];
                out.iter_mut().zip(row).for_each(|(out, x)| *out += weight * x);
            }
        }
    }
}

/// As [`sum_rows`] with N taps.
#[inline(always)]
fn weighted<S: F32Simd, const N: usize>(
    s: S,
    input: &[f32],
    indices: [usize; N],
    weights: [f32; N],
    out: &mut [f32],
) {
    let len = out.len();
    let rows = indices.map(|index| input[index * len..][..len].as_ptr());
    let factors = weights.map(|weight| s.splat(weight));
    let mut i = 0;
    while i < len {
        let n = LANES.min(len - i);
        // SAFETY: n values from i on are in each row and in the output.
        unsafe {
            let load = |row: *const f32| {
                if n == LANES { s.load(row.add(i)) } else { s.load_partial(row.add(i), n) }
            };
            let mut sum = s.mul(load(rows[0]), factors[0]);
            for tap in 1..N {
                sum = s.fma(load(rows[tap]), factors[tap], sum);
            }
            let to = out.as_mut_ptr().add(i);
            if n == LANES { s.store(to, sum) } else { s.store_partial(to, n, sum) }
        }
        i += n;
    }
}

/// The weighted sums of two pixels of one vector each.
#[inline(always)]
fn sum_vectors<S: F32Simd>(s: S, columns: &Taps<'_>, row: &[f32], out: &mut [f32]) {
    assert!(row.len() >= columns.input * LANES, "a row of {}", row.len());
    let (pairs, weights) = (columns.indices.as_chunks::<2>().0, columns.weights.as_chunks::<2>().0);
    for ((out, &[a, b]), &[u, v]) in out.chunks_exact_mut(LANES).zip(pairs).zip(weights) {
        // SAFETY: the positions of taps lie in the input, whose pixels the row holds.
        unsafe {
            let first = s.mul(s.load(row.as_ptr().add(a * LANES)), s.splat(u));
            let sum = s.fma(s.load(row.as_ptr().add(b * LANES)), s.splat(v), first);
            s.store(out.as_mut_ptr(), sum);
        }
    }
}

/// The weighted sums of single values.
#[inline(always)]
fn sum_values(columns: &Taps<'_>, row: &[f32], out: &mut [f32]) {
    if let ((pairs, []), (weights, [])) = (columns.indices.as_chunks::<2>(), columns.weights.as_chunks::<2>())
        && columns.width == 2
    {
        for ((out, &[a, b]), &[u, v]) in out.iter_mut().zip(pairs).zip(weights) {
            *out = row[a] * u + row[b] * v;
        }
        return;
    }
    for (x, out) in out.iter_mut().enumerate() {
        let (indices, weights) = columns.at(x);
        *out = indices.iter().zip(weights).map(|(index, weight)| row[*index] * weight).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Guarded, Rng, close};

    fn random_taps(rng: &mut Rng, input: usize, output: usize) -> (usize, Vec<usize>, Vec<f32>) {
        let width = [1, 2, 2, 4, 5][rng.below(5)];
        let indices = (0..output * width).map(|_| rng.below(input)).collect();
        (width, indices, (0..output * width).map(|_| rng.value()).collect())
    }

    #[test]
    fn agrees_with_the_definition() {
        let teams = [Team::new(1), Team::new(3)];
        for seed in 0..80 {
            let mut rng = Rng::new(seed);
            let (planes, lanes) = (1 + rng.below(4), [1, 8, 8, 3, 16][rng.below(5)]);
            let [in_h, in_w, out_h, out_w] = [(); 4].map(|()| 1 + rng.below(30));
            let (row_width, row_indices, row_weights) = random_taps(&mut rng, in_h, out_h);
            let (width, indices, weights) = random_taps(&mut rng, in_w, out_w);
            let rows = Taps::new(in_h, row_width, &row_indices, &row_weights).unwrap();
            let columns = Taps::new(in_w, width, &indices, &weights).unwrap();
            let input = Guarded::random(&mut rng, planes * in_h * in_w * lanes);
            for isa in Isa::supported() {
                let bits = teams.each_ref().map(|team| {
                    let mut output = Guarded::zeros(planes * out_h * out_w * lanes);
                    let mut scratch = Guarded::zeros(resample_scratch_len(team, &columns, lanes));
                    let (x, y) = (input.get(), output.get_mut());
                    resample(team, isa, [planes, lanes], &rows, &columns, x, y, scratch.get_mut());
                    output.assert_guards();
                    scratch.assert_guards();
                    for (place, got) in output.get().iter().enumerate() {
                        let (pixel, lane) = (place / lanes, place % lanes);
                        let (x, y) = (pixel % out_w, pixel / out_w % out_h);
                        let plane = pixel / out_w / out_h;
                        let mut want = 0.0;
                        for (i, u) in std::iter::zip(rows.at(y).0, rows.at(y).1) {
                            for (j, v) in std::iter::zip(columns.at(x).0, columns.at(x).1) {
                                want += u * v * input.get()[((plane * in_h + i) * in_w + j) * lanes + lane];
                            }
                        }
                        assert!(close(*got, want, 1e-5), "seed {seed}: {got} != {want}");
                    }
                    output.get().iter().map(|x| x.to_bits()).collect::<Vec<_>>()
                });
                assert_eq!(bits[0], bits[1], "seed {seed}: bits depend on the threads");
            }
        }
    }

    #[test]
    fn refuses_taps_outside_of_the_input() {
        assert!(Taps::new(2, 2, &[0, 2], &[0.5, 0.5]).is_err());
        assert!(Taps::new(2, 2, &[0, 1, 1], &[0.5; 3]).is_err());
        assert!(Taps::new(2, 2, &[0, 1], &[0.5]).is_err());
    }
}
