//! Transposed convolution of blocked maps, one ordinary convolution for each phase.
//!
//! Output pixels that are congruent modulo the stride see the same taps, every stride-th of the kernel, so each such phase is
//! a convolution of stride one with a part of the kernel, reversed, whose pixels lie a stride apart. Nothing is multiplied
//! by the zeros between the elements of the input. After Dumoulin and Visin, "A guide to convolution arithmetic for deep
//! learning", 2016, chapter 4.

use super::finish::Finish;
use super::placement::Placement;
use super::{BlockedConv, BlockedEpilogue, BlockedInput, Maps, conv_blocked, conv_blocked_scratch_len};
use crate::ShapeError;
use crate::conv::{ConvParams, ConvShape};
use crate::elementwise::unary_in_place_alone;
use crate::isa::Isa;
use crate::scratch::AlignedVec;
use crate::team::{Parts, Team};

/// Elements that a task of the last pass holds.
const TASK: usize = 8 * 1024;

/// What determines a transposed convolution over two axes of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransposedParams {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Spatial extents of the input.
    pub input: [usize; 2],
    /// Spatial extents of the output.
    pub output: [usize; 2],
    /// Spatial extents of the kernel, at least the strides.
    pub kernel: [usize; 2],
    /// Distances of the elements of the input.
    pub strides: [usize; 2],
    /// What the output lacks at the beginning of each axis.
    pub pads_begin: [usize; 2],
}

/// Output pixels of one phase along one axis.
#[derive(Debug, Clone, Copy)]
struct AxisPhase {
    /// First output pixel.
    first: usize,
    /// Number of them.
    count: usize,
    /// First tap; others are every stride-th.
    tap: usize,
    /// Taps.
    taps: usize,
    begin: usize,
    end: usize,
}

/// A phase along both axes.
#[derive(Debug, Clone)]
struct Phase {
    axes: [AxisPhase; 2],
    conv: BlockedConv,
}

/// A transposed convolution of blocked maps, ready for weights.
#[derive(Debug, Clone)]
pub struct BlockedTransposed {
    params: TransposedParams,
    phases: Vec<Phase>,
    input: Maps,
    output: Maps,
}

impl BlockedTransposed {
    /// The plan of a transposed convolution; batch sizes are left to the call.
    ///
    /// # Errors
    /// A size is zero or does not fit the address space; a stride is larger than the kernel, or padding than a phase of it.
    pub fn new(params: TransposedParams) -> Result<Self, ShapeError> {
        let extents = params.strides.iter().chain(&params.kernel).chain(&params.output).chain(&params.input);
        if extents.into_iter().any(|&extent| extent == 0) {
            return Err(ShapeError::Zero { what: "extent" });
        }
        let [height, width] = params.output;
        let pixels = height.checked_mul(width).ok_or(ShapeError::TooLarge { what: "output" })?;
        let mut phases = Vec::new();
        for y in 0..params.strides[0] {
            for x in 0..params.strides[1] {
                let axes = [axis_phase(&params, 0, y)?, axis_phase(&params, 1, x)?];
                if axes.iter().any(|axis| axis.count == 0) {
                    continue;
                }
                let shape = ConvShape::new(ConvParams {
                    batch: 1,
                    in_channels: params.in_channels,
                    out_channels: params.out_channels,
                    groups: 1,
                    input: params.input,
                    kernel: axes.map(|axis| axis.taps),
                    strides: [1; 2],
                    dilations: [1; 2],
                    pads_begin: axes.map(|axis| axis.begin),
                    pads_end: axes.map(|axis| axis.end),
                })?;
                let placement = Placement {
                    first: axes[0].first * width + axes[1].first,
                    step: params.strides[1],
                    row: params.strides[0] * width,
                    pixels,
                };
                phases.push(Phase { axes, conv: BlockedConv::placed(shape, placement)? });
            }
        }
        let input = Maps::new(params.in_channels, params.input.iter().product())?;
        let output = Maps::new(params.out_channels, pixels)?;
        Ok(BlockedTransposed { params, phases, input, output })
    }

    /// Maps of an input image.
    #[must_use]
    pub fn input(&self) -> Maps {
        self.input
    }

    /// Maps of an output image.
    #[must_use]
    pub fn output(&self) -> Maps {
        self.output
    }

