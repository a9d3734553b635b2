//! `Interleave`: channels of several blocked maps in turn, as shuffles of channels make them (Zhang et al., "ShuffleNet",
//! 2018, figure 1; <https://uxlfoundation.github.io/oneDNN/dev_guide_shuffle.html>).

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, declare_op};
use lehr_kernels::blocked::{self, Maps};
use lehr_tensor::Tensor;

use super::blocks::{blocked_shape, blocked_sizes, from_blocks, plain_shape, plain_sizes, to_blocks};
use crate::convolution::group_count;
use crate::cpu::{Kernel, RunCx, refused};
use crate::elementwise_cpu::{all_f32, cpu_op};
use crate::operand::{bounded_len, check_shape, floats, present_dtype, rounded};

declare_op! {
    /// Channel `i * n + j` is channel `i` of input `j` of `n`: blocked maps of one shape.
    pub struct Interleave("lehr", "Interleave", 1) inputs(1, usize::MAX) outputs(1, 1) flags() {
        /// Channels of an input.
        channels: i64,
    }
}

impl Interleave {
    fn channels(&self) -> Result<usize, OpError> {
        group_count("channels", self.channels)
    }
}

/// Sizes of the output from those of plain inputs.
fn output_sizes([batch, channels, height, width]: [usize; 4], count: usize) -> [usize; 4] {
    [batch, channels.saturating_mul(count), height, width]
}

impl Op for Interleave {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = present_dtype(cx)?;
        let channels = Dim::from(self.channels()?);
        let plain = cx.shape(0).map(|shape| plain_shape(shape, channels.clone())).transpose()?;
        let shape = plain.map(|plain| {
            let all = channels.mul(&Dim::from(cx.n_inputs()));
            let dims =
                plain.iter().enumerate().map(|(axis, dim)| if axis == 1 { all.clone() } else { dim.clone() });
            blocked_shape(&dims.collect::<Shape>())
        });
        let shape = shape.transpose()?;
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (dtype, shape, count) = (cx.tensor(0)?.dtype(), cx.tensor(0)?.shape().to_vec(), cx.n_inputs());
        let plain = plain_sizes(&shape, self.channels()?)?;
        let sizes = output_sizes(plain, count);
        bounded_len(cx, dtype, &blocked_sizes(&sizes)?)?;
        let mut sources = Vec::with_capacity(count);
        for index in 0..count {
            check_shape(index, cx.tensor(index)?, &shape)?;
            sources.push(from_blocks(&floats(cx, index)?, plain));
        }
        let [_, channels, height, width] = plain;
        let pixels = height * width;
        let value = |index: usize| {
            let (plane, pixel) = (index / pixels, index % pixels);
            let (image, channel) = (plane / (channels * count), plane % (channels * count));
            sources[channel % count][(image * channels + channel / count) * pixels + pixel]
        };
        let y: Vec<f64> = (0..sizes.iter().product()).map(value).collect();
        let y: Tensor = rounded(dtype, &blocked_sizes(&sizes)?, to_blocks(&y, sizes))?;
        cx.set(0, y);
        Ok(())
    }
}

struct InterleaveKernel(Interleave);

impl Kernel for InterleaveKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let shape = cx.tensor(0)?.shape().to_vec();
        let plain = plain_sizes(&shape, self.0.channels()?)?;
        let count = cx.inputs().len();
        let sizes = blocked_sizes(&output_sizes(plain, count))?;
        let mut y = cx.buffers.take(lehr_tensor::checked_len(&sizes)?);
        let mut sources = Vec::with_capacity(count);
        for index in 0..count {
            check_shape(index, cx.tensor(index)?, &shape)?;
            sources.push(cx.tensor(index)?.as_slice::<f32>()?);
        }
        if y.is_empty() {
            drop(sources);
            cx.set(0, Tensor::from_vec(&sizes, y)?);
            return Ok(());
        }
        let slices: Vec<&[f32]> = sources.iter().map(AsRef::as_ref).collect();
        let [images, channels, height, width] = plain;
        let maps = Maps::new(channels, height.saturating_mul(width)).map_err(refused)?;
        blocked::interleave_blocked(cx.team, cx.isa, maps, images, &slices, &mut y);
        drop(sources);
        cx.set(0, Tensor::from_vec(&sizes, y)?);
        Ok(())
    }
}

cpu_op!(Interleave, all_f32, |op| InterleaveKernel(op.clone()));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    fn maps(channels: usize, from: usize) -> Tensor {
        let blocks = channels.div_ceil(8);
        let value =
            |i: usize| if i / 16 * 8 + i % 8 < channels { (from + i / 16 * 8 + i % 8) as f32 } else { 0.0 };
        f32s(&[1, blocks, 1, 2, 8], &(0..blocks * 16).map(value).collect::<Vec<_>>())
    }

    #[test]
    fn channels_come_in_turn() {
        for (channels, count) in [(5, 2), (8, 2), (13, 2), (5, 3), (16, 1)] {
            let op = Interleave { channels: channels as i64 };
            let case = (0..count).fold(Case::new(op), |case, j| case.input(maps(channels, 100 * j)));
            let blocks = (channels * count).div_ceil(8);
            let value = |i: usize| {
                let channel = i / 16 * 8 + i % 8;
                if channel < channels * count {
                    (channel % count * 100 + channel / count) as f32
                } else {
                    0.0
                }
            };
            let y: Vec<f32> = (0..blocks * 16).map(value).collect();
            case.expect(f32s(&[1, blocks, 1, 2, 8], &y));
        }
        for shape in [[0, 1, 2, 2, 8], [2, 1, 0, 2, 8], [2, 1, 2, 0, 8]] {
            let case = Case::new(Interleave { channels: 5 }).input(f32s(&shape, &[]));
            case.input(f32s(&shape, &[])).agree();
        }
        let op = Interleave { channels: 5 };
        Case::new(op).input(maps(5, 0)).input(maps(13, 0)).expect_error("[1, 1, 1, 2, 8]");
    }
}
