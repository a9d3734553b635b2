//! Two-dimensional pooling of `f32` planes whose pixels hold one value, or several channels.
//!
//! A row of windows is folded over its rows first, for a strip of columns that stays in the first-level cache, then over
//! its columns: a window of h by w costs h + w steps, and only the strip knows of borders.

use std::ops::Range;

use crate::ShapeError;
use crate::isa::{Isa, SimdOp};
use crate::simd::{F32Simd, LANES};
use crate::team::{Parts, Team};

/// Window steps below which waking the team costs more than it gains.
const ALONE_BELOW: usize = 60_000;

/// Values of a strip of columns: a quarter of the first-level cache.
const STRIP: usize = 2048;
/// Steps of a task at least.
const TASK: usize = 1 << 15;

/// The geometry of a pooling window. The output extents are given, since they depend on the rounding mode; windows may
/// reach over the padding on the far side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolParams {
    /// Images times channels, or blocks of channels.
    pub planes: usize,
    /// Values of a pixel, each of which is pooled for itself.
    pub lanes: usize,
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Steps of the window.
    pub strides: [usize; 2],
    /// Distances of the taps.
    pub dilations: [usize; 2],
    /// Padding in front.
    pub pads_begin: [usize; 2],
    /// Padding behind; it only counts for [`Divisor::Padded`].
    pub pads_end: [usize; 2],
}

/// What an average is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Divisor {
    /// The taps that lie in the input (`count_include_pad = 0`).
    Valid,
    /// The taps that lie in the padded input (`count_include_pad = 1`).
    Padded,
}

/// A checked [`PoolParams`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolShape(PoolParams);

