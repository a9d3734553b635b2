//! Two-dimensional pooling of `f32` planes, channels first.

use std::ops::Range;

use crate::ShapeError;
use crate::isa::{Isa, SimdOp};
use crate::simd::{F32Simd, LANES};
use crate::team::{Parts, Team};

/// Window steps below which waking the team costs more than it gains.
const ALONE_BELOW: usize = 60_000;

/// The geometry of a pooling window. The output extents are given, since they depend on the rounding mode; windows may
/// reach over the padding on the far side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolParams {
    /// Images times channels.
    pub planes: usize,
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
        for extents in [p.input, p.output] {
            let len = p.planes.checked_mul(extents[0]).and_then(|len| len.checked_mul(extents[1]));
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

    /// Output positions along `axis` whose tap falls inside the input.
    fn valid(&self, axis: usize, tap: usize) -> Range<usize> {
        let p = &self.0;
        let (shift, pad) = (tap * p.dilations[axis], p.pads_begin[axis]);
        let first = pad.saturating_sub(shift).div_ceil(p.strides[axis]);
        let end = (p.input[axis] + pad).saturating_sub(shift).div_ceil(p.strides[axis]);
        first..end.min(self.0.output[axis]).max(first)
    }

    /// Taps along `axis` that fall into `low..high` of the padded input from any of the output positions `first..=last`.
    fn taps_within(&self, axis: usize, first: usize, last: usize, low: usize, high: usize) -> Range<usize> {
        let p = &self.0;
        let tap = |bound: usize, at: usize| {
            bound.saturating_sub(at * p.strides[axis]).div_ceil(p.dilations[axis]).min(p.kernel[axis])
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
}

/// Maximum over each window; padding does not take part. A NaN in a window gives NaN. A window without any input gives
/// negative infinity.
///
/// # Panics
/// If a slice is too short for the shape.
pub fn max_pool(team: &Team, isa: Isa, shape: &PoolShape, input: &[f32], output: &mut [f32]) {
    pool(team, shape, input, output, |input, output| {
        output.fill(f32::NEG_INFINITY);
        isa.dispatch(Windows::<true> { shape, input, output });
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
    pool(team, shape, input, output, |input, output| {
        output.fill(0.0);
        isa.dispatch(Windows::<false> { shape, input, output: &mut *output });
        for (y, row) in output.chunks_exact_mut(shape.0.output[1]).enumerate() {
            let taps_y = shape.count(0, y, divisor);
            for (x, value) in row.iter_mut().enumerate() {
                *value /= taps_y.saturating_mul(shape.count(1, x, divisor)).max(1) as f32;
            }
        }
    });
}

fn pool(
    team: &Team,
    shape: &PoolShape,
    input: &[f32],
    output: &mut [f32],
    body: impl Fn(&[f32], &mut [f32]) + Sync,
) {
    let p = shape.params();
    let (in_len, out_len) = (p.input.iter().product::<usize>(), p.output.iter().product::<usize>());
    assert!(input.len() >= p.planes * in_len, "input of {}, expected {}", input.len(), p.planes * in_len);
    assert!(
        output.len() >= p.planes * out_len,
        "output of {}, expected {}",
        output.len(),
        p.planes * out_len
    );
    let output = Parts::new(output);
    let plane = |plane: usize| {
        // SAFETY: planes are disjoint.
        body(&input[plane * in_len..(plane + 1) * in_len], unsafe { output.get(plane * out_len, out_len) });
    };
    let steps = p.planes.saturating_mul(out_len).saturating_mul(p.kernel[0].saturating_mul(p.kernel[1]));
    if steps < ALONE_BELOW { (0..p.planes).for_each(plane) } else { team.parallel_for(p.planes, plane) }
}

/// Folds all taps of all windows of a plane into the output: maximum or sum.
struct Windows<'a, const MAX: bool> {
    shape: &'a PoolShape,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl<const MAX: bool> SimdOp for Windows<'_, MAX> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, _: S) {
        let p = self.shape.params();
        // Only taps that can fall into the input: windows may be far larger.
        let taps_x = self.shape.taps_inside(1, 0, p.output[1] - 1);
        for (y, row) in self.output.chunks_exact_mut(p.output[1]).enumerate() {
            for tap_y in self.shape.taps_inside(0, y, y) {
                let at = y * p.strides[0] + tap_y * p.dilations[0] - p.pads_begin[0];
                let line = &self.input[at * p.input[1]..(at + 1) * p.input[1]];
                for tap_x in taps_x.clone() {
                    let valid = self.shape.valid(1, tap_x);
                    if valid.is_empty() {
                        continue;
                    }
                    let first = valid.start * p.strides[1] + tap_x * p.dilations[1] - p.pads_begin[1];
                    fold_row::<MAX>(&mut row[valid], &line[first..], p.strides[1]);
                }
            }
        }
    }
}

#[inline(always)]
fn fold_row<const MAX: bool>(row: &mut [f32], line: &[f32], step: usize) {
    // Not `f32::max`, which would drop a NaN.
    let fold = |y: f32, x: f32| match MAX {
        true if y >= x || y.is_nan() => y,
        true => x,
        false => y + x,
    };
    if step == 1 {
        row.iter_mut().zip(line).for_each(|(y, x)| *y = fold(*y, *x));
    } else {
        row.iter_mut().zip(line.iter().step_by(step)).for_each(|(y, x)| *y = fold(*y, *x));
    }
}

/// Mean of each of the `output.len()` planes of `plane_len` values.
///
/// # Panics
/// If `input` does not hold the planes or `plane_len` is zero.
pub fn global_average_pool(team: &Team, isa: Isa, plane_len: usize, input: &[f32], output: &mut [f32]) {
    let planes = output.len();
    assert!(plane_len > 0, "planes without values have no mean");
    let covered = planes.checked_mul(plane_len).is_some_and(|len| len <= input.len());
    assert!(covered, "input of {} for {planes} planes of {plane_len}", input.len());
    let output = Parts::new(output);
    let per_task =
        if planes * plane_len < ALONE_BELOW { planes.max(1) } else { 4096_usize.div_ceil(plane_len) };
    team.parallel_for(planes.div_ceil(per_task), |task| {
        for plane in task * per_task..planes.min((task + 1) * per_task) {
            let sum = isa.dispatch(Sum(&input[plane * plane_len..(plane + 1) * plane_len]));
            // SAFETY: one value per plane; a plane is visited once.
            unsafe { output.get(plane, 1)[0] = sum / plane_len as f32 };
        }
    });
}

struct Sum<'a>(&'a [f32]);

impl SimdOp for Sum<'_> {
    type Out = f32;

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) -> f32 {
        let mut sums = [s.splat(0.0); 4];
        let mut blocks = self.0.chunks_exact(4 * LANES);
        for block in &mut blocks {
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: a block holds four vectors.
                *sum = s.add(*sum, unsafe { s.load(block.as_ptr().add(i * LANES)) });
            }
        }
        for rest in blocks.remainder().chunks(LANES) {
            // SAFETY: the chunk holds at most LANES values.
            sums[0] = s.add(sums[0], unsafe { s.load_partial(rest.as_ptr(), rest.len()) });
        }
        s.sum(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Guarded, Rng, close};

    /// Maximum, sum, taps in the input and taps in the padded input of one window.
    fn window(p: &PoolParams, plane: &[f32], at: [usize; 2]) -> (f32, f64, usize, usize) {
        let mut result = (f32::NEG_INFINITY, 0.0, 0, 0);
        for tap in 0..p.kernel[0] * p.kernel[1] {
            let tap = [tap / p.kernel[1], tap % p.kernel[1]];
            let position = |axis: usize| at[axis] * p.strides[axis] + tap[axis] * p.dilations[axis];
            let padded = |axis: usize| position(axis) < p.pads_begin[axis] + p.input[axis] + p.pads_end[axis];
            result.3 += usize::from(padded(0) && padded(1));
            let inside =
                |axis: usize| position(axis).checked_sub(p.pads_begin[axis]).filter(|x| *x < p.input[axis]);
            if let (Some(y), Some(x)) = (inside(0), inside(1)) {
                let value = plane[y * p.input[1] + x];
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
        PoolShape::new(PoolParams { planes, input, output, kernel, strides, dilations, pads_begin, pads_end })
            .unwrap()
    }

    #[test]
    fn windows_equal_the_definition() {
        let teams = [Team::new(1), Team::new(3)];
        for seed in 0..120 {
            let mut rng = Rng::new(seed);
            let shape = random(&mut rng, seed);
            let p = *shape.params();
            let (in_len, out_len) = (p.input[0] * p.input[1], p.output[0] * p.output[1]);
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
                    let at = [index % out_len / p.output[1], index % p.output[1]];
                    let (max, sum, valid, padded) = window(&p, plane, at);
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

    #[test]
    fn global_average_at_every_length() {
        let teams = [Team::new(1), Team::new(3)];
        for plane_len in (1..70).chain([3000]) {
            let mut rng = Rng::new(plane_len as u64);
            let input = Guarded::random(&mut rng, 37 * plane_len);
            for isa in Isa::supported() {
                let bits = teams.each_ref().map(|team| {
                    let mut output = Guarded::zeros(37);
                    global_average_pool(team, isa, plane_len, input.get(), output.get_mut());
                    output.assert_guards();
                    for (plane, got) in input.get().chunks(plane_len).zip(output.get()) {
                        let want = plane.iter().map(|x| f64::from(*x)).sum::<f64>() / plane_len as f64;
                        assert!(close(*got, want as f32, 1e-5), "{plane_len}: {got} != {want}");
                    }
                    output.get().iter().map(|x| x.to_bits()).collect::<Vec<_>>()
                });
                assert_eq!(bits[0], bits[1], "{plane_len}: bits depend on the threads");
            }
        }
    }
}
