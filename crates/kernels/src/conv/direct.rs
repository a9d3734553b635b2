//! Convolution over any number of axes as a plain loop.

use super::{ALONE_BELOW, ConvEpilogue, ConvShape};
use crate::isa::{Isa, SimdOp};
use crate::simd::F32Simd;
use crate::team::{Parts, Team};

/// Convolution of `input` (`[batch, in_channels, spatial]`) with plain `weights` (`[out, in / groups, kernel]`) into
/// `output` (`[batch, out_channels, spatial]`). Needs neither packing nor scratch; the way for three axes and for weights
/// that change from run to run.
///
/// # Panics
/// If a slice is too short for the shape.
pub fn conv_direct<const D: usize>(
    team: &Team,
    isa: Isa,
    shape: &ConvShape<D>,
    weights: &[f32],
    input: &[f32],
    output: &mut [f32],
    epilogue: &ConvEpilogue<'_>,
) {
    shape.assert_covers(input, output);
    epilogue.assert_covers(shape.out_channels());
    assert!(
        weights.len() >= shape.weight_len(),
        "{} weights, expected {}",
        weights.len(),
        shape.weight_len()
    );
    let pixels = shape.out_pixels();
    let planes = shape.params().batch * shape.out_channels();
    let output = Parts::new(output);
    let body = |plane: usize| {
        let (image, channel) = (plane / shape.out_channels(), plane % shape.out_channels());
        // SAFETY: planes are disjoint.
        let output = unsafe { output.get(plane * pixels, pixels) };
        let bias = epilogue.bias.map_or(0.0, |bias| bias[channel]);
        for x in output.iter_mut() {
            *x = if epilogue.beta == 0.0 { bias } else { bias + epilogue.beta * *x };
        }
        let group = channel / shape.group_out();
        let first = (image * shape.groups() + group) * shape.group_in() * shape.in_pixels();
        isa.dispatch(Plane {
            shape,
            weights: &weights[channel * shape.k()..(channel + 1) * shape.k()],
            input: &input[first..first + shape.group_in() * shape.in_pixels()],
            output,
        });
        if let Some((low, high)) = epilogue.activation.clamp() {
            output.iter_mut().for_each(|x| {
                *x = if *x < low {
                    low
                } else if *x > high {
                    high
                } else {
                    *x
                }
            });
        }
        epilogue.finish(isa, output);
    };
    if shape.macs() < ALONE_BELOW { (0..planes).for_each(body) } else { team.parallel_for(planes, body) }
}

struct Plane<'a, const D: usize> {
    shape: &'a ConvShape<D>,
    weights: &'a [f32],
    input: &'a [f32],
    output: &'a mut [f32],
}

impl<const D: usize> SimdOp for Plane<'_, D> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, _: S) {
        let taps = self.shape.taps();
        let rows = self.shape.output().iter().take(D.saturating_sub(1)).product();
        for (channel, weights) in self.weights.chunks_exact(taps).enumerate() {
            let pixels = self.shape.in_pixels();
            let input = &self.input[channel * pixels..(channel + 1) * pixels];
            for (tap, weight) in weights.iter().enumerate() {
                for row in 0..rows {
                    add_row(self.shape, tap, row, *weight, input, self.output);
                }
            }
        }
    }
}

/// Adds one tap's share to one row along the last axis.
#[inline(always)]
fn add_row<const D: usize>(
    shape: &ConvShape<D>,
    tap: usize,
    row: usize,
    weight: f32,
    input: &[f32],
    output: &mut [f32],
) {
    let p = shape.params();
    let last = D - 1;
    let Some(source) = source_row(shape, tap / p.kernel[last], row) else { return };
    let tap_x = tap % p.kernel[last];
    let valid = shape.valid(last, tap_x);
    if valid.is_empty() {
        return;
    }
    let output = &mut output[row * shape.output()[last]..][valid.clone()];
    let first = valid.start * p.strides[last] + tap_x * p.dilations[last] - p.pads_begin[last];
    let input = &input[source * p.input[last]..(source + 1) * p.input[last]][first..];
    if p.strides[last] == 1 {
        for (y, x) in output.iter_mut().zip(input) {
            *y += weight * *x;
        }
    } else {
        for (y, x) in output.iter_mut().zip(input.iter().step_by(p.strides[last])) {
            *y += weight * *x;
        }
    }
}

/// The input row which the output row `row` sees through the outer part of a tap, unless it is padding.
#[inline(always)]
fn source_row<const D: usize>(shape: &ConvShape<D>, mut tap: usize, mut row: usize) -> Option<usize> {
    let p = shape.params();
    let (mut source, mut scale) = (0, 1);
    for axis in (0..D - 1).rev() {
        let at = row % shape.output()[axis] * p.strides[axis] + tap % p.kernel[axis] * p.dilations[axis];
        let at = at.checked_sub(p.pads_begin[axis]).filter(|at| *at < p.input[axis])?;
        source += at * scale;
        scale *= p.input[axis];
        row /= shape.output()[axis];
        tap /= p.kernel[axis];
    }
    Some(source)
}