impl PoolShape {
    /// Checks the parameters.
    ///
    /// # Errors
    /// An extent, stride or dilation is zero, or sizes do not fit the address space.
    pub fn new(params: PoolParams) -> Result<Self, ShapeError> {
        let p = &params;
        let nonzero = [
            ("input extent", p.input),
            ("output extent", p.output),
            ("kernel extent", p.kernel),
            ("stride", p.strides),
            ("dilation", p.dilations),
        ];
        for (what, sizes) in nonzero {
            if sizes.contains(&0) {
                return Err(ShapeError::Zero { what });
            }
        }
        if p.lanes == 0 {
            return Err(ShapeError::Zero { what: "values of a pixel" });
        }
        for extents in [p.input, p.output] {
            let sizes = [p.lanes, extents[0], extents[1]];
            let len = sizes.into_iter().try_fold(p.planes, |len, size| len.checked_mul(size));
            if len.is_none_or(|len| len > isize::MAX as usize / 8) {
                return Err(ShapeError::TooLarge { what: "pooled tensor" });
            }
        }
        for axis in 0..2 {
            // The farthest position any tap addresses.
            let far = p.output[axis].checked_mul(p.strides[axis]);
            let reach = p.kernel[axis].checked_mul(p.dilations[axis]);
            let pads = p.pads_begin[axis].checked_add(p.pads_end[axis]);
            let sum = far.zip(reach).zip(pads).and_then(|((a, b), c)| a.checked_add(b)?.checked_add(c));
            if sum.and_then(|sum| sum.checked_add(p.input[axis])).is_none() {
                return Err(ShapeError::TooLarge { what: "pooling window" });
            }
        }
        Ok(PoolShape(params))
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &PoolParams {
        &self.0
    }

    /// Taps along `axis` that fall into `low..high` of the padded input from any of the output positions `first..=last`.
    fn taps_within(&self, axis: usize, first: usize, last: usize, low: usize, high: usize) -> Range<usize> {
        let p = &self.0;
        let tap = |bound: usize, at: usize| {
            let room = bound.saturating_sub(at * p.strides[axis]);
            // Spares the division, which counts at the borders of small planes.
            if p.dilations[axis] == 1 { room } else { room.div_ceil(p.dilations[axis]) }.min(p.kernel[axis])
        };
        tap(low, last)..tap(high, first)
    }

    /// As [`taps_within`](Self::taps_within) the input.
    fn taps_inside(&self, axis: usize, first: usize, last: usize) -> Range<usize> {
        let pad = self.0.pads_begin[axis];
        self.taps_within(axis, first, last, pad, pad + self.0.input[axis])
    }

    /// Number of taps along `axis` that count at output position `at`.
    fn count(&self, axis: usize, at: usize, divisor: Divisor) -> usize {
        let p = &self.0;
        let taps = match divisor {
            Divisor::Valid => self.taps_inside(axis, at, at),
            Divisor::Padded => {
                let padded = p.pads_begin[axis] + p.input[axis] + p.pads_end[axis];
                self.taps_within(axis, at, at, 0, padded)
            }
        };
        taps.len()
    }

    /// Output positions along `axis` at which all taps count.
    fn full(&self, axis: usize, divisor: Divisor) -> Range<usize> {
        let p = &self.0;
        let (low, high) = match divisor {
            Divisor::Valid => (p.pads_begin[axis], p.pads_begin[axis] + p.input[axis]),
            Divisor::Padded => (0, p.pads_begin[axis] + p.input[axis] + p.pads_end[axis]),
        };
        let first = low.div_ceil(p.strides[axis]).min(p.output[axis]);
        let reach = (p.kernel[axis] - 1) * p.dilations[axis];
        let end = high.saturating_sub(reach).div_ceil(p.strides[axis]).min(p.output[axis]);
        first..end.max(first)
    }

    /// Output pixels whose windows a strip of columns holds; `None` when it does not hold the first one.
    fn strip(&self) -> Option<usize> {
        let p = &self.0;
        let columns = STRIP / p.lanes;
        let rest = columns.checked_sub((p.kernel[1] - 1) * p.dilations[1] + 1)?;
        Some(rest / p.strides[1] + 1)
    }
}

/// Maximum over each window; padding does not take part. A NaN in a window gives NaN. A window without any input gives
/// negative infinity.
///
/// # Panics
/// If a slice is too short for the shape.
pub fn max_pool(team: &Team, isa: Isa, shape: &PoolShape, input: &[f32], output: &mut [f32]) {
    pool(team, shape, input, output, |input, rows, output| {
        isa.dispatch(Band::<true> { shape, divisor: None, input, rows, output });
    });
}

/// Average over each window. A window without any input gives zero.
///
/// # Panics
/// If a slice is too short for the shape.
pub fn average_pool(
    team: &Team,
    isa: Isa,
    shape: &PoolShape,
    divisor: Divisor,
    input: &[f32],
    output: &mut [f32],
) {
    pool(team, shape, input, output, |input, rows, output| {
        isa.dispatch(Band::<false> { shape, divisor: Some(divisor), input, rows, output });
    });
}

fn pool(
    team: &Team,
    shape: &PoolShape,
    input: &[f32],
    output: &mut [f32],
    body: impl Fn(&[f32], Range<usize>, &mut [f32]) + Sync,
) {
    let p = shape.params();
    let in_len = p.lanes * p.input[0] * p.input[1];
    let (row, out_h) = (p.lanes * p.output[1], p.output[0]);
    let (in_all, out_all) = (p.planes * in_len, p.planes * row * out_h);
    assert!(input.len() >= in_all, "input of {}, expected {in_all}", input.len());
    assert!(output.len() >= out_all, "output of {}, expected {out_all}", output.len());
    let output = Parts::new(output);
    let row_steps = row.saturating_mul(p.kernel[0].saturating_add(p.kernel[1]));
    let rows = TASK.div_ceil(row_steps).min(out_h);
    let bands = out_h.div_ceil(rows);
    let task = |task: usize| {
        let (plane, band) = (task / bands, task % bands);
        let rows = band * rows..out_h.min((band + 1) * rows);
        // SAFETY: bands are disjoint.
        let output = unsafe { output.get((plane * out_h + rows.start) * row, rows.len() * row) };
        body(&input[plane * in_len..(plane + 1) * in_len], rows, output);
    };
    let tasks = p.planes * bands;
    let steps = p.planes.saturating_mul(out_h).saturating_mul(row_steps);
    if steps < ALONE_BELOW { (0..tasks).for_each(task) } else { team.parallel_for(tasks, task) }
}

/// Some output rows of a plane: maxima, or sums that are then divided.
struct Band<'a, const MAX: bool> {
    shape: &'a PoolShape,
    divisor: Option<Divisor>,
    input: &'a [f32],
    rows: Range<usize>,
    output: &'a mut [f32],
}

/// What changes nothing.
const fn neutral(max: bool) -> f32 {
    if max { f32::NEG_INFINITY } else { 0.0 }
}

impl<const MAX: bool> SimdOp for Band<'_, MAX> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        let p = self.shape.params();
        let mut columns = [0.0; STRIP + 2 * LANES];
        let strip = self.shape.strip();
        let divisor = self.divisor.map(|divisor| (divisor, self.shape.full(1, divisor)));
        for (y, row) in self.rows.clone().zip(self.output.chunks_exact_mut(p.output[1] * p.lanes)) {
            match strip {
                Some(strip) => {
                    for (index, out) in row.chunks_mut(strip * p.lanes).enumerate() {
                        let from = index * strip;
                        fill_columns::<S, MAX>(s, self.shape, self.input, y, from, out.len(), &mut columns);
                        fold_columns::<S, MAX>(s, p, &columns, out);
                    }
                }
                None => walk::<S, MAX>(s, self.shape, self.input, y, row),
            }
            if let Some((divisor, full)) = &divisor {
                divide(self.shape, *divisor, full, y, row);
            }
        }
    }
}

