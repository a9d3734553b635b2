//! `ConvInteger`: <https://onnx.ai/onnx/operators/onnx__ConvInteger.html>

use lehr_graph::{AxisMap, Cost, EvalCx, InferCx, Op, OpError, Signature, declare_op};
use lehr_tensor::{DataType, Tensor};

use crate::convolution::{ConvAttributes, conv_axes, conv_cost, conv_of};
use crate::operand::bounded_len;
use crate::quantization::{centered, zero_points};
use crate::window::AutoPad;

declare_op! {
    /// Convolution of 8-bit integers with 32-bit sums, each operand less its zero point (padding adds nothing).
    pub struct ConvInteger("", "ConvInteger", 10) inputs(2, 4) outputs(1, 1) flags() {
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

impl ConvInteger {
    pub(crate) fn geometry(&self) -> ConvAttributes<'_> {
        conv_of!(self)
    }
}

impl Op for ConvInteger {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let shape = self.geometry().infer(cx, 0, 1)?;
        cx.set_tensor(0, Some(DataType::I32), shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (shape, sums) = centered_conv(&self.geometry(), cx, (0, 2), (1, 3))?;
        let y: Vec<i32> = sums.into_iter().map(|s| s as i32).collect();
        cx.set(0, Tensor::from_vec(&shape, y)?);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        conv_cost(io, 1)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        conv_axes(io, 0, 1, self.group).with_values_along(io, 1, &[3])
    }
}

/// The convolution of two integer inputs less their zero points (`(input, zero point)`), and its shape. The zero points
/// of the weights may be one per output channel.
pub(crate) fn centered_conv(
    attributes: &ConvAttributes<'_>,
    cx: &EvalCx<'_>,
    (x, x_zero): (usize, usize),
    (w, w_zero): (usize, usize),
) -> Result<(Vec<usize>, Vec<i64>), OpError> {
    let (x_tensor, w_tensor) = (cx.tensor(x)?, cx.tensor(w)?);
    let conv = attributes.fit(x_tensor.shape(), w_tensor.shape())?;
    let shape = conv.output();
    bounded_len(cx, DataType::I32, &shape)?;
    let x_zero = zero_points(cx, x_zero, 1)?;
    let w_zero = zero_points(cx, w_zero, conv.out_channels)?;
    let x = centered(x_tensor.to_i64s()?, &x_zero);
    let w = centered(w_tensor.to_i64s()?, &w_zero);
    Ok((shape, conv.sums(&x, &w)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;

    #[test]
    fn padding_is_the_zero_point() {
        let op = ConvInteger {
            auto_pad: AutoPad::NotSet,
            dilations: None,
            group: 1,
            kernel_shape: None,
            pads: Some(vec![1, 1, 1, 1]),
            strides: None,
        };
        let x = Tensor::from_slice(&[1, 1, 3, 3], &[2u8, 3, 4, 5, 6, 7, 8, 9, 10]).unwrap();
        let w = Tensor::from_slice(&[1, 1, 2, 2], &[1u8; 4]).unwrap();
        let y = [1, 3, 5, 3, 5, 12, 16, 9, 11, 24, 28, 15, 7, 15, 17, 9];
        Case::new(op)
            .input(x)
            .input(w)
            .input(Tensor::scalar(1u8))
            .expect(Tensor::from_slice(&[1, 1, 4, 4], &y).unwrap());
    }
}
