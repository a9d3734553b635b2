//! `QLinearConv`: <https://onnx.ai/onnx/operators/onnx__QLinearConv.html>

use lehr_graph::{AxisMap, Cost, EvalCx, InferCx, Op, OpError, Signature, declare_op};

use crate::conv_integer::centered_conv;
use crate::convolution::{ConvAttributes, conv_axes, conv_cost, conv_of};
use crate::operand::check_shape;
use crate::quantization::{integer_range, integers, requantization_factor, requantized, scales};
use crate::window::AutoPad;

declare_op! {
    /// Convolution of quantised values, requantised; weights have one scale or one per output channel, the bias is an
    /// integer in units of both scales.
    pub struct QLinearConv("", "QLinearConv", 10) inputs(8, 9) outputs(1, 1) flags() {
        /// Padding rule.
        auto_pad: AutoPad = AutoPad::NotSet,
        /// Steps between kernel elements along each axis.
        dilations: Option<Vec<i64>> = None,
        /// Number of groups of channels that do not see each other.
        group: i64 = 1,
        /// Kernel sizes; those of the weights when absent.
        kernel_shape: Option<Vec<i64>> = None,
        /// Padding: all beginnings, then all ends.
        pads: Option<Vec<i64>> = None,
        /// Steps between windows along each axis.
        strides: Option<Vec<i64>> = None,
    }
}

impl QLinearConv {
    pub(crate) fn geometry(&self) -> ConvAttributes<'_> {
        conv_of!(self)
    }
}

impl Op for QLinearConv {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let shape = self.geometry().infer(cx, 0, 3)?;
        let dtype = if cx.has_input(7) { cx.dtype(7)? } else { cx.dtype(0)? };
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (shape, mut sums) = centered_conv(&self.geometry(), cx, (0, 2), (3, 5))?;
        let channels = shape.get(1).copied().unwrap_or(0);
        let plane = lehr_tensor::checked_len(shape.get(2..).unwrap_or_default())?.max(1);
        let channel_of = |at: usize| at / plane % channels.max(1);
        if let Some(bias) = cx.optional_tensor(8)? {
            check_shape(8, bias, &[channels])?;
            let bias = bias.to_i64s()?;
            sums.iter_mut().enumerate().for_each(|(at, sum)| *sum += bias[channel_of(at)]);
        }
        let dtype = cx.optional_tensor(7)?.map_or(cx.tensor(0)?.dtype(), |zero| zero.dtype());
        let range = integer_range(dtype).ok_or_else(|| OpError::input_type(7, "an integer type", dtype))?;
        let (x_scale, w_scale, y_scale) =
            (scales(cx, 1, 1)?[0], scales(cx, 4, channels)?, scales(cx, 6, 1)?[0]);
        let y_zero = cx.optional_tensor(7)?.map(|z| z.to_f64s()).transpose()?;
        let y_zero = y_zero.and_then(|z| z.first().copied()).unwrap_or(0.0);
        let factors: Vec<f32> = w_scale.iter().map(|&w| requantization_factor(x_scale, w, y_scale)).collect();
        let y = sums.iter().enumerate().map(|(at, &sum)| {
            let factor = if factors.len() == 1 { factors[0] } else { factors[channel_of(at)] };
            requantized(sum, factor, y_zero, range)
        });
        let y = integers(dtype, &shape, y.collect())?;
        cx.set(0, y);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        conv_cost(io, 3)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        conv_axes(io, 0, 3, self.group).with_values_along(io, 1, &[4, 5, 8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn scales_per_channel_and_bias() {
        let op = QLinearConv {
            auto_pad: AutoPad::NotSet,
            dilations: None,
            group: 1,
            kernel_shape: None,
            pads: None,
            strides: None,
        };
        // Sums 10, 20 | 30, 60; plus bias 2 | -10; times 0.5 · [1, 2] / 2; plus 3.
        Case::new(op)
            .input(Tensor::from_slice(&[1, 1, 2], &[11u8, 21]).unwrap())
            .input(Tensor::scalar(0.5f32))
            .input(Tensor::scalar(1u8))
            .input(Tensor::from_slice(&[2, 1, 1], &[1i8, 5]).unwrap())
            .input(Tensor::vector(vec![1f32, 2.]))
            .input(Tensor::vector(vec![0i8, 2]))
            .input(Tensor::scalar(2f32))
            .input(Tensor::scalar(3i8))
            .input(Tensor::vector(vec![2i32, -10]))
            .expect(Tensor::from_slice(&[1, 2, 2], &[6i8, 9, 13, 28]).unwrap());
    }
}