/// Folds the rows of the windows of output row `y` for the columns that `out_len` values from pixel `from` on read.
#[inline(always)]
fn fill_columns<S: F32Simd, const MAX: bool>(
    s: S,
    shape: &PoolShape,
    input: &[f32],
    y: usize,
    from: usize,
    out_len: usize,
    columns: &mut [f32; STRIP + 2 * LANES],
) {
    let p = shape.params();
    let (lanes, pixels) = (p.lanes, out_len / p.lanes);
    let width = (pixels - 1) * p.strides[1] + (p.kernel[1] - 1) * p.dilations[1] + 1;
    let start = from * p.strides[1];
    // Columns of the strip that lie in the input.
    let first = p.pads_begin[1].saturating_sub(start).min(width);
    let end = (p.pads_begin[1] + p.input[1]).saturating_sub(start).clamp(first, width);
    let taps = shape.taps_inside(0, y, y);
    let end = if taps.is_empty() { first } else { end };
    columns[..first * lanes].fill(neutral(MAX));
    columns[end * lanes..width * lanes].fill(neutral(MAX));
    if first == end {
        return;
    }
    let line = |tap: usize| y * p.strides[0] + tap * p.dilations[0] - p.pads_begin[0];
    let column = start + first - p.pads_begin[1];
    let len = (end - first) * lanes;
    let lines = &input[(line(taps.start) * p.input[1] + column) * lanes..];
    let taps = Taps { from: lines, stride: p.dilations[0] * p.input[1] * lanes, count: taps.len() };
    fold::<S, MAX>(s, taps, Pixels { count: 1, step: 0, len }, &mut columns[first * lanes..][..len]);
}

/// Folds the columns of the windows.
#[inline(always)]
fn fold_columns<S: F32Simd, const MAX: bool>(
    s: S,
    p: &PoolParams,
    columns: &[f32; STRIP + 2 * LANES],
    out: &mut [f32],
) {
    let taps = Taps { from: columns, stride: p.dilations[1] * p.lanes, count: p.kernel[1] };
    match (p.strides[1], p.lanes) {
        (1, _) => fold::<S, MAX>(s, taps, Pixels { count: 1, step: 0, len: out.len() }, out),
        (2, 1) => fold_even::<S, MAX>(s, taps, out),
        (step, len) => {
            let pixels = Pixels { count: out.len() / len, step: step * len, len };
            fold::<S, MAX>(s, taps, pixels, out);
        }
    }
}

/// What is folded into one value, from the first value on.
#[derive(Clone, Copy)]
struct Taps<'a> {
    from: &'a [f32],
    stride: usize,
    count: usize,
}

/// Stretches of values that are next to each other.
#[derive(Clone, Copy)]
struct Pixels {
    count: usize,
    /// From a stretch to the next one in what is read.
    step: usize,
    len: usize,
}

/// Folds all taps of all pixels. The common numbers of taps are unrolled.
#[inline(always)]
fn fold<S: F32Simd, const MAX: bool>(s: S, taps: Taps<'_>, pixels: Pixels, out: &mut [f32]) {
    assert_eq!(out.len(), pixels.count * pixels.len, "values to fold");
    let last = (pixels.count - 1) * pixels.step + (taps.count - 1) * taps.stride + pixels.len;
    assert!(taps.from.len() >= last, "{} values, expected {last}", taps.from.len());
    // SAFETY: the last value of the last tap of the last pixel is there, and so are the results.
    unsafe {
        match taps.count {
            1 => fold_taps::<S, MAX, 1>(s, taps, pixels, out.as_mut_ptr()),
            2 => fold_taps::<S, MAX, 2>(s, taps, pixels, out.as_mut_ptr()),
            3 => fold_taps::<S, MAX, 3>(s, taps, pixels, out.as_mut_ptr()),
            5 => fold_taps::<S, MAX, 5>(s, taps, pixels, out.as_mut_ptr()),
            _ => fold_taps::<S, MAX, 0>(s, taps, pixels, out.as_mut_ptr()),
        }
    }
}

#[inline(always)]
fn join<S: F32Simd, const MAX: bool>(s: S, a: S::V, b: S::V) -> S::V {
    if MAX { s.maximum(a, b) } else { s.add(a, b) }
}