    /// Packs weights of shape `[in_channels, out_channels, kernel]`.
    ///
    /// # Errors
    /// `weights` has another length than the plan says.
    pub fn pack(&self, weights: &[f32]) -> Result<AlignedVec, ShapeError> {
        let p = &self.params;
        let expected = p.in_channels * p.out_channels * p.kernel[0] * p.kernel[1];
        if weights.len() != expected {
            return Err(ShapeError::Mismatch { what: "number of weights", got: weights.len(), expected });
        }
        let mut packed = AlignedVec::zeroed(self.phases.iter().map(|phase| phase.conv.packed_len()).sum());
        let mut rest = packed.as_mut_slice();
        for phase in &self.phases {
            let own = phase.conv.pack(&phase.taps_of(p, weights))?;
            let (out, behind) = rest.split_at_mut(own.as_slice().len());
            out.copy_from_slice(own.as_slice());
            rest = behind;
        }
        Ok(packed)
    }
}

impl Phase {
    /// The phase's weights as those of a convolution: `[out_channels, in_channels, taps]`, reversed.
    fn taps_of(&self, p: &TransposedParams, weights: &[f32]) -> Vec<f32> {
        let [rows, columns] = self.axes;
        let mut own = Vec::with_capacity(p.out_channels * p.in_channels * rows.taps * columns.taps);
        for out in 0..p.out_channels {
            for channel in 0..p.in_channels {
                let filter = &weights[(channel * p.out_channels + out) * p.kernel[0] * p.kernel[1]..];
                for y in (0..rows.taps).rev() {
                    for x in (0..columns.taps).rev() {
                        let (y, x) = (rows.tap + y * p.strides[0], columns.tap + x * p.strides[1]);
                        own.push(filter[y * p.kernel[1] + x]);
                    }
                }
            }
        }
        own
    }
}

/// Phase `tap` along an axis: output `o` sees tap `t` of input `i` where `o + pad = i * stride + t`.
fn axis_phase(params: &TransposedParams, axis: usize, tap: usize) -> Result<AxisPhase, ShapeError> {
    let (stride, pad) = (params.strides[axis], params.pads_begin[axis]);
    let (input, output, kernel) = (params.input[axis], params.output[axis], params.kernel[axis]);
    let too_large = ShapeError::TooLarge { what: "padding of a transposed convolution" };
    let first = (tap + stride - pad % stride) % stride;
    let count = output.saturating_sub(first).div_ceil(stride);
    if tap >= kernel {
        return Err(ShapeError::TooLarge { what: "stride of a transposed convolution" });
    }
    let taps = (kernel - tap).div_ceil(stride);
    // The input that tap `tap` of the first output pixel lies on.
    let onto = (first + pad - tap) / stride;
    let begin = (taps - 1).checked_sub(onto).ok_or(too_large.clone())?;
    let end = (count + taps - 1).checked_sub(input + begin);
    let end = if count == 0 { 0 } else { end.ok_or(too_large)? };
    Ok(AxisPhase { first, count, tap, taps, begin, end })
}

/// Scratch values that [`transposed_blocked`] needs.
#[must_use]
pub fn transposed_blocked_scratch_len(team: &Team, plan: &BlockedTransposed) -> usize {
    plan.phases.iter().map(|phase| conv_blocked_scratch_len(team, &phase.conv)).max().unwrap_or(0)
}