/// COUNT is the number of taps, or zero when it is only known to them.
///
/// # Safety
/// All values of all taps are readable, and as many results writable.
#[inline(always)]
unsafe fn fold_taps<S: F32Simd, const MAX: bool, const COUNT: usize>(
    s: S,
    taps: Taps<'_>,
    pixels: Pixels,
    out: *mut f32,
) {
    let count = if COUNT == 0 { taps.count } else { COUNT };
    for pixel in 0..pixels.count {
        let from = taps.from.as_ptr().wrapping_add(pixel * pixels.step);
        let out = out.wrapping_add(pixel * pixels.len);
        let mut i = 0;
        while i + LANES <= pixels.len {
            // SAFETY: granted by the caller.
            unsafe {
                let mut sum = s.load(from.add(i));
                for tap in 1..count {
                    sum = join::<S, MAX>(s, sum, s.load(from.add(i + tap * taps.stride)));
                }
                s.store(out.add(i), sum);
            }
            i += LANES;
        }
        if i < pixels.len {
            let rest = pixels.len - i;
            // SAFETY: as above, the last values of the stretch.
            unsafe {
                let mut sum = s.load_partial(from.add(i), rest);
                for tap in 1..count {
                    sum = join::<S, MAX>(s, sum, s.load_partial(from.add(i + tap * taps.stride), rest));
                }
                s.store_partial(out.add(i), rest, sum);
            }
        }
    }
}

/// The taps of values that are two apart.
#[inline(always)]
fn fold_even<S: F32Simd, const MAX: bool>(s: S, taps: Taps<'_>, out: &mut [f32]) {
    let last = (taps.count - 1) * taps.stride + 2 * out.len().next_multiple_of(LANES);
    assert!(taps.from.len() >= last, "{} values, expected {last}", taps.from.len());
    for (index, out) in out.chunks_mut(LANES).enumerate() {
        let from = taps.from.as_ptr().wrapping_add(index * 2 * LANES);
        // SAFETY: two vectors of values of each tap are there.
        unsafe {
            let mut sum = s.load_even(from);
            for tap in 1..taps.count {
                sum = join::<S, MAX>(s, sum, s.load_even(from.add(tap * taps.stride)));
            }
            if out.len() == LANES {
                s.store(out.as_mut_ptr(), sum);
            } else {
                s.store_partial(out.as_mut_ptr(), out.len(), sum);
            }
        }
    }
}

/// Windows too wide for a strip, a tap at a time; only taps that fall into the input: windows may be far larger.
#[inline(always)]
fn walk<S: F32Simd, const MAX: bool>(s: S, shape: &PoolShape, input: &[f32], y: usize, row: &mut [f32]) {
    let p = shape.params();
    for (x, out) in row.chunks_exact_mut(p.lanes).enumerate() {
        out.fill(neutral(MAX));
        for tap_y in shape.taps_inside(0, y, y) {
            let line = y * p.strides[0] + tap_y * p.dilations[0] - p.pads_begin[0];
            for tap_x in shape.taps_inside(1, x, x) {
                let column = x * p.strides[1] + tap_x * p.dilations[1] - p.pads_begin[1];
                let from = &input[(line * p.input[1] + column) * p.lanes..][..p.lanes];
                for (out, from) in out.chunks_mut(LANES).zip(from.chunks(LANES)) {
                    // SAFETY: two chunks of as many values.
                    unsafe {
                        let own = s.load_partial(out.as_ptr(), out.len());
                        let sum = join::<S, MAX>(s, own, s.load_partial(from.as_ptr(), out.len()));
                        s.store_partial(out.as_mut_ptr(), out.len(), sum);
                    }
                }
            }
        }
    }
}