/// The transposed convolution of `images` images of blocked maps.
///
/// # Panics
/// If a slice is too short, or `packed` does not belong to the plan.
#[allow(clippy::too_many_arguments, reason = "what a convolution is made of")]
pub fn transposed_blocked(
    team: &Team,
    isa: Isa,
    plan: &BlockedTransposed,
    images: usize,
    packed: &[f32],
    input: &[f32],
    output: &mut [f32],
    epilogue: &BlockedEpilogue<'_>,
    scratch: &mut [f32],
) {
    let mut packed = packed;
    let input = BlockedInput { maps: input, factors: None };
    for phase in &plan.phases {
        let (own, rest) = packed.split_at(phase.conv.packed_len());
        conv_blocked(team, isa, &phase.conv, images, own, input, output, epilogue, scratch);
        packed = rest;
    }
    // Pixels of a phase do not lie next to each other: what is not done in registers is done at the end.
    let is_placed = plan.params.strides != [1; 2];
    let (_, Some(op)) = Finish::of(epilogue.activation) else { return };
    if !is_placed {
        return;
    }
    let len = images * plan.output.len();
    let output = Parts::new(output);
    team.parallel_for(len.div_ceil(TASK), |task| {
        let from = task * TASK;
        // SAFETY: tasks are disjoint, and `conv_blocked` has checked the length.
        unary_in_place_alone(isa, op, unsafe { output.get(from, TASK.min(len - from)) });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocked::{BLOCK, from_blocked, to_blocked};
    use crate::elementwise::UnaryOp;
    use crate::gemm::Activation;
    use crate::testing::{Guarded, Rng, close};

    fn random_params(rng: &mut Rng) -> TransposedParams {
        let mut two = |low: usize, range: usize| [low + rng.below(range), low + rng.below(range)];
        let (input, strides, more, less) = (two(1, 20), two(1, 3), two(0, 3), two(0, 3));
        let kernel = [strides[0] + more[0], strides[1] + more[1]];
        let pads_begin = [less[0].min(kernel[0] - 1), less[1].min(kernel[1] - 1)];
        let output = [0, 1].map(|axis| {
            let full = (input[axis] - 1) * strides[axis] + kernel[axis];
            (full - pads_begin[axis]).saturating_sub(rng.below(2)).max(1)
        });
        TransposedParams {
            in_channels: 1 + rng.below(30),
            out_channels: 1 + rng.below(30),
            input,
            output,
            kernel,
            strides,
            pads_begin,
        }
    }

    /// The definition, by scattering.
    fn scattered(p: &TransposedParams, images: usize, x: &[f32], w: &[f32], bias: &[f32]) -> Vec<f32> {
        let (pixels, outs) = (p.output[0] * p.output[1], p.input[0] * p.input[1]);
        let mut y: Vec<f32> =
            (0..images * p.out_channels * pixels).map(|i| bias[i / pixels % p.out_channels]).collect();
        for (i, x) in x.iter().enumerate() {
            let (plane, at) = (i / outs, i % outs);
            let (image, channel) = (plane / p.in_channels, plane % p.in_channels);
            let at = [at / p.input[1], at % p.input[1]];
            for out in 0..p.out_channels {
                for tap in 0..p.kernel[0] * p.kernel[1] {
                    let t = [tap / p.kernel[1], tap % p.kernel[1]];
                    let to = [0, 1].map(|d| (at[d] * p.strides[d] + t[d]).checked_sub(p.pads_begin[d]));
                    let [Some(oy), Some(ox)] = to else { continue };
                    if oy < p.output[0] && ox < p.output[1] {
                        let w = w[(channel * p.out_channels + out) * p.kernel[0] * p.kernel[1] + tap];
                        y[(image * p.out_channels + out) * pixels + oy * p.output[1] + ox] += x * w;
                    }
                }
            }
        }
        y
    }

    #[test]
    fn agrees_with_scattering_on_every_tier() {
        let mut planned = 0;
        for seed in 0..300 {
            let mut rng = Rng::new(seed);
            let params = random_params(&mut rng);
            let Ok(plan) = BlockedTransposed::new(params) else { continue };
            planned += 1;
            let (images, team) = (1 + rng.below(2), Team::new(1 + rng.below(3)));
            let (from, to) = (plan.input(), plan.output());
            let x = Guarded::random(&mut rng, images * params.in_channels * from.pixels());
            let taps = params.kernel[0] * params.kernel[1];
            let weights = Guarded::random(&mut rng, params.in_channels * params.out_channels * taps);
            let bias = Guarded::random(&mut rng, to.blocks() * BLOCK);
            let mut want = scattered(&params, images, x.get(), weights.get(), bias.get());
            let negated = rng.below(2) == 0;
            let activation = if negated { Activation::Unary(UnaryOp::Neg) } else { Activation::None };
            want.iter_mut().filter(|_| negated).for_each(|y| *y = -*y);
            let packed = plan.pack(weights.get()).unwrap();
            for isa in Isa::supported() {
                let mut input = Guarded::zeros(images * from.len());
                to_blocked(&team, isa, from, images, x.get(), input.get_mut());
                let mut output = Guarded::zeros(images * to.len());
                let mut scratch = Guarded::zeros(transposed_blocked_scratch_len(&team, &plan));
                transposed_blocked(
                    &team,
                    isa,
                    &plan,
                    images,
                    packed.as_slice(),
                    input.get(),
                    output.get_mut(),
                    &BlockedEpilogue { bias: Some(bias.get()), residual: None, activation },
                    scratch.get_mut(),
                );
                [&scratch, &output, &input].iter().for_each(|buffer| buffer.assert_guards());
                let mut got = vec![0.0; want.len()];
                from_blocked(&team, isa, to, images, output.get(), &mut got);
                let wrong = got.iter().zip(&want).position(|(got, want)| !close(*got, *want, 1e-4));
                assert_eq!(wrong, None, "seed {seed} {isa:?} {params:?}");
            }
        }
        assert!(planned > 100, "{planned} of 300");
    }
}