/// Makes averages of the sums of output row `y`; all taps count at the pixels `full`.
#[inline(always)]
fn divide(shape: &PoolShape, divisor: Divisor, full: &Range<usize>, y: usize, row: &mut [f32]) {
    let p = shape.params();
    let taps_y = shape.count(0, y, divisor);
    let mut scale = |pixels: Range<usize>, taps_x: usize| {
        let scale = 1.0 / taps_y.saturating_mul(taps_x).max(1) as f32;
        row[pixels.start * p.lanes..pixels.end * p.lanes].iter_mut().for_each(|x| *x *= scale);
    };
    for x in (0..full.start).chain(full.end..p.output[1]) {
        scale(x..x + 1, shape.count(1, x, divisor));
    }
    scale(full.clone(), p.kernel[1]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Guarded, Rng, close};

    /// Maximum, sum, taps in the input and taps in the padded input of one window.
    fn window(p: &PoolParams, plane: &[f32], at: [usize; 2], lane: usize) -> (f32, f64, usize, usize) {
        let mut result = (f32::NEG_INFINITY, 0.0, 0, 0);
        for tap in 0..p.kernel[0] * p.kernel[1] {
            let tap = [tap / p.kernel[1], tap % p.kernel[1]];
            let position = |axis: usize| at[axis] * p.strides[axis] + tap[axis] * p.dilations[axis];
            let padded = |axis: usize| position(axis) < p.pads_begin[axis] + p.input[axis] + p.pads_end[axis];
            result.3 += usize::from(padded(0) && padded(1));
            let inside =
                |axis: usize| position(axis).checked_sub(p.pads_begin[axis]).filter(|x| *x < p.input[axis]);
            if let (Some(y), Some(x)) = (inside(0), inside(1)) {
                let value = plane[(y * p.input[1] + x) * p.lanes + lane];
                result.0 = if value.is_nan() || result.0.is_nan() { f32::NAN } else { result.0.max(value) };
                result.1 += f64::from(value);
                result.2 += 1;
            }
        }
        result
    }

    fn random(rng: &mut Rng, seed: u64) -> PoolShape {
        let mut axes = |low: usize, range: usize| [low + rng.below(range), low + rng.below(range)];
        let (input, kernel, strides) = (axes(1, 30), axes(1, 4), axes(1, 3));
        let (dilations, pads_begin, pads_end) = (axes(1, 2), axes(0, 3), axes(0, 3));
        let planes = if seed.is_multiple_of(10) { 150 } else { 1 + rng.below(5) };
        let output = [0, 1].map(|axis| {
            let window = (kernel[axis] - 1) * dilations[axis] + 1;
            let room = (input[axis] + pads_begin[axis] + pads_end[axis]).saturating_sub(window);
            room.div_ceil(strides[axis]) + 1
        });
        let lanes = [1, 1, 8, 8, 3, 16][rng.below(6)];
        PoolShape::new(PoolParams {
            planes,
            lanes,
            input,
            output,
            kernel,
            strides,
            dilations,
            pads_begin,
            pads_end,
        })
        .unwrap()
    }

    #[test]
    fn windows_equal_the_definition() {
        let teams = [Team::new(1), Team::new(3)];
        for seed in 0..120 {
            let mut rng = Rng::new(seed);
            let shape = random(&mut rng, seed);
            let p = *shape.params();
            let (in_len, out_len) = (p.lanes * p.input[0] * p.input[1], p.lanes * p.output[0] * p.output[1]);
            let mut input = Guarded::random(&mut rng, p.planes * in_len);
            if seed.is_multiple_of(5) {
                input.get_mut()[in_len / 2] = f32::NAN;
            }
            for (isa, team) in Isa::supported().flat_map(|isa| teams.iter().map(move |team| (isa, team))) {
                let mut outputs = [(); 3].map(|()| Guarded::zeros(p.planes * out_len));
                max_pool(team, isa, &shape, input.get(), outputs[0].get_mut());
                average_pool(team, isa, &shape, Divisor::Valid, input.get(), outputs[1].get_mut());
                average_pool(team, isa, &shape, Divisor::Padded, input.get(), outputs[2].get_mut());
                outputs.iter().for_each(Guarded::assert_guards);
                for index in 0..p.planes * out_len {
                    let plane = &input.get()[index / out_len * in_len..][..in_len];
                    let (pixel, lane) = (index % out_len / p.lanes, index % p.lanes);
                    let at = [pixel / p.output[1], pixel % p.output[1]];
                    let (max, sum, valid, padded) = window(&p, plane, at, lane);
                    let average = |count: usize| (sum / count.max(1) as f64) as f32;
                    let want = [max, average(valid), average(padded)];
                    for (output, want) in outputs.iter().zip(want) {
                        let got = output.get()[index];
                        assert!(close(got, want, 1e-5), "seed {seed} {p:?} at {at:?}: {got} != {want}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_window_far_larger_than_the_input_is_walked_only_where_it_meets_it() {
        let huge = [1 << 40; 2];
        let shape = PoolShape::new(PoolParams {
            planes: 1,
            lanes: 1,
            input: [2, 3],
            output: [1, 1],
            kernel: huge,
            strides: [1, 1],
            dilations: [1, 1],
            pads_begin: [5, 5],
            pads_end: huge,
        })
        .unwrap();
        let mut y = [0.0];
        average_pool(
            &Team::new(1),
            Isa::at_most(crate::Tier::Scalar),
            &shape,
            Divisor::Valid,
            &[2.0; 6],
            &mut y,
        );
        assert_eq!(y, [2.0]);
    }
}
